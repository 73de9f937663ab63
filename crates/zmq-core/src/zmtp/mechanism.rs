//! The seam for security mechanisms: NULL, PLAIN and CURVE are implementations of it, and so may yours be.
//!
//! A mechanism has no socket and no clock. What a socket is configured with is a [`Mechanism`]; each connection gets an
//! [`Exchange`] of it, which takes the peer's commands and sends ours until the peer is known. If the mechanism
//! protects what follows, the exchange leaves a [`Seal`], through which every later frame passes.
//!
//! ```text
//!  greeting: name, role -> Exchange::start -> Exchange::receive ... -> Progress::Complete { metadata, seal }
//!                                 |      Progress::Judge(claim)
//!                                 |          -> the socket's authenticator -> Exchange::admitted
//! ```

use super::error::ProtocolError;
use crate::security::Claim;
use std::fmt;

/// Which part a side plays in a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Both sides do the same (NULL).
    Equal,
    /// Proves who it is.
    Client,
    /// Decides who may come in.
    Server,
}

/// A security mechanism with its keys, as a socket is configured with it. Shared by the socket's connections.
pub trait Mechanism: fmt::Debug + Send + Sync + 'static {
    /// Its name in the greeting: 1 to 20 bytes, upper case (RFC 37, security mechanism). Constant.
    fn name(&self) -> &'static str;

    /// Which part this side plays. Constant.
    fn role(&self) -> Role;

    /// Whether a peer must be judged by the socket's authenticator, so that a socket without one is refused. If not, a
    /// socket without authenticator lets in whoever keeps to the mechanism.
    fn needs_authenticator(&self) -> bool {
        self.role() == Role::Server
    }

    /// Whether it shows credentials to whoever is on the way, so that it is used within this machine only.
    fn shows_credentials(&self) -> bool {
        false
    }

    /// Whether to answer a peer takes public-key cryptography before the peer has proved anything, so that the attempts
    /// are budgeted (the options `max_handshakes_per_second` and `max_total_handshakes_per_second`). Constant.
    fn is_costly(&self) -> bool {
        false
    }

    /// Begins on a fresh connection.
    fn exchange(&self, terms: Terms) -> Box<dyn Exchange>;
}

/// What an [`Exchange`] is told of the socket it works for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Terms {
    /// Our properties, in the form they have in a READY (RFC 37, metadata).
    pub metadata: Vec<u8>,
    /// Whether the socket has an authenticator: then the exchange must return [`Progress::Judge`] once, before it
    /// tells the peer that it is admitted.
    pub judged: bool,
}

impl Terms {
    /// Terms, for tests of a mechanism.
    pub fn new(metadata: Vec<u8>, judged: bool) -> Terms {
        Terms { metadata, judged }
    }
}

/// The handshake of one connection. After an error it is not called again.
pub trait Exchange: Send {
    /// Both greetings are exchanged.
    ///
    /// # Errors
    /// Whatever keeps the handshake from beginning, a lack of randomness say; the connection is closed.
    fn start(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError>;

    /// The body of the peer's next command: at most the option `max_metadata_size` and 512 bytes, as they came. It may arrive while the authenticator
    /// still thinks.
    ///
    /// # Errors
    /// What is wrong with it; the connection is closed.
    fn receive(&mut self, command: &[u8], commands: &mut Commands<'_>) -> Result<Progress, ProtocolError>;

    /// The authenticator lets the peer in.
    ///
    /// # Errors
    /// As [`receive`](Exchange::receive).
    fn admitted(&mut self, commands: &mut Commands<'_>) -> Result<Progress, ProtocolError>;
}

/// What a step of an [`Exchange`] has come to.
#[non_exhaustive]
pub enum Progress {
    /// More is to come.
    Pending,
    /// The socket's authenticator is to judge the peer.
    Judge(Box<Claim>),
    /// The handshake is complete.
    Complete {
        /// The peer's properties, as they stand in a READY.
        metadata: Vec<u8>,
        /// What every later frame passes through, both ways; `None`: frames go as they are.
        seal: Option<Box<dyn Seal>>,
    },
}

/// Where an [`Exchange`] puts what it sends. It goes out when the step is over, and not at all if the step fails or
/// completes the handshake with metadata that is refused: nobody is told that it is admitted before that is certain.
pub struct Commands<'a> {
    bodies: &'a mut Vec<Vec<u8>>,
}

impl<'a> Commands<'a> {
    pub(super) fn new(bodies: &'a mut Vec<Vec<u8>>) -> Commands<'a> {
        Commands { bodies }
    }

    /// Sends a command: its name with the name's length before it, then its data.
    pub fn send(&mut self, body: &[u8]) {
        self.bodies.push(body.to_vec());
    }
}

/// What protects the frames of a connection after the handshake. Every frame, command or part of a message, becomes
/// the body of one frame on the wire.
pub trait Seal: Send {
    /// By how many bytes a sealed body is longer than its content. Constant, at most 4096.
    fn overhead(&self) -> usize;

    /// Appends to `buffer` the sealed form of a frame whose content is `prefix` and then `content`: exactly
    /// [`overhead`](Seal::overhead) bytes more than both.
    ///
    /// # Errors
    /// The connection is worn out (a counter is at its end); it is closed, and what was appended is not sent.
    fn seal(
        &mut self,
        kind: Kind,
        prefix: &[u8],
        content: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), ProtocolError>;

    /// Opens a body in place: its content is what follows its first [`overhead`](Seal::overhead) bytes, and what it
    /// is, is the result. `body` may be shorter than that.
    ///
    /// # Errors
    /// It was not sealed by the peer, was altered, or was seen before; the connection is closed.
    fn open(&mut self, body: &mut [u8]) -> Result<Kind, ProtocolError>;
}

/// What a sealed frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of a message, and more parts follow.
    Part,
    /// The last part of a message.
    LastPart,
    /// A command.
    Command,
}
