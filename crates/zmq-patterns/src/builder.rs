//! Options first, then the socket.

use crate::socket::{DefaultContext, Environment, Kind, Socket};
use bytes::Bytes;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use zmq_core::options::{Network, SocksProxy, XPubVerbosity, ZmtpVersion};
use zmq_core::security::{Authenticator, Security};
use zmq_core::{Context, Options, Result};

/// Makes a [`Socket`] with options. Each method sets the option of the same name; see [`Options`].
#[must_use = "a builder does nothing until build, bind or connect"]
pub struct Builder<K: Kind, E: Environment> {
    context: Option<Context>,
    options: Options,
    target: PhantomData<fn() -> (K, E)>,
}

impl<K: Kind, E: Environment> Builder<K, E> {
    pub(crate) fn new(context: Option<Context>) -> Self {
        Builder { context, options: Options::default(), target: PhantomData }
    }

    /// The context to live in.
    pub fn context(mut self, context: &Context) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// Takes all options from `options`.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Adds a topic to subscribe to: what begins with these bytes (SUB, XSUB).
    pub fn subscribe(mut self, topic: impl AsRef<[u8]>) -> Self {
        self.options.subscriptions.push(Bytes::copy_from_slice(topic.as_ref()));
        self
    }
}

impl<K: Kind, E: Environment> Builder<K, E> {
    /// Adds a property that peers find in [`Peer::property`](zmq_core::Peer::property); see [`Options::metadata`].
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.options.metadata.push((name.into(), value.into()));
        self
    }
}

impl<K: Kind, E: DefaultContext> Builder<K, E> {
    /// The socket, without endpoints.
    ///
    /// # Errors
    /// [`Error::InvalidOption`](zmq_core::Error::InvalidOption) and as [`Socket::new_in`].
    pub fn build(self) -> Result<Socket<K, E>> {
        let context = match self.context {
            Some(context) => context,
            None => E::context()?,
        };
        Socket::with_options(&context, self.options)
    }

    /// The socket, bound.
    ///
    /// # Errors
    /// As [`build`](Builder::build) and [`Socket::bind_to`].
    pub fn bind(self, endpoint: impl AsRef<str>) -> Result<Socket<K, E>> {
        let mut socket = self.build()?;
        socket.bind_to(endpoint)?;
        Ok(socket)
    }

    /// The socket, connecting.
    ///
    /// # Errors
    /// As [`build`](Builder::build) and [`Socket::connect_to`].
    pub fn connect(self, endpoint: impl AsRef<str>) -> Result<Socket<K, E>> {
        let mut socket = self.build()?;
        socket.connect_to(endpoint)?;
        Ok(socket)
    }
}

macro_rules! setters {
    ($($($path:ident).+: $type:ty;)*) => {
        impl<K: Kind, E: Environment> Builder<K, E> {
            $(setters!(@one $($path).+: $type);)*
        }
    };
    (@one $name:ident: $type:ty) => {
        #[doc = concat!("See [`Options::", stringify!($name), "`].")]
        pub fn $name(mut self, value: impl Into<$type>) -> Self {
            self.options.$name = value.into();
            self
        }
    };
    (@one stream.$name:ident: $type:ty) => {
        #[doc = concat!("See [`StreamOptions::", stringify!($name), "`](zmq_core::options::StreamOptions::",
            stringify!($name), ").")]
        pub fn $name(mut self, value: impl Into<$type>) -> Self {
            self.options.stream.$name = value.into();
            self
        }
    };
}

setters! {
    send_hwm: usize;
    recv_hwm: usize;
    conflate: bool;
    security: Security;
    authenticator: Option<Authenticator>;
    max_message_size: Option<u64>;
    max_frames: usize;
    send_timeout: Option<Duration>;
    recv_timeout: Option<Duration>;
    interruptible: bool;
    busy_wait: bool;
    linger: Option<Duration>;
    immediate: bool;
    routing_id: Bytes;
    connect_routing_id: Bytes;
    router_mandatory: bool;
    router_handover: bool;
    router_notify_connect: bool;
    router_notify_disconnect: bool;
    stream_notify: bool;
    probe_router: bool;
    req_correlate: bool;
    req_relaxed: bool;
    invert_matching: bool;
    xpub_verbosity: XPubVerbosity;
    xpub_manual: bool;
    xpub_manual_last_value: bool;
    xpub_welcome_message: Option<Bytes>;
    hello_message: Option<Bytes>;
    disconnect_message: Option<Bytes>;
    hiccup_message: Option<Bytes>;
    xpub_nodrop: bool;
    reconnect_interval: Option<Duration>;
    reconnect_interval_max: Option<Duration>;
    connect_timeout: Option<Duration>;
    handshake_timeout: Option<Duration>;
    heartbeat_interval: Option<Duration>;
    heartbeat_ttl: Option<Duration>;
    heartbeat_timeout: Option<Duration>;
    affinity: u64;
    max_connections: usize;
    max_handshakes_per_second: u32;
    max_total_handshakes_per_second: u32;
    max_pending_handshakes: usize;
    max_handshake_size: usize;
    max_metadata_size: usize;
    max_pings_per_second: u32;
    max_subscriptions: usize;
    max_subscription_bytes: usize;
    oldest_zmtp: ZmtpVersion;
    stream.send_buffer: Option<usize>;
    stream.recv_buffer: Option<usize>;
    stream.backlog: u32;
    stream.ipv6: bool;
    stream.keepalive: Option<bool>;
    stream.keepalive_count: Option<u32>;
    stream.keepalive_idle: Option<Duration>;
    stream.keepalive_interval: Option<Duration>;
    stream.max_retransmit: Option<Duration>;
    stream.type_of_service: u8;
    stream.device: Option<String>;
    stream.accept_from: Vec<Network>;
    stream.accept_users: Vec<u32>;
    stream.accept_groups: Vec<u32>;
    stream.accept_processes: Vec<i32>;
    stream.file_mode: Option<u32>;
    stream.listen_fd: Option<Arc<OwnedFd>>;
    stream.socks_proxy: Option<SocksProxy>;
}
