//! RQ1 to RQ5, RP1 to RP3, DL1 to DL4 and RT1 to RT5 over every transport.

mod common;

use common::*;
use zmq::{AnySocket, Error, Message, Options, SocketType};

/// As the RFC has it: lock-step, no numbers.
fn strict(options: &mut Options) {
    options.req_relaxed = false;
    options.req_correlate = false;
}

fn named_socket(kind: SocketType, name: &'static str) -> AnySocket {
    socket_with(kind, |options| options.routing_id = name.into())
}

fn send(socket: &mut AnySocket, message: impl Into<Message>) {
    socket.send_timeout(message, LONG).unwrap();
}

fn texts(message: &Message) -> Vec<String> {
    message.iter().map(|frame| frame.to_string_lossy()).collect()
}

#[test]
fn rq1_one_request_then_one_reply() {
    for_each_side(|endpoint, side| {
        let (mut req, mut rep) = (socket_with(SocketType::Req, strict), socket(SocketType::Rep));
        join(&mut req, &mut rep, endpoint, side);
        for _ in 0..3 {
            assert!(matches!(req.recv(), Err(Error::State { .. })));
            send(&mut req, "request");
            let failed = req.send("again").unwrap_err();
            assert!(matches!(failed.error, Error::State { .. }));
            assert_eq!(failed.message, "again".into());
            assert!(matches!(req.try_recv(), Err(Error::WouldBlock)));
            assert_eq!(receive_text(&mut rep), "request");
            send(&mut rep, "reply");
            assert_eq!(receive_text(&mut req), "reply");
        }
        expect_nothing(&mut rep);
    });
}

#[test]
fn rq2_the_delimiter_is_added_and_taken_off() {
    for_each_side(|endpoint, side| {
        let (mut req, mut router) = (socket_with(SocketType::Req, strict), socket(SocketType::Router));
        join(&mut req, &mut router, endpoint, side);
        send(&mut req, ["a", "", "b"]);
        let mut request = receive(&mut router);
        assert_eq!(texts(&request)[1..], ["", "a", "", "b"]);
        request.push("c");
        send(&mut router, request);
        assert_eq!(receive(&mut req), ["a", "", "b", "c"].into());
    });
}

#[test]
fn rq3_requests_go_round_and_wait_when_there_is_nobody() {
    for_each_transport(|endpoint| {
        let mut req = socket_with(SocketType::Req, strict);
        let place = req.bind(endpoint).unwrap();
        let failed = req.try_send(["a", "b"]).unwrap_err();
        assert_eq!((failed.error, failed.message), (Error::WouldBlock, ["a", "b"].into()));
        let failed = req.send_timeout(["a", "b"], SHORT).unwrap_err();
        assert!(matches!(failed.error, Error::Timeout { .. }));
        assert_eq!(failed.message, ["a", "b"].into());
        assert!(matches!(req.try_recv(), Err(Error::State { .. })));
        let mut reps = [(); 3].map(|()| socket(SocketType::Rep));
        for rep in &mut reps {
            add_peer(&mut req, rep, &place);
        }
        for number in 0..9 {
            send(&mut req, number.to_string());
            let rep = &mut reps[number % 3];
            assert_eq!(receive_text(rep), number.to_string());
            send(rep, "reply");
            assert_eq!(receive_text(&mut req), "reply");
        }
        assert_eq!(balance(&mut req).dropped.total(), 0);
    });
}

