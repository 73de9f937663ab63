//! Bytes into frames.
//!
//! A body that is not complete grows with what arrives of it, never with what its header claims, unless the peer has
//! sent one as large before.

use super::error::ProtocolError;
use super::frame::{Framing, Header, MAX_HEADER};
use crate::message::reserve;
use crate::room::Room;
use std::borrow::Cow;

/// From how many missing bytes on it pays to read the stream straight into the body. Below, one read into the
/// shared buffer also brings what follows.
const DIRECT_FROM: usize = 16 * 1024;
/// What a body may take beyond twice what arrived of it.
const SLACK: usize = 64 * 1024;
/// The largest claim that is believed of a peer that has kept such a one.
const BELIEVED_UP_TO: usize = 16 * 1024 * 1024;

/// From which size on memory is fresh from the system each time, so that it pays to [prepare](Room::prepare) it. What an
/// allocator has used before has its pages; to ask for them once more costs a tenth (measured with 16 MiB).
const FRESH_FROM: usize = 32 * 1024 * 1024;

/// The body of a frame: a part of the input if the input has it whole.
pub(super) type Body<'a> = Cow<'a, [u8]>;

/// Where the stream stands within a frame.
#[derive(Default)]
pub(super) struct Decoder {
    framing: Framing,
    /// The start of a header that was cut; `header[..kept]` counts.
    header: [u8; MAX_HEADER],
    kept: usize,
    body: Option<PartialBody>,
    /// The largest body that came in pieces and is complete, at most `BELIEVED_UP_TO`.
    believed: usize,
}

impl Decoder {
    /// The decoder of frames of which the bytes `begun` were read before the framing was known.
    pub fn new(framing: Framing, begun: &[u8]) -> Decoder {
        let mut decoder = Decoder { framing, ..Decoder::default() };
        for (place, byte) in decoder.header.iter_mut().zip(begun) {
            *place = *byte;
            decoder.kept = decoder.kept.saturating_add(1);
        }
        decoder
    }

    /// Whether the next byte is the first of a frame that has its flags first.
    #[inline]
    pub fn takes_short_cut(&self) -> bool {
        self.kept == 0 && self.body.is_none() && self.framing != Framing::V1
    }

    /// Whether the header of the frame under way has been read.
    pub fn is_in_body(&self) -> bool {
        self.body.is_some()
    }

    /// Reads the next header; `None` when all input is consumed. Whoever finds it acceptable calls
    /// [`start_body`](Decoder::start_body).
    pub fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, ProtocolError> {
        if self.kept == 0 {
            if let Some((header, rest)) = self.framing.parse(input)? {
                *input = rest;
                return Ok(Some(header));
            }
        }
        self.read_cut_header(input)
    }

    fn read_cut_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, ProtocolError> {
        loop {
            let kept = self.header.get(..self.kept).unwrap_or_default();
            if let Some((header, _)) = self.framing.parse(kept)? {
                self.kept = 0;
                return Ok(Some(header));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            if let Some(place) = self.header.get_mut(self.kept) {
                *place = byte;
                self.kept = self.kept.saturating_add(1);
            }
        }
    }

    /// Reads the body of `header`; `None` when all input is consumed. `length` is the header's, as a size in memory.
    pub fn start_body<'a>(
        &mut self,
        header: Header,
        length: usize,
        input: &mut &'a [u8],
    ) -> Option<(Header, Body<'a>)> {
        if let Some((whole, rest)) = input.split_at_checked(length) {
            *input = rest;
            return Some((header, Cow::Borrowed(whole)));
        }
        let buffer = if length <= self.believed { reserve::buffer(length) } else { Vec::new() };
        self.body = Some(PartialBody { header, length, buffer, prepared: 0 });
        self.continue_body(input)
    }

    /// Reads more of the body under way; `None` when all input is consumed.
    pub fn continue_body<'a>(&mut self, input: &mut &[u8]) -> Option<(Header, Body<'a>)> {
        let partial = self.body.as_mut()?;
        let body = partial.take(input)?;
        let header = partial.header;
        self.believed = self.believed.max(body.len().min(BELIEVED_UP_TO));
        self.body = None;
        Some((header, Cow::Owned(body)))
    }

    /// Where the missing part of a large body may be read into.
    pub fn body_to_fill(&mut self) -> Option<Room<'_>> {
        self.body.as_mut().filter(|body| body.missing() >= DIRECT_FROM).map(PartialBody::room)
    }
}

/// A body under way.
struct PartialBody {
    header: Header,
    /// How long it will be.
    length: usize,
    /// What has arrived. Invariant: no longer than `length`.
    buffer: Vec<u8>,
    /// How much of `buffer` has memory that was [prepared](Room::prepare).
    prepared: usize,
}

impl PartialBody {
    fn missing(&self) -> usize {
        self.length.saturating_sub(self.buffer.len())
    }

    /// Keeps what `input` has of the body; returns it when it is complete.
    fn take(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let (piece, rest) = input.split_at_checked(self.missing()).unwrap_or((*input, &[]));
        *input = rest;
        self.append(piece);
        if self.missing() > 0 {
            return None;
        }
        Some(std::mem::take(&mut self.buffer))
    }

