//! When to try again what was in vain.

/// Something that is tried for as long as it helps. After it was in vain it is left out `FIRST` times, and twice as often after each
/// further time, up to 1 024 times; what helped is tried again at once.
#[derive(Debug, Default)]
pub struct Backoff<const FIRST: u32> {
    /// How often it is left out from now on.
    skip: u32,
    /// How often it was left out after it was in vain the last time; 0: it has helped since.
    penalty: u32,
}

impl<const FIRST: u32> Backoff<FIRST> {
    const MAX_PENALTY: u32 = 1024;

    /// Whether to try it this time; otherwise this time counts as one that it is left out.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        let now = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        now
    }

    /// It was tried.
    pub fn observe(&mut self, helped: bool) {
        self.penalty = if helped { 0 } else { (2 * self.penalty).clamp(FIRST, Self::MAX_PENALTY) };
        self.skip = self.penalty;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_vain_is_left_out_twice_as_often_each_time() {
        let mut backoff = Backoff::<3>::default();
        let mut left_out = |helped: bool| {
            assert!(backoff.is_due());
            backoff.observe(helped);
            (0..2000).position(|_| backoff.skip == 0 || backoff.is_due())
        };
        assert_eq!([false, false, true, false].map(&mut left_out), [3, 6, 0, 3].map(Some));
        assert_eq!((0..12).map(|_| left_out(false)).last(), Some(Some(1024)));
    }
}
