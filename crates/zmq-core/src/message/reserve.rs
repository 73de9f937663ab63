//! Large bodies that were let go, for the next large bodies.
//!
//! Memory that comes from the system costs more than the copy into it: page by page a fault and a cleared page, and as
//! much again on its way back; the allocator gives the largest back at once, and of smaller ones the end of its heap, again
//! and again. So a few are kept, and what was let go last, which a cache may still have, is taken first.

use super::block;
use crate::sync::try_lock;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Smaller ones share blocks.
const SMALLEST: usize = block::LARGEST + 1;
/// For larger ones the copy outweighs the rest.
const LARGEST: usize = 2 * 1024 * 1024;
/// What is kept in all, at most.
const TOTAL: usize = 8 * 1024 * 1024;
/// How many are looked at for one that fits.
const LOOKED_AT: usize = 8;

/// Whoever does not get the lock does without: nobody waits, and a forked child does not hang on a lock of its parent.
static RESERVE: Mutex<Reserve> = Mutex::new(Reserve { buffers: VecDeque::new(), bytes: 0 });

/// A copy of `bytes`, in memory that was used before if there is some.
pub(super) fn copy(bytes: &[u8]) -> Bytes {
    if !is_kept(bytes.len()) {
        return Bytes::copy_from_slice(bytes);
    }
    let mut buffer = buffer(bytes.len());
    buffer.extend_from_slice(bytes);
    share(buffer)
}

/// An empty buffer with room for `length` bytes.
pub(crate) fn buffer(length: usize) -> Vec<u8> {
    let mut buffer = take(length).unwrap_or_else(|| Vec::with_capacity(length));
    buffer.clear();
    buffer
}

/// Takes a buffer over, and keeps it for others once nobody reads it any more.
pub(super) fn share(buffer: Vec<u8>) -> Bytes {
    if is_kept(buffer.capacity()) { Bytes::from_owner(Lent(buffer)) } else { Bytes::from(buffer) }
}

fn is_kept(size: usize) -> bool {
    (SMALLEST..=LARGEST).contains(&size)
}

fn take(length: usize) -> Option<Vec<u8>> {
    if is_kept(length) { try_lock(&RESERVE)?.take(length) } else { None }
}

/// A buffer that comes back.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(mut reserve) = try_lock(&RESERVE) {
            reserve.put(std::mem::take(&mut self.0));
        }
    }
}

struct Reserve {
    /// The last one was let go last.
    buffers: VecDeque<Vec<u8>>,
    /// Their capacities. Invariant: at most `TOTAL`.
    bytes: usize,
}

impl Reserve {
    /// One of the last, of at least `length` bytes and at most twice as many.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (length..=2 * length).contains(&buffer.capacity());
        let from_last = self.buffers.iter().rev().take(LOOKED_AT).position(fits)?;
        let buffer = self.buffers.remove(self.buffers.len() - 1 - from_last)?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps it, and lets go of the oldest if they are too many.
    fn put(&mut self, buffer: Vec<u8>) {
        self.bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        while self.bytes > TOTAL {
            self.bytes -= self.buffers.pop_front().map_or(self.bytes, |oldest| oldest.capacity());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn reserve_of(capacities: &[usize]) -> Reserve {
        let mut reserve = Reserve { buffers: VecDeque::new(), bytes: 0 };
        for &capacity in capacities {
            reserve.put(Vec::with_capacity(capacity));
        }
        reserve
    }

    fn taken(reserve: &mut Reserve, length: usize) -> Option<usize> {
        reserve.take(length).map(|buffer| buffer.capacity() / KIB)
    }

    #[test]
    fn the_last_that_fits_is_taken_first() {
        let mut reserve = reserve_of(&[100 * KIB, 101 * KIB, 400 * KIB, 50 * KIB]);
        assert_eq!(taken(&mut reserve, 90 * KIB), Some(101));
        assert_eq!(taken(&mut reserve, 90 * KIB), Some(100));
        assert_eq!(taken(&mut reserve, 90 * KIB), None, "400 KiB would be a waste, and 50 are too few");
        assert_eq!(reserve.bytes, 450 * KIB);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut reserve = reserve_of(&[40 * KIB; 300]);
        assert!(reserve.bytes <= TOTAL && reserve.bytes > TOTAL - 40 * KIB);
        for _ in 0..8 {
            reserve.put(Vec::with_capacity(1024 * KIB));
        }
        assert_eq!(
            (reserve.buffers.len(), reserve.bytes),
            (8, TOTAL),
            "sizes of before are not kept for ever"
        );
    }

    #[test]
    fn only_large_bodies_come_back() {
        for (size, comes_back) in
            [(SMALLEST - 1, false), (SMALLEST, true), (LARGEST, true), (LARGEST + 1, false)]
        {
            assert_eq!(is_kept(size), comes_back, "{size}");
            let bytes = copy(&vec![7; size]);
            assert!(bytes.iter().all(|byte| *byte == 7) && bytes.len() == size);
            assert_eq!(share(vec![7; size]), bytes);
            let buffer = buffer(size);
            assert!(buffer.is_empty() && buffer.capacity() >= size);
        }
    }

    /// What one body leaves behind is not seen in the next.
    #[test]
    fn a_shorter_copy_in_a_longer_buffer_is_only_the_copy() {
        for round in 0..50_u8 {
            drop(copy(&vec![round; 60 * KIB]));
            assert_eq!(copy(&vec![9; 40 * KIB]), vec![9; 40 * KIB]);
        }
    }
}
