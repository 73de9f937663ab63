//! What is known of the socket at the other end of a pipe.

use crate::options::ZmtpVersion;
use crate::socket_type::SocketType;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// The peer of a connection, as its handshake and its transport describe it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its socket type; `None` if it did not say, as no ZMTP 1.0 peer does.
    pub socket_type: Option<SocketType>,
    /// The routing id it asked for; empty if it did not.
    pub routing_id: Bytes,
    /// Its address as the transport writes it; empty if the transport has none.
    pub address: String,
    /// The process at the other end, where the transport can tell (ipc).
    pub credentials: Option<Credentials>,
    /// In which version of ZMTP it is spoken to; `None` in-process, where there is no wire.
    pub zmtp: Option<ZmtpVersion>,
    /// Who the [authenticator](crate::security::Authenticator) says it is; empty if that did not say.
    pub user_id: String,
    /// The properties of its READY command, in order, and those that the authenticator added.
    pub properties: Arc<[(String, Bytes)]>,
}

/// The process at the other end of a local connection, as the kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Process id, if the system tells.
    pub pid: Option<i32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Peer {
    /// The value of a property of its READY command; names do not depend on case (RFC 37).
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        self.properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("socket_type", &self.socket_type)
            .field("routing_id", &format_args!("b\"{}\"", self.routing_id.escape_ascii()))
            .field("address", &self.address)
            .field("user_id", &self.user_id)
            .field("credentials", &self.credentials)
            .field("zmtp", &self.zmtp)
            .finish_non_exhaustive()
    }
}
