//! Messages that go to the same connections one after the other, encoded once for all of them.
//!
//! A publisher with many subscribers would put each message into each of their pipes, and each connection would encode it
//! anew. But while it runs ahead of the connections, what it sends next is likely to go to the same of them: so it puts a
//! bundle into each pipe, and adds to that for as long as none of them has looked at it. The first that does
//! [seals](Bundle::seal) it. What is in a pipe is announced as ever, so that nobody need be told of what is added.

use crate::buffers::WRITE_SIZE;
use crate::message::Message;
use crate::sync::{Arc, Mutant, Mutex, lock, mutant};
use crate::zmtp::{self, Output};
use bytes::Bytes;
use std::fmt;

/// A handle of one bundle.
#[derive(Clone)]
pub struct Bundle(Arc<Mutex<Inside>>);

struct Inside {
    encoded: Encoded,
    count: usize,
}

/// Frames as ZMTP 2.0 and later lay them out.
enum Encoded {
    Open(Output),
    Sealed(Bytes),
}

impl Bundle {
    /// The largest message that it pays for, in bytes: what is larger is shared by its connections anyway.
    pub const LARGEST: usize = zmtp::COPIED_UP_TO;

    /// A bundle of one message. `size`: how many bytes it is likely to have in the end.
    pub fn new(message: &Message, size: usize) -> Bundle {
        let mut output = Output::with_capacity(size);
        output.put_message(message);
        Bundle(Arc::new(Mutex::new(Inside { encoded: Encoded::Open(output), count: 1 })))
    }

    /// Adds a message for everybody who has the bundle. `false`: somebody has looked at it, or it is large enough.
    pub fn add(&self, message: &Message) -> bool {
        let mut inside = lock(&self.0);
        let Encoded::Open(output) = &mut inside.encoded else { return false };
        if output.len() >= WRITE_SIZE {
            return false;
        }
        output.put_message(message);
        inside.count += 1;
        true
    }

    /// Nothing is added from now on. Its frames, and how many messages they are.
    pub(crate) fn seal(&self) -> (Bytes, usize) {
        let mut inside = lock(&self.0);
        let encoded = match &mut inside.encoded {
            Encoded::Open(output) => Bytes::from(std::mem::take(output).into_copied()),
            Encoded::Sealed(bytes) => bytes.clone(),
        };
        if !mutant(Mutant::BundleStaysOpen) {
            inside.encoded = Encoded::Sealed(encoded.clone());
        }
        (encoded, inside.count)
    }

    /// How many handles there are.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// How many messages there are now, and how many bytes.
    pub fn extent(&self) -> (usize, usize) {
        let inside = lock(&self.0);
        let length = match &inside.encoded {
            Encoded::Open(output) => output.len(),
            Encoded::Sealed(bytes) => bytes.len(),
        };
        (inside.count, length)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, length) = self.extent();
        write!(f, "Bundle({count} messages, {length} B)")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::zmtp::messages;

    fn of(bodies: &[&[u8]]) -> Message {
        bodies.iter().copied().collect()
    }

    #[test]
    fn what_is_added_is_there_until_somebody_looks() {
        let large = [7; 300];
        let sent = [of(&[b"one"]), of(&[b"", &large, b"three"]), of(&[&[1; 70]]), of(&[&[2; 71]])];
        let bundle = Bundle::new(&sent[0], 10);
        assert!(sent[1..].iter().all(|message| bundle.add(message)));
        let (encoded, count) = bundle.seal();
        assert_eq!((count, messages(&encoded).collect::<Vec<_>>()), (4, sent.to_vec()));
        assert_eq!(bundle.extent(), (4, encoded.len()));
        assert!(!bundle.clone().add(&sent[0]), "somebody has looked");
        assert_eq!(bundle.seal(), (encoded, 4));
    }

    #[test]
    fn it_ends_when_it_fills_a_write() {
        let message = Message::from(vec![7; Bundle::LARGEST]);
        let bundle = Bundle::new(&message, 0);
        while bundle.add(&message) {}
        let (count, length) = bundle.extent();
        assert!((WRITE_SIZE..WRITE_SIZE + message.size() + 9).contains(&length), "{length}");
        assert_eq!(messages(&bundle.seal().0).count(), count);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::{assert_mutant_fails, thread};

    /// F1: what was added in time is there for everybody, and what was not is there for nobody.
    fn everybody_gets_the_same() {
        let bundle = Bundle::new(&Message::from("1"), 8);
        let looks = [(); 2].map(|()| {
            let bundle = bundle.clone();
            thread::spawn(move || bundle.seal())
        });
        let added = bundle.add(&Message::from("2"));
        for look in looks {
            let (encoded, count) = look.join().unwrap();
            assert_eq!((count, encoded.len()), if added { (2, 6) } else { (1, 3) });
        }
    }

    #[test]
    fn loom_f1_bundle() {
        loom::model(everybody_gets_the_same);
    }

    #[test]
    fn loom_f1_bundle_mutant() {
        assert_mutant_fails(Mutant::BundleStaysOpen, everybody_gets_the_same);
    }
}
