//! Answers of a ZAP handler: only one of the right form lets anybody in, and with exactly what it says.

use crate::input::{Input, with_length};
use crate::metadata::{has_duplicate, piece, read};
use zmq_core::testing::zap_verdict;
use zmq_core::{Frame, Message};

const STATUS: [&str; 8] = ["200", "300", "400", "500", "20", "201", "2000", ""];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut metadata = Vec::new();
    for _ in 0..input.below(8) {
        piece(&mut metadata, &mut input);
    }
    let mut frames = vec![
        Vec::new(),
        b"1.0".to_vec(),
        b"1".to_vec(),
        input.pick(&STATUS).as_bytes().to_vec(),
        b"text".to_vec(),
        input.bytes().to_vec(),
        metadata,
    ];
    while !input.is_empty() {
        spoil(&mut frames, &mut input);
    }
    judge(&frames);
}

/// Changes, adds or takes away a frame.
fn spoil(frames: &mut Vec<Vec<u8>>, input: &mut Input<'_>) {
    let (what, at) = (input.byte(), input.below(9));
    match (what % 4, frames.get_mut(at)) {
        (0, Some(_)) => drop(frames.remove(at)),
        (1, _) => frames.insert(at.min(frames.len()), input.bytes().to_vec()),
        (2, Some(frame)) => *frame = input.bytes().to_vec(),
        (3, Some(frame)) => {
            let (at, mask) = (usize::from(input.byte()), input.byte());
            frame.get_mut(at).into_iter().for_each(|byte| *byte ^= mask);
        }
        _ => {}
    }
}

/// A second reading of RFC 27.
fn judge(frames: &[Vec<u8>]) {
    let verdict = zap_verdict(&frames.iter().map(|frame| Frame::from(&frame[..])).collect::<Message>());
    let [delimiter, version, id, status, _text, user_id, metadata] = frames else {
        return assert_eq!(verdict, None);
    };
    let is_answer = delimiter.is_empty() && version == b"1.0" && id == b"1";
    let status = [200, 300, 400, 500].into_iter().find(|code| code.to_string().as_bytes() == status);
    let (true, Some(status)) = (is_answer, status) else { return assert_eq!(verdict, None) };
    let properties =
        read(metadata).filter(|read| read.len() <= 64 && metadata.len() <= 8192 && !has_duplicate(metadata));
    let well_formed = properties.is_some() && std::str::from_utf8(user_id).is_ok();
    match verdict {
        Some(verdict) => {
            assert_eq!((verdict.status(), verdict.admits()), (status, status == 200));
            assert!(status != 200 || well_formed, "let in by an answer that is none");
        }
        None => assert!(status == 200 && !well_formed, "a good answer is not understood"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let property = [&[5, 5][..], &with_length(b"value")].concat();
    let seed = |status: u8, count: u8, rest: &[u8]| {
        let properties = property.repeat(usize::from(count));
        [&[count][..], &properties, &[status], &with_length(b"ann"), rest].concat()
    };
    let mut seeds: Vec<_> = (0..8).map(|status| seed(status, status % 3, &[])).collect();
    for (what, at) in (0..4).flat_map(|what| (0..8).map(move |at| (what, at))) {
        seeds.push(seed(0, 1, &[&[what, at][..], &with_length(b"1.0")].concat()));
    }
    seeds
}
