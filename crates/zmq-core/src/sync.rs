//! The only file that names the primitives of `std` or `loom`.
//!
//! Everything that shares memory between threads takes its atomics, cells, locks and threads from here, so
//! that under `cfg(all(test, loom))` the very types that ship are the ones that loom explores. Constants
//! shrink under loom (see `CHUNK_SLOTS` in the pipe), code does not change.
//!
//! A loom model proves something only if it can fail. [`Mutant`] lists the ways in which the code can be
//! broken on purpose: one weakened ordering, one skipped wake. Each model has a companion test which breaks
//! the code in one of these ways and asserts that the model notices. To add one: a variant, a
//! `mutant(Mutant::X)` at the place it breaks, and a test with `assert_mutant_fails`. Outside of loom
//! `mutant` is a constant `false`.

// Not every configuration uses every name.
#![allow(unused_imports, dead_code)]

#[cfg(not(all(test, loom)))]
mod primitives {
    pub(crate) use std::hint;
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;

    /// `std::cell::UnsafeCell` with the face of loom's: the pointer lives as long as the closure, so loom can
    /// tell when two accesses overlap.
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        #[inline(always)]
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// For reading what is in the cell.
        #[inline(always)]
        pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
            access(self.0.get())
        }

        /// For changing what is in the cell.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }

    /// Lets loom notice a value that is never freed. Weighs nothing elsewhere.
    pub(crate) struct LeakCheck;

    impl LeakCheck {
        pub(crate) const fn new() -> Self {
            Self
        }
    }
}

#[cfg(all(test, loom))]
mod primitives {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint;
    pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};

    pub(crate) mod thread {
        pub(crate) use loom::thread::*;

        /// There is no time in a model: whatever may time out waits until it is woken.
        pub(crate) fn park_timeout(_: std::time::Duration) {
            park();
        }
    }

    /// Lets loom notice a value that is never freed.
    pub(crate) struct LeakCheck {
        _track: loom::alloc::Track<()>,
    }

    impl LeakCheck {
        pub(crate) fn new() -> Self {
            Self { _track: loom::alloc::Track::new(()) }
        }
    }
}

pub(crate) use primitives::*;

/// Locks, whatever happened to an earlier holder: a thread that panicked must not take others with it.
#[cfg(not(all(test, loom)))]
#[inline]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Locks if no other thread has the lock, whatever happened to an earlier holder. For what no model drives.
pub(crate) fn try_lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    use std::sync::TryLockError::{Poisoned, WouldBlock};
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(WouldBlock) => None,
    }
}

/// Locks a mutex of loom, or one of std in what no model drives.
#[cfg(all(test, loom))]
pub(crate) fn lock<M: either::Lock + ?Sized>(mutex: &M) -> M::Guard<'_> {
    mutex.lock_it()
}

/// Waits on `condvar`, whatever happened to an earlier holder of the lock.
#[inline]
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What models drive takes its mutexes from here. The parts above them may keep std's, which come with `Weak`
/// and the like, and still use [`lock`].
#[cfg(all(test, loom))]
mod either {
    use std::ops::Deref;
    use std::sync::PoisonError;

    pub(crate) trait Lock {
        type Guard<'a>
        where
            Self: 'a;

        fn lock_it(&self) -> Self::Guard<'_>;
    }

    impl<T> Lock for std::sync::Mutex<T> {
        type Guard<'a>
            = std::sync::MutexGuard<'a, T>
        where
            T: 'a;

        fn lock_it(&self) -> Self::Guard<'_> {
            self.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<T> Lock for loom::sync::Mutex<T> {
        type Guard<'a>
            = loom::sync::MutexGuard<'a, T>
        where
            T: 'a;

        fn lock_it(&self) -> Self::Guard<'_> {
            self.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    // In place of the dereference that the compiler inserts where the mutex has one type.
    impl<M: Lock> Lock for std::sync::Arc<M> {
        type Guard<'a>
            = M::Guard<'a>
        where
            M: 'a;

        fn lock_it(&self) -> Self::Guard<'_> {
            self.deref().lock_it()
        }
    }

    impl<M: Lock> Lock for loom::sync::Arc<M> {
        type Guard<'a>
            = M::Guard<'a>
        where
            M: 'a;

        fn lock_it(&self) -> Self::Guard<'_> {
            self.deref().lock_it()
        }
    }
}

