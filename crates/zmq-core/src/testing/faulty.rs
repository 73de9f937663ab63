//! A transport that misbehaves within its contract, and sometimes fails.

use crate::error::Result;
use crate::options::StreamOptions;
use crate::peer::Credentials;
use crate::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What goes wrong. The same seed gives each connection the same faults, in the order in which they are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Begins every random choice.
    pub seed: u64,
    /// Reads and writes at most this many bytes at once.
    pub largest_piece: Option<usize>,
    /// Of a hundred calls, so many say `WouldBlock` although they could go on; readiness is then reported anew.
    pub would_block: u8,
    /// Of a hundred registrations, so many report writability that nobody asked for.
    pub spurious: u8,
    /// Bytes that have come are sometimes kept back for up to this long. Costs CPU time; a few milliseconds at most.
    pub delay: Option<Duration>,
    /// Of a hundred calls of `open` and `accept`, so many fail.
    pub refuse: u8,
    /// After so many bytes in both directions a connection is reset; each has its own number in this range.
    pub reset_after: Option<Range<u64>>,
}

impl Faults {
    /// Everything that must cost time only: short reads and writes, spurious `WouldBlock` and readiness, delays.
    pub fn harmless(seed: u64) -> Faults {
        Faults {
            seed,
            largest_piece: Some(700),
            would_block: 20,
            spurious: 50,
            delay: Some(Duration::from_micros(300)),
            ..Faults::default()
        }
    }

    /// As [`harmless`](Faults::harmless), and connections are refused and reset.
    pub fn resets(seed: u64, after: Range<u64>) -> Faults {
        Faults { refuse: 20, reset_after: Some(after), ..Faults::harmless(seed) }
    }
}

/// A transport with [`Faults`], under the scheme of the one it wraps. A transport that joins sockets of this process
/// directly is left as it is.
#[derive(Debug)]
pub struct Faulty<T> {
    inner: T,
    faults: Faults,
    connections: AtomicU64,
}

impl<T: Transport> Faulty<T> {
    /// Wraps a transport.
    pub fn new(inner: T, faults: Faults) -> Faulty<T> {
        Faulty { inner, faults, connections: AtomicU64::new(0) }
    }

    fn polled(&self) -> io::Result<&dyn PolledTransport> {
        match self.inner.kind() {
            TransportKind::Polled(polled) => Ok(polled),
            TransportKind::Direct(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    fn dice(&self) -> Dice {
        Dice::new(self.faults.seed, self.connections.fetch_add(1, Ordering::Relaxed))
    }
}

impl<T: Transport> Transport for Faulty<T> {
    fn scheme(&self) -> &str {
        self.inner.scheme()
    }

    fn kind(&self) -> TransportKind<'_> {
        match self.inner.kind() {
            TransportKind::Polled(_) => TransportKind::Polled(self),
            direct @ TransportKind::Direct(_) => direct,
        }
    }
}

impl<T: Transport> PolledTransport for Faulty<T> {
    fn listen(&self, address: &str, options: &StreamOptions) -> Result<Box<dyn Listener>> {
        let polled = self.polled().map_err(|error| crate::Error::io("listening", error))?;
        let inner = polled.listen(address, options)?;
        Ok(Box::new(FaultyListener {
            source: Armed::new(inner),
            dice: self.dice(),
            faults: self.faults.clone(),
        }))
    }

    fn check(&self, address: &str, options: &StreamOptions) -> Result<()> {
        self.polled().map_err(|error| crate::Error::io("connecting", error))?.check(address, options)
    }

    fn resolve_blocks(&self, address: &str, options: &StreamOptions) -> bool {
        self.polled().is_ok_and(|polled| polled.resolve_blocks(address, options))
    }

    fn resolve(&self, address: &str, options: &StreamOptions) -> io::Result<Vec<String>> {
        self.polled()?.resolve(address, options)
    }

    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let mut dice = self.dice();
        if dice.chance(self.faults.refuse) {
            return Err(io::Error::new(ErrorKind::ConnectionRefused, "refused by a fault"));
        }
        Ok(Box::new(FaultyStream::new(self.polled()?.open(address, options)?, dice, &self.faults)))
    }
}

/// A source that remembers where it is registered, so that its readiness can be reported anew.
struct Armed<S: ?Sized> {
    inner: Box<S>,
    registration: Option<(Registry, Token, Interest)>,
}

impl<S: Source + ?Sized> Armed<S> {
    fn new(inner: Box<S>) -> Armed<S> {
        Armed { inner, registration: None }
    }

    /// Has the poll report what the source is ready for, whether it has done so or not.
    fn report_anew(&mut self) -> io::Result<()> {
        match &self.registration {
            Some((registry, token, interest)) => self.inner.reregister(registry, *token, *interest),
            None => Ok(()),
        }
    }

