//! Mechanisms: PLAIN to the byte, and one of our own whose seal hides nothing, so that what is behind it is seen.

use crate::common::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::security::*;
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Message, Options, SocketType};

fn secured(socket_type: SocketType, security: impl Into<Security>, judged: bool) -> Config {
    let mut config = Config::new(socket_type, &Options::default());
    (config.security, config.judged) = (security.into(), judged);
    config
}

fn start(config: Config) -> Engine {
    Engine::new(Arc::new(config), Instant::now())
}

fn plain_client() -> Plain {
    Plain::client("user", "secret").unwrap()
}

/// A greeting of ZMTP 3.1 with a mechanism.
fn greeting_of(mechanism: &str, as_server: u8) -> Vec<u8> {
    let mut bytes = greeting(1);
    bytes[12..32].fill(0);
    bytes[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    bytes[32] = as_server;
    bytes
}

fn claim((events, error): Heard) -> Claim {
    assert_eq!(error, None);
    match &events[..] {
        [Event::Judge(claim)] => (**claim).clone(),
        other => panic!("not a claim: {other:?}"),
    }
}

fn hello(username: &str, password: &str) -> Vec<u8> {
    let field = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    command("HELLO", &[field(username), field(password)].concat())
}

#[test]
fn plain_is_as_the_rfc_has_it() {
    let mut server = start(secured(SocketType::Rep, Plain::server(), true));
    assert_eq!(feed(&mut server, &greeting_of("PLAIN", 0)), (vec![], None));
    assert_eq!(take_output(&mut server), greeting_of("PLAIN", 1));
    let claim = claim(feed(&mut server, &hello("user", "secret")));
    let shown = (claim.mechanism(), claim.username(), claim.password(), claim.public_key());
    assert_eq!(shown, ("PLAIN", Some(&b"user"[..]), Some(&b"secret"[..]), None));
    assert_eq!(server.output_len(), 0);
    assert_eq!(server.decide(Verdict::admit_as("user"), Instant::now()), Ok(None));
    assert_eq!(take_output(&mut server), command("WELCOME", b""));
    let metadata = b"\x0BSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\0";
    let (events, error) = feed(&mut server, &command("INITIATE", metadata));
    assert_eq!(error, None);
    assert!(matches!(&events[..], [Event::Ready(peer)] if peer.user_id == "user"), "{events:?}");
    assert_eq!(take_output(&mut server), ready("REP"));

    let mut client = start(secured(SocketType::Req, plain_client(), false));
    assert_eq!(feed(&mut client, &greeting_of("PLAIN", 1)), (vec![], None));
    assert_eq!(take_output(&mut client), [greeting_of("PLAIN", 0), hello("user", "secret")].concat());
    assert_eq!(feed(&mut client, &command("WELCOME", b"")), (vec![], None));
    assert_eq!(take_output(&mut client), command("INITIATE", metadata));
    let (events, error) = feed(&mut client, &ready("REP"));
    assert!(matches!(&events[..], [Event::Ready(_)]) && error.is_none() && client.is_ready());
}

#[test]
fn a_plain_server_takes_nothing_out_of_order() {
    let unexpected = |name: &str| Some(ProtocolError::UnexpectedCommand { name: name.into() });
    for (commands, name) in [
        (vec![command("INITIATE", b"")], "INITIATE"),
        (vec![ready("REQ")], "READY"),
        (vec![command("WELCOME", b"")], "WELCOME"),
        (vec![hello("a", "b"), hello("a", "b")], "HELLO"),
        (vec![hello("a", "b"), command("INITIATE", b"")], "INITIATE"),
    ] {
        let mut server = start(secured(SocketType::Rep, Plain::server(), true));
        let (_, error) = feed(&mut server, &[greeting_of("PLAIN", 0), commands.concat()].concat());
        assert_eq!(error, unexpected(name));
        assert!(take_output(&mut server).ends_with(&command("ERROR", b"\x12Unexpected command")));
        assert_eq!(server.decide(Verdict::admit(), Instant::now()), Ok(None), "it is closed");
    }
}

#[test]
fn a_plain_client_takes_nothing_out_of_order() {
    for commands in [
        vec![ready("REP")],
        vec![hello("a", "b")],
        vec![command("WELCOME", b""), command("WELCOME", b"")],
        vec![command("WELCOME", b""), command("INITIATE", b"")],
    ] {
        let mut client = start(secured(SocketType::Req, plain_client(), false));
        let (events, error) = feed(&mut client, &[greeting_of("PLAIN", 0), commands.concat()].concat());
        assert_eq!(events, []);
        assert!(matches!(error, Some(ProtocolError::UnexpectedCommand { .. })), "{error:?}");
    }
    let mut client = start(secured(SocketType::Req, plain_client(), false));
    let refused = Some(ProtocolError::RefusedByPeer { reason: "400".into() });
    let stream = [greeting_of("PLAIN", 0), command("ERROR", b"\x03400")].concat();
    assert_eq!(feed(&mut client, &stream).1, refused);
    // As libzmq spells it.
    let mut client = start(secured(SocketType::Req, plain_client(), false));
    let stream = [&greeting_of("PLAIN", 0)[..], b"\x04\x09^RROR\x03400"].concat();
    assert_eq!(feed(&mut client, &stream).1, refused);
}

#[test]
fn a_cut_hello_is_refused_wherever_it_is_cut() {
    let whole = hello("user", "secret")[2..].to_vec();
    for length in 0..whole.len() {
        let mut server = start(secured(SocketType::Rep, Plain::server(), true));
        feed(&mut server, &greeting_of("PLAIN", 0));
        let (events, error) = feed(&mut server, &frame(4, &whole[..length]));
        assert_eq!(events, []);
        assert!(matches!(error, Some(ProtocolError::MalformedCommand { .. })), "{length}: {error:?}");
    }
    let mut server = start(secured(SocketType::Rep, Plain::server(), true));
    feed(&mut server, &greeting_of("PLAIN", 0));
    let (_, error) = feed(&mut server, &frame(4, &[&whole[..], b"x"].concat()));
    assert!(matches!(error, Some(ProtocolError::MalformedCommand { .. })), "{error:?}");
}

#[test]
fn the_denied_are_told_what_the_rfc_says() {
    for (verdict, status, told) in [
        (Verdict::deny(), 400, command("ERROR", b"\x03400")),
        (Verdict::fail(), 500, command("ERROR", b"\x03500")),
        (Verdict::try_later(), 300, vec![]),
    ] {
        for (security, opening) in
            [(Security::from(Plain::server()), hello("a", "b")), (Security::default(), vec![])]
        {
            let name = security.mechanism().name();
            let mut server = start(secured(SocketType::Rep, security, true));
            claim(feed(&mut server, &[greeting_of(name, 0), opening].concat()));
            take_output(&mut server);
            assert_eq!(server.decide(verdict.clone(), Instant::now()), Err(ProtocolError::Denied { status }));
            assert_eq!(take_output(&mut server), told);
            assert_eq!(feed(&mut server, &ready("REQ")).1, Some(ProtocolError::Closed));
        }
    }
}

#[test]
fn whose_metadata_is_refused_is_not_told_that_it_is_admitted() {
    let misfit = b"\x0BSocket-Type\0\0\0\x03SUB";
    let twice = b"\x01A\0\0\0\0\x01A\0\0\0\0";
    let cut = b"\x0BSocket-Type\0\0";
    for (metadata, told) in [
        (&misfit[..], &b"\x18Incompatible socket type"[..]),
        (twice, b"\x12Duplicate property"),
        (cut, b"\x11Malformed command"),
    ] {
        let mut server = start(secured(SocketType::Rep, Plain::server(), true));
        claim(feed(&mut server, &[greeting_of("PLAIN", 0), hello("a", "b")].concat()));
        assert_eq!(server.decide(Verdict::admit(), Instant::now()), Ok(None));
        take_output(&mut server);
        let (events, error) = feed(&mut server, &command("INITIATE", metadata));
        assert!(events.is_empty() && error.is_some(), "{events:?} {error:?}");
        assert_eq!(take_output(&mut server), command("ERROR", told));

        // NULL: the verdict comes after the peer's READY.
        let mut server = start(secured(SocketType::Rep, Security::default(), true));
        claim(feed(&mut server, &[greeting_of("NULL", 0), command("READY", metadata)].concat()));
        feed(&mut server, b"");
        take_output(&mut server);
        assert!(server.decide(Verdict::admit(), Instant::now()).is_err());
        assert_eq!(take_output(&mut server), command("ERROR", told));
    }
}

/// A weaker mechanism is never settled on, whatever the peer proposes.
#[test]
fn downgrade_mechanism_mismatch() {
    let ours = || [Security::default(), Plain::server().into(), plain_client().into(), Clear::new(1).into()];
    for (index, name) in [(0, "NULL"), (1, "PLAIN"), (2, "PLAIN"), (3, "CLEAR")] {
        for theirs in ["NULL", "PLAIN", "CLEAR", "", "PLAI", "PLAINX", "null", "NULL\0\0PLAIN"] {
            let mut engine = start(secured(SocketType::Rep, ours()[index].clone(), index != 0));
            let (_, error) = feed(&mut engine, &greeting_of(theirs, 0));
            assert_eq!(error.is_none(), theirs == name, "{name} {theirs}: {error:?}");
            assert!(!engine.is_ready());
        }
    }
}

/// A mechanism without a handshake to speak of, whose seal puts a number, the kind and a mark before the content.
#[derive(Debug)]
struct Clear {
    /// The number of the last frame that may be sealed.
    last: u64,
}

impl Clear {
    fn new(last: u64) -> Clear {
        Clear { last }
    }
}

impl Mechanism for Clear {
    fn name(&self) -> &'static str {
        "CLEAR"
    }

    fn role(&self) -> Role {
        Role::Equal
    }

    fn exchange(&self, terms: Terms) -> Box<dyn Exchange> {
        Box::new(ClearExchange { metadata: terms.metadata, last: self.last })
    }
}

