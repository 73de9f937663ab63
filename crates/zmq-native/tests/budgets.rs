//! What one peer may have. Whoever takes more is closed, the monitor says why, and the others are served.

mod support;

use std::io::Write;
use std::net::TcpListener;
use support::*;
use zmq::{AnySocket, DisconnectReason, Endpoint, Event, Monitor, Options, SocketType};

/// A publisher, bound, with a subscriber that must go on through everything.
struct Scene {
    publisher: AnySocket,
    endpoint: Endpoint,
    monitor: Monitor,
    friend: zmq::Sub,
    sent: u32,
}

impl Scene {
    fn new(socket_type: SocketType, set: impl FnOnce(&mut Options)) -> Scene {
        let context = context();
        let mut options = Options::default();
        set(&mut options);
        let mut publisher = AnySocket::new(&context, socket_type, options).expect("publisher");
        let monitor = publisher.monitor().expect("monitor");
        let endpoint = publisher.bind("tcp://127.0.0.1:*").expect("bind");
        let friend = zmq::Sub::builder_in(&context).subscribe("friend").connect(&endpoint).expect("connect");
        let mut scene = Scene { publisher, endpoint, monitor, friend, sent: 0 };
        if socket_type == SocketType::XPub {
            assert_eq!(scene.publisher.recv_timeout(LONG).expect("subscription"), "\u{1}friend".into());
        }
        scene.friend_is_served();
        scene
    }

    /// Publishes until the friend hears of it: the first time it may not have been there yet.
    #[track_caller]
    fn friend_is_served(&mut self) {
        self.sent += 1;
        let news = format!("friend {}", self.sent);
        until("the friend hears", || {
            self.publisher.send(news.as_str()).expect("publish");
            self.friend.recv_timeout(ms(10)).is_ok_and(|message| message == news.as_str().into())
        });
    }

    /// Why the monitor says the last connection ended. The publisher's own thread keeps its books.
    #[track_caller]
    fn reason(&mut self) -> DisconnectReason {
        let mut reason = None;
        until("a connection ends", || {
            self.publisher.stats();
            while let Some(event) = self.monitor.try_next() {
                if let Event::Disconnected { reason: why, .. } = event {
                    reason = Some(why);
                }
            }
            reason.is_some()
        });
        reason.expect("a reason")
    }
}

const PUBLISHERS: [SocketType; 2] = [SocketType::Pub, SocketType::XPub];

#[test]
fn subscriptions_are_counted() {
    let mut scene = Scene::new(SocketType::Pub, |options| options.max_subscriptions = 100);
    let mut greedy = Raw::peer(&scene.endpoint, "SUB");
    let subscribe = |number: u32| frame(0, format!("\u{1}topic {number}").as_bytes());
    greedy.send(&frame(0, b"\x01passing"));
    greedy.send(&frame(0, b"\x00passing"));
    for number in 0..100 {
        greedy.send(&subscribe(number));
        // Again is not more.
        greedy.send(&subscribe(number));
    }
    // It is served to its limit.
    let before = scene.publisher.stats().written;
    until("it hears", || {
        scene.publisher.send("topic 99").expect("publish");
        scene.publisher.stats().written > before
    });
    assert_eq!(greedy.frame(), (0, b"topic 99".to_vec()));
    scene.friend_is_served();
    greedy.send(&subscribe(100));
    let reason = scene.reason();
    assert!(matches!(reason, DisconnectReason::TooManySubscriptions { count: 101, .. }), "{reason}");
    assert!(reason.to_string().contains("max_subscriptions"), "{reason}");
    assert!(greedy.is_closed());
    scene.friend_is_served();
}

