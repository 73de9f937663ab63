//! Bodies of middling size, side by side in blocks of memory.
//!
//! Allocating and freeing each body costs more than copying it, most of all when another thread frees it. So a thread
//! that makes messages fills a block with one body after the other and hands out *pieces* of it. The block is freed,
//! or filled anew, when the last of its pieces is gone: a piece that is kept for long keeps its block.
//!
//! One counter tells. While a block is being filled the filler holds [`RESERVE`] references, more than there can be
//! pieces; a piece that is handed out is taken from that reserve, which costs nothing, and given back by whoever drops
//! it. The filler knows how many it has handed out. So all pieces are gone exactly when `RESERVE - handed` are left, and
//! when the block is full the filler gives up that many and leaves the rest to the pieces.

#![allow(unsafe_code)]

use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::{LeakCheck, Mutant, UnsafeCell, mutant};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// The largest body that goes into a block; a larger one is worth its own allocation.
#[cfg(not(all(test, loom)))]
pub(super) const LARGEST: usize = 4096;
#[cfg(not(all(test, loom)))]
const SIZE: usize = 32 * 1024;

#[cfg(all(test, loom))]
pub(super) const LARGEST: usize = 1;
#[cfg(all(test, loom))]
const SIZE: usize = 2;

const RESERVE: usize = usize::MAX / 2;

struct Block {
    references: AtomicUsize,
    /// Written by the filler beyond what it has handed out, read through the pieces.
    bytes: UnsafeCell<[MaybeUninit<u8>; SIZE]>,
    _leak_check: LeakCheck,
    /// Loom sees only accesses to its own cells: one for each byte of `bytes`.
    #[cfg(all(test, loom))]
    shadow: [UnsafeCell<()>; SIZE],
}

impl Block {
    fn allocate() -> NonNull<Block> {
        let block = Box::new(Block {
            references: AtomicUsize::new(RESERVE),
            bytes: UnsafeCell::new([MaybeUninit::uninit(); SIZE]),
            _leak_check: LeakCheck::new(),
            #[cfg(all(test, loom))]
            shadow: std::array::from_fn(|_| UnsafeCell::new(())),
        });
        NonNull::from(Box::leak(block))
    }

    /// Gives references back, and frees the block with the last.
    ///
    /// # Safety
    ///
    /// The caller holds so many references, and uses the block no more.
    #[inline]
    unsafe fn release(block: NonNull<Block>, count: usize) {
        // SAFETY: the caller holds references, so the block is alive.
        let before = unsafe { block.as_ref() }.references.fetch_sub(count, Ordering::Release);
        if before == count {
            // What others read from the block comes before its end.
            fence(Ordering::Acquire);
            // SAFETY: made by `allocate`, and no reference is left.
            drop(unsafe { Box::from_raw(block.as_ptr()) });
        }
    }
}

/// Makes pieces. One for each thread.
pub(super) struct Filler {
    block: Option<NonNull<Block>>,
    /// Bytes of the block that are handed out. Invariant: at most `SIZE`.
    used: usize,
    /// Pieces made of this block. Invariant: the filler holds `RESERVE - handed` references.
    handed: usize,
}

impl Filler {
    pub(super) const fn new() -> Filler {
        Filler { block: None, used: 0, handed: 0 }
    }

    /// A copy of `body`; `None` if it is larger than [`LARGEST`].
    #[inline]
    pub(super) fn copy(&mut self, body: &[u8]) -> Option<Piece> {
        if body.len() > LARGEST {
            return None;
        }
        let block = match self.block {
            Some(block) if SIZE - self.used >= body.len() => block,
            _ => self.next_block(),
        };
        let (start, length) = (self.used, body.len());
        // SAFETY: the block is alive, since the filler holds references. From `used` on, where there is room for the
        // body, no piece has been handed out, so nobody else looks there.
        unsafe {
            let place = block.as_ref().bytes.with_mut(|bytes| bytes.cast::<u8>().add(start));
            place.copy_from_nonoverlapping(body.as_ptr(), length);
        }
        #[cfg(all(test, loom))]
        // SAFETY: as above.
        unsafe { block.as_ref() }.shadow[start..start + length].iter().for_each(|byte| byte.with_mut(|_| ()));
        self.used += length;
        self.handed += 1;
        Some(Piece { block, start: start as u32, length: length as u32 })
    }

    /// The same block from its beginning, if all pieces are gone; otherwise a new one.
    #[cold]
    fn next_block(&mut self) -> NonNull<Block> {
        let block = match self.block.take() {
            Some(block) if self.is_alone(block) => block,
            Some(block) => {
                self.retire(block);
                Block::allocate()
            }
            None => Block::allocate(),
        };
        (self.block, self.used, self.handed) = (Some(block), 0, 0);
        block
    }

