//! The transport boundary: bytes, or a pipe.
//!
//! A transport moves bytes (*polled*: tcp, ipc, yours), over which the core speaks ZMTP, or it joins two sockets of
//! this process (*direct*: inproc). Framing, handshake, reconnecting, heartbeats and queues exist once, in the core.
//!
//! To write a polled transport, implement [`Transport`], [`Listener`] and [`Stream`]; register it with
//! `Context::builder().transport(...)`; run the conformance suite of `zmq_core::testing` on it.
//!
//! # Threads
//! A [`Transport`] is shared and its methods are called from any thread, several at once. A [`Listener`] or
//! [`Stream`] is owned by one reactor and called by one thread at a time, though not always the same one. Unless a
//! method says otherwise it must not block: it is called on the thread that does all I/O of its socket. A panic in one is
//! taken for an I/O error of the connection or listener concerned; one in `listen` or `check` reaches the caller.

use crate::direct::Port;
use crate::error::Result;
use crate::options::StreamOptions;
use crate::peer::Credentials;
pub use crate::room::Room;
use mio::event::Source;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// The version of mio whose [`Source`] a [`Listener`] and a [`Stream`] implement.
pub use mio;

/// A way to reach other sockets, registered on a context under its scheme.
pub trait Transport: Send + Sync + 'static {
    /// The scheme it serves: what stands before `://`, lower case. Constant.
    fn scheme(&self) -> &str;

    /// How this transport attaches a socket.
    fn kind(&self) -> TransportKind<'_>;
}

/// The two kinds of transport.
pub enum TransportKind<'a> {
    /// Byte streams, over which the core speaks ZMTP.
    Polled(&'a dyn PolledTransport),
    /// Sockets of this process, joined by frame pipes.
    Direct(&'a dyn DirectTransport),
}

/// A transport of byte streams.
pub trait PolledTransport: Send + Sync {
    /// Starts to listen. Called by the application's thread, inside `bind`; may block shortly (a name that must be
    /// looked up).
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`](crate::Error::InvalidEndpoint) for an address it cannot parse,
    /// [`Error::AddressInUse`](crate::Error::AddressInUse), or [`Error::Io`](crate::Error::Io).
    fn listen(&self, address: &str, options: &StreamOptions) -> Result<Box<dyn Listener>>;

    /// Checks the address of a later [`open`](PolledTransport::open): syntax only, no look-ups. Called inside
    /// `connect`.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`](crate::Error::InvalidEndpoint).
    fn check(&self, address: &str, options: &StreamOptions) -> Result<()>;

    /// Whether [`resolve`](PolledTransport::resolve) of this address may block (a name, not a number). If not, it is
    /// called where the socket's I/O is done.
    fn resolve_blocks(&self, address: &str, options: &StreamOptions) -> bool {
        let _ = (address, options);
        false
    }

    /// Turns an address into those to try, best first. Called anew before each attempt, on a thread of its own if
    /// [`resolve_blocks`](PolledTransport::resolve_blocks).
    ///
    /// # Errors
    /// Whatever the look-up says; the core tries again later.
    fn resolve(&self, address: &str, options: &StreamOptions) -> io::Result<Vec<String>> {
        let _ = options;
        Ok(vec![address.to_owned()])
    }

    /// Starts to connect to one address that [`resolve`](PolledTransport::resolve) returned.
    ///
    /// # Errors
    /// Any; the core tries the next address, then again later.
    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>>;
}

/// Accepts connections. Its readiness is edge-triggered: after an event the core accepts until
/// [`WouldBlock`](io::ErrorKind::WouldBlock). Dropping it stops listening and removes what it left in the system.
pub trait Listener: Source + Send {
    /// The address it is bound to, with every wildcard filled in, so that `connect` to it works. Constant.
    fn local_address(&self) -> String;

    /// The next connection.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if none waits. [`not_allowed`] if one came that may not. After any other
    /// error the core waits a moment and calls again, without a new event; it must not panic, whatever the system says.
    fn accept(&mut self) -> io::Result<Box<dyn Stream>>;
}

