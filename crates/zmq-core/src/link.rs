//! The two ends of a pipe as a routing strategy sees them: something to send into, something to receive from.
//!
//! An [`Outlet`] or [`Inlet`] is half of a frame pipe that also knows whom to tell: when the reader slept and a
//! message came, when the writer waited and credit came, when an end goes away. The far side of a pipe is either
//! the pump of a connection or another socket of this process; the near side need not know which.

use crate::bundle::Bundle;
use crate::driver::Driver;
use crate::mailbox::{PipeEvent, PipeId};
use crate::message::Message;
use crate::monitor::DisconnectReason;
use crate::pipe::{self, Flush, Reader, Writer};
use crate::shared::SocketShared;
use crate::sync::{Mutex, lock};
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

/// Keeps a pipe's id reserved; freed when the last end that bears it is gone.
pub(crate) struct PipeKey {
    pub(crate) id: PipeId,
    /// Which of all pipes of the socket, past ones included.
    pub(crate) serial: u32,
    /// The socket the id belongs to.
    pub(crate) socket: Arc<SocketShared>,
    /// Why the socket wants no more of the peer. Once it is there the connection ends at the next look.
    pub(crate) refusal: OnceLock<DisconnectReason>,
}

impl Drop for PipeKey {
    fn drop(&mut self) {
        self.socket.release_pipe_id(self.id);
    }
}

/// Who is at the far side of a pipe.
pub(crate) enum Far {
    /// A socket of this process.
    Socket(Arc<Joint>),
    /// A connection of this driver.
    Connection(Arc<Driver>, usize),
    /// A connection of this driver that has asked the socket something, and waits for the answer.
    Asker(Weak<Driver>, usize),
}

/// Where the pipes of two sockets meet. One of them may be there before the other.
#[derive(Default)]
pub(crate) struct Joint {
    /// What the far socket calls the pipe, once it has joined. Until then it neither sleeps nor waits, so nobody need be
    /// told anything.
    far: OnceLock<Arc<PipeKey>>,
    /// Messages that were sent before it joined. Locked while that changes.
    early: Mutex<u64>,
}

impl Joint {
    /// With a far socket that is there.
    pub(crate) fn with(far: Arc<PipeKey>) -> Arc<Joint> {
        Arc::new(Joint { far: OnceLock::from(far), early: Mutex::default() })
    }

    /// The far socket is there: what `near` has sent it is delivered now.
    pub(crate) fn join(&self, far: Arc<PipeKey>, near: &SocketShared) {
        let early = lock(&self.early);
        if self.far.set(far).is_ok() {
            near.counters.io.early.take_back_shared(*early);
            near.counters.io.delivered.add_shared(*early);
        }
    }

    #[inline]
    fn key(&self) -> Option<&Arc<PipeKey>> {
        self.far.get()
    }

    #[inline]
    fn count_sent(&self, near: &SocketShared) {
        if self.key().is_some() {
            near.counters.app.handed_over.add(1);
        } else {
            self.count_early(near);
        }
    }

    #[cold]
    fn count_early(&self, near: &SocketShared) {
        let mut early = lock(&self.early);
        if self.key().is_some() {
            near.counters.app.handed_over.add(1);
        } else {
            *early += 1;
            near.counters.io.early.add_shared(1);
        }
    }

    /// So many did not reach the far socket.
    #[cold]
    fn take_back(&self, count: u64, near: &SocketShared) {
        let mut early = lock(&self.early);
        if self.key().is_some() {
            near.counters.app.handed_over.take_back(count);
        } else {
            *early = early.saturating_sub(count);
            near.counters.io.early.take_back_shared(count);
        }
    }
}

impl Far {
    /// The far side reads, and slept; there is something for it.
    fn wake_reader(&self) {
        match self {
            Far::Socket(far) => {
                if let Some(key) = far.key() {
                    key.socket.incoming.post(PipeEvent::Readable(key.id));
                }
            }
            Far::Connection(driver, token) => driver.output_ready(*token),
            Far::Asker(driver, token) => {
                if let Some(driver) = driver.upgrade() {
                    driver.answer_ready(*token);
                }
            }
        }
    }

    /// The far side writes, and waited for credit; there is some.
    fn wake_writer(&self) {
        match self {
            Far::Socket(far) => {
                if let Some(key) = far.key() {
                    key.socket.outgoing.post(PipeEvent::Writable(key.id));
                }
            }
            Far::Connection(driver, token) => driver.input_ready(*token),
            Far::Asker(..) => {}
        }
    }

