//! The handshake: what is exchanged between the greeting and the first message.
//!
//! What is said depends on the mechanism ([`Exchange`]); what is the same for all is here: the metadata, the verdict
//! of the authenticator, and the bounds.

use super::command::{self, malformed};
use super::config::Config;
use super::error::{ProtocolError, printable};
use super::frame::{COMMAND, Header};
use super::mechanism::{Commands, Exchange, Progress, Seal, Terms};
use super::output::Output;
use crate::peer::Peer;
use crate::security::{Admission, Claim, Verdict};
use crate::socket_type::SocketType;
use bytes::Bytes;

/// Most properties.
const MAX_PROPERTIES: usize = 64;
/// What a command of a mechanism says besides metadata, in bytes at most.
const BESIDES_METADATA: u64 = 512;
/// The bytes of the shortest header of a frame.
const HEADER: u64 = 2;
/// Only the authentication and the transport may say these of a peer, never the peer itself.
const VOUCHED_FOR_BY_US: [&str; 2] = [USER_ID, "Peer-Address"];
const USER_ID: &str = "User-Id";

/// A handshake under way.
pub(super) struct Handshake {
    exchange: Box<dyn Exchange>,
    /// The authenticator has been asked and has not answered.
    judging: bool,
    /// What it says of the peer.
    admission: Admission,
    /// The bytes of all commands that came.
    size: u64,
}

/// What a step of the handshake has come to.
pub(super) enum Step {
    /// More is to come.
    Pending,
    /// The authenticator is to judge this.
    Judge(Box<Claim>),
    /// It is complete.
    Complete(Box<Peer>, Option<Box<dyn Seal>>),
}

impl Handshake {
    /// Begins the handshake of the socket's mechanism.
    pub fn start(config: &Config, output: &mut Output) -> Result<(Handshake, Step), ProtocolError> {
        let terms = Terms { metadata: metadata(config), judged: config.judged };
        let exchange = config.security.mechanism().exchange(terms);
        let mut handshake = Handshake { exchange, judging: false, admission: Admission::default(), size: 0 };
        let step = handshake.step(config, output, |exchange, commands| exchange.start(commands))?;
        Ok((handshake, step))
    }

    /// Whether the frame of `header` may come; asked before any of it is kept.
    pub fn admit(&mut self, header: &Header, config: &Config) -> Result<(), ProtocolError> {
        // RFC 37, handshake: commands only; libzmq does not look.
        if !header.command {
            return Err(ProtocolError::MessageInHandshake);
        }
        let limit = config.max_metadata_size;
        if header.length > (limit as u64).saturating_add(BESIDES_METADATA) {
            return Err(ProtocolError::MetadataTooLarge { limit });
        }
        let limit = config.max_handshake_size;
        self.size = self.size.saturating_add(HEADER).saturating_add(header.length);
        if self.size > limit as u64 {
            return Err(ProtocolError::HandshakeTooLarge { limit });
        }
        Ok(())
    }

    /// Takes the peer's next command.
    pub fn receive(
        &mut self,
        body: &[u8],
        config: &Config,
        output: &mut Output,
    ) -> Result<Step, ProtocolError> {
        self.step(config, output, |exchange, commands| exchange.receive(body, commands))
    }

    /// Takes the answer of the authenticator; one that nobody asked for is ignored.
    pub fn decide(
        &mut self,
        verdict: Verdict,
        config: &Config,
        output: &mut Output,
    ) -> Result<Step, ProtocolError> {
        if !std::mem::take(&mut self.judging) {
            return Ok(Step::Pending);
        }
        self.admission = verdict.0.map_err(|status| ProtocolError::Denied { status })?;
        self.step(config, output, |exchange, commands| exchange.admitted(commands))
    }

    /// What the exchange sends goes out only if all is well with what the peer says of itself.
    fn step(
        &mut self,
        config: &Config,
        output: &mut Output,
        act: impl FnOnce(&mut dyn Exchange, &mut Commands<'_>) -> Result<Progress, ProtocolError>,
    ) -> Result<Step, ProtocolError> {
        let mut bodies = Vec::new();
        let progress = act(&mut *self.exchange, &mut Commands::new(&mut bodies))?;
        let step = self.settle(progress, config)?;
        bodies.iter().for_each(|body| output.put_frame(COMMAND, body));
        Ok(step)
    }

    fn settle(&mut self, progress: Progress, config: &Config) -> Result<Step, ProtocolError> {
        Ok(match progress {
            Progress::Pending => Step::Pending,
            Progress::Judge(claim) => {
                self.judging = true;
                Step::Judge(claim)
            }
            Progress::Complete { metadata, seal } => {
                let mut peer = peer(&metadata, config)?;
                self.describe(&mut peer);
                Step::Complete(Box::new(peer), seal)
            }
        })
    }

    /// Adds what the authenticator knows of the peer to what it says of itself.
    fn describe(&mut self, peer: &mut Peer) {
        let Admission { user_id, metadata } = std::mem::take(&mut self.admission);
        if user_id.is_empty() && metadata.is_empty() {
            return;
        }
        let mut properties = peer.properties.to_vec();
        properties.retain(|(name, _)| !metadata.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)));
        properties.extend(metadata);
        if !user_id.is_empty() {
            properties.push((USER_ID.to_owned(), Bytes::from(user_id.clone())));
        }
        peer.properties = properties.into();
        peer.user_id = user_id;
    }
}

