//! Sockets in an event loop of somebody else.

use crate::any::AnySocket;
use crate::pattern::Pattern;
use crate::socket::{Cell, Environment, Kind, Socket, State};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use zmq_core::{Result, Watcher};

/// What an event loop watches for a socket (`ZMQ_FD`, but level-triggered): readable while there is work.
///
/// It becomes readable when a message may have come, or room, or a peer. Then call the socket: receive until
/// [`Error::WouldBlock`](zmq_core::Error::WouldBlock), or send, or ask for its
/// [`readiness`](crate::Socket::readiness). It stays readable until such a call finds nothing to receive, so nothing is
/// missed by receiving one message at a time. The bytes on it are nobody's to read.
#[derive(Debug)]
pub struct Descriptor(OwnedFd);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What a socket can do now (`ZMQ_EVENTS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// A message can be received.
    pub readable: bool,
    /// A message can be sent.
    pub writable: bool,
}

impl<P: Pattern> Cell<State<P>> {
    fn descriptor(&mut self, edge: bool) -> Result<Descriptor> {
        self.with(|state| state.descriptor(edge).map(Descriptor))?
    }

    fn readiness(&mut self) -> Result<Readiness> {
        let readiness = self.with(|state| {
            state.look_for_input()?;
            let readiness = state.readiness();
            state.settle(true);
            readiness
        });
        let (readable, writable) = readiness??;
        Ok(Readiness { readable, writable })
    }
}

impl<K: Kind, E: Environment> Socket<K, E> {
    /// A descriptor for an event loop that is not a [`Poller`](crate::Poller).
    ///
    /// ```no_run
    /// # fn main() -> zmq_core::Result<()> {
    /// # let context = zmq_core::Context::builder().build()?;
    /// # let mut tasks: zmq_patterns::Socket<zmq_patterns::kind::Pull> = zmq_patterns::Socket::new_in(&context)?;
    /// let descriptor = tasks.descriptor()?;
    /// // ... the event loop says that it is readable:
    /// while let Ok(task) = tasks.try_recv() {
    ///     println!("{task:?}");
    /// }
    /// # drop(descriptor);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`](zmq_core::Error::Io) if the system has no descriptors left,
    /// [`Error::Terminated`](zmq_core::Error::Terminated), [`Error::Forked`](zmq_core::Error::Forked).
    pub fn descriptor(&mut self) -> Result<Descriptor> {
        self.cell().descriptor(false)
    }

    /// What the socket can do now (`ZMQ_EVENTS`). Does not wait.
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated), [`Error::Forked`](zmq_core::Error::Forked).
    pub fn readiness(&mut self) -> Result<Readiness> {
        self.cell().readiness()
    }
}

impl AnySocket {
    /// As [`Socket::descriptor`](crate::Socket::descriptor).
    ///
    /// # Errors
    /// As there.
    pub fn descriptor(&mut self) -> Result<Descriptor> {
        self.cell().descriptor(false)
    }

    /// As [`descriptor`](AnySocket::descriptor), for loops that are made for libzmq's `ZMQ_FD`: it becomes readable when
    /// there is news, and is so until [`readiness`](AnySocket::readiness) was asked, or a call found nothing to do, even if
    /// messages wait then. So whoever was told to look must look until nothing is left.
    ///
    /// # Errors
    /// As there.
    pub fn edge_descriptor(&mut self) -> Result<Descriptor> {
        self.cell().descriptor(true)
    }

    /// As [`Socket::readiness`](crate::Socket::readiness).
    ///
    /// # Errors
    /// As there.
    pub fn readiness(&mut self) -> Result<Readiness> {
        self.cell().readiness()
    }

    /// Has a [`Watcher`] wait for news of the socket, and returns the name of the membership. Around its waits ask for the
    /// [`readiness_so_far`](AnySocket::readiness_so_far). A [`Poller`](crate::Poller) does both.
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated).
    pub fn join(&mut self, watcher: &mut Watcher) -> Result<usize> {
        self.cell().with(|state| watcher.add(&state.base))
    }

    /// What the socket can do now as far as it knows, without looking for input.
    ///
    /// # Errors
    /// [`Error::Terminated`](zmq_core::Error::Terminated), [`Error::Forked`](zmq_core::Error::Forked).
    pub fn readiness_so_far(&mut self) -> Result<Readiness> {
        let readiness = self.cell().with(|state| {
            state.base.rest();
            state.readiness()
        });
        let (readable, writable) = readiness??;
        Ok(Readiness { readable, writable })
    }
}
