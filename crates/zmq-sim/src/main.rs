//! Runs seeds: `zmq-sim [COUNT] [--from SEED]` runs so many and says what they saw; `zmq-sim --seed SEED` runs one and
//! prints everything that happens in it.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;
use zmq_sim::{Failure, Plan, Report, run};

const USAGE: &str = "usage: zmq-sim [COUNT] [--from SEED] | zmq-sim --seed SEED";

struct Order {
    first: u64,
    count: u64,
    print: bool,
}

fn main() -> ExitCode {
    let Some(order) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if order.print {
        println!("{:#?}", Plan::of(order.first));
    }
    let (started, mut total, mut failed) = (Instant::now(), Report::default(), 0);
    for seed in order.first..order.first.saturating_add(order.count) {
        match run_one(seed, order.print) {
            Ok(report) => add(&mut total, &report),
            Err(failure) => {
                eprintln!("{failure}");
                failed += 1;
            }
        }
    }
    let Report { received, garbled, bytes, dropped, faults, reconnects, elapsed, digest: _ } = total;
    println!(
        "{} seeds from {}, {failed} failed: {received} messages received, {garbled} damaged, {dropped} copies lost, \
         {bytes} bytes sent, {faults} faults, {reconnects} reconnects, {:.0} s of virtual time in {:.1} s",
        order.count,
        order.first,
        elapsed.as_secs_f64(),
        started.elapsed().as_secs_f64(),
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Order> {
    let mut order = Order { first: 0, count: 1000, print: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--from" => order.first = arguments.next()?.parse().ok()?,
            "--seed" => order = Order { first: arguments.next()?.parse().ok()?, count: 1, print: true },
            count => order.count = count.parse().ok()?,
        }
    }
    Some(order)
}

/// A panic is a failure like others: it is to be replayed too.
fn run_one(seed: u64, print: bool) -> Result<Report, Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| run(&Plan::of(seed), print)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("see above");
        Err(Failure { seed, what: format!("a panic: {text}") })
    })
}

fn add(total: &mut Report, one: &Report) {
    total.received += one.received;
    total.garbled += one.garbled;
    total.bytes += one.bytes;
    total.dropped += one.dropped;
    total.faults += one.faults;
    total.reconnects += one.reconnects;
    total.elapsed += one.elapsed;
}
