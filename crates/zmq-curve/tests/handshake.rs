//! CURVE between two engines, and with an adversary between them: whatever it alters, cuts, repeats or reorders ends the
//! connection, and nothing else.

use crypto_box::aead::AeadInPlace;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::security::{Claim, Security, Verdict};
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Message, Options, SocketType};
use zmq_curve::{Curve, KeyPair, PublicKey};

struct Keys {
    server: KeyPair,
    client: KeyPair,
}

fn keys() -> Keys {
    Keys { server: KeyPair::generate().unwrap(), client: KeyPair::generate().unwrap() }
}

fn engine(socket_type: SocketType, security: Curve, judged: bool) -> Engine {
    let mut config = Config::new(socket_type, &Options::default());
    (config.security, config.judged) = (Security::from(security), judged);
    config.heartbeat_interval = Some(Duration::from_secs(1));
    Engine::new(Arc::new(config), Instant::now())
}

fn take(engine: &mut Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    while engine.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = engine.output(&mut slices);
        let before = bytes.len();
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
        engine.advance_output(bytes.len() - before);
    }
    bytes
}

fn feed(engine: &mut Engine, mut bytes: &[u8]) -> Result<Vec<Event>, ProtocolError> {
    let mut events = Vec::new();
    while let Some(event) = engine.next_event(&mut bytes, Instant::now())? {
        events.push(event);
    }
    Ok(events)
}

fn messages(events: Result<Vec<Event>, ProtocolError>) -> Vec<Message> {
    let message = |event| match event {
        Event::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    };
    events.unwrap().into_iter().map(message).collect()
}

/// A handshake, a step at a time. The bytes of each step are kept: the two greetings, HELLO, WELCOME, INITIATE, READY.
struct Conversation {
    client: Engine,
    server: Engine,
}

impl Conversation {
    fn new(keys: &Keys) -> Conversation {
        Conversation::of(keys, SocketType::Push, SocketType::Pull)
    }

    fn judged(keys: &Keys) -> Conversation {
        Conversation::greeted(keys, SocketType::Push, SocketType::Pull, true)
    }

    fn of(keys: &Keys, client: SocketType, server: SocketType) -> Conversation {
        Conversation::greeted(keys, client, server, false)
    }

    fn greeted(keys: &Keys, client: SocketType, server: SocketType, judged: bool) -> Conversation {
        let client = engine(client, Curve::client(&keys.client, keys.server.public()), false);
        let server = engine(server, Curve::server(&keys.server), judged);
        let mut conversation = Conversation { client, server };
        // Greetings go out in three steps.
        for _ in 0..3 {
            let (from_client, from_server) = (take(&mut conversation.client), take(&mut conversation.server));
            assert_eq!(feed(&mut conversation.server, &from_client), Ok(vec![]));
            assert_eq!(feed(&mut conversation.client, &from_server), Ok(vec![]));
        }
        conversation
    }

    /// HELLO, which the server has not read.
    fn hello(&mut self) -> Vec<u8> {
        take(&mut self.client)
    }

    fn welcome(&mut self) -> Vec<u8> {
        let hello = self.hello();
        assert_eq!(feed(&mut self.server, &hello), Ok(vec![]));
        take(&mut self.server)
    }

    fn initiate(&mut self) -> Vec<u8> {
        let welcome = self.welcome();
        assert_eq!(feed(&mut self.client, &welcome), Ok(vec![]));
        take(&mut self.client)
    }

    fn ready(&mut self) -> Vec<u8> {
        let initiate = self.initiate();
        assert!(matches!(&feed(&mut self.server, &initiate).unwrap()[..], [Event::Ready(_)]));
        take(&mut self.server)
    }

    fn complete(mut self) -> Conversation {
        let ready = self.ready();
        assert!(matches!(&feed(&mut self.client, &ready).unwrap()[..], [Event::Ready(_)]));
        assert!(self.client.is_ready() && self.server.is_ready());
        self
    }

