//! One peer over one link: connecting, the handshake, messages, loss, connecting again, going.
//!
//! ```text
//!   connect -> Resolving -> Opening -> Open -> Closing -> (gone)
//!                  ^            |        |
//!                  +- Waiting <-+--------+     lost: only the connecting side comes back
//! ```
//! An accepted session starts in `Open`. The pipe to the socket is made at once or when the handshake is complete
//! (`Settings::attaches_early`), and outlives the connection in the first case.

use super::arrivals::Seat;
use super::connection::{Connection, Discarded, Fault, Input, Output};
use super::contained::contained;
use super::zap::Inquiry;
use super::{AsSource, Env, Pump, Target};
use crate::endpoint::Endpoint;
use crate::link::{Far, Inlet, Joint, Outlet, new_pipe};
use crate::mailbox::{Mailbox, PipeEvent};
use crate::message::Message;
use crate::monitor::{DisconnectReason, Event};
use crate::options::Options;
use crate::peer::Peer;
use crate::security::{Claim, Verdict};
use crate::settings::Settings;
use crate::subscriptions::{as_subscription, subscription};
use crate::sync::lock;
use crate::transport::{PolledTransport, Stream, Transport, TransportKind};
use crate::world::earlier;
use crate::zmtp::ProtocolError;
use mio::Interest;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a peer that was told that nothing follows has to close its side, so that what it sent meanwhile does not
/// make the system reset the connection before it has read everything. Again as long as bytes are on their way to it.
const FAREWELL: Duration = Duration::from_millis(500);

/// A hundred years: for those who ask for more than a clock can count.
const LONGEST_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) struct Session {
    token: usize,
    settings: Arc<Settings>,
    origin: Origin,
    stage: Stage,
    pipe: Option<Pipe>,
    /// Who is at the other end; while the handshake is complete.
    peer: Option<Arc<Peer>>,
    /// What the ZAP handler was asked about the peer, until it has answered.
    inquiry: Option<Box<Inquiry>>,
    /// Ends once everything that was sent is written: `disconnect`, or the socket is gone.
    leaving: bool,
}

enum Origin {
    Accepted { endpoint: Endpoint, seat: Seat },
    Connecting(Box<Retry>),
}

struct Retry {
    target: Target,
    /// The delay before the next attempt, without jitter.
    delay: Duration,
    /// Whether a connection was complete before.
    was_up: bool,
}

enum Stage {
    /// Between two attempts.
    Waiting { until: Instant },
    /// A name is being looked up elsewhere.
    Resolving,
    /// The system is connecting to one address; the others are next.
    Opening { stream: Box<dyn Stream>, rest: Vec<String>, until: Option<Instant> },
    /// Bytes flow.
    Open(Connection),
    /// Everything is written, and the peer knows; it may still close its side.
    Closing { connection: Connection, until: Instant },
    /// Only on the way from one stage to the next.
    Between,
}

/// The connection's ends of the pipes to and from the socket.
struct Pipe {
    /// What the socket sends.
    inlet: Inlet,
    /// What the socket receives.
    outlet: Outlet,
    id: usize,
}

/// What the reactor does with a session that has acted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Wait for events.
    Settled,
    /// Look again in the next turn.
    Again,
    /// Remove it.
    Gone,
}

impl Session {
    pub(super) fn connecting(target: Target, token: usize, env: &mut Env) -> Session {
        let settings = target.settings.clone();
        let delay = settings.options.reconnect_interval.unwrap_or_default();
        let retry = Retry { target, delay, was_up: false };
        let mut session = Session::new(token, settings, Origin::Connecting(Box::new(retry)));
        if session.attaches_early() {
            session.attach(None, env);
        }
        session
    }

    pub(super) fn accepted(
        endpoint: Endpoint,
        stream: Box<dyn Stream>,
        seat: Seat,
        settings: Arc<Settings>,
        token: usize,
        env: &mut Env,
    ) -> Session {
        let connection = Connection::new(stream, token, false, &settings.config, env);
        let mut session = Session::new(token, settings, Origin::Accepted { endpoint, seat });
        session.stage = Stage::Open(connection);
        session
    }

