//! Our sockets against libzmq's, in one process.

mod common;
mod heartbeats;
mod load;
mod pairs;
mod reconnect;
mod requests;
mod routing;
mod streams;
mod subscriptions;
