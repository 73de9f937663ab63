//! Pointers that stand for things, without being pointers to them.
//!
//! What a program passes as a handle may be anything. So a handle is the address of a slot in a table that only grows, and is
//! looked for by comparing numbers: nothing is read through it. A slot is given out again as late as possible, so that a
//! handle that was closed is noticed.

use crate::error::{Errno, Result};
use crate::lock;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};

/// The first chunk has so many slots, each further one twice as many as the one before.
const FIRST: usize = 256;
const CHUNKS: usize = 20;
/// So many free slots are kept before one is given out again.
const RESERVE: usize = 128;

/// A table of slots. `T` says itself whether it is in use.
pub(crate) struct Handles<T: 'static> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
    free: Mutex<VecDeque<&'static T>>,
}

impl<T: Default> Handles<T> {
    pub(crate) const fn new() -> Handles<T> {
        Handles { chunks: [const { OnceLock::new() }; CHUNKS], free: Mutex::new(VecDeque::new()) }
    }

    /// A slot that nobody uses; `None` if there are too many.
    pub(crate) fn take(&'static self) -> Option<&'static T> {
        let mut free = lock(&self.free);
        if free.len() <= RESERVE {
            self.grow(&mut free);
        }
        free.pop_front()
    }

    fn grow(&'static self, free: &mut VecDeque<&'static T>) {
        let Some(chunk) = self.chunks.iter().position(|chunk| chunk.get().is_none()) else { return };
        let count = FIRST << chunk;
        let slots = self.chunks[chunk].get_or_init(|| (0..count).map(|_| T::default()).collect());
        free.extend(slots);
    }

    /// Gives a slot back, which is not in use any more.
    pub(crate) fn give_back(&'static self, slot: &'static T) {
        lock(&self.free).push_back(slot);
    }

    /// What stands for the slot.
    pub(crate) fn handle(slot: &'static T) -> *mut c_void {
        std::ptr::from_ref(slot).cast_mut().cast()
    }

    /// The slot that the handle stands for, whether it is in use or not.
    #[inline]
    pub(crate) fn find(&'static self, handle: *const c_void) -> Option<&'static T> {
        for chunk in &self.chunks {
            let slots = chunk.get()?;
            let offset = handle.addr().wrapping_sub(slots.as_ptr().addr());
            let (index, rest) = (offset / size_of::<T>(), offset % size_of::<T>());
            if let (0, Some(slot)) = (rest, slots.get(index)) {
                return Some(slot);
            }
        }
        None
    }
}

/// Tables of what is empty while nobody uses it.
impl<V> Handles<Mutex<Option<V>>> {
    /// What stands for the value; `None` if there are too many.
    pub(crate) fn insert(&'static self, value: V) -> Option<*mut c_void> {
        let slot = self.take()?;
        *lock(slot) = Some(value);
        Some(Self::handle(slot))
    }

    /// Works on the value that the handle stands for, with its lock held.
    ///
    /// # Errors
    /// `EFAULT`: it stands for none.
    pub(crate) fn with<R>(
        &'static self,
        handle: *const c_void,
        work: impl FnOnce(&mut V) -> Result<R>,
    ) -> Result<R> {
        let slot = self.find(handle).ok_or(Errno::EFAULT)?;
        work(lock(slot).as_mut().ok_or(Errno::EFAULT)?)
    }

    /// Takes the value out; the handle is void then.
    ///
    /// # Errors
    /// `EFAULT`: it stands for none.
    pub(crate) fn remove(&'static self, handle: *const c_void) -> Result<V> {
        let slot = self.find(handle).ok_or(Errno::EFAULT)?;
        let value = lock(slot).take().ok_or(Errno::EFAULT)?;
        self.give_back(slot);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn only_what_was_given_out_is_found() {
        static HANDLES: Handles<AtomicUsize> = Handles::new();
        let slots: Vec<_> = (0..1000).map(|_| HANDLES.take().expect("room")).collect();
        for (number, slot) in slots.iter().enumerate() {
            slot.store(number, Ordering::Relaxed);
        }
        for (number, slot) in slots.iter().enumerate() {
            let handle = Handles::handle(*slot);
            let found = HANDLES.find(handle).expect("a handle");
            assert_eq!(found.load(Ordering::Relaxed), number);
            assert!(HANDLES.find(handle.wrapping_byte_add(1)).is_none());
        }
        for foreign in [std::ptr::null(), std::ptr::from_ref(&slots).cast(), std::ptr::dangling()] {
            assert!(HANDLES.find(foreign).is_none());
        }
    }

    #[test]
    fn a_slot_comes_back_late() {
        static HANDLES: Handles<AtomicUsize> = Handles::new();
        let slot = HANDLES.take().expect("room");
        HANDLES.give_back(slot);
        for _ in 0..RESERVE {
            let other = HANDLES.take().expect("room");
            assert!(!std::ptr::eq(slot, other));
            HANDLES.give_back(other);
        }
    }

    #[test]
    fn what_was_taken_out_is_no_longer_there() {
        static HANDLES: Handles<Mutex<Option<i32>>> = Handles::new();
        let handle = HANDLES.insert(7).expect("room");
        assert_eq!(HANDLES.with(handle, |value| Ok(std::mem::replace(value, 8))), Ok(7));
        assert_eq!(HANDLES.remove(handle), Ok(8));
        assert_eq!(HANDLES.with(handle, |value| Ok(*value)), Err(Errno::EFAULT));
        assert_eq!(HANDLES.remove(handle), Err(Errno::EFAULT));
        assert_eq!(HANDLES.remove(std::ptr::dangling()), Err(Errno::EFAULT));
    }
}
