//! The queue behind a [`pipe`](super::pipe): a list of chunks, two cursors, a high-water mark.
//!
//! ```text
//!             reader                                    writer
//!               v                                         v
//!   first -> [ . . 2 3 ] -next-> [ 4 5 6 7 ] -next-> [ 8 9 _ _ ]        spares -> [ _ _ _ _ ] -next-> ...
//!                                                     ^ published = 9: 9 is written and not flushed
//! ```
//!
//! Two words carry all communication. `published` is the count of messages that the reader may see,
//! `acknowledged` the count for which the writer has its credit back. Their low bits are flags with which the
//! other half announces that it waits or has closed. The owner of a word changes it by `swap`: one
//! instruction publishes the count, clears the announcements, and returns them. Announcing is a
//! compare-and-exchange or a `fetch_or` on that word, so it comes either before the owner's swap, which sees
//! it, or after, and then it sees the new count.
//!
//! # Who owns which message
//!
//! Messages below `published` are the reader's, the others the writer's. A reader that closes sets a flag in
//! `published` and owns what lies below the count that this very operation returned. The next swap of the
//! writer sees the flag, and the messages it meant to publish stay its own. So each message has one owner at
//! all times and each half drops its own; the chunks go with the last half.
//!
//! # Why a waiting writer gets its wake
//!
//! The writer waits only if `written - acknowledged >= hwm` with everything flushed. The reader acknowledges
//! as soon as it has read `low_water = (hwm + 1) / 2` messages beyond the last acknowledgement. As `low_water
//! <= hwm`, it does so at the latest when it has read everything. The acknowledgement either sees the mark of
//! the writer or came before it, and then marking failed and the writer looked again. `write_unbounded` only
//! makes the left side larger.
//!
//! `set_hwm` could break this: a reader that still uses the larger low-water mark of before may have read
//! everything without acknowledging. So after a decrease the writer admits one message even if the pipe is
//! full. The reader takes up the current mark whenever it looks at `published`, as it must to see that
//! message. So by the time it has read everything, the new low-water mark is in force.
//!
//! # Slots that stand for several messages
//!
//! `published` counts slots, `acknowledged` counts messages. A half that learns that a slot stands for more than one
//! message says so (`add_weight`); `beyond` is what it has said. The writer may say so later than the reader: until then it
//! has more credit than it should, never less, so that a writer that waits gets its wake as before.

#![allow(unsafe_code)]

use super::{Closed, Flush, Vacate, WriterState};
use crate::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, LeakCheck, Mutant, UnsafeCell, mutant};
use crossbeam_utils::CachePadded;
use std::mem::MaybeUninit;
use std::ptr;

/// Both words hold a count above their flags. 61 bits outlast any process.
const COUNT_SHIFT: u32 = 3;
/// In `published`: the reader sleeps.
const READER_ASLEEP: u64 = 1;
/// In `acknowledged`: the writer waits for credit.
const WRITER_WAITING: u64 = 1;
/// In `published`: no further message will come.
const WRITER_CLOSED: u64 = 2;
/// In both words: nobody reads any more.
const READER_CLOSED: u64 = 4;

pub(super) fn queue<T: Send, const SLOTS: usize>(hwm: usize) -> (Writer<T, SLOTS>, Reader<T, SLOTS>) {
    const { assert!(SLOTS > 0 && SLOTS <= u8::MAX as usize) };
    let shared = Arc::new(Shared::new(hwm));
    let writer = Writer {
        shared: Arc::clone(&shared),
        tail: ptr::null_mut(),
        reserve: ptr::null_mut(),
        index: SLOTS as u8,
        state: WriterState::Open,
        written: 0,
        flushed: 0,
        limit: limit(0, hwm, 0),
        grace: 0,
        hwm,
        discarded: 0,
        beyond: 0,
    };
    let reader = Reader {
        shared,
        head: ptr::null_mut(),
        index: SLOTS as u8,
        closed: false,
        writer_wake: false,
        spares: 0,
        most_spares: 1,
        read: 0,
        available: 0,
        acknowledged: 0,
        beyond: 0,
        low_water: low_water(hwm),
    };
    (writer, reader)
}

