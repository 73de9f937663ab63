//! Socket options: a plain structure. An endpoint keeps those with which it was bound or connected.

use crate::error::{Error, Result};
pub use crate::network::Network;
use crate::security::{Authenticator, Security};
use crate::socket_type::SocketType;
use crate::zmtp::mechanism::Role;
use bytes::Bytes;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// The options of one socket. Set them on a builder before the first bind or connect; the few that act on a live
/// socket have a setter on the socket.
///
/// Where libzmq has the option, its name stands beside the field. `None` means "no limit" for a size or a time. There is
/// no `ZMQ_ROUTER_RAW`, which libzmq has deprecated: a STREAM socket does what it did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// High-water mark of each outgoing pipe, in messages; 0 = unbounded. Default 1000 (`ZMQ_SNDHWM`).
    pub send_hwm: usize,
    /// High-water mark of each incoming pipe, in messages; 0 = unbounded. Default 1000 (`ZMQ_RCVHWM`). What subscribers send
    /// to a PUB or XPUB has room for 1000 at least: a subscription that has arrived counts for the next message.
    pub recv_hwm: usize,
    /// Keep only the last message of each pipe; the high-water marks are ignored. Default off (`ZMQ_CONFLATE`).
    pub conflate: bool,
    /// The security mechanism: NULL, [`Plain`](crate::security::Plain), or CURVE. Default NULL.
    pub security: Security,
    /// Who judges the peers that come over a wire. A server of PLAIN or CURVE needs one. Sockets of the same process
    /// (`inproc://`) are not judged. Default none.
    pub authenticator: Option<Authenticator>,
    /// Largest message accepted from a peer, all frames together, in bytes; the connection that exceeds it is
    /// closed. Default none (`ZMQ_MAXMSGSIZE`).
    pub max_message_size: Option<u64>,
    /// Most frames in one message accepted from a peer. Default 8192.
    pub max_frames: usize,
    /// How long a blocking send waits. Default no limit (`ZMQ_SNDTIMEO`).
    pub send_timeout: Option<Duration>,
    /// How long a blocking receive waits. Default no limit (`ZMQ_RCVTIMEO`).
    pub recv_timeout: Option<Duration>,
    /// A signal handler that runs while the application's thread waits ends the wait with
    /// [`Error::Interrupted`]. Default off: the wait goes on (libzmq: `EINTR`).
    pub interruptible: bool,
    /// A thread that waits on this socket may try for a moment before it sleeps: 50 us at most, or 101 us after much was sent
    /// and received, yielding the processor for the last 25, as often for 1 ms as parts of a large message come, and only
    /// after a wait that was short. Off, it sleeps at once, which costs tens of microseconds when the other end works on another
    /// processor, and saves time when both share one. Default on.
    pub busy_wait: bool,
    /// How long messages that were sent may still go out after the socket was dropped; `None` = as long as it takes.
    /// Default 1 s; libzmq: no limit (`ZMQ_LINGER`).
    pub linger: Option<Duration>,
    /// Route messages only to completed connections, not to endpoints still connecting. Default off
    /// (`ZMQ_IMMEDIATE`).
    pub immediate: bool,
    /// What a ROUTER at the other end shall call this socket: 0 to 255 bytes, the first not zero. Default empty
    /// (`ZMQ_ROUTING_ID`).
    pub routing_id: Bytes,
    /// The routing id a ROUTER or STREAM gives to the peers it connects to from now on. Default empty
    /// (`ZMQ_CONNECT_ROUTING_ID`).
    pub connect_routing_id: Bytes,
    /// A ROUTER refuses to send to a peer it does not know, instead of dropping the message. Default on; libzmq: off
    /// (`ZMQ_ROUTER_MANDATORY`).
    pub router_mandatory: bool,
    /// A ROUTER receives a message of one empty frame from each peer that comes, before all others. Default off
    /// (`ZMQ_ROUTER_NOTIFY`, `ZMQ_NOTIFY_CONNECT`).
    pub router_notify_connect: bool,
    /// A ROUTER receives a message of one empty frame from each peer that has gone, after all others. Default off
    /// (`ZMQ_ROUTER_NOTIFY`, `ZMQ_NOTIFY_DISCONNECT`).
    pub router_notify_disconnect: bool,
    /// A peer that claims a routing id in use takes it over, unless it has another user id. Default off (`ZMQ_ROUTER_HANDOVER`).
    pub router_handover: bool,
    /// A STREAM receives an empty frame from each peer that comes, before its first bytes, and from each that has gone,
    /// after its last. Default on (`ZMQ_STREAM_NOTIFY`).
    pub stream_notify: bool,
    /// Send one empty message on each new connection (`ZMQ_PROBE_ROUTER`). Default off.
    pub probe_router: bool,
    /// A REQ marks its requests with a number and takes only the matching reply. Default on; libzmq: off
    /// (`ZMQ_REQ_CORRELATE`).
    pub req_correlate: bool,
    /// A REQ may send again before the reply has come. What comes for a request that was given up waits, within `recv_hwm`,
    /// until the socket sends or receives again, and is thrown away then. Default on; libzmq: off (`ZMQ_REQ_RELAXED`).
    pub req_relaxed: bool,
    /// Topics a SUB subscribes to before it connects.
    pub subscriptions: Vec<Bytes>,
    /// Deliver what does *not* match a subscription; set it at both ends. Default off (`ZMQ_INVERT_MATCHING`).
    pub invert_matching: bool,
    /// Which subscriptions an XPUB shows. Default [`XPubVerbosity::Changes`] (`ZMQ_XPUB_VERBOSE`,
    /// `ZMQ_XPUB_VERBOSER`).
    pub xpub_verbosity: XPubVerbosity,
    /// An XPUB decides itself which subscriptions count: it receives them all, and what it then
    /// subscribes to, it does for the peer it received from last. Default off (`ZMQ_XPUB_MANUAL`).
    pub xpub_manual: bool,
    /// As [`xpub_manual`](Options::xpub_manual), and what is published next after a subscription made for a peer goes to
    /// that peer alone, if it matches: the last value, say. Default off (`ZMQ_XPUB_MANUAL_LAST_VALUE`).
    pub xpub_manual_last_value: bool,
    /// What an XPUB or PUB sends first to each new peer, subscribed or not. Default none (`ZMQ_XPUB_WELCOME_MSG`).
    pub xpub_welcome_message: Option<Bytes>,
    /// What is sent first over each new connection (PAIR, DEALER, ROUTER, PUSH). Default none (`ZMQ_HELLO_MSG`).
    pub hello_message: Option<Bytes>,
    /// What is received last from a peer that had connected to this socket and is lost (PAIR, DEALER, ROUTER, PULL).
    /// Default none (`ZMQ_DISCONNECT_MSG`).
    pub disconnect_message: Option<Bytes>,
    /// What is received from an endpoint that this socket connected to when the connection is lost (PAIR, DEALER, ROUTER,
    /// PULL). Default none (`ZMQ_HICCUP_MSG`).
    pub hiccup_message: Option<Bytes>,
    /// What this socket says of itself beside its type and routing id: names that begin with `X-`, and values; in all
    /// 7 KiB at most. A peer finds them among its [`properties`](crate::Peer::property). Default none
    /// (`ZMQ_METADATA`).
    pub metadata: Vec<(String, Bytes)>,
    /// A publisher waits for a subscriber that is full instead of dropping. Default off (`ZMQ_XPUB_NODROP`).
    pub xpub_nodrop: bool,
    /// First reconnect delay. `None` = do not reconnect. Default 100 ms (`ZMQ_RECONNECT_IVL`).
    pub reconnect_interval: Option<Duration>,
    /// The delay doubles on each failure up to this. Default none: the delay stays (`ZMQ_RECONNECT_IVL_MAX`).
    pub reconnect_interval_max: Option<Duration>,
    /// How long one attempt to connect may take. Default: the system's (`ZMQ_CONNECT_TIMEOUT`).
    pub connect_timeout: Option<Duration>,
    /// How long a handshake may take, from accept or connect. Default 30 s (`ZMQ_HANDSHAKE_IVL`).
    pub handshake_timeout: Option<Duration>,
    /// Send a PING this often, also while this socket is full and reads nothing. Default none (`ZMQ_HEARTBEAT_IVL`).
    pub heartbeat_interval: Option<Duration>,
    /// What the peer is told to wait for our next sign of life. Default none (`ZMQ_HEARTBEAT_TTL`).
    pub heartbeat_ttl: Option<Duration>,
    /// How long to wait for an answer to a PING; whatever else the peer sends will do. A peer that is full does not answer,
    /// but sends PINGs of its own if it has an interval too. Default: the interval (`ZMQ_HEARTBEAT_TIMEOUT`).
    pub heartbeat_timeout: Option<Duration>,
    /// Which I/O threads may work for this socket: bit `n` allows thread `n`; 0 = any (`ZMQ_AFFINITY`).
    pub affinity: u64,
    /// Most connections of one listener at once, those in their handshake included; another one is closed before a byte is
    /// exchanged, and reported as [`Event::AcceptFailed`](crate::Event::AcceptFailed). Default 1 048 576.
    pub max_connections: usize,
    /// Most connections that a listener accepts from one address within a second if to answer them takes public-key
    /// cryptography (CURVE); others are closed as with `max_connections`, and may come back. Of IPv6 the first 64 bits are
    /// the address; peers that do not come over IP have one together. Default 1000.
    pub max_handshakes_per_second: u32,
    /// The same from all addresses together: what one listener spends on strangers, about a tenth of a millisecond of one
    /// processor for each. Default 4000.
    pub max_total_handshakes_per_second: u32,
    /// Connections in the middle of their handshake that one listener keeps; the oldest goes first. Default 1024.
    pub max_pending_handshakes: usize,
    /// Most bytes of commands accepted from a peer until it is admitted. Default 16 KiB; at least 2 KiB, which every
    /// mechanism makes do with.
    pub max_handshake_size: usize,
    /// Most bytes of metadata accepted from a peer: the properties of its READY, names and lengths included. Default
    /// 8 KiB; at least 512 bytes, for a socket type and a routing id.
    pub max_metadata_size: usize,
    /// Most PINGs accepted from a peer within a second; the connection that exceeds it is closed. Default 10 000.
    pub max_pings_per_second: u32,
    /// Most subscriptions a publisher takes from one peer, and most that an XPUB keeps until it is received from; the
    /// connection that exceeds it is closed. Peers in this process are not counted. Default 4 194 304.
    pub max_subscriptions: usize,
    /// The same in bytes: the topics of one peer together. Default 256 MiB.
    pub max_subscription_bytes: usize,
    /// The oldest version of the protocol in which a peer is spoken to; a connection to an older one is closed. Old
    /// versions have no security, so they are refused on a socket that asks for some. Default
    /// [`ZmtpVersion::V2_0`]; libzmq: 1.0.
    pub oldest_zmtp: ZmtpVersion,
    /// What the kernel is asked for, for transports over kernel streams.
    pub stream: StreamOptions,
}

