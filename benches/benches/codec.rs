//! The ZMTP engine: messages into bytes, and bytes into messages.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;
use zmq_core::zmtp::{Config, Engine, Event};
use zmq_core::{Message, Options, SocketType};

const SIZES: [usize; 4] = [8, 64, 1024, 65536];
/// What is encoded before it is taken, as a connection does.
const BATCH_BYTES: usize = 64 * 1024;

fn engine(socket_type: SocketType) -> Engine {
    Engine::new(Arc::new(Config::new(socket_type, &Options::default())), Instant::now())
}

fn take_output(engine: &mut Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    while engine.output_len() > 0 {
        let mut slices = [IoSlice::new(&[]); 64];
        let used = engine.output(&mut slices);
        let taken = slices[..used].iter().map(|slice| slice.len()).sum();
        bytes.extend(slices[..used].iter().flat_map(|slice| slice.iter()));
        engine.advance_output(taken);
    }
    bytes
}

/// Everything the bytes amount to.
fn hear(engine: &mut Engine, bytes: &[u8], mut heard: impl FnMut(Event)) {
    let (mut input, now) = (bytes, Instant::now());
    while let Some(event) = engine.next_event(&mut input, now).expect("the peer keeps to the protocol") {
        heard(event);
    }
}

/// Two engines after their handshake.
fn ready() -> (Engine, Engine) {
    let (mut one, mut other) = (engine(SocketType::Push), engine(SocketType::Pull));
    while one.output_len() + other.output_len() > 0 {
        let (from_one, from_other) = (take_output(&mut one), take_output(&mut other));
        hear(&mut other, &from_one, drop);
        hear(&mut one, &from_other, drop);
    }
    assert!(one.is_ready() && other.is_ready());
    (one, other)
}

fn messages_per_batch(size: usize) -> usize {
    (BATCH_BYTES / (size + 2)).max(1)
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for size in SIZES {
        let (mut engine, _) = ready();
        assert!(engine.lend_buffer(Vec::with_capacity(2 * BATCH_BYTES)).is_none());
        let count = messages_per_batch(size);
        let message = Message::from(Bytes::from(vec![b'x'; size]));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for _ in 0..count {
                    engine.push(black_box(&message));
                }
                engine.advance_output(engine.output_len());
            });
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for size in SIZES {
        let (mut sender, mut receiver) = ready();
        let count = messages_per_batch(size);
        for _ in 0..count {
            sender.push(&Message::from(vec![b'x'; size]));
        }
        let bytes = take_output(&mut sender);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let mut got = 0;
                hear(&mut receiver, black_box(&bytes), |event| {
                    black_box(event);
                    got += 1;
                });
                assert_eq!(got, count);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
