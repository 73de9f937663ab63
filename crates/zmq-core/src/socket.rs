//! The part of a socket that knows no pattern: its endpoints, its news, waiting, and when to write.

use crate::backoff::Backoff;
use crate::context::Context;
use crate::direct::Port;
use crate::driver::{BATCH, Driver, Visit};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::mailbox::PipeEvent;
use crate::monitor::{Event, Monitor};
use crate::options::Options;
use crate::process::Process;
use crate::reactor::{Pump, Target};
use crate::settings::Settings;
use crate::shared::SocketShared;
use crate::socket_type::SocketType;
use crate::spin::Spin;
use crate::stats::Stats;
use crate::subscriptions::Subscriptions;
use crate::sync::{MutexGuard, lock};
use crate::transport::{Guard, TransportKind};
use crate::waiter::{Sleeper, Waiter};
use crate::world::{World, earlier};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

/// What the sides of a socket share; the socket ends when the last of them is dropped.
pub(crate) struct Core {
    shared: Arc<SocketShared>,
    key: usize,
    /// Made with the first endpoint of a polled transport, at the latest.
    driver: OnceLock<Arc<Driver>>,
    /// Whether there was such an endpoint. (A wait that signals are to end makes a driver too.)
    left_process: AtomicBool,
    attachments: Mutex<Attachments>,
    linger: Mutex<Option<Duration>>,
    /// Last, so that the context outlives everything above.
    context: Context,
}

impl Core {
    /// Wakes this waiter too when there is news.
    pub(crate) fn add_watcher(&self, watcher: &Arc<Waiter>) {
        self.shared.incoming.add_watcher(watcher);
        self.shared.outgoing.add_watcher(watcher);
    }

    /// And no longer.
    pub(crate) fn remove_watcher(&self, watcher: &Arc<Waiter>) {
        self.shared.incoming.remove_watcher(watcher);
        self.shared.outgoing.remove_watcher(watcher);
    }

    /// What does the socket's I/O, once it has an endpoint that needs any.
    pub(crate) fn driver(&self) -> Option<&Arc<Driver>> {
        self.driver.get()
    }

    /// Bytes that came and went.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.counters.bytes()
    }

    /// What does the socket's I/O. None in a forked child, where it is the parent's: the connections lead to the parent's
    /// peers, and its locks may be held by threads that do not exist here.
    fn own_driver(&self) -> Option<&Arc<Driver>> {
        self.driver.get().filter(|_| !self.context.shared().is_forked())
    }
}

#[derive(Default)]
struct Attachments {
    bound: Vec<(Endpoint, Option<Guard>)>,
    connected: Vec<(Endpoint, Option<Direct>)>,
    last: Option<Endpoint>,
}

/// A connection in the process.
struct Direct {
    port: Port,
    _attempt: Guard,
}

/// Which news a side of a socket looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A whole socket.
    Both,
    /// The sending half.
    Outgoing,
    /// The receiving half.
    Incoming,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something may have changed: look again.
    Look,
    /// The deadline has passed.
    TimedOut,
}

/// A socket without its pattern, or one half of it. A pattern takes its news with
/// [`take_events`](SocketBase::take_events), sends and receives over the pipes that come with them, tells it what was
/// [`sent`](SocketBase::after_send), and has it [`wait`](SocketBase::wait).
pub struct SocketBase {
    core: Arc<Core>,
    /// Of the context.
    process: Process,
    /// What it goes by now.
    settings: Arc<Settings>,
    direction: Direction,
    waiter: Arc<Waiter>,
    spin: Spin,
    eagerness: Eagerness,
    output: OutputState,
}

impl SocketBase {
    /// A socket without endpoints.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::TooManySockets`], [`Error::Terminated`], [`Error::Forked`].
    pub fn new(context: &Context, socket_type: SocketType, mut options: Options) -> Result<SocketBase> {
        context.shared().adjust(&mut options);
        options.validate_for(socket_type)?;
        let waiter = Arc::new(Waiter::default());
        let linger = options.linger;
        let (key, shared) = context
            .shared()
            .add_socket(|| SocketShared::new(socket_type, options, context.shared().clone(), &waiter))?;
        let core = Arc::new(Core {
            shared,
            key,
            driver: OnceLock::new(),
            left_process: AtomicBool::new(false),
            attachments: Mutex::default(),
            linger: Mutex::new(linger),
            context: context.clone(),
        });
        Ok(SocketBase::side(core, Direction::Both, waiter))
    }

