//! What single socket types can do beside sending and receiving.

use crate::kind::{Pub, Rep, Req, Router, Stream, Sub, XPub, XSub};
use crate::pattern::Pattern;
use crate::patterns::Publisher;
use crate::socket::{CanSend, Environment, Socket, State, sealed};
use std::time::{Duration, Instant};
use zmq_core::{Endpoint, Error, Frame, Message, Result, SendError, Waited};

/// What a ROUTER or STREAM calls a peer: 1 to 255 bytes.
pub type RoutingId = Frame;

impl<E: Environment> Socket<Req, E> {
    /// Sends a request and waits for its reply, at most as long as `send_timeout` and `recv_timeout` say.
    ///
    /// # Errors
    /// As [`send`](Socket::send) and [`recv`](Socket::recv).
    pub fn request(&mut self, message: impl Into<Message>) -> Result<Message> {
        self.send(message)?;
        self.recv()
    }

    /// Sends a request and waits for its reply, at most `timeout` in all. After a timeout the socket may be used again
    /// at once: a late reply is thrown away.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Terminated`], [`Error::InvalidMessage`].
    pub fn request_timeout(&mut self, message: impl Into<Message>, timeout: Duration) -> Result<Message> {
        let started = Instant::now();
        self.send_timeout(message, timeout)?;
        let reply = self.recv_timeout(timeout.saturating_sub(started.elapsed()));
        match reply {
            Err(Error::Timeout { .. }) => {
                self.reset()?;
                Err(Error::Timeout { after: timeout })
            }
            reply => reply,
        }
    }

    /// Gives up the request that waits for its reply, if one does.
    ///
    /// # Errors
    /// [`Error::Terminated`].
    pub fn reset(&mut self) -> Result<()> {
        self.with_pattern(|pattern, _| pattern.reset())
    }
}

impl<E: Environment> Socket<Rep, E> {
    /// Receives a request, and gives a handle for its reply.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_request(&mut self) -> Result<(Message, Reply<'_, E>)> {
        let request = self.recv()?;
        Ok((request, Reply { socket: self, sent: false }))
    }
}

/// The right to reply to one request. Dropped without [`send`](Reply::send), the requester gets no reply and the socket
/// may receive again.
#[must_use = "the requester waits for the reply"]
pub struct Reply<'a, E: Environment> {
    socket: &'a mut Socket<Rep, E>,
    sent: bool,
}

impl<E: Environment> Reply<'_, E> {
    /// Sends the reply. Never waits: if the requester has gone the reply is dropped.
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::InvalidMessage`].
    pub fn send(mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.sent = true;
        self.socket.send(message)
    }
}

impl<E: Environment> Drop for Reply<'_, E> {
    fn drop(&mut self) {
        if !self.sent {
            let _ = self.socket.with_pattern(|pattern, _| pattern.reset());
        }
    }
}

impl<E: Environment> std::fmt::Debug for Reply<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

macro_rules! addressing {
    ($($kind:ty)*) => {$(
        impl<E: Environment> Socket<$kind, E> {
            /// Receives a message, and who sent it. Waits as [`recv`](Socket::recv).
            ///
            /// # Errors
            /// As [`recv`](Socket::recv).
            pub fn recv_from(&mut self) -> Result<(RoutingId, Message)> {
                let mut message = self.recv()?;
                let from = message.pop_front().unwrap_or_default();
                Ok((from, message))
            }

            /// Sends a message to one peer. Waits while its pipe is full (a ROUTER with `router_mandatory`, the default).
            ///
            /// # Errors
            /// [`Error::Unroutable`] if no such peer is connected, and as [`send`](Socket::send). The message in the error is
            /// without the routing id.
            pub fn send_to(
                &mut self,
                to: impl Into<RoutingId>,
                message: impl Into<Message>,
            ) -> Result<(), SendError> {
                let mut message = message.into();
                message.push_front(to);
                self.send(message).map_err(|mut failed| {
                    failed.message.pop_front();
                    failed
                })
            }

            /// Connects to `endpoint` too, and calls the peer there `routing_id` whatever it calls itself
            /// (`ZMQ_CONNECT_ROUTING_ID`). What is sent before it is there waits for it.
            ///
            /// # Errors
            /// As [`connect_to`](Socket::connect_to), and [`Error::InvalidOption`] for an id that is empty, longer than 255
            /// bytes, or begins with zero.
            pub fn connect_as(&mut self, endpoint: impl AsRef<str>, routing_id: &[u8]) -> Result<Endpoint> {
                if routing_id.is_empty() || routing_id.len() > 255 || routing_id[0] == 0 {
                    let reason = "1 to 255 bytes, the first not zero".to_owned();
                    return Err(Error::InvalidOption { option: "connect_routing_id", reason });
                }
                self.with(|state| state.base.connect(endpoint.as_ref(), routing_id))?
            }

            /// The routing ids of the peers that are connected.
            ///
            /// # Errors
            /// [`Error::Terminated`].
            pub fn peers(&mut self) -> Result<Vec<RoutingId>> {
                self.with_pattern(|pattern, _| pattern.peers().map(Frame::from).collect())
            }
        }
    )*};
}

addressing! { Router Stream }

/// A STREAM socket exchanges bytes with programs that do not speak ZMTP, over `tcp://` or `ipc://`, bound or connected.
/// A message is the routing id of a peer and one frame: received, bytes as they came, of at most 8 KiB and cut anywhere;
/// sent, bytes as they go.
///
/// A peer that comes is shown by an empty frame, and so is one that has gone (`stream_notify`); it has no other way to
/// tell its routing id before it speaks, unless that was given by [`connect_as`](Socket::connect_as). A connection that
/// is made again is another peer, unless its routing id was given.
impl<E: Environment> Socket<Stream, E> {
    /// Closes the connection to a peer, once what was sent to it is out; what it sent and was not received is lost. It is
    /// not made again. The same as sending it an empty frame.
    ///
    /// # Errors
    /// [`Error::Unroutable`] if no such peer is connected, [`Error::Terminated`].
    pub fn close_peer(&mut self, peer: impl Into<RoutingId>) -> Result<()> {
        self.send_to(peer, "").map_err(|failed| failed.error)
    }
}