/// What a transport over kernel streams asks the kernel for. Each transport uses what it understands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamOptions {
    /// Kernel send buffer in bytes. Default: over TCP the system's, over ipc 512 KiB if the system's is smaller and as far as
    /// it allows that (`ZMQ_SNDBUF`).
    pub send_buffer: Option<usize>,
    /// Kernel receive buffer in bytes. Default: the system's (`ZMQ_RCVBUF`).
    pub recv_buffer: Option<usize>,
    /// Connections waiting to be accepted. Default 100 (`ZMQ_BACKLOG`).
    pub backlog: u32,
    /// Allow IPv6. Default off (`ZMQ_IPV6`).
    pub ipv6: bool,
    /// TCP keep-alive on or off. Default: the system's (`ZMQ_TCP_KEEPALIVE`).
    pub keepalive: Option<bool>,
    /// Probes before the connection is dropped (`ZMQ_TCP_KEEPALIVE_CNT`).
    pub keepalive_count: Option<u32>,
    /// Idle time before the first probe (`ZMQ_TCP_KEEPALIVE_IDLE`).
    pub keepalive_idle: Option<Duration>,
    /// Time between probes (`ZMQ_TCP_KEEPALIVE_INTVL`).
    pub keepalive_interval: Option<Duration>,
    /// How long sent data may stay unacknowledged before the connection is dropped (`ZMQ_TCP_MAXRT`).
    pub max_retransmit: Option<Duration>,
    /// IP type of service. Default 0 (`ZMQ_TOS`).
    pub type_of_service: u8,
    /// Bind to this network device (`ZMQ_BINDTODEVICE`).
    pub device: Option<String>,
    /// From where a tcp listener takes connections; others are closed before a byte is exchanged, and reported as
    /// [`Event::AcceptFailed`](crate::Event::AcceptFailed). Default empty: from anywhere (`ZMQ_TCP_ACCEPT_FILTER`).
    pub accept_from: Vec<Network>,
    /// Which users an ipc listener takes connections from, as the kernel vouches for them. If this, `accept_groups` or
    /// `accept_processes` is not empty, a peer must be in one of them; others are closed as with `accept_from`. Default
    /// empty (`ZMQ_IPC_FILTER_UID`).
    pub accept_users: Vec<u32>,
    /// The same for groups: the first group of the peer's process (`ZMQ_IPC_FILTER_GID`).
    pub accept_groups: Vec<u32>,
    /// The same for processes, where the system tells their numbers (`ZMQ_IPC_FILTER_PID`).
    pub accept_processes: Vec<i32>,
    /// The permissions of the file that an ipc bind makes, such as 0o600; in force before anybody can connect. Default:
    /// what the process's umask leaves.
    pub file_mode: Option<u32>,
    /// A socket that is bound already, as a supervisor hands it over; the next bind of this kind listens on a copy of it
    /// and uses the endpoint's address only to choose the transport. It is made non-blocking, and stays open as long as
    /// it is held here. Default none (`ZMQ_USE_FD`).
    pub listen_fd: Option<Arc<OwnedFd>>,
    /// Connect by way of this proxy, which also looks names up; tcp alone, and not for bind. An attempt takes at most
    /// [`connect_timeout`](Options::connect_timeout), or without one
    /// [`handshake_timeout`](Options::handshake_timeout). Default none (`ZMQ_SOCKS_PROXY`).
    pub socks_proxy: Option<SocksProxy>,
}