    fn side(core: Arc<Core>, direction: Direction, waiter: Arc<Waiter>) -> SocketBase {
        let settings = core.shared.settings();
        let process = core.context.shared().process();
        SocketBase {
            core,
            process,
            spin: Spin::new(settings.options.busy_wait),
            settings,
            direction,
            waiter,
            eagerness: Eagerness::default(),
            output: OutputState::default(),
        }
    }

    /// The two halves, each with its own news and its own waiting: first the sending, then the receiving one.
    pub fn split(self) -> (SocketBase, SocketBase) {
        let waiter = Arc::new(Waiter::default());
        let sending = SocketBase::side(self.core.clone(), Direction::Outgoing, waiter.clone());
        let receiving = SocketBase::side(self.core.clone(), Direction::Incoming, self.waiter.clone());
        self.core.shared.outgoing.set_waiter(waiter);
        (sending, receiving)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The socket type.
    pub fn socket_type(&self) -> SocketType {
        self.core.shared.socket_type
    }

    /// The options that it goes by now.
    pub fn options(&self) -> &Options {
        &self.settings.options
    }

    /// Changes the options. What it binds and connects to from now on goes by them, and so does what the socket does
    /// itself; what it is bound and connected to keeps those that it was made with.
    ///
    /// # Errors
    /// [`Error::InvalidOption`]; nothing has changed then.
    pub fn set_options(&mut self, mut options: Options) -> Result<()> {
        self.context().shared().adjust(&mut options);
        options.validate_for(self.socket_type())?;
        self.set_linger(options.linger);
        self.settings = Settings::new(self.socket_type(), options);
        self.core.shared.set_settings(self.settings.clone());
        self.spin.allow(self.settings.options.busy_wait);
        Ok(())
    }

    /// What ends every call on the socket, from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::downgrade(&self.core.shared))
    }

    /// The context it lives in.
    pub fn context(&self) -> &Context {
        &self.core.context
    }

    /// Changes the linger time (`ZMQ_LINGER`).
    pub fn set_linger(&self, linger: Option<Duration>) {
        *lock(&self.core.linger) = linger;
    }

    /// Reports what happens to the socket's connections from now on.
    pub fn monitor(&self) -> Monitor {
        self.core.shared.monitor.subscribe()
    }

    /// The numbers so far. In a forked child nothing is queued.
    pub fn stats(&self) -> Stats {
        let queued = self.core.own_driver().map_or(0, |driver| driver.queued());
        self.core.shared.counters.snapshot(queued)
    }

    /// What a SUB or XSUB is subscribed to. While it is locked no fresh connection can ask for it: change it, take
    /// the news, and tell the pipes, all under the lock. Who keeps a reference, to look at them without the lock, gives it
    /// up before a change, which would copy them otherwise.
    pub fn subscriptions(&self) -> MutexGuard<'_, Arc<Subscriptions>> {
        lock(&self.core.shared.subscriptions)
    }
}

/// Ends the calls on one socket, as [`Context::shutdown`] does on all of them. Does not keep it alive.
#[derive(Clone)]
pub struct Stopper(Weak<SocketShared>);

impl Stopper {
    /// Makes every call on the socket, blocked now or made later, return [`Error::Terminated`]. Does not wait.
    pub fn stop(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.terminate();
        }
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}

