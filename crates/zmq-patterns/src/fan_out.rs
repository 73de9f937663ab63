//! A copy of each message to each of many peers: PUB, XPUB, XSUB.

use zmq_core::{Message, Outlet, PipeId};

/// The peers, by their pipe.
#[derive(Debug, Default)]
pub struct FanOut {
    /// Indexed by pipe id, which is small and dense.
    outlets: Vec<Option<Outlet>>,
    count: usize,
}

impl FanOut {
    /// Adds a peer.
    pub fn attach(&mut self, outlet: Outlet) {
        let id = outlet.id();
        if self.outlets.len() <= id {
            self.outlets.resize_with(id + 1, || None);
        }
        self.count += usize::from(self.outlets[id].replace(outlet).is_none());
    }

    /// Removes a peer.
    pub fn detach(&mut self, id: PipeId) -> Option<Outlet> {
        let outlet = self.outlets.get_mut(id)?.take();
        self.count -= usize::from(outlet.is_some());
        outlet
    }

    /// The peer.
    #[inline]
    pub fn get_mut(&mut self, id: PipeId) -> Option<&mut Outlet> {
        self.outlets.get_mut(id)?.as_mut()
    }

    /// Sends a copy to everybody, whatever the high-water marks say; subscriptions go this way. Returns how many.
    pub fn send_to_all(&mut self, message: &Message) -> usize {
        for outlet in self.outlets.iter_mut().flatten() {
            outlet.send_unbounded(message.clone());
        }
        self.count
    }

    /// All peers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outlet> {
        self.outlets.iter_mut().flatten()
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