#[test]
fn rq4_only_the_peer_last_sent_to_may_reply() {
    for_each_transport(|endpoint| {
        for correlate in [false, true] {
            let mut req = socket_with(SocketType::Req, |options| {
                strict(options);
                options.req_correlate = correlate;
                options.routing_id = "req".into();
            });
            let place = req.bind(endpoint).unwrap();
            let (mut asked, mut other) = (socket(SocketType::Router), socket(SocketType::Router));
            add_peer(&mut req, &mut asked, &place);
            add_peer(&mut req, &mut other, &place);
            let knows = |router: &mut AnySocket| {
                until("the router knows the requester", || router.try_send(["req", "noise"]).is_ok());
            };
            knows(&mut asked);
            knows(&mut other);
            send(&mut req, "request");
            let request = receive(&mut asked);
            let mut forged = request.clone();
            forged.push("forged");
            send(&mut other, forged);
            for bad in [vec!["req"], vec!["req", "x"], vec!["req", "x", "bad"], vec!["req", ""]] {
                let _ = asked.send(bad);
            }
            expect_nothing(&mut req);
            send(&mut asked, request.clone());
            assert_eq!(receive_text(&mut req), "request");
            // A second reply to the same request is not the reply to the next one.
            send(&mut asked, request);
            std::thread::sleep(SHORT);
            send(&mut req, "to the other");
            let second = receive(&mut other);
            expect_nothing(&mut req);
            send(&mut other, second);
            assert_eq!(receive_text(&mut req), "to the other");
            std::thread::sleep(SHORT);
            send(&mut req, "third");
            let third = receive(&mut asked);
            expect_nothing(&mut req);
            send(&mut asked, third);
            assert_eq!(receive_text(&mut req), "third");
        }
    });
}

#[test]
fn rq4_a_second_reply_is_not_the_reply_to_the_next_request() {
    for_each_side(|endpoint, side| {
        for correlate in [false, true] {
            let mut req = socket_with(SocketType::Req, |options| {
                strict(options);
                options.req_correlate = correlate;
            });
            let mut router = socket(SocketType::Router);
            join(&mut req, &mut router, endpoint, side);
            send(&mut req, "one");
            let one = receive(&mut router);
            send(&mut router, one.clone());
            send(&mut router, one);
            assert_eq!(receive_text(&mut req), "one");
            std::thread::sleep(SHORT);
            send(&mut req, "two");
            let two = receive(&mut router);
            send(&mut router, two);
            assert_eq!(receive_text(&mut req), "two");
        }
    });
}

#[test]
fn rq5_a_second_request_gives_up_the_first() {
    for_each_side(|endpoint, side| {
        for correlate in [false, true] {
            let mut req = socket_with(SocketType::Req, |options| {
                options.req_relaxed = true;
                options.req_correlate = correlate;
            });
            let mut router = socket(SocketType::Router);
            join(&mut req, &mut router, endpoint, side);
            send(&mut req, "one");
            send(&mut req, "two");
            let (one, two) = (receive(&mut router), receive(&mut router));
            assert_eq!(one.len(), if correlate { 4 } else { 3 });
            send(&mut router, one);
            expect_nothing(&mut req);
            send(&mut router, two);
            assert_eq!(receive_text(&mut req), "two");
            assert!(matches!(req.try_recv(), Err(Error::State { .. })));
        }
    });
}

#[test]
fn rq5_replies_to_requests_that_were_given_up_do_not_pile_up() {
    for_each_side(|endpoint, side| {
        for correlate in [false, true] {
            let mut req = socket_with(SocketType::Req, |options| {
                options.req_relaxed = true;
                options.req_correlate = correlate;
                options.recv_hwm = 2;
            });
            let mut rep = socket(SocketType::Rep);
            join(&mut req, &mut rep, endpoint, side);
            for _ in 0..100 {
                send(&mut req, "given up");
                assert_eq!(receive_text(&mut rep), "given up");
                send(&mut rep, "late");
            }
            until("they are thrown away, though nobody receives", || {
                send(&mut req, "given up");
                assert_eq!(receive_text(&mut rep), "given up");
                send(&mut rep, "late");
                req.stats().unread >= 100
            });
            send(&mut req, "question");
            assert_eq!(receive_text(&mut rep), "question");
            send(&mut rep, "answer");
            assert_eq!(receive_text(&mut req), "answer");
        }
    });
}

