//! Hello World client: sends "Hello" to the server, expects "World" back.
//!
//! `hwclient [ENDPOINT] [--requests=N] [--quiet]`

use std::io::Write;
use std::time::Instant;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let endpoint = args.endpoint("tcp://localhost:5555");
    let requests = args.number("requests")?.unwrap_or(10);
    let quiet = args.flag("quiet");
    args.finish()?;

    writeln!(out, "Connecting to hello world server…")?;
    // This returns at once. If the server is not there yet, the first request waits for it.
    let mut requester = zmq::Req::connect(&endpoint)?;

    let started = Instant::now();
    for number in 0..requests {
        if !quiet {
            writeln!(out, "Sending Hello {number}…")?;
        }
        let reply = requester.request("Hello")?;
        if reply.as_str() != Ok("World") {
            return Err(format!("the reply was {reply:?}").into());
        }
        if !quiet {
            writeln!(out, "Received World {number}")?;
        }
    }
    if quiet {
        writeln!(out, "{requests} replies in {} us", started.elapsed().as_micros())?;
    }
    Ok(())
}
