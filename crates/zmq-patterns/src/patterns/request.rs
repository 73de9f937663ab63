//! REQ: one request out, one reply in (RFC 28).

use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::Pattern;
use std::collections::HashMap;
use std::sync::Arc;
use zmq_core::{Error, Frame, Message, Peer, PipeEvent, PipeId, Result, SocketBase};

/// The pattern of REQ.
#[derive(Default)]
pub struct Requester {
    outgoing: LoadBalance,
    incoming: FairQueue,
    awaited: Option<Awaited>,
    next_id: u32,
    /// Replies that are still to come from each peer to requests that were given up, so that the next reply is not
    /// mistaken. Only without correlation, where replies bear no number.
    stale: HashMap<PipeId, u32>,
    /// An empty list: that of the last reply, for the next request.
    list: Vec<Frame>,
}

/// The request that waits for its reply.
struct Awaited {
    peer: PipeId,
    /// Its number, with `req_correlate`.
    id: Option<u32>,
}

/// The longest list that is kept for the next request.
const KEPT: usize = 16;

const OUT_OF_TURN_SEND: &str = "a REQ sends again after it has received the reply; receive it, or reset() the socket, or set `req_relaxed`";
const OUT_OF_TURN_RECEIVE: &str = "a REQ receives after it has sent a request; send one first";

impl Requester {
    /// Gives up the request that waits, if one does; its reply will be thrown away.
    pub(crate) fn reset(&mut self) {
        if let Some(Awaited { peer, id: None }) = self.awaited.take() {
            *self.stale.entry(peer).or_default() += 1;
        }
    }

    fn envelope(&mut self, mut body: Message, correlate: bool) -> (Message, Option<u32>) {
        let id = correlate.then(|| {
            self.next_id = self.next_id.wrapping_add(1);
            self.next_id
        });
        let mut frames = std::mem::take(&mut self.list);
        frames.reserve(body.len() + 2);
        frames.extend(id.map(|id| Frame::from(id.to_be_bytes())));
        frames.push(Frame::new());
        body.append_to(&mut frames);
        (Message::from(frames), id)
    }

    /// Throws away what came before a request is sent, as libzmq does. Without numbers a second reply to the last request
    /// would pass for the reply to the next; and replies to requests that are given up, one after the other, would fill the
    /// pipe. The pipes are not asked to report: the reply is still to come.
    fn discard_replies(&mut self, base: &SocketBase) {
        let mut reply = Message::new();
        while self.incoming.is_at_hand() {
            let Some(peer) = self.incoming.receive(&mut reply) else { return };
            let _ = self.open(peer, &mut reply);
            base.count_unread();
        }
    }

    /// Takes the envelope off the awaited reply. `None`: it is not the awaited one.
    fn open(&mut self, peer: PipeId, message: &mut Message) -> Option<()> {
        if let Some(stale) = self.stale.get_mut(&peer) {
            *stale -= 1;
            if *stale == 0 {
                self.stale.remove(&peer);
            }
            return None;
        }
        let awaited = self.awaited.as_ref().filter(|awaited| awaited.peer == peer)?;
        let (mut body, mut envelope) = (message.frames(), 1);
        if let Some(id) = awaited.id {
            let number;
            (number, body) = body.split_first()?;
            envelope += 1;
            if *number != id.to_be_bytes() {
                return None;
            }
        }
        let (delimiter, body) = body.split_first()?;
        if !delimiter.is_empty() || body.is_empty() {
            return None;
        }
        self.awaited = None;
        let mut list = message.take_front(envelope);
        list.clear();
        if list.capacity() <= KEPT {
            self.list = list;
        }
        Some(())
    }
}

impl Pattern for Requester {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        use super::duplex::{Incoming, Outgoing};
        match event {
            PipeEvent::Inlet(..) | PipeEvent::Readable(_) => {
                Incoming::handle(&mut self.incoming, event, base)
            }
            PipeEvent::Down(id) | PipeEvent::Closed(id) => {
                // What was lost with the connection is not coming any more.
                self.stale.remove(&id);
                Outgoing::handle(&mut self.outgoing, event, base);
            }
            PipeEvent::Up(id, peer) => {
                self.incoming.introduce(id, peer.clone());
                Outgoing::handle(&mut self.outgoing, PipeEvent::Up(id, peer), base);
            }
            event => Outgoing::handle(&mut self.outgoing, event, base),
        }
    }

    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        if self.awaited.is_some() && !base.options().req_relaxed {
            return Err(Error::State { hint: OUT_OF_TURN_SEND });
        }
        if !self.outgoing.can_send() {
            return Ok(false);
        }
        let correlate = base.options().req_correlate;
        if !correlate || self.awaited.is_some() {
            self.discard_replies(base);
        }
        let size = message.size();
        let (mut request, id) = self.envelope(std::mem::take(message), correlate);
        // There is room, as was asked above.
        let Some(peer) = self.outgoing.send(&mut request) else { return Ok(false) };
        self.reset();
        self.awaited = Some(Awaited { peer, id });
        base.after_send(size);
        Ok(true)
    }

    fn try_receive(&mut self, into: &mut Message, base: &mut SocketBase) -> Result<bool> {
        if self.awaited.is_none() {
            return Err(Error::State { hint: OUT_OF_TURN_RECEIVE });
        }
        while let Some(peer) = self.incoming.receive(into) {
            if self.open(peer, into).is_some() {
                return Ok(true);
            }
            base.count_unread();
        }
        Ok(false)
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        (self.awaited.is_none() || base.options().req_relaxed) && self.outgoing.can_send()
    }

    fn can_begin(&mut self, _: &Frame, base: &mut SocketBase) -> Result<bool> {
        if self.awaited.is_some() && !base.options().req_relaxed {
            return Err(Error::State { hint: OUT_OF_TURN_SEND });
        }
        Ok(self.outgoing.can_send())
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        self.awaited.is_some() && self.incoming.can_receive()
    }

    fn is_at_hand(&mut self) -> bool {
        self.incoming.is_at_hand()
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.incoming.last_peer()
    }
}
