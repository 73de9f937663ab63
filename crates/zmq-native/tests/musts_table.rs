//! The table 6.7, for the eleven types over every transport: nobody there, everybody full, the peer lost.

mod common;

use common::*;
use std::time::Duration;
use zmq::options::XPubVerbosity;
use zmq::{AnySocket, Endpoint, Error, Message, Options, SocketType, Stats};

#[track_caller]
fn assert_waits(socket: &mut AnySocket, message: impl Into<Message>) {
    let message = message.into();
    let failed = socket.try_send(message.clone()).unwrap_err();
    assert_eq!((failed.error, &failed.message), (Error::WouldBlock, &message));
    let failed = socket.send_timeout(message.clone(), SHORT).unwrap_err();
    assert_eq!((failed.error, &failed.message), (Error::Timeout { after: SHORT }, &message));
}

/// Waits until a socket that would send has nobody to send to.
#[track_caller]
fn until_alone(socket: &mut AnySocket) {
    until("the loss is noticed", || socket.try_send("anybody?").is_err());
}

/// Waits until the connection of `socket` is reported lost.
fn lose(peer: AnySocket, socket: &mut AnySocket, endpoint: &str) {
    let mut monitor = socket.monitor().unwrap();
    drop(peer);
    if !endpoint.starts_with("inproc") {
        until("the loss is reported", || {
            matches!(monitor.next_timeout(Some(SHORT)), Some(zmq::Event::Disconnected { .. }))
        });
    }
    socket.stats();
}

fn named_bob(options: &mut Options) {
    options.routing_id = "bob".into();
}

// Nobody there.

#[test]
fn no_peers_req_dealer_push_pair_wait() {
    use SocketType::*;
    for_each_transport(|endpoint| {
        for kind in [Req, Dealer, Push, Pair] {
            let mut socket = socket(kind);
            assert_waits(&mut socket, "x");
            socket.bind(endpoint).unwrap();
            assert_waits(&mut socket, ["x", "y"]);
            assert_eq!((socket.stats().sent, balance(&mut socket).written), (0, 0));
        }
        // And for ever, if it must be: somebody comes.
        for (kind, mate) in [(Req, Rep), (Dealer, Dealer), (Push, Pull), (Pair, Pair)] {
            let mut waiting = socket(kind);
            let place = waiting.bind(endpoint).unwrap();
            let sender = std::thread::spawn(move || {
                waiting.send_timeout("x", LONG).unwrap();
                waiting
            });
            std::thread::sleep(Duration::from_millis(5));
            let mut mate = socket(mate);
            mate.connect(&place).unwrap();
            assert_eq!(receive_text(&mut mate), "x");
            drop(sender.join().unwrap());
        }
    });
}

#[test]
fn no_peers_rep_is_out_of_turn() {
    for_each_transport(|endpoint| {
        let mut rep = socket(SocketType::Rep);
        rep.bind(endpoint).unwrap();
        assert!(matches!(rep.try_send("x").unwrap_err().error, Error::State { .. }));
        assert_eq!(rep.try_recv(), Err(Error::WouldBlock));
    });
}

#[test]
fn no_peers_router_drops_or_says_so() {
    for_each_transport(|endpoint| {
        let mut router = socket_with(SocketType::Router, |options| options.router_mandatory = false);
        router.bind(endpoint).unwrap();
        router.try_send(["bob", "x"]).unwrap();
        assert_eq!(balance(&mut router).dropped.unroutable, 1);
        let mut router = socket(SocketType::Router);
        router.bind(endpoint).unwrap();
        assert!(matches!(router.send(["bob", "x"]).unwrap_err().error, Error::Unroutable { .. }));
        assert_eq!((router.stats().sent, balance(&mut router).written), (0, 0));
    });
}

#[test]
fn no_peers_pub_xpub_xsub_drop() {
    use SocketType::*;
    for_each_transport(|endpoint| {
        for kind in [Pub, XPub, XSub] {
            let mut socket = socket_with(kind, |options| options.xpub_nodrop = true);
            socket.bind(endpoint).unwrap();
            for _ in 0..3 {
                socket.try_send("x").unwrap();
            }
            assert_eq!((socket.stats().sent, balance(&mut socket).written), (3, 0));
        }
    });
}

#[test]
fn no_peers_receivers_wait() {
    use SocketType::*;
    for_each_transport(|endpoint| {
        for kind in [Pull, Sub, XSub, XPub, Dealer, Router, Pair, Rep] {
            let mut socket = socket(kind);
            socket.bind(endpoint).unwrap();
            assert_eq!(socket.try_recv(), Err(Error::WouldBlock));
            expect_nothing(&mut socket);
        }
        for kind in [Pull, Sub] {
            assert!(matches!(socket(kind).send("x").unwrap_err().error, Error::State { .. }));
        }
    });
}