    /// A MESSAGE of the client.
    fn message(&mut self, message: impl Into<Message>) -> Vec<u8> {
        self.client.push(&message.into());
        take(&mut self.client)
    }
}

/// The body of the one frame in `bytes`, and its flags.
fn frame(bytes: &[u8]) -> (u8, &[u8]) {
    let (flags, body) = match bytes {
        [flags, _, _, _, _, _, _, high, low, body @ ..] if flags & 2 != 0 => {
            assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), body.len());
            (flags, body)
        }
        [flags, length, body @ ..] => {
            assert_eq!(usize::from(*length), body.len());
            (flags, body)
        }
        _ => panic!("no frame"),
    };
    (*flags, body)
}

fn framed(flags: u8, body: &[u8]) -> Vec<u8> {
    [&[flags | 2], &(body.len() as u64).to_be_bytes()[..], body].concat()
}

#[test]
fn commands_are_as_the_rfc_has_them() {
    let keys = keys();
    let mut conversation = Conversation::new(&keys);
    let hello = conversation.hello();
    let (flags, body) = frame(&hello);
    assert_eq!((flags, body.len()), (4, 200));
    assert!(body.starts_with(b"\x05HELLO\x01\0") && body[8..80].iter().all(|byte| *byte == 0));
    assert_eq!(body[112..120], 1_u64.to_be_bytes());

    let welcome = Conversation::new(&keys).welcome();
    let (flags, body) = frame(&welcome);
    assert_eq!((flags, body.len()), (4, 168));
    assert!(body.starts_with(b"\x07WELCOME"));

    let initiate = Conversation::new(&keys).initiate();
    let (flags, body) = frame(&initiate);
    assert_eq!((flags & 4, body.len()), (4, 257 + "\x0BSocket-Type....PUSH".len()));
    assert!(body.starts_with(b"\x08INITIATE"));
    assert_eq!(body[105..113], 2_u64.to_be_bytes());

    let ready = Conversation::new(&keys).ready();
    let (flags, body) = frame(&ready);
    assert_eq!((flags, body.len()), (4, 30 + "\x0BSocket-Type....PULL".len()));
    assert!(body.starts_with(b"\x05READY\0\0\0\0\0\0\0\x01"));

    let mut conversation = Conversation::new(&keys).complete();
    let message = conversation.message("hello");
    let (flags, body) = frame(&message);
    assert_eq!((flags, body.len()), (0, 33 + 5), "as libzmq: without the command flag");
    assert!(body.starts_with(b"\x07MESSAGE\0\0\0\0\0\0\0\x03"));
}

#[test]
fn messages_arrive_as_they_were_sent() {
    let Conversation { mut client, mut server } =
        Conversation::of(&keys(), SocketType::Pair, SocketType::Pair).complete();
    let sizes = [0, 1, 37, 38, 70, 71, 222, 223, 1000, 8192, 65_535, 65_536, 69_000, 70_000, 1 << 20];
    let mut all: Vec<Message> = sizes.iter().map(|size| Message::from(vec![*size as u8; *size])).collect();
    all.push(Message::from(sizes.map(|size| vec![9_u8; size])));
    all.push(Message::from(["", "", ""]));
    for message in &all {
        client.push(message);
        server.push(message);
    }
    let (from_client, from_server) = (take(&mut client), take(&mut server));
    assert!(!from_client.windows(30).any(|window| window == [9; 30]), "nothing is readable on the way");
    assert_eq!(messages(feed(&mut server, &from_client)), all);
    assert_eq!(messages(feed(&mut client, &from_server)), all);
}

#[test]
fn commands_are_sealed_too() {
    let Conversation { mut client, mut server } =
        Conversation::of(&keys(), SocketType::Sub, SocketType::Pub).complete();
    client.push(&Message::from(&b"\x01topic"[..]));
    assert_eq!(messages(feed(&mut server, &take(&mut client))), [Message::from(&b"\x01topic"[..])]);
    client.handle_timeout(client.poll_timeout().unwrap()).unwrap();
    let ping = take(&mut client);
    assert_eq!(frame(&ping).1.len(), 33 + "\x04PING\0\0".len());
    assert_eq!(feed(&mut server, &ping), Ok(vec![]));
    let pong = take(&mut server);
    assert_eq!(frame(&pong).1.len(), 33 + "\x04PONG".len());
    assert_eq!(feed(&mut client, &pong), Ok(vec![]));
}

