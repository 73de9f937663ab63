//! ROUTER: knows its peers by name (RFC 28). STREAM too, whose peers do not know it.

use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::Pattern;
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use zmq_core::{
    DisconnectReason, Error, Frame, Message, Outlet, Peer, PipeEvent, PipeId, Result, SocketBase, SocketType,
};

/// The pattern of ROUTER and STREAM. The first frame of every message is the routing id of the peer.
pub struct RouterPattern {
    incoming: FairQueue,
    outlets: FanOut,
    /// Seeded: the ids come from the peers.
    routes: HashMap<Vec<u8>, PipeId, RandomState>,
    /// The other way round, by pipe id.
    names: Vec<Option<Name>>,
    /// Peers in this process that came and were not shown yet (`router_notify_connect`).
    arrivals: VecDeque<Frame>,
    /// Whether an arrival is what was received last.
    took_arrival: bool,
}

/// What a peer is called.
struct Name {
    frame: Frame,
    /// Whether it is there; one that we connect to has its name before.
    up: bool,
}

impl Default for RouterPattern {
    fn default() -> Self {
        RouterPattern {
            incoming: FairQueue::reporting(),
            outlets: FanOut::default(),
            routes: HashMap::default(),
            names: Vec::new(),
            arrivals: VecDeque::new(),
            took_arrival: false,
        }
    }
}

impl RouterPattern {
    /// The routing ids of all peers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &[u8]> {
        self.routes.keys().map(Vec::as_slice)
    }

    fn admit(&mut self, outlet: Outlet, peer: Option<Arc<Peer>>, base: &SocketBase) {
        // One that is only promised has neither version nor type.
        let up = peer.as_ref().is_some_and(|peer| peer.zmtp.is_some() || peer.socket_type.is_some());
        let user_id = peer.as_ref().map_or("", |peer| &peer.user_id);
        let name = match &peer {
            Some(peer) if !peer.routing_id.is_empty() => peer.routing_id.to_vec(),
            _ => generated_name(outlet.serial()),
        };
        if let Some(rival) = self.routes.get(&name).copied() {
            // Who has been authenticated does not give way to somebody else.
            let same_user = self.incoming.peer(rival, None).is_none_or(|known| known.user_id == user_id);
            if !base.options().router_handover || !same_user {
                // The newcomer must go (libzmq keeps it, and ignores what it sends).
                return outlet.refuse(DisconnectReason::RoutingIdTaken);
            }
            if let Some(rival) = self.outlets.detach(rival) {
                rival.refuse(DisconnectReason::RoutingIdTaken);
            }
            self.forget(rival);
        }
        let id = outlet.id();
        if self.names.len() <= id {
            self.names.resize_with(id + 1, || None);
        }
        self.names[id] = Some(Name { frame: Frame::from(name.as_slice()), up: false });
        self.routes.insert(name, id);
        self.outlets.attach(outlet);
        if up {
            self.arrive(id, base);
        }
    }

    /// The peer is there. Those behind a connection are shown by it, in order with what they send.
    fn arrive(&mut self, id: PipeId, base: &SocketBase) {
        let direct = self.outlets.get_mut(id).is_some_and(|outlet| outlet.is_direct());
        let Some(name) = self.names.get_mut(id).and_then(Option::as_mut) else { return };
        if !std::mem::replace(&mut name.up, true) && direct && base.options().router_notify_connect {
            self.arrivals.push_back(name.frame.clone());
        }
    }

    fn take_arrival(&mut self) -> Option<Message> {
        let name = self.arrivals.pop_front();
        self.took_arrival = name.is_some();
        name.map(|name| Message::from([name, Frame::new()]))
    }

    /// Removes a peer's route; what it sent before stays to be received.
    fn close(&mut self, id: PipeId) {
        self.outlets.detach(id);
        if let Some(name) = self.names.get(id).and_then(Option::as_ref) {
            if self.routes.get(name.frame.as_bytes()) == Some(&id) {
                self.routes.remove(name.frame.as_bytes());
            }
        }
    }

    /// Removes a peer, with everything it sent.
    fn forget(&mut self, id: PipeId) {
        self.close(id);
        self.incoming.detach(id);
        if let Some(name) = self.names.get_mut(id) {
            *name = None;
        }
    }

    /// Removes the peers that left, after everything they sent was received.
    fn forget_finished(&mut self) {
        while let Some(gone) = self.incoming.take_finished() {
            self.forget(gone);
        }
    }

    fn name(&self, id: PipeId) -> Option<&Name> {
        self.names.get(id).and_then(Option::as_ref)
    }

    /// The peer with this name has no room, or there is none.
    fn refuse(&mut self, to: Frame, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        let route = self.routes.get(to.as_bytes()).copied();
        let mandatory = is_mandatory(base);
        match route {
            Some(id) if mandatory => {
                if let Some(outlet) = self.outlets.get_mut(id) {
                    // `false`: there is room after all, and the caller tries again at once.
                    let _ = outlet.wait_for_room();
                }
                message.push_front(to);
                Ok(false)
            }
            None if mandatory => {
                let routing_id = to.to_vec();
                message.push_front(to);
                Err(Error::Unroutable { routing_id })
            }
            Some(_) => {
                base.count_dropped_full();
                Ok(true)
            }
            None => {
                base.count_unroutable();
                Ok(true)
            }
        }
    }
}

