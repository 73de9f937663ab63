//! Pipes: the single-producer, single-consumer queues of whole messages between a socket and a connection, or
//! between two sockets of one process.
//!
//! Ownership proves that there is one producer and one consumer: the two halves are `Send`, cannot be cloned,
//! and change only through `&mut self`. Nothing here blocks, locks or knows threads. What a half must do
//! about its peer is an answer that cannot be overlooked (`#[must_use]`), and the caller knows how its peer
//! waits:
//!
//! ```text
//!            writer                                        reader
//!   write()* ; flush() == ReaderAsleep  --- wake --->  sleep() == true, then wait
//!   wait_for_credit() == true, then wait  <--- wake ---  read()* ; take_writer_wake()
//!   close() == true                     --- wake --->  is_closed()
//!   is_reader_closed()                  <--- wake ---  close().writer_waiting
//! ```
//!
//! A half that waits announces it in the very atomic that its peer changes when it has news. So either the
//! half sees the news and does not wait, or the peer sees the announcement and wakes it: never neither. Each
//! announcement is answered by one wake. A wake is a hint: look again before acting on it.
//!
//! A pipe counts whole messages against its high-water mark, and the reader gives credit back at the
//! low-water mark, half of it, so that a full pipe costs one exchange per half pipe and not one per message.
//!
//! Rejected: a ring of HWM slots (an idle connection would cost a thousand slots), a lock (as fast as long as
//! nobody contends, but a reader that is preempted while it holds it stalls the writer), and libzmq's frames
//! as items (the routing above would see half a message).

mod conflate;
mod queue;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;

/// Slots of a chunk: a pipe that holds anything costs one chunk.
#[cfg(not(all(test, loom)))]
const CHUNK_SLOTS: usize = 32;
#[cfg(all(test, loom))]
const CHUNK_SLOTS: usize = 2;

/// A pipe for at most `hwm` messages that have not been acknowledged; 0 means no limit.
pub fn pipe<T: Send>(hwm: usize) -> (Writer<T>, Reader<T>) {
    let (writer, reader) = queue::queue(hwm);
    (Writer { inside: WriterInside::Queue(writer) }, Reader { inside: ReaderInside::Queue(reader) })
}

/// A pipe that keeps only the last message: it is never full, and what was not read in time is replaced.
pub fn conflating<T: Send>() -> (Writer<T>, Reader<T>) {
    let (writer, reader) = conflate::conflate();
    (Writer { inside: WriterInside::Conflate(writer) }, Reader { inside: ReaderInside::Conflate(reader) })
}

/// What a flush learned about the reader.
#[must_use = "a reader that sleeps must be woken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// The reader will find the messages by itself.
    ReaderAwake,
    /// The reader had gone to sleep; whoever flushed must wake it. Said once for each time it goes to sleep.
    ReaderAsleep,
    /// Nobody will read the messages. They have been dropped, and no further ones are accepted.
    ReaderClosed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    Open,
    /// The reader has closed and the writer knows.
    ReaderClosed,
    /// The writer itself has closed.
    Closed,
}

/// What a reader left behind when it closed.
#[must_use = "a writer that waits must be woken"]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// The writer waits for credit and must be woken to learn that none will come.
    pub writer_waiting: bool,
    /// Messages that had been flushed and were dropped unread.
    pub discarded: u64,
}

/// What can be moved out of its place by a copy of its bytes.
///
/// # Safety
///
/// [`vacate`](Vacate::vacate) does not panic, and afterwards the place owns nothing of what it owned before: dropping it gives
/// up nothing of that.
#[allow(unsafe_code)]
pub unsafe trait Vacate {
    /// Forgets what it owns.
    fn vacate(&mut self);
}

/// The producing half of a pipe.
///
/// Dropping it closes it, and wakes nobody: whoever drops a half whose peer may wait calls
/// [`close`](Self::close) first.
pub struct Writer<T> {
    inside: WriterInside<T>,
}

enum WriterInside<T> {
    Queue(queue::Writer<T, CHUNK_SLOTS>),
    Conflate(conflate::Writer<T>),
}

/// Calls the same method on whatever is inside.
macro_rules! inside {
    ($half:ident, $self:ident . $method:ident ( $($argument:expr),* )) => {
        match &$self.inside {
            $half::Queue(queue) => queue.$method($($argument),*),
            $half::Conflate(conflate) => conflate.$method($($argument),*),
        }
    };
    ($half:ident, mut $self:ident . $method:ident ( $($argument:expr),* )) => {
        match &mut $self.inside {
            $half::Queue(queue) => queue.$method($($argument),*),
            $half::Conflate(conflate) => conflate.$method($($argument),*),
        }
    };
}

