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
use crate::socket::{Core, SocketBase, earlier};
use crate::spin::Spin;
use crate::waiter::{Sleeper, Waiter};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Waits for several sockets and descriptors. While it waits the calling thread does the sockets' I/O.
pub struct Watcher {
    poll: Poll,
    events: Events,
    waiter: Arc<Waiter>,
    bell: Arc<Bell>,
    members: Slab<Member>,
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
}

impl Socket {
    fn driver(&self) -> Option<Arc<Driver>> {
        self.driver.as_ref()?.upgrade()
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
        self.members.insert(Member::Socket(Socket { core: Arc::downgrade(core), driver: None }))
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
        if !self.waiter.begin(&Sleeper::Task(self.bell.clone().into())) {
            self.ring();
        }
        Ok(())
    }

    fn leave(&mut self) {
        for driver in self.visited.drain(..) {
            driver.leave();
        }
    }

    /// Takes the lease of every socket, and looks at what others have left for it to do. Returns until when to wait.
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
            let next = driver.look(now);
            until = earlier(until, if next.again { Some(now) } else { next.deadline });
        }
        self.spin.begin(bytes);
        Ok(until)
    }

    fn wait_in_poll(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.waiter.take_news() {
            return self.peek();
        }
        let started = Instant::now();
        if self.spin.is_worthwhile() {
            while let Some(patience) = self.spin.go_on(started) {
                self.peek()?;
                if self.waiter.take_news() || !self.ready.is_empty() {
                    self.spin.succeeded(patience);
                    return Ok(());
                }
            }
            self.spin.failed();
        }
        if self.waiter.begin(&Sleeper::Task(self.bell.clone().into())) {
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
            match self.members.get(member) {
                Some(Member::Socket(socket)) => {
                    let Some(driver) = socket.driver() else { continue };
                    // Held, so that the socket does not go during the turn.
                    if let Some(_core) = socket.core.upgrade() {
                        // What is left to do is looked at before the next wait.
                        let _ = driver.turn_now();
                    } else {
                        // The socket is gone, and the I/O thread sees to what it left. An event that is taken here is one
                        // that the I/O thread never hears of.
                        let _ = self.poll.registry().deregister(&mut SourceFd(&driver.poll_fd()));
                        self.visited.retain(|visited| !Arc::ptr_eq(visited, &driver));
                    }
                }
                Some(Member::Descriptor(descriptor, interest)) => {
                    self.ready.push(member);
                    // The poll is edge-triggered; asking again makes it report what is still there.
                    let registry = self.poll.registry();
                    registry.reregister(&mut SourceFd(descriptor), event.token(), *interest)?;
                }
                None => {}
            }
        }
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
