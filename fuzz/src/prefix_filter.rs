//! Who wants a message, against a list of who holds what.

use crate::input::Input;
use crate::prefix_tree::key;
use std::collections::{BTreeMap, BTreeSet};
use zmq_patterns::prefix_filter::{Cancelled, PrefixFilter, Subscribed};

/// What each peer that is known holds.
type Held = BTreeMap<usize, BTreeSet<Vec<u8>>>;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut filter = PrefixFilter::new();
    let mut held = Held::new();
    let mut steps = 0;
    while !input.is_empty() && steps < 60 {
        steps += 1;
        let (what, peer) = (input.byte(), input.below(9));
        let topic = key(&mut input);
        match what % 8 {
            0..=3 => subscribe(&mut filter, &mut held, topic.clone(), peer),
            4 | 5 => cancel(&mut filter, &mut held, &topic, peer),
            6 => remove(&mut filter, &mut held, peer),
            _ => {
                filter.add_peer(peer);
                held.entry(peer).or_default();
            }
        }
        compare(&mut filter, &held, &topic);
    }
    count(&filter, &held);
    for peer in held.keys().copied().collect::<Vec<_>>() {
        remove(&mut filter, &mut held, peer);
    }
    assert!(filter.is_empty());
}

fn subscribe(filter: &mut PrefixFilter, held: &mut Held, topic: Vec<u8>, peer: usize) {
    let expected = match held.values().any(|topics| topics.contains(&topic)) {
        false => Subscribed::First,
        true if held.get(&peer).is_some_and(|topics| topics.contains(&topic)) => Subscribed::Already,
        true => Subscribed::Joined,
    };
    assert_eq!(filter.subscribe(&topic, peer), expected);
    held.entry(peer).or_default().insert(topic);
}

fn cancel(filter: &mut PrefixFilter, held: &mut Held, topic: &[u8], peer: usize) {
    let did = held.get_mut(&peer).is_some_and(|topics| topics.remove(topic));
    let expected = match held.values().any(|topics| topics.contains(topic)) {
        _ if !did => Cancelled::Unknown,
        true => Cancelled::StillHeld,
        false => Cancelled::Last,
    };
    assert_eq!(filter.cancel(topic, peer), expected);
}

fn remove(filter: &mut PrefixFilter, held: &mut Held, peer: usize) {
    let mut gone = Vec::new();
    filter.remove_peer(peer, |topic, last| gone.push((topic.to_vec(), last)));
    gone.sort();
    let topics = held.remove(&peer).unwrap_or_default();
    let last = |topic: &Vec<u8>| !held.values().any(|others| others.contains(topic));
    let expected: Vec<_> = topics.into_iter().map(|topic| (topic.clone(), last(&topic))).collect();
    assert_eq!(gone, expected);
}

fn compare(filter: &mut PrefixFilter, held: &Held, text: &[u8]) {
    let wants = |topics: &BTreeSet<Vec<u8>>, text: &[u8]| topics.iter().any(|topic| text.starts_with(topic));
    let (wanting, others): (Vec<_>, Vec<_>) = held.iter().partition(|(_, topics)| wants(topics, text));
    let peers =
        |list: Vec<(&usize, &BTreeSet<Vec<u8>>)>| list.into_iter().map(|(peer, _)| *peer).collect::<Vec<_>>();
    let sorted = |mut peers: Vec<usize>| {
        peers.sort_unstable();
        peers
    };
    let (mut matched, mut unmatched) = (Vec::new(), Vec::new());
    filter.for_each_match(text, |peer| matched.push(peer));
    for end in [&b"................"[..], b"a", b""] {
        let other = [&text[..text.len().min(17)], end].concat();
        if filter.matches_as_before(&other) {
            let wanting = held.iter().filter(|(_, topics)| wants(topics, &other)).collect();
            assert_eq!(sorted(matched.clone()), peers(wanting), "as before");
        }
    }
    filter.for_each_unmatched(text, |peer| unmatched.push(peer));
    assert_eq!((sorted(matched), sorted(unmatched)), (peers(wanting), peers(others)));
}

fn count(filter: &PrefixFilter, held: &Held) {
    for (peer, topics) in held {
        assert_eq!(filter.held_by(*peer), (topics.len(), topics.iter().map(Vec::len).sum()));
    }
    let all: BTreeSet<_> = held.values().flatten().collect();
    assert_eq!(filter.len(), all.len());
}

pub fn seeds() -> Vec<Vec<u8>> {
    let many: Vec<u8> = (0..200).flat_map(|step: u8| [step % 7, step % 9, 2, step % 4, step % 3]).collect();
    vec![many, vec![0, 1, 0, 0, 2, 1, 255, 4, 1, 1, 255, 6, 2, 0]]
}
