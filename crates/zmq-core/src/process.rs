//! Whose process this is.
//!
//! A child of `fork` has a copy of everything and must touch none of it: connections lead to the parent's peers, and locks may
//! be held by threads that do not exist in the child. It is asked for with every message, so the answer must not cost a
//! system call: children count themselves.

// Registering what runs in a child.
#![allow(unsafe_code)]

use nix::libc;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between this process and the first one that asked.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in, for those who share it with no child.
///
/// A child is one that `fork` of the C library made. One that a program makes by a bare system call is not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// This process.
    pub fn current() -> Process {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: what runs in a child does one atomic operation, which is all that is allowed there. This fails only
            // where there is no memory for it; children are not told apart then.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(count_child)) };
        });
        Process(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether it is this process, and not one that this process descends from.
    #[inline]
    pub fn is_current(self) -> bool {
        self.0 == GENERATION.load(Ordering::Relaxed)
    }
}

extern "C" fn count_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
