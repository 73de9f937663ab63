//! Engines, driven as a connection drives them, and what must hold of them whatever they are fed.

use crate::input::Input;
use crate::transparent::Transparent;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::options::ZmtpVersion;
use zmq_core::security::{Null, Plain, Role, Security, Verdict};
use zmq_core::zmtp::{Config, Engine, Event, ProtocolError};
use zmq_core::{Options, SocketType};
use zmq_curve::{Curve, KeyPair, SecretKey};

pub const VERSIONS: [ZmtpVersion; 4] =
    [ZmtpVersion::V3_1, ZmtpVersion::V3_0, ZmtpVersion::V2_0, ZmtpVersion::V1_0];

/// The number of mechanisms that [`mechanism`] knows.
const MECHANISMS: usize = 4;

/// The long-term keys of both sides of CURVE.
pub const SERVER_KEY: [u8; 32] = [1; 32];
pub const CLIENT_KEY: [u8; 32] = [2; 32];

/// A mechanism, as the side that is looked at has it and as its peer does.
fn mechanism(number: usize, as_server: bool) -> (Security, Security) {
    let (server, client): (Security, Security) = match number % MECHANISMS {
        0 => (Null.into(), Null.into()),
        1 => (Plain::server().into(), Plain::client("user", "secret").expect("short").into()),
        2 => (Transparent.into(), Transparent.into()),
        _ => {
            let keys = KeyPair::from(SecretKey::from(SERVER_KEY));
            let client = Curve::client(&KeyPair::from(SecretKey::from(CLIENT_KEY)), keys.public());
            (Curve::server(&keys).into(), client.into())
        }
    };
    if as_server { (server, client) } else { (client, server) }
}

/// An engine's configuration, one of a peer that fits, and what becomes of claims.
#[derive(Clone)]
pub struct Scene {
    pub ours: Arc<Config>,
    pub theirs: Arc<Config>,
    admits: bool,
}

impl Scene {
    /// Seven bytes of choices.
    pub fn choose(input: &mut Input<'_>) -> Scene {
        let ours = input.pick(&SocketType::ALL);
        let fitting: Vec<_> = SocketType::ALL.into_iter().filter(|kind| ours.is_compatible(*kind)).collect();
        let theirs = input.pick(&fitting);
        let (security, counterpart) = mechanism(input.below(MECHANISMS), input.flag());
        let [judged, admits, limited] = [0, 1, 2].map({
            let bits = input.byte();
            move |bit| bits >> bit & 1 == 1
        });
        let mut config = Config::new(ours, &Options::default());
        config.oldest_version = input.pick(&VERSIONS);
        config.routing_id = vec![b'r'; input.below(256)].into();
        if limited {
            (config.max_message_size, config.max_frames) = (Some(600), 4);
            (config.max_handshake_size, config.max_metadata_size) = (2048, 512);
            config.max_pings_per_second = 5;
        }
        // As options are checked: a server that must have an authenticator does, and a client judges nobody.
        let mechanism = security.mechanism();
        config.judged = mechanism.needs_authenticator() || judged && mechanism.role() != Role::Client;
        config.security = security;
        let mut peer = Config::new(theirs, &Options::default());
        peer.judged = counterpart.mechanism().needs_authenticator();
        peer.security = counterpart;
        Scene { ours: Arc::new(config), theirs: Arc::new(peer), admits }
    }

    /// What [`choose`](Scene::choose) makes a scene with NULL of.
    pub fn plainest(ours: SocketType, peer: usize) -> Vec<u8> {
        let number = SocketType::ALL.iter().position(|kind| *kind == ours).expect("a type");
        vec![number as u8, peer as u8, 0, 0, 0, 3, 2]
    }

    /// The same with another mechanism.
    pub fn secured(ours: SocketType, peer: usize, mechanism: u8, as_server: bool) -> Vec<u8> {
        let mut choices = Self::plainest(ours, peer);
        (choices[2], choices[3], choices[4]) = (mechanism, u8::from(as_server), 2);
        choices
    }

