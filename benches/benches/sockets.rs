//! Whole sockets in one process, over each transport. Between processes: `zmq_bench`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Instant;

const TRANSPORTS: [(&str, &str); 3] =
    [("inproc", "inproc://*"), ("ipc", "ipc://*"), ("tcp", "tcp://127.0.0.1:*")];
/// Ends a helper thread.
const END: &[u8] = b"end";

/// REQ to REP and back, 8 bytes.
fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    for (name, endpoint) in TRANSPORTS {
        let mut rep = zmq::Rep::new().expect("a socket");
        let bound = rep.bind_to(endpoint).expect("an address");
        let server = std::thread::spawn(move || {
            loop {
                let (request, reply) = rep.recv_request().expect("a request");
                let end = request.body() == END;
                reply.send(request).expect("a reply");
                if end {
                    return;
                }
            }
        });
        let mut req = zmq::Req::connect(&bound).expect("a connection");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(req.request(black_box(b"12345678"))).expect("a reply"));
        });
        req.request(END).expect("the end");
        server.join().expect("the server finishes");
    }
    group.finish();
}

/// PUSH to PULL, from the first message to the last.
fn throughput(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throughput");
    group.sample_size(10);
    for (name, endpoint) in TRANSPORTS {
        for (size, count) in [(64, 200_000), (1024, 50_000), (65536, 2_000)] {
            let mut pull = zmq::Pull::new().expect("a socket");
            let bound = pull.bind_to(endpoint).expect("an address");
            let (orders, wanted) = std::sync::mpsc::channel();
            let sender = std::thread::spawn(move || {
                let body = vec![b'x'; size];
                let mut push = zmq::Push::connect(&bound).expect("a connection");
                for count in wanted {
                    for _ in 0..count {
                        push.send(&body[..]).expect("a send");
                    }
                }
            });
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter_custom(|rounds| {
                    let started = Instant::now();
                    orders.send(rounds * count).expect("the sender is there");
                    for _ in 0..rounds * count {
                        black_box(pull.recv().expect("a message"));
                    }
                    started.elapsed()
                });
            });
            drop(orders);
            sender.join().expect("the sender finishes");
        }
    }
    group.finish();
}

criterion_group!(benches, round_trip, throughput);
criterion_main!(benches);
