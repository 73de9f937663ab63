//! The typed socket.

use crate::builder::Builder;
use crate::fair_queue::FairQueue;
use crate::load_balance::LoadBalance;
use crate::pattern::Pattern;
use crate::split::{Receiver, Sender};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zmq_core::{
    Context, Endpoint, Error, Frame, Message, Monitor, Options, Peer, PipeEvent, Process, Result, SendError,
    SocketBase, SocketType, Stats, Waited, Watcher,
};

pub(crate) mod sealed {
    use crate::pattern::Pattern;

    /// What only this crate names.
    pub trait Sealed: 'static {
        type Pattern: Pattern;

        fn pattern() -> Self::Pattern;
    }
}

/// A socket type, as a type.
pub trait Kind: sealed::Sealed {
    /// Its name on the wire.
    const TYPE: SocketType;
}

/// A socket type that sends.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket cannot send",
    label = "this socket type only receives",
    note = "PULL and SUB receive; to answer whoever sends to you use ROUTER, REP, DEALER or PAIR"
)]
pub trait CanSend: Kind {}

/// A socket type that receives.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket cannot receive",
    label = "this socket type only sends",
    note = "PUSH and PUB send; to see subscriptions use XPUB, to get answers use DEALER, REQ or PAIR"
)]
pub trait CanReceive: Kind {}

/// A socket type whose two directions have nothing to do with each other.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket cannot be split",
    label = "its two directions depend on each other",
    note = "DEALER and PAIR can be split"
)]
pub trait CanSplit: CanSend + CanReceive {
    #[doc(hidden)]
    fn parts(pattern: Self::Pattern) -> (LoadBalance, FairQueue);
}

/// Which context sockets live in that are made without naming one.
pub trait Environment: 'static {}

/// An environment that has a context to offer.
#[diagnostic::on_unimplemented(
    message = "this socket needs a context",
    note = "use the types of the facade crate, or `Socket::new_in(&context)`"
)]
pub trait DefaultContext: Environment {
    /// The context.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    fn context() -> Result<Context>;
}

/// The environment without a default context.
#[derive(Clone, Copy, Debug)]
pub enum Explicit {}

impl Environment for Explicit {}

/// A ZeroMQ socket of type `K`.
///
/// What the type cannot do does not compile: a `Pub` has no `recv`, a `Pull` no `send`.
///
/// A socket is owned by one thread at a time (`Send`, not shared); calls take `&mut self`. Everything else happens in
/// the background: connecting, reconnecting, queueing up to the high-water mark, reading ahead.
///
/// Dropping it does not block: what was sent goes out in the background for as long as it
/// [lingers](zmq_core::Options::linger). Only the last handle of a [`Context`] waits for that.
pub struct Socket<K: Kind, E: Environment = Explicit> {
    cell: Cell<State<K::Pattern>>,
    environment: PhantomData<fn() -> E>,
}

/// A pattern and what it works with.
pub(crate) struct State<P> {
    /// Before the base: its pipes close before the socket does.
    pattern: Inherited<P>,
    pub(crate) base: SocketBase,
    news: Vec<PipeEvent>,
    /// For an event loop of somebody else, once it has asked.
    watcher: Option<Box<Watcher>>,
    /// Whether that loop wants to hear of news only, not of what it leaves.
    edge: bool,
}

/// A pattern that must not be dropped in a forked child: locks of its pipes may be held by threads that do not exist
/// there.
struct Inherited<P> {
    /// `None` only while it is dropped or taken apart.
    pattern: Option<P>,
    process: Process,
}

impl<P> Drop for Inherited<P> {
    fn drop(&mut self) {
        if !self.process.is_current() {
            std::mem::forget(self.pattern.take());
        }
    }
}

/// Something this thread owns, until it is shared with a poller.
pub(crate) enum Cell<S> {
    Own(Box<S>),
    Shared(Arc<Mutex<S>>),
    /// Only while it changes from one to the other.
    Empty,
}