#[test]
fn the_command_flag_of_the_rfc_is_accepted() {
    let mut conversation = Conversation::new(&keys()).complete();
    let message = conversation.message("x");
    let bytes = framed(4, frame(&message).1);
    assert_eq!(messages(feed(&mut conversation.server, &bytes)), [Message::from("x")]);
}

#[test]
fn the_clients_key_is_judged_before_it_is_told_anything() {
    let keys = keys();
    for (verdict, told) in [(Verdict::deny(), framed_error("400")), (Verdict::try_later(), vec![])] {
        let mut conversation = Conversation::judged(&keys);
        let initiate = conversation.initiate();
        let events = feed(&mut conversation.server, &initiate).unwrap();
        let [Event::Judge(claim)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(claim.public_key(), Some(keys.client.public().as_bytes()));
        assert_eq!((claim.mechanism(), conversation.server.output_len()), ("CURVE", 0));
        let status = verdict.status();
        assert_eq!(
            conversation.server.decide(verdict, Instant::now()),
            Err(ProtocolError::Denied { status })
        );
        let farewell = take(&mut conversation.server);
        assert_eq!(farewell, told);
        if !told.is_empty() {
            let refused = ProtocolError::RefusedByPeer { reason: "400".into() };
            assert_eq!(feed(&mut conversation.client, &farewell), Err(refused));
        }
    }
}

#[test]
fn whose_metadata_is_refused_is_not_told_that_it_is_admitted() {
    let mut conversation = Conversation::of(&keys(), SocketType::Sub, SocketType::Pull);
    let initiate = conversation.initiate();
    let (ours, theirs) = (SocketType::Pull, SocketType::Sub);
    let misfit = ProtocolError::IncompatibleSocketType { ours, theirs };
    assert_eq!(feed(&mut conversation.server, &initiate), Err(misfit));
    let farewell = take(&mut conversation.server);
    assert_eq!(farewell, framed_error("Incompatible socket type"));
    let refused = ProtocolError::RefusedByPeer { reason: "Incompatible socket type".into() };
    assert_eq!(feed(&mut conversation.client, &farewell), Err(refused));
}

#[test]
fn who_is_admitted_is_known_by_name() {
    let mut conversation = Conversation::judged(&keys());
    let initiate = conversation.initiate();
    assert!(matches!(&feed(&mut conversation.server, &initiate).unwrap()[..], [Event::Judge(_)]));
    let Ok(Some(Event::Ready(peer))) = conversation.server.decide(Verdict::admit_as("ann"), Instant::now())
    else {
        panic!("not admitted")
    };
    assert_eq!((peer.user_id.as_str(), peer.socket_type), ("ann", Some(SocketType::Push)));
    let ready = take(&mut conversation.server);
    assert!(matches!(&feed(&mut conversation.client, &ready).unwrap()[..], [Event::Ready(_)]));
}

fn framed_error(reason: &str) -> Vec<u8> {
    let body = [b"\x05ERROR", &[reason.len() as u8][..], reason.as_bytes()].concat();
    [&[4, body.len() as u8], &body[..]].concat()
}

#[test]
fn a_server_with_another_key_learns_nothing() {
    let keys = keys();
    let other = Keys { server: KeyPair::generate().unwrap(), client: keys.client.clone() };
    let hello = Conversation::new(&other).hello();
    let mut conversation = Conversation::new(&keys);
    let failed = ProtocolError::NotAuthentic { command: "HELLO" };
    assert_eq!(feed(&mut conversation.server, &hello), Err(failed));
    assert_eq!(conversation.server.output_len(), 0, "nobody is told why");
}

#[test]
fn a_key_that_is_none_is_never_used() {
    let keys = keys();
    for none in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let mut client = engine(SocketType::Push, Curve::client(&keys.client, PublicKey::from(none)), false);
        let mut greeting = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1];
        greeting.extend_from_slice(b"CURVE");
        greeting.resize(64, 0);
        assert_eq!(feed(&mut client, &greeting), Err(ProtocolError::UnusableKey));
        // Nor does a client's: with it the proof in HELLO could be made by anybody.
        let mut conversation = Conversation::new(&keys);
        let mut hello = conversation.hello();
        hello[2 + 80..2 + 112].copy_from_slice(&none);
        assert!(feed(&mut conversation.server, &hello).is_err());
    }
}