fn check(message: &Message, base: &SocketBase) -> Result<()> {
    let reason = match (base.socket_type(), message.len()) {
        (SocketType::Stream, 2) => return Ok(()),
        (SocketType::Stream, _) => "a STREAM message is the peer's routing id and one frame of bytes",
        (_, 0..2) => "a ROUTER message is the peer's routing id and at least one more frame",
        _ => return Ok(()),
    };
    Err(Error::InvalidMessage { reason })
}

/// Whether a peer that cannot be sent to is an error. Bytes of a stream are never left out.
fn is_mandatory(base: &SocketBase) -> bool {
    base.options().router_mandatory || base.socket_type() == SocketType::Stream
}

/// Whether what remains of a message without its routing id closes a stream.
fn is_farewell(message: &Message, base: &SocketBase) -> bool {
    message.body().is_empty() && base.socket_type() == SocketType::Stream
}

/// What a peer is called that gave no name: a zero byte, which no peer may begin its name with, and a number.
fn generated_name(serial: u32) -> Vec<u8> {
    let mut name = vec![0];
    name.extend_from_slice(&serial.to_be_bytes());
    name
}

impl Pattern for RouterPattern {
    fn handle(&mut self, event: PipeEvent, base: &mut SocketBase) {
        match event {
            PipeEvent::Outlet(outlet, peer) => self.admit(*outlet, peer, base),
            PipeEvent::Closed(id) => self.close(id),
            // Without a name it was not admitted: dropping its inlet ends it.
            PipeEvent::Inlet(inlet, peer) if self.name(inlet.id()).is_some() => {
                self.incoming.attach(*inlet, peer);
            }
            PipeEvent::Readable(id) => self.incoming.activate(id),
            PipeEvent::Up(id, peer) => {
                self.incoming.introduce(id, peer);
                self.arrive(id, base);
            }
            _ => {}
        }
    }

    fn try_send(&mut self, message: &mut Message, base: &mut SocketBase) -> Result<bool> {
        check(message, base)?;
        let Some(to) = message.pop_front() else { return Ok(true) };
        let size = message.size();
        let route = self.routes.get(to.as_bytes()).copied();
        if let Some(id) = route.filter(|_| is_farewell(message, base)) {
            self.forget(id);
            // The end of a pipe is written too.
            base.after_send(0);
            return Ok(true);
        }
        let Some(outlet) = route.and_then(|id| self.outlets.get_mut(id)) else {
            return self.refuse(to, message, base);
        };
        if !outlet.send(message) {
            base.pump();
            if !outlet.send(message) {
                return self.refuse(to, message, base);
            }
        }
        base.after_send(size);
        Ok(true)
    }

    fn try_receive(&mut self, into: &mut Message, _: &mut SocketBase) -> Result<bool> {
        if let Some(arrival) = self.take_arrival() {
            *into = arrival;
            return Ok(true);
        }
        while let Some(peer) = self.incoming.receive(into) {
            self.forget_finished();
            if let Some(name) = self.name(peer) {
                into.push_front(name.frame.clone());
                return Ok(true);
            }
        }
        self.forget_finished();
        Ok(false)
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        !is_mandatory(base) || self.outlets.iter_mut().any(|outlet| outlet.can_send())
    }

    fn can_begin(&mut self, first: &Frame, base: &mut SocketBase) -> Result<bool> {
        if !is_mandatory(base) {
            return Ok(true);
        }
        let route = self.routes.get(first.as_bytes()).copied();
        let Some(outlet) = route.and_then(|id| self.outlets.get_mut(id)) else {
            return Err(Error::Unroutable { routing_id: first.to_vec() });
        };
        Ok(outlet.can_send() || !outlet.wait_for_room())
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        let can = self.incoming.can_receive();
        self.forget_finished();
        can || !self.arrivals.is_empty()
    }

    fn is_at_hand(&mut self) -> bool {
        !self.arrivals.is_empty() || self.incoming.is_at_hand()
    }

    fn last_peer(&self) -> Option<&Arc<Peer>> {
        if self.took_arrival { None } else { self.incoming.last_peer() }
    }
}