impl<T: Send> Writer<T> {
    /// Appends a message, which the reader sees after the next [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// Hands the message back if the pipe is full, or if the reader is known to have closed.
    #[inline]
    pub fn write(&mut self, message: T) -> Result<(), T> {
        inside!(WriterInside, mut self.write(message))
    }

    /// As [`write`](Self::write), but takes the message out of its place, where it stays if it is not accepted (`false`).
    /// Cheaper: it moves once.
    #[inline]
    pub fn write_from(&mut self, place: &mut T) -> bool
    where
        T: Vacate,
    {
        inside!(WriterInside, mut self.write_from(place))
    }

    /// Appends a message whether the pipe is full or not, for what must not be dropped and is bounded
    /// otherwise (a routing id, a subscription). It takes up credit like any other.
    ///
    /// # Errors
    ///
    /// Hands the message back if the reader is known to have closed.
    #[inline]
    pub fn write_unbounded(&mut self, message: T) -> Result<(), T> {
        inside!(WriterInside, mut self.write_unbounded(message))
    }

    /// Makes everything written so far visible to the reader, all at once. Free if there is nothing.
    #[inline]
    pub fn flush(&mut self) -> Flush {
        inside!(WriterInside, mut self.flush())
    }

    /// Drops everything that was written and not flushed, as if it had not been written.
    pub fn rollback(&mut self) {
        inside!(WriterInside, mut self.rollback());
    }

    /// Whether [`write`](Self::write) would accept a message.
    #[inline]
    pub fn can_write(&mut self) -> bool {
        inside!(WriterInside, mut self.can_write())
    }

    /// Marks the writer as waiting for credit, after a flush: the reader cannot give back credit for what it
    /// cannot see.
    ///
    /// True: marked; the reader will be told once, by [`Reader::take_writer_wake`] or
    /// [`Closed::writer_waiting`], when credit comes back or the reader closes. False: there is credit, or
    /// the reader has closed.
    #[must_use = "a writer that was not marked must not wait"]
    pub fn wait_for_credit(&mut self) -> bool {
        inside!(WriterInside, mut self.wait_for_credit())
    }

    /// How many messages [`write`](Self::write) would accept. Asks the reader for credit only if it knows of less than
    /// `enough`. A conflating pipe says 0: in it a message cannot be several.
    pub fn room(&mut self, enough: usize) -> usize {
        match &mut self.inside {
            WriterInside::Queue(writer) => writer.room(enough),
            WriterInside::Conflate(_) => 0,
        }
    }

    /// Of the messages written some stand for several: for so many more. They take up credit, but not in a conflating pipe.
    /// The reader must say [the same](Reader::add_weight) when it has read them.
    pub fn add_weight(&mut self, messages: u64) {
        match &mut self.inside {
            WriterInside::Queue(writer) => writer.add_weight(messages),
            WriterInside::Conflate(_) => {}
        }
    }

    /// Changes the high-water mark of the live pipe; 0 means no limit. Nothing that is in the pipe gets lost:
    /// a pipe that holds more than the new mark takes one message more, and then none until it has been read
    /// down. A conflating pipe has no mark and ignores this.
    ///
    /// True: there is credit now, and a writer that had marked itself as waiting must not go on waiting,
    /// because the reader will not tell it.
    pub fn set_hwm(&mut self, hwm: usize) -> bool {
        inside!(WriterInside, mut self.set_hwm(hwm))
    }

    /// Closes the pipe for writing; what was flushed can still be read, what was not is dropped. Closing
    /// again does nothing.
    ///
    /// True: the reader had gone to sleep and must be woken.
    #[must_use = "a reader that sleeps must be woken"]
    pub fn close(&mut self) -> bool {
        inside!(WriterInside, mut self.close())
    }

    /// Whether the reader has closed, so that nothing written from now on can arrive.
    pub fn is_reader_closed(&self) -> bool {
        inside!(WriterInside, self.is_reader_closed())
    }

    /// Whether it keeps the newest message only.
    #[inline]
    pub fn conflates(&self) -> bool {
        matches!(self.inside, WriterInside::Conflate(_))
    }

    /// Messages accepted so far, without those rolled back. Each of them is, or will be, counted once more:
    /// as consumed or discarded by the reader, or as discarded or replaced by the writer.
    pub fn written(&self) -> u64 {
        inside!(WriterInside, self.written())
    }

