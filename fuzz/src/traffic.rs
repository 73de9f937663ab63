//! Frames and commands after the handshake: every version, every mechanism, every socket type.

use crate::engines::{Driven, Scene, VERSIONS, one_verdict, shake_hands};
use crate::input::Input;
use crate::wire;
use zmq_core::SocketType;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let scene = Scene::choose(&mut input);
    let version = input.pick(&VERSIONS);
    let sizes = input.bytes();
    let stream = wire::frames(&mut input, version);
    one_verdict(&scene, |driven: &mut Driven| shake_hands(&scene, version, driven), &stream, sizes);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for ours in SocketType::ALL {
        for version in 0..4 {
            let choices = Scene::plainest(ours, 0);
            seeds.push([&choices[..], &[version, 3, 3, 20, 255], &wire::traffic()].concat());
        }
        let choices = Scene::secured(ours, 0, 2, false);
        // Sealed: what it is, and its count, before the content.
        let sealed = [2, 5, 1, 0, b'a', b'b', b'c', 2, 2, 0, 1, 4, 8, 2, 2, 4, b'P', b'I', b'N', b'G', 0, 0];
        seeds.push([&choices[..], &[0, 0], &sealed].concat());
    }
    seeds
}
