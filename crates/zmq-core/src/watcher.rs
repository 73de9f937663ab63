//! Waiting for several sockets, and descriptors, at once.
//!
//! The poll of each socket's driver is nested in the watcher's own, as it is in an I/O thread's, and for the time of a
//! wait the watcher has the lease of each: bytes that arrive wake the very thread that waits, which reads and decodes
//! them. News that others bring (peers of this process, an I/O thread that has taken a socket over meanwhile) comes
//! through the mailboxes, which wake the watcher too.

use crate::bell::{BELL, Bell};
use crate::driver::Driver;
use crate::error::{Error, Result};
use crate::process::Process;
use crate::sleep;
use crate::socket::{Core, SocketBase};
use crate::spin::Spin;
use crate::waiter::{Sleeper, Waiter};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How many bytes one wait moves, more or less, before the application looks at what has come: it should find it in a
/// cache. Who is left is the first in turn next time.
const BUDGET: u64 = 256 * 1024;
/// What a turn counts for, if it moves less.
const LEAST: u64 = 64;

/// Waits for several sockets and descriptors. While it waits the calling thread does the sockets' I/O.
pub struct Watcher {
    poll: Poll,
    events: Events,
    waiter: Arc<Waiter>,
    bell: Arc<Bell>,
    members: Slab<Member>,
    /// Sockets that have something to do, in turn.
    due: VecDeque<usize>,
    /// How many more bytes this wait may move.
    budget: u64,
    /// Whose lease is taken, for the time of a wait.
    visited: Vec<Arc<Driver>>,
    /// Descriptors that the last wait found readable.
    ready: Vec<usize>,
    spin: Spin,
    /// Whether a signal may end a wait, and whether it has ended the last one.
    interruptible: bool,
    interrupted: bool,
    /// Whose poll it is.
    process: Process,
}

enum Member {
    Socket(Socket),
    Descriptor(RawFd, Interest),
}

/// What a descriptor is watched for. An error is reported whatever is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// It can be read (`POLLIN`).
    pub readable: bool,
    /// It can be written (`POLLOUT`).
    pub writable: bool,
    /// It has something urgent (`POLLPRI`), where the system tells.
    pub urgent: bool,
}

impl Wanted {
    /// A poll has to be asked for something.
    fn interest(self) -> Interest {
        let interests = [
            self.readable.then_some(Interest::READABLE),
            self.writable.then_some(Interest::WRITABLE),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            self.urgent.then_some(Interest::PRIORITY),
        ];
        interests.into_iter().flatten().reduce(|one, other| one | other).unwrap_or(Interest::READABLE)
    }
}

/// Neither a socket nor what it leaves behind is kept alive.
struct Socket {
    core: Weak<Core>,
    /// Registered with the poll; `None` as long as the socket has no endpoint that needs one.
    driver: Option<Weak<Driver>>,
    /// Whether it is one of those that are due.
    is_due: bool,
}

impl Socket {
    fn driver(&self) -> Option<Arc<Driver>> {
        self.driver.as_ref()?.upgrade()
    }

    /// Has it, the `member` of that name, do what there is to do when it is its turn.
    fn enqueue(&mut self, member: usize, due: &mut VecDeque<usize>) {
        if !std::mem::replace(&mut self.is_due, true) {
            due.push_back(member);
        }
    }

    /// Has it wake `waiter` no longer.
    fn forget(&self, waiter: &Arc<Waiter>) {
        if let Some(core) = self.core.upgrade() {
            core.remove_watcher(waiter);
        }
    }
}