/// The steps of a conversation, with who hears the bytes: its name, how to get there, and the hearer.
type Step = (&'static str, fn(&Keys) -> (Conversation, Vec<u8>), fn(Conversation) -> Engine);

const STEPS: [Step; 5] = [
    ("HELLO", |keys| with(Conversation::new(keys), Conversation::hello), |all| all.server),
    ("WELCOME", |keys| with(Conversation::new(keys), Conversation::welcome), |all| all.client),
    ("INITIATE", |keys| with(Conversation::new(keys), Conversation::initiate), |all| all.server),
    ("READY", |keys| with(Conversation::new(keys), Conversation::ready), |all| all.client),
    (
        "MESSAGE",
        |keys| with(Conversation::new(keys).complete(), |all| all.message("a message")),
        |all| all.server,
    ),
];

fn with(mut all: Conversation, step: fn(&mut Conversation) -> Vec<u8>) -> (Conversation, Vec<u8>) {
    let bytes = step(&mut all);
    (all, bytes)
}

/// Whatever bit of a command is another one, it is refused: without a word, or by its form.
#[test]
fn nothing_altered_is_accepted() {
    let keys = keys();
    for (name, reach, hearer) in STEPS {
        let length = frame(&reach(&keys).1).1.len();
        for index in 0..length {
            let (all, bytes) = reach(&keys);
            let mut body = frame(&bytes).1.to_vec();
            // The last bit of a key means nothing to X25519; see below.
            body[index] ^= 1 << (index % 7);
            let mut hearer = hearer(all);
            let fault = feed(&mut hearer, &framed(bytes[0] & 4, &body)).expect_err(name);
            assert!(!hearer.is_ready());
            let told =
                fault.reason_for_peer().filter(|_| name != "MESSAGE").map_or(0, |reason| 9 + reason.len());
            assert_eq!(hearer.output_len(), told, "byte {index} of {name}: {fault}");
        }
    }
}

/// X25519 ignores the last bit of a public key, so HELLO still opens; the vouch names the key that the client has.
#[test]
fn the_vouch_must_name_the_key_in_hello() {
    let mut conversation = Conversation::new(&keys());
    let mut hello = conversation.hello();
    hello[2 + 111] ^= 0x80;
    assert_eq!(feed(&mut conversation.server, &hello), Ok(vec![]));
    let welcome = take(&mut conversation.server);
    assert_eq!(feed(&mut conversation.client, &welcome), Ok(vec![]));
    let initiate = take(&mut conversation.client);
    let failed = ProtocolError::NotAuthentic { command: "INITIATE" };
    assert_eq!(feed(&mut conversation.server, &initiate), Err(failed));
}

/// A client made by hand (RFC 26) of the boxes of another crate, so that it can say what no client of ours says.
struct ByHand {
    server: [u8; 32],
    /// C, which it claims, and c, with which it proves it.
    long_term: ([u8; 32], crypto_box::SecretKey),
    /// C' and c'.
    transient: ([u8; 32], crypto_box::SecretKey),
    /// What its vouch says of C' and S.
    vouches_for: [[u8; 32]; 2],
}

impl ByHand {
    fn new(keys: &Keys) -> ByHand {
        let (server, client) = (*keys.server.public().as_bytes(), *keys.client.public().as_bytes());
        let secret = crypto_box::SecretKey::from(*keys.client.secret().as_bytes());
        let transient = crypto_box::SecretKey::from([7; 32]);
        let public = *transient.public_key().as_bytes();
        ByHand {
            server,
            long_term: (client, secret),
            transient: (public, transient),
            vouches_for: [public, server],
        }
    }

    /// Has `server` hear it out.
    fn converse(&self, mut server: Engine) -> Result<Vec<Event>, ProtocolError> {
        let hello_nonce = [&b"CurveZMQHELLO---"[..], &1_u64.to_be_bytes()].concat();
        let proof = self.transient_box(self.server).seal(&hello_nonce, &[0; 64]);
        let hello =
            [&b"\x05HELLO\x01\0"[..], &[0; 72], &self.transient.0, &1_u64.to_be_bytes(), &proof].concat();
        feed(&mut server, &framed(4, &hello))?;
        let welcome = take(&mut server);
        let (nonce, sealed) = frame(&welcome).1[8..].split_at(16);
        let content =
            self.transient_box(self.server).open(&[b"WELCOME-", nonce].concat(), sealed).expect("a WELCOME");
        let (server_transient, cookie) = content.split_first_chunk::<32>().expect("S' and a cookie");

        let vouch_nonce = [3; 16];
        let vouch = Boxes::between(&self.long_term.1, *server_transient, &self.long_term.0)
            .seal(&[&b"VOUCH---"[..], &vouch_nonce].concat(), &self.vouches_for.concat());
        let metadata = b"\x0BSocket-Type\0\0\0\x04PUSH";
        let content = [&self.long_term.0[..], &vouch_nonce, &vouch, metadata].concat();
        let number = 2_u64.to_be_bytes();
        let sealed = self
            .transient_box(*server_transient)
            .seal(&[&b"CurveZMQINITIATE"[..], &number].concat(), &content);
        feed(&mut server, &framed(4, &[&b"\x08INITIATE"[..], cookie, &number, &sealed].concat()))
    }

    fn transient_box(&self, theirs: [u8; 32]) -> Boxes {
        Boxes::between(&self.transient.1, theirs, &self.transient.0)
    }
}

/// The boxes between two keys.
struct Boxes(crypto_box::SalsaBox);

impl Boxes {
    /// Whoever shows a public key that leads nowhere knows what key the other side makes of it, and uses that.
    fn between(ours: &crypto_box::SecretKey, theirs: [u8; 32], shown: &[u8; 32]) -> Boxes {
        let theirs = if *shown == NOWHERE { NOWHERE } else { theirs };
        Boxes(crypto_box::SalsaBox::new(&theirs.into(), ours))
    }

    fn seal(&self, nonce: &[u8], content: &[u8]) -> Vec<u8> {
        let mut content = content.to_vec();
        let nonce = crypto_box::Nonce::from_slice(nonce);
        let mac = self.0.encrypt_in_place_detached(nonce, b"", &mut content).expect("a box");
        [&mac[..], &content].concat()
    }

    fn open(&self, nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (mac, content) = sealed.split_at(16);
        let (nonce, mut content) = (crypto_box::Nonce::from_slice(nonce), content.to_vec());
        self.0.decrypt_in_place_detached(nonce, b"", &mut content, mac.into()).ok()?;
        Some(content)
    }
}

/// A point that leads to the same shared secret whatever the other key is.
const NOWHERE: [u8; 32] = [0; 32];

#[test]
fn who_says_everything_right_comes_in_and_nobody_else() {
    let keys = keys();
    let hears =
        |by_hand: &ByHand| by_hand.converse(with(Conversation::new(&keys), |all| all.hello()).0.server);
    assert!(matches!(&hears(&ByHand::new(&keys)).unwrap()[..], [Event::Ready(_)]));
    let not_authentic = |command| Err(ProtocolError::NotAuthentic { command });
    let mut by_hand = ByHand::new(&keys);
    by_hand.vouches_for[0][0] ^= 1;
    assert_eq!(hears(&by_hand), not_authentic("INITIATE"), "it vouches for another connection");
    let mut by_hand = ByHand::new(&keys);
    by_hand.vouches_for[1] = *keys.client.public().as_bytes();
    assert_eq!(hears(&by_hand), not_authentic("INITIATE"), "it means another server");
    let mut by_hand = ByHand::new(&keys);
    by_hand.long_term.0 = *keys.server.public().as_bytes();
    assert_eq!(hears(&by_hand), not_authentic("INITIATE"), "it claims a key that it does not hold");
    // Keys of which the shared secret is known to everybody.
    let mut by_hand = ByHand::new(&keys);
    by_hand.long_term.0 = NOWHERE;
    assert_eq!(hears(&by_hand), not_authentic("INITIATE"));
    let mut by_hand = ByHand::new(&keys);
    by_hand.transient.0 = NOWHERE;
    by_hand.vouches_for[0] = NOWHERE;
    assert_eq!(hears(&by_hand), not_authentic("HELLO"));
}

/// Every length of every command, from nothing to a few bytes too many, and far too many.
#[test]
fn curve_initiate_every_length() {
    let keys = keys();
    for (name, reach, hearer) in STEPS {
        let whole = frame(&reach(&keys).1).1.len();
        for length in (0..whole).chain(whole + 1..whole + 4).chain([2000, 8000, 8704, 8705, 1 << 20]) {
            let (all, bytes) = reach(&keys);
            let mut body = frame(&bytes).1.to_vec();
            body.resize(length, 0);
            let mut hearer = hearer(all);
            assert!(feed(&mut hearer, &framed(bytes[0] & 4, &body)).is_err(), "{length} bytes of {name}");
            assert!(!hearer.is_ready());
        }
    }
}

#[test]
fn curve_replay_rejected() {
    let replayed = Err(ProtocolError::Replayed { command: "MESSAGE" });
    let started = || {
        let mut conversation = Conversation::new(&keys()).complete();
        let sent: Vec<_> =
            ["one", "two", "three"].into_iter().map(|text| conversation.message(text)).collect();
        (conversation, sent)
    };
    // The same once more.
    let (mut conversation, sent) = started();
    assert_eq!(messages(feed(&mut conversation.server, &sent[0])), [Message::from("one")]);
    assert_eq!(feed(&mut conversation.server, &sent[0]), replayed);
    assert_eq!(conversation.server.output_len(), 0);
    // An earlier one, after a later one. (That one is missing is seen by no number: streams lose nothing.)
    let (mut conversation, sent) = started();
    assert_eq!(messages(feed(&mut conversation.server, &sent[1])), [Message::from("two")]);
    assert_eq!(feed(&mut conversation.server, &sent[0]), replayed);
    // With another number.
    for number in [4_u64, 1 << 40, u64::MAX] {
        let (mut conversation, sent) = started();
        let mut renumbered = sent[0].clone();
        renumbered[10..18].copy_from_slice(&number.to_be_bytes());
        let failed = Err(ProtocolError::NotAuthentic { command: "MESSAGE" });
        assert_eq!(feed(&mut conversation.server, &renumbered), failed);
    }
    // The numbers of the handshake.
    for number in [0_u64, 1, 2] {
        let (mut conversation, sent) = started();
        let mut renumbered = sent[0].clone();
        renumbered[10..18].copy_from_slice(&number.to_be_bytes());
        assert_eq!(feed(&mut conversation.server, &renumbered), replayed);
    }
    // Our own, back to us; and that of another connection of the same two.
    let (mut conversation, sent) = started();
    assert!(feed(&mut conversation.client, &sent[2]).is_err());
    let keys = keys();
    let (mut one, mut other) = (Conversation::new(&keys).complete(), Conversation::new(&keys).complete());
    let message = one.message("x");
    assert_eq!(feed(&mut other.server, &message), Err(ProtocolError::NotAuthentic { command: "MESSAGE" }));
}

#[test]
fn a_handshake_cannot_be_repeated() {
    let keys = keys();
    // The recorded INITIATE of one connection in another: the cookie is not for it.
    let recorded = Conversation::new(&keys).initiate();
    let mut other = Conversation::new(&keys);
    other.initiate();
    let failed = ProtocolError::NotAuthentic { command: "INITIATE" };
    assert_eq!(feed(&mut other.server, &recorded), Err(failed));
    // Twice on one connection.
    let mut conversation = Conversation::new(&keys);
    let initiate = conversation.initiate();
    assert!(feed(&mut conversation.server, &initiate).is_ok());
    assert!(matches!(
        feed(&mut conversation.server, &initiate),
        Err(ProtocolError::UnexpectedCommand { .. } | ProtocolError::MalformedCommand { .. })
    ));
    // Its number must follow that of HELLO.
    let mut conversation = Conversation::new(&keys);
    let mut initiate = conversation.initiate();
    let number = initiate.len() - frame(&initiate).1.len() + 105;
    initiate[number..number + 8].copy_from_slice(&1_u64.to_be_bytes());
    let replayed = ProtocolError::Replayed { command: "INITIATE" };
    assert_eq!(feed(&mut conversation.server, &initiate), Err(replayed));
}

#[test]
fn nothing_comes_out_of_order() {
    let keys = keys();
    let unexpected = |result: Result<Vec<Event>, ProtocolError>| {
        assert!(matches!(&result, Err(ProtocolError::UnexpectedCommand { .. })), "{result:?}");
    };
    let (hello, initiate) = (Conversation::new(&keys).hello(), Conversation::new(&keys).initiate());
    let (welcome, ready) = (Conversation::new(&keys).welcome(), Conversation::new(&keys).ready());
    let null_ready = framed(4, b"\x05READY\x0BSocket-Type\0\0\0\x04PUSH");
    for bytes in [&initiate, &welcome, &ready, &null_ready] {
        unexpected(feed(&mut Conversation::new(&keys).server, bytes));
    }
    for bytes in [&hello, &initiate, &ready, &null_ready] {
        unexpected(feed(&mut Conversation::new(&keys).client, bytes));
    }
    let mut conversation = Conversation::new(&keys);
    let hello = conversation.hello();
    assert!(feed(&mut conversation.server, &hello).is_ok());
    unexpected(feed(&mut conversation.server, &hello));
    let mut conversation = Conversation::new(&keys);
    let welcome = conversation.welcome();
    assert!(feed(&mut conversation.client, &welcome).is_ok());
    unexpected(feed(&mut conversation.client, &welcome));
    // Messages before their time, sealed or not.
    let early = Conversation::new(&keys).complete().message("early");
    for bytes in [early, framed(0, b"in clear")] {
        let result = feed(&mut Conversation::new(&keys).server, &bytes);
        assert_eq!(result, Err(ProtocolError::MessageInHandshake));
    }
}

#[test]
fn nothing_in_clear_is_accepted_afterwards() {
    for bytes in [
        framed(4, b"\x04PING\0\0"),
        framed(4, &[&b"\x04PING\0\0"[..], &[7; 60]].concat()),
        framed(4, b"\x09SUBSCRIBE"),
        framed(4, b"\x05ERROR\x03400"),
        framed(0, b"in clear"),
        framed(0, &[0; 100]),
        framed(0, b""),
        framed(1, &[0; 100]),
    ] {
        let mut conversation = Conversation::new(&keys()).complete();
        assert!(feed(&mut conversation.server, &bytes).is_err(), "{bytes:?}");
        assert_eq!(conversation.server.output_len(), 0, "nobody is told why");
    }
}

#[test]
fn a_claim_has_no_other_faces() {
    let claim = Claim::new("CURVE", vec![vec![7; 32]]);
    assert_eq!((claim.public_key(), claim.username(), claim.password()), (Some(&[7; 32]), None, None));
}