#[test]
fn subscriptions_that_an_xpub_has_seen_are_counted_too() {
    let mut scene = Scene::new(SocketType::XPub, |options| options.max_subscriptions = 10);
    let mut greedy = Raw::peer(&scene.endpoint, "SUB");
    for number in b'a'..b'a' + 10 {
        greedy.send(&frame(0, &[1, number]));
        assert_eq!(scene.publisher.recv_timeout(LONG).expect("subscription")[0], [1, number]);
    }
    greedy.send(&frame(0, b"\x01z"));
    let reason = scene.reason();
    assert!(matches!(reason, DisconnectReason::TooManySubscriptions { count: 11, bytes: 11 }), "{reason}");
    assert!(greedy.is_closed());
    scene.friend_is_served();
}

#[test]
fn the_bytes_of_subscriptions_are_counted() {
    for socket_type in PUBLISHERS {
        let mut scene = Scene::new(socket_type, |options| options.max_subscription_bytes = 1000);
        let mut greedy = Raw::peer(&scene.endpoint, "XSUB");
        for number in 0..11 {
            greedy.send(&frame(0, &[&[1, number], &[b't'; 99][..]].concat()));
        }
        let reason = scene.reason();
        let expected = DisconnectReason::TooManySubscriptions { count: 11, bytes: 1100 };
        // An XPUB also keeps the bytes that make subscriptions of the topics.
        let shown = DisconnectReason::TooManySubscriptions { count: 10, bytes: 1010 };
        let expected = if socket_type == SocketType::XPub { shown } else { expected };
        assert_eq!(reason.to_string(), expected.to_string());
        assert!(greedy.is_closed());
        scene.friend_is_served();
    }
}

#[test]
fn what_an_xpub_is_not_received_of_is_counted() {
    let mut scene = Scene::new(SocketType::XPub, |options| options.max_subscriptions = 100);
    let mut fickle = Raw::peer(&scene.endpoint, "SUB");
    for _ in 0..50 {
        fickle.send(&frame(0, b"\x01on"));
        fickle.send(&frame(0, b"\x00on"));
    }
    // Whatever is received is out of the account.
    for _ in 0..50 {
        assert_eq!(scene.publisher.recv_timeout(LONG).expect("subscription"), "\u{1}on".into());
        assert_eq!(scene.publisher.recv_timeout(LONG).expect("cancellation"), "\u{0}on".into());
    }
    fickle.send(&frame(0, b"\x01kept"));
    assert_eq!(scene.publisher.recv_timeout(LONG).expect("subscription"), "\u{1}kept".into());
    for _ in 0..51 {
        fickle.send(&frame(0, b"\x01on"));
        fickle.send(&frame(0, b"\x00on"));
    }
    let reason = scene.reason();
    assert!(matches!(reason, DisconnectReason::TooManySubscriptions { count: 101, .. }), "{reason}");
    assert!(fickle.is_closed());
    scene.friend_is_served();
    // What it did since is forgotten; that its topics are nobody's is not.
    let mut rest: Vec<_> = std::iter::from_fn(|| scene.publisher.try_recv().ok()).collect();
    rest.sort_by_key(|message| message[0].to_vec());
    assert_eq!(rest, ["\0kept".into(), "\0on".into()]);
}

#[test]
fn who_reads_nothing_is_closed_all_the_same() {
    let mut scene = Scene::new(SocketType::Pub, |options| {
        options.max_subscriptions = 2;
        options.send_hwm = 10;
        options.stream.send_buffer = Some(4096);
    });
    let mut deaf = Raw::peer(&scene.endpoint, "SUB");
    deaf.send(&frame(0, b"\x01big"));
    until("its pipe is full", || {
        scene.publisher.send(["big", &"x".repeat(100_000)]).expect("publish");
        scene.publisher.stats().dropped.full > 0
    });
    deaf.send(&frame(0, b"\x01one"));
    deaf.send(&frame(0, b"\x01two"));
    let reason = scene.reason();
    assert!(matches!(reason, DisconnectReason::TooManySubscriptions { count: 3, .. }), "{reason}");
    assert!(deaf.is_closed());
    scene.friend_is_served();
}

