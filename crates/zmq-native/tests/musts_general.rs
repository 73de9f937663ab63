//! The general MUSTs, G1 to G5 and G7, over every transport.

mod common;

use common::*;
use zmq::{Error, Event, Message, SocketType};

/// Each type with one that it may talk to.
const MATES: [(SocketType, SocketType); 11] = {
    use SocketType::*;
    [
        (Pair, Pair),
        (Pub, Sub),
        (Sub, Pub),
        (Req, Rep),
        (Rep, Req),
        (Dealer, Router),
        (Router, Dealer),
        (Pull, Push),
        (Push, Pull),
        (XPub, XSub),
        (XSub, XPub),
    ]
};

#[test]
fn g1_every_type_binds_and_connects_many_times_in_any_order() {
    for_each_transport(|endpoint| {
        for (kind, mate) in MATES {
            let mut ours = socket(kind);
            let places = [ours.bind(endpoint).unwrap(), ours.bind(endpoint).unwrap()];
            let early = reserve(endpoint);
            let mut mates = [socket(mate), socket(mate), socket(mate)];
            if kind == SocketType::Pair {
                // One peer, by whichever of the ways.
                mates[0].connect(&places[1]).unwrap();
                until("a PAIR has its peer", || ours.stats().connections == 1);
                continue;
            }
            ours.connect(&early).unwrap();
            mates[0].connect(&places[0]).unwrap();
            mates[1].connect(&places[1]).unwrap();
            bind_again(&mut mates[2], &early);
            until("all are connected", || ours.stats().connections == 3);
            for mate in &mut mates {
                until("the mate is connected", || mate.stats().connections == 1);
            }
        }
    });
}

#[test]
fn g2_connect_returns_before_there_is_anybody() {
    for_each_transport(|endpoint| {
        for (kind, mate) in MATES {
            let place = reserve(endpoint);
            let mut ours = socket(kind);
            ours.connect(&place).unwrap();
            let mut mate = socket(mate);
            bind_again(&mut mate, &place);
            until("they are connected", || ours.stats().connections == 1 && mate.stats().connections == 1);
        }
    });
}

#[test]
fn g2_a_lost_connection_is_made_again_until_disconnect() {
    for_each_wire(|endpoint| {
        for (kind, mate) in MATES {
            let mut ours = socket(kind);
            let mut theirs = socket(mate);
            let place = join(&mut ours, &mut theirs, endpoint, Side::Connected);
            for reconnects in 1..3 {
                drop(theirs);
                theirs = socket(mate);
                bind_again(&mut theirs, &place);
                until("it reconnects", || ours.stats().reconnects == reconnects);
            }
            ours.disconnect(&place).unwrap();
            drop(theirs);
            let mut last = socket(mate);
            bind_again(&mut last, &place);
            assert!(last.recv_timeout(SHORT).is_err());
            assert_eq!(last.stats().connections, 0, "{kind}");
            assert!(matches!(ours.disconnect(&place), Err(Error::UnknownEndpoint { .. })));
        }
    });
}

/// What was sent before is still received; nothing goes either way after it.
#[test]
fn g2_disconnect_ends_a_connection_in_the_process() {
    for late in [false, true] {
        for (kind, mate) in MATES {
            let (mut ours, mut theirs) = (socket(kind), socket(mate));
            let place = format!("inproc://parted-{kind}-{late}");
            if late {
                ours.connect(&place).unwrap();
                theirs.bind(&place).unwrap();
            } else {
                theirs.bind(&place).unwrap();
                ours.connect(&place).unwrap();
            }
            until("they are connected", || ours.stats().connections == 1 && theirs.stats().connections == 1);
            let first = Message::from("first");
            let sends =
                !matches!(kind, SocketType::Sub | SocketType::XSub | SocketType::Rep | SocketType::Pull);
            let sent = sends && kind != SocketType::Router && ours.try_send(first).is_ok();
            ours.disconnect(&place).unwrap();
            assert!(matches!(ours.disconnect(&place), Err(Error::UnknownEndpoint { .. })));
            if sent && !matches!(kind, SocketType::Pub | SocketType::XPub) {
                theirs.recv_timeout(LONG).unwrap();
            }
            assert!(ours.recv_timeout(SHORT).is_err());
            assert!(!ours.readiness().unwrap().writable || !waits_for_peers(kind), "{kind}");
            assert!(!theirs.readiness().unwrap().writable || !waits_for_peers(mate), "{mate}");
            // Both are free for others, also a PAIR.
            let mut other = socket(mate);
            other.bind(format!("{place}-again")).unwrap();
            ours.connect(format!("{place}-again")).unwrap();
            until("it is connected again", || {
                ours.stats().connections == 2 && other.stats().connections == 1
            });
        }
    }
}

