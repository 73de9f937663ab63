//! One message from each peer in turn: PULL, DEALER, ROUTER, REP, SUB.

use crate::partition::Partition;
use zmq_core::{Inlet, Message, PipeId};

/// Receives from the peers in turn, passing over those that have nothing.
#[derive(Debug, Default)]
pub struct FairQueue {
    inlets: Partition<Inlet>,
    /// The one whose turn it is. Invariant: less than the number of active ones, or zero.
    current: usize,
    /// Peers that left, after everything they sent was received; if somebody asks for them.
    finished: Option<Vec<PipeId>>,
}

impl FairQueue {
    /// One that is asked for the peers that left, with [`take_finished`](FairQueue::take_finished).
    pub fn reporting() -> FairQueue {
        FairQueue { finished: Some(Vec::new()), ..FairQueue::default() }
    }

    /// Adds a peer, last in turn.
    pub fn attach(&mut self, inlet: Inlet) {
        self.inlets.insert(inlet.id(), inlet);
    }

    /// Removes a peer, and what it sent and was not received.
    pub fn detach(&mut self, id: PipeId) -> Option<Inlet> {
        let inlet = self.inlets.remove(id);
        self.wrap();
        inlet
    }

    /// The peer has sent something, or has left.
    pub fn activate(&mut self, id: PipeId) {
        self.inlets.activate(id);
    }

    /// The next message, and who sent it. `None`: each peer that has nothing will report when it has.
    #[inline]
    pub fn receive(&mut self) -> Option<(PipeId, Message)> {
        while let Some((id, inlet)) = self.inlets.active_mut(self.current) {
            if let Some(message) = inlet.receive() {
                let id = *id;
                self.current += 1;
                self.wrap();
                return Some((id, message));
            }
            self.set_aside();
        }
        None
    }

    /// Whether a message is there.
    pub fn can_receive(&mut self) -> bool {
        while let Some((_, inlet)) = self.inlets.active_mut(self.current) {
            if inlet.has_message() {
                return true;
            }
            if inlet.wait_for_message() || inlet.is_finished() {
                self.set_aside();
            }
        }
        false
    }

    /// The next peer that left since this was last asked. To be asked before the news is followed again: the id may
    /// belong to another peer then.
    pub fn take_finished(&mut self) -> Option<PipeId> {
        self.finished.as_mut()?.pop()
    }

    /// Whether the peer is here.
    pub fn contains(&self, id: PipeId) -> bool {
        self.inlets.position(id).is_some()
    }

    /// The peer.
    pub fn get(&self, id: PipeId) -> Option<&Inlet> {
        self.inlets.get(id)
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.inlets.len()
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The current one has nothing, or left.
    #[cold]
    fn set_aside(&mut self) {
        let Some((id, inlet)) = self.inlets.active_mut(self.current) else { return };
        let id = *id;
        if inlet.is_finished() {
            self.inlets.remove(id);
            if let Some(finished) = &mut self.finished {
                finished.push(id);
            }
        } else {
            self.inlets.deactivate(self.current);
        }
        self.wrap();
    }

    #[inline]
    fn wrap(&mut self) {
        if self.current >= self.inlets.active() {
            self.current = 0;
        }
    }
}