/// Whatever a peer sends to one who neither sends nor receives: it is the high-water mark that waits, and no more.
#[test]
fn rq5_what_comes_to_a_req_that_gave_up_is_bounded() {
    let mut req = socket_with(SocketType::Req, |options| {
        options.recv_hwm = 4;
        options.stream.recv_buffer = Some(BIG);
    });
    let mut router = socket_with(SocketType::Router, |options| {
        options.send_hwm = 4;
        options.stream.send_buffer = Some(BIG);
    });
    join(&mut req, &mut router, "tcp://127.0.0.1:0", Side::Bound);
    send(&mut req, "given up");
    let envelope = receive(&mut router).into_frames();
    let mut sent = 0;
    let reply = || [envelope[0].clone(), envelope[1].clone(), envelope[2].clone(), vec![0; BIG].into()];
    while router.send_timeout(reply(), 5 * SHORT).is_ok() {
        sent += 1;
        assert!(sent < 1000, "it takes them all");
    }
    send(&mut req, "another");
    let another = receive(&mut router);
    router.send_timeout(another, LONG).unwrap();
    assert_eq!(receive_text(&mut req), "another");
}

#[test]
fn rq5_replies_with_another_number_are_discarded() {
    for_each_side(|endpoint, side| {
        let (mut req, mut router) = (socket(SocketType::Req), socket(SocketType::Router));
        join(&mut req, &mut router, endpoint, side);
        send(&mut req, "request");
        let request = receive(&mut router);
        let frames = request.clone().into_frames();
        assert_eq!((frames.len(), frames[1].len(), frames[2].len()), (4, 4, 0));
        for number in [&[0u8; 4][..], &[0xff; 4], b"", b"12345"] {
            let reply = [frames[0].clone(), number.into(), "".into(), "wrong".into()];
            send(&mut router, reply);
        }
        expect_nothing(&mut req);
        send(&mut router, request);
        assert_eq!(receive_text(&mut req), "request");
    });
}

#[test]
fn rp1_the_reply_goes_to_the_asker_with_its_envelope() {
    for_each_transport(|endpoint| {
        let mut rep = socket(SocketType::Rep);
        let place = rep.bind(endpoint).unwrap();
        let mut askers = [(); 3].map(|()| socket(SocketType::Dealer));
        for (number, asker) in askers.iter_mut().enumerate() {
            add_peer(&mut rep, asker, &place);
            send(asker, ["hop", &number.to_string(), "", "body", ""]);
        }
        for _ in 0..3 {
            assert_eq!(texts(&receive(&mut rep)), ["body", ""]);
            send(&mut rep, ["reply", "", "x"]);
        }
        for (number, asker) in askers.iter_mut().enumerate() {
            assert_eq!(texts(&receive(asker)), ["hop", &number.to_string(), "", "reply", "", "x"]);
            expect_nothing(asker);
        }
    });
}

#[test]
fn rp2_a_reply_never_waits() {
    for_each_side(|endpoint, side| {
        let (mut rep, mut dealer) =
            (socket_with(SocketType::Rep, small), socket_with(SocketType::Dealer, small));
        join(&mut rep, &mut dealer, endpoint, side);
        until("replies are dropped", || {
            send(&mut dealer, ["", "request"]);
            receive(&mut rep);
            rep.try_send(vec![b'x'; BIG]).unwrap();
            rep.stats().dropped.full > 0
        });
        let stats = balance(&mut rep);
        // Those that were not dropped arrive.
        for _ in 0..stats.written - stats.dropped.total() {
            receive(&mut dealer);
        }
        expect_nothing(&mut dealer);
    });
}

#[test]
fn rp2_the_reply_to_one_who_has_gone_is_discarded() {
    for_each_side(|endpoint, side| {
        let (mut rep, mut gone) = (socket(SocketType::Rep), socket(SocketType::Dealer));
        let place = join(&mut rep, &mut gone, endpoint, side);
        let mut monitor = rep.monitor().unwrap();
        send(&mut gone, ["", "request"]);
        receive(&mut rep);
        drop(gone);
        if !endpoint.starts_with("inproc") {
            until("the loss is noticed", || {
                matches!(monitor.next_timeout(Some(SHORT)), Some(zmq::Event::Disconnected { .. }))
            });
        }
        rep.try_send("to nobody").unwrap();
        let stats = balance(&mut rep);
        assert_eq!(stats.dropped.total() + stats.delivered, 1, "{stats:?}");
        // Then the next.
        if side == Side::Bound {
            let mut next = socket(SocketType::Dealer);
            next.connect(&place).unwrap();
            send(&mut next, ["", "next"]);
            assert_eq!(receive_text(&mut rep), "next");
            send(&mut rep, "reply");
            assert_eq!(receive(&mut next), ["", "reply"].into());
        }
    });
}

