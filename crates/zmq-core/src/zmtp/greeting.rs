//! The greeting: which version and which mechanism (RFC 37, greeting; detection of older peers as libzmq does it).
//!
//! An old peer must be recognised before it gets more than it can read, so our greeting goes out in steps: the
//! signature at once, the version when the peer's signature is there, the rest when its version is there.

use super::config::Config;
use super::error::{ProtocolError, printable};
use super::mechanism::{Mechanism, Role};
use super::output::Output;
use crate::options::ZmtpVersion;

const FIRST_BYTES: usize = 2;
const SIGNATURE: usize = 10;
const VERSION: usize = 11;
/// The greeting of ZMTP 2.0 ends with the socket type.
const OLD_GREETING: usize = 12;
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

/// What a greeting has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greeted {
    /// ZMTP 1.0, which has no greeting: what was read is the header of a frame with the peer's identity.
    Headless { header: Vec<u8> },
    /// ZMTP 2.0, or 1.0 behind a greeting of 2.0: the identities follow.
    Old { version: ZmtpVersion, socket_type: u8 },
    /// ZMTP 3.0 or 3.1: the handshake of the mechanism follows.
    Current(ZmtpVersion),
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

    /// Reads on, and answers each step; returns what the greeting has come to when it is complete.
    pub fn receive(
        &mut self,
        input: &mut &[u8],
        config: &Config,
        output: &mut Output,
    ) -> Result<Option<Greeted>, ProtocolError> {
        while self.finishes_step(input) {
            match self.received {
                FIRST_BYTES if self.starts_short_frame()? => return self.headless(config),
                FIRST_BYTES => {}
                SIGNATURE if self.starts_long_frame()? => return self.headless(config),
                SIGNATURE => output.put(&[3]),
                VERSION if self.is_old() => {
                    check_accepted(self.version(), config)?;
                    output.put(&[config.socket_type.number()]);
                }
                VERSION => output.put(&rest_of_greeting(&**config.security.mechanism())),
                OLD_GREETING => {
                    let [.., socket_type] = self.first::<OLD_GREETING>();
                    return Ok(Some(Greeted::Old { version: self.version(), socket_type }));
                }
                _ => {
                    self.check_mechanism(&**config.security.mechanism())?;
                    check_accepted(self.version(), config)?;
                    return Ok(Some(Greeted::Current(self.version())));
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
            _ if self.is_old() => OLD_GREETING,
            _ => GREETING,
        };
        let missing = self.bytes.get_mut(self.received..end).unwrap_or_default();
        let count = missing.len().min(input.len());
        for (place, byte) in missing.iter_mut().zip(input.iter()) {
            *place = *byte;
        }
        *input = input.get(count..).unwrap_or_default();
        self.received = self.received.saturating_add(count);
        self.received == end
    }

    /// Whether this is no signature but a frame of ZMTP 1.0 whose length has one byte.
    fn starts_short_frame(&self) -> Result<bool, ProtocolError> {
        match self.first::<FIRST_BYTES>() {
            [0xFF, _] => Ok(false),
            // RFC 13: a frame with the peer's identity, its length in one byte and its flags zero.
            [1..=0xFE, 0] => Ok(true),
            first => {
                let known = OTHER_PROTOCOLS.iter().find(|(start, _)| **start == first);
                Err(ProtocolError::NotZmtp { looks_like: known.map(|(_, name)| *name) })
            }
        }
    }

    /// Whether this is no signature but a frame of ZMTP 1.0 whose length has eight bytes: its flags are zero.
    fn starts_long_frame(&self) -> Result<bool, ProtocolError> {
        match self.first::<SIGNATURE>() {
            [.., 0x7F] => Ok(false),
            // libzmq tells them apart by this bit.
            [.., last] if last & 1 == 0 => Ok(true),
            _ => Err(ProtocolError::NotZmtp { looks_like: None }),
        }
    }

    fn headless(&self, config: &Config) -> Result<Option<Greeted>, ProtocolError> {
        check_accepted(ZmtpVersion::V1_0, config)?;
        let header = self.bytes.get(..self.received).unwrap_or_default().to_vec();
        Ok(Some(Greeted::Headless { header }))
    }

    /// RFC 37, security mechanism: both must use the same, to the last byte of padding.
    fn check_mechanism(&self, ours: &dyn Mechanism) -> Result<(), ProtocolError> {
        let theirs = self.bytes.get(12..32).unwrap_or_default();
        if theirs != name_field(ours) {
            let name = theirs.iter().rposition(|byte| *byte != 0).and_then(|last| theirs.get(..=last));
            let theirs = printable(name.unwrap_or_default());
            return Err(ProtocolError::MechanismMismatch { ours: ours.name(), theirs });
        }
        // A client leaves the byte zero; libzmq always does.
        let [.., as_server] = *self.bytes.first_chunk::<33>().unwrap_or(&[0; 33]);
        if as_server == 1 && ours.role() == Role::Server {
            return Err(ProtocolError::RoleMismatch);
        }
        Ok(())
    }

    /// Whether the peer's version, which has arrived, is older than 3.0.
    fn is_old(&self) -> bool {
        self.version() < ZmtpVersion::V3_0
    }

    /// The peer's version, or ours if that is older; its minor part counts from 3 on.
    fn version(&self) -> ZmtpVersion {
        match self.first::<OLD_GREETING>() {
            [.., 0, _] => ZmtpVersion::V1_0,
            // RFC 37, version negotiation: 1 and 2 both mean ZMTP 2.0.
            [.., 1 | 2, _] => ZmtpVersion::V2_0,
            [.., 3, 0] => ZmtpVersion::V3_0,
            _ => ZmtpVersion::V3_1,
        }
    }

    /// The first bytes, zero where they have not arrived.
    fn first<const N: usize>(&self) -> [u8; N] {
        self.bytes.first_chunk().copied().unwrap_or([0; N])
    }
}

fn check_accepted(version: ZmtpVersion, config: &Config) -> Result<(), ProtocolError> {
    let oldest = config.oldest_version;
    if version < oldest {
        return Err(ProtocolError::UnsupportedVersion { version, oldest });
    }
    // RFC 37, backwards compatibility.
    if version < ZmtpVersion::V3_0 && config.is_secured() {
        return Err(ProtocolError::VersionWithoutSecurity { version });
    }
    Ok(())
}

/// What follows the major version: minor version, mechanism, as-server and filler.
fn rest_of_greeting(mechanism: &dyn Mechanism) -> [u8; GREETING - VERSION] {
    let mut rest = [0; GREETING - VERSION];
    let as_server = u8::from(mechanism.role() == Role::Server);
    let source = [1].into_iter().chain(name_field(mechanism)).chain([as_server]);
    for (place, byte) in rest.iter_mut().zip(source) {
        *place = byte;
    }
    rest
}

/// The name of the mechanism, filled up with zeros.
fn name_field(mechanism: &dyn Mechanism) -> [u8; 20] {
    let mut field = [0; 20];
    for (place, byte) in field.iter_mut().zip(mechanism.name().bytes()) {
        *place = byte;
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::security::Plain;
    use crate::socket_type::SocketType;

    fn greeting(major: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
        let mut bytes = signature(0).to_vec();
        bytes.extend_from_slice(&[major, minor]);
        bytes.extend_from_slice(mechanism);
        bytes.resize(GREETING, 0);
        bytes
    }

    fn config(oldest_zmtp: ZmtpVersion) -> Config {
        let options = Options { oldest_zmtp, ..Options::default() };
        Config::new(SocketType::Dealer, &options)
    }

    /// The verdict on a stream, which must not depend on how it is cut.
    fn verdict(bytes: &[u8]) -> Result<Option<Greeted>, ProtocolError> {
        verdict_of(ZmtpVersion::V1_0, bytes)
    }

    fn verdict_of(oldest: ZmtpVersion, bytes: &[u8]) -> Result<Option<Greeted>, ProtocolError> {
        let config = config(oldest);
        let whole = Greeting::new().receive(&mut &bytes[..], &config, &mut Output::default());
        let mut by_bytes = Ok(None);
        let mut greeting = Greeting::new();
        for byte in bytes.chunks(1) {
            by_bytes = greeting.receive(&mut &byte[..], &config, &mut Output::default());
            if by_bytes != Ok(None) {
                break;
            }
        }
        assert_eq!(whole, by_bytes);
        whole
    }

    /// How long our greeting is after each byte of theirs, and the whole of it.
    fn answered(theirs: &[u8]) -> (Vec<usize>, Vec<u8>) {
        let mut output = Output::default();
        output.put(&signature(0));
        let mut greeting = Greeting::new();
        let mut lengths = Vec::new();
        for byte in theirs.chunks(1) {
            assert!(greeting.receive(&mut &byte[..], &config(ZmtpVersion::V1_0), &mut output).is_ok());
            lengths.push(output.len());
        }
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        assert_eq!(output.slices(usize::MAX, &mut slices), 1);
        (lengths, slices[0].to_vec())
    }

    #[test]
    fn ours_goes_out_in_steps_and_is_as_the_rfc_has_it() {
        let theirs = greeting(3, 1, b"NULL");
        let (lengths, ours) = answered(&theirs);
        assert_eq!((lengths[8], lengths[9], lengths[10], lengths[63]), (10, 11, 64, 64));
        assert_eq!(ours, theirs);
        assert_eq!(ours[..10], [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F]);
    }

    #[test]
    fn old_peers_get_our_version_and_our_type_and_no_more() {
        for version in [0, 1, 2] {
            let theirs = [&signature(0)[..], &[version, 6]].concat();
            let (lengths, ours) = answered(&theirs);
            assert_eq!((lengths[8], lengths[9], lengths[10], lengths[11]), (10, 11, 12, 12));
            assert_eq!(ours[10..], [3, 5], "version 3, DEALER");
        }
        assert_eq!(answered(&[5, 0]).1.len(), 10);
    }

    #[test]
    fn current_versions_are_told_by_two_numbers() {
        use ZmtpVersion::{V3_0, V3_1};
        for (major, minor, version) in [(3, 0, V3_0), (3, 1, V3_1), (3, 9, V3_1), (4, 0, V3_1)] {
            assert_eq!(verdict(&greeting(major, minor, b"NULL")), Ok(Some(Greeted::Current(version))));
        }
    }

    #[test]
    fn old_versions_are_told_by_one_number_or_none() {
        for header in [&[1, 0][..], &[5, 0], &[0xFE, 0], &[0xFF, 0, 0, 0, 0, 0, 0, 1, 0, 0]] {
            assert_eq!(verdict(header), Ok(Some(Greeted::Headless { header: header.to_vec() })));
        }
        for (number, version) in [(0, ZmtpVersion::V1_0), (1, ZmtpVersion::V2_0), (2, ZmtpVersion::V2_0)] {
            let stream = [&signature(0)[..], &[number, 8, 0, 0]].concat();
            assert_eq!(verdict(&stream), Ok(Some(Greeted::Old { version, socket_type: 8 })));
            assert_eq!(verdict(&stream[..11]), Ok(None));
        }
    }

    #[test]
    fn versions_older_than_is_accepted_are_refused_as_soon_as_they_show() {
        use ZmtpVersion::{V1_0, V2_0, V3_0, V3_1};
        let old = |number| [&signature(0)[..], &[number]].concat();
        let streams = [
            (V1_0, vec![1, 0]),
            (V1_0, vec![0xFF, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
            (V1_0, old(0)),
            (V2_0, old(1)),
            (V2_0, old(2)),
            (V3_0, greeting(3, 0, b"NULL")),
            (V3_1, greeting(3, 1, b"NULL")),
        ];
        for (version, stream) in streams {
            for oldest in [V1_0, V2_0, V3_0, V3_1] {
                let refused = Err(ProtocolError::UnsupportedVersion { version, oldest });
                assert_eq!(verdict_of(oldest, &stream) == refused, version < oldest, "{version} {oldest}");
            }
        }
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
        assert_eq!(verdict(&bytes), Ok(Some(Greeted::Current(ZmtpVersion::V3_1))));
    }

    #[test]
    fn two_servers_have_nothing_to_say_to_each_other() {
        let client = || Plain::client("user", "password").expect("short");
        let receive = |as_server, plain: Plain| {
            let mut bytes = greeting(3, 1, b"PLAIN");
            bytes[32] = as_server;
            let config = Config { security: plain.into(), ..config(ZmtpVersion::V1_0) };
            Greeting::new().receive(&mut &bytes[..], &config, &mut Output::default())
        };
        let greeted = Ok(Some(Greeted::Current(ZmtpVersion::V3_1)));
        assert_eq!(receive(1, Plain::server()), Err(ProtocolError::RoleMismatch));
        assert_eq!(receive(0, Plain::server()), greeted);
        assert_eq!(receive(1, client()), greeted);
        // libzmq does not say that it is the server.
        assert_eq!(receive(0, client()), greeted);
        assert_eq!(rest_of_greeting(&Plain::server())[..22], *b"\x01PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
        assert_eq!(rest_of_greeting(&client())[21], 0);
    }

    #[test]
    fn versions_without_security_are_refused_where_it_is_asked_for() {
        let null = config(ZmtpVersion::V1_0);
        let judged = Config { judged: true, ..null.clone() };
        let plain = Config { security: Plain::server().into(), ..null.clone() };
        for (version, bytes) in [
            (ZmtpVersion::V1_0, vec![1, 0]),
            (ZmtpVersion::V1_0, vec![0xFF, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
            (ZmtpVersion::V2_0, [&signature(0)[..], &[1, 5]].concat()),
        ] {
            let receive = |config| Greeting::new().receive(&mut &bytes[..], config, &mut Output::default());
            assert!(matches!(receive(&null), Ok(Some(_))));
            let refused = Err(ProtocolError::VersionWithoutSecurity { version });
            assert_eq!((receive(&judged), receive(&plain)), (refused.clone(), refused));
        }
    }
}