/// The ways in which a model's companion test breaks the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// P1: a flush does not release the messages it publishes.
    PipeFlushRelaxed,
    /// P1: the reader does not release the chunk it hands back.
    PipeSpareRelaxed,
    /// P2: the reader goes to sleep without looking whether something arrived meanwhile.
    PipeSleepBlind,
    /// P3: each write publishes itself.
    PipeWritePublishes,
    /// P3: a rollback forgets the first message it should take back.
    PipeRollbackShort,
    /// P4: the writer waits for credit without looking whether some came meanwhile.
    PipeWaitBlind,
    /// P4: an acknowledgement does not look whether the writer waits.
    PipeAcknowledgeSilent,
    /// P4: the writer takes one credit too many.
    PipeCreditOverrun,
    /// P4: a decreased high-water mark holds back the message from which the reader would learn of it.
    PipeDecreaseWithoutGrace,
    /// P4: a reader gives no credit back for what a message stands for.
    PipeWeightHeldBack,
    /// P5: a closing reader trusts the cursor it saw before it closed.
    PipeCloseStale,
    /// P5: a closing reader does not look whether the writer waits.
    PipeCloseSilent,
    /// P5: a closing writer does not look whether the reader sleeps.
    PipeCloseLeavesSleeper,
    /// P7: a conflating flush does not release the message it publishes.
    ConflateFlushRelaxed,
    /// P7: a conflating read does not release the slot it hands back.
    ConflateReadRelaxed,
    /// P7: the reader goes to sleep without looking whether something arrived meanwhile.
    ConflateSleepBlind,
    /// B1: a block is filled again without acquiring what its readers released.
    BlockReusedBlind,
    /// F1: a bundle that was looked at is added to.
    BundleStaysOpen,
    /// S1: going to sleep does not look whether news came before.
    WaiterBeginBlind,
    /// S1: the owner looks before it takes note that there is news.
    WaiterLooksFirst,
    /// S1: a wake does not ring.
    WaiterRingSkipped,
    /// L1: leaving the poll does not ask to be watched.
    LeaseLeaveUnwatched,
    /// L2: an I/O thread that lets go of the poll tells nobody.
    LeaseTurnEndsSilent,
    /// L2: it tells by a bell that was rung before and not heard, which nobody notices.
    BellRingsOnce,
    /// L3: `release` hands over what is handed over already.
    LeaseReleasesTwice,
    /// T1: a socket is told to look before there is anything to see.
    TerminateNudgesFirst,
    /// W1: the I/O thread stops sweeping without a last look.
    SweepStopsBlind,
    /// W2: the I/O thread looks before it takes the lease over.
    LeaseTakeOverLooksFirst,
    /// M1: a post wakes nobody.
    MailboxPostSilent,
    /// M2: one end of a pipe is withdrawn without a look whether the socket has the other.
    MailboxWithdrawsHalf,
}

/// Whether the running test has broken the code in this way.
#[cfg(not(all(test, loom)))]
#[inline(always)]
pub(crate) const fn mutant(_: Mutant) -> bool {
    false
}

#[cfg(all(test, loom))]
pub(crate) use mutants::{assert_mutant_fails, mutant};

#[cfg(all(test, loom))]
mod mutants {
    use super::Mutant;
    use std::cell::Cell;
    use std::process::Command;

    /// Names the mutant and the model that a child process is to run.
    const CHILD: &str = "ZMQ_LOOM_MUTANT";

    // loom runs all threads of a model on the thread that called it, so std's thread-local reaches them all.
    std::thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    pub(crate) fn mutant(which: Mutant) -> bool {
        ACTIVE.get() == Some(which)
    }

    /// Runs `model` with the code broken as `which` says, and panics unless loom finds the fault. Only for
    /// tests with "mutant" in their name.
    ///
    /// The model runs in a child process, not under `catch_unwind`: when loom finds a fault, unwinding drops
    /// what the model owns outside of loom's execution, which panics again and aborts.
    pub(crate) fn assert_mutant_fails<M: Fn() + Send + Sync + 'static>(which: Mutant, model: M) {
        let name = format!("{which:?} in {}", std::any::type_name::<M>());
        match std::env::var(CHILD) {
            Ok(child) if child == name => run(which, model),
            Ok(_) => {}
            Err(_) => assert_child_fails(&name),
        }
    }

    fn run<M: Fn() + Send + Sync + 'static>(which: Mutant, model: M) {
        ACTIVE.set(Some(which));
        loom::model(model);
        ACTIVE.set(None);
    }

    fn assert_child_fails(name: &str) {
        let this = std::env::current_exe().expect("a test knows its own file");
        let child = Command::new(this).args(["mutant", "--nocapture"]).env(CHILD, name).output();
        let child = child.expect("a test can start itself");
        let said = String::from_utf8_lossy(&child.stderr);
        let fault = said.split("panicked at").nth(1).unwrap_or_default().lines().take(3).collect::<Vec<_>>();
        println!("{name}: {}", fault.join(" "));
        assert!(!child.status.success() && !fault.is_empty(), "{name}: not noticed");
        assert!(!said.contains("exceeded maximum number"), "{name}: the model is too large");
    }
}