    fn new(token: usize, settings: Arc<Settings>, origin: Origin) -> Session {
        Session {
            token,
            settings,
            origin,
            stage: Stage::Between,
            pipe: None,
            peer: None,
            inquiry: None,
            leaving: false,
        }
    }

    /// The first step, once the session has its place.
    pub(super) fn start(&mut self, env: &mut Env) -> Outcome {
        match self.stage {
            Stage::Open(_) => self.register_accepted(env),
            _ => self.resolve(env),
        }
    }

    /// `disconnect`, or the socket is gone: ends as soon as everything is written.
    pub(super) fn leave(&mut self, env: &mut Env) -> Outcome {
        self.leaving = true;
        if let Some(pipe) = &self.pipe {
            env.shared.outgoing.post(PipeEvent::Closed(pipe.id));
        }
        if env.closing.is_some_and(|closing| closing.until.is_some_and(|until| until <= env.now)) {
            return Outcome::Gone;
        }
        self.pump(env)
    }

    /// It could not act: its connection has failed.
    pub(super) fn fail(&mut self, error: io::Error, env: &mut Env) -> Outcome {
        self.lose(Fault::Io(error), env)
    }

    /// Too many are in the middle of their handshake, and this one came first.
    pub(super) fn turn_away(&mut self, env: &mut Env) -> Outcome {
        self.report_end(DisconnectReason::Crowded, env);
        Outcome::Gone
    }

    pub(super) fn handle_ready(
        &mut self,
        readable: bool,
        writable: bool,
        closed: bool,
        env: &mut Env,
    ) -> Outcome {
        match &mut self.stage {
            Stage::Opening { .. } => self.check_established(env),
            Stage::Open(connection) => {
                connection.set_ready(readable, writable, closed);
                self.pump(env)
            }
            Stage::Closing { .. } => self.discard_input(),
            Stage::Waiting { .. } | Stage::Resolving | Stage::Between => Outcome::Settled,
        }
    }

    pub(super) fn handle_resolved(&mut self, addresses: io::Result<Vec<String>>, env: &mut Env) -> Outcome {
        match (&self.stage, addresses) {
            (Stage::Resolving, Ok(addresses)) => self.open_next(addresses, None, env),
            (Stage::Resolving, Err(error)) => self.retry(&error.to_string(), env),
            _ => Outcome::Settled,
        }
    }

    /// The socket has received, and the pipe has room again.
    pub(super) fn handle_room(&mut self, env: &mut Env) -> Outcome {
        self.pump(env)
    }

    pub(super) fn look_again(&mut self, env: &mut Env) -> Outcome {
        match self.stage {
            Stage::Closing { .. } => self.discard_input(),
            _ => self.pump(env),
        }
    }

