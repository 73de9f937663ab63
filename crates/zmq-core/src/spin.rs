//! Whether to try for a moment before sleeping.

use crate::backoff::Backoff;
use std::time::{Duration, Instant};

/// The adaptive phase of a wait. Waking a processor that went to sleep costs more than everything
/// else in a round trip, so who is about to get an answer should not sleep; and who will wait long must. So it is
/// tried only after a wait that was short, and not for a while after it was in vain.
pub(crate) struct Spin {
    /// Whether it may be tried at all.
    allowed: bool,
    /// Whether the last wait that slept ended soon.
    short: bool,
    /// For how many waits it is not tried after it was in vain.
    backoff: Backoff<1>,
    /// Bytes that had come and gone when the wait began.
    moved: u64,
    /// How much longer it may take because so many bytes are copied for the answer.
    extra: Duration,
    /// Bytes that had come and gone when it began, or began anew.
    seen: u64,
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
    /// By the system, the peer and the system again.
    const COPIED_IN_A_MICROSECOND: u64 = 5 * 1024;
    /// Whatever came and went: nobody tries for longer than for a tenth of a millisecond.
    const COUNTED_UP_TO: u64 = 256 * 1024;
    /// So many bytes are a part of a large message.
    const PART: u64 = 16 * 1024;
    /// For how long a wait may begin anew.
    pub(crate) const LONGEST: Duration = Duration::from_millis(1);

    pub(crate) fn new(allowed: bool) -> Spin {
        Spin { allowed, short: false, backoff: Backoff::default(), moved: 0, extra: Duration::ZERO, seen: 0 }
    }

    /// Changes whether it may be tried; what was learnt of recent waits stays.
    pub(crate) fn allow(&mut self, allowed: bool) {
        self.allowed = allowed;
    }

    /// A wait begins, after `moved` bytes came and went in all. If they were many since the wait before, as many are likely
    /// to follow, and these take their time.
    pub(crate) fn begin(&mut self, moved: u64) {
        let bytes = moved.wrapping_sub(self.moved).min(Self::COUNTED_UP_TO);
        (self.moved, self.seen) = (moved, moved);
        self.extra = Duration::from_micros(bytes / Self::COPIED_IN_A_MICROSECOND);
    }

    /// By `moved` a part of what is waited for may have come. Then the wait begins anew, at the time that is returned, but not after
    /// `limit`.
    pub(crate) fn begin_anew(&mut self, moved: u64, limit: Instant) -> Option<Instant> {
        if moved.wrapping_sub(self.seen) < Self::PART {
            return None;
        }
        self.seen = moved;
        Some(Instant::now()).filter(|now| *now < limit)
    }

    pub(crate) fn is_worthwhile(&mut self) -> bool {
        self.allowed && self.backoff.is_due() && self.short
    }

    pub(crate) fn go_on(&self, started: Instant) -> Option<Patience> {
        let elapsed = started.elapsed();
        if elapsed < Self::EAGER + self.extra {
            return Some(Patience::Eager);
        }
        std::thread::yield_now();
        (elapsed < Self::LIMIT + self.extra).then_some(Patience::Yielding)
    }

    pub(crate) fn succeeded(&mut self, patience: Patience) {
        match patience {
            Patience::Eager => self.backoff.observe(true),
            // It came because we yielded: sleeping is cheaper then.
            Patience::Yielding => self.failed(),
        }
    }

    pub(crate) fn failed(&mut self) {
        self.backoff.observe(false);
    }

    pub(crate) fn observe(&mut self, slept: Duration) {
        self.short = slept < Self::SHORT + 2 * self.extra;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn after_a_short_wait(allowed: bool) -> Spin {
        let mut spin = Spin::new(allowed);
        assert!(!spin.is_worthwhile());
        spin.observe(Duration::ZERO);
        spin
    }

    #[test]
    fn it_is_tried_after_a_short_wait_if_that_is_allowed() {
        assert!(after_a_short_wait(true).is_worthwhile());
        let mut spin = after_a_short_wait(false);
        assert!(!spin.is_worthwhile());
        spin.allow(true);
        assert!(spin.is_worthwhile(), "recent waits are remembered");
    }

    #[test]
    fn who_moves_many_bytes_waits_longer_for_the_next_but_not_without_end() {
        let mut spin = after_a_short_wait(true);
        let extra = |spin: &mut Spin, moved| {
            spin.begin(moved);
            spin.extra
        };
        assert_eq!(extra(&mut spin, 1000), Duration::ZERO);
        assert_eq!(extra(&mut spin, 1000 + 50 * 1024), Duration::from_micros(10));
        assert_eq!(extra(&mut spin, 1 << 40), Duration::from_micros(51));
        spin.observe(Spin::SHORT);
        assert!(spin.is_worthwhile(), "much has come: that was short");
        assert_eq!(extra(&mut spin, 1 << 40), Duration::ZERO, "nothing since");
        spin.observe(Spin::SHORT);
        assert!(!spin.is_worthwhile());
    }

    #[test]
    fn a_wait_begins_anew_with_each_part_of_a_large_message() {
        let (mut spin, past) = (after_a_short_wait(true), Instant::now());
        let future = past + Duration::from_secs(1000);
        spin.begin(7);
        let mut is_anew = |moved, limit| spin.begin_anew(moved, limit).is_some();
        assert!(!is_anew(7, future) && !is_anew(6 + Spin::PART, future));
        assert!(is_anew(7 + Spin::PART, future) && !is_anew(8 + Spin::PART, future));
        assert!(is_anew(7 + 2 * Spin::PART, future) && !is_anew(7 + 3 * Spin::PART, past));
    }

    #[test]
    fn a_failure_costs_more_each_time() {
        let mut spin = after_a_short_wait(true);
        for expected in [1, 2, 4] {
            spin.failed();
            let skipped = (0..100).take_while(|_| !spin.is_worthwhile()).count();
            assert_eq!(skipped, expected);
        }
        spin.succeeded(Patience::Eager);
        assert!(spin.is_worthwhile());
    }
}
