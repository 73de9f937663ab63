//! What a subscriber asked for: topics, each as often as it was subscribed to.

use crate::message::Message;
use std::num::NonZeroU64;

use crate::prefix_tree::{PrefixTree, Recent};

/// How many changes of subscriptions by one peer wait, at least, until the publisher looks, whatever its
/// [`recv_hwm`](crate::Options::recv_hwm).
pub const ROOM: usize = 1000;

/// The subscriptions of a SUB or XSUB socket.
///
/// They are additive: what was subscribed to n times must be cancelled n times (RFC 29). Publishers hear of
/// every subscription, but of the last cancel only: [`remove`](Self::remove) tells when it is.
///
/// ```
/// use zmq_core::subscriptions::{Removal, Subscriptions};
///
/// let mut subscriptions = Subscriptions::new();
/// assert!(subscriptions.add(b"weather"));
/// assert!(!subscriptions.add(b"weather"));
/// assert!(subscriptions.matches(b"weather.london"));
/// assert_eq!(subscriptions.remove(b"weather"), Removal::StillHeld);
/// assert_eq!(subscriptions.remove(b"weather"), Removal::Last);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Subscriptions {
    /// How often each topic is subscribed to.
    counts: PrefixTree<NonZeroU64>,
    /// The lengths of all topics added up.
    bytes: usize,
}

/// What became of a cancelled subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The topic was not subscribed to; nothing happened.
    Unknown,
    /// The topic was subscribed to more than once and still is.
    StillHeld,
    /// The topic is not subscribed to any more.
    Last,
}

impl Subscriptions {
    /// No subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Subscribes to every message that starts with `topic`. Returns whether that is new.
    pub fn add(&mut self, topic: &[u8]) -> bool {
        if let Some(count) = self.counts.get_mut(topic) {
            *count = count.saturating_add(1);
            return false;
        }
        self.counts.insert(topic, NonZeroU64::MIN);
        self.bytes += topic.len();
        true
    }

    /// Cancels one subscription to `topic`.
    pub fn remove(&mut self, topic: &[u8]) -> Removal {
        let Some(count) = self.counts.get_mut(topic) else { return Removal::Unknown };
        if let Some(fewer) = NonZeroU64::new(count.get() - 1) {
            *count = fewer;
            return Removal::StillHeld;
        }
        self.counts.remove(topic);
        self.bytes -= topic.len();
        Removal::Last
    }

    /// Whether a message whose first frame is `topic` is wanted.
    #[inline]
    pub fn matches(&self, topic: &[u8]) -> bool {
        self.counts.prefixes_of(topic).next().is_some()
    }

    /// Notes of which other messages [`matches`](Self::matches) would say what it says of one that begins with `topic`.
    #[inline]
    pub fn note(&self, topic: &[u8], recent: &mut Recent) {
        recent.note(&self.counts, topic);
    }

    /// Every topic once, in no particular order: what a new publisher must be told.
    pub fn topics(&self) -> impl Iterator<Item = Vec<u8>> {
        self.counts.keys()
    }

    /// How many different topics are subscribed to.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether nothing is subscribed to, so that no message is wanted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many bytes all different topics have together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A subscription to `topic`, or its cancellation, in the form in which pipes carry it.
pub fn subscription(subscribe: bool, topic: &[u8]) -> Message {
    let mut body = Vec::with_capacity(topic.len() + 1);
    body.push(u8::from(subscribe));
    body.extend_from_slice(topic);
    Message::from(body)
}

/// What [`subscription`] made: whether it subscribes, and the topic.
pub fn as_subscription(message: &Message) -> Option<(bool, &[u8])> {
    match message.frames() {
        [frame] => match frame.split_first()? {
            (1, topic) => Some((true, topic)),
            (0, topic) => Some((false, topic)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn topic() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(b'a'), Just(b'b')], 0..5)
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(steps in vec((any::<bool>(), topic(), topic()), 0..100)) {
            let mut subscriptions = Subscriptions::new();
            let mut list: Vec<Vec<u8>> = Vec::new();
            for (add, topic, message) in steps {
                let count = list.iter().filter(|held| **held == topic).count();
                if add {
                    prop_assert_eq!(subscriptions.add(&topic), count == 0);
                    list.push(topic);
                } else {
                    let expected = [Removal::Unknown, Removal::Last, Removal::StillHeld][count.min(2)];
                    prop_assert_eq!(subscriptions.remove(&topic), expected);
                    list.iter().position(|held| *held == topic).map(|place| list.swap_remove(place));
                }
                prop_assert_eq!(
                    subscriptions.matches(&message),
                    list.iter().any(|held| message.starts_with(held))
                );
                let mut topics: Vec<_> = subscriptions.topics().collect();
                topics.sort();
                let mut distinct = list.clone();
                distinct.sort();
                distinct.dedup();
                prop_assert_eq!(subscriptions.bytes(), distinct.concat().len());
                prop_assert_eq!(subscriptions.len(), distinct.len());
                prop_assert_eq!(topics, distinct);
            }
        }
    }

    #[test]
    fn the_empty_topic_matches_everything() {
        let mut subscriptions = Subscriptions::new();
        assert!(!subscriptions.matches(b""));
        assert!(subscriptions.add(b""));
        assert!(subscriptions.matches(b""));
        assert!(subscriptions.matches(b"anything"));
        assert_eq!(subscriptions.remove(b""), Removal::Last);
        assert!(subscriptions.is_empty());
    }

    #[test]
    fn a_million_topics_come_and_go() {
        let topic = |number: u32| format!("{number:010}").into_bytes();
        let mut subscriptions = Subscriptions::new();
        for number in 0..1_000_000 {
            assert!(subscriptions.add(&topic(number)));
        }
        assert_eq!((subscriptions.len(), subscriptions.bytes()), (1_000_000, 10_000_000));
        assert!(subscriptions.matches(b"0000999999 and more"));
        assert!(!subscriptions.matches(b"0001000000"));
        for number in 0..1_000_000 {
            assert_eq!(subscriptions.remove(&topic(number)), Removal::Last);
        }
        assert!(subscriptions.is_empty());
    }
}
