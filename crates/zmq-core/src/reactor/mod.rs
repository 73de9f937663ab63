//! The reactor of one socket: its listeners, its connections and its timers, as an object that is turned.
//!
//! It neither sleeps nor knows which thread turns it. Every method is one event: the poll reports readiness, a timer
//! has passed, somebody posted something; each looks up the link concerned, lets it act, and settles the
//! consequences.

mod arrivals;
mod connection;
mod contained;
mod listening;
mod session;
mod zap;

#[cfg(feature = "testing")]
pub(crate) use zap::verdict as zap_verdict;

pub(crate) use arrivals::Seats;

use crate::driver::Driver;
use crate::endpoint::Endpoint;
use crate::monitor::Event;
use crate::posted::{Posted, Posts};
use crate::settings::Settings;
use crate::shared::SocketShared;
use crate::transport::{Listener, Transport};
use bytes::Bytes;
use contained::contained;
use listening::Listening;
use mio::{Interest, Registry, Token};
use session::{Outcome, Session};
use slab::Slab;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What whoever turned the reactor must know.
#[derive(Debug, Default)]
pub(crate) struct Next {
    /// When the next timer passes.
    pub(crate) deadline: Option<Instant>,
    /// There is more to do at once; the turn ended so that others have theirs.
    pub(crate) again: bool,
    /// The socket is gone, and everything it left is done.
    pub(crate) finished: bool,
    /// Every peer waits until the system takes more of what is sent to it.
    pub(crate) congested: bool,
}

/// How thoroughly output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pump {
    /// Until the pipes are empty; the connections then sleep, and say so to the next sender.
    Drain,
    /// What is there; the connections stay awake. Only while a sweep is due, which puts them to sleep in the end.
    Batch,
    /// As a batch, but what does not fill a write is encoded only: the pipes have room, and the next batch or the sweep
    /// writes it. A pipe of small messages is full long before a write is.
    Room,
}

/// An endpoint to connect to.
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) transport: Arc<dyn Transport>,
    /// What a ROUTER calls this peer, whatever it says; may be empty.
    pub(crate) routing_id: Bytes,
    pub(crate) settings: Arc<Settings>,
}

pub(crate) struct Reactor {
    links: Slab<Entry>,
    timers: BTreeSet<(Instant, usize)>,
    timers_changed: bool,
    traffic: Traffic,
    /// Links to look at again in the next turn, without an event.
    again: Vec<usize>,
    /// Connections that are awake: their pipe may have something to send, and the sender will not say so.
    active: Vec<usize>,
    /// What was posted and is not acted upon yet.
    posts: Posts,
    /// A sender has written a batch since this was last asked.
    batched: bool,
    env: Env,
}

struct Entry {
    link: Link,
    /// The time under which the link stands in `timers`.
    armed: Option<Instant>,
}

enum Link {
    Listening(Listening),
    Session(Box<Session>),
}

/// What every link needs.
pub(crate) struct Env {
    registry: Registry,
    driver: Weak<Driver>,
    shared: Arc<SocketShared>,
    /// The time at the beginning of the turn.
    now: Instant,
    random: Random,
    /// Set when the socket is gone: until when what it left may still go out.
    closing: Option<Closing>,
    /// Tells the context when the reactor is gone.
    _alive: crate::context::Alive,
}

#[derive(Clone, Copy)]
struct Closing {
    until: Option<Instant>,
}

impl Env {
    fn emit(&self, event: impl FnOnce() -> Event) {
        self.shared.monitor.emit(event);
    }

    fn register(&self, source: &mut dyn AsSource, token: usize, interest: Interest) -> io::Result<()> {
        source.register_with(&self.registry, Token(token), interest)
    }

    fn reregister(&self, source: &mut dyn AsSource, token: usize, interest: Interest) -> io::Result<()> {
        source.reregister_with(&self.registry, Token(token), interest)
    }
}

