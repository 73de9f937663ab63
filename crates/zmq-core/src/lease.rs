//! Who turns a reactor: the application's thread (*foreground*) or an I/O thread (*background*).
//!
//! ```text
//!                 enter: withdraw from the I/O thread
//!   BACKGROUND ---------------------------------------> FOREGROUND, waiting
//!       ^                                                 |        ^
//!       |                                           leave |        | enter: nothing to do
//!       |    tick: the application has not come           v        |
//!       +----- back for long enough, hand over ------ FOREGROUND, away
//!
//!   release, from FOREGROUND: hand over at once
//! ```
//!
//! Invariants, all under one lock: in BACKGROUND the reactor's poll is registered with the I/O thread; in FOREGROUND
//! it is not; in FOREGROUND, away, the I/O thread watches the lease, so `tick` will be called. So at any time
//! somebody waits on the poll, or will within a few ticks. The closures run under the lock: a registration and its
//! withdrawal never change places.
//!
//! Long enough is one whole tick, at first. But an application that looks at a thousand messages, say, has not gone, and two
//! threads that read much for one socket in turns only take the messages out of each other's caches. So who comes back soon
//! after it was taken over, when much was read meanwhile, is given twice as long, up to sixteen ticks; otherwise one again.
//!
//! A thread that leaves holds the poll a little longer than the lease. A turn of the I/O thread that finds it held, in
//! BACKGROUND, is made up for a tick later (`IoThread::turn`).

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutant, Mutex, lock, mutant};
use std::time::{Duration, Instant};

/// The lease on one reactor.
#[derive(Default)]
pub(crate) struct Lease {
    state: Mutex<State>,
    /// `state.foreground`, for those who only ask.
    foreground: AtomicBool,
}

#[derive(Default)]
struct State {
    foreground: bool,
    /// The application's thread is inside a visit. Invariant: only if `foreground`.
    waiting: bool,
    /// The I/O thread calls `tick`. Invariant: `foreground && !waiting` implies `watched`.
    watched: bool,
    /// For how many ticks the application has been away, and may be, at least one.
    away: u32,
    patience: u32,
    /// When it had been away for too long, if it was that.
    taken_over: Option<Moment>,
    /// Visits so far, and as many as the last tick saw.
    visits: u64,
    seen: u64,
}

/// When it was, and how many bytes had come and gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) bytes: u64,
}

/// What the I/O thread found at a tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// The application comes and goes, or may be away for longer: look again at the next tick.
    Busy,
    /// The application waits, and has for a while: it will say when it leaves.
    Asleep,
    /// The application stayed away: the reactor is in the background now. Turn it at once.
    TakenOver,
}

impl Lease {
    const MAX_PATIENCE: u32 = 16;
    /// Who comes back this soon after it was taken over had not gone.
    const SOON: Duration = Duration::from_millis(20);
    /// What is worth reading in one thread.
    const MUCH: u64 = 32 * 1024;

    /// The application's thread is going to wait. `withdraw` takes the reactor from the I/O thread; only then the `moment` is
    /// asked for.
    pub(crate) fn enter(&self, moment: impl FnOnce() -> Moment, withdraw: impl FnOnce()) {
        let mut state = lock(&self.state);
        state.waiting = true;
        state.visits += 1;
        if !state.foreground {
            withdraw();
            state.foreground = true;
            self.foreground.store(true, Ordering::Release);
            if let Some(taken_over) = state.taken_over.take() {
                let Moment { now, bytes } = moment();
                let soon = now.saturating_duration_since(taken_over.now) < Self::SOON;
                let much = bytes.wrapping_sub(taken_over.bytes) >= Self::MUCH;
                state.patience =
                    if soon && much { (2 * state.patience).clamp(2, Self::MAX_PATIENCE) } else { 1 };
            }
        }
    }

    /// The application's thread stopped waiting. `watch` makes the I/O thread call [`tick`](Lease::tick).
    pub(crate) fn leave(&self, watch: impl FnOnce()) {
        let mut state = lock(&self.state);
        state.waiting = false;
        if state.foreground && !state.watched && !mutant(Mutant::LeaseLeaveUnwatched) {
            state.watched = true;
            watch();
        }
    }

    /// A tick has passed. `hand_over` gives the reactor to the I/O thread.
    pub(crate) fn tick(&self, moment: impl FnOnce() -> Moment, hand_over: impl FnOnce()) -> Tick {
        let mut state = lock(&self.state);
        let came_back = state.visits != state.seen;
        state.seen = state.visits;
        if !state.foreground {
            state.watched = false;
            return Tick::Asleep;
        }
        if came_back {
            state.away = 0;
            return Tick::Busy;
        }
        if state.waiting {
            state.watched = false;
            return Tick::Asleep;
        }
        state.away += 1;
        if state.away < state.patience {
            return Tick::Busy;
        }
        state.watched = false;
        state.taken_over = Some(moment());
        self.to_background(&mut state, hand_over);
        Tick::TakenOver
    }

