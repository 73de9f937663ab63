//! Sleeping on a poll so that a signal ends it.
//!
//! `epoll_wait(2)` says `EINTR` for less than that: also when the process was stopped and goes on, or a debugger comes. `poll(2)` then
//! waits on, and a poll's own descriptor is readable when it has events.

use mio::{Events, Poll};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll as poll_descriptors};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// As [`Poll::poll`], at the price of one more system call if it sleeps.
///
/// # Errors
/// [`Interrupted`](io::ErrorKind::Interrupted): a signal handler ran. There are no events then.
pub(crate) fn until_signal(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    if timeout != Some(Duration::ZERO) {
        // They are those of the last poll.
        events.clear();
        let mut descriptors = [PollFd::new(poll.registry().as_fd(), PollFlags::POLLIN)];
        poll_descriptors(&mut descriptors, milliseconds(timeout))?;
    }
    match poll.poll(events, Some(Duration::ZERO)) {
        // It did not sleep.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        polled => polled,
    }
}

/// Rounded up: to wake up early would be to wake up twice.
fn milliseconds(timeout: Option<Duration>) -> PollTimeout {
    timeout.map_or(PollTimeout::NONE, |timeout| {
        PollTimeout::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::MAX)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_up() {
        let of = |timeout| i64::from(milliseconds(timeout));
        assert_eq!(of(None), -1);
        assert_eq!(of(Some(Duration::from_nanos(1))), 1);
        assert_eq!(of(Some(Duration::from_millis(7))), 7);
        assert_eq!(of(Some(Duration::from_millis(7) + Duration::from_nanos(1))), 8);
        assert_eq!(of(Some(Duration::MAX)), i64::from(i32::MAX));
    }
}