    /// Ends a connection at the far side, with everything that waits in its pipes.
    fn refuse(&self, key: &PipeKey, reason: DisconnectReason) {
        if let Far::Connection(driver, token) = self {
            let _ = key.refusal.set(reason);
            driver.input_ready(*token);
        }
    }

    /// The far side writes, and will never be read again.
    fn reader_gone(&self, writer_waits: bool) {
        match self {
            Far::Socket(far) => {
                if let Some(key) = far.key() {
                    key.socket.outgoing.post(PipeEvent::Closed(key.id));
                }
            }
            Far::Connection(driver, token) if writer_waits => driver.input_ready(*token),
            Far::Connection(..) | Far::Asker(..) => {}
        }
    }
}

/// A pipe to send into. Dropping it lets the far side read what is in it, and then end.
pub struct Outlet {
    writer: Writer<Message>,
    far: Far,
    key: Arc<PipeKey>,
    /// Whether it belongs to the socket that connected to another one of this process.
    connects: bool,
    /// Whether the high-water mark takes that of the socket at the far side into account.
    raised: bool,
    /// Of [`replaced`](Outlet::replaced), what is counted.
    replaced: u64,
    /// Of what the writer has discarded, what is counted.
    discarded: u64,
}

impl Outlet {
    pub(crate) fn new(writer: Writer<Message>, far: Far, key: Arc<PipeKey>) -> Outlet {
        Outlet { writer, far, key, connects: false, raised: false, replaced: 0, discarded: 0 }
    }

    /// The same, of the socket that connects to another one of this process.
    pub(crate) fn that_connects(mut self) -> Outlet {
        self.connects = true;
        self
    }

    /// The pipe's name in its socket.
    pub fn id(&self) -> PipeId {
        self.key.id
    }

    /// Which of all pipes of the socket it is, past ones included.
    pub fn serial(&self) -> u32 {
        self.key.serial
    }

    /// Whether the far side is another socket of this process.
    pub fn is_direct(&self) -> bool {
        !matches!(self.far, Far::Connection(..))
    }

    /// Takes a message out of its place and sends it. `false`: the pipe is full, or nobody reads it any more; the message
    /// stays.
    #[inline]
    pub fn send(&mut self, message: &mut Message) -> bool {
        if !self.writer.write_from(message) && !self.send_beyond(message) {
            return false;
        }
        self.count();
        self.publish_sent();
        true
    }

    /// Sends a bundle: one message now, and all that are [added](Bundle::add) until the connection looks at it. There must
    /// be [room](Outlet::room_for_bundle).
    #[inline]
    pub fn send_bundle(&mut self, bundle: &Bundle) -> bool {
        self.send(&mut Message::from_bundle(bundle.clone()))
    }

    /// For how many messages there is room, if bundles can be sent here; asks the peer for more only if it knows of less
    /// than `enough`. 0: for none, or there can be no bundles: the far side is a socket of this process, keeps the newest
    /// message only, or is gone.
    pub fn room_for_bundle(&mut self, enough: usize) -> usize {
        if self.is_direct() { 0 } else { self.writer.room(enough) }
    }

    /// To the bundle that was sent last so many messages were added, which take up room.
    pub fn settle_bundle(&mut self, added: usize) {
        self.writer.add_weight(added as u64);
    }

    /// Sends one message whatever the high-water mark says (subscriptions); drops it if nobody reads the pipe.
    pub fn send_unbounded(&mut self, message: Message) {
        if self.writer.write_unbounded(message).is_ok() {
            self.count();
            self.publish_sent();
        }
    }

    /// As [`send_unbounded`](Outlet::send_unbounded), and not counted: it is not the application that sends.
    pub(crate) fn introduce(&mut self, message: Message) {
        if self.writer.write_unbounded(message).is_ok() {
            let _ = self.publish();
        }
    }

    /// The pipe is full, but perhaps only because nobody has looked whom it leads to.
    #[cold]
    fn send_beyond(&mut self, message: &mut Message) -> bool {
        self.raise_hwm() && self.writer.write_from(message)
    }

    /// Whether a message would be taken.
    #[inline]
    pub fn can_send(&mut self) -> bool {
        self.writer.can_write() || self.raise_hwm()
    }

