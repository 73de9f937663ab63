//! One end alone: what a message costs its sender, or its receiver, where the transport costs nothing. Nobody else runs, so
//! the figures are steadier than those of whole conversations.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice};
use zmq_core::options::StreamOptions;
use zmq_core::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq_core::{Context, Frame, Message};
use zmq_patterns::{CanReceive, CanSend, Socket, kind};

const SIZES: [usize; 4] = [8, 64, 256, 1024];

/// Leads to a peer of this type, which takes everything, and sends one message again and again.
struct Tireless {
    socket_type: &'static str,
    /// The message, encoded; none: it says nothing.
    message: Vec<u8>,
}

impl Tireless {
    fn new(socket_type: &'static str, body: Option<&[u8]>) -> Tireless {
        let message = body.map_or_else(Vec::new, |body| {
            let length = body.len();
            let mut message = match u8::try_from(length) {
                Ok(length) => vec![0, length],
                Err(_) => [&[2], &(length as u64).to_be_bytes()[..]].concat(),
            };
            message.extend_from_slice(body);
            message
        });
        Tireless { socket_type, message }
    }

    /// What the peer says first: its greeting and its READY.
    fn introduction(&self) -> Vec<u8> {
        let mut said = b"\xFF\0\0\0\0\0\0\0\x01\x7F\x03\0NULL".to_vec();
        said.resize(64, 0);
        let value = self.socket_type.as_bytes();
        let property = [&b"\x0BSocket-Type\0\0\0"[..], &[value.len() as u8], value].concat();
        let command = [&b"\x05READY"[..], &property].concat();
        said.extend([0x04, command.len() as u8]);
        said.extend(command);
        said
    }
}

impl Transport for Tireless {
    fn scheme(&self) -> &str {
        "tireless"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Tireless {
    fn listen(&self, _: &str, _: &StreamOptions) -> zmq_core::Result<Box<dyn Listener>> {
        Err(zmq_core::Error::io("listening", ErrorKind::Unsupported.into()))
    }

    fn check(&self, _: &str, _: &StreamOptions) -> zmq_core::Result<()> {
        Ok(())
    }

    fn open(&self, _: &str, _: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        let mut said = self.introduction();
        let introduction = said.len();
        if !self.message.is_empty() {
            // More than the largest read, so that each read is one copy.
            said.extend(self.message.iter().cycle().take(self.message.len() * 4096));
        }
        Ok(Box::new(Endless { said, next: 0, introduction, over: false }))
    }
}

struct Endless {
    said: Vec<u8>,
    next: usize,
    /// How much of it is said once only.
    introduction: usize,
    /// Whether the socket says no more: then neither does the peer.
    over: bool,
}

impl Stream for Endless {
    fn established(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.over {
            return Ok(0);
        }
        if self.next == self.said.len() {
            if self.next == self.introduction {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.next = self.introduction;
        }
        let rest = &self.said[self.next..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.next += count;
        Ok(count)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.over = true;
        Ok(())
    }

    fn peer_address(&self) -> String {
        String::new()
    }
}

impl Source for Endless {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

/// A socket with such a peer.
fn connected<K: zmq_patterns::Kind>(peer: Tireless) -> Socket<K> {
    let context = Context::builder().transport(peer).build().expect("a context");
    let mut socket = Socket::new_in(&context).expect("a socket");
    socket.connect_to("tireless://peer").expect("connected");
    socket
}

fn send(criterion: &mut Criterion) {
    sends::<kind::Push>(criterion, "send, PUSH", "PULL");
    sends::<kind::Dealer>(criterion, "send, DEALER", "ROUTER");
}

fn sends<K: CanSend>(criterion: &mut Criterion, name: &str, peer: &'static str) {
    let mut group = criterion.benchmark_group(name);
    for size in SIZES {
        let mut socket = connected::<K>(Tireless::new(peer, None));
        let body = vec![7; size];
        socket.send(&body[..]).expect("sent");
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| socket.send(Frame::copy_from(black_box(&body))));
        });
    }
    group.finish();
}

fn receive(criterion: &mut Criterion) {
    receives::<kind::Pull>(criterion, "receive, PULL", "PUSH");
    receives::<kind::Dealer>(criterion, "receive, DEALER", "ROUTER");
}

fn receives<K: CanReceive>(criterion: &mut Criterion, name: &str, peer: &'static str) {
    let mut group = criterion.benchmark_group(name);
    for size in SIZES {
        let mut socket = connected::<K>(Tireless::new(peer, Some(&vec![7; size])));
        let mut message = Message::new();
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                socket.recv_into(&mut message).expect("received");
                assert_eq!(message.size(), size);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, send, receive);
criterion_main!(benches);
