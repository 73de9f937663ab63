//! Either side goes away and comes back at the same endpoint; the other finds it again, with its subscriptions.

use crate::common::{Library, Parts, Side, World, bounded, eventually, message};
use std::time::Duration;
use zmq::SocketType::{self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

/// Carries messages until one arrived that was sent after the call began.
type Exchange = fn(&mut Side, &mut Side, &Parts);

/// The first of a pair speaks first.
const PAIRS: [(SocketType, SocketType, Exchange); 9] = [
    (Push, Pull, push),
    (Pair, Pair, push),
    (Dealer, Dealer, push),
    (Req, Rep, request),
    (Dealer, Router, push_addressed),
    (Pub, Sub, push),
    (Pub, XSub, push),
    (XPub, Sub, push),
    (XPub, XSub, push),
];

#[test]
fn reconnect_tcp_we_bind() {
    bounded(|| come_and_go("tcp", Library::Ours));
}

#[test]
fn reconnect_tcp_we_connect() {
    bounded(|| come_and_go("tcp", Library::Theirs));
}

#[test]
fn reconnect_ipc_we_bind() {
    bounded(|| come_and_go("ipc", Library::Ours));
}

#[test]
fn reconnect_ipc_we_connect() {
    bounded(|| come_and_go("ipc", Library::Theirs));
}

fn come_and_go(transport: &str, binder: Library) {
    let world = World::new();
    for (first, second, exchange) in PAIRS {
        for first_is in Library::BOTH {
            println!("{first_is:?} {first} with {second} over {transport}, bound: {binder:?}");
            let first_binds = first_is == binder;
            let mut number = 0;
            let mut next = || {
                number += 1;
                message([b"topic", format!("{number}").as_bytes()])
            };
            let mut one = world.socket(first_is, first);
            let mut two = make_second(&world, first_is.other(), second);
            let endpoint = if first_binds {
                world.join(&mut one, &mut two, transport)
            } else {
                world.join(&mut two, &mut one, transport)
            };
            exchange(&mut one, &mut two, &next());
            for replaced_is_binder in [true, false, true] {
                println!(
                    "    again, with another {}",
                    if replaced_is_binder { "binder" } else { "connecter" }
                );
                // The old one is gone before the new one comes.
                if replaced_is_binder == first_binds {
                    drop(one);
                    notice_loss(&mut two, second);
                    one = world.socket(first_is, first);
                    enter(&mut one, &endpoint, first_binds);
                } else {
                    drop(two);
                    notice_loss(&mut one, first);
                    two = make_second(&world, first_is.other(), second);
                    enter(&mut two, &endpoint, !first_binds);
                }
                exchange(&mut one, &mut two, &next());
            }
        }
    }
}

/// A PAIR of libzmq that has not looked at its socket since its peer left turns the next one away for ever, and keeps
/// the connection nevertheless.
fn notice_loss(side: &mut Side, socket_type: SocketType) {
    if let (Side::Theirs(_), Pair) = (&side, socket_type) {
        while side.recv_within(Duration::from_millis(50)).is_some() {}
    }
}

fn make_second(world: &World, library: Library, socket_type: SocketType) -> Side {
    let mut side = world.socket(library, socket_type);
    if matches!(socket_type, Sub | XSub) {
        // More than the one that is used, so that all of them must come again. Longer ones: see `subscriptions::topics`.
        for topic in [&b"topic"[..], b"other", &[b't'; 245]] {
            side.subscribe(topic);
        }
    }
    side
}

fn enter(side: &mut Side, endpoint: &str, binds: bool) {
    if binds {
        side.bind_again(endpoint);
    } else {
        side.connect(endpoint);
    }
}

fn push(from: &mut Side, to: &mut Side, message: &Parts) {
    carry(from, to, message, |received| received == message);
}

fn push_addressed(from: &mut Side, to: &mut Side, message: &Parts) {
    carry(from, to, message, |received| received[1..] == message[..]);
}

/// What is sent while the peer is away may be lost with the old connection, so it is sent again.
fn carry(from: &mut Side, to: &mut Side, message: &Parts, arrived: impl Fn(&Parts) -> bool) {
    eventually("a message gets through", || {
        from.try_send(message);
        to.recv_within(Duration::from_millis(20)).filter(&arrived)
    });
}

fn request(req: &mut Side, rep: &mut Side, request: &Parts) {
    eventually("a request is answered", || {
        req.try_send(request);
        // Repeated requests queue up.
        while let Some(received) = rep.recv_within(Duration::from_millis(20)) {
            rep.send(&received);
        }
        req.recv_within(Duration::from_millis(20)).filter(|reply| reply == request)
    });
}
