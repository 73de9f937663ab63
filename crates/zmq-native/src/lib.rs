//! ZeroMQ in pure Rust: sockets that carry whole messages in-process, between processes and across machines.
//!
//! ```
//! # fn main() -> zmq::Result<()> {
//! let mut pull = zmq::Pull::bind("inproc://tasks")?;
//! let mut push = zmq::Push::connect("inproc://tasks")?;
//! push.send("task 1")?;
//! assert_eq!(pull.recv()?.as_str(), Ok("task 1"));
//! # Ok(())
//! # }
//! ```
//!
//! * The socket types: [`Pair`], [`Req`], [`Rep`], [`Dealer`], [`Router`], [`Pub`], [`Sub`], [`XPub`], [`XSub`], [`Push`], [`Pull`], [`Stream`];
//!   [`AnySocket`] for a type chosen at run time. What they can do is documented at [`zmq_patterns::Socket`].
//! * Endpoints: `tcp://host:port`, `ipc://path`, `inproc://name`; each transport is a feature, all on by default.
//! * [`Options`], set on a builder before the first endpoint; [`Stats`] and [`Monitor`] to see what happens.
//! * [`security`]: who may come in, by password, address or a function of your own; [`z85`] writes keys as text.
//! * [`Poller`] and [`proxy`](fn@proxy) for many sockets.
//! * [`context`] is the default context; [`context_builder`] makes explicit ones.
//! * [`transport`] is what to implement for a scheme of your own; [`ContextBuilder::transport`] registers it.
//!
//! # What cannot be done does not compile
//! ```compile_fail
//! let mut publisher = zmq::Pub::bind("inproc://news")?;
//! publisher.recv()?; // a PUB only sends
//! # Ok::<(), zmq::Error>(())
//! ```
//!
//! Generic code names what it needs: [`CanSend`], [`CanReceive`], [`CanSplit`] or any [`Kind`].
//! ```
//! fn send_all<K: zmq::CanSend>(socket: &mut zmq::Socket<K>, lines: &[&str]) -> zmq::Result<()> {
//!     lines.iter().try_for_each(|line| Ok(socket.send(*line)?))
//! }
//! # let mut pull = zmq::Pull::bind("inproc://lines")?;
//! # send_all(&mut zmq::Push::connect("inproc://lines")?, &["a line"])?;
//! # assert_eq!(pull.recv()?.as_str(), Ok("a line"));
//! # Ok::<(), zmq::Error>(())
//! ```
//!
//! # Waiting
//! `send` and `recv` wait, for as long as [`Options::send_timeout`] and [`Options::recv_timeout`] say; `send_timeout` and
//! `recv_timeout` wait for a time; `try_send` and `try_recv` never wait; `recv_many` and `try_recv_many` take all that is
//! there in one call. A message that was not sent is in the
//! [`SendError`]. [`Context::shutdown`] ends every wait with [`Error::Terminated`]. Dropping a socket never waits; dropping
//! the last handle of a context does, for what its sockets may still send within their [linger](Options::linger) time.
//!
//! # Cargo features
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `tcp` | on | `tcp://`, over IPv4 and IPv6 |
//! | `ipc` | on | `ipc://`, over Unix domain sockets |
//! | `inproc` | on | `inproc://`, between threads |
//! | `curve` | off | `zmq::curve`: CURVE, which encrypts and authenticates (Rust 1.89) |
//!
//! They add and never change anything. With none of them a context has the transports that are registered on it.
//!
//! # Further reading
//! The [ZeroMQ Guide](https://zguide.zeromq.org/) explains the patterns; the README of this crate has a table for those who
//! come from the `zmq` crate and says where a message can wait; `ARCHITECTURE.md` says how the library is built.

#![forbid(unsafe_code)]

use std::sync::Mutex;

