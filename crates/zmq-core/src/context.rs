//! The context: transports, I/O threads, limits, and the end.

use crate::driver::Driver;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::io_thread::IoShared;
use crate::options::Options;
use crate::process::Process;
use crate::reactor::Seats;
use crate::shared::SocketShared;
use crate::socket_type::SocketType;
use crate::sync::lock;
use crate::transport::Transport;
use crate::world::World;
use slab::Slab;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where sockets live: the transports they may use and the threads that work for them. A cheap handle; clones are
/// the same context. Sockets of one context see each other's `inproc://` names; two contexts never do.
///
/// # The end
/// Dropping the last handle (contexts and sockets both are handles) waits until what the dropped sockets still had to
/// send is out, at most as long as their [`linger`](crate::Options::linger) times. Nothing else in this library waits
/// on drop.
///
/// # fork
/// A context belongs to the process that made it. In a child, calls fail with [`Error::Forked`] and dropping does
/// nothing. What the parent had received may still be taken out; and a child that is forked in the middle of a flood, or
/// that sends over inproc, may be told only after some messages. Nothing of it reaches anybody outside of the child.
#[derive(Clone)]
pub struct Context {
    handle: Arc<Handle>,
}

/// What the handles share; dropped with the last of them.
struct Handle {
    shared: Arc<ContextShared>,
}

pub(crate) struct ContextShared {
    transports: Vec<Arc<dyn Transport>>,
    io_threads: usize,
    thread_name: String,
    on_thread_start: Option<StartHook>,
    max_sockets: usize,
    pub(crate) max_connections: usize,
    /// The connections that listeners have accepted.
    pub(crate) seats: Seats,
    ipv6: bool,
    max_message_size: Option<u64>,
    process: Process,
    terminated: AtomicBool,
    pub(crate) world: World,
    threads: Mutex<Vec<Worker>>,
    sockets: Mutex<Slab<Weak<SocketShared>>>,
    reactors: Mutex<Slab<(SocketType, Weak<Driver>)>>,
    reactor_gone: Condvar,
    /// Who else is to be told that one is gone.
    told_of_sends: Mutex<Vec<Waker>>,
}

/// What an I/O thread calls first.
pub(crate) type StartHook = Arc<dyn Fn() + Send + Sync>;

/// An I/O thread.
struct Worker {
    io: Arc<IoShared>,
    /// `None`: a simulation does by hand what the thread would do.
    handle: Option<JoinHandle<()>>,
}

/// Sets a [`Context`] up.
#[derive(Default)]
pub struct ContextBuilder {
    transports: Vec<Arc<dyn Transport>>,
    io_threads: Option<usize>,
    thread_name: Option<String>,
    on_thread_start: Option<StartHook>,
    max_sockets: Option<usize>,
    max_connections: Option<usize>,
    ipv6: bool,
    max_message_size: Option<u64>,
    /// What takes the place of the system's clock and of the I/O threads.
    simulation: Option<(World, Arc<IoShared>)>,
}

