//! Subscriptions on their way from a subscriber to a publisher, as commands (3.1) and as messages (3.0).

use crate::engines::{Driven, Scene, meet};
use crate::input::{Input, with_length};
use std::time::Instant;
use zmq_core::options::ZmtpVersion;
use zmq_core::subscriptions::{Removal, Subscriptions, as_subscription, subscription};
use zmq_core::zmtp::Event;
use zmq_core::{Message, SocketType};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let subscriber = input.pick(&[SocketType::Sub, SocketType::XSub]);
    let version = input.pick(&[ZmtpVersion::V3_1, ZmtpVersion::V3_0]);
    let mut choices = Scene::plainest(subscriber, usize::from(input.byte()));
    choices[2] = input.byte();
    (choices[3], choices[4]) = (input.byte(), 2);
    let scene = Scene::choose(&mut Input::new(&choices));
    let now = Instant::now();
    let (mut sub, mut publisher) = (scene.start(now), scene.start_peer(now));
    meet(&mut sub, &mut publisher, version);
    assert!(sub.engine.is_ready() && publisher.engine.is_ready());
    publisher.events.clear();

    let mut sent = Vec::new();
    let mut ours = Subscriptions::new();
    while !input.is_empty() {
        let (add, topic) = (input.flag(), input.bytes());
        if add {
            ours.add(topic);
        } else if ours.remove(topic) == Removal::Unknown {
            // The publisher would not have it either.
            continue;
        }
        let message = subscription(add, topic);
        assert_eq!(as_subscription(&message), Some((add, topic)));
        sub.engine.push(&message);
        sent.push(message);
        if input.flag() {
            let bytes = sub.take(usize::from(input.number()));
            publisher.feed(&bytes, false);
        }
    }
    let rest = sub.take(usize::MAX);
    publisher.feed(&rest, false);
    assert_eq!(publisher.error, None);
    let heard = messages(&publisher);
    assert_eq!(heard, sent);
    agree(&ours, &heard);
}

fn messages(publisher: &Driven) -> Vec<Message> {
    let message = |event: &Event| match event {
        Event::Message(message) => message.clone(),
        other => panic!("not a message: {other:?}"),
    };
    publisher.events.iter().map(message).collect()
}

/// What the publisher has been told amounts to what the subscriber holds.
fn agree(ours: &Subscriptions, heard: &[Message]) {
    let mut theirs = Subscriptions::new();
    for message in heard {
        match as_subscription(message) {
            Some((true, topic)) => drop(theirs.add(topic)),
            Some((false, topic)) => drop(theirs.remove(topic)),
            None => panic!("not a subscription"),
        }
    }
    let sorted = |subscriptions: &Subscriptions| {
        let mut topics: Vec<_> = subscriptions.topics().collect();
        topics.sort();
        topics
    };
    assert_eq!(sorted(ours), sorted(&theirs));
    assert_eq!((ours.len(), ours.bytes()), (theirs.len(), theirs.bytes()));
    assert_eq!(ours.bytes(), ours.topics().map(|topic| topic.len()).sum::<usize>());
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for version in 0..2 {
        for mechanism in 0..4 {
            let mut seed = vec![version, version, 0, mechanism, 0];
            for (add, topic) in
                [(1, &b"a"[..]), (1, b"ab"), (0, b"a"), (1, b""), (1, &[b'x'; 300]), (0, b"b")]
            {
                seed.extend([&[add][..], &with_length(topic), &[1, 0, 5]].concat());
            }
            seeds.push(seed);
        }
    }
    seeds
}
