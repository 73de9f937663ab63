//! PS1 to PS7 and PS9 to PS12 over every transport.

mod common;

use common::*;
use zmq::options::XPubVerbosity;
use zmq::{AnySocket, Endpoint, Error, Message, Options, SocketType};

fn publisher(change: impl FnOnce(&mut Options)) -> zmq::Pub {
    zmq::Pub::builder().options(options(change)).build().unwrap()
}

fn xpub(change: impl FnOnce(&mut Options)) -> zmq::XPub {
    zmq::XPub::builder().options(options(change)).build().unwrap()
}

fn sub(endpoint: &Endpoint, topics: &[&[u8]], change: impl FnOnce(&mut Options)) -> zmq::Sub {
    let mut sub = zmq::Sub::builder().options(options(change)).build().unwrap();
    for topic in topics {
        sub.subscribe(topic).unwrap();
    }
    sub.connect_to(endpoint).unwrap();
    sub
}

/// What the publisher does until it knows of `matched` subscribers to `topic`.
fn publish_until(publisher: &mut zmq::Pub, topic: &str, matched: usize) {
    until("the subscriptions are known", || publisher.publish(topic).unwrap().matched == matched);
}

fn drain(sub: &mut zmq::Sub) {
    while sub.recv_timeout(SHORT).is_ok() {}
}

#[test]
fn ps1_binary_prefixes_of_the_first_frame() {
    for_each_transport(|endpoint| {
        let mut publisher = publisher(|_| {});
        let place = publisher.bind_to(endpoint).unwrap();
        let mut one = sub(&place, &[b"a\0b", b"\xff"], |_| {});
        let mut all = sub(&place, &[b""], |_| {});
        publisher.wait_for_subscribers(2, LONG).unwrap();
        let messages: [(&[u8], &[u8]); 8] = [
            (b"a\0b", b"exact"),
            (b"a\0bc", b"longer"),
            (b"a\0", b"shorter"),
            (b"a", b"a\0b"),
            (b"", b"\xff"),
            (b"\xff\xff", b""),
            (b"x\xff", b""),
            (b"\xfe", b"\xff"),
        ];
        for (topic, rest) in messages {
            publisher.send((topic, rest)).unwrap();
            assert_eq!(all.recv_timeout(LONG).unwrap(), (topic, rest).into());
        }
        for index in [0, 1, 5] {
            assert_eq!(one.recv_timeout(LONG).unwrap(), messages[index].into());
        }
        assert!(one.recv_timeout(SHORT).is_err());
    });
}

#[test]
fn ps2_no_match_and_full_subscribers_are_dropped_for_without_waiting() {
    for_each_transport(|endpoint| {
        let mut publisher = publisher(small);
        assert_eq!(publisher.publish("x").unwrap(), zmq::Published::default());
        let place = publisher.bind_to(endpoint).unwrap();
        let mut full = sub(&place, &[b"0"], small);
        publisher.wait_for_subscribers(1, LONG).unwrap();
        assert_eq!(publisher.publish("x").unwrap().matched, 0);
        let mut sent = 0;
        let mut dropped = 0;
        until("messages are dropped", || {
            let published = publisher.publish(big(sent)).unwrap();
            assert_eq!(published.matched, 1);
            sent += 1;
            dropped += published.dropped;
            dropped > 5
        });
        let stats = publisher.stats();
        assert_eq!((stats.sent, stats.written), (sent as u64 + 2, sent as u64));
        assert_eq!(stats.dropped.full, dropped as u64);
        let mut last = None;
        for _ in 0..sent - dropped {
            let number = number_of(&full.recv_timeout(LONG).unwrap());
            assert!(last < Some(number));
            last = Some(number);
        }
        assert!(full.recv_timeout(SHORT).is_err());
    });
}