impl ContextBuilder {
    /// Registers a transport under its scheme; a later one of the same scheme replaces an earlier one.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transports.retain(|other| other.scheme() != transport.scheme());
        self.transports.push(Arc::new(transport));
        self
    }

    /// How many I/O threads work in the background. Default 1 (`ZMQ_IO_THREADS`). They start when they are needed.
    pub fn io_threads(mut self, count: usize) -> Self {
        self.io_threads = Some(count);
        self
    }

    /// What the names of the I/O threads begin with. Default `zmq-io` (`ZMQ_THREAD_NAME_PREFIX`).
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = Some(name.into());
        self
    }

    /// Has each I/O thread call `hook` before anything else. It is the place for what the system lets a thread choose for
    /// itself: its priority, its scheduling policy, on which processors it runs (`ZMQ_THREAD_PRIORITY`,
    /// `ZMQ_THREAD_SCHED_POLICY`, `ZMQ_THREAD_AFFINITY_CPU_ADD`, `ZMQ_THREAD_AFFINITY_CPU_REMOVE`). Whoever makes the thread
    /// start, with the first bind or connect, waits for it, so it must not use the context; if it panics, that call fails.
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_thread_start = Some(Arc::new(hook));
        self
    }

    /// Allows IPv6 to all sockets of the context, whatever their own [`ipv6`](crate::options::StreamOptions::ipv6) says.
    /// Default off (`ZMQ_IPV6` of a context).
    pub fn ipv6(mut self, allow: bool) -> Self {
        self.ipv6 = allow;
        self
    }

    /// The largest message, in bytes, that any socket of the context accepts from a peer, whatever its own
    /// [`max_message_size`](crate::Options::max_message_size) says; sockets of the same process are not held to it. Default
    /// none (`ZMQ_MAX_MSGSZ`, which libzmq only stores).
    pub fn max_message_size(mut self, limit: u64) -> Self {
        self.max_message_size = Some(limit);
        self
    }

    /// How many sockets may exist at once. Default 65535; libzmq: 1023 (`ZMQ_MAX_SOCKETS`).
    pub fn max_sockets(mut self, limit: usize) -> Self {
        self.max_sockets = Some(limit);
        self
    }

    /// How many connections all listeners of the context together may have at once; another one is closed as with
    /// [`max_connections`](crate::Options::max_connections) of one listener. Default 1 048 576.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = Some(limit);
        self
    }

    /// Has the simulation do what the I/O threads would do; it may serve several contexts.
    #[cfg(feature = "testing")]
    pub fn simulation(mut self, simulation: &crate::testing::Simulation) -> Self {
        self.simulation = Some(simulation.parts());
        self
    }

    /// The context.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for zero I/O threads, sockets or connections.
    pub fn build(self) -> Result<Context> {
        let (io_threads, max_sockets) = (self.io_threads.unwrap_or(1), self.max_sockets.unwrap_or(65535));
        let max_connections = self.max_connections.unwrap_or(1 << 20);
        for (option, value) in
            [("io_threads", io_threads), ("max_sockets", max_sockets), ("max_connections", max_connections)]
        {
            if value == 0 {
                return Err(Error::InvalidOption { option, reason: "at least one is needed".to_owned() });
            }
        }
        let (world, threads, io_threads) = match self.simulation {
            Some((world, io)) => (world, vec![Worker { io, handle: None }], 1),
            None => (World::default(), Vec::new(), io_threads),
        };
        let shared = Arc::new(ContextShared {
            transports: self.transports,
            io_threads,
            thread_name: self.thread_name.unwrap_or_else(|| "zmq-io".to_owned()),
            on_thread_start: self.on_thread_start,
            max_sockets,
            max_connections,
            seats: Seats::default(),
            ipv6: self.ipv6,
            max_message_size: self.max_message_size,
            process: Process::current(),
            terminated: AtomicBool::new(false),
            world,
            threads: Mutex::new(threads),
            sockets: Mutex::default(),
            reactors: Mutex::default(),
            reactor_gone: Condvar::new(),
            told_of_sends: Mutex::default(),
        });
        Ok(Context { handle: Arc::new(Handle { shared }) })
    }
}

impl Context {
    /// A context without transports, to be given some.
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// Makes every call on every socket of this context, blocked now or made later, return [`Error::Terminated`]
    /// (`zmq_ctx_shutdown`). Does not wait; may be called from any thread, also from a signal-handling one.
    pub fn shutdown(&self) {
        let shared = &self.handle.shared;
        shared.terminated.store(true, Ordering::Release);
        let sockets: Vec<_> =
            lock(&shared.sockets).iter().filter_map(|(_, socket)| socket.upgrade()).collect();
        for socket in sockets {
            socket.terminate();
        }
    }

    /// Whether [`shutdown`](Context::shutdown) was called.
    pub fn is_shut_down(&self) -> bool {
        self.handle.shared.terminated.load(Ordering::Acquire)
    }

