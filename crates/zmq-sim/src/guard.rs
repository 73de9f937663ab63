//! Who is let in: what both sides of a run prove to each other, and one who cannot.

use crate::books::{Mint, TOPICS};
use zmq_core::security::{Authenticator, Plain};
use zmq_core::{Context, Error, Options, Result, SocketType, Stats};
use zmq_curve::{Curve, KeyPair, SecretKey};
use zmq_patterns::AnySocket;

/// How those who connect prove that they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nobody is asked (NULL).
    Open,
    /// By a name and a password (PLAIN).
    Password,
    /// By a key (CURVE). What it adds to bytes is random; how much, and when, is not.
    Key,
}

/// One side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
    /// Knows neither a password nor a key that counts.
    Stranger,
}

impl Guard {
    /// Makes `options` those of a socket of that side.
    pub(crate) fn arm(self, options: &mut Options, side: Side) -> Result<()> {
        let (server, client, stranger) = (keys(1), keys(2), keys(3));
        options.security = match (self, side) {
            (Guard::Open, _) => return Ok(()),
            (Guard::Password, Side::Server) => Plain::server().into(),
            (Guard::Password, Side::Client) => Plain::client("ann", "apple")?.into(),
            (Guard::Password, Side::Stranger) => Plain::client("eve", "apple tree")?.into(),
            (Guard::Key, Side::Server) => Curve::server(&server).into(),
            (Guard::Key, Side::Client) => Curve::client(&client, server.public()).into(),
            (Guard::Key, Side::Stranger) => Curve::client(&stranger, server.public()).into(),
        };
        if side == Side::Server {
            options.authenticator = Some(match self {
                Guard::Key => Authenticator::keys([client.public()]),
                Guard::Open | Guard::Password => Authenticator::passwords([("ann", "apple")]),
            });
        }
        Ok(())
    }
}

fn keys(byte: u8) -> KeyPair {
    KeyPair::from(SecretKey::from([byte; 32]))
}

/// Connects like the others and is never let in: nobody hears it, and it hears nothing.
pub(crate) struct Intruder {
    name: u64,
    socket: AnySocket,
    said: u64,
}

/// What an intruder tries to say.
const ATTEMPTS: u64 = 5;

impl Intruder {
    pub(crate) fn new(
        context: &Context,
        socket_type: SocketType,
        name: u64,
        guard: Guard,
        mut options: Options,
    ) -> Result<Intruder> {
        guard.arm(&mut options, Side::Stranger)?;
        options.linger = Some(std::time::Duration::ZERO);
        let mut socket = AnySocket::new(context, socket_type, options)?;
        if matches!(socket_type, SocketType::Sub | SocketType::XSub) {
            for topic in TOPICS {
                socket.subscribe([*topic])?;
            }
        }
        Ok(Intruder { name, socket, said: 0 })
    }

    pub(crate) fn name(&self) -> u64 {
        self.name
    }

    pub(crate) fn connect(&mut self, endpoint: &str) -> Result<()> {
        self.socket.connect(endpoint).map(drop)
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.socket.stats()
    }

    /// Tries both. `true`: a message is on its way, as far as it knows.
    pub(crate) fn act(&mut self, mint: &Mint) -> std::result::Result<bool, String> {
        use SocketType::{Pull, Rep, Sub};
        let kind = self.socket.socket_type();
        if matches!(kind, SocketType::Dealer | SocketType::Pair | Pull | Sub | SocketType::XSub | Rep)
            && self.socket.try_recv() != Err(Error::WouldBlock)
        {
            return Err("a message came to one who was not let in".to_owned());
        }
        if self.said == ATTEMPTS || matches!(kind, Pull | Sub | SocketType::XSub | Rep) {
            return Ok(false);
        }
        let sent = self.socket.try_send(mint.message((self.name, self.said))).is_ok();
        self.said += u64::from(sent);
        Ok(sent)
    }
}
