//! A listening socket.

use crate::address::Place;
use crate::resolve;
use crate::settings;
use crate::stream::TcpStream;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Listener, Stream, not_allowed};
use zmq_core::{Error, Result};

/// Connections that died in the queue and are passed over in one call of `accept`; then the others get their turn.
const MAX_DEAD_CONNECTIONS: usize = 64;

/// A listening TCP socket.
pub(crate) struct TcpListener {
    inner: mio::net::TcpListener,
    local: SocketAddr,
    options: StreamOptions,
}

impl TcpListener {
    /// Listens on the first of the place's addresses that this machine has.
    pub(crate) fn bind(address: &str, place: &Place, options: &StreamOptions) -> Result<TcpListener> {
        if let Some(fd) = &options.listen_fd {
            return adopt(fd, options).map_err(|error| Error::InvalidOption {
                option: "listen_fd",
                reason: format!("it is not a TCP socket that is bound: {error}"),
            });
        }
        let candidates =
            resolve::bind_addresses(place, options.ipv6).map_err(|error| explain(address, error))?;
        let mut first_error = None;
        for candidate in candidates {
            match listen(candidate, options) {
                Ok(listener) => return Ok(listener),
                Err(error) if is_foreign(&error) => first_error = first_error.or(Some(error)),
                Err(error) => return Err(explain(address, error)),
            }
        }
        Err(explain(address, first_error.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())))
    }

    /// The next connection, with every option applied.
    pub(crate) fn accept_stream(&mut self) -> io::Result<TcpStream> {
        let mut dead = 0;
        loop {
            let accepted = self.inner.accept().and_then(|(stream, peer)| {
                self.admit(peer)?;
                TcpStream::accepted(stream, peer, &self.options)
            });
            match accepted {
                Err(error) if dead < MAX_DEAD_CONNECTIONS && is_dead_connection(&error) => dead += 1,
                result => return result,
            }
        }
    }

    fn admit(&self, peer: SocketAddr) -> io::Result<()> {
        let allowed = &self.options.accept_from;
        if allowed.is_empty() || allowed.iter().any(|network| network.contains(peer.ip())) {
            return Ok(());
        }
        Err(not_allowed(format!("{peer} is not where `accept_from` lets peers come from")))
    }
}

impl Listener for TcpListener {
    fn local_address(&self) -> String {
        self.local.to_string()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.accept_stream()?))
    }
}

impl Source for TcpListener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.inner.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.inner.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.inner.deregister(registry)
    }
}

fn listen(address: SocketAddr, options: &StreamOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    share_families(&socket, address)?;
    reuse_address(&socket)?;
    // Buffers go before listen: the window's scale is agreed on in the first packets of each connection.
    settings::apply(&socket, options, address.is_ipv6())?;
    settings::apply_device(&socket, options.device.as_deref())?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let inner = mio::net::TcpListener::from_std(socket.into());
    Ok(TcpListener { local: inner.local_addr()?, inner, options: options.clone() })
}

/// Listens on a socket that somebody else has bound.
fn adopt(fd: &OwnedFd, options: &StreamOptions) -> io::Result<TcpListener> {
    let socket = Socket::from(fd.try_clone()?);
    let local = socket.local_addr()?.as_socket().filter(|address| address.port() != 0);
    let local = local.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
    socket.set_nonblocking(true)?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let inner = mio::net::TcpListener::from_std(socket.into());
    Ok(TcpListener { local, inner, options: options.clone() })
}

/// A port is free again as soon as its listener is closed, though connections of it linger in `TIME_WAIT`. On Windows
/// the option means something else (several listeners on one port) and is not needed.
fn reuse_address(socket: &Socket) -> io::Result<()> {
    if cfg!(unix) { socket.set_reuse_address(true) } else { Ok(()) }
}

/// A socket on `::` serves IPv4 as well, whatever the system's default is. (OpenBSD cannot.)
fn share_families(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() && cfg!(not(target_os = "openbsd")) { socket.set_only_v6(false) } else { Ok(()) }
}

/// Whether the error says that this machine does not have the address, so that the next one may do.
fn is_foreign(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || is_family_missing(error)
}

#[cfg(unix)]
fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

#[cfg(not(unix))]
fn is_family_missing(error: &io::Error) -> bool {
    const WSAEAFNOSUPPORT: i32 = 10047;
    error.raw_os_error() == Some(WSAEAFNOSUPPORT)
}

/// Whether the error belongs to one connection that ended before it was accepted. Linux hands network errors of the
/// new connection to `accept` (accept(2)); `InvalidInput` is what some systems answer to options on a reset one.
fn is_dead_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        Interrupted
            | ConnectionAborted
            | ConnectionReset
            | NotConnected
            | InvalidInput
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
    )
}

/// Says what can be done about a failed bind.
fn explain(address: &str, error: io::Error) -> Error {
    let endpoint = format!("tcp://{address}");
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => return Error::AddressInUse { endpoint },
        // Without a number it comes from a look-up, which has said its own.
        io::ErrorKind::AddrNotAvailable if error.raw_os_error().is_some() => {
            "this machine has no such address; bind to one it has, to an interface name or to `*`"
        }
        io::ErrorKind::PermissionDenied => {
            "this program may not; ports below 1024 and devices need a privilege, choose another port"
        }
        _ if is_family_missing(&error) => "this system has no IPv6; use an IPv4 address",
        _ => return Error::io(format!("binding to {endpoint}"), error),
    };
    Error::io(format!("binding to {endpoint}: {hint}"), error)
}
