//! The handshake of ZMTP 1.0 and 2.0: each side says in a frame of its own what it wants to be called.

use super::error::ProtocolError;
use super::frame::Header;
use crate::options::ZmtpVersion;
use crate::peer::Peer;
use crate::socket_type::SocketType;
use bytes::Bytes;

/// The longest identity.
const MAX_IDENTITY: u64 = 255;

/// Our identity is sent, the peer's is awaited.
pub(super) struct Identity {
    version: ZmtpVersion,
    socket_type: Option<SocketType>,
}

impl Identity {
    /// Awaits the identity of a peer that did not say of what type it is.
    pub fn of_unknown_type(version: ZmtpVersion) -> Identity {
        Identity { version, socket_type: None }
    }

    /// Awaits the identity of a peer with libzmq's number `theirs` for its type, if `ours` may talk to it.
    pub fn of_type(version: ZmtpVersion, theirs: u8, ours: SocketType) -> Result<Identity, ProtocolError> {
        let theirs = SocketType::from_number(theirs).ok_or_else(|| ProtocolError::UnknownSocketType {
            ours,
            theirs: format!("number {theirs}").into(),
        })?;
        // RFC 15, the greeting; libzmq does not look.
        if !ours.is_compatible(theirs) {
            return Err(ProtocolError::IncompatibleSocketType { ours, theirs });
        }
        Ok(Identity { version, socket_type: Some(theirs) })
    }

    /// Whether the frame of `header` may come; asked before any of it is kept.
    pub fn admit(header: &Header) -> Result<(), ProtocolError> {
        let refuse = |problem| Err(ProtocolError::MalformedIdentity { problem });
        if header.more {
            return refuse("it has more than one frame");
        }
        if header.length > MAX_IDENTITY {
            return refuse("it is longer than 255 bytes");
        }
        Ok(())
    }

    /// The peer, by the body of its frame.
    pub fn peer(&self, identity: &[u8]) -> Peer {
        // As in later versions: ids that start with zero are for generated ones.
        let named = identity.first().is_some_and(|first| *first != 0);
        Peer {
            socket_type: self.socket_type,
            routing_id: if named { Bytes::copy_from_slice(identity) } else { Bytes::new() },
            zmtp: Some(self.version),
            ..Peer::default()
        }
    }
}