impl Watcher {
    /// A watcher of nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no descriptors left.
    pub fn new() -> Result<Watcher> {
        let make = || -> io::Result<(Poll, Arc<Bell>)> {
            let poll = Poll::new()?;
            let bell = Bell::new(poll.registry())?;
            Ok((poll, bell))
        };
        let (poll, bell) = make().map_err(|error| Error::io("making a poll", error))?;
        Ok(Watcher {
            poll,
            events: Events::with_capacity(64),
            waiter: Arc::default(),
            bell,
            members: Slab::new(),
            due: VecDeque::new(),
            budget: 0,
            visited: Vec::new(),
            ready: Vec::new(),
            spin: Spin::new(true),
            interruptible: false,
            interrupted: false,
            process: Process::current(),
        })
    }

    /// Waits for news of a whole socket too. Returns the name of the membership.
    pub fn add(&mut self, socket: &SocketBase) -> usize {
        let core = socket.core();
        core.add_watcher(&self.waiter);
        self.members.insert(Member::Socket(Socket {
            core: Arc::downgrade(core),
            driver: None,
            is_due: false,
        }))
    }

    /// Waits for a descriptor to become readable too. Returns the name of the membership.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot wait for it.
    pub fn add_descriptor(&mut self, descriptor: RawFd) -> Result<usize> {
        self.add_descriptor_for(descriptor, Wanted { readable: true, ..Wanted::default() })
    }

    /// Waits until one of the things `wanted` can be done with a descriptor. Returns the name of the membership.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot wait for it; the kind is [`AlreadyExists`](io::ErrorKind::AlreadyExists) if it is
    /// a member already.
    pub fn add_descriptor_for(&mut self, descriptor: RawFd, wanted: Wanted) -> Result<usize> {
        let member = self.members.insert(Member::Descriptor(descriptor, wanted.interest()));
        let registry = self.poll.registry();
        match registry.register(&mut SourceFd(&descriptor), Token(member), wanted.interest()) {
            Ok(()) => Ok(member),
            Err(error) => {
                self.members.remove(member);
                Err(Error::io("polling a descriptor", error))
            }
        }
    }

    /// Waits for it no longer.
    pub fn remove(&mut self, member: usize) {
        let descriptor = match self.members.try_remove(member) {
            Some(Member::Socket(socket)) => {
                socket.forget(&self.waiter);
                // One that is gone has left the poll by itself.
                socket.driver().map(|driver| driver.poll_fd())
            }
            Some(Member::Descriptor(descriptor, _)) => Some(descriptor),
            None => None,
        };
        if let Some(descriptor) = descriptor {
            let _ = self.poll.registry().deregister(&mut SourceFd(&descriptor));
        }
    }