/// Endpoints.
impl SocketBase {
    /// Accepts peers at `endpoint`, and returns it with every wildcard filled in (`zmq_bind`).
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`], [`Error::UnknownTransport`], [`Error::AddressInUse`], [`Error::Io`],
    /// [`Error::Terminated`], [`Error::Forked`].
    pub fn bind(&self, endpoint: &str) -> Result<Endpoint> {
        self.core.context.shared().check()?;
        let endpoint: Endpoint = endpoint.parse()?;
        let transport = self.core.context.shared().transport(&endpoint)?;
        let (bound, guard) = match transport.kind() {
            TransportKind::Polled(polled) => {
                let listener = polled.listen(endpoint.address(), &self.options().stream)?;
                let bound = Endpoint::new(endpoint.scheme(), &listener.local_address());
                let settings = self.settings.clone();
                let result = self
                    .leave_process()?
                    .with_reactor(|reactor| reactor.listen(bound.clone(), listener, settings));
                result.map_err(|error| Error::io(format!("listening on {bound}"), error))?;
                (bound, None)
            }
            TransportKind::Direct(direct) => {
                self.refuse_raw(&endpoint)?;
                let port = Port::new(self.core.shared.clone(), endpoint.clone());
                let (address, guard) = direct.bind(endpoint.address(), port)?;
                let bound = Endpoint::new(endpoint.scheme(), &address);
                self.core.shared.monitor.emit(|| Event::Listening { endpoint: bound.clone() });
                (bound, Some(guard))
            }
        };
        let mut attachments = lock(&self.core.attachments);
        attachments.bound.push((bound.clone(), guard));
        attachments.last = Some(bound.clone());
        Ok(bound)
    }

    /// Connects to `endpoint`, now or whenever somebody is there, again and again (`zmq_connect`). Returns at once.
    /// `routing_id` is what a ROUTER or STREAM calls the peer, whatever it says; empty for other types.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`], [`Error::UnknownTransport`], [`Error::IncompatiblePeer`] (inproc), [`Error::Io`],
    /// [`Error::Terminated`], [`Error::Forked`].
    pub fn connect(&self, endpoint: &str, routing_id: &[u8]) -> Result<Endpoint> {
        self.core.context.shared().check()?;
        let endpoint: Endpoint = endpoint.parse()?;
        let transport = self.core.context.shared().transport(&endpoint)?;
        let routing_id = match routing_id {
            [] if matches!(self.socket_type(), SocketType::Router | SocketType::Stream) => {
                self.options().connect_routing_id.clone()
            }
            given => Bytes::copy_from_slice(given),
        };
        let guard = match transport.kind() {
            TransportKind::Polled(polled) => {
                polled.check(endpoint.address(), &self.options().stream)?;
                let ignored = self.connects_once() && self.is_connected_to(&endpoint);
                if !ignored {
                    let target = Target {
                        endpoint: endpoint.clone(),
                        transport: transport.clone(),
                        routing_id,
                        settings: self.settings.clone(),
                    };
                    self.leave_process()?.with_reactor(|reactor| reactor.connect(target));
                }
                None
            }
            TransportKind::Direct(direct) => {
                self.refuse_raw(&endpoint)?;
                let port = Port::new(self.core.shared.clone(), endpoint.clone()).naming_its_peer(routing_id);
                Some(Direct { _attempt: direct.connect(endpoint.address(), port.clone())?, port })
            }
        };
        let mut attachments = lock(&self.core.attachments);
        attachments.connected.push((endpoint.clone(), guard));
        attachments.last = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// Stops accepting peers at an endpoint that [`bind`](SocketBase::bind) returned; those that are there stay. The
    /// address is free when this returns.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`], [`Error::Forked`].
    pub fn unbind(&self, endpoint: &str) -> Result<()> {
        self.core.context.shared().check()?;
        let endpoint: Endpoint = endpoint.parse()?;
        let guard = take(&mut lock(&self.core.attachments).bound, &endpoint)?;
        if guard.is_none() {
            self.driver()?.with_reactor(|reactor| reactor.unbind(&endpoint));
        } else {
            self.core.shared.monitor.emit(|| Event::ListenerClosed { endpoint });
        }
        Ok(())
    }

    /// As [`unbind`](SocketBase::unbind), and ends the connections that came in there, each once what was sent is out. What
    /// has arrived can still be received. Connections in the process stay.
    ///
    /// # Errors
    /// As there.
    pub fn unbind_and_dismiss(&self, endpoint: &str) -> Result<()> {
        self.unbind(endpoint)?;
        if let Some(driver) = self.core.driver.get() {
            let endpoint: Endpoint = endpoint.parse()?;
            driver.with_reactor(|reactor| reactor.dismiss(&endpoint));
        }
        Ok(())
    }

    /// Ends the connection to an endpoint that [`connect`](SocketBase::connect) returned, once what was sent is out.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`], [`Error::Forked`].
    pub fn disconnect(&self, endpoint: &str) -> Result<()> {
        self.core.context.shared().check()?;
        let endpoint: Endpoint = endpoint.parse()?;
        match take(&mut lock(&self.core.attachments).connected, &endpoint)? {
            Some(direct) => direct.port.part(),
            None => drop(self.driver()?.with_reactor(|reactor| reactor.disconnect(&endpoint))),
        }
        Ok(())
    }

    /// The endpoint bound or connected last (`ZMQ_LAST_ENDPOINT`).
    pub fn last_endpoint(&self) -> Option<Endpoint> {
        lock(&self.core.attachments).last.clone()
    }

    /// A STREAM needs bytes.
    fn refuse_raw(&self, endpoint: &Endpoint) -> Result<()> {
        if self.socket_type() != SocketType::Stream {
            return Ok(());
        }
        let reason =
            "a STREAM socket speaks with programs that are not ZeroMQ; use tcp:// or ipc://, or ROUTER";
        Err(Error::InvalidEndpoint { endpoint: endpoint.to_string(), reason: reason.to_owned() })
    }

    /// Whether a second connect to the same endpoint is ignored, as libzmq does.
    fn connects_once(&self) -> bool {
        use SocketType::{Dealer, Pub, Req, Sub};
        matches!(self.socket_type(), Dealer | Sub | Pub | Req)
    }

    fn is_connected_to(&self, endpoint: &Endpoint) -> bool {
        self.core.driver.get().is_some_and(|driver| driver.is_connecting_to(endpoint))
    }

    /// The driver, for an endpoint that needs one.
    fn leave_process(&self) -> Result<&Arc<Driver>> {
        self.core.left_process.store(true, Ordering::Relaxed);
        self.driver()
    }

    pub(crate) fn driver(&self) -> Result<&Arc<Driver>> {
        if let Some(driver) = self.core.driver.get() {
            return Ok(driver);
        }
        let io = self.core.context.shared().io_thread(self.options().affinity)?;
        let driver = Driver::new(&self.core.shared, io).map_err(|error| Error::io("making a poll", error))?;
        Ok(self.core.driver.get_or_init(|| driver))
    }
}

