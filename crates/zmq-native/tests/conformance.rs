//! Sockets lose nothing over transports that misbehave within the contract of the transport boundary, nor hang over
//! those that fail. That ours keep it by themselves is tested where they are.

mod support;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::*;
use zmq::transport::{Transport, TransportKind};
use zmq::{Context, Error, Message};
use zmq_core::testing::{Faults, Faulty, conformance};
use zmq_transport_ipc::Ipc;
use zmq_transport_tcp::Tcp;

fn fresh_path() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (directory, process) = (std::env::temp_dir(), std::process::id());
    format!("{}/zmq-conform-{process}-{}", directory.display(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn conforms(transport: &impl Transport, fresh_address: impl Fn() -> String) {
    match transport.kind() {
        TransportKind::Polled(polled) => conformance(polled, fresh_address),
        TransportKind::Direct(_) => panic!("not a polled transport"),
    }
}

/// What it does is within the contract, except where the suite wants an answer at once.
#[test]
fn the_harmless_faults_keep_the_contract() {
    for seed in 0..4 {
        let faults = Faults { would_block: 0, delay: None, ..Faults::harmless(seed) };
        conforms(&Faulty::new(Tcp::new(), faults.clone()), || "127.0.0.1:0".to_owned());
        conforms(&Faulty::new(Ipc::new(), faults), fresh_path);
    }
}

/// A context for each transport with faults, and where to bind.
fn faulty(faults: &Faults) -> [(Context, String); 2] {
    let build = |builder: zmq::ContextBuilder| builder.build().expect("context");
    [
        (
            build(zmq::context_builder().transport(Faulty::new(Tcp::new(), faults.clone()))),
            "tcp://127.0.0.1:*".to_owned(),
        ),
        (
            build(zmq::context_builder().transport(Faulty::new(Ipc::new(), faults.clone()))),
            format!("ipc://{}", fresh_path()),
        ),
    ]
}

fn each_harmless(test: impl Fn(&Context, &str)) {
    for seed in 0..3 {
        for (context, endpoint) in faulty(&Faults::harmless(seed)) {
            println!("seed {seed} over {endpoint}");
            test(&context, &endpoint);
        }
    }
}

fn numbered(number: u32) -> Message {
    let filling = if number % 100 == 99 { 20_000 } else { (number % 300) as usize };
    (number.to_be_bytes(), vec![number as u8; filling]).into()
}

#[test]
fn push_pull_over_harmless_faults() {
    each_harmless(|context, endpoint| {
        let mut pull = zmq::Pull::new_in(context).unwrap();
        let bound = pull.bind_to(endpoint).unwrap();
        let mut push = zmq::Push::builder_in(context).linger(None).connect(bound).unwrap();
        let sender = std::thread::spawn(move || {
            (0..1000).for_each(|number| push.send(numbered(number)).unwrap());
        });
        for number in 0..1000 {
            assert_eq!(pull.recv_timeout(LONG).unwrap(), numbered(number));
        }
        sender.join().unwrap();
    });
}

#[test]
fn req_rep_over_harmless_faults() {
    each_harmless(|context, endpoint| {
        let mut rep = zmq::Rep::new_in(context).unwrap();
        let bound = rep.bind_to(endpoint).unwrap();
        let mut req = zmq::Req::builder_in(context).connect(bound).unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..100 {
                let (request, reply) = rep.recv_request().unwrap();
                reply.send(request).unwrap();
            }
            rep
        });
        for number in 0..100 {
            assert_eq!(req.request_timeout(numbered(number), LONG).unwrap(), numbered(number));
        }
        server.join().unwrap();
    });
}

#[test]
fn pub_sub_over_harmless_faults() {
    each_harmless(|context, endpoint| {
        let mut publisher = zmq::Pub::builder_in(context).send_hwm(0usize).build().unwrap();
        let bound = publisher.bind_to(endpoint).unwrap();
        let mut subs: Vec<_> = (0..3)
            .map(|_| zmq::Sub::builder_in(context).subscribe("").recv_hwm(0usize).connect(&bound).unwrap())
            .collect();
        publisher.wait_for_subscribers(3, LONG).unwrap();
        for number in 0..300 {
            assert_eq!(publisher.publish(numbered(number)).unwrap().matched, 3);
        }
        for sub in &mut subs {
            for number in 0..300 {
                assert_eq!(sub.recv_timeout(LONG).unwrap(), numbered(number));
            }
        }
    });
}

/// Messages that came over connections of which each keeps its order. What an old one has left is received in turn
/// with what a new one brings.
#[derive(Default)]
struct Arrivals {
    seen: HashSet<u32>,
    /// The last number of each of the fewest ascending chains that what came can be divided into.
    newest: BTreeSet<u32>,
}

