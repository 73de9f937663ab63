//! The layout of a frame in ZMTP 2.0, 3.0 and 3.1: flags, length, body.

use super::error::ProtocolError;
use crate::message::Frame;

/// More frames of this message follow.
pub(super) const MORE: u8 = 1;
/// The length has eight bytes instead of one.
const LONG: u8 = 2;
/// The body is a command.
pub(super) const COMMAND: u8 = 4;

/// The bytes of the longest header.
pub(super) const MAX_HEADER: usize = 9;
/// The longest body there is (RFC 37, framing: 0 to 2^63 - 1).
pub(super) const MAX_LENGTH: u64 = u64::MAX >> 1;

/// What precedes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub more: bool,
    pub command: bool,
    /// Invariant: at most [`MAX_LENGTH`].
    pub length: u64,
}

impl Header {
    /// Reads a header and what follows it; `None` if it is not complete. Flags are judged as soon as they are there,
    /// so the verdict on a stream does not depend on how it was cut.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Header, &[u8])>, ProtocolError> {
        let Some((&flags, rest)) = bytes.split_first() else { return Ok(None) };
        check_flags(flags)?;
        let parsed = if flags & LONG == 0 {
            rest.split_first().map(|(&length, body)| (u64::from(length), body))
        } else {
            // A long form with a length that fits the short one is legal (RFC 37, framing).
            rest.split_first_chunk().map(|(length, body)| (u64::from_be_bytes(*length), body))
        };
        let Some((length, body)) = parsed else { return Ok(None) };
        if length > MAX_LENGTH {
            return Err(ProtocolError::MessageTooLarge { size: length, limit: MAX_LENGTH });
        }
        Ok(Some((Header { more: flags & MORE != 0, command: flags & COMMAND != 0, length }, body)))
    }
}

fn check_flags(flags: u8) -> Result<(), ProtocolError> {
    // RFC 37, framing: "Bits 7-3: Reserved ... and SHALL be zero"; libzmq ignores them.
    if flags & !(MORE | LONG | COMMAND) != 0 {
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
/// anything else, or has fewer bytes than a window behind the header: at the end of a read the long way is taken.
#[inline]
pub(super) fn split_small_message(bytes: &[u8]) -> Option<(u8, &[u8; Frame::INLINE_CAPACITY], &[u8])> {
    let ([flags, length], tail) = bytes.split_first_chunk::<2>()?;
    if *flags != 0 || usize::from(*length) > Frame::INLINE_CAPACITY {
        return None;
    }
    Some((*length, tail.first_chunk()?, tail.get(usize::from(*length)..)?))
}

/// Appends the header of a frame, in the shortest form.
#[inline]
pub(super) fn write_header(buffer: &mut Vec<u8>, flags: u8, length: usize) {
    match u8::try_from(length) {
        Ok(length) => buffer.extend_from_slice(&[flags, length]),
        Err(_) => write_long_header(buffer, flags, length as u64),
    }
}

fn write_long_header(buffer: &mut Vec<u8>, flags: u8, length: u64) {
    buffer.push(flags | LONG);
    buffer.extend_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(flags: u8, length: usize) -> Vec<u8> {
        let mut buffer = Vec::new();
        write_header(&mut buffer, flags, length);
        buffer
    }

    #[test]
    fn headers_take_the_shortest_form() {
        assert_eq!(written(0, 0), [0, 0]);
        assert_eq!(written(MORE, 255), [1, 255]);
        assert_eq!(written(MORE, 256), [3, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(written(COMMAND, 65_536), [6, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn headers_round_trip() {
        for length in [0, 1, 254, 255, 256, 65_535, 65_536, 1 << 40] {
            for (flags, more, command) in [(0, false, false), (MORE, true, false), (COMMAND, false, true)] {
                let mut bytes = written(flags, length);
                bytes.extend_from_slice(b"rest");
                let expected = Header { more, command, length: length as u64 };
                assert_eq!(Header::parse(&bytes), Ok(Some((expected, &b"rest"[..]))));
            }
        }
    }

    #[test]
    fn incomplete_headers_wait() {
        for bytes in [&[][..], &[0], &[1], &[4], &[2, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(Header::parse(bytes), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn long_form_may_carry_a_small_length() {
        let header = Header { more: false, command: false, length: 3 };
        assert_eq!(Header::parse(&[2, 0, 0, 0, 0, 0, 0, 0, 3]), Ok(Some((header, &[][..]))));
    }

    #[test]
    fn bad_flags_are_refused_before_the_length_is_there() {
        for flags in 8..=255 {
            assert_eq!(Header::parse(&[flags]), Err(ProtocolError::ReservedFlags { flags }));
        }
        for flags in [COMMAND | MORE, COMMAND | MORE | LONG] {
            assert_eq!(Header::parse(&[flags]), Err(ProtocolError::CommandWithMore));
        }
    }

    #[test]
    fn lengths_have_63_bits() {
        for size in [1 << 63, u64::MAX] {
            let mut bytes = vec![LONG];
            bytes.extend_from_slice(&size.to_be_bytes());
            let expected = ProtocolError::MessageTooLarge { size, limit: MAX_LENGTH };
            assert_eq!(Header::parse(&bytes), Err(expected));
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
        }
        for (flags, length) in [(0, 71), (1, 1), (2, 1), (4, 1), (8, 1)] {
            assert_eq!(split_small_message(&[&[flags, length], &[7; 80][..]].concat()), None);
        }
        assert_eq!(split_small_message(&[]), None);
    }
}