/// The count of slots written at which the credit is used up, if they stand for `beyond` more messages.
fn limit(acknowledged: u64, hwm: usize, beyond: u64) -> u64 {
    if hwm == 0 { u64::MAX } else { acknowledged.saturating_add(hwm as u64).saturating_sub(beyond) }
}

/// How many messages the reader reads before it acknowledges them. Invariant: at least 1; at most `hwm`, if
/// there is one.
fn low_water(hwm: usize) -> u32 {
    if hwm == 0 { u32::MAX } else { u32::try_from(hwm.div_ceil(2)).unwrap_or(u32::MAX) }
}

pub(super) struct Writer<T, const SLOTS: usize> {
    shared: Arc<Shared<T, SLOTS>>,
    /// The chunk that is being filled. Null until the first message.
    tail: *mut Chunk<T, SLOTS>,
    /// Vacant chunks, a list: spares that it has picked up.
    reserve: *mut Chunk<T, SLOTS>,
    /// Slots used in `tail`. Invariant: at most SLOTS; SLOTS if there is no chunk.
    index: u8,
    state: WriterState,
    /// Messages written and not taken back. Invariant: at least `flushed`.
    written: u64,
    /// The count in `published`. Messages from here on are the writer's.
    flushed: u64,
    /// Below this count `write` succeeds without asking anyone: the acknowledged count as last seen, plus the
    /// high-water mark, less `beyond`; or `grace` if that is larger. 0 if the state is not open.
    limit: u64,
    /// One more than was written when the high-water mark was last decreased; see the head of this file.
    grace: u64,
    /// The high-water mark; the shared one is the same.
    hwm: usize,
    /// Messages dropped because one half had closed.
    discarded: u64,
    /// How many more messages than slots were written.
    beyond: u64,
}

// SAFETY: the raw pointers are what makes this not Send by itself. They lead to chunks that nobody else knows, and
// to one of which this half uses only the slots that hold no message of the reader, wherever this half lives; and
// the messages are Send.
unsafe impl<T: Send, const SLOTS: usize> Send for Writer<T, SLOTS> {}

impl<T, const SLOTS: usize> Writer<T, SLOTS> {
    #[inline]
    pub(super) fn write(&mut self, message: T) -> Result<(), T> {
        if self.written >= self.limit && !self.refresh_credit() {
            return Err(message);
        }
        self.append(message);
        Ok(())
    }

    #[inline]
    pub(super) fn write_from(&mut self, place: &mut T) -> bool
    where
        T: Vacate,
    {
        let accepted = self.can_write();
        if accepted {
            // SAFETY: the message is the slot's from here on: `vacate` has its place give it up.
            self.append_with(|| unsafe { ptr::from_mut(place).read() });
            place.vacate();
        }
        accepted
    }

    #[inline]
    pub(super) fn write_unbounded(&mut self, message: T) -> Result<(), T> {
        if self.state != WriterState::Open {
            return Err(message);
        }
        self.append(message);
        Ok(())
    }

    #[inline]
    pub(super) fn flush(&mut self) -> Flush {
        if self.written == self.flushed {
            return if self.state == WriterState::ReaderClosed {
                Flush::ReaderClosed
            } else {
                Flush::ReaderAwake
            };
        }
        let order = if mutant(Mutant::PipeFlushRelaxed) { Ordering::Relaxed } else { Ordering::AcqRel };
        let before = self.shared.published.swap(self.written << COUNT_SHIFT, order);
        if before & READER_CLOSED != 0 {
            self.lose_reader();
            return Flush::ReaderClosed;
        }
        self.flushed = self.written;
        if before & READER_ASLEEP != 0 { Flush::ReaderAsleep } else { Flush::ReaderAwake }
    }

    pub(super) fn rollback(&mut self) {
        while self.written > self.flushed + u64::from(mutant(Mutant::PipeRollbackShort)) {
            self.take_back();
        }
    }