impl Arrivals {
    fn enter(&mut self, number: u32) {
        assert!(self.seen.insert(number), "{number} came twice");
        let before = self.newest.range(..number).next_back().copied();
        if let Some(before) = before {
            self.newest.remove(&before);
        }
        self.newest.insert(number);
    }
}

/// Connections that break at any byte: every loss is counted, nothing is doubled or damaged, and each connection
/// keeps its order.
#[test]
fn push_pull_over_resets() {
    for seed in 0..3 {
        for (context, endpoint) in faulty(&Faults::resets(seed, 100..50_000)) {
            println!("seed {seed} over {endpoint}");
            let mut pull = zmq::Pull::new_in(&context).unwrap();
            let bound = pull.bind_to(&endpoint).unwrap();
            let mut push = zmq::Push::builder_in(&context).reconnect_interval(ms(2)).connect(bound).unwrap();
            let sender = std::thread::spawn(move || {
                for number in 0..2000 {
                    push.send(numbered(number)).unwrap();
                }
                until("it is decided what became of each", || push.stats().queued == 0);
                let stats = push.stats();
                assert_eq!(stats.written, stats.delivered + stats.dropped.total(), "{stats:?}");
                assert!(stats.reconnects > 0, "{stats:?}");
                // The last ones get through in the end, whatever happens to their connections.
                (push, stats)
            });
            let mut arrivals = Arrivals::default();
            let mut take = |pull: &mut zmq::Pull, timeout| match pull.recv_timeout(timeout) {
                Ok(message) => {
                    let number = u32::from_be_bytes(message[0].as_ref().try_into().unwrap());
                    assert_eq!(message, numbered(number), "damaged");
                    arrivals.enter(number);
                    true
                }
                Err(Error::Timeout { .. }) => false,
                Err(error) => panic!("{error}"),
            };
            while !sender.is_finished() {
                take(&mut pull, ms(5));
            }
            let (mut push, stats) = sender.join().unwrap();
            while take(&mut pull, ms(200)) {}
            // It still works.
            let mut last = 2000;
            until("a message gets through", || {
                push.send(numbered(last)).unwrap();
                last += 1;
                take(&mut pull, ms(20))
            });
            let connections = pull.stats().connections as usize;
            let chains = arrivals.newest.len();
            assert!(chains <= connections, "{chains} chains over {connections} connections");
            assert!(!arrivals.seen.is_empty(), "{stats:?}");
        }
    }
}

#[test]
fn req_rep_over_resets() {
    for seed in 0..3 {
        for (context, endpoint) in faulty(&Faults::resets(seed, 100..50_000)) {
            println!("seed {seed} over {endpoint}");
            let mut rep = zmq::Rep::builder_in(&context).recv_timeout(ms(50)).build().unwrap();
            let bound = rep.bind_to(&endpoint).unwrap();
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let server = std::thread::spawn(move || {
                while stopped.try_recv().is_err() {
                    match rep.recv_request() {
                        Ok((request, reply)) => reply.send(request).unwrap(),
                        Err(Error::Timeout { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let mut req = zmq::Req::builder_in(&context).reconnect_interval(ms(2)).connect(bound).unwrap();
            for number in 0..50 {
                // Asked again when an answer is lost; never the answer to another question.
                until("an answer", || match req.request_timeout(numbered(number), ms(100)) {
                    Ok(reply) => {
                        assert_eq!(reply, numbered(number));
                        true
                    }
                    Err(Error::Timeout { .. }) => false,
                    Err(error) => panic!("{error}"),
                });
            }
            stop.send(()).unwrap();
            server.join().unwrap();
        }
    }
}

#[test]
fn pub_sub_over_resets() {
    for seed in 0..3 {
        for (context, endpoint) in faulty(&Faults::resets(seed, 1000..50_000)) {
            println!("seed {seed} over {endpoint}");
            let mut publisher = zmq::Pub::new_in(&context).unwrap();
            let bound = publisher.bind_to(&endpoint).unwrap();
            let builder = zmq::Sub::builder_in(&context).subscribe("t").reconnect_interval(ms(2));
            let mut sub = builder.connect(bound).unwrap();
            // Its subscription is made again with every connection, so that messages keep coming.
            let (mut received, mut next, mut number) = (0, 0, 0_u32);
            until("messages keep coming", || {
                publisher.publish(("t", number.to_be_bytes(), vec![7; 500])).unwrap();
                number += 1;
                while let Ok(message) = sub.recv_timeout(ms(2)) {
                    let got = u32::from_be_bytes(message[1].as_ref().try_into().unwrap());
                    assert!(got >= next && message[2].len() == 500, "{got} after {next}");
                    next = got + 1;
                    received += 1;
                }
                received >= 300
            });
            assert!(sub.stats().reconnects > 0);
        }
    }
}
