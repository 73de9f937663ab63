//! A whole session between two engines: messages both ways, in any pieces, over time, and damage on the way.

use crate::engines::{Driven, Scene};
use crate::input::{Input, with_length};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::zmtp::{Event, ProtocolError};
use zmq_core::{Frame, Message, SocketType};

/// One direction.
#[derive(Default)]
struct Way {
    /// Messages that were pushed.
    sent: Vec<Message>,
    /// A bit was turned on the way, or in the handshake of the other one, which says in which version both go on.
    damaged: bool,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut scene = Scene::choose(&mut input);
    let mut config = (*scene.ours).clone();
    let some = |byte: u8| (byte > 0).then(|| Duration::from_millis(100 * u64::from(byte)));
    config.heartbeat_interval = some(input.byte());
    config.heartbeat_timeout = some(input.byte());
    config.heartbeat_ttl = some(input.byte());
    scene.ours = Arc::new(config);
    let now = Instant::now();
    let mut ends = [scene.start(now), scene.start_peer(now)];
    let mut ways = [Way::default(), Way::default()];
    while !input.is_empty() {
        step(&mut input, &mut ends, &mut ways);
    }
    // What is left goes over in one piece.
    while ends.iter().any(|end| end.engine.output_len() > 0) {
        for from in [0, 1] {
            let bytes = ends[from].take(usize::MAX);
            ends[1 - from].feed(&bytes, false);
        }
    }
    let whole = ways.iter().all(|way| !way.damaged) && ends.iter().all(|end| end.error.is_none());
    for (from, way) in ways.iter().enumerate() {
        let heard = messages(&ends[1 - from]);
        // What is authentic arrives as it was sent, or not at all.
        if !way.damaged || scene.ours.security.mechanism().name() == "CURVE" {
            assert!(way.sent.starts_with(&heard), "{heard:?} of {:?}", way.sent);
        }
        if whole {
            assert_eq!(heard.len(), way.sent.len());
        }
    }
    if ways.iter().all(|way| !way.damaged) {
        may_have_failed(&ends);
    }
}

fn step(input: &mut Input<'_>, ends: &mut [Driven; 2], ways: &mut [Way; 2]) {
    let what = input.byte();
    let from = usize::from(what >> 7);
    match what % 8 {
        0 | 1 => push(input, &mut ends[from], &mut ways[from]),
        2..=4 => {
            let limit = usize::from(input.byte()).pow(2);
            let bytes = ends[from].take(limit);
            ends[1 - from].feed(&bytes, what & 8 != 0);
        }
        5 => {
            let mut bytes = ends[from].take(300);
            let (at, mask) = (input.byte(), input.byte());
            if let Some(byte) = bytes.get_mut(usize::from(at)).filter(|_| mask != 0) {
                *byte ^= mask;
                ways[from].damaged = true;
                ways[1 - from].damaged |= !ends.iter().all(|end| end.engine.is_ready());
            }
            ends[1 - from].feed(&bytes, false);
        }
        6 => {
            let time = Duration::from_millis(u64::from(input.byte()) * 10);
            ends.iter_mut().for_each(|end| end.pass(time));
        }
        _ => {
            let engine = &mut ends[from].engine;
            let _ = engine.lend_buffer(Vec::with_capacity(usize::from(input.byte()) * 8));
            let _ = engine.reclaim_buffer();
        }
    }
}

fn push(input: &mut Input<'_>, end: &mut Driven, way: &mut Way) {
    let count = 1 + input.below(4);
    let message: Message = (0..count).map(|_| body(input)).collect();
    let (ready, before) = (end.engine.is_ready(), end.engine.output_len());
    end.engine.push(&message);
    if ready {
        way.sent.push(message);
    } else {
        assert_eq!(end.engine.output_len(), before, "a message leaves before the handshake or after the end");
    }
}

fn body(input: &mut Input<'_>) -> Frame {
    match input.byte() {
        254 => Frame::from(vec![input.byte(); 40_000]),
        255 => Frame::from(vec![input.byte(); usize::from(input.number()) / 4]),
        length => Frame::from(input.take(usize::from(length))),
    }
}

/// Nobody fails, unless one denies, runs out of time or has limits; then the other may wonder.
fn may_have_failed(ends: &[Driven; 2]) {
    use ProtocolError::{Denied, MessageTooLarge, TooManyFrames, TooManyPings};
    let errors: Vec<_> = ends.iter().filter_map(|end| end.error.as_ref()).collect();
    let is_reason = |error: &&ProtocolError| match error {
        MessageTooLarge { .. } | TooManyFrames { .. } | TooManyPings { .. } | Denied { .. } => true,
        error => error.is_timeout(),
    };
    assert!(errors.is_empty() || errors.iter().any(is_reason), "{errors:?}");
}

fn messages(end: &Driven) -> Vec<Message> {
    let message = |event: &Event| match event {
        Event::Message(message) => Some(message.clone()),
        _ => None,
    };
    end.events.iter().filter_map(message).collect()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let handshake = [2, 255, 130].repeat(4).into_iter().map(|byte| if byte == 2 { 2 } else { byte });
    let handshake: Vec<u8> =
        handshake.flat_map(|byte| if byte == 130 { vec![130, 255] } else { vec![byte] }).collect();
    let mut seeds = Vec::new();
    for (number, ours) in SocketType::ALL.into_iter().enumerate() {
        let mut seed = Scene::secured(ours, number, number as u8 % 4, number % 2 == 0);
        seed.extend([10, 0, 20]);
        seed.extend(&handshake);
        for from in [0, 128] {
            seed.extend([&[from, 1][..], &with_length(b"\x01two"), &with_length(b"frames")].concat());
            seed.extend([from, 0, 254, 9, from | 10, 100, 6, 200, from | 2, 255]);
        }
        seed.extend([5, 3, 1]);
        seeds.push(seed);
    }
    seeds
}