#[test]
fn rp3_out_of_turn_and_malformed() {
    for_each_side(|endpoint, side| {
        let (mut rep, mut dealer) = (socket(SocketType::Rep), socket(SocketType::Dealer));
        join(&mut rep, &mut dealer, endpoint, side);
        let failed = rep.send("too soon").unwrap_err();
        assert!(matches!(failed.error, Error::State { .. }));
        assert_eq!(failed.message, "too soon".into());
        send(&mut dealer, "no delimiter");
        send(&mut dealer, ["none", "here", "either"]);
        send(&mut dealer, ["x", ""]);
        send(&mut dealer, ["", "good"]);
        assert_eq!(receive_text(&mut rep), "good");
        assert!(matches!(rep.recv(), Err(Error::State { .. })));
        send(&mut rep, "reply");
        assert_eq!(receive(&mut dealer), ["", "reply"].into());
        assert!(matches!(rep.send("twice").unwrap_err().error, Error::State { .. }));
        assert_eq!(rep.stats().unread, 3);
    });
}

#[test]
fn dl1_a_queue_per_peer_made_by_connect() {
    for_each_transport(|endpoint| {
        let mut dealer = socket_with(SocketType::Dealer, |options| options.send_hwm = 2);
        let places = [reserve(endpoint), reserve(endpoint)];
        for place in &places {
            dealer.connect(place).unwrap();
        }
        for number in 0..4 {
            dealer.try_send(number.to_string()).unwrap();
        }
        assert_eq!(dealer.try_send("full").unwrap_err().error, Error::WouldBlock);
        for (index, place) in places.iter().enumerate() {
            let mut peer = socket(SocketType::Dealer);
            bind_again(&mut peer, place);
            assert_eq!(receive_text(&mut peer), index.to_string());
            assert_eq!(receive_text(&mut peer), (index + 2).to_string());
        }
        let mut immediate = socket_with(SocketType::Dealer, |options| options.immediate = true);
        immediate.connect(reserve(endpoint)).unwrap();
        assert_eq!(immediate.try_send("x").unwrap_err().error, Error::WouldBlock);
        let mut bound = socket(SocketType::Dealer);
        bound.bind(endpoint).unwrap();
        assert_eq!(bound.try_send("x").unwrap_err().error, Error::WouldBlock);
    });
}

#[test]
fn dl2_dealer_passes_over_full_queues_and_waits_when_all_are_full() {
    for_each_transport(|endpoint| {
        let mut dealer = socket_with(SocketType::Dealer, small);
        let place = dealer.bind(endpoint).unwrap();
        let mut peers = [(); 2].map(|()| socket_with(SocketType::Dealer, small));
        for peer in &mut peers {
            add_peer(&mut dealer, peer, &place);
        }
        let full = fill(&mut dealer, None);
        let mut all = Vec::new();
        until("all have arrived", || {
            for peer in &mut peers {
                all.extend(peer.try_recv().ok().as_ref().map(number_of));
            }
            all.len() == full
        });
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..full));
        assert_eq!(balance(&mut dealer).dropped.total(), 0);
    });
}

