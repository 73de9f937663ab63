//! One sends as fast as it can, the other receives: `throughput` and `multipart`.

use crate::Result;
use crate::measure::{Usage, now_ns, print_rate, seconds_since};
use crate::peer::{Peer, Side};
use crate::setup::Setup;
use zmq_patterns::{CanReceive, CanSend, kind};

pub fn run(setup: &Setup) -> Result<()> {
    match setup.args.arg.as_deref() {
        Some("pair") => receive::<kind::Pair>(setup),
        Some("dealer") => receive::<kind::Dealer>(setup),
        _ => receive::<kind::Pull>(setup),
    }
}

pub fn sender(setup: &Setup, side: Side) -> Result<()> {
    match setup.args.arg.as_deref() {
        Some("pair") => send::<kind::Pair>(setup, side),
        Some("dealer") => send::<kind::Dealer>(setup, side),
        _ => send::<kind::Push>(setup, side),
    }
}

fn frames(setup: &Setup) -> usize {
    if setup.args.mode == "multipart" { setup.args.number() } else { 1 }
}

fn receive<K: CanReceive>(setup: &Setup) -> Result<()> {
    let (size, count, frames) = (setup.args.size, setup.args.count, frames(setup));
    let mut socket = setup.socket::<K>()?;
    let endpoint = setup.bind(&mut socket)?;
    let peer = Peer::start(setup, "sender", &endpoint, "")?;

    let (mut started, mut message) = (0, zmq::Message::new());
    for number in 0..count {
        socket.recv_into(&mut message)?;
        if message.len() != frames || message.iter().any(|frame| frame.len() != size) {
            return Err(format!(
                "message {number} is wrong: {} bytes in {} frames",
                message.size(),
                message.len()
            )
            .into());
        }
        if number == 0 {
            started = now_ns();
        }
    }
    let seconds = seconds_since(started);
    let there = peer.finish()?;
    print_rate(count - 1, size * frames, seconds, Usage::of_this_process(), there, "");
    Ok(())
}

fn send<K: CanSend>(setup: &Setup, side: Side) -> Result<()> {
    let (payload, frames) = (setup.payload(), frames(setup));
    let mut socket = setup.socket::<K>()?;
    socket.connect_to(&side.endpoint)?;
    for _ in 0..setup.args.count {
        if frames == 1 {
            socket.send(payload.frame())?;
        } else {
            let parts: Vec<_> = (0..frames).map(|_| payload.frame()).collect();
            socket.send(parts)?;
        }
    }
    side.wait_for_end();
    Ok(())
}
