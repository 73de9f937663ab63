//! The thread that turns the reactors nobody waits on.
//!
//! It holds the poll of each such reactor in a poll of its own: descriptors of epoll and kqueue nest.

use crate::bell::{BELL, Bell};
use crate::context::StartHook;
use crate::driver::Driver;
use crate::lease::Tick;
use crate::sync::lock;
use crate::world::World;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an application may stay away before its reactor is turned here: one to two ticks, at first (`lease`).
const TICK: Duration = Duration::from_millis(1);
/// How soon the thread comes by again while senders leave something behind; grows while they write for themselves.
const SWEEP: Duration = Duration::from_micros(100);
const SWEEP_MAX: Duration = Duration::from_micros(400);

/// An I/O thread as others see it.
pub(crate) struct IoShared {
    registry: Registry,
    bell: Arc<Bell>,
    orders: Mutex<Orders>,
    drivers: Mutex<Slab<Option<Arc<Driver>>>>,
    world: World,
}

#[derive(Default)]
struct Orders {
    watch: Vec<Arc<Driver>>,
    sweep: Vec<Arc<Driver>>,
    stop: bool,
}

impl IoShared {
    /// Starts a thread, which calls `hook` first.
    pub(crate) fn start(
        name: String,
        hook: Option<StartHook>,
    ) -> io::Result<(Arc<IoShared>, JoinHandle<()>)> {
        let mut io = IoThread::new(World::default())?;
        let shared = io.shared.clone();
        let (ready, is_ready) = mpsc::channel();
        let work = move || {
            hook.inspect(|hook| hook());
            let _ = ready.send(());
            io.run();
        };
        let handle = std::thread::Builder::new().name(name).spawn(work)?;
        match is_ready.recv() {
            Ok(()) => Ok((shared, handle)),
            Err(_) => Err(io::Error::other("the function given to on_thread_start panicked")),
        }
    }

    /// Takes a new driver in, in the background.
    pub(crate) fn adopt(
        &self,
        poll_fd: RawFd,
        make: impl FnOnce(usize) -> Arc<Driver>,
    ) -> io::Result<Arc<Driver>> {
        let key = lock(&self.drivers).insert(None);
        let driver = make(key);
        if let Err(error) = self.registry.register(&mut SourceFd(&poll_fd), Token(key), Interest::READABLE) {
            lock(&self.drivers).remove(key);
            return Err(error);
        }
        lock(&self.drivers)[key] = Some(driver.clone());
        Ok(driver)
    }

    /// An application's thread waits on the poll itself from now on.
    pub(crate) fn withdraw(&self, poll_fd: RawFd) {
        let _ = self.registry.deregister(&mut SourceFd(&poll_fd));
    }

    /// The application stays away: the poll is watched here. Readiness that came before is reported too.
    pub(crate) fn readmit(&self, poll_fd: RawFd, key: usize) {
        // Fails only for want of kernel memory; the driver is then still turned by its timers and wakes.
        let _ = self.registry.register(&mut SourceFd(&poll_fd), Token(key), Interest::READABLE);
    }

    /// Asks for ticks.
    pub(crate) fn watch(&self, driver: Arc<Driver>) {
        self.order(|orders| orders.watch.push(driver));
    }

    /// Asks for sweeps.
    pub(crate) fn sweep(&self, driver: Arc<Driver>) {
        self.order(|orders| orders.sweep.push(driver));
    }

    /// Ends the thread; what its drivers still had to send is lost.
    pub(crate) fn stop(&self) {
        self.order(|orders| orders.stop = true);
    }

    /// How many drivers it has.
    pub(crate) fn load(&self) -> usize {
        lock(&self.drivers).len()
    }

    /// What time it is here.
    pub(crate) fn now(&self) -> Instant {
        self.world.now()
    }

    fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut lock(&self.orders));
        self.bell.ring();
    }

    fn driver(&self, key: usize) -> Option<Arc<Driver>> {
        lock(&self.drivers).get(key).cloned().flatten()
    }

    /// The driver whose streams are registered there.
    #[cfg(feature = "testing")]
    pub(crate) fn find_driver(&self, registry: RawFd) -> Option<Arc<Driver>> {
        let drivers = lock(&self.drivers);
        drivers.iter().flat_map(|(_, driver)| driver).find(|driver| driver.registry_fd() == registry).cloned()
    }
}

