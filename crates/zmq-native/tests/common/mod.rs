//! What the tests of the MUSTs share: every transport, small pipes, bounded waits, and a peer made of bytes.

#![allow(dead_code)]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use zmq::{AnySocket, Endpoint, Error, Message, Options, SocketType, Stats};

/// How long something may take that must happen.
pub const LONG: Duration = Duration::from_secs(10);
/// How long is waited for something that must not happen.
pub const SHORT: Duration = Duration::from_millis(40);
/// A body that fills small kernel buffers soon.
pub const BIG: usize = 32 * 1024;

/// Runs `test` over each transport, with an endpoint to bind to.
pub fn for_each_transport(test: impl Fn(&str)) {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*", "inproc://*"] {
        println!("over {endpoint}");
        test(endpoint);
    }
}

/// The same for those over which connections are made again.
pub fn for_each_wire(test: impl Fn(&str)) {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        println!("over {endpoint}");
        test(endpoint);
    }
}

/// Runs `test` with each transport, and with our side connected and bound.
pub fn for_each_side(test: impl Fn(&str, Side)) {
    for_each_transport(|endpoint| {
        for side in [Side::Connected, Side::Bound] {
            println!("{side:?}");
            test(endpoint, side);
        }
    });
}

/// What the socket under test does; its peer does the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Connected,
    Bound,
}

pub fn socket(kind: SocketType) -> AnySocket {
    socket_with(kind, |_| {})
}

pub fn socket_with(kind: SocketType, change: impl FnOnce(&mut Options)) -> AnySocket {
    AnySocket::new(&zmq::context().unwrap(), kind, options(change)).unwrap()
}

pub fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    options.reconnect_interval = Some(Duration::from_millis(5));
    options.linger = Some(Duration::ZERO);
    change(&mut options);
    options
}

/// Pipes and kernel buffers that are full soon.
pub fn small(options: &mut Options) {
    options.send_hwm = 2;
    options.recv_hwm = 2;
    options.stream.send_buffer = Some(4096);
    options.stream.recv_buffer = Some(4096);
}

/// Joins the two, whichever of them binds, and waits until both know. Returns where.
pub fn join(ours: &mut AnySocket, theirs: &mut AnySocket, endpoint: &str, side: Side) -> Endpoint {
    let (before, before_there) = (ours.stats().connections, theirs.stats().connections);
    let bound = match side {
        Side::Bound => {
            let bound = ours.bind(endpoint).unwrap();
            theirs.connect(&bound).unwrap();
            bound
        }
        Side::Connected => {
            let bound = theirs.bind(named(endpoint)).unwrap();
            ours.connect(&bound).unwrap();
            bound
        }
    };
    until("both are connected", || {
        ours.stats().connections > before && theirs.stats().connections > before_there
    });
    bound
}

/// Connects a peer to a bound socket, and waits until that one knows.
pub fn add_peer(bound: &mut AnySocket, peer: &mut AnySocket, endpoint: &Endpoint) {
    let before = bound.stats().connections;
    peer.connect(endpoint).unwrap();
    until("the peer is accepted", || bound.stats().connections > before);
}

/// An endpoint where a second socket can be bound when the first is gone: an ipc wildcard's directory goes with it.
pub fn named(endpoint: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if endpoint != "ipc://*" {
        return endpoint.to_owned();
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("zmq-musts-{}-{number}", std::process::id()));
    format!("ipc://{}", path.display())
}

/// An endpoint that was free a moment ago.
pub fn reserve(endpoint: &str) -> Endpoint {
    let mut socket = socket(SocketType::Pair);
    let bound = socket.bind(named(endpoint)).unwrap();
    socket.unbind(&bound).unwrap();
    bound
}

/// Binds where another socket was bound a moment ago.
pub fn bind_again(socket: &mut AnySocket, endpoint: &Endpoint) {
    until("the address is free", || match socket.bind(endpoint) {
        Ok(_) => true,
        Err(Error::AddressInUse { .. }) => false,
        Err(error) => panic!("{error}"),
    });
}

/// Waits, at most [`LONG`].
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
pub fn receive(socket: &mut AnySocket) -> Message {
    socket.recv_timeout(LONG).unwrap()
}

#[track_caller]
pub fn receive_text(socket: &mut AnySocket) -> String {
    let message = receive(socket);
    assert_eq!(message.len(), 1, "{message:?}");
    message[0].to_string_lossy()
}

