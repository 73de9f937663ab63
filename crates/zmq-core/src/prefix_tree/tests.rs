//! The tree against a plain map, its invariants after every step, and its sizes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

impl<V> PrefixTree<V> {
    /// Slots in use of nodes, of long labels, and of tables by size.
    fn used(&self) -> (usize, usize, [usize; 4]) {
        (self.nodes.used(), self.labels.used(), self.tables.used())
    }

    /// Panics unless the invariants of every node hold.
    fn check(&self) {
        let mut seen = 0;
        let mut values = 0;
        let mut open = vec![ROOT];
        while let Some(number) = open.pop() {
            seen += 1;
            let node = &self.nodes[number];
            values += usize::from(node.value.is_some());
            let bytes = (0..=u8::MAX).take(if node.children.is_empty() { 1 } else { 256 });
            let children: Vec<_> =
                bytes.filter_map(|byte| Some((byte, self.tables.find(node.children, byte)?))).collect();
            for (byte, child) in &children {
                assert_eq!(self.nodes[*child].parent, number);
                assert_eq!(self.first_byte(*child), *byte);
            }
            assert_eq!(node.children.is_empty(), children.is_empty());
            if number != ROOT && node.value.is_none() {
                assert!(!children.is_empty(), "a leaf without value");
                if let [(_, only)] = children[..] {
                    assert!(node.label.len() + self.nodes[only].label.len() > MAX_LABEL, "unmerged nodes");
                }
            }
            open.extend(children.into_iter().map(|(_, child)| child));
        }
        assert_eq!(seen, self.nodes.used(), "unreachable nodes");
        assert_eq!(values, self.len());
    }
}

/// Keys over a tiny alphabet, so that they share prefixes, with runs that make long labels and chains of
/// them.
fn forking_key() -> impl Strategy<Value = Vec<u8>> {
    let symbol = prop_oneof![
        4 => Just(vec![b'a']),
        4 => Just(vec![b'b']),
        1 => Just(vec![0]),
        1 => Just(vec![b'a'; 9]),
        1 => Just(vec![b'a'; 130]),
        1 => Just(vec![b'b'; 300]),
    ];
    vec(symbol, 0..5).prop_map(|symbols| symbols.concat())
}

/// Short keys over all bytes, so that nodes get many children.
fn wide_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 1), (0u8..2, any::<u8>()).prop_map(|(a, b)| vec![a, b])]
}

fn agrees_with_map(steps: Vec<(bool, Vec<u8>)>) {
    let mut tree = PrefixTree::new();
    let mut map = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for (number, (add, key)) in steps.iter().enumerate() {
        if *add {
            let (id, before) = tree.insert(key, number);
            assert_eq!(before, map.insert(key.clone(), number));
            assert_eq!(*ids.entry(key.clone()).or_insert(id), id);
        } else {
            assert_eq!(tree.remove(key), map.remove(key));
            ids.remove(key);
        }
        tree.check();
        assert_eq!(tree.get(key), map.get(key));
        let found: Vec<_> = tree.prefixes_of(key).copied().collect();
        let expected: Vec<_> = (0..=key.len()).filter_map(|end| map.get(&key[..end]).copied()).collect();
        assert_eq!(found, expected);
        if let Some(decisive) = key.get(..tree.reach(key)) {
            for end in [&b""[..], b"a", b"b", b"aaaaaaaaaaaaaaaa", &[0]] {
                let other = [decisive, end].concat();
                assert_eq!(tree.prefixes_of(&other).copied().collect::<Vec<_>>(), expected);
            }
        }
    }
    let all: BTreeMap<_, _> = tree.iter().map(|(key, value)| (key, *value)).collect();
    assert_eq!(all, map);
    for (key, id) in ids {
        assert_eq!(tree.find(&key), Some(id));
        assert_eq!(tree.value(id), map.get(&key));
        assert_eq!(tree.remove_id(id), map.remove(&key));
        tree.check();
    }
    assert_eq!(tree.used(), (1, 0, [0; 4]));
}

proptest! {
    #[test]
    fn agrees_with_map_where_keys_fork(steps in vec((any::<bool>(), forking_key()), 0..60)) {
        agrees_with_map(steps);
    }

    #[test]
    fn agrees_with_map_where_nodes_are_wide(steps in vec((prop::bool::weighted(0.6), wide_key()), 0..300)) {
        agrees_with_map(steps);
    }
}

#[test]
fn nodes_are_half_a_cache_line() {
    assert_eq!(size_of::<Node<u32>>(), 32);
    assert_eq!(size_of::<Node<std::num::NonZeroU64>>(), 32);
}

#[test]
fn tables_grow_and_shrink_through_all_sizes() {
    let mut tree = PrefixTree::new();
    for byte in 0..=u8::MAX {
        tree.insert(&[7, byte], byte);
        tree.check();
    }
    assert_eq!(tree.used(), (258, 0, [0, 0, 0, 1]));
    for byte in (0..=u8::MAX).rev() {
        assert_eq!(tree.prefixes_of(&[7, byte, 0]).copied().collect::<Vec<_>>(), [byte]);
        assert_eq!(tree.remove(&[7, byte]), Some(byte));
        assert_eq!(tree.get(&[7, byte]), None);
        tree.check();
    }
    assert_eq!(tree.used(), (1, 0, [0; 4]));
}

#[test]
fn long_keys_cost_a_node_for_each_255_bytes() {
    let mut tree = PrefixTree::new();
    let key = vec![b'x'; 1 << 20];
    tree.insert(&key, ());
    assert_eq!(tree.used().0, 1 + key.len().div_ceil(MAX_LABEL));
    // However somebody else cuts it up, removal joins it again.
    for end in (1..3000).step_by(59) {
        tree.insert(&key[..end], ());
    }
    for end in (1..3000).step_by(59) {
        tree.remove(&key[..end]);
        tree.check();
    }
    assert!(tree.used().0 <= 2 + 2 * key.len().div_ceil(MAX_LABEL));
    assert_eq!(tree.prefixes_of(&key).count(), 1);
}

#[test]
fn churn_does_not_grow_the_arena() {
    let mut tree = PrefixTree::new();
    let key = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    tree.insert(b"stays", 0);
    for number in 0..1000 {
        tree.insert(&key(number), number);
    }
    for number in 0..100_000 {
        assert_eq!(tree.remove(&key(number)), Some(number));
        tree.insert(&key(number + 1000), number + 1000);
    }
    assert_eq!(tree.len(), 1001);
    assert!(tree.nodes.slots().len() < 2100, "{} slots", tree.nodes.slots().len());
    tree.check();
}

#[test]
fn an_unknown_id_is_refused() {
    let mut tree = PrefixTree::new();
    let (id, _) = tree.insert(b"abc", ());
    tree.insert(b"abd", ());
    assert_eq!(tree.remove_id(id), Some(()));
    assert_eq!(tree.remove_id(id), None);
    assert_eq!(tree.value(id), None);
    assert_eq!(tree.remove(b"abd"), Some(()));
    assert_eq!(tree.remove_id(id), None);
}
