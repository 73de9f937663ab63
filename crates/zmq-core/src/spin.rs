//! Whether to try for a moment before sleeping.

use std::time::{Duration, Instant};

/// The adaptive phase of a wait. Waking a processor that went to sleep costs more than everything
/// else in a round trip, so who is about to get an answer should not sleep; and who will wait long must. So it is
/// tried only while recent waits were short, and not for a while after it was in vain.
pub(crate) struct Spin {
    /// Whether it may be tried at all.
    allowed: bool,
    /// Recent waits that ended soon, at most `Spin::SURE`.
    short: u32,
    /// Waits for which it is not tried.
    skip: u32,
    /// How many are skipped after the next failure.
    penalty: u32,
}

/// How far a spin has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The answer comes from another processor.
    Eager,
    /// Others may need this processor to answer.
    Yielding,
}

impl Spin {
    const EAGER: Duration = Duration::from_micros(25);
    const LIMIT: Duration = Duration::from_micros(50);
    /// A wait that slept and took less might have been a spin.
    const SHORT: Duration = Duration::from_micros(120);
    const SURE: u32 = 4;
    const MAX_PENALTY: u32 = 1024;

    pub(crate) fn new(allowed: bool) -> Spin {
        Spin { allowed, short: 0, skip: 0, penalty: 0 }
    }

    /// Changes whether it may be tried; what was learnt of recent waits stays.
    pub(crate) fn allow(&mut self, allowed: bool) {
        self.allowed = allowed;
    }

    pub(crate) fn is_worthwhile(&mut self) -> bool {
        if !self.allowed {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.short >= Self::SURE
    }

    pub(crate) fn go_on(&self, started: Instant) -> Option<Patience> {
        let elapsed = started.elapsed();
        if elapsed < Self::EAGER {
            return Some(Patience::Eager);
        }
        std::thread::yield_now();
        (elapsed < Self::LIMIT).then_some(Patience::Yielding)
    }

    pub(crate) fn succeeded(&mut self, patience: Patience) {
        match patience {
            Patience::Eager => self.penalty = 0,
            // It came because we yielded: sleeping is cheaper then.
            Patience::Yielding => self.failed(),
        }
    }

    pub(crate) fn failed(&mut self) {
        self.penalty = (self.penalty * 2).clamp(4, Self::MAX_PENALTY);
        self.skip = self.penalty;
    }

    pub(crate) fn observe(&mut self, slept: Duration) {
        self.short = if slept < Self::SHORT { (self.short + 1).min(Self::SURE) } else { 0 };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after_short_waits(allowed: bool) -> Spin {
        let mut spin = Spin::new(allowed);
        assert!(!spin.is_worthwhile());
        (0..Spin::SURE).for_each(|_| spin.observe(Duration::ZERO));
        spin
    }

    #[test]
    fn it_is_tried_after_short_waits_if_that_is_allowed() {
        assert!(after_short_waits(true).is_worthwhile());
        let mut spin = after_short_waits(false);
        assert!(!spin.is_worthwhile());
        spin.allow(true);
        assert!(spin.is_worthwhile(), "recent waits are remembered");
    }

    #[test]
    fn a_failure_costs_more_each_time() {
        let mut spin = after_short_waits(true);
        for expected in [4, 8, 16] {
            spin.failed();
            let skipped = (0..100).take_while(|_| !spin.is_worthwhile()).count();
            assert_eq!(skipped, expected);
        }
        spin.succeeded(Patience::Eager);
        assert!(spin.is_worthwhile());
    }
}
