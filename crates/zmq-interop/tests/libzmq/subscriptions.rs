//! Subscriptions that change while messages flow, and what an XPUB sees of them.

use crate::common::{LONG, Library, Parts, Side, TRANSPORTS, World, bounded, eventually, message, options};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use zmq::SocketType::{self, Pub, Sub, XPub, XSub};
use zmq::options::XPubVerbosity;

/// Topics of the lengths at which the encoding changes.
///
/// A SUB of libzmq 4.3.4, which the binding builds, breaks its own stream with topics of 246 to 255 bytes: it chooses
/// the short header before it adds the name of the command (`v3_1_encoder.cpp`; right in 4.3.5, which the tests with
/// pyzmq use). There the lengths around the hole take their place.
fn topics(subscriber: Library, socket_type: SocketType) -> [Vec<u8>; 4] {
    let (long, longer) = match (subscriber, socket_type) {
        (Library::Theirs, Sub) => (244, 245),
        _ => (254, 255),
    };
    [b"a".to_vec(), vec![b'b'; long], vec![b'c'; longer], vec![b'd'; 256]]
}

#[test]
fn subscriptions_change_under_load_we_publish() {
    bounded(|| change_under_load(Library::Ours));
}

#[test]
fn subscriptions_change_under_load_we_subscribe() {
    bounded(|| change_under_load(Library::Theirs));
}

fn change_under_load(publisher_is: Library) {
    let world = World::new();
    let mut publisher_binds = true;
    for (publisher, subscriber) in [(Pub, Sub), (Pub, XSub), (XPub, Sub), (XPub, XSub)] {
        for transport in TRANSPORTS {
            println!("{publisher_is:?} {publisher} with {subscriber} over {transport}");
            let topics = topics(publisher_is.other(), subscriber);
            let mut publisher = world.socket(publisher_is, publisher);
            let mut subscriber = world.socket(publisher_is.other(), subscriber);
            if publisher_binds {
                world.join(&mut publisher, &mut subscriber, transport);
            } else {
                world.join(&mut subscriber, &mut publisher, transport);
            }
            publisher_binds = !publisher_binds;
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let names = topics.clone();
            let flood = std::thread::spawn(move || flood(publisher, &names, &stopped));
            change(&mut subscriber, &topics);
            stop.store(true, Ordering::Relaxed);
            let mut publisher = flood.join().unwrap();
            drain(&mut publisher, &mut subscriber);
        }
    }
}

/// Publishes every topic in turn, as fast as it can.
fn flood(mut publisher: Side, topics: &[Vec<u8>], stop: &AtomicBool) -> Side {
    let mut names = topics.to_vec();
    names.extend([b"k".to_vec(), b"z".to_vec(), Vec::new()]);
    let mut number = 0u64;
    while !stop.load(Ordering::Relaxed) {
        for name in &names {
            publisher.send(&message([name, &number.to_le_bytes()]));
            number += 1;
        }
    }
    publisher
}

/// Receives whatever is under way, so that both may go.
///
/// libzmq aborts the process (`session_base.cpp`, `clean_pipes`: EAGAIN) if a socket is closed without lingering while
/// its session has taken some parts of a message and not yet the others, and the peer closes the connection in just
/// that moment. Any peer does, a plain TCP stream too.
fn drain(publisher: &mut Side, subscriber: &mut Side) {
    let mut number = 0u32;
    eventually("everything has arrived", || {
        number += 1;
        let last = message([b"k", b"last", &number.to_le_bytes()]);
        publisher.send(&last);
        // It was dropped if the pipe was full.
        let mut arriving = std::iter::from_fn(|| subscriber.recv_within(Duration::from_millis(5)));
        arriving.any(|received| received == last).then_some(())
    });
}

fn change(subscriber: &mut Side, topics: &[Vec<u8>]) {
    // Keeps the messages coming whatever else is subscribed.
    subscriber.subscribe(b"k");
    for topic in topics {
        subscriber.subscribe(topic);
        arrives(subscriber, topic);
    }
    for round in 0..100u32 {
        let passing = format!("passing {round}");
        subscriber.subscribe(passing.as_bytes());
        subscriber.recv();
        subscriber.unsubscribe(passing.as_bytes());
    }
    subscriber.subscribe(b"");
    for everything in [&b"z"[..], b""] {
        arrives(subscriber, everything);
    }
    subscriber.unsubscribe(b"");
    for everything in [&b"z"[..], b""] {
        stops(subscriber, everything);
    }
    for topic in topics {
        arrives(subscriber, topic);
    }
    // Counted: it takes as many cancellations.
    subscriber.subscribe(&topics[0]);
    subscriber.unsubscribe(&topics[0]);
    for _ in 0..100 {
        subscriber.recv();
    }
    arrives(subscriber, &topics[0]);
    for topic in topics {
        subscriber.unsubscribe(topic);
        stops(subscriber, topic);
    }
    arrives(subscriber, b"k");
}

#[track_caller]
fn arrives(subscriber: &mut Side, topic: &[u8]) {
    until(subscriber, |received| received[0] == topic);
}

/// Receives until the topic was absent from many messages in a row.
#[track_caller]
fn stops(subscriber: &mut Side, topic: &[u8]) {
    let mut absent = 0;
    until(subscriber, |received| {
        absent = if received[0] == topic { 0 } else { absent + 1 };
        absent == 50
    });
}

