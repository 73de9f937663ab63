//! One message goes to and fro.

use crate::Result;
use crate::measure::{Usage, now_ns, print_latency, seconds_since};
use crate::peer::{Peer, Side};
use crate::setup::Setup;
use zmq::{Message, Poller};
use zmq_patterns::{CanReceive, CanSend, kind};

pub fn run(setup: &Setup) -> Result<()> {
    match setup.args.arg.as_deref() {
        Some("pair") => measure::<kind::Pair>(setup),
        Some("dealer") => measure::<kind::Dealer>(setup),
        _ => measure::<kind::Req>(setup),
    }
}

pub fn echo(setup: &Setup, side: Side) -> Result<()> {
    match setup.args.arg.as_deref() {
        Some("pair") => answer::<kind::Pair>(setup, side),
        Some("dealer") => answer::<kind::Dealer>(setup, side),
        _ => answer::<kind::Rep>(setup, side),
    }
}

fn warm_up(setup: &Setup) -> u64 {
    setup.args.count / 10 + 100
}

/// How an end waits for its message.
struct Waiting {
    poller: Option<Poller>,
    idle: Vec<zmq::Socket<kind::Pull>>,
}

impl Waiting {
    fn new<K: CanReceive>(setup: &Setup, socket: &mut zmq::Socket<K>) -> Result<Waiting> {
        let mut waiting = Waiting { poller: None, idle: Vec::new() };
        let Some(idle) = setup.args.poller else { return Ok(waiting) };
        let mut poller = Poller::new()?;
        poller.add(socket, 0)?;
        for key in 1..=idle {
            let mut other = setup.socket::<kind::Pull>()?;
            setup.bind(&mut other)?;
            poller.add(&mut other, key)?;
            waiting.idle.push(other);
        }
        waiting.poller = Some(poller);
        Ok(waiting)
    }

    fn receive<K: CanReceive>(&mut self, socket: &mut zmq::Socket<K>) -> Result<Message> {
        let Some(poller) = &mut self.poller else { return Ok(socket.recv()?) };
        poller.wait(None)?;
        Ok(socket.try_recv()?)
    }
}

fn measure<K: CanSend + CanReceive>(setup: &Setup) -> Result<()> {
    let (payload, count, warm_up) = (setup.payload(), setup.args.count, warm_up(setup));
    let mut socket = setup.socket::<K>()?;
    let endpoint = setup.bind(&mut socket)?;
    let peer = Peer::start(setup, "echo", &endpoint, "")?;

    let mut waiting = Waiting::new(setup, &mut socket)?;
    let mut samples = Vec::with_capacity(count as usize);
    let before = Usage::of_this_process();
    let mut started = 0;
    for number in 0..warm_up + count {
        if number == warm_up {
            started = now_ns();
        }
        let sent = now_ns();
        socket.send(payload.frame())?;
        let message = waiting.receive(&mut socket)?;
        if number >= warm_up {
            samples.push(now_ns() - sent);
        }
        if message.size() != setup.args.size {
            return Err("the answer is wrong".into());
        }
    }
    let mean_us = seconds_since(started) * 1e6 / count as f64;
    let here = Usage::of_this_process() - before;
    let there = peer.finish()?;
    let all = (warm_up + count) as f64;
    let cpu_us = (here.cpu() + there.cpu()) * 1e6 / all;
    print_latency(&mut samples, mean_us, cpu_us, (here.switches + there.switches) as f64 / all);
    Ok(())
}

fn answer<K: CanSend + CanReceive>(setup: &Setup, side: Side) -> Result<()> {
    let mut socket = setup.socket::<K>()?;
    socket.connect_to(&side.endpoint)?;
    let mut waiting = Waiting::new(setup, &mut socket)?;
    for _ in 0..warm_up(setup) + setup.args.count {
        let message = waiting.receive(&mut socket)?;
        socket.send(message)?;
    }
    side.wait_for_end();
    Ok(())
}
