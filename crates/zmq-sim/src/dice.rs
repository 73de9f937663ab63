//! Everything that is left to chance, from one seed.

use std::ops::Range;
use std::time::Duration;

/// A stream of random numbers (SplitMix64); the same seed gives the same stream.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in the range; its start if it is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll().checked_rem(range.end.saturating_sub(range.start)).unwrap_or(0)
    }

    /// As [`within`](Dice::within), for sizes.
    pub fn size(&mut self, range: Range<usize>) -> usize {
        self.within(range.start as u64..range.end as u64) as usize
    }

    /// A time in the range.
    pub fn time(&mut self, range: &Range<Duration>) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.within(nanos(range.start)..nanos(range.end)))
    }

    /// Of a hundred calls, so many say yes.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.within(0..100) < u64::from(percent)
    }
}
