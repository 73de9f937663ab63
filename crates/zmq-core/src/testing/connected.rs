//! Two ends of one connection, for what a transport's own tests look at beyond the conformance suite.

use super::rig::{Pair, Rig, pattern};
use crate::options::StreamOptions;
use crate::transport::{Listener, PolledTransport, Stream};
use std::io;

/// A listener and both ends of one connection to it. Its methods panic where a test should fail, and never wait
/// without end.
pub struct Connected<'a> {
    rig: Rig<'a>,
    /// What was listened with.
    pub listener: Box<dyn Listener>,
    /// The end that connected.
    pub ours: Box<dyn Stream>,
    /// The end that was accepted.
    pub theirs: Box<dyn Stream>,
}

impl<'a> Connected<'a> {
    /// Listens on `address`, connects to what it became, and accepts.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn over(transport: &'a dyn PolledTransport, address: &str, options: &StreamOptions) -> Connected<'a> {
        let listener = transport.listen(address, options);
        let listener = listener.unwrap_or_else(|error| panic!("listen({address:?}): {error}"));
        let address = listener.local_address();
        Self::accepted_by(listener, transport, &address, options)
    }

    /// Connects to `address`, which must lead to `listener`, and accepts.
    ///
    /// # Panics
    /// If any of that fails.
    pub fn accepted_by(
        mut listener: Box<dyn Listener>,
        transport: &'a dyn PolledTransport,
        address: &str,
        options: &StreamOptions,
    ) -> Connected<'a> {
        let mut rig = Rig::with_options(transport, options);
        rig.register(&mut *listener, mio::Interest::READABLE);
        let Pair { ours, theirs } = rig.pair_at(address, &mut *listener);
        Connected { rig, listener, ours, theirs }
    }

    /// Sends `length` bytes each way and compares.
    ///
    /// # Panics
    /// If they do not arrive, or not as they were sent.
    pub fn exchange(&mut self, length: usize) {
        let bytes = pattern(length);
        self.rig.transfer(&mut *self.ours, &mut *self.theirs, &bytes);
        self.rig.transfer(&mut *self.theirs, &mut *self.ours, &bytes);
    }
}

/// Checks and resolves `address`, and connects to the first of what it stands for that answers.
///
/// # Errors
/// Why the last of them did not answer.
///
/// # Panics
/// If the address is malformed, or nothing happens for a long time.
pub fn connect(
    transport: &dyn PolledTransport,
    address: &str,
    options: &StreamOptions,
) -> io::Result<Box<dyn Stream>> {
    Rig::with_options(transport, options).connect(address)
}
