//! Buffers of the thread that drives, so that a connection with nothing to say holds none.

use crate::sync::try_lock;
use std::cell::Cell;
use std::sync::Mutex;

/// What one read may bring.
pub(crate) const READ_SIZE: usize = 128 * 1024;
/// What is gathered before it is written: one system call per so many bytes.
pub(crate) const WRITE_SIZE: usize = 64 * 1024;

/// How many of each kind are kept for all threads beyond one for each: as many as connections give back and take again
/// while their peers are slow.
const KEPT: usize = 16;

thread_local! {
    static READ: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    static WRITE: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

static SPARE_READ: Spare = Spare(Mutex::new(Vec::new()));
static SPARE_WRITE: Spare = Spare(Mutex::new(Vec::new()));

/// A buffer of [`READ_SIZE`] bytes of any content.
pub(crate) fn take_read() -> Vec<u8> {
    READ.with(Cell::take).or_else(|| SPARE_READ.take()).unwrap_or_else(|| vec![0; READ_SIZE])
}

/// Gives a buffer of [`take_read`] back, to this or another thread.
pub(crate) fn give_read(buffer: Vec<u8>) {
    if buffer.len() == READ_SIZE {
        SPARE_READ.keep(READ.with(|slot| slot.replace(Some(buffer))));
    }
}

/// An empty buffer with room for a batch.
pub(crate) fn take_write() -> Vec<u8> {
    let buffer = WRITE.with(Cell::take).or_else(|| SPARE_WRITE.take());
    buffer.unwrap_or_else(|| Vec::with_capacity(WRITE_SIZE + 4096))
}

/// Gives a buffer of [`take_write`] back.
pub(crate) fn give_write(mut buffer: Vec<u8>) {
    if buffer.capacity() <= 4 * WRITE_SIZE {
        buffer.clear();
        SPARE_WRITE.keep(WRITE.with(|slot| slot.replace(Some(buffer))));
    }
}

/// Buffers that were given back to a thread that had one. Whoever does not get the lock does without: nobody waits, and a
/// forked child does not hang on a lock of its parent.
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn take(&self) -> Option<Vec<u8>> {
        try_lock(&self.0)?.pop()
    }

    fn keep(&self, buffer: Option<Vec<u8>>) {
        let Some(buffer) = buffer else { return };
        let Some(mut kept) = try_lock(&self.0) else { return };
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_kept_and_no_more() {
        let spare = Spare(Mutex::new(Vec::new()));
        assert_eq!(spare.take(), None);
        for number in 0..2 * KEPT {
            spare.keep(Some(vec![number as u8]));
            spare.keep(None);
        }
        assert!((0..KEPT).rev().all(|number| spare.take() == Some(vec![number as u8])));
        assert_eq!(spare.take(), None);
        // Who does not get the lock does without.
        let _held = spare.0.lock();
        spare.keep(Some(vec![1]));
        assert_eq!(spare.take(), None);
    }

    #[test]
    fn buffers_come_back_as_they_should_be() {
        let (first, second) = (take_read(), take_read());
        assert_eq!((first.len(), second.len()), (READ_SIZE, READ_SIZE));
        give_read(first);
        give_read(second);
        give_read(vec![0; 10]);
        assert!((0..3).all(|_| take_read().len() == READ_SIZE));
        for length in [0, 1, 5 * WRITE_SIZE] {
            give_write(vec![7; length]);
            let buffer = take_write();
            assert!(buffer.is_empty() && buffer.capacity() <= 4 * WRITE_SIZE);
        }
    }
}