#[track_caller]
pub fn expect_nothing(socket: &mut AnySocket) {
    match socket.recv_timeout(SHORT) {
        Err(Error::Timeout { .. }) => {}
        other => panic!("expected nothing, got {other:?}"),
    }
}

/// A message that is numbered and large.
pub fn big(number: usize) -> Message {
    Message::from((format!("{number:08}"), vec![b'x'; BIG]))
}

pub fn number_of(message: &Message) -> usize {
    message[0].as_str().unwrap().parse().unwrap()
}

/// Sends numbered messages until nobody takes one for a while, and checks how that is said; returns how many went. Each
/// is prefixed with `to`. A kernel may find some more room later.
#[track_caller]
pub fn fill(socket: &mut AnySocket, to: Option<&[u8]>) -> usize {
    for number in 0..10_000 {
        let mut message = big(number);
        if let Some(to) = to {
            message.push_front(to);
        }
        let Err(failed) = socket.send_timeout(message.clone(), SHORT) else { continue };
        assert_eq!((failed.error, &failed.message), (Error::Timeout { after: SHORT }, &message));
        let Err(failed) = socket.try_send(message.clone()) else { continue };
        assert_eq!((failed.error, &failed.message), (Error::WouldBlock, &message));
        return number;
    }
    panic!("never full");
}

/// `written = delivered + queued + dropped`.
#[track_caller]
pub fn assert_balanced(stats: &Stats) {
    assert_eq!(stats.written, stats.delivered + stats.queued + stats.dropped.total(), "{stats:?}");
}

/// The books of a live socket, read while a connection writes, may be out for a moment.
#[track_caller]
pub fn balance(socket: &mut AnySocket) -> Stats {
    let mut stats = socket.stats();
    let deadline = Instant::now() + LONG;
    while stats.written != stats.delivered + stats.queued + stats.dropped.total() && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(1));
        stats = socket.stats();
    }
    assert_balanced(&stats);
    stats
}

/// Waits until everything that the senders wrote is in the pipes of the receiver.
#[track_caller]
pub fn wait_for_bytes(receiver: &mut AnySocket, senders: &mut [AnySocket]) {
    until("everything has arrived", || {
        let sent = senders.iter_mut().map(|sender| sender.stats());
        let (bytes, open) =
            sent.fold((0, 0), |(bytes, open), stats| (bytes + stats.bytes_sent, open + stats.queued));
        open == 0 && receiver.stats().bytes_received == bytes
    });
    receiver.stats();
}

/// A ZMTP 3.1 peer over tcp or ipc, byte by byte.
pub struct Raw {
    stream: Box<dyn Duplex>,
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

impl Raw {
    /// Connects, and shakes hands as a socket of type `kind`.
    pub fn connect(endpoint: &Endpoint, kind: &str) -> Raw {
        let mut raw = Raw { stream: open(endpoint) };
        let mut greeting = [0; 64];
        greeting[0] = 0xff;
        greeting[9] = 0x7f;
        greeting[10] = 3;
        greeting[11] = 1;
        greeting[12..16].copy_from_slice(b"NULL");
        raw.write(&greeting);
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend_from_slice(&(kind.len() as u32).to_be_bytes());
        ready.extend_from_slice(kind.as_bytes());
        raw.frame(4, &ready);
        raw.stream.read_exact(&mut greeting).unwrap();
        let (flags, ready) = raw.read_frame().unwrap();
        assert_eq!((flags, &ready[..6]), (4, &b"\x05READY"[..]));
        raw
    }

    pub fn frame(&mut self, flags: u8, body: &[u8]) {
        assert!(body.len() < 256);
        self.write(&[flags, body.len() as u8]);
        self.write(body);
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame: its flags and its body.
    pub fn read_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = if head[0] & 2 == 0 {
            u64::from(head[1])
        } else {
            let mut rest = [0; 7];
            self.stream.read_exact(&mut rest)?;
            rest.iter().fold(u64::from(head[1]), |length, byte| length << 8 | u64::from(*byte))
        };
        let mut body = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Reads until the peer closes.
    pub fn wait_for_end(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn open(endpoint: &Endpoint) -> Box<dyn Duplex> {
    if endpoint.scheme() == "tcp" {
        let stream = TcpStream::connect(endpoint.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Box::new(stream)
    } else {
        let stream = UnixStream::connect(endpoint.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Box::new(stream)
    }
}