/// A byte stream: reliable and in order. Its readiness is edge-triggered: the core reads or writes until
/// [`WouldBlock`](io::ErrorKind::WouldBlock) and then waits for an event. Dropping it closes it.
pub trait Stream: Source + Send {
    /// Whether the connection is established; called on a stream from [`PolledTransport::open`] when it becomes
    /// writable, until it answers `Ok(true)` or an error.
    ///
    /// # Errors
    /// Why the attempt failed.
    fn established(&mut self) -> io::Result<bool>;

    /// Whether a read that returns less than it was given room for proves that nothing more is there now, so that
    /// the core may save the read that would only say so. True of kernel stream sockets. Constant.
    fn short_read_means_drained(&self) -> bool {
        false
    }

    /// Reads what is there; `Ok(0)` = the peer closed its side.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there; any other closes the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads what is there, as far as there is room, into the body of a large message; otherwise as [`read`](Stream::read). A
    /// stream over a kernel socket saves the clearing of the memory by [`Room::receive`].
    ///
    /// # Errors
    /// As [`read`](Stream::read).
    fn read_into(&mut self, room: &mut Room<'_>) -> io::Result<usize> {
        room.read_with(|buffer| self.read(buffer))
    }

    /// Writes as much as the system takes of the slices, in order; may write less than asked.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it takes nothing now; any other closes the connection.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// How many bytes to write first when there are twice as many or more, for a system that wakes the peer only when all of
    /// a write is copied: so the peer wakes up while the rest is. [`usize::MAX`]: there is no such need. Constant, and not 0.
    fn head_start(&self) -> usize {
        usize::MAX
    }

    /// Tells the peer that no more bytes follow. Called at most once, after the last write.
    ///
    /// # Errors
    /// Any; ignored.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// After [`shutdown_write`](Stream::shutdown_write): whether everything that was written has reached the peer's
    /// system, so that dropping the stream loses nothing. Until it is so, a socket that is gone keeps the stream, as
    /// long as its linger allows. A transport that cannot tell, or loses nothing anyway, says yes.
    fn is_delivered(&self) -> bool {
        true
    }

    /// The peer's address for showing; empty if there is none.
    fn peer_address(&self) -> String;

    /// Whether what is written may leave this machine, so that no password may go in clear. As the
    /// [`peer_address`](Stream::peer_address) tells, unless the transport knows better.
    fn leaves_this_machine(&self) -> bool {
        let address = self.peer_address().parse::<SocketAddr>();
        address.is_ok_and(|address| !address.ip().to_canonical().is_loopback())
    }

    /// The process at the other end, if the transport can tell.
    fn credentials(&self) -> Option<Credentials> {
        None
    }
}

/// A transport that joins two sockets of one process.
pub trait DirectTransport: Send + Sync {
    /// Makes `port` reachable under `address`, until the guard that is returned is dropped. Returns the address with
    /// every wildcard filled in. Called inside `bind`; must not block.
    ///
    /// # Errors
    /// [`Error::AddressInUse`](crate::Error::AddressInUse),
    /// [`Error::InvalidEndpoint`](crate::Error::InvalidEndpoint).
    fn bind(&self, address: &str, port: Port) -> Result<(String, Guard)>;

    /// Joins `port` to the one bound to `address`, now or as soon as there is one. Called inside `connect`; must not
    /// block. Dropping the guard gives up an attempt that waits; a joined pair stays joined.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`](crate::Error::InvalidEndpoint),
    /// [`Error::IncompatiblePeer`](crate::Error::IncompatiblePeer).
    fn connect(&self, address: &str, port: Port) -> Result<Guard>;

    /// The socket that is bound to `address` now. Called by any thread; must not block. A transport that does not say
    /// cannot serve a ZAP handler.
    fn bound(&self, address: &str) -> Option<Port> {
        let _ = address;
        None
    }
}

