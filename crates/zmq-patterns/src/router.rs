//! ROUTER: knows its peers by name (RFC 28).

use crate::fair_queue::FairQueue;
use crate::fan_out::FanOut;
use crate::pattern::{Pattern, Refused};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use zmq_core::{
    DisconnectReason, Error, Frame, Message, Outlet, Peer, PipeEvent, PipeId, Result, SocketBase,
};

/// The pattern of ROUTER. The first frame of every message is the routing id of the peer.
pub struct RouterPattern {
    incoming: FairQueue,
    outlets: FanOut,
    /// Seeded: the ids come from the peers.
    routes: HashMap<Vec<u8>, PipeId, RandomState>,
    /// The other way round, by pipe id.
    names: Vec<Option<Frame>>,
}

impl Default for RouterPattern {
    fn default() -> Self {
        RouterPattern {
            incoming: FairQueue::reporting(),
            outlets: FanOut::default(),
            routes: HashMap::default(),
            names: Vec::new(),
        }
    }
}

impl RouterPattern {
    /// The routing ids of all peers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &[u8]> {
        self.routes.keys().map(Vec::as_slice)
    }

    fn admit(&mut self, outlet: Outlet, peer: Option<Peer>, base: &SocketBase) {
        let name = match peer {
            Some(peer) if !peer.routing_id.is_empty() => peer.routing_id.to_vec(),
            _ => generated_name(outlet.serial()),
        };
        if let Some(rival) = self.routes.get(&name).copied() {
            if !base.options().router_handover {
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
            self.names.resize(id + 1, None);
        }
        self.names[id] = Some(Frame::from(name.as_slice()));
        self.routes.insert(name, id);
        self.outlets.attach(outlet);
    }

    /// Removes a peer's route; what it sent before stays to be received.
    fn close(&mut self, id: PipeId) {
        self.outlets.detach(id);
        if let Some(name) = self.names.get(id).and_then(Option::as_ref) {
            if self.routes.get(name.as_bytes()) == Some(&id) {
                self.routes.remove(name.as_bytes());
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

    fn name(&self, id: PipeId) -> Option<&Frame> {
        self.names.get(id).and_then(Option::as_ref)
    }

    /// The peer with this name has no room, or there is none.
    fn refuse(&mut self, to: Frame, mut message: Message, base: &mut SocketBase) -> Result<(), Refused> {
        let route = self.routes.get(to.as_bytes()).copied();
        let mandatory = base.options().router_mandatory;
        match route {
            Some(id) if mandatory => {
                if let Some(outlet) = self.outlets.get_mut(id) {
                    // `false`: there is room after all, and the caller tries again at once.
                    let _ = outlet.wait_for_room();
                }
                message.push_front(to);
                Err(Refused::Full(message))
            }
            None if mandatory => {
                let routing_id = to.to_vec();
                message.push_front(to);
                Err(Refused::failed(Error::Unroutable { routing_id }, message))
            }
            Some(_) => {
                base.count_dropped_full();
                Ok(())
            }
            None => {
                base.count_unroutable();
                Ok(())
            }
        }
    }
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
            PipeEvent::Outlet(outlet, peer) => self.admit(outlet, peer, base),
            PipeEvent::Closed(id) => self.close(id),
            // Without a name it was not admitted: dropping its inlet ends it.
            PipeEvent::Inlet(inlet, _) if self.name(inlet.id()).is_some() => self.incoming.attach(inlet),
            PipeEvent::Readable(id) => self.incoming.activate(id),
            _ => {}
        }
    }

    fn try_send(&mut self, mut message: Message, base: &mut SocketBase) -> Result<(), Refused> {
        const REASON: &str = "a ROUTER message is the peer's routing id and at least one more frame";
        if message.len() < 2 {
            return Err(Refused::failed(Error::InvalidMessage { reason: REASON }, message));
        }
        let Some(to) = message.pop_front() else { return Ok(()) };
        let size = message.size();
        let route = self.routes.get(to.as_bytes()).copied();
        let Some(outlet) = route.and_then(|id| self.outlets.get_mut(id)) else {
            return self.refuse(to, message, base);
        };
        if let Err(message) = outlet.send(message) {
            base.pump();
            if let Err(message) = outlet.send(message) {
                return self.refuse(to, message, base);
            }
        }
        base.after_send(size);
        Ok(())
    }

    fn try_receive(&mut self, _: &mut SocketBase) -> Result<Option<Message>> {
        while let Some((peer, mut message)) = self.incoming.receive() {
            self.forget_finished();
            if let Some(name) = self.name(peer) {
                message.push_front(name.clone());
                return Ok(Some(message));
            }
        }
        self.forget_finished();
        Ok(None)
    }

    fn can_send(&mut self, base: &mut SocketBase) -> bool {
        !base.options().router_mandatory || self.outlets.iter_mut().any(|outlet| outlet.can_send())
    }

    fn can_receive(&mut self, _: &mut SocketBase) -> bool {
        let can = self.incoming.can_receive();
        self.forget_finished();
        can
    }
}
