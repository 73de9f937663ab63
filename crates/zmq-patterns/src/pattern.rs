//! What a socket type does with its pipes.

use std::sync::Arc;
use zmq_core::{Error, Message, Peer, PipeEvent, Result, SendError, SocketBase};

/// A socket type: how it sends, receives, and follows the coming and going of its peers. Called by the thread that
/// owns the socket, never concurrently; never blocks.
pub trait Pattern: Send + 'static {
    /// Follows one piece of news about a pipe.
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase);

    /// Sends a message now. When it must wait, the pattern has asked the pipes concerned to report.
    ///
    /// # Errors
    /// [`Refused`], with the message.
    fn try_send(&mut self, message: Message, base: &mut SocketBase) -> Result<(), Refused>;

    /// Receives a message now. `None`: the pipes will report.
    ///
    /// # Errors
    /// [`zmq_core::Error::State`] if it is not the time to receive.
    fn try_receive(&mut self, base: &mut SocketBase) -> Result<Option<Message>>;

    /// Whether [`try_send`](Pattern::try_send) would send now.
    fn can_send(&mut self, base: &mut SocketBase) -> bool;

    /// Whether [`try_receive`](Pattern::try_receive) would bring a message now.
    fn can_receive(&mut self, base: &mut SocketBase) -> bool;

    /// Who sent the message that was received last, as far as that is known.
    fn last_peer(&self) -> Option<Arc<Peer>>;

    /// Adds a subscription or takes one back; `false`: there was none to take back.
    ///
    /// # Errors
    /// [`Error::State`] if the type does not subscribe.
    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        let _ = (topic, add, base);
        Err(Error::State { hint: "only SUB and XSUB sockets subscribe" })
    }
}

/// Why a message was not sent.
#[derive(Debug)]
pub enum Refused {
    /// Nobody has room now; waiting may help.
    Full(Message),
    /// It cannot be sent; waiting does not help.
    Failed(SendError),
}

impl Refused {
    /// A message that cannot be sent.
    pub fn failed(error: zmq_core::Error, message: Message) -> Refused {
        Refused::Failed(SendError { error, message })
    }
}

impl Pattern for Box<dyn Pattern> {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        (**self).handle(event, base);
    }

    fn try_send(&mut self, message: Message, base: &mut SocketBase) -> Result<(), Refused> {
        (**self).try_send(message, base)
    }

    fn try_receive(&mut self, base: &mut SocketBase) -> Result<Option<Message>> {
        (**self).try_receive(base)
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        (**self).can_send(base)
    }

    fn can_receive(&mut self, base: &mut SocketBase) -> bool {
        (**self).can_receive(base)
    }

    fn last_peer(&self) -> Option<Arc<Peer>> {
        (**self).last_peer()
    }

    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        (**self).change_subscription(topic, add, base)
    }
}
