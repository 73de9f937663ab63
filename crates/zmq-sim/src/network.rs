//! A network in memory: connections that delay, fragment, stall, break and corrupt, as a seed has it.
//!
//! It is a transport (`sim://name`) and a schedule. What a socket does to a connection puts happenings into the schedule;
//! [`Network::pass`] lets those happen whose time has come, and says who became ready.

use crate::dice::Dice;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zmq_core::options::StreamOptions;
use zmq_core::testing::Place;
use zmq_core::transport::mio::event::Source;
use zmq_core::transport::mio::{Interest, Registry, Token};
use zmq_core::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq_core::{Error, Result};

/// What the network does to its connections. Percentages are chances per call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How long each fragment, and each step of making a connection, takes. Nothing overtakes.
    pub delay: Range<Duration>,
    /// A fragment is at most so long.
    pub fragment: usize,
    /// A write takes at most so many bytes.
    pub largest_write: usize,
    /// How much may be under way in one direction.
    pub window: Range<usize>,
    /// How many percent of the fragments are held up, with all that follow, and for how long.
    pub stall: u8,
    /// How long a stall is.
    pub stall_time: Range<Duration>,
    /// How many percent of the reads and writes say `WouldBlock` although they could go on.
    pub would_block: u8,
    /// How many percent of the attempts to connect are refused.
    pub refuse: u8,
    /// How many percent of the calls of `accept` fail while somebody waits.
    pub fail_accept: u8,
    /// A connection is reset at one of these bytes of one of its directions.
    pub reset_at: Option<Range<u64>>,
    /// One bit is flipped in one of these bytes of one of its directions.
    pub corrupt_at: Option<Range<u64>>,
}

impl Conditions {
    /// Nothing goes wrong, and everything is quick.
    pub fn calm() -> Conditions {
        Conditions {
            delay: Duration::from_micros(10)..Duration::from_micros(100),
            fragment: 64 * 1024,
            largest_write: 64 * 1024,
            window: 64 * 1024..64 * 1024 + 1,
            stall: 0,
            stall_time: Duration::ZERO..Duration::ZERO,
            would_block: 0,
            refuse: 0,
            fail_accept: 0,
            reset_at: None,
            corrupt_at: None,
        }
    }
}

/// Bytes that crossed the network's border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Taken from writers.
    pub written: u64,
    /// Given to readers.
    pub read: u64,
    /// Thrown away: by a reset, or because nobody reads any more. What is still on its way is
    /// `written - read - lost`.
    pub lost: u64,
    /// Connections that were reset by a fault, and bytes that were changed.
    pub faults: u64,
}

impl Traffic {
    /// Bytes that are on their way, or have arrived and wait to be read.
    pub fn under_way(&self) -> u64 {
        self.written - self.read - self.lost
    }
}

/// Where a greeting has the minor version.
const MINOR: u64 = 11;

/// Who has become ready, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Whom to tell.
    pub place: Place,
    /// There is something to read or to accept.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has closed, or an error waits.
    pub closed: bool,
}

/// The network; clones are the same one.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Inside>>);

struct Inside {
    now: Instant,
    started: Instant,
    dice: Dice,
    conditions: Conditions,
    /// Greetings say 3.0 where they say 3.1.
    pretends_3_0: bool,
    listeners: BTreeMap<String, Port>,
    connections: BTreeMap<usize, Connection>,
    /// What will happen, and in which order at the same time.
    schedule: BTreeMap<(Instant, u64), Happening>,
    next_connection: usize,
    next_happening: u64,
    traffic: Traffic,
    trace: Trace,
}

/// A listener.
#[derive(Default)]
struct Port {
    place: Option<Place>,
    /// Connections that wait to be accepted.
    waiting: VecDeque<usize>,
}

/// A connection. Side 0 has opened it, side 1 accepts it.
struct Connection {
    stage: Stage,
    sides: [Side; 2],
    /// What each side is to read.
    lanes: [Lane; 2],
    short_read_means_drained: bool,
    head_start: usize,
    /// A byte was changed: nothing that arrives here means anything.
    corrupted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Established,
    Refused,
    Reset,
}

