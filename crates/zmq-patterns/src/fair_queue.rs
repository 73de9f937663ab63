//! One message from each peer in turn: PULL, DEALER, ROUTER, REP, SUB.

use crate::partition::Partition;
use std::sync::Arc;
use zmq_core::{Inlet, Message, Peer, PipeId};

/// Receives from the peers in turn, passing over those that have nothing.
#[derive(Debug, Default)]
pub struct FairQueue {
    inlets: Partition<Inlet>,
    /// The one whose turn it is. Invariant: less than the number of active ones, or zero.
    current: usize,
    /// Who is behind each pipe, by id, and which of all pipes that is; kept until the id has another peer.
    peers: Vec<Option<(u32, Arc<Peer>)>>,
    /// From whom the last message was.
    last: Option<PipeId>,
    /// Peers that left, after everything they sent was received; if somebody asks for them.
    finished: Option<Vec<PipeId>>,
}

impl FairQueue {
    /// One that is asked for the peers that left, with [`take_finished`](FairQueue::take_finished).
    pub fn reporting() -> FairQueue {
        FairQueue { finished: Some(Vec::new()), ..FairQueue::default() }
    }

    /// Adds a peer, last in turn. It may not be known yet who it is.
    pub fn attach(&mut self, inlet: Inlet, peer: Option<Arc<Peer>>) {
        let (id, serial) = (inlet.id(), inlet.serial());
        if self.peers.len() <= id {
            self.peers.resize(id + 1, None);
        }
        self.peers[id] = peer.map(|peer| (serial, peer));
        if self.last == Some(id) {
            self.last = None;
        }
        self.inlets.insert(id, inlet);
    }

    /// It is known now who the peer is.
    pub fn introduce(&mut self, id: PipeId, peer: Arc<Peer>) {
        if let Some(serial) = self.get(id).map(Inlet::serial) {
            self.peers[id] = Some((serial, peer));
        }
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

    /// Puts the next message into `into`, and tells who sent it. `None`: each peer that has nothing will report when it
    /// has.
    #[inline]
    pub fn receive(&mut self, into: &mut Message) -> Option<PipeId> {
        while let Some((id, inlet)) = self.inlets.active_mut(self.current) {
            if inlet.receive(into) {
                let id = *id;
                self.current += 1;
                self.wrap();
                self.last = Some(id);
                return Some(id);
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

    /// Whether a message is there already, from a peer that was not asked to report.
    #[inline]
    pub fn is_at_hand(&mut self) -> bool {
        self.inlets.active_iter_mut().any(|(_, inlet)| inlet.has_message())
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

    /// Who the message was from that was received last. `None`: none was, or its pipe has another peer now.
    #[inline]
    pub fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.peer(self.last?, None)
    }

    /// Who is, or was, behind the pipe `id`: the one with this serial number, or whoever it is.
    #[inline]
    pub fn peer(&self, id: PipeId, serial: Option<u32>) -> Option<&Arc<Peer>> {
        let (known, peer) = self.peers.get(id)?.as_ref()?;
        serial.is_none_or(|serial| serial == *known).then_some(peer)
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
