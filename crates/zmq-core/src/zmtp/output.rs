//! Frames into bytes, and the bytes that wait to be written.
//!
//! Small bodies are copied into one buffer, so that many messages leave in one write. A large shared body is not
//! copied: it waits as a reference, and the place in the buffer before which it goes.

use super::error::ProtocolError;
use super::frame::{self, Framing, MORE};
use super::mechanism::{Kind, Seal};
use crate::message::{Frame, Message};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;

/// The largest shared body that is copied; one made by a copy into a block is no larger.
pub(crate) const COPIED_UP_TO: usize = 4 * 1024;
/// The largest body that is sealed in the buffer: one write's worth, and a little.
const SEALED_IN_PLACE_UP_TO: usize = 68 * 1024;
/// How many taken bytes may stay in the buffer while others wait.
const STALE_UP_TO: usize = 64 * 1024;

/// Bytes on their way to the peer.
#[derive(Default)]
pub(crate) struct Output {
    framing: Framing,
    /// Copied bytes; `buffer[..taken]` is taken.
    buffer: Vec<u8>,
    /// Invariant: `taken <= bodies[0].place`, or `taken <= buffer.len()` if there are no bodies.
    taken: usize,
    /// Whether `buffer` was lent and is to be given back.
    lent: bool,
    /// Invariant: places ascend and are at most `buffer.len()`; no body is empty.
    bodies: VecDeque<SharedBody>,
    /// The bytes of all `bodies` together.
    shared: usize,
    /// The bytes taken since the beginning.
    position: u64,
}

/// A body that is referenced instead of copied.
struct SharedBody {
    /// It goes before `buffer[place]`.
    place: usize,
    /// What of it is not taken.
    rest: Bytes,
}

impl Output {
    /// One with room for so many copied bytes.
    pub fn with_capacity(size: usize) -> Output {
        Output { buffer: Vec::with_capacity(size), ..Output::default() }
    }

    /// What was copied; nothing must have been taken or be referenced.
    pub fn into_copied(self) -> Vec<u8> {
        debug_assert!(self.taken == 0 && self.is_copied());
        self.buffer
    }

    /// Appends frames that another one has laid out, of ZMTP 2.0 or later. `false`: here they are laid out in another way.
    pub fn put_encoded(&mut self, frames: Bytes) -> bool {
        if self.framing == Framing::V1 {
            return false;
        }
        if frames.len() > COPIED_UP_TO {
            self.refer_to(frames);
        } else {
            self.buffer.extend_from_slice(&frames);
        }
        true
    }

    /// Frames are laid out like this from now on.
    pub(super) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Appends a message.
    #[inline]
    pub fn put_message(&mut self, message: &Message) {
        match message.frames() {
            [frame] => self.put_part(0, frame),
            frames => self.put_parts(frames),
        }
    }

    fn put_parts(&mut self, frames: &[Frame]) {
        if let Some((last, others)) = frames.split_last() {
            others.iter().for_each(|frame| self.put_part(MORE, frame));
            self.put_part(0, last);
        }
    }

    #[inline]
    fn put_part(&mut self, flags: u8, frame: &Frame) {
        match frame.as_window() {
            Some((window, length)) => self.put_window(flags, window, length),
            None => self.put_large_part(flags, frame),
        }
    }

    /// Appends a frame whose body is the beginning of `window`, all of which is copied, since that is cheaper.
    #[inline]
    fn put_window<const SIZE: usize>(&mut self, flags: u8, window: &[u8; SIZE], length: u8) {
        self.buffer.reserve(frame::MAX_HEADER + SIZE);
        self.buffer.extend_from_slice(&self.framing.short_header(flags, length));
        let end = self.buffer.len() + usize::from(length);
        self.buffer.extend_from_slice(window);
        self.buffer.truncate(end);
    }

    #[inline(never)]
    fn put_large_part(&mut self, flags: u8, frame: &Frame) {
        self.framing.write_header(&mut self.buffer, flags, frame.len());
        self.put_body(frame);
    }

    /// Appends the body of a frame, without a header.
    pub fn put_body(&mut self, frame: &Frame) {
        match frame.as_shared() {
            Some(shared) if shared.len() > COPIED_UP_TO => self.refer_to(shared.clone()),
            _ => self.buffer.extend_from_slice(frame.as_bytes()),
        }
    }

    /// Appends a frame whose body is `prefix` and then `rest`.
    pub fn put_pieces(&mut self, flags: u8, prefix: &[u8], rest: &[u8]) {
        self.framing.write_header(&mut self.buffer, flags, prefix.len() + rest.len());
        self.buffer.extend_from_slice(prefix);
        self.buffer.extend_from_slice(rest);
    }

