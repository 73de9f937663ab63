//! What was sent and what came, and whether the two fit.

use crate::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};
use zmq_core::{Frame, Message};

/// The name of a sender, and the number of its message.
pub(crate) type Stamp = (u64, u64);

/// Topics of publishers: the first byte of each of their messages.
pub(crate) const TOPICS: &[u8] = b"abc";

/// Makes messages that can be told from all others by looking at them.
#[derive(Clone, Debug)]
pub(crate) struct Mint {
    pub(crate) seed: u64,
    pub(crate) longest: usize,
}

impl Mint {
    /// The message of a stamp: a topic, the stamp and a checksum in the first frame, and up to three more frames.
    pub(crate) fn message(&self, (sender, number): Stamp) -> Message {
        let mut dice =
            Dice::new(self.seed ^ sender.rotate_left(32) ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut head = vec![topic(number)];
        for part in [sender, number, dice.roll()] {
            head.extend(part.to_le_bytes());
        }
        let mut frames = vec![Frame::from(head)];
        for _ in 0..dice.size(0..4) {
            let limit = if dice.chance(10) { self.longest } else { 200.min(self.longest) };
            let length = dice.size(0..limit + 1);
            let first = dice.roll() as u8;
            frames.push(Frame::from((0..length).map(|at| first.wrapping_add(at as u8)).collect::<Vec<_>>()));
        }
        Message::from(frames)
    }

    /// Whose message it is; `None`: it is not a whole message of anybody.
    pub(crate) fn stamp(&self, message: &Message) -> Option<Stamp> {
        let head = message.get(0)?.as_bytes();
        let number = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let stamp = (number(1)?, number(9)?);
        (self.message(stamp) == *message).then_some(stamp)
    }
}

/// The topic of a publisher's message.
pub(crate) fn topic(number: u64) -> u8 {
    TOPICS[(number % TOPICS.len() as u64) as usize]
}

/// What arrived.
#[derive(Default)]
pub(crate) struct Books {
    /// By receiver, or by all of them together where each message is for one.
    arrived: BTreeMap<u64, BTreeSet<Stamp>>,
    /// The last number by receiver, connection and sender; and by receiver and sender.
    last: BTreeMap<(u64, String, u64), u64>,
    pub(crate) received: u64,
    pub(crate) garbled: u64,
}

impl Books {
    /// A message has come. `group` = the receivers among which it must be the only one. `connection` is empty where
    /// order does not depend on it.
    pub(crate) fn enter(
        &mut self,
        stamp: Stamp,
        receiver: u64,
        group: u64,
        connection: String,
    ) -> Result<(), String> {
        self.received += 1;
        if !self.arrived.entry(group).or_default().insert(stamp) {
            return Err(format!("message {stamp:?} came twice, the second time to socket {receiver}"));
        }
        let (sender, number) = stamp;
        let whence = format!("socket {receiver}, connection {connection:?}");
        match self.last.insert((receiver, connection, sender), number) {
            Some(last) if last > number => {
                Err(format!("message {stamp:?} came after number {last} ({whence})"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the message has come to the group.
    pub(crate) fn has(&self, group: u64, stamp: Stamp) -> bool {
        self.arrived.get(&group).is_some_and(|arrived| arrived.contains(&stamp))
    }

    /// The numbers of a sender's messages that have come to a group, in order.
    pub(crate) fn numbers(&self, group: u64, sender: u64) -> impl Iterator<Item = u64> {
        let arrived = self.arrived.get(&group);
        arrived.into_iter().flatten().filter(move |(from, _)| *from == sender).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_from_all_others() {
        let mint = Mint { seed: 1, longest: 300 };
        for number in 0..200 {
            let message = mint.message((3, number));
            assert_eq!(mint.stamp(&message), Some((3, number)));
            let mut longer = message.clone();
            longer.push("x");
            assert_eq!(mint.stamp(&longer), None);
            let mut head = message.get(0).expect("a frame").as_bytes().to_vec();
            head[10] ^= 1;
            let mut other = message;
            other.pop_front();
            other.push_front(head);
            assert_eq!(mint.stamp(&other), None);
        }
    }

    #[test]
    fn a_second_time_and_a_wrong_order_are_noticed() {
        let mut books = Books::default();
        let mut enter = |number| books.enter((1, number), 2, 2, String::new());
        assert!(enter(1).is_ok() && enter(3).is_ok());
        assert!(enter(3).expect_err("twice").contains("came twice"));
        assert!(enter(2).expect_err("late").contains("after number 3"));
        assert!(books.has(2, (1, 3)) && !books.has(2, (1, 4)));
        assert_eq!(books.numbers(2, 1).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
