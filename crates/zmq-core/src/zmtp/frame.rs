//! The layout of a frame: flags, length, body; in ZMTP 1.0 the length comes first.

use super::error::ProtocolError;
use crate::message::{Frame, Message};
use crate::options::ZmtpVersion;
use bytes::Bytes;

/// More frames of this message follow.
pub(super) const MORE: u8 = 1;
/// The length has eight bytes instead of one.
const LONG: u8 = 2;
/// The body is a command.
pub(super) const COMMAND: u8 = 4;

/// The bytes of the longest header: that of ZMTP 1.0.
pub(super) const MAX_HEADER: usize = 10;
/// What the length of a ZMTP 1.0 frame begins with if it has eight bytes more.
const OLD_LONG: u8 = 0xFF;
/// The longest body there is (RFC 37, framing: 0 to 2^63 - 1).
pub(super) const MAX_LENGTH: u64 = u64::MAX >> 1;

/// What precedes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub more: bool,
    pub command: bool,
    /// As the peer claims it: up to 2^64 - 1.
    pub length: u64,
}

/// How the versions lay their frames out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// ZMTP 1.0 (RFC 13): the length, which counts the flags, then the flags.
    V1,
    /// ZMTP 2.0 (RFC 15): the flags, then the length.
    V2,
    /// ZMTP 3.0 and 3.1 (RFC 23, 37): the same, and commands.
    #[default]
    V3,
}

impl Framing {
    pub fn of(version: ZmtpVersion) -> Framing {
        match version {
            ZmtpVersion::V1_0 => Framing::V1,
            ZmtpVersion::V2_0 => Framing::V2,
            ZmtpVersion::V3_0 | ZmtpVersion::V3_1 => Framing::V3,
        }
    }

    /// Reads a header and what follows it; `None` if it is not complete. Flags are judged as soon as they are there, so
    /// the verdict on a stream does not depend on how it was cut; the length is the business of those who keep the body.
    pub fn parse(self, bytes: &[u8]) -> Result<Option<(Header, &[u8])>, ProtocolError> {
        match self {
            Framing::V1 => parse_length_first(bytes),
            Framing::V2 => parse_flags_first(bytes, MORE | LONG),
            Framing::V3 => parse_flags_first(bytes, MORE | LONG | COMMAND),
        }
    }

    /// The header of a frame with a body of at most 253 bytes.
    #[inline]
    pub fn short_header(self, flags: u8, length: u8) -> [u8; 2] {
        match self {
            Framing::V1 => [length.saturating_add(1), flags],
            Framing::V2 | Framing::V3 => [flags, length],
        }
    }

    /// Appends the header of a frame, in the shortest form.
    #[inline]
    pub fn write_header(self, buffer: &mut Vec<u8>, flags: u8, length: usize) {
        match u8::try_from(length) {
            Ok(short) if self != Framing::V1 || short < OLD_LONG - 1 => {
                buffer.extend_from_slice(&self.short_header(flags, short));
            }
            _ if self == Framing::V1 => write_old_long_header(buffer, flags, length as u64),
            _ => write_long_header(buffer, flags, length as u64),
        }
    }
}

fn parse_flags_first(bytes: &[u8], allowed: u8) -> Result<Option<(Header, &[u8])>, ProtocolError> {
    let Some((&flags, rest)) = bytes.split_first() else { return Ok(None) };
    check_flags(flags, allowed)?;
    let parsed = if flags & LONG == 0 {
        rest.split_first().map(|(&length, body)| (u64::from(length), body))
    } else {
        // A long form with a length that fits the short one is legal (RFC 37, framing).
        rest.split_first_chunk().map(|(length, body)| (u64::from_be_bytes(*length), body))
    };
    let Some((length, body)) = parsed else { return Ok(None) };
    Ok(Some((Header { more: flags & MORE != 0, command: flags & COMMAND != 0, length }, body)))
}

fn parse_length_first(bytes: &[u8]) -> Result<Option<(Header, &[u8])>, ProtocolError> {
    let parsed = match bytes.split_first() {
        Some((&OLD_LONG, rest)) => {
            rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))
        }
        Some((&length, rest)) => Some((u64::from(length), rest)),
        None => None,
    };
    let Some((length, rest)) = parsed else { return Ok(None) };
    // RFC 13, framing: the length counts the flags, so it is never zero.
    let length = length.checked_sub(1).ok_or(ProtocolError::FrameWithoutFlags)?;
    let Some((&flags, body)) = rest.split_first() else { return Ok(None) };
    check_flags(flags, MORE)?;
    Ok(Some((Header { more: flags & MORE != 0, command: false, length }, body)))
}