struct IoThread {
    shared: Arc<IoShared>,
    poll: Poll,
    timers: Timers,
    watched: Vec<Arc<Driver>>,
    swept: Vec<Arc<Driver>>,
    /// Drivers that had more to do than one turn.
    hot: Vec<usize>,
    /// Until the next sweep.
    pause: Duration,
    last_tick: Instant,
}

impl IoThread {
    fn new(world: World) -> io::Result<IoThread> {
        let poll = Poll::new()?;
        let last_tick = world.now();
        let shared = Arc::new(IoShared {
            registry: poll.registry().try_clone()?,
            bell: Bell::new(poll.registry())?,
            orders: Mutex::default(),
            drivers: Mutex::default(),
            world,
        });
        Ok(IoThread {
            shared,
            poll,
            timers: Timers::default(),
            watched: Vec::new(),
            swept: Vec::new(),
            hot: Vec::new(),
            pause: SWEEP,
            last_tick,
        })
    }

    fn run(&mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            self.sleep(&mut events);
            if self.pass(&events) {
                return;
            }
        }
    }

    /// Does what is due. `true`: it was told to stop.
    fn pass(&mut self, events: &Events) -> bool {
        self.shared.bell.hear();
        if self.take_orders() {
            return true;
        }
        for event in events.iter().filter(|event| event.token() != BELL) {
            self.turn(event.token().0);
        }
        for key in std::mem::take(&mut self.hot) {
            self.turn(key);
        }
        for key in self.timers.expired(self.shared.world.now()) {
            self.turn(key);
        }
        self.sweep();
        self.tick();
        false
    }

    fn sleep(&mut self, events: &mut Events) {
        if !self.swept.is_empty() && self.hot.is_empty() {
            // The poll counts milliseconds; senders should not wait that long.
            std::thread::sleep(self.pause);
        }
        let timeout = if !self.hot.is_empty() || !self.swept.is_empty() {
            Some(Duration::ZERO)
        } else if !self.watched.is_empty() {
            Some(TICK)
        } else {
            self.timers.next().map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() { left } else { left.max(TICK) }
            })
        };
        if self.poll.poll(events, timeout).is_err() {
            events.clear();
        }
    }

    fn take_orders(&mut self) -> bool {
        let mut orders = lock(&self.shared.orders);
        self.watched.append(&mut orders.watch);
        if !orders.sweep.is_empty() {
            self.pause = SWEEP;
            self.swept.append(&mut orders.sweep);
        }
        orders.stop
    }

    fn turn(&mut self, key: usize) {
        let Some(driver) = self.shared.driver(key) else { return };
        let Some(next) = driver.turn_in_background() else {
            if !driver.lease.is_foreground() {
                // The application's thread has given the lease back, and is about to let go of the poll.
                self.timers.set(key, self.shared.world.now().checked_add(TICK));
            }
            return;
        };
        if next.finished {
            self.remove(&driver);
            return;
        }
        if next.again {
            self.hot.push(key);
        }
        self.timers.set(key, next.deadline);
    }

    fn remove(&mut self, driver: &Arc<Driver>) {
        self.shared.withdraw(driver.poll_fd());
        self.timers.set(driver.key(), None);
        lock(&self.shared.drivers).try_remove(driver.key());
    }

    fn sweep(&mut self) {
        let before = self.swept.len();
        self.swept.retain(|driver| driver.sweep());
        if before > 0 {
            self.pause = (self.pause * 2).min(SWEEP_MAX);
        }
    }

    fn tick(&mut self) {
        let now = self.shared.world.now();
        if self.watched.is_empty() || now - self.last_tick < TICK {
            return;
        }
        self.last_tick = now;
        for driver in std::mem::take(&mut self.watched) {
            match driver.tick() {
                Tick::Busy => self.watched.push(driver),
                Tick::Asleep => {}
                Tick::TakenOver => self.turn(driver.key()),
            }
        }
    }
}

/// The work of an I/O thread without the thread: done when it is asked for, and without a sleep.
#[cfg(feature = "testing")]
pub(crate) struct ByHand {
    io: IoThread,
    events: Events,
}

#[cfg(feature = "testing")]
impl ByHand {
    pub(crate) fn new(world: World) -> io::Result<ByHand> {
        Ok(ByHand { io: IoThread::new(world)?, events: Events::with_capacity(256) })
    }