struct ClearExchange {
    metadata: Vec<u8>,
    last: u64,
}

impl Exchange for ClearExchange {
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        commands.send(&[b"\x05CLEAR", &self.metadata[..]].concat());
        Ok(Progress::Pending)
    }

    fn receive(&mut self, body: &[u8], _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        let metadata = body.strip_prefix(b"\x05CLEAR").expect("our own peer").to_vec();
        let seal = ClearSeal { sealed: 0, opened: 0, last: self.last };
        Ok(Progress::Complete { metadata, seal: Some(Box::new(seal)) })
    }

    fn admitted(&mut self, _: &mut Commands<'_>) -> Result<Progress, ProtocolError> {
        unreachable!("nobody is judged")
    }
}

struct ClearSeal {
    sealed: u64,
    opened: u64,
    last: u64,
}

impl Seal for ClearSeal {
    fn overhead(&self) -> usize {
        11
    }

    fn seal(
        &mut self,
        kind: Kind,
        prefix: &[u8],
        content: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        self.sealed += 1;
        buffer.extend_from_slice(&self.sealed.to_be_bytes());
        if self.sealed > self.last {
            return Err(ProtocolError::Exhausted { what: "numbers" });
        }
        buffer.push(kind as u8);
        buffer.extend_from_slice(b"#!");
        buffer.extend_from_slice(prefix);
        buffer.extend_from_slice(content);
        Ok(())
    }

