//! A socket whose type is known at run time only.

use crate::kind::pattern_of;
use crate::pattern::Pattern;
use crate::socket::{Cell, Patience, State};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zmq_core::{
    Context, Endpoint, Frame, Message, Monitor, Options, Peer, Result, SendError, SocketBase, SocketType,
    Stats, Stopper,
};

/// A socket of any type: for programs that choose it at run time, and for [`proxy`](fn@crate::proxy). The same code as
/// [`Socket`](crate::Socket); what the type cannot do is an [`Error::State`](zmq_core::Error::State).
pub struct AnySocket {
    cell: Cell<State<Box<dyn Pattern>>>,
    socket_type: SocketType,
}

impl AnySocket {
    /// A socket without endpoints.
    ///
    /// # Errors
    /// [`Error::InvalidOption`](zmq_core::Error::InvalidOption), [`Error::TooManySockets`](zmq_core::Error::TooManySockets),
    /// [`Error::Terminated`](zmq_core::Error::Terminated), [`Error::Forked`](zmq_core::Error::Forked).
    pub fn new(context: &Context, socket_type: SocketType, options: Options) -> Result<AnySocket> {
        let base = SocketBase::new(context, socket_type, options)?;
        let state = State::new(base, pattern_of(socket_type))?;
        Ok(AnySocket { cell: Cell::Own(Box::new(state)), socket_type })
    }

    /// Changes the options. What is bound and connected from now on goes by them, and so does what the socket does itself
    /// (timeouts, linger, how a REQ or ROUTER behaves); what it is bound and connected to keeps those that it was made
    /// with. `subscriptions` are left alone: see [`subscribe`](AnySocket::subscribe).
    ///
    /// # Errors
    /// [`Error::InvalidOption`](zmq_core::Error::InvalidOption); nothing has changed then.
    pub fn set_options(&mut self, options: Options) -> Result<()> {
        self.with(|state| state.base.set_options(options))?
    }

    /// What ends every call on the socket, from any thread.
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn stopper(&mut self) -> Result<Stopper> {
        self.with(|state| state.base.stopper())
    }

    /// As [`Socket::bind_to`](crate::Socket::bind_to).
    ///
    /// # Errors
    /// As there.
    pub fn bind(&mut self, endpoint: impl AsRef<str>) -> Result<Endpoint> {
        self.with(|state| state.base.bind(endpoint.as_ref()))?
    }

    /// As [`Socket::connect_to`](crate::Socket::connect_to).
    ///
    /// # Errors
    /// As there.
    pub fn connect(&mut self, endpoint: impl AsRef<str>) -> Result<Endpoint> {
        self.with(|state| state.base.connect(endpoint.as_ref(), &[]))?
    }

    /// As [`Socket::unbind`](crate::Socket::unbind).
    ///
    /// # Errors
    /// As there.
    pub fn unbind(&mut self, endpoint: impl AsRef<str>) -> Result<()> {
        self.with(|state| state.base.unbind(endpoint.as_ref()))?
    }

    /// As [`unbind`](AnySocket::unbind), and ends the connections that came in there, each once what was sent is out, so that
    /// peers connect to whoever is bound there next. What has arrived can still be received. Connections in the process
    /// stay. (`zmq_unbind` does so.)
    ///
    /// # Errors
    /// As there.
    pub fn unbind_and_dismiss(&mut self, endpoint: impl AsRef<str>) -> Result<()> {
        self.with(|state| {
            state.base.unbind_and_dismiss(endpoint.as_ref())?;
            state.follow();
            Ok(())
        })?
    }

    /// As [`Socket::disconnect`](crate::Socket::disconnect).
    ///
    /// # Errors
    /// As there.
    pub fn disconnect(&mut self, endpoint: impl AsRef<str>) -> Result<()> {
        self.with(|state| {
            state.base.disconnect(endpoint.as_ref())?;
            state.follow();
            Ok(())
        })?
    }

