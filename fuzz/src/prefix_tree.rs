//! The prefix tree against a plain map.

use crate::input::{Input, with_length};
use std::collections::BTreeMap;
use zmq_core::prefix_tree::PrefixTree;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut tree = PrefixTree::new();
    let mut map = BTreeMap::new();
    let mut number = 0_u32;
    while !input.is_empty() && number < 100 {
        number += 1;
        let what = input.byte();
        let key = key(&mut input);
        match what % 4 {
            0 | 1 => assert_eq!(tree.insert(&key, number).1, map.insert(key.clone(), number)),
            2 => assert_eq!(tree.remove(&key), map.remove(&key)),
            _ => {
                let value = *tree.get_or_insert_with(&key, || number);
                assert_eq!(value, *map.entry(key.clone()).or_insert(number));
            }
        }
        assert_eq!((tree.get(&key), tree.len()), (map.get(&key), map.len()));
        let found: Vec<_> = tree.prefixes_of(&key).copied().collect();
        let prefixes = map.range(..=key.clone()).filter(|(prefix, _)| key.starts_with(prefix));
        let expected: Vec<_> = prefixes.map(|(_, value)| *value).collect();
        assert_eq!(found, expected);
    }
    let all: BTreeMap<_, _> = tree.iter().map(|(key, value)| (key, *value)).collect();
    assert_eq!(all, map);
    for (key, value) in map {
        let id = tree.find(&key).expect("it is there");
        assert_eq!(tree.value(id), Some(&value));
        assert_eq!(tree.remove_id(id), Some(value));
    }
    assert!(tree.is_empty() && tree.iter().next().is_none());
}

/// A key of runs, so that long labels come up; over few letters, so that keys share prefixes.
pub fn key(input: &mut Input<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    for _ in 0..input.below(5) {
        match input.byte() {
            run @ 250..=255 => key.extend(vec![b'a'; usize::from(run - 249) * 60]),
            length @ 200..=249 => key.extend(input.take(usize::from(length - 200))),
            letter => key.push(letter % 4),
        }
    }
    key
}

pub fn seeds() -> Vec<Vec<u8>> {
    let wide: Vec<u8> = (0..=255).flat_map(|byte| [0, 1, 201, byte]).collect();
    let deep: Vec<u8> = (0..60).flat_map(|step| [step % 4, 4, 255, step % 3, 252, step % 5]).collect();
    let pair = with_length(b"ignored");
    vec![wide, deep, pair]
}
