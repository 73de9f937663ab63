//! A map from byte strings to values that finds every key which is a prefix of a given text: the data
//! structure below subscriptions, on both sides.
//!
//! It is a path-compressed radix tree. Nodes lie in one arena and name each other by number, 32 bytes each
//! with labels of up to 11 bytes and a value of up to 8 in place, so that a step down touches two cache
//! lines: the node and the table of its children. There is no recursion anywhere, not even in `Drop`, because
//! the depth of the tree is in a peer's hands.
//!
//! ```text
//!            root ""                    keys: "a", "abc", "abd", "b"
//!           /       \
//!        "a" *      "b" *               * holds a value
//!         |
//!        "b"                            two children: needed although it holds none
//!       /   \
//!   "c" *   "d" *
//! ```
//!
//! Hash tables by prefix length were the alternative; they are faster while all topics have one length, and
//! cost a look-up for every length in use, which a peer can make many.

mod children;
mod label;
mod pool;
mod recent;
#[cfg(test)]
mod tests;

use children::{ChildTables, Children};
use label::{Label, LabelStore, MAX_LABEL};
use pool::Pool;
pub use recent::Recent;

const ROOT: u32 = 0;

/// A map from byte strings to values that knows all keys which are prefixes of a text.
///
/// Every operation takes time proportional to the length of the key or text at most, and memory is
/// proportional to what is stored: a key adds at most two nodes (and one more for each 255 bytes). What removal frees
/// is used again, and all of it is given back when the last key goes.
///
/// ```
/// use zmq_core::prefix_tree::PrefixTree;
///
/// let mut tree = PrefixTree::new();
/// tree.get_or_insert_with(b"weather.", || 1);
/// tree.get_or_insert_with(b"weather.london", || 2);
/// tree.get_or_insert_with(b"news", || 3);
/// let found: Vec<_> = tree.prefixes_of(b"weather.london: rain").copied().collect();
/// assert_eq!(found, [1, 2]);
/// ```
#[derive(Debug, Clone)]
pub struct PrefixTree<V> {
    nodes: Pool<Node<V>>,
    tables: ChildTables,
    labels: LabelStore,
    /// How many nodes hold a value.
    length: usize,
}

/// Names a key of a [`PrefixTree`] without repeating its bytes. Valid until that key is removed; afterwards
/// it may name another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

/// Invariants: every node but the root has a label, and a value or a child. One with a child but without
/// value or second child exists only if its label and the child's together would be longer than
/// [`MAX_LABEL`]. A node that holds a value keeps its number as long as it does.
// Two nodes a cache line, none across two.
#[repr(align(32))]
#[derive(Debug, Clone)]
struct Node<V> {
    parent: u32,
    children: Children,
    label: Label,
    value: Option<V>,
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Self { parent: ROOT, children: Children::default(), label: Label::default(), value: None }
    }
}

impl<V> Default for PrefixTree<V> {
    fn default() -> Self {
        let mut nodes = Pool::default();
        nodes.insert(Node::default());
        Self { nodes, tables: ChildTables::default(), labels: LabelStore::default(), length: 0 }
    }
}