    /// As [`Socket::send`](crate::Socket::send).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not send.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.send(message, |state| Patience::AtMost(state.base.options().send_timeout))
    }

    /// As [`Socket::try_send`](crate::Socket::try_send).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not send.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.send(message, |_| Patience::Now)
    }

    /// As [`send`](AnySocket::send), out of the message's place: there is an empty one then. If it is not sent it stays there.
    /// For bindings, which have such a place anyway; it saves moving the message twice.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn send_from(&mut self, message: &mut Message) -> Result<()> {
        self.cell.send_from(message, |state| Patience::AtMost(state.base.options().send_timeout))
    }

    /// As [`try_send`](AnySocket::try_send), out of the message's place, as [`send_from`](AnySocket::send_from).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_send_from(&mut self, message: &mut Message) -> Result<()> {
        self.cell.send_from(message, |_| Patience::Now)
    }

    /// As [`Socket::send_timeout`](crate::Socket::send_timeout).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not send.
    pub fn send_timeout(&mut self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError> {
        self.cell.send(message, |_| Patience::AtMost(Some(timeout)))
    }

    /// Waits until a message that begins with this frame can be sent, as [`send`](AnySocket::send) would wait. For those
    /// who get a message frame by frame, and have to say at the first whether it will go: until the next call on the socket
    /// there is room, unless the peer goes.
    ///
    /// # Errors
    /// As [`send`](AnySocket::send), as far as the first frame tells.
    pub fn begin(&mut self, first: &Frame) -> Result<()> {
        self.cell.begin(first, |state| Patience::AtMost(state.base.options().send_timeout))
    }

    /// As [`begin`](AnySocket::begin), without waiting.
    ///
    /// # Errors
    /// As [`try_send`](AnySocket::try_send), as far as the first frame tells.
    pub fn try_begin(&mut self, first: &Frame) -> Result<()> {
        self.cell.begin(first, |_| Patience::Now)
    }

    /// As [`Socket::recv`](crate::Socket::recv).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    pub fn recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// As [`Socket::recv_into`](crate::Socket::recv_into).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    #[inline]
    pub fn recv_into(&mut self, into: &mut Message) -> Result<()> {
        self.cell.receive(into, |state| Patience::AtMost(state.base.options().recv_timeout))
    }

    /// As [`Socket::try_recv`](crate::Socket::try_recv).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    pub fn try_recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.cell.receive(&mut message, |_| Patience::Now)?;
        Ok(message)
    }

    /// As [`Socket::try_recv_into`](crate::Socket::try_recv_into).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    #[inline]
    pub fn try_recv_into(&mut self, into: &mut Message) -> Result<()> {
        self.cell.receive(into, |_| Patience::Now)
    }

    /// As [`Socket::recv_many`](crate::Socket::recv_many).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    pub fn recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        self.cell.receive_many(into, limit, |state| Patience::AtMost(state.base.options().recv_timeout))
    }

    /// As [`Socket::try_recv_many`](crate::Socket::try_recv_many).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    pub fn try_recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        self.cell.receive_many(into, limit, |_| Patience::Now)
    }

    /// As [`Socket::recv_timeout`](crate::Socket::recv_timeout).
    ///
    /// # Errors
    /// As there, and [`Error::State`](zmq_core::Error::State) if the type does not receive.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.cell.receive(&mut message, |_| Patience::AtMost(Some(timeout)))?;
        Ok(message)
    }

    /// As [`Socket::last_peer`](crate::Socket::last_peer).
    ///
    /// # Errors
    /// As there.
    pub fn last_peer(&mut self) -> Result<Option<Arc<Peer>>> {
        self.with_last_peer(|peer| peer.cloned())
    }

    /// As [`last_peer`](AnySocket::last_peer), lent. For bindings, which ask after each message and need a reference of their
    /// own only when it is another peer than before.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn with_last_peer<R>(&mut self, look: impl FnOnce(Option<&Arc<Peer>>) -> R) -> Result<R> {
        self.with(|state| look(state.last_peer()))
    }

    /// As [`Socket::subscribe`](crate::Socket::subscribe).
    ///
    /// # Errors
    /// [`Error::State`](zmq_core::Error::State) if the type does not subscribe, [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn subscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<()> {
        self.change_subscriptions(topic.as_ref(), true).map(drop)
    }

    /// As [`Socket::unsubscribe`](crate::Socket::unsubscribe).
    ///
    /// # Errors
    /// [`Error::State`](zmq_core::Error::State) if the type does not subscribe, [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn unsubscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<bool> {
        self.change_subscriptions(topic.as_ref(), false)
    }

    /// The type.
    pub fn socket_type(&self) -> SocketType {
        self.socket_type
    }

    /// As [`Socket::last_endpoint`](crate::Socket::last_endpoint).
    pub fn last_endpoint(&mut self) -> Option<Endpoint> {
        self.with(|state| state.base.last_endpoint()).ok().flatten()
    }

    /// As [`Socket::mechanism`](crate::Socket::mechanism).
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn mechanism(&mut self) -> Result<&'static str> {
        self.with(|state| state.base.options().security.mechanism().name())
    }

    /// As [`Socket::monitor`](crate::Socket::monitor).
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn monitor(&mut self) -> Result<Monitor> {
        self.with(|state| state.base.monitor())
    }

    /// As [`Socket::stats`](crate::Socket::stats).
    pub fn stats(&mut self) -> Stats {
        self.with(State::stats).unwrap_or_default()
    }

    pub(crate) fn is_interruptible(&mut self) -> bool {
        self.with(|state| state.base.options().interruptible).unwrap_or_default()
    }

    pub(crate) fn cell(&mut self) -> &mut Cell<State<Box<dyn Pattern>>> {
        &mut self.cell
    }

    fn change_subscriptions(&mut self, topic: &[u8], add: bool) -> Result<bool> {
        self.with(|state| state.with_pattern(|pattern, base| pattern.change_subscription(topic, add, base)))??
    }

    #[inline]
    fn with<R>(&mut self, work: impl FnOnce(&mut State<Box<dyn Pattern>>) -> R) -> Result<R> {
        self.cell.with(work)
    }
}

impl fmt::Debug for AnySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnySocket({})", self.socket_type)
    }
}
