//! The properties of a READY against a second reading of them.

use crate::engines::{Driven, Scene, one_verdict};
use crate::input::{Input, with_length};
use crate::wire;
use std::collections::HashSet;
use zmq_core::SocketType;
use zmq_core::options::ZmtpVersion;
use zmq_core::zmtp::{Event, ProtocolError};

const NAMES: [&str; 6] = ["Socket-Type", "Identity", "identity", "User-Id", "Peer-Address", "X-Custom"];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = Scene::plainest(input.pick(&SocketType::ALL), usize::from(input.byte()));
    let scene = Scene::choose(&mut Input::new(&choices));
    let sizes = input.bytes();
    let mut metadata = Vec::new();
    while !input.is_empty() && metadata.len() < 20_000 {
        piece(&mut metadata, &mut input);
    }
    let mut stream = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1];
    stream.extend_from_slice(b"NULL");
    stream.resize(64, 0);
    wire::frame(&mut stream, ZmtpVersion::V3_1, 4, &wire::command("READY", &metadata));
    judge(&one_verdict(&scene, |_| {}, &stream, sizes), &metadata);
}

/// A property, most often one with a known name or a fitting value; or any bytes.
pub fn piece(metadata: &mut Vec<u8>, input: &mut Input<'_>) {
    let known;
    let (name, value): (&[u8], &[u8]) = match input.byte() % 8 {
        0 => return metadata.extend_from_slice(input.bytes()),
        1 | 2 => {
            known = input.pick(&SocketType::ALL).as_str();
            (b"Socket-Type", known.as_bytes())
        }
        3 | 4 => (input.bytes(), input.bytes()),
        _ => (input.pick(&NAMES).as_bytes(), input.bytes()),
    };
    property(metadata, name, value);
}

pub fn property(metadata: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let name = &name[..name.len().min(255)];
    metadata.extend([&[name.len() as u8], name, &(value.len() as u32).to_be_bytes(), value].concat());
}

/// Who is let in has properties that are well-formed, and exactly those; who is not, for a reason.
fn judge(driven: &Driven, metadata: &[u8]) {
    let read = read(metadata);
    match (&driven.error, &driven.events[..]) {
        (None, [Event::Ready(peer)]) => {
            let read = read.expect("they are well-formed");
            let told = |name: &str| !["user-id", "peer-address"].contains(&&*name.to_ascii_lowercase());
            let expected: Vec<_> = read.iter().filter(|(name, _)| told(name)).collect();
            assert_eq!(peer.properties.len(), expected.len());
            for ((name, value), (expected_name, expected_value)) in peer.properties.iter().zip(expected) {
                assert_eq!((name, &value[..]), (expected_name, &expected_value[..]));
            }
            assert!(peer.user_id.is_empty(), "a peer vouches for itself");
            assert!(peer.socket_type.is_some(), "nobody knows what it is");
            assert!(peer.routing_id.len() <= 255 && peer.routing_id.first() != Some(&0));
        }
        (Some(ProtocolError::MalformedCommand { .. }), []) => {
            let long = |(name, value): &(String, Vec<u8>)| {
                name.eq_ignore_ascii_case("identity") && value.len() > 255
            };
            let of_a_type = |read: &[(String, Vec<u8>)]| {
                read.iter().any(|(name, _)| name.eq_ignore_ascii_case("socket-type"))
            };
            let refused = read.is_none_or(|read| !of_a_type(&read) || read.iter().any(long));
            assert!(refused, "they are well-formed");
        }
        (Some(ProtocolError::MetadataTooLarge { .. }), []) => {
            assert!(metadata.len() > 8192 || read.is_none_or(|read| read.len() > 64));
        }
        (Some(ProtocolError::DuplicateProperty { .. }), []) => assert!(has_duplicate(metadata)),
        (Some(_), []) => {}
        other => panic!("neither in nor out: {other:?}"),
    }
}

/// The properties, if all are whole and their names printable.
pub fn read(metadata: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut input = metadata;
    let mut found = Vec::new();
    while let Some((&length, rest)) = input.split_first() {
        let name = rest.get(..usize::from(length))?;
        let rest = &rest[name.len()..];
        let size = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let value = rest[4..].get(..size)?;
        input = &rest[4 + size..];
        if name.is_empty() || !name.iter().all(|byte| (0x20..0x7F).contains(byte)) {
            return None;
        }
        found.push((String::from_utf8(name.to_vec()).ok()?, value.to_vec()));
    }
    Some(found)
}

/// Looks at what can be read before the first fault.
pub fn has_duplicate(metadata: &[u8]) -> bool {
    let mut known = HashSet::new();
    let readable = (0..=metadata.len()).rev().find_map(|end| read(&metadata[..end])).unwrap_or_default();
    readable.iter().any(|(name, _)| !known.insert(name.to_ascii_lowercase()))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let one = |number: usize| {
        let mut seed = vec![number as u8, 0, 0, 1, number as u8];
        for (choice, body) in [(1, &b"id"[..]), (3, b"value"), (5, b"another"), (2, &[b'v'; 300])] {
            seed.extend([&[5, choice], &with_length(body)[..]].concat());
        }
        seed.extend([&[3][..], &with_length(b"X-Other"), &with_length(b"more")].concat());
        seed
    };
    (0..SocketType::ALL.len()).map(one).collect()
}