impl<S> Cell<S> {
    #[inline]
    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut S) -> R) -> Result<R> {
        match self {
            Cell::Own(state) => Ok(work(state)),
            Cell::Shared(state) => Ok(work(&mut state.lock().unwrap_or_else(PoisonError::into_inner))),
            Cell::Empty => Err(Error::Terminated),
        }
    }

    pub(crate) fn share(&mut self) -> Option<Arc<Mutex<S>>> {
        let state = match std::mem::replace(self, Cell::Empty) {
            Cell::Own(state) => Arc::new(Mutex::new(*state)),
            Cell::Shared(state) => state,
            Cell::Empty => return None,
        };
        *self = Cell::Shared(state.clone());
        Some(state)
    }
}

impl<P: Pattern> Cell<State<P>> {
    pub(crate) fn begin(
        &mut self,
        first: &Frame,
        patience: impl FnOnce(&State<P>) -> Patience,
    ) -> Result<()> {
        self.with(|state| state.call(patience, |state, patience| state.begin(first, patience)))?
    }

    #[inline]
    pub(crate) fn send(
        &mut self,
        message: impl Into<Message>,
        patience: impl FnOnce(&State<P>) -> Patience,
    ) -> Result<(), SendError> {
        let mut message = message.into();
        match self.send_from(&mut message, patience) {
            Ok(()) => Ok(()),
            Err(error) => Err(SendError { error, message }),
        }
    }

    /// The message stays in its place if it is not sent.
    #[inline]
    pub(crate) fn send_from(
        &mut self,
        message: &mut Message,
        patience: impl FnOnce(&State<P>) -> Patience,
    ) -> Result<()> {
        // The arms of `with`, written out here and in `receive`: through one function for both a small message costs an
        // eighth more CPU, inlined or not (measured over inproc).
        match self {
            Cell::Own(state) => state.call(patience, |state, patience| state.send(message, patience)),
            Cell::Shared(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.call(patience, |state, patience| state.send(message, patience))
            }
            Cell::Empty => Err(Error::Terminated),
        }
    }

    #[inline]
    pub(crate) fn receive(
        &mut self,
        into: &mut Message,
        patience: impl FnOnce(&State<P>) -> Patience,
    ) -> Result<()> {
        match self {
            Cell::Own(state) => state.call(patience, |state, patience| state.receive(into, patience)),
            Cell::Shared(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.call(patience, |state, patience| state.receive(into, patience))
            }
            Cell::Empty => Err(Error::Terminated),
        }
    }

    pub(crate) fn receive_many(
        &mut self,
        into: &mut Vec<Message>,
        limit: usize,
        patience: impl FnOnce(&State<P>) -> Patience,
    ) -> Result<usize> {
        self.with(|state| state.call(patience, |state, patience| state.receive_many(into, limit, patience)))?
    }
}

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    Now,
    /// `None`: for ever.
    AtMost(Option<Duration>),
}

impl Patience {
    /// Starts to wait. Most calls need not, and do not look at the clock.
    pub(crate) fn start(self) -> Wait {
        match self {
            Patience::Now => Wait::Not,
            Patience::AtMost(timeout) => Wait::Until {
                deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
                after: timeout.unwrap_or(Duration::MAX),
            },
        }
    }
}

/// Until when a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    Not,
    Until { deadline: Option<Instant>, after: Duration },
}

impl Wait {
    /// Waits until something may have changed.
    pub(crate) fn wait(self, base: &mut SocketBase) -> Result<()> {
        match self {
            Wait::Not => Err(Error::WouldBlock),
            Wait::Until { deadline, after } => match base.wait(deadline)? {
                Waited::Look => Ok(()),
                Waited::TimedOut => Err(Error::Timeout { after }),
            },
        }
    }
}

/// How often news is followed that comes while other news is followed, in one call; peers could bring some for ever.
const ROUNDS: usize = 64;

impl<P: Pattern> State<P> {
    /// Subscribes to what the options say.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the type does not subscribe.
    pub(crate) fn new(mut base: SocketBase, mut pattern: P) -> Result<State<P>> {
        for topic in base.options().subscriptions.clone() {
            if pattern.change_subscription(&topic, true, &mut base).is_err() {
                let reason = format!("a {} socket does not subscribe", base.socket_type());
                return Err(Error::InvalidOption { option: "subscribe", reason });
            }
        }
        Ok(State::with_parts(base, pattern))
    }

    pub(crate) fn with_parts(base: SocketBase, pattern: P) -> State<P> {
        let pattern = Inherited { pattern: Some(pattern), process: Process::current() };
        State { pattern, base, news: Vec::new(), watcher: None, edge: false }
    }

