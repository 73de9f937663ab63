//! How a thread (or a task) waits until somebody has something for it.
//!
//! Waiting is kept apart from queueing: a waiter knows nothing of what it waits for. The rule of its users:
//! *first* make the news visible, *then* [`wake`](Waiter::wake); and on the other side, after every
//! [`begin`](Waiter::begin) that answers `false`, every [`take_news`](Waiter::take_news) and every [`end`](Waiter::end)
//! look for news again.

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutant, Mutex, lock, mutant, thread};
use std::time::Instant;

/// Not waiting; no news since it last looked.
const RUNNING: u8 = 0;
/// About to sleep, or asleep: whoever has news must ring.
const SLEEPING: u8 = 1;
/// Not waiting; news came since it last looked.
const NOTIFIED: u8 = 2;

/// One waiting thread or task. Any number of others may wake it.
#[derive(Default)]
pub(crate) struct Waiter {
    /// `RUNNING` and `SLEEPING` are set by the owner, `NOTIFIED` by the others. Every change is a read-modify-write,
    /// so that the owner learns of news that came before it slept, and the others learn that it sleeps.
    state: AtomicU8,
    /// Set by the owner before it becomes `SLEEPING`.
    sleeper: Mutex<Option<Sleeper>>,
}

/// What has to be rung to wake the owner.
#[derive(Clone)]
pub(crate) enum Sleeper {
    /// A thread that parks.
    Thread(thread::Thread),
    /// A thread in the poll of a driver, or a task of some runtime.
    Task(std::task::Waker),
}

impl Sleeper {
    fn ring(&self) {
        match self {
            Sleeper::Thread(thread) => thread.unpark(),
            Sleeper::Task(waker) => waker.wake_by_ref(),
        }
    }
}

impl Waiter {
    /// Tells the owner that there is news. Costs one read-modify-write; rings only if the owner sleeps.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == SLEEPING {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        if mutant(Mutant::WaiterRingSkipped) {
            return;
        }
        if let Some(sleeper) = &*lock(&self.sleeper) {
            sleeper.ring();
        }
    }

    /// Announces that the owner is about to sleep and how to wake it. `false`: there is news, do not sleep.
    #[must_use]
    pub(crate) fn begin(&self, sleeper: &Sleeper) -> bool {
        *lock(&self.sleeper) = Some(sleeper.clone());
        if mutant(Mutant::WaiterBeginBlind) {
            self.state.store(SLEEPING, Ordering::Release);
            return true;
        }
        if self.state.swap(SLEEPING, Ordering::AcqRel) == NOTIFIED {
            self.end();
            return false;
        }
        true
    }

    /// Whether there is news since the owner last looked; now it looks.
    pub(crate) fn take_news(&self) -> bool {
        self.state.load(Ordering::Relaxed) == NOTIFIED
            && self.state.swap(RUNNING, Ordering::AcqRel) == NOTIFIED
    }

    /// The owner is awake again, whatever woke it.
    pub(crate) fn end(&self) {
        self.state.swap(RUNNING, Ordering::AcqRel);
    }

    /// Parks the calling thread, which is the one given to [`begin`](Waiter::begin), until it is woken or `deadline`.
    pub(crate) fn park(&self, deadline: Option<Instant>) {
        while self.state.load(Ordering::Acquire) == SLEEPING {
            match deadline {
                None => thread::park(),
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return,
                },
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::{Arc, assert_mutant_fails, atomic::AtomicBool};

    /// S1-S3: news that comes before, while or after the owner goes to sleep is seen; two wakes may become one.
    fn news_is_seen() {
        let shared = Arc::new((Waiter::default(), AtomicBool::new(false), AtomicBool::new(false)));
        let other = shared.clone();
        let first = thread::spawn(move || {
            other.1.store(true, Ordering::Release);
            other.0.wake();
            other.2.store(true, Ordering::Release);
            other.0.wake();
        });
        let me = Sleeper::Thread(thread::current());
        let is_there = || shared.1.load(Ordering::Acquire) && shared.2.load(Ordering::Acquire);
        loop {
            let early = mutant(Mutant::WaiterLooksFirst) && is_there();
            shared.0.take_news();
            if early || !mutant(Mutant::WaiterLooksFirst) && is_there() {
                break;
            }
            if shared.0.begin(&me) {
                shared.0.park(None);
                shared.0.end();
            }
        }
        first.join().unwrap();
    }

    #[test]
    fn loom_s1_waiter_sees_news() {
        loom::model(news_is_seen);
    }

    #[test]
    fn loom_s1_waiter_sees_news_mutant_blind() {
        assert_mutant_fails(Mutant::WaiterBeginBlind, news_is_seen);
    }

    #[test]
    fn loom_s1_waiter_sees_news_mutant_looks_first() {
        assert_mutant_fails(Mutant::WaiterLooksFirst, news_is_seen);
    }

    #[test]
    fn loom_s1_waiter_sees_news_mutant_silent() {
        assert_mutant_fails(Mutant::WaiterRingSkipped, news_is_seen);
    }
}
