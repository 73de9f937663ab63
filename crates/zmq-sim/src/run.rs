//! One run: traffic on a bad network, then on a good one, then the end; and what is checked meanwhile.

use crate::books::{Books, Mint, Stamp, TOPICS, topic};
use crate::cast::{Actor, Stage, types};
use crate::dice::Dice;
use crate::guard::{Guard, Intruder, Side};
use crate::network::Network;
use crate::plan::{Class, Plan, Shape};
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};
use zmq_core::options::ZmtpVersion;
use zmq_core::testing::Simulation;
use zmq_core::{Context, Event, Monitor, SocketType, Stats};
use zmq_transport_inproc::Inproc;

/// Messages of each sender after the faults have stopped; all must arrive.
const AFTERWARDS: u64 = 6;
/// When everybody must have found everybody, after the faults have stopped.
const RECOVERY: Duration = Duration::from_secs(20);
/// When what was sent must have arrived, in virtual time.
const PATIENCE: Duration = Duration::from_secs(600);
/// By how much the clock leaps; longer than anybody's patience on a stable network.
const LEAP: Range<Duration> = Duration::from_secs(3 * 3600)..Duration::from_secs(50 * 3600);
/// Passes of the I/O thread at one point of time.
const MOST_PASSES: u32 = 100_000;

/// What a run has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Equal for two runs only if the same happened at the same times.
    pub digest: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages that were damaged under way, on a network that does that.
    pub garbled: u64,
    /// Bytes that the network was given.
    pub bytes: u64,
    /// Copies that sockets counted as lost.
    pub dropped: u64,
    /// Resets and changed bytes.
    pub faults: u64,
    /// Connections that were made again.
    pub reconnects: u64,
    /// How long it took, in virtual time.
    pub elapsed: Duration,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The plan's seed.
    pub seed: u64,
    /// What went wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, what } = self;
        write!(f, "seed {seed}: {what}\nreplay: cargo run --release -p zmq-sim -- --seed {seed}")
    }
}

impl std::error::Error for Failure {}

/// Runs a plan. `print` writes what happens to the standard output.
///
/// # Errors
/// The first promise that was not kept.
pub fn run(plan: &Plan, print: bool) -> Result<Report, Failure> {
    Play::prepare(plan, print)
        .and_then(|mut play| {
            play.bad_times()?;
            play.recovery()?;
            play.good_times()?;
            play.end()
        })
        .map_err(|what| Failure { seed: plan.seed, what })
}

struct Play<'a> {
    plan: &'a Plan,
    dice: Dice,
    simulation: Simulation,
    network: Network,
    contexts: Vec<Context>,
    actors: Vec<Actor>,
    intruder: Option<Intruder>,
    books: Books,
    mint: Mint,
    healed: bool,
    started: Instant,
}

