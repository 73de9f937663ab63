//! What can go wrong, and what to do about it.

use crate::message::Message;
use crate::socket_type::SocketType;
use std::fmt;
use std::io;
use std::time::Duration;

/// The error of every operation of this library.
///
/// Faults of a peer or of the network never appear here: they close that connection, are retried where that makes
/// sense, and show in the monitor.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A non-blocking call could not proceed now (`EAGAIN`).
    WouldBlock,
    /// The time given to a blocking call ran out (`EAGAIN` in libzmq).
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// A signal handler ran while the call waited, and the socket is
    /// [`interruptible`](crate::Options::interruptible) (`EINTR`). Make the call again to wait on.
    Interrupted,
    /// The context was shut down while, or before, the call was made (`ETERM`).
    Terminated,
    /// The operation is out of turn for this socket type (`EFSM`): a REQ that sends twice, say.
    State {
        /// What would have been in turn, and how to get out of it.
        hint: &'static str,
    },
    /// A ROUTER knows no peer with this routing id (`EHOSTUNREACH`).
    Unroutable {
        /// The routing id that was asked for.
        routing_id: Vec<u8>,
    },
    /// The message cannot be sent by this socket (`EINVAL`).
    InvalidMessage {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The endpoint is malformed or names something that this transport cannot reach (`EINVAL`).
    InvalidEndpoint {
        /// The endpoint as it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No transport is registered for the scheme (`EPROTONOSUPPORT`).
    UnknownTransport {
        /// The endpoint as it was given.
        endpoint: String,
        /// The schemes that are registered on this context.
        known: Vec<String>,
    },
    /// Somebody else is bound there already (`EADDRINUSE`).
    AddressInUse {
        /// The endpoint as it was given.
        endpoint: String,
    },
    /// `disconnect` or `unbind` of an endpoint that this socket is not attached to (`ENOENT`).
    UnknownEndpoint {
        /// The endpoint as it was given.
        endpoint: String,
    },
    /// The two socket types may not talk to each other (inproc only; over a wire the peer is refused).
    IncompatiblePeer {
        /// Our type.
        ours: SocketType,
        /// The type of the socket at the other end.
        theirs: SocketType,
    },
    /// A PAIR has one peer, and one of the two has it already (inproc only; over a wire the second is refused).
    PeerBusy,
    /// An option has a value out of its range, or does not apply to this socket type (`EINVAL`).
    InvalidOption {
        /// The name of the option.
        option: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// The context has as many sockets as its limit allows (`EMFILE`).
    TooManySockets {
        /// The limit.
        limit: usize,
    },
    /// The process forked after the context was made; the child needs a context of its own.
    Forked,
    /// The operating system refused a call.
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`], saying what was being done.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Io { doing: doing.into(), source }
    }

    /// Whether trying again later may succeed ([`WouldBlock`](Error::WouldBlock), [`Timeout`](Error::Timeout)).
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::WouldBlock | Error::Timeout { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::WouldBlock => f.write_str("the call would have to wait"),
            Error::Timeout { after } => write!(f, "nothing happened within {after:?}"),
            Error::Interrupted => f.write_str("a signal interrupted the wait; call again to wait on"),
            Error::Terminated => f.write_str("the context was shut down"),
            Error::State { hint } => write!(f, "out of turn: {hint}"),
            Error::Unroutable { routing_id } => write!(
                f,
                "no connected peer has the routing id \"{}\"; wait for it to connect, or switch `router_mandatory` \
                 off to have such messages dropped",
                routing_id.escape_ascii()
            ),
            Error::InvalidMessage { reason } => write!(f, "the message cannot be sent: {reason}"),
            Error::InvalidEndpoint { endpoint, reason } => {
                write!(f, "invalid endpoint {endpoint:?}: {reason}")
            }
            Error::UnknownTransport { endpoint, known } => write!(
                f,
                "no transport for {endpoint:?}; this context has: {}; {} or register a transport of your own",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") },
                instead_of(endpoint)
            ),
            Error::AddressInUse { endpoint } => {
                write!(f, "{endpoint:?} is in use; stop the other program or bind elsewhere")
            }
            Error::UnknownEndpoint { endpoint } => write!(
                f,
                "the socket is not attached to {endpoint:?}; use the endpoint that bind or connect returned"
            ),
            Error::IncompatiblePeer { ours, theirs } => {
                write!(f, "a {ours} socket cannot talk to a {theirs} socket")
            }
            Error::PeerBusy => f.write_str("a PAIR socket has one peer, and this one has it already"),
            Error::InvalidOption { option, reason } => write!(f, "option {option}: {reason}"),
            Error::TooManySockets { limit } => {
                write!(f, "the context is limited to {limit} sockets; drop some or raise `max_sockets`")
            }
            Error::Forked => f.write_str("the process forked; make a new context in the child"),
            Error::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl PartialEq for Error {
    /// Compares kind and text, so that results can be compared in tests.
    fn eq(&self, other: &Error) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.to_string() == other.to_string()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::WouldBlock => io::ErrorKind::WouldBlock,
            Error::Timeout { .. } => io::ErrorKind::TimedOut,
            Error::Interrupted => io::ErrorKind::Interrupted,
            Error::Terminated => io::ErrorKind::BrokenPipe,
            Error::Unroutable { .. } => io::ErrorKind::NotConnected,
            Error::AddressInUse { .. } => io::ErrorKind::AddrInUse,
            Error::UnknownEndpoint { .. } => io::ErrorKind::NotFound,
            Error::UnknownTransport { .. } => io::ErrorKind::Unsupported,
            Error::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

/// What to do without a transport. For those that libzmq can have, and no feature brings, it says so.
fn instead_of(endpoint: &str) -> &'static str {
    match endpoint.split("://").next() {
        Some("pgm" | "epgm" | "norm") => "multicast is not supported, let a PUB send to each SUB over tcp,",
        Some("udp") => "datagrams are not supported, use tcp",
        Some("tipc" | "vmci" | "hvsocket") => "TIPC, VMCI and Hyper-V sockets are not supported, use tcp",
        Some("ws" | "wss") => "WebSocket is not supported, use tcp",
        _ => "enable the cargo feature of that name",
    }
}

/// A message that was not sent, and why. Converts into [`Error`], so `?` works where that is returned.
#[derive(Debug, PartialEq)]
pub struct SendError {
    /// Why.
    pub error: Error,
    /// The message, whole, as it was given.
    pub message: Message,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.error)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SendError> for Error {
    fn from(failed: SendError) -> Error {
        failed.error
    }
}

impl From<SendError> for io::Error {
    fn from(failed: SendError) -> io::Error {
        failed.error.into()
    }
}
