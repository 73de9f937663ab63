//! Task worker: takes tasks from the ventilator, does them, and reports to the sink.
//!
//! `taskwork [VENTILATOR_ENDPOINT] [SINK_ENDPOINT]`

use std::io::Write;
use std::time::Duration;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let ventilator_endpoint = args.value("tcp://localhost:5557");
    let sink_endpoint = args.value("tcp://localhost:5558");
    args.finish()?;

    // Socket to receive tasks on, and one to send results to.
    let mut receiver = zmq::Pull::connect(&ventilator_endpoint)?;
    let mut sender = zmq::Push::connect(&sink_endpoint)?;

    // Process tasks for ever.
    loop {
        let task = receiver.recv()?;
        let workload = task.as_str()?;
        // Show progress.
        write!(out, "{workload}.")?;
        out.flush()?;
        // Do the work, and send an empty message as its result.
        std::thread::sleep(Duration::from_millis(workload.parse()?));
        sender.send("")?;
    }
}