    fn open(&mut self, body: &mut [u8]) -> Result<Kind, ProtocolError> {
        self.opened += 1;
        let (head, _) = body.split_at_checked(11).ok_or(ProtocolError::NotAuthentic { command: "frame" })?;
        if head[..8] != self.opened.to_be_bytes() {
            return Err(ProtocolError::Replayed { command: "frame" });
        }
        Ok([Kind::Part, Kind::LastPart, Kind::Command][usize::from(head[8])])
    }
}

fn clear_pair(a: SocketType, b: SocketType, change: impl Fn(&mut Config)) -> (Engine, Engine) {
    let engine = |socket_type| {
        let mut config = secured(socket_type, Clear::new(u64::MAX), false);
        change(&mut config);
        start(config)
    };
    let (mut a, mut b) = (engine(a), engine(b));
    converse(&mut a, &mut b);
    assert!(a.is_ready() && b.is_ready());
    (a, b)
}

/// Messages of every size that takes another way, alone and together.
fn samples() -> Vec<Message> {
    let sizes = [0, 1, 70, 71, 244, 245, 246, 8192, 8193, 70_000, 300_000];
    let mut samples: Vec<Message> = sizes.iter().map(|size| Message::from(vec![7_u8; *size])).collect();
    samples.push(Message::from(sizes.map(|size| vec![9_u8; size])));
    samples
}

#[test]
fn every_frame_passes_through_the_seal() {
    let (mut push, mut pull) = clear_pair(SocketType::Push, SocketType::Pull, |_| {});
    samples().iter().for_each(|sample| push.push(sample));
    let bytes = take_output(&mut push);
    assert_eq!(bytes[..13], [0, 11, 0, 0, 0, 0, 0, 0, 0, 1, 1, b'#', b'!']);
    assert_eq!(messages(feed(&mut pull, &bytes)), samples());
}

