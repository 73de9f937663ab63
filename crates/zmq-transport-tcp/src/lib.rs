//! The `tcp://` transport.
//!
//! # Addresses
//!
//! | `bind` | meaning |
//! | --- | --- |
//! | `127.0.0.1:5555` | one address |
//! | `[::1]:5555`, `[fe80::1%eth0]:5555`, `[fe80::1%2]:5555` | IPv6, with a zone by name or number |
//! | `*:5555` | all interfaces; with the option `ipv6` IPv6 and IPv4 together |
//! | `eth0:5555` | the address of a network interface |
//! | `localhost:5555` | a name that is looked up; its first address that belongs to this machine |
//! | `127.0.0.1:*`, `127.0.0.1:0` | the system chooses the port; the bound endpoint says which |
//!
//! | `connect` | meaning |
//! | --- | --- |
//! | `192.168.1.1:5555`, `[::1]:5555`, `server.example:5555` | one address, or every address of a name, looked up anew on each attempt |
//! | `192.168.1.17:0;192.168.1.1:5555` | the same, leaving from a given local address (literal, `*` or interface name; port 0: any) |
//!
//! IPv6 needs the option `ipv6`; without it names resolve to IPv4 alone and IPv6 addresses are refused.
//!
//! With the option `socks_proxy` a connect goes to a SOCKS5 proxy (RFC 1928, RFC 1929), which is told the address as it
//! was written: names are looked up there, and IPv6 addresses need no option. A local address is the one to leave from
//! to the proxy. No password of PLAIN is shown over a proxy: where the way ends is not known.
//!
//! # Example
//! ```
//! use zmq_core::options::StreamOptions;
//! use zmq_core::transport::PolledTransport;
//! use zmq_transport_tcp::Tcp;
//!
//! let tcp = Tcp::new();
//! let options = StreamOptions::default();
//! let listener = tcp.listen("127.0.0.1:*", &options)?;
//! let address = listener.local_address(); // such as 127.0.0.1:40123
//! tcp.check(&address, &options)?;
//! for address in tcp.resolve(&address, &options)? {
//!     let _stream = tcp.open(&address, &options)?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the kernel is asked for
//! `TCP_NODELAY` always; keep-alive, buffers, type of service, retransmission limit and device as the
//! [`StreamOptions`] say. Every option is applied before the connection is made, and to every accepted one.

#![forbid(unsafe_code)]

mod address;
mod listener;
mod resolve;
mod settings;
mod socks;
mod stream;

use address::Target;
use socks::Negotiation;
use std::io;
use zmq_core::options::{SocksProxy, StreamOptions};
use zmq_core::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq_core::{Error, Result};

/// The `tcp://` transport; see the [crate documentation](crate) for the forms of its addresses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Tcp {
    /// The transport, to be registered on a context.
    pub const fn new() -> Tcp {
        Tcp
    }
}

impl Transport for Tcp {
    fn scheme(&self) -> &str {
        "tcp"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Tcp {
    fn listen(&self, address: &str, options: &StreamOptions) -> Result<Box<dyn Listener>> {
        settings::validate(options)?;
        let place = address::parse_bind(address, options.ipv6).map_err(|reason| invalid(address, reason))?;
        Ok(Box::new(listener::TcpListener::bind(address, &place, options)?))
    }

    fn check(&self, address: &str, options: &StreamOptions) -> Result<()> {
        settings::validate(options)?;
        match &options.socks_proxy {
            Some(_) => address::parse_connect(address, true)
                .and_then(|target| socks::encode(&target.destination))
                .map(drop),
            None => address::parse_connect(address, options.ipv6).map(drop),
        }
        .map_err(|reason| invalid(address, reason))
    }

    fn resolve_blocks(&self, address: &str, options: &StreamOptions) -> bool {
        let contacted = options.socks_proxy.as_ref().map_or(address, SocksProxy::address);
        address::parse_connect(contacted, true).is_ok_and(|target| target.destination.host.is_name())
    }

    /// With a proxy each result is a way to it, a bar, and what it is to be asked for.
    fn resolve(&self, address: &str, options: &StreamOptions) -> io::Result<Vec<String>> {
        let Some(proxy) = &options.socks_proxy else {
            let target = address::parse_connect(address, options.ipv6).map_err(refused)?;
            let routes = resolve::routes(&target, options.ipv6)?;
            return Ok(routes.iter().map(resolve::Route::to_string).collect());
        };
        let source = address::parse_connect(address, true).map_err(refused)?.source;
        let destination = address.split_once(';').map_or(address, |(_, destination)| destination);
        let proxy = address::parse_connect(proxy.address(), options.ipv6).map_err(refused)?.destination;
        let routes = resolve::routes(&Target { source, destination: proxy }, options.ipv6)?;
        Ok(routes.iter().map(|route| format!("{route}|{destination}")).collect())
    }

    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let (way, destination) = match (address.split_once('|'), &options.socks_proxy) {
            (Some((way, destination)), Some(proxy)) => (way, Some((proxy, destination))),
            _ => (address, None),
        };
        let target = address::parse_connect(way, options.ipv6).map_err(refused)?;
        let mut stream = stream::TcpStream::connect(&resolve::literal_route(&target)?, options)?;
        if let Some((proxy, destination)) = destination {
            let place = address::parse_connect(destination, true).map_err(refused)?.destination;
            stream.ask(Negotiation::new(proxy, &place)?, destination);
        }
        Ok(Box::new(stream))
    }
}

fn invalid(address: &str, reason: String) -> Error {
    Error::InvalidEndpoint { endpoint: format!("tcp://{address}"), reason }
}

fn refused(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