    pub(crate) fn shared(&self) -> &Arc<IoShared> {
        &self.io.shared
    }

    /// When something is due by time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.io.timers.next()
    }

    /// Does what is due. `false`: nothing is.
    pub(crate) fn pass(&mut self) -> bool {
        if self.io.poll.poll(&mut self.events, Some(Duration::ZERO)).is_err() {
            self.events.clear();
        }
        let now = self.io.shared.world.now();
        let busy = !self.events.is_empty() || !self.io.hot.is_empty() || !self.io.swept.is_empty();
        if !busy && self.deadline().is_none_or(|deadline| deadline > now) {
            return false;
        }
        self.io.pass(&self.events);
        true
    }
}

/// The next deadline of each driver in the background.
#[derive(Default)]
struct Timers {
    queue: BTreeSet<(Instant, usize)>,
    armed: HashMap<usize, Instant>,
}

impl Timers {
    fn set(&mut self, key: usize, deadline: Option<Instant>) {
        if self.armed.get(&key).copied() == deadline {
            return;
        }
        if let Some(old) = self.armed.remove(&key) {
            self.queue.remove(&(old, key));
        }
        if let Some(deadline) = deadline {
            self.armed.insert(key, deadline);
            self.queue.insert((deadline, key));
        }
    }

    fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn expired(&mut self, now: Instant) -> Vec<usize> {
        let mut expired = Vec::new();
        while let Some(&(at, key)) = self.queue.first() {
            if at > now {
                break;
            }
            self.set(key, None);
            expired.push(key);
        }
        expired
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::transport::nowhere::Nowhere;
    use crate::{Context, Event, Monitor, SocketBase, SocketType};

    /// A socket that tries to connect, again and again.
    fn socket_that_tries() -> (SocketBase, Monitor) {
        let context = Context::builder().transport(Nowhere).build().unwrap();
        let options = Options { reconnect_interval: Some(TICK), ..Options::default() };
        let base = SocketBase::new(&context, SocketType::Push, options).unwrap();
        let monitor = base.monitor();
        base.connect("nowhere://x", &[]).unwrap();
        (base, monitor)
    }

    fn await_attempts(monitor: &mut Monitor, count: usize) {
        let started = Instant::now();
        let mut seen = 0;
        while seen < count {
            assert!(started.elapsed() < Duration::from_secs(30), "only {seen} attempts to connect");
            let event = monitor.next_timeout(Some(TICK));
            seen += usize::from(matches!(event, Some(Event::ConnectRetried { .. })));
        }
    }

    /// A thread that panics with the poll and the reactor in its hands, in the code of a transport say, takes neither with
    /// it.
    #[test]
    fn a_panic_leaves_the_reactor_to_the_io_thread() {
        let (base, mut monitor) = socket_that_tries();
        await_attempts(&mut monitor, 1);
        let driver = base.driver().unwrap().clone();
        let fails = std::thread::spawn({
            let driver = driver.clone();
            move || {
                let _visit = driver.visit();
                driver.with_reactor(|_| panic!("a test panics here"));
            }
        });
        assert!(fails.join().is_err());
        while monitor.try_next().is_some() {}
        await_attempts(&mut monitor, 2);
        // Nor do sweeps go on for ever.
        let started = Instant::now();
        while driver.sweep() {
            assert!(started.elapsed() < Duration::from_secs(30), "it is swept for ever");
            std::thread::sleep(TICK);
        }
    }

    /// Between giving the lease back and letting go of the poll the application's thread may lose its processor for
    /// longer than a tick. The turn in which the I/O thread takes over then fails, and all timers would be lost.
    #[test]
    fn timers_outlive_a_thread_that_leaves_slowly() {
        let (base, mut monitor) = socket_that_tries();
        await_attempts(&mut monitor, 2);
        let driver = base.driver().unwrap();
        let visit = driver.visit();
        driver.lease.leave(|| driver.io().watch(driver.clone()));
        let started = Instant::now();
        while driver.lease.is_foreground() {
            assert!(started.elapsed() < Duration::from_secs(30), "it is not taken over");
            std::thread::sleep(TICK);
        }
        // All that it had in its queue has passed now.
        std::thread::sleep(20 * TICK);
        drop(visit);
        while monitor.try_next().is_some() {}
        await_attempts(&mut monitor, 2);
    }
}
