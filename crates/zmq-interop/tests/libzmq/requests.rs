//! REQ with and without numbered requests, and what becomes of late replies.

use crate::common::{Library, Side, TRANSPORTS, World, bounded, eventually, message, options};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zmq::SocketType::{Dealer, Rep, Req, Router};

/// Numbered is our default; strict is libzmq's.
#[test]
fn requests_numbered_and_strict() {
    bounded(|| {
        for transport in TRANSPORTS {
            for numbered in [true, false] {
                for req_is in Library::BOTH {
                    let world = World::new();
                    let mut req = match (req_is, numbered) {
                        (_, true) => world.socket(req_is, Req),
                        (Library::Ours, false) => {
                            let mut options = options();
                            (options.req_correlate, options.req_relaxed) = (false, false);
                            world.ours(Req, options)
                        }
                        (Library::Theirs, false) => Side::Theirs(world.theirs(Req)),
                    };
                    let mut rep = world.socket(req_is.other(), Rep);
                    world.join(&mut rep, &mut req, transport);
                    for number in 0..300u32 {
                        let request = message([b"number", b"", &number.to_le_bytes()]);
                        req.send(&request);
                        assert_eq!(rep.recv(), request);
                        rep.send(&request);
                        assert_eq!(req.recv(), request);
                    }
                    if !numbered {
                        req.send(&message([b"1"]));
                        assert!(!req.try_send(&message([b"2"])), "strict");
                    }
                }
            }
        }
    });
}

#[test]
fn late_reply_is_not_taken_for_the_next() {
    bounded(|| {
        for req_is in Library::BOTH {
            let world = World::new();
            let mut req = world.socket(req_is, Req);
            let mut rep = world.socket(req_is.other(), Rep);
            world.join(&mut rep, &mut req, "tcp");
            for _ in 0..20 {
                req.send(&message([b"abandoned"]));
                assert_eq!(rep.recv(), message([b"abandoned"]));
                assert_eq!(req.recv_within(Duration::from_millis(1)), None);
                req.send(&message([b"question"]));
                rep.send(&message([b"late"]));
                assert_eq!(rep.recv(), message([b"question"]));
                rep.send(&message([b"answer"]));
                assert_eq!(req.recv(), message([b"answer"]));
            }
        }
    });
}

#[test]
fn requests_go_to_each_server_in_turn() {
    bounded(|| {
        for req_is in Library::BOTH {
            let world = World::new();
            let mut req = world.socket(req_is, Req);
            let mut servers: Vec<Side> = (0..3)
                .map(|_| {
                    let mut rep = world.socket(req_is.other(), Rep);
                    req.connect(&world.bind_anew(&mut rep, "ipc"));
                    rep
                })
                .collect();
            let mut served = [0; 3];
            for _ in 0..30 {
                req.send(&message([b"who?"]));
                eventually("a server has it", || {
                    let who = servers.iter_mut().position(|rep| rep.recv_within(Duration::ZERO).is_some())?;
                    servers[who].send(&message([b"I"]));
                    served[who] += 1;
                    Some(())
                });
                assert_eq!(req.recv(), message([b"I"]));
            }
            assert!(served.iter().all(|&count| count >= 9), "{served:?}");
        }
    });
}

/// Their REQ, our broker, their REP; and the other way round.
#[test]
fn broker_between() {
    bounded(|| {
        for broker_is in Library::BOTH {
            let world = World::new();
            let mut front = world.socket(broker_is, Router);
            let mut back = world.socket(broker_is, Dealer);
            let mut req = world.socket(broker_is.other(), Req);
            let mut rep = world.socket(broker_is.other(), Rep);
            world.join(&mut front, &mut req, "tcp");
            world.join(&mut back, &mut rep, "ipc");
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let broker = std::thread::spawn(move || {
                let brief = Duration::from_millis(1);
                while !stopped.load(Ordering::Relaxed) {
                    if let Some(request) = front.recv_within(brief) {
                        back.send(&request);
                    }
                    if let Some(reply) = back.recv_within(brief) {
                        front.send(&reply);
                    }
                }
            });
            for number in 0..100u32 {
                let request = message([b"", &number.to_le_bytes()]);
                req.send(&request);
                assert_eq!(rep.recv(), request);
                rep.send(&request);
                assert_eq!(req.recv(), request);
            }
            stop.store(true, Ordering::Relaxed);
            broker.join().unwrap();
        }
    });
}