#[track_caller]
fn until(subscriber: &mut Side, mut enough: impl FnMut(&Parts) -> bool) {
    let deadline = Instant::now() + LONG;
    while !enough(&subscriber.recv()) {
        assert!(Instant::now() < deadline, "not within {LONG:?}");
    }
}

#[test]
fn xpub_sees_first_subscriptions_and_last_cancellations() {
    bounded(|| {
        for (xpub_is, subscriber, transport) in cases() {
            let world = World::new();
            let mut xpub = world.socket(xpub_is, XPub);
            let mut one = world.socket(xpub_is.other(), subscriber);
            let endpoint = world.join(&mut xpub, &mut one, transport);
            let mut two = world.socket(xpub_is.other(), subscriber);
            two.connect(&endpoint);
            let mut all = topics(xpub_is.other(), subscriber).to_vec();
            all.push(Vec::new());
            for topic in &all {
                one.subscribe(topic);
                assert_eq!(xpub.recv(), [event(1, topic)], "{xpub_is:?} {subscriber} {transport}");
            }
            // Seen already: nothing to see. `mark` shows that it had its chance.
            for topic in &all {
                one.subscribe(topic);
                two.subscribe(topic);
            }
            one.subscribe(b"mark one");
            two.subscribe(b"mark two");
            let marks = BTreeSet::from([xpub.recv(), xpub.recv()]);
            assert_eq!(marks, BTreeSet::from([vec![event(1, b"mark one")], vec![event(1, b"mark two")]]));
            for topic in &all {
                one.unsubscribe(topic);
                one.unsubscribe(topic);
            }
            one.unsubscribe(b"mark one");
            assert_eq!(xpub.recv(), [event(0, b"mark one")]);
            for topic in &all {
                two.unsubscribe(topic);
                assert_eq!(xpub.recv(), [event(0, topic)], "{xpub_is:?} {subscriber} {transport}");
            }
            // A subscriber that goes takes its subscriptions back.
            one.subscribe(b"stays");
            assert_eq!(xpub.recv(), [event(1, b"stays")]);
            drop(two);
            assert_eq!(xpub.recv(), [event(0, b"mark two")]);
            drop(one);
            assert_eq!(xpub.recv(), [event(0, b"stays")]);
            assert_eq!(xpub.recv_within(Duration::from_millis(20)), None);
        }
    });
}

#[test]
fn xpub_verbose_sees_every_subscription() {
    bounded(|| {
        for (xpub_is, subscriber, transport) in cases() {
            let world = World::new();
            let mut xpub = match xpub_is {
                Library::Ours => {
                    let mut options = options();
                    options.xpub_verbosity = XPubVerbosity::Subscriptions;
                    world.ours(XPub, options)
                }
                Library::Theirs => {
                    let socket = world.theirs(XPub);
                    socket.set_xpub_verbose(true).unwrap();
                    Side::Theirs(socket)
                }
            };
            let mut one = world.socket(xpub_is.other(), subscriber);
            let endpoint = world.join(&mut xpub, &mut one, transport);
            let mut two = world.socket(xpub_is.other(), subscriber);
            two.connect(&endpoint);
            one.subscribe(b"same");
            assert_eq!(xpub.recv(), [event(1, b"same")]);
            two.subscribe(b"same");
            assert_eq!(xpub.recv(), [event(1, b"same")]);
            one.unsubscribe(b"same");
            two.unsubscribe(b"same");
            assert_eq!(xpub.recv(), [event(0, b"same")]);
            assert_eq!(xpub.recv_within(Duration::from_millis(20)), None);
        }
    });
}

#[test]
fn many_subscriptions_balance() {
    bounded(|| {
        for (xpub_is, subscriber, transport) in cases() {
            let world = World::new();
            let mut xpub = world.socket(xpub_is, XPub);
            let mut subscriber = world.socket(xpub_is.other(), subscriber);
            world.join(&mut xpub, &mut subscriber, transport);
            let topic = |number: u32| format!("topic {number}").into_bytes();
            // Within the default high-water marks: commands beyond them may be dropped.
            for number in 0..500 {
                subscriber.subscribe(&topic(number));
            }
            let mut held = BTreeSet::new();
            follow(&mut xpub, &mut held, |held| held.len() == 500);
            for number in 0..490 {
                subscriber.unsubscribe(&topic(number));
            }
            follow(&mut xpub, &mut held, |held| held.len() == 10);
            assert_eq!(held, (490..500).map(topic).collect());
            drop(subscriber);
            follow(&mut xpub, &mut held, BTreeSet::is_empty);
        }
    });
}

/// Keeps book of what an XPUB sees.
fn follow(xpub: &mut Side, held: &mut BTreeSet<Vec<u8>>, enough: impl Fn(&BTreeSet<Vec<u8>>) -> bool) {
    while !enough(held) {
        let event = eventually("an event", || xpub.recv_within(Duration::from_millis(10)));
        let topic = event[0][1..].to_vec();
        assert!(if event[0][0] == 1 { held.insert(topic) } else { held.remove(&topic) });
    }
}

fn cases() -> impl Iterator<Item = (Library, SocketType, &'static str)> {
    Library::BOTH.into_iter().flat_map(|xpub_is| {
        [Sub, XSub].into_iter().flat_map(move |subscriber| {
            TRANSPORTS.into_iter().map(move |transport| (xpub_is, subscriber, transport))
        })
    })
}

fn event(kind: u8, topic: &[u8]) -> Vec<u8> {
    [&[kind], topic].concat()
}
