//! REP: one request in, one reply out to the peer that asked (RFC 28).

use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::{Pattern, Refused};
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

    /// Splits a request into envelope and body; `None` if it has no envelope or no body.
    fn open(peer: PipeId, mut message: Message) -> Option<(Asked, Message)> {
        let delimiter = message.iter().position(|frame| frame.is_empty())?;
        let body = message.split_off(delimiter + 1);
        if body.is_empty() {
            return None;
        }
        Some((Asked { peer, envelope: message.into_frames() }, body))
    }
}

impl Pattern for Replier {
    fn handle(&mut self, event: PipeEvent, _: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, _) => self.outlets.attach(outlet),
            PipeEvent::Closed(id) => drop(self.outlets.detach(id)),
            PipeEvent::Inlet(inlet, peer) => self.incoming.attach(inlet, peer),
            PipeEvent::Up(id, peer) => self.incoming.introduce(id, peer),
            PipeEvent::Readable(id) => self.incoming.activate(id),
            _ => {}
        }
    }

    /// Never waits: a reply whose peer has gone, or does not read, is dropped.
    fn try_send(&mut self, message: Message, base: &mut SocketBase) -> Result<(), Refused> {
        let Some(Asked { peer, mut envelope }) = self.asked.take() else {
            return Err(Refused::failed(Error::State { hint: OUT_OF_TURN_SEND }, message));
        };
        let size = message.size();
        envelope.extend(message);
        let reply = Message::from(envelope);
        let Some(outlet) = self.outlets.get_mut(peer) else {
            base.count_unroutable();
            return Ok(());
        };
        if let Err(reply) = outlet.send(reply) {
            base.pump();
            if outlet.send(reply).is_err() {
                base.count_dropped_full();
                return Ok(());
            }
        }
        base.after_send(size);
        Ok(())
    }

    fn try_receive(&mut self, base: &mut SocketBase) -> Result<Option<Message>> {
        if self.asked.is_some() {
            return Err(Error::State { hint: OUT_OF_TURN_RECEIVE });
        }
        while let Some((peer, message)) = self.incoming.receive() {
            match Replier::open(peer, message) {
                Some((asked, body)) => {
                    self.asked = Some(asked);
                    return Ok(Some(body));
                }
                None => base.count_unread(),
            }
        }
        Ok(None)
    }

    fn can_send(&mut self, _: &mut SocketBase) -> bool {
        self.asked.is_some()
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        self.asked.is_none() && self.incoming.can_receive()
    }

    fn last_peer(&self) -> Option<Arc<Peer>> {
        self.incoming.last_peer()
    }
}