/// A SOCKS5 proxy (RFC 1928): where it is, and who asks it.
#[derive(Clone, PartialEq, Eq)]
pub struct SocksProxy {
    address: String,
    user: Option<(String, String)>,
}

impl SocksProxy {
    /// The proxy at `address`, host and port as in `192.168.1.1:1080` or `proxy.example:1080` (`ZMQ_SOCKS_PROXY`).
    pub fn new(address: impl Into<String>) -> SocksProxy {
        SocksProxy { address: address.into(), user: None }
    }

    /// With a user name and a password of 1 to 255 bytes each, for a proxy that asks for them (RFC 1929;
    /// `ZMQ_SOCKS_USERNAME`, `ZMQ_SOCKS_PASSWORD`). They go to it in clear.
    #[must_use]
    pub fn with_password(self, user: impl Into<String>, password: impl Into<String>) -> SocksProxy {
        SocksProxy { user: Some((user.into(), password.into())), ..self }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The user name and the password.
    pub fn user(&self) -> Option<(&str, &str)> {
        self.user.as_ref().map(|(name, password)| (name.as_str(), password.as_str()))
    }
}

impl fmt::Debug for SocksProxy {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("SocksProxy")
            .field("address", &self.address)
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

/// A version of ZMTP, the protocol on the wire. Later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZmtpVersion {
    /// RFC 13: libzmq 2.x. Without subscriptions, socket types and heartbeats on the wire: a publisher sends such a
    /// peer everything, and the peer filters.
    V1_0,
    /// RFC 15: libzmq 3.x. Subscriptions are messages; no heartbeats.
    V2_0,
    /// RFC 23: libzmq 4.0 and 4.1.
    V3_0,
    /// RFC 37: libzmq 4.2 and later.
    V3_1,
}

impl fmt::Display for ZmtpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ZmtpVersion::V1_0 => "1.0",
            ZmtpVersion::V2_0 => "2.0",
            ZmtpVersion::V3_0 => "3.0",
            ZmtpVersion::V3_1 => "3.1",
        })
    }
}

