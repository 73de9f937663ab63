//! Drives streams and listeners over a `mio::Poll`, as the core does.

#![allow(dead_code, reason = "each test file uses a part of it")]

use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, IoSlice};
use std::time::{Duration, Instant};
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Listener, PolledTransport, Stream};

const LISTENER: Token = Token(0);
const OURS: Token = Token(1);
const THEIRS: Token = Token(2);
const PATIENCE: Duration = Duration::from_secs(10);

/// Two ends of one connection, registered on one poll.
pub struct Pair {
    poll: Poll,
    pub listener: Box<dyn Listener>,
    pub ours: Box<dyn Stream>,
    pub theirs: Box<dyn Stream>,
}

pub fn options(change: impl FnOnce(&mut StreamOptions)) -> StreamOptions {
    let mut options = StreamOptions::default();
    change(&mut options);
    options
}

/// Binds to an address, connects to what it became, and accepts.
pub fn pair(transport: &dyn PolledTransport, bind: &str, options: &StreamOptions) -> Pair {
    let listener = transport.listen(bind, options).unwrap_or_else(|error| panic!("{bind}: {error}"));
    let address = listener.local_address();
    pair_with(transport, listener, &address, options)
}

/// Connects to an address and accepts from a listener.
pub fn pair_with(
    transport: &dyn PolledTransport,
    mut listener: Box<dyn Listener>,
    address: &str,
    options: &StreamOptions,
) -> Pair {
    let mut poll = Poll::new().expect("poll");
    poll.registry().register(&mut *listener, LISTENER, Interest::READABLE).expect("register");
    let mut ours = connect(&mut poll, transport, address, options).expect("connect");
    let mut theirs = until(&mut poll, || listener.accept()).expect("accept");
    assert_eq!(listener.accept().err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    assert!(theirs.established().expect("an accepted stream is established"));
    assert!(ours.established().expect("it stays established"));
    poll.registry()
        .register(&mut *theirs, THEIRS, Interest::READABLE | Interest::WRITABLE)
        .expect("register");
    Pair { poll, listener, ours, theirs }
}

/// Checks, resolves, and connects to the first of the addresses that answers.
pub fn connect(
    poll: &mut Poll,
    transport: &dyn PolledTransport,
    address: &str,
    options: &StreamOptions,
) -> io::Result<Box<dyn Stream>> {
    transport.check(address, options).unwrap_or_else(|error| panic!("{address}: {error}"));
    let mut last = io::Error::from(ErrorKind::NotFound);
    for address in transport.resolve(address, options)? {
        match attempt(poll, transport, &address, options) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn attempt(
    poll: &mut Poll,
    transport: &dyn PolledTransport,
    address: &str,
    options: &StreamOptions,
) -> io::Result<Box<dyn Stream>> {
    let mut stream = transport.open(address, options)?;
    poll.registry().register(&mut *stream, OURS, Interest::READABLE | Interest::WRITABLE)?;
    until(poll, || if stream.established()? { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) })?;
    Ok(stream)
}

/// Repeats a call at each event until it does not say `WouldBlock`.
pub fn until<T>(poll: &mut Poll, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let started = Instant::now();
    let mut events = Events::with_capacity(8);
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        assert!(started.elapsed() < PATIENCE, "nothing happened");
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
    }
}

impl Pair {
    /// Sends bytes of a pattern each way and compares.
    pub fn exchange(&mut self, length: usize) {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        transfer(&mut self.poll, &mut *self.ours, &mut *self.theirs, &bytes);
        transfer(&mut self.poll, &mut *self.theirs, &mut *self.ours, &bytes);
    }

    /// Ends our side; theirs must see the end, and still be able to write.
    pub fn half_close(&mut self) {
        self.ours.shutdown_write().expect("shutdown");
        let theirs = &mut self.theirs;
        assert_eq!(until(&mut self.poll, || theirs.read(&mut [0; 16])).expect("end"), 0);
        transfer(&mut self.poll, &mut **theirs, &mut *self.ours, b"still open");
    }

    /// Drops our side; writing on theirs must end in an error, not in a signal or a panic.
    pub fn break_off(mut self) -> io::Error {
        drop(self.ours);
        let chunk = [7; 65536];
        for _ in 0..1000 {
            let theirs = &mut self.theirs;
            match until(&mut self.poll, || theirs.write_vectored(&[IoSlice::new(&chunk)])) {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        panic!("a peer that is gone takes everything");
    }
}

/// Writes in slices of uneven length, reads in uneven pieces; both ends go on until they would block.
fn transfer(poll: &mut Poll, from: &mut dyn Stream, to: &mut dyn Stream, bytes: &[u8]) {
    let (mut sent, mut received) = (0, Vec::new());
    let mut buffer = [0; 7001];
    until(poll, || {
        while sent < bytes.len() {
            let slices: Vec<IoSlice<'_>> =
                bytes[sent..].chunks(1 + sent % 97).take(1500).map(IoSlice::new).collect();
            match from.write_vectored(&slices) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while received.len() < bytes.len() {
            match to.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(())
    })
    .expect("transfer");
    assert!(received == bytes, "the bytes differ");
}
