//! Whatever is wrong, by us, by a peer or by the system, ends in an error that names it and says what to do, or in a
//! monitor event where the peer is to blame; the other peers do not notice.

mod support;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use support::*;
use zmq::{Error, Event, Options, SocketType};

#[test]
fn malformed_endpoint() {
    let context = context();
    let mut pair = zmq::Pair::new_in(&context).unwrap();
    let long = format!("ipc:///{}", "x".repeat(300));
    for endpoint in [
        "",
        "localhost:5555",
        "tcp:/127.0.0.1:1",
        "://x",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:70000",
        "tcp://[::1:5555",
        "ipc://",
        "inproc://",
        &long,
    ] {
        for (call, error) in [
            ("bind", pair.bind_to(endpoint).unwrap_err()),
            ("connect", pair.connect_to(endpoint).unwrap_err()),
        ] {
            assert!(matches!(error, Error::InvalidEndpoint { .. }), "{call} {endpoint:?}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(endpoint) && text.len() > endpoint.len() + 25, "{call}: {text}");
        }
    }
    // The socket is as good as new.
    let endpoint = pair.bind_to("inproc://*").unwrap();
    zmq::Pair::builder_in(&context).connect(endpoint).unwrap().send("x").unwrap();
    assert_eq!(pair.recv_timeout(LONG).unwrap(), "x".into());
}

#[test]
fn unknown_scheme() {
    let mut pair = zmq::Pair::new_in(&context()).unwrap();
    for error in [pair.bind_to("pgm://x:1").unwrap_err(), pair.connect_to("pgm://x:1").unwrap_err()] {
        assert!(matches!(error, Error::UnknownTransport { .. }));
        let text = error.to_string();
        for part in ["pgm://x:1", "tcp", "ipc", "inproc", "register"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn address_in_use() {
    let context = context();
    let path = format!("ipc://{}/zmq-in-use-{}", std::env::temp_dir().display(), std::process::id());
    for endpoint in ["tcp://127.0.0.1:*", &path, "inproc://*"] {
        let mut first = zmq::Pull::new_in(&context).unwrap();
        let bound = first.bind_to(endpoint).unwrap();
        let error = zmq::Pull::builder_in(&context).bind(&bound).unwrap_err();
        assert_eq!(error, Error::AddressInUse { endpoint: bound.to_string() });
        assert!(error.to_string().contains("bind elsewhere"), "{error}");
        // The first has not noticed.
        let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
        push.send("x").unwrap();
        assert_eq!(first.recv_timeout(LONG).unwrap(), "x".into());
        // And when it is gone the address is free.
        drop((push, first));
        until("the address is free", || zmq::Pull::builder_in(&context).bind(&bound).is_ok());
    }
}

#[test]
fn wrong_socket_pair_inproc() {
    let context = context();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("inproc://*").unwrap();
    let error = zmq::Sub::builder_in(&context).connect(&bound).unwrap_err();
    assert_eq!(error, Error::IncompatiblePeer { ours: SocketType::Sub, theirs: SocketType::Pull });
    assert!(error.to_string().contains("SUB") && error.to_string().contains("PULL"), "{error}");
    let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
}

#[test]
fn wrong_socket_pair_tcp() {
    let mut intake = Intake::new(|_| {});
    let mut sub = zmq::Sub::builder_in(&intake.context).build().unwrap();
    let mut theirs = sub.monitor().unwrap();
    sub.connect_to(&intake.endpoint).unwrap();
    for text in [refusal(&mut intake.monitor), refusal(&mut theirs)] {
        assert!(text.contains("SUB") && text.contains("PULL") || text.contains("Incompatible"), "{text}");
    }
    let given_up =
        await_event(&mut theirs, "no further attempt", |event| matches!(event, Event::ConnectGivenUp { .. }));
    let Event::ConnectGivenUp { endpoint, error } = given_up else { unreachable!() };
    assert!(endpoint == intake.endpoint && !error.is_empty(), "{endpoint} {error}");
    intake.others_are_unaffected();
}

#[test]
fn option_out_of_range() {
    let context = context();
    let zero = Some(std::time::Duration::ZERO);
    type Set = Box<dyn FnOnce(&mut Options)>;
    let cases: Vec<(&str, Set)> = vec![
        ("routing_id", Box::new(|o| o.routing_id = vec![1; 256].into())),
        ("routing_id", Box::new(|o| o.routing_id = vec![0, 1].into())),
        ("connect_routing_id", Box::new(|o| o.connect_routing_id = vec![1; 256].into())),
        ("heartbeat_ttl", Box::new(|o| o.heartbeat_ttl = Some(ms(6_553_501)))),
        ("heartbeat_interval", Box::new(move |o| o.heartbeat_interval = zero)),
        ("heartbeat_timeout", Box::new(move |o| o.heartbeat_timeout = zero)),
        ("reconnect_interval", Box::new(move |o| o.reconnect_interval = zero)),
        ("reconnect_interval_max", Box::new(move |o| o.reconnect_interval_max = zero)),
        ("connect_timeout", Box::new(move |o| o.connect_timeout = zero)),
        ("handshake_timeout", Box::new(move |o| o.handshake_timeout = zero)),
        ("max_frames", Box::new(|o| o.max_frames = 0)),
        ("max_handshake_size", Box::new(|o| o.max_handshake_size = 2047)),
        ("max_metadata_size", Box::new(|o| o.max_metadata_size = 511)),
        ("max_pings_per_second", Box::new(|o| o.max_pings_per_second = 0)),
        ("max_subscriptions", Box::new(|o| o.max_subscriptions = 0)),
        ("max_connections", Box::new(|o| o.max_connections = 0)),
        ("max_handshakes_per_second", Box::new(|o| o.max_handshakes_per_second = 0)),
        ("max_total_handshakes_per_second", Box::new(|o| o.max_total_handshakes_per_second = 0)),
        ("max_pending_handshakes", Box::new(|o| o.max_pending_handshakes = 0)),
        ("subscribe", Box::new(|o| o.subscriptions.push("x".into()))),
        ("send_buffer", Box::new(|o| o.stream.send_buffer = Some(usize::MAX))),
        ("recv_buffer", Box::new(|o| o.stream.recv_buffer = Some(usize::MAX))),
    ];
    for (name, set) in cases {
        let mut options = Options::default();
        set(&mut options);
        let made = zmq::Push::with_options(&context, options);
        let error = made.and_then(|mut push| push.bind_to("tcp://127.0.0.1:*").map(drop)).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option, .. } if option == name), "{name}: {error:?}");
        assert!(error.to_string().contains(name) && error.to_string().len() > name.len() + 20, "{error}");
    }
    for (name, builder) in [
        ("io_threads", zmq::context_builder().io_threads(0)),
        ("max_sockets", zmq::context_builder().max_sockets(0)),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option, .. } if option == name), "{error:?}");
    }
}