    /// Appends a message through a seal. After an error a part of it may be there.
    pub(super) fn put_sealed_message(
        &mut self,
        seal: &mut dyn Seal,
        message: &Message,
    ) -> Result<(), ProtocolError> {
        let Some((last, others)) = message.frames().split_last() else { return Ok(()) };
        for frame in others {
            self.put_sealed(seal, Kind::Part, &[], frame.as_bytes())?;
        }
        self.put_sealed(seal, Kind::LastPart, &[], last.as_bytes())
    }

    /// Appends a frame through a seal, straight into the buffer, or into one of its own if it is large.
    pub(super) fn put_sealed(
        &mut self,
        seal: &mut dyn Seal,
        kind: Kind,
        prefix: &[u8],
        content: &[u8],
    ) -> Result<(), ProtocolError> {
        let length = seal.overhead() + prefix.len() + content.len();
        let start = self.buffer.len();
        self.buffer.reserve(frame::MAX_HEADER + length.min(SEALED_IN_PLACE_UP_TO));
        self.framing.write_header(&mut self.buffer, 0, length);
        if length <= SEALED_IN_PLACE_UP_TO {
            let sealed = seal.seal(kind, prefix, content, &mut self.buffer);
            if sealed.is_err() {
                self.buffer.truncate(start);
            }
            return sealed;
        }
        let mut body = Vec::with_capacity(length);
        match seal.seal(kind, prefix, content, &mut body) {
            Ok(()) => self.refer_to(Bytes::from(body)),
            Err(fault) => {
                self.buffer.truncate(start);
                return Err(fault);
            }
        }
        Ok(())
    }

    fn refer_to(&mut self, rest: Bytes) {
        self.shared += rest.len();
        self.bodies.push_back(SharedBody { place: self.buffer.len(), rest });
    }

