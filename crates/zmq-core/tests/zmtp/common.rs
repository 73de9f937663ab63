//! Two ways to face an engine: another engine, or bytes written by hand.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;
use zmq_core::options::ZmtpVersion;
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Message, Options, SocketType};

pub fn config(socket_type: SocketType) -> Config {
    Config::new(socket_type, &Options::default())
}

/// The same, for peers of every version.
pub fn tolerant(socket_type: SocketType) -> Config {
    Config { oldest_version: ZmtpVersion::V1_0, ..config(socket_type) }
}

pub fn engine(socket_type: SocketType) -> Engine {
    Engine::new(Arc::new(config(socket_type)), Instant::now())
}

/// Takes up to `limit` bytes of the output.
pub fn take_some(engine: &mut Engine, limit: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 4];
    let used = engine.output(&mut slices);
    let mut bytes = Vec::new();
    for slice in &slices[..used] {
        bytes.extend_from_slice(&slice[..slice.len().min(limit - bytes.len())]);
    }
    engine.advance_output(bytes.len());
    bytes
}

/// Takes all output.
pub fn take_output(engine: &mut Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    while engine.output_len() > 0 {
        bytes.extend(take_some(engine, usize::MAX));
    }
    bytes
}

/// Gives `bytes` to the engine; returns what they amount to, and the error that ended it.
pub fn feed_at(engine: &mut Engine, bytes: &[u8], now: Instant) -> Heard {
    let mut input = bytes;
    let mut events = Vec::new();
    loop {
        match engine.next_event(&mut input, now) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => {
                assert!(input.is_empty(), "no event, and input is left");
                return (events, None);
            }
            Err(error) => return (events, Some(error)),
        }
    }
}

pub fn feed(engine: &mut Engine, bytes: &[u8]) -> Heard {
    feed_at(engine, bytes, Instant::now())
}

/// The messages among events that were received without error.
pub fn messages((events, error): Heard) -> Vec<Message> {
    assert_eq!(error, None);
    let message = |event| match event {
        Event::Message(message) => message,
        Event::Ready(_) | Event::Judge(_) => panic!("not a message"),
    };
    events.into_iter().map(message).collect()
}

/// What an engine heard.
pub type Heard = (Vec<Event>, Option<ProtocolError>);

/// Passes output to and fro until both are silent; returns what each heard.
pub fn converse(a: &mut Engine, b: &mut Engine) -> [Heard; 2] {
    let (mut heard_by_a, mut heard_by_b) = ((Vec::new(), None), (Vec::new(), None));
    while a.output_len() + b.output_len() > 0 {
        let (from_a, from_b) = (take_output(a), take_output(b));
        hear_more(b, &from_a, &mut heard_by_b);
        hear_more(a, &from_b, &mut heard_by_a);
    }
    [heard_by_a, heard_by_b]
}

fn hear_more(engine: &mut Engine, bytes: &[u8], (events, error): &mut Heard) {
    if error.is_none() {
        let (new, ended) = feed(engine, bytes);
        events.extend(new);
        *error = ended;
    }
}

/// Two engines whose handshake is complete.
pub fn connected(a: SocketType, b: SocketType) -> (Engine, Engine) {
    let (mut a, mut b) = (engine(a), engine(b));
    converse(&mut a, &mut b);
    assert!(a.is_ready() && b.is_ready());
    (a, b)
}

/// A greeting of ZMTP 3.`minor` with the NULL mechanism.
pub fn greeting(minor: u8) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, minor];
    bytes.extend_from_slice(b"NULL");
    bytes.resize(64, 0);
    bytes
}

/// How a peer of any version begins, as far as its first message: greeting, type and routing id.
pub fn beginning(version: ZmtpVersion, socket_type: SocketType, routing_id: &[u8]) -> Vec<u8> {
    match version {
        ZmtpVersion::V1_0 => old_frame(0, routing_id),
        ZmtpVersion::V2_0 => [old_greeting(1, socket_type.number()), frame(0, routing_id)].concat(),
        ZmtpVersion::V3_0 | ZmtpVersion::V3_1 => {
            let minor = u8::from(version == ZmtpVersion::V3_1);
            [greeting(minor), ready_as(socket_type.as_str(), routing_id)].concat()
        }
    }
}

/// The greeting of a peer of ZMTP 2.0: revision and socket type behind the signature.
pub fn old_greeting(revision: u8, socket_type: u8) -> Vec<u8> {
    [&greeting(0)[..10], &[revision, socket_type]].concat()
}

/// A frame of ZMTP 1.0 in its shortest form.
pub fn old_frame(flags: u8, body: &[u8]) -> Vec<u8> {
    match u8::try_from(body.len() + 1) {
        Ok(length) if length < 0xFF => [&[length, flags], body].concat(),
        _ => old_long_frame(flags, body.len() as u64 + 1, body),
    }
}

/// A frame of ZMTP 1.0 in the long form that claims any length, which counts the flags.
pub fn old_long_frame(flags: u8, length: u64, body: &[u8]) -> Vec<u8> {
    [&[0xFF], &length.to_be_bytes()[..], &[flags], body].concat()
}

/// A frame as a version has it.
pub fn frame_of(version: ZmtpVersion, flags: u8, body: &[u8]) -> Vec<u8> {
    if version == ZmtpVersion::V1_0 { old_frame(flags, body) } else { frame(flags, body) }
}

/// A frame in its shortest form.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    match u8::try_from(body.len()) {
        Ok(length) => [&[flags, length], body].concat(),
        Err(_) => long_frame(flags, body.len() as u64, body),
    }
}

/// A frame in the long form that claims any length.
pub fn long_frame(flags: u8, length: u64, body: &[u8]) -> Vec<u8> {
    [&[flags | 2], &length.to_be_bytes()[..], body].concat()
}

pub fn command(name: &str, data: &[u8]) -> Vec<u8> {
    frame(4, &[&[name.len() as u8], name.as_bytes(), data].concat())
}

pub fn ready(socket_type: &str) -> Vec<u8> {
    command("READY", &property("Socket-Type", socket_type.as_bytes()))
}

pub fn ready_as(socket_type: &str, routing_id: &[u8]) -> Vec<u8> {
    let kind = property("Socket-Type", socket_type.as_bytes());
    command("READY", &[kind, property("Identity", routing_id)].concat())
}

fn property(name: &str, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &(value.len() as u32).to_be_bytes(), value].concat()
}

/// An engine whose handshake with a hand-written peer is complete, all output taken.
pub fn facing(config: Config, minor: u8, peer: &str, now: Instant) -> Engine {
    let mut engine = Engine::new(Arc::new(config), now);
    let (events, error) = feed_at(&mut engine, &[greeting(minor), ready(peer)].concat(), now);
    assert_eq!((events.len(), error), (1, None));
    assert!(engine.is_ready());
    take_output(&mut engine);
    engine
}