fn check_flags(flags: u8, allowed: u8) -> Result<(), ProtocolError> {
    // RFC 37, framing: "Bits 7-3: Reserved ... and SHALL be zero"; libzmq ignores them.
    if flags & !allowed != 0 {
        return Err(ProtocolError::ReservedFlags { flags });
    }
    // RFC 37, framing: "For a command frame, this bit SHALL be zero".
    if flags & COMMAND != 0 && flags & MORE != 0 {
        return Err(ProtocolError::CommandWithMore);
    }
    Ok(())
}

/// The short cut for the most frequent frame: one that is a whole message and fits into a [`Frame`] without
/// allocation. Its length, the bytes that start with its body, and those that follow it. `None` if `bytes` starts with
/// anything else, or has fewer bytes than a window behind the header, as at the end of a read.
#[inline]
pub(super) fn split_small_message(bytes: &[u8]) -> Option<(u8, &[u8; Frame::INLINE_CAPACITY], &[u8])> {
    match split_small_part(bytes)? {
        (false, length, window, rest) => Some((length, window, rest)),
        (true, ..) => None,
    }
}

/// The same for any part of a message; first whether more follow.
#[inline]
pub(super) fn split_small_part(bytes: &[u8]) -> Option<(bool, u8, &[u8; Frame::INLINE_CAPACITY], &[u8])> {
    let ([flags, length], tail) = bytes.split_first_chunk::<2>()?;
    if *flags & !MORE != 0 || usize::from(*length) > Frame::INLINE_CAPACITY {
        return None;
    }
    Some((*flags == MORE, *length, tail.first_chunk()?, tail.get(usize::from(*length)..)?))
}

/// The short cut for a larger frame that is a whole message and is there as a whole: its body, and what follows it.
#[inline]
pub(super) fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match split_part(bytes)? {
        (false, body, rest) => Some((body, rest)),
        (true, ..) => None,
    }
}

/// The same for any part of a message; first whether more follow.
#[inline]
pub(super) fn split_part(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (&flags, rest) = bytes.split_first()?;
    let (length, tail) = match flags & !MORE {
        0 => rest.split_first().map(|(length, tail)| (usize::from(*length), tail))?,
        LONG => {
            let (length, tail) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, tail)
        }
        _ => return None,
    };
    let (body, rest) = tail.split_at_checked(length)?;
    Some((flags & MORE != 0, body, rest))
}

/// The messages in frames that lie there whole, as ZMTP 2.0 and later lay them out.
pub(crate) fn messages(encoded: &Bytes) -> impl Iterator<Item = Message> {
    let mut rest = &encoded[..];
    std::iter::from_fn(move || {
        let mut frames = Vec::new();
        loop {
            let (more, body, after) = split_part(rest)?;
            rest = after;
            frames.push(if body.len() <= Frame::INLINE_CAPACITY {
                Frame::copy_from(body)
            } else {
                Frame::from(encoded.slice_ref(body))
            });
            if !more {
                return Some(Message::from(frames));
            }
        }
    })
}

fn write_long_header(buffer: &mut Vec<u8>, flags: u8, length: u64) {
    buffer.push(flags | LONG);
    buffer.extend_from_slice(&length.to_be_bytes());
}

