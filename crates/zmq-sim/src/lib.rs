//! Whole contexts on a simulated network, in one thread and in virtual time.
//!
//! The sockets, sessions, reactors, the protocol engine and the work of the I/O thread are those that ship. What is
//! simulated is below and around them: the [`Network`] takes the place of the kernel's connections, and
//! `zmq_core::testing::Simulation` that of the clock and of the I/O thread. A seed decides everything: who talks to
//! whom and how ([`Plan`]), what the network does to it ([`Conditions`]), and in which order things happen. So
//! a seed that fails once fails always:
//!
//! ```text
//! cargo run --release -p zmq-sim -- --seed 4711
//! ```
//!
//! runs one seed and prints what happened and when.
//!
//! # What is checked
//! Whenever a message was sent or received, and often in between, for every socket: `written = delivered + queued + dropped`,
//! and the bytes that all sockets say they have written and read are those that crossed the network's border. Every message that arrives is whole and is what
//! was sent; none comes twice; what comes over one connection is in order.
//!
//! On a network that is slow and awkward but stable ([`Class::Stable`]): nothing is lost, and everything is in order.
//!
//! Where connections break ([`Class::Breaking`]) and bytes change ([`Class::Corrupting`]): when that has stopped, everybody
//! finds everybody again within a bounded (virtual) time, and from then on every message arrives.
//!
//! Where passwords or keys are asked for ([`Guard`]): one who has neither says nothing to anybody and hears nothing; and under CURVE
//! no damaged message arrives.
//!
//! Peers may be older: of ZMTP 3.0, 2.0 or 1.0, and connect or be connected to. Sockets of one context may be joined in their
//! process (`inproc://`), some of them or all. And the clock may leap by hours, as when a machine was suspended: no
//! connection that is whole is given up for it.
//!
//! In the end: every socket closes within its linger time, its books balance, and nothing of it is left.
//!
//! # What is not
//! Waiting (`recv` and `send` that block, the lease between threads, the poller), for there is one thread and the time is a
//! value: those have loom models. A corrupted connection is reset when the faults stop, as nothing above would find out; and
//! a socket that gave an endpoint up because of what it was told there (which is what it should do) is connected anew.

#![forbid(unsafe_code)]

mod books;
mod cast;
mod dice;
mod guard;
mod network;
mod old;
mod plan;
mod player;
mod run;

pub use dice::Dice;
pub use guard::Guard;
pub use network::{Conditions, Network, Ready, Traffic};
pub use plan::{Class, Plan, Shape};
pub use run::{Failure, Report, run};
