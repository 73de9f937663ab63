//! An arena of slots named by small numbers, which gives freed slots out again.

use std::ops::{Index, IndexMut};

/// Slots named by `u32`. A name stays valid until its slot is removed; then it is used again, so that
/// insertion and removal in turn never grow the arena.
///
/// Invariant: `free` names exactly the slots that are not in use, each once, and those hold `T::default()`.
#[derive(Debug, Clone)]
pub(super) struct Pool<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> Pool<T> {
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = value;
            return id;
        }
        // 2^32 nodes take 128 GiB. Peers do not get there: what each may subscribe to is budgeted.
        let id = u32::try_from(self.slots.len()).unwrap_or_else(|_| panic!("prefix tree: out of slots"));
        self.slots.push(value);
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> T {
        self.free.push(id);
        std::mem::take(&mut self[id])
    }

    /// All slots, those not in use too.
    pub(super) fn slots(&self) -> &[T] {
        &self.slots
    }

    /// The same, to change.
    pub(super) fn slots_mut(&mut self) -> &mut [T] {
        &mut self.slots
    }

    /// How many slots are in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.slots[id as usize]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.slots[id as usize]
    }
}
