//! The inside of a [`conflating`](super::conflating) pipe: three slots and one word.
//!
//! The writer owns one slot (`back`), the reader another (`front`), and the word says which is in the
//! `middle`, and whether what lies there is fresh. Each half exchanges its own slot for the middle one by a
//! single swap, so nobody ever touches a slot that another may touch, and nobody waits. The flags work as
//! those of the queue: a half announces itself in the word that the other swaps, and who swaps remembers what
//! the swap has cleared.

#![allow(unsafe_code)]

use super::{Closed, Flush, Vacate, WriterState};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Arc, Mutant, UnsafeCell, mutant};
use crossbeam_utils::CachePadded;

/// Which slot is in the middle.
const SLOT: u32 = 3;
/// The middle slot holds a message, and the reader may take it.
const FRESH: u32 = 4;
const READER_ASLEEP: u32 = 8;
const WRITER_CLOSED: u32 = 16;
const READER_CLOSED: u32 = 32;

pub(super) fn conflate<T: Send>() -> (Writer<T>, Reader<T>) {
    let shared = Arc::new(Shared {
        middle: CachePadded::new(AtomicU32::new(0)),
        slots: std::array::from_fn(|_| UnsafeCell::new(None)),
    });
    let writer = Writer {
        shared: Arc::clone(&shared),
        back: 1,
        state: WriterState::Open,
        pending: 0,
        flushed: 0,
        replaced: 0,
        discarded: 0,
    };
    let reader = Reader { shared, front: 2, writer_closed: false, closed: false, read: 0 };
    (writer, reader)
}

pub(super) struct Writer<T> {
    shared: Arc<Shared<T>>,
    /// The writer's slot. Invariant: holds a message if `pending > 0`, nothing otherwise.
    back: u32,
    state: WriterState,
    /// Messages written since the last flush. All but the last are replaced already.
    pending: u64,
    /// Messages written before the last flush.
    flushed: u64,
    /// Messages that gave way to a later one.
    replaced: u64,
    /// Messages dropped because one half had closed.
    discarded: u64,
}

impl<T> Writer<T> {
    #[inline]
    pub(super) fn write(&mut self, message: T) -> Result<(), T> {
        if self.state != WriterState::Open {
            return Err(message);
        }
        self.pending += 1;
        // SAFETY: `back` is the writer's.
        drop(unsafe { self.shared.replace(self.back, Some(message)) });
        Ok(())
    }

    #[inline]
    pub(super) fn write_from(&mut self, place: &mut T) -> bool
    where
        T: Vacate,
    {
        if !self.can_write() {
            return false;
        }
        // SAFETY: the message is ours from here on: `vacate` has its place give it up.
        let message = unsafe { std::ptr::from_mut(place).read() };
        place.vacate();
        self.write(message).is_ok()
    }

    #[inline]
    pub(super) fn write_unbounded(&mut self, message: T) -> Result<(), T> {
        self.write(message)
    }

    #[inline]
    pub(super) fn flush(&mut self) -> Flush {
        if self.pending == 0 {
            return if self.state == WriterState::ReaderClosed {
                Flush::ReaderClosed
            } else {
                Flush::ReaderAwake
            };
        }
        let order = if mutant(Mutant::ConflateFlushRelaxed) { Ordering::Relaxed } else { Ordering::AcqRel };
        let published = self.back;
        let before = self.shared.middle.swap(published | FRESH, order);
        self.back = before & SLOT;
        self.settle();
        if before & READER_CLOSED != 0 {
            self.state = WriterState::ReaderClosed;
            self.discarded += 1;
            // SAFETY: a reader that has closed never touches the middle again, so it is the writer's.
            drop(unsafe { self.shared.replace(published, None) });
            return Flush::ReaderClosed;
        }
        if before & FRESH != 0 {
            self.replaced += 1;
            // SAFETY: `back` is the writer's.
            drop(unsafe { self.shared.replace(self.back, None) });
        }
        if before & READER_ASLEEP != 0 { Flush::ReaderAsleep } else { Flush::ReaderAwake }
    }

    pub(super) fn rollback(&mut self) {
        self.pending = 0;
        // SAFETY: `back` is the writer's.
        drop(unsafe { self.shared.replace(self.back, None) });
    }

    #[inline]
    pub(super) fn can_write(&mut self) -> bool {
        self.state == WriterState::Open && !self.is_reader_closed()
    }

    pub(super) fn wait_for_credit(&mut self) -> bool {
        false
    }

    pub(super) fn set_hwm(&mut self, _: usize) -> bool {
        self.can_write()
    }