#[test]
fn ps3_as_many_cancels_as_subscriptions() {
    for_each_transport(|endpoint| {
        for kind in [SocketType::Sub, SocketType::XSub] {
            let mut publisher = publisher(|_| {});
            let place = publisher.bind_to(endpoint).unwrap();
            let mut subscriber = socket(kind);
            subscriber.connect(&place).unwrap();
            for _ in 0..3 {
                subscriber.subscribe("a").unwrap();
            }
            subscriber.subscribe("b").unwrap();
            publish_until(&mut publisher, "a", 1);
            publish_until(&mut publisher, "b", 1);
            assert!(!subscriber.unsubscribe("unknown").unwrap());
            assert!(subscriber.unsubscribe("a").unwrap());
            assert!(subscriber.unsubscribe("a").unwrap());
            // Whatever was sent about "a" is known with this.
            subscriber.subscribe("c").unwrap();
            publish_until(&mut publisher, "c", 1);
            assert_eq!(publisher.publish("a").unwrap().matched, 1);
            assert!(subscriber.unsubscribe("a").unwrap());
            publish_until(&mut publisher, "a", 0);
            assert!(!subscriber.unsubscribe("a").unwrap());
            assert_eq!(publisher.publish("b").unwrap().matched, 1);
            // A cancel of what it never held, from a peer that does not count.
            if kind == SocketType::XSub {
                subscriber.send(b"\0never").unwrap();
                subscriber.send(b"\x01d").unwrap();
                publish_until(&mut publisher, "d", 1);
                assert_eq!(publisher.publish("never").unwrap().matched, 0);
            }
        }
    });
}

#[test]
fn ps4_pub_discards_what_it_is_sent_and_does_not_receive() {
    for_each_side(|endpoint, side| {
        let (mut publisher, mut xsub) = (socket(SocketType::Pub), socket(SocketType::XSub));
        join(&mut publisher, &mut xsub, endpoint, side);
        for _ in 0..5 {
            xsub.send("user message").unwrap();
            xsub.send([&b"\x01two"[..], b"frames"]).unwrap();
        }
        until("they are discarded", || publisher.stats().unread == 10);
        assert!(matches!(publisher.recv(), Err(Error::State { .. })));
        assert!(matches!(publisher.try_recv(), Err(Error::State { .. })));
        assert!(matches!(publisher.subscribe("x"), Err(Error::State { .. })));
        xsub.subscribe("").unwrap();
        until("it publishes still", || {
            publisher.send("x").unwrap();
            xsub.try_recv().is_ok()
        });
    });
}

#[test]
fn ps5_xpub_shows_the_first_subscription_and_the_last_cancel() {
    let expected: [(XPubVerbosity, &[&str]); 3] = [
        (XPubVerbosity::Changes, &["+a", "-a"]),
        (XPubVerbosity::Subscriptions, &["+a", "+a", "-a"]),
        (XPubVerbosity::All, &["+a", "+a", "-a", "-a"]),
    ];
    for_each_transport(|endpoint| {
        for (verbosity, expected) in expected {
            let mut xpub = xpub(|options| options.xpub_verbosity = verbosity);
            let place = xpub.bind_to(endpoint).unwrap();
            let mut one = sub(&place, &[b"a"], |_| {});
            xpub.wait_for_subscribers(1, LONG).unwrap();
            let mut other = sub(&place, &[b"a"], |_| {});
            xpub.wait_for_subscribers(2, LONG).unwrap();
            one.unsubscribe("a").unwrap();
            until("the first has cancelled", || xpub.publish("a").unwrap().matched == 1);
            other.unsubscribe("a").unwrap();
            until("the second has cancelled", || xpub.publish("a").unwrap().matched == 0);
            for event in expected {
                let text = event.replace('+', "\x01").replace('-', "\0");
                assert_eq!(xpub.recv_timeout(LONG).unwrap(), text.into(), "{verbosity:?}");
            }
            assert!(xpub.recv_timeout(SHORT).is_err());
        }
    });
}

#[test]
fn ps5_xpub_receives_what_xsub_sends() {
    for_each_side(|endpoint, side| {
        let (mut xpub, mut xsub) = (socket(SocketType::XPub), socket(SocketType::XSub));
        join(&mut xpub, &mut xsub, endpoint, side);
        xsub.send(["hello", "there"]).unwrap();
        xsub.send(b"\x01topic").unwrap();
        assert_eq!(receive(&mut xpub), ["hello", "there"].into());
        assert_eq!(receive(&mut xpub), b"\x01topic".into());
    });
}