fn take<G>(attached: &mut Vec<(Endpoint, Option<G>)>, endpoint: &Endpoint) -> Result<Option<G>> {
    match attached.iter().position(|(other, _)| other == endpoint) {
        Some(index) => Ok(attached.swap_remove(index).1),
        None => Err(Error::UnknownEndpoint { endpoint: endpoint.to_string() }),
    }
}

/// News.
impl SocketBase {
    /// Whether [`take_events`](SocketBase::take_events) has something.
    #[inline]
    pub fn has_events(&self) -> bool {
        let shared = &self.core.shared;
        self.direction != Direction::Incoming && shared.outgoing.is_pending()
            || self.direction != Direction::Outgoing && shared.incoming.is_pending()
    }

    /// Moves the news about the pipes to the end of `into`, in order; the outlet of a pipe comes before its inlet.
    pub fn take_events(&self, into: &mut Vec<PipeEvent>) {
        let (mut incoming, before) = (0, into.len());
        // An outlet is posted before its inlet, so it is there when that was taken first.
        if self.direction != Direction::Outgoing {
            self.core.shared.incoming.take(into);
            incoming = into.len() - before;
        }
        if self.direction != Direction::Incoming {
            self.core.shared.outgoing.take(into);
        }
        into[before..].rotate_left(incoming);
    }
}

/// Numbers that only the pattern knows.
impl SocketBase {
    /// The application received a message.
    #[inline]
    pub fn count_received(&self) {
        self.core.shared.counters.receive.received.add(1);
    }

    /// So many copies went to peers with a [bundle](crate::Bundle) that they have.
    #[inline]
    pub fn count_added(&self, copies: usize) {
        self.core.shared.counters.app.written.add(copies as u64);
    }

    /// A copy was dropped because the peer's pipe was full.
    pub fn count_dropped_full(&self) {
        self.core.shared.counters.app.written.add(1);
        self.core.shared.counters.app.full.add(1);
    }

    /// A message was dropped because it has nobody to go to.
    pub fn count_unroutable(&self) {
        self.core.shared.counters.app.written.add(1);
        self.core.shared.counters.app.unroutable.add(1);
    }

    /// A message that arrived was thrown away because the pattern refuses it.
    pub fn count_unread(&self) {
        self.core.shared.counters.io.unread.add_shared(1);
    }
}

/// Output: who writes, and when.
///
/// A message that finds its connection idle is written at once by the thread that sends it: no wake-up, no hand-over.
/// A flood must not become a system call per message: such writes come out of a small budget. Beyond it messages
/// gather until a batch is due, which the sender writes too, and the I/O thread sweeps up the rest.
#[derive(Default)]
struct OutputState {
    /// Bytes sent since the last write.
    unpumped: usize,
    /// Bytes of the batch that was written last; 0: the sender has looked whether it runs ahead.
    batch: usize,
    /// Whether it keeps its batches company. In vain with a peer that takes nothing.
    company: Backoff<8>,
    budget: Budget,
}