impl<V> PrefixTree<V> {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`, which is `make()` if the key was not there.
    pub fn get_or_insert_with(&mut self, key: &[u8], make: impl FnOnce() -> V) -> &mut V {
        let node = self.node_for(key);
        let value = &mut self.nodes[node].value;
        if value.is_none() {
            self.length += 1;
        }
        value.get_or_insert_with(make)
    }

    /// Sets the value of `key` and returns its name, and the value that it had.
    pub fn insert(&mut self, key: &[u8], value: V) -> (KeyId, Option<V>) {
        let node = self.node_for(key);
        let before = self.nodes[node].value.replace(value);
        self.length += usize::from(before.is_none());
        (KeyId(node), before)
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.remove_id(self.find(key)?)
    }

    /// Removes the key that `id` names and returns its value.
    pub fn remove_id(&mut self, id: KeyId) -> Option<V> {
        let value = self.nodes.slots_mut().get_mut(id.0 as usize)?.value.take()?;
        self.length -= 1;
        if self.is_empty() {
            *self = Self::new();
        } else {
            self.prune(id.0);
        }
        Some(value)
    }

    /// The value of `key`, to change.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        let id = self.find(key)?;
        self.value_mut(id)
    }

    /// The value of the key that `id` names, to change.
    pub fn value_mut(&mut self, id: KeyId) -> Option<&mut V> {
        self.nodes.slots_mut().get_mut(id.0 as usize)?.value.as_mut()
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let id = self.find(key)?;
        self.value(id)
    }

    /// The value of the key that `id` names.
    pub fn value(&self, id: KeyId) -> Option<&V> {
        self.nodes.slots().get(id.0 as usize)?.value.as_ref()
    }

    /// The name of `key`, if it is there.
    pub fn find(&self, key: &[u8]) -> Option<KeyId> {
        let mut node = ROOT;
        let mut rest = key;
        while !rest.is_empty() {
            node = self.step(&self.nodes[node], &mut rest)?;
        }
        self.nodes[node].value.is_some().then_some(KeyId(node))
    }

    /// The values of all keys that are prefixes of `text`, shortest first: from the empty key to `text`
    /// itself.
    #[inline]
    pub fn prefixes_of<'a>(&'a self, text: &'a [u8]) -> Prefixes<'a, V> {
        Prefixes { tree: self, node: &self.nodes[ROOT], fresh: true, rest: text }
    }

    /// Calls `visit` with the values of all keys that are prefixes of `text`, shortest first.
    #[inline]
    pub fn for_each_prefix_of(&self, text: &[u8], visit: impl FnMut(&V)) {
        self.prefixes_of(text).for_each(visit);
    }

    /// On how many bytes of `text` it depends which keys are prefixes of it: every text that begins with these has the same
    /// ones. More than there are, if a longer text might have others.
    pub fn reach(&self, text: &[u8]) -> usize {
        let (mut node, mut rest) = (&self.nodes[ROOT], text);
        loop {
            let passed = text.len() - rest.len();
            if node.children.is_empty() {
                return passed;
            }
            let Some(child) = rest.first().and_then(|first| self.tables.find(node.children, *first)) else {
                return passed + 1;
            };
            node = &self.nodes[child];
            match self.labels.strip(&node.label, rest) {
                Some(below) => rest = below,
                None => return passed + node.label.len(),
            }
        }
    }

    /// Every key and its value, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<u8>, &V)> {
        (ROOT..).zip(self.nodes.slots()).filter_map(|(node, slot)| {
            let value = slot.value.as_ref()?;
            let mut key = Vec::new();
            self.read_key(KeyId(node), &mut key);
            Some((key, value))
        })
    }

    /// Every key, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.iter().map(|(key, _)| key)
    }

    /// Replaces what is in `key` by the bytes of the key that `id` names, by nothing if it names none.
    pub fn read_key(&self, id: KeyId, key: &mut Vec<u8>) {
        key.clear();
        let mut node = id.0;
        while node != ROOT {
            let Some(Node { parent, label, .. }) = self.nodes.slots().get(node as usize) else { break };
            key.extend(self.labels.bytes(label).iter().rev());
            node = *parent;
        }
        key.reverse();
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The child of `node` that `rest` leads to; its label is taken off `rest`.
    #[inline]
    fn step(&self, node: &Node<V>, rest: &mut &[u8]) -> Option<u32> {
        let child = self.tables.find(node.children, *rest.first()?)?;
        *rest = self.labels.strip(&self.nodes[child].label, rest)?;
        Some(child)
    }

    fn label(&self, node: u32) -> &[u8] {
        self.labels.bytes(&self.nodes[node].label)
    }

    /// The byte under which the parent of `node`, which is not the root, knows it.
    fn first_byte(&self, node: u32) -> u8 {
        self.label(node).first().copied().unwrap_or_default()
    }

    /// The node for `key`, made if need be. The caller gives it a value.
    fn node_for(&mut self, key: &[u8]) -> u32 {
        let mut node = ROOT;
        let mut rest = key;
        while let Some(first) = rest.first() {
            let Some(child) = self.tables.find(self.nodes[node].children, *first) else {
                return self.append(node, rest);
            };
            let shared = shared_length(self.label(child), rest);
            node = if shared < self.nodes[child].label.len() { self.split(child, shared) } else { child };
            rest = &rest[shared..];
        }
        node
    }

    /// Hangs `rest`, of which no child of `node` has the first byte, below `node`. Returns the lowest new
    /// node.
    fn append(&mut self, node: u32, rest: &[u8]) -> u32 {
        rest.chunks(MAX_LABEL).fold(node, |parent, bytes| {
            let label = self.labels.make(bytes);
            let child = self.nodes.insert(Node { parent, label, ..Node::default() });
            self.tables.insert(&mut self.nodes[parent].children, bytes[0], child);
            child
        })
    }

    /// Puts a node above `node` that takes over the first `length` bytes of its label.
    fn split(&mut self, node: u32, length: usize) -> u32 {
        let Node { parent, label, .. } = self.nodes[node];
        let (first, second) = (self.label(node)[0], self.label(node)[length]);
        let (head, tail) = self.labels.split(label, length);

        let upper = self.nodes.insert(Node { parent, label: head, ..Node::default() });
        self.tables.replace(&mut self.nodes[parent].children, first, upper);
        self.tables.insert(&mut self.nodes[upper].children, second, node);
        self.nodes[node].label = tail;
        self.nodes[node].parent = upper;
        // Both labels are shorter than the one that stood there, so they may fit onto the chain above or
        // below.
        self.merge(parent);
        self.merge(node);
        upper
    }

    /// Restores the invariants after `node` lost its value.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT && self.nodes[node].value.is_none() && self.nodes[node].children.is_empty() {
            let byte = self.first_byte(node);
            let Node { parent, label, .. } = self.nodes.remove(node);
            self.labels.free(label);
            self.tables.remove(&mut self.nodes[parent].children, byte);
            node = parent;
        }
        self.merge(node);
    }

    /// Joins `node` with its only child, if nothing forbids it. The child survives: it may be known by its
    /// number.
    fn merge(&mut self, node: u32) {
        let Node { parent, children, label, ref value } = self.nodes[node];
        let Some(child) = children.only() else { return };
        let lower = self.nodes[child].label;
        if node == ROOT || value.is_some() || label.len() + lower.len() > MAX_LABEL {
            return;
        }
        let byte = self.first_byte(node);
        self.nodes[child].label = self.labels.join(label, lower);
        self.nodes[child].parent = parent;
        self.tables.replace(&mut self.nodes[parent].children, byte, child);
        self.nodes.remove(node);
    }
}

/// The values that [`PrefixTree::prefixes_of`] finds.
#[derive(Debug, Clone)]
pub struct Prefixes<'a, V> {
    tree: &'a PrefixTree<V>,
    node: &'a Node<V>,
    /// Whether the value of `node` is still to be returned.
    fresh: bool,
    /// What of the text lies below `node`.
    rest: &'a [u8],
}

impl<'a, V> Iterator for Prefixes<'a, V> {
    type Item = &'a V;

    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        loop {
            if std::mem::take(&mut self.fresh) {
                if let Some(value) = &self.node.value {
                    return Some(value);
                }
            }
            let child = self.tree.step(self.node, &mut self.rest)?;
            self.node = &self.tree.nodes[child];
            self.fresh = true;
        }
    }
}

impl<V> std::iter::FusedIterator for Prefixes<'_, V> {}

fn shared_length(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}
