//! What an XPUB has to show to its application: subscriptions, cancellations, and what else subscribers sent.

use std::collections::VecDeque;
use zmq_core::{Inlet, Message, PipeId};

/// A peer for good: the id of its pipe is used again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerKey {
    pub(crate) id: PipeId,
    pub(crate) serial: u32,
}

impl From<&Inlet> for PeerKey {
    fn from(inlet: &Inlet) -> PeerKey {
        PeerKey { id: inlet.id(), serial: inlet.serial() }
    }
}

/// The queue, and how much of it is whose.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Without a peer: what follows from its leaving.
    queue: VecDeque<(Option<PeerKey>, Message)>,
    /// By pipe id.
    waiting: Vec<Waiting>,
}

/// What waits of the peer that has the pipe now.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    serial: u32,
    count: usize,
    bytes: usize,
}

impl Shown {
    /// Adds what a peer sent. Returns how many messages, and how many bytes, now wait of this peer.
    pub(crate) fn push(&mut self, peer: PeerKey, message: Message) -> (usize, usize) {
        if self.waiting.len() <= peer.id {
            self.waiting.resize(peer.id + 1, Waiting::default());
        }
        let waiting = &mut self.waiting[peer.id];
        if waiting.serial != peer.serial {
            *waiting = Waiting { serial: peer.serial, ..Waiting::default() };
        }
        waiting.count += 1;
        waiting.bytes += message.size();
        self.queue.push_back((Some(peer), message));
        (waiting.count, waiting.bytes)
    }

    /// Adds what follows from the leaving of a peer.
    pub(crate) fn push_farewell(&mut self, message: Message) {
        self.queue.push_back((None, message));
    }

    /// The next message, and from whom it is.
    pub(crate) fn pop(&mut self) -> Option<(Option<PeerKey>, Message)> {
        let (peer, message) = self.queue.pop_front()?;
        if let Some(peer) = peer {
            let waiting = &mut self.waiting[peer.id];
            if waiting.serial == peer.serial {
                waiting.count -= 1;
                waiting.bytes -= message.size();
            }
        }
        Some((peer, message))
    }

    /// Forgets what a peer sent.
    pub(crate) fn discard(&mut self, peer: PeerKey) {
        self.queue.retain(|(from, _)| *from != Some(peer));
        self.queue.shrink_to(2 * self.queue.len());
        if let Some(waiting) = self.waiting.get_mut(peer.id) {
            *waiting = Waiting::default();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_is_counted_by_itself_and_for_its_own_time() {
        let (one, other) = (PeerKey { id: 0, serial: 7 }, PeerKey { id: 1, serial: 8 });
        let mut shown = Shown::default();
        assert_eq!(shown.push(one, "abc".into()), (1, 3));
        assert_eq!(shown.push(other, "a".into()), (1, 1));
        assert_eq!(shown.push(one, "de".into()), (2, 5));
        assert_eq!(shown.pop(), Some((Some(one), "abc".into())));
        assert_eq!(shown.push(one, "".into()), (2, 2));
        // Its pipe has another peer now, which does not pay for what the first one left.
        let next = PeerKey { id: 0, serial: 9 };
        assert_eq!(shown.push(next, "x".into()), (1, 1));
        shown.push_farewell("gone".into());
        let rest: Vec<_> = std::iter::from_fn(|| shown.pop()).map(|(peer, _)| peer).collect();
        assert_eq!(rest, [Some(other), Some(one), Some(one), Some(next), None]);
        assert_eq!(shown.push(next, "y".into()), (1, 1));
        assert!(!shown.is_empty());
    }

    #[test]
    fn a_peer_is_discarded_without_the_others() {
        let (one, other) = (PeerKey { id: 0, serial: 7 }, PeerKey { id: 1, serial: 8 });
        let mut shown = Shown::default();
        for _ in 0..3 {
            shown.push(one, "one".into());
            shown.push(other, "other".into());
        }
        shown.discard(one);
        assert_eq!(shown.push(one, "again".into()), (1, 5));
        let rest: Vec<_> = std::iter::from_fn(|| shown.pop()).map(|(peer, _)| peer).collect();
        assert_eq!(rest, [Some(other), Some(other), Some(other), Some(one)]);
    }
}