/// What a message costs beside its body when batches are measured.
const MESSAGE_OVERHEAD: usize = 16;

impl SocketBase {
    /// To be called after a message was sent.
    #[inline]
    pub fn count_sent(&mut self) {
        self.eagerness.has_asked = true;
        self.core.shared.counters.app.sent.add(1);
    }

    /// To be called after messages of `size` bytes went into pipes.
    #[inline]
    pub fn after_send(&mut self, size: usize) {
        let Some(driver) = self.core.driver.get() else { return };
        self.output.unpumped += size + MESSAGE_OVERHEAD;
        let batch_is_due = self.output.unpumped >= BATCH;
        if batch_is_due {
            self.output.batch = std::mem::take(&mut self.output.unpumped);
            // Large enough alone: if it is the only one, nobody need sweep.
            let alone = size >= BATCH && !driver.is_sweeping();
            driver.pump(if alone { Pump::Drain } else { Pump::Batch });
        } else if driver.has_output_posted() && !driver.is_sweeping() {
            self.output.pump_or_defer(driver, &self.core.shared.context.world);
        }
    }

    /// Whether the I/O thread comes by soon and writes what is in the pipes: the application sends faster than it would be
    /// worthwhile to write.
    #[inline]
    pub fn is_swept(&self) -> bool {
        self.core.driver.get().is_some_and(|driver| driver.is_sweeping())
    }

    /// Whether a batch was written, so that a sender who can wait should [`keep_company`](SocketBase::keep_company).
    #[inline]
    pub fn runs_ahead(&self) -> bool {
        self.output.batch > 0
    }

    /// Stays for a moment with a batch that the system did not take at once, and writes on this thread what it takes,
    /// instead of filling the pipe up to the high-water mark with memory that nobody has in a cache, or has at all.
    #[cold]
    pub fn keep_company(&mut self) {
        let size = std::mem::take(&mut self.output.batch);
        let Some(driver) = self.core.driver.get() else { return };
        // Where messages queue. And the half of a socket does not keep the other one from the poll.
        let may_wait = self.direction == Direction::Both
            && matches!(
                self.socket_type(),
                SocketType::Push | SocketType::Pair | SocketType::Dealer | SocketType::Router
            );
        if !may_wait || !driver.is_congested() || !self.output.company.is_due() {
            return;
        }
        let Some(mut visit) = driver.try_visit() else { return };
        let bytes_sent = &self.core.shared.counters.io.bytes_sent;
        let (before, started, limit) = (bytes_sent.value(), Instant::now(), company_limit(size));
        let mut next = visit.catch_up();
        while next.congested && started.elapsed() < limit {
            visit.peek();
            if next.again || visit.has_events() {
                next = visit.run_events();
            } else {
                std::thread::yield_now();
            }
        }
        drop(visit);
        self.output.company.observe(bytes_sent.value() != before);
        if next.congested {
            driver.release();
        }
    }

    /// Makes room in the pipes, on this thread, as far as the system takes what is in them: before a message is dropped
    /// or waits.
    pub fn pump(&mut self) {
        if let Some(driver) = self.core.own_driver() {
            driver.pump(Pump::Room);
        }
    }
}

impl OutputState {
    fn pump_or_defer(&mut self, driver: &Arc<Driver>, world: &World) {
        let started = world.now();
        if self.budget.is_open(started) {
            self.unpumped = 0;
            let writes = driver.pump(Pump::Drain);
            self.budget.charge(writes, world.now() - started);
        } else {
            driver.sweep_later();
        }
    }
}

/// The time that a sender may spend on writes of single messages: so much at once, and a fifth of its time in the long run,
/// whatever a write costs here. It may leave a debt. Full after every wait.
struct Budget {
    /// In nanoseconds.
    left: i64,
    last: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { left: Budget::FULL, last: None }
    }
}

impl Budget {
    /// Four writes that wake a peer. A burst of dozens is read sooner if the rest goes in one write of the I/O thread than
    /// after many small ones.
    const FULL: i64 = 48_000;
    const SHARE: i64 = 5;
    /// What a write counts for at least, and at most: a sender that was interrupted meanwhile has not spent that time.
    const WRITE: (i64, i64) = (4_000, 64_000);