    fn into_parts(mut self) -> Option<(SocketBase, P)> {
        self.follow();
        let pattern = self.take_pattern()?;
        Some((self.base, pattern))
    }

    /// The pattern, before the rest is dropped.
    pub(crate) fn take_pattern(&mut self) -> Option<P> {
        self.pattern.pattern.take()
    }

    /// Follows the news.
    #[inline]
    pub(crate) fn follow(&mut self) {
        if self.base.has_events() {
            self.follow_news();
        }
    }

    #[cold]
    fn follow_news(&mut self) {
        let Some(pattern) = &mut self.pattern.pattern else { return };
        for _ in 0..ROUNDS {
            self.base.take_events(&mut self.news);
            for event in self.news.drain(..) {
                pattern.handle(event, &mut self.base);
            }
            if !self.base.has_events() {
                break;
            }
        }
        // Pipes that were let go want to be ended.
        self.base.after_send(0);
    }

    /// For calls that are rare.
    pub(crate) fn with_pattern<R>(&mut self, work: impl FnOnce(&mut P, &mut SocketBase) -> R) -> Result<R> {
        self.base.check()?;
        self.follow();
        match &mut self.pattern.pattern {
            Some(pattern) => Ok(work(pattern, &mut self.base)),
            None => Err(Error::Terminated),
        }
    }

