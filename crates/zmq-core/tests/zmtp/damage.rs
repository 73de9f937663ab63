//! Damaged and hostile streams: never a panic, never a different verdict by another cut, never an answer afterwards.

use crate::common::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use zmq_core::SocketType;
use zmq_core::options::ZmtpVersion::{self, V1_0, V2_0, V3_0, V3_1};
use zmq_core::zmtp::{Config, Engine, ProtocolError};

#[derive(Clone, Debug)]
enum Damage {
    Flip { at: usize, mask: u8 },
    Truncate { at: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Remove { at: usize, count: usize },
    Length { at: usize, length: u64 },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..2000_usize;
    prop_oneof![
        4 => (at.clone(), 1..=255_u8).prop_map(|(at, mask)| Damage::Flip { at, mask }),
        1 => at.clone().prop_map(|at| Damage::Truncate { at }),
        2 => (at.clone(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        2 => (at.clone(), 1..20_usize).prop_map(|(at, count)| Damage::Remove { at, count }),
        1 => (at, any::<u64>()).prop_map(|(at, length)| Damage::Length { at, length }),
    ]
}

impl Damage {
    fn apply(&self, stream: &mut Vec<u8>) {
        let end = stream.len();
        match self {
            Damage::Flip { at, mask } => {
                if let Some(byte) = stream.get_mut(at % end.max(1)) {
                    *byte ^= mask;
                }
            }
            Damage::Truncate { at } => stream.truncate(*at),
            Damage::Insert { at, bytes } => {
                let at = at % (end + 1);
                stream.splice(at..at, bytes.iter().copied());
            }
            Damage::Remove { at, count } => {
                let at = at % (end + 1);
                stream.drain(at..(at + count).min(end));
            }
            Damage::Length { at, length } => {
                let at = at % (end + 1);
                stream.splice(at..at, long_frame(0, *length, b""));
            }
        }
    }
}

fn version() -> impl Strategy<Value = ZmtpVersion> {
    prop_oneof![Just(V1_0), Just(V2_0), Just(V3_0), Just(V3_1)]
}

fn valid_stream() -> impl Strategy<Value = Vec<u8>> {
    (version(), prop::collection::vec(any::<u8>(), 0..30)).prop_flat_map(|(version, id)| {
        let start = beginning(version, SocketType::Sub, &id);
        prop::collection::vec(piece(version), 0..12)
            .prop_map(move |pieces| [start.clone(), pieces.concat()].concat())
    })
}

fn piece(version: ZmtpVersion) -> BoxedStrategy<Vec<u8>> {
    let body = |limit| prop::collection::vec(any::<u8>(), 0..limit);
    let messages = prop_oneof![
        2 => body(100).prop_map(move |body| frame_of(version, 0, &body)),
        1 => body(400)
            .prop_map(move |body| [frame_of(version, 1, &body), frame_of(version, 0, &body)].concat()),
    ];
    if version < V3_0 {
        return messages.boxed();
    }
    prop_oneof![
        6 => messages,
        1 => body(18).prop_map(|context| command("PING", &[&[0, 1], &context[..]].concat())),
        1 => body(90).prop_map(|topic| command("SUBSCRIBE", &topic)),
        1 => Just(command("PONG", b"")),
    ]
    .boxed()
}

/// What an engine makes of a stream that comes in pieces of the given sizes.
fn verdict(stream: &[u8], sizes: &[usize]) -> Heard {
    let now = Instant::now();
    let config = Config { max_message_size: Some(1 << 20), max_frames: 16, ..tolerant(SocketType::Pub) };
    let mut engine = Engine::new(Arc::new(config), now);
    let mut events = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*size).min(rest.len()));
        rest = later;
        let (new, error) = feed_at(&mut engine, piece, now);
        events.extend(new);
        // What it sends is not compared: PINGs that come at once get fewer answers.
        take_output(&mut engine);
        if error.is_some() {
            assert_stays_closed(&mut engine, rest, now);
            return (events, error);
        }
    }
    (events, None)
}

fn assert_stays_closed(engine: &mut Engine, rest: &[u8], now: Instant) {
    let mut input = rest;
    assert_eq!(engine.next_event(&mut input, now), Err(ProtocolError::Closed));
    assert!(engine.body_to_fill().is_none() && engine.poll_timeout().is_none());
    assert_eq!(engine.output_len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_streams_end_in_one_verdict(
        mut stream in valid_stream(),
        damages in prop::collection::vec(damage(), 0..4),
        sizes in prop::collection::vec(1..200_usize, 1..10),
    ) {
        for damage in &damages {
            damage.apply(&mut stream);
        }
        let whole = verdict(&stream, &[usize::MAX]);
        prop_assert_eq!(&verdict(&stream, &sizes), &whole);
        prop_assert_eq!(&verdict(&stream, &[1]), &whole);
    }

    #[test]
    fn garbage_ends_in_one_verdict(
        prefix in prop_oneof![
            Just(vec![]),
            Just(vec![0xFF]),
            Just(greeting(1)),
            Just([greeting(1), ready("SUB")].concat()),
            Just(old_greeting(1, 2)),
            version().prop_map(|version| beginning(version, SocketType::Sub, b"id")),
        ],
        garbage in prop::collection::vec(any::<u8>(), 0..2000),
        sizes in prop::collection::vec(1..200_usize, 1..10),
    ) {
        let stream = [prefix, garbage].concat();
        let whole = verdict(&stream, &[usize::MAX]);
        prop_assert_eq!(&verdict(&stream, &sizes), &whole);
    }
}