#[test]
fn too_many_sockets() {
    let context = zmq::context_builder().max_sockets(2).build().unwrap();
    let sockets = [zmq::Push::new_in(&context).unwrap(), zmq::Push::new_in(&context).unwrap()];
    let error = zmq::Push::new_in(&context).unwrap_err();
    assert_eq!(error, Error::TooManySockets { limit: 2 });
    assert!(error.to_string().contains("max_sockets"), "{error}");
    drop(sockets);
    zmq::Push::new_in(&context).unwrap();
}

#[test]
fn transports_that_libzmq_may_have_and_we_do_not_are_refused_by_name() {
    let mut publisher = zmq::Pub::new_in(&context()).unwrap();
    for (endpoint, part) in [
        ("pgm://eth0;239.192.1.1:5555", "multicast is not supported"),
        ("epgm://eth0;239.192.1.1:5555", "multicast is not supported"),
        ("EPGM://eth0;239.192.1.1:5555", "multicast is not supported"),
        ("norm://224.1.2.3:5556", "multicast is not supported"),
        ("udp://127.0.0.1:5555", "datagrams are not supported"),
        ("tipc://{5560,0,0}", "TIPC, VMCI and Hyper-V sockets are not supported"),
        ("vmci://2:5555", "TIPC, VMCI and Hyper-V sockets are not supported"),
        ("hvsocket://x:1", "TIPC, VMCI and Hyper-V sockets are not supported"),
        ("ws://127.0.0.1:80/zmq", "WebSocket is not supported"),
        ("wss://127.0.0.1:443/zmq", "WebSocket is not supported"),
        ("quic://127.0.0.1:1", "enable the cargo feature"),
    ] {
        for error in [publisher.bind_to(endpoint).unwrap_err(), publisher.connect_to(endpoint).unwrap_err()] {
            assert!(matches!(error, Error::UnknownTransport { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(part) && text.contains("this context has: tcp, ipc, inproc"), "{text}");
        }
    }
}

#[test]
fn send_in_the_wrong_state() {
    let context = context();
    let mut rep = zmq::Rep::new_in(&context).unwrap();
    let bound = rep.bind_to("inproc://*").unwrap();
    let mut req = zmq::Req::builder_in(&context).req_relaxed(false).connect(&bound).unwrap();

    let failed = rep.send("unasked").unwrap_err();
    assert!(matches!(failed.error, Error::State { .. }) && failed.message == "unasked".into(), "{failed:?}");
    assert!(failed.to_string().contains("request"), "{failed}");
    let error = req.recv().unwrap_err();
    assert!(matches!(error, Error::State { .. }) && error.to_string().contains("send"), "{error}");
    req.send("1").unwrap();
    let failed = req.send("2").unwrap_err();
    assert!(matches!(failed.error, Error::State { .. }) && failed.message == "2".into(), "{failed:?}");
    assert!(failed.to_string().contains("reset"), "{failed}");
    // Nothing was spoilt.
    assert_eq!(rep.recv_timeout(LONG).unwrap(), "1".into());
    rep.send("one").unwrap();
    assert_eq!(req.recv_timeout(LONG).unwrap(), "one".into());

    let mut pull = zmq::AnySocket::new(&context, SocketType::Pull, Options::default()).unwrap();
    let failed = pull.send("x").unwrap_err();
    assert!(matches!(failed.error, Error::State { .. }) && failed.message == "x".into(), "{failed:?}");
    assert!(failed.to_string().contains("only receives"), "{failed}");
    let error =
        zmq::AnySocket::new(&context, SocketType::Push, Options::default()).unwrap().recv().unwrap_err();
    assert!(matches!(error, Error::State { .. }) && error.to_string().contains("only sends"), "{error}");

    let mut router = zmq::Router::new_in(&context).unwrap();
    let failed = router.send("only one frame").unwrap_err();
    assert!(matches!(failed.error, Error::InvalidMessage { .. }), "{failed:?}");
    assert!(failed.to_string().contains("routing id"), "{failed}");
    let failed = router.send_to("nobody", "x").unwrap_err();
    assert!(matches!(failed.error, Error::Unroutable { .. }) && failed.message == "x".into(), "{failed:?}");
    assert!(failed.to_string().contains("nobody") && failed.to_string().contains("router_mandatory"));
    let failed = zmq::Push::new_in(&context).unwrap().send(zmq::Message::new()).unwrap_err();
    assert!(matches!(failed.error, Error::InvalidMessage { .. }), "{failed:?}");
    assert!(failed.to_string().contains("no frame"), "{failed}");
    let error = router.unbind("tcp://127.0.0.1:1").unwrap_err();
    assert!(matches!(error, Error::UnknownEndpoint { .. }) && error.to_string().contains("127.0.0.1:1"));
    let error = router.disconnect("tcp://127.0.0.1:1").unwrap_err();
    assert!(matches!(error, Error::UnknownEndpoint { .. }) && error.to_string().contains("127.0.0.1:1"));
}

#[test]
fn message_too_large() {
    let mut intake = Intake::new(|options| options.max_message_size = Some(1000));
    for frames in [vec![1001], vec![600, 500], vec![100_000]] {
        let mut large = zmq::Push::builder_in(&intake.context).connect(&intake.endpoint).unwrap();
        large.send("fits").unwrap();
        assert_eq!(intake.pull.recv_timeout(LONG).unwrap(), "fits".into());
        let message: Vec<zmq::Frame> = frames.iter().map(|size| vec![0; *size].into()).collect();
        large.send(message).unwrap();
        let reason = fault(&mut intake.monitor);
        assert!(reason.contains("bytes") && reason.contains("accepts 1000"), "{reason}");
        intake.others_are_unaffected();
    }
    let mut largest = zmq::Push::builder_in(&intake.context).connect(&intake.endpoint).unwrap();
    largest.send(vec![7; 1000]).unwrap();
    assert_eq!(intake.pull.recv_timeout(LONG).unwrap()[0].len(), 1000);
}

#[test]
fn terminated_context() {
    let context = context();
    let mut pair = zmq::Pair::new_in(&context).unwrap();
    let mut router = zmq::Router::new_in(&context).unwrap();
    let bound = pair.bind_to("tcp://127.0.0.1:*").unwrap();
    context.shutdown();
    context.shutdown();
    assert!(context.is_shut_down());
    let failed = pair.send("x").unwrap_err();
    assert_eq!((failed.error, failed.message), (Error::Terminated, "x".into()));
    assert_eq!(pair.try_send("x").unwrap_err().error, Error::Terminated);
    assert_eq!(pair.recv().unwrap_err(), Error::Terminated);
    assert_eq!(pair.try_recv().unwrap_err(), Error::Terminated);
    assert_eq!(pair.recv_timeout(LONG).unwrap_err(), Error::Terminated);
    assert_eq!(pair.bind_to("inproc://*").unwrap_err(), Error::Terminated);
    assert_eq!(pair.connect_to("inproc://x").unwrap_err(), Error::Terminated);
    assert_eq!(pair.unbind(&bound).unwrap_err(), Error::Terminated);
    assert_eq!(router.connect_as(&bound, b"x").unwrap_err(), Error::Terminated);
    assert_eq!(zmq::Pair::new_in(&context).unwrap_err(), Error::Terminated);
    assert!(Error::Terminated.to_string().contains("shut down"));
    let mut poller = zmq::Poller::new().unwrap();
    poller.add(&mut router, 0).unwrap();
    assert_eq!(poller.wait(Some(LONG)).unwrap_err(), Error::Terminated);
    let (mut sender, mut receiver) = pair.split().unwrap();
    assert_eq!(sender.send("x").unwrap_err().error, Error::Terminated);
    assert_eq!(receiver.recv().unwrap_err(), Error::Terminated);
}

#[test]
fn peer_that_speaks_http() {
    let mut intake = Intake::new(|_| {});
    let mut browser = Raw::connect(&intake.endpoint);
    browser.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: somebody who is lost\r\n\r\n");
    let reason = refusal(&mut intake.monitor);
    assert!(reason.contains("HTTP") && reason.contains("ZMTP"), "{reason}");
    assert!(browser.is_closed());
    intake.others_are_unaffected();
}

#[test]
fn garbage() {
    let mut intake = Intake::new(|options| options.handshake_timeout = Some(ms(300)));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut peers = Vec::new();
    for round in 0..60 {
        let mut bytes: Vec<u8> = (0..random() % 3000).map(|_| random() as u8).collect();
        if round % 3 == 1 {
            bytes.splice(0..0, greeting());
        } else if round % 3 == 2 {
            bytes.splice(0..0, *b"\xff\0\0\0\0\0\0\0\x01\x7f");
        }
        let mut peer = Raw::connect(&intake.endpoint);
        // It may be thrown out before it has said everything.
        let _ = peer.0.write_all(&bytes);
        peers.push(peer);
    }
    for _ in 0..peers.len() {
        assert!(!refusal(&mut intake.monitor).is_empty());
    }
    assert!(peers.iter_mut().all(Raw::is_closed));
    intake.others_are_unaffected();
}

#[test]
fn garbage_after_the_handshake() {
    let mut intake = Intake::new(|_| {});
    for bytes in [&b"\xf0\x01x"[..], b"\x05\x01x", b"\x04\x00", b"\x04\x03\x04PI"] {
        let mut peer = Raw::peer(&intake.endpoint, "PUSH");
        peer.send(bytes);
        let reason = fault(&mut intake.monitor);
        assert!(reason.contains("the peer sent"), "{reason}");
        assert!(peer.is_closed());
        intake.others_are_unaffected();
    }
}

#[test]
fn half_a_greeting() {
    let mut intake = Intake::new(|options| options.handshake_timeout = Some(ms(300)));
    for length in [0, 1, 9, 10, 11, 12, 32, 63, 64] {
        let mut peer = Raw::connect(&intake.endpoint);
        peer.send(&greeting()[..length]);
        let reason = refusal(&mut intake.monitor);
        assert!(reason.contains("handshake") && reason.contains("300ms"), "{length}: {reason}");
        assert!(peer.is_closed());
    }
    // One byte now and then does not prolong it.
    let mut peer = Raw::connect(&intake.endpoint);
    let dripping = std::thread::spawn(move || {
        for byte in greeting() {
            if peer.0.write_all(&[byte]).is_err() {
                return true;
            }
            std::thread::sleep(ms(50));
        }
        false
    });
    assert!(refusal(&mut intake.monitor).contains("handshake"));
    assert!(dripping.join().unwrap());
    intake.others_are_unaffected();
}

#[test]
fn half_a_greeting_and_gone() {
    let mut intake = Intake::new(|_| {});
    for length in [1, 10, 40, 64] {
        let mut peer = Raw::connect(&intake.endpoint);
        peer.send(&greeting()[..length]);
        drop(peer);
        assert!(!refusal(&mut intake.monitor).is_empty());
    }
    intake.others_are_unaffected();
}

#[test]
fn a_frame_that_claims_2_63_bytes() {
    if !in_child("a_frame_that_claims_2_63_bytes") {
        return;
    }
    let mut intake = Intake::new(|_| {});
    let before = status("VmRSS");
    let mut peers = Vec::new();
    for length in [1 << 63, (1 << 63) - 1, u64::MAX, 1 << 62, 1 << 40] {
        let mut peer = Raw::peer(&intake.endpoint, "PUSH");
        let mut bytes = vec![2];
        bytes.extend(u64::to_be_bytes(length));
        bytes.extend([7; 1000]);
        peer.send(&bytes);
        if length >= 1 << 63 {
            let reason = fault(&mut intake.monitor);
            assert!(reason.contains(&length.to_string()), "{reason}");
            assert!(peer.is_closed());
        }
        peers.push(peer);
        intake.others_are_unaffected();
    }
    assert!(status("VmRSS") < before + 8 * 1024, "{} KiB", status("VmRSS") - before);

    let mut intake = Intake::new(|options| options.max_message_size = Some(1 << 20));
    let mut peer = Raw::peer(&intake.endpoint, "PUSH");
    peer.send(&[2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let reason = fault(&mut intake.monitor);
    assert!(reason.contains("9223372036854775807") && reason.contains("1048576"), "{reason}");
    assert!(peer.is_closed());
    intake.others_are_unaffected();
}

/// Takes as many descriptors as there may be, at least as many as the soft limit.
fn descriptor_limit(wanted: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("limit");
    if soft < wanted {
        let most = wanted.min(hard);
        if setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted.max(hard)).is_err() {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most.max(soft), hard);
        }
    }
    getrlimit(Resource::RLIMIT_NOFILE).expect("limit").0
}

#[test]
fn ten_thousand_silent_connections() {
    const PENDING: usize = 500;
    if !in_child("ten_thousand_silent_connections") {
        return;
    }
    let count: usize = if descriptor_limit(12_000) >= 11_000 { 10_000 } else { 2_000 };
    if count < 10_000 {
        zmq_core::testing::skipped("in part: 2000 connections, for want of descriptors");
    }
    let mut intake = Intake::new(|options| {
        options.max_pending_handshakes = PENDING;
        options.stream.backlog = 4096;
    });
    let (before, open) = (status("VmRSS"), descriptors());
    let mut silent = Vec::new();
    for _ in 0..count {
        silent.push(TcpStream::connect(intake.endpoint.address()).expect("connect"));
        if silent.len() % 1000 == 0 {
            intake.others_are_unaffected();
        }
    }
    // The oldest went first, and nobody else.
    until("the pending handshakes are few", || descriptors() - open - silent.len() <= PENDING + 10);
    let reason = refusal(&mut intake.monitor);
    assert!(reason.contains("too many handshakes"), "{reason}");
    assert!(Raw::over(silent.swap_remove(0)).is_closed());
    let grown = status("VmRSS").saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB for {count} silent connections");
    intake.others_are_unaffected();
}

#[test]
fn a_full_disk_for_ipc() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let place = std::env::temp_dir().join(format!("zmq-full-{}", std::process::id()));
    std::fs::create_dir(&place).unwrap();
    let options = Some("nr_inodes=2,size=64k");
    if let Err(errno) = mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), options) {
        zmq_core::testing::skipped(&format!("no file system can be mounted here ({errno})"));
        std::fs::remove_dir(&place).unwrap();
        return;
    }
    let result = std::panic::catch_unwind(|| {
        File::create(place.join("last")).expect("the last file that fits");
        let context = context();
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        let endpoint = format!("ipc://{}", place.join("socket").display());
        let error = pull.bind_to(&endpoint).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&endpoint) && text.contains("no space is left") && text.contains("free some"));
        // Once there is room the same socket binds there.
        std::fs::remove_file(place.join("last")).unwrap();
        pull.bind_to(&endpoint).unwrap();
        zmq::Push::builder_in(&context).connect(&endpoint).unwrap().send("x").unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    });
    umount2(&place, MntFlags::MNT_DETACH).unwrap();
    std::fs::remove_dir(&place).unwrap();
    result.unwrap();
}

