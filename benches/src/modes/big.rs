//! One message, as large as can be.

use crate::Result;
use crate::measure::{Usage, now_ns};
use crate::peer::{Peer, Side};
use crate::setup::Setup;
use std::time::Duration;
use zmq_patterns::kind;

pub fn sender(setup: &Setup, side: Side) -> Result<()> {
    let mut socket = setup.socket::<kind::Push>()?;
    socket.connect_to(&side.endpoint)?;
    socket.send("go")?;
    let message = zmq::Message::from(vec![b'b'; setup.args.size]);
    std::thread::sleep(Duration::from_millis(200));
    side.say(&now_ns().to_string())?;
    socket.send(message)?;
    side.wait_for_end();
    Ok(())
}

pub fn run(setup: &Setup) -> Result<()> {
    let mut socket = setup.socket::<kind::Pull>()?;
    let endpoint = setup.bind(&mut socket)?;
    let mut peer = Peer::start(setup, "big", &endpoint, "")?;
    socket.recv()?;
    let message = socket.recv()?;
    let ended = now_ns();
    if message.size() != setup.args.size {
        return Err("the message is wrong".into());
    }
    let started: u64 = peer.line()?.parse()?;
    let there = peer.finish()?;
    let here = Usage::of_this_process();
    let seconds = (ended - started) as f64 / 1e9;
    println!(
        "{seconds:.4} {:.1} {:.3} {:.3} recv_maxrss_mb={:.1} send_maxrss_mb={:.1}",
        setup.args.size as f64 / seconds / 1e6,
        here.user + there.user,
        here.system + there.system,
        here.max_rss_mb,
        there.max_rss_mb
    );
    Ok(())
}
