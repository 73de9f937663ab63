//! The Guide's ventilator, workers and sink; a worker is a thread that sleeps as long as its task says.

use crate::Result;
use crate::measure::{Random, Usage, now_ns, seconds_since};
use crate::setup::Setup;
use std::time::Duration;
use zmq_patterns::kind;

fn work(setup: &Setup, tasks: &str, results: &str) -> Result<()> {
    let (mut tasks_in, mut results_out) = (setup.socket::<kind::Pull>()?, setup.socket::<kind::Push>()?);
    tasks_in.connect_to(tasks)?;
    results_out.connect_to(results)?;
    loop {
        let task: i64 = tasks_in.recv()?.as_str()?.parse()?;
        // A negative time ends the work.
        let Ok(milliseconds) = task.try_into() else { return Ok(()) };
        std::thread::sleep(Duration::from_millis(milliseconds));
        results_out.send("")?;
    }
}

pub fn run(setup: &Setup) -> Result<()> {
    let workers = setup.args.number();
    let (mut ventilator, mut sink) = (setup.socket::<kind::Push>()?, setup.socket::<kind::Pull>()?);
    let (tasks, results) = (setup.bind(&mut ventilator)?, setup.bind(&mut sink)?);
    let start = |_| {
        let (setup, tasks, results) = (setup.clone(), tasks.clone(), results.clone());
        std::thread::spawn(move || work(&setup, &tasks, &results).map_err(|error| error.to_string()))
    };
    let threads: Vec<_> = (0..workers).map(start).collect();
    std::thread::sleep(Duration::from_millis(300));

    let before = Usage::of_this_process();
    let mut random = Random::new();
    let mut in_turn = vec![0; workers];
    let started = now_ns();
    for number in 0..setup.args.count as usize {
        let milliseconds = random.below(100) + 1;
        in_turn[number % workers] += u64::from(milliseconds);
        ventilator.send(milliseconds.to_string())?;
    }
    for _ in 0..setup.args.count {
        sink.recv()?;
    }
    let seconds = seconds_since(started);
    let usage = Usage::of_this_process() - before;

    for _ in 0..workers {
        ventilator.send("-1")?;
    }
    for thread in threads {
        thread.join().map_err(|_| "a worker panicked")??;
    }
    let ideal = in_turn.iter().sum::<u64>() as f64 / 1e3 / workers as f64;
    let bound = in_turn.iter().max().copied().unwrap_or(0) as f64 / 1e3;
    println!("{seconds:.4} {ideal:.4} {:.4} {:.4} round_robin_bound_s={bound:.4}", usage.user, usage.system);
    Ok(())
}