#[test]
fn ps6_xpub_shows_cancels_for_a_peer_that_is_lost() {
    for_each_transport(|endpoint| {
        for verbosity in [XPubVerbosity::Changes, XPubVerbosity::All] {
            let mut xpub = xpub(|options| options.xpub_verbosity = verbosity);
            let place = xpub.bind_to(endpoint).unwrap();
            let lost = sub(&place, &[b"own", b"shared", b"other"], |_| {});
            xpub.wait_for_subscribers(1, LONG).unwrap();
            let _stays = sub(&place, &[b"shared"], |_| {});
            xpub.wait_for_subscribers(2, LONG).unwrap();
            let mut shown = Vec::new();
            while let Ok(message) = xpub.recv_timeout(SHORT) {
                shown.push(message);
            }
            assert_eq!(shown.len(), if verbosity == XPubVerbosity::All { 4 } else { 3 });
            drop(lost);
            let mut cancels = [(); 2].map(|()| xpub.recv_timeout(LONG).unwrap());
            cancels.sort_by(|one, other| one[0].as_bytes().cmp(other[0].as_bytes()));
            assert_eq!(cancels, [Message::from(b"\0other"), Message::from(b"\0own")]);
            assert!(xpub.recv_timeout(SHORT).is_err());
            assert_eq!(xpub.publish("shared").unwrap().matched, 1);
            assert_eq!(xpub.publish("own").unwrap().matched, 0);
        }
    });
}

#[test]
fn ps7_nodrop_waits_for_the_full_one() {
    for_each_transport(|endpoint| {
        for kind in [SocketType::Pub, SocketType::XPub] {
            let mut publisher = socket_with(kind, |options| {
                small(options);
                options.xpub_nodrop = true;
            });
            let place = publisher.bind(endpoint).unwrap();
            let subscribe = |options: &mut Options| {
                small(options);
                options.subscriptions.push("0".into());
            };
            let (mut one, mut other) =
                (socket_with(SocketType::Sub, subscribe), socket_with(SocketType::Sub, subscribe));
            let known = |sub: &mut AnySocket, publisher: &mut AnySocket| {
                sub.connect(&place).unwrap();
                until("it is subscribed", || {
                    publisher.send_timeout("0", LONG).unwrap();
                    sub.recv_timeout(SHORT).is_ok()
                });
                while sub.recv_timeout(SHORT).is_ok() {}
            };
            known(&mut one, &mut publisher);
            known(&mut other, &mut publisher);
            while one.recv_timeout(SHORT).is_ok() {}
            let full = fill(&mut publisher, None);
            publisher.try_send("no match").unwrap();
            for number in 0..full {
                assert_eq!(number_of(&receive(&mut one)), number);
            }
            if endpoint.starts_with("inproc") {
                // The other is full still: nobody gets it.
                assert_eq!(publisher.try_send("0").unwrap_err().error, Error::WouldBlock);
                assert!(one.recv_timeout(SHORT).is_err());
            }
            for number in 0..full {
                assert_eq!(number_of(&receive(&mut other)), number);
            }
            publisher.send_timeout("0", LONG).unwrap();
            assert_eq!((receive_text(&mut one), receive_text(&mut other)), ("0".into(), "0".into()));
            assert_eq!(publisher.stats().dropped.total(), 0);
        }
    });
}

#[test]
fn ps9_sub_filters_again() {
    for_each_wire(|endpoint| {
        let mut subscriber = zmq::Sub::builder().options(options(|_| {})).subscribe("a").build().unwrap();
        let place = subscriber.bind_to(endpoint).unwrap();
        let mut sloppy = Raw::connect(&place, "PUB");
        for topic in ["b", "a1", "", "ca", "a2"] {
            sloppy.frame(1, topic.as_bytes());
            sloppy.frame(0, b"rest");
        }
        for topic in ["a1", "a2"] {
            assert_eq!(subscriber.recv_timeout(LONG).unwrap(), [topic, "rest"].into());
        }
        assert!(subscriber.recv_timeout(SHORT).is_err());
        assert_eq!(subscriber.stats().unread, 3);
    });
}

