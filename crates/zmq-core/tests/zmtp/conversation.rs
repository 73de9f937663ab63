//! Whole conversations.

use crate::common::*;
use bytes::Bytes;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Frame, Message, SocketType};

#[test]
fn every_pair_of_types_agrees_or_is_refused() {
    for ours in SocketType::ALL {
        for theirs in SocketType::ALL {
            let (mut a, mut b) = (engine(ours), engine(theirs));
            let [(events, error), (other_events, other_error)] = converse(&mut a, &mut b);
            if ours.is_compatible(theirs) {
                let [Event::Ready(peer)] = &events[..] else {
                    panic!("{ours} and {theirs}: {events:?} {error:?}")
                };
                assert_eq!(peer.socket_type, Some(theirs));
                assert_eq!((other_events.len(), other_error), (1, None));
            } else {
                assert_eq!(error, Some(ProtocolError::IncompatibleSocketType { ours, theirs }));
                assert_eq!(
                    other_error,
                    Some(ProtocolError::IncompatibleSocketType { ours: theirs, theirs: ours })
                );
                assert!(events.is_empty() && other_events.is_empty());
            }
        }
    }
}

#[test]
fn what_a_dealer_and_a_sub_send_is_as_the_rfc_has_it() {
    for (kind, peer, expected) in [
        (
            SocketType::Dealer,
            "ROUTER",
            &b"\x04\x29\x05READY\x0BSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"[..],
        ),
        (SocketType::Sub, "PUB", b"\x04\x19\x05READY\x0BSocket-Type\0\0\0\x03SUB"),
    ] {
        let mut engine = engine(kind);
        let theirs = greeting(1);
        assert_eq!(take_output(&mut engine), theirs[..10], "an old peer must see no more");
        feed(&mut engine, &theirs[..9]);
        assert_eq!(engine.output_len(), 0);
        feed(&mut engine, &theirs[9..10]);
        assert_eq!(take_output(&mut engine), theirs[10..11]);
        feed(&mut engine, &theirs[10..11]);
        assert_eq!(take_output(&mut engine), theirs[11..]);
        feed(&mut engine, &theirs[11..]);
        assert_eq!(take_output(&mut engine), expected, "READY goes out at once");
        assert_eq!(feed(&mut engine, &ready(peer)).0.len(), 1);
        assert_eq!(engine.output_len(), 0);
    }
}