    pub(super) fn handle_timeout(&mut self, env: &mut Env) -> Outcome {
        if self.leaving
            && env.closing.is_some_and(|closing| closing.until.is_some_and(|until| until <= env.now))
        {
            return Outcome::Gone;
        }
        match &mut self.stage {
            Stage::Waiting { until } if *until <= env.now => self.resolve(env),
            Stage::Opening { until, .. } if until.is_some_and(|until| until <= env.now) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the attempt to connect took too long");
                self.try_next_address(error, env)
            }
            Stage::Closing { connection, until } if *until <= env.now => {
                *until = env.now.checked_add(FAREWELL).unwrap_or(env.now);
                if connection.stream().is_delivered() { Outcome::Gone } else { Outcome::Settled }
            }
            Stage::Open(_) => self.expire_connection(env),
            _ => Outcome::Settled,
        }
    }

    /// What has arrived is read first, whether the poll has said so yet or not: a peer is not blamed for our absence.
    fn expire_connection(&mut self, env: &mut Env) -> Outcome {
        if let Stage::Open(connection) = &mut self.stage {
            connection.set_ready(true, false, false);
        }
        let outcome = self.pump(env);
        let Stage::Open(connection) = &mut self.stage else { return outcome };
        if connection.deadline().is_none_or(|deadline| deadline > env.now) {
            return outcome;
        }
        match connection.handle_timeout(env.now) {
            Ok(()) => self.pump(env),
            Err(fault) => self.lose(fault, env),
        }
    }

    /// Writes what the socket sent. Also says whether the connection is awake still.
    pub(super) fn pump_output(&mut self, pump: Pump, env: &mut Env) -> (Outcome, bool) {
        let outcome = match self.pump_out(pump, env) {
            Ok(Output::Drained) => self.sleep_or_end(pump, env),
            Ok(Output::More) => return (Outcome::Settled, true),
            Ok(Output::Broken) => return (self.pump(env), false),
            Ok(Output::Blocked) => return (Outcome::Settled, false),
            Err(fault) => return (self.lose(fault, env), false),
        };
        match outcome {
            Some(outcome) => (outcome, false),
            None => (Outcome::Settled, true),
        }
    }

    /// Removes the session: tells the socket, and counts what is lost.
    pub(super) fn close(mut self, env: &Env) {
        if self.peer.is_some() {
            self.report_end(DisconnectReason::Closed, env);
        }
        let lingered = self.leaving && env.closing.is_some();
        let lost = self.drop_pipe(env) + self.drop_stage(env);
        let io = &env.shared.counters.io;
        if lingered { io.lingered.add_shared(lost) } else { io.disconnected.add_shared(lost) }
    }

    pub(super) fn deadline(&self, env: &Env) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Waiting { until } | Stage::Closing { until, .. } => Some(*until),
            Stage::Opening { until, .. } => *until,
            Stage::Open(connection) => connection.deadline(),
            Stage::Resolving | Stage::Between => None,
        };
        let linger = env.closing.and_then(|closing| closing.until);
        earlier(own, linger)
    }

    pub(super) fn connects_to(&self, endpoint: &Endpoint) -> bool {
        matches!(&self.origin, Origin::Connecting(retry) if retry.target.endpoint == *endpoint && !self.leaving)
    }

    pub(super) fn came_in_at(&self, listener: &Endpoint) -> bool {
        matches!(&self.origin, Origin::Accepted { endpoint, .. } if endpoint == listener && !self.leaving)
    }

    pub(super) fn is_in_handshake(&self) -> bool {
        matches!(&self.stage, Stage::Open(connection) if !connection.is_ready())
    }

    /// Its place at the listener that accepted it.
    pub(super) fn seat(&self) -> Option<&Seat> {
        match &self.origin {
            Origin::Accepted { seat, .. } => Some(seat),
            Origin::Connecting(_) => None,
        }
    }

    /// Whether the peer takes no more now; `None`: there is no peer.
    pub(super) fn is_congested(&self) -> Option<bool> {
        match &self.stage {
            Stage::Open(connection) if connection.is_ready() => Some(connection.is_congested()),
            _ => None,
        }
    }

    /// Copies that wait, here and in the pipe.
    pub(super) fn queued(&mut self) -> u64 {
        let encoded = match &self.stage {
            Stage::Open(connection) | Stage::Closing { connection, .. } => connection.in_output(),
            _ => 0,
        };
        encoded + self.pipe.as_mut().map_or(0, |pipe| pipe.inlet.queued() as u64)
    }

    fn endpoint(&self) -> &Endpoint {
        match &self.origin {
            Origin::Accepted { endpoint, .. } => endpoint,
            Origin::Connecting(retry) => &retry.target.endpoint,
        }
    }
}

