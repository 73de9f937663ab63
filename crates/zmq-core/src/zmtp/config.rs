//! What an engine is told about the socket it works for.

use crate::options::{Options, ZmtpVersion};
use crate::security::Security;
use crate::socket_type::SocketType;
use bytes::Bytes;
use std::time::Duration;

/// The part of a socket's options that the protocol needs; one per socket, shared by its engines.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our socket type.
    pub socket_type: SocketType,
    /// The routing id we ask for; sent by REQ, DEALER and ROUTER.
    pub routing_id: Bytes,
    /// What else we say of ourselves: names and values.
    pub metadata: Vec<(String, Bytes)>,
    /// The oldest version in which a peer is spoken to.
    pub oldest_version: ZmtpVersion,
    /// The security mechanism.
    pub security: Security,
    /// Whether each peer is judged by the socket's authenticator.
    pub judged: bool,
    /// Largest message accepted, all frames together.
    pub max_message_size: Option<u64>,
    /// Most frames in one message accepted; zero counts as one.
    pub max_frames: usize,
    /// Most bytes of commands until the peer is admitted.
    pub max_handshake_size: usize,
    /// Most bytes of the peer's properties.
    pub max_metadata_size: usize,
    /// Most PINGs within a second.
    pub max_pings_per_second: u32,
    /// How long the handshake may take, from [`Engine::new`](super::Engine::new) on.
    pub handshake_timeout: Option<Duration>,
    /// A PING is sent each time this has passed.
    pub heartbeat_interval: Option<Duration>,
    /// How long the peer shall wait for a sign of life, as our PINGs tell it; carried in tenths of a second.
    pub heartbeat_ttl: Option<Duration>,
    /// How long after a PING something must have arrived. `None`: as long as the interval.
    pub heartbeat_timeout: Option<Duration>,
}

impl Config {
    /// The configuration for a socket of type `socket_type` with these options.
    pub fn new(socket_type: SocketType, options: &Options) -> Config {
        Config {
            socket_type,
            routing_id: options.routing_id.clone(),
            metadata: options.metadata.clone(),
            oldest_version: options.oldest_zmtp,
            security: options.security.clone(),
            judged: options.authenticator.is_some(),
            max_message_size: options.max_message_size,
            max_frames: options.max_frames,
            max_handshake_size: options.max_handshake_size,
            max_metadata_size: options.max_metadata_size,
            max_pings_per_second: options.max_pings_per_second,
            handshake_timeout: options.handshake_timeout,
            heartbeat_interval: options.heartbeat_interval,
            heartbeat_ttl: options.heartbeat_ttl,
            heartbeat_timeout: options.heartbeat_timeout,
        }
    }

    /// Whether more than NULL without an authenticator is asked of peers: such a socket takes no part in ZMTP 1.0 and
    /// 2.0, which have no security (RFC 37, backwards compatibility).
    pub fn is_secured(&self) -> bool {
        self.judged || !self.security.is_null()
    }
}

impl From<(SocketType, &Options)> for Config {
    fn from((socket_type, options): (SocketType, &Options)) -> Config {
        Config::new(socket_type, options)
    }
}