/// Unsized sources (`dyn Stream`, `dyn Listener`) as mio takes them.
trait AsSource {
    fn register_with(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()>;
    fn reregister_with(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()>;
    fn deregister_with(&mut self, registry: &Registry) -> io::Result<()>;
}

impl<S: mio::event::Source + ?Sized> AsSource for Box<S> {
    fn register_with(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        (**self).register(registry, token, interest)
    }

    fn reregister_with(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        (**self).reregister(registry, token, interest)
    }

    fn deregister_with(&mut self, registry: &Registry) -> io::Result<()> {
        (**self).deregister(registry)
    }
}

impl Reactor {
    pub(crate) fn new(registry: Registry, driver: Weak<Driver>, shared: Arc<SocketShared>) -> Reactor {
        let alive = shared.context.alive(shared.socket_type, driver.clone());
        let now = shared.context.world.now();
        let random = Random::new(shared.context.world.random());
        let env = Env { registry, driver, shared, now, random, closing: None, _alive: alive };
        Reactor {
            links: Slab::new(),
            timers: BTreeSet::new(),
            timers_changed: false,
            traffic: Traffic::default(),
            again: Vec::new(),
            active: Vec::new(),
            batched: false,
            posts: Posts::default(),
            env,
        }
    }
}

/// Commands of the application, between turns.
impl Reactor {
    /// Accepts connections from now on.
    pub(crate) fn listen(
        &mut self,
        endpoint: Endpoint,
        listener: Box<dyn Listener>,
        settings: Arc<Settings>,
    ) -> io::Result<()> {
        self.begin_turn();
        let entry = self.links.vacant_entry();
        let token = entry.key();
        let listening = Listening::new(endpoint, listener, settings, token, &self.env)?;
        entry.insert(Entry { link: Link::Listening(listening), armed: None });
        Ok(())
    }

    /// Connects, and connects again whenever the connection is lost.
    pub(crate) fn connect(&mut self, target: Target) {
        self.begin_turn();
        let entry = self.links.vacant_entry();
        let token = entry.key();
        let session = Box::new(Session::connecting(target, token, &mut self.env));
        entry.insert(Entry { link: Link::Session(session), armed: None });
        self.with_session(token, |session, env| session.start(env));
    }

    /// Stops listening there; connections that were accepted stay. `false`: nothing listens there.
    pub(crate) fn unbind(&mut self, endpoint: &Endpoint) -> bool {
        let found = self.find(|link| matches!(link, Link::Listening(l) if l.endpoint() == endpoint));
        found.map(|token| self.remove(token)).is_some()
    }

    /// Ends the connections that came in there, each once what was sent is out.
    pub(crate) fn dismiss(&mut self, endpoint: &Endpoint) {
        self.begin_turn();
        let came_in_here = |link: &Link| matches!(link, Link::Session(s) if s.came_in_at(endpoint));
        let tokens: Vec<usize> = self
            .links
            .iter()
            .filter(|(_, entry)| came_in_here(&entry.link))
            .map(|(token, _)| token)
            .collect();
        for token in tokens {
            self.with_session(token, |session, env| session.leave(env));
        }
    }

    /// Ends the connection to this endpoint once what was sent is out. `false`: there is none.
    pub(crate) fn disconnect(&mut self, endpoint: &Endpoint) -> bool {
        self.begin_turn();
        let found = self.find(|link| matches!(link, Link::Session(s) if s.connects_to(endpoint)));
        let Some(token) = found else { return false };
        self.with_session(token, |session, env| session.leave(env));
        true
    }

    pub(crate) fn is_connecting_to(&self, endpoint: &Endpoint) -> bool {
        self.links.iter().any(|(_, entry)| matches!(&entry.link, Link::Session(s) if s.connects_to(endpoint)))
    }

    /// The socket is gone: closes the listeners, and each connection as soon as what was sent is out, or at `until`.
    pub(crate) fn close(&mut self, linger: Option<Duration>) {
        self.begin_turn();
        self.env.closing =
            Some(Closing { until: linger.and_then(|linger| self.env.now.checked_add(linger)) });
        let tokens: Vec<usize> = self.links.iter().map(|(token, _)| token).collect();
        for token in tokens {
            match &self.links[token].link {
                Link::Listening(_) => self.remove(token),
                Link::Session(_) => self.with_session(token, |session, env| session.leave(env)),
            }
        }
    }

    /// Whether the socket is gone and everything it left is done.
    pub(crate) fn is_finished(&self) -> bool {
        self.env.closing.is_some() && self.links.is_empty()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.env.closing.is_some()
    }

    /// Copies that wait for their peers, here and in the pipes.
    pub(crate) fn queued(&mut self) -> u64 {
        let sessions = self.links.iter_mut().filter_map(|(_, entry)| match &mut entry.link {
            Link::Session(session) => Some(session.queued()),
            Link::Listening(_) => None,
        });
        sessions.sum()
    }

    fn find(&self, wanted: impl Fn(&Link) -> bool) -> Option<usize> {
        self.links.iter().find(|(_, entry)| wanted(&entry.link)).map(|(token, _)| token)
    }
}

/// One turn: `begin_turn`, any number of `handle_event`, `finish_turn`.
impl Reactor {
    pub(crate) fn begin_turn(&mut self) {
        self.env.now = self.env.shared.context.world.now();
    }

    /// The poll reports that a link is ready; `closed` = and that the peer has closed, or an error waits.
    pub(crate) fn handle_event(&mut self, token: usize, readable: bool, writable: bool, closed: bool) {
        match self.links.get_mut(token).map(|entry| &mut entry.link) {
            Some(Link::Listening(_)) => self.accept(token),
            Some(Link::Session(_)) => {
                self.with_session(token, |session, env| {
                    session.handle_ready(readable, writable, closed, env)
                });
            }
            // The link went away earlier in this turn.
            None => {}
        }
    }

    pub(crate) fn finish_turn(&mut self) -> Next {
        for token in std::mem::take(&mut self.again) {
            self.look_again(token);
        }
        self.handle_timers();
        self.pump(Pump::Drain);
        self.timers_changed = false;
        self.next()
    }

    /// What is left to do, and when.
    pub(crate) fn next(&self) -> Next {
        Next {
            deadline: self.timers.first().map(|(at, _)| *at),
            again: !self.again.is_empty() || !self.active.is_empty(),
            finished: self.is_finished(),
            congested: self.traffic.is_congested(),
        }
    }

    /// Writes what waits in the pipes, and does what was posted. `true`: a connection has more than one turn's worth.
    pub(crate) fn pump(&mut self, pump: Pump) -> bool {
        self.batched |= pump != Pump::Drain;
        // Put back, so that the next turn has their memory.
        let mut posts = std::mem::take(&mut self.posts);
        for (token, addresses) in posts.resolved.drain(..) {
            self.with_session(token, |session, env| session.handle_resolved(addresses, env));
        }
        for token in posts.inputs.drain(..) {
            self.with_session(token, |session, env| session.handle_room(env));
        }
        let mut awake = std::mem::take(&mut self.active);
        awake.append(&mut posts.outputs);
        awake.retain(|token| self.pump_output(*token, pump));
        (self.posts, self.active) = (posts, awake);
        !self.active.is_empty()
    }

    /// Takes in what was posted, for the turn or the [`pump`](Reactor::pump) that follows.
    pub(crate) fn collect(&mut self, posted: &Posted) {
        posted.take(&mut self.posts);
    }

    /// How many connections are awake.
    pub(crate) fn awake(&self) -> usize {
        self.active.len() + self.posts.outputs.len()
    }

    pub(crate) fn take_batched(&mut self) -> bool {
        std::mem::take(&mut self.batched)
    }

    /// Whether a link is to be looked at in the next turn.
    pub(crate) fn has_more_to_do(&self) -> bool {
        !self.again.is_empty()
    }

    /// Whether a timer was set since the last turn, so that whoever waits on the poll waits too long.
    pub(crate) fn take_timers_changed(&mut self) -> bool {
        std::mem::take(&mut self.timers_changed)
    }

    fn pump_output(&mut self, token: usize, pump: Pump) -> bool {
        let mut awake = false;
        self.with_session(token, |session, env| {
            let (outcome, still_awake) = session.pump_output(pump, env);
            awake = still_awake;
            outcome
        });
        awake && self.links.contains(token)
    }

    fn look_again(&mut self, token: usize) {
        match self.links.get(token).map(|entry| &entry.link) {
            Some(Link::Listening(_)) => self.accept(token),
            Some(Link::Session(_)) => self.with_session(token, |session, env| session.look_again(env)),
            None => {}
        }
    }

    fn handle_timers(&mut self) {
        while let Some(&(at, token)) = self.timers.first() {
            if at > self.env.now {
                return;
            }
            self.timers.pop_first();
            match self.links.get_mut(token) {
                Some(Entry { link: Link::Listening(_), armed }) => {
                    *armed = None;
                    self.accept(token);
                }
                Some(Entry { link: Link::Session(_), armed }) => {
                    *armed = None;
                    self.with_session(token, |session, env| session.handle_timeout(env));
                }
                None => {}
            }
        }
    }

    /// Takes in who knocks at a listener.
    fn accept(&mut self, token: usize) {
        let Some(Entry { link: Link::Listening(listening), .. }) = self.links.get_mut(token) else { return };
        let accepted = listening.accept(&self.env);
        let (endpoint, settings) = (listening.endpoint().clone(), listening.settings().clone());
        if accepted.again {
            self.again.push(token);
        }
        for (stream, seat) in accepted.guests {
            let entry = self.links.vacant_entry();
            let newcomer = entry.key();
            let session =
                Session::accepted(endpoint.clone(), stream, seat, settings.clone(), newcomer, &mut self.env);
            entry.insert(Entry { link: Link::Session(Box::new(session)), armed: None });
            self.with_session(newcomer, |session, env| session.start(env));
            self.limit_handshakes(token, newcomer);
        }
        self.arm(token);
    }

    /// Counts a newcomer, and turns the oldest away if too many are in the middle of their handshake.
    fn limit_handshakes(&mut self, listener: usize, newcomer: usize) {
        let Some(Entry { link: Link::Listening(listening), .. }) = self.links.get_mut(listener) else {
            return;
        };
        let limit = listening.settings().options.max_pending_handshakes;
        let mut waiting = listening.take_waiting();
        // Whoever had its token before is gone: without this the newcomer would be the oldest too, and turned away.
        waiting.retain(|token| *token != newcomer);
        waiting.push_back(newcomer);
        if waiting.len() > limit {
            waiting.retain(|token| self.is_in_handshake_at(listener, *token));
        }
        if waiting.len() > limit {
            if let Some(oldest) = waiting.pop_front() {
                self.with_session(oldest, |session, env| session.turn_away(env));
            }
        }
        if let Some(Entry { link: Link::Listening(listening), .. }) = self.links.get_mut(listener) {
            listening.put_waiting(waiting);
        }
    }

    /// Whether there is a session that the listener accepted and that is in its handshake. The token alone does not say:
    /// it may be that of a later session, from elsewhere.
    fn is_in_handshake_at(&self, listener: usize, token: usize) -> bool {
        let link = |token| self.links.get(token).map(|entry| &entry.link);
        match (link(listener), link(token)) {
            (Some(Link::Listening(listening)), Some(Link::Session(session))) => {
                session.is_in_handshake() && session.seat().is_some_and(|seat| listening.let_in(seat))
            }
            _ => false,
        }
    }

    /// Lets a session act, and settles what follows.
    fn with_session(&mut self, token: usize, act: impl FnOnce(&mut Session, &mut Env) -> Outcome) {
        let Some(Entry { link: Link::Session(session), .. }) = self.links.get_mut(token) else { return };
        self.traffic.forget(session);
        let env = &mut self.env;
        let outcome = contained(|| act(session, env))
            .or_else(|panic| contained(|| session.fail(panic, env)))
            .unwrap_or(Outcome::Gone);
        self.traffic.count(session);
        match outcome {
            Outcome::Settled => self.arm(token),
            Outcome::Again => {
                self.again.push(token);
                self.arm(token);
            }
            Outcome::Gone => self.remove(token),
        }
    }

    /// Puts the link's deadline into the timers.
    fn arm(&mut self, token: usize) {
        let Some(entry) = self.links.get_mut(token) else { return };
        let deadline = match &entry.link {
            Link::Listening(listening) => listening.deadline(),
            Link::Session(session) => session.deadline(&self.env),
        };
        if deadline == entry.armed {
            return;
        }
        if let Some(old) = entry.armed.take() {
            self.timers.remove(&(old, token));
        }
        if let Some(deadline) = deadline {
            entry.armed = Some(deadline);
            self.timers.insert((deadline, token));
            self.timers_changed = true;
        }
    }

    fn remove(&mut self, token: usize) {
        let Some(entry) = self.links.try_remove(token) else { return };
        if let Some(armed) = entry.armed {
            self.timers.remove(&(armed, token));
        }
        // What panics while it goes is gone all the same.
        let _ = match entry.link {
            Link::Listening(listening) => contained(|| listening.close(&self.env)),
            Link::Session(session) => {
                self.traffic.forget(&session);
                contained(|| session.close(&self.env))
            }
        };
    }
}

/// How many peers take what is sent, and how many do not now.
#[derive(Default)]
struct Traffic {
    flowing: usize,
    congested: usize,
}

impl Traffic {
    fn count(&mut self, session: &Session) {
        if let Some(number) = self.number_with(session) {
            *number += 1;
        }
    }

    fn forget(&mut self, session: &Session) {
        if let Some(number) = self.number_with(session) {
            *number -= 1;
        }
    }

    fn number_with(&mut self, session: &Session) -> Option<&mut usize> {
        session
            .is_congested()
            .map(|congested| if congested { &mut self.congested } else { &mut self.flowing })
    }

    /// One slow peer among others is no congestion: the others are sent to meanwhile.
    fn is_congested(&self) -> bool {
        self.congested > 0 && self.flowing == 0
    }
}

/// A little randomness, so that those who lost their server at the same time do not come back at the same time.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// A time below `limit` (xorshift64).
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.0.checked_rem(nanos).unwrap_or(0))
    }
}