    /// Waits until a socket may have news, a descriptor is readable, or `deadline`; returns the descriptors that are.
    /// May return early: look, and wait again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<&[usize]> {
        self.ready.clear();
        self.interrupted = false;
        let waited = self.take_over(deadline).and_then(|until| self.wait_in_poll(until));
        self.leave();
        waited.map_err(|error| Error::io("polling", error))?;
        Ok(&self.ready)
    }

    /// The descriptors that the last [`wait`](Watcher::wait) found ready.
    pub fn ready(&self) -> &[usize] {
        &self.ready
    }

    /// Whether a signal handler that runs during a [`wait`](Watcher::wait) ends it. Default off.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.interruptible = interruptible;
    }

    /// Whether a [`wait`](Watcher::wait) may try for a moment before it sleeps, as
    /// [`Options::busy_wait`](crate::Options::busy_wait) says. Default on.
    pub fn set_busy_wait(&mut self, busy_wait: bool) {
        self.spin.allow(busy_wait);
    }

    /// Whether a signal handler has ended the last [`wait`](Watcher::wait), if it
    /// [may](Watcher::set_interruptible).
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Another descriptor of the poll, for an event loop of somebody else: readable when a socket may have news. Between
    /// its own waits that loop calls [`settle`](Watcher::settle), or [`ring`](Watcher::ring).
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no descriptors left.
    pub fn descriptor(&self) -> Result<OwnedFd> {
        let descriptor = self.poll.registry().as_fd().try_clone_to_owned();
        descriptor.map_err(|error| Error::io("making a descriptor", error))
    }

    /// Makes the descriptor readable.
    pub fn ring(&self) {
        // Even if it is: a loop that waits for edges wants another one.
        self.bell.hear();
        self.bell.ring();
    }

    /// Everything that made the descriptor readable was dealt with: does the I/O that is left, and makes the descriptor
    /// readable again when that, or anybody from now on, brings news. The caller looks for news once more after this.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle(&mut self) -> Result<()> {
        self.waiter.end();
        self.ready.clear();
        let polled = self.take_over(None).and_then(|_| self.peek());
        self.leave();
        polled.map_err(|error| Error::io("polling", error))?;
        if !self.due.is_empty() || !self.waiter.begin(&Sleeper::Task(self.bell.clone().into())) {
            self.ring();
        }
        Ok(())
    }

    fn leave(&mut self) {
        for driver in self.visited.drain(..) {
            driver.leave();
        }
    }

    /// Takes the lease of every socket, and looks whether others have left something for it to do. Returns until when to
    /// wait.
    fn take_over(&mut self, deadline: Option<Instant>) -> io::Result<Option<Instant>> {
        let now = Instant::now();
        let (mut until, mut bytes) = (deadline, 0_u64);
        for (member, entry) in &mut self.members {
            let Member::Socket(socket) = entry else { continue };
            let Some(core) = socket.core.upgrade() else { continue };
            let Some(driver) = core.driver() else { continue };
            if socket.driver.is_none() {
                register(&self.poll, driver.poll_fd(), member)?;
                socket.driver = Some(Arc::downgrade(driver));
            }
            driver.enter();
            self.visited.push(driver.clone());
            bytes = bytes.wrapping_add(core.bytes());
            if !socket.is_due && driver.is_due(now, &mut until) {
                socket.enqueue(member, &mut self.due);
            }
        }
        self.spin.begin(bytes);
        self.budget = BUDGET;
        Ok(until)
    }

    /// Has those that are due do what they have to, within the budget.
    fn turn_due(&mut self) {
        while self.budget > 0 {
            let Some(member) = self.due.pop_front() else { return };
            let Some(Member::Socket(socket)) = self.members.get_mut(member) else { continue };
            socket.is_due = false;
            let Some(driver) = socket.driver() else { continue };
            // Held, so that the socket does not go during the turn.
            if let Some(core) = socket.core.upgrade() {
                let before = core.bytes();
                if driver.turn_now().is_some_and(|next| next.again) {
                    socket.enqueue(member, &mut self.due);
                }
                let moved = core.bytes().wrapping_sub(before);
                self.budget = self.budget.saturating_sub(moved.max(LEAST));
            } else {
                // The socket is gone, and the I/O thread sees to what it left. An event that is taken here is one that the
                // I/O thread never hears of.
                let _ = self.poll.registry().deregister(&mut SourceFd(&driver.poll_fd()));
                self.visited.retain(|visited| !Arc::ptr_eq(visited, &driver));
            }
        }
    }

    fn wait_in_poll(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.turn_due();
        if self.waiter.take_news() || !self.due.is_empty() {
            return self.peek();
        }
        let started = Instant::now();
        if self.spin.is_worthwhile() {
            while let Some(patience) = self.spin.go_on(started) {
                self.peek()?;
                if self.waiter.take_news() || !self.ready.is_empty() || self.budget == 0 {
                    self.spin.succeeded(patience);
                    return Ok(());
                }
            }
            self.spin.failed();
        }
        if self.due.is_empty() && self.waiter.begin(&Sleeper::Task(self.bell.clone().into())) {
            let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
            let slept = if self.interruptible {
                let slept = sleep::until_signal(&mut self.poll, &mut self.events, timeout);
                self.interrupted =
                    slept.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted);
                slept
            } else {
                self.poll.poll(&mut self.events, timeout)
            };
            self.waiter.end();
            self.handle_events(slept)?;
        }
        self.spin.observe(started.elapsed());
        Ok(())
    }

    /// Looks for events without waiting.
    fn peek(&mut self) -> io::Result<()> {
        let polled = self.poll.poll(&mut self.events, Some(Duration::ZERO));
        self.handle_events(polled)
    }

    fn handle_events(&mut self, polled: io::Result<()>) -> io::Result<()> {
        self.bell.hear();
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in self.events.iter().filter(|event| event.token() != BELL) {
            let member = event.token().0;
            match self.members.get_mut(member) {
                Some(Member::Socket(socket)) => socket.enqueue(member, &mut self.due),
                Some(Member::Descriptor(descriptor, interest)) => {
                    self.ready.push(member);
                    // The poll is edge-triggered; asking again makes it report what is still there.
                    let registry = self.poll.registry();
                    registry.reregister(&mut SourceFd(descriptor), event.token(), *interest)?;
                }
                None => {}
            }
        }
        self.turn_due();
        Ok(())
    }
}

