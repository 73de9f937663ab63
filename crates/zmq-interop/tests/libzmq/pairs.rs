//! Every pair of socket types that may talk to each other (RFC 23), whoever binds, on every transport.

use crate::common::{Library, Parts, Side, TRANSPORTS, World, bounded, eventually, message, settle};
use zmq::SocketType::{self, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

/// What two sockets say to each other.
type Conversation = fn(&mut Side, &mut Side, &[Parts]);

const PAIRS: [(SocketType, SocketType, Conversation); 12] = [
    (Pair, Pair, both_ways),
    (Dealer, Dealer, both_ways),
    (Push, Pull, one_way),
    (Req, Rep, request_reply),
    (Req, Router, enveloped_reply),
    (Dealer, Rep, enveloped_request),
    (Dealer, Router, addressed_reply),
    (Router, Router, addressed_both_ways),
    (Pub, Sub, published),
    (Pub, XSub, published),
    (XPub, Sub, published),
    (XPub, XSub, published_and_answered),
];

#[test]
fn all_pairs_tcp_we_bind() {
    bounded(|| converse("tcp", Library::Ours));
}

#[test]
fn all_pairs_tcp_we_connect() {
    bounded(|| converse("tcp", Library::Theirs));
}

#[test]
fn all_pairs_ipc_we_bind() {
    bounded(|| converse("ipc", Library::Ours));
}

#[test]
fn all_pairs_ipc_we_connect() {
    bounded(|| converse("ipc", Library::Theirs));
}

fn converse(transport: &str, binder: Library) {
    assert!(TRANSPORTS.contains(&transport));
    let world = World::new();
    let messages = messages();
    for (first, second, conversation) in PAIRS {
        for library in Library::BOTH {
            if first == second && library == Library::Theirs {
                continue;
            }
            println!("{library:?} {first} with {second} over {transport}, bound: {binder:?}");
            let mut one = world.socket_with(library, first, routing_id(first, b"one"));
            let mut two = world.socket_with(library.other(), second, routing_id(second, b"two"));
            if library == binder {
                world.join(&mut one, &mut two, transport);
            } else {
                world.join(&mut two, &mut one, transport);
            }
            conversation(&mut one, &mut two, &messages);
        }
    }
}

fn routing_id(socket_type: SocketType, id: &'static [u8]) -> &'static [u8] {
    if socket_type == Router { id } else { b"" }
}

/// Bodies of the sizes at which the encoding changes and some large ones, and multipart messages.
fn messages() -> Vec<Parts> {
    let body = |size: usize| -> Vec<u8> {
        // No body may look like a subscription.
        (0..size).map(|index| 2 + (index % 251) as u8).collect()
    };
    let mut messages: Vec<Parts> =
        [0, 1, 255, 256, 65_536, 1_048_576].into_iter().map(|size| vec![body(size)]).collect();
    messages.push(vec![body(3), body(0), body(300)]);
    messages.push(vec![body(0), body(0), body(0)]);
    messages.push(vec![body(70_000), body(1), body(0)]);
    messages
}

/// Compares without printing megabytes.
#[track_caller]
fn same(received: &Parts, expected: &Parts) {
    let sizes = |parts: &Parts| parts.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(received), sizes(expected));
    assert!(received == expected, "same sizes {:?}, other bytes", sizes(expected));
}

fn prefixed(prefix: &[&[u8]], parts: &Parts) -> Parts {
    prefix.iter().map(|part| part.to_vec()).chain(parts.iter().cloned()).collect()
}

fn one_way(from: &mut Side, to: &mut Side, messages: &[Parts]) {
    for message in messages {
        from.send(message);
        same(&to.recv(), message);
    }
    // And several under way at once.
    for message in messages {
        from.send(message);
    }
    for message in messages {
        same(&to.recv(), message);
    }
}

fn both_ways(one: &mut Side, two: &mut Side, messages: &[Parts]) {
    one_way(one, two, messages);
    one_way(two, one, messages);
}

fn request_reply(req: &mut Side, rep: &mut Side, messages: &[Parts]) {
    for (request, reply) in messages.iter().zip(messages.iter().rev()) {
        req.send(request);
        same(&rep.recv(), request);
        rep.send(reply);
        same(&req.recv(), reply);
    }
}

fn enveloped_reply(req: &mut Side, router: &mut Side, messages: &[Parts]) {
    for (request, reply) in messages.iter().zip(messages.iter().rev()) {
        req.send(request);
        let received = router.recv();
        // Routing id, request id, delimiter.
        assert_eq!((received[1].len(), received[2].len()), (4, 0));
        same(&received[3..].to_vec(), request);
        router.send(&[&received[..3], reply].concat());
        same(&req.recv(), reply);
    }
}

fn enveloped_request(dealer: &mut Side, rep: &mut Side, messages: &[Parts]) {
    for (request, reply) in messages.iter().zip(messages.iter().rev()) {
        dealer.send(&prefixed(&[b"hop", b"hop", b""], request));
        same(&rep.recv(), request);
        rep.send(reply);
        same(&dealer.recv(), &prefixed(&[b"hop", b"hop", b""], reply));
    }
}

fn addressed_reply(dealer: &mut Side, router: &mut Side, messages: &[Parts]) {
    for (there, back) in messages.iter().zip(messages.iter().rev()) {
        dealer.send(there);
        let received = router.recv();
        same(&received, &prefixed(&[&received[0]], there));
        router.send(&prefixed(&[&received[0]], back));
        same(&dealer.recv(), back);
    }
}

fn addressed_both_ways(one: &mut Side, two: &mut Side, messages: &[Parts]) {
    let hello = message([b"two", b"hello"]);
    eventually("one ROUTER knows the other", || one.try_send(&hello).then_some(()));
    assert_eq!(two.recv(), message([b"one", b"hello"]));
    for message in messages {
        one.send(&prefixed(&[b"two"], message));
        same(&two.recv(), &prefixed(&[b"one"], message));
        two.send(&prefixed(&[b"one"], message));
        same(&one.recv(), &prefixed(&[b"two"], message));
    }
}

fn published(publisher: &mut Side, subscriber: &mut Side, messages: &[Parts]) {
    subscriber.subscribe(b"");
    settle(publisher, subscriber, b"x");
    one_way(publisher, subscriber, messages);
}

fn published_and_answered(xpub: &mut Side, xsub: &mut Side, messages: &[Parts]) {
    published(xpub, xsub, messages);
    assert_eq!(xpub.recv(), message([b"\x01"]));
    one_way(xsub, xpub, messages);
}