#[test]
fn routing_ids_and_properties_arrive() {
    let named = Config { routing_id: Bytes::from_static(b"worker"), ..config(SocketType::Dealer) };
    let mut dealer = Engine::new(Arc::new(named), Instant::now());
    let mut router = engine(SocketType::Router);
    assert_eq!(dealer.output_len(), 10);
    let [_, (events, _)] = converse(&mut dealer, &mut router);
    let [Event::Ready(peer)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(peer.routing_id, "worker");
    assert_eq!(peer.property("socket-type"), Some(&Bytes::from_static(b"DEALER")));
    assert!(peer.address.is_empty() && peer.credentials.is_none());
}

#[test]
fn messages_of_every_shape_round_trip() {
    let (mut push, mut pull) = connected(SocketType::Push, SocketType::Pull);
    let sizes = [0, 1, 69, 70, 71, 254, 255, 256, 8192, 8193, 65_535, 65_536, 300_000];
    let body = |size: usize| vec![size as u8; size];
    let mut sent: Vec<Message> = sizes.iter().map(|size| Message::from(body(*size))).collect();
    sent.push(sizes.iter().map(|size| body(*size)).collect());
    sent.push((0..8192).map(|_| Frame::new()).collect());
    sent.push(Message::from(["", "", ""]));
    for message in &sent {
        push.push(message);
    }
    assert!(messages(feed(&mut pull, &take_output(&mut push))) == sent);
}

#[test]
fn small_bodies_arrive_inline_and_large_ones_own_their_memory() {
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", Instant::now());
    let input = [frame(0, &[1; 70]), frame(0, &[2; 71]), frame(0, &[3; 5000]), frame(0, &[4; 5000])].concat();
    let received = messages(feed(&mut pull, &input));
    assert!(received[0][0].as_shared().is_none());
    assert!(!input.as_ptr_range().contains(&received[1][0].as_ptr()));
    let shared = received[2][0].as_shared().expect("shared");
    assert!(!input.as_ptr_range().contains(&shared.as_ptr()));
    // Nobody else's: what came after it lies elsewhere, and has not changed it.
    assert!(shared[..] == [3; 5000] && received[3][0][..] == [4; 5000]);
    assert!(!shared.as_ptr_range().contains(&received[3][0].as_ptr()));
}

#[test]
fn a_message_is_complete_or_not_there() {
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", Instant::now());
    assert_eq!(feed(&mut pull, &frame(1, b"a")), (vec![], None));
    assert_eq!(feed(&mut pull, &frame(1, b"")), (vec![], None));
    assert_eq!(messages(feed(&mut pull, &frame(0, b"b"))), [Message::from(["a", "", "b"])]);
}

#[test]
fn nothing_is_pushed_before_the_handshake_is_complete() {
    let mut push = engine(SocketType::Push);
    push.push(&Message::from("early"));
    assert_eq!(take_output(&mut push).len(), 10);
    feed(&mut push, &greeting(1));
    take_output(&mut push);
    push.push(&Message::from("early"));
    assert_eq!(push.output_len(), 0);
}

#[test]
fn subscriptions_are_commands_since_3_1_and_messages_before() {
    for length in [0, 1, 244, 245, 246, 247, 254, 255, 256, 10_000] {
        let topic = vec![b't'; length];
        for (kind, name) in [(1, "SUBSCRIBE"), (0, "CANCEL")] {
            let message = Message::from([&[kind], &topic[..]].concat());
            for socket_type in [SocketType::Sub, SocketType::XSub] {
                let mut sub = facing(config(socket_type), 1, "PUB", Instant::now());
                sub.push(&message);
                assert_eq!(take_output(&mut sub), command(name, &topic));
                let mut sub = facing(config(socket_type), 0, "XPUB", Instant::now());
                sub.push(&message);
                assert_eq!(take_output(&mut sub), frame(0, message.body()));
            }
            for socket_type in [SocketType::Pub, SocketType::XPub] {
                for form in [command(name, &topic), frame(0, message.body())] {
                    let mut publisher = facing(config(socket_type), 1, "SUB", Instant::now());
                    assert_eq!(messages(feed(&mut publisher, &form)), std::slice::from_ref(&message));
                }
            }
        }
    }
}

#[test]
fn only_subscriptions_of_subscribers_become_commands() {
    let mut xsub = facing(config(SocketType::XSub), 1, "XPUB", Instant::now());
    for message in [Message::from(["\u{1}a", "b"]), Message::from("\u{2}a"), Message::from("")] {
        xsub.push(&message);
        assert_eq!(take_output(&mut xsub)[0] & 4, 0, "{message:?}");
    }
    let mut push = facing(config(SocketType::Push), 1, "PULL", Instant::now());
    push.push(&Message::from("\u{1}a"));
    assert_eq!(take_output(&mut push), b"\0\x02\x01a");
}

#[test]
fn commands_that_mean_nothing_here_are_ignored() {
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", Instant::now());
    for ignored in [
        command("SUBSCRIBE", b"topic"),
        command("CANCEL", b"topic"),
        command("JOIN", b"group"),
        command("PONG", b"anything of any length"),
        command("ERROR", b"\x03Bad"),
        command("ERROR", b""),
        ready("PUB"),
        command("X", &[0; 200]),
    ] {
        assert_eq!(feed(&mut pull, &ignored), (vec![], None), "{ignored:?}");
    }
    assert_eq!(pull.output_len(), 0);
    assert!(pull.is_ready());
}

#[test]
fn commands_may_come_between_the_frames_of_a_message() {
    let mut xpub = facing(config(SocketType::XPub), 1, "XSUB", Instant::now());
    let input =
        [frame(1, b"a"), command("PING", b"\0\0"), command("SUBSCRIBE", b"t"), frame(0, b"b")].concat();
    assert_eq!(messages(feed(&mut xpub, &input)), [Message::from("\u{1}t"), Message::from(["a", "b"])]);
    assert_eq!(take_output(&mut xpub), command("PONG", b""));
}

#[test]
fn a_ping_is_answered_with_its_context() {
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", Instant::now());
    for context in [&b""[..], b"x", b"0123456789abcdef"] {
        feed(&mut pull, &command("PING", &[&[0, 0], context].concat()));
        assert_eq!(take_output(&mut pull), command("PONG", context));
    }
}

#[test]
fn a_flood_of_pings_does_not_make_the_output_grow() {
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", Instant::now());
    for i in 0..10_000_u32 {
        feed(&mut pull, &command("PING", &[&[0, 0], &i.to_be_bytes()[..]].concat()));
    }
    assert!(pull.output_len() < 32);
    let answers = [command("PONG", &0_u32.to_be_bytes()), command("PONG", &9999_u32.to_be_bytes())].concat();
    assert_eq!(take_output(&mut pull), answers, "the first, and then the last");
}

#[test]
fn pings_are_counted_by_the_second() {
    let start = Instant::now();
    let config = Config { max_pings_per_second: 3, ..config(SocketType::Pull) };
    let mut pull = facing(config, 1, "PUSH", start);
    let ping = command("PING", b"\0\0");
    for seconds in 0..100 {
        let now = start + Duration::from_secs(seconds);
        assert_eq!(feed_at(&mut pull, &ping.repeat(3), now), (vec![], None));
        // Messages between them change nothing.
        assert_eq!(messages(feed_at(&mut pull, &frame(0, b"x"), now + Duration::from_millis(999))).len(), 1);
    }
    let almost = start + Duration::from_millis(99_999);
    let refused = ProtocolError::TooManyPings { limit: 3 };
    assert_eq!(feed_at(&mut pull, &ping, almost), (vec![], Some(refused)));
}

#[test]
fn a_refusal_says_why() {
    let mut pull = engine(SocketType::Pull);
    feed(&mut pull, &greeting(1));
    take_output(&mut pull);
    let (_, error) = feed(&mut pull, &ready("PUB"));
    assert_eq!(
        error.map(|error| error.to_string()).as_deref(),
        Some("the peer is a PUB socket, which cannot talk to a PULL socket")
    );
    assert_eq!(take_output(&mut pull), command("ERROR", b"\x18Incompatible socket type"));

    let mut push = engine(SocketType::Push);
    feed(&mut push, &greeting(1));
    take_output(&mut push);
    let (_, error) = feed(&mut push, &command("ERROR", b"\x0BNot allowed"));
    assert_eq!(error, Some(ProtocolError::RefusedByPeer { reason: "Not allowed".into() }));
    assert_eq!(push.output_len(), 0, "a refusal is not answered");
}

#[test]
fn strangers_are_sent_away_at_once() {
    for (input, shown) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "HTTP"),
        (b"GE", "HTTP"),
        (b"\x16\x03\x01\x02\x00", "TLS"),
        (b"SSH-2.0-OpenSSH", "SSH"),
        (b"\x01\x00", "ZMTP 1.0"),
    ] {
        let mut engine = engine(SocketType::Rep);
        let (events, error) = feed(&mut engine, input);
        assert!(events.is_empty());
        assert!(error.is_some_and(|error| error.to_string().contains(shown)), "{shown}");
        let sent = take_output(&mut engine);
        assert!(sent.len() <= 11 && sent[..10] == greeting(1)[..10], "nothing but a part of the greeting");
    }
}

