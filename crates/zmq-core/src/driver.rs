//! A reactor, and the right to turn it.
//!
//! Two rights are separate: the right to *wait* on the poll (`wait`) and the right to *pump* the connections
//! (`reactor`). A thread that waits does not hold the second, so another can send meanwhile. Who waits is the
//! business of the [`Lease`].

use crate::bell::{BELL, Bell};
use crate::buffers::WRITE_SIZE;
use crate::endpoint::Endpoint;
use crate::io_thread::IoShared;
use crate::lease::{Lease, Moment, Tick};
use crate::posted::Posted;
use crate::reactor::{Next, Pump, Reactor};
use crate::shared::SocketShared;
use crate::sleep;
use crate::sync::{lock, try_lock};
use crate::world::earlier;
use mio::{Events, Poll};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A sweep that had so many connections to write to, or more, comes by once more before it ends.
const MANY: usize = 8;
/// Events taken from the system at once.
const EVENTS: usize = 256;

pub(crate) struct Driver {
    wait: Mutex<Wait>,
    reactor: Mutex<Reactor>,
    posted: Posted,
    bell: Arc<Bell>,
    poll_fd: RawFd,
    shared: Arc<SocketShared>,
    pub(crate) lease: Lease,
    io: Arc<IoShared>,
    /// Its place in the I/O thread.
    key: usize,
    #[cfg(feature = "testing")]
    reported: Reported,
}

/// Readiness that a simulation reports instead of the poll.
#[cfg(feature = "testing")]
struct Reported {
    /// Tells streams which driver they are registered with.
    registry: RawFd,
    ready: Mutex<Vec<Ready>>,
}

/// As `Reactor::handle_event` takes it.
#[cfg(feature = "testing")]
pub(crate) struct Ready {
    pub(crate) token: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) closed: bool,
}

/// The right to wait on the poll.
pub(crate) struct Wait {
    poll: Poll,
    events: Events,
}

impl Driver {
    /// A driver for the socket, in the background.
    pub(crate) fn new(shared: &Arc<SocketShared>, io: Arc<IoShared>) -> io::Result<Arc<Driver>> {
        let poll = Poll::new()?;
        let bell = Bell::new(poll.registry())?;
        let registry = poll.registry().try_clone()?;
        let poll_fd = poll.as_raw_fd();
        #[cfg(feature = "testing")]
        let reported = Reported { registry: registry.as_raw_fd(), ready: Mutex::default() };
        io.clone().adopt(poll_fd, |key| {
            Arc::new_cyclic(|driver| Driver {
                wait: Mutex::new(Wait { poll, events: Events::with_capacity(EVENTS) }),
                reactor: Mutex::new(Reactor::new(registry, driver.clone(), shared.clone())),
                posted: Posted::default(),
                bell,
                poll_fd,
                shared: shared.clone(),
                lease: Lease::default(),
                io,
                key,
                #[cfg(feature = "testing")]
                reported,
            })
        })
    }

    /// Works on the reactor from outside of a turn (bind, connect, close) and has the timers looked at.
    pub(crate) fn with_reactor<R>(&self, work: impl FnOnce(&mut Reactor) -> R) -> R {
        let result = work(&mut lock(&self.reactor));
        self.notify();
        result
    }

    /// The socket is gone: what it left may still go out for as long as it lingers.
    pub(crate) fn close(&self, linger: Option<Duration>) {
        self.with_reactor(|reactor| reactor.close(linger));
    }