/// Connecting.
impl Session {
    fn resolve(&mut self, env: &mut Env) -> Outcome {
        let Origin::Connecting(retry) = &self.origin else { return Outcome::Gone };
        let (transport, address) =
            (retry.target.transport.clone(), retry.target.endpoint.address().to_owned());
        let Some(polled) = polled(&*transport) else { return Outcome::Gone };
        if !polled.resolve_blocks(&address, &self.settings.options.stream) {
            return match polled.resolve(&address, &self.settings.options.stream) {
                Ok(addresses) => self.open_next(addresses, None, env),
                Err(error) => self.retry(&error.to_string(), env),
            };
        }
        self.stage = Stage::Resolving;
        let (driver, token, options) = (env.driver.clone(), self.token, self.settings.options.stream.clone());
        let look_up = move || {
            let result = match self::polled(&*transport) {
                Some(polled) => contained(|| polled.resolve(&address, &options)).and_then(|result| result),
                None => Ok(Vec::new()),
            };
            if let Some(driver) = driver.upgrade() {
                driver.resolved(token, result);
            }
        };
        match std::thread::Builder::new().name("zmq-resolve".to_owned()).spawn(look_up) {
            Ok(_) => Outcome::Settled,
            Err(error) => self.retry(&error.to_string(), env),
        }
    }

