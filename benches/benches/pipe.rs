//! The pipe between a socket and a connection: what a message costs to pass on.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zmq_core::Message;
use zmq_core::pipe::{Flush, pipe};

const BATCH: u64 = 500;

/// A batch written, flushed once, and read, on one thread.
fn same_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipe");
    group.bench_function("make and drop", |bencher| {
        bencher.iter(|| pipe::<Message>(black_box(1000)));
    });
    group.throughput(Throughput::Elements(BATCH));
    let body = [b'x'; 64];
    let (mut writer, mut reader) = pipe::<Message>(1000);
    group.bench_function("write, one flush, read", |bencher| {
        bencher.iter(|| {
            for _ in 0..BATCH {
                assert!(writer.write(Message::from(&body)).is_ok(), "it is never full");
            }
            assert_eq!(writer.flush(), Flush::ReaderAwake);
            for _ in 0..BATCH {
                black_box(reader.read());
            }
        });
    });
    let (mut writer, mut reader) = pipe::<Message>(1000);
    group.bench_function("write, flush, read each", |bencher| {
        bencher.iter(|| {
            for _ in 0..BATCH {
                assert!(writer.write(Message::from(&body)).is_ok(), "it is never full");
                assert_eq!(writer.flush(), Flush::ReaderAwake);
                black_box(reader.read());
            }
        });
    });
    group.finish();
}

/// One thread writes and another reads; neither sleeps.
fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pipe");
    group.throughput(Throughput::Elements(1));
    group.bench_function("two threads", |bencher| {
        bencher.iter_custom(|count| {
            let (mut writer, mut reader) = pipe::<Message>(1000);
            let started = std::time::Instant::now();
            let producer = std::thread::spawn(move || {
                let mut written = 0;
                while written < count {
                    match writer.write(Message::from(&[b'x'; 64])) {
                        Ok(()) => {
                            written += 1;
                            let _ = writer.flush();
                        }
                        Err(_) => std::thread::yield_now(),
                    }
                }
                // Not dropped before the reader has finished.
                writer
            });
            let mut read = 0;
            while read < count {
                match reader.read() {
                    Some(message) => {
                        black_box(message);
                        read += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
            let elapsed = started.elapsed();
            assert!(producer.join().is_ok(), "the producer finishes");
            elapsed
        });
    });
    group.finish();
}

criterion_group!(benches, same_thread, two_threads);
criterion_main!(benches);
