//! CURVE: what a message costs beyond its way without it, and what a handshake costs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;
use zmq::curve::{Curve, KeyPair};
use zmq_core::zmtp::{Config, Engine, Event};
use zmq_core::{Message, Options, SocketType};

const SIZES: [usize; 4] = [8, 64, 1024, 65536];
/// What is sealed before it is taken, as a connection does.
const BATCH_BYTES: usize = 64 * 1024;

fn engine(socket_type: SocketType, security: Curve) -> Engine {
    let mut config = Config::new(socket_type, &Options::default());
    config.security = security.into();
    Engine::new(Arc::new(config), Instant::now())
}

fn take_output(engine: &mut Engine, bytes: &mut Vec<u8>) {
    bytes.clear();
    while engine.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = engine.output(&mut slices);
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
        engine.advance_output(slices[..used].iter().map(|slice| slice.len()).sum());
    }
}

fn hear(engine: &mut Engine, bytes: &[u8], mut heard: impl FnMut(Event)) {
    let (mut input, now) = (bytes, Instant::now());
    while let Some(event) = engine.next_event(&mut input, now).expect("the peer keeps to the protocol") {
        heard(event);
    }
}

/// A client and a server after their handshake.
fn ready(client: &KeyPair, server: &KeyPair) -> (Engine, Engine) {
    let mut one = engine(SocketType::Push, Curve::client(client, server.public()));
    let mut other = engine(SocketType::Pull, Curve::server(server));
    let mut bytes = Vec::new();
    while one.output_len() + other.output_len() > 0 {
        take_output(&mut one, &mut bytes);
        hear(&mut other, &bytes, drop);
        take_output(&mut other, &mut bytes);
        hear(&mut one, &bytes, drop);
    }
    assert!(one.is_ready() && other.is_ready());
    (one, other)
}

fn keys() -> (KeyPair, KeyPair) {
    (KeyPair::generate().expect("randomness"), KeyPair::generate().expect("randomness"))
}

/// Both sides of it: no message opens twice.
fn seal_and_open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("curve/seal and open");
    let (client, server) = keys();
    for size in SIZES {
        let (mut sender, mut receiver) = ready(&client, &server);
        assert!(sender.lend_buffer(Vec::with_capacity(2 * BATCH_BYTES)).is_none());
        let count = (BATCH_BYTES / (size + 35)).max(1);
        let message = Message::from(vec![b'x'; size]);
        let mut bytes = Vec::new();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for _ in 0..count {
                    sender.push(black_box(&message));
                }
                take_output(&mut sender, &mut bytes);
                let mut got = 0;
                hear(&mut receiver, &bytes, |event| {
                    black_box(event);
                    got += 1;
                });
                assert_eq!(got, count);
            });
        });
    }
    group.finish();
}

fn handshake(criterion: &mut Criterion) {
    let (client, server) = keys();
    criterion.bench_function("curve/handshake, both sides", |bencher| {
        bencher.iter(|| black_box(ready(&client, &server)));
    });
}

criterion_group!(benches, seal_and_open, handshake);
criterion_main!(benches);