fn register(poll: &Poll, descriptor: RawFd, member: usize) -> io::Result<()> {
    poll.registry().register(&mut SourceFd(&descriptor), Token(member), Interest::READABLE)
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // In a forked child the sockets are the parent's.
        if !self.process.is_current() {
            return;
        }
        for (_, member) in &self.members {
            if let Member::Socket(socket) = member {
                socket.forget(&self.waiter);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::mailbox::PipeEvent;
    use crate::message::Message;
    use crate::options::{Options, StreamOptions};
    use crate::socket_type::SocketType;
    use crate::sync::lock;
    use crate::transport::{Listener, PolledTransport, Stream, Transport, TransportKind, handshake};
    use mio::Registry;
    use mio::net::UnixStream;
    use std::io::{ErrorKind, IoSlice, Read, Write};
    use std::sync::Mutex;

    /// PUSHes that have completed their handshake, and bring what they are given without a pause. The system reports it once.
    #[derive(Clone, Default)]
    struct Peers(Arc<Mutex<Vec<Peer>>>);

    struct Peer {
        said: Arc<Mutex<VecDeque<u8>>>,
        /// What the poll watches; and its other end.
        ends: [UnixStream; 2],
    }

    impl Peers {
        fn say(&self, peer: usize, messages: usize, size: usize) {
            let mut peers = lock(&self.0);
            let mut said = lock(&peers[peer].said);
            for _ in 0..messages {
                said.extend([&[2], &(size as u64).to_be_bytes()[..], &vec![7; size]].concat());
            }
            drop(said);
            peers[peer].ends[1].write_all(b"x").unwrap();
        }
    }

    impl Transport for Peers {
        fn scheme(&self) -> &str {
            "loaded"
        }

        fn kind(&self) -> TransportKind<'_> {
            TransportKind::Polled(self)
        }
    }

    impl PolledTransport for Peers {
        fn listen(&self, _: &str, _: &StreamOptions) -> Result<Box<dyn Listener>> {
            Err(Error::io("listening", ErrorKind::Unsupported.into()))
        }

        fn check(&self, _: &str, _: &StreamOptions) -> Result<()> {
            Ok(())
        }

        fn open(&self, _: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
            let said = Arc::new(Mutex::new(VecDeque::from(handshake("PUSH"))));
            let (one, other) = UnixStream::pair()?;
            let mut peers = lock(&self.0);
            peers.push(Peer { said: said.clone(), ends: [one, other] });
            Ok(Box::new(Loaded { said, peers: self.clone(), place: peers.len() - 1 }))
        }
    }

    struct Loaded {
        said: Arc<Mutex<VecDeque<u8>>>,
        peers: Peers,
        place: usize,
    }

    impl Stream for Loaded {
        fn established(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut said = lock(&self.said);
            // It is in two pieces at most; a short read would say that nothing is left.
            let first = said.read(buffer)?;
            match first + said.read(&mut buffer[first..])? {
                0 => Err(ErrorKind::WouldBlock.into()),
                count => Ok(count),
            }
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(slices.iter().map(|slice| slice.len()).sum())
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn peer_address(&self) -> String {
            String::new()
        }
    }

    impl mio::event::Source for Loaded {
        fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            lock(&self.peers.0)[self.place].ends[0].register(registry, token, interest)
        }

        fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
            lock(&self.peers.0)[self.place].ends[0].reregister(registry, token, interest)
        }

        fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
            lock(&self.peers.0)[self.place].ends[0].deregister(registry)
        }
    }

    /// So many PULLs, each with a peer, and a watcher of all.
    fn pulls(count: usize) -> (Vec<SocketBase>, Watcher, Peers) {
        let peers = Peers::default();
        let context = Context::builder().transport(peers.clone()).build().unwrap();
        let mut watcher = Watcher::new().unwrap();
        let options = Options { recv_hwm: 0, ..Options::default() };
        let sockets = (0..count).map(|_| {
            let socket = SocketBase::new(&context, SocketType::Pull, options.clone()).unwrap();
            watcher.add(&socket);
            socket.connect("loaded://peer", &[]).unwrap();
            socket
        });
        let sockets = sockets.collect();
        (sockets, watcher, peers)
    }

    /// A turn of one connection ends before the next has to wait for too long; if the system has nothing to report after
    /// that, nobody else says that there is more.
    #[test]
    fn what_one_turn_leaves_is_read_before_the_watcher_sleeps() {
        let (sockets, mut watcher, peers) = pulls(1);
        let mut pipe = Vec::new();
        sockets[0].take_events(&mut pipe);
        let Some(PipeEvent::Inlet(inlet, _)) = pipe.last_mut() else { panic!("{pipe:?}") };
        // Nobody but this test turns the reactor.
        watcher.take_over(None).unwrap();
        watcher.peek().unwrap();
        watcher.waiter.take_news();
        peers.say(0, 1, 5 << 20);
        // It tries before it sleeps.
        (0..4).for_each(|_| watcher.spin.observe(Duration::ZERO));
        let started = Instant::now();
        let mut message = Message::new();
        while !inlet.receive(&mut message) {
            watcher.wait(Some(started + Duration::from_secs(20))).unwrap();
            assert!(started.elapsed() < Duration::from_secs(19), "nobody reads the rest");
        }
        assert_eq!(message.size(), 5 << 20);
    }

    #[test]
    fn a_wait_moves_no_more_than_a_cache_takes_and_all_have_their_turn() {
        /// So much a connection may read when an event comes, and again at the end of the turn.
        const TURN: u64 = 2 * (512 + 128) * 1024;
        let (sockets, mut watcher, peers) = pulls(3);
        // Nobody but this test turns the reactors.
        watcher.take_over(None).unwrap();
        watcher.peek().unwrap();
        (0..3).for_each(|peer| peers.say(peer, 80, 64 * 1024));
        let before: Vec<u64> = sockets.iter().map(|socket| socket.core().bytes()).collect();
        let moved = || -> Vec<u64> {
            let bytes = sockets.iter().map(|socket| socket.core().bytes());
            bytes.zip(&before).map(|(now, before)| now - before).collect()
        };
        for wait in 1..=7 {
            watcher.take_over(None).unwrap();
            watcher.peek().unwrap();
            let moved = moved();
            let total: u64 = moved.iter().sum();
            assert!(total >= wait * BUDGET, "{moved:?}");
            let (least, most) = (moved.iter().min().unwrap(), moved.iter().max().unwrap());
            assert!(*least > 0 || wait < 3, "{moved:?}");
            assert!(most - least <= TURN && total <= wait * (BUDGET + TURN), "{moved:?}");
        }
        watcher.leave();
    }
}