    fn is_open(&mut self, now: Instant) -> bool {
        let earned = self.last.map_or(0, |last| nanoseconds(now - last) / Self::SHARE);
        self.left = self.left.saturating_add(earned).min(Self::FULL);
        self.last = Some(now);
        self.left > 0
    }

    /// Writes to so many connections took so long.
    fn charge(&mut self, writes: usize, took: Duration) {
        let writes = i64::try_from(writes).unwrap_or(i64::MAX);
        let (least, most) = (writes.saturating_mul(Self::WRITE.0), writes.saturating_mul(Self::WRITE.1));
        self.left = self.left.saturating_sub(nanoseconds(took).clamp(least, most));
    }

    fn refill(&mut self) {
        self.left = Self::FULL;
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// How long a sender keeps a batch company: about the time that it takes to copy it twice, in and out of the system; a few
/// milliseconds at most.
fn company_limit(size: usize) -> Duration {
    Duration::from_nanos(2 * size as u64).min(Duration::from_millis(4))
}

/// How often a thread that dwells looks whether something is there. Who has sent something waits for the answer, and looks
/// all the time. Who only receives looks now and then, and the more seldom the more was there: each look takes the
/// sender's cache line away, which costs the sender more than its message, and meanwhile messages gather.
#[derive(Default)]
struct Eagerness {
    /// Whether it has sent something since it last dwelt.
    has_asked: bool,
    /// How many messages it had received when it last dwelt.
    received: u64,
}

impl Eagerness {
    /// Pauses of the processor, of a few nanoseconds each, until a receiver looks again: at least, and at most.
    const RECEIVER: (u64, u64) = (32, 256);
    /// More of them for each message that came since it last dwelt.
    const FOR_EACH: u64 = 8;

    /// Of `received` messages altogether: how often the processor pauses before each look.
    fn pauses(&mut self, received: u64) -> u64 {
        let gathered = received - std::mem::replace(&mut self.received, received);
        if std::mem::take(&mut self.has_asked) {
            return 1;
        }
        gathered.saturating_mul(Self::FOR_EACH).clamp(Self::RECEIVER.0, Self::RECEIVER.1)
    }
}

/// Pauses of the processor between two looks at the clock, unless it is longer until the next look.
const PAUSES: u64 = 32;

/// Waiting.
impl SocketBase {
    /// Whether it may be used: in a child of its process it may not, nor after the end of the context.
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::Forked`].
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        if self.core.shared.is_terminated() {
            return Err(Error::Terminated);
        }
        Ok(())
    }

    /// Somebody else waits on the socket's behalf: as after a [`wait`](SocketBase::wait), single messages are written at
    /// once again.
    pub fn rest(&mut self) {
        self.output.budget.refill();
        self.output.unpumped = 0;
    }

    /// Looks for input without waiting, if this thread has the reactor; otherwise the I/O thread looks.
    pub fn poll_input(&mut self) {
        let Some(driver) = self.core.own_driver() else { return };
        if driver.lease.is_foreground() {
            if let Some(mut visit) = driver.try_visit() {
                visit.peek();
                visit.run_events();
            }
        }
    }

    /// Waits until something may have changed, or `deadline`. While it waits this thread does the socket's I/O.
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::Forked`], [`Error::Interrupted`].
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Waited> {
        self.rest();
        // News that comes from here on keeps it awake; what came before is found by this look, if it is not old.
        self.waiter.take_news();
        self.check()?;
        if self.has_events() {
            return Ok(Waited::Look);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Waited::TimedOut);
        }
        if self.options().interruptible {
            // A thread that is parked does not notice signals.
            self.driver()?;
        }
        let core = self.core.clone();
        let interrupted = match core.driver.get() {
            None => self.wait_parked(deadline),
            Some(driver) if self.direction == Direction::Both => {
                self.wait_in_poll(driver.visit(), driver, deadline)
            }
            Some(driver) => match driver.try_visit() {
                Some(visit) => self.wait_in_poll(visit, driver, deadline),
                None => {
                    // The other half waits on the poll; what is to be written is written here.
                    driver.pump(Pump::Drain);
                    self.wait_parked(deadline)
                }
            },
        };
        self.check()?;
        if interrupted {
            return Err(Error::Interrupted);
        }
        Ok(Waited::Look)
    }

