//! Waiting for several sockets and descriptors at once.

use crate::any::AnySocket;
use crate::pattern::Pattern;
use crate::socket::{Environment, Kind, Socket, State};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::time::{Duration, Instant};
use zmq_core::{Error, Process, Result, Watcher};

/// Waits until one of several sockets or descriptors is ready. Level-triggered: what is ready and not dealt with is
/// reported again.
///
/// While it waits, the calling thread does the I/O of all its sockets: a message comes without any hand-over.
///
/// ```no_run
/// # fn main() -> zmq_core::Result<()> {
/// # let context = zmq_core::Context::builder().build()?;
/// # let (mut tasks, mut control): (zmq_patterns::Socket<zmq_patterns::kind::Pull>, zmq_patterns::Socket<zmq_patterns::kind::Sub>) =
/// #     (zmq_patterns::Socket::new_in(&context)?, zmq_patterns::Socket::new_in(&context)?);
/// const TASKS: usize = 0;
/// const CONTROL: usize = 1;
/// let mut poller = zmq_patterns::Poller::new()?;
/// poller.add(&mut tasks, TASKS)?;
/// poller.add(&mut control, CONTROL)?;
/// let mut batch = Vec::new();
/// for event in poller.wait(None)? {
///     match event.key() {
///         TASKS => tasks.try_recv_many(&mut batch, 100)?,
///         _ => return Ok(()),
///     };
/// }
/// println!("{batch:?}");
/// # Ok(())
/// # }
/// ```
pub struct Poller {
    watcher: Watcher,
    sockets: Vec<Entry>,
    descriptors: Vec<Descriptor>,
    ready: Vec<PollEvent>,
    /// Whose poll it is: a child of this process must not touch it.
    process: Process,
}

struct Entry {
    key: usize,
    member: usize,
    /// The poller does not keep a socket alive.
    socket: Weak<Mutex<dyn Watched>>,
}

struct Descriptor {
    key: usize,
    member: usize,
}

/// One thing that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollEvent {
    key: usize,
    readable: bool,
    writable: bool,
}

impl PollEvent {
    /// The key it was added with.
    pub fn key(&self) -> usize {
        self.key
    }

    /// A message can be received, or the descriptor can be read.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// A message can be sent. Descriptors are never reported as such.
    pub fn is_writable(&self) -> bool {
        self.writable
    }
}

/// A socket that a [`Poller`] can wait for.
pub trait Pollable: sealed::Sealed {}

mod sealed {
    use super::{Arc, Mutex, Watched};

    pub trait Sealed {
        #[doc(hidden)]
        fn share(&mut self) -> Option<Arc<Mutex<dyn Watched>>>;
    }
}

/// The part of a socket that a poller sees.
#[doc(hidden)]
pub trait Watched: Send {
    fn join(&self, watcher: &mut Watcher) -> usize;
    /// Whether it can receive and send now. Asked before each wait.
    fn readiness(&mut self) -> Result<(bool, bool)>;
}

impl<P: Pattern> Watched for State<P> {
    fn join(&self, watcher: &mut Watcher) -> usize {
        watcher.add(&self.base)
    }

    fn readiness(&mut self) -> Result<(bool, bool)> {
        self.base.rest();
        State::readiness(self)
    }
}

impl<K: Kind, E: Environment> sealed::Sealed for Socket<K, E> {
    fn share(&mut self) -> Option<Arc<Mutex<dyn Watched>>> {
        self.cell().share().map(|state| state as Arc<Mutex<dyn Watched>>)
    }
}

impl<K: Kind, E: Environment> Pollable for Socket<K, E> {}

impl sealed::Sealed for AnySocket {
    fn share(&mut self) -> Option<Arc<Mutex<dyn Watched>>> {
        self.cell().share().map(|state| state as Arc<Mutex<dyn Watched>>)
    }
}

impl Pollable for AnySocket {}

impl Poller {
    /// A poller of nothing.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no descriptors left.
    pub fn new() -> Result<Poller> {
        Ok(Poller {
            watcher: Watcher::new()?,
            sockets: Vec::new(),
            descriptors: Vec::new(),
            ready: Vec::new(),
            process: Process::current(),
        })
    }

    /// Waits for `socket` too, and reports it as `key`. It is watched until it is [removed](Poller::remove) or the
    /// poller is dropped; it may be dropped before.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the key is taken, [`Error::Terminated`], [`Error::Forked`].
    pub fn add(&mut self, socket: &mut impl Pollable, key: usize) -> Result<()> {
        self.check_key(key)?;
        let socket = sealed::Sealed::share(socket).ok_or(Error::Terminated)?;
        let member = lock(&socket).join(&mut self.watcher);
        self.sockets.push(Entry { key, member, socket: Arc::downgrade(&socket) });
        Ok(())
    }

