//! Which peers want which messages: the routing strategy of PUB and XPUB.

use foldhash::HashSet;
use slab::Slab;
use zmq_core::prefix_tree::{KeyId, PrefixTree, Recent};

/// The subscriptions of all peers of a publisher.
///
/// Peers are small numbers given out densely, such as the keys of a slab; a number may be used again after
/// [`remove_peer`](Self::remove_peer). A peer holds a topic or does not: subscribers count for themselves and
/// send one cancel at the end, so subscribing twice is the same as once.
///
/// A topic that one peer holds costs no allocation of its own here, and publishing never allocates.
#[derive(Debug, Default)]
pub struct PrefixFilter {
    /// Who holds each topic.
    topics: PrefixTree<Holders>,
    /// Which topics the peers of the last look-up match, too.
    recent: Recent,
    /// The holders of topics that more than one peer holds: two at least, in ascending order.
    crowds: Slab<Vec<u32>>,
    /// By number. `None` where there is no such peer. Elsewhere a number is a `u32`, which loses nothing: more
    /// peers than that would take hundreds of GiB here.
    peers: Vec<Option<Peer>>,
    /// How many of `peers` are there.
    peer_count: usize,
    marks: Marks,
}

#[derive(Debug, Clone, Copy)]
enum Holders {
    One(u32),
    /// A key of `crowds`.
    Crowd(u32),
}

/// What a peer holds. Invariant: `held` names the topics that list the peer among their holders, and `bytes`
/// is their length added up.
#[derive(Debug, Default)]
struct Peer {
    held: HashSet<KeyId>,
    bytes: usize,
}

/// What a subscription changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// The peer is the first to hold the topic.
    First,
    /// The peer did not hold the topic, but others did.
    Joined,
    /// The peer held the topic already; nothing changed.
    Already,
}

/// What a cancel changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The peer did not hold the topic; nothing changed.
    Unknown,
    /// Other peers hold the topic still.
    StillHeld,
    /// Nobody holds the topic any more.
    Last,
}

impl PrefixFilter {
    /// A filter without peers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a peer known that holds nothing yet, for the sake of
    /// [`for_each_unmatched`](Self::for_each_unmatched). Others become known when they subscribe.
    pub fn add_peer(&mut self, peer: usize) {
        self.peer_mut(peer);
    }

    /// Adds `topic` to what `peer` holds.
    pub fn subscribe(&mut self, topic: &[u8], peer: usize) -> Subscribed {
        let Some(key) = self.topics.find(topic) else {
            let (key, _) = self.topics.insert(topic, Holders::One(peer as u32));
            self.peer_mut(peer).take_hold(key, topic);
            return Subscribed::First;
        };
        if !self.peer_mut(peer).take_hold(key, topic) {
            return Subscribed::Already;
        }
        self.join(key, peer as u32);
        Subscribed::Joined
    }

    /// Takes `topic` from what `peer` holds.
    pub fn cancel(&mut self, topic: &[u8], peer: usize) -> Cancelled {
        self.recent.forget();
        let Some(key) = self.topics.find(topic) else { return Cancelled::Unknown };
        let Some(Some(holder)) = self.peers.get_mut(peer) else { return Cancelled::Unknown };
        if !holder.let_go(key, topic) {
            return Cancelled::Unknown;
        }
        if self.leave(key, peer as u32) { Cancelled::Last } else { Cancelled::StillHeld }
    }

    /// Forgets `peer`. Calls `gone` with each topic that it held and whether nobody holds that one any more,
    /// in an order that depends on nothing but the calls before.
    ///
    /// Takes time for what the peer held, not for what others hold.
    pub fn remove_peer(&mut self, peer: usize, mut gone: impl FnMut(&[u8], bool)) {
        self.recent.forget();
        let Some(removed) = self.peers.get_mut(peer).and_then(Option::take) else { return };
        self.peer_count -= 1;
        let mut keys = Vec::from_iter(removed.held);
        keys.sort_unstable();
        let mut topic = Vec::new();
        for key in keys {
            self.topics.read_key(key, &mut topic);
            let last = self.leave(key, peer as u32);
            gone(&topic, last);
        }
    }

    /// Whether [`for_each_match`](Self::for_each_match) would visit the same peers as when it was called last.
    #[inline]
    pub fn matches_as_before(&mut self, topic: &[u8]) -> bool {
        self.recent.covers(topic)
    }