#[test]
fn only_commands_belong_in_a_handshake() {
    let after_greeting = |bytes: &[u8]| {
        let mut engine = engine(SocketType::Pull);
        let (events, error) = feed(&mut engine, &[&greeting(1)[..], bytes].concat());
        assert!(events.is_empty());
        error
    };
    assert_eq!(after_greeting(&frame(0, b"hello")), Some(ProtocolError::MessageInHandshake));
    assert_eq!(after_greeting(&[0]), None);
    let ready_without_flag = [&[0], &ready("PUSH")[1..]].concat();
    assert_eq!(after_greeting(&ready_without_flag), Some(ProtocolError::MessageInHandshake));
    assert!(matches!(
        after_greeting(&command("PING", b"\0\0")),
        Some(ProtocolError::UnexpectedCommand { .. })
    ));
    assert_eq!(
        after_greeting(&long_frame(4, 1 << 20, b"")),
        Some(ProtocolError::MetadataTooLarge { limit: 8192 })
    );
    assert_eq!(after_greeting(&[8]), Some(ProtocolError::ReservedFlags { flags: 8 }));
    assert_eq!(after_greeting(&[5]), Some(ProtocolError::CommandWithMore));
}

#[test]
fn a_closed_engine_stays_closed() {
    let now = Instant::now();
    let mut pull = facing(config(SocketType::Pull), 1, "PUSH", now);
    assert!(feed(&mut pull, &[0x80]).1.is_some());
    for input in [&b""[..], b"\0\x01a", &greeting(1)] {
        let mut rest = input;
        assert_eq!(pull.next_event(&mut rest, now), Err(ProtocolError::Closed));
    }
    pull.push(&Message::from("late"));
    pull.body_filled(100, now);
    assert!(pull.body_to_fill().is_none());
    assert_eq!(pull.handle_timeout(now), Err(ProtocolError::Closed));
    assert_eq!((pull.poll_timeout(), pull.output_len(), pull.is_ready()), (None, 0, false));
}