    #[inline]
    pub(super) fn can_write(&mut self) -> bool {
        self.written < self.limit || self.refresh_credit()
    }

    pub(super) fn wait_for_credit(&mut self) -> bool {
        let mut word = self.shared.reader.acknowledged.load(Ordering::Acquire);
        // Each turn but the last means that the reader acknowledged meanwhile.
        while self.state == WriterState::Open && !self.update_credit(word) && word & READER_CLOSED == 0 {
            match self.mark_waiting(word) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    pub(super) fn room(&mut self, enough: usize) -> usize {
        if self.limit.saturating_sub(self.written) < enough as u64 {
            self.refresh_credit();
        }
        usize::try_from(self.limit.saturating_sub(self.written)).unwrap_or(usize::MAX)
    }

    pub(super) fn add_weight(&mut self, messages: u64) {
        self.beyond += messages;
        if self.hwm > 0 {
            self.limit = self.limit.saturating_sub(messages);
        }
    }

    pub(super) fn set_hwm(&mut self, hwm: usize) -> bool {
        let before = std::mem::replace(&mut self.hwm, hwm);
        self.shared.reader.hwm.store(hwm, Ordering::Relaxed);
        if limit(0, hwm, 0) < limit(0, before, 0) && !mutant(Mutant::PipeDecreaseWithoutGrace) {
            self.grace = self.written + 1;
        }
        self.refresh_credit()
    }

    pub(super) fn close(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, WriterState::Closed);
        self.limit = 0;
        if state != WriterState::Open {
            return false;
        }
        let closed = self.flushed << COUNT_SHIFT | WRITER_CLOSED;
        let before = self.shared.published.swap(closed, Ordering::AcqRel);
        self.discard();
        before & (READER_ASLEEP | READER_CLOSED) == READER_ASLEEP && !mutant(Mutant::PipeCloseLeavesSleeper)
    }

    pub(super) fn is_reader_closed(&self) -> bool {
        self.state == WriterState::ReaderClosed
            || self.shared.reader.acknowledged.load(Ordering::Acquire) & READER_CLOSED != 0
    }

    pub(super) fn written(&self) -> u64 {
        self.written + self.beyond + self.discarded
    }

    pub(super) fn discarded(&self) -> u64 {
        self.discarded
    }

    pub(super) fn replaced(&self) -> u64 {
        0
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn tail_address(&self) -> usize {
        self.tail as usize
    }

    /// How many vacant chunks the writer keeps, and how many wait for it.
    #[cfg(all(test, not(loom)))]
    pub(super) fn vacant(&self) -> (usize, usize) {
        let length = |mut chunk: *mut Chunk<T, SLOTS>| {
            let mut length = 0;
            while !chunk.is_null() {
                length += 1;
                // SAFETY: the tests use both halves on one thread.
                chunk = unsafe { (*chunk).next.with(|next| *next) };
            }
            length
        };
        (length(self.reserve), length(self.shared.reader.spares.load(Ordering::Relaxed)))
    }

    #[inline]
    fn append(&mut self, message: T) {
        self.append_with(|| message);
    }

    /// Appends what `make` makes, which it makes in its slot. Nothing is appended if it panics.
    #[inline]
    fn append_with(&mut self, make: impl FnOnce() -> T) {
        if usize::from(self.index) >= SLOTS {
            self.grow();
        }
        // SAFETY: `tail` is a chunk of the list that the reader keeps until a message beyond it is published,
        // and `index < SLOTS`. The slot is not published, so it is the writer's, and it is vacant.
        unsafe { Chunk::put(self.tail, self.index, make) };
        self.index += 1;
        self.written += 1;
        if mutant(Mutant::PipeWritePublishes) {
            self.shared.published.swap(self.written << COUNT_SHIFT, Ordering::AcqRel);
        }
    }

    /// Appends a chunk to the list.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let chunk = self.take_vacant();
        // SAFETY: the chunk is fresh or was handed back by the reader, so only the writer knows it.
        unsafe { (*chunk).previous.with_mut(|previous| *previous = self.tail) };
        if self.tail.is_null() {
            // SAFETY: `first` belongs to the writer until it publishes its first message.
            self.shared.reader.first.with_mut(|first| unsafe { *first = chunk });
        } else {
            // SAFETY: the reader keeps `tail` and does not look at its `next` before a message in the next
            // chunk is published.
            unsafe { (*self.tail).next.with_mut(|next| *next = chunk) };
        }
        self.tail = chunk;
        self.index = 0;
    }

    /// A vacant chunk, without a next one.
    fn take_vacant(&mut self) -> *mut Chunk<T, SLOTS> {
        if self.reserve.is_null() {
            self.reserve = self.shared.reader.spares.swap(ptr::null_mut(), Ordering::Acquire);
        }
        let chunk = self.reserve;
        if chunk.is_null() {
            return Chunk::allocate();
        }
        // SAFETY: the reader handed the chunk over with the Release that the swap has seen.
        unsafe {
            self.reserve = (*chunk).next.with(|next| *next);
            (*chunk).next.with_mut(|next| *next = ptr::null_mut());
        }
        chunk
    }

    /// Drops the last message that was written and not flushed. Only called if there is one.
    fn take_back(&mut self) {
        if self.index == 0 {
            self.shrink();
        }
        self.index -= 1;
        self.written -= 1;
        // SAFETY: the slot was filled by `put` and never published, so it is the writer's; `index` and
        // `written` have moved, so it counts as vacant from here on.
        drop(unsafe { Chunk::take(self.tail, self.index) });
    }

    /// Frees the last chunk, which is vacant, while the chunk before it holds a message of the writer.
    fn shrink(&mut self) {
        let vacant = self.tail;
        // SAFETY: only the writer uses `previous`, and it leads to a chunk that holds a message which is not
        // published, so the reader keeps that chunk, and does not look at its `next`.
        unsafe {
            self.tail = (*vacant).previous.with(|previous| *previous);
            (*self.tail).next.with_mut(|next| *next = ptr::null_mut());
        }
        self.index = SLOTS as u8;
        // SAFETY: no message in this chunk was ever published, and no link leads to it any more.
        unsafe { Chunk::free(vacant) };
    }

    /// Asks the reader how much it has acknowledged. Whether there is credit.
    #[cold]
    #[inline(never)]
    fn refresh_credit(&mut self) -> bool {
        if self.state != WriterState::Open {
            return false;
        }
        let word = self.shared.reader.acknowledged.load(Ordering::Acquire);
        self.update_credit(word)
    }

    /// Takes note of what `acknowledged` says. Whether there is credit.
    fn update_credit(&mut self, word: u64) -> bool {
        if word & READER_CLOSED != 0 {
            self.lose_reader();
            return false;
        }
        self.limit = limit(word >> COUNT_SHIFT, self.hwm, self.beyond).max(self.grace);
        if mutant(Mutant::PipeCreditOverrun) {
            self.limit += 1;
        }
        self.written < self.limit
    }

    /// Announces that the writer waits, unless `acknowledged` is no longer `word`.
    fn mark_waiting(&self, word: u64) -> Result<u64, u64> {
        let acknowledged = &self.shared.reader.acknowledged;
        let marked = word | WRITER_WAITING;
        if mutant(Mutant::PipeWaitBlind) {
            return Ok(acknowledged.fetch_or(WRITER_WAITING, Ordering::AcqRel));
        }
        if word == marked {
            return Ok(word);
        }
        acknowledged.compare_exchange(word, marked, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The reader has closed: what was not flushed can go nowhere.
    #[cold]
    fn lose_reader(&mut self) {
        self.state = WriterState::ReaderClosed;
        self.limit = 0;
        self.discard();
    }

    fn discard(&mut self) {
        self.discarded += self.written - self.flushed;
        while self.written > self.flushed {
            self.take_back();
        }
    }
}

impl<T, const SLOTS: usize> Drop for Writer<T, SLOTS> {
    fn drop(&mut self) {
        self.close();
        // SAFETY: they are vacant, and nobody else knows them.
        unsafe { Chunk::free_list(self.reserve) };
    }
}

pub(super) struct Reader<T, const SLOTS: usize> {
    shared: Arc<Shared<T, SLOTS>>,
    /// The chunk that is being read. Null until the first message. Invariant: `first` is the same.
    head: *mut Chunk<T, SLOTS>,
    /// Slots of `head` that have been read. Invariant: at most SLOTS; SLOTS if there is no chunk.
    index: u8,
    closed: bool,
    /// How many messages are read before they are acknowledged, by the high-water mark as it was when the
    /// newest message below `available` became visible, or later.
    low_water: u32,
    /// An acknowledgement has met a waiting writer, which nobody has woken yet.
    writer_wake: bool,
    /// How many spares there were when it last added one, and are unless the writer has picked them up.
    spares: u8,
    most_spares: u8,
    /// Messages read. Invariant: at most `available`.
    read: u64,
    /// The published count as last seen. Messages below it are the reader's.
    available: u64,
    /// The count in `acknowledged`, less `beyond`; it wraps around. Invariant: less than `low_water` below `read`, or the
    /// next read makes it so.
    acknowledged: u64,
    /// How many more messages than slots were read.
    beyond: u64,
}

// SAFETY: as for the writer: the raw pointer leads to a chunk of which this half uses only the slots that
// hold its own messages, wherever it lives; and the messages are Send.
unsafe impl<T: Send, const SLOTS: usize> Send for Reader<T, SLOTS> {}

impl<T, const SLOTS: usize> Reader<T, SLOTS> {
    #[inline]
    pub(super) fn read(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.read += 1;
        let message = self.take_next();
        self.give_credit();
        Some(message)
    }

    #[inline]
    pub(super) fn read_with<R>(&mut self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        self.read += 1;
        let index = self.next_index();
        // SAFETY: as in `take_next`; the message is lent before credit is given for its slot, and dropped in it.
        let result = unsafe { Chunk::lend(self.head, index, look) };
        self.give_credit();
        Some(result)
    }

    #[inline]
    fn give_credit(&mut self) {
        if self.read.wrapping_sub(self.acknowledged) >= u64::from(self.low_water) {
            self.acknowledge();
        }
    }

    pub(super) fn add_weight(&mut self, messages: u64) {
        self.beyond += messages;
        self.acknowledged = self.acknowledged.wrapping_sub(messages);
        if !mutant(Mutant::PipeWeightHeldBack) {
            self.give_credit();
        }
    }

    pub(super) fn keep_spares(&mut self, most: u8) {
        self.most_spares = most;
    }

    #[inline]
    pub(super) fn take_writer_wake(&mut self) -> bool {
        std::mem::take(&mut self.writer_wake)
    }

    pub(super) fn sleep(&mut self) -> bool {
        if self.closed || self.read != self.available {
            return false;
        }
        let published = &self.shared.published;
        let word = published.load(Ordering::Acquire);
        if word >> COUNT_SHIFT != self.read || word & WRITER_CLOSED != 0 {
            return false;
        }
        if mutant(Mutant::PipeSleepBlind) {
            published.fetch_or(READER_ASLEEP, Ordering::AcqRel);
            return true;
        }
        // Failure means that the writer has published or closed meanwhile. Release: who wakes the reader sees
        // what it did before.
        let asleep = word | READER_ASLEEP;
        word == asleep
            || published.compare_exchange(word, asleep, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[inline]
    pub(super) fn is_empty(&mut self) -> bool {
        self.read == self.available && !self.refresh()
    }

    pub(super) fn len(&mut self) -> usize {
        self.refresh();
        usize::try_from(self.available - self.read).unwrap_or(usize::MAX)
    }

    pub(super) fn weigh(&mut self, mut weigh: impl FnMut(&T) -> usize) -> usize {
        self.refresh();
        let (mut chunk, mut index, mut total) = (self.head, self.index, 0);
        for _ in self.read..self.available {
            if usize::from(index) >= SLOTS {
                // SAFETY: as in `advance`: a message beyond this chunk is published.
                chunk = unsafe { self.chunk_after(chunk) };
                index = 0;
            }
            // SAFETY: as in `take_next`, but the message stays, and is only looked at.
            total += unsafe { Chunk::look(chunk, index, &mut weigh) };
            index += 1;
        }
        total
    }

    pub(super) fn is_closed(&mut self) -> bool {
        if self.closed || self.read != self.available {
            return self.closed;
        }
        let word = self.shared.published.load(Ordering::Acquire);
        word & WRITER_CLOSED != 0 && word >> COUNT_SHIFT == self.read
    }

    pub(super) fn close(&mut self, mut weigh: impl FnMut(&T) -> usize) -> Closed {
        if std::mem::replace(&mut self.closed, true) {
            return Closed::default();
        }
        let before = self.shared.published.fetch_or(READER_CLOSED, Ordering::AcqRel);
        if !mutant(Mutant::PipeCloseStale) {
            self.available = before >> COUNT_SHIFT;
        }
        let closed = (self.read + self.beyond) << COUNT_SHIFT | READER_CLOSED;
        let before = self.shared.reader.acknowledged.swap(closed, Ordering::AcqRel);
        let mut discarded = 0;
        while self.available > self.read {
            self.available -= 1;
            discarded += weigh(&self.take_next()) as u64;
        }
        let writer_waiting = before & WRITER_WAITING != 0 && !mutant(Mutant::PipeCloseSilent);
        Closed { writer_waiting: writer_waiting || self.take_writer_wake(), discarded }
    }

    pub(super) fn consumed(&self) -> u64 {
        self.read + self.beyond
    }

    /// Takes the message at the reader's place. Only called if there is one below the published count.
    #[inline]
    fn take_next(&mut self) -> T {
        let index = self.next_index();
        // SAFETY: `head` is the reader's until it moves on, and `index < SLOTS`. The message lies below the
        // published count that was read with Acquire, so it is the reader's and its writing is seen; `index`
        // has moved, so it is taken once.
        unsafe { Chunk::take(self.head, index) }
    }

    /// The place of the next message in `head`, which counts as taken from here on.
    #[inline]
    fn next_index(&mut self) -> u8 {
        if usize::from(self.index) >= SLOTS {
            self.advance();
        }
        self.index += 1;
        self.index - 1
    }

    /// Moves on to the next chunk and hands the old one back. Only called if a message in the next is
    /// published.
    #[cold]
    #[inline(never)]
    fn advance(&mut self) {
        let old = self.head;
        // SAFETY: `old` is the reader's, which has not handed it back, or null; and a message beyond it is published.
        self.head = unsafe { self.chunk_after(old) };
        self.index = 0;
        if !old.is_null() {
            // SAFETY: `first` belongs to the reader.
            self.shared.reader.first.with_mut(|first| unsafe { *first = self.head });
            // SAFETY: all messages of `old` are read. The writer left it when it published one beyond it, and
            // it looks at `previous` only while it owns a message in the previous chunk. No link leads to it.
            unsafe { self.put_spare(old) };
        }
    }

    /// The chunk after `chunk`, or the first one.
    ///
    /// # Safety
    ///
    /// `chunk` is the reader's or null, and a message beyond it is published.
    unsafe fn chunk_after(&self, chunk: *mut Chunk<T, SLOTS>) -> *mut Chunk<T, SLOTS> {
        if chunk.is_null() {
            // SAFETY: a message is published, so `first` is set and belongs to the reader.
            return self.shared.reader.first.with(|first| unsafe { *first });
        }
        // SAFETY: the reader has not handed `chunk` back, and a message beyond it is published, so the writer has set
        // `next` and is done with it.
        unsafe { (*chunk).next.with(|next| *next) }
    }

    /// Hands a chunk back to the writer, unless that has not picked up so many already.
    ///
    /// # Safety
    ///
    /// The chunk is vacant, and nobody else knows it.
    unsafe fn put_spare(&mut self, chunk: *mut Chunk<T, SLOTS>) {
        let spares = &self.shared.reader.spares;
        // A writer that finds none meanwhile makes a new chunk.
        let mut first = spares.swap(ptr::null_mut(), Ordering::Relaxed);
        let count = if first.is_null() { 0 } else { self.spares };
        if count >= self.most_spares {
            // SAFETY: the caller's promise.
            unsafe { Chunk::free(chunk) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { (*chunk).next.with_mut(|next| *next = first) };
            first = chunk;
            self.spares = count + 1;
        }
        let order = if mutant(Mutant::PipeSpareRelaxed) { Ordering::Relaxed } else { Ordering::Release };
        spares.swap(first, order);
    }

    /// Looks whether more has been published, and takes up the high-water mark. Whether there is something to
    /// read.
    fn refresh(&mut self) -> bool {
        if self.closed {
            return false;
        }
        self.available = self.shared.published.load(Ordering::Acquire) >> COUNT_SHIFT;
        if self.available == self.read {
            return false;
        }
        // The mark is at least as new as the newest message seen.
        self.low_water = low_water(self.shared.reader.hwm.load(Ordering::Relaxed));
        true
    }

    /// Gives credit back for everything read.
    #[cold]
    #[inline(never)]
    fn acknowledge(&mut self) {
        let count = (self.read + self.beyond) << COUNT_SHIFT;
        let before = self.shared.reader.acknowledged.swap(count, Ordering::AcqRel);
        self.acknowledged = self.read;
        self.writer_wake |= before & WRITER_WAITING != 0 && !mutant(Mutant::PipeAcknowledgeSilent);
    }
}

impl<T, const SLOTS: usize> Drop for Reader<T, SLOTS> {
    fn drop(&mut self) {
        let _ = self.close(|_| 1);
    }
}

/// What the halves share. The writer's word has a cache line of its own, so that a batch costs the reader one
/// miss; the rest is seldom touched by the writer and lies with the reader's word.
struct Shared<T, const SLOTS: usize> {
    /// Count and flags. Owned by the writer, which swaps it; the reader only announces itself.
    published: CachePadded<AtomicU64>,
    reader: CachePadded<ReaderSide<T, SLOTS>>,
}

#[cfg(all(test, not(loom)))]
pub(super) const SHARED_SIZE: usize = size_of::<Shared<[u8; 72], 32>>();

struct ReaderSide<T, const SLOTS: usize> {
    /// Count and flags. Owned by the reader, which swaps it; the writer only announces itself.
    acknowledged: AtomicU64,
    /// Set by the writer. Whoever sees a message sees a mark as new as that message.
    hwm: AtomicUsize,
    /// Vacant chunks on their way back to the writer, a list. The reader takes them out and puts them back with one more,
    /// the writer takes them all, both by swaps.
    spares: AtomicPtr<Chunk<T, SLOTS>>,
    /// The first chunk of the list. The writer's until it publishes its first message, then the reader's.
    first: UnsafeCell<*mut Chunk<T, SLOTS>>,
}

// SAFETY: the halves use the cell and the chunks by the rules written at each field: one half at a time,
// handed over by a Release and an Acquire on `published` or `spare`. Messages move between threads, so they
// must be Send.
unsafe impl<T: Send, const SLOTS: usize> Send for Shared<T, SLOTS> {}
// SAFETY: as above.
unsafe impl<T: Send, const SLOTS: usize> Sync for Shared<T, SLOTS> {}

impl<T, const SLOTS: usize> Shared<T, SLOTS> {
    fn new(hwm: usize) -> Self {
        Self {
            published: CachePadded::new(AtomicU64::new(0)),
            reader: CachePadded::new(ReaderSide {
                acknowledged: AtomicU64::new(0),
                hwm: AtomicUsize::new(hwm),
                spares: AtomicPtr::new(ptr::null_mut()),
                first: UnsafeCell::new(ptr::null_mut()),
            }),
        }
    }
}

impl<T, const SLOTS: usize> Drop for Shared<T, SLOTS> {
    fn drop(&mut self) {
        // Each half has dropped its messages; what remains is vacant memory.
        // SAFETY: the halves are gone, and a chunk is a spare or in the list of `first`.
        unsafe {
            Chunk::free_list(self.reader.spares.load(Ordering::Relaxed));
            Chunk::free_list(self.reader.first.with(|first| *first));
        }
    }
}

struct Chunk<T, const SLOTS: usize> {
    /// The writer's until it publishes a message in the next chunk, then the reader's.
    next: UnsafeCell<*mut Self>,
    /// Only for the writer. Dangling once the writer has no message in the previous chunk.
    previous: UnsafeCell<*mut Self>,
    _leak_check: LeakCheck,
    slots: [UnsafeCell<MaybeUninit<T>>; SLOTS],
}

impl<T, const SLOTS: usize> Chunk<T, SLOTS> {
    fn allocate() -> *mut Self {
        Box::into_raw(Box::new(Self {
            next: UnsafeCell::new(ptr::null_mut()),
            previous: UnsafeCell::new(ptr::null_mut()),
            _leak_check: LeakCheck::new(),
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
        }))
    }

    /// # Safety
    ///
    /// The chunk comes from `allocate`, is used by nobody from here on, and holds no message.
    unsafe fn free(chunk: *mut Self) {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(chunk) });
    }

    /// Frees this chunk, if it is one, and all that follow.
    ///
    /// # Safety
    ///
    /// As for [`free`](Chunk::free), for each of them.
    unsafe fn free_list(mut chunk: *mut Self) {
        while !chunk.is_null() {
            // SAFETY: the caller's promise.
            unsafe {
                let next = (*chunk).next.with(|next| *next);
                Chunk::free(chunk);
                chunk = next;
            }
        }
    }

    /// # Safety
    ///
    /// The chunk is alive, `index < SLOTS`, and the slot is vacant and the caller's alone.
    #[inline]
    unsafe fn put(chunk: *mut Self, index: u8, make: impl FnOnce() -> T) {
        // SAFETY: the caller's promise.
        unsafe {
            let slot = (*chunk).slots.get_unchecked(usize::from(index));
            slot.with_mut(|slot| (*slot).write(make()));
        }
    }

    /// # Safety
    ///
    /// The chunk is alive, `index < SLOTS`, the slot holds a message and is the caller's alone; it counts as
    /// vacant afterwards.
    #[inline]
    unsafe fn take(chunk: *mut Self, index: u8) -> T {
        // SAFETY: the caller's promise.
        unsafe {
            let slot = (*chunk).slots.get_unchecked(usize::from(index));
            slot.with_mut(|slot| (*slot).assume_init_read())
        }
    }

    /// Shows a message, which stays where it is.
    ///
    /// # Safety
    ///
    /// The chunk is alive, `index < SLOTS`, the slot holds a message and is the caller's alone.
    #[inline]
    unsafe fn look<R>(chunk: *mut Self, index: u8, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the caller's promise.
        unsafe {
            let slot = (*chunk).slots.get_unchecked(usize::from(index));
            slot.with(|slot| look((*slot).assume_init_ref()))
        }
    }

    /// As [`take`](Chunk::take), but the message stays in its slot while `look` has it, and is dropped there, even if
    /// `look` panics.
    ///
    /// # Safety
    ///
    /// As for [`take`](Chunk::take).
    #[inline]
    unsafe fn lend<R>(chunk: *mut Self, index: u8, look: impl FnOnce(&mut T) -> R) -> R {
        struct InPlace<'a, T>(&'a mut MaybeUninit<T>);

        impl<T> Drop for InPlace<'_, T> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: made by `lend` alone, whose caller promises that the slot holds a message.
                unsafe { self.0.assume_init_drop() };
            }
        }

        // SAFETY: the caller's promise.
        unsafe {
            let slot = (*chunk).slots.get_unchecked(usize::from(index));
            slot.with_mut(|slot| look(InPlace(&mut *slot).0.assume_init_mut()))
        }
    }
}