    /// Calls `visit` once with each peer that holds a prefix of `topic`.
    #[inline]
    pub fn for_each_match(&mut self, topic: &[u8], mut visit: impl FnMut(usize)) {
        self.recent.note(&self.topics, topic);
        let mut matches = self.topics.prefixes_of(topic).map(|holders| holders.peers(&self.crowds));
        let Some(first) = matches.next() else { return };
        let everybody = first.len() == self.peer_count;
        // Most often one topic matches or everybody is in; then nobody can come twice, and no marks are
        // needed.
        let Some(second) = (if everybody { None } else { matches.next() }) else {
            return first.iter().for_each(|peer| visit(*peer as usize));
        };
        self.marks.clear();
        for peer in [first, second].into_iter().chain(matches).flatten() {
            if self.marks.mark(*peer) {
                visit(*peer as usize);
            }
        }
    }

    /// Calls `visit` once with each known peer that holds no prefix of `topic`.
    pub fn for_each_unmatched(&mut self, topic: &[u8], mut visit: impl FnMut(usize)) {
        self.marks.clear();
        for holders in self.topics.prefixes_of(topic) {
            for peer in holders.peers(&self.crowds) {
                self.marks.mark(*peer);
            }
        }
        for (peer, known) in self.peers.iter().enumerate() {
            if known.is_some() && self.marks.mark(peer as u32) {
                visit(peer);
            }
        }
    }

    /// How many topics `peer` holds, and how many bytes they have together: what a budget is compared with.
    pub fn held_by(&self, peer: usize) -> (usize, usize) {
        match self.peers.get(peer) {
            Some(Some(peer)) => (peer.held.len(), peer.bytes),
            _ => (0, 0),
        }
    }

    /// How many different topics are held.
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether no peer holds anything, so that no message is wanted.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// The peer, which is there from here on; its topics are going to change.
    fn peer_mut(&mut self, peer: usize) -> &mut Peer {
        self.recent.forget();
        if self.peers.len() <= peer {
            self.peers.resize_with(peer + 1, || None);
            self.marks.reserve(peer + 1);
        }
        let slot = &mut self.peers[peer];
        self.peer_count += usize::from(slot.is_none());
        slot.get_or_insert_default()
    }

    /// Adds `peer` to the holders of a topic, among which it is not.
    fn join(&mut self, key: KeyId, peer: u32) {
        let Some(holders) = self.topics.value_mut(key) else { return };
        match *holders {
            Holders::One(other) => {
                let crowd = vec![peer.min(other), peer.max(other)];
                *holders = Holders::Crowd(self.crowds.insert(crowd) as u32);
            }
            Holders::Crowd(place) => {
                let crowd = &mut self.crowds[place as usize];
                let at = crowd.partition_point(|other| *other < peer);
                crowd.insert(at, peer);
            }
        }
    }

    /// Takes `peer` from the holders of a topic, among which it is. Returns whether it was the last, and then
    /// removes the topic.
    fn leave(&mut self, key: KeyId, peer: u32) -> bool {
        let Some(holders) = self.topics.value_mut(key) else { return false };
        let Holders::Crowd(place) = *holders else {
            self.topics.remove_id(key);
            return true;
        };
        let crowd = &mut self.crowds[place as usize];
        if let Ok(at) = crowd.binary_search(&peer) {
            crowd.remove(at);
        }
        if let [other] = crowd[..] {
            *holders = Holders::One(other);
            self.crowds.remove(place as usize);
        } else if crowd.len() < crowd.capacity() / 4 {
            crowd.shrink_to(crowd.len() * 2);
        }
        false
    }
}

impl Holders {
    #[inline]
    fn peers<'a>(&'a self, crowds: &'a Slab<Vec<u32>>) -> &'a [u32] {
        match self {
            Self::One(peer) => std::slice::from_ref(peer),
            Self::Crowd(place) => &crowds[*place as usize],
        }
    }
}

impl Peer {
    /// Returns whether the peer did not hold the topic before.
    fn take_hold(&mut self, key: KeyId, topic: &[u8]) -> bool {
        let new = self.held.insert(key);
        if new {
            self.bytes += topic.len();
        }
        new
    }

    /// Returns whether the peer held the topic.
    fn let_go(&mut self, key: KeyId, topic: &[u8]) -> bool {
        let held = self.held.remove(&key);
        if held {
            self.bytes -= topic.len();
            if self.held.len() < self.held.capacity() / 8 {
                self.held.shrink_to(self.held.len() * 2);
            }
        }
        held
    }
}

/// Remembers which peers were seen since it was last cleared, which takes no time.
#[derive(Debug, Default)]
struct Marks {
    /// Never 0 once cleared, and a `u64` never comes round.
    epoch: u64,
    /// By peer: in which epoch it was seen last.
    seen: Vec<u64>,
}

impl Marks {
    fn reserve(&mut self, peers: usize) {
        self.seen.resize(peers, 0);
    }