#[test]
fn ps9_inverted_matching_on_one_side_lets_nothing_through() {
    for_each_transport(|endpoint| {
        let mut publisher = publisher(|_| {});
        let place = publisher.bind_to(endpoint).unwrap();
        let mut subscriber = sub(&place, &[b"a"], |options| options.invert_matching = true);
        publisher.wait_for_subscribers(1, LONG).unwrap();
        publisher.send("a").unwrap();
        publisher.send("b").unwrap();
        assert!(subscriber.recv_timeout(SHORT).is_err());
    });
}

#[test]
fn ps9_inverted_matching_on_both_sides_delivers_what_does_not_match() {
    for_each_transport(|endpoint| {
        for kind in [SocketType::Sub, SocketType::XSub] {
            let mut publisher = publisher(|options| options.invert_matching = true);
            let place = publisher.bind_to(endpoint).unwrap();
            let mut subscriber = socket_with(kind, |options| options.invert_matching = true);
            subscriber.subscribe("a").unwrap();
            subscriber.connect(&place).unwrap();
            publisher.wait_for_subscribers(1, LONG).unwrap();
            assert_eq!(publisher.publish("ab").unwrap().matched, 0);
            assert_eq!(publisher.publish("b").unwrap().matched, 1);
            assert_eq!(publisher.publish("").unwrap().matched, 1);
            assert_eq!(
                (receive_text(&mut subscriber), receive_text(&mut subscriber)),
                ("b".into(), "".into())
            );
            assert!(subscriber.recv_timeout(SHORT).is_err());
        }
    });
}

#[test]
fn ps10_a_full_subscriber_keeps_the_old_and_loses_the_new() {
    let mut publisher = publisher(small);
    let place = publisher.bind_to("inproc://*").unwrap();
    let mut subscriber = sub(&place, &[b""], small);
    publisher.wait_for_subscribers(1, LONG).unwrap();
    for number in 0..10 {
        let published = publisher.publish(number.to_string()).unwrap();
        assert_eq!(published, zmq::Published { matched: 1, dropped: usize::from(number >= 4) });
    }
    for number in 0..4 {
        assert_eq!(subscriber.recv_timeout(LONG).unwrap(), number.to_string().into());
    }
    assert!(subscriber.try_recv().is_err());
    publisher.send("x").unwrap();
    assert_eq!(subscriber.recv_timeout(LONG).unwrap(), "x".into());
}

#[test]
fn ps10_one_publisher_does_not_starve_another() {
    for_each_transport(|endpoint| {
        let mut subscriber = socket_with(SocketType::Sub, |options| options.subscriptions.push("".into()));
        let place = subscriber.bind(endpoint).unwrap();
        let mut senders = Vec::new();
        for _ in 0..2 {
            let mut publisher = publisher(|_| {});
            publisher.connect_to(&place).unwrap();
            publisher.wait_for_subscribers(1, LONG).unwrap();
            senders.push(publisher);
        }
        for number in 0..500u32 {
            senders[0].send(("loud", number.to_be_bytes())).unwrap();
        }
        for number in 0..5u32 {
            senders[1].send(("soft", number.to_be_bytes())).unwrap();
        }
        let bytes =
            |senders: &mut Vec<zmq::Pub>| senders.iter_mut().map(|s| s.stats().bytes_sent).sum::<u64>();
        until("all has arrived", || {
            senders.iter_mut().all(|sender| sender.stats().queued == 0)
                && subscriber.stats().bytes_received == bytes(&mut senders)
        });
        let first: Vec<_> = (0..10).map(|_| receive(&mut subscriber)[0].to_string_lossy()).collect();
        assert_eq!(first.iter().filter(|name| *name == "soft").count(), 5, "{first:?}");
    });
}

