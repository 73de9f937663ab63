//! The socket types, each a composition of the strategies.

mod duplex;
mod publisher;
mod reply;
mod request;
mod shown;
mod subscriber;

pub(crate) use duplex::{Duplex, Silent};
pub(crate) use publisher::Publisher;
pub(crate) use reply::Replier;
pub(crate) use request::Requester;
pub(crate) use subscriber::Subscriber;

/// What a call says that the type system keeps from typed sockets.
pub(crate) const NO_RECEIVE: &str = "this socket type cannot receive";
/// The same for sending.
pub(crate) const NO_SEND: &str = "this socket type cannot send";
