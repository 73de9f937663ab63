//! The Guide's weather service: a station publishes updates for all zip codes, each listener wants one.

use super::publish::probe_until_go;
use crate::Result;
use crate::measure::{Random, Usage, now_ns};
use crate::peer::{Peer, Side};
use crate::setup::Setup;
use std::fmt::Write;
use zmq_patterns::kind;

const BIND: &str = "tcp://*:5556";
const CONNECT: &str = "tcp://localhost:5556";

/// Says when it began and how many seconds it took.
pub fn station(setup: &Setup, side: Side) -> Result<()> {
    let mut socket = setup.socket::<kind::Pub>()?;
    socket.bind_to(BIND)?;
    side.say("BOUND")?;
    probe_until_go(&mut socket, &side)?;
    let mut random = Random::new();
    let mut update = String::new();
    let started = now_ns();
    for _ in 0..setup.args.count {
        let zip = random.below(100_000);
        let temperature = random.below(215) as i32 - 80;
        let humidity = random.below(50) + 10;
        update.clear();
        write!(update, "{zip:05} {temperature} {humidity}")?;
        socket.send(&update)?;
    }
    socket.send("END")?;
    let ended = now_ns();
    side.say(&format!("{started} {:.6}", (ended - started) as f64 / 1e9))?;
    side.wait_for_end();
    Ok(())
}

/// Says that it is there; at the end says when that was, how many updates came, and what they cost.
pub fn listener(setup: &Setup, side: Side) -> Result<()> {
    let mut socket = setup.socket::<kind::Sub>()?;
    socket.subscribe(&side.extra)?;
    socket.subscribe("END")?;
    socket.subscribe("~")?;
    socket.connect_to(&side.endpoint)?;
    let mut before = None;
    let (mut updates, mut total) = (0, 0);
    let mut message = zmq::Message::new();
    loop {
        socket.recv_into(&mut message)?;
        match message.body().first() {
            Some(b'~') => {
                if before.is_none() {
                    before = Some(Usage::of_this_process());
                    side.say("READY")?;
                }
                continue;
            }
            Some(b'E') => break,
            _ => {}
        }
        let mut numbers = message.as_str()?.split(' ').map(str::parse::<i64>);
        total += numbers.nth(1).ok_or("an update without temperature")??;
        updates += 1;
    }
    std::hint::black_box(total);
    let ended = now_ns();
    let usage = Usage::of_this_process() - before.unwrap_or_default();
    side.say(&format!("{ended} {updates} {:.6} {:.6}", usage.user, usage.system))?;
    side.wait_for_end();
    Ok(())
}

pub fn run(setup: &Setup) -> Result<()> {
    let mut station = Peer::start(setup, "station", "", "")?;
    station.line()?;
    let mut listeners = Vec::new();
    for number in 0..setup.args.number() {
        let zip = format!("{:05} ", 10_001 + number * 1000);
        let mut listener = Peer::start(setup, "listener", CONNECT, &zip)?;
        listener.line()?;
        listeners.push(listener);
    }
    station.go()?;
    let said = station.line()?;
    let (started, loop_seconds) = said.split_once(' ').ok_or("the station does not make sense")?;
    let started: u64 = started.parse()?;
    let (mut ended, mut updates, mut user, mut system) = (0, 0, 0.0, 0.0);
    for listener in &mut listeners {
        let said = listener.line()?;
        let [end, got, used, used_system] = said.split(' ').collect::<Vec<_>>()[..] else {
            return Err("a listener does not make sense".into());
        };
        ended = ended.max(end.parse::<u64>()?);
        updates += got.parse::<u64>()?;
        user += used.parse::<f64>()?;
        system += used_system.parse::<f64>()?;
    }
    let usage = station.finish()?;
    let count = listeners.len() as f64;
    for listener in listeners {
        listener.finish()?;
    }
    let seconds = (ended - started) as f64 / 1e9;
    println!(
        "{seconds:.4} {:.1} {:.3} {:.3} pub_loop_s={loop_seconds} updates={updates} sub_user_each={:.6} sub_sys_each={:.6}",
        setup.args.count as f64 / seconds,
        usage.user,
        usage.system,
        user / count,
        system / count
    );
    Ok(())
}
