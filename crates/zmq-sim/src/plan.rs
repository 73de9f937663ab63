//! What a seed stands for.

use crate::dice::Dice;
use crate::guard::Guard;
use crate::network::Conditions;
use std::time::Duration;
use zmq_core::Options;
use zmq_core::options::ZmtpVersion;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// PUSH to PULL, several of each.
    Pipeline,
    /// PUB or XPUB to SUB or XSUB, several of each.
    Publish,
    /// REQ to REP, several of each.
    Request,
    /// DEALERs to a ROUTER that sends everything back.
    Echo,
    /// PAIR to PAIR, both ways.
    Pair,
}

/// How bad the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Everything takes its time, connecting may fail, accepting may fail; but a connection that is made stays.
    Stable,
    /// Connections are reset.
    Breaking,
    /// Connections are reset, and bytes change under way.
    Corrupting,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that the rest leaves open.
    pub seed: u64,
    /// Who talks to whom.
    pub shape: Shape,
    /// Which promises are checked.
    pub class: Class,
    /// What the network does until the faults stop.
    pub conditions: Conditions,
    /// The sockets that bind.
    pub binders: usize,
    /// The sockets that connect, each to every one that binds.
    pub connectors: usize,
    /// Whether it is the senders that bind; in a shape that has such.
    pub senders_bind: bool,
    /// Whether the two kinds live in contexts of their own.
    pub two_contexts: bool,
    /// How many messages each sender sends while there are faults.
    pub messages: u64,
    /// The longest message, in bytes.
    pub longest: usize,
    /// What all sockets are made with.
    pub options: Options,
    /// How those who connect prove that they may.
    pub guard: Guard,
    /// What one of them speaks, or, for 3.0, all seem to.
    pub version: ZmtpVersion,
    /// Whether the old one is the first of those that bind, and not of those that connect.
    pub old_binds: bool,
    /// How many percent of the pairs are joined in their process, and not by the network.
    pub inproc: u8,
    /// Whether the clock leaps by hours now and then.
    pub leaps: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let dice = &mut Dice::new(seed);
        let shape = match dice.size(0..5) {
            0 => Shape::Pipeline,
            1 => Shape::Publish,
            2 => Shape::Request,
            3 => Shape::Echo,
            _ => Shape::Pair,
        };
        let class = match dice.size(0..10) {
            0..4 => Class::Stable,
            4..8 => Class::Breaking,
            _ => Class::Corrupting,
        };
        let conditions = conditions(class, dice);
        let (binders, connectors) = match shape {
            Shape::Pair => (1, 1),
            Shape::Echo => (1, dice.size(1..4)),
            Shape::Pipeline | Shape::Publish | Shape::Request => (dice.size(1..3), dice.size(1..4)),
        };
        let mut plan = Plan {
            seed,
            shape,
            class,
            binders,
            connectors,
            senders_bind: dice.chance(50),
            two_contexts: dice.chance(50),
            messages: dice.within(5..60),
            longest: longest(&conditions),
            options: options(class, dice),
            conditions,
            guard: Guard::Open,
            version: ZmtpVersion::V3_1,
            old_binds: false,
            inproc: 0,
            leaps: class == Class::Stable && dice.chance(30),
        };
        match dice.size(0..12) {
            0 | 1 => plan.guard = Guard::Password,
            2 => plan.guard = Guard::Key,
            3 => plan.version = ZmtpVersion::V3_0,
            4 | 5 => plan.version = ZmtpVersion::V2_0,
            6 => plan.version = ZmtpVersion::V1_0,
            _ => {}
        }
        plan.options.oldest_zmtp = plan.version.min(ZmtpVersion::V2_0);
        plan.old_binds = plan.version < ZmtpVersion::V3_0 && dice.chance(50);
        if !plan.two_contexts && plan.guard == Guard::Open {
            plan.inproc = [0, 0, 30, 70, 100][dice.size(0..5)];
        }
        plan
    }

    /// Whether the socket of this number is to be an old peer, if its type can be one.
    pub(crate) fn is_old(&self, name: usize) -> bool {
        self.version < ZmtpVersion::V3_0 && name == if self.old_binds { 0 } else { self.binders }
    }
}

fn conditions(class: Class, dice: &mut Dice) -> Conditions {
    let slowest = [micros(50), micros(2_000), micros(100_000)][dice.size(0..3)];
    let smallest_window = [64, 700, 30_000][dice.size(0..3)];
    let faulty = class != Class::Stable;
    let reach = [100, 1_000, 20_000][dice.size(0..3)];
    Conditions {
        delay: micros(1)..slowest,
        fragment: [1, 9, 500, 65_536][dice.size(0..4)],
        largest_write: [7, 100, 65_536][dice.size(0..3)],
        window: smallest_window..4 * smallest_window,
        stall: [0, 1, 10][dice.size(0..3)],
        stall_time: micros(1_000)..micros(2_000_000),
        would_block: [0, 5, 30][dice.size(0..3)],
        refuse: [0, 30][dice.size(0..2)],
        fail_accept: [0, 30][dice.size(0..2)],
        reset_at: (faulty && dice.chance(80)).then_some(1..reach),
        corrupt_at: (class == Class::Corrupting).then_some(1..reach),
    }
}

/// A long message in tiny pieces says nothing that a shorter one does not.
fn longest(conditions: &Conditions) -> usize {
    let pieces = conditions.fragment.min(conditions.largest_write);
    (500 * pieces).min(20 * conditions.window.start).min(20_000)
}

/// A network that is stable must not be taken for one that is gone.
fn options(class: Class, dice: &mut Dice) -> Options {
    let patient = Duration::from_secs(3600);
    let mut any = |range| Some(dice.time(&range));
    let mut options = Options::default();
    options.reconnect_interval = any(micros(1_000)..micros(200_000));
    options.reconnect_interval_max = any(micros(1_000)..micros(2_000_000));
    options.heartbeat_interval = any(micros(500_000)..micros(3_000_000));
    options.handshake_timeout = any(micros(500_000)..micros(5_000_000));
    options.heartbeat_timeout = any(micros(500_000)..micros(3_000_000));
    if class == Class::Stable {
        (options.handshake_timeout, options.heartbeat_timeout) = (Some(patient), Some(patient));
    }
    if dice.chance(60) {
        options.heartbeat_interval = None;
    }
    if dice.chance(50) {
        options.reconnect_interval_max = None;
    }
    options.send_hwm = [1, 3, 1_000][dice.size(0..3)];
    options.recv_hwm = [1, 3, 1_000][dice.size(0..3)];
    options.immediate = dice.chance(25);
    options
}
