//! Wakes whoever waits on a poll.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutant, mutant};
use mio::{Registry, Token, Waker};
use std::io;
use std::sync::Arc;
use std::task::Wake;

/// The token under which a poll reports its bell; nothing else has it.
pub(crate) const BELL: Token = Token(usize::MAX);

/// What a poll is woken by. Ringing twice before it was heard costs no more than ringing once.
pub(crate) struct Bell {
    waker: Waker,
    rung: Rung,
}

impl Bell {
    /// The bell of a poll; it has one.
    pub(crate) fn new(registry: &Registry) -> io::Result<Arc<Bell>> {
        Ok(Arc::new(Bell { waker: Waker::new(registry, BELL)?, rung: Rung::default() }))
    }

    pub(crate) fn ring(&self) {
        self.rung.ring(|| self.wake_poll());
    }

    /// Rings even if the last ring was not heard: its wake may have gone to a thread that could not look.
    pub(crate) fn ring_again(&self) {
        self.rung.ring_again(|| self.wake_poll());
    }

    /// To be called after each poll, before a look at what it was rung for: whoever brings something from now on rings
    /// again.
    pub(crate) fn hear(&self) {
        self.rung.hear();
    }

    /// Whether it was rung and not heard yet.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.0.load(Ordering::Acquire)
    }

    fn wake_poll(&self) {
        // Fails only if the poll is broken, and then nobody can be woken by it anyway.
        let _ = self.waker.wake();
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

/// Whether a wake is on its way that nobody has heard yet.
#[derive(Default)]
pub(crate) struct Rung(AtomicBool);

impl Rung {
    pub(crate) fn ring(&self, wake: impl FnOnce()) {
        if !self.0.swap(true, Ordering::AcqRel) {
            wake();
        }
    }

    pub(crate) fn ring_again(&self, wake: impl FnOnce()) {
        let unheard = self.0.swap(true, Ordering::AcqRel);
        if !unheard || !mutant(Mutant::BellRingsOnce) {
            wake();
        }
    }

    pub(crate) fn hear(&self) {
        self.0.swap(false, Ordering::AcqRel);
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
        bell.ring_again();
        assert_eq!(reports(), 1, "whether it was heard or not");
    }
}