#[test]
fn ps11_a_new_publisher_hears_of_all_subscriptions_first() {
    for_each_side(|endpoint, side| {
        let (mut xpub, mut xsub) = (socket(SocketType::XPub), socket(SocketType::XSub));
        for topic in ["a", "b", "c", "b", "gone"] {
            xsub.subscribe(topic).unwrap();
        }
        xsub.unsubscribe("gone").unwrap();
        join(&mut xpub, &mut xsub, endpoint, side);
        xsub.send("hello").unwrap();
        let mut shown: Vec<_> = (0..3).map(|_| receive_text(&mut xpub)).collect();
        shown.sort_unstable();
        assert_eq!(shown, ["\x01a", "\x01b", "\x01c"]);
        assert_eq!(receive_text(&mut xpub), "hello");
        // And each change from then on, once.
        xsub.subscribe("d").unwrap();
        xsub.unsubscribe("a").unwrap();
        xsub.unsubscribe("b").unwrap();
        xsub.unsubscribe("b").unwrap();
        assert_eq!([(); 3].map(|()| receive_text(&mut xpub)), ["\x01d", "\0a", "\0b"]);
        // It cancels what is left when it closes.
        drop(xsub);
        let mut left = [(); 2].map(|()| receive_text(&mut xpub));
        left.sort_unstable();
        assert_eq!(left, ["\0c", "\0d"]);
        expect_nothing(&mut xpub);
    });
}

#[test]
fn ps11_changes_race_with_a_connection() {
    for_each_transport(|endpoint| {
        for round in 0..20 {
            let mut xpub =
                socket_with(SocketType::XPub, |options| options.xpub_verbosity = XPubVerbosity::All);
            let place = xpub.bind(endpoint).unwrap();
            let mut subscriber = socket(SocketType::Sub);
            subscriber.connect(&place).unwrap();
            for number in 0..20 {
                subscriber.subscribe(number.to_string()).unwrap();
                if number % 2 == round % 2 {
                    subscriber.unsubscribe(number.to_string()).unwrap();
                }
            }
            subscriber.subscribe("last").unwrap();
            let mut held = std::collections::BTreeSet::new();
            loop {
                let text = receive_text(&mut xpub);
                match text.split_at(1) {
                    ("\x01", topic) => assert!(held.insert(topic.to_owned()), "{topic} twice"),
                    (_, topic) => assert!(held.remove(topic), "{topic} was not held"),
                }
                if text == "\x01last" {
                    break;
                }
            }
            assert_eq!(held.len(), 11, "{held:?}");
        }
    });
}

#[test]
fn ps12_conflate_keeps_the_last_message_of_each_pipe() {
    for_each_transport(|endpoint| {
        for (receiver, sender) in [
            (SocketType::Pull, SocketType::Push),
            (SocketType::Sub, SocketType::Pub),
            (SocketType::Dealer, SocketType::Dealer),
        ] {
            let mut receiving = socket_with(receiver, |options| {
                options.conflate = true;
                if receiver == SocketType::Sub {
                    options.subscriptions.push("".into());
                }
            });
            let place = receiving.bind(endpoint).unwrap();
            let mut senders = Vec::new();
            for name in ["a", "b"] {
                let mut sending = socket(sender);
                add_peer(&mut receiving, &mut sending, &place);
                for number in 0..50 {
                    until("it is sent", || {
                        let before = sending.stats().written;
                        let _ = sending.try_send(format!("{name}{number}"));
                        sending.stats().written > before
                    });
                }
                senders.push(sending);
            }
            if !endpoint.starts_with("inproc") {
                wait_for_bytes(&mut receiving, &mut senders);
            }
            let mut got = [receive_text(&mut receiving), receive_text(&mut receiving)];
            got.sort_unstable();
            assert_eq!(got, ["a49", "b49"]);
            expect_nothing(&mut receiving);
        }
    });
}

#[test]
fn ps12_subscriptions_are_not_conflated() {
    for_each_side(|endpoint, side| {
        let mut xpub = socket_with(SocketType::XPub, |options| options.conflate = true);
        let mut subscriber = socket_with(SocketType::Sub, |options| options.conflate = true);
        for topic in ["a", "b", "c"] {
            subscriber.subscribe(topic).unwrap();
        }
        join(&mut xpub, &mut subscriber, endpoint, side);
        for topic in ["d", "e", "f"] {
            subscriber.subscribe(topic).unwrap();
        }
        let mut shown = [(); 6].map(|()| receive_text(&mut xpub));
        shown.sort_unstable();
        assert_eq!(shown, ["\x01a", "\x01b", "\x01c", "\x01d", "\x01e", "\x01f"]);
    });
}

