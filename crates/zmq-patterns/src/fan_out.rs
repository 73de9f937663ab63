//! A copy of each message to each of many peers: PUB, XPUB, XSUB.

use zmq_core::{Backoff, Bundle, Message, Outlet, PipeId};

/// The peers, by their pipe.
#[derive(Debug, Default)]
pub struct FanOut {
    /// Indexed by pipe id, which is small and dense.
    outlets: Vec<Option<Outlet>>,
    count: usize,
    bundling: Bundling,
}

/// The bundle that was sent last, as long as more can be added.
#[derive(Debug, Default)]
struct Bundling {
    bundle: Option<Bundle>,
    /// Who has it.
    peers: Vec<PipeId>,
    /// How many more messages each of them has room for.
    room: usize,
    /// How many were added.
    added: usize,
    /// How large the last one was in the end.
    size: usize,
    /// How many messages are sent without, after nothing was added to a bundle.
    backoff: Backoff<4>,
}

impl FanOut {
    /// For so many messages there should be room in a bundle's pipes.
    const ROOM: usize = 256;

    /// Adds a peer.
    pub fn attach(&mut self, outlet: Outlet) {
        self.unbundle();
        let id = outlet.id();
        if self.outlets.len() <= id {
            self.outlets.resize_with(id + 1, || None);
        }
        self.count += usize::from(self.outlets[id].replace(outlet).is_none());
    }

    /// Removes a peer.
    pub fn detach(&mut self, id: PipeId) -> Option<Outlet> {
        self.unbundle();
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
        self.unbundle();
        for outlet in self.outlets.iter_mut().flatten() {
            outlet.send_unbounded(message.clone());
        }
        self.count
    }

    /// Adds a message to the bundle that was sent last. `false`: that went to others than `peers`, or one of them has looked
    /// at it or has no room, or there is none.
    #[inline]
    pub fn add_to_bundle(&mut self, peers: &[PipeId], message: &Message) -> bool {
        let Bundling { bundle: Some(bundle), peers: had, room, added, .. } = &mut self.bundling else {
            return false;
        };
        if *room == 0 || had != peers || !bundle.add(message) {
            return false;
        }
        *room -= 1;
        *added += 1;
        true
    }

    /// Sends a message to `peers` as a bundle, to which others can be added. `false`: one of them has no room or takes no
    /// bundles, or nothing was added to the last ones.
    pub fn send_bundle(&mut self, peers: &[PipeId], message: &Message) -> bool {
        self.unbundle();
        if !self.bundling.backoff.is_due() {
            return false;
        }
        let mut room = usize::MAX;
        for peer in peers {
            let Some(outlet) = self.get_mut(*peer) else { return false };
            room = room.min(outlet.room_for_bundle(Self::ROOM));
            if room == 0 {
                return false;
            }
        }
        let bundle = Bundle::new(message, self.bundling.size);
        let mut open = true;
        for peer in peers {
            if let Some(outlet) = self.get_mut(*peer) {
                open &= outlet.send_bundle(&bundle) && !outlet.is_closed();
            }
        }
        // Who is gone gets nothing more: it would not be counted.
        if open {
            let bundling = &mut self.bundling;
            bundling.bundle = Some(bundle);
            (bundling.room, bundling.added) = (room - 1, 0);
            bundling.peers.clear();
            bundling.peers.extend_from_slice(peers);
        }
        true
    }

    /// Nothing is added to the bundle that was sent last. To be called before anything else is sent to one who has it.
    #[inline]
    pub fn unbundle(&mut self) {
        if self.bundling.bundle.is_some() {
            self.settle_bundle();
        }
    }

    #[cold]
    fn settle_bundle(&mut self) {
        let Some(bundle) = self.bundling.bundle.take() else { return };
        let Bundling { peers, added, size, backoff, .. } = &mut self.bundling;
        *size = bundle.extent().1;
        backoff.observe(*added > 0);
        if *added > 0 {
            for peer in peers {
                if let Some(outlet) = self.outlets.get_mut(*peer).and_then(Option::as_mut) {
                    outlet.settle_bundle(*added);
                }
            }
        }
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
