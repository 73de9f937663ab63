//! Sockets and messages as the environment wants them.

use crate::Result;
use crate::args::{Args, Sending};
use bytes::Bytes;
use zmq::curve::{Curve, KeyPair, SecretKey};
use zmq::security::Authenticator;
use zmq_patterns::Kind;

/// Everything a role needs; the threads of an inproc run share the context.
#[derive(Clone)]
pub struct Setup {
    pub args: Args,
    pub context: zmq::Context,
}

impl Setup {
    pub fn new(args: Args) -> Result<Setup> {
        let mut builder = zmq::context_builder().max_sockets(8192);
        if let Some(count) = args.io_threads {
            builder = builder.io_threads(count);
        }
        Ok(Setup { args, context: builder.build()? })
    }

    /// The defaults, but for the high-water marks that were asked for and a linger time without limit: nothing that was
    /// sent may go missing.
    pub fn options(&self) -> zmq::Options {
        let mut options = zmq::Options::default();
        if let Some(hwm) = self.args.hwm {
            (options.send_hwm, options.recv_hwm) = (hwm, hwm);
        }
        options.linger = None;
        options.busy_wait = self.args.busy_wait;
        if self.args.curve && !self.args.is_inproc() {
            self.encrypt(&mut options);
        }
        options
    }

    /// With keys that both processes know beforehand; who binds is the server.
    fn encrypt(&self, options: &mut zmq::Options) {
        let (server, client) =
            (KeyPair::from(SecretKey::from([1; 32])), KeyPair::from(SecretKey::from([2; 32])));
        if self.args.binds() {
            options.security = Curve::server(&server).into();
            options.authenticator = Some(Authenticator::anyone());
        } else {
            options.security = Curve::client(&client, server.public()).into();
        }
    }

    pub fn socket<K: Kind>(&self) -> Result<zmq::Socket<K>> {
        Ok(zmq::Socket::with_options(&self.context, self.options())?)
    }

    /// Binds to an address that nobody has used, and returns it.
    pub fn bind<K: Kind>(&self, socket: &mut zmq::Socket<K>) -> Result<String> {
        let wildcard = match self.args.transport.as_str() {
            "tcp" => "tcp://127.0.0.1:*",
            "ipc" => "ipc://*",
            "inproc" => "inproc://*",
            other => return Err(format!("no transport {other}").into()),
        };
        Ok(socket.bind_to(wildcard)?.to_string())
    }

    /// What the messages of this run are made from.
    pub fn payload(&self) -> Payload {
        Payload::new(self.args.sending, vec![b'x'; self.args.size])
    }
}

/// A body to send again and again.
pub struct Payload {
    sending: Sending,
    bytes: Bytes,
}

impl Payload {
    pub fn new(sending: Sending, bytes: Vec<u8>) -> Payload {
        Payload { sending, bytes: Bytes::from(bytes) }
    }

    #[inline]
    pub fn frame(&self) -> zmq::Frame {
        match self.sending {
            Sending::Copy => zmq::Frame::from(&self.bytes[..]),
            Sending::Share => zmq::Frame::from(self.bytes.clone()),
            Sending::Alloc => zmq::Frame::from(vec![0; self.bytes.len()]),
        }
    }
}