/// Whether a socket of this type can send only while it has a peer.
fn waits_for_peers(kind: SocketType) -> bool {
    use SocketType::{Dealer, Pair, Push, Req};
    matches!(kind, Dealer | Pair | Push | Req)
}

#[test]
fn g3_a_message_of_many_frames_is_whole() {
    for_each_transport(|endpoint| {
        let (mut push, mut pull) =
            (socket(SocketType::Push), socket_with(SocketType::Pull, |o| o.recv_hwm = 3));
        join(&mut push, &mut pull, endpoint, Side::Connected);
        let sender = std::thread::spawn(move || {
            for number in 1..500usize {
                let frames = (0..number % 40 + 1).map(|index| vec![number as u8; index * 37 % 400]);
                push.send_timeout(frames.collect::<Vec<_>>(), LONG).unwrap();
            }
            push
        });
        for number in 1..500usize {
            let message = receive(&mut pull);
            assert_eq!(message.len(), number % 40 + 1);
            for (index, frame) in message.iter().enumerate() {
                assert_eq!(*frame, vec![number as u8; index * 37 % 400]);
            }
        }
        drop(sender.join().unwrap());
    });
}

#[test]
fn g3_half_a_message_is_not_delivered() {
    for_each_wire(|endpoint| {
        let mut pull = socket(SocketType::Pull);
        let place = pull.bind(endpoint).unwrap();
        let mut monitor = pull.monitor().unwrap();
        let mut half = Raw::connect(&place, "PUSH");
        half.frame(1, b"first");
        half.write(&[0, 9]);
        half.write(b"sec");
        drop(half);
        until("it has gone", || {
            matches!(monitor.next_timeout(Some(SHORT)), Some(Event::Disconnected { .. }))
        });
        let mut whole = Raw::connect(&place, "PUSH");
        whole.frame(1, b"one");
        whole.frame(0, b"two");
        assert_eq!(receive(&mut pull), ["one", "two"].into());
        expect_nothing(&mut pull);
    });
}

#[test]
fn g4_each_pair_of_peers_in_order_and_once() {
    for_each_transport(|endpoint| {
        let mut pull = socket_with(SocketType::Pull, |options| options.recv_hwm = 7);
        let place = pull.bind(endpoint).unwrap();
        let senders: Vec<_> = (0..3u8)
            .map(|name| {
                let mut push = socket_with(SocketType::Push, |options| options.send_hwm = 5);
                push.connect(&place).unwrap();
                std::thread::spawn(move || {
                    for number in 0..3000u32 {
                        push.send_timeout(([name], number.to_be_bytes()), LONG).unwrap();
                    }
                    push
                })
            })
            .collect();
        let mut next = [0u32; 3];
        for _ in 0..9000 {
            let message = receive(&mut pull);
            let name = usize::from(message[0][0]);
            assert_eq!(message[1], next[name].to_be_bytes());
            next[name] += 1;
        }
        expect_nothing(&mut pull);
        senders.into_iter().for_each(|sender| drop(sender.join().unwrap()));
    });
}

