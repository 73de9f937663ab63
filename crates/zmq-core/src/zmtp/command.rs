//! The bodies of commands (RFC 37, commands): a name with its length before it, then data.

use super::error::ProtocolError;
use std::time::Duration;

/// The name of SUBSCRIBE as it stands in a body.
pub(super) const SUBSCRIBE: &[u8] = b"\x09SUBSCRIBE";
/// The name of CANCEL as it stands in a body.
pub(super) const CANCEL: &[u8] = b"\x06CANCEL";
const PING: &[u8] = b"\x04PING";
const PONG: &[u8] = b"\x04PONG";
const ERROR: &[u8] = b"\x05ERROR";

/// A command, as far as this engine knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// The end of a handshake, with metadata.
    Ready(&'a [u8]),
    /// The refusal of a handshake, with a reason and its length before it.
    Error(&'a [u8]),
    Subscribe(&'a [u8]),
    Cancel(&'a [u8]),
    Ping {
        /// How long to wait for the peer's next sign of life.
        ttl: Option<Duration>,
        context: PingContext,
    },
    Pong,
    /// The name of a command that means nothing here.
    Other(&'a [u8]),
}

impl<'a> Command<'a> {
    /// Reads the body of a command.
    pub fn parse(body: &'a [u8]) -> Result<Command<'a>, ProtocolError> {
        let (name, data) =
            split_name(body).ok_or_else(|| malformed("command", "its name is cut off or empty"))?;
        Ok(match name {
            b"READY" => Command::Ready(data),
            b"ERROR" => Command::Error(data),
            b"SUBSCRIBE" => Command::Subscribe(data),
            b"CANCEL" => Command::Cancel(data),
            b"PING" => parse_ping(data)?,
            b"PONG" => Command::Pong,
            other => Command::Other(other),
        })
    }
}

/// A name and what follows it; `None` if it is empty or cut off (RFC 37: a name has 1 to 255 bytes).
pub(super) fn split_name(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first().filter(|(length, _)| **length > 0)?;
    rest.split_at_checked(usize::from(*length))
}

fn parse_ping<'a>(data: &[u8]) -> Result<Command<'a>, ProtocolError> {
    let Some((ttl, context)) = data.split_first_chunk() else {
        return Err(malformed("PING", "it has no time to live"));
    };
    let Some(context) = PingContext::new(context) else {
        return Err(malformed("PING", "its context is longer than 16 bytes"));
    };
    // RFC 37, heartbeating: tenths of a second. (libzmq keeps milliseconds in 16 bits, which wrap at 65 s.)
    let ttl = Duration::from_millis(u64::from(u16::from_be_bytes(*ttl)) * 100);
    Ok(Command::Ping { ttl: (!ttl.is_zero()).then_some(ttl), context })
}

/// The reason in the data of an ERROR command.
pub(super) fn error_reason(data: &[u8]) -> Result<&[u8], ProtocolError> {
    let reason = data.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
    reason.ok_or_else(|| malformed("ERROR", "its reason is cut off"))
}

pub(super) fn malformed(command: &'static str, problem: &'static str) -> ProtocolError {
    ProtocolError::MalformedCommand { command, problem }
}

/// What a PONG must repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PingContext {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl PingContext {
    const MAX: usize = 16;

    fn new(context: &[u8]) -> Option<PingContext> {
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..context.len())?.copy_from_slice(context);
        Some(PingContext { bytes, length: context.len() })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The body of a PING that tells the peer to wait `ttl` for our next sign of life; without context, as libzmq.
pub(super) fn ping(ttl: Option<Duration>) -> Vec<u8> {
    let tenths = ttl.map_or(0, |ttl| ttl.as_millis().div_ceil(100));
    [PING, &u16::try_from(tenths).unwrap_or(u16::MAX).to_be_bytes()].concat()
}

/// The body of the PONG that answers a PING.
pub(super) fn pong(context: &PingContext) -> Vec<u8> {
    [PONG, context.as_bytes()].concat()
}

/// The body of an ERROR.
pub(super) fn error(reason: &str) -> Vec<u8> {
    let length = u8::try_from(reason.len()).unwrap_or(u8::MAX);
    let reason = reason.as_bytes().get(..usize::from(length)).unwrap_or_default();
    [ERROR, &[length], reason].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_commands_are_recognised() {
        assert_eq!(Command::parse(b"\x05READYabc"), Ok(Command::Ready(b"abc")));
        assert_eq!(Command::parse(b"\x05ERROR\x00"), Ok(Command::Error(b"\0")));
        assert_eq!(Command::parse(b"\x09SUBSCRIBE"), Ok(Command::Subscribe(b"")));
        assert_eq!(Command::parse(b"\x06CANCELtopic"), Ok(Command::Cancel(b"topic")));
        assert_eq!(Command::parse(b"\x04PONGxyz"), Ok(Command::Pong));
        assert_eq!(Command::parse(b"\x04JOINgroup"), Ok(Command::Other(b"JOIN")));
        assert_eq!(Command::parse(b"\x05readyabc"), Ok(Command::Other(b"ready")));
    }

    #[test]
    fn names_must_be_whole() {
        for body in [&b""[..], b"\0", b"\0READY", b"\x05READ", b"\xFFPING"] {
            assert!(Command::parse(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_ping_has_tenths_of_a_second_and_a_short_context() {
        let parse = |body: &[u8]| match Command::parse(body) {
            Ok(Command::Ping { ttl, context }) => Some((ttl, context.as_bytes().to_vec())),
            _ => None,
        };
        assert_eq!(parse(b"\x04PING\0\0"), Some((None, vec![])));
        assert_eq!(parse(b"\x04PING\x00\x0Aabc"), Some((Some(Duration::from_secs(1)), b"abc".to_vec())));
        assert_eq!(parse(b"\x04PING\xFF\xFF"), Some((Some(Duration::from_millis(6_553_500)), vec![])));
        assert_eq!(parse(b"\x04PING\0\x010123456789abcdef").map(|(_, context)| context.len()), Some(16));
        assert_eq!(parse(b"\x04PING\0\x010123456789abcdefg"), None);
        assert_eq!(parse(b"\x04PING\0"), None);
    }

    #[test]
    fn bodies_are_as_the_rfc_has_them() {
        assert_eq!(ping(None), b"\x04PING\0\0");
        assert_eq!(ping(Some(Duration::from_millis(250))), b"\x04PING\0\x03");
        assert_eq!(ping(Some(Duration::from_secs(100))), b"\x04PING\x03\xE8");
        assert_eq!(ping(Some(Duration::MAX)), b"\x04PING\xFF\xFF");
        assert_eq!(PingContext::new(b"abc").map(|context| pong(&context)), Some(b"\x04PONGabc".to_vec()));
        assert_eq!(error("No"), b"\x05ERROR\x02No");
        assert_eq!(error(&"x".repeat(300)).len(), 6 + 1 + 255);
    }

    #[test]
    fn the_reason_of_an_error_must_be_whole() {
        assert_eq!(error_reason(b"\x02No"), Ok(&b"No"[..]));
        assert_eq!(error_reason(b"\x00"), Ok(&b""[..]));
        assert_eq!(error_reason(b"\x02Nothing"), Ok(&b"No"[..]));
        assert!(error_reason(b"").is_err());
        assert!(error_reason(b"\x03No").is_err());
    }
}
