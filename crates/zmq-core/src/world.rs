//! What the core asks the world for beside I/O: the time, and a little randomness.
//!
//! The system gives both, except in a simulation (`testing::Simulation`), where both are values and a run can be
//! repeated. Without the feature `testing` a [`World`] is nothing, and `now` is the system's.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

/// The earlier of two times, one of which may be never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[derive(Clone, Default)]
pub(crate) struct World {
    #[cfg(feature = "testing")]
    simulated: Option<std::sync::Arc<simulated::World>>,
}

impl World {
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(simulated) = &self.simulated {
            return simulated.now();
        }
        Instant::now()
    }

    /// Anything; not for secrets.
    pub(crate) fn random(&self) -> u64 {
        #[cfg(feature = "testing")]
        if let Some(simulated) = &self.simulated {
            return simulated.random();
        }
        RandomState::new().build_hasher().finish()
    }

    /// Whether time stands still until somebody sets it, so that nothing may wait.
    pub(crate) fn is_simulated(&self) -> bool {
        #[cfg(feature = "testing")]
        let simulated = self.simulated.is_some();
        #[cfg(not(feature = "testing"))]
        let simulated = false;
        simulated
    }
}

#[cfg(feature = "testing")]
pub(crate) mod simulated {
    use crate::sync::lock;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    pub(crate) struct World {
        now: Mutex<Instant>,
        random: Mutex<u64>,
    }

    impl World {
        pub(crate) fn new(seed: u64) -> Arc<World> {
            Arc::new(World { now: Mutex::new(Instant::now()), random: Mutex::new(seed) })
        }

        pub(crate) fn now(&self) -> Instant {
            *lock(&self.now)
        }

        pub(crate) fn set_now(&self, now: Instant) {
            *lock(&self.now) = now;
        }

        /// The next number of SplitMix64.
        pub(super) fn random(&self) -> u64 {
            let mut state = lock(&self.random);
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    impl From<Arc<World>> for super::World {
        fn from(simulated: Arc<World>) -> Self {
            super::World { simulated: Some(simulated) }
        }
    }
}