    /// Whether the socket is gone.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.reactor).is_closing()
    }

    pub(crate) fn is_connecting_to(&self, endpoint: &Endpoint) -> bool {
        lock(&self.reactor).is_connecting_to(endpoint)
    }

    /// Copies that wait for their peers.
    pub(crate) fn queued(&self) -> u64 {
        lock(&self.reactor).queued()
    }

    /// The pipe of a connection has something to send, and the connection slept. Whoever sends sees to it that it is
    /// pumped: now, in a batch, or by [`sweep_later`](Driver::sweep_later).
    pub(crate) fn output_ready(&self, token: usize) {
        self.posted.output(token);
    }

    /// The pipe that a connection stopped reading for has room.
    pub(crate) fn input_ready(&self, token: usize) {
        self.posted.input(token);
        // In the foreground the application looks before it waits, and the I/O thread looks when it takes over.
        if !self.lease.is_foreground() {
            self.notify();
        }
    }

    /// What a connection has asked another socket of the process is answered, or will never be.
    pub(crate) fn answer_ready(&self, token: usize) {
        self.posted.input(token);
        self.notify();
    }

    /// A name was looked up.
    pub(crate) fn resolved(&self, token: usize, addresses: io::Result<Vec<String>>) {
        self.posted.resolved(token, addresses);
        self.notify();
    }

    /// Whether a connection slept when something was sent to it, and nobody has looked at it since.
    #[inline]
    pub(crate) fn has_output_posted(&self) -> bool {
        self.posted.has_outputs()
    }

    /// Whether the I/O thread will come by.
    #[inline]
    pub(crate) fn is_sweeping(&self) -> bool {
        self.posted.is_sweeping()
    }

    /// Writes what waits for the connections, on the calling thread. To how many of them, at most.
    pub(crate) fn pump(self: &Arc<Self>, pump: Pump) -> usize {
        let mut reactor = lock(&self.reactor);
        let (connections, busy) = self.pump_posted(&mut reactor, pump);
        if busy {
            // Under the lock of the reactor, as is the end of a sweep: connections that are awake are swept.
            self.sweep_later();
        }
        connections
    }

    /// Writes what waits. To how many connections, at most, and whether one has more than one turn's worth.
    fn pump_posted(&self, reactor: &mut Reactor, pump: Pump) -> (usize, bool) {
        reactor.collect(&self.posted);
        let connections = reactor.awake();
        let busy = reactor.pump(pump);
        self.ask_for_a_turn(reactor);
        (connections, busy)
    }

    /// Outside of a turn nobody looks whether a timer was set, a link has more to do or the last one went.
    fn ask_for_a_turn(&self, reactor: &mut Reactor) {
        if reactor.take_timers_changed() || reactor.has_more_to_do() || reactor.is_finished() {
            self.notify();
        }
    }

    /// Has the I/O thread write what senders leave behind, until they stop.
    pub(crate) fn sweep_later(self: &Arc<Self>) {
        if self.posted.start_sweeping() {
            self.io.sweep(self.clone());
        }
    }

    /// One pass of the I/O thread. `false`: nothing is left, and senders will ask again.
    pub(crate) fn sweep(&self) -> bool {
        let Some(mut reactor) = try_lock(&self.reactor) else { return true };
        if reactor.take_batched() {
            // Since the last pass the sender has written a batch for itself; it is likely to write the next one too.
            return true;
        }
        let (connections, busy) = self.pump_posted(&mut reactor, Pump::Drain);
        // A sender that reaches many and asks anew for its next message is displaced by this thread, which then writes that one
        // message to each of them: too little for so many writes.
        if busy || connections >= MANY {
            return true;
        }
        !self.posted.stop_sweeping()
    }

    /// Whether every peer waits until the system takes more of what is sent to it.
    pub(crate) fn is_congested(&self) -> bool {
        lock(&self.reactor).next().congested
    }

    /// Wakes whoever waits on the poll.
    pub(crate) fn notify(&self) {
        self.bell.ring();
    }

    /// Wakes whoever waits on the poll, without keeping the driver alive.
    pub(crate) fn task_waker(&self) -> std::task::Waker {
        std::task::Waker::from(self.bell.clone())
    }

    /// Looks at everything that was posted, at the timers, and at `events`.
    fn run(&self, events: Option<&Events>) -> Next {
        let mut reactor = lock(&self.reactor);
        self.bell.hear();
        reactor.collect(&self.posted);
        reactor.begin_turn();
        if let Some(events) = events {
            for event in events.iter().filter(|event| event.token() != BELL) {
                let closed = event.is_read_closed() || event.is_error();
                reactor.handle_event(
                    event.token().0,
                    event.is_readable() || closed,
                    event.is_writable() || event.is_error(),
                    closed,
                );
            }
        }
        #[cfg(feature = "testing")]
        for ready in std::mem::take(&mut *lock(&self.reported.ready)) {
            reactor.handle_event(ready.token, ready.readable, ready.writable, ready.closed);
        }
        reactor.finish_turn()
    }

    /// Has the next turn act upon readiness that no poll knows of.
    #[cfg(feature = "testing")]
    pub(crate) fn report(&self, ready: Ready) {
        lock(&self.reported.ready).push(ready);
        self.notify();
    }

    #[cfg(feature = "testing")]
    pub(crate) fn registry_fd(&self) -> RawFd {
        self.reported.registry
    }

    /// A turn of the I/O thread: never sleeps. If an application's thread has the poll, that thread will see to it.
    pub(crate) fn turn_in_background(&self) -> Option<Next> {
        let next = self.turn_now();
        self.end_background_turn();
        next
    }

    fn end_background_turn(&self) {
        self.lease.finish_turn(|| self.bell.ring_again());
    }

    /// A turn that never sleeps, in a watcher. `None`: another thread has the poll, and will see to it, or will say so.
    pub(crate) fn turn_now(&self) -> Option<Next> {
        let mut wait = try_lock(&self.wait)?;
        let wait = &mut *wait;
        loop {
            let _ = wait.poll.poll(&mut wait.events, Some(Duration::ZERO));
            let full = wait.events.iter().count() == EVENTS;
            let next = self.run(Some(&wait.events));
            if !full {
                return Some(next);
            }
        }
    }

    /// The application's thread takes the reactor and is about to wait.
    pub(crate) fn visit(self: &Arc<Self>) -> Visit<'_> {
        self.enter();
        Visit { wait: lock(&self.wait), driver: self }
    }

    /// As [`visit`](Driver::visit), unless another thread waits on the poll.
    pub(crate) fn try_visit(self: &Arc<Self>) -> Option<Visit<'_>> {
        let wait = try_lock(&self.wait)?;
        self.enter();
        Some(Visit { wait, driver: self })
    }

    /// The application's thread waits from now on, here or in a watcher.
    pub(crate) fn enter(&self) {
        self.lease.enter(|| self.moment(), || self.io.withdraw(self.poll_fd));
    }

    /// It waits no longer. If it stays away the I/O thread takes the reactor over.
    pub(crate) fn leave(self: &Arc<Self>) {
        self.lease.leave(|| self.io.watch(self.clone()));
    }

    /// Before a watcher sleeps: whether there is something to do, posted or by time. If not, it is not to sleep longer than
    /// `until`.
    pub(crate) fn is_due(&self, now: Instant, until: &mut Option<Instant>) -> bool {
        if self.posted.has_any() {
            return true;
        }
        let next = lock(&self.reactor).next();
        *until = earlier(*until, next.deadline);
        next.again || next.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// What is left is the I/O thread's, at once: the application's socket is gone, or has waited long enough for others.
    pub(crate) fn release(self: &Arc<Self>) {
        self.lease.release(|| self.io.readmit(self.poll_fd, self.key));
        self.notify();
    }

    /// The I/O thread's tick.
    pub(crate) fn tick(&self) -> Tick {
        self.lease.tick(|| self.moment(), || self.io.readmit(self.poll_fd, self.key))
    }

    fn moment(&self) -> Moment {
        Moment { now: self.io.now(), bytes: self.shared.counters.bytes() }
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn io(&self) -> &Arc<IoShared> {
        &self.io
    }

    pub(crate) fn key(&self) -> usize {
        self.key
    }

    pub(crate) fn poll_fd(&self) -> RawFd {
        self.poll_fd
    }
}

/// The application's thread while it waits.
pub(crate) struct Visit<'a> {
    wait: MutexGuard<'a, Wait>,
    driver: &'a Arc<Driver>,
}