    /// Returns whether a signal has ended the wait, if it may.
    fn wait_in_poll(
        &mut self,
        mut visit: Visit<'_>,
        driver: &Arc<Driver>,
        deadline: Option<Instant>,
    ) -> bool {
        let (mut next, mut interrupted) = (visit.catch_up(), false);
        if self.has_news() {
            return false;
        }
        let started = Instant::now();
        self.spin.begin(self.core.bytes());
        if self.spin.is_worthwhile() {
            let limit = started + Spin::LONGEST;
            let limit = deadline.map_or(limit, |deadline| deadline.min(limit));
            let mut since = started;
            while let Some(patience) = self.spin.go_on(since) {
                visit.peek();
                if visit.has_events() {
                    next = visit.run_events();
                    since = self.spin.begin_anew(self.core.bytes(), limit).unwrap_or(since);
                }
                // From a connection, or from a socket of this process.
                if self.has_news() {
                    self.spin.succeeded(patience);
                    return false;
                }
            }
            self.spin.failed();
        }
        if self.waiter.begin(&Sleeper::Task(driver.task_waker())) {
            let until = if next.again { Some(started) } else { earlier(deadline, next.deadline) };
            if self.options().interruptible {
                interrupted = visit.sleep_until_signal(until);
            } else {
                visit.sleep(until);
            }
            self.waiter.end();
            visit.run_events();
        }
        self.spin.observe(started.elapsed());
        interrupted
    }

    /// Whether all its endpoints, past ones included, are in this process.
    #[inline]
    pub fn is_within_process(&self) -> bool {
        !self.core.left_process.load(Ordering::Relaxed)
    }

    /// Before pipes are asked to report: tries for a moment whether something is `at_hand`, if that was worthwhile of late.
    #[cold]
    pub fn dwell(&mut self, at_hand: impl FnMut() -> bool) {
        if self.spin.is_worthwhile() {
            let pauses = self.eagerness.pauses(self.core.shared.counters.receive.received.value());
            self.look_out(Instant::now(), pauses, at_hand);
        }
    }

    /// Tries for a moment whether something is `at_hand` or there is news: a look each time that the processor has paused so
    /// often. `false`: in vain.
    fn look_out(&mut self, started: Instant, pauses: u64, mut at_hand: impl FnMut() -> bool) -> bool {
        while let Some(patience) = self.spin.go_on(started) {
            for _ in 0..(PAUSES / pauses).max(1) {
                for _ in 0..pauses {
                    std::hint::spin_loop();
                }
                if at_hand() || self.has_news() {
                    self.spin.succeeded(patience);
                    return true;
                }
            }
        }
        self.spin.failed();
        false
    }

    /// Returns `false`: signals do not end it.
    fn wait_parked(&mut self, deadline: Option<Instant>) -> bool {
        let started = Instant::now();
        if self.spin.is_worthwhile() && self.look_out(started, 1, || false) {
            return false;
        }
        if self.waiter.begin(&Sleeper::Thread(crate::sync::thread::current())) {
            self.waiter.park(deadline);
            self.waiter.end();
        }
        self.spin.observe(started.elapsed());
        false
    }

    fn has_news(&self) -> bool {
        self.has_events() || self.core.shared.is_terminated()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.context.shared().is_forked() {
            // Everything of the parent stays as it is, descriptors included.
            if let Some(driver) = self.driver.take() {
                std::mem::forget(driver);
            }
            return;
        }
        drop(std::mem::take(&mut *lock(&self.attachments)));
        self.shared.incoming.close();
        self.shared.outgoing.close();
        if let Some(driver) = self.driver.get() {
            driver.close(*lock(&self.linger));
            driver.release();
        }
        self.context.shared().remove_socket(self.key);
    }
}

