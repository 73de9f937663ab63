//! CURVE (RFC 26), the mechanism that encrypts and authenticates, as libzmq speaks it.
//!
//! ```
//! use zmq_core::security::Authenticator;
//! use zmq_curve::{Curve, KeyPair};
//!
//! # fn main() -> zmq_core::Result<()> {
//! let (server, client) = (KeyPair::generate()?, KeyPair::generate()?);
//! // On the server's socket, with the keys of those who may come in:
//! let security = Curve::server(&server);
//! let authenticator = Authenticator::keys([client.public()]);
//! // On the client's, with the key that proves that the server is the right one:
//! let security = Curve::client(&client, server.public());
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//! Nobody on the way can read or alter what is sent, or send it again: every frame is sealed with keys that exist for one
//! connection only and are forgotten with it, so that who steals a long-term key later cannot read what was recorded
//! (forward secrecy). The server proves that it holds the key the client was told; the client proves that it holds its
//! own before the authenticator is asked. What remains visible: who talks to whom, when, and how much.
//!
//! # How it is built
//! | module | knows |
//! | --- | --- |
//! | `keys` | long-term keys, in Z85 too |
//! | `certificate` | files with keys in them, as CZMQ and pyzmq write them |
//! | `boxes` | the cryptography: nothing else here touches it |
//! | `client`, `server` | the two sides of the handshake |
//! | `traffic` | messages after it |
//!
//! The cryptography is not ours: X25519 is that of `x25519-dalek`, XSalsa20 and Poly1305 are those of `dryoc`, which on a
//! processor with AVX2 is several times as fast as the portable code of others. Tests hold both against the published
//! vectors of NaCl and against `crypto_box`, which was audited.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::arithmetic_side_effects
    )
)]

mod boxes;
mod certificate;
mod client;
mod keys;
mod server;
mod traffic;

pub use certificate::Certificate;
pub use keys::{KeyPair, PublicKey, SecretKey};

use client::ClientExchange;
use server::ServerExchange;
use std::fmt;
use zmq_core::security::{Exchange, Mechanism, Role, Terms};
use zmq_core::zmtp::ProtocolError;

/// The mechanism CURVE (RFC 26), for the option `security` of a socket.
#[derive(Clone)]
pub struct Curve {
    keys: KeyPair,
    side: Side,
}

#[derive(Clone)]
enum Side {
    Client { server: PublicKey },
    Server,
}

impl Curve {
    /// The client's side (`ZMQ_CURVE_PUBLICKEY`, `ZMQ_CURVE_SECRETKEY`, `ZMQ_CURVE_SERVERKEY`): proves that it holds
    /// `keys`, and talks to nobody but the holder of the secret key of `server`.
    pub fn client(keys: &KeyPair, server: PublicKey) -> Curve {
        Curve { keys: keys.clone(), side: Side::Client { server } }
    }

    /// The server's side (`ZMQ_CURVE_SERVER`, `ZMQ_CURVE_SECRETKEY`). The socket must have an authenticator, which says
    /// whose clients may come in: `Authenticator::keys`, a function of your own, ZAP, or `Authenticator::anyone`.
    pub fn server(keys: &KeyPair) -> Curve {
        Curve { keys: keys.clone(), side: Side::Server }
    }
}

impl fmt::Debug for Curve {
    /// Without the secret key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Curve({:?} {})", self.role(), self.keys.public())
    }
}

impl Mechanism for Curve {
    fn name(&self) -> &'static str {
        "CURVE"
    }

    fn role(&self) -> Role {
        match self.side {
            Side::Client { .. } => Role::Client,
            Side::Server => Role::Server,
        }
    }

    fn is_costly(&self) -> bool {
        self.role() == Role::Server
    }

    fn exchange(&self, terms: Terms) -> Box<dyn Exchange> {
        match self.side {
            Side::Client { server } => Box::new(ClientExchange::new(self.keys.clone(), server, terms)),
            Side::Server => Box::new(ServerExchange::new(self.keys.clone(), terms)),
        }
    }
}

fn malformed(command: &'static str, problem: &'static str) -> ProtocolError {
    ProtocolError::MalformedCommand { command, problem }
}
