//! Wakes whoever waits on a poll.

use mio::{Registry, Token, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

/// The token under which a poll reports its bell; nothing else has it.
pub(crate) const BELL: Token = Token(usize::MAX);

/// What a poll is woken by. Ringing twice before it was heard costs no more than ringing once.
pub(crate) struct Bell {
    waker: Waker,
    /// A wake is on its way that nobody has heard yet.
    rung: AtomicBool,
}

impl Bell {
    /// The bell of a poll; it has one.
    pub(crate) fn new(registry: &Registry) -> io::Result<Arc<Bell>> {
        Ok(Arc::new(Bell { waker: Waker::new(registry, BELL)?, rung: AtomicBool::new(false) }))
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Fails only if the poll is broken, and then nobody can be woken by it anyway.
            let _ = self.waker.wake();
        }
    }

    /// To be called after each poll, before a look at what it was rung for: whoever brings something from now on rings
    /// again.
    pub(crate) fn hear(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn a_bell_rings_until_it_is_heard() {
        let mut poll = Poll::new().unwrap();
        let bell = Bell::new(poll.registry()).unwrap();
        let mut events = Events::with_capacity(8);
        let mut reports = || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            events.iter().filter(|event| event.token() == BELL).count()
        };
        assert_eq!(reports(), 0);
        bell.ring();
        bell.wake_by_ref();
        assert_eq!(reports(), 1);
        bell.ring();
        assert_eq!(reports(), 0, "it was not heard yet");
        bell.hear();
        bell.ring();
        assert_eq!(reports(), 1);
    }
}
