//! Watches what happens to the connections of a socket: a client comes, talks, and goes.
//!
//! `monitor`

use std::time::Duration;
use zmq::Event;

fn main() -> zmq::Result<()> {
    let mut server = zmq::Rep::new()?;
    // Events from now on; so ask before you bind.
    let mut monitor = server.monitor()?;
    let endpoint = server.bind_to("tcp://127.0.0.1:*")?;

    let client = std::thread::spawn(move || -> zmq::Result<()> {
        let mut client = zmq::Req::builder().routing_id("alice").connect(&endpoint)?;
        client.request_timeout("Hello", Duration::from_secs(5))?;
        Ok(())
    });
    let (_, reply) = server.recv_request()?;
    reply.send("World")?;
    let _ = client.join();

    // Events wait in a bounded queue until they are taken.
    while let Some(event) = monitor.next_timeout(Some(Duration::from_secs(2))) {
        match event {
            Event::Listening { endpoint } => println!("listening on {endpoint}"),
            Event::Accepted { peer, .. } => println!("{peer} connected"),
            Event::HandshakeSucceeded { peer, .. } => {
                let kind = peer.socket_type.map_or("a peer".to_owned(), |kind| kind.to_string());
                println!("{} is {kind} {:?}", peer.address, String::from_utf8_lossy(&peer.routing_id));
            }
            Event::Disconnected { peer, reason, .. } => {
                println!("{} has gone: {reason}", peer.address);
                break;
            }
            other => println!("{other:?}"),
        }
    }
    println!("{:?}", server.stats());
    Ok(())
}