#[test]
fn output_before_an_error_is_still_there() {
    let mut pair = facing(config(SocketType::Pair), 1, "PAIR", Instant::now());
    pair.push(&Message::from("last words"));
    assert!(feed(&mut pair, &[0xFF]).1.is_some());
    assert_eq!(take_output(&mut pair), frame(0, b"last words"));
}

#[test]
fn an_idle_engine_holds_no_buffer() {
    let mut push = facing(config(SocketType::Push), 1, "PULL", Instant::now());
    assert_eq!(push.reclaim_buffer(), None);
    assert_eq!(push.lend_buffer(Vec::with_capacity(4096)), None);
    push.push(&Message::from("a"));
    assert_eq!(push.reclaim_buffer(), None, "not while something waits");
    take_output(&mut push);
    assert!(push.reclaim_buffer().is_some_and(|buffer| buffer.is_empty() && buffer.capacity() == 4096));
    feed(&mut push, &command("PING", b"\0\0"));
    assert_eq!(push.lend_buffer(Vec::with_capacity(4096)), None);
    push.push(&Message::from("b"));
    assert_eq!(take_output(&mut push), [command("PONG", b""), frame(0, b"b")].concat());
    assert!(push.reclaim_buffer().is_some());
}

#[test]
fn large_shared_bodies_are_written_from_where_they_are() {
    let mut push = facing(config(SocketType::Push), 1, "PULL", Instant::now());
    let body = Bytes::from(vec![1; 100_000]);
    push.push(&Message::from([Frame::from("head"), Frame::from(body.clone())]));
    push.push(&Message::from("next"));
    let mut slices = [IoSlice::new(&[]); 8];
    assert_eq!(push.output(&mut slices), 3);
    assert_eq!(slices[1].as_ptr(), body.as_ptr());
    assert_eq!(push.output(&mut slices[..2]), 2);
    push.advance_output(6 + 9 + 50_000);
    let mut slices = [IoSlice::new(&[]); 8];
    assert_eq!(push.output(&mut slices), 2);
    assert_eq!((slices[0].len(), slices[1].len()), (50_000, 6));
}

#[test]
fn engines_are_small_and_may_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Engine>();
    assert!(size_of::<Engine>() <= 512, "{}", size_of::<Engine>());
    assert!(size_of::<Event>() <= 80);
}
