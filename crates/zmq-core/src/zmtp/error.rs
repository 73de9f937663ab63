//! What a peer can do wrong, and what it is told.

use super::command;
use crate::options::ZmtpVersion;
use crate::socket_type::SocketType;
use std::fmt;
use std::time::Duration;

/// Why an engine gave its connection up. The connection is to be closed, after an attempt to write what output is
/// left.
///
/// The text of a peer in a variant is escaped and bounded, so that it is safe to log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// What arrived first is no ZMTP greeting of any version.
    NotZmtp {
        /// What it looks like instead, if that is known.
        looks_like: Option<&'static str>,
    },
    /// The peer speaks an older version of ZMTP than this socket accepts.
    UnsupportedVersion {
        /// The peer's version.
        version: ZmtpVersion,
        /// What this socket accepts.
        oldest: ZmtpVersion,
    },
    /// The peer speaks a version of ZMTP that has no security, and this socket asks for some.
    VersionWithoutSecurity {
        /// The peer's version.
        version: ZmtpVersion,
    },
    /// The peer uses another security mechanism.
    MechanismMismatch {
        /// Our mechanism.
        ours: &'static str,
        /// The peer's mechanism.
        theirs: Box<str>,
    },
    /// A frame has flags that no version defines (RFC 37: "Bits 7-3 are reserved").
    ReservedFlags {
        /// The flags.
        flags: u8,
    },
    /// A ZMTP 1.0 frame claims to be empty, though its flags count.
    FrameWithoutFlags,
    /// The frame with which a ZMTP 1.0 or 2.0 peer gives its routing id does not have the form of one.
    MalformedIdentity {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A command claims that it continues in another frame.
    CommandWithMore,
    /// A message frame arrived before the handshake was complete.
    MessageInHandshake,
    /// A command that has no place in this handshake.
    UnexpectedCommand {
        /// The name of the command.
        name: Box<str>,
    },
    /// A command does not have the form that its name asks for.
    MalformedCommand {
        /// The name of the command; "command" if it has none.
        command: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A property appears twice in the peer's metadata.
    DuplicateProperty {
        /// The name of the property.
        name: Box<str>,
    },
    /// The peer's metadata is larger than we accept, or has more than 64 properties.
    MetadataTooLarge {
        /// What we accept, in bytes.
        limit: usize,
    },
    /// The peer's handshake is larger than we accept.
    HandshakeTooLarge {
        /// What we accept, in bytes.
        limit: usize,
    },
    /// The peer sent more PINGs within a second than we accept.
    TooManyPings {
        /// What we accept.
        limit: u32,
    },
    /// The two socket types may not talk to each other.
    IncompatibleSocketType {
        /// Our type.
        ours: SocketType,
        /// The peer's type.
        theirs: SocketType,
    },
    /// The peer has a socket type that we do not know.
    UnknownSocketType {
        /// Our type.
        ours: SocketType,
        /// What the peer calls its type.
        theirs: Box<str>,
    },
    /// The peer sent ERROR: it refuses us.
    RefusedByPeer {
        /// The peer's reason.
        reason: Box<str>,
    },
    /// Both sides play the server of the mechanism, or both its client.
    RoleMismatch,
    /// The mechanism would show the password to the network between us and the peer.
    ClearText,
    /// The authenticator does not let the peer in.
    Denied {
        /// The status code of RFC 27: 300 not now, 400 no, 500 the authenticator failed.
        status: u16,
    },
    /// A command or message is not what a holder of the right keys would have sent: it was sealed with other keys, or
    /// altered on the way.
    NotAuthentic {
        /// The name of the command.
        command: &'static str,
    },
    /// A command or message was seen before, or came out of order: somebody repeats what was said.
    Replayed {
        /// The name of the command.
        command: &'static str,
    },
    /// The public key of the server that this side was configured with is none: no secret key belongs to it.
    UnusableKey,
    /// Our side cannot go on with this connection.
    Exhausted {
        /// What there is no more of.
        what: &'static str,
    },
    /// A message is larger than we accept.
    MessageTooLarge {
        /// Its size as far as the peer announced it, in bytes.
        size: u64,
        /// What we accept.
        limit: u64,
    },
    /// A message has more frames than we accept.
    TooManyFrames {
        /// What we accept.
        limit: usize,
    },
    /// The handshake was not complete in time.
    HandshakeTimeout {
        /// The time it had.
        after: Duration,
    },
    /// Nothing arrived after our PING.
    HeartbeatTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// Nothing arrived for as long as the peer itself said we should wait.
    TimeToLiveExpired {
        /// The time to live in the peer's last PING.
        after: Duration,
    },
    /// The engine was used after an error.
    Closed,
}

impl ProtocolError {
    /// The fault of a peer that sent a command where it has no place; for mechanisms.
    pub fn unexpected(command: &[u8]) -> ProtocolError {
        let name = command::split_name(command).map_or(&[][..], |(name, _)| name);
        ProtocolError::UnexpectedCommand { name: printable(name) }
    }

    /// The end of a handshake by the peer's ERROR; for mechanisms.
    pub fn refused(error_command: &[u8]) -> ProtocolError {
        let data = command::split_name(error_command).map_or(&[][..], |(_, data)| data);
        match command::error_reason(data) {
            Ok(reason) => ProtocolError::RefusedByPeer { reason: printable(reason) },
            Err(malformed) => malformed,
        }
    }

    /// Whether the peer was silent rather than wrong.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            ProtocolError::HandshakeTimeout { .. }
                | ProtocolError::HeartbeatTimeout { .. }
                | ProtocolError::TimeToLiveExpired { .. }
        )
    }

    /// Whether trying again may succeed: the peer was silent rather than wrong, or may come in later.
    pub fn is_temporary(&self) -> bool {
        self.is_timeout() || matches!(self, ProtocolError::Denied { status: 300 })
    }

    /// The reason in the ERROR command that the peer gets, or `None` if it gets none. It is sent only while the
    /// handshake is under way: before, the peer could not read it; after, it would not.
    ///
    /// The one map from fault to wire.
    pub fn reason_for_peer(&self) -> Option<&'static str> {
        match self {
            ProtocolError::ReservedFlags { .. } => Some("Reserved flags"),
            ProtocolError::CommandWithMore => Some("Command in several frames"),
            ProtocolError::MessageInHandshake => Some("Message before READY"),
            ProtocolError::UnexpectedCommand { .. } => Some("Unexpected command"),
            ProtocolError::MalformedCommand { .. } => Some("Malformed command"),
            ProtocolError::DuplicateProperty { .. } => Some("Duplicate property"),
            ProtocolError::MetadataTooLarge { .. } => Some("Metadata too large"),
            ProtocolError::HandshakeTooLarge { .. } => Some("Handshake too large"),
            ProtocolError::IncompatibleSocketType { .. } => Some("Incompatible socket type"),
            ProtocolError::UnknownSocketType { .. } => Some("Unknown socket type"),
            ProtocolError::HandshakeTimeout { .. } => Some("Handshake timed out"),
            ProtocolError::RoleMismatch => Some("Both sides have the same role"),
            // RFC 27: 300 is said by closing.
            ProtocolError::Denied { status: 400 } => Some("400"),
            ProtocolError::Denied { status: 500 } => Some("500"),
            ProtocolError::Denied { .. } => None,
            ProtocolError::NotZmtp { .. }
            | ProtocolError::UnsupportedVersion { .. }
            | ProtocolError::VersionWithoutSecurity { .. }
            // Old peers know no ERROR.
            | ProtocolError::FrameWithoutFlags
            | ProtocolError::MalformedIdentity { .. }
            | ProtocolError::MechanismMismatch { .. }
            | ProtocolError::RefusedByPeer { .. }
            // RFC 26: the connection of an impostor is closed without a word.
            | ProtocolError::NotAuthentic { .. }
            | ProtocolError::Replayed { .. }
            | ProtocolError::UnusableKey
            | ProtocolError::ClearText
            | ProtocolError::Exhausted { .. }
            | ProtocolError::MessageTooLarge { .. }
            | ProtocolError::TooManyFrames { .. }
            | ProtocolError::TooManyPings { .. }
            | ProtocolError::HeartbeatTimeout { .. }
            | ProtocolError::TimeToLiveExpired { .. }
            | ProtocolError::Closed => None,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::NotZmtp { looks_like: Some(other) } => {
                write!(f, "the peer does not speak ZMTP; it looks like {other}")
            }
            ProtocolError::NotZmtp { looks_like: None } => f.write_str("the peer does not speak ZMTP"),
            ProtocolError::UnsupportedVersion { version, oldest } => write!(
                f,
                "the peer speaks ZMTP {version}; this socket accepts {oldest} and later (option `oldest_zmtp`)"
            ),
            ProtocolError::VersionWithoutSecurity { version } => write!(
                f,
                "the peer speaks ZMTP {version}, which has no security; this socket asks for some, so the peer must \
                 speak 3.0 or later"
            ),
            ProtocolError::MechanismMismatch { ours, theirs } => write!(
                f,
                "the peer uses the security mechanism \"{theirs}\" and this socket {ours}; configure both alike"
            ),
            ProtocolError::ReservedFlags { flags } => {
                write!(f, "the peer sent a frame with the flags {flags:#04x}, some of which are reserved")
            }
            ProtocolError::FrameWithoutFlags => f.write_str("the peer sent a ZMTP 1.0 frame without flags"),
            ProtocolError::MalformedIdentity { problem } => {
                write!(f, "the peer sent a malformed identity: {problem}")
            }
            ProtocolError::CommandWithMore => f.write_str("the peer sent a command in several frames"),
            ProtocolError::MessageInHandshake => {
                f.write_str("the peer sent a message before the handshake was complete")
            }
            ProtocolError::UnexpectedCommand { name } => {
                write!(f, "the peer sent the command \"{name}\" during the handshake, where it has no place")
            }
            ProtocolError::MalformedCommand { command, problem } => {
                write!(f, "the peer sent a malformed {command}: {problem}")
            }
            ProtocolError::DuplicateProperty { name } => {
                write!(f, "the peer sent the property \"{name}\" twice")
            }
            ProtocolError::MetadataTooLarge { limit } => write!(
                f,
                "the peer sent more than {limit} bytes (option `max_metadata_size`) or 64 properties of metadata"
            ),
            ProtocolError::HandshakeTooLarge { limit } => write!(
                f,
                "the peer sent more than {limit} bytes before it was admitted (option `max_handshake_size`)"
            ),
            ProtocolError::TooManyPings { limit } => write!(
                f,
                "the peer sent more than {limit} PINGs within a second (option `max_pings_per_second`)"
            ),
            ProtocolError::IncompatibleSocketType { ours, theirs } => {
                write!(f, "the peer is a {theirs} socket, which cannot talk to a {ours} socket")
            }
            ProtocolError::UnknownSocketType { ours, theirs } => {
                write!(f, "the peer is a \"{theirs}\" socket, which a {ours} socket does not know")
            }
            ProtocolError::RefusedByPeer { reason } => {
                write!(f, "the peer refused the connection: \"{reason}\"")
            }
            ProtocolError::RoleMismatch => f.write_str(
                "both sides play the same role of the mechanism; one must be its client and the other its server",
            ),
            ProtocolError::Denied { status: 300 } => {
                f.write_str("the authenticator does not let the peer in now (status 300)")
            }
            ProtocolError::Denied { status: 500 } => {
                f.write_str("the authenticator could not judge the peer, which is kept out (status 500)")
            }
            ProtocolError::Denied { status } => {
                write!(f, "the authenticator does not let the peer in (status {status})")
            }
            ProtocolError::NotAuthentic { command } => write!(
                f,
                "the peer's {command} was sealed with other keys or altered on the way; compare the keys of both sides"
            ),
            ProtocolError::Replayed { command } => {
                write!(f, "the peer's {command} was seen before or came out of order")
            }
            ProtocolError::ClearText => f.write_str(
                "the peer is on another machine, and PLAIN shows the password to whoever is on the way; use CURVE, or \
                 `Plain::over_networks` if the network is private",
            ),
            ProtocolError::UnusableKey => {
                f.write_str("the server's public key that this socket was given is none; compare it with the server's")
            }
            ProtocolError::Exhausted { what } => write!(f, "this side has no more {what}"),
            ProtocolError::MessageTooLarge { size, limit } => {
                write!(f, "the peer sent a message of {size} bytes or more; this socket accepts {limit}")
            }
            ProtocolError::TooManyFrames { limit } => {
                write!(f, "the peer sent a message of more than {limit} frames, the most this socket accepts")
            }
            ProtocolError::HandshakeTimeout { after } => {
                write!(f, "the peer did not complete the handshake within {after:?}")
            }
            ProtocolError::HeartbeatTimeout { after } => {
                write!(f, "the peer did not answer a PING within {after:?}")
            }
            ProtocolError::TimeToLiveExpired { after } => {
                write!(f, "the peer was silent for {after:?}, the time to live that it set itself")
            }
            ProtocolError::Closed => f.write_str("the connection was given up before"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The text of a peer, safe to show.
pub(super) fn printable(bytes: &[u8]) -> Box<str> {
    bytes
        .iter()
        .take(255)
        .copied()
        .flat_map(std::ascii::escape_default)
        .map(char::from)
        .collect::<String>()
        .into()
}
