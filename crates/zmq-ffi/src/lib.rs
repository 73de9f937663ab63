//! The C interface of ZeroMQ over zmq-native: a drop-in `libzmq.so.5`.
//!
//! A thin layer: it turns handles into sockets, numbers into options and errors into `errno`. Routing, protocol and
//! waiting are those of the Rust library.
//!
//! | module | knows |
//! | --- | --- |
//! | `c` | pointers: the exported functions, and nothing else; all `unsafe` is here |
//! | `handles` | which pointers were given out |
//! | `context`, `socket` | what stands behind them |
//! | `endpoint` | which endpoints libzmq refuses, and how |
//! | `options` | the numbers of options, their defaults and ranges |
//! | `polling` | waiting for sockets and descriptors |
//! | `monitor` | events as frames |
//! | `proxy` | proxies between them |
//! | `properties` | what `zmq_msg_gets` says |
//! | `timers` | `zmq_timers_*` |
//! | `error` | `errno` |
//!
//! `README.md` says how to install it, and what differs from libzmq.

#![deny(unsafe_code)]

pub mod c;
mod context;
mod endpoint;
mod error;
mod handles;
mod monitor;
mod options;
mod polling;
mod properties;
mod proxy;
mod socket;
mod timers;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a thread that panicked has left behind a lock is whole: panics happen outside of changes, or drop what they touch.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