    /// Messages dropped because one half closed before they were flushed.
    pub fn discarded(&self) -> u64 {
        inside!(WriterInside, self.discarded())
    }

    /// Messages of a conflating pipe that gave way to a later one.
    pub fn replaced(&self) -> u64 {
        inside!(WriterInside, self.replaced())
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// The consuming half of a pipe.
///
/// Dropping it closes it, and wakes nobody: whoever drops a half whose peer may wait calls
/// [`close`](Self::close) first.
pub struct Reader<T> {
    inside: ReaderInside<T>,
}

enum ReaderInside<T> {
    Queue(queue::Reader<T, CHUNK_SLOTS>),
    Conflate(conflate::Reader<T>),
}

impl<T: Send> Reader<T> {
    /// Takes the next message, if one has been flushed. Ask [`take_writer_wake`](Self::take_writer_wake)
    /// after a run of reads.
    #[inline]
    pub fn read(&mut self) -> Option<T> {
        inside!(ReaderInside, mut self.read())
    }

    /// As [`read`](Self::read), but lends the message to `look` in its place in the pipe, where it is dropped afterwards:
    /// it is not moved.
    #[inline]
    pub fn read_with<R>(&mut self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        inside!(ReaderInside, mut self.read_with(look))
    }

    /// Whether the last reads gave credit back to a writer that waits for it. Whoever gets the answer `true`
    /// must wake the writer, and gets it once. A plain field, free to ask.
    #[must_use = "a writer that waits must be woken"]
    #[inline]
    pub fn take_writer_wake(&mut self) -> bool {
        inside!(ReaderInside, mut self.take_writer_wake())
    }

    /// How many chunks of memory, once read, are kept for the writer, which then need not allocate: one by default. More of
    /// them are worth their memory where the halves are two threads that are both busy, since freeing what another
    /// thread has allocated is dear.
    pub fn keep_spares(&mut self, most: u8) {
        match &mut self.inside {
            ReaderInside::Queue(reader) => reader.keep_spares(most),
            // It has no chunks.
            ReaderInside::Conflate(_) => {}
        }
    }

    /// Marks the reader as asleep.
    ///
    /// True: marked; nothing can be read, and the next flush or the close of the writer will be told to wake
    /// the reader. False: something can be read, or the writer has closed.
    #[must_use = "a reader that was not marked must not wait"]
    pub fn sleep(&mut self) -> bool {
        inside!(ReaderInside, mut self.sleep())
    }

    /// Whether [`read`](Self::read) would find nothing.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        inside!(ReaderInside, mut self.is_empty())
    }

    /// How many messages can be read.
    pub fn len(&mut self) -> usize {
        inside!(ReaderInside, mut self.len())
    }

    /// As [`len`](Self::len), if each message counts for what `weigh` says; in a conflating pipe for one. Looks at each.
    pub fn weigh(&mut self, weigh: impl FnMut(&T) -> usize) -> usize {
        match &mut self.inside {
            ReaderInside::Queue(reader) => reader.weigh(weigh),
            ReaderInside::Conflate(reader) => reader.len(),
        }
    }

    /// Of the messages read some stood for several: for so many more. See [`Writer::add_weight`]. Ask
    /// [`take_writer_wake`](Self::take_writer_wake) afterwards.
    pub fn add_weight(&mut self, messages: u64) {
        match &mut self.inside {
            ReaderInside::Queue(reader) => reader.add_weight(messages),
            ReaderInside::Conflate(_) => {}
        }
    }

    /// Whether the writer has closed and everything has been read: no message will ever come again.
    pub fn is_closed(&mut self) -> bool {
        inside!(ReaderInside, mut self.is_closed())
    }

    /// Closes the pipe for reading and drops what was flushed and not read. Closing again does nothing.
    pub fn close(&mut self) -> Closed {
        self.close_weighing(|_| 1)
    }

    /// As [`close`](Self::close), if each message that is discarded counts for what `weigh` says; in a conflating pipe for
    /// one.
    pub fn close_weighing(&mut self, weigh: impl FnMut(&T) -> usize) -> Closed {
        match &mut self.inside {
            ReaderInside::Queue(reader) => reader.close(weigh),
            ReaderInside::Conflate(reader) => reader.close(),
        }
    }

    /// Messages read so far.
    pub fn consumed(&self) -> u64 {
        inside!(ReaderInside, self.consumed())
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").finish_non_exhaustive()
    }
}
