//! What a socket type does with its pipes.

use crate::patterns::cannot_subscribe;
use std::sync::Arc;
use zmq_core::{Frame, Message, Peer, PipeEvent, Result, SocketBase};

/// A socket type: how it sends, receives, and follows the coming and going of its peers. Called by the thread that
/// owns the socket, never concurrently; never blocks.
pub trait Pattern: Send + 'static {
    /// Follows one piece of news about a pipe.
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase);

    /// Takes a message out of its place and sends it, now. `false`: nobody has room; the message stays where it is, and
    /// the pipes concerned will report.
    ///
    /// # Errors
    /// It cannot be sent, and waiting does not help. The message stays where it is.
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool>;

    /// Receives a message now, in place of what `into` holds. `false`: there is none, and the pipes will report. The
    /// message is written into its place, rather than returned, so that it moves once and not at every level.
    ///
    /// # Errors
    /// [`zmq_core::Error::State`] if it is not the time to receive.
    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool>;

    /// Whether [`try_send`](Pattern::try_send) would send now.
    fn can_send(&mut self, base: &mut SocketBase) -> bool;

    /// Whether [`try_send`](Pattern::try_send) would send a message that begins with this frame now. `false`: nobody has
    /// room, and the pipes concerned will report.
    ///
    /// # Errors
    /// As [`try_send`](Pattern::try_send), as far as the first frame tells.
    fn can_begin(&mut self, first: &Frame, base: &mut SocketBase) -> Result<bool> {
        let _ = first;
        Ok(self.can_send(base))
    }

    /// Whether [`try_receive`](Pattern::try_receive) would bring a message now.
    fn can_receive(&mut self, base: &mut SocketBase) -> bool;

    /// Whether something is in a pipe that was not asked to report. Unlike [`can_receive`](Pattern::can_receive) this asks
    /// none to: it is for those who look again at once.
    fn is_at_hand(&mut self) -> bool;

    /// Who sent the message that was received last, as far as that is known.
    fn last_peer(&self) -> Option<&Arc<Peer>>;

    /// Adds a subscription or takes one back; `false`: there was none to take back.
    ///
    /// # Errors
    /// [`zmq_core::Error::State`] if the type does not subscribe.
    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        let _ = (topic, add);
        Err(cannot_subscribe(base.socket_type()))
    }
}

impl Pattern for Box<dyn Pattern> {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        (**self).handle(event, base);
    }

    #[inline]
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        (**self).try_send(message, base)
    }

    #[inline]
    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        (**self).try_receive(into, base)
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        (**self).can_send(base)
    }

    fn can_begin(&mut self, first: &Frame, base: &mut SocketBase) -> Result<bool> {
        (**self).can_begin(first, base)
    }

    fn can_receive(&mut self, base: &mut SocketBase) -> bool {
        (**self).can_receive(base)
    }

    #[inline]
    fn is_at_hand(&mut self) -> bool {
        (**self).is_at_hand()
    }

    #[inline]
    fn last_peer(&self) -> Option<&Arc<Peer>> {
        (**self).last_peer()
    }

    fn change_subscription(&mut self, topic: &[u8], add: bool, base: &mut SocketBase) -> Result<bool> {
        (**self).change_subscription(topic, add, base)
    }
}
