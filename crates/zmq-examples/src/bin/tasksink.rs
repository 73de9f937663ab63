//! Task sink: collects the results of the workers and tells how long the batch took.
//!
//! `tasksink [ENDPOINT] [--tasks=N]`

use std::io::Write;
use std::time::Instant;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let endpoint = args.endpoint("tcp://*:5558");
    let tasks = args.number("tasks")?.unwrap_or(100);
    args.finish()?;

    let mut receiver = zmq::Pull::new()?;
    let bound = receiver.bind_to(&endpoint)?;
    args.announce(&bound, out)?;

    // Wait for the start of the batch, which the ventilator signals.
    let start = receiver.recv()?;
    if start.as_str() != Ok("0") {
        return Err(format!("the batch began with {start:?}").into());
    }
    let started = Instant::now();

    // Process so many results.
    for number in 0..tasks {
        receiver.recv()?;
        write!(out, "{}", if number % 10 == 0 { ":" } else { "." })?;
        out.flush()?;
    }
    writeln!(out, "Total elapsed time: {} msec", started.elapsed().as_millis())?;
    Ok(())
}