    /// Starts with the last of `addresses`, which are in reverse order of preference after the first call.
    fn open_next(&mut self, mut addresses: Vec<String>, last: Option<io::Error>, env: &mut Env) -> Outcome {
        let Origin::Connecting(retry) = &self.origin else { return Outcome::Gone };
        let transport = retry.target.transport.clone();
        let mut last = last;
        if last.is_none() {
            addresses.reverse();
        }
        while let Some(address) = addresses.pop() {
            match self.open(&*transport, &address, env) {
                Ok(stream) => {
                    let timeout = opening_timeout(&self.settings.options);
                    let until = timeout.and_then(|timeout| env.now.checked_add(timeout));
                    self.stage = Stage::Opening { stream, rest: addresses, until };
                    return self.check_established(env);
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.map_or_else(|| "the name has no address".to_owned(), |error| error.to_string());
        self.retry(&error, env)
    }

    fn open(&self, transport: &dyn Transport, address: &str, env: &Env) -> io::Result<Box<dyn Stream>> {
        let Some(polled) = polled(transport) else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut stream = polled.open(address, &self.settings.options.stream)?;
        env.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn try_next_address(&mut self, error: io::Error, env: &mut Env) -> Outcome {
        let Stage::Opening { mut stream, rest, .. } = self.take_stage() else { return Outcome::Settled };
        let _ = stream.deregister_with(&env.registry);
        drop(stream);
        self.open_next(rest, Some(error), env)
    }

    fn check_established(&mut self, env: &mut Env) -> Outcome {
        let Stage::Opening { stream, .. } = &mut self.stage else { return Outcome::Settled };
        match stream.established() {
            Ok(true) => {
                let Stage::Opening { stream, .. } = self.take_stage() else { return Outcome::Settled };
                let peer = stream.peer_address();
                env.emit(|| Event::Connected { endpoint: self.endpoint().clone(), peer });
                self.stage =
                    Stage::Open(Connection::new(stream, self.token, true, &self.settings.config, env));
                self.begin(env)
            }
            Ok(false) => Outcome::Settled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Outcome::Settled,
            Err(error) => self.try_next_address(error, env),
        }
    }

    /// Waits for the next attempt.
    fn retry(&mut self, error: &str, env: &mut Env) -> Outcome {
        self.stage = Stage::Between;
        let Origin::Connecting(retry) = &mut self.origin else { return Outcome::Gone };
        let endpoint = retry.target.endpoint.clone();
        let options = &self.settings.options;
        // A socket that is gone, or has let this peer go, does not wait for it.
        let queued = self.pipe.as_mut().map_or(0, |pipe| pipe.inlet.queued());
        let ended = self.pipe.as_mut().is_some_and(|pipe| pipe.inlet.is_finished());
        let given_up = ended || self.leaving && queued == 0;
        let Some(interval) = options.reconnect_interval.filter(|_| !given_up) else {
            env.emit(|| Event::ConnectGivenUp { endpoint, error: error.to_owned() });
            return Outcome::Gone;
        };
        let after = retry.delay.saturating_add(env.random.below(retry.delay)).min(LONGEST_WAIT);
        if let Some(max) = options.reconnect_interval_max {
            retry.delay = retry.delay.saturating_mul(2).clamp(interval, max.max(interval));
        }
        let error = error.to_owned();
        env.emit(|| Event::ConnectRetried { endpoint, after, error });
        self.stage = Stage::Waiting { until: env.now.checked_add(after).unwrap_or(env.now) };
        Outcome::Settled
    }
}

/// Messages.
impl Session {
    fn register_accepted(&mut self, env: &mut Env) -> Outcome {
        let (token, endpoint) = (self.token, self.endpoint().clone());
        let Stage::Open(connection) = &mut self.stage else { return Outcome::Gone };
        let peer = connection.stream().peer_address();
        env.emit(|| Event::Accepted { endpoint, peer });
        match connection.register(token, env) {
            Ok(()) => self.begin(env),
            Err(error) => self.lose(Fault::Io(error), env),
        }
    }

    /// The connection is there. Says nothing yet to a peer to whom too much would be said.
    fn begin(&mut self, env: &mut Env) -> Outcome {
        match &self.stage {
            Stage::Open(connection)
                if self.settings.config.security.mechanism().shows_credentials()
                    && connection.stream().leaves_this_machine() =>
            {
                self.lose(Fault::Protocol(ProtocolError::ClearText), env)
            }
            _ => self.pump(env),
        }
    }

    /// Reads, decodes, encodes and writes what there is.
    fn pump(&mut self, env: &mut Env) -> Outcome {
        match self.try_pump(env) {
            Ok(outcome) => outcome,
            Err(fault) => self.lose(fault, env),
        }
    }

    fn try_pump(&mut self, env: &mut Env) -> Result<Outcome, Fault> {
        if let Some(reason) = self.pipe.as_ref().and_then(|pipe| pipe.inlet.refusal()) {
            return Err(Fault::Refused(reason.clone()));
        }
        let (mut more, mut stalled) = (false, false);
        loop {
            let mut ready = self.hear_verdict(env)?;
            if ready.is_none() {
                let Stage::Open(connection) = &mut self.stage else { break };
                let outlet = self.pipe.as_mut().filter(|_| self.peer.is_some()).map(|pipe| &mut pipe.outlet);
                ready = match connection.pump_in(outlet, env)? {
                    Input::Judge(claim) => self.judge(*claim, env)?,
                    Input::Ready(peer) => Some(peer),
                    Input::More => {
                        more = true;
                        break;
                    }
                    Input::Stalled => {
                        stalled = true;
                        break;
                    }
                    Input::Drained => break,
                };
            }
            if let Some(peer) = ready {
                if !self.admit(*peer, env) {
                    self.report_end(DisconnectReason::Refused, env);
                    return Ok(self.give_up_on_peer(env));
                }
            }
        }
        let outcome = match self.pump_out(Pump::Drain, env)? {
            Output::Drained => self.sleep_or_end(Pump::Drain, env),
            Output::More => Some(Outcome::Again),
            Output::Broken if !stalled => Some(Outcome::Again),
            Output::Blocked | Output::Broken => Some(Outcome::Settled),
        };
        Ok(match outcome {
            Some(Outcome::Settled) | None if more => Outcome::Again,
            Some(outcome) => outcome,
            None => Outcome::Again,
        })
    }

    fn pump_out(&mut self, pump: Pump, env: &mut Env) -> Result<Output, Fault> {
        match &mut self.stage {
            Stage::Open(connection) => {
                connection.pump_out(self.pipe.as_mut().map(|pipe| &mut pipe.inlet), pump, env)
            }
            // The pipe keeps what is sent until there is a connection.
            _ => Ok(Output::Drained),
        }
    }

    /// Everything is written: the connection sleeps until more is sent, or goes. `None`: more was sent meanwhile, or
    /// the sender was not asked to say so.
    fn sleep_or_end(&mut self, pump: Pump, env: &mut Env) -> Option<Outcome> {
        let up = self.peer.is_some();
        let Some(pipe) = &mut self.pipe else {
            return Some(if self.leaving { self.say_goodbye(env) } else { Outcome::Settled });
        };
        if !up && !self.leaving {
            // It stays awake, so that senders are not told to pump: everything is looked at when the connection is up.
            return Some(Outcome::Settled);
        }
        let ended = pipe.inlet.is_finished() || self.leaving && !pipe.inlet.has_message();
        if ended {
            return Some(self.say_goodbye(env));
        }
        if self.leaving || pump.sleeps() && pipe.inlet.wait_for_message() {
            return Some(Outcome::Settled);
        }
        if pipe.inlet.is_finished() {
            return Some(self.say_goodbye(env));
        }
        None
    }

    /// Asks the authenticator; returns the peer if its verdict completes the handshake.
    fn judge(&mut self, mut claim: Claim, env: &mut Env) -> Result<Option<Box<Peer>>, Fault> {
        let Stage::Open(connection) = &mut self.stage else { return Ok(None) };
        claim.address = connection.stream().peer_address();
        claim.process = connection.stream().credentials();
        let Some(authenticator) = &self.settings.options.authenticator else {
            return connection.decide(Verdict::fail(), env);
        };
        if let Some(domain) = authenticator.zap_domain() {
            self.inquiry = Inquiry::start(&claim, domain, &self.settings.options.routing_id, self.token, env)
                .map(Box::new);
            if self.inquiry.is_some() {
                return self.hear_verdict(env);
            }
        }
        connection.decide(authenticator.judge(&claim), env)
    }

    /// Takes the verdict of the ZAP handler, if it was asked and has answered.
    fn hear_verdict(&mut self, env: &mut Env) -> Result<Option<Box<Peer>>, Fault> {
        let Some(verdict) = self.inquiry.as_mut().and_then(|inquiry| inquiry.verdict()) else {
            return Ok(None);
        };
        self.inquiry = None;
        match &mut self.stage {
            Stage::Open(connection) => connection.decide(verdict, env),
            _ => Ok(None),
        }
    }

    /// The handshake is complete: makes the pipe, or tells the socket who is at the end of the one it has.
    /// `false`: the socket takes no further peer.
    fn admit(&mut self, mut peer: Peer, env: &mut Env) -> bool {
        let Stage::Open(connection) = &self.stage else { return false };
        peer.address = connection.stream().peer_address();
        peer.credentials = connection.stream().credentials();
        if let Origin::Connecting(retry) = &mut self.origin {
            if !retry.target.routing_id.is_empty() {
                peer.routing_id = retry.target.routing_id.clone();
            }
            retry.delay = self.settings.options.reconnect_interval.unwrap_or_default();
            if std::mem::replace(&mut retry.was_up, true) {
                env.shared.counters.io.reconnects.add_shared(1);
            }
        }
        let peer = Arc::new(peer);
        let shared = env.shared.clone();
        let subscriptions = lock(&shared.subscriptions);
        match &self.pipe {
            Some(pipe) => {
                shared.outgoing.post_state(PipeEvent::Up(pipe.id, peer.clone()));
                shared.incoming.post_state(PipeEvent::Up(pipe.id, peer.clone()));
            }
            None => self.attach(Some(peer.clone()), env),
        }
        let Some(pipe) = &mut self.pipe else { return false };
        if let Some(notice) = self.settings.notice_of_arrival() {
            pipe.outlet.introduce(notice);
        }
        env.shared.counters.io.connections.add_shared(1);
        env.emit(|| Event::HandshakeSucceeded { endpoint: self.endpoint().clone(), peer: (*peer).clone() });
        self.peer = Some(peer);
        if self.settings.options.probe_router {
            self.push(&Message::from(""));
        }
        if let Some(hello) = &self.settings.options.hello_message {
            self.push(&Message::from(hello.clone()));
        }
        if shared.socket_type.subscribes() {
            self.subscribe_to_all(subscriptions.topics());
        }
        true
    }

    /// The peer is of no use now; a connecting session tries again later.
    fn give_up_on_peer(&mut self, env: &mut Env) -> Outcome {
        self.drop_stage(env);
        match self.origin {
            Origin::Accepted { .. } => Outcome::Gone,
            Origin::Connecting(_) => self.retry("the socket has its peer already", env),
        }
    }

    /// Sends a fresh connection everything the socket is subscribed to, instead of the changes that wait in the pipe.
    /// The subscriptions are locked, so the pipe holds no change that they do not.
    fn subscribe_to_all(&mut self, topics: impl Iterator<Item = Vec<u8>>) {
        let (mut others, mut read) = (Vec::new(), 0);
        if let Some(pipe) = &mut self.pipe {
            let mut keep = |message: &mut Message| {
                if as_subscription(message).is_none() {
                    others.push(message.take());
                }
            };
            while pipe.inlet.read_with(&mut keep).is_some() {
                read += 1;
            }
        }
        for topic in topics {
            self.push(&subscription(true, &topic));
        }
        for message in &others {
            self.push(message);
        }
        if let Stage::Open(connection) = &mut self.stage {
            connection.count_encoded(read);
        }
    }

    fn push(&mut self, message: &Message) {
        if let Stage::Open(connection) = &mut self.stage {
            connection.push(message);
        }
    }

    /// Makes the pipe and gives the socket its ends; does nothing if the socket takes no further peer.
    fn attach(&mut self, peer: Option<Arc<Peer>>, env: &mut Env) {
        let Some(driver) = env.driver.upgrade() else { return };
        let shared = &env.shared;
        let settings = &self.settings;
        let Some(key) = shared.new_pipe_key() else { return };
        let socket = Joint::with(key.clone());
        let (to_peer, from_socket) = new_pipe(settings.options.send_hwm, settings.conflates_outgoing());
        let (to_socket, from_peer) = new_pipe(settings.recv_hwm(), settings.conflates_incoming());
        self.pipe = Some(Pipe {
            inlet: Inlet::new(from_socket, Far::Socket(socket.clone()), key.clone()),
            outlet: Outlet::new(to_socket, Far::Socket(socket), key.clone()),
            id: key.id,
        });
        let peer = peer.or_else(|| self.promised_peer());
        let outlet = Outlet::new(to_peer, Far::Connection(driver.clone(), self.token), key.clone());
        let inlet = Inlet::new(from_peer, Far::Connection(driver, self.token), key);
        shared.outgoing.post(PipeEvent::Outlet(Box::new(outlet), peer.clone()));
        shared.incoming.post(PipeEvent::Inlet(Box::new(inlet), peer));
    }

    /// Whether the socket queues for a peer that is not there. A ROUTER does for one that it has named itself.
    fn attaches_early(&self) -> bool {
        self.settings.attaches_early() || self.promised_peer().is_some()
    }

    /// What is known of a peer before it is there: the routing id that it is to be given.
    fn promised_peer(&self) -> Option<Arc<Peer>> {
        match &self.origin {
            Origin::Connecting(retry) if !retry.target.routing_id.is_empty() => {
                Some(Arc::new(Peer { routing_id: retry.target.routing_id.clone(), ..Peer::default() }))
            }
            _ => None,
        }
    }
}

/// Going.
impl Session {
    /// The connection cannot go on.
    fn lose(&mut self, fault: Fault, env: &mut Env) -> Outcome {
        if let (Stage::Open(connection), Fault::Protocol(_)) = (&mut self.stage, &fault) {
            connection.write_farewell(env);
        }
        let final_fault = match &fault {
            Fault::Protocol(error) => !error.is_temporary(),
            Fault::Refused(_) => true,
            Fault::PeerClosed | Fault::Io(_) => false,
        };
        self.tell_of_loss();
        let reason = DisconnectReason::from(fault);
        let error = reason.to_string();
        self.report_end(reason, env);
        let encoded = self.drop_stage(env);
        env.shared.counters.io.disconnected.add_shared(encoded);
        if matches!(self.origin, Origin::Accepted { .. }) {
            return Outcome::Gone;
        }
        if final_fault {
            env.emit(|| Event::ConnectGivenUp { endpoint: self.endpoint().clone(), error });
            return Outcome::Gone;
        }
        match &self.pipe {
            Some(pipe) if self.attaches_early() => {
                env.shared.outgoing.post_state(PipeEvent::Down(pipe.id));
                env.shared.incoming.post_state(PipeEvent::Down(pipe.id));
            }
            _ => {
                let lost = self.drop_pipe(env);
                env.shared.counters.io.disconnected.add_shared(lost);
            }
        }
        self.retry(&error, env)
    }

    /// The socket receives what it wants to hear of a peer that is lost.
    fn tell_of_loss(&mut self) {
        let accepted = matches!(self.origin, Origin::Accepted { .. });
        if let (Some(_), Some(pipe)) = (&self.peer, &mut self.pipe) {
            let [notice, parting] = self.settings.parting_messages(accepted, !accepted);
            notice.into_iter().chain(parting).for_each(|message| pipe.outlet.introduce(message));
        }
    }

    /// Everything is written, and nothing follows.
    fn say_goodbye(&mut self, env: &mut Env) -> Outcome {
        if let Stage::Closing { .. } = self.stage {
            return Outcome::Settled;
        }
        let Stage::Open(mut connection) = self.take_stage() else { return Outcome::Gone };
        if !connection.is_ready() {
            connection.close(env);
            return Outcome::Gone;
        }
        connection.shutdown();
        let until = env.now.checked_add(FAREWELL).unwrap_or(env.now);
        self.stage = Stage::Closing { connection, until };
        self.discard_input()
    }

    /// What the peer still sends, once the connection is closing, is for nobody.
    fn discard_input(&mut self) -> Outcome {
        let Stage::Closing { connection, .. } = &mut self.stage else { return Outcome::Settled };
        match connection.discard_input() {
            Discarded::Drained => Outcome::Settled,
            Discarded::More => Outcome::Again,
            Discarded::Ended => Outcome::Gone,
        }
    }

    fn report_end(&mut self, reason: DisconnectReason, env: &Env) {
        let endpoint = self.endpoint().clone();
        match (self.peer.take(), &self.stage) {
            (Some(peer), _) => {
                env.emit(|| Event::Disconnected { endpoint, peer: Arc::unwrap_or_clone(peer), reason });
            }
            (None, Stage::Open(connection)) => {
                let peer = connection.stream().peer_address();
                env.emit(|| Event::HandshakeFailed { endpoint, peer, reason });
            }
            (None, _) => {}
        }
    }

    /// Returns how many messages were queued.
    fn drop_pipe(&mut self, env: &Env) -> u64 {
        let Some(mut pipe) = self.pipe.take() else { return 0 };
        let (id, lost) = (pipe.id, pipe.inlet.close());
        drop(pipe);
        Mailbox::withdraw(&env.shared.incoming, &env.shared.outgoing, id);
        lost
    }

    /// Returns how many messages were encoded and not written.
    fn drop_stage(&mut self, env: &Env) -> u64 {
        self.inquiry = None;
        match self.take_stage() {
            Stage::Open(connection) | Stage::Closing { connection, .. } => {
                let lost = connection.in_output();
                connection.close(env);
                lost
            }
            Stage::Opening { mut stream, .. } => {
                let _ = stream.deregister_with(&env.registry);
                0
            }
            Stage::Waiting { .. } | Stage::Resolving | Stage::Between => 0,
        }
    }

    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Between)
    }
}

/// How long one attempt to connect may take. The system gives one up in the end, but not one to a proxy that is mute.
fn opening_timeout(options: &Options) -> Option<Duration> {
    let proxied = options.stream.socks_proxy.is_some();
    options.connect_timeout.or(options.handshake_timeout.filter(|_| proxied))
}

fn polled(transport: &dyn Transport) -> Option<&dyn PolledTransport> {
    match transport.kind() {
        TransportKind::Polled(polled) => Some(polled),
        TransportKind::Direct(_) => None,
    }
}