    /// Asks for a [`PipeEvent::Writable`] when a full pipe has room again. `false`: there is room already, or
    /// nobody reads the pipe any more.
    #[must_use]
    pub fn wait_for_room(&mut self) -> bool {
        self.writer.wait_for_credit()
    }

    /// Ends the connection behind the pipe at once, whatever waits in it, and has the monitor say why. A peer in this
    /// process just loses the pipe.
    pub fn refuse(self, reason: DisconnectReason) {
        self.far.refuse(&self.key, reason);
    }

    /// Whether nothing that is sent will be read.
    pub fn is_closed(&self) -> bool {
        self.writer.is_reader_closed()
    }

    /// Messages sent into the pipe so far.
    pub fn written(&self) -> u64 {
        self.writer.written()
    }

    /// Messages that a newer one replaced before they were read (a conflating pipe).
    pub fn replaced(&self) -> u64 {
        self.writer.replaced()
    }

    /// Between two sockets of this process a message may wait for either, so their marks add up, as in libzmq; known
    /// when the far one has joined. `true`: there is room now.
    #[cold]
    fn raise_hwm(&mut self) -> bool {
        let Far::Socket(far) = &self.far else { return false };
        // A connection writes to its own socket: the mark is that socket's alone.
        let joined = far.key().filter(|far| !self.raised && !Arc::ptr_eq(far, &self.key));
        let Some(far) = joined else { return false };
        self.raised = true;
        let (ours, theirs) = (self.key.socket.settings(), far.socket.settings());
        let (send_hwm, recv_hwm) = (ours.options.send_hwm, theirs.options.recv_hwm);
        let hwm = if send_hwm == 0 || recv_hwm == 0 { 0 } else { send_hwm.saturating_add(recv_hwm) };
        self.writer.set_hwm(hwm)
    }

    #[inline]
    fn count(&self) {
        let counters = &self.key.socket.counters.app;
        counters.written.add(1);
        if let Far::Socket(joint) = &self.far {
            joint.count_sent(&self.key.socket);
        }
    }

    #[inline]
    fn publish(&mut self) -> Flush {
        let flush = self.writer.flush();
        if flush == Flush::ReaderAsleep {
            self.far.wake_reader();
        }
        flush
    }

    /// Publishes what the socket sent, and counts what that has cost.
    #[inline]
    fn publish_sent(&mut self) {
        if self.publish() == Flush::ReaderClosed {
            let discarded = self.newly_discarded();
            self.key.socket.counters.io.disconnected.add_shared(discarded);
            self.take_back(discarded);
        }
        if self.writer.conflates() {
            self.count_replaced();
        }
    }

    #[cold]
    fn count_replaced(&mut self) {
        let replaced = self.newly_replaced();
        if replaced > 0 {
            self.key.socket.counters.io.replaced.add_shared(replaced);
            self.take_back(replaced);
        }
    }

    fn take_back(&self, count: u64) {
        if let Far::Socket(joint) = &self.far {
            joint.take_back(count, &self.key.socket);
        }
    }

    fn newly_replaced(&mut self) -> u64 {
        let replaced = self.writer.replaced();
        replaced - std::mem::replace(&mut self.replaced, replaced)
    }

    fn newly_discarded(&mut self) -> u64 {
        let discarded = self.writer.discarded();
        discarded - std::mem::replace(&mut self.discarded, discarded)
    }
}

/// For the pump of a connection, which publishes whole batches.
impl Outlet {
    /// Adds a message to the batch; hands it back if the pipe is full or closed.
    #[inline]
    pub(crate) fn enqueue(&mut self, message: Message) -> Result<(), Message> {
        self.writer.write(message)
    }

    /// For how many messages there is room; 0 for a conflating pipe, which replaces them.
    pub(crate) fn room(&mut self) -> usize {
        self.writer.room(1)
    }

    /// Publishes the batch.
    #[inline]
    pub(crate) fn flush(&mut self) {
        let closed = self.publish() == Flush::ReaderClosed;
        let unread = self.newly_replaced() + if closed { self.newly_discarded() } else { 0 };
        self.key.socket.counters.io.unread.add_shared(unread);
    }
}

