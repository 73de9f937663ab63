//! The bytes on the edge that leads to a node.

use super::pool::Pool;

/// The longest label. A longer run of bytes becomes a chain of nodes: so splitting an edge or merging two
/// costs the same whether the topic has 300 bytes or a million, and a peer cannot buy megabytes of copying
/// with a short subscription that splits somebody's long one.
pub(super) const MAX_LABEL: usize = u8::MAX as usize;

const INLINE: usize = 11;

/// A label of at most [`MAX_LABEL`] bytes, short ones in place.
///
/// Invariant: with `length > INLINE` the first four of `bytes` name a slot of the store, as little-endian
/// `u32`, that no other label names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Label {
    length: u8,
    bytes: [u8; INLINE],
}

impl Label {
    #[inline]
    pub(super) fn len(self) -> usize {
        usize::from(self.length)
    }

    fn slot(self) -> u32 {
        let [a, b, c, d, ..] = self.bytes;
        u32::from_le_bytes([a, b, c, d])
    }
}

/// Where the labels that do not fit into a [`Label`] keep their bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct LabelStore {
    long: Pool<Box<[u8]>>,
}

impl LabelStore {
    /// Makes a label of at most [`MAX_LABEL`] bytes.
    pub(super) fn make(&mut self, text: &[u8]) -> Label {
        debug_assert!(text.len() <= MAX_LABEL);
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(place) => place.copy_from_slice(text),
            None => bytes[..4].copy_from_slice(&self.long.insert(text.into()).to_le_bytes()),
        }
        Label { length: text.len() as u8, bytes }
    }

    /// Makes two labels of one.
    pub(super) fn split(&mut self, label: Label, length: usize) -> (Label, Label) {
        let text = self.bytes(&label).to_vec();
        let (head, tail) = text.split_at(length);
        self.free(label);
        (self.make(head), self.make(tail))
    }

    /// Makes one label of two.
    pub(super) fn join(&mut self, head: Label, tail: Label) -> Label {
        let text = [self.bytes(&head), self.bytes(&tail)].concat();
        self.free(head);
        self.free(tail);
        self.make(&text)
    }

    pub(super) fn free(&mut self, label: Label) {
        if label.len() > INLINE {
            self.long.remove(label.slot());
        }
    }

    #[inline]
    pub(super) fn bytes<'a>(&'a self, label: &'a Label) -> &'a [u8] {
        match label.bytes.get(..label.len()) {
            Some(bytes) => bytes,
            None => &self.long[label.slot()],
        }
    }

    /// What is left of `text` behind the label, if it starts with it.
    #[inline]
    pub(super) fn strip<'a>(&self, label: &Label, text: &'a [u8]) -> Option<&'a [u8]> {
        // Below a fork most labels are one byte long: not worth a call that compares memory.
        if label.length == 1 {
            return text.split_first().filter(|(first, _)| **first == label.bytes[0]).map(|(_, rest)| rest);
        }
        text.strip_prefix(self.bytes(label))
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.long.used()
    }
}
