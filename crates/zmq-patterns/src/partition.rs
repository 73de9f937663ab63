//! Pipes in two groups: those worth looking at, and those that will say when they are again.

use zmq_core::PipeId;

/// An array whose first `active` entries are the active ones. Every change is a swap: constant time, and in turn.
#[derive(Debug)]
pub(crate) struct Partition<T> {
    entries: Vec<(PipeId, T)>,
    active: usize,
    /// Where in `entries` a pipe stands; `ABSENT` if it does not.
    positions: Vec<usize>,
}

const ABSENT: usize = usize::MAX;

impl<T> Default for Partition<T> {
    fn default() -> Self {
        Partition { entries: Vec::new(), active: 0, positions: Vec::new() }
    }
}

impl<T> Partition<T> {
    /// Adds a pipe behind the active ones, as an active one.
    pub(crate) fn insert(&mut self, id: PipeId, pipe: T) {
        self.remove(id);
        if self.positions.len() <= id {
            self.positions.resize(id + 1, ABSENT);
        }
        self.positions[id] = self.entries.len();
        self.entries.push((id, pipe));
        self.activate(id);
    }

    pub(crate) fn remove(&mut self, id: PipeId) -> Option<T> {
        let position = self.position(id)?;
        if position < self.active {
            self.deactivate(position);
        }
        let position = self.position(id)?;
        self.swap(position, self.entries.len() - 1);
        self.positions[id] = ABSENT;
        self.entries.pop().map(|(_, pipe)| pipe)
    }

    /// Moves a pipe behind the active ones, as an active one. `false`: it is active, or not here.
    pub(crate) fn activate(&mut self, id: PipeId) -> bool {
        let Some(position) = self.position(id).filter(|position| *position >= self.active) else {
            return false;
        };
        self.swap(position, self.active);
        self.active += 1;
        true
    }

    /// Takes the pipe at `position` out of the active ones; the last of them takes its place.
    pub(crate) fn deactivate(&mut self, position: usize) {
        if position < self.active {
            self.active -= 1;
            self.swap(position, self.active);
        }
    }

    pub(crate) fn active_mut(&mut self, position: usize) -> Option<&mut (PipeId, T)> {
        self.entries[..self.active].get_mut(position)
    }

    pub(crate) fn active_iter_mut(&mut self) -> std::slice::IterMut<'_, (PipeId, T)> {
        self.entries[..self.active].iter_mut()
    }

    pub(crate) fn get(&self, id: PipeId) -> Option<&T> {
        self.position(id).map(|position| &self.entries[position].1)
    }

    pub(crate) fn position(&self, id: PipeId) -> Option<usize> {
        self.positions.get(id).copied().filter(|position| *position != ABSENT)
    }

    #[inline]
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.entries.swap(one, other);
        self.positions[self.entries[one].0] = one;
        self.positions[self.entries[other].0] = other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(usize),
        Remove(usize),
        Activate(usize),
        Deactivate(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..8usize).prop_map(Op::Insert),
            (0..8usize).prop_map(Op::Remove),
            (0..8usize).prop_map(Op::Activate),
            (0..8usize).prop_map(Op::Deactivate),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_two_sets(ops in proptest::collection::vec(op(), 0..60)) {
            let mut partition = Partition::default();
            let (mut active, mut passive) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
            for op in ops {
                match op {
                    Op::Insert(id) => {
                        partition.insert(id, id * 10);
                        passive.remove(&id);
                        active.insert(id);
                    }
                    Op::Remove(id) => {
                        let known = active.remove(&id) | passive.remove(&id);
                        prop_assert_eq!(partition.remove(id), known.then_some(id * 10));
                    }
                    Op::Activate(id) => {
                        let moved = passive.remove(&id);
                        if moved { active.insert(id); }
                        prop_assert_eq!(partition.activate(id), moved);
                    }
                    Op::Deactivate(id) => {
                        if let Some(position) = partition.position(id) {
                            partition.deactivate(position);
                            if active.remove(&id) { passive.insert(id); }
                        }
                    }
                }
                let mut now = Vec::new();
                for position in 0..partition.active() {
                    let (id, value) = *partition.active_mut(position).expect("active");
                    prop_assert_eq!(value, id * 10);
                    prop_assert_eq!(partition.position(id), Some(position));
                    now.push(id);
                }
                now.sort_unstable();
                prop_assert_eq!(now, active.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(partition.len(), active.len() + passive.len());
            }
        }
    }
}
