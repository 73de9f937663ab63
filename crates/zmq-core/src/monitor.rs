//! What happens to a socket's connections, as typed events.

use crate::endpoint::Endpoint;
use crate::peer::Peer;
use crate::stats::Stats;
use crate::sync::{Condvar, Mutex, lock};
use crate::zmtp::ProtocolError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Events that wait for a [`Monitor`]; more push out the oldest.
const CAPACITY: usize = 1024;

/// Something that happened to a listener or a connection of a socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The socket is bound (`ZMQ_EVENT_LISTENING`).
    Listening {
        /// Where, wildcards filled in.
        endpoint: Endpoint,
    },
    /// A listener was closed (`ZMQ_EVENT_CLOSED`).
    ListenerClosed {
        /// Where it listened.
        endpoint: Endpoint,
    },
    /// A peer connected to us; its handshake follows (`ZMQ_EVENT_ACCEPTED`).
    Accepted {
        /// Our endpoint.
        endpoint: Endpoint,
        /// The peer's address.
        peer: String,
    },
    /// Accepting failed and is tried again in a moment, or a peer came that may not connect
    /// ([`accept_from`](crate::options::StreamOptions::accept_from)) or was one too many
    /// ([`max_connections`](crate::Options::max_connections),
    /// [`max_handshakes_per_second`](crate::Options::max_handshakes_per_second),
    /// [`max_total_handshakes_per_second`](crate::Options::max_total_handshakes_per_second))
    /// (`ZMQ_EVENT_ACCEPT_FAILED`).
    AcceptFailed {
        /// Our endpoint.
        endpoint: Endpoint,
        /// The system's answer, or who it was and why it may not.
        error: String,
    },
    /// An attempt to connect failed; the next one follows (`ZMQ_EVENT_CONNECT_RETRIED`).
    ConnectRetried {
        /// The endpoint we connect to.
        endpoint: Endpoint,
        /// When the next attempt is made.
        after: Duration,
        /// Why this one failed.
        error: String,
    },
    /// We are connected; the handshake follows (`ZMQ_EVENT_CONNECTED`).
    Connected {
        /// The endpoint we connected to.
        endpoint: Endpoint,
        /// The peer's address.
        peer: String,
    },
    /// The peer was admitted; messages flow (`ZMQ_EVENT_HANDSHAKE_SUCCEEDED`).
    HandshakeSucceeded {
        /// Our endpoint, or the one we connected to.
        endpoint: Endpoint,
        /// Who it is.
        peer: Peer,
    },
    /// The peer was not admitted (`ZMQ_EVENT_HANDSHAKE_FAILED_*`).
    HandshakeFailed {
        /// Our endpoint, or the one we connected to.
        endpoint: Endpoint,
        /// The peer's address.
        peer: String,
        /// Why.
        reason: DisconnectReason,
    },
    /// A connection over which messages flowed is gone (`ZMQ_EVENT_DISCONNECTED`).
    Disconnected {
        /// Our endpoint, or the one we connected to.
        endpoint: Endpoint,
        /// Who it was.
        peer: Peer,
        /// Why.
        reason: DisconnectReason,
    },
    /// No further attempt is made to connect: the peer does not fit, or reconnecting is switched off.
    ConnectGivenUp {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        error: String,
    },
    /// The socket was dropped and nothing is left of it; the last event (`ZMQ_EVENT_MONITOR_STOPPED`). What it still had
    /// to send was delivered, or is counted as [`dropped`](crate::Stats::dropped).
    Stopped {
        /// The final numbers.
        stats: Box<Stats>,
    },
    /// So many events were lost because nobody took them.
    Lagged(u64),
}

/// Why a connection ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The peer closed it.
    PeerClosed,
    /// We closed it: `disconnect`, `unbind`, or the socket was dropped.
    Closed,
    /// The peer broke the protocol, or fell silent.
    Protocol(ProtocolError),
    /// The system reported an error.
    Io(String),
    /// The socket takes no further peer (a PAIR that has its peer).
    Refused,
    /// Too many connections were in the middle of their handshake.
    Crowded,
    /// A ROUTER knows another peer by the routing id of this one: it came first, or took the id over
    /// ([`router_handover`](crate::Options::router_handover)).
    RoutingIdTaken,
    /// The peer of a publisher held more subscriptions, or more changes of them that an XPUB had not received yet,
    /// than [`max_subscriptions`](crate::Options::max_subscriptions) or
    /// [`max_subscription_bytes`](crate::Options::max_subscription_bytes) allows.
    TooManySubscriptions {
        /// How many.
        count: usize,
        /// How many bytes all topics together.
        bytes: usize,
    },
}

