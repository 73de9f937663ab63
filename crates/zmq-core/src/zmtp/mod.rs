//! ZMTP, the wire protocol of ZeroMQ, as an engine without socket and clock.
//!
//! Bytes in, events out; messages in, bytes out; time is an argument. Whoever owns the stream drives the [`Engine`],
//! and the same engine runs under tcp, under a fuzzer and under virtual time.
//!
//! ```text
//!  stream -> next_event -> Greeting -> Handshake -> frames -> Assembly -> Event::Message
//!            body_to_fill ------------------------^   |
//!                                                     +-> PING, SUBSCRIBE, CANCEL
//!  stream <- output <- Output <- push(&Message)
//! ```
//!
//! | module | knows |
//! | --- | --- |
//! | `engine` | the phases of a connection; it only dispatches |
//! | `greeting` | how versions and mechanisms are told apart |
//! | `handshake` | what is exchanged until the peer is known; its metadata |
//! | [`mechanism`] | the seam for security mechanisms; `null` and `plain` stand on it |
//! | `sealed` | frames of a connection that a mechanism protects |
//! | `identity` | the handshake of ZMTP 1.0 and 2.0, which have no mechanisms |
//! | `frame` | the layout of a frame, in every version |
//! | `decoder`, `assembly` | bytes into frames, frames into messages, within bounds |
//! | `output` | frames into bytes, copied when small, referenced when large |
//! | `command` | the bodies of commands |
//! | `timers` | deadlines: handshake, heartbeat, the peer's time to live |
//!
//! # Compatibility
//! Speaks ZMTP 3.1 (RFC 37) and 3.0 (RFC 23) with NULL, PLAIN (RFC 24) or any other [`mechanism`], and, as far as
//! `oldest_zmtp` allows and nothing but NULL is asked for, 2.0 (RFC 15) and 1.0 (RFC 13), as libzmq does where libzmq
//! and the RFCs differ: both sides send READY at once, a server may leave the as-server byte zero, a peer may leave out
//! its socket type, a PING is sent to 3.0 peers too, ERROR after the handshake is ignored, a 1.0 subscriber counts as
//! subscribed to everything and a 1.0 publisher is told of no subscription. It is stricter than libzmq where no honest
//! peer notices: reserved flag bits, commands in several frames, a handshake outside of commands, duplicate properties,
//! the socket type of a 2.0 peer.
//!
//! A STREAM socket speaks no ZMTP: its engine makes a message of whatever was read, and writes bodies without headers.
//!
//! # Bounds
//! Until the handshake is over an engine holds at most one command of what the peer sent, and takes 16 KiB at most
//! (`max_metadata_size`, `max_handshake_size`). After it, what it holds is at most twice what arrived of the message
//! that is arriving, plus 64 KiB, plus the size of a [`Frame`](crate::Frame) for each part; the option values
//! `max_message_size` and `max_frames` bound both.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::arithmetic_side_effects
    )
)]

mod assembly;
mod command;
mod config;
mod decoder;
mod engine;
mod error;
mod frame;
mod greeting;
pub(crate) mod handshake;
mod identity;
pub mod mechanism;
pub(crate) mod null;
#[expect(clippy::arithmetic_side_effects, reason = "it counts bytes of our own that are in memory")]
mod output;
pub(crate) mod plain;
mod sealed;
mod timers;

pub use config::Config;
pub use engine::{Engine, Event};
pub use error::ProtocolError;
#[cfg(all(test, not(loom)))]
pub(crate) use frame::messages;
pub(crate) use output::{COPIED_UP_TO, Output};
