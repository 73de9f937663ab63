//! Routing strategies and the socket types composed of them.
//!
//! Users take the facade crate `zmq-native`. Here: four strategies over pipes ([`LoadBalance`], [`FairQueue`],
//! [`FanOut`], [`PrefixFilter`](prefix_filter::PrefixFilter)), the twelve [patterns](pattern) made of them, the typed
//! [`Socket`], the run-time typed [`AnySocket`], the [`Poller`] and the [`proxy`](fn@proxy). No I/O in sight: what
//! connects the pipes to the world is in `zmq-core`.

#![forbid(unsafe_code)]

mod any;
mod builder;
mod descriptor;
mod fair_queue;
mod fan_out;
pub mod kind;
mod load_balance;
mod partition;
pub mod pattern;
mod patterns;
mod poller;
pub mod prefix_filter;
mod proxy;
mod router;
mod socket;
mod split;
mod typed;

pub use any::AnySocket;
pub use builder::Builder;
pub use descriptor::{Descriptor, Readiness};
pub use fair_queue::FairQueue;
pub use fan_out::FanOut;
pub use load_balance::LoadBalance;
pub use poller::{PollEvent, Pollable, Poller};
pub use proxy::{proxy, proxy_steerable, proxy_waiting_for_capture, proxy_with_capture};
pub use socket::{CanReceive, CanSend, CanSplit, DefaultContext, Environment, Explicit, Kind, Socket};
pub use split::{Receiver, Sender};
pub use typed::{Published, Reply, RoutingId};