    pub fn start(&self, now: Instant) -> Driven {
        Driven::new(self.ours.clone(), self.admits, now)
    }

    pub fn start_peer(&self, now: Instant) -> Driven {
        Driven::new(self.theirs.clone(), true, now)
    }
}

/// An engine and what it has heard.
pub struct Driven {
    pub engine: Engine,
    pub events: Vec<Event>,
    pub error: Option<ProtocolError>,
    config: Arc<Config>,
    admits: bool,
    judged: bool,
    admitted: bool,
    ready: bool,
    pub now: Instant,
}

impl Driven {
    fn new(config: Arc<Config>, admits: bool, now: Instant) -> Driven {
        let engine = Engine::new(config.clone(), now);
        Driven {
            engine,
            events: Vec::new(),
            error: None,
            config,
            admits,
            judged: false,
            admitted: false,
            ready: false,
            now,
        }
    }

    /// Gives it all of `bytes`, some of it into the body that is under way if `direct`.
    pub fn feed(&mut self, bytes: &[u8], direct: bool) {
        let mut input = bytes;
        while direct && !input.is_empty() && self.error.is_none() {
            let Some(mut room) = self.engine.body_to_fill() else { break };
            assert!(!room.is_empty(), "nowhere to read into");
            let count = room.fill(input);
            input = &input[count..];
            self.engine.body_filled(count, self.now);
            self.hear(&mut &[][..]);
        }
        self.hear(&mut input);
    }