#[test]
fn dl3_the_queue_of_an_accepted_peer_goes_with_it() {
    for_each_transport(|endpoint| {
        let (mut dealer, mut gone) =
            (socket_with(SocketType::Dealer, small), socket_with(SocketType::Dealer, small));
        let place = join(&mut dealer, &mut gone, endpoint, Side::Bound);
        let full = fill(&mut dealer, None);
        drop(gone);
        until("the loss is noticed", || {
            let stats = dealer.stats();
            stats.queued == 0 && (stats.dropped.disconnected > 0 || endpoint.starts_with("inproc"))
        });
        assert_eq!(dealer.try_send("nobody").unwrap_err().error, Error::WouldBlock);
        let stats = balance(&mut dealer);
        assert_eq!(stats.written, full as u64);
        let mut next = socket(SocketType::Dealer);
        add_peer(&mut dealer, &mut next, &place);
        send(&mut dealer, "fresh");
        assert_eq!(receive_text(&mut next), "fresh");
    });
}

#[test]
fn dl3_the_queue_of_a_connected_peer_is_kept() {
    for_each_wire(|endpoint| {
        let (mut dealer, mut gone) =
            (socket_with(SocketType::Dealer, small), socket_with(SocketType::Dealer, small));
        let place = join(&mut dealer, &mut gone, endpoint, Side::Connected);
        let full = fill(&mut dealer, None);
        drop(gone);
        let mut next = socket_with(SocketType::Dealer, small);
        bind_again(&mut next, &place);
        // What was on its way is lost; what was queued comes, in order.
        let first = number_of(&receive(&mut next));
        assert!(first > 0 && full - first >= 2, "{first} of {full}");
        for number in first + 1..full {
            assert_eq!(number_of(&receive(&mut next)), number);
        }
        let stats = balance(&mut dealer);
        assert_eq!((stats.queued, stats.written), (0, full as u64));
    });
}

#[test]
fn dl4_content_is_not_changed() {
    for_each_side(|endpoint, side| {
        let (mut dealer, mut peer) = (socket(SocketType::Dealer), socket(SocketType::Dealer));
        join(&mut dealer, &mut peer, endpoint, side);
        let messages: [Message; 4] =
            ["".into(), ["", ""].into(), ["a", "", "b"].into(), vec![0u8; 70_000].into()];
        for message in messages {
            send(&mut dealer, message.clone());
            assert_eq!(receive(&mut peer), message);
        }
    });
}

#[test]
fn rt1_the_name_comes_first() {
    for_each_side(|endpoint, side| {
        let (mut router, mut dealer) = (socket(SocketType::Router), named_socket(SocketType::Dealer, "bob"));
        join(&mut router, &mut dealer, endpoint, side);
        send(&mut dealer, ["x", "", "y"]);
        assert_eq!(texts(&receive(&mut router)), ["bob", "x", "", "y"]);
        send(&mut router, ["bob", "", "z"]);
        assert_eq!(texts(&receive(&mut dealer)), ["", "z"]);
        let failed = router.send("bob").unwrap_err();
        assert!(matches!(failed.error, Error::InvalidMessage { .. }));
        assert_eq!(failed.message, "bob".into());
    });
}

#[test]
fn rt2_unknown_name() {
    for_each_transport(|endpoint| {
        let mut router = socket(SocketType::Router);
        router.bind(endpoint).unwrap();
        let failed = router.send(["eve", "x"]).unwrap_err();
        assert_eq!(failed.error, Error::Unroutable { routing_id: b"eve".to_vec() });
        assert_eq!(failed.message, ["eve", "x"].into());
        let mut router = socket_with(SocketType::Router, |options| options.router_mandatory = false);
        router.bind(endpoint).unwrap();
        router.try_send(["eve", "x"]).unwrap();
        assert_eq!(balance(&mut router).dropped.unroutable, 1);
    });
}

#[test]
fn rt2_full_peer() {
    for_each_side(|endpoint, side| {
        let mut router = socket_with(SocketType::Router, small);
        let mut bob = socket_with(SocketType::Dealer, |options| {
            small(options);
            options.routing_id = "bob".into();
        });
        join(&mut router, &mut bob, endpoint, side);
        let full = fill(&mut router, Some(b"bob"));
        for number in 0..full {
            assert_eq!(number_of(&receive(&mut bob)), number);
        }
        send(&mut router, ["bob", "y"]);
        assert_eq!(receive_text(&mut bob), "y");
        assert_eq!(balance(&mut router).dropped.total(), 0);
    });
}