// Everybody full.

#[test]
fn full_req_dealer_push_pair_wait() {
    use SocketType::*;
    for_each_side(|endpoint, side| {
        for (kind, mate) in [(Req, Router), (Dealer, Router), (Dealer, Dealer), (Push, Pull), (Pair, Pair)] {
            let (mut ours, mut theirs) = (socket_with(kind, small), socket_with(mate, small));
            join(&mut ours, &mut theirs, endpoint, side);
            let full = fill(&mut ours, None);
            for number in 0..full {
                let message = receive(&mut theirs);
                assert_eq!(message[message.len() - 2], format!("{number:08}").as_str());
            }
            let stats = balance(&mut ours);
            assert_eq!((stats.sent, stats.written, stats.dropped.total()), (full as u64, full as u64, 0));
        }
    });
}

#[test]
fn full_rep_drops() {
    for_each_side(|endpoint, side| {
        let (mut rep, mut req) =
            (socket_with(SocketType::Rep, small), socket_with(SocketType::Dealer, small));
        join(&mut rep, &mut req, endpoint, side);
        until("replies are dropped", || {
            req.send_timeout(["", "request"], LONG).unwrap();
            receive(&mut rep);
            rep.try_send(vec![b'x'; BIG]).unwrap();
            rep.stats().dropped.full > 2
        });
        balance(&mut rep);
    });
}

#[test]
fn full_router_drops_or_waits() {
    for_each_side(|endpoint, side| {
        for mandatory in [false, true] {
            let mut router = socket_with(SocketType::Router, |options| {
                small(options);
                options.router_mandatory = mandatory;
            });
            let mut bob = socket_with(SocketType::Dealer, |options| {
                small(options);
                named_bob(options);
            });
            join(&mut router, &mut bob, endpoint, side);
            if mandatory {
                fill(&mut router, Some(b"bob"));
                assert_eq!(balance(&mut router).dropped.total(), 0);
            } else {
                until("messages are dropped", || {
                    router.try_send(("bob", vec![b'x'; BIG])).unwrap();
                    router.stats().dropped.full > 2
                });
                balance(&mut router);
            }
        }
    });
}

#[test]
fn full_pub_xpub_drop_or_wait() {
    for_each_side(|endpoint, side| {
        for kind in [SocketType::Pub, SocketType::XPub] {
            for nodrop in [false, true] {
                let mut publisher = socket_with(kind, |options| {
                    small(options);
                    options.xpub_nodrop = nodrop;
                });
                let mut subscriber = socket_with(SocketType::Sub, |options| {
                    small(options);
                    options.subscriptions.push("0".into());
                });
                join(&mut publisher, &mut subscriber, endpoint, side);
                until("it is subscribed", || {
                    publisher.send_timeout("0", LONG).unwrap();
                    subscriber.try_recv().is_ok()
                });
                if nodrop {
                    fill(&mut publisher, None);
                    assert_eq!(balance(&mut publisher).dropped.total(), 0);
                } else {
                    until("messages are dropped", || {
                        publisher.try_send(big(0)).unwrap();
                        publisher.stats().dropped.full > 2
                    });
                    balance(&mut publisher);
                }
            }
        }
    });
}

#[test]
fn full_xsub_drops() {
    for_each_side(|endpoint, side| {
        let (mut xsub, mut xpub) =
            (socket_with(SocketType::XSub, small), socket_with(SocketType::XPub, small));
        join(&mut xsub, &mut xpub, endpoint, side);
        // The publisher takes nothing in while nobody calls it.
        until("messages are dropped", || {
            xsub.try_send(big(0)).unwrap();
            xsub.stats().dropped.full > 2
        });
        // Subscriptions are not messages: they are never dropped.
        for number in 0..20 {
            xsub.subscribe(number.to_string()).unwrap();
        }
        let stats = xsub.stats();
        let (mut messages, mut subscriptions) = (0, 0);
        while subscriptions < 20 {
            if receive(&mut xpub)[0][0] == 1 { subscriptions += 1 } else { messages += 1 }
        }
        assert_eq!(messages + subscriptions, stats.written - stats.dropped.full);
        balance(&mut xsub);
    });
}

// The peer lost.