impl<E: Environment> Socket<XPub, E> {
    /// With `xpub_manual`: subscribes the peer that was received from last to `topic` (`ZMQ_SUBSCRIBE` on an XPUB).
    /// `false`: it has gone.
    ///
    /// # Errors
    /// [`Error::State`] without `xpub_manual`, [`Error::Terminated`].
    pub fn subscribe_last_peer(&mut self, topic: impl AsRef<[u8]>) -> Result<bool> {
        self.with_pattern(|pattern, base| pattern.change_subscription(topic.as_ref(), true, base))?
    }

    /// With `xpub_manual`: takes such a subscription back (`ZMQ_UNSUBSCRIBE` on an XPUB). `false`: there is none.
    ///
    /// # Errors
    /// As [`subscribe_last_peer`](Socket::subscribe_last_peer).
    pub fn unsubscribe_last_peer(&mut self, topic: impl AsRef<[u8]>) -> Result<bool> {
        self.with_pattern(|pattern, base| pattern.change_subscription(topic.as_ref(), false, base))?
    }
}

/// What became of a published message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Subscribers it matched.
    pub matched: usize,
    /// Of these, those who did not get it because their pipe was full.
    pub dropped: usize,
}

/// What PUB and XPUB have in common.
trait Publishes: CanSend + sealed::Sealed<Pattern = Publisher> {}

impl Publishes for Pub {}
impl Publishes for XPub {}

macro_rules! publishers {
    ($($kind:ty)*) => {$(
        impl<E: Environment> Socket<$kind, E> {
            /// Sends a message to everybody who subscribed to the beginning of its first frame, and tells to how many.
            /// Never waits, except with `xpub_nodrop`.
            ///
            /// # Errors
            /// As [`send`](Socket::send).
            pub fn publish(&mut self, message: impl Into<Message>) -> Result<Published, SendError> {
                let message = message.into();
                publish(self, message)
            }

            /// Waits until at least `count` peers have subscribed to something: what is published after this reaches
            /// them. Returns how many there are.
            ///
            /// # Errors
            /// [`Error::Timeout`], [`Error::Terminated`].
            pub fn wait_for_subscribers(&mut self, count: usize, timeout: Duration) -> Result<usize> {
                self.with(|state| wait_for_subscribers(state, count, timeout))?
            }
        }
    )*};
}

publishers! { Pub XPub }

fn publish<K: Publishes, E: Environment>(
    socket: &mut Socket<K, E>,
    message: Message,
) -> Result<Published, SendError> {
    socket.send(message)?;
    Ok(socket.with_pattern(|pattern, _| pattern.published()).unwrap_or_default())
}

fn wait_for_subscribers(state: &mut State<Publisher>, count: usize, timeout: Duration) -> Result<usize> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let subscribers = state.with_pattern(|pattern, base| pattern.subscribers(base))?;
        if subscribers >= count {
            return Ok(subscribers);
        }
        if state.base.wait(deadline)? == Waited::TimedOut {
            return Err(Error::Timeout { after: timeout });
        }
    }
}

macro_rules! subscribers {
    ($($kind:ty)*) => {$(
        impl<E: Environment> Socket<$kind, E> {
            /// Asks for every message whose first frame begins with `topic`; an empty topic asks for everything
            /// (`ZMQ_SUBSCRIBE`). Counted: what is subscribed twice must be unsubscribed twice.
            ///
            /// # Errors
            /// [`Error::Terminated`].
            pub fn subscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<()> {
                self.with_pattern(|pattern, base| pattern.subscribe(topic.as_ref(), base))
            }

            /// Takes one subscription back (`ZMQ_UNSUBSCRIBE`). `false`: there was none.
            ///
            /// # Errors
            /// [`Error::Terminated`].
            pub fn unsubscribe(&mut self, topic: impl AsRef<[u8]>) -> Result<bool> {
                self.with_pattern(|pattern, base| pattern.unsubscribe(topic.as_ref(), base))
            }
        }
    )*};
}

subscribers! { Sub XSub }
