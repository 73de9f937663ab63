//! The core of ZeroMQ in pure Rust.
//!
//! Users take the facade crate `zmq-native`; this crate is for authors of transports and of patterns.
//!
//! # The way of one message
//! ```text
//!   application                                                            application
//!       | send                                                                 ^ receive
//!   +---v------------+                                            +------------+---+
//!   | routing        |  which pipe?              from which pipe? |        routing |   zmq-patterns
//!   +---+------------+                                            +------------^---+
//!       | Outlet                                                               | Inlet
//!   ====v==== frame pipe, HWM                            frame pipe, HWM ======^====   pipe, link
//!       |                                                                      |
//!   +---v------------+                                            +------------+---+
//!   | pump out       |  Session, Connection                       |        pump in |   reactor
//!   | encode         |  zmtp::Engine                              |         decode |   zmtp
//!   +---+------------+                                            +------------^---+
//!       | write                                                           read |
//!   ====v==============================  Stream  ==============================^====   transport
//! ```
//! Sockets of one process (`inproc://`) share the pipe itself: [`direct`].
//!
//! The part below the pipes is one [reactor](crate::transport) per socket: an object that is turned by the thread
//! that waits on the socket, or by an I/O thread if nobody does (`driver`, `lease`, `io_thread`).

#![deny(unsafe_code)]

mod backoff;
mod bell;
mod buffers;
mod bundle;
mod context;
pub mod direct;
mod driver;
mod endpoint;
mod error;
mod io_thread;
mod lease;
mod link;
mod mailbox;
mod message;
mod monitor;
mod network;
pub mod options;
mod peer;
pub mod pipe;
mod posted;
pub mod prefix_tree;
mod process;
mod reactor;
mod room;
pub mod security;
mod settings;
mod shared;
mod sleep;
mod socket;
mod socket_type;
mod spin;
mod stats;
pub mod subscriptions;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
mod waiter;
mod watcher;
mod world;
pub mod z85;
pub mod zmtp;

pub use backoff::Backoff;
pub use bundle::Bundle;
pub use context::{Context, ContextBuilder, Undelivered, WeakContext};
pub use endpoint::Endpoint;
pub use error::{Error, Result, SendError};
pub use link::{Inlet, Outlet};
pub use mailbox::{PipeEvent, PipeId};
pub use message::{Frame, HeapBody, Message};
pub use monitor::{DisconnectReason, Event, Monitor, MonitorStopper};
pub use options::Options;
pub use peer::{Credentials, Peer};
pub use process::Process;
pub use socket::{Direction, SocketBase, Stopper, Waited};
pub use socket_type::{SocketType, UnknownSocketType};
pub use stats::{Dropped, Stats};
pub use watcher::{Wanted, Watcher};