    fn clear(&mut self) {
        self.epoch += 1;
    }

    /// Returns whether `peer` had no mark.
    #[inline]
    fn mark(&mut self, peer: u32) -> bool {
        let seen = &mut self.seen[peer as usize];
        std::mem::replace(seen, self.epoch) != self.epoch
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const PEERS: usize = 5;

    #[derive(Debug, Clone)]
    enum Step {
        Subscribe(Vec<u8>, usize),
        Cancel(Vec<u8>, usize),
        Remove(usize),
        Add(usize),
    }

    fn topic() -> impl Strategy<Value = Vec<u8>> {
        let symbol = prop_oneof![6 => Just(vec![b'a']), 6 => Just(vec![b'b']), 1 => Just(vec![b'a'; 200])];
        vec(symbol, 0..4).prop_map(|symbols| symbols.concat())
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (topic(), 0..PEERS).prop_map(|(topic, peer)| Step::Subscribe(topic, peer)),
            6 => (topic(), 0..PEERS).prop_map(|(topic, peer)| Step::Cancel(topic, peer)),
            1 => (0..PEERS).prop_map(Step::Remove),
            1 => (0..PEERS).prop_map(Step::Add),
        ]
    }

    /// The same by lists.
    #[derive(Debug, Default)]
    struct Naive {
        known: BTreeSet<usize>,
        held: BTreeSet<(usize, Vec<u8>)>,
    }

    impl Naive {
        fn holders(&self, topic: &[u8]) -> usize {
            self.held.iter().filter(|(_, held)| held == topic).count()
        }

        fn subscribe(&mut self, topic: Vec<u8>, peer: usize) -> Subscribed {
            self.known.insert(peer);
            let others = self.holders(&topic);
            match self.held.insert((peer, topic)) {
                false => Subscribed::Already,
                true if others == 0 => Subscribed::First,
                true => Subscribed::Joined,
            }
        }

        fn cancel(&mut self, topic: Vec<u8>, peer: usize) -> Cancelled {
            let others = self.holders(&topic);
            match self.held.remove(&(peer, topic)) {
                false => Cancelled::Unknown,
                true if others == 1 => Cancelled::Last,
                true => Cancelled::StillHeld,
            }
        }

        fn remove_peer(&mut self, peer: usize) -> BTreeSet<(Vec<u8>, bool)> {
            self.known.remove(&peer);
            let mut gone = BTreeSet::new();
            for (_, topic) in self.held.iter().filter(|(holder, _)| *holder == peer) {
                gone.insert((topic.clone(), self.holders(topic) == 1));
            }
            self.held.retain(|(holder, _)| *holder != peer);
            gone
        }

        fn matches(&self, topic: &[u8]) -> Vec<usize> {
            let holders = self.held.iter().filter(|(_, held)| topic.starts_with(held)).map(|(peer, _)| *peer);
            Vec::from_iter(BTreeSet::from_iter(holders))
        }

        fn unmatched(&self, topic: &[u8]) -> Vec<usize> {
            let matches = self.matches(topic);
            self.known.iter().copied().filter(|peer| !matches.contains(peer)).collect()
        }

        fn held_by(&self, peer: usize) -> (usize, usize) {
            let lengths: Vec<_> = self
                .held
                .iter()
                .filter(|(holder, _)| *holder == peer)
                .map(|(_, topic)| topic.len())
                .collect();
            (lengths.len(), lengths.iter().sum())
        }
    }

    fn matches(filter: &mut PrefixFilter, topic: &[u8]) -> Vec<usize> {
        let mut peers = Vec::new();
        filter.for_each_match(topic, |peer| peers.push(peer));
        peers.sort_unstable();
        peers
    }

    fn unmatched(filter: &mut PrefixFilter, topic: &[u8]) -> Vec<usize> {
        let mut peers = Vec::new();
        filter.for_each_unmatched(topic, |peer| peers.push(peer));
        peers
    }

