//! Each message to one peer, in turn: PUSH, DEALER, REQ, PAIR.

use crate::partition::Partition;
use zmq_core::{Message, Outlet, PipeId};

/// Sends to the peers in turn, passing over those that are full.
#[derive(Debug, Default)]
pub struct LoadBalance {
    outlets: Partition<Outlet>,
    /// The one whose turn it is. Invariant: less than the number of active ones, or zero.
    current: usize,
}

impl LoadBalance {
    /// Adds a peer, last in turn.
    pub fn attach(&mut self, outlet: Outlet) {
        self.outlets.insert(outlet.id(), outlet);
    }

    /// Removes a peer.
    pub fn detach(&mut self, id: PipeId) -> Option<Outlet> {
        let outlet = self.outlets.remove(id);
        self.wrap();
        outlet
    }

    /// The peer has room again, or is reachable again.
    pub fn activate(&mut self, id: PipeId) {
        self.outlets.activate(id);
    }

    /// The peer is not reachable for now: it is passed over until it is activated.
    pub fn suspend(&mut self, id: PipeId) {
        if let Some(position) = self.outlets.position(id) {
            self.outlets.deactivate(position);
            self.wrap();
        }
    }

    /// Takes a message out of its place and sends it to the next peer that has room; tells which that was. `None`: none
    /// has; the message stays, and each full one will report when it has room.
    #[inline]
    pub fn send(&mut self, message: &mut Message) -> Option<PipeId> {
        while let Some((id, outlet)) = self.outlets.active_mut(self.current) {
            if outlet.send(message) {
                let id = *id;
                self.current += 1;
                self.wrap();
                return Some(id);
            }
            self.set_aside();
        }
        None
    }

    /// Whether a peer has room.
    pub fn can_send(&mut self) -> bool {
        while let Some((_, outlet)) = self.outlets.active_mut(self.current) {
            if outlet.can_send() {
                return true;
            }
            self.set_aside();
        }
        false
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.outlets.len()
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The current one is full, or gone.
    fn set_aside(&mut self) {
        let Some((id, outlet)) = self.outlets.active_mut(self.current) else { return };
        let id = *id;
        if outlet.wait_for_room() {
            self.outlets.deactivate(self.current);
        } else if outlet.is_closed() {
            self.outlets.remove(id);
        }
        self.wrap();
    }

    #[inline]
    fn wrap(&mut self) {
        if self.current >= self.outlets.active() {
            self.current = 0;
        }
    }
}