#[test]
fn rt3_without_mandatory_a_full_peer_is_dropped_for_and_nobody_waits() {
    for_each_side(|endpoint, side| {
        let mut router = socket_with(SocketType::Router, |options| {
            small(options);
            options.router_mandatory = false;
        });
        let mut bob = socket_with(SocketType::Dealer, |options| {
            small(options);
            options.routing_id = "bob".into();
        });
        join(&mut router, &mut bob, endpoint, side);
        let mut sent = 0;
        until("messages are dropped", || {
            let mut message = big(sent);
            message.push_front("bob");
            router.try_send(message).unwrap();
            sent += 1;
            router.stats().dropped.full > 0
        });
        let stats = balance(&mut router);
        for _ in 0..stats.written - stats.dropped.total() {
            receive(&mut bob);
        }
        expect_nothing(&mut bob);
    });
}

#[test]
fn rt3_names_are_those_the_peers_give_or_generated_ones() {
    for_each_transport(|endpoint| {
        let mut router = socket(SocketType::Router);
        let place = router.bind(endpoint).unwrap();
        let mut peers = [(); 3].map(|()| socket(SocketType::Dealer));
        let mut names = Vec::new();
        for peer in &mut peers {
            peer.connect(&place).unwrap();
            send(peer, "hello");
            let name = receive(&mut router).pop_front().unwrap();
            assert_eq!((name.len(), name[0]), (5, 0));
            names.push(name);
        }
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
        for (name, peer) in names.iter().zip(&mut peers) {
            send(&mut router, (name.clone(), "back"));
            assert_eq!(receive_text(peer), "back");
        }
    });
}

#[test]
fn rt3_a_name_given_by_the_connecting_router() {
    for_each_transport(|endpoint| {
        let mut dealer = zmq::Dealer::builder().options(options(|_| {})).routing_id("own").build().unwrap();
        let place = dealer.bind_to(endpoint).unwrap();
        let mut router = zmq::Router::builder().options(options(|_| {})).build().unwrap();
        router.connect_as(&place, b"given").unwrap();
        router.send_to("given", "hello").unwrap();
        assert_eq!(dealer.recv_timeout(LONG).unwrap(), "hello".into());
        dealer.send("back").unwrap();
        let (from, message) = router.recv_from().unwrap();
        assert_eq!((&from[..], message), (&b"given"[..], "back".into()));
        assert!(matches!(router.connect_as(&place, b""), Err(Error::InvalidOption { .. })));
    });
}

#[test]
fn rt4_a_newcomer_with_a_name_in_use_is_ignored() {
    for_each_transport(|endpoint| {
        let (mut router, mut first) = (socket(SocketType::Router), named_socket(SocketType::Dealer, "bob"));
        let place = join(&mut router, &mut first, endpoint, Side::Bound);
        send(&mut first, "first");
        assert_eq!(receive(&mut router), ["bob", "first"].into());
        let mut second = socket_with(SocketType::Dealer, |options| {
            options.routing_id = "bob".into();
            options.reconnect_interval = None;
        });
        second.connect(&place).unwrap();
        let _ = second.try_send("second");
        expect_nothing(&mut router);
        send(&mut router, ["bob", "x"]);
        assert_eq!(receive_text(&mut first), "x");
        assert!(second.recv_timeout(SHORT).is_err());
        send(&mut first, "still here");
        assert_eq!(receive(&mut router), ["bob", "still here"].into());
        // When the first has gone, its name is free.
        drop(first);
        until("the name is free", || router.try_send(["bob", "x"]).is_err());
        let mut third = named_socket(SocketType::Dealer, "bob");
        third.connect(&place).unwrap();
        send(&mut third, "third");
        assert_eq!(receive(&mut router), ["bob", "third"].into());
    });
}