#[test]
fn lost_req_waits_for_ever_unless_relaxed() {
    for_each_transport(|endpoint| {
        for relaxed in [false, true] {
            let mut req = socket_with(SocketType::Req, |options| options.req_relaxed = relaxed);
            let mut rep = socket(SocketType::Rep);
            let place = join(&mut req, &mut rep, endpoint, Side::Bound);
            req.send("one").unwrap();
            receive(&mut rep);
            lose(rep, &mut req, endpoint);
            expect_nothing(&mut req);
            let mut next = socket(SocketType::Rep);
            add_peer(&mut req, &mut next, &place);
            if !relaxed {
                assert!(matches!(req.send("two").unwrap_err().error, Error::State { .. }));
                expect_nothing(&mut next);
                continue;
            }
            req.send_timeout("two", LONG).unwrap();
            assert_eq!(receive_text(&mut next), "two");
            next.send("reply").unwrap();
            assert_eq!(receive_text(&mut req), "reply");
        }
    });
}

#[test]
fn lost_req_reconnects() {
    for_each_wire(|endpoint| {
        let (mut req, mut rep) = (socket(SocketType::Req), socket(SocketType::Rep));
        let place = join(&mut req, &mut rep, endpoint, Side::Connected);
        req.send("one").unwrap();
        receive(&mut rep);
        lose(rep, &mut req, endpoint);
        expect_nothing(&mut req);
        let mut next = socket(SocketType::Rep);
        bind_again(&mut next, &place);
        // Once: the listener is closed before the connection, so nobody is there until `next` is.
        until("it reconnects", || req.stats().reconnects >= 1);
        assert_eq!(req.stats().reconnects, 1);
        expect_nothing(&mut req);
        req.send("two").unwrap();
        assert_eq!(receive_text(&mut next), "two");
        next.send("reply").unwrap();
        assert_eq!(receive_text(&mut req), "reply");
    });
}

#[test]
fn lost_rep_discards_the_reply() {
    for_each_side(|endpoint, side| {
        let (mut rep, mut req) = (socket(SocketType::Rep), socket(SocketType::Req));
        join(&mut rep, &mut req, endpoint, side);
        req.send("request").unwrap();
        receive(&mut rep);
        lose(req, &mut rep, endpoint);
        rep.try_send("reply").unwrap();
        let stats = balance(&mut rep);
        assert_eq!((stats.written, stats.queued), (1, 0));
        assert_eq!(rep.try_recv(), Err(Error::WouldBlock));
    });
}

#[test]
fn lost_dealer_push_pair_bound_drop_the_queue() {
    use SocketType::*;
    for_each_transport(|endpoint| {
        for (kind, mate) in [(Dealer, Dealer), (Push, Pull), (Pair, Pair)] {
            let (mut ours, mut theirs) = (socket_with(kind, small), socket_with(mate, small));
            let place = join(&mut ours, &mut theirs, endpoint, Side::Bound);
            let full = fill(&mut ours, None);
            lose(theirs, &mut ours, endpoint);
            until_alone(&mut ours);
            assert_waits(&mut ours, "x");
            let stats = balance(&mut ours);
            assert!(stats.queued == 0 && stats.written >= full as u64, "{stats:?}");
            if !endpoint.starts_with("inproc") {
                assert!(stats.dropped.disconnected >= 2, "{stats:?}");
            }
            let mut next = socket_with(mate, small);
            add_peer(&mut ours, &mut next, &place);
            ours.send_timeout("fresh", LONG).unwrap();
            assert_eq!(receive_text(&mut next), "fresh");
        }
    });
}

#[test]
fn lost_dealer_push_pair_connected_keep_the_queue() {
    use SocketType::*;
    for_each_wire(|endpoint| {
        for (kind, mate) in [(Dealer, Dealer), (Push, Pull), (Pair, Pair)] {
            let (mut ours, mut theirs) = (socket_with(kind, small), socket_with(mate, small));
            let place = join(&mut ours, &mut theirs, endpoint, Side::Connected);
            let full = fill(&mut ours, None);
            lose(theirs, &mut ours, endpoint);
            let mut next = socket_with(mate, small);
            bind_again(&mut next, &place);
            let first = number_of(&receive(&mut next));
            assert!(first > 0 && full - first >= 2, "{first} of {full}");
            for number in first + 1..full {
                assert_eq!(number_of(&receive(&mut next)), number);
            }
            ours.send_timeout("fresh", LONG).unwrap();
            assert_eq!(receive_text(&mut next), "fresh");
            balance(&mut ours);
        }
    });
}

