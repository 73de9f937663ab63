//! What others want a reactor to look at, and who has promised to look.
//!
//! Two promises, each of which must outlive every interleaving:
//! * *sweep*: while `sweeping` is set the I/O thread comes by and takes the outputs. Senders that see it set do not ask
//!   again. The I/O thread clears it **before** its last look; a sender posts **before** it looks at the flag. So either
//!   the last look finds the post, or the sender finds the flag cleared.
//! * *foreground*: while the application has the lease it takes the inputs before it waits, or the I/O thread takes them
//!   after it has taken the lease over. Again: post before asking who has the lease; change hands before looking.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutant, Mutex, lock, mutant};
use std::io;

/// The things themselves, as a turn takes them.
#[derive(Default)]
pub(crate) struct Posts {
    /// Connections whose pipe has something to send.
    pub(crate) outputs: Vec<usize>,
    /// Connections that stopped reading for want of room, and have room.
    pub(crate) inputs: Vec<usize>,
    /// Names that were looked up, for whom.
    pub(crate) resolved: Vec<(usize, io::Result<Vec<String>>)>,
}

/// Where they wait.
#[derive(Default)]
pub(crate) struct Posted {
    posts: Mutex<Posts>,
    /// Whether `posts.outputs` has anything. Changed only with `posts` locked.
    has_outputs: AtomicBool,
    /// Whether `posts` has anything. Changed only with `posts` locked.
    has_any: AtomicBool,
    /// The I/O thread comes by.
    sweeping: AtomicBool,
}

impl Posted {
    pub(crate) fn output(&self, token: usize) {
        let mut posts = lock(&self.posts);
        posts.outputs.push(token);
        self.has_outputs.store(true, Ordering::Release);
        self.has_any.store(true, Ordering::Release);
    }

    pub(crate) fn input(&self, token: usize) {
        let mut posts = lock(&self.posts);
        posts.inputs.push(token);
        self.has_any.store(true, Ordering::Release);
    }

    pub(crate) fn resolved(&self, token: usize, addresses: io::Result<Vec<String>>) {
        let mut posts = lock(&self.posts);
        posts.resolved.push((token, addresses));
        self.has_any.store(true, Ordering::Release);
    }

    /// Moves everything to the end of `into`.
    pub(crate) fn take(&self, into: &mut Posts) {
        let mut posts = lock(&self.posts);
        self.has_outputs.store(false, Ordering::Release);
        self.has_any.store(false, Ordering::Release);
        into.outputs.append(&mut posts.outputs);
        into.inputs.append(&mut posts.inputs);
        into.resolved.append(&mut posts.resolved);
    }

    /// Whether a turn would find anything.
    pub(crate) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn has_outputs(&self) -> bool {
        self.has_outputs.load(Ordering::Acquire)
    }

    /// Whether the I/O thread has promised to come by after this.
    #[inline]
    pub(crate) fn is_sweeping(&self) -> bool {
        self.sweeping.load(Ordering::Acquire)
    }

    /// Asks for the promise. `true`: the I/O thread must be told.
    #[must_use]
    pub(crate) fn start_sweeping(&self) -> bool {
        !self.sweeping.swap(true, Ordering::AcqRel)
    }

    /// The I/O thread found nothing and takes its promise back. `false`: something was posted meanwhile, and the promise
    /// stands.
    #[must_use]
    pub(crate) fn stop_sweeping(&self) -> bool {
        if mutant(Mutant::SweepStopsBlind) {
            self.sweeping.swap(false, Ordering::AcqRel);
            return true;
        }
        self.sweeping.swap(false, Ordering::AcqRel);
        if lock(&self.posts).outputs.is_empty() {
            return true;
        }
        // Whoever asked since then has told the I/O thread already; then there is nothing to stand by here.
        self.sweeping.swap(true, Ordering::AcqRel)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::lease::{Lease, Moment};
    use crate::sync::{Arc, assert_mutant_fails, atomic::AtomicUsize, thread};

    /// W1: an output that is posted while the I/O thread stops sweeping is taken by it, or its sender asks anew.
    fn no_output_is_stranded() {
        let posted = Arc::new(Posted::default());
        assert!(posted.start_sweeping());
        let io = posted.clone();
        let sweeper = thread::spawn(move || {
            let mut taken = 0;
            loop {
                let mut posts = Posts::default();
                io.take(&mut posts);
                taken += posts.outputs.len();
                if io.stop_sweeping() {
                    return taken;
                }
            }
        });
        posted.output(1);
        let asked = !posted.is_sweeping() && posted.start_sweeping();
        let taken = sweeper.join().unwrap();
        assert!(taken == 1 || asked, "nobody looks");
    }

    #[test]
    fn loom_w1_sweep() {
        loom::model(no_output_is_stranded);
    }

    #[test]
    fn loom_w1_sweep_mutant() {
        assert_mutant_fails(Mutant::SweepStopsBlind, no_output_is_stranded);
    }

    /// W2: room that is reported while the lease changes hands is seen by whoever takes over, or somebody is woken.
    fn no_input_is_stranded() {
        let shared = Arc::new((Posted::default(), Lease::default(), AtomicUsize::new(0)));
        shared.1.enter(Moment::of_much, || {});
        shared.1.leave(|| {});
        assert_eq!(shared.1.tick(Moment::of_much, || {}), crate::lease::Tick::Busy);
        let other = shared.clone();
        let io = thread::spawn(move || {
            // The application stays away: take over, then look.
            let (posted, lease, seen) = &*other;
            let look = || {
                let mut posts = Posts::default();
                posted.take(&mut posts);
                seen.fetch_add(posts.inputs.len(), Ordering::AcqRel);
            };
            if mutant(Mutant::LeaseTakeOverLooksFirst) {
                look();
                let _ = lease.tick(Moment::of_much, || {});
            } else {
                let _ = lease.tick(Moment::of_much, || {});
                look();
            }
        });
        shared.0.input(1);
        let woken = !shared.1.is_foreground();
        io.join().unwrap();
        assert!(woken || shared.2.load(Ordering::Acquire) == 1, "nobody looks");
    }

    #[test]
    fn loom_w2_take_over() {
        loom::model(no_input_is_stranded);
    }

    #[test]
    fn loom_w2_take_over_mutant() {
        assert_mutant_fails(Mutant::LeaseTakeOverLooksFirst, no_input_is_stranded);
    }
}
