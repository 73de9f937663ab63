//! What a peer may begin with: any bytes, to an engine of any type, age and mechanism.

use crate::engines::{Scene, one_verdict};
use crate::input::{Input, with_length};
use std::time::Instant;
use zmq_core::SocketType;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let scene = Scene::choose(&mut input);
    let sizes = input.bytes();
    one_verdict(&scene, |_| {}, input.rest(), sizes);
}

/// What our own engine begins with, and what older peers would.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, ours) in SocketType::ALL.into_iter().enumerate() {
        for mechanism in 0..4 {
            let choices = Scene::secured(ours, number, mechanism, number % 2 == 0);
            let scene = Scene::choose(&mut Input::new(&choices));
            let (mut one, mut two) = (scene.start(Instant::now()), scene.start_peer(Instant::now()));
            let mut sent = Vec::new();
            loop {
                let (from_one, from_two) = (one.take(usize::MAX), two.take(usize::MAX));
                if from_one.is_empty() && from_two.is_empty() {
                    break;
                }
                one.feed(&from_two, false);
                two.feed(&from_one, false);
                sent.extend(from_two);
            }
            seeds.push([choices, with_length(&[3, 8]), sent].concat());
        }
        let choices = Scene::plainest(ours, number);
        let old = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1, number as u8, 0, 0];
        seeds.push([&choices[..], &[0], &old].concat());
        seeds.push([&choices[..], &[0], &[3, 0, b'i', b'd', 2, 1, b'a', 1, 0]].concat());
    }
    seeds
}
