//! Peers of ZMTP 1.0, 2.0, 3.0 and 3.1, written by hand.

use crate::common::*;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::options::ZmtpVersion::{self, V1_0, V2_0, V3_0, V3_1};
use zmq_core::security::{Plain, Security};
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Message, Peer, SocketType};

const VERSIONS: [ZmtpVersion; 4] = [V1_0, V2_0, V3_0, V3_1];

fn started(config: Config) -> Engine {
    Engine::new(Arc::new(config), Instant::now())
}

/// An engine of `ours` facing a peer of `theirs` that has introduced itself; all output taken.
fn facing_version(version: ZmtpVersion, ours: SocketType, theirs: SocketType) -> Engine {
    let mut engine = started(tolerant(ours));
    let (_, error) = feed(&mut engine, &beginning(version, theirs, b""));
    assert_eq!(error, None, "{version} {ours} {theirs}");
    assert!(engine.is_ready());
    take_output(&mut engine);
    engine
}

/// The peer among events that begin with it, and the messages.
fn peer_and_messages((events, error): Heard) -> (Peer, Vec<Message>) {
    assert_eq!(error, None);
    let mut events = events.into_iter();
    let Some(Event::Ready(peer)) = events.next() else { panic!("no peer") };
    (*peer, messages((events.collect(), None)))
}

/// What an engine has sent after each byte of what it hears.
fn sent_after_each(config: Config, heard: &[u8]) -> (Vec<usize>, Vec<u8>) {
    let mut engine = started(config);
    let mut sent = take_output(&mut engine);
    let mut lengths = vec![sent.len()];
    for byte in heard.chunks(1) {
        assert_eq!(feed(&mut engine, byte).1, None);
        sent.extend(take_output(&mut engine));
        lengths.push(sent.len());
    }
    (lengths, sent)
}

#[test]
fn to_a_1_0_peer_we_are_a_frame_with_our_identity() {
    for length in [0, 1, 200, 255] {
        let id = Bytes::from(vec![b'i'; length]);
        let config = Config { routing_id: id.clone(), ..tolerant(SocketType::Dealer) };
        let (lengths, sent) = sent_after_each(config, &beginning(V1_0, SocketType::Router, b"you"));
        // Its flags are what makes it a signature for everybody else.
        assert_eq!(sent, old_long_frame(0x7F, length as u64 + 1, &id));
        assert_eq!(lengths, [10, 10, 10 + length, 10 + length, 10 + length, 10 + length]);
    }
}

#[test]
fn a_1_0_peer_with_a_long_identity_is_told_after_ten_bytes() {
    for length in [254, 255] {
        let id = vec![b'i'; length];
        let mut router =
            started(Config { routing_id: Bytes::from_static(b"me"), ..tolerant(SocketType::Router) });
        let stream = old_long_frame(0, length as u64 + 1, &id);
        assert_eq!(feed(&mut router, &stream[..9]), (vec![], None));
        assert_eq!(take_output(&mut router).len(), 10);
        assert_eq!(feed(&mut router, &stream[9..10]), (vec![], None));
        assert_eq!(take_output(&mut router), b"me");
        assert_eq!(peer_and_messages(feed(&mut router, &stream[10..])).0.routing_id, id);
    }
}

#[test]
fn to_a_2_0_peer_we_send_version_type_and_identity_in_steps() {
    let config = Config { routing_id: Bytes::from_static(b"me"), ..tolerant(SocketType::Dealer) };
    let (lengths, sent) = sent_after_each(config, &beginning(V2_0, SocketType::Router, b""));
    assert_eq!(sent, [&[0xFF, 0, 0, 0, 0, 0, 0, 0, 3, 0x7F, 3, 5][..], &frame(0, b"me")].concat());
    // The version after its signature, the type after its version, the identity after its type.
    assert_eq!(lengths, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 12, 16, 16, 16]);
}