fn write_old_long_header(buffer: &mut Vec<u8>, flags: u8, length: u64) {
    buffer.push(OLD_LONG);
    buffer.extend_from_slice(&length.saturating_add(1).to_be_bytes());
    buffer.push(flags);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Framing; 3] = [Framing::V1, Framing::V2, Framing::V3];

    fn written(framing: Framing, flags: u8, length: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        framing.write_header(&mut buffer, flags, length);
        buffer
    }

    #[test]
    fn headers_take_the_shortest_form() {
        for framing in [Framing::V2, Framing::V3] {
            assert_eq!(written(framing, 0, 0), [0, 0]);
            assert_eq!(written(framing, MORE, 255), [1, 255]);
            assert_eq!(written(framing, MORE, 256), [3, 0, 0, 0, 0, 0, 0, 1, 0]);
        }
        assert_eq!(written(Framing::V3, COMMAND, 65_536), [6, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(written(Framing::V1, 0, 0), [1, 0]);
        assert_eq!(written(Framing::V1, MORE, 253), [254, 1]);
        assert_eq!(written(Framing::V1, MORE, 254), [255, 0, 0, 0, 0, 0, 0, 0, 255, 1]);
        assert_eq!(written(Framing::V1, 0, 255), [255, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn short_headers_are_those_of_small_bodies() {
        for framing in ALL {
            for (flags, length) in [(0, 0), (MORE, 8), (0, 70), (MORE, 253)] {
                assert_eq!(framing.short_header(flags, length)[..], written(framing, flags, length.into()));
            }
        }
    }

    #[test]
    fn headers_round_trip() {
        for framing in ALL {
            for length in [0, 1, 253, 254, 255, 256, 65_535, 65_536, 1 << 40] {
                for (flags, more, command) in [(0, false, false), (MORE, true, false), (COMMAND, false, true)]
                {
                    if command && framing != Framing::V3 {
                        continue;
                    }
                    let mut bytes = written(framing, flags, length);
                    let header_length = bytes.len();
                    bytes.extend_from_slice(b"rest");
                    let expected = Header { more, command, length: length as u64 };
                    assert_eq!(framing.parse(&bytes), Ok(Some((expected, &b"rest"[..]))));
                    for cut in 0..header_length {
                        assert_eq!(framing.parse(&bytes[..cut]), Ok(None));
                    }
                }
            }
        }
    }

    #[test]
    fn long_form_may_carry_a_small_length() {
        let header = Header { more: false, command: false, length: 3 };
        let expected = Ok(Some((header, &[][..])));
        for framing in [Framing::V2, Framing::V3] {
            assert_eq!(framing.parse(&[2, 0, 0, 0, 0, 0, 0, 0, 3]), expected);
        }
        assert_eq!(Framing::V1.parse(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 4, 0]), expected);
    }

    #[test]
    fn bad_flags_are_refused_before_what_follows_is_there() {
        let refused = |flags| Err(ProtocolError::ReservedFlags { flags });
        for flags in 8..=255 {
            assert_eq!(Framing::V3.parse(&[flags]), refused(flags));
        }
        for flags in [COMMAND | MORE, COMMAND | MORE | LONG] {
            assert_eq!(Framing::V3.parse(&[flags]), Err(ProtocolError::CommandWithMore));
        }
        // There are no commands in 2.0, and nothing but MORE in 1.0.
        for flags in 4..=255 {
            assert_eq!(Framing::V2.parse(&[flags]), refused(flags));
        }
        for flags in 2..=255 {
            assert_eq!(Framing::V1.parse(&[5, flags]), refused(flags));
        }
    }

    #[test]
    fn an_old_length_counts_the_flags() {
        for bytes in [&[0][..], &[0, 0], &[0xFF, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Framing::V1.parse(bytes), Err(ProtocolError::FrameWithoutFlags), "{bytes:?}");
        }
    }

    #[test]
    fn the_short_cut_takes_only_what_it_may() {
        let window = [7; Frame::INLINE_CAPACITY];
        for length in [0, 1, 70] {
            let bytes = [&[0, length], &window[..]].concat();
            let rest = &window[usize::from(length)..];
            assert_eq!(split_small_message(&bytes), Some((length, &window, rest)));
            assert_eq!(split_small_message(&bytes[..71]), None);
            assert_eq!(split_small_part(&bytes), Some((false, length, &window, rest)));
            let part = [&[MORE, length], &window[..]].concat();
            assert_eq!(split_small_part(&part), Some((true, length, &window, rest)));
            assert_eq!(split_small_message(&part), None);
        }
        for (flags, length) in [(0, 71), (1, 71), (2, 1), (3, 1), (4, 1), (5, 1), (9, 1)] {
            assert_eq!(split_small_part(&[&[flags, length], &[7; 80][..]].concat()), None);
        }
        for (flags, length) in [(0, 71), (1, 1), (2, 1), (4, 1), (8, 1)] {
            assert_eq!(split_small_message(&[&[flags, length], &[7; 80][..]].concat()), None);
        }
        assert_eq!(split_small_message(&[]), None);
    }

    #[test]
    fn the_other_short_cut_takes_whole_frames_in_either_form() {
        let body = [7; 100];
        for (flags, more) in [(0, false), (MORE, true)] {
            let short = [&[flags, 100], &body[..], &[9]].concat();
            assert_eq!(split_part(&short), Some((more, &body[..], &[9][..])));
            assert_eq!(split_message(&short), (!more).then_some((&body[..], &[9][..])));
            let long = [&[flags | LONG], &100_u64.to_be_bytes()[..], &body].concat();
            assert_eq!(split_part(&long), Some((more, &body[..], &[][..])));
            assert_eq!(split_message(&long), (!more).then_some((&body[..], &[][..])));
            let endless = [&[flags | LONG], &u64::MAX.to_be_bytes()[..], &body].concat();
            for cut in [&short[..0], &short[..1], &short[..101], &long[..8], &long[..108], &endless] {
                assert_eq!((split_part(cut), split_message(cut)), (None, None));
            }
        }
        for flags in [COMMAND, COMMAND | MORE, 8, 128 | LONG] {
            let other = [&[flags, 1], &[7; 80][..]].concat();
            assert_eq!((split_part(&other), split_message(&other)), (None, None));
        }
    }
}
