//! What a socket has done so far, in numbers.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a socket has done since it was made. The books balance: `written = delivered + queued + dropped`, where
/// `dropped` is the sum of [`Dropped`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that the application sent and the socket accepted.
    pub sent: u64,
    /// Messages that the application received.
    pub received: u64,
    /// Copies that were to go to a peer: one per message for most types, one per matching subscriber for a publisher.
    pub written: u64,
    /// Copies handed to the kernel or, in this process, to the other socket. Those that are written together, up to
    /// 64 KiB or one message, count together, when all of them are out; until then they are queued.
    pub delivered: u64,
    /// Copies that wait for their peer.
    pub queued: u64,
    /// Copies that were lost, by reason.
    pub dropped: Dropped,
    /// Messages that arrived and were never received: the socket was dropped before, its pattern refuses them, or a newer
    /// one took their place ([`conflate`](crate::Options::conflate)).
    pub unread: u64,
    /// Bytes written to connections, framing included.
    pub bytes_sent: u64,
    /// Bytes read from connections, framing included.
    pub bytes_received: u64,
    /// Connections that were made or accepted and completed their handshake.
    pub connections: u64,
    /// Connections that were made again after a loss.
    pub reconnects: u64,
}

/// Why messages were lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The peer's pipe was full, and the pattern does not wait (PUB, ROUTER, REP).
    pub full: u64,
    /// Nobody to send it to, and the pattern does not wait (ROUTER, REP whose peer has gone).
    pub unroutable: u64,
    /// The connection was lost with the message queued or half sent. Of those that were being written together all are
    /// counted, though the peer may have got the first of them.
    pub disconnected: u64,
    /// A newer message replaced it ([`conflate`](crate::Options::conflate)).
    pub replaced: u64,
    /// The socket was dropped, and the linger time ran out; to be seen in the last event of a monitor
    /// ([`Event::Stopped`](crate::Event::Stopped)).
    pub lingered: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.full + self.unroutable + self.disconnected + self.replaced + self.lingered
    }
}

/// A number that many may read. One thread at a time may [`add`](Counter::add); any may
/// [`add_shared`](Counter::add_shared), if all do.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// As [`add`](Counter::add), the other way.
    pub(crate) fn take_back(&self, count: u64) {
        self.add(count.wrapping_neg());
    }

    /// As [`add_shared`](Counter::add_shared), the other way.
    pub(crate) fn take_back_shared(&self, count: u64) {
        self.add_shared(count.wrapping_neg());
    }

    pub(crate) fn add_shared(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Changed by the sending thread only.
#[derive(Default)]
pub(crate) struct AppCounters {
    pub(crate) sent: Counter,
    pub(crate) written: Counter,
    /// Of `written`, what went straight into another socket's pipe.
    pub(crate) handed_over: Counter,
    pub(crate) full: Counter,
    pub(crate) unroutable: Counter,
}

/// Changed by the receiving thread only.
#[derive(Default)]
pub(crate) struct ReceiveCounters {
    pub(crate) received: Counter,
}

/// Changed by anybody.
#[derive(Default)]
pub(crate) struct IoCounters {
    pub(crate) delivered: Counter,
    /// Sent to a socket of this process that is not there yet.
    pub(crate) early: Counter,
    pub(crate) disconnected: Counter,
    pub(crate) lingered: Counter,
    pub(crate) replaced: Counter,
    pub(crate) unread: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) connections: Counter,
    pub(crate) reconnects: Counter,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) app: CachePadded<AppCounters>,
    pub(crate) receive: CachePadded<ReceiveCounters>,
    pub(crate) io: CachePadded<IoCounters>,
}

impl Counters {
    /// Bytes that came and went.
    pub(crate) fn bytes(&self) -> u64 {
        self.io.bytes_sent.value().wrapping_add(self.io.bytes_received.value())
    }

    /// The numbers now; `queued` is what waits for connections, counted by whoever holds their pipes.
    pub(crate) fn snapshot(&self, queued: u64) -> Stats {
        let (app, io) = (&self.app, &self.io);
        Stats {
            sent: app.sent.value(),
            received: self.receive.received.value(),
            written: app.written.value(),
            // What is taken back may have been counted by another thread.
            delivered: io.delivered.value().wrapping_add(app.handed_over.value()),
            queued: queued + io.early.value(),
            dropped: Dropped {
                full: app.full.value(),
                unroutable: app.unroutable.value(),
                disconnected: io.disconnected.value(),
                replaced: io.replaced.value(),
                lingered: io.lingered.value(),
            },
            unread: io.unread.value(),
            bytes_sent: io.bytes_sent.value(),
            bytes_received: io.bytes_received.value(),
            connections: io.connections.value(),
            reconnects: io.reconnects.value(),
        }
    }
}