#[test]
fn ps12_a_conflating_sender_keeps_the_last_too() {
    for_each_transport(|endpoint| {
        let place = reserve(endpoint);
        let mut push = socket_with(SocketType::Push, |options| options.conflate = true);
        push.connect(&place).unwrap();
        for number in 0..50 {
            push.try_send(number.to_string()).unwrap();
        }
        let mut pull = socket(SocketType::Pull);
        bind_again(&mut pull, &place);
        assert_eq!(receive_text(&mut pull), "49");
        expect_nothing(&mut pull);
        assert_eq!(balance(&mut push).dropped.replaced, 49);
    });
}

#[test]
fn ps_a_subscriber_that_unsubscribes_gets_nothing_more() {
    for_each_transport(|endpoint| {
        let mut publisher = publisher(|_| {});
        let place = publisher.bind_to(endpoint).unwrap();
        let mut subscriber = sub(&place, &[b"a"], |_| {});
        publisher.wait_for_subscribers(1, LONG).unwrap();
        publisher.send("a1").unwrap();
        // Whatever is on its way does not pass the local filter.
        subscriber.unsubscribe("a").unwrap();
        publisher.send("a2").unwrap();
        publish_until(&mut publisher, "a", 0);
        drain(&mut subscriber);
        assert_eq!(subscriber.stats().received, 0);
    });
}

/// Whoever stays with a topic does not have it looked up each time; what is changed counts at once nevertheless.
#[test]
fn subscriptions_change_while_the_topic_stays() {
    const TEXT: &str = "weather today: sunshine";
    for_each_transport(|endpoint| {
        let mut publisher = publisher(|_| {});
        let place = publisher.bind_to(endpoint).unwrap();
        let mut one = sub(&place, &[b"weather"], |_| {});
        let mut other = sub(&place, &[b"news"], |_| {});
        publisher.wait_for_subscribers(2, LONG).unwrap();
        let arrives = |sub: &mut zmq::Sub| assert_eq!(sub.recv_timeout(LONG).unwrap(), TEXT.into());
        for _ in 0..5 {
            assert_eq!(publisher.publish(TEXT).unwrap().matched, 1);
            arrives(&mut one);
        }
        other.subscribe("weather t").unwrap();
        publish_until(&mut publisher, TEXT, 2);
        arrives(&mut other);
        drain(&mut one);
        for _ in 0..5 {
            publisher.send(TEXT).unwrap();
            arrives(&mut one);
            arrives(&mut other);
        }
        one.unsubscribe("weather").unwrap();
        publisher.send(TEXT).unwrap();
        arrives(&mut other);
        assert!(one.recv_timeout(SHORT).is_err());
        publish_until(&mut publisher, TEXT, 1);
        drop(other);
        publish_until(&mut publisher, TEXT, 0);
        one.subscribe("").unwrap();
        publish_until(&mut publisher, TEXT, 1);
        arrives(&mut one);
    });
}

/// One message of a flood: runs of topics, most of them small, some larger than what is encoded once for all, some of two
/// frames.
fn of_a_flood(number: u32) -> Message {
    let topic = if number / 37 % 2 == 0 { "a" } else { "b" };
    let filling = if number % 500 == 499 { 10_000 } else { number % 90 };
    let body = [topic.as_bytes(), &number.to_be_bytes(), &vec![number as u8; filling as usize]].concat();
    if number % 100 == 50 { Message::from([&body[..], b"second"]) } else { Message::from(body) }
}

fn number_in(message: &Message) -> u32 {
    u32::from_be_bytes(message.body()[1..5].try_into().unwrap())
}

