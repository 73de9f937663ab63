//! Contexts without threads and without a clock.

use crate::driver::Ready;
use crate::io_thread::{ByHand, IoShared};
use crate::transport::mio::{Registry, Token};
use crate::world::{World, simulated};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

/// Turns the reactors of contexts by hand, at a time that is a value.
///
/// A context that was [built with it](crate::ContextBuilder::simulation) starts no I/O thread: what the thread would do
/// is done inside [`run`](Simulation::run), on the calling thread. Time passes only in
/// [`set_now`](Simulation::set_now), and what is random (the jitter of reconnecting, where serial numbers begin)
/// comes from the seed. So if the transport repeats itself, and the application makes the same calls, so does the run.
///
/// The transport is one of byte streams whose sources need no descriptor: `register` notes the [`Place`], and
/// readiness is [reported](Simulation::report) there, as edges, by whoever turns the simulation.
///
/// Nothing may wait: use `try_send` and `try_recv`. Dropping a simulated context does not wait for lingering sockets;
/// turn the simulation until [`is_idle`](Simulation::is_idle), or what they hold is never freed.
pub struct Simulation {
    world: Arc<simulated::World>,
    io: ByHand,
}

/// Where readiness of a stream or listener is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    registry: RawFd,
    token: usize,
}

impl Place {
    /// What [`register`](crate::transport::mio::event::Source::register) and `reregister` are told. It holds until
    /// `deregister`, or until the source is dropped.
    pub fn new(registry: &Registry, token: Token) -> Place {
        Place { registry: registry.as_raw_fd(), token: token.0 }
    }
}

impl Simulation {
    /// Begins now. The same seed gives the same randomness.
    ///
    /// # Errors
    /// The system gives no descriptor for a poll.
    pub fn new(seed: u64) -> io::Result<Simulation> {
        let world = simulated::World::new(seed);
        Ok(Simulation { io: ByHand::new(World::from(world.clone()))?, world })
    }

    /// The time in the simulation.
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Lets time pass until `now`. What is then due is done by the next [`run`](Simulation::run).
    pub fn set_now(&self, now: Instant) {
        self.world.set_now(now);
    }

    /// When there is something to do without anything happening: a timer.
    pub fn deadline(&self) -> Option<Instant> {
        self.io.deadline()
    }

    /// Says that a stream or listener has become ready; `closed` = and that the peer has closed, or an error waits.
    /// Acted upon in the next [`run`](Simulation::run). A place whose socket is gone is ignored.
    pub fn report(&self, place: Place, readable: bool, writable: bool, closed: bool) {
        if let Some(driver) = self.shared().find_driver(place.registry) {
            driver.report(Ready { token: place.token, readable, writable, closed });
        }
    }

    /// One pass of the I/O thread over what is due. `false`: there was nothing to do, and without new readiness, calls
    /// or time there will not be.
    pub fn run(&mut self) -> bool {
        self.io.pass()
    }

    /// Whether no socket is left, open or lingering, that does I/O.
    pub fn is_idle(&self) -> bool {
        self.shared().load() == 0
    }

    fn shared(&self) -> &Arc<IoShared> {
        self.io.shared()
    }

    pub(crate) fn parts(&self) -> (World, Arc<IoShared>) {
        (World::from(self.world.clone()), self.shared().clone())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::transport::nowhere::Nowhere;
    use crate::{Context, Event, Monitor, SocketBase, SocketType};
    use std::time::Duration;

    fn delays(monitor: &mut Monitor) -> Vec<Duration> {
        let mut delays = Vec::new();
        while let Some(event) = monitor.try_next() {
            if let Event::ConnectRetried { after, .. } = event {
                delays.push(after);
            }
        }
        delays
    }

    /// The delays of a socket that tries for an hour, of which nothing passes outside.
    fn an_hour_of_attempts(seed: u64) -> Vec<Duration> {
        let mut simulation = Simulation::new(seed).expect("a simulation");
        let context =
            Context::builder().transport(Nowhere).simulation(&simulation).build().expect("a context");
        let interval = Some(Duration::from_secs(60));
        let options = Options { reconnect_interval: interval, ..Options::default() };
        let base = SocketBase::new(&context, SocketType::Push, options).expect("a socket");
        let mut monitor = base.monitor();
        base.connect("nowhere://x", &[]).expect("connect");
        let end = simulation.now() + Duration::from_secs(3600);
        let mut all = Vec::new();
        loop {
            while simulation.run() {}
            let now = delays(&mut monitor);
            assert_eq!(now.len(), 1, "one attempt when its time has come");
            all.extend(now);
            let next = simulation.deadline().expect("the next attempt");
            assert_eq!(next, simulation.now() + all[all.len() - 1]);
            if next > end {
                break;
            }
            simulation.set_now(next - Duration::from_nanos(1));
            assert!(!simulation.run(), "nothing is due yet");
            simulation.set_now(next);
        }
        assert!(!simulation.is_idle());
        drop(base);
        while simulation.run() {}
        assert!(simulation.is_idle(), "nothing is left of a socket that had nothing to send");
        all
    }

    #[test]
    fn time_passes_when_it_is_told_to_and_runs_repeat() {
        let delays = an_hour_of_attempts(1);
        assert!((29..=60).contains(&delays.len()), "{} attempts", delays.len());
        assert_eq!(delays, an_hour_of_attempts(1));
        assert_ne!(delays, an_hour_of_attempts(2));
    }
}
