//! Passing messages between two sockets.

use crate::any::AnySocket;
use crate::poller::Poller;
use zmq_core::{Error, Message, Result};

/// Messages passed in one direction before the other is looked at (libzmq's `proxy_burst_size`).
const BURST: usize = 1000;

const FRONTEND: usize = 0;
const BACKEND: usize = 1;

/// Passes every message from one socket to the other and back, until the context is shut down: ROUTER and DEALER make
/// a request broker, XSUB and XPUB a forwarder, PULL and PUSH a streamer (`zmq_proxy`).
///
/// # Errors
/// [`Error::Terminated`] when the context is shut down; others if a socket cannot pass what it is given.
pub fn proxy(frontend: &mut AnySocket, backend: &mut AnySocket) -> Result<()> {
    run(frontend, backend, None)
}

/// As [`proxy`](fn@proxy), and sends a copy of each message to `capture` (PUB, PUSH, DEALER or PAIR), which does not
/// hold the others up: copies that it cannot take are dropped.
///
/// # Errors
/// As [`proxy`](fn@proxy).
pub fn proxy_with_capture(
    frontend: &mut AnySocket,
    backend: &mut AnySocket,
    capture: &mut AnySocket,
) -> Result<()> {
    run(frontend, backend, Some(capture))
}

fn run(frontend: &mut AnySocket, backend: &mut AnySocket, mut capture: Option<&mut AnySocket>) -> Result<()> {
    let mut poller = Poller::new()?;
    poller.add(frontend, FRONTEND)?;
    poller.add(backend, BACKEND)?;
    loop {
        let (mut from_front, mut from_back) = (false, false);
        for event in poller.wait(None)? {
            from_front |= event.key() == FRONTEND && event.is_readable();
            from_back |= event.key() == BACKEND && event.is_readable();
        }
        if from_front {
            pass(frontend, backend, capture.as_deref_mut())?;
        }
        if from_back {
            pass(backend, frontend, capture.as_deref_mut())?;
        }
    }
}

/// Passes what is there; waits for room at the other side, as the patterns do.
fn pass(from: &mut AnySocket, to: &mut AnySocket, mut capture: Option<&mut AnySocket>) -> Result<()> {
    for _ in 0..BURST {
        let message = match from.try_recv() {
            Ok(message) => message,
            Err(Error::WouldBlock) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(capture) = capture.as_deref_mut() {
            copy(capture, &message);
        }
        match to.send(message) {
            Ok(()) => {}
            // The peer it was meant for has gone.
            Err(failed) if matches!(failed.error, Error::Unroutable { .. }) => {}
            Err(failed) => return Err(failed.error),
        }
    }
    Ok(())
}

fn copy(capture: &mut AnySocket, message: &Message) {
    let _ = capture.try_send(message.clone());
}