#[test]
fn a_greeting_of_version_1_0_has_the_frames_of_1_0() {
    let stream =
        [old_greeting(0, SocketType::Sub.number()), old_frame(0, b""), old_frame(0, b"\x01t")].concat();
    let config = Config { routing_id: Bytes::from_static(b"me"), ..tolerant(SocketType::XPub) };
    let (_, sent) = sent_after_each(config, &stream);
    assert_eq!(sent[10..], [&[3, 9][..], &old_frame(0, b"me")].concat());
    let (peer, messages) = peer_and_messages(feed(&mut started(tolerant(SocketType::XPub)), &stream));
    assert_eq!((peer.zmtp, peer.socket_type), (Some(V1_0), Some(SocketType::Sub)));
    assert_eq!(messages, [Message::from("\u{1}t")], "who sends a greeting subscribes itself");
}

#[test]
fn every_pair_of_types_meets_in_every_version() {
    for version in VERSIONS {
        for ours in SocketType::ALL {
            for theirs in SocketType::ALL {
                let mut engine = started(tolerant(ours));
                let (events, error) = feed(&mut engine, &beginning(version, theirs, b"id"));
                if version > V1_0 && !ours.is_compatible(theirs) {
                    assert_eq!(error, Some(ProtocolError::IncompatibleSocketType { ours, theirs }));
                    assert!(events.is_empty());
                    continue;
                }
                let (peer, _) = peer_and_messages((events, error));
                assert_eq!(peer.zmtp, Some(version));
                assert_eq!(peer.routing_id, "id");
                assert_eq!(peer.socket_type, (version > V1_0).then_some(theirs), "1.0 does not tell");
            }
        }
    }
}

#[test]
fn what_a_2_0_peer_is_told_of_a_refusal_is_nothing() {
    let mut push = started(tolerant(SocketType::Push));
    let (events, error) = feed(&mut push, &old_greeting(1, 200));
    assert!(events.is_empty());
    assert_eq!(
        error.map(|error| error.to_string()).as_deref(),
        Some("the peer is a \"number 200\" socket, which a PUSH socket does not know")
    );
    assert_eq!(take_output(&mut push).len(), 12, "no ERROR: it would be a message");
}

#[test]
fn messages_of_every_shape_come_and_go() {
    let sizes = [0, 1, 69, 70, 71, 252, 253, 254, 255, 256, 8192, 8193, 65_536];
    for version in VERSIONS {
        let mut pair = facing_version(version, SocketType::Pair, SocketType::Pair);
        for size in sizes {
            let body = vec![size as u8; size];
            for (message, bytes) in [
                (Message::from(body.clone()), frame_of(version, 0, &body)),
                (
                    Message::from([body.clone(), vec![], body.clone()]),
                    [frame_of(version, 1, &body), frame_of(version, 1, b""), frame_of(version, 0, &body)]
                        .concat(),
                ),
            ] {
                pair.push(&message);
                assert!(take_output(&mut pair) == bytes, "{version} {size}");
                assert!(messages(feed(&mut pair, &bytes)) == [message], "{version} {size}");
            }
        }
    }
}

#[test]
fn long_forms_of_short_frames_are_understood() {
    for version in VERSIONS {
        let mut pair = facing_version(version, SocketType::Pair, SocketType::Pair);
        let bytes = if version == V1_0 { old_long_frame(0, 4, b"abc") } else { long_frame(0, 3, b"abc") };
        assert_eq!(messages(feed(&mut pair, &bytes)), [Message::from("abc")]);
    }
}

#[test]
fn subscriptions_leave_in_the_form_of_the_version() {
    for length in [0, 1, 244, 245, 253, 254, 255, 256, 10_000] {
        let topic = vec![b't'; length];
        for (kind, name) in [(1, "SUBSCRIBE"), (0, "CANCEL")] {
            let message = Message::from([&[kind], &topic[..]].concat());
            for (version, expected) in [
                (V1_0, vec![]),
                (V2_0, frame(0, message.body())),
                (V3_0, frame(0, message.body())),
                (V3_1, command(name, &topic)),
            ] {
                for (ours, theirs) in
                    [(SocketType::Sub, SocketType::Pub), (SocketType::XSub, SocketType::XPub)]
                {
                    let mut sub = facing_version(version, ours, theirs);
                    sub.push(&message);
                    assert_eq!(take_output(&mut sub), expected, "{version} {length}");
                    // What else an XSUB sends goes to everybody.
                    sub.push(&Message::from("up"));
                    assert_eq!(take_output(&mut sub), frame_of(version, 0, b"up"));
                }
            }
        }
    }
}

