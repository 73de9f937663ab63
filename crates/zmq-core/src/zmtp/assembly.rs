//! Frames into messages: parts wait here until the last one has come.

use super::command::malformed;
use super::error::ProtocolError;
use super::frame::{Header, MAX_LENGTH};
use crate::message::{Frame, Message};

/// The bytes of the longest PING, or PONG.
const LONGEST_PING: u64 = 5 + 2 + 16;
/// For so many parts at most there is room from the beginning.
const USUAL_UP_TO: usize = 64;

/// The parts of the message under way, and the limits of a message.
pub(super) struct Assembly {
    parts: Vec<Frame>,
    /// How many parts the last message had, at most `USUAL_UP_TO`: the next is likely to have as many.
    usual: usize,
    /// The bytes of all parts together.
    size: u64,
    max_size: u64,
    max_frames: usize,
}

impl Assembly {
    pub fn new(max_size: Option<u64>, max_frames: usize) -> Assembly {
        Assembly {
            parts: Vec::new(),
            usual: 0,
            size: 0,
            max_size: max_size.unwrap_or(MAX_LENGTH),
            max_frames: max_frames.max(1),
        }
    }

    /// Whether a message that consists of one frame of `length` bytes may come now.
    #[inline]
    pub fn takes_single(&self, length: usize) -> bool {
        self.parts.is_empty() && length as u64 <= self.max_size
    }

    /// Whether a part of `length` bytes may come now.
    #[inline]
    pub fn takes_part(&self, length: usize) -> bool {
        self.parts.len() < self.max_frames && self.size.saturating_add(length as u64) <= self.max_size
    }

    /// Whether the body of `header` may come; asked before any of it is kept. A command stands for itself: libzmq
    /// sends PING between the frames of a message.
    pub fn admit(&self, header: &Header) -> Result<(), ProtocolError> {
        let before = if header.command { 0 } else { self.size };
        let size = before.saturating_add(header.length);
        if size > self.max_size || header.length > MAX_LENGTH {
            return Err(ProtocolError::MessageTooLarge { size, limit: self.max_size.min(MAX_LENGTH) });
        }
        if !header.command && self.parts.len() >= self.max_frames {
            return Err(ProtocolError::TooManyFrames { limit: self.max_frames });
        }
        Ok(())
    }

    /// As [`admit`](Assembly::admit), for a sealed frame with `overhead` bytes besides its content. What it is turns
    /// out when it is open; between the parts of a message comes no longer command than a PING.
    pub fn admit_sealed(&self, header: &Header, overhead: usize) -> Result<(), ProtocolError> {
        if header.more {
            return Err(malformed("MESSAGE", "it continues in another frame"));
        }
        let length = header.length.saturating_sub(overhead as u64);
        self.admit(&Header { more: false, command: length <= LONGEST_PING, length })
    }

    /// Adds a part; returns the message if it is the last.
    #[inline]
    pub fn add(&mut self, frame: Frame, more: bool) -> Option<Message> {
        if more {
            if self.parts.is_empty() {
                self.parts.reserve_exact(self.usual);
            }
            self.size = self.size.saturating_add(frame.len() as u64);
            self.parts.push(frame);
            return None;
        }
        if self.parts.is_empty() {
            return Some(Message::from(frame));
        }
        self.size = 0;
        self.parts.push(frame);
        self.usual = self.parts.len().min(USUAL_UP_TO);
        Some(Message::from(std::mem::take(&mut self.parts)))
    }

    /// Forgets the parts that came.
    pub fn clear(&mut self) {
        self.size = 0;
        self.parts = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u64) -> Header {
        Header { more: true, command: false, length }
    }

    #[test]
    fn limits_hold_for_the_sum_of_the_parts() {
        let mut assembly = Assembly::new(Some(10), 3);
        assert_eq!(assembly.admit(&header(10)), Ok(()));
        assert_eq!(assembly.admit(&header(11)), Err(ProtocolError::MessageTooLarge { size: 11, limit: 10 }));
        assert_eq!(assembly.add(Frame::from(&[0; 6]), true), None);
        assert_eq!(assembly.admit(&header(4)), Ok(()));
        assert_eq!(assembly.admit(&header(5)), Err(ProtocolError::MessageTooLarge { size: 11, limit: 10 }));
        assert!(!assembly.takes_single(1));
        assert_eq!(assembly.add(Frame::new(), true), None);
        assert_eq!(assembly.add(Frame::new(), true), None);
        assert_eq!(assembly.admit(&header(0)), Err(ProtocolError::TooManyFrames { limit: 3 }));
        assert_eq!(assembly.admit(&Header { command: true, ..header(10) }), Ok(()));
    }

    #[test]
    fn each_message_starts_afresh() {
        let mut assembly = Assembly::new(Some(4), 2);
        for _ in 0..3 {
            assert_eq!(assembly.admit(&header(2)), Ok(()));
            assert_eq!(assembly.add(Frame::from("ab"), true), None);
            assert_eq!(assembly.admit(&header(2)), Ok(()));
            assert_eq!(assembly.add(Frame::from("cd"), false), Some(Message::from(["ab", "cd"])));
        }
    }
}