    /// The application's thread will not come back, or not soon. `hand_over` as in [`tick`](Lease::tick).
    pub(crate) fn release(&self, hand_over: impl FnOnce()) {
        let mut state = lock(&self.state);
        state.waiting = false;
        if state.foreground || mutant(Mutant::LeaseReleasesTwice) {
            self.to_background(&mut state, hand_over);
        }
    }

    /// Whether the application's thread has it: it will look at everything before it waits, and if it stays away the
    /// I/O thread looks at everything when it takes over.
    #[inline]
    pub(crate) fn is_foreground(&self) -> bool {
        self.foreground.load(Ordering::Acquire)
    }

    /// An I/O thread has finished a turn, and has let go of the poll. Whoever took the reactor meanwhile may have met an
    /// event while the poll was not to be had: `ring` makes it look again.
    pub(crate) fn finish_turn(&self, ring: impl FnOnce()) {
        if self.is_foreground() && !mutant(Mutant::LeaseTurnEndsSilent) {
            ring();
        }
    }

    fn to_background(&self, state: &mut State, hand_over: impl FnOnce()) {
        state.foreground = false;
        self.foreground.store(false, Ordering::Release);
        hand_over();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_io_thread_takes_over_after_a_whole_tick_away() {
        let lease = Lease::default();
        let mut log = Vec::new();
        let now = || moment(0, 0);
        lease.enter(|| unreachable!(), || log.push("withdraw"));
        lease.leave(|| log.push("watch"));
        assert_eq!(lease.tick(|| unreachable!(), || unreachable!()), Tick::Busy);
        lease.enter(|| unreachable!(), || unreachable!());
        lease.leave(|| unreachable!());
        assert_eq!(lease.tick(|| unreachable!(), || unreachable!()), Tick::Busy);
        assert_eq!(lease.tick(now, || log.push("hand over")), Tick::TakenOver);
        lease.enter(now, || log.push("withdraw"));
        assert_eq!(lease.tick(now, || unreachable!()), Tick::Busy);
        assert_eq!(lease.tick(now, || unreachable!()), Tick::Asleep);
        lease.leave(|| log.push("watch"));
        assert_eq!(lease.tick(now, || log.push("hand over")), Tick::TakenOver);
        assert_eq!(log, ["withdraw", "watch", "hand over", "withdraw", "watch", "hand over"]);
    }

    fn moment(millis: u64, bytes: u64) -> Moment {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        Moment { now: *START + Duration::from_millis(millis), bytes }
    }

    #[test]
    fn who_comes_back_soon_to_much_may_stay_away_for_longer() {
        let lease = Lease::default();
        // How many ticks pass until it is taken over, if so much time and so many bytes had passed since the last time.
        let ticks_away = |(millis, bytes)| {
            lease.enter(|| moment(millis, bytes), || ());
            lease.leave(|| ());
            assert_eq!(lease.tick(|| unreachable!(), || unreachable!()), Tick::Busy);
            (1..).find(|_| lease.tick(|| moment(0, 0), || ()) == Tick::TakenOver).unwrap()
        };
        let (soon, late) = (Lease::SOON.as_millis() as u64 - 1, Lease::SOON.as_millis() as u64);
        assert_eq!([(soon, Lease::MUCH); 6].map(ticks_away), [1, 2, 4, 8, 16, 16]);
        let little = (soon, Lease::MUCH - 1);
        assert_eq!([(late, Lease::MUCH), (soon, Lease::MUCH), little].map(ticks_away), [1, 2, 1]);
        assert_eq!(ticks_away((soon, Lease::MUCH)), 2);
        // Who gives it back has not been away.
        lease.enter(|| moment(0, 0), || ());
        lease.release(|| ());
        assert_eq!(ticks_away((soon, Lease::MUCH)), 1);
    }
}

#[cfg(all(test, loom))]
impl Moment {
    /// Each time a later one, when much has come since the last.
    pub(crate) fn of_much() -> Moment {
        static BYTES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        Moment { now: Instant::now(), bytes: BYTES.fetch_add(Lease::MUCH, Ordering::Relaxed) }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::bell::Rung;
    use crate::sync::atomic::AtomicUsize;
    use crate::sync::{Arc, assert_mutant_fails, thread};

    /// The poll and the I/O thread, as far as the lease is concerned.
    #[derive(Default)]
    struct World {
        lease: Lease,
        registered: AtomicBool,
        /// How often the I/O thread has the lease on its list.
        watched: AtomicUsize,
    }

    impl World {
        /// In the background, with an I/O thread that ticks twice.
        fn with_ticks() -> (Arc<World>, thread::JoinHandle<()>) {
            let world = Arc::new(World::default());
            world.registered.store(true, Ordering::Release);
            let io = world.clone();
            let ticks = thread::spawn(move || {
                io.tick();
                io.tick();
            });
            (world, ticks)
        }

        fn visit(&self) {
            self.lease.enter(Moment::of_much, || assert!(self.registered.swap(false, Ordering::AcqRel)));
            self.lease.leave(|| {
                self.watched.fetch_add(1, Ordering::AcqRel);
            });
        }

        fn tick(&self) {
            for _ in 0..self.watched.load(Ordering::Acquire) {
                if self.lease.tick(Moment::of_much, || self.register()) != Tick::Busy {
                    // As the I/O thread does: it forgets what it need not watch.
                    self.watched.fetch_sub(1, Ordering::AcqRel);
                }
            }
        }

        fn register(&self) {
            assert!(!self.registered.swap(true, Ordering::AcqRel));
        }
    }

    /// However visits and ticks interleave, the poll is registered exactly in the background, and once the
    /// application stays away ticks bring it there.
    fn nobody_is_stranded() {
        let (world, ticks) = World::with_ticks();
        world.visit();
        ticks.join().unwrap();
        world.tick();
        world.tick();
        assert!(world.registered.load(Ordering::Acquire), "nobody waits on the poll");
        assert!(!world.lease.is_foreground());
        // Now it may stay away for longer.
        world.visit();
        (0..3).for_each(|_| world.tick());
        assert!(world.registered.load(Ordering::Acquire), "nobody waits on the poll");
    }

    /// L3: a thread that leaves and hands over at once, while ticks may hand over too, and comes back.
    fn a_release_hands_over_once() {
        let (world, ticks) = World::with_ticks();
        world.visit();
        world.lease.release(|| world.register());
        assert!(world.registered.load(Ordering::Acquire), "nobody waits on the poll");
        world.visit();
        ticks.join().unwrap();
        // It has come back soon, perhaps after each of two ticks: then it may stay away for longer.
        (0..5).for_each(|_| world.tick());
        assert!(world.registered.load(Ordering::Acquire), "nobody waits on the poll");
    }

    #[test]
    fn loom_l3_release() {
        loom::model(a_release_hands_over_once);
    }

    #[test]
    fn loom_l3_release_mutant() {
        assert_mutant_fails(Mutant::LeaseReleasesTwice, a_release_hands_over_once);
    }

    /// L2: a watcher that meets an event while the I/O thread still has the poll looks again when it has not.
    fn an_event_in_a_turn_is_not_lost() {
        #[derive(Default)]
        struct Poll {
            lease: Lease,
            /// A lock: loom does not see that a `Mutex` is let go.
            taken: AtomicBool,
            bell: Rung,
            /// What the bell was rung for.
            event: AtomicBool,
            /// The watcher is going to be woken.
            edge: AtomicBool,
        }
        impl Poll {
            fn look(&self) {
                self.event.swap(false, Ordering::AcqRel);
                self.bell.hear();
            }

            fn wake(&self) {
                self.event.swap(true, Ordering::AcqRel);
                self.edge.swap(true, Ordering::AcqRel);
            }
        }
        let poll = Arc::new(Poll { taken: AtomicBool::new(true), ..Poll::default() });
        let io = poll.clone();
        let turn = thread::spawn(move || {
            io.look();
            io.taken.swap(false, Ordering::AcqRel);
            io.lease.finish_turn(|| io.bell.ring_again(|| io.wake()));
        });
        poll.lease.enter(Moment::of_much, || ());
        poll.bell.ring(|| poll.wake());
        if poll.edge.swap(false, Ordering::AcqRel) && !poll.taken.swap(true, Ordering::AcqRel) {
            poll.look();
        }
        turn.join().unwrap();
        let woken = poll.edge.load(Ordering::Acquire);
        assert!(woken || !poll.event.load(Ordering::Acquire), "nobody looks");
    }

    #[test]
    fn loom_l2_turn() {
        loom::model(an_event_in_a_turn_is_not_lost);
    }

    #[test]
    fn loom_l2_turn_mutant() {
        assert_mutant_fails(Mutant::LeaseTurnEndsSilent, an_event_in_a_turn_is_not_lost);
    }

    #[test]
    fn loom_l2_bell_mutant() {
        assert_mutant_fails(Mutant::BellRingsOnce, an_event_in_a_turn_is_not_lost);
    }

    #[test]
    fn loom_l1_lease() {
        loom::model(nobody_is_stranded);
    }

    #[test]
    fn loom_l1_lease_mutant() {
        assert_mutant_fails(Mutant::LeaseLeaveUnwatched, nobody_is_stranded);
    }
}
