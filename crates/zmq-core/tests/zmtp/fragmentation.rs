//! The same bytes mean the same, however they are cut.

use crate::common::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use zmq_core::options::ZmtpVersion::{self, V1_0, V2_0, V3_0, V3_1};
use zmq_core::zmtp::Engine;
use zmq_core::{Frame, Message, SocketType};

/// Feeds `pieces` one after the other until one fails; returns all events, the error, and all that was sent.
fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Heard, Vec<u8>) {
    let mut engine = Engine::new(Arc::new(tolerant(SocketType::XPub)), Instant::now());
    let mut all = (Vec::new(), None);
    let mut sent = Vec::new();
    for piece in pieces {
        let (events, error) = feed(&mut engine, piece);
        all.0.extend(events);
        sent.extend(take_output(&mut engine));
        if error.is_some() {
            all.1 = error;
            break;
        }
    }
    (all, sent)
}

fn traffic() -> Vec<u8> {
    let parts: [&[u8]; 14] = [
        &frame(0, b"\x01topic"),
        &frame(0, b""),
        &frame(0, &[7; 70]),
        &frame(1, b"first"),
        &frame(1, b""),
        &command("PING", b"\0\x0Acontext"),
        &frame(0, &[8; 200]),
        &frame(0, &[9; 300]),
        &long_frame(0, 3, b"abc"),
        &command("SUBSCRIBE", b""),
        &command("CANCEL", &[b'x'; 260]),
        &command("JOIN", b"group"),
        &long_frame(1, 0, b""),
        &frame(0, b"end"),
    ];
    parts.concat()
}

/// What an old peer sends, which knows no commands.
fn old_traffic(version: ZmtpVersion) -> Vec<u8> {
    let long = |flags, body: &[u8]| match version {
        V1_0 => old_long_frame(flags, body.len() as u64 + 1, body),
        _ => long_frame(flags, body.len() as u64, body),
    };
    let parts = [
        frame_of(version, 0, b"\x01topic"),
        frame_of(version, 0, b""),
        frame_of(version, 0, &[7; 70]),
        frame_of(version, 1, b"first"),
        frame_of(version, 1, b""),
        frame_of(version, 0, &[8; 200]),
        frame_of(version, 0, &[9; 254]),
        frame_of(version, 0, &[9; 300]),
        long(0, b"abc"),
        long(1, b""),
        frame_of(version, 0, b"\x00end"),
    ];
    parts.concat()
}

fn streams() -> Vec<(Vec<u8>, usize)> {
    let begin = |version, id: &[u8]| beginning(version, SocketType::XSub, id);
    vec![
        // The peer, and for a 1.0 one the subscription that it does not send.
        ([begin(V1_0, b""), old_traffic(V1_0)].concat(), 2 + 8),
        ([begin(V1_0, b"me"), old_traffic(V1_0)].concat(), 2 + 8),
        ([begin(V1_0, &[b'i'; 255]), old_traffic(V1_0)].concat(), 2 + 8),
        ([old_greeting(0, 10), old_frame(0, b""), old_traffic(V1_0)].concat(), 1 + 8),
        ([begin(V2_0, b""), old_traffic(V2_0)].concat(), 1 + 8),
        ([old_greeting(2, 10), long_frame(0, 2, b"me"), old_traffic(V2_0)].concat(), 1 + 8),
        ([begin(V3_0, b""), traffic()].concat(), 1 + 9),
        ([begin(V3_1, b"me"), traffic()].concat(), 1 + 9),
    ]
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    for (stream, events) in streams() {
        let (whole, _) = hear([&stream[..]]);
        assert_eq!((whole.0.len(), &whole.1), (events, &None));
        let (by_bytes, sent) = hear(stream.chunks(1));
        assert_eq!(by_bytes, whole);
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(hear([head, tail]), (whole.clone(), sent.clone()), "cut at {cut}");
        }
    }
}

