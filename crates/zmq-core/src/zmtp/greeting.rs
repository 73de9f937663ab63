//! The greeting: which version and which mechanism (RFC 37, greeting; detection of older peers as libzmq does it).
//!
//! An old peer must be recognised before it gets more than it can read, so our greeting goes out in steps: the
//! signature at once, the version when the peer's signature is there, the rest when its version is there.

use super::error::{ProtocolError, printable};
use super::output::Output;

/// The mechanism field of NULL.
const NULL: &[u8; 20] = b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const FIRST_BYTES: usize = 2;
const SIGNATURE: usize = 10;
const VERSION: usize = 11;
const GREETING: usize = 64;

/// How a protocol that is not ZMTP begins. Two bytes tell enough and even old peers send them.
const OTHER_PROTOCOLS: [(&[u8; 2], &str); 13] = [
    (b"GE", "HTTP"),
    (b"PO", "HTTP"),
    (b"PU", "HTTP"),
    (b"HE", "HTTP"),
    (b"DE", "HTTP"),
    (b"OP", "HTTP"),
    (b"CO", "HTTP"),
    (b"TR", "HTTP"),
    (b"PA", "HTTP"),
    (b"HT", "HTTP"),
    (b"PR", "HTTP/2"),
    (b"\x16\x03", "TLS"),
    (b"SS", "SSH"),
];

/// The version that both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 23.
    V3_0,
    /// RFC 37.
    V3_1,
}

impl Version {
    /// Whether subscriptions are commands; before 3.1 they are messages.
    pub fn has_subscription_commands(self) -> bool {
        self == Version::V3_1
    }
}

/// The first ten bytes of our greeting. To a peer of ZMTP 1.0 they are the header of a frame with our routing id.
pub(super) fn signature(routing_id_length: usize) -> [u8; SIGNATURE] {
    let mut signature = [0; SIGNATURE];
    let [first, padding @ .., last] = &mut signature;
    *first = 0xFF;
    *padding = (routing_id_length as u64).saturating_add(1).to_be_bytes();
    *last = 0x7F;
    signature
}

/// What the peer's greeting has told so far.
pub(super) struct Greeting {
    /// Invariant: `bytes[..received]` has arrived, and every step that ends there was checked.
    bytes: [u8; GREETING],
    received: usize,
}

impl Greeting {
    pub fn new() -> Greeting {
        Greeting { bytes: [0; GREETING], received: 0 }
    }

    /// Reads on, and answers each step; returns the version when the greeting is complete.
    pub fn receive(
        &mut self,
        input: &mut &[u8],
        output: &mut Output,
    ) -> Result<Option<Version>, ProtocolError> {
        while self.finishes_step(input) {
            match self.received {
                FIRST_BYTES => self.check_first_bytes()?,
                SIGNATURE => {
                    self.check_signature()?;
                    output.put(&[3]);
                }
                VERSION => {
                    self.check_version()?;
                    output.put(&rest_of_greeting());
                }
                _ => {
                    self.check_mechanism()?;
                    return Ok(Some(self.version()));
                }
            }
        }
        Ok(None)
    }

    /// Takes what `input` has of the current step; whether that finishes it.
    fn finishes_step(&mut self, input: &mut &[u8]) -> bool {
        let end = match self.received {
            0..FIRST_BYTES => FIRST_BYTES,
            FIRST_BYTES..SIGNATURE => SIGNATURE,
            SIGNATURE..VERSION => VERSION,
            _ => GREETING,
        };
        let missing = self.bytes.get_mut(self.received..end).unwrap_or_default();
        let count = missing.len().min(input.len());
        for (place, byte) in missing.iter_mut().zip(input.iter()) {
            *place = *byte;
        }
        *input = input.get(count..).unwrap_or_default();
        self.received += count;
        self.received == end
    }

    fn check_first_bytes(&self) -> Result<(), ProtocolError> {
        match self.bytes {
            [0xFF, ..] => Ok(()),
            // RFC 13: a frame with the peer's identity, its length in one byte and its flags zero.
            [1..=0xFE, 0, ..] => Err(ProtocolError::UnsupportedVersion { version: "1.0" }),
            [first, second, ..] => {
                let known = OTHER_PROTOCOLS.iter().find(|(start, _)| **start == [first, second]);
                Err(ProtocolError::NotZmtp { looks_like: known.map(|(_, name)| *name) })
            }
        }
    }

    fn check_signature(&self) -> Result<(), ProtocolError> {
        let [_, _, _, _, _, _, _, _, _, last, ..] = self.bytes;
        match last {
            0x7F => Ok(()),
            // RFC 13: the same with a length of eight bytes; libzmq tells them apart by this bit.
            _ if last & 1 == 0 => Err(ProtocolError::UnsupportedVersion { version: "1.0" }),
            _ => Err(ProtocolError::NotZmtp { looks_like: None }),
        }
    }

    fn check_version(&self) -> Result<(), ProtocolError> {
        match self.major() {
            0 => Err(ProtocolError::UnsupportedVersion { version: "1.0" }),
            // RFC 37, version negotiation: 1 and 2 both mean ZMTP 2.0.
            1 | 2 => Err(ProtocolError::UnsupportedVersion { version: "2.0" }),
            // A later version downgrades to ours.
            _ => Ok(()),
        }
    }