#[test]
fn g5_types_that_do_not_fit_never_meet_inproc() {
    for ours in SocketType::ALL {
        for theirs in SocketType::ALL.into_iter().filter(|theirs| !ours.is_compatible(*theirs)) {
            let (mut bound, mut connecting) = (socket(theirs), socket(ours));
            let place = bound.bind("inproc://*").unwrap();
            let refused = connecting.connect(&place);
            assert_eq!(refused, Err(Error::IncompatiblePeer { ours, theirs }));
            // The one that waits gets nothing; and the refusal left no trace.
            let early = reserve("inproc://*");
            connecting.connect(&early).unwrap();
            bound.bind(&early).unwrap();
            assert_eq!((bound.stats().connections, connecting.stats().connections), (0, 0));
        }
    }
}

#[test]
fn g5_types_that_do_not_fit_never_meet_over_a_wire() {
    for_each_wire(|endpoint| {
        for theirs in SocketType::ALL {
            let mut bound = socket(theirs);
            let place = bound.bind(endpoint).unwrap();
            let mut monitor = bound.monitor().unwrap();
            for ours in SocketType::ALL.into_iter().filter(|ours| !ours.is_compatible(theirs)) {
                let mut connecting = socket(ours);
                let mut client = connecting.monitor().unwrap();
                connecting.connect(&place).unwrap();
                if ours != SocketType::Rep {
                    let _ = connecting.try_send(["", "x"]);
                }
                until("it is refused", || {
                    matches!(monitor.next_timeout(Some(SHORT)), Some(Event::HandshakeFailed { .. }))
                });
                until("it gives up", || {
                    matches!(client.next_timeout(Some(SHORT)), Some(Event::ConnectGivenUp { .. }))
                });
                assert_eq!(connecting.stats().connections, 0);
            }
            assert_eq!(bound.stats().connections, 0);
            if let Ok(message) = bound.try_recv() {
                panic!("{theirs} got {message:?}");
            }
        }
    });
}

#[test]
fn g7_a_peer_that_does_not_read_holds_nobody_up() {
    for_each_transport(|endpoint| {
        // PUSH passes over the full one.
        let mut push = socket_with(SocketType::Push, small);
        let place = push.bind(endpoint).unwrap();
        let (mut slow, mut fast) =
            (socket_with(SocketType::Pull, small), socket_with(SocketType::Pull, small));
        add_peer(&mut push, &mut slow, &place);
        add_peer(&mut push, &mut fast, &place);
        let (mut sent, mut received) = (0, 0);
        while received < 100 {
            push.send_timeout(big(sent), LONG).unwrap();
            sent += 1;
            while fast.try_recv().is_ok() {
                received += 1;
            }
        }
        // PULL: one that sends half a message and stalls.
        if !endpoint.starts_with("inproc") {
            let mut pull = socket(SocketType::Pull);
            let place = pull.bind(endpoint).unwrap();
            let mut stalled = Raw::connect(&place, "PUSH");
            stalled.frame(1, b"half");
            let mut push = socket(SocketType::Push);
            push.connect(&place).unwrap();
            for number in 0..100 {
                push.send(number.to_string()).unwrap();
                assert_eq!(receive_text(&mut pull), number.to_string());
            }
        }
    });
}

#[test]
fn g7_a_subscriber_that_does_not_read_holds_nobody_up() {
    for_each_transport(|endpoint| {
        let mut publisher = zmq::Pub::builder().options(options(small)).build().unwrap();
        let place = publisher.bind_to(endpoint).unwrap();
        let subscribe = |options: &mut zmq::Options| {
            small(options);
            options.subscriptions.push("".into());
        };
        let _slow = zmq::Sub::builder().options(options(subscribe)).connect(&place).unwrap();
        let mut fast = zmq::Sub::builder().options(options(subscribe)).connect(&place).unwrap();
        publisher.wait_for_subscribers(2, LONG).unwrap();
        let mut dropped = false;
        for number in 0..1000 {
            let published = publisher.publish(big(number)).unwrap();
            assert_eq!(published.matched, 2);
            dropped |= published.dropped > 0;
            assert_eq!(number_of(&fast.recv_timeout(LONG).unwrap()), number);
            if dropped && number > 100 {
                break;
            }
        }
        assert!(dropped);
    });
}
