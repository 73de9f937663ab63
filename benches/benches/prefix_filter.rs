//! Subscriptions: who wants a message, and what a subscription costs.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zmq_patterns::prefix_filter::PrefixFilter;

const PREFIXES: [u64; 3] = [1, 1000, 100_000];

fn topic(number: u64) -> String {
    format!("{number:010}")
}

fn filter_with(prefixes: u64) -> PrefixFilter {
    let mut filter = PrefixFilter::new();
    for number in 0..prefixes {
        filter.subscribe(topic(number).as_bytes(), 0);
    }
    filter
}

/// Topics of ten digits and a tail; a tenth of them matches.
fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefix filter, match");
    for prefixes in PREFIXES {
        let mut filter = filter_with(prefixes);
        let number = |index: u64| (index * 7919).wrapping_mul(2_654_435_761) % (prefixes * 10);
        let bodies: Vec<_> =
            (0..4096).map(|index| format!("{}: and the rest", topic(number(index)))).collect();
        group.throughput(Throughput::Elements(bodies.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(prefixes), |bencher| {
            bencher.iter(|| {
                let mut matches = 0;
                for body in &bodies {
                    filter.for_each_match(black_box(body.as_bytes()), |_| matches += 1);
                }
                matches
            });
        });
    }
    group.finish();
}

/// One prefix more, and gone again.
fn subscribing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefix filter, subscribe and cancel");
    for prefixes in PREFIXES {
        let mut filter = filter_with(prefixes);
        let extra = topic(prefixes / 2) + "x";
        group.bench_function(BenchmarkId::from_parameter(prefixes), |bencher| {
            bencher.iter(|| {
                black_box(filter.subscribe(black_box(extra.as_bytes()), 0));
                black_box(filter.cancel(black_box(extra.as_bytes()), 0));
            });
        });
    }
    group.finish();
}

/// A peer with many prefixes comes and goes.
fn peers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefix filter, a peer with 1000 prefixes");
    let topics: Vec<_> = (0..1000).map(topic).collect();
    group.throughput(Throughput::Elements(topics.len() as u64));
    let filled = || {
        let mut filter = PrefixFilter::new();
        for topic in &topics {
            filter.subscribe(topic.as_bytes(), 0);
        }
        filter
    };
    group.bench_function("comes", |bencher| bencher.iter_with_large_drop(filled));
    group.bench_function("goes", |bencher| {
        bencher.iter_batched_ref(filled, |filter| filter.remove_peer(0, |_, _| {}), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, matching, subscribing, peers);
criterion_main!(benches);
