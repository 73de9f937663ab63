//! What a peer may answer to a greeting, in each mechanism: commands of every name, and what has no place there.

use crate::engines::{Driven, Scene, one_verdict};
use crate::input::{Input, with_length};
use crate::wire;
use zmq_core::SocketType;
use zmq_core::options::ZmtpVersion;
use zmq_core::security::Role;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let scene = Scene::choose(&mut input);
    let version = input.pick(&[ZmtpVersion::V3_1, ZmtpVersion::V3_0]);
    let sizes = input.bytes();
    let stream = wire::frames(&mut input, version);
    let greeting = greeting(&scene, version);
    let begin = |driven: &mut Driven| driven.feed(&greeting, false);
    one_verdict(&scene, begin, &stream, sizes);
}

fn greeting(scene: &Scene, version: ZmtpVersion) -> Vec<u8> {
    let mechanism = scene.theirs.security.mechanism();
    let minor = u8::from(version == ZmtpVersion::V3_1);
    let mut greeting = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, minor];
    greeting.extend_from_slice(mechanism.name().as_bytes());
    greeting.resize(32, 0);
    greeting.push(u8::from(mechanism.role() == Role::Server));
    greeting.resize(64, 0);
    greeting
}

pub fn seeds() -> Vec<Vec<u8>> {
    let ready = b"\x05READY\x0BSocket-Type\0\0\0\x03REP\x08Identity\0\0\0\0";
    let open = b"\x04OPEN\x0BSocket-Type\0\0\0\x03REP";
    let commands: [(u8, bool, &[&[u8]]); 4] = [
        (0, false, &[ready]),
        (1, true, &[b"\x05HELLO\x04user\x06secret", b"\x08INITIATE\x0BSocket-Type\0\0\0\x03REP"]),
        (1, false, &[b"\x07WELCOME", ready]),
        (2, false, &[open]),
    ];
    let seed = |(mechanism, as_server, bodies): (u8, bool, &[&[u8]])| {
        let mut seed = Scene::secured(SocketType::Req, 0, mechanism, as_server);
        seed.extend([0, 0]);
        bodies.iter().for_each(|body| seed.extend([&[4], &with_length(body)[..]].concat()));
        seed.extend(wire::traffic());
        seed
    };
    commands.into_iter().map(seed).collect()
}