    /// Appends a frame with a copy of `body`.
    #[inline]
    pub fn put_frame(&mut self, flags: u8, body: &[u8]) {
        self.buffer.reserve(frame::MAX_HEADER + body.len());
        self.framing.write_header(&mut self.buffer, flags, body.len());
        self.buffer.extend_from_slice(body);
    }

    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Marks the next `count` bytes as taken.
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.len());
        self.position = self.position.wrapping_add(left as u64);
        while left > 0 {
            left -= self.take_copied(left);
            left -= self.take_shared(left);
        }
        self.forget_taken();
    }

    /// Takes up to `count` bytes before the first shared body.
    fn take_copied(&mut self, count: usize) -> usize {
        let end = self.bodies.front().map_or(self.buffer.len(), |body| body.place);
        let taken = count.min(end - self.taken);
        self.taken += taken;
        taken
    }

    /// Takes up to `count` bytes of the first shared body. Everything before it is taken if `count` is not zero.
    fn take_shared(&mut self, count: usize) -> usize {
        let Some(body) = self.bodies.front_mut() else { return 0 };
        let taken = count.min(body.rest.len());
        body.rest = body.rest.slice(taken..);
        self.shared -= taken;
        if body.rest.is_empty() {
            self.bodies.pop_front();
        }
        taken
    }

    /// Keeps the buffer from growing as long as something is always left.
    fn forget_taken(&mut self) {
        let all = self.taken == self.buffer.len();
        if all || (self.taken > STALE_UP_TO && self.taken > self.buffer.len() / 2) {
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        self.buffer.drain(..self.taken);
        for body in &mut self.bodies {
            body.place -= self.taken;
        }
        self.taken = 0;
    }

    /// Takes a buffer to fill from now on; gives it back if one is lent already.
    pub fn lend(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.lent {
            return Some(buffer);
        }
        self.drop_front();
        buffer.clear();
        buffer.extend_from_slice(&self.buffer);
        self.buffer = buffer;
        self.lent = true;
        None
    }

    /// If nothing waits: frees all memory, and gives the buffer back if it was lent.
    pub fn reclaim(&mut self) -> Option<Vec<u8>> {
        if self.len() > 0 {
            return None;
        }
        self.bodies = VecDeque::new();
        self.taken = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        std::mem::take(&mut self.lent).then_some(buffer)
    }

    /// The number of bytes that wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.taken + self.shared
    }

    /// Whether no body is referenced, so that what waits is one piece.
    pub fn is_copied(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The number of bytes taken since the beginning.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The position at which all that waits now will be taken.
    pub fn end(&self) -> u64 {
        self.position.wrapping_add(self.len() as u64)
    }

    /// Fills `slices` with the first `limit` bytes of what waits, in order, as far as they reach; returns how many it used.
    pub fn slices<'a>(&'a self, limit: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut used, mut left) = (0, limit);
        for (slice, piece) in slices.iter_mut().zip(self.pieces()) {
            if left == 0 {
                break;
            }
            let (piece, _) = piece.split_at_checked(left).unwrap_or((piece, &[]));
            *slice = IoSlice::new(piece);
            left -= piece.len();
            used += 1;
        }
        used
    }

    /// What waits, in order; no piece is empty.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(self.taken).chain(self.bodies.iter().map(|body| body.place));
        let ends = self.bodies.iter().map(|body| body.place).chain(std::iter::once(self.buffer.len()));
        let copied = starts.zip(ends).map(|(start, end)| self.buffer.get(start..end).unwrap_or_default());
        let shared = self.bodies.iter().map(|body| &body.rest[..]).chain(std::iter::once(&[][..]));
        copied.zip(shared).flat_map(|(copied, shared)| [copied, shared]).filter(|piece| !piece.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(byte: u8) -> Frame {
        Frame::from(vec![byte; COPIED_UP_TO + 1])
    }

    fn taken_in_steps(output: &mut Output, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while output.len() > 0 {
            let mut slices = [IoSlice::new(&[]); 3];
            let used = output.slices(step, &mut slices);
            let before = all.len();
            slices[..used].iter().for_each(|slice| all.extend_from_slice(slice));
            assert!((1..=step).contains(&(all.len() - before)));
            output.advance(all.len() - before);
        }
        all
    }

    #[test]
    fn order_is_kept_however_it_is_taken() {
        let message =
            Message::from([Frame::from("a"), large(1), large(2), Frame::new(), Frame::from(&[3; 300])]);
        let fill = |output: &mut Output| {
            output.put_message(&message);
            output.put_message(&Message::from("tail"));
        };
        let mut whole = Output::default();
        fill(&mut whole);
        let expected = taken_in_steps(&mut whole, usize::MAX);
        assert_eq!(expected.len(), 3 + 2 * (9 + 4097) + 2 + 309 + 6);
        for step in [1, 2, 3, 5, 100, 4096, 4097, 10_000] {
            let mut output = Output::default();
            fill(&mut output);
            assert_eq!(taken_in_steps(&mut output, step), expected, "step {step}");
        }
    }

    #[test]
    fn large_shared_bodies_are_not_copied() {
        let frame = large(7);
        let mut output = Output::default();
        output.put_message(&Message::from(frame.clone()));
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(output.slices(usize::MAX, &mut slices), 2);
        assert_eq!(slices[1].as_ptr(), frame.as_bytes().as_ptr());
        assert_eq!(output.len(), 9 + frame.len());
    }

    /// Frames that another output has laid out are as if they had been laid out here, copied or not; ZMTP 1.0 has others.
    #[test]
    fn encoded_frames_are_taken_over() {
        for count in [1, 300] {
            let message: Message = [&b"first"[..], &[7; 100]].into_iter().collect();
            let [mut alone, mut source, mut output] = std::array::from_fn(|_| Output::with_capacity(9));
            for output in [&mut alone, &mut source] {
                (0..count).for_each(|_| output.put_message(&message));
            }
            let encoded = Bytes::from(source.into_copied());
            let messages = vec![message; count];
            assert_eq!(frame::messages(&encoded).collect::<Vec<_>>(), messages);
            output.put_frame(0, b"before");
            assert!(output.put_encoded(encoded.clone()));
            assert_eq!(output.bodies.len(), usize::from(encoded.len() > COPIED_UP_TO));
            assert_eq!(taken_in_steps(&mut output, 50)[8..], taken_in_steps(&mut alone, 1000));
            let mut old = Output::default();
            old.set_framing(Framing::V1);
            assert!(!old.put_encoded(encoded) && old.len() == 0);
        }
    }

    #[test]
    fn an_empty_message_is_nothing() {
        let mut output = Output::default();
        output.put_message(&Message::new());
        assert_eq!(output.len(), 0);
    }

    #[test]
    fn a_buffer_is_lent_and_given_back() {
        let mut output = Output::default();
        output.put(b"before");
        output.advance(2);
        assert_eq!(output.lend(Vec::with_capacity(1000)), None);
        assert_eq!(output.lend(Vec::with_capacity(2000)).map(|second| second.capacity()), Some(2000));
        output.put(b" after");
        assert_eq!(output.reclaim(), None);
        assert_eq!(taken_in_steps(&mut output, 100), b"fore after");
        assert!(output.reclaim().is_some_and(|buffer| buffer.is_empty() && buffer.capacity() >= 1000));
        output.put(b"own");
        output.advance(3);
        assert_eq!(output.reclaim(), None);
        assert_eq!(output.buffer.capacity(), 0);
    }

    #[test]
    fn a_buffer_that_is_never_empty_does_not_grow_for_ever() {
        let mut output = Output::default();
        for _ in 0..1000 {
            output.put(&[1; 1000]);
            output.put_message(&Message::from(large(2)));
            output.advance(output.len() - 1);
        }
        assert!(output.buffer.capacity() <= 4 * STALE_UP_TO);
        assert_eq!(output.len(), 1);
    }

    #[test]
    fn more_than_there_is_cannot_be_taken() {
        let mut output = Output::default();
        output.put(b"abc");
        output.advance(usize::MAX);
        assert_eq!((output.len(), output.position(), output.end()), (0, 3, 3));
    }
}