pub use bytes::Bytes;
pub use zmq_core::zmtp::ProtocolError;
pub use zmq_core::{
    Context, ContextBuilder, Credentials, DisconnectReason, Dropped, Endpoint, Error, Event, Frame, HeapBody,
    Message, Monitor, MonitorStopper, Options, Peer, Process, Result, SendError, SocketType, Stats, Stopper,
    Undelivered, UnknownSocketType, Wanted, Watcher, WeakContext, direct, options, security, transport, z85,
};
pub use zmq_patterns::{
    AnySocket, CanReceive, CanSend, CanSplit, DefaultContext, Descriptor, Environment, Kind, PollEvent,
    Pollable, Poller, Published, Readiness, Receiver, RoutingId, Sender, kind, proxy, proxy_steerable,
    proxy_waiting_for_capture, proxy_with_capture,
};

#[cfg(feature = "curve")]
pub use zmq_curve as curve;

/// The environment of this crate's sockets: a context with every transport whose feature is on, made when it is first
/// needed and gone with its last socket.
#[derive(Clone, Copy, Debug)]
pub enum Native {}

impl zmq_patterns::Environment for Native {}

impl zmq_patterns::DefaultContext for Native {
    fn context() -> Result<Context> {
        context()
    }
}

/// A socket of type `K`; see [`zmq_patterns::Socket`].
pub type Socket<K> = zmq_patterns::Socket<K, Native>;

/// Makes a socket of type `K` with options; see [`zmq_patterns::Builder`].
pub type Builder<K> = zmq_patterns::Builder<K, Native>;

/// The right to reply to one request; see [`zmq_patterns::Reply`].
pub type Reply<'a> = zmq_patterns::Reply<'a, Native>;

macro_rules! aliases {
    ($($name:ident $what:literal;)*) => {$(
        #[doc = concat!("A ", $what, " socket.")]
        pub type $name = Socket<kind::$name>;
    )*};
}

aliases! {
    Pair "PAIR: one peer, both ways";
    Pub "PUB: to every subscriber that matches";
    Sub "SUB: from every publisher, filtered";
    Req "REQ: a request, then its reply";
    Rep "REP: a request, then our reply";
    Dealer "DEALER: to the peers in turn, from all of them fairly";
    Router "ROUTER: to and from peers by name";
    Pull "PULL: from the pushing peers fairly";
    Push "PUSH: to the pulling peers in turn";
    XPub "XPUB: a PUB that shows subscriptions";
    XSub "XSUB: a SUB that subscribes by sending";
    Stream "STREAM: bytes to and from programs that are not ZeroMQ, by name";
}

/// The default context: made when it is first needed, gone with the last socket in it.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn context() -> Result<Context> {
    static DEFAULT: Mutex<zmq_core::WeakContext> = Mutex::new(zmq_core::WeakContext::new());
    let mut default = DEFAULT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(context) = default.upgrade().filter(|context| !context.is_inherited()) {
        return Ok(context);
    }
    let context = context_builder().build()?;
    *default = context.downgrade();
    Ok(context)
}

/// Sets a context up that has every transport whose feature is on.
pub fn context_builder() -> ContextBuilder {
    let builder = Context::builder();
    #[cfg(feature = "tcp")]
    let builder = builder.transport(zmq_transport_tcp::Tcp::new());
    #[cfg(feature = "ipc")]
    let builder = builder.transport(zmq_transport_ipc::Ipc::new());
    #[cfg(feature = "inproc")]
    let builder = builder.transport(zmq_transport_inproc::Inproc::new());
    builder
}

/// The version of this crate: major, minor, patch (`zmq_version`).
pub const fn version() -> (u32, u32, u32) {
    const fn number(text: &str) -> u32 {
        let bytes = text.as_bytes();
        let (mut value, mut index) = (0, 0);
        while index < bytes.len() {
            value = value * 10 + (bytes[index] - b'0') as u32;
            index += 1;
        }
        value
    }
    (
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

// One of its examples needs the feature.
#[cfg(all(doctest, feature = "curve"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
