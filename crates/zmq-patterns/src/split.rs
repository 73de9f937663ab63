//! The two halves of a socket, for two threads.

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::patterns::{Duplex, Silent};
use crate::socket::{CanSplit, Patience, State};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zmq_core::{Frame, Message, Peer, Result, SendError, SocketBase, Stats};

/// The pipes of a half that was dropped: the connections last as long as the other half.
#[derive(Default)]
pub(crate) struct Kept {
    outgoing: LoadBalance,
    incoming: FairQueue,
}

impl Kept {
    /// Keeps what `half` takes from a half that is dropped. In a forked child nothing of the parent is touched.
    fn keep(kept: &Arc<Mutex<Kept>>, base: &SocketBase, half: impl FnOnce(&mut Kept)) {
        half(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
        if base.is_forked() {
            std::mem::forget(kept.clone());
        }
    }
}

/// The sending half of a socket that was [split](crate::Socket::split). It never waits behind the receiving half.
pub struct Sender<K: CanSplit> {
    /// Before the state: the pipes close before the socket does.
    kept: Arc<Mutex<Kept>>,
    state: State<Duplex<LoadBalance, Silent>>,
    kind: PhantomData<fn() -> K>,
}

impl<K: CanSplit> Sender<K> {
    pub(crate) fn new(base: SocketBase, outgoing: LoadBalance, kept: Arc<Mutex<Kept>>) -> Self {
        let pattern = Duplex { outgoing, incoming: Silent::default() };
        Sender { kept, state: State::with_parts(base, pattern), kind: PhantomData }
    }

    /// As [`Socket::send`](crate::Socket::send).
    ///
    /// # Errors
    /// As [`Socket::send`](crate::Socket::send).
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let patience = Patience::AtMost(self.state.base.options().send_timeout);
        self.send_patiently(message.into(), patience)
    }

    /// As [`Socket::try_send`](crate::Socket::try_send).
    ///
    /// # Errors
    /// As [`Socket::try_send`](crate::Socket::try_send).
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.send_patiently(message.into(), Patience::Now)
    }

    /// As [`Socket::send_timeout`](crate::Socket::send_timeout).
    ///
    /// # Errors
    /// As [`Socket::send_timeout`](crate::Socket::send_timeout).
    pub fn send_timeout(&mut self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError> {
        self.send_patiently(message.into(), Patience::AtMost(Some(timeout)))
    }

    /// The numbers of the whole socket so far.
    pub fn stats(&self) -> Stats {
        self.state.base.stats()
    }

    fn send_patiently(&mut self, mut message: Message, patience: Patience) -> Result<(), SendError> {
        match self.state.send(&mut message, patience) {
            Ok(()) => Ok(()),
            Err(error) => Err(SendError { error, message }),
        }
    }
}

impl<K: CanSplit> Drop for Sender<K> {
    fn drop(&mut self) {
        if let Some(pattern) = self.state.take_pattern() {
            Kept::keep(&self.kept, &self.state.base, |kept| kept.outgoing = pattern.outgoing);
        }
    }
}

/// The receiving half of a socket that was [split](crate::Socket::split).
pub struct Receiver<K: CanSplit> {
    /// Before the state, as in [`Sender`].
    kept: Arc<Mutex<Kept>>,
    state: State<Duplex<Silent, FairQueue>>,
    kind: PhantomData<fn() -> K>,
}

impl<K: CanSplit> Receiver<K> {
    pub(crate) fn new(base: SocketBase, incoming: FairQueue, kept: Arc<Mutex<Kept>>) -> Self {
        let pattern = Duplex { outgoing: Silent::default(), incoming };
        Receiver { kept, state: State::with_parts(base, pattern), kind: PhantomData }
    }

    /// As [`Socket::recv`](crate::Socket::recv).
    ///
    /// # Errors
    /// As [`Socket::recv`](crate::Socket::recv).
    pub fn recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// As [`Socket::recv_into`](crate::Socket::recv_into).
    ///
    /// # Errors
    /// As [`Socket::recv_into`](crate::Socket::recv_into).
    pub fn recv_into(&mut self, into: &mut Message) -> Result<()> {
        let patience = Patience::AtMost(self.state.base.options().recv_timeout);
        self.state.receive(into, patience)
    }

    /// As [`Socket::try_recv`](crate::Socket::try_recv).
    ///
    /// # Errors
    /// As [`Socket::try_recv`](crate::Socket::try_recv).
    pub fn try_recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.state.receive(&mut message, Patience::Now)?;
        Ok(message)
    }

    /// As [`Socket::recv_many`](crate::Socket::recv_many).
    ///
    /// # Errors
    /// As [`Socket::recv_many`](crate::Socket::recv_many).
    pub fn recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        let patience = Patience::AtMost(self.state.base.options().recv_timeout);
        self.state.receive_many(into, limit, patience)
    }

    /// As [`Socket::try_recv_many`](crate::Socket::try_recv_many).
    ///
    /// # Errors
    /// As [`Socket::try_recv_many`](crate::Socket::try_recv_many).
    pub fn try_recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        self.state.receive_many(into, limit, Patience::Now)
    }

    /// As [`Socket::recv_timeout`](crate::Socket::recv_timeout).
    ///
    /// # Errors
    /// As [`Socket::recv_timeout`](crate::Socket::recv_timeout).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.state.receive(&mut message, Patience::AtMost(Some(timeout)))?;
        Ok(message)
    }

    /// As [`Socket::last_peer`](crate::Socket::last_peer).
    pub fn last_peer(&self) -> Option<Arc<Peer>> {
        self.state.last_peer().cloned()
    }

    /// The numbers of the whole socket so far.
    pub fn stats(&self) -> Stats {
        self.state.base.stats()
    }
}

impl<K: CanSplit> Drop for Receiver<K> {
    fn drop(&mut self) {
        if let Some(pattern) = self.state.take_pattern() {
            Kept::keep(&self.kept, &self.state.base, |kept| kept.incoming = pattern.incoming);
        }
    }
}

impl<K: CanSplit> fmt::Debug for Sender<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender<{}>", K::TYPE)
    }
}

impl<K: CanSplit> fmt::Debug for Receiver<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver<{}>", K::TYPE)
    }
}