struct Side {
    place: Option<(Place, Interest)>,
    /// Its stream is there. A side that was not accepted yet counts as there.
    open: bool,
    /// A write said `WouldBlock`, and its writer has not been told that there is room.
    blocked: bool,
}

/// One direction, named after the side that reads.
struct Lane {
    under_way: usize,
    arrived: VecDeque<u8>,
    /// Nothing overtakes what arrives then.
    last: Instant,
    written: u64,
    window: usize,
    end_sent: bool,
    end_arrived: bool,
    reset_at: Option<u64>,
    corrupt_at: Option<u64>,
}

enum Happening {
    /// An attempt to connect reaches the address.
    Knock {
        connection: usize,
        address: String,
    },
    /// The opener learns what became of its attempt.
    Answer {
        connection: usize,
        stage: Stage,
    },
    Bytes {
        connection: usize,
        reader: usize,
        bytes: Vec<u8>,
    },
    End {
        connection: usize,
        reader: usize,
    },
    Reset {
        connection: usize,
    },
    /// A side is told what is so now.
    Tell {
        connection: usize,
        side: usize,
    },
    /// A listener is told that somebody waits.
    TellPort {
        address: String,
    },
}

/// What happened, as a number to compare runs by, and as lines to read.
#[derive(Clone, Debug, Default)]
struct Trace {
    digest: u64,
    print: bool,
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// An empty network at `now`. `print` writes what happens to the standard output.
    pub fn new(seed: u64, conditions: Conditions, now: Instant, print: bool) -> Network {
        Network(Arc::new(Mutex::new(Inside {
            now,
            started: now,
            dice: Dice::new(seed),
            conditions,
            pretends_3_0: false,
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            schedule: BTreeMap::new(),
            next_connection: 0,
            next_happening: 0,
            traffic: Traffic::default(),
            trace: Trace { digest: 0xcbf2_9ce4_8422_2325, print },
        })))
    }

    /// From now on all peers seem to be of ZMTP 3.0.
    pub fn pretend_3_0(&self) {
        lock(&self.0).pretends_3_0 = true;
    }

    /// When the next thing happens.
    pub fn next_happening(&self) -> Option<Instant> {
        lock(&self.0).schedule.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due at `now`, and says who has become ready by it.
    pub fn pass(&self, now: Instant) -> Vec<Ready> {
        let mut inside = lock(&self.0);
        inside.now = now;
        let mut ready = Vec::new();
        while let Some(entry) = inside.schedule.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let happening = entry.remove();
            inside.happen(happening, &mut ready);
        }
        ready
    }

    /// From now on nothing goes wrong. Faults that were to come do not; connections over which something wrong has
    /// arrived are reset, for no peer can know what was meant.
    pub fn heal(&self) {
        let mut inside = lock(&self.0);
        inside.note("heal", &[]);
        inside.conditions = Conditions::calm();
        let mut corrupted = Vec::new();
        for (number, connection) in &mut inside.connections {
            for lane in &mut connection.lanes {
                (lane.reset_at, lane.corrupt_at) = (None, None);
            }
            if connection.corrupted {
                corrupted.push(*number);
            }
        }
        for connection in corrupted {
            inside.reset_soon(connection);
        }
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        lock(&self.0).traffic
    }

    /// A number that two runs have in common only if the same things happened at the same times.
    pub fn digest(&self) -> u64 {
        lock(&self.0).trace.digest
    }

    /// Writes something into the trace.
    pub fn note(&self, what: &str, numbers: &[u64]) {
        lock(&self.0).note(what, numbers);
    }

    /// How many connections somebody still holds an end of.
    pub fn open_connections(&self) -> usize {
        lock(&self.0).connections.len()
    }
}