#[test]
fn who_we_connected_to_is_not_connected_to_again() {
    let context = context();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut publisher = zmq::Pub::builder_in(&context).max_subscriptions(1usize).build().expect("publisher");
    let mut monitor = publisher.monitor().expect("monitor");
    publisher.connect_to(format!("tcp://{}", listener.local_addr().expect("address"))).expect("connect");
    let mut greedy = Raw::over(listener.accept().expect("accept").0);
    greedy.send(&greeting());
    greedy.send(&ready("SUB"));
    greedy.send(&frame(0, b"\x01one"));
    greedy.send(&frame(0, b"\x01two"));
    until("it is given up", || {
        publisher.stats();
        std::iter::from_fn(|| monitor.try_next()).any(|event| match event {
            Event::ConnectGivenUp { error, .. } => error.contains("max_subscriptions"),
            _ => false,
        })
    });
    assert!(greedy.is_closed());
}

#[test]
fn a_peer_in_this_process_is_no_stranger() {
    let context = context();
    let mut publisher = zmq::Pub::builder_in(&context).max_subscriptions(1usize).build().expect("publisher");
    let bound = publisher.bind_to("inproc://*").expect("bind");
    let mut sub =
        zmq::Sub::builder_in(&context).subscribe("a").subscribe("b").connect(bound).expect("connect");
    publisher.wait_for_subscribers(1, LONG).expect("subscriber");
    publisher.send("b").expect("publish");
    assert_eq!(sub.recv_timeout(LONG).expect("news"), "b".into());
}

#[test]
fn a_routing_id_that_is_taken() {
    for handover in [false, true] {
        let context = context();
        let mut router = zmq::Router::builder_in(&context).router_handover(handover).build().expect("router");
        let mut monitor = router.monitor().expect("monitor");
        let bound = router.bind_to("tcp://127.0.0.1:*").expect("bind");
        let named = || {
            let mut peer = Raw::connect(&bound);
            peer.send(&greeting());
            peer.send(b"\x04\x2c\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03bob");
            peer
        };
        let mut first = named();
        first.send(&frame(0, b"first"));
        assert_eq!(router.recv_timeout(LONG).expect("receive"), ["bob", "first"].into());
        let mut second = named();
        second.send(&frame(0, b"second"));
        let mut lost = None;
        until("one of them ends", || {
            let _ = router.try_recv();
            lost = std::iter::from_fn(|| monitor.try_next()).find_map(|event| match event {
                Event::Disconnected { reason, .. } => Some(reason),
                _ => None,
            });
            lost.is_some()
        });
        assert!(matches!(lost, Some(DisconnectReason::RoutingIdTaken)), "{lost:?}");
        let (winner, loser) = if handover { (&mut second, &mut first) } else { (&mut first, &mut second) };
        assert!(loser.is_closed());
        winner.send(&frame(0, b"still here"));
        let mut message = router.recv_timeout(LONG).expect("receive");
        if message == ["bob", "second"].into() {
            message = router.recv_timeout(LONG).expect("receive");
        }
        assert_eq!(message, ["bob", "still here"].into());
    }
}

#[test]
fn pings_are_counted() {
    let mut intake = Intake::new(|options| options.max_pings_per_second = 10);
    let ping = frame(4, b"\x04PING\0\0");
    let mut noisy = Raw::peer(&intake.endpoint, "PUSH");
    noisy.send(&ping.repeat(10));
    noisy.send(&frame(0, b"calm"));
    assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "calm".into());
    noisy.send(&ping.repeat(1000));
    let reason = fault(&mut intake.monitor);
    assert!(reason.contains("10 PINGs") && reason.contains("max_pings_per_second"), "{reason}");
    assert!(noisy.is_closed());
    intake.friend_is_served();
}

/// A READY with a property of so many bytes.
fn bulky_ready(size: usize) -> Vec<u8> {
    let mut body = ready("PUSH")[2..].to_vec();
    body.extend(b"\x06X-Bulk");
    body.extend((size as u32).to_be_bytes());
    body.resize(body.len() + size, b'x');
    [&[6], &(body.len() as u64).to_be_bytes()[..], &body].concat()
}