    /// Waits until everything that dropped sockets had to send is out, at most `timeout`.
    ///
    /// # Errors
    /// [`Undelivered`] says what it still waits for.
    pub fn wait_for_sends(&self, timeout: Duration) -> Result<(), Undelivered> {
        let deadline = Instant::now().checked_add(timeout);
        self.handle.shared.wait_for_closing(deadline)
    }

    /// Whether everything that dropped sockets had to send is out. If not, the task is woken when it is worth asking again:
    /// for whoever cannot wait in [`wait_for_sends`](Context::wait_for_sends), such as a thread that a signal is to interrupt.
    pub fn poll_sends(&self, task: &mut std::task::Context<'_>) -> Poll<()> {
        self.handle.shared.poll_closing(task.waker())
    }

    /// Whether it belongs to the parent of this process, and is of no use here.
    pub fn is_inherited(&self) -> bool {
        self.handle.shared.is_forked()
    }

    /// How many sockets there are.
    pub fn socket_count(&self) -> usize {
        lock(&self.handle.shared.sockets).len()
    }

    /// The schemes of the registered transports.
    pub fn schemes(&self) -> Vec<String> {
        self.handle.shared.schemes()
    }

    /// A handle that does not keep the context alive.
    pub fn downgrade(&self) -> WeakContext {
        WeakContext(Arc::downgrade(&self.handle))
    }

    pub(crate) fn shared(&self) -> &Arc<ContextShared> {
        &self.handle.shared
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("transports", &self.schemes())
            .field("sockets", &self.socket_count())
            .field("shut_down", &self.is_shut_down())
            .finish()
    }
}

/// A [`Context`] handle that does not keep it alive.
#[derive(Clone, Default)]
pub struct WeakContext(Weak<Handle>);

impl WeakContext {
    /// A handle to nothing.
    pub const fn new() -> WeakContext {
        WeakContext(Weak::new())
    }

    /// The context, if it is still there.
    pub fn upgrade(&self) -> Option<Context> {
        self.0.upgrade().map(|handle| Context { handle })
    }
}

/// What dropped sockets still have to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The type of each such socket, and how many messages it still has.
    pub sockets: Vec<(SocketType, u64)>,
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("still sending:")?;
        for (kind, count) in &self.sockets {
            write!(f, " {kind} ({count} messages)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Undelivered {}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.is_forked() || self.shared.world.is_simulated() {
            return;
        }
        // Each reactor goes when its own linger time is over.
        let _ = self.shared.wait_for_closing(None);
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for worker in &threads {
            worker.io.stop();
        }
        for handle in threads.into_iter().filter_map(|worker| worker.handle) {
            let _ = handle.join();
        }
    }
}