    fn append(&mut self, piece: &[u8]) {
        if piece.len() > self.buffer.capacity().saturating_sub(self.buffer.len()) {
            // A peer that sent a few bytes is trusted with little, so that many idle ones cost little.
            let arrived = self.buffer.len().saturating_add(piece.len());
            self.grow(arrived, SLACK.min(arrived.saturating_mul(16)));
        }
        self.buffer.extend_from_slice(piece);
    }

    /// Room for a direct read; at least a little, as long as something is missing.
    fn room(&mut self) -> Room<'_> {
        if self.buffer.capacity().saturating_sub(self.buffer.len()) < DIRECT_FROM {
            self.grow(self.buffer.len(), SLACK);
        }
        let missing = self.missing();
        let mut room = Room::new(&mut self.buffer, missing);
        if self.length >= FRESH_FROM {
            room.prepare(&mut self.prepared);
        }
        room
    }

    /// Reserves twice what `arrived` and `slack` more, but never more than the whole.
    fn grow(&mut self, arrived: usize, slack: usize) {
        let capacity = arrived.saturating_mul(2).saturating_add(slack).min(self.length);
        self.buffer.reserve_exact(capacity.saturating_sub(self.buffer.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { more: false, command: false, length: 0 };

    fn expecting(length: usize) -> Decoder {
        let mut decoder = Decoder::default();
        assert!(decoder.start_body(HEADER, length, &mut &[][..]).is_none());
        decoder
    }

    #[test]
    fn a_whole_body_is_not_copied() {
        let input = vec![7; 100_000];
        let mut decoder = Decoder::default();
        let mut rest = &input[..];
        let (_, body) = decoder.start_body(HEADER, 99_000, &mut rest).expect("complete");
        assert_eq!((body.len(), rest.len()), (99_000, 1000));
        assert!(decoder.takes_short_cut());
    }

    #[test]
    fn what_was_read_before_counts() {
        for (begun, length) in [(&[1, 0][..], 0), (&[0xFF, 0, 0, 0, 0, 0, 0, 1, 1, 0], 256), (&[7], 6)] {
            let mut decoder = Decoder::new(Framing::V1, begun);
            assert!(!decoder.takes_short_cut());
            let header = decoder.read_header(&mut &[0, 0][2 - usize::from(begun.len() == 1)..]);
            assert_eq!(header, Ok(Some(Header { length, ..HEADER })));
        }
    }

    #[test]
    fn a_claim_alone_reserves_nothing() {
        let mut decoder = expecting(usize::MAX >> 1);
        assert!(decoder.continue_body(&mut &[][..]).is_none());
        assert_eq!(decoder.body.as_ref().map(|body| body.buffer.capacity()), Some(0));
        assert!(decoder.continue_body(&mut &[1][..]).is_none());
        assert!(decoder.body.as_ref().is_some_and(|body| body.buffer.capacity() <= 32));
        assert_eq!(decoder.body_to_fill().map(|room| room.len()), Some(SLACK + 1));
    }

    #[test]
    fn who_has_kept_a_claim_is_believed_the_next() {
        let mut decoder = expecting(100_000);
        assert!(decoder.continue_body(&mut &vec![1; 100_000][..]).is_some());
        assert!(decoder.start_body(HEADER, 100_000, &mut &[][..]).is_none());
        assert_eq!(decoder.body_to_fill().map(|room| room.len()), Some(100_000));
        assert!(
            decoder.continue_body(&mut &vec![2; 100_000][..]).is_some_and(|(_, body)| *body == [2; 100_000])
        );
        assert!(decoder.start_body(HEADER, 100_001, &mut &[][..]).is_none());
        assert_eq!(decoder.body.as_ref().map(|body| body.buffer.capacity()), Some(0));
    }

    #[test]
    fn room_for_a_body_grows_with_what_arrives() {
        assert!(Decoder::default().body_to_fill().is_none());
        let mut decoder = expecting(64 << 20);
        let mut arrived = 0;
        while arrived < 16 << 20 {
            let mut room = decoder.body_to_fill().expect("much is missing");
            assert!(room.len() >= DIRECT_FROM);
            arrived += room.fill(&[7; 100_000]);
            let reserved = decoder.body.as_ref().map_or(0, |body| body.buffer.capacity());
            assert!((arrived..=2 * arrived + SLACK).contains(&reserved), "{reserved}");
        }
    }

    #[test]
    fn a_body_is_filled_by_both_ways_in_turn() {
        let expected: Vec<u8> = (0..300_000_u32).map(|i| i.to_le_bytes()[1]).collect();
        let mut decoder = expecting(expected.len());
        let mut rest = &expected[..];
        let body = loop {
            if let Some(mut room) = decoder.body_to_fill() {
                let count = room.fill(&rest[..rest.len().min(10_007)]);
                rest = &rest[count..];
            }
            let (mut piece, later) = rest.split_at(rest.len().min(3001));
            rest = later;
            if let Some((_, body)) = decoder.continue_body(&mut piece) {
                break body;
            }
        };
        assert!(*body == expected);
        assert!(rest.is_empty());
    }
}