/// Which subscription messages an XPUB shows to the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XPubVerbosity {
    /// The first subscription to a topic and the last cancellation.
    #[default]
    Changes,
    /// Every subscription, and the last cancellation (`ZMQ_XPUB_VERBOSE`).
    Subscriptions,
    /// Every subscription and every cancellation (`ZMQ_XPUB_VERBOSER`).
    All,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            send_hwm: 1000,
            recv_hwm: 1000,
            conflate: false,
            security: Security::default(),
            authenticator: None,
            max_message_size: None,
            max_frames: 8192,
            send_timeout: None,
            recv_timeout: None,
            interruptible: false,
            busy_wait: true,
            linger: Some(Duration::from_secs(1)),
            immediate: false,
            routing_id: Bytes::new(),
            connect_routing_id: Bytes::new(),
            router_mandatory: true,
            router_notify_connect: false,
            router_notify_disconnect: false,
            router_handover: false,
            stream_notify: true,
            probe_router: false,
            req_correlate: true,
            req_relaxed: true,
            subscriptions: Vec::new(),
            invert_matching: false,
            xpub_verbosity: XPubVerbosity::Changes,
            xpub_manual: false,
            xpub_manual_last_value: false,
            xpub_welcome_message: None,
            hello_message: None,
            disconnect_message: None,
            hiccup_message: None,
            metadata: Vec::new(),
            xpub_nodrop: false,
            reconnect_interval: Some(Duration::from_millis(100)),
            reconnect_interval_max: None,
            connect_timeout: None,
            handshake_timeout: Some(Duration::from_secs(30)),
            heartbeat_interval: None,
            heartbeat_ttl: None,
            heartbeat_timeout: None,
            affinity: 0,
            max_connections: 1 << 20,
            max_handshakes_per_second: 1000,
            max_total_handshakes_per_second: 4000,
            max_pending_handshakes: 1024,
            max_handshake_size: 16 * 1024,
            max_metadata_size: 8 * 1024,
            max_pings_per_second: 10_000,
            max_subscriptions: 4 << 20,
            max_subscription_bytes: 256 << 20,
            oldest_zmtp: ZmtpVersion::V2_0,
            stream: StreamOptions::default(),
        }
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            send_buffer: None,
            recv_buffer: None,
            backlog: 100,
            ipv6: false,
            keepalive: None,
            keepalive_count: None,
            keepalive_idle: None,
            keepalive_interval: None,
            max_retransmit: None,
            type_of_service: 0,
            device: None,
            accept_from: Vec::new(),
            accept_users: Vec::new(),
            accept_groups: Vec::new(),
            accept_processes: Vec::new(),
            file_mode: None,
            listen_fd: None,
            socks_proxy: None,
        }
    }
}

