//! The two halves of a socket, for two threads.

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::Refused;
use crate::patterns::{Incoming, Outgoing};
use crate::socket::{CanSplit, Patience};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zmq_core::{Error, Message, Peer, PipeEvent, Result, SendError, SocketBase, Stats};

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
    outgoing: LoadBalance,
    /// Before the base: the pipes close before the socket does.
    kept: Arc<Mutex<Kept>>,
    base: SocketBase,
    news: Vec<PipeEvent>,
    kind: PhantomData<fn() -> K>,
}

impl<K: CanSplit> Sender<K> {
    pub(crate) fn new(base: SocketBase, outgoing: LoadBalance, kept: Arc<Mutex<Kept>>) -> Self {
        Sender { outgoing, kept, base, news: Vec::new(), kind: PhantomData }
    }

    /// As [`Socket::send`](crate::Socket::send).
    ///
    /// # Errors
    /// As [`Socket::send`](crate::Socket::send).
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let patience = Patience::timeout(self.base.options().send_timeout);
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
        self.send_patiently(message.into(), Patience::timeout(Some(timeout)))
    }

    /// The numbers of the whole socket so far.
    pub fn stats(&self) -> Stats {
        self.base.stats()
    }

    fn send_patiently(&mut self, mut message: Message, patience: Patience) -> Result<(), SendError> {
        if message.is_empty() {
            let error = Error::InvalidMessage {
                reason: "it has no frame; an empty message is one frame of no bytes",
            };
            return Err(SendError { error, message });
        }
        let mut pumped = false;
        loop {
            message = match self.send_now(message) {
                Ok(()) => return Ok(()),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Full(message)) => message,
            };
            if !std::mem::replace(&mut pumped, true) {
                self.base.pump();
            } else if let Err(error) = patience.wait(&mut self.base) {
                return Err(SendError { error, message });
            }
        }
    }

    fn send_now(&mut self, message: Message) -> Result<(), Refused> {
        if let Err(error) = self.base.begin_send() {
            return Err(Refused::failed(error, message));
        }
        follow(&mut self.outgoing, &mut self.base, &mut self.news, Outgoing::handle);
        let result = self.outgoing.try_send(message, &mut self.base);
        self.base.end_send(result.is_ok());
        result
    }
}

impl<K: CanSplit> Drop for Sender<K> {
    fn drop(&mut self) {
        let outgoing = std::mem::take(&mut self.outgoing);
        Kept::keep(&self.kept, &self.base, |kept| kept.outgoing = outgoing);
    }
}

/// The receiving half of a socket that was [split](crate::Socket::split).
pub struct Receiver<K: CanSplit> {
    incoming: FairQueue,
    /// Before the base, as in [`Sender`].
    kept: Arc<Mutex<Kept>>,
    base: SocketBase,
    news: Vec<PipeEvent>,
    kind: PhantomData<fn() -> K>,
}

impl<K: CanSplit> Receiver<K> {
    pub(crate) fn new(base: SocketBase, incoming: FairQueue, kept: Arc<Mutex<Kept>>) -> Self {
        Receiver { incoming, kept, base, news: Vec::new(), kind: PhantomData }
    }

    /// As [`Socket::recv`](crate::Socket::recv).
    ///
    /// # Errors
    /// As [`Socket::recv`](crate::Socket::recv).
    pub fn recv(&mut self) -> Result<Message> {
        let patience = Patience::timeout(self.base.options().recv_timeout);
        self.receive(patience)
    }

    /// As [`Socket::try_recv`](crate::Socket::try_recv).
    ///
    /// # Errors
    /// As [`Socket::try_recv`](crate::Socket::try_recv).
    pub fn try_recv(&mut self) -> Result<Message> {
        if let Some(message) = self.receive_now()? {
            return Ok(message);
        }
        self.base.poll_input();
        self.receive_now()?.ok_or(Error::WouldBlock)
    }

    /// As [`Socket::recv_timeout`](crate::Socket::recv_timeout).
    ///
    /// # Errors
    /// As [`Socket::recv_timeout`](crate::Socket::recv_timeout).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message> {
        self.receive(Patience::timeout(Some(timeout)))
    }

    /// As [`Socket::last_peer`](crate::Socket::last_peer).
    pub fn last_peer(&self) -> Option<Arc<Peer>> {
        self.incoming.last_peer()
    }

    /// The numbers of the whole socket so far.
    pub fn stats(&self) -> Stats {
        self.base.stats()
    }

    fn receive(&mut self, patience: Patience) -> Result<Message> {
        loop {
            if let Some(message) = self.receive_now()? {
                return Ok(message);
            }
            patience.wait(&mut self.base)?;
        }
    }

    fn receive_now(&mut self) -> Result<Option<Message>> {
        self.base.check()?;
        follow(&mut self.incoming, &mut self.base, &mut self.news, Incoming::handle);
        let message = self.incoming.try_receive(&mut self.base)?;
        if message.is_some() {
            self.base.count_received();
        }
        Ok(message)
    }
}

impl<K: CanSplit> Drop for Receiver<K> {
    fn drop(&mut self) {
        let incoming = std::mem::take(&mut self.incoming);
        Kept::keep(&self.kept, &self.base, |kept| kept.incoming = incoming);
    }
}

fn follow<P>(
    pattern: &mut P,
    base: &mut SocketBase,
    news: &mut Vec<PipeEvent>,
    handle: fn(&mut P, PipeEvent, &mut SocketBase),
) {
    if !base.has_events() {
        return;
    }
    base.take_events(news);
    for event in news.drain(..) {
        handle(pattern, event, base);
    }
    base.after_send(0);
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