    /// Waits for a descriptor to become readable too, and reports it as `key`. The descriptor must be
    /// [removed](Poller::remove) before it is closed.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] if the key is taken; [`Error::Io`] if the system cannot wait for this descriptor;
    /// [`Error::Forked`].
    pub fn add_fd(&mut self, descriptor: &impl AsFd, key: usize) -> Result<()> {
        self.check_key(key)?;
        let member = self.watcher.add_descriptor(descriptor.as_fd().as_raw_fd())?;
        self.descriptors.push(Descriptor { key, member });
        Ok(())
    }

    /// Whether a signal handler that runs during a wait ends it with [`Error::Interrupted`]. Default off: the wait goes on.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.watcher.set_interruptible(interruptible);
    }

    /// Whether a wait may try for a moment before it sleeps, as [`Options::busy_wait`](zmq_core::Options::busy_wait) says;
    /// what its sockets say does not count here. Default on.
    pub fn set_busy_wait(&mut self, busy_wait: bool) {
        self.watcher.set_busy_wait(busy_wait);
    }

    /// Forgets what was added as `key`. `false`: nothing was, or this is a forked child.
    pub fn remove(&mut self, key: usize) -> bool {
        if self.check_process().is_err() {
            return false;
        }
        let socket = self.sockets.iter().position(|entry| entry.key == key);
        let descriptor = self.descriptors.iter().position(|entry| entry.key == key);
        let member = match (socket, descriptor) {
            (Some(index), _) => self.sockets.swap_remove(index).member,
            (None, Some(index)) => self.descriptors.swap_remove(index).member,
            (None, None) => return false,
        };
        self.watcher.remove(member);
        true
    }

    /// Waits until something is readable, at most `timeout` (`None` = as long as it takes), and reports everything that
    /// is. Nothing is reported after a timeout. Sockets that are only writable do not end the wait.
    ///
    /// # Errors
    /// [`Error::Terminated`] if the context of one of the sockets was shut down; [`Error::Forked`] in a child of the
    /// process that made the poller; [`Error::Interrupted`] if it is [interruptible](Poller::set_interruptible);
    /// [`Error::Io`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<&[PollEvent]> {
        self.wait_for(timeout, |event| event.readable)
    }

    /// As [`wait`](Poller::wait), and a socket that can send ends the wait too.
    ///
    /// # Errors
    /// As [`wait`](Poller::wait).
    pub fn wait_readable_or_writable(&mut self, timeout: Option<Duration>) -> Result<&[PollEvent]> {
        self.wait_for(timeout, |event| event.readable || event.writable)
    }

    pub(crate) fn wait_for(
        &mut self,
        timeout: Option<Duration>,
        wanted: fn(&PollEvent) -> bool,
    ) -> Result<&[PollEvent]> {
        self.check_process()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.collect(wanted)?;
        if !self.ready.is_empty() {
            // Descriptors that are ready at the same time have their turn.
            if !self.descriptors.is_empty() {
                self.watch(Some(Instant::now()))?;
            }
            return Ok(&self.ready);
        }
        loop {
            self.watch(deadline)?;
            let descriptors = std::mem::take(&mut self.ready);
            self.collect(wanted)?;
            self.ready.extend(descriptors);
            if !self.ready.is_empty() || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(&self.ready);
            }
        }
    }

    /// Waits for news, and adds the descriptors that are ready.
    fn watch(&mut self, deadline: Option<Instant>) -> Result<()> {
        self.watcher.wait(deadline)?;
        if self.watcher.was_interrupted() {
            return Err(Error::Interrupted);
        }
        let members = self.watcher.ready();
        let descriptors = self.descriptors.iter().filter(|descriptor| members.contains(&descriptor.member));
        self.ready.extend(descriptors.map(|descriptor| PollEvent {
            key: descriptor.key,
            readable: true,
            writable: false,
        }));
        Ok(())
    }

    /// Asks the sockets.
    fn collect(&mut self, wanted: fn(&PollEvent) -> bool) -> Result<()> {
        self.ready.clear();
        for entry in &self.sockets {
            let Some(socket) = entry.socket.upgrade() else { continue };
            let mut socket = match socket.try_lock() {
                Ok(socket) => socket,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Another thread is using it, and takes what there is.
                Err(TryLockError::WouldBlock) => continue,
            };
            let (readable, writable) = socket.readiness()?;
            let event = PollEvent { key: entry.key, readable, writable };
            if wanted(&event) {
                self.ready.push(event);
            }
        }
        Ok(())
    }

    fn check_process(&self) -> Result<()> {
        if self.process.is_current() { Ok(()) } else { Err(Error::Forked) }
    }

    fn check_key(&self, key: usize) -> Result<()> {
        self.check_process()?;
        let taken = self.sockets.iter().any(|entry| entry.key == key)
            || self.descriptors.iter().any(|entry| entry.key == key);
        if taken {
            let reason = format!("the key {key} is taken");
            return Err(Error::InvalidOption { option: "key", reason });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller")
            .field("sockets", &self.sockets.len())
            .field("descriptors", &self.descriptors.len())
            .finish_non_exhaustive()
    }
}

fn lock<'a>(socket: &'a Arc<Mutex<dyn Watched>>) -> std::sync::MutexGuard<'a, dyn Watched + 'static> {
    socket.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
