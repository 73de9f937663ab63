//! The `ipc://` transport: processes of one machine, over Unix domain sockets.
//!
//! # Addresses
//!
//! | address | meaning |
//! | --- | --- |
//! | `/run/app/feed`, `feed.ipc` | a path, absolute or relative to the working directory; at most 107 bytes on Linux |
//! | `@feed` | a name in Linux's abstract namespace: no file, gone with its socket |
//! | `*` | (`bind` only) a fresh path in a private directory; the bound endpoint says which |
//!
//! # Who may connect
//! A path is protected by the permissions of its directory and, on Linux, of the socket file, which are made with
//! the process's umask or with [`file_mode`](StreamOptions::file_mode). An abstract name is *unprotected*: every
//! process of the same network namespace may connect to it. Either way the kernel vouches for the peer's process, user
//! and group: see [`Peer::credentials`](zmq_core::Peer::credentials), and the options
//! [`accept_users`](StreamOptions::accept_users), [`accept_groups`](StreamOptions::accept_groups) and
//! [`accept_processes`](StreamOptions::accept_processes), which admit only some.
//!
//! # Files
//! `bind` replaces a socket file only if no process owns it; anything else that stands in the way (a file, a
//! directory, a symbolic link, a socket of another kind) is left alone and named in the error. The file is removed
//! when the listener is dropped, if it is still the listener's own.
//!
//! # Example
//! ```
//! # #[cfg(unix)] {
//! use zmq_core::options::StreamOptions;
//! use zmq_core::transport::PolledTransport;
//! use zmq_transport_ipc::Ipc;
//!
//! let options = StreamOptions::default();
//! let mut listener = Ipc::new().listen("*", &options)?;
//! let address = listener.local_address(); // such as /tmp/zmq-Yb4zQF/socket
//! let _client = Ipc::new().open(&address, &options)?;
//! let server = listener.accept()?;
//! assert_eq!(server.credentials().and_then(|peer| peer.pid), Some(std::process::id() as i32));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Other systems
//! On systems that are not Unix the crate builds, and every `bind` and `connect` says that there is no ipc.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod address;
#[cfg(unix)]
mod credentials;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod listener;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
mod stream;

use std::io;
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq_core::{Error, Result};

/// The `ipc://` transport; see the [crate documentation](crate) for the forms of its addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ipc;

impl Ipc {
    /// The transport, to be registered on a context.
    pub const fn new() -> Ipc {
        Ipc
    }
}

impl Transport for Ipc {
    fn scheme(&self) -> &str {
        "ipc"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

#[cfg(unix)]
impl PolledTransport for Ipc {
    fn listen(&self, address: &str, options: &StreamOptions) -> Result<Box<dyn Listener>> {
        settings::validate(options)?;
        let place = address::parse_bind(address).map_err(|reason| invalid(address, reason))?;
        Ok(Box::new(listener::IpcListener::bind(place, options)?))
    }

    fn check(&self, address: &str, options: &StreamOptions) -> Result<()> {
        settings::validate(options)?;
        address::parse_connect(address).map_err(|reason| invalid(address, reason))?;
        Ok(())
    }

    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let name = address::parse_connect(address)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        Ok(Box::new(stream::IpcStream::connect(&name, options)?))
    }
}

#[cfg(not(unix))]
const UNSUPPORTED: &str = "this system has no Unix domain sockets; use tcp://127.0.0.1 instead";

#[cfg(not(unix))]
impl PolledTransport for Ipc {
    fn listen(&self, address: &str, _: &StreamOptions) -> Result<Box<dyn Listener>> {
        Err(invalid(address, UNSUPPORTED.to_owned()))
    }

    fn check(&self, address: &str, _: &StreamOptions) -> Result<()> {
        Err(invalid(address, UNSUPPORTED.to_owned()))
    }

    fn open(&self, _: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, UNSUPPORTED))
    }
}

fn invalid(address: &str, reason: String) -> Error {
    Error::InvalidEndpoint { endpoint: format!("ipc://{address}"), reason }
}
