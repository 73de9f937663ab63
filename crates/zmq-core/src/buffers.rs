//! Buffers of the thread that drives, so that a connection with nothing to say holds none.

use std::cell::Cell;

/// What one read may bring.
pub(crate) const READ_SIZE: usize = 128 * 1024;
/// What is gathered before it is written: one system call per so many bytes.
pub(crate) const WRITE_SIZE: usize = 64 * 1024;

thread_local! {
    static READ: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    static WRITE: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// A buffer of [`READ_SIZE`] bytes of any content.
pub(crate) fn take_read() -> Vec<u8> {
    READ.with(Cell::take).unwrap_or_else(|| vec![0; READ_SIZE])
}

/// Gives a buffer of [`take_read`] back, to this or another thread.
pub(crate) fn give_read(buffer: Vec<u8>) {
    if buffer.len() == READ_SIZE {
        READ.with(|slot| slot.set(Some(buffer)));
    }
}

/// An empty buffer with room for a batch.
pub(crate) fn take_write() -> Vec<u8> {
    WRITE.with(Cell::take).unwrap_or_else(|| Vec::with_capacity(WRITE_SIZE + 4096))
}

/// Gives a buffer of [`take_write`] back.
pub(crate) fn give_write(mut buffer: Vec<u8>) {
    if buffer.capacity() <= 4 * WRITE_SIZE {
        buffer.clear();
        WRITE.with(|slot| slot.set(Some(buffer)));
    }
}