    fn apply(step: Step, filter: &mut PrefixFilter, naive: &mut Naive) {
        match step {
            Step::Subscribe(topic, peer) => {
                assert_eq!(filter.subscribe(&topic, peer), naive.subscribe(topic, peer));
            }
            Step::Cancel(topic, peer) => assert_eq!(filter.cancel(&topic, peer), naive.cancel(topic, peer)),
            Step::Remove(peer) => {
                let mut gone = BTreeSet::new();
                filter.remove_peer(peer, |topic, last| assert!(gone.insert((topic.to_vec(), last))));
                assert_eq!(gone, naive.remove_peer(peer));
            }
            Step::Add(peer) => {
                filter.add_peer(peer);
                naive.known.insert(peer);
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_lists(steps in vec((step(), topic()), 0..120)) {
            let (mut filter, mut naive) = (PrefixFilter::new(), Naive::default());
            let mut last = Vec::new();
            for (step, message) in steps {
                apply(step, &mut filter, &mut naive);
                for text in [&message[..], &[&message[..], &[b'c'; 16]].concat()] {
                    if filter.matches_as_before(text) {
                        prop_assert_eq!(&last, &naive.matches(text));
                    }
                    last = matches(&mut filter, text);
                    prop_assert_eq!(&last, &naive.matches(text));
                }
                prop_assert_eq!(unmatched(&mut filter, &message), naive.unmatched(&message));
                for peer in 0..PEERS {
                    prop_assert_eq!(filter.held_by(peer), naive.held_by(peer));
                }
                prop_assert_eq!(filter.peer_count, naive.known.len());
            }
            for peer in 0..PEERS {
                apply(Step::Remove(peer), &mut filter, &mut naive);
            }
            prop_assert!(filter.is_empty() && filter.crowds.is_empty());
        }
    }

    #[test]
    fn a_topic_of_a_mebibyte_needs_no_stack() {
        let run = || {
            let topic = vec![b'x'; 1 << 20];
            let mut filter = PrefixFilter::new();
            assert_eq!(filter.subscribe(&topic, 0), Subscribed::First);
            assert_eq!(filter.subscribe(&topic[..1 << 19], 1), Subscribed::First);
            assert_eq!(matches(&mut filter, &topic), [0, 1]);
            assert_eq!(matches(&mut filter, &topic[1..]), [1]);
            assert_eq!(filter.cancel(&topic, 0), Cancelled::Last);
            assert_eq!(filter.subscribe(&topic, 1), Subscribed::First);
            let mut lengths = Vec::new();
            filter.remove_peer(1, |topic, last| lengths.push((topic.len(), last)));
            lengths.sort_unstable();
            assert_eq!(lengths, [(1 << 19, true), (1 << 20, true)]);
            filter.subscribe(&topic, 0);
        };
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(run);
        assert!(thread.is_ok_and(|thread| thread.join().is_ok()));
    }

    #[test]
    fn a_peer_may_hold_a_million_topics() {
        let mut filter = PrefixFilter::new();
        for number in 0..1_000_000 {
            filter.subscribe(format!("{number:010}").as_bytes(), 7);
        }
        filter.subscribe(b"0000000001", 3);
        assert_eq!(filter.held_by(7), (1_000_000, 10_000_000));
        assert_eq!(matches(&mut filter, b"0000000001..."), [3, 7]);
        assert_eq!(matches(&mut filter, b"0000999999..."), [7]);
        let mut gone = 0;
        filter.remove_peer(7, |topic, last| {
            assert_eq!(last, topic != b"0000000001");
            gone += 1;
        });
        assert_eq!((gone, filter.len()), (1_000_000, 1));
        assert_eq!(filter.held_by(7), (0, 0));
        assert_eq!(matches(&mut filter, b"0000000001"), [3]);
    }

    #[test]
    fn a_number_used_again_inherits_nothing() {
        let mut filter = PrefixFilter::new();
        filter.subscribe(b"a", 0);
        filter.subscribe(b"ab", 0);
        filter.subscribe(b"a", 1);
        filter.remove_peer(0, |_, _| {});
        filter.add_peer(0);
        assert_eq!(matches(&mut filter, b"abc"), [1]);
        assert_eq!(unmatched(&mut filter, b"abc"), [0]);
        assert_eq!(filter.cancel(b"a", 0), Cancelled::Unknown);
    }

    #[test]
    fn strangers_change_nothing() {
        let mut filter = PrefixFilter::new();
        filter.subscribe(b"a", 0);
        assert_eq!(filter.cancel(b"a", 9), Cancelled::Unknown);
        assert_eq!(filter.held_by(9), (0, 0));
        filter.remove_peer(9, |_, _| panic!("holds nothing"));
        assert_eq!(unmatched(&mut filter, b"b"), [0]);
    }

    #[test]
    fn a_crowd_on_one_topic_comes_and_goes() {
        let mut filter = PrefixFilter::new();
        for peer in (0..1000).rev() {
            filter.subscribe(b"", peer);
            filter.subscribe(b"a", peer);
        }
        assert_eq!(matches(&mut filter, b"abc"), Vec::from_iter(0..1000));
        for peer in 0..999 {
            filter.remove_peer(peer, |_, last| assert!(!last));
        }
        assert_eq!(matches(&mut filter, b"abc"), [999]);
        assert!(filter.crowds.is_empty());
    }
}