impl Options {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for the first value that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |option, reason: &str| Err(Error::InvalidOption { option, reason: reason.to_owned() });
        for (option, id) in
            [("routing_id", &self.routing_id), ("connect_routing_id", &self.connect_routing_id)]
        {
            if id.len() > 255 {
                return refuse(option, "it may have at most 255 bytes");
            }
            if id.first() == Some(&0) {
                return refuse(
                    option,
                    "the first byte may not be zero; such ids are generated by ROUTER sockets",
                );
            }
        }
        self.validate_metadata()?;
        // The wire carries the TTL in tenths of a second in 16 bits (RFC 37).
        if self.heartbeat_ttl.is_some_and(|ttl| ttl > Duration::from_millis(6_553_500)) {
            return refuse("heartbeat_ttl", "it may be at most 6553.5 s");
        }
        for (option, time) in [
            ("reconnect_interval", self.reconnect_interval),
            ("reconnect_interval_max", self.reconnect_interval_max),
            ("connect_timeout", self.connect_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_timeout", self.heartbeat_timeout),
        ] {
            if time.is_some_and(|time| time.is_zero()) {
                return refuse(option, "zero is not a time to wait; use None to switch it off");
            }
        }
        let mechanism = self.security.mechanism();
        if mechanism.needs_authenticator() && self.authenticator.is_none() {
            return refuse(
                "authenticator",
                "a server must say who may come in: Authenticator::passwords or keys, new with a function of your \
                 own, or anyone",
            );
        }
        if mechanism.role() == Role::Client && self.authenticator.is_some() {
            return refuse("authenticator", "a client has nobody to judge; set it on the server");
        }
        if !(1..=20).contains(&mechanism.name().len()) {
            return refuse("security", "the name of a mechanism has 1 to 20 bytes (RFC 37)");
        }
        if self.max_frames == 0 {
            return refuse("max_frames", "a message has at least one frame");
        }
        if self.max_handshake_size < 2048 {
            return refuse("max_handshake_size", "an honest handshake takes up to 2048 bytes");
        }
        if self.max_metadata_size < 512 {
            return refuse("max_metadata_size", "an honest peer needs up to 512 bytes");
        }
        if self.max_pings_per_second == 0 {
            return refuse("max_pings_per_second", "a peer may check now and then that we are here");
        }
        if self.max_subscriptions == 0 {
            return refuse("max_subscriptions", "a peer that may not subscribe gets nothing");
        }
        if self.max_connections == 0 {
            return refuse("max_connections", "a listener that lets nobody in is of no use");
        }
        for (option, limit) in [
            ("max_handshakes_per_second", self.max_handshakes_per_second),
            ("max_total_handshakes_per_second", self.max_total_handshakes_per_second),
        ] {
            if limit == 0 {
                return refuse(option, "at least one is needed to let anybody in");
            }
        }
        if self.max_pending_handshakes == 0 {
            return refuse("max_pending_handshakes", "at least one is needed to accept anybody");
        }
        Ok(())
    }

