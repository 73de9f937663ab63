//! Task ventilator: sends a batch of 100 tasks to the workers, whoever they are and wherever.
//!
//! `taskvent [ENDPOINT] [SINK_ENDPOINT] [--workers=N] [--tasks=N] [--seed=N]`
//!
//! It asks for the Enter key when the workers are ready, as the Guide's does; with `--workers=N` it waits for so many.

use std::io::Write;
use std::time::{Duration, Instant};
use zmq_examples::{Args, Random, Result};

const LONGEST_TASK: u32 = 100;

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let endpoint = args.endpoint("tcp://*:5557");
    let sink_endpoint = args.value("tcp://localhost:5558");
    let workers = args.number("workers")?;
    let tasks = args.number("tasks")?.unwrap_or(100);
    let mut random = Random::new(args.number("seed")?);
    args.finish()?;

    // Socket to send tasks on, and one to tell the sink that a batch starts.
    let mut sender = zmq::Push::builder().linger(Duration::from_secs(10)).build()?;
    let bound = sender.bind_to(&endpoint)?;
    args.announce(&bound, out)?;
    let mut sink = zmq::Push::connect(&sink_endpoint)?;

    // Tasks go to the workers in turn. If we began when the first is there, it would get them all.
    if let Some(workers) = workers {
        wait_for(&mut sender, workers)?;
    } else {
        write!(out, "Press Enter when the workers are ready: ")?;
        out.flush()?;
        std::io::stdin().read_line(&mut String::new())?;
    }
    // The sink must hear of the batch before it hears of results.
    wait_for(&mut sink, 1)?;
    writeln!(out, "Sending tasks to workers…")?;

    // The first message is "0" and signals the start of the batch.
    sink.send("0")?;
    let mut total = 0;
    for _ in 0..tasks {
        // Random workload from 1 to 100 ms.
        let workload = random.below(LONGEST_TASK) + 1;
        total += workload;
        sender.send(workload.to_string())?;
    }
    writeln!(out, "Total expected cost: {total} msec")?;
    Ok(())
}

/// Waits until the socket has so many connections.
fn wait_for(socket: &mut zmq::Push, peers: u64) -> Result {
    let deadline = Instant::now() + Duration::from_secs(20);
    while socket.stats().connections < peers {
        if Instant::now() > deadline {
            return Err(format!("{} of {peers} peers came", socket.stats().connections).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
