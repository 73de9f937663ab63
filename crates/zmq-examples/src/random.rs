//! Random numbers, good enough for the weather.

use std::hash::{BuildHasher, RandomState};

/// A generator of pseudo-random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`, or from a different place each time.
    pub fn new(seed: Option<u64>) -> Random {
        // The standard library has a random number for each hash map, to foil attackers.
        Random(seed.unwrap_or_else(|| RandomState::new().hash_one(0)))
    }

    /// A number from 0 to `limit` - 1.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u64::from(limit) * (bits >> 32)) >> 32) as u32
    }
}
