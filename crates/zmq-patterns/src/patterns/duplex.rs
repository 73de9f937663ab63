//! Patterns whose two directions have nothing to do with each other: PUSH, PULL, DEALER, PAIR. They can be split.

use super::{cannot_receive, cannot_send};
use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::load_balance::LoadBalance;
use crate::pattern::Pattern;
use std::sync::Arc;
use zmq_core::{Message, Peer, PipeEvent, Result, SocketBase};

/// One direction of a pattern.
pub(crate) trait Outgoing: Send + Default + 'static {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase);
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool>;
    fn can_send(&mut self) -> bool;
}

/// The other direction.
pub(crate) trait Incoming: Send + Default + 'static {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase);
    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool>;
    fn can_receive(&mut self) -> bool;
    fn is_at_hand(&mut self) -> bool;
    fn last_peer(&self) -> Option<&Arc<Peer>>;
}

/// Both.
#[derive(Default)]
pub struct Duplex<O, I> {
    pub(crate) outgoing: O,
    pub(crate) incoming: I,
}

impl<O: Outgoing, I: Incoming> Pattern for Duplex<O, I> {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(..) | PipeEvent::Writable(_) | PipeEvent::Closed(_) => {
                self.outgoing.handle(event, base);
            }
            PipeEvent::Inlet(..) | PipeEvent::Readable(_) => self.incoming.handle(event, base),
            // Comes through both mailboxes, and concerns both directions.
            PipeEvent::Up(id, peer) => {
                self.incoming.handle(PipeEvent::Up(id, peer.clone()), base);
                self.outgoing.handle(PipeEvent::Up(id, peer), base);
            }
            event => self.outgoing.handle(event, base),
        }
    }

    #[inline]
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        self.outgoing.try_send(message, base)
    }

    #[inline]
    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        self.incoming.try_receive(into, base)
    }

    fn can_send(&mut self, _: &mut SocketBase) -> bool {
        self.outgoing.can_send()
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        self.incoming.can_receive()
    }

    #[inline]
    fn is_at_hand(&mut self) -> bool {
        self.incoming.is_at_hand()
    }

    #[inline]
    fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.incoming.last_peer()
    }
}

/// To one peer at a time, in turn; waits when none has room.
impl Outgoing for LoadBalance {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.attach(*outlet),
            PipeEvent::Writable(id) | PipeEvent::Up(id, _) => self.activate(id),
            PipeEvent::Down(id) if base.options().immediate => self.suspend(id),
            PipeEvent::Closed(id) => drop(self.detach(id)),
            _ => {}
        }
    }

    #[inline(always)]
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        let size = message.size();
        let sent = self.send(message).is_some();
        if sent {
            base.after_send(size);
        }
        Ok(sent)
    }

    fn can_send(&mut self) -> bool {
        LoadBalance::can_send(self)
    }
}

/// From each peer in turn.
impl Incoming for FairQueue {
    fn handle(&mut self, event: PipeEvent, _: &mut SocketBase) {
        match event {
            PipeEvent::Inlet(inlet, peer) => self.attach(*inlet, peer),
            PipeEvent::Readable(id) => self.activate(id),
            PipeEvent::Up(id, peer) => return self.introduce(id, peer),
            _ => return,
        }
        // Pipes with nothing in them report their end, and ended ones go, even if the application only sends: a PAIR
        // takes its next peer when nothing is left of the last one.
        FairQueue::can_receive(self);
    }

    #[inline]
    fn try_receive(&mut self, into: &mut Message, _: &mut SocketBase) -> Result<bool> {
        Ok(self.receive(into).is_some())
    }

    fn can_receive(&mut self) -> bool {
        FairQueue::can_receive(self)
    }

    #[inline]
    fn is_at_hand(&mut self) -> bool {
        FairQueue::is_at_hand(self)
    }

    #[inline]
    fn last_peer(&self) -> Option<&Arc<Peer>> {
        FairQueue::last_peer(self)
    }
}

/// A direction that the type does not have. What peers send all the same is thrown away; its pipes are kept, since a
/// connection ends when the socket lets go of its pipe.
#[derive(Default)]
pub struct Silent {
    unused: FanOut,
    strays: FairQueue,
}

impl Outgoing for Silent {
    fn handle(&mut self, event: PipeEvent, _: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.unused.attach(*outlet),
            PipeEvent::Closed(id) => drop(self.unused.detach(id)),
            _ => {}
        }
    }

    fn try_send(&mut self, _: &mut Message, base: &mut SocketBase) -> Result<bool> {
        Err(cannot_send(base.socket_type()))
    }

    fn can_send(&mut self) -> bool {
        false
    }
}

impl Incoming for Silent {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        Incoming::handle(&mut self.strays, event, base);
        while self.strays.receive(&mut Message::new()).is_some() {
            base.count_unread();
        }
    }

    fn try_receive(&mut self, _: &mut Message, base: &mut SocketBase) -> Result<bool> {
        Err(cannot_receive(base.socket_type()))
    }

    fn can_receive(&mut self) -> bool {
        false
    }

    fn is_at_hand(&mut self) -> bool {
        false
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        None
    }
}