impl SocketBase {
    /// Whether this process is a child of the one that made the socket, so that dropping it must do nothing.
    #[inline]
    pub fn is_forked(&self) -> bool {
        !self.process.is_current()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::transport::nowhere::Nowhere;

    #[test]
    fn who_asks_looks_all_the_time_and_who_gets_many_looks_seldom() {
        let mut eagerness = Eagerness::default();
        let pauses = [1, 2, 12, 13, 113, 113].map(|received| eagerness.pauses(received));
        assert_eq!(pauses, [32, 32, 80, 32, 256, 32]);
        eagerness.has_asked = true;
        assert_eq!([1000, 1001].map(|received| eagerness.pauses(received)), [1, 32]);
    }

    #[test]
    fn company_in_vain_is_not_tried_again_at_once() {
        let mut company = Backoff::<8>::default();
        let mut tries = Vec::new();
        for message in 0..100 {
            if company.is_due() {
                tries.push(message);
                company.observe(message >= 27);
            }
        }
        assert_eq!(tries[..3], [0, 9, 26]);
        assert_eq!(tries[3], 59, "the third was in vain too");
        assert_eq!(tries[4..].len(), 40, "each one, since there is progress");
    }

    /// A publisher must not spend its time on writes of single messages just because each write goes to many.
    #[test]
    fn a_pump_costs_something_for_each_connection() {
        const CONNECTIONS: usize = 5;
        let context = Context::builder().transport(Nowhere).build().unwrap();
        let options = Options { reconnect_interval: Some(Duration::from_secs(3600)), ..Options::default() };
        let mut base = SocketBase::new(&context, SocketType::Push, options).unwrap();
        for number in 0..CONNECTIONS {
            base.connect(&format!("nowhere://{number}"), &[]).unwrap();
        }
        let driver = base.driver().unwrap().clone();
        // Keeps the I/O thread from taking what is posted.
        let visit = driver.visit();
        driver.pump(Pump::Drain);
        let costs = [CONNECTIONS, 1, 0].map(|count| {
            base.output.budget.refill();
            (0..count).for_each(|token| driver.output_ready(token));
            base.output.pump_or_defer(&driver, &World::default());
            Budget::FULL - base.output.budget.left
        });
        drop(visit);
        for (cost, count) in costs.into_iter().zip([CONNECTIONS as i64, 1, 0]) {
            assert!((count * Budget::WRITE.0..=count * Budget::WRITE.1).contains(&cost), "{count}: {cost}");
        }
    }

    /// Each round trip would end one wait in vain, and it would count as one that was short.
    #[test]
    fn news_ends_a_wait_until_it_is_taken() {
        let context = Context::builder().transport(Nowhere).build().unwrap();
        let mut base = SocketBase::new(&context, SocketType::Pair, Options::default()).unwrap();
        for polls in [false, true] {
            if polls {
                base.driver().unwrap();
            }
            let until = || Some(Instant::now() + Duration::from_millis(50));
            base.core.shared.incoming.post(PipeEvent::Readable(7));
            assert_eq!([until(), until(), None].map(|until| base.wait(until).unwrap()), [Waited::Look; 3]);
            base.take_events(&mut Vec::new());
            let until = Instant::now() + Duration::from_millis(50);
            base.wait(Some(until)).unwrap();
            assert!(Instant::now() >= until);
            assert_eq!(base.wait(Some(until)).unwrap(), Waited::TimedOut);
        }
    }

    #[test]
    fn waits_may_be_told_to_sleep_at_once() {
        let context = Context::builder().transport(Nowhere).build().unwrap();
        let with = |busy_wait| Options { busy_wait, ..Options::default() };
        let tries = |base: &mut SocketBase| {
            base.spin.observe(Duration::ZERO);
            base.spin.is_worthwhile()
        };
        let mut base = SocketBase::new(&context, SocketType::Pair, with(false)).unwrap();
        assert!(!tries(&mut base));
        base.set_options(with(true)).unwrap();
        assert!(tries(&mut base));
        base.set_options(with(false)).unwrap();
        let (mut sending, mut receiving) = base.split();
        assert!(!tries(&mut sending) && !tries(&mut receiving));
    }

    #[test]
    fn a_debt_is_paid_before_the_next_write() {
        let start = Instant::now();
        let at = Duration::from_nanos;
        let mut budget = Budget::default();
        assert!(budget.is_open(start));
        budget.charge(100, at(Budget::FULL as u64 + 400_000));
        // A fifth of the time that passes.
        assert!(!budget.is_open(start + at(2_000_000)));
        assert!(budget.is_open(start + at(2_000_005)));
        budget.charge(1, Duration::ZERO);
        assert!(!budget.is_open(start + at(2_000_005)));
        budget.refill();
        assert!(budget.is_open(start + at(2_000_005)));
    }

    #[test]
    fn a_write_costs_what_it_took_within_limits() {
        let cost = |writes, took| {
            let mut budget = Budget::default();
            budget.charge(writes, Duration::from_micros(took));
            Budget::FULL - budget.left
        };
        assert_eq!([cost(0, 50), cost(1, 0), cost(1, 10), cost(2, 50)], [0, 4_000, 10_000, 50_000]);
        assert_eq!([cost(1, 3_000), cost(2, 3_000)], [64_000, 128_000]);
    }
}