#[test]
fn lost_dealer_push_pair_connected_inproc_have_nobody_to_come_back() {
    use SocketType::*;
    for (kind, mate) in [(Dealer, Dealer), (Push, Pull), (Pair, Pair), (Req, Rep)] {
        let (mut ours, mut theirs) = (socket(kind), socket(mate));
        join(&mut ours, &mut theirs, "inproc://*", Side::Connected);
        drop(theirs);
        assert_waits(&mut ours, "x");
        // Another connect is another peer.
        let mut next = socket(mate);
        let place = next.bind("inproc://*").unwrap();
        ours.connect(&place).unwrap();
        ours.send("x").unwrap();
        assert_eq!(receive_text(&mut next), "x");
    }
}

#[test]
fn lost_router_removes_the_entry() {
    for_each_side(|endpoint, side| {
        for mandatory in [false, true] {
            let mut router = socket_with(SocketType::Router, |options| options.router_mandatory = mandatory);
            let mut bob = socket_with(SocketType::Dealer, named_bob);
            join(&mut router, &mut bob, endpoint, side);
            router.send(["bob", "x"]).unwrap();
            receive(&mut bob);
            bob.send("last words").unwrap();
            if !endpoint.starts_with("inproc") {
                wait_for_bytes(&mut router, std::slice::from_mut(&mut bob));
            }
            lose(bob, &mut router, endpoint);
            if mandatory {
                until(
                    "the entry is removed",
                    || matches!(router.try_send(["bob", "x"]), Err(failed) if matches!(failed.error, Error::Unroutable { .. })),
                );
            } else {
                until("the entry is removed", || {
                    router.try_send(["bob", "x"]).unwrap();
                    router.stats().dropped.unroutable > 0
                });
            }
            // What it sent before is not lost.
            assert_eq!(receive(&mut router), ["bob", "last words"].into());
            balance(&mut router);
        }
    });
}

#[test]
fn lost_pub_xpub_forget_subscriptions() {
    for_each_side(|endpoint, side| {
        for kind in [SocketType::Pub, SocketType::XPub] {
            let mut publisher = socket_with(kind, |options| options.xpub_verbosity = XPubVerbosity::All);
            let mut subscriber =
                socket_with(SocketType::Sub, |options| options.subscriptions.push("a".into()));
            join(&mut publisher, &mut subscriber, endpoint, side);
            until("it is subscribed", || {
                publisher.send("a").unwrap();
                subscriber.try_recv().is_ok()
            });
            lose(subscriber, &mut publisher, endpoint);
            until("it is forgotten", || {
                let before = publisher.stats().written;
                publisher.send("a").unwrap();
                publisher.stats().written == before
            });
            balance(&mut publisher);
            if kind == SocketType::XPub {
                assert_eq!(
                    (receive_text(&mut publisher), receive_text(&mut publisher)),
                    ("\x01a".into(), "\0a".into())
                );
                expect_nothing(&mut publisher);
            }
        }
    });
}

#[test]
fn lost_sub_xsub_bound_tell_the_next_publisher() {
    for_each_transport(|endpoint| {
        for kind in [SocketType::Sub, SocketType::XSub] {
            let (mut subscriber, mut publisher) = (socket(kind), socket(SocketType::XPub));
            subscriber.subscribe("a").unwrap();
            subscriber.subscribe("b").unwrap();
            let place = join(&mut subscriber, &mut publisher, endpoint, Side::Bound);
            expect_subscriptions(&mut publisher);
            lose(publisher, &mut subscriber, endpoint);
            let mut next = socket(SocketType::XPub);
            next.connect(&place).unwrap();
            expect_subscriptions(&mut next);
        }
    });
}

#[test]
fn lost_sub_xsub_connected_subscribe_again() {
    for_each_wire(|endpoint| {
        for kind in [SocketType::Sub, SocketType::XSub] {
            let (mut subscriber, mut publisher) = (socket(kind), socket(SocketType::XPub));
            subscriber.subscribe("a").unwrap();
            let place = join(&mut subscriber, &mut publisher, endpoint, Side::Connected);
            assert_eq!(receive_text(&mut publisher), "\x01a");
            lose(publisher, &mut subscriber, endpoint);
            // Changes while nobody is there.
            subscriber.subscribe("b").unwrap();
            subscriber.subscribe("gone").unwrap();
            subscriber.unsubscribe("gone").unwrap();
            let mut next = socket(SocketType::XPub);
            bind_again(&mut next, &place);
            expect_subscriptions(&mut next);
            next.send("b1").unwrap();
            assert_eq!(receive_text(&mut subscriber), "b1");
        }
    });
}

#[track_caller]
fn expect_subscriptions(publisher: &mut AnySocket) {
    let mut shown = [receive_text(publisher), receive_text(publisher)];
    shown.sort_unstable();
    assert_eq!(shown, ["\x01a", "\x01b"]);
    expect_nothing(publisher);
}