#[test]
fn what_a_peer_says_of_itself_is_counted() {
    for (limit, fits, bursts) in [(8192, 8000, 8192), (600, 500, 600), (1 << 20, 1 << 19, 1 << 20)] {
        let mut intake = Intake::new(|options| {
            options.max_metadata_size = limit;
            options.max_handshake_size = 2 << 20;
        });
        let mut talker = Raw::connect(&intake.endpoint);
        talker.send(&greeting());
        talker.send(&bulky_ready(fits));
        talker.send(&frame(0, b"welcome"));
        assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "welcome".into());
        let mut talker = Raw::connect(&intake.endpoint);
        talker.send(&greeting());
        talker.send(&bulky_ready(bursts));
        let reason = refusal(&mut intake.monitor);
        assert!(reason.contains(&limit.to_string()) && reason.contains("max_metadata_size"), "{reason}");
        assert!(talker.is_closed());
        intake.friend_is_served();
    }
}

#[test]
fn what_a_peer_sends_before_it_is_admitted_is_counted() {
    let mut intake = Intake::new(|options| options.max_handshake_size = 2048);
    for (size, admitted) in [(1900, true), (2048, false)] {
        let mut talker = Raw::connect(&intake.endpoint);
        talker.send(&greeting());
        talker.send(&bulky_ready(size));
        if admitted {
            talker.send(&frame(0, b"welcome"));
            assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "welcome".into());
            continue;
        }
        let reason = refusal(&mut intake.monitor);
        assert!(reason.contains("2048") && reason.contains("max_handshake_size"), "{reason}");
        assert!(talker.is_closed());
    }
    intake.friend_is_served();
}

#[test]
fn parts_and_bytes_of_a_message_are_counted() {
    let mut intake = Intake::new(|options| {
        options.max_frames = 3;
        options.max_message_size = Some(300);
    });
    let part = |flags, size| frame(flags, &vec![b'x'; size]);
    for (message, option) in [
        ([part(1, 0), part(1, 0), part(1, 0), part(0, 0)].concat(), "3 frames"),
        ([part(1, 100), part(1, 100), part(0, 101)].concat(), "accepts 300"),
    ] {
        let mut greedy = Raw::peer(&intake.endpoint, "PUSH");
        greedy.send(&[part(1, 100), part(1, 100), part(0, 100)].concat());
        assert_eq!(intake.pull.recv_timeout(LONG).expect("receive").size(), 300);
        greedy.send(&message);
        let reason = fault(&mut intake.monitor);
        assert!(reason.contains(option), "{reason}");
        assert!(greedy.is_closed());
        intake.friend_is_served();
    }
}

#[test]
fn handshakes_in_progress_are_counted() {
    let mut intake = Intake::new(|options| options.max_pending_handshakes = 3);
    let mut slow: Vec<Raw> = (0..4).map(|_| Raw::connect(&intake.endpoint)).collect();
    let reason = refusal(&mut intake.monitor);
    assert!(reason.contains("too many handshakes"), "{reason}");
    assert!(slow.remove(0).is_closed(), "the oldest");
    intake.friend_is_served();
    let mut peer = Raw::peer(&intake.endpoint, "PUSH");
    peer.send(&frame(0, b"quick"));
    assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "quick".into());
    // The others still have their time; except for the next oldest, if the peer was met before it had said everything.
    for mut late in slow.into_iter().skip(1) {
        late.send(&greeting());
        late.send(&ready("PUSH"));
        late.send(&frame(0, b"late"));
        assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "late".into());
    }
}