#[test]
fn sealed_frames_may_be_cut_anywhere_and_read_in_place() {
    let (mut push, mut pull) = clear_pair(SocketType::Push, SocketType::Pull, |_| {});
    let sample = Message::from(["", "a part", &"x".repeat(100), &"y".repeat(400)]);
    for _ in 0..600 {
        push.push(&sample);
    }
    let bytes = take_output(&mut push);
    let mut heard = Vec::new();
    for piece in bytes[..2000].chunks(1).chain(bytes[2000..].chunks(997)) {
        heard.extend(messages(feed(&mut pull, piece)));
    }
    assert_eq!(heard.len(), 600);
    assert!(heard.iter().all(|message| *message == sample));

    let large = Message::from(vec![5_u8; 200_000]);
    push.push(&large);
    let bytes = take_output(&mut push);
    let (mut rest, mut heard) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let count = match pull.body_to_fill() {
            Some(mut room) => {
                let count = room.fill(rest);
                pull.body_filled(count, Instant::now());
                heard.extend(messages(feed(&mut pull, &[])));
                count
            }
            None => {
                let count = rest.len().min(100);
                heard.extend(messages(feed(&mut pull, &rest[..count])));
                count
            }
        };
        rest = &rest[count..];
    }
    assert_eq!(heard, [large]);
}

#[test]
fn commands_pass_through_the_seal_too() {
    let (mut sub, mut publisher) = clear_pair(SocketType::Sub, SocketType::Pub, |_| {});
    sub.push(&Message::from(&b"\x01topic"[..]));
    sub.push(&Message::from(&b"\x00topic"[..]));
    let bytes = take_output(&mut sub);
    assert!(bytes.starts_with(&frame(0, b"\0\0\0\0\0\0\0\x01\x02#!\x09SUBSCRIBEtopic")));
    let heard = messages(feed(&mut publisher, &bytes));
    assert_eq!(heard, [Message::from(&b"\x01topic"[..]), Message::from(&b"\x00topic"[..])]);

    let second = Duration::from_secs(1);
    let (mut a, mut b) =
        clear_pair(SocketType::Pair, SocketType::Pair, |config| config.heartbeat_interval = Some(second));
    a.handle_timeout(a.poll_timeout().unwrap()).unwrap();
    let ping = take_output(&mut a);
    assert_eq!(ping, frame(0, b"\0\0\0\0\0\0\0\x01\x02#!\x04PING\0\0"));
    assert_eq!(feed(&mut b, &ping), (vec![], None));
    let pong = take_output(&mut b);
    assert_eq!(pong, frame(0, b"\0\0\0\0\0\0\0\x01\x02#!\x04PONG"));
    assert_eq!(feed(&mut a, &pong), (vec![], None));
}

#[test]
fn limits_hold_for_what_is_sealed() {
    let limited = |config: &mut Config| (config.max_message_size, config.max_frames) = (Some(1000), 3);
    for (message, accepted) in [
        (Message::from(vec![1_u8; 1000]), true),
        (Message::from(vec![1_u8; 1001]), false),
        (Message::from([vec![1_u8; 600], vec![1; 400]]), true),
        (Message::from([vec![1_u8; 600], vec![1; 401]]), false),
        (Message::from(["", "", ""]), true),
        (Message::from(["", "", "", ""]), false),
    ] {
        let (mut push, mut pull) = clear_pair(SocketType::Push, SocketType::Pull, limited);
        push.push(&message);
        let (events, error) = feed(&mut pull, &take_output(&mut push));
        assert_eq!(error.is_none(), accepted, "{error:?}");
        assert_eq!(events.len(), usize::from(accepted));
    }
    let (_, mut pull) = clear_pair(SocketType::Push, SocketType::Pull, limited);
    let claimed = feed(&mut pull, &long_frame(0, 1 << 40, b"")).1;
    assert!(
        matches!(claimed, Some(ProtocolError::MessageTooLarge { .. })),
        "refused by its header: {claimed:?}"
    );
}

#[test]
fn what_does_not_open_ends_the_connection_without_a_word() {
    for bad in
        [frame(0, b"short"), frame(0, b"\0\0\0\0\0\0\0\x07\x01#!"), frame(1, b"\0\0\0\0\0\0\0\x01\x01#!")]
    {
        let (_, mut pull) = clear_pair(SocketType::Push, SocketType::Pull, |_| {});
        let (events, error) = feed(&mut pull, &bad);
        assert!(events.is_empty() && error.is_some());
        assert_eq!(pull.output_len(), 0);
        assert!(!pull.is_ready());
    }
}

#[test]
fn a_seal_that_is_worn_out_ends_the_connection() {
    let engine = |kind| start(secured(kind, Clear::new(2), false));
    let (mut push, mut pull) = (engine(SocketType::Push), engine(SocketType::Pull));
    converse(&mut push, &mut pull);
    for _ in 0..5 {
        push.push(&Message::from("x"));
    }
    assert!(!push.is_ready());
    assert_eq!(messages(feed(&mut pull, &take_output(&mut push))).len(), 2);
    assert_eq!(feed(&mut push, b"").1, Some(ProtocolError::Closed));
}