    /// A descriptor that is readable while there is work; with `edge`: when there is news.
    pub(crate) fn descriptor(&mut self, edge: bool) -> Result<OwnedFd> {
        self.base.check()?;
        self.edge = edge;
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => {
                let mut watcher = Watcher::new()?;
                watcher.add(&self.base);
                none.insert(Box::new(watcher))
            }
        };
        // Readable at first: whoever asks for it looks at the socket once.
        watcher.ring();
        watcher.descriptor()
    }

    /// After a call: the descriptor is readable if and only if there is something to receive, or news since. If it is one
    /// for edges: after a call that has `told` all there is, only if there is news since.
    #[inline]
    pub(crate) fn settle(&mut self, told: bool) {
        if self.watcher.is_some() && (told || !self.edge) {
            self.settle_watcher();
        }
    }

    #[cold]
    fn settle_watcher(&mut self) {
        if !self.edge {
            self.follow();
        }
        let (Some(watcher), Some(pattern)) = (&mut self.watcher, &mut self.pattern.pattern) else { return };
        let nothing_left = self.edge || !pattern.can_receive(&mut self.base);
        let settled = nothing_left && watcher.settle().is_ok();
        // News that came before the watcher was armed again is found here, later news rings.
        if !settled || self.base.has_events() || self.base.check().is_err() {
            watcher.ring();
        }
    }

    /// Looks for input without waiting.
    pub(crate) fn look_for_input(&mut self) -> Result<()> {
        self.base.check()?;
        self.base.poll_input();
        Ok(())
    }

    /// Whether it can receive and send now.
    pub(crate) fn readiness(&mut self) -> Result<(bool, bool)> {
        self.base.check()?;
        self.follow();
        let Some(pattern) = &mut self.pattern.pattern else { return Err(Error::Terminated) };
        Ok((pattern.can_receive(&mut self.base), pattern.can_send(&mut self.base)))
    }

    pub(crate) fn stats(&mut self) -> Stats {
        if !self.base.is_forked() {
            self.follow();
        }
        self.base.stats()
    }

    /// A call of the application.
    #[inline]
    fn call<R>(
        &mut self,
        patience: impl FnOnce(&State<P>) -> Patience,
        work: impl FnOnce(&mut State<P>, Patience) -> Result<R>,
    ) -> Result<R> {
        let patience = patience(self);
        // In two arms, so that no result moves: this is the way of every message.
        match work(self, patience) {
            Ok(result) => {
                self.settle(false);
                Ok(result)
            }
            Err(error) => {
                self.settle(true);
                Err(error)
            }
        }
    }

    /// Takes the message out of its place and sends it. If it cannot, the message stays.
    #[inline]
    pub(crate) fn send(&mut self, message: &mut Message, patience: Patience) -> Result<()> {
        if message.is_empty() {
            return Err(Error::InvalidMessage {
                reason: "it has no frame; an empty message is one frame of no bytes",
            });
        }
        if !self.try_send(message)? {
            self.send_patiently(message, patience)?;
        }
        if self.base.runs_ahead() && matches!(patience, Patience::AtMost(_)) {
            self.base.keep_company();
        }
        Ok(())
    }

    #[inline]
    fn try_send(&mut self, message: &mut Message) -> Result<bool> {
        self.base.check()?;
        self.follow();
        let Some(pattern) = &mut self.pattern.pattern else { return Err(Error::Terminated) };
        // In two arms, so that no result moves.
        match pattern.try_send(message, &mut self.base) {
            Ok(sent) => {
                if sent {
                    self.base.count_sent();
                }
                Ok(sent)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a message that begins with this frame can be sent.
    pub(crate) fn begin(&mut self, first: &Frame, patience: Patience) -> Result<()> {
        let (wait, mut pumped) = (patience.start(), false);
        loop {
            self.base.check()?;
            self.follow();
            let Some(pattern) = &mut self.pattern.pattern else { return Err(Error::Terminated) };
            if pattern.can_begin(first, &mut self.base)? {
                return Ok(());
            }
            // To write what waits may make room.
            if std::mem::replace(&mut pumped, true) {
                wait.wait(&mut self.base)?;
            } else {
                self.base.pump();
            }
        }
    }

    /// Writes what waits, which may make room; then waits for it.
    #[cold]
    fn send_patiently(&mut self, message: &mut Message, patience: Patience) -> Result<()> {
        let wait = patience.start();
        self.base.pump();
        while !self.try_send(message)? {
            wait.wait(&mut self.base)?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn last_peer(&self) -> Option<&Arc<Peer>> {
        self.pattern.pattern.as_ref()?.last_peer()
    }

    #[inline]
    pub(crate) fn receive(&mut self, into: &mut Message, patience: Patience) -> Result<()> {
        if self.base.is_within_process() && matches!(patience, Patience::AtMost(_)) {
            self.dwell();
        }
        if self.try_receive(into)? {
            return Ok(());
        }
        self.receive_patiently(into, patience)
    }

    /// Appends at most `limit` messages: waits for the first, and takes those that are there behind it.
    pub(crate) fn receive_many(
        &mut self,
        into: &mut Vec<Message>,
        limit: usize,
        patience: Patience,
    ) -> Result<usize> {
        let before = into.len();
        for place in before..before.saturating_add(limit) {
            into.push(Message::from(Frame::new()));
            let received = if place == before {
                self.receive(&mut into[place], patience).map(|()| true)
            } else {
                self.try_receive(&mut into[place])
            };
            if !matches!(received, Ok(true)) {
                into.pop();
                return if place == before { received.map(usize::from) } else { Ok(place - before) };
            }
        }
        Ok(limit)
    }

    #[inline]
    fn try_receive(&mut self, into: &mut Message) -> Result<bool> {
        self.base.check()?;
        self.follow();
        let Some(pattern) = &mut self.pattern.pattern else { return Err(Error::Terminated) };
        let received = pattern.try_receive(into, &mut self.base)?;
        if received {
            self.base.count_received();
        }
        Ok(received)
    }

    /// Where the peers are in this process: tries for a moment, while that helps, before the pipes are asked to report. A
    /// peer that has to report pays for it, and both for the news.
    #[inline]
    fn dwell(&mut self) {
        if let Some(pattern) = &mut self.pattern.pattern {
            if !pattern.is_at_hand() {
                self.base.dwell(|| pattern.is_at_hand());
            }
        }
    }

    #[cold]
    fn receive_patiently(&mut self, into: &mut Message, patience: Patience) -> Result<()> {
        if let Patience::Now = patience {
            self.base.poll_input();
            return if self.try_receive(into)? { Ok(()) } else { Err(Error::WouldBlock) };
        }
        let wait = patience.start();
        loop {
            wait.wait(&mut self.base)?;
            if self.try_receive(into)? {
                return Ok(());
            }
        }
    }
}

impl<K: Kind, E: DefaultContext> Socket<K, E> {
    /// A socket without endpoints, in the default context.
    ///
    /// # Errors
    /// [`Error::TooManySockets`], [`Error::Forked`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A socket that accepts peers at `endpoint`, in the default context.
    ///
    /// # Errors
    /// As [`bind_to`](Socket::bind_to).
    pub fn bind(endpoint: impl AsRef<str>) -> Result<Self> {
        Self::builder().bind(endpoint)
    }

    /// A socket that connects to `endpoint`, in the default context. Returns at once, whether anybody is there or not.
    ///
    /// # Errors
    /// As [`connect_to`](Socket::connect_to).
    pub fn connect(endpoint: impl AsRef<str>) -> Result<Self> {
        Self::builder().connect(endpoint)
    }

    /// Sets options before the socket is made.
    pub fn builder() -> Builder<K, E> {
        Builder::new(None)
    }
}

impl<K: Kind, E: Environment> Socket<K, E> {
    /// A socket without endpoints, in `context`.
    ///
    /// # Errors
    /// [`Error::TooManySockets`], [`Error::Terminated`], [`Error::Forked`].
    pub fn new_in(context: &Context) -> Result<Self> {
        Self::with_options(context, Options::default())
    }

    /// Sets options before the socket is made, in `context`.
    pub fn builder_in(context: &Context) -> Builder<K, E> {
        Builder::new(Some(context.clone()))
    }

    /// A socket without endpoints, with these options.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::TooManySockets`], [`Error::Terminated`], [`Error::Forked`].
    pub fn with_options(context: &Context, options: Options) -> Result<Self> {
        let base = SocketBase::new(context, K::TYPE, options)?;
        let cell = Cell::Own(Box::new(State::new(base, K::pattern())?));
        Ok(Socket { cell, environment: PhantomData })
    }

    /// Accepts peers at `endpoint` too, and returns it with every wildcard filled in (`zmq_bind`). The address is taken
    /// when this returns.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`], [`Error::UnknownTransport`], [`Error::AddressInUse`], [`Error::Io`],
    /// [`Error::Terminated`], [`Error::Forked`].
    pub fn bind_to(&mut self, endpoint: impl AsRef<str>) -> Result<Endpoint> {
        self.with(|state| state.base.bind(endpoint.as_ref()))?
    }

    /// Connects to `endpoint` too (`zmq_connect`). Returns at once; the connection is made in the background, and made
    /// again whenever it is lost, until [`disconnect`](Socket::disconnect).
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`], [`Error::UnknownTransport`], [`Error::Terminated`], [`Error::Forked`], for inproc also
    /// [`Error::IncompatiblePeer`] and [`Error::PeerBusy`].
    pub fn connect_to(&mut self, endpoint: impl AsRef<str>) -> Result<Endpoint> {
        self.with(|state| state.base.connect(endpoint.as_ref(), &[]))?
    }

    /// Stops accepting peers at `endpoint`; those that are there stay (`zmq_unbind`). The address is free when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`], [`Error::Forked`].
    pub fn unbind(&mut self, endpoint: impl AsRef<str>) -> Result<()> {
        self.with(|state| state.base.unbind(endpoint.as_ref()))?
    }

    /// Ends the connection to `endpoint` once what was sent is out (`zmq_disconnect`).
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`], [`Error::Forked`].
    pub fn disconnect(&mut self, endpoint: impl AsRef<str>) -> Result<()> {
        self.with(|state| {
            state.base.disconnect(endpoint.as_ref())?;
            state.follow();
            Ok(())
        })?
    }

    /// The endpoint bound or connected last, wildcards filled in (`ZMQ_LAST_ENDPOINT`).
    pub fn last_endpoint(&mut self) -> Option<Endpoint> {
        self.with(|state| state.base.last_endpoint()).ok().flatten()
    }

    /// The name of its security mechanism: `"NULL"`, `"PLAIN"`, `"CURVE"` or that of your own (`ZMQ_MECHANISM`).
    ///
    /// # Errors
    /// [`Error::Terminated`].
    pub fn mechanism(&mut self) -> Result<&'static str> {
        self.with(|state| state.base.options().security.mechanism().name())
    }

    /// Reports what happens to the socket's connections from now on.
    ///
    /// # Errors
    /// [`Error::Terminated`].
    pub fn monitor(&mut self) -> Result<Monitor> {
        self.with(|state| state.base.monitor())
    }

    /// The numbers so far.
    pub fn stats(&mut self) -> Stats {
        self.with(State::stats).unwrap_or_default()
    }

    /// Changes how long what was sent may still go out after the socket is dropped; `None` = as long as it takes
    /// (`ZMQ_LINGER`).
    pub fn set_linger(&mut self, linger: Option<Duration>) {
        let _ = self.with(|state| state.base.set_linger(linger));
    }

    /// The context it lives in.
    ///
    /// # Errors
    /// [`Error::Terminated`].
    pub fn context(&mut self) -> Result<Context> {
        self.with(|state| state.base.context().clone())
    }

    /// Drops the socket, with this linger time.
    pub fn close(mut self, linger: Option<Duration>) {
        self.set_linger(linger);
    }

    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut State<K::Pattern>) -> R) -> Result<R> {
        self.cell.with(work)
    }

    pub(crate) fn with_pattern<R>(
        &mut self,
        work: impl FnOnce(&mut K::Pattern, &mut SocketBase) -> R,
    ) -> Result<R> {
        self.with(|state| state.with_pattern(work))?
    }

    pub(crate) fn cell(&mut self) -> &mut Cell<State<K::Pattern>> {
        &mut self.cell
    }
}

impl<K: CanSend, E: Environment> Socket<K, E> {
    /// Sends a message; waits while there is nobody to take it, where the pattern waits, at most as long as
    /// [`send_timeout`](zmq_core::Options::send_timeout) (`zmq_send`). With every 64 KiB it may stay a moment, 2 ns
    /// a byte and 4 ms at most, while the peers take them bit by bit; [`try_send`](Socket::try_send) leaves them to the
    /// background.
    ///
    /// # Errors
    /// [`SendError`] with the message and [`Error::Timeout`], [`Error::Terminated`], [`Error::State`],
    /// [`Error::Unroutable`] or [`Error::InvalidMessage`].
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.send(message, |state| Patience::AtMost(state.base.options().send_timeout))
    }

    /// Sends a message if it can be taken now (`ZMQ_DONTWAIT`).
    ///
    /// # Errors
    /// As [`send`](Socket::send), with [`Error::WouldBlock`] for [`Error::Timeout`].
    #[inline]
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.cell.send(message, |_| Patience::Now)
    }

    /// Sends a message; waits at most `timeout`.
    ///
    /// # Errors
    /// As [`send`](Socket::send).
    pub fn send_timeout(&mut self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError> {
        self.cell.send(message, |_| Patience::AtMost(Some(timeout)))
    }
}

impl<K: CanReceive, E: Environment> Socket<K, E> {
    /// Receives a message; waits for it, at most as long as [`recv_timeout`](zmq_core::Options::recv_timeout)
    /// (`zmq_recv`).
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Terminated`], [`Error::State`].
    #[inline]
    pub fn recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// As [`recv`](Socket::recv), into a message that is there already: what it held is dropped. For loops that receive
    /// millions of small messages, which this spares a move each.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv); `into` is then unspecified.
    #[inline]
    pub fn recv_into(&mut self, into: &mut Message) -> Result<()> {
        self.cell.receive(into, |state| Patience::AtMost(state.base.options().recv_timeout))
    }

    /// Receives a message if one is there (`ZMQ_DONTWAIT`).
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::Terminated`], [`Error::State`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// As [`try_recv`](Socket::try_recv), into a message that is there already.
    ///
    /// # Errors
    /// As [`try_recv`](Socket::try_recv); `into` is then unspecified.
    #[inline]
    pub fn try_recv_into(&mut self, into: &mut Message) -> Result<()> {
        self.cell.receive(into, |_| Patience::Now)
    }

    /// Waits for a message as [`recv`](Socket::recv) does, and appends it and those that are there behind it to `into`, at
    /// most `limit` altogether; tells how many. Cheaper than a call for each, most of all for a socket that a
    /// [`Poller`](crate::Poller) watches. A REQ or REP receives one at a time. [`last_peer`](Socket::last_peer) is that of the
    /// last.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv); nothing was received then. What goes wrong after the first message is told by the next
    /// call.
    pub fn recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        self.cell.receive_many(into, limit, |state| Patience::AtMost(state.base.options().recv_timeout))
    }

    /// As [`recv_many`](Socket::recv_many), without waiting (`ZMQ_DONTWAIT`).
    ///
    /// # Errors
    /// As [`try_recv`](Socket::try_recv); nothing was received then.
    pub fn try_recv_many(&mut self, into: &mut Vec<Message>, limit: usize) -> Result<usize> {
        self.cell.receive_many(into, limit, |_| Patience::Now)
    }

    /// Receives a message; waits at most `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message> {
        let mut message = Message::from(Frame::new());
        self.cell.receive(&mut message, |_| Patience::AtMost(Some(timeout)))?;
        Ok(message)
    }
}

impl<K: CanReceive, E: Environment> Socket<K, E> {
    /// Who sent the message that was received last (`zmq_msg_gets`): its address, its user id, the properties of its
    /// READY. Ask right after receiving. `None`: nothing was received, or it is not known any more.
    ///
    /// # Errors
    /// [`Error::Terminated`].
    pub fn last_peer(&mut self) -> Result<Option<Arc<Peer>>> {
        self.with(|state| state.last_peer().cloned())
    }
}

impl<K: CanSplit, E: Environment> Socket<K, E> {
    /// A sending and a receiving half, for two threads. The socket ends when both are dropped.
    ///
    /// # Errors
    /// The socket, if it is in a [`Poller`](crate::Poller).
    pub fn split(mut self) -> Result<(Sender<K>, Receiver<K>), Self> {
        match std::mem::replace(&mut self.cell, Cell::Empty) {
            Cell::Own(state) => match state.into_parts() {
                Some((base, pattern)) => {
                    let (outgoing, incoming) = K::parts(pattern);
                    let (sending, receiving) = base.split();
                    let kept = Arc::default();
                    let sender = Sender::new(sending, outgoing, Arc::clone(&kept));
                    Ok((sender, Receiver::new(receiving, incoming, kept)))
                }
                None => Err(self),
            },
            other => {
                self.cell = other;
                Err(self)
            }
        }
    }
}

impl<K: Kind, E: Environment> std::fmt::Debug for Socket<K, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socket<{}>", K::TYPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Pair, Pull, Push};

    /// A sender pays for news: who looks again at once must not ask for any.
    #[test]
    fn who_looks_whether_something_is_at_hand_asks_for_no_news() {
        let context = Context::builder().transport(zmq_transport_inproc::Inproc::new()).build().unwrap();
        let mut pull = Socket::<Pull>::new_in(&context).unwrap();
        let mut push = Socket::<Push>::new_in(&context).unwrap();
        pull.bind_to("inproc://dwelling").unwrap();
        push.connect_to("inproc://dwelling").unwrap();
        push.send("first").unwrap();
        assert_eq!(pull.recv().unwrap()[0], *b"first");
        let look = |pull: &mut Socket<Pull>| {
            pull.with(|state| {
                let at_hand = state.pattern.pattern.as_mut().is_some_and(|pattern| pattern.is_at_hand());
                (at_hand, state.base.has_events())
            })
            .unwrap()
        };
        assert_eq!(look(&mut pull), (false, false));
        push.send("second").unwrap();
        assert_eq!(look(&mut pull), (true, false), "it is there, and no news of it");
        assert_eq!(pull.recv().unwrap()[0], *b"second");
        assert!(matches!(pull.try_recv(), Err(Error::WouldBlock)));
        push.send("third").unwrap();
        assert_eq!(look(&mut pull), (false, true), "who was told that there is nothing gets news");
    }

    /// The sender comes so late that the receiver dwells no longer; and it need not wait its turn to be stopped.
    #[test]
    fn a_pair_of_threads_talks_whether_they_dwell_or_sleep() {
        let context = Context::builder().transport(zmq_transport_inproc::Inproc::new()).build().unwrap();
        let mut one = Socket::<Pair>::new_in(&context).unwrap();
        let mut other = Socket::<Pair>::new_in(&context).unwrap();
        one.bind_to("inproc://talk").unwrap();
        other.connect_to("inproc://talk").unwrap();
        let echo = std::thread::spawn(move || {
            while let Ok(message) = other.recv() {
                if message.size() == 1 {
                    // Longer than anybody dwells.
                    std::thread::sleep(Duration::from_micros(200));
                }
                other.send(message).unwrap();
            }
        });
        for number in 0..2000_u32 {
            let text = if number % 100 < 10 { "x" } else { "longer" };
            one.send(text).unwrap();
            assert_eq!(one.recv_timeout(Duration::from_secs(20)).unwrap()[0], *text.as_bytes());
        }
        context.shutdown();
        echo.join().unwrap();
    }
}