impl<'a> Play<'a> {
    fn prepare(plan: &'a Plan, print: bool) -> Result<Play<'a>, String> {
        let mut dice = Dice::new(plan.seed ^ 0x0123_4567_89ab_cdef);
        let simulation =
            Simulation::new(dice.roll()).map_err(|error| format!("making a simulation: {error}"))?;
        let started = simulation.now();
        let network = Network::new(dice.roll(), plan.conditions.clone(), started, print);
        if plan.version == ZmtpVersion::V3_0 {
            network.pretend_3_0();
        }
        let mut contexts = Vec::new();
        for _ in 0..1 + usize::from(plan.two_contexts) {
            let builder = Context::builder().transport(network.clone()).transport(Inproc::new());
            let builder = builder.simulation(&simulation);
            contexts.push(builder.build().map_err(|error| format!("making a context: {error}"))?);
        }
        let mint = Mint { seed: plan.seed, longest: plan.longest };
        let mut play = Play {
            plan,
            dice,
            simulation,
            network,
            contexts,
            actors: Vec::new(),
            intruder: None,
            books: Books::default(),
            mint,
            healed: false,
            started,
        };
        play.attach().map_err(|error| format!("setting up: {error}"))?;
        Ok(play)
    }

    /// Makes the sockets and attaches them, in any order: who connects need not find anybody.
    fn attach(&mut self) -> zmq_core::Result<()> {
        let (binding, connecting) = types(self.plan);
        let (binders, all) = (self.plan.binders, self.plan.binders + self.plan.connectors);
        let mut todo = Vec::new();
        for name in 0..all {
            let socket_type = if name < binders { binding } else { connecting };
            let context = if name < binders { self.contexts.first() } else { self.contexts.last() };
            let Some(context) = context else { continue };
            let side = if name < binders { Side::Server } else { Side::Client };
            self.actors.push(Actor::new(context, socket_type, name as u64, side, self.plan)?);
            let others = if name < binders { name..name + 1 } else { 0..binders };
            todo.extend(others.map(|other| (name, other)));
        }
        while !todo.is_empty() {
            let (name, other) = todo.swap_remove(self.dice.size(0..todo.len()));
            let is_old = |name: usize| self.actors[name].socket.is_old();
            let can_be_joined = self.plan.inproc > 0 && !is_old(name) && !is_old(other);
            let joined = can_be_joined && self.dice.chance(self.plan.inproc);
            let (wire, name_here) = (format!("sim://{other}"), format!("inproc://{other}"));
            let socket = self.actors[name].socket.socket();
            if name != other {
                socket.connect(if joined { &name_here } else { &wire })?;
                continue;
            }
            socket.bind(&wire)?;
            if can_be_joined {
                socket.bind(&name_here)?;
            }
        }
        if let (Some(context), true) = (self.contexts.last(), self.plan.guard != Guard::Open) {
            let options = self.plan.options.clone();
            let mut intruder = Intruder::new(context, connecting, all as u64, self.plan.guard, options)?;
            for other in 0..binders {
                intruder.connect(&format!("sim://{other}"))?;
            }
            self.intruder = Some(intruder);
        }
        Ok(())
    }

    /// Messages while the network does its worst.
    fn bad_times(&mut self) -> Result<(), String> {
        self.give_quota(self.plan.messages);
        for _ in 0..self.plan.messages * 40 {
            let who = self.dice.size(0..self.actors.len());
            self.act(who)?;
            match self.dice.size(0..4) {
                0 => drop(self.settle()?),
                1 => drop(self.pass()),
                _ => {}
            }
            match self.dice.size(0..6) {
                0 => {
                    self.attend()?;
                    self.advance(self.next_time());
                }
                1 => {
                    let pause = self.dice.time(&(Duration::ZERO..Duration::from_millis(3)));
                    self.advance(Some(self.simulation.now() + pause));
                }
                2 if self.plan.leaps && self.dice.chance(2) => {
                    let leap = self.dice.time(&LEAP);
                    self.network.note("leap", &[leap.as_secs()]);
                    self.advance(Some(self.simulation.now() + leap));
                }
                _ => {}
            }
            self.check_books()?;
        }
        if self.plan.class == Class::Stable {
            self.until("everything has arrived", |play| play.all_is_said() && play.all_has_arrived())?;
            return self.check_nothing_is_lost();
        }
        Ok(())
    }

    /// The faults stop. What is under way arrives, and everybody comes back.
    fn recovery(&mut self) -> Result<(), String> {
        if self.plan.class != Class::Stable {
            self.network.heal();
        }
        for actor in &mut self.actors {
            actor.quota = 0;
        }
        let until = self.simulation.now() + RECOVERY;
        while self.simulation.now() < until {
            let busy = self.work()?;
            for actor in &mut self.actors {
                actor.come_back()?;
            }
            if !busy {
                let next = self.next_time().map_or(until, |next| next.min(until));
                self.advance(Some(next));
            }
        }
        for actor in &mut self.actors {
            actor.stop_waiting();
        }
        self.healed = true;
        Ok(())
    }

    /// Every message arrives.
    fn good_times(&mut self) -> Result<(), String> {
        let before: Vec<u64> = self.actors.iter().map(|actor| actor.next).collect();
        // A publisher drops what a slow subscriber has no room for; so one at a time.
        let at_once = if self.plan.shape == Shape::Publish { 1 } else { AFTERWARDS };
        for _ in 0..AFTERWARDS / at_once {
            self.give_quota(at_once);
            self.until("what is sent when all is well has arrived", |play| {
                play.all_is_said() && play.all_has_arrived_since(&before)
            })?;
        }
        Ok(())
    }

    /// Whether every message has arrived wherever it should, from these numbers on.
    fn all_has_arrived_since(&self, first: &[u64]) -> bool {
        let senders = self.actors.iter().zip(first).filter(|(actor, _)| actor.is_sender());
        senders.into_iter().all(|(sender, first)| {
            (*first..sender.next).all(|number| self.has_arrived((sender.name, number)))
        })
    }

    fn has_arrived(&self, stamp: Stamp) -> bool {
        self.actors.iter().all(|actor| {
            let (name, group) = (actor.name, actor.group());
            let meant = match actor.kind() {
                SocketType::Sub | SocketType::XSub => actor.topics.contains(&topic(stamp.1)),
                SocketType::Pub | SocketType::XPub | SocketType::Push => false,
                SocketType::Req | SocketType::Dealer => name == stamp.0,
                SocketType::Pair => name != stamp.0,
                _ => true,
            };
            !meant || self.books.has(group, stamp)
        })
    }

    /// On a stable network, when everything has arrived.
    fn check_nothing_is_lost(&mut self) -> Result<(), String> {
        let all: Vec<Stats> = self.actors.iter_mut().map(Actor::counts).collect();
        for (actor, stats) in self.actors.iter().zip(&all) {
            let lost = stats.dropped.total() - stats.dropped.full;
            let drops = matches!(actor.kind(), SocketType::Pub | SocketType::XPub);
            if stats.reconnects > 0 {
                return Err(format!("socket {} was cut off: {stats:?}", actor.name));
            }
            if lost > 0 || stats.queued > 0 || stats.unread > 0 || stats.dropped.full > 0 && !drops {
                return Err(format!("socket {} lost something: {stats:?}", actor.name));
            }
        }
        if self.plan.shape == Shape::Publish {
            return self.check_publishing(&all);
        }
        let sent: u64 = all.iter().map(|stats| stats.sent).sum();
        let received: u64 = all.iter().map(|stats| stats.received).sum();
        if sent == received { Ok(()) } else { Err(format!("{sent} sent, {received} received")) }
    }

    /// Each subscriber has of each topic everything from the moment when its subscription arrived.
    fn check_publishing(&self, all: &[Stats]) -> Result<(), String> {
        let publishers: Vec<&Actor> = self.actors.iter().filter(|actor| actor.is_sender()).collect();
        let subscribers = self.actors.iter().filter(|actor| !actor.is_sender());
        for subscriber in subscribers {
            for publisher in &publishers {
                if all[publisher.name as usize].dropped.full > 0 {
                    continue;
                }
                for wanted in TOPICS {
                    let of_topic = |number: &u64| topic(*number) == *wanted;
                    let numbers: Vec<u64> =
                        self.books.numbers(subscriber.group(), publisher.name).filter(of_topic).collect();
                    let Some(first) = numbers.first() else { continue };
                    if !numbers.iter().copied().eq((*first..publisher.next).filter(of_topic)) {
                        let (from, to) = (publisher.name, subscriber.name);
                        return Err(format!("socket {to} missed some of socket {from}: {numbers:?}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Everybody closes; then nothing is left.
    fn end(mut self) -> Result<Report, String> {
        let mut report = Report {
            received: self.books.received,
            garbled: self.books.garbled,
            faults: self.network.traffic().faults,
            bytes: self.network.traffic().written,
            ..Report::default()
        };
        self.intruder = None;
        let mut monitors = Vec::new();
        while !self.actors.is_empty() {
            let mut actor = self.actors.swap_remove(self.dice.size(0..self.actors.len()));
            let stats = actor.stats();
            report.dropped += stats.dropped.total();
            report.reconnects += stats.reconnects;
            monitors.push((actor.name, actor.monitor));
            drop(actor.socket);
            if self.dice.chance(50) {
                self.settle()?;
            }
        }
        self.until("nothing is left", |play| {
            play.simulation.is_idle() && play.network.open_connections() == 0
        })?;
        for (name, monitor) in monitors {
            let stats = last_words(monitor).ok_or_else(|| format!("socket {name} has not stopped"))?;
            check_balance(name, &stats)?;
            if stats.queued > 0 {
                return Err(format!("socket {name} has stopped with messages queued: {stats:?}"));
            }
        }
        report.elapsed = self.simulation.now() - self.started;
        report.digest = self.network.digest();
        Ok(report)
    }
}

/// Going on.
impl Play<'_> {
    fn give_quota(&mut self, quota: u64) {
        for actor in self.actors.iter_mut().filter(|actor| actor.is_sender()) {
            actor.quota = quota;
        }
    }

    /// Lets time pass, and everybody act, until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&mut Self) -> bool) -> Result<(), String> {
        let limit = self.simulation.now() + PATIENCE;
        loop {
            if self.work()? {
                continue;
            }
            if done(self) {
                return Ok(());
            }
            match self.next_time() {
                Some(next) if next <= limit => self.advance(Some(next)),
                _ => return Err(format!("not within {PATIENCE:?}: {what}; {}", self.describe())),
            }
        }
    }

    /// Everything that can be done at this time is done, and everybody acts once. `false`: all of that came to nothing,
    /// and only time can change it.
    fn work(&mut self) -> Result<bool, String> {
        let settled = self.settle()?;
        let acted = self.everybody_acts()?;
        if acted || self.dice.chance(10) {
            self.check_books()?;
        }
        Ok(settled || acted)
    }

    fn everybody_acts(&mut self) -> Result<bool, String> {
        let mut busy = false;
        for who in 0..self.actors.len() {
            busy |= self.act(who)?;
        }
        if let Some(intruder) = &mut self.intruder {
            busy |= intruder.act(&self.mint)?;
        }
        Ok(busy)
    }

    /// An old peer is made of calls, but is as prompt with its greeting as a socket is.
    fn attend(&mut self) -> Result<(), String> {
        if self.plan.version >= ZmtpVersion::V3_0 {
            return Ok(());
        }
        loop {
            for actor in &mut self.actors {
                actor.socket.attend().map_err(|error| format!("socket {}: {error}", actor.name))?;
            }
            if !self.settle()? {
                return Ok(());
            }
        }
    }

    fn act(&mut self, who: usize) -> Result<bool, String> {
        let Some(actor) = self.actors.get_mut(who) else { return Ok(false) };
        actor.listen();
        let mut stage = Stage {
            mint: &self.mint,
            books: &mut self.books,
            plan: self.plan,
            now: self.simulation.now(),
            healed: self.healed,
            intruder: self.intruder.as_ref().map(Intruder::name),
        };
        let acted = actor.act(&mut stage)?;
        if acted {
            self.network.note("act", &[who as u64, actor.next, self.books.received]);
        }
        Ok(acted)
    }

    /// One pass of the network and of the I/O thread. `false`: nothing is left to do at this time.
    fn pass(&mut self) -> bool {
        let now = self.simulation.now();
        for ready in self.network.pass(now) {
            self.simulation.report(ready.place, ready.readable, ready.writable, ready.closed);
        }
        self.simulation.run() || self.network.next_happening().is_some_and(|next| next <= now)
    }

    /// Passes until nothing is left to do at this time. `false`: nothing was.
    fn settle(&mut self) -> Result<bool, String> {
        for passes in 0..MOST_PASSES {
            if !self.pass() {
                return Ok(passes > 0);
            }
        }
        Err(format!("the I/O thread goes round and round without time passing; {}", self.describe()))
    }

    fn next_time(&self) -> Option<Instant> {
        [self.network.next_happening(), self.simulation.deadline()].into_iter().flatten().min()
    }

    fn advance(&mut self, to: Option<Instant>) {
        if let Some(to) = to.filter(|to| *to > self.simulation.now()) {
            self.simulation.set_now(to);
        }
    }

    /// Everything that was to be said is said, and no socket has it any more.
    fn all_is_said(&mut self) -> bool {
        self.actors.iter().all(Actor::is_done)
            && self.actors.iter_mut().all(|actor| actor.counts().queued == 0)
    }

    /// As many messages were received as were handed over.
    fn all_has_arrived(&mut self) -> bool {
        // What subscribers send is subscriptions.
        let senders = self.actors.iter_mut().filter(|actor| !actor.subscribes());
        let delivered: u64 = senders.map(|actor| actor.counts().delivered).sum();
        delivered == self.books.received
    }

    fn describe(&mut self) -> String {
        let actors = self.actors.iter_mut().map(|actor| {
            let (name, kind, quota, stats) = (actor.name, actor.kind(), actor.quota, actor.stats());
            format!("\n  socket {name} ({kind}): {quota} to be sent, {stats:?}")
        });
        let actors: String = actors.collect();
        format!("{:?}, {:?}{actors}", self.plan, self.network.traffic())
    }
}

/// Books.
impl Play<'_> {
    fn check_books(&mut self) -> Result<(), String> {
        let (mut sent, mut received) = (0, 0);
        for actor in &mut self.actors {
            let stats = actor.stats();
            check_balance(actor.name, &stats)?;
            sent += stats.bytes_sent;
            received += stats.bytes_received;
        }
        if let Some(intruder) = &mut self.intruder {
            let stats = intruder.stats();
            sent += stats.bytes_sent;
            received += stats.bytes_received;
        }
        let traffic = self.network.traffic();
        if !self.actors.is_empty() && (sent, received) != (traffic.written, traffic.read) {
            return Err(format!(
                "the sockets wrote {sent} and read {received} bytes, the network saw {traffic:?}"
            ));
        }
        Ok(())
    }
}

fn check_balance(name: u64, stats: &Stats) -> Result<(), String> {
    if stats.written == stats.delivered + stats.queued + stats.dropped.total() {
        return Ok(());
    }
    Err(format!("the books of socket {name} do not balance: {stats:?}"))
}

fn last_words(mut monitor: Monitor) -> Option<Stats> {
    let mut last = None;
    while let Some(event) = monitor.try_next() {
        if let Event::Stopped { stats } = event {
            last = Some(*stats);
        }
    }
    last
}