    /// RFC 37, security mechanism: both must use the same, to the last byte of padding.
    fn check_mechanism(&self) -> Result<(), ProtocolError> {
        let theirs = self.bytes.get(12..32).unwrap_or_default();
        if theirs == NULL {
            return Ok(());
        }
        let name = theirs.iter().rposition(|byte| *byte != 0).and_then(|last| theirs.get(..=last));
        Err(ProtocolError::MechanismMismatch { ours: "NULL", theirs: printable(name.unwrap_or_default()) })
    }

    fn version(&self) -> Version {
        let [_, _, _, _, _, _, _, _, _, _, _, minor, ..] = self.bytes;
        if self.major() == 3 && minor == 0 { Version::V3_0 } else { Version::V3_1 }
    }

    fn major(&self) -> u8 {
        let [_, _, _, _, _, _, _, _, _, _, major, ..] = self.bytes;
        major
    }
}

/// What follows the major version: minor version, mechanism, as-server (zero for NULL) and filler.
fn rest_of_greeting() -> [u8; GREETING - VERSION] {
    let mut rest = [0; GREETING - VERSION];
    let source = [1].iter().chain(NULL);
    for (place, byte) in rest.iter_mut().zip(source) {
        *place = *byte;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(major: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
        let mut bytes = signature(0).to_vec();
        bytes.extend_from_slice(&[major, minor]);
        bytes.extend_from_slice(mechanism);
        bytes.resize(GREETING, 0);
        bytes
    }

    /// The verdict on a stream, which must not depend on how it is cut.
    fn verdict(bytes: &[u8]) -> Result<Option<Version>, ProtocolError> {
        let whole = Greeting::new().receive(&mut &bytes[..], &mut Output::default());
        let mut by_bytes = Ok(None);
        let mut greeting = Greeting::new();
        for byte in bytes.chunks(1) {
            by_bytes = greeting.receive(&mut &byte[..], &mut Output::default());
            if by_bytes != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, by_bytes);
        whole
    }

    #[test]
    fn ours_goes_out_in_steps_and_is_as_the_rfc_has_it() {
        let mut output = Output::default();
        output.put(&signature(0));
        let mut greeting = Greeting::new();
        let theirs = self::greeting(3, 1, b"NULL");
        let mut lengths = Vec::new();
        for byte in theirs.chunks(1) {
            assert!(greeting.receive(&mut &byte[..], &mut output).is_ok());
            lengths.push(output.len());
        }
        assert_eq!((lengths[8], lengths[9], lengths[10], lengths[63]), (10, 11, 64, 64));
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        assert_eq!(output.slices(&mut slices), 1);
        assert_eq!(slices[0][..], theirs[..]);
        assert_eq!(slices[0][..10], [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F]);
    }

    #[test]
    fn versions_from_3_on_are_accepted() {
        for (major, minor, version) in
            [(3, 0, Version::V3_0), (3, 1, Version::V3_1), (3, 9, Version::V3_1), (4, 0, Version::V3_1)]
        {
            assert_eq!(verdict(&greeting(major, minor, b"NULL")), Ok(Some(version)));
        }
    }

    #[test]
    fn older_versions_are_named() {
        let refused = |version| Err(ProtocolError::UnsupportedVersion { version });
        assert_eq!(verdict(&[1, 0]), refused("1.0"));
        assert_eq!(verdict(b"\x05\x00abcd"), refused("1.0"));
        assert_eq!(verdict(&[0xFF, 0, 0, 0, 0, 0, 0, 1, 0, 0]), refused("1.0"));
        assert_eq!(verdict(&greeting(0, 0, b"")), refused("1.0"));
        assert_eq!(verdict(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1]), refused("2.0"));
        assert_eq!(verdict(&greeting(2, 0, b"NULL")), refused("2.0"));
    }

    #[test]
    fn other_protocols_are_named_after_two_bytes() {
        let refused = |looks_like| Err(ProtocolError::NotZmtp { looks_like });
        assert_eq!(verdict(b"GET / HTTP/1.1\r\n"), refused(Some("HTTP")));
        assert_eq!(verdict(b"PRI * HTTP/2.0"), refused(Some("HTTP/2")));
        assert_eq!(verdict(b"\x16\x03\x01\x02"), refused(Some("TLS")));
        assert_eq!(verdict(b"SSH-2.0-x"), refused(Some("SSH")));
        assert_eq!(verdict(&[0, 0]), refused(None));
        assert_eq!(verdict(b"hello"), refused(None));
        assert_eq!(verdict(&[0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 9]), refused(None));
        assert_eq!(verdict(b"G"), Ok(None));
    }

    #[test]
    fn the_mechanism_must_match_to_the_last_byte() {
        for (mechanism, shown) in [
            (&b"PLAIN"[..], "PLAIN"),
            (b"CURVE", "CURVE"),
            (b"", ""),
            (b"null", "null"),
            (b"NULLX", "NULLX"),
            (
                b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n",
                r"NULL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\n",
            ),
        ] {
            let expected = ProtocolError::MechanismMismatch { ours: "NULL", theirs: shown.into() };
            assert_eq!(verdict(&greeting(3, 1, mechanism)), Err(expected));
        }
    }

    #[test]
    fn as_server_and_filler_are_ignored() {
        let mut bytes = greeting(3, 1, b"NULL");
        bytes[32..].fill(1);
        assert_eq!(verdict(&bytes), Ok(Some(Version::V3_1)));
    }
}
