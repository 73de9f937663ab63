//! Heartbeats keep a connection that is idle, whichever library sends them.

use crate::common::{Library, Side, TRANSPORTS, World, bounded, message, options};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use zmq::Options;
use zmq::SocketType::Dealer;

/// Longer than any timeout, and many intervals; the timeouts are long enough for a machine that is busy.
const IDLE: Duration = Duration::from_millis(1500);
/// A pause of the whole machine after which a heartbeat may be missed; the timeouts are 1 s.
const LATE: Duration = Duration::from_millis(400);

#[test]
fn idle_connections_stay() {
    bounded(|| {
        for attempt in 1.. {
            let (lost, pause) = stay_all();
            // Who was not let run for longer than it takes to miss every beat proves nothing.
            if pause < LATE || attempt == 5 {
                assert!(lost.is_empty(), "{lost:#?}, while the longest pause was {pause:?}");
                return;
            }
            println!("again: the machine paused for {pause:?}");
        }
    });
}

/// Which connections were lost, and how long the machine had no time for this process.
fn stay_all() -> (Vec<String>, Duration) {
    let mut cases = Vec::new();
    for (theirs, ours) in [(true, false), (false, true), (true, true)] {
        for transport in TRANSPORTS {
            for binder in Library::BOTH {
                cases.push((theirs, ours, transport, binder));
            }
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let over = over.clone();
        move || longest_pause(&over)
    });
    // All of them idle at once.
    let idle = cases.into_iter().map(|case| std::thread::spawn(move || stay(case)));
    let lost =
        idle.collect::<Vec<_>>().into_iter().filter_map(|thread| thread.join().unwrap().err()).collect();
    over.store(true, Ordering::Relaxed);
    (lost, watch.join().unwrap())
}

/// The longest time between two moments in which this thread ran, though it wanted to.
fn longest_pause(over: &AtomicBool) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    longest
}

/// Error: what became of the connection instead.
fn stay(case: (bool, bool, &str, Library)) -> Result<(), String> {
    let (theirs, ours, transport, binder) = case;
    let world = World::new();
    let mut our = world.ours(Dealer, if ours { beating() } else { options() });
    let Side::Ours(socket) = &mut our else { unreachable!() };
    let monitor = socket.monitor().unwrap();
    let socket = world.theirs(Dealer);
    if theirs {
        socket.set_heartbeat_ivl(50).unwrap();
        socket.set_heartbeat_timeout(1000).unwrap();
        socket.set_heartbeat_ttl(1000).unwrap();
    }
    let mut their = Side::Theirs(socket);
    match binder {
        Library::Ours => world.join(&mut our, &mut their, transport),
        Library::Theirs => world.join(&mut their, &mut our, transport),
    };
    exchange(&mut our, &mut their);
    // The application is away: the background answers.
    std::thread::sleep(IDLE);
    exchange(&mut our, &mut their);
    // The application waits: it answers itself.
    assert_eq!(our.recv_within(IDLE), None);
    exchange(&mut our, &mut their);
    let Side::Ours(socket) = &mut our else { unreachable!() };
    let stats = socket.stats();
    drop(our);
    let events: Vec<_> = monitor.collect();
    // Both sides have something to show for it: a PING or a PONG each way in every interval.
    assert!(stats.bytes_sent > 200 && stats.bytes_received > 200, "{case:?} {stats:?}");
    let stayed = (stats.connections, stats.reconnects) == (1, 0);
    if stayed { Ok(()) } else { Err(format!("{case:?} {events:?}")) }
}

fn beating() -> Options {
    let mut options = options();
    options.heartbeat_interval = Some(Duration::from_millis(50));
    options.heartbeat_timeout = Some(Duration::from_millis(1000));
    options.heartbeat_ttl = Some(Duration::from_millis(1000));
    options
}

fn exchange(one: &mut Side, two: &mut Side) {
    one.send(&message([b"ping"]));
    assert_eq!(two.recv(), message([b"ping"]));
    two.send(&message([b"pong"]));
    assert_eq!(one.recv(), message([b"pong"]));
}
