//! Routing ids, both ways.

use crate::common::{Library, Side, TRANSPORTS, World, bounded, eventually, message, options, set};
use std::time::Duration;
use zmq::SocketType::{Dealer, Req, Router};

#[test]
fn router_knows_peers_by_their_id() {
    bounded(|| {
        for transport in TRANSPORTS {
            for router_is in Library::BOTH {
                for router_binds in [true, false] {
                    for id in [b"x".to_vec(), vec![0xff; 255], b"\xff\x00\x01".to_vec()] {
                        let world = World::new();
                        let mut router = world.socket(router_is, Router);
                        let mut dealer = world.socket_with(router_is.other(), Dealer, &id);
                        if router_binds {
                            world.join(&mut router, &mut dealer, transport);
                        } else {
                            world.join(&mut dealer, &mut router, transport);
                        }
                        // Nobody is connected before the handshake; then the id alone is enough to be reached.
                        let greeting = message([&id, b"hello"]);
                        eventually("the id is known", || router.try_send(&greeting).then_some(()));
                        assert_eq!(dealer.recv(), message([b"hello"]));
                        dealer.send(&message([b"", b"back"]));
                        assert_eq!(router.recv(), message([&id, b"", b"back"]));
                    }
                }
            }
        }
    });
}

#[test]
fn req_passes_its_id() {
    bounded(|| {
        for router_is in Library::BOTH {
            let world = World::new();
            let mut router = world.socket(router_is, Router);
            let mut req = world.socket_with(router_is.other(), Req, b"asks");
            world.join(&mut router, &mut req, "tcp");
            req.send(&message([b"question"]));
            let request = router.recv();
            assert_eq!((&request[0][..], &request[2..]), (&b"asks"[..], &message([b"", b"question"])[..]));
            router.send(&[&request[..3], &message([b"answer"])].concat());
            assert_eq!(req.recv(), message([b"answer"]));
        }
    });
}

#[test]
fn nameless_peers_get_five_bytes() {
    bounded(|| {
        for router_is in Library::BOTH {
            let world = World::new();
            let mut router = world.socket(router_is, Router);
            let endpoint = world.bind_anew(&mut router, "tcp");
            let mut dealers: Vec<Side> = (0..5)
                .map(|number| {
                    let mut dealer = world.socket(router_is.other(), Dealer);
                    dealer.connect(&endpoint);
                    dealer.send(&message([&[number]]));
                    dealer
                })
                .collect();
            let mut names = std::collections::HashSet::new();
            for _ in 0..dealers.len() {
                let received = router.recv();
                assert_eq!((received[0].len(), received[0][0]), (5, 0));
                assert!(names.insert(received[0].clone()));
                router.send(&received);
                assert_eq!(dealers[received[1][0] as usize].recv(), received[1..]);
            }
        }
    });
}

#[test]
fn unknown_peer_is_unroutable_to_both() {
    bounded(|| {
        for router_is in Library::BOTH {
            let world = World::new();
            let mut router = world.socket(router_is, Router);
            let mut dealer = world.socket_with(router_is.other(), Dealer, b"known");
            world.join(&mut router, &mut dealer, "tcp");
            eventually("connected", || router.try_send(&message([b"known", b"1"])).then_some(()));
            assert!(!router.try_send(&message([b"unknown", b"2"])));
            assert!(router.try_send(&message([b"known", b"3"])));
            assert_eq!((dealer.recv(), dealer.recv()), (message([b"1"]), message([b"3"])));
            // One that has gone is unknown again.
            drop(dealer);
            eventually("gone", || (!router.try_send(&message([b"known", b"4"]))).then_some(()));
        }
    });
}

#[test]
fn duplicate_id_does_not_disturb_its_holder() {
    bounded(|| {
        for router_is in Library::BOTH {
            let world = World::new();
            let mut router = world.socket(router_is, Router);
            let mut first = world.socket_with(router_is.other(), Dealer, b"same");
            let endpoint = world.join(&mut router, &mut first, "tcp");
            first.send(&message([b"first"]));
            assert_eq!(router.recv(), message([b"same", b"first"]));
            let mut second = world.socket_with(router_is.other(), Dealer, b"same");
            second.connect(&endpoint);
            second.try_send(&message([b"second"]));
            assert_eq!(router.recv_within(Duration::from_millis(200)), None, "{router_is:?}");
            for _ in 0..10 {
                router.send(&message([b"same", b"to the first"]));
                assert_eq!(first.recv(), message([b"to the first"]));
            }
            assert_eq!(second.recv_within(Duration::from_millis(20)), None);
        }
    });
}

#[test]
fn handover_gives_the_id_to_the_newcomer() {
    bounded(|| {
        for router_is in Library::BOTH {
            let world = World::new();
            let mut router = match router_is {
                Library::Ours => {
                    let mut options = options();
                    options.router_handover = true;
                    world.ours(Router, options)
                }
                Library::Theirs => {
                    let mut socket = world.theirs(Router);
                    set(&mut socket, libzmq_sys::ZMQ_ROUTER_HANDOVER, 1);
                    Side::Theirs(socket)
                }
            };
            let mut first = world.socket_with(router_is.other(), Dealer, b"same");
            let endpoint = world.join(&mut router, &mut first, "tcp");
            first.send(&message([b"first"]));
            assert_eq!(router.recv(), message([b"same", b"first"]));
            // It would come back and take the id over again.
            match &mut first {
                Side::Ours(socket) => socket.disconnect(&endpoint).unwrap(),
                Side::Theirs(_) => {}
            }
            let mut second = world.socket_with(router_is.other(), Dealer, b"same");
            second.connect(&endpoint);
            second.send(&message([b"second"]));
            assert_eq!(router.recv(), message([b"same", b"second"]));
        }
    });
}

#[test]
fn connecting_router_names_its_peer() {
    bounded(|| {
        for transport in TRANSPORTS {
            let world = World::new();
            let mut dealer = world.socket_with(Library::Theirs, Dealer, b"calls itself so");
            let endpoint = world.bind_anew(&mut dealer, transport);
            let mut named = zmq::Router::new().unwrap();
            named.connect_as(&endpoint, b"server").unwrap();
            let mut by_option =
                zmq::Router::builder().connect_routing_id("server").connect(&endpoint).unwrap();
            for router in [&mut named, &mut by_option] {
                // Waits for the peer, since it has its name already.
                router.send_to("server", "question").unwrap();
                assert_eq!(dealer.recv(), message([b"question"]));
            }
            // To one and to the other.
            dealer.send(&message([b"answer"]));
            dealer.send(&message([b"answer"]));
            for router in [&mut named, &mut by_option] {
                let (from, answer) = router.recv_from().unwrap();
                assert_eq!((&*from, answer), (&b"server"[..], "answer".into()));
            }
        }
    });
}