#[test]
fn subscriptions_are_understood_in_every_form_that_the_version_has() {
    for version in VERSIONS {
        for ours in [SocketType::Pub, SocketType::XPub] {
            for (kind, name) in [(1, "SUBSCRIBE"), (0, "CANCEL")] {
                for length in [0, 1, 255, 300] {
                    let message = Message::from([&[kind], &vec![b't'; length][..]].concat());
                    let mut forms = vec![frame_of(version, 0, message.body())];
                    if version >= V3_0 {
                        forms.push(command(name, &message.body()[1..]));
                    }
                    for form in forms {
                        let mut publisher = started(tolerant(ours));
                        let stream = [beginning(version, SocketType::Sub, b""), form].concat();
                        let (_, heard) = peer_and_messages(feed(&mut publisher, &stream));
                        // A 1.0 subscriber cannot ask, so it counts as one that asked for everything.
                        let phantom = (version == V1_0).then(|| Message::from("\u{1}"));
                        let expected: Vec<Message> = phantom.into_iter().chain([message.clone()]).collect();
                        assert_eq!(heard, expected, "{version}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_phantom_comes_without_further_input_and_once() {
    let mut publisher = started(tolerant(SocketType::Pub));
    let now = Instant::now();
    let mut input = &old_frame(0, b"")[..];
    assert!(matches!(publisher.next_event(&mut input, now), Ok(Some(Event::Ready(_)))));
    assert!(publisher.is_ready());
    assert_eq!(publisher.next_event(&mut input, now), Ok(Some(Event::Message(Message::from("\u{1}")))));
    assert_eq!(publisher.next_event(&mut input, now), Ok(None));
    // Nobody else gets one.
    for version in VERSIONS {
        for ours in SocketType::ALL.into_iter().filter(|ours| !ours.publishes() || version > V1_0) {
            let theirs =
                SocketType::ALL.into_iter().find(|theirs| ours.is_compatible(*theirs)).expect("a type");
            let (_, heard) =
                peer_and_messages(feed(&mut started(tolerant(ours)), &beginning(version, theirs, b"")));
            assert!(heard.is_empty(), "{version} {ours}");
        }
    }
}

#[test]
fn identities_have_one_frame_of_255_bytes_at_most() {
    for version in [V1_0, V2_0] {
        let refused = |identity: &[u8]| {
            let head = if version == V2_0 { old_greeting(1, SocketType::Dealer.number()) } else { vec![] };
            feed(&mut started(tolerant(SocketType::Router)), &[&head, identity].concat())
        };
        assert_eq!(peer_and_messages(refused(&frame_of(version, 0, &[1; 255]))).0.routing_id.len(), 255);
        assert_eq!(peer_and_messages(refused(&frame_of(version, 0, b"\0abcd"))).0.routing_id, "");
        let malformed = |problem| (vec![], Some(ProtocolError::MalformedIdentity { problem }));
        let claimed = frame_of(version, 0, &[1; 256]);
        for identity in [&claimed[..], &claimed[..10]] {
            assert_eq!(refused(identity), malformed("it is longer than 255 bytes"), "by its header");
        }
    }
    let more = [old_greeting(1, SocketType::Dealer.number()), frame(1, b"id")].concat();
    let problem = "it has more than one frame";
    let (events, error) = feed(&mut started(tolerant(SocketType::Router)), &more);
    assert_eq!((events, error), (vec![], Some(ProtocolError::MalformedIdentity { problem })));
}

#[test]
fn old_versions_have_no_commands() {
    let mut pull = facing_version(V2_0, SocketType::Pull, SocketType::Push);
    assert_eq!(feed(&mut pull, &command("PING", b"\0\0")).1, Some(ProtocolError::ReservedFlags { flags: 4 }));
    let mut pull = facing_version(V1_0, SocketType::Pull, SocketType::Push);
    assert_eq!(feed(&mut pull, &old_frame(4, b"")).1, Some(ProtocolError::ReservedFlags { flags: 4 }));
    let mut pull = facing_version(V1_0, SocketType::Pull, SocketType::Push);
    assert_eq!(feed(&mut pull, &[0]).1, Some(ProtocolError::FrameWithoutFlags));
    assert_eq!(pull.output_len(), 0);
}

#[test]
fn old_peers_get_no_heartbeats() {
    let second = Duration::from_secs(1);
    for version in VERSIONS {
        let now = Instant::now();
        let config = Config { heartbeat_interval: Some(second), ..tolerant(SocketType::Pull) };
        let mut pull = Engine::new(Arc::new(config), now);
        assert_eq!(feed_at(&mut pull, &beginning(version, SocketType::Push, b""), now).1, None);
        take_output(&mut pull);
        assert_eq!(pull.poll_timeout(), (version >= V3_0).then_some(now + second));
        assert_eq!(pull.handle_timeout(now + second), Ok(()));
        assert_eq!(take_output(&mut pull).is_empty(), version < V3_0);
    }
}

#[test]
fn the_handshake_of_an_old_peer_has_its_time_too() {
    for half in [&[5, 0, b'a'][..], &old_greeting(1, 8)[..], &[old_greeting(1, 8), vec![0]].concat()] {
        let now = Instant::now();
        let mut pull = Engine::new(Arc::new(tolerant(SocketType::Pull)), now);
        assert_eq!(feed_at(&mut pull, half, now), (vec![], None));
        take_output(&mut pull);
        let after = Duration::from_secs(30);
        assert_eq!(pull.handle_timeout(now + after), Err(ProtocolError::HandshakeTimeout { after }));
        assert_eq!(pull.output_len(), 0, "no ERROR: it would be a message");
    }
}

#[test]
fn the_oldest_version_is_an_option() {
    for oldest in VERSIONS {
        for version in VERSIONS {
            let config = Config { oldest_version: oldest, ..config(SocketType::Pull) };
            let (events, error) = feed(&mut started(config), &beginning(version, SocketType::Push, b""));
            if version >= oldest {
                assert_eq!((events.len(), error), (1, None));
            } else {
                assert_eq!(
                    (events.len(), error),
                    (0, Some(ProtocolError::UnsupportedVersion { version, oldest }))
                );
            }
        }
    }
    assert_eq!(config(SocketType::Pull).oldest_version, V2_0, "by default");
}

#[test]
fn old_versions_are_refused_where_security_is_asked_for() {
    let judged = Config { judged: true, ..tolerant(SocketType::Pull) };
    let server = Config { security: Plain::server().into(), ..judged.clone() };
    let client = Plain::client("user", "secret").expect("a client");
    let client = Config { security: Security::from(client), ..tolerant(SocketType::Pull) };
    for config in [judged, server, client] {
        for (version, stream) in [
            (V1_0, old_frame(0, b"")),
            (V1_0, old_long_frame(0, 256, &[1; 255])),
            (V1_0, old_greeting(0, 8)),
            (V2_0, old_greeting(1, 8)),
            (V2_0, old_greeting(2, 8)),
        ] {
            let mut engine = started(config.clone());
            let refused = (vec![], Some(ProtocolError::VersionWithoutSecurity { version }));
            assert_eq!(feed(&mut engine, &stream), refused);
            assert!(take_output(&mut engine).len() <= 11, "neither type nor identity");
        }
    }
}

#[test]
fn limits_hold_in_every_version() {
    for version in VERSIONS {
        let config = Config { max_message_size: Some(100), max_frames: 3, ..tolerant(SocketType::Pull) };
        let facing = || {
            let mut pull = started(config.clone());
            assert_eq!(feed(&mut pull, &beginning(version, SocketType::Push, b"")).1, None);
            pull
        };
        let mut pull = facing();
        assert_eq!(messages(feed(&mut pull, &frame_of(version, 0, &[7; 100]))).len(), 1);
        let mut parts = frame_of(version, 1, &[7; 60]);
        parts.extend(frame_of(version, 0, &[7; 41]));
        let refused = ProtocolError::MessageTooLarge { size: 101, limit: 100 };
        assert_eq!(feed(&mut facing(), &parts), (vec![], Some(refused)));
        let many = frame_of(version, 1, b"").repeat(4);
        assert_eq!(feed(&mut facing(), &many), (vec![], Some(ProtocolError::TooManyFrames { limit: 3 })));
        let huge =
            if version == V1_0 { old_long_frame(0, 1 << 40, b"") } else { long_frame(0, 1 << 40, b"") };
        assert!(matches!(feed(&mut facing(), &huge).1, Some(ProtocolError::MessageTooLarge { .. })));
    }
}
