//! Drives streams and listeners over a poll, as the core does: a call that would block is made again after an event,
//! and only then.

use crate::options::StreamOptions;
use crate::transport::{Listener, PolledTransport, Stream};
use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, IoSlice};
use std::time::{Duration, Instant};

/// How long an event may take that must come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited for an event that must not come.
const SHORT: Duration = Duration::from_millis(20);

pub(super) struct Rig<'a> {
    pub(super) transport: &'a dyn PolledTransport,
    pub(super) options: StreamOptions,
    poll: Poll,
    events: Events,
    next_token: usize,
}

/// Two ends of one connection.
pub(super) struct Pair {
    pub(super) ours: Box<dyn Stream>,
    pub(super) theirs: Box<dyn Stream>,
}

impl<'a> Rig<'a> {
    pub(super) fn new(transport: &'a dyn PolledTransport) -> Rig<'a> {
        Self::with_options(transport, &StreamOptions::default())
    }

    pub(super) fn with_options(transport: &'a dyn PolledTransport, options: &StreamOptions) -> Rig<'a> {
        Rig {
            transport,
            options: options.clone(),
            poll: Poll::new().expect("a poll"),
            events: Events::with_capacity(64),
            next_token: 0,
        }
    }

    pub(super) fn register(&mut self, source: &mut (impl Source + ?Sized), interest: Interest) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.poll.registry().register(source, token, interest).expect("it can be registered");
        token
    }

    pub(super) fn reregister(
        &mut self,
        source: &mut (impl Source + ?Sized),
        token: Token,
        interest: Interest,
    ) {
        self.poll.registry().reregister(source, token, interest).expect("it can be registered anew");
    }

    pub(super) fn deregister(&mut self, source: &mut (impl Source + ?Sized)) {
        self.poll.registry().deregister(source).expect("it can be deregistered");
    }

    pub(super) fn listen(&mut self, address: &str) -> Box<dyn Listener> {
        let listener = self.transport.listen(address, &self.options);
        let mut listener = listener.unwrap_or_else(|error| panic!("listen({address:?}): {error}"));
        self.register(&mut *listener, Interest::READABLE);
        listener
    }

    /// Checks, resolves, and connects to the first address that answers.
    pub(super) fn connect(&mut self, address: &str) -> io::Result<Box<dyn Stream>> {
        let checked = self.transport.check(address, &self.options);
        checked.unwrap_or_else(|error| panic!("check({address:?}): {error}"));
        // Asked always, as the core does.
        let _ = self.transport.resolve_blocks(address, &self.options);
        let mut last = io::Error::new(ErrorKind::NotFound, "resolve() found no address");
        for address in self.transport.resolve(address, &self.options)? {
            match self.attempt(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn attempt(&mut self, address: &str) -> io::Result<Box<dyn Stream>> {
        let mut stream = self.transport.open(address, &self.options)?;
        self.register(&mut *stream, Interest::READABLE | Interest::WRITABLE);
        self.until("established() of a stream that was opened", || match stream.established() {
            Ok(true) => Ok(()),
            Ok(false) => Err(ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        })?;
        Ok(stream)
    }

    pub(super) fn accept(&mut self, listener: &mut dyn Listener) -> Box<dyn Stream> {
        let stream = self.until("accept()", || listener.accept());
        let mut stream = stream.unwrap_or_else(|error| panic!("accept(): {error}"));
        let established = stream.established();
        assert!(matches!(established, Ok(true)), "an accepted stream is established, not {established:?}");
        self.register(&mut *stream, Interest::READABLE | Interest::WRITABLE);
        stream
    }

    pub(super) fn pair(&mut self, listener: &mut dyn Listener) -> Pair {
        let address = listener.local_address();
        self.pair_at(&address, listener)
    }

    pub(super) fn pair_at(&mut self, address: &str, listener: &mut dyn Listener) -> Pair {
        let ours = self.connect(address);
        let ours = ours.unwrap_or_else(|error| panic!("connecting to {address:?}: {error}"));
        Pair { ours, theirs: self.accept(listener) }
    }

    /// Makes the call until it does not say `WouldBlock`: first at once, then after each event.
    pub(super) fn until<T>(&mut self, what: &str, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let started = Instant::now();
        loop {
            match call() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.await_event(started, what);
        }
    }

    fn await_event(&mut self, started: Instant, what: &str) {
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            assert!(!left.is_zero(), "no readiness event lets this go on: {what}");
            match self.poll.poll(&mut self.events, Some(left)) {
                Ok(()) if !self.events.is_empty() => return,
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
            }
        }
    }

    /// Waits for events until one is of this token, and wanted.
    pub(super) fn await_ready(&mut self, token: Token, what: &str, wanted: fn(&mio::event::Event) -> bool) {
        let started = Instant::now();
        loop {
            self.await_event(started, what);
            if self.events.iter().any(|event| event.token() == token && wanted(event)) {
                return;
            }
        }
    }

    /// Takes what events there are.
    pub(super) fn forget_events(&mut self) {
        let _ = self.poll.poll(&mut self.events, Some(Duration::ZERO));
    }

    /// Whether an event of this token comes.
    pub(super) fn is_reported(&mut self, token: Token) -> bool {
        let _ = self.poll.poll(&mut self.events, Some(SHORT));
        self.events.iter().any(|event| event.token() == token)
    }

    /// Writes in slices of uneven length while reading in uneven pieces; the bytes must come out as they went in.
    pub(super) fn transfer(&mut self, from: &mut dyn Stream, to: &mut dyn Stream, bytes: &[u8]) {
        let (mut sent, mut received) = (0, Vec::new());
        let mut buffer = [0; 7001];
        let done = self.until("a transfer", || {
            while sent < bytes.len() {
                let rest = bytes.get(sent..).unwrap_or_default();
                let slices: Vec<IoSlice<'_>> =
                    rest.chunks(1 + sent % 97).take(1500).map(IoSlice::new).collect();
                match from.write_vectored(&slices) {
                    Ok(0) => panic!("write_vectored() took nothing and did not say WouldBlock"),
                    Ok(count) => sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            while received.len() < bytes.len() {
                match to.read(&mut buffer)? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    count => received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                }
            }
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("transferring {} bytes: {error}", bytes.len()));
        assert!(received == bytes, "of {} bytes some were changed", bytes.len());
    }

    /// Reads to the end.
    pub(super) fn read_to_end(&mut self, from: &mut dyn Stream) -> io::Result<Vec<u8>> {
        let (mut received, mut buffer) = (Vec::new(), [0; 4099]);
        self.until("reading to the end", || {
            loop {
                match from.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => received.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                }
            }
        })?;
        Ok(received)
    }

    /// Writes until the system takes no more.
    pub(super) fn fill(&mut self, stream: &mut dyn Stream) -> io::Result<usize> {
        const ENDLESS: usize = 1 << 30;
        let chunk = [7; 65536];
        let mut written = 0;
        loop {
            match stream.write_vectored(&[IoSlice::new(&chunk)]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
                Err(error) => return Err(error),
            }
            assert!(written < ENDLESS, "writing never says WouldBlock");
        }
    }
}

/// Bytes of a pattern that shows when some are missing or change places.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) % 251) as u8).collect()
}