    pub(super) fn close(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, WriterState::Closed);
        if state != WriterState::Open {
            return false;
        }
        let before = self.shared.middle.fetch_or(WRITER_CLOSED, Ordering::AcqRel);
        if self.pending > 0 {
            self.settle();
            self.discarded += 1;
            // SAFETY: `back` is the writer's.
            drop(unsafe { self.shared.replace(self.back, None) });
        }
        before & (READER_ASLEEP | READER_CLOSED) == READER_ASLEEP
    }

    pub(super) fn is_reader_closed(&self) -> bool {
        self.state == WriterState::ReaderClosed
            || self.shared.middle.load(Ordering::Acquire) & READER_CLOSED != 0
    }

    pub(super) fn written(&self) -> u64 {
        self.flushed + self.pending
    }

    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    pub(super) fn replaced(&self) -> u64 {
        self.replaced + self.pending.saturating_sub(1)
    }

    /// Counts what was pending: the last leaves the writer's hands, the others were replaced.
    fn settle(&mut self) {
        self.replaced = self.replaced();
        self.flushed += self.pending;
        self.pending = 0;
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.close();
    }
}

pub(super) struct Reader<T> {
    shared: Arc<Shared<T>>,
    /// The reader's slot. Invariant: vacant between calls.
    front: u32,
    /// A swap of the reader has seen, and so cleared, the writer's flag.
    writer_closed: bool,
    closed: bool,
    read: u64,
}

impl<T> Reader<T> {
    #[inline]
    pub(super) fn read(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let message = self.exchange(0);
        self.read += u64::from(message.is_some());
        message
    }

    #[inline]
    pub(super) fn read_with<R>(&mut self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.read().map(|mut message| look(&mut message))
    }

    #[inline]
    pub(super) fn take_writer_wake(&mut self) -> bool {
        false
    }

    pub(super) fn sleep(&mut self) -> bool {
        let word = self.shared.middle.load(Ordering::Acquire);
        if self.closed || self.writer_closed || word & (FRESH | WRITER_CLOSED) != 0 {
            return false;
        }
        if mutant(Mutant::ConflateSleepBlind) {
            self.shared.middle.fetch_or(READER_ASLEEP, Ordering::AcqRel);
            return true;
        }
        // Failure means that the writer has published or closed meanwhile.
        let asleep = word | READER_ASLEEP;
        word == asleep
            || self.shared.middle.compare_exchange(word, asleep, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[inline]
    pub(super) fn is_empty(&mut self) -> bool {
        self.closed || self.shared.middle.load(Ordering::Acquire) & FRESH == 0
    }

    pub(super) fn len(&mut self) -> usize {
        usize::from(!self.is_empty())
    }

    pub(super) fn is_closed(&mut self) -> bool {
        let word = self.shared.middle.load(Ordering::Acquire);
        self.closed || (word & FRESH == 0 && (self.writer_closed || word & WRITER_CLOSED != 0))
    }

    pub(super) fn close(&mut self) -> Closed {
        if std::mem::replace(&mut self.closed, true) {
            return Closed::default();
        }
        let unread = self.exchange(READER_CLOSED);
        Closed { writer_waiting: false, discarded: u64::from(unread.is_some()) }
    }

    pub(super) fn consumed(&self) -> u64 {
        self.read
    }

    /// Puts the reader's vacant slot in the middle and takes what was there.
    #[inline]
    fn exchange(&mut self, flags: u32) -> Option<T> {
        let order = if mutant(Mutant::ConflateReadRelaxed) { Ordering::Acquire } else { Ordering::AcqRel };
        let before = self.shared.middle.swap(self.front | flags, order);
        self.front = before & SLOT;
        self.writer_closed |= before & WRITER_CLOSED != 0;
        // SAFETY: `front` is the reader's.
        unsafe { self.shared.replace(self.front, None) }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

struct Shared<T> {
    /// The slot in the middle, and flags. Both halves swap it.
    middle: CachePadded<AtomicU32>,
    /// Invariant: one is `back`, one is `front`, one is in the middle.
    slots: [UnsafeCell<Option<T>>; 3],
}

// SAFETY: each slot belongs to one half at a time, and changes hands by swaps of `middle` that release and
// acquire. Messages move between threads, so they must be Send.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    ///
    /// `slot` is the caller's alone. The values of `back`, `front` and `middle` are 0, 1 and 2 at all times.
    #[inline]
    unsafe fn replace(&self, slot: u32, message: Option<T>) -> Option<T> {
        // SAFETY: the caller's promise.
        self.slots[slot as usize].with_mut(|slot| unsafe { std::mem::replace(&mut *slot, message) })
    }
}