    /// Whether all pieces are gone; then the reserve is whole again.
    fn is_alone(&self, block: NonNull<Block>) -> bool {
        // SAFETY: the filler holds references, so the block is alive.
        let references = unsafe { &block.as_ref().references };
        let order = if mutant(Mutant::BlockReusedBlind) { Ordering::Relaxed } else { Ordering::Acquire };
        // Acquire: whoever dropped a piece has read it before the filler writes there again.
        let alone = references.load(order) == RESERVE - self.handed;
        if alone {
            references.store(RESERVE, Ordering::Relaxed);
        }
        alone
    }

    fn retire(&self, block: NonNull<Block>) {
        // SAFETY: as many references as the filler holds; it forgets the block.
        unsafe { Block::release(block, RESERVE - self.handed) };
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.retire(block);
        }
    }
}

/// A body in a block: one reference to it.
pub(super) struct Piece {
    block: NonNull<Block>,
    start: u32,
    length: u32,
}

// SAFETY: a piece only reads its bytes, which nobody writes while it is there, and the counter is atomic.
unsafe impl Send for Piece {}
// SAFETY: the same.
unsafe impl Sync for Piece {}

impl Piece {
    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        let (start, length) = (self.start as usize, self.length as usize);
        // SAFETY: the block is alive as long as the piece is. The filler wrote these bytes before it made the piece,
        // and writes there again only when all pieces are gone.
        unsafe {
            let block = self.block.as_ref();
            #[cfg(all(test, loom))]
            block.shadow[start..start + length].iter().for_each(|byte| byte.with(|_| ()));
            let first = block.bytes.with(|bytes| bytes.cast::<u8>().add(start));
            std::slice::from_raw_parts(first, length)
        }
    }
}

impl Clone for Piece {
    #[inline]
    fn clone(&self) -> Piece {
        // SAFETY: the block is alive as long as the piece is. There cannot be so many clones that the counter
        // overflows: each takes up memory.
        unsafe { self.block.as_ref() }.references.fetch_add(1, Ordering::Relaxed);
        Piece { ..*self }
    }
}

impl Drop for Piece {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the piece's own reference.
        unsafe { Block::release(self.block, 1) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is kept and dropped meanwhile, every piece shows what was copied; under a memory checker also: no
        /// leak, no use after free.
        #[test]
        fn pieces_keep_their_bytes(steps in proptest::collection::vec((0..LARGEST, any::<u8>(), any::<bool>()), 0..200)) {
            let mut filler = Filler::new();
            let mut kept = Vec::new();
            for (length, byte, keep) in steps {
                let piece = filler.copy(&vec![byte; length]).expect("small enough");
                if keep {
                    kept.push((piece.clone(), length, byte));
                } else if kept.len() > 20 {
                    kept.clear();
                }
                prop_assert!(piece.as_slice().iter().all(|b| *b == byte));
            }
            drop(filler);
            for (piece, length, byte) in kept {
                prop_assert_eq!(piece.as_slice(), vec![byte; length]);
            }
        }
    }

    #[test]
    fn a_block_is_filled_again_when_all_its_pieces_are_gone() {
        let mut filler = Filler::new();
        let first = filler.copy(&[1; LARGEST]).expect("fits").as_slice().as_ptr();
        let mut places = std::collections::HashSet::new();
        for _ in 0..100 {
            places.insert(filler.copy(&[2; LARGEST]).expect("fits").as_slice().as_ptr());
        }
        assert!(places.contains(&first) && places.len() == SIZE / LARGEST);
        assert!(filler.copy(&[3; LARGEST + 1]).is_none());
    }

    #[test]
    fn pieces_may_be_dropped_by_another_thread() {
        let mut filler = Filler::new();
        let (sender, receiver) = std::sync::mpsc::channel::<Piece>();
        let reader = std::thread::spawn(move || {
            for (index, piece) in receiver.into_iter().enumerate() {
                assert!(piece.as_slice().iter().all(|byte| *byte == index as u8));
            }
        });
        for index in 0..20_000_usize {
            let piece = filler.copy(&vec![index as u8; index % LARGEST]).expect("fits");
            sender.send(piece).expect("the reader lives");
        }
        drop(sender);
        reader.join().expect("no mismatch");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::{assert_mutant_fails, thread};

    /// B1: a block is written again only after everything that was read from its pieces, and freed once.
    fn pieces_are_read_before_their_block_is_filled_again() {
        let mut filler = Filler::new();
        let one = filler.copy(&[1]).expect("fits");
        let other = filler.copy(&[2]).expect("fits");
        let reader = thread::spawn(move || {
            let copy = one.clone();
            drop(one);
            assert_eq!(copy.as_slice(), [1]);
        });
        drop(other);
        let next = filler.copy(&[3]).expect("fits");
        drop(filler);
        assert_eq!(next.as_slice(), [3]);
        reader.join().unwrap();
    }

    #[test]
    fn loom_b1_block() {
        loom::model(pieces_are_read_before_their_block_is_filled_again);
    }

    #[test]
    fn loom_b1_block_mutant() {
        assert_mutant_fails(Mutant::BlockReusedBlind, pieces_are_read_before_their_block_is_filled_again);
    }
}
