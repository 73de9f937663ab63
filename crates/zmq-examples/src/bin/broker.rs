//! Request broker: clients connect to one side, workers to the other, and none of them knows any of the others.
//!
//! `broker [FRONTEND_ENDPOINT] [BACKEND_ENDPOINT]`, then for example
//! `hwserver tcp://localhost:5560 --connect` (one or more) and `hwclient tcp://localhost:5559`

use zmq::{AnySocket, Options, SocketType};
use zmq_examples::{Args, Result};

fn main() -> Result {
    let mut args = Args::from_env();
    let frontend_endpoint = args.endpoint("tcp://*:5559");
    let backend_endpoint = args.endpoint("tcp://*:5560");
    args.finish()?;

    // The proxy works with sockets of any type, which is why their type is not part of their Rust type here.
    let context = zmq::context()?;
    // The ROUTER remembers in each request which client it came from...
    let mut frontend = AnySocket::new(&context, SocketType::Router, Options::default())?;
    // ...and the DEALER gives the requests to the workers in turn.
    let mut backend = AnySocket::new(&context, SocketType::Dealer, Options::default())?;
    let out = &mut std::io::stdout();
    args.announce(&frontend.bind(frontend_endpoint)?, out)?;
    args.announce(&backend.bind(backend_endpoint)?, out)?;

    // Passes messages both ways for ever.
    zmq::proxy(&mut frontend, &mut backend)?;
    Ok(())
}