/// What a publisher that runs ahead puts together for several subscribers is what each would have got alone.
#[test]
fn a_flood_comes_to_each_of_several_subscribers_whole_and_in_order() {
    const COUNT: u32 = 60_000;
    for_each_transport(|endpoint| {
        for hwm in [7, 1000] {
            let mut publisher = publisher(|options| {
                options.xpub_nodrop = true;
                options.send_hwm = hwm;
            });
            let place = publisher.bind_to(endpoint).unwrap();
            let topics: [&[&[u8]]; 4] = [&[b""], &[b"a"], &[b"b"], &[b"b", b"a"]];
            let subscribers: Vec<_> = topics.map(|topics| sub(&place, topics, |_| {})).into_iter().collect();
            publisher.wait_for_subscribers(topics.len(), LONG).unwrap();
            let listening = subscribers.into_iter().zip(topics).map(|(mut sub, topics)| {
                std::thread::spawn(move || {
                    let sent = (0..COUNT).map(of_a_flood);
                    for message in
                        sent.filter(|sent| topics.iter().any(|topic| sent.body().starts_with(topic)))
                    {
                        assert_eq!(sub.recv_timeout(LONG).unwrap(), message);
                    }
                    assert!(sub.recv_timeout(SHORT).is_err(), "there is one too many");
                })
            });
            let listening: Vec<_> = listening.collect();
            for number in 0..COUNT {
                let published = publisher.publish(of_a_flood(number)).unwrap();
                assert_eq!((published.matched, published.dropped), (3, 0));
            }
            listening.into_iter().for_each(|thread| thread.join().unwrap());
            let stats = publisher.stats();
            assert_eq!((stats.written, stats.dropped.total()), (3 * u64::from(COUNT), 0), "{stats:?}");
            until("everything is delivered", || publisher.stats().delivered == stats.written);
        }
    });
}

/// One takes everything, one nothing, one leaves in the middle: the books say what became of each copy, and no more waits
/// for the second than the high-water mark and one write.
#[test]
fn a_flood_to_subscribers_that_stall_and_leave_is_accounted_for() {
    const COUNT: u32 = 60_000;
    const HWM: usize = 100;
    for_each_wire(|endpoint| {
        let mut publisher = publisher(|options| options.send_hwm = HWM);
        let place = publisher.bind_to(endpoint).unwrap();
        let mut stalled = sub(&place, &[b""], |options| options.recv_hwm = HWM);
        let mut leaving = Some(sub(&place, &[b""], |_| {}));
        let mut eager = sub(&place, &[b""], |_| {});
        publisher.wait_for_subscribers(3, LONG).unwrap();
        let listening = std::thread::spawn(move || {
            let mut last = None;
            while last != Some(COUNT) {
                let number = number_in(&eager.recv_timeout(LONG).unwrap());
                assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
                last = Some(number);
            }
        });
        let (mut copies, mut dropped) = (0, 0);
        let mut publish = |publisher: &mut zmq::Pub, number: u32| {
            let body = [&b"x"[..], &number.to_be_bytes(), &[7; 995]].concat();
            let published = publisher.publish(body).unwrap();
            copies += published.matched as u64;
            dropped += published.dropped as u64;
        };
        for number in 0..COUNT {
            publish(&mut publisher, number);
            if number == COUNT / 2 {
                leaving = None;
            }
            if number % 5000 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        while !listening.is_finished() {
            publish(&mut publisher, COUNT);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        listening.join().unwrap();
        assert!(leaving.is_none());
        until("the books balance", || {
            let stats = publisher.stats();
            stats.written == stats.delivered + stats.queued + stats.dropped.total()
        });
        let stats = publisher.stats();
        assert_eq!((stats.written, stats.dropped.full), (copies, dropped), "{stats:?}");
        let in_one_write = 2 * 64 * 1024 / 1000 + 2;
        assert!(dropped > 0 && stats.queued <= (HWM + in_one_write) as u64, "{stats:?}");
        let mut last = None;
        until("the stalled one has what waits for it", || {
            while let Ok(message) = stalled.recv_timeout(SHORT) {
                let number = number_in(&message);
                assert!(last.is_none_or(|last| number == COUNT || number > last), "{number} after {last:?}");
                last = Some(number);
            }
            publisher.stats().queued == 0
        });
    });
}