    fn register(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.inner.register(registry, token, interest)?;
        self.registration = Some((registry.try_clone()?, token, interest));
        Ok(())
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        self.inner.reregister(registry, token, interest)?;
        match &mut self.registration {
            Some((_, old_token, old_interest)) => (*old_token, *old_interest) = (token, interest),
            none => *none = Some((registry.try_clone()?, token, interest)),
        }
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.registration = None;
        self.inner.deregister(registry)
    }
}

struct FaultyListener {
    source: Armed<dyn Listener>,
    dice: Dice,
    faults: Faults,
}

impl Listener for FaultyListener {
    fn local_address(&self) -> String {
        self.source.inner.local_address()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        if self.dice.chance(self.faults.would_block) {
            self.source.report_anew()?;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.dice.chance(self.faults.refuse) {
            return Err(io::Error::other("accepting fails by a fault"));
        }
        let stream = self.source.inner.accept()?;
        Ok(Box::new(FaultyStream::new(stream, self.dice.split(), &self.faults)))
    }
}

struct FaultyStream {
    source: Armed<dyn Stream>,
    dice: Dice,
    faults: Faults,
    /// Bytes until the connection is reset.
    left: Option<u64>,
    /// Nothing is read until then.
    kept_until: Option<Instant>,
}

impl FaultyStream {
    fn new(inner: Box<dyn Stream>, mut dice: Dice, faults: &Faults) -> FaultyStream {
        let left = faults.reset_after.clone().map(|range| dice.within(range));
        FaultyStream { source: Armed::new(inner), dice, faults: faults.clone(), left, kept_until: None }
    }

    /// What comes before every read and write. `Ok`: how many bytes it may be about.
    fn obstruct(&mut self, wanted: usize) -> io::Result<usize> {
        if self.left == Some(0) {
            return Err(io::Error::new(ErrorKind::ConnectionReset, "reset by a fault"));
        }
        if self.dice.chance(self.faults.would_block) {
            return Err(self.put_off());
        }
        let mut piece = wanted;
        if let Some(largest) = self.faults.largest_piece {
            piece = piece.min(usize::try_from(self.dice.within(1..largest as u64 + 1)).unwrap_or(1));
        }
        if let Some(left) = self.left {
            piece = piece.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        Ok(piece)
    }

    fn put_off(&mut self) -> io::Error {
        match self.source.report_anew() {
            Ok(()) => ErrorKind::WouldBlock.into(),
            Err(error) => error,
        }
    }

    fn count(&mut self, bytes: usize) {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
    }

    fn keeps_back(&mut self) -> bool {
        let Some(delay) = self.faults.delay else { return false };
        match self.kept_until {
            Some(until) if Instant::now() < until => true,
            Some(_) => {
                self.kept_until = None;
                false
            }
            None if self.dice.chance(5) => {
                let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
                self.kept_until =
                    Instant::now().checked_add(Duration::from_nanos(self.dice.within(0..nanos)));
                true
            }
            None => false,
        }
    }
}

impl Stream for FaultyStream {
    fn established(&mut self) -> io::Result<bool> {
        self.source.inner.established()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.keeps_back() {
            return Err(self.put_off());
        }
        let piece = self.obstruct(buffer.len())?;
        let count = self.source.inner.read(buffer.get_mut(..piece).unwrap_or_default())?;
        self.count(count);
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let mut piece = self.obstruct(wanted)?;
        let mut shortened = Vec::with_capacity(slices.len());
        for slice in slices {
            let taken = slice.get(..piece.min(slice.len())).unwrap_or_default();
            piece -= taken.len();
            shortened.push(IoSlice::new(taken));
            if piece == 0 {
                break;
            }
        }
        let count = self.source.inner.write_vectored(&shortened)?;
        self.count(count);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.source.inner.shutdown_write()
    }

    fn is_delivered(&self) -> bool {
        self.source.inner.is_delivered()
    }

    fn peer_address(&self) -> String {
        self.source.inner.peer_address()
    }

    fn leaves_this_machine(&self) -> bool {
        self.source.inner.leaves_this_machine()
    }

    fn credentials(&self) -> Option<Credentials> {
        self.source.inner.credentials()
    }
}

impl Source for FaultyListener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source.deregister(registry)
    }
}

impl Source for FaultyStream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        let interests = self.exaggerate(interests);
        self.source.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        let interests = self.exaggerate(interests);
        self.source.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source.deregister(registry)
    }
}

impl FaultyStream {
    fn exaggerate(&mut self, interests: Interest) -> Interest {
        if self.dice.chance(self.faults.spurious) { interests | Interest::WRITABLE } else { interests }
    }
}

/// Random numbers that a seed determines (splitmix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, stream: u64) -> Dice {
        let mut dice = Dice(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn split(&mut self) -> Dice {
        Dice(self.roll())
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.roll() % 100 < u64::from(percent)
    }

    /// In the range; its start if it is empty.
    fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + self.roll() % width
    }
}