impl std::fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DisconnectReason::PeerClosed => f.write_str("the peer closed the connection"),
            DisconnectReason::Closed => f.write_str("closed on our side"),
            DisconnectReason::Protocol(error) => error.fmt(f),
            DisconnectReason::Io(error) => f.write_str(error),
            DisconnectReason::Refused => f.write_str("the socket takes no further peer"),
            DisconnectReason::Crowded => f.write_str("too many handshakes at once"),
            DisconnectReason::RoutingIdTaken => f.write_str(
                "another peer has its routing id; give each peer its own, or set `router_handover` for the last to win",
            ),
            DisconnectReason::TooManySubscriptions { count, bytes } => write!(
                f,
                "the peer held {count} subscriptions of {bytes} bytes, more than `max_subscriptions` or \
                 `max_subscription_bytes` allows"
            ),
        }
    }
}

/// Receives a socket's [`Event`]s. Bounded: when nobody takes them the oldest are lost, which shows as
/// [`Event::Lagged`]. Dropping it stops the monitoring.
#[derive(Debug)]
pub struct Monitor {
    queue: Arc<Queue>,
}

impl Monitor {
    /// The next event, if one waits.
    pub fn try_next(&mut self) -> Option<Event> {
        lock(&self.queue.inside).next()
    }

    /// The next event; waits for it. `None` when the socket is gone and every event was taken.
    pub fn next_timeout(&mut self, timeout: Option<Duration>) -> Option<Event> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut inside = lock(&self.queue.inside);
        loop {
            if let Some(event) = inside.next() {
                return Some(event);
            }
            if inside.closed {
                return None;
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return None;
            }
            inside = match self.queue.news.wait_timeout(inside, left) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Monitor {
    /// What ends it, from another thread.
    pub fn stopper(&self) -> MonitorStopper {
        MonitorStopper(Arc::downgrade(&self.queue))
    }
}

/// Ends a [`Monitor`] from another thread.
#[derive(Clone)]
pub struct MonitorStopper(Weak<Queue>);

impl MonitorStopper {
    /// The monitor brings what it has, and then ends as if the socket were gone.
    pub fn stop(&self) {
        if let Some(queue) = self.0.upgrade() {
            queue.close();
        }
    }
}

impl std::fmt::Debug for MonitorStopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MonitorStopper")
    }
}

/// Waits for each event; ends when the socket is gone.
impl Iterator for Monitor {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_timeout(None)
    }
}

struct Queue {
    inside: Mutex<Inside>,
    news: Condvar,
}

#[derive(Default)]
struct Inside {
    events: VecDeque<Event>,
    lost: u64,
    closed: bool,
}

impl Inside {
    fn next(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.lost) {
            0 => self.events.pop_front(),
            lost => Some(Event::Lagged(lost)),
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

/// Where a socket reports its events.
#[derive(Default)]
pub(crate) struct Hub {
    /// Whether anybody listens; events are not even made otherwise.
    active: AtomicBool,
    queues: Mutex<Vec<Weak<Queue>>>,
}

impl Hub {
    pub(crate) fn subscribe(&self) -> Monitor {
        let queue = Arc::new(Queue { inside: Mutex::new(Inside::default()), news: Condvar::new() });
        lock(&self.queues).push(Arc::downgrade(&queue));
        self.active.store(true, Ordering::Release);
        Monitor { queue }
    }

    pub(crate) fn emit(&self, event: impl FnOnce() -> Event) {
        if !self.active.load(Ordering::Acquire) {
            return;
        }
        let event = event();
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.upgrade().map(|queue| queue.push(event.clone())).is_some());
        self.active.store(!queues.is_empty(), Ordering::Release);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for queue in lock(&self.queues).iter().filter_map(Weak::upgrade) {
            queue.close();
        }
    }
}

impl Queue {
    fn close(&self) {
        lock(&self.inside).closed = true;
        self.news.notify_all();
    }

    fn push(&self, event: Event) {
        let mut inside = lock(&self.inside);
        if inside.closed {
            return;
        }
        if inside.events.len() >= CAPACITY {
            inside.events.pop_front();
            inside.lost += 1;
        }
        inside.events.push_back(event);
        self.news.notify_one();
    }
}
