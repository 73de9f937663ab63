//! The sockets of a run and what each of them does when it is its turn. None of them ever waits.

use crate::books::{Books, Mint, Stamp, TOPICS};
use crate::guard::{Guard, Side};
use crate::old::Old;
use crate::plan::{Class, Plan, Shape};
use crate::player::Player;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use zmq_core::options::ZmtpVersion;
use zmq_core::{Context, Error, Event, Message, Monitor, SocketType, Stats};
use zmq_patterns::AnySocket;

/// How long a REQ waits for an answer before it asks somebody else, on a network that may have lost it.
const PATIENCE: Duration = Duration::from_millis(300);
/// The group of all receivers, where each message is for one of them.
const EVERYBODY: u64 = u64::MAX;

pub(crate) struct Actor {
    pub(crate) name: u64,
    pub(crate) socket: Player,
    pub(crate) monitor: Monitor,
    /// Its number among those that subscribe decides what it subscribes to.
    pub(crate) topics: Vec<u8>,
    /// Messages it may still send; the next one has this number.
    pub(crate) quota: u64,
    pub(crate) next: u64,
    /// What a REQ waits for, and since when.
    awaited: Option<(Stamp, Instant)>,
    /// What a REP or ROUTER has to send back.
    owed: VecDeque<Message>,
    /// Endpoints it gave up because of what its peer said.
    given_up: Vec<String>,
}

/// What the actors share.
pub(crate) struct Stage<'a> {
    pub(crate) mint: &'a Mint,
    pub(crate) books: &'a mut Books,
    pub(crate) plan: &'a Plan,
    pub(crate) now: Instant,
    /// The faults have stopped: whoever asks is answered.
    pub(crate) healed: bool,
    /// Who is not let in.
    pub(crate) intruder: Option<u64>,
}

impl Actor {
    pub(crate) fn new(
        context: &Context,
        socket_type: SocketType,
        name: u64,
        side: Side,
        plan: &Plan,
    ) -> Result<Actor, Error> {
        let mut options = plan.options.clone();
        plan.guard.arm(&mut options, side)?;
        if matches!(socket_type, SocketType::Router | SocketType::Rep) {
            // These drop what does not fit; that is a matter of their own.
            options.send_hwm = options.send_hwm.max(1_000);
        }
        if socket_type == SocketType::Req && plan.class != Class::Stable {
            // Replies to what it gave up are thrown away when it asks again. A pipe that is full of them until then hides
            // that the connection behind it is dead, and the next question is lost on that.
            options.recv_hwm = options.recv_hwm.max(1_000);
        }
        let mut topics = Vec::new();
        if matches!(socket_type, SocketType::Sub | SocketType::XSub) {
            topics = TOPICS.iter().copied().filter(|topic| (u64::from(*topic) + name) % 3 != 0).collect();
        }
        let can_be_old = !matches!(socket_type, SocketType::Pub | SocketType::XPub | SocketType::Router);
        let mut socket = if can_be_old && plan.is_old(name as usize) {
            if plan.version == ZmtpVersion::V1_0 && !topics.is_empty() {
                // It gets everything, and has no way to say otherwise.
                topics = TOPICS.to_vec();
            }
            Player::Old(Box::new(Old::new(context, socket_type, plan.version, &topics, &options)?))
        } else {
            let mut socket = AnySocket::new(context, socket_type, options)?;
            for topic in &topics {
                socket.subscribe([*topic])?;
            }
            Player::Ours(socket)
        };
        let monitor = socket.monitor()?;
        Ok(Actor {
            name,
            socket,
            monitor,
            topics,
            quota: 0,
            next: 0,
            awaited: None,
            owed: VecDeque::new(),
            given_up: Vec::new(),
        })
    }

    pub(crate) fn kind(&self) -> SocketType {
        self.socket.kind()
    }

    /// Whether it sends messages of its own accord.
    pub(crate) fn is_sender(&self) -> bool {
        use SocketType::{Dealer, Pair, Pub, Push, Req, XPub};
        matches!(self.kind(), Dealer | Pair | Pub | Push | Req | XPub)
    }

    pub(crate) fn subscribes(&self) -> bool {
        matches!(self.kind(), SocketType::Sub | SocketType::XSub)
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.socket.socket().stats()
    }

    /// The same, but what was sent, delivered and received is counted in messages also if it is an old peer.
    pub(crate) fn counts(&mut self) -> Stats {
        self.socket.counts()
    }

    /// Whether it has said all that it was to say, and has its answers.
    pub(crate) fn is_done(&self) -> bool {
        self.quota == 0 && self.owed.is_empty() && self.awaited.is_none()
    }

    /// Gives up what it waits for: it may be lost.
    pub(crate) fn stop_waiting(&mut self) {
        self.awaited = None;
    }

    /// Follows the monitor.
    pub(crate) fn listen(&mut self) {
        while let Some(event) = self.monitor.try_next() {
            if let Event::ConnectGivenUp { endpoint, .. } = event {
                self.given_up.push(endpoint.to_string());
            }
        }
    }

    /// Connects again to whom it gave up.
    pub(crate) fn come_back(&mut self) -> Result<(), String> {
        self.listen();
        for endpoint in std::mem::take(&mut self.given_up) {
            self.socket.socket().connect(&endpoint).map_err(|error| format!("connecting again: {error}"))?;
        }
        Ok(())
    }