/// A token that one listener remembers is that of another listener's guest by now.
#[test]
fn handshakes_are_counted_at_their_own_listener() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).max_pending_handshakes(1usize).build().expect("pull");
    let mut monitor = pull.monitor().expect("monitor");
    let one = pull.bind_to("tcp://127.0.0.1:*").expect("bind");
    let two = pull.bind_to("tcp://127.0.0.1:*").expect("bind");
    let arrive = |endpoint: &Endpoint, monitor: &mut Monitor| {
        let guest = Raw::connect(endpoint);
        await_event(monitor, "it is there", |event| matches!(event, Event::Accepted { .. }));
        guest
    };
    drop(arrive(&one, &mut monitor));
    refusal(&mut monitor);
    // This one has its token now.
    let mut guest_of_two = arrive(&two, &mut monitor);
    let _guest_of_one = arrive(&one, &mut monitor);
    guest_of_two.send(&greeting());
    guest_of_two.send(&ready("PUSH"));
    guest_of_two.send(&frame(0, b"still here"));
    assert_eq!(pull.recv_timeout(LONG).expect("receive"), "still here".into());
}

#[test]
fn the_connections_of_a_context_are_counted() {
    let context = zmq::context_builder().max_connections(2).build().expect("context");
    let mut sockets = [0; 2].map(|_| {
        let mut pull = zmq::Pull::builder_in(&context).build().expect("pull");
        let monitor = pull.monitor().expect("monitor");
        let endpoint = pull.bind_to("tcp://127.0.0.1:*").expect("bind");
        (pull, monitor, endpoint)
    });
    let [(one, monitor, at_one), (other, _, at_other)] = &mut sockets;
    let (mut friend, second) = (Raw::peer(at_one, "PUSH"), Raw::peer(at_other, "PUSH"));
    let mut third = Raw::connect(at_one);
    let refused = await_event(monitor, "one too many", |event| matches!(event, Event::AcceptFailed { .. }));
    let Event::AcceptFailed { error, .. } = refused else { unreachable!() };
    assert!(error.contains("2 connections") && error.contains("context"), "{error}");
    assert!(third.is_closed());
    friend.send(&frame(0, b"still here"));
    assert_eq!(one.recv_timeout(LONG).expect("receive"), "still here".into());
    // Whose place is free again is a matter of all of them.
    drop(second);
    until("there is room", || {
        let mut late = Raw::connect(at_other);
        late.0.write_all(&[&greeting()[..], &ready("PUSH"), &frame(0, b"late")].concat()).is_ok()
            && other.recv_timeout(ms(100)).is_ok_and(|message| message == "late".into())
    });
    let error = zmq::context_builder().max_connections(0).build().map(drop).expect_err("nobody");
    assert!(error.to_string().contains("max_connections"), "{error}");
}

#[test]
fn the_connections_of_a_listener_are_counted() {
    let mut intake = Intake::new(|options| options.max_connections = 2);
    let other = intake.pull.bind_to("tcp://127.0.0.1:*").expect("bind");
    let mut second = Raw::peer(&intake.endpoint, "PUSH");
    let refused = |monitor: &mut Monitor| match await_event(monitor, "one too many", |event| {
        matches!(event, Event::AcceptFailed { .. })
    }) {
        Event::AcceptFailed { error, .. } => error,
        _ => unreachable!(),
    };
    let mut third = Raw::connect(&intake.endpoint);
    let reason = refused(&mut intake.monitor);
    let itself = third.0.local_addr().expect("address").to_string();
    assert!(reason.contains(&itself) && reason.contains("2 connections"), "{reason}");
    assert!(reason.contains("max_connections"), "{reason}");
    assert!(third.is_closed());
    second.send(&frame(0, b"second"));
    assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "second".into());
    intake.friend_is_served();
    // The limit is that of each listener, and of those that are there.
    Raw::peer(&other, "PUSH");
    drop(second);
    end(&mut intake.monitor);
    Raw::peer(&intake.endpoint, "PUSH").send(&frame(0, b"next"));
    assert_eq!(intake.pull.recv_timeout(LONG).expect("receive"), "next".into());
}