#[test]
fn no_descriptors_left() {
    if !in_child("no_descriptors_left") {
        return;
    }
    let mut intake = Intake::new(|_| {});
    let before = descriptors();
    intake.others_are_unaffected();
    until("the newcomer is gone, and its descriptors with it", || descriptors() == before);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, descriptors() as u64 + 20, hard).unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    // A socket that needs descriptors says so.
    let error = zmq::Push::builder_in(&intake.context).connect(&intake.endpoint).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("open files"), "{error}");
    // One is left for whoever knocks, none for us.
    hoard.pop();
    let mut late = Raw::connect(&intake.endpoint);
    late.send(&greeting());
    late.send(&ready("PUSH"));
    late.send(&frame(0, b"late"));
    let failed = await_event(&mut intake.monitor, "accepting fails", |event| {
        matches!(event, Event::AcceptFailed { .. })
    });
    assert!(matches!(failed, Event::AcceptFailed { error, .. } if error.contains("open files")));
    // Who is there already does not notice.
    intake.friend.send("friend").unwrap();
    assert_eq!(intake.pull.recv_timeout(LONG).unwrap(), "friend".into());
    // No event announces that descriptors are free again.
    hoard.clear();
    assert_eq!(intake.pull.recv_timeout(LONG).unwrap(), "late".into());
    intake.others_are_unaffected();
}
