//! For authors of transports: a conformance suite, and a decorator that makes any transport misbehave. Behind the
//! feature `testing`, which belongs among the `[dev-dependencies]`.
//!
//! ```ignore
//! #[test]
//! fn my_transport_conforms() {
//!     zmq_core::testing::conformance(&MyTransport::new(), || "127.0.0.1:0".to_owned());
//! }
//! ```
//!
//! [`conformance`] checks a transport by itself, against the contract in [`transport`](crate::transport). To see that
//! sockets work over it, run them over [`Faulty`] of it too. [`Connected`] and [`connect`] are for tests of what is a
//! transport's own.
//!
//! A [`Simulation`] turns whole contexts by hand, in virtual time.

mod conformance;
mod connected;
mod faulty;
mod rig;
mod simulation;

pub use conformance::conformance;
pub use connected::{Connected, connect};
pub use faulty::{Faults, Faulty};
pub use simulation::{Place, Simulation};

/// What an answer of a ZAP handler, with all its frames, means for the peer (RFC 27). `None`: it is none, and the peer
/// is kept out.
pub fn zap_verdict(answer: &crate::Message) -> Option<crate::security::Verdict> {
    crate::reactor::zap_verdict(answer)
}

/// Says that a test does not do all of its work here, and why. Written to the standard error itself: what a passing
/// test prints with `println!` is hidden by its harness.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped: {}: {why}", thread.name().unwrap_or("a test"));
}