    fn hear(&mut self, input: &mut &[u8]) {
        while self.error.is_none() {
            match self.engine.next_event(input, self.now) {
                Ok(Some(event)) => self.note(event),
                Ok(None) => {
                    assert!(input.is_empty(), "no event, and input is left");
                    return;
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Nobody is admitted without having been judged, nothing comes before the peer is admitted, and that but once.
    fn note(&mut self, event: Event) {
        match &event {
            Event::Judge(_) => {
                assert!(self.config.judged && !self.judged && !self.ready);
                self.judged = true;
                self.events.push(event);
                return self.decide();
            }
            Event::Ready(_) => {
                assert!(!self.ready, "ready twice");
                self.ready = true;
                assert!(self.admitted || !self.config.judged, "let in without a verdict");
                assert!(self.engine.is_ready());
            }
            Event::Message(message) => {
                assert!(self.ready, "a message before the handshake");
                assert!(!message.is_empty() && message.len() <= self.config.max_frames);
                let limit = self.config.max_message_size.unwrap_or(u64::MAX);
                // A subscription as a command is longer than as a message by its name.
                assert!(message.size() as u64 <= limit, "{} bytes", message.size());
            }
        }
        self.events.push(event);
    }

    fn decide(&mut self) {
        self.admitted = self.admits;
        let verdict = if self.admits { Verdict::admit_as("somebody") } else { Verdict::deny() };
        match self.engine.decide(verdict, self.now) {
            Ok(Some(event)) => self.note(event),
            Ok(None) => {}
            Err(error) => self.fail(error),
        }
    }

    /// What is closed stays closed.
    pub fn fail(&mut self, error: ProtocolError) {
        assert_ne!(error, ProtocolError::Closed);
        // Shown to whoever reads the log, so it must be possible to show it.
        assert!(!error.to_string().is_empty());
        self.error = Some(error);
        assert!(!self.engine.is_ready() && self.engine.body_to_fill().is_none());
        assert!(self.engine.poll_timeout().is_none());
        assert_eq!(self.engine.next_event(&mut &b"more"[..], self.now), Err(ProtocolError::Closed));
        assert_eq!(self.engine.handle_timeout(self.now), Err(ProtocolError::Closed));
    }

    /// Time passes; what is due is done.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        let is_due = self.engine.poll_timeout().is_some_and(|due| due <= self.now);
        if let Some(Err(error)) = is_due.then(|| self.engine.handle_timeout(self.now)) {
            self.fail(error);
        }
    }

    /// Takes up to `limit` bytes of the output.
    pub fn take(&mut self, limit: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < limit && self.engine.output_len() > 0 {
            let mut slices = [IoSlice::new(&[]); 3];
            let used = self.engine.output(&mut slices);
            assert!(used > 0 && slices[..used].iter().all(|slice| !slice.is_empty()));
            let before = taken.len();
            for slice in &slices[..used] {
                taken.extend_from_slice(&slice[..slice.len().min(limit - taken.len())]);
            }
            let (left, count) = (self.engine.output_len(), taken.len() - before);
            self.engine.advance_output(count);
            // A PONG may follow on what was taken.
            assert!(self.engine.output_len() + count >= left);
        }
        taken
    }
}

/// How a stream is cut.
pub enum Cut<'a> {
    Whole,
    /// Byte by byte, as far as that is bearable.
    Bytes,
    /// In pieces of these sizes in turn, read straight into a large body where the number is odd.
    Sizes(&'a [u8]),
}

impl Cut<'_> {
    fn feed(&self, driven: &mut Driven, stream: &[u8]) {
        match self {
            Cut::Whole => driven.feed(stream, false),
            Cut::Bytes => stream.chunks(1 + stream.len() / 256).for_each(|byte| driven.feed(byte, false)),
            Cut::Sizes(sizes) => {
                let (mut rest, mut turn) = (stream, 0);
                while !rest.is_empty() {
                    let size = sizes.get(turn % sizes.len().max(1)).copied().unwrap_or(7);
                    let wanted = usize::from(size) * usize::from(size) / 4 + stream.len() / 128 + 1;
                    let (piece, later) = rest.split_at(wanted.min(rest.len()));
                    driven.feed(piece, size & 1 == 1);
                    driven.take(usize::MAX);
                    (rest, turn) = (later, turn + 1);
                }
            }
        }
    }
}

/// The same bytes mean the same, however they are cut. `begin` brings a fresh engine to where the stream goes on.
pub fn one_verdict(scene: &Scene, begin: impl Fn(&mut Driven), stream: &[u8], sizes: &[u8]) -> Driven {
    let now = Instant::now();
    let hear = |cut: Cut<'_>| {
        let mut driven = scene.start(now);
        begin(&mut driven);
        cut.feed(&mut driven, stream);
        driven
    };
    let whole = hear(Cut::Whole);
    for other in [hear(Cut::Bytes), hear(Cut::Sizes(sizes))] {
        assert_eq!(other.error, whole.error);
        assert_eq!(other.events, whole.events);
    }
    whole
}

/// Brings an engine through its handshake, with a live peer of version 3.x or with what an older one would send.
/// The engine may have refused.
pub fn shake_hands(scene: &Scene, version: ZmtpVersion, driven: &mut Driven) {
    match version {
        ZmtpVersion::V1_0 => driven.feed(&[1, 0], false),
        ZmtpVersion::V2_0 => {
            let greeting = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1, scene.theirs.socket_type.number()];
            driven.feed(&[&greeting[..], &[0, 0]].concat(), false);
        }
        _ => meet(driven, &mut scene.start_peer(driven.now), version),
    }
    driven.take(usize::MAX);
}

/// The byte of a greeting that has the minor version.
const MINOR: usize = 11;

/// Passes bytes to and fro until both are silent; to each the other seems to be of `version`.
pub fn meet(one: &mut Driven, two: &mut Driven, version: ZmtpVersion) {
    let mut passed = [0, 0];
    loop {
        let mut sent = [one.take(usize::MAX), two.take(usize::MAX)];
        if sent.iter().all(Vec::is_empty) {
            return;
        }
        for (bytes, passed) in sent.iter_mut().zip(&mut passed) {
            if version < ZmtpVersion::V3_1 && (*passed..*passed + bytes.len()).contains(&MINOR) {
                bytes[MINOR - *passed] = 0;
            }
            *passed += bytes.len();
        }
        two.feed(&sent[0], false);
        one.feed(&sent[1], false);
    }
}