#[test]
fn rt4_with_handover_the_newcomer_takes_the_name_and_the_old_one_is_closed() {
    for_each_transport(|endpoint| {
        let mut router = socket_with(SocketType::Router, |options| options.router_handover = true);
        let mut old = socket_with(SocketType::Dealer, |options| {
            options.routing_id = "bob".into();
            options.reconnect_interval = None;
        });
        let place = join(&mut router, &mut old, endpoint, Side::Bound);
        send(&mut old, "old");
        assert_eq!(receive(&mut router), ["bob", "old"].into());
        let mut new = named_socket(SocketType::Dealer, "bob");
        new.connect(&place).unwrap();
        send(&mut new, "new");
        assert_eq!(receive(&mut router), ["bob", "new"].into());
        send(&mut router, ["bob", "x"]);
        assert_eq!(receive_text(&mut new), "x");
        until("the old one is closed", || old.try_send("y").is_err());
        assert!(old.recv_timeout(SHORT).is_err());
        expect_nothing(&mut router);
    });
}

#[test]
fn rt5_probe_router_comes_before_anything_else() {
    for_each_side(|endpoint, side| {
        for kind in [SocketType::Dealer, SocketType::Router] {
            let mut prober = socket_with(kind, |options| {
                options.probe_router = true;
                options.routing_id = "prober".into();
            });
            let mut router = named_socket(SocketType::Router, "router");
            join(&mut prober, &mut router, endpoint, side);
            let to_router = if kind == SocketType::Router { vec!["router", "x"] } else { vec!["x"] };
            until("it is sent", || prober.try_send(to_router.clone()).is_ok());
            assert_eq!(receive(&mut router), ["prober", ""].into());
            assert_eq!(receive(&mut router), ["prober", "x"].into());
            expect_nothing(&mut router);
        }
    });
}

#[test]
fn rt5_probe_router_on_each_new_connection() {
    for_each_wire(|endpoint| {
        let mut prober = socket_with(SocketType::Dealer, |options| {
            options.probe_router = true;
            options.routing_id = "prober".into();
        });
        let mut router = socket(SocketType::Router);
        let place = join(&mut prober, &mut router, endpoint, Side::Connected);
        assert_eq!(receive(&mut router), ["prober", ""].into());
        drop(router);
        let mut router = socket(SocketType::Router);
        bind_again(&mut router, &place);
        assert_eq!(receive(&mut router), ["prober", ""].into());
    });
}

#[test]
fn rt_peers_that_come_while_the_router_works_are_all_served() {
    for_each_transport(|endpoint| {
        let mut router = socket(SocketType::Router);
        let place = router.bind(endpoint).unwrap();
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let place = place.clone();
                std::thread::spawn(move || {
                    for number in 0..50 {
                        let mut dealer = socket(SocketType::Dealer);
                        dealer.connect(&place).unwrap();
                        send(&mut dealer, number.to_string());
                        assert_eq!(receive_text(&mut dealer), number.to_string());
                    }
                })
            })
            .collect();
        // Always looking, so that it looks at every moment.
        let mut served = 0;
        until("all are served", || {
            while let Ok(message) = router.try_recv() {
                send(&mut router, message);
                served += 1;
            }
            served == 200
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn rt_a_peer_in_the_place_of_another_keeps_its_entry() {
    for_each_transport(|endpoint| {
        let mut router = zmq::Router::new().unwrap();
        let place = router.bind_to(endpoint).unwrap();
        let mut poller = zmq::Poller::new().unwrap();
        poller.add(&mut router, 0).unwrap();
        for _ in 0..20 {
            let mut bob = named_socket(SocketType::Dealer, "bob");
            bob.connect(&place).unwrap();
            until("bob is known", || {
                poller.wait(Some(std::time::Duration::ZERO)).unwrap();
                router.send_to("bob", "hello").is_ok()
            });
            assert_eq!(receive_text(&mut bob), "hello");
            assert!(matches!(router.try_recv(), Err(Error::WouldBlock)));
            assert_eq!(router.peers().unwrap(), ["bob"]);
            drop(bob);
            until("bob has left", || {
                poller.wait(Some(std::time::Duration::ZERO)).unwrap();
                router.peers().unwrap().is_empty()
            });
        }
    });
}