/// What [`Listener::accept`] answers when a peer came that may not connect, and was sent away: the monitor is told, and
/// the next one may be fine.
pub fn not_allowed(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason.into())
}

/// Whether [`not_allowed`] has made it, and not the system.
pub(crate) fn is_not_allowed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Makes a call again as long as it fails with [`Interrupted`](io::ErrorKind::Interrupted): a signal is no reason to
/// give a connection up, and no readiness event follows it. For implementations of [`Stream`] over system calls.
///
/// # Errors
/// Any other of the call.
pub fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whether a short read proves that a kernel stream socket is drained here: where readiness comes from epoll or kqueue,
/// new bytes after it raise a new event. (Elsewhere mio must be told by `WouldBlock` to raise one.) What
/// [`Stream::short_read_means_drained`] of a transport over such sockets returns.
pub const SHORT_READ_MEANS_DRAINED: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd"
));

/// Keeps a direct binding or a waiting connect alive; dropping it ends that.
pub type Guard = Box<dyn Send>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_calls_are_made_again() {
        let mut calls = 0;
        let result = retry_interrupted(|| {
            calls += 1;
            if calls < 3 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(result.expect("in the end"), 3);
        let failed = retry_interrupted(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        assert_eq!(failed.expect_err("passed on").kind(), io::ErrorKind::WouldBlock);
    }

    /// A stream of which only the address matters.
    struct At(&'static str);

    impl Source for At {
        fn register(&mut self, _: &mio::Registry, _: mio::Token, _: mio::Interest) -> io::Result<()> {
            Ok(())
        }

        fn reregister(&mut self, _: &mio::Registry, _: mio::Token, _: mio::Interest) -> io::Result<()> {
            Ok(())
        }

        fn deregister(&mut self, _: &mio::Registry) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for At {
        fn established(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(0)
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn peer_address(&self) -> String {
            self.0.to_owned()
        }
    }

    #[test]
    fn the_loopback_and_files_are_this_machine() {
        for here in [
            "127.0.0.1:5555",
            "127.1.2.3:1",
            "[::1]:5555",
            "[::ffff:127.0.0.1]:5",
            "/tmp/socket",
            "@name",
            "",
        ] {
            assert!(!At(here).leaves_this_machine(), "{here}");
        }
        for there in
            ["10.0.0.1:5555", "192.0.2.1:1", "[2001:db8::1]:5555", "[::ffff:10.0.0.1]:5", "0.0.0.0:1"]
        {
            assert!(At(there).leaves_this_machine(), "{there}");
        }
    }
}

/// What a peer says that completes its handshake and nothing else; its type has four letters.
#[cfg(all(test, not(loom)))]
pub(crate) fn handshake(socket_type: &str) -> Vec<u8> {
    let mut said = b"\xFF\0\0\0\0\0\0\0\x01\x7F\x03\0NULL".to_vec();
    said.resize(64, 0);
    said.extend_from_slice(b"\x04\x1A\x05READY\x0BSocket-Type\0\0\0\x04");
    said.extend_from_slice(socket_type.as_bytes());
    said
}

#[cfg(all(test, not(loom)))]
pub(crate) mod nowhere {
    use super::*;

    /// Where nobody ever listens.
    pub(crate) struct Nowhere;

    impl Transport for Nowhere {
        fn scheme(&self) -> &str {
            "nowhere"
        }

        fn kind(&self) -> TransportKind<'_> {
            TransportKind::Polled(self)
        }
    }

    impl PolledTransport for Nowhere {
        fn listen(&self, _: &str, _: &StreamOptions) -> Result<Box<dyn Listener>> {
            Err(crate::Error::io("listening", io::ErrorKind::Unsupported.into()))
        }

        fn check(&self, _: &str, _: &StreamOptions) -> Result<()> {
            Ok(())
        }

        fn open(&self, _: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
            Err(io::ErrorKind::ConnectionRefused.into())
        }
    }
}