/// Our properties.
fn metadata(config: &Config) -> Vec<u8> {
    let mut metadata = Vec::new();
    write_property(&mut metadata, "Socket-Type", config.socket_type.as_str().as_bytes());
    if config.socket_type.sends_identity() {
        write_property(&mut metadata, "Identity", &config.routing_id);
    }
    for (name, value) in &config.metadata {
        write_property(&mut metadata, name, value);
    }
    metadata
}

fn write_property(body: &mut Vec<u8>, name: &str, value: &[u8]) {
    body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(value);
}

/// The peer as its metadata describes it, if we may talk to it.
fn peer(metadata: &[u8], config: &Config) -> Result<Peer, ProtocolError> {
    let ours = config.socket_type;
    let properties = parse_metadata(metadata, config.max_metadata_size)?;
    let find = |name: &str| {
        properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    // RFC 37, connection metadata; libzmq accepts a peer that does not name its type.
    let name = find("Socket-Type").ok_or_else(|| malformed("READY", "it does not say the Socket-Type"))?;
    Ok(Peer {
        socket_type: Some(compatible_type(&name, ours)?),
        routing_id: find("Identity").map(routing_id).transpose()?.unwrap_or_default(),
        properties: properties.into(),
        ..Peer::default()
    })
}

fn compatible_type(name: &[u8], ours: SocketType) -> Result<SocketType, ProtocolError> {
    let theirs = SocketType::ALL
        .into_iter()
        .find(|kind| kind.as_str().as_bytes() == name)
        .ok_or_else(|| ProtocolError::UnknownSocketType { ours, theirs: printable(name) })?;
    if !ours.is_compatible(theirs) {
        return Err(ProtocolError::IncompatibleSocketType { ours, theirs });
    }
    Ok(theirs)
}

fn routing_id(identity: Bytes) -> Result<Bytes, ProtocolError> {
    if identity.len() > 255 {
        return Err(malformed("READY", "its Identity is longer than 255 bytes"));
    }
    // RFC 37: ids that start with zero are for generated ones. libzmq accepts them; here they do not count.
    Ok(if identity.first() == Some(&0) { Bytes::new() } else { identity })
}

/// The properties of a READY, in order.
pub(crate) fn parse_metadata(metadata: &[u8], limit: usize) -> Result<Vec<(String, Bytes)>, ProtocolError> {
    if metadata.len() > limit {
        return Err(ProtocolError::MetadataTooLarge { limit });
    }
    let mut properties: Vec<(String, Bytes)> = Vec::new();
    let mut rest = metadata;
    for count in 0.. {
        if rest.is_empty() {
            break;
        }
        let (name, value, after) = split_property(rest)?;
        rest = after;
        if count == MAX_PROPERTIES {
            return Err(ProtocolError::MetadataTooLarge { limit });
        }
        if properties.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(ProtocolError::DuplicateProperty { name: name.into() });
        }
        properties.push((name.to_owned(), Bytes::copy_from_slice(value)));
    }
    properties
        .retain(|(name, _)| !VOUCHED_FOR_BY_US.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)));
    Ok(properties)
}

/// The first property, and what follows it.
fn split_property(metadata: &[u8]) -> Result<(&str, &[u8], &[u8]), ProtocolError> {
    let cut_off = || malformed("READY", "a property is cut off");
    let (name, rest) = command::split_name(metadata).ok_or_else(cut_off)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut_off())?;
    let (value, rest) = rest.split_at_checked(length).ok_or_else(cut_off)?;
    let name = std::str::from_utf8(name).ok().filter(|name| is_property_name(name));
    let name = name.ok_or_else(|| malformed("READY", "the name of a property is not printable"))?;
    Ok((name, value, rest))
}