    /// Checks what depends on the socket type, and everything else.
    pub(crate) fn validate_for(&self, socket_type: SocketType) -> Result<()> {
        use SocketType::{Dealer, Pair, Pull, Push, Router};
        self.validate()?;
        if socket_type == SocketType::Stream && (!self.security.is_null() || self.authenticator.is_some()) {
            let reason = "a STREAM socket has no handshake in which anybody could be judged".to_owned();
            return Err(Error::InvalidOption { option: "security", reason });
        }
        for (option, message, types) in [
            ("hello_message", &self.hello_message, [Pair, Dealer, Router, Push]),
            ("disconnect_message", &self.disconnect_message, [Pair, Dealer, Router, Pull]),
            ("hiccup_message", &self.hiccup_message, [Pair, Dealer, Router, Pull]),
        ] {
            if message.is_some() && !types.contains(&socket_type) {
                let [a, b, c, d] = types;
                let reason = format!("it is for {a}, {b}, {c} and {d} sockets, not for {socket_type}");
                return Err(Error::InvalidOption { option, reason });
            }
        }
        Ok(())
    }

    fn validate_metadata(&self) -> Result<()> {
        let refuse = |reason| Err(Error::InvalidOption { option: "metadata", reason });
        let mut size = 0_usize;
        for (index, (name, value)) in self.metadata.iter().enumerate() {
            let named = name.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("X-"));
            if !named || !(3..=255).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return refuse(format!(
                    "\"{}\" is not X- and up to 253 printable letters",
                    name.escape_debug()
                ));
            }
            if self.metadata.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return refuse(format!("\"{name}\" is there twice; a property has one value"));
            }
            size = size.saturating_add(5).saturating_add(name.len()).saturating_add(value.len());
        }
        if size > 7 * 1024 || self.metadata.len() > 60 {
            return refuse("peers take 7 KiB and 60 properties at most".to_owned());
        }
        Ok(())
    }
}