impl ContextShared {
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Acquire)
    }

    /// The process that made it.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Whether this is a child of the process that made the context.
    pub(crate) fn is_forked(&self) -> bool {
        !self.process.is_current()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        if self.is_terminated() {
            return Err(Error::Terminated);
        }
        Ok(())
    }

    pub(crate) fn transport(&self, endpoint: &Endpoint) -> Result<Arc<dyn Transport>> {
        let found = self.transports.iter().find(|transport| transport.scheme() == endpoint.scheme());
        found
            .cloned()
            .ok_or_else(|| Error::UnknownTransport { endpoint: endpoint.to_string(), known: self.schemes() })
    }

    fn schemes(&self) -> Vec<String> {
        self.transports.iter().map(|transport| transport.scheme().to_owned()).collect()
    }

    /// Puts the options of a socket within what the context says.
    pub(crate) fn adjust(&self, options: &mut Options) {
        options.stream.ipv6 |= self.ipv6;
        let (own, limit) = (options.max_message_size, self.max_message_size);
        options.max_message_size = own.into_iter().chain(limit).min();
    }

    pub(crate) fn add_socket(
        &self,
        make: impl FnOnce() -> Arc<SocketShared>,
    ) -> Result<(usize, Arc<SocketShared>)> {
        self.check()?;
        let mut sockets = lock(&self.sockets);
        if sockets.len() >= self.max_sockets {
            return Err(Error::TooManySockets { limit: self.max_sockets });
        }
        let socket = make();
        let key = sockets.insert(Arc::downgrade(&socket));
        drop(sockets);
        if self.is_terminated() {
            // `shutdown` may have looked at the sockets before this one was among them.
            socket.terminate();
        }
        Ok((key, socket))
    }

    pub(crate) fn remove_socket(&self, key: usize) {
        lock(&self.sockets).try_remove(key);
    }

    /// The I/O thread with the least to do among those that `affinity` allows, started if need be.
    pub(crate) fn io_thread(&self, affinity: u64) -> Result<Arc<IoShared>> {
        let allowed = |index: usize| affinity == 0 || index < 64 && affinity & (1 << index) != 0;
        let mut threads = lock(&self.threads);
        // Threads start in order, so that their numbers mean something.
        while threads.len() < self.io_threads
            && !(0..threads.len()).any(|index| allowed(index) && threads[index].io.load() == 0)
        {
            let name = format!("{}/{}", self.thread_name, threads.len());
            let started = IoShared::start(name, self.on_thread_start.clone());
            let (io, handle) = started.map_err(|error| Error::io("starting an I/O thread", error))?;
            threads.push(Worker { io, handle: Some(handle) });
        }
        let candidates = threads.iter().enumerate().filter(|(index, _)| allowed(*index));
        let least = candidates.map(|(_, worker)| &worker.io).min_by_key(|io| io.load()).cloned();
        least.ok_or_else(|| {
            let reason =
                format!("no bit of {affinity:#b} is one of the context's {} I/O threads", self.io_threads);
            Error::InvalidOption { option: "affinity", reason }
        })
    }

    /// Notes that there is a reactor, until the token is dropped.
    pub(crate) fn alive(self: &Arc<Self>, socket_type: SocketType, driver: Weak<Driver>) -> Alive {
        Alive { key: lock(&self.reactors).insert((socket_type, driver)), context: self.clone() }
    }

    fn poll_closing(&self, waker: &Waker) -> Poll<()> {
        // First, so that none goes unnoticed between the look and the sleep.
        let mut told = lock(&self.told_of_sends);
        if !told.iter().any(|other| other.will_wake(waker)) {
            told.push(waker.clone());
        }
        drop(told);
        if self.closing().is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn wait_for_closing(&self, deadline: Option<Instant>) -> Result<(), Undelivered> {
        loop {
            let closing = self.closing();
            if closing.is_empty() {
                return Ok(());
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(60),
            };
            if left.is_zero() {
                let count = |(kind, driver): (SocketType, Arc<Driver>)| (kind, driver.queued());
                return Err(Undelivered { sockets: closing.into_iter().map(count).collect() });
            }
            drop(closing);
            let reactors = lock(&self.reactors);
            if reactors.iter().any(|(_, (_, driver))| driver.strong_count() > 0) {
                drop(self.reactor_gone.wait_timeout(reactors, left.min(Duration::from_millis(50))));
            }
        }
    }

    /// Sockets that still exist keep their reactors; only those that were dropped are waited for.
    fn closing(&self) -> Vec<(SocketType, Arc<Driver>)> {
        let upgrade =
            |(_, (kind, driver)): (usize, &(SocketType, Weak<Driver>))| Some((*kind, driver.upgrade()?));
        let mut drivers: Vec<_> = lock(&self.reactors).iter().filter_map(upgrade).collect();
        // Without the lock, which a reactor needs to go: this may be its last reference.
        drivers.retain(|(_, driver)| driver.is_closing());
        drivers
    }
}

/// A reactor that exists.
pub(crate) struct Alive {
    key: usize,
    context: Arc<ContextShared>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        lock(&self.context.reactors).try_remove(self.key);
        self.context.reactor_gone.notify_all();
        for waker in std::mem::take(&mut *lock(&self.context.told_of_sends)) {
            waker.wake();
        }
    }
}