/// The RFC allows letters, digits and `-_.+`; libzmq anything.
fn is_property_name(name: &str) -> bool {
    name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    const MAX_METADATA: usize = 8 * 1024;

    fn peer(metadata: &[u8], ours: SocketType) -> Result<Peer, ProtocolError> {
        super::peer(metadata, &config(ours))
    }

    fn config(socket_type: SocketType) -> Config {
        Config::new(socket_type, &Options::default())
    }

    fn metadata(properties: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in properties {
            write_property(&mut bytes, name, value);
        }
        bytes
    }

    fn ready(config: &Config) -> Vec<u8> {
        [b"\x05READY", &super::metadata(config)[..]].concat()
    }

    #[test]
    fn ready_is_as_libzmq_sends_it() {
        let dealer = ready(&config(SocketType::Dealer));
        assert_eq!(dealer, b"\x05READY\x0BSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0");
        assert_eq!((dealer.len(), ready(&config(SocketType::Router)).len()), (41, 41));
        assert_eq!(ready(&config(SocketType::Sub)), b"\x05READY\x0BSocket-Type\0\0\0\x03SUB");
        assert_eq!((ready(&config(SocketType::Sub)).len(), ready(&config(SocketType::Pub)).len()), (25, 25));
        let named = Config { routing_id: Bytes::from_static(b"me"), ..config(SocketType::Req) };
        assert!(ready(&named).ends_with(b"\x08Identity\0\0\0\x02me"));
        let named = Config { routing_id: Bytes::from_static(b"me"), ..config(SocketType::Push) };
        assert!(!ready(&named).ends_with(b"me"));
    }

    #[test]
    fn the_example_of_the_rfc_is_understood() {
        let mut output = Output::default();
        let config = config(SocketType::Dealer);
        let (mut handshake, _) = Handshake::start(&config, &mut output).expect("a start");
        let body = b"\x05READY\x0BSocket-Type\0\0\0\x06ROUTER";
        assert_eq!(body.len(), 28);
        let Ok(Step::Complete(peer, None)) = handshake.receive(body, &config, &mut output) else {
            panic!("not complete")
        };
        assert_eq!(peer.socket_type, Some(SocketType::Router));
        assert!(peer.routing_id.is_empty());
    }

    #[test]
    fn property_names_do_not_depend_on_case() {
        let bytes = metadata(&[("socket-TYPE", b"PULL"), ("IDENTITY", b"id"), ("X-Colour", b"blue")]);
        let peer = peer(&bytes, SocketType::Push).expect("a peer");
        assert_eq!(peer.socket_type, Some(SocketType::Pull));
        assert_eq!(peer.routing_id, "id");
        assert_eq!(peer.property("x-colour"), Some(&Bytes::from_static(b"blue")));
        assert_eq!(peer.properties.len(), 3);
    }

    #[test]
    fn what_is_missing_or_generated_does_not_count() {
        let anonymous = peer(&metadata(&[("Socket-Type", b"DEALER")]), SocketType::Router).expect("a peer");
        assert_eq!(anonymous.routing_id.len(), 0);
        let generated = metadata(&[("Socket-Type", b"DEALER"), ("Identity", b"\0abcd")]);
        assert_eq!(peer(&generated, SocketType::Router).map(|peer| peer.routing_id), Ok(Bytes::new()));
    }

    #[test]
    fn a_peer_cannot_vouch_for_itself() {
        let bytes = metadata(&[("Socket-Type", b"PULL"), ("user-id", b"root"), ("Peer-Address", b"::1")]);
        assert_eq!(peer(&bytes, SocketType::Push).map(|peer| peer.properties.len()), Ok(1));
    }

    #[test]
    fn types_must_be_said_known_and_compatible() {
        for silent in
            [metadata(&[]), metadata(&[("Identity", b"me")]), metadata(&[("X-Socket-Type", b"PULL")])]
        {
            let refused = peer(&silent, SocketType::Push).expect_err("of no type").to_string();
            assert!(refused.contains("Socket-Type"), "{refused}");
        }
        let (ours, theirs) = (SocketType::Push, SocketType::Sub);
        let refused = peer(&metadata(&[("Socket-Type", b"SUB")]), ours);
        assert_eq!(refused, Err(ProtocolError::IncompatibleSocketType { ours, theirs }));
        let refused = peer(&metadata(&[("Socket-Type", b"GATHER\n")]), ours);
        assert_eq!(refused, Err(ProtocolError::UnknownSocketType { ours, theirs: r"GATHER\n".into() }));
    }

    #[test]
    fn bad_metadata_is_refused() {
        let parse = |bytes: &[u8]| peer(bytes, SocketType::Push).err();
        let whole = metadata(&[("Socket-Type", b"PULL"), ("A", b"1")]);
        for cut in (1..whole.len()).filter(|cut| *cut != 20) {
            assert!(
                matches!(parse(&whole[..cut]), Some(ProtocolError::MalformedCommand { .. })),
                "cut at {cut}"
            );
        }
        assert_eq!(
            parse(&metadata(&[("A", b"1"), ("a", b"2")])),
            Some(ProtocolError::DuplicateProperty { name: "a".into() })
        );
        // What counts for nothing may not come twice either.
        assert_eq!(
            parse(&metadata(&[("User-Id", b"1"), ("user-id", b"2")])),
            Some(ProtocolError::DuplicateProperty { name: "user-id".into() })
        );
        for bad in [metadata(&[("A\n", b"1")]), metadata(&[("\u{e4}", b"1")]), b"\0\0\0\0\0".to_vec()] {
            assert!(matches!(parse(&bad), Some(ProtocolError::MalformedCommand { .. })), "{bad:?}");
        }
        let named = |length| parse(&metadata(&[("Socket-Type", b"PULL"), ("Identity", &vec![1; length])]));
        assert!(named(256).is_some_and(|error| error.to_string().contains("255 bytes")));
        assert_eq!(named(255), None);
    }

    #[test]
    fn metadata_is_bounded() {
        let names: Vec<String> = (0..65).map(|i| format!("X-{i}")).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let parse =
            |metadata: &[u8]| parse_metadata(metadata, MAX_METADATA).map(|properties| properties.len());
        let too_large = ProtocolError::MetadataTooLarge { limit: MAX_METADATA };
        assert_eq!(parse(&metadata(&many[..64])), Ok(64));
        assert_eq!(parse(&metadata(&many)), Err(too_large.clone()));
        assert_eq!(parse(&metadata(&[("X", &[0; MAX_METADATA - 6])])), Ok(1));
        assert_eq!(parse(&metadata(&[("X", &[0; MAX_METADATA - 5])])), Err(too_large.clone()));
        let largest = MAX_METADATA as u64 + BESIDES_METADATA;
        assert_eq!(admit_each(&[largest]), Ok(()));
        assert_eq!(admit_each(&[largest + 1]), Err(too_large));
    }

    #[test]
    fn commands_are_bounded_together() {
        let refused = Err(ProtocolError::HandshakeTooLarge { limit: 16 * 1024 });
        assert_eq!(admit_each(&[8000, 8000]), Ok(()));
        assert_eq!(admit_each(&[8000, 8000, 378]), Ok(()));
        assert_eq!(admit_each(&[8000, 8000, 379]), refused);
        assert_eq!(admit_each(&[0; 8192]), Ok(()));
        assert_eq!(admit_each(&[0; 8193]), refused, "empty ones have headers");
    }

    /// Whether a handshake of commands of these lengths is let through.
    fn admit_each(lengths: &[u64]) -> Result<(), ProtocolError> {
        let config = config(SocketType::Pull);
        let (mut handshake, _) = Handshake::start(&config, &mut Output::default()).expect("a start");
        let header = |length: &u64| Header { more: false, command: true, length: *length };
        lengths.iter().try_for_each(|length| handshake.admit(&header(length), &config))
    }

    #[test]
    fn what_the_authenticator_knows_counts_more() {
        let mut config = config(SocketType::Pull);
        config.judged = true;
        let mut output = Output::default();
        let Ok((mut handshake, Step::Judge(_))) = Handshake::start(&config, &mut output) else {
            panic!("not asked")
        };
        let theirs = metadata(&[("Socket-Type", b"PUSH"), ("x-role", b"admin"), ("User-Id", b"root")]);
        let received = handshake.receive(&[b"\x05READY", &theirs[..]].concat(), &config, &mut output);
        assert!(matches!(received, Ok(Step::Pending)));
        let verdict = Verdict::admit_as("ann").with_property("X-Role", "guest");
        let Ok(Step::Complete(peer, None)) = handshake.decide(verdict, &config, &mut output) else {
            panic!("not complete")
        };
        assert_eq!(peer.user_id, "ann");
        assert_eq!(peer.property("User-Id"), Some(&Bytes::from_static(b"ann")));
        assert_eq!(peer.property("X-Role"), Some(&Bytes::from_static(b"guest")));
        assert_eq!(peer.properties.len(), 3);
    }

    #[test]
    fn a_denial_ends_it_and_an_answer_without_question_does_nothing() {
        let mut config = config(SocketType::Pull);
        let mut output = Output::default();
        let (mut handshake, _) = Handshake::start(&config, &mut output).expect("a start");
        let unasked = handshake.decide(Verdict::deny(), &config, &mut output);
        assert!(matches!(unasked, Ok(Step::Pending)));
        config.judged = true;
        for (verdict, status) in [(Verdict::try_later(), 300), (Verdict::deny(), 400), (Verdict::fail(), 500)]
        {
            let (mut handshake, _) = Handshake::start(&config, &mut output).expect("a start");
            let denied = handshake.decide(verdict, &config, &mut output).err();
            assert_eq!(denied, Some(ProtocolError::Denied { status }));
        }
    }
}