/// The schedule.
impl Inside {
    fn note(&mut self, what: &str, numbers: &[u64]) {
        let at = self.now.duration_since(self.started);
        let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let bytes = what.bytes().map(u64::from).chain([nanos]).chain(numbers.iter().copied());
        for number in bytes {
            self.trace.digest =
                (self.trace.digest ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
        }
        if self.trace.print {
            println!("{:>14.6} {what} {numbers:?}", at.as_secs_f64());
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.next_happening += 1;
        self.schedule.insert((at, self.next_happening), happening);
    }

    fn delay(&mut self) -> Instant {
        let delay = self.dice.time(&self.conditions.delay.clone());
        self.now + delay
    }

    fn schedule_soon(&mut self, happening: Happening) {
        let at = self.delay();
        self.schedule(at, happening);
    }

    /// Tells at this very time: an edge of the poll is not a matter of the network.
    fn tell(&mut self, connection: usize, side: usize) {
        self.schedule(self.now, Happening::Tell { connection, side });
    }

    /// When something sent now arrives, behind everything that was sent before.
    fn arrival(&mut self, connection: usize, reader: usize) -> Instant {
        let mut at = self.delay();
        let stall = self.conditions.stall;
        if self.dice.chance(stall) {
            at += self.dice.time(&self.conditions.stall_time.clone());
        }
        if let Some(connection) = self.connections.get_mut(&connection) {
            let lane = &mut connection.lanes[reader];
            at = at.max(lane.last);
            lane.last = at;
        }
        at
    }

    fn reset_soon(&mut self, connection: usize) {
        self.schedule_soon(Happening::Reset { connection });
    }

    fn happen(&mut self, happening: Happening, ready: &mut Vec<Ready>) {
        match happening {
            Happening::Knock { connection, address } => self.knock(connection, address),
            Happening::Answer { connection, stage } => self.answer(connection, stage),
            Happening::Bytes { connection, reader, bytes } => self.arrive(connection, reader, &bytes),
            Happening::End { connection, reader } => {
                self.note("end", &[connection as u64, reader as u64]);
                if let Some(state) = self.connections.get_mut(&connection) {
                    state.lanes[reader].end_arrived = true;
                    self.tell(connection, reader);
                }
            }
            Happening::Reset { connection } => self.reset(connection),
            Happening::Tell { connection, side } => ready.extend(self.readiness(connection, side)),
            Happening::TellPort { address } => {
                let waited_for = self.listeners.get(&address).filter(|port| !port.waiting.is_empty());
                if let Some(place) = waited_for.and_then(|port| port.place) {
                    ready.push(Ready { place, readable: true, writable: false, closed: false });
                }
            }
        }
    }

    fn knock(&mut self, connection: usize, address: String) {
        self.note("knock", &[connection as u64]);
        if !self.connections.contains_key(&connection) {
            return;
        }
        let refuse = self.conditions.refuse;
        let refused = self.dice.chance(refuse);
        let stage = match self.listeners.get_mut(&address).filter(|_| !refused) {
            Some(port) => {
                port.waiting.push_back(connection);
                Stage::Established
            }
            None => Stage::Refused,
        };
        match self.connections.get_mut(&connection) {
            // From now on it is there to be accepted.
            Some(state) if stage == Stage::Established => state.sides[1].open = true,
            _ => {}
        }
        self.schedule(self.now, Happening::TellPort { address });
        self.schedule_soon(Happening::Answer { connection, stage });
    }

    fn answer(&mut self, connection: usize, stage: Stage) {
        self.note("answer", &[connection as u64, u64::from(stage == Stage::Established)]);
        if let Some(state) = self.connections.get_mut(&connection) {
            if state.stage == Stage::Opening {
                state.stage = stage;
            }
            self.tell(connection, 0);
        }
    }

    fn arrive(&mut self, connection: usize, reader: usize, bytes: &[u8]) {
        self.note("bytes", &[connection as u64, reader as u64, bytes.len() as u64]);
        match self.connections.get_mut(&connection) {
            Some(state) if state.stage != Stage::Reset && state.sides[reader].open => {
                let lane = &mut state.lanes[reader];
                lane.under_way -= bytes.len();
                lane.arrived.extend(bytes);
                self.tell(connection, reader);
            }
            Some(state) => {
                self.traffic.lost += bytes.len() as u64;
                if state.stage != Stage::Reset {
                    // Nobody reads here any more.
                    self.reset_soon(connection);
                }
            }
            None => self.traffic.lost += bytes.len() as u64,
        }
    }

    fn reset(&mut self, connection: usize) {
        self.note("reset", &[connection as u64]);
        let Some(state) = self.connections.get_mut(&connection) else { return };
        state.stage = Stage::Reset;
        for lane in &mut state.lanes {
            self.traffic.lost += lane.arrived.len() as u64;
            lane.arrived.clear();
        }
        self.tell(connection, 0);
        self.tell(connection, 1);
    }

    /// What a side would be told that has just registered.
    fn readiness(&mut self, connection: usize, side: usize) -> Option<Ready> {
        let state = self.connections.get_mut(&connection)?;
        let (place, interest) = state.sides[side].place?;
        let (mine, theirs) = (&state.lanes[side], &state.lanes[1 - side]);
        let failed = matches!(state.stage, Stage::Reset | Stage::Refused);
        let readable = !mine.arrived.is_empty() || mine.end_arrived || failed;
        let room = state.stage == Stage::Established && theirs.room() > 0;
        let writable = interest.is_writable() && (room || failed);
        state.sides[side].blocked &= !writable;
        let closed = mine.end_arrived || failed;
        let readable = readable && interest.is_readable();
        (readable || writable).then_some(Ready { place, readable, writable, closed })
    }
}

impl Lane {
    fn new(now: Instant, dice: &mut Dice, conditions: &Conditions) -> Lane {
        Lane {
            under_way: 0,
            arrived: VecDeque::new(),
            last: now,
            written: 0,
            window: dice.size(conditions.window.clone()),
            end_sent: false,
            end_arrived: false,
            reset_at: None,
            corrupt_at: None,
        }
    }

    fn room(&self) -> usize {
        self.window.saturating_sub(self.under_way + self.arrived.len())
    }
}

/// What sockets do.
impl Inside {
    fn open(&mut self, address: &str) -> usize {
        self.next_connection += 1;
        let number = self.next_connection;
        let (conditions, now) = (self.conditions.clone(), self.now);
        let side = |open| Side { place: None, open, blocked: false };
        let mut connection = Connection {
            stage: Stage::Opening,
            sides: [side(true), side(false)],
            lanes: [0, 1].map(|_| Lane::new(now, &mut self.dice, &conditions)),
            short_read_means_drained: self.dice.chance(50),
            head_start: self.dice.size(1..2000),
            corrupted: false,
        };
        let unlucky = self.dice.size(0..2);
        connection.lanes[unlucky].reset_at = conditions.reset_at.map(|range| self.dice.within(range));
        connection.lanes[unlucky].corrupt_at = conditions.corrupt_at.map(|range| self.dice.within(range));
        self.connections.insert(number, connection);
        self.schedule_soon(Happening::Knock { connection: number, address: address.to_owned() });
        number
    }

    fn accept(&mut self, address: &str) -> io::Result<usize> {
        let fail = self.conditions.fail_accept;
        let Some(port) = self.listeners.get_mut(address) else { return Err(ErrorKind::NotFound.into()) };
        if port.waiting.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.dice.chance(fail) {
            return Err(io::Error::other("no descriptor is left, says the simulation"));
        }
        let Some(number) = port.waiting.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
        match self.connections.get(&number) {
            Some(connection) if connection.stage != Stage::Reset && connection.sides[0].open => Ok(number),
            Some(_) => {
                self.close(number, 1);
                Err(ErrorKind::ConnectionAborted.into())
            }
            None => Err(ErrorKind::ConnectionAborted.into()),
        }
    }

    fn read(&mut self, number: usize, side: usize, buffer: &mut [u8]) -> io::Result<usize> {
        let would_block = self.conditions.would_block;
        if self.dice.chance(would_block) {
            self.schedule_soon(Happening::Tell { connection: number, side });
            return Err(ErrorKind::WouldBlock.into());
        }
        let Some(connection) = self.connections.get_mut(&number) else {
            return Err(ErrorKind::NotConnected.into());
        };
        if connection.stage == Stage::Reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let lane = &mut connection.lanes[side];
        if lane.arrived.is_empty() {
            return if lane.end_arrived { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let most = lane.arrived.len().min(buffer.len());
        let count = if connection.short_read_means_drained { most } else { self.dice.size(1..most + 1) };
        for (to, from) in buffer.iter_mut().zip(lane.arrived.drain(..count)) {
            *to = from;
        }
        self.traffic.read += count as u64;
        if connection.sides[1 - side].blocked {
            self.schedule_soon(Happening::Tell { connection: number, side: 1 - side });
        }
        Ok(count)
    }

    fn write(&mut self, number: usize, side: usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let conditions = self.conditions.clone();
        let hesitates = self.dice.chance(conditions.would_block);
        let Some(connection) = self.connections.get_mut(&number) else {
            return Err(ErrorKind::NotConnected.into());
        };
        if connection.stage == Stage::Reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let reader = 1 - side;
        let lane = &mut connection.lanes[reader];
        let room = lane.room();
        if room == 0 || hesitates {
            connection.sides[side].blocked = true;
            if room > 0 {
                self.schedule_soon(Happening::Tell { connection: number, side });
            }
            return Err(ErrorKind::WouldBlock.into());
        }
        let asked: usize = slices.iter().map(|slice| slice.len()).sum();
        let most = asked.min(room).min(conditions.largest_write);
        let mut bytes = first_bytes(slices, self.dice.size((most / 2).max(1)..most + 1));
        let first = lane.written;
        lane.written += bytes.len() as u64;
        lane.under_way += bytes.len();
        let offset = |at: Option<u64>| at.and_then(|at| usize::try_from(at.checked_sub(first)?).ok());
        let minor = self.pretends_3_0.then_some(MINOR);
        if let Some(byte) = offset(minor).and_then(|at| bytes.get_mut(at)) {
            *byte = 0;
        }
        if let Some(byte) = offset(lane.corrupt_at).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1 << (self.dice.roll() % 8);
            connection.corrupted = true;
            self.traffic.faults += 1;
        }
        let breaks = offset(lane.reset_at).is_some_and(|at| at < bytes.len());
        let count = bytes.len();
        self.traffic.written += count as u64;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = self.dice.size(1..rest.len().min(conditions.fragment) + 1);
            let (fragment, others) = rest.split_at(length);
            rest = others;
            let at = self.arrival(number, reader);
            self.schedule(at, Happening::Bytes { connection: number, reader, bytes: fragment.to_vec() });
        }
        if breaks {
            self.traffic.faults += 1;
            self.reset_soon(number);
        }
        Ok(count)
    }

    fn end(&mut self, number: usize, side: usize) {
        let reader = 1 - side;
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if !std::mem::replace(&mut connection.lanes[reader].end_sent, true) {
            let at = self.arrival(number, reader);
            self.schedule(at, Happening::End { connection: number, reader });
        }
    }

    /// A stream is dropped.
    fn close(&mut self, number: usize, side: usize) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let mine = &mut connection.sides[side];
        (mine.open, mine.place) = (false, None);
        let arrived = std::mem::take(&mut connection.lanes[side].arrived);
        self.traffic.lost += arrived.len() as u64;
        let unread = !arrived.is_empty();
        if !connection.sides[1 - side].open {
            self.connections.remove(&number);
        } else if unread {
            // As the system does when bytes are thrown away.
            self.reset_soon(number);
        } else {
            self.end(number, side);
        }
    }

    /// A listener is dropped.
    fn close_port(&mut self, address: &str) {
        let Some(port) = self.listeners.remove(address) else { return };
        for number in port.waiting {
            self.close(number, 1);
            if self.connections.contains_key(&number) {
                self.reset_soon(number);
            }
        }
    }
}

fn first_bytes(slices: &[IoSlice<'_>], count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    for slice in slices {
        let wanted = slice.len().min(count - bytes.len());
        bytes.extend_from_slice(&slice[..wanted]);
    }
    bytes
}

impl Transport for Network {
    fn scheme(&self) -> &str {
        "sim"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Network {
    fn listen(&self, address: &str, _: &StreamOptions) -> Result<Box<dyn Listener>> {
        let mut inside = lock(&self.0);
        if inside.listeners.contains_key(address) {
            return Err(Error::AddressInUse { endpoint: format!("sim://{address}") });
        }
        inside.listeners.insert(address.to_owned(), Port::default());
        Ok(Box::new(SimulatedListener { network: self.clone(), address: address.to_owned() }))
    }

    fn check(&self, _: &str, _: &StreamOptions) -> Result<()> {
        Ok(())
    }

    fn open(&self, address: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let number = lock(&self.0).open(address);
        Ok(Box::new(SimulatedStream { network: self.clone(), number, side: 0 }))
    }
}

struct SimulatedListener {
    network: Network,
    address: String,
}

impl SimulatedListener {
    fn place(&self, place: Option<Place>) -> io::Result<()> {
        let mut inside = lock(&self.network.0);
        if let Some(port) = inside.listeners.get_mut(&self.address) {
            port.place = place;
        }
        let now = inside.now;
        inside.schedule(now, Happening::TellPort { address: self.address.clone() });
        Ok(())
    }
}

impl Source for SimulatedListener {
    fn register(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        self.place(Some(Place::new(registry, token)))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        self.place(Some(Place::new(registry, token)))
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.place(None)
    }
}

impl Listener for SimulatedListener {
    fn local_address(&self) -> String {
        self.address.clone()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let number = lock(&self.network.0).accept(&self.address)?;
        Ok(Box::new(SimulatedStream { network: self.network.clone(), number, side: 1 }))
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        lock(&self.network.0).close_port(&self.address);
    }
}

struct SimulatedStream {
    network: Network,
    number: usize,
    side: usize,
}

impl SimulatedStream {
    fn place(&self, place: Option<(Place, Interest)>) -> io::Result<()> {
        let mut inside = lock(&self.network.0);
        if let Some(connection) = inside.connections.get_mut(&self.number) {
            connection.sides[self.side].place = place;
        }
        inside.tell(self.number, self.side);
        Ok(())
    }
}

impl Source for SimulatedStream {
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.place(Some((Place::new(registry, token), interest)))
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.place(Some((Place::new(registry, token), interest)))
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.place(None)
    }
}

impl Stream for SimulatedStream {
    fn established(&mut self) -> io::Result<bool> {
        match lock(&self.network.0).connections.get(&self.number).map(|connection| connection.stage) {
            Some(Stage::Opening) => Ok(false),
            Some(Stage::Established) => Ok(true),
            Some(Stage::Refused) | None => Err(ErrorKind::ConnectionRefused.into()),
            Some(Stage::Reset) => Err(ErrorKind::ConnectionReset.into()),
        }
    }

    fn short_read_means_drained(&self) -> bool {
        let inside = lock(&self.network.0);
        inside.connections.get(&self.number).is_some_and(|connection| connection.short_read_means_drained)
    }

    fn head_start(&self) -> usize {
        lock(&self.network.0).connections.get(&self.number).map_or(1, |connection| connection.head_start)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.network.0).read(self.number, self.side, buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        lock(&self.network.0).write(self.number, self.side, slices)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        lock(&self.network.0).end(self.number, self.side);
        Ok(())
    }

    fn peer_address(&self) -> String {
        format!("{}/{}", self.number, 1 - self.side)
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        lock(&self.network.0).close(self.number, self.side);
    }
}
