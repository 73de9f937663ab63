//! A transport of our own, whole, in one file: `xor://ADDRESS:PORT`, TCP with every byte scrambled.
//!
//! (It hides nothing from anybody; it shows how little a transport has to do. Framing, handshake, queues, reconnecting
//! and heartbeats are the library's.)
//!
//! Its tests run the conformance suite of `zmq_core::testing` over it, as those of any transport should, and then whole
//! sockets.
//!
//! `custom_transport`

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use zmq::options::StreamOptions;
use zmq::transport::mio::event::Source;
use zmq::transport::mio::net::{TcpListener, TcpStream};
use zmq::transport::mio::{Interest, Registry, Token};
use zmq::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};

const KEY: u8 = 0x5a;

/// The transport: where to listen, and how to connect.
struct Xor;

impl Transport for Xor {
    fn scheme(&self) -> &str {
        "xor"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Xor {
    fn listen(&self, address: &str, _: &StreamOptions) -> zmq::Result<Box<dyn Listener>> {
        let parsed = parse(address)?;
        let listener = TcpListener::bind(parsed).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => zmq::Error::AddressInUse { endpoint: format!("xor://{address}") },
            _ => zmq::Error::io(format!("binding to xor://{address}"), error),
        })?;
        let local = listener.local_addr().map_err(|error| zmq::Error::io("asking for the port", error))?;
        Ok(Box::new(XorListener { listener, local }))
    }

    fn check(&self, address: &str, _: &StreamOptions) -> zmq::Result<()> {
        parse(address).map(drop)
    }

    fn open(&self, address: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let peer = parse(address)?;
        // Does not wait; `established` will tell.
        Ok(Box::new(XorStream::new(TcpStream::connect(peer)?, peer)))
    }
}

/// Only numbers here, no names: those would have to be looked up in `resolve`.
fn parse(address: &str) -> zmq::Result<SocketAddr> {
    address.parse().map_err(|_| zmq::Error::InvalidEndpoint {
        endpoint: format!("xor://{address}"),
        reason: "write it like xor://127.0.0.1:5555".to_owned(),
    })
}

struct XorListener {
    listener: TcpListener,
    local: SocketAddr,
}

impl Listener for XorListener {
    fn local_address(&self) -> String {
        self.local.to_string()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let (stream, peer) = self.listener.accept()?;
        Ok(Box::new(XorStream::new(stream, peer)))
    }
}

/// One connection.
struct XorStream {
    stream: TcpStream,
    peer: SocketAddr,
    /// Scrambled bytes on their way out.
    scratch: Vec<u8>,
}

impl XorStream {
    fn new(stream: TcpStream, peer: SocketAddr) -> XorStream {
        XorStream { stream, peer, scratch: Vec::new() }
    }
}

impl Stream for XorStream {
    fn established(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => self.stream.set_nodelay(true).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        buffer[..length].iter_mut().for_each(|byte| *byte ^= KEY);
        Ok(length)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // The key is the same for every byte, so it does not matter how many of these the system takes: what it does
        // not take is offered again by the library.
        self.scratch.clear();
        self.scratch.extend(slices.iter().flat_map(|slice| slice.iter()).take(65536).map(|byte| byte ^ KEY));
        self.stream.write(&self.scratch)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn peer_address(&self) -> String {
        self.peer.to_string()
    }
}

/// How to wait for it: as for the TCP socket inside.
macro_rules! source {
    ($type:ty, $inner:ident) => {
        impl Source for $type {
            fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
                self.$inner.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.$inner.reregister(registry, token, interest)
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                self.$inner.deregister(registry)
            }
        }
    };
}

source! { XorListener, listener }
source! { XorStream, stream }

fn main() -> zmq::Result<()> {
    // This is the one line that makes the transport known.
    let context = zmq::context_builder().transport(Xor).build()?;
    println!("transports: {}", context.schemes().join(", "));

    let mut server = zmq::Rep::new_in(&context)?;
    let endpoint = server.bind_to("xor://127.0.0.1:0")?;
    println!("listening on {endpoint}");
    let mut client = zmq::Req::new_in(&context)?;
    client.connect_to(&endpoint)?;

    client.send("Hello")?;
    let (request, reply) = server.recv_request()?;
    println!("Received {}", request.as_str().unwrap_or("?"));
    reply.send("World")?;
    println!("Received {}", client.recv()?.as_str().unwrap_or("?"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    /// The contract, by itself: the feature `testing` of `zmq-core`, among the `[dev-dependencies]`.
    #[test]
    fn it_conforms() {
        zmq_core::testing::conformance(&Xor, || "127.0.0.1:0".to_owned());
    }

    #[test]
    fn hello_world() {
        main().unwrap();
    }

    #[test]
    fn many_messages_of_many_sizes_arrive_in_order() {
        let context = zmq::context_builder().transport(Xor).build().unwrap();
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        let endpoint = pull.bind_to("xor://127.0.0.1:0").unwrap();
        // The sender is done long before the receiver; what it sent may take its time.
        let mut push = zmq::Push::builder_in(&context).linger(None).build().unwrap();
        push.connect_to(&endpoint).unwrap();
        let sizes = || (0..500_usize).map(|number| number * number * 7001 % 200_003);
        let sender = std::thread::spawn(move || {
            for (number, size) in sizes().enumerate() {
                push.send_timeout(vec![number as u8; size], LONG).unwrap();
            }
        });
        for (number, size) in sizes().enumerate() {
            let message = pull.recv_timeout(LONG).unwrap();
            assert!(message.body() == vec![number as u8; size], "message {number} of {size} bytes");
        }
        sender.join().unwrap();
    }

    #[test]
    fn a_bad_address_is_named() {
        let context = zmq::context_builder().transport(Xor).build().unwrap();
        let error = zmq::Req::new_in(&context).unwrap().connect_to("xor://nonsense").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
    }

    #[test]
    fn an_address_in_use_is_named() {
        let context = zmq::context_builder().transport(Xor).build().unwrap();
        let mut one = zmq::Rep::new_in(&context).unwrap();
        let endpoint = one.bind_to("xor://127.0.0.1:0").unwrap();
        let error = zmq::Rep::new_in(&context).unwrap().bind_to(&endpoint).unwrap_err();
        assert!(matches!(error, zmq::Error::AddressInUse { .. }), "{error}");
    }
}