#[test]
fn lost_pull_and_sub_keep_what_has_arrived() {
    for_each_side(|endpoint, side| {
        let (mut pull, mut push) = (socket(SocketType::Pull), socket(SocketType::Push));
        join(&mut pull, &mut push, endpoint, side);
        for number in 0..10 {
            push.send(number.to_string()).unwrap();
        }
        if !endpoint.starts_with("inproc") {
            wait_for_bytes(&mut pull, std::slice::from_mut(&mut push));
        }
        lose(push, &mut pull, endpoint);
        for number in 0..10 {
            assert_eq!(receive_text(&mut pull), number.to_string());
        }
        expect_nothing(&mut pull);
    });
}

// `disconnect` and the end of a socket: the books.

/// A PUSH that has a full peer, and where that is bound.
fn full_push(endpoint: &str, side: Side) -> (AnySocket, AnySocket, Endpoint) {
    let (mut push, mut pull) = (socket_with(SocketType::Push, small), socket_with(SocketType::Pull, small));
    let place = join(&mut push, &mut pull, endpoint, side);
    fill(&mut push, None);
    (push, pull, place)
}

#[test]
fn books_queued_at_the_high_water_mark() {
    for_each_side(|endpoint, side| {
        let (mut push, pull, _) = full_push(endpoint, side);
        let Stats { written, queued, .. } = balance(&mut push);
        assert!(written > 0);
        if !endpoint.starts_with("inproc") {
            assert!(queued >= 2, "{queued}");
        }
        drop(pull);
    });
}

#[test]
fn books_after_the_loss_of_either_side() {
    for_each_side(|endpoint, side| {
        let (mut push, pull, _) = full_push(endpoint, side);
        lose(pull, &mut push, endpoint);
        let stats = balance(&mut push);
        match side {
            _ if endpoint.starts_with("inproc") => {}
            Side::Bound => assert!(stats.queued == 0 && stats.dropped.disconnected >= 2, "{stats:?}"),
            Side::Connected => assert!(stats.queued >= 2, "{stats:?}"),
        }
        // Sending goes on into the loss; the books hold.
        for _ in 0..100 {
            let _ = push.try_send("x");
        }
        balance(&mut push);
    });
}

#[test]
fn books_after_disconnect() {
    for_each_transport(|endpoint| {
        let (mut push, mut pull, place) = full_push(endpoint, Side::Connected);
        let sent = push.stats().written;
        push.disconnect(&place).unwrap();
        if !endpoint.starts_with("inproc") {
            // Inproc: it is the peer that goes on or leaves.
            assert_waits(&mut push, "x");
        }
        for number in 0..sent {
            assert_eq!(number_of(&receive(&mut pull)) as u64, number);
        }
        until("everything is out", || push.stats().queued == 0);
        let stats = balance(&mut push);
        assert_eq!((stats.written, stats.dropped.total()), (sent, 0));
    });
}

#[test]
fn books_with_conflate() {
    for_each_side(|endpoint, side| {
        for (ours, theirs) in [(true, false), (false, true), (true, true)] {
            let mut push = socket_with(SocketType::Push, |options| options.conflate = ours);
            let mut pull = socket_with(SocketType::Pull, |options| options.conflate = theirs);
            join(&mut push, &mut pull, endpoint, side);
            for number in 0..1000 {
                push.send(number.to_string()).unwrap();
            }
            until("the last has come", || receive_text(&mut pull) == "999");
            let stats = balance(&mut push);
            assert_eq!((stats.sent, stats.written, stats.queued), (1000, 1000, 0));
            let arrived = pull.stats();
            assert_eq!(arrived.received + arrived.unread, stats.delivered, "{stats:?} {arrived:?}");
            assert_balanced(&arrived);
        }
    });
}

#[test]
fn books_of_a_publisher_that_drops() {
    for_each_side(|endpoint, side| {
        let mut publisher = socket_with(SocketType::Pub, small);
        let mut subscriber = socket_with(SocketType::Sub, |options| {
            small(options);
            options.subscriptions.push("".into());
        });
        join(&mut publisher, &mut subscriber, endpoint, side);
        until("messages are dropped", || {
            publisher.send(big(0)).unwrap();
            publisher.stats().dropped.full > 5
        });
        let stats = balance(&mut publisher);
        for _ in 0..stats.written - stats.dropped.full {
            receive(&mut subscriber);
        }
        expect_nothing(&mut subscriber);
        lose(subscriber, &mut publisher, endpoint);
        publisher.send("x").unwrap();
        balance(&mut publisher);
    });
}
