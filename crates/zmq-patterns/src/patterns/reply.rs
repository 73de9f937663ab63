//! REP: one request in, one reply out to the peer that asked (RFC 28).

use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::Pattern;
use std::sync::Arc;
use zmq_core::{Error, Frame, Message, Peer, PipeEvent, PipeId, Result, SocketBase};

/// The pattern of REP.
#[derive(Default)]
pub struct Replier {
    incoming: FairQueue,
    outlets: FanOut,
    asked: Option<Asked>,
}

/// The request that waits for its reply.
struct Asked {
    peer: PipeId,
    /// Everything up to and including the empty frame.
    envelope: Vec<Frame>,
}

const OUT_OF_TURN_SEND: &str = "a REP replies after it has received a request; receive one first";
const OUT_OF_TURN_RECEIVE: &str = "a REP receives again after it has replied; send the reply first";

impl Replier {
    /// Leaves the request that waits without a reply.
    pub(crate) fn reset(&mut self) {
        self.asked = None;
    }

    /// Takes the envelope off a request; `None` if it has no envelope or no body.
    fn open(peer: PipeId, request: &mut Message) -> Option<Asked> {
        let envelope = request.iter().position(|frame| frame.is_empty())? + 1;
        if request.len() == envelope {
            return None;
        }
        Some(Asked { peer, envelope: request.take_front(envelope) })
    }
}

impl Pattern for Replier {
    fn handle(&mut self, event: PipeEvent, _: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.outlets.attach(*outlet),
            PipeEvent::Closed(id) => drop(self.outlets.detach(id)),
            PipeEvent::Inlet(inlet, peer) => self.incoming.attach(*inlet, peer),
            PipeEvent::Up(id, peer) => self.incoming.introduce(id, peer),
            PipeEvent::Readable(id) => self.incoming.activate(id),
            _ => {}
        }
    }

    /// Never waits: a reply whose peer has gone, or does not read, is dropped.
    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        let Some(Asked { peer, mut envelope }) = self.asked.take() else {
            return Err(Error::State { hint: OUT_OF_TURN_SEND });
        };
        let size = message.size();
        message.append_to(&mut envelope);
        let mut reply = Message::from(envelope);
        let Some(outlet) = self.outlets.get_mut(peer) else {
            base.count_unroutable();
            return Ok(true);
        };
        if !outlet.send(&mut reply) {
            base.pump();
            if !outlet.send(&mut reply) {
                base.count_dropped_full();
                return Ok(true);
            }
        }
        base.after_send(size);
        Ok(true)
    }

    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        if self.asked.is_some() {
            return Err(Error::State { hint: OUT_OF_TURN_RECEIVE });
        }
        while let Some(peer) = self.incoming.receive(into) {
            self.asked = Replier::open(peer, into);
            if self.asked.is_some() {
                return Ok(true);
            }
            base.count_unread();
        }
        Ok(false)
    }

    fn can_send(&mut self, _: &mut SocketBase) -> bool {
        self.asked.is_some()
    }

    fn can_begin(&mut self, _: &Frame, _: &mut SocketBase) -> Result<bool> {
        if self.asked.is_none() {
            return Err(Error::State { hint: OUT_OF_TURN_SEND });
        }
        Ok(true)
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        self.asked.is_none() && self.incoming.can_receive()
    }

    fn is_at_hand(&mut self) -> bool {
        self.incoming.is_at_hand()
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.incoming.last_peer()
    }
}