impl Visit<'_> {
    /// Looks at what was posted and writes what waits, if anything was or does. Timers are looked at after the poll.
    pub(crate) fn catch_up(&mut self) -> Next {
        let Driver { posted, bell, reactor, .. } = &**self.driver;
        if !posted.has_any() && !bell.is_rung() {
            let next = lock(reactor).next();
            if !next.again {
                return next;
            }
        }
        self.driver.run(None)
    }

    /// Waits for events, at most until `until`; takes no longer than the system call if `until` has passed.
    pub(crate) fn sleep(&mut self, until: Option<Instant>) {
        self.poll(timeout(until));
    }

    /// As [`sleep`](Visit::sleep), and returns whether a signal has ended it.
    pub(crate) fn sleep_until_signal(&mut self, until: Option<Instant>) -> bool {
        let wait = &mut *self.wait;
        is_interrupted(sleep::until_signal(&mut wait.poll, &mut wait.events, timeout(until)))
    }

    /// Asks for events without waiting.
    pub(crate) fn peek(&mut self) {
        self.poll(Some(Duration::ZERO));
    }

    /// Looks at the events of the last [`sleep`](Visit::sleep) or [`peek`](Visit::peek).
    pub(crate) fn run_events(&mut self) -> Next {
        self.driver.run(Some(&self.wait.events))
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.wait.events.is_empty()
    }

    /// If it is interrupted the caller looks at its conditions and comes back.
    fn poll(&mut self, timeout: Option<Duration>) {
        let wait = &mut *self.wait;
        is_interrupted(wait.poll.poll(&mut wait.events, timeout));
    }
}

