//! Hello World server: expects "Hello" from clients, replies with "World".
//!
//! `hwserver [ENDPOINT] [--work=MS] [--requests=N] [--connect] [--quiet]`

use std::io::Write;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(mut args: Args, out: &mut dyn Write) -> Result {
    let endpoint = args.endpoint("tcp://*:5555");
    let work = args.millis("work", 1000)?;
    let requests = args.number("requests")?.unwrap_or(u64::MAX);
    let connect = args.flag("connect");
    let quiet = args.flag("quiet");
    args.finish()?;

    // A REP socket takes requests from any number of clients, one after the other.
    let mut responder = zmq::Rep::new()?;
    if connect {
        // As a worker behind the `broker`. Which side binds and which one connects does not matter to the sockets.
        responder.connect_to(&endpoint)?;
    } else {
        let bound = responder.bind_to(&endpoint)?;
        args.announce(&bound, out)?;
    }

    for _ in 0..requests {
        // Wait for the next request. With it comes the right to send one reply.
        let (request, reply) = responder.recv_request()?;
        if !quiet {
            writeln!(out, "Received {}", request.as_str()?)?;
        }
        // Do some "work".
        std::thread::sleep(work);
        reply.send("World")?;
    }
    Ok(())
}