    /// One receive and one send, as far as they go. `true`: something went.
    pub(crate) fn act(&mut self, stage: &mut Stage<'_>) -> Result<bool, String> {
        self.socket.attend().map_err(|error| format!("socket {}: {error}", self.name))?;
        let received = self.receive(stage)?;
        let answered = self.answer()?;
        Ok(self.speak(stage)? || received || answered)
    }

    fn receive(&mut self, stage: &mut Stage<'_>) -> Result<bool, String> {
        use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
        match self.kind() {
            Push => return Ok(false),
            Pub => {
                // It takes in subscriptions whenever it is called, whatever for.
                self.stats();
                return Ok(false);
            }
            Req if self.awaited.is_none() => return Ok(false),
            Rep if !self.owed.is_empty() => return Ok(false),
            _ => {}
        }
        let mut message = match self.socket.try_recv() {
            Ok(message) => message,
            Err(Error::WouldBlock) => return Ok(false),
            Err(error) => return Err(format!("socket {} receives: {error}", self.name)),
        };
        let mut envelope = Message::new();
        match self.kind() {
            // Subscriptions.
            XPub => return Ok(true),
            Router => envelope.extend(message.pop_front()),
            Req | Rep | Pull | Pair | Dealer | Sub | XSub | Pub | Push => {}
            other => return Err(format!("nobody plays a {other}")),
        }
        let Some(stamp) = stage.mint.stamp(&message) else {
            let may_be_damaged = stage.plan.class == Class::Corrupting && stage.plan.guard != Guard::Key;
            if !may_be_damaged || stage.healed {
                return Err(format!("socket {} received what nobody sent: {message:?}", self.name));
            }
            stage.books.garbled += 1;
            match self.kind() {
                Rep => self.owed.push_back(message),
                Req => self.awaited = None,
                _ => {}
            }
            return Ok(true);
        };
        self.enter(stamp, stage)?;
        match self.kind() {
            Rep => self.owed.push_back(message),
            Router => {
                envelope.extend(message);
                self.owed.push_back(envelope);
            }
            Req => self.awaited = None,
            _ => {}
        }
        Ok(true)
    }

    fn enter(&mut self, stamp: Stamp, stage: &mut Stage<'_>) -> Result<(), String> {
        if self.kind() == SocketType::Req && self.awaited.map(|(awaited, _)| awaited) != Some(stamp) {
            return Err(format!("socket {} got {stamp:?} when it asked {:?}", self.name, self.awaited));
        }
        if self.kind() == SocketType::Dealer && stamp.0 != self.name {
            return Err(format!("socket {} got the echo of another: {stamp:?}", self.name));
        }
        if self.subscribes() && !self.topics.contains(&crate::books::topic(stamp.1)) {
            return Err(format!("socket {} is not subscribed to {stamp:?}", self.name));
        }
        let group = match self.kind() {
            SocketType::Pull | SocketType::Rep => EVERYBODY,
            _ => self.name,
        };
        if stage.intruder == Some(stamp.0) {
            return Err(format!("socket {} heard one who was not let in", self.name));
        }
        let connection = match (stage.plan.class, self.socket.last_connection()) {
            (Class::Stable, _) => String::new(),
            (_, Ok(connection)) => connection,
            (_, Err(error)) => return Err(format!("socket {}: last_peer: {error}", self.name)),
        };
        stage.books.enter(stamp, self.name, group, connection)
    }

    /// Sends back what it owes.
    fn answer(&mut self) -> Result<bool, String> {
        let Some(message) = self.owed.pop_front() else { return Ok(false) };
        match self.socket.try_send(message) {
            Ok(()) => Ok(true),
            Err(refused) => match refused.error {
                Error::WouldBlock => {
                    self.owed.push_front(refused.message);
                    Ok(false)
                }
                // The peer is gone; its next connection has another name.
                Error::Unroutable { .. } => Ok(true),
                error => Err(format!("socket {} answers: {error}", self.name)),
            },
        }
    }

    /// Sends the next of its messages.
    fn speak(&mut self, stage: &Stage<'_>) -> Result<bool, String> {
        if self.quota == 0 || !self.is_sender() {
            return Ok(false);
        }
        if let Some((_, since)) = self.awaited {
            let lossy = stage.plan.class != Class::Stable && !stage.healed;
            if !lossy || stage.now < since + PATIENCE {
                return Ok(false);
            }
        }
        let stamp = (self.name, self.next);
        match self.socket.try_send(stage.mint.message(stamp)) {
            Ok(()) => {
                self.next += 1;
                self.quota -= 1;
                self.awaited = (self.kind() == SocketType::Req).then_some((stamp, stage.now));
                Ok(true)
            }
            Err(refused) if matches!(refused.error, Error::WouldBlock) => Ok(false),
            Err(refused) => Err(format!("socket {} sends: {}", self.name, refused.error)),
        }
    }

    /// The group under which the books have what it received.
    pub(crate) fn group(&self) -> u64 {
        if matches!(self.kind(), SocketType::Pull | SocketType::Rep) { EVERYBODY } else { self.name }
    }
}

/// The types of those that bind and of those that connect.
pub(crate) fn types(plan: &Plan) -> (SocketType, SocketType) {
    use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
    let odd = plan.seed % 2 == 1;
    let (senders, receivers) = match plan.shape {
        Shape::Pipeline => (Push, Pull),
        Shape::Publish => (if odd { XPub } else { Pub }, if plan.seed % 3 == 0 { XSub } else { Sub }),
        Shape::Request => (Req, Rep),
        Shape::Echo => return (Router, Dealer),
        Shape::Pair => (Pair, Pair),
    };
    if plan.senders_bind { (senders, receivers) } else { (receivers, senders) }
}