fn is_interrupted(polled: io::Result<()>) -> bool {
    polled.is_err_and(|error| {
        debug_assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        true
    })
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.driver.leave();
    }
}

/// From now until then.
fn timeout(until: Option<Instant>) -> Option<Duration> {
    until.map(|until| round_up(until.saturating_duration_since(Instant::now())))
}

/// The system's timer counts milliseconds; to wake up early would be to wake up twice.
fn round_up(time: Duration) -> Duration {
    if time.is_zero() { time } else { time.max(Duration::from_millis(1)) }
}

/// How much a sender gathers before it writes on its own account.
pub(crate) const BATCH: usize = WRITE_SIZE;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::buffers::READ_SIZE;
    use crate::context::Context;
    use crate::link::Outlet;
    use crate::mailbox::PipeEvent;
    use crate::message::Message;
    use crate::options::{Options, StreamOptions};
    use crate::socket::SocketBase;
    use crate::socket_type::SocketType;
    use crate::transport::{Listener, PolledTransport, Stream, Transport, TransportKind, handshake};
    use mio::event::Source;
    use mio::{Interest, Registry, Token};
    use std::io::{ErrorKind, IoSlice, Read};

    /// The sizes of the writes to a PULL that does nothing but complete its handshake.
    #[derive(Clone, Default)]
    struct Writes {
        sizes: Arc<Mutex<Vec<usize>>>,
        /// Whether that PULL then sends without a pause: frames of 128 bytes.
        endless: bool,
        /// How much was asked for by each read.
        reads: Arc<Mutex<Vec<usize>>>,
    }

    impl Writes {
        fn take(&self) -> Vec<usize> {
            std::mem::take(&mut lock(&self.sizes))
        }
    }

    impl Transport for Writes {
        fn scheme(&self) -> &str {
            "noted"
        }

        fn kind(&self) -> TransportKind<'_> {
            TransportKind::Polled(self)
        }
    }

    impl PolledTransport for Writes {
        fn listen(&self, _: &str, _: &StreamOptions) -> crate::Result<Box<dyn Listener>> {
            Err(crate::Error::io("listening", ErrorKind::Unsupported.into()))
        }

        fn check(&self, _: &str, _: &StreamOptions) -> crate::Result<()> {
            Ok(())
        }

        fn open(&self, _: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
            Ok(Box::new(Noted { said: io::Cursor::new(handshake("PULL")), writes: self.clone(), sent: 0 }))
        }
    }

    struct Noted {
        said: io::Cursor<Vec<u8>>,
        writes: Writes,
        /// Bytes, after that.
        sent: usize,
    }

    impl Stream for Noted {
        fn established(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            lock(&self.writes.reads).push(buffer.len());
            match self.said.read(buffer)? {
                0 if self.writes.endless => {
                    for byte in &mut *buffer {
                        *byte = [0, 126, 7][(self.sent % 128).min(2)];
                        self.sent += 1;
                    }
                    Ok(buffer.len())
                }
                0 => Err(ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let count = slices.iter().map(|slice| slice.len()).sum();
            lock(&self.writes.sizes).push(count);
            Ok(count)
        }

        fn head_start(&self) -> usize {
            BATCH / 2
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn peer_address(&self) -> String {
            String::new()
        }
    }

    impl Source for Noted {
        fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }

        fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
            Ok(())
        }

        fn deregister(&mut self, _: &Registry) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_pipe_is_emptied_and_written_only_if_it_fills_a_write() {
        const HWM: usize = 4;
        let writes = Writes::default();
        let context = Context::builder().transport(writes.clone()).build().unwrap();
        let options = Options { send_hwm: HWM, ..Options::default() };
        let mut base = SocketBase::new(&context, SocketType::Push, options).unwrap();
        base.connect("noted://peer", &[]).unwrap();
        let driver = base.driver().unwrap().clone();
        // Nobody but this test turns the reactor, and nobody sweeps.
        let visit = driver.visit();
        assert!(driver.posted.start_sweeping());
        let mut outlet = outlets(&base).remove(0);
        writes.take();

        for round in 1..=3 {
            fill(&mut outlet, &[7; 1]);
            base.pump();
            assert!(outlet.can_send(), "there is room in round {round}");
            assert_eq!((driver.queued(), writes.take()), (round * HWM as u64, vec![]));
        }
        driver.pump(Pump::Batch);
        assert_eq!((driver.queued(), writes.take()), (0, vec![3 * HWM * (2 + 1)]));

        fill(&mut outlet, &vec![7; BATCH / 2]);
        base.pump();
        assert!(outlet.can_send());
        let sizes = writes.take();
        let written: usize = sizes.iter().sum();
        assert!(written >= BATCH, "{written} bytes of two batches were written");
        assert_eq!(sizes[0], BATCH / 2, "the peer has a head start");

        driver.pump(Pump::Drain);
        writes.take();
        for _ in 0..BATCH / 128 {
            base.pump();
            assert!(outlet.send(&mut Message::from([7; 126])));
        }
        driver.pump(Pump::Drain);
        assert_eq!(writes.take(), [BATCH], "not with small messages");
        drop(visit);
    }

    #[test]
    fn who_sends_to_many_is_swept_once_more() {
        for (connections, again) in [(1, false), (MANY - 1, false), (MANY, true)] {
            let context = Context::builder().transport(Writes::default()).build().unwrap();
            let base = SocketBase::new(&context, SocketType::Push, Options::default()).unwrap();
            for number in 0..connections {
                base.connect(&format!("noted://peer{number}"), &[]).unwrap();
            }
            let driver = base.driver().unwrap().clone();
            // Nobody but this test turns the reactor, and nobody else sweeps.
            let visit = driver.visit();
            driver.pump(Pump::Drain);
            assert!(driver.posted.start_sweeping());
            for mut outlet in outlets(&base) {
                assert!(outlet.send(&mut Message::from("x")));
            }
            assert_eq!((driver.sweep(), driver.is_sweeping()), (again, again), "{connections} connections");
            assert!(!again || !driver.sweep(), "until nothing more comes");
            drop(visit);
        }
    }

    /// A watcher that is woken by the bell while the I/O thread has the poll cannot hear it. So the I/O thread, as it
    /// leaves, rings whether or not the bell was heard.
    #[test]
    fn a_watcher_that_found_the_poll_taken_is_woken_again() {
        let context = Context::builder().transport(Writes::default()).build().unwrap();
        let base = SocketBase::new(&context, SocketType::Push, Options::default()).unwrap();
        base.connect("noted://peer", &[]).unwrap();
        let driver = base.driver().unwrap();
        let mut watcher = Poll::new().unwrap();
        let mut events = Events::with_capacity(4);
        watcher
            .registry()
            .register(&mut mio::unix::SourceFd(&driver.poll_fd()), Token(0), Interest::READABLE)
            .unwrap();
        driver.enter();
        let turn_of_the_io_thread = lock(&driver.wait);
        driver.notify();
        watcher.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(!events.is_empty() && driver.turn_now().is_none(), "the watcher looks in vain");
        drop(turn_of_the_io_thread);
        driver.end_background_turn();
        watcher.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(!events.is_empty(), "nobody wakes the watcher");
    }

    #[test]
    fn a_read_asks_for_no_more_than_the_pipe_has_room_for() {
        const HWM: usize = 600;
        let peer = Writes { endless: true, ..Writes::default() };
        let context = Context::builder().transport(peer.clone()).build().unwrap();
        let options = Options { recv_hwm: HWM, ..Options::default() };
        let base = SocketBase::new(&context, SocketType::Push, options).unwrap();
        // Nobody but this test turns the reactor.
        let driver = base.driver().unwrap().clone();
        let mut visit = driver.visit();
        base.connect("noted://peer", &[]).unwrap();
        let mut pipe = Vec::new();
        base.take_events(&mut pipe);
        let inlet = pipe.iter_mut().find_map(|end| match end {
            PipeEvent::Inlet(inlet, _) => Some(inlet),
            _ => None,
        });
        let inlet = inlet.expect("the handshake is complete");
        let mut message = Message::new();
        let asked = || std::mem::take(&mut *lock(&peer.reads));
        assert_eq!(asked(), [READ_SIZE; 2], "nothing is known of the peer yet");
        for _ in 0..10 {
            let received = std::iter::from_fn(|| inlet.receive(&mut message).then(|| message.size()));
            assert_eq!(received.collect::<Vec<_>>(), [126; HWM]);
            visit.catch_up();
            let asked = asked();
            assert!(asked.iter().all(|asked| (64 * 1024..=HWM * 140).contains(asked)), "{asked:?}");
        }
        drop(visit);
    }

    #[test]
    fn a_peer_that_never_pauses_does_not_keep_who_leaves() {
        let (gone, is_gone) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let peer = Writes { endless: true, ..Writes::default() };
            let context = Context::builder().transport(peer.clone()).build().unwrap();
            let base = SocketBase::new(&context, SocketType::Push, Options::default()).unwrap();
            base.connect("noted://peer", &[]).unwrap();
            while peer.take().is_empty() {
                std::thread::yield_now();
            }
            drop(base);
            // Waits for what the socket has left.
            drop(context);
            gone.send(()).unwrap();
        });
        assert_eq!(is_gone.recv_timeout(Duration::from_secs(20)), Ok(()));
    }

    /// What sends to the connections that were made.
    fn outlets(base: &SocketBase) -> Vec<Outlet> {
        let mut events = Vec::new();
        base.take_events(&mut events);
        let outlet = |event| if let PipeEvent::Outlet(outlet, _) = event { Some(*outlet) } else { None };
        events.into_iter().filter_map(outlet).collect()
    }

    /// Until no more goes in.
    fn fill(outlet: &mut Outlet, body: &[u8]) {
        while outlet.send(&mut Message::from(body)) {}
    }
}