impl Outlet {
    /// Another socket of this process receives what it wants to hear of a peer that goes.
    fn take_leave(&mut self) {
        let Far::Socket(far) = &self.far else { return };
        let Some(far) = far.key().cloned() else { return };
        if !Arc::ptr_eq(&far, &self.key) {
            let [notice, parting] = far.socket.settings().parting_messages(self.connects, !self.connects);
            notice.into_iter().chain(parting).for_each(|message| self.introduce(message));
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.take_leave();
        if self.writer.close() {
            self.far.wake_reader();
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outlet({})", self.key.id)
    }
}

/// A pipe to receive from. Dropping it discards what is in it and tells the far side.
pub struct Inlet {
    reader: Reader<Message>,
    far: Far,
    key: Arc<PipeKey>,
    closed: bool,
}

impl Inlet {
    pub(crate) fn new(reader: Reader<Message>, far: Far, key: Arc<PipeKey>) -> Inlet {
        Inlet { reader, far, key, closed: false }
    }

    /// The pipe's name in its socket.
    pub fn id(&self) -> PipeId {
        self.key.id
    }

    /// Which of all pipes of the socket it is, past ones included.
    pub fn serial(&self) -> u32 {
        self.key.serial
    }

    /// Puts the next message into `into`. `false`: nothing is there now, and a [`PipeEvent::Readable`] will come when
    /// there is, or when the pipe [has ended](Inlet::is_finished).
    #[inline]
    pub fn receive(&mut self, into: &mut Message) -> bool {
        loop {
            if self.read_with(|message| message.take_into(into)).is_some() {
                return true;
            }
            if self.reader.sleep() || self.reader.is_closed() {
                return false;
            }
        }
    }

    /// As [`Outlet::refuse`].
    pub fn refuse(self, reason: DisconnectReason) {
        self.far.refuse(&self.key, reason);
    }

    /// Whether the far side is another socket of this process.
    pub fn is_direct(&self) -> bool {
        !matches!(self.far, Far::Connection(..))
    }

    /// Whether the far side ended the pipe and everything was read.
    pub fn is_finished(&mut self) -> bool {
        self.reader.is_closed()
    }

    /// Whether a message is there.
    #[inline]
    pub fn has_message(&mut self) -> bool {
        !self.reader.is_empty()
    }

    /// Messages that wait in the pipe.
    pub fn queued(&mut self) -> usize {
        self.reader.weigh(weight)
    }

    /// Lends the next message to `look`, in its place in the pipe; does not ask for news if there is none.
    #[inline]
    pub(crate) fn read_with<R>(&mut self, look: impl FnOnce(&mut Message) -> R) -> Option<R> {
        let result = self.reader.read_with(look);
        self.wake_writer();
        result
    }

    /// As [`read_with`](Inlet::read_with); `look` says how many messages it was.
    #[inline]
    pub(crate) fn read_all_of(&mut self, look: impl FnOnce(&mut Message) -> u64) -> Option<u64> {
        let count = self.reader.read_with(look)?;
        if count > 1 {
            self.reader.add_weight(count - 1);
        }
        self.wake_writer();
        Some(count)
    }

    /// If it waits for the credit that was given back.
    #[inline]
    fn wake_writer(&mut self) {
        if self.reader.take_writer_wake() {
            self.far.wake_writer();
        }
    }

    /// Asks for a [`PipeEvent::Readable`]. `false`: there is something to read, or the pipe has ended.
    #[must_use]
    pub fn wait_for_message(&mut self) -> bool {
        self.reader.sleep()
    }

    /// Why the socket wants no more of the peer, if it does not.
    pub(crate) fn refusal(&self) -> Option<&DisconnectReason> {
        self.key.refusal.get()
    }

    /// Discards what is left and tells how many messages that were.
    pub(crate) fn close(&mut self) -> u64 {
        if std::mem::replace(&mut self.closed, true) {
            return 0;
        }
        // What is sealed is counted for good.
        let closed =
            self.reader.close_weighing(|message| message.as_bundle().map_or(1, |bundle| bundle.seal().1));
        self.far.reader_gone(closed.writer_waiting);
        closed.discarded
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let discarded = self.close();
        self.key.socket.counters.io.unread.add_shared(discarded);
    }
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inlet({})", self.key.id)
    }
}

/// How many messages it is.
fn weight(message: &Message) -> usize {
    message.as_bundle().map_or(1, |bundle| bundle.extent().0)
}

/// A pipe with the high-water mark, or a conflating one.
pub(crate) fn new_pipe(hwm: usize, conflate: bool) -> (Writer<Message>, Reader<Message>) {
    if conflate { pipe::conflating() } else { pipe::pipe(hwm) }
}