#[test]
fn a_fault_is_the_same_fault_wherever_the_stream_is_cut() {
    let handshake = [greeting(1), ready("SUB")].concat();
    let after = |tail: &[u8]| [&handshake[..], &frame(1, b"a"), tail].concat();
    let mut huge = command("READY", &[0; 200]);
    huge.extend_from_slice(b"more");
    let streams = [
        b"GET / HTTP/1.1\r\n".to_vec(),
        vec![1, 2],
        vec![1, 0, 0],
        vec![1, 0, 2, 0x80],
        vec![0xFF; 64],
        old_greeting(1, SocketType::Pull.number()),
        old_greeting(1, 77),
        [old_greeting(1, SocketType::Sub.number()), frame(1, b"id")].concat(),
        [old_greeting(1, SocketType::Sub.number()), frame(0, &[1; 256])].concat(),
        [beginning(V2_0, SocketType::Sub, b""), frame(1, b"a"), command("SUBSCRIBE", b"t")].concat(),
        [beginning(V1_0, SocketType::Sub, b""), old_frame(1, b"a"), old_long_frame(0, 0, b"")].concat(),
        [beginning(V1_0, SocketType::Sub, b""), old_long_frame(1, u64::MAX, b"abc")].concat(),
        [&greeting(1)[..12], b"PLAIN", &[0; 47]].concat(),
        [greeting(1), frame(0, b"early")].concat(),
        [greeting(1), ready("PULL")].concat(),
        [greeting(1), ready("NONSENSE")].concat(),
        [greeting(1), huge].concat(),
        [greeting(1), command("ERROR", b"\x02No")].concat(),
        after(&[0x40]),
        after(&[5, 1, 0]),
        after(&long_frame(1, 1 << 63, b"abc")),
        after(&frame(4, b"\xFFx")),
        after(&command("PING", &[0; 30])),
    ];
    for stream in streams {
        let (whole, sent) = hear([&stream[..]]);
        assert!(whole.1.is_some(), "{stream:?}");
        let (by_bytes, sent_by_bytes) = hear(stream.chunks(1));
        assert_eq!((&by_bytes, &sent_by_bytes), (&whole, &sent));
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(hear([head, tail]), (whole.clone(), sent.clone()), "cut at {cut}");
        }
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        8 => 0..80_usize,
        4 => 200..300_usize,
        2 => 8_000..9_000_usize,
        1 => 60_000..200_000_usize,
    ];
    (size, any::<u8>())
        .prop_map(|(size, seed)| (0..size).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect())
}

fn message() -> impl Strategy<Value = Message> {
    let parts = prop_oneof![3 => 1..2_usize, 1 => 1..6_usize];
    parts
        .prop_flat_map(|count| prop::collection::vec(body(), count))
        .prop_map(|parts| parts.into_iter().map(Frame::from).collect())
}

/// Moves `from`'s output to `to` in pieces of the given sizes, into the body where that is offered and `direct` says
/// so.
fn carry(from: &mut Engine, to: &mut Engine, sizes: &[(usize, bool)]) -> Vec<Message> {
    let now = Instant::now();
    let mut heard = Vec::new();
    for (size, direct) in sizes.iter().cycle() {
        if from.output_len() == 0 {
            return heard;
        }
        let room = if *direct { to.body_to_fill() } else { None };
        let filled = room.map(|mut room| room.fill(&take_some(from, (*size).min(room.len()))));
        let bytes = match filled {
            Some(count) => {
                to.body_filled(count, now);
                Vec::new()
            }
            None => take_some(from, *size),
        };
        heard.extend(messages(feed(to, &bytes)));
    }
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_round_trip_however_they_are_cut(
        sent in prop::collection::vec(message(), 1..12),
        sizes in prop::collection::vec((1..40_000_usize, any::<bool>()), 1..20),
    ) {
        let (mut push, mut pull) = connected(SocketType::Push, SocketType::Pull);
        for message in &sent {
            push.push(message);
        }
        prop_assert!(carry(&mut push, &mut pull, &sizes) == sent);
    }

    #[test]
    fn output_is_the_same_with_and_without_lent_buffers(
        sent in prop::collection::vec((message(), any::<bool>(), 0..50_000_usize), 1..12),
    ) {
        let (mut plain, _) = connected(SocketType::Push, SocketType::Pull);
        let (mut lent, _) = connected(SocketType::Push, SocketType::Pull);
        let mut bytes = Vec::new();
        for (message, lends, take) in &sent {
            if *lends {
                lent.lend_buffer(Vec::with_capacity(1000));
            }
            plain.push(message);
            lent.push(message);
            bytes.extend(take_some(&mut lent, *take));
            if lent.reclaim_buffer().is_some() {
                prop_assert_eq!(lent.output_len(), 0);
            }
        }
        bytes.extend(take_output(&mut lent));
        prop_assert!(bytes == take_output(&mut plain));
    }
}
