//! MESSAGE: what every frame becomes after the handshake (RFC 26).
//!
//! libzmq and we send it without the command flag that the RFC asks for; it is accepted either way.

use crate::boxes::{MAC, Nonce, SharedKey, short_nonce};
use crate::malformed;
use zmq_core::security::{Kind, Seal};
use zmq_core::zmtp::ProtocolError;

const NAME: &[u8; 8] = b"\x07MESSAGE";
/// Name, number, and what precedes the content in the box.
const OVERHEAD: usize = NAME.len() + 8 + MAC + 1;
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// The prefix of the nonces of either side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    Client,
    Server,
}

impl Speaker {
    fn nonce(self, number: u64) -> Nonce {
        let prefix = match self {
            Speaker::Client => b"CurveZMQMESSAGEC",
            Speaker::Server => b"CurveZMQMESSAGES",
        };
        short_nonce(prefix, number)
    }
}

/// The two counters of a connection and the key its messages are sealed with.
pub(crate) struct Traffic {
    key: SharedKey,
    we: Speaker,
    they: Speaker,
    /// The number of the last command that we sent.
    sent: u64,
    /// The number of the last command of the peer that opened.
    received: u64,
}

impl Traffic {
    /// The numbers go on from those of the handshake.
    pub fn new(key: SharedKey, we: Speaker, sent: u64, received: u64) -> Traffic {
        let they = if we == Speaker::Client { Speaker::Server } else { Speaker::Client };
        Traffic { key, we, they, sent, received }
    }
}

impl Seal for Traffic {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn seal(
        &mut self,
        kind: Kind,
        prefix: &[u8],
        content: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        self.sent = self.sent.checked_add(1).ok_or(ProtocolError::Exhausted { what: "nonces" })?;
        let flags = match kind {
            Kind::Part => MORE,
            Kind::LastPart => 0,
            Kind::Command => COMMAND,
        };
        buffer.extend_from_slice(NAME);
        buffer.extend_from_slice(&self.sent.to_be_bytes());
        let start = buffer.len();
        buffer.extend_from_slice(&[0; MAC]);
        buffer.push(flags);
        buffer.extend_from_slice(prefix);
        buffer.extend_from_slice(content);
        let sealed = buffer.get_mut(start..).unwrap_or_default();
        if let Some((mac, content)) = sealed.split_first_chunk_mut::<MAC>() {
            *mac = self.key.seal(content, &self.we.nonce(self.sent));
        }
        Ok(())
    }

    fn open(&mut self, body: &mut [u8]) -> Result<Kind, ProtocolError> {
        let Some((number, sealed)) = split(body) else {
            return Err(if body.starts_with(NAME) {
                malformed("MESSAGE", "it is cut off")
            } else {
                ProtocolError::unexpected(body)
            });
        };
        if number <= self.received {
            return Err(ProtocolError::Replayed { command: "MESSAGE" });
        }
        let opened = self.key.open(sealed, &self.they.nonce(number));
        let flags = opened.and_then(|content| content.first().copied());
        let flags = flags.ok_or(ProtocolError::NotAuthentic { command: "MESSAGE" })?;
        self.received = number;
        match flags {
            0 => Ok(Kind::LastPart),
            MORE => Ok(Kind::Part),
            COMMAND => Ok(Kind::Command),
            _ => Err(malformed("MESSAGE", "its flags are reserved")),
        }
    }
}

/// The number of a MESSAGE and the box in it.
fn split(body: &mut [u8]) -> Option<(u64, &mut [u8])> {
    if body.len() < OVERHEAD {
        return None;
    }
    let (name, rest) = body.split_first_chunk_mut::<8>()?;
    let (number, sealed) = rest.split_first_chunk_mut::<8>()?;
    (name == NAME).then_some((u64::from_be_bytes(*number), sealed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;

    fn key() -> SharedKey {
        SharedKey::between(&SecretKey::from([1; 32]), &SecretKey::from([2; 32]).public()).unwrap()
    }

    #[test]
    fn numbers_never_come_round() {
        let mut last = Traffic::new(key(), Speaker::Client, u64::MAX - 1, 0);
        let mut buffer = Vec::new();
        assert_eq!(last.seal(Kind::LastPart, b"", b"x", &mut buffer), Ok(()));
        let mut peer = Traffic::new(key(), Speaker::Server, 0, u64::MAX - 1);
        let mut again = buffer.clone();
        assert_eq!(peer.open(&mut buffer), Ok(Kind::LastPart));
        assert_eq!(peer.open(&mut again), Err(ProtocolError::Replayed { command: "MESSAGE" }));
        let exhausted = Err(ProtocolError::Exhausted { what: "nonces" });
        assert_eq!(last.seal(Kind::LastPart, b"", b"x", &mut buffer), exhausted);
    }

    #[test]
    fn flags_that_mean_nothing_are_refused() {
        for flags in 3..=255_u8 {
            let (mut us, mut peer) =
                (Traffic::new(key(), Speaker::Client, 0, 0), Traffic::new(key(), Speaker::Server, 0, 0));
            let mut body = Vec::new();
            us.seal(Kind::LastPart, b"", b"content", &mut body).unwrap();
            // Sealed again with other flags, as only a holder of the key can.
            let nonce = Speaker::Client.nonce(1);
            us.key.open(&mut body[16..], &nonce).unwrap()[0] = flags;
            let (_, content) = body.split_at_mut(32);
            let mac = us.key.seal(content, &nonce);
            body[16..32].copy_from_slice(&mac);
            assert_eq!(peer.open(&mut body), Err(malformed("MESSAGE", "its flags are reserved")), "{flags}");
        }
    }
}
