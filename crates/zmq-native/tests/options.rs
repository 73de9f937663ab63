//! Each option acts. `reconnect_interval_max` and `heartbeat_timeout` have their tests in `lifecycle.rs`,
//! `affinity` in `affinity.rs`, `xpub_manual` in `xpub_manual.rs`.

mod support;

use std::collections::HashSet;
use std::io::{self, IoSlice, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;
use zmq::options::{StreamOptions, XPubVerbosity};
use zmq::transport::mio::event::Source;
use zmq::transport::mio::{Interest, Registry, Token};
use zmq::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq::{Error, Event, Message, Options};
use zmq_transport_tcp::Tcp;

const NOBODY: &str = "ipc:///nowhere/nobody";

fn texts(message: &Message) -> Vec<String> {
    message.iter().map(|frame| frame.to_string_lossy()).collect()
}

#[test]
fn send_hwm() {
    let context = context();
    for (hwm, taken) in [(1_usize, 1), (5, 5), (0, 10_000)] {
        let mut push =
            zmq::Push::builder_in(&context).send_hwm(hwm).linger(Duration::ZERO).connect(NOBODY).unwrap();
        let count = (0..10_000).take_while(|_| push.try_send("x").is_ok()).count();
        assert_eq!(count, taken);
    }
}

#[test]
fn both_hwms_add_up_in_process() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).recv_hwm(4usize).build().unwrap();
    let bound = pull.bind_to("inproc://*").unwrap();
    let mut push = zmq::Push::builder_in(&context).send_hwm(3usize).connect(bound).unwrap();
    assert_eq!((0..100).take_while(|_| push.try_send("x").is_ok()).count(), 7);
}

#[test]
fn recv_hwm() {
    let context = context();
    for (hwm, takes_all) in [(2_usize, false), (0, true)] {
        let mut pull = zmq::Pull::builder_in(&context).recv_hwm(hwm).recv_buffer(8192usize).build().unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut peer = Raw::peer(&bound, "PUSH");
        peer.0.set_write_timeout(Some(if takes_all { LONG } else { ms(300) })).unwrap();
        let mut message = vec![2, 0, 0, 0, 0, 0, 1, 0, 0];
        message.resize(9 + 0x10000, 7);
        let all = (0..300).all(|_| peer.0.write_all(&message).is_ok());
        assert_eq!(all, takes_all, "recv_hwm {hwm}");
    }
}

#[test]
fn conflate_of_a_sender() {
    let context = context();
    let path = std::env::temp_dir().join(format!("zmq-conflate-{}", std::process::id()));
    let endpoint = format!("ipc://{}", path.display());
    let mut push =
        zmq::Push::builder_in(&context).conflate(true).reconnect_interval(ms(10)).connect(&endpoint).unwrap();
    for number in 0..5000 {
        push.send(number.to_string()).unwrap();
    }
    let mut pull = zmq::Pull::builder_in(&context).bind(&endpoint).unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "4999".into());
    push.send("next").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "next".into());
}

#[test]
fn conflate_of_a_receiver() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).conflate(true).build().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::builder_in(&context).connect(bound).unwrap();
    for number in 0..500 {
        push.send(number.to_string()).unwrap();
    }
    until("everything is there", || {
        let sent = push.stats();
        sent.delivered == 500 && pull.stats().bytes_received == sent.bytes_sent
    });
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "499".into());
    assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
}

#[test]
fn max_message_size_and_max_frames() {
    let context = context();
    let mut pull =
        zmq::Pull::builder_in(&context).max_message_size(100_u64).max_frames(3usize).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let cases: [(Message, &str); 2] = [
        (vec![7; 101].into(), "101 bytes or more; this socket accepts 100"),
        (["a", "b", "c", "d"].into(), "more than 3 frames"),
    ];
    for (message, part) in cases {
        let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
        push.send(vec![7; 100]).unwrap();
        push.send(["a", "b", "c"]).unwrap();
        push.send(message).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap().size(), 100);
        assert_eq!(pull.recv_timeout(LONG).unwrap().len(), 3);
        let reason = fault(&mut monitor);
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn send_and_recv_timeout() {
    let context = context();
    let mut pair = zmq::Pair::builder_in(&context).send_timeout(ms(20)).recv_timeout(ms(30)).build().unwrap();
    assert_eq!(pair.send("x").unwrap_err().error, Error::Timeout { after: ms(20) });
    assert_eq!(pair.recv(), Err(Error::Timeout { after: ms(30) }));
    let (mut sender, mut receiver) = pair.split().unwrap();
    assert_eq!(sender.send("x").unwrap_err().error, Error::Timeout { after: ms(20) });
    assert_eq!(receiver.recv(), Err(Error::Timeout { after: ms(30) }));
}

#[test]
fn linger() {
    let context = context();
    let [nowhere, later] = [(); 2].map(|()| format!("ipc://{}", fresh_path()));
    let leave = |linger: Duration, endpoint: &str| {
        let builder = zmq::Push::builder_in(&context).linger(linger).reconnect_interval(ms(10));
        let mut push = builder.connect(endpoint).unwrap();
        push.send("left behind").unwrap();
        push.monitor().unwrap()
    };
    let (mut brief, _patient) = (leave(Duration::ZERO, &nowhere), leave(LONG, &later));
    let stopped = await_event(&mut brief, "the end", |event| matches!(event, Event::Stopped { .. }));
    assert!(matches!(stopped, Event::Stopped { stats } if stats.dropped.lingered == 1));
    // Longer than the default.
    std::thread::sleep(ms(1500));
    let mut pull = zmq::Pull::builder_in(&context).bind(&later).unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "left behind".into());
}

#[test]
fn immediate() {
    let context = context();
    let mut eager =
        zmq::Push::builder_in(&context).linger(Duration::ZERO).connect("tcp://127.0.0.1:1").unwrap();
    assert_eq!(eager.try_send("queued"), Ok(()));
    let mut immediate = zmq::Push::builder_in(&context).immediate(true).connect("tcp://127.0.0.1:1").unwrap();
    assert_eq!(immediate.try_send("refused").unwrap_err().error, Error::WouldBlock);
    // It goes to whom it is connected, and only there.
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    immediate.connect_to(pull.bind_to("tcp://127.0.0.1:*").unwrap()).unwrap();
    for number in 0..10_u8 {
        immediate.send([number].to_vec()).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], [number]);
    }
}

#[test]
fn routing_id() {
    let context = context();
    for wild in ENDPOINTS {
        let mut router = zmq::Router::new_in(&context).unwrap();
        let bound = router.bind_to(wild).unwrap();
        let mut dealer = zmq::Dealer::builder_in(&context).routing_id("bob").connect(bound).unwrap();
        dealer.send("x").unwrap();
        assert_eq!(&*router.recv_from().unwrap().0, b"bob");
    }
}

#[test]
fn connect_routing_id() {
    let context = context();
    for wild in ENDPOINTS {
        let mut dealer = zmq::Dealer::builder_in(&context).routing_id("itself").build().unwrap();
        let bound = dealer.bind_to(wild).unwrap();
        let mut router = zmq::Router::builder_in(&context).connect_routing_id("ours").build().unwrap();
        router.connect_to(&bound).unwrap();
        until("it is known by our name", || router.send_to("ours", "x").is_ok());
        assert_eq!(dealer.recv_timeout(LONG).unwrap(), "x".into());
        dealer.send("y").unwrap();
        assert_eq!(texts(&router.recv_timeout(LONG).unwrap()), ["ours", "y"], "{wild}");
    }
}

#[test]
fn router_mandatory() {
    let context = context();
    let mut strict = zmq::Router::new_in(&context).unwrap();
    assert!(matches!(strict.send_to("bob", "x").unwrap_err().error, Error::Unroutable { .. }));
    let mut lax = zmq::Router::builder_in(&context).router_mandatory(false).build().unwrap();
    lax.send_to("bob", "x").unwrap();
    let stats = lax.stats();
    assert_eq!((stats.sent, stats.dropped.unroutable), (1, 1), "{stats:?}");
}

#[test]
fn router_handover() {
    let context = context();
    for wild in ENDPOINTS {
        for handover in [false, true] {
            let mut router = zmq::Router::builder_in(&context).router_handover(handover).build().unwrap();
            let bound = router.bind_to(wild).unwrap();
            let mut first = zmq::Dealer::builder_in(&context).routing_id("bob").connect(&bound).unwrap();
            first.send("first").unwrap();
            assert_eq!(router.recv_from().unwrap().1, "first".into());
            let mut second = zmq::Dealer::builder_in(&context).routing_id("bob").connect(&bound).unwrap();
            second.send("second").unwrap();
            if handover {
                assert_eq!(texts(&router.recv_timeout(LONG).unwrap()), ["bob", "second"]);
                router.send_to("bob", "x").unwrap();
                assert_eq!(second.recv_timeout(LONG).unwrap(), "x".into());
            } else {
                assert!(matches!(router.recv_timeout(ms(50)), Err(Error::Timeout { .. })));
                router.send_to("bob", "x").unwrap();
                assert_eq!(first.recv_timeout(LONG).unwrap(), "x".into());
            }
        }
    }
}

#[test]
fn probe_router() {
    let context = context();
    for wild in ENDPOINTS {
        let mut router = zmq::Router::new_in(&context).unwrap();
        let bound = router.bind_to(wild).unwrap();
        let builder = zmq::Dealer::builder_in(&context).routing_id("bob").probe_router(true);
        let mut dealer = builder.connect(bound).unwrap();
        assert_eq!(texts(&router.recv_timeout(LONG).unwrap()), ["bob", ""], "{wild}");
        // The server can speak first.
        router.send_to("bob", "x").unwrap();
        assert_eq!(dealer.recv_timeout(LONG).unwrap(), "x".into());
    }
}

#[test]
fn req_correlate() {
    let context = context();
    for (correlate, frames) in [(true, 4), (false, 3)] {
        let mut router = zmq::Router::new_in(&context).unwrap();
        let bound = router.bind_to("inproc://*").unwrap();
        let mut req = zmq::Req::builder_in(&context).req_correlate(correlate).connect(bound).unwrap();
        req.send("x").unwrap();
        let request = router.recv_timeout(LONG).unwrap();
        assert_eq!(request.len(), frames, "{request:?}");
        if correlate {
            // A reply with another number is not ours.
            let mut wrong: Vec<zmq::Frame> = request.iter().cloned().collect();
            wrong[1] = "0000".into();
            router.send(wrong).unwrap();
        }
        let mut reply: Vec<zmq::Frame> = request.iter().cloned().collect();
        reply[frames - 1] = "y".into();
        router.send(reply).unwrap();
        assert_eq!(req.recv_timeout(LONG).unwrap(), "y".into());
    }
}

#[test]
fn req_relaxed() {
    let context = context();
    let mut router = zmq::Router::new_in(&context).unwrap();
    let bound = router.bind_to("inproc://*").unwrap();
    let mut strict = zmq::Req::builder_in(&context).req_relaxed(false).connect(&bound).unwrap();
    strict.send("1").unwrap();
    assert!(matches!(strict.send("2").unwrap_err().error, Error::State { .. }));
    let mut relaxed = zmq::Req::builder_in(&context).req_relaxed(true).connect(&bound).unwrap();
    relaxed.send("1").unwrap();
    relaxed.send("2").unwrap();
}

#[test]
fn subscriptions() {
    let context = context();
    for wild in ENDPOINTS {
        let mut publisher = zmq::Pub::new_in(&context).unwrap();
        let bound = publisher.bind_to(wild).unwrap();
        let builder = zmq::Sub::builder_in(&context).subscribe("a").subscribe("c");
        let mut sub = builder.connect(bound).unwrap();
        until("both are known", || publisher.publish("c0").unwrap().matched == 1);
        for topic in ["a1", "b1", "c1"] {
            publisher.publish(topic).unwrap();
        }
        let got: Vec<_> = std::iter::from_fn(|| sub.recv_timeout(LONG).ok())
            .map(|message| texts(&message).remove(0))
            .skip_while(|topic| topic == "c0")
            .take(2)
            .collect();
        assert_eq!(got, ["a1", "c1"]);
    }
}

#[test]
fn invert_matching() {
    let context = context();
    for wild in ENDPOINTS {
        let mut publisher = zmq::Pub::builder_in(&context).invert_matching(true).build().unwrap();
        let bound = publisher.bind_to(wild).unwrap();
        let builder = zmq::Sub::builder_in(&context).invert_matching(true).subscribe("no");
        let mut sub = builder.connect(bound).unwrap();
        publisher.wait_for_subscribers(1, LONG).unwrap();
        assert_eq!(publisher.publish("no thanks").unwrap().matched, 0);
        assert_eq!(publisher.publish("yes please").unwrap().matched, 1);
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "yes please".into(), "{wild}");
    }
}

#[test]
fn xpub_verbosity() {
    let context = context();
    for (verbosity, shown) in [
        (XPubVerbosity::Changes, vec!["\u{1}t", "\u{0}t"]),
        (XPubVerbosity::Subscriptions, vec!["\u{1}t", "\u{1}t", "\u{0}t"]),
        (XPubVerbosity::All, vec!["\u{1}t", "\u{1}t", "\u{0}t", "\u{0}t"]),
    ] {
        let mut xpub = zmq::XPub::builder_in(&context).xpub_verbosity(verbosity).build().unwrap();
        let bound = xpub.bind_to("inproc://*").unwrap();
        let mut subs: Vec<_> =
            (0..2).map(|_| zmq::Sub::builder_in(&context).subscribe("t").connect(&bound).unwrap()).collect();
        xpub.wait_for_subscribers(2, LONG).unwrap();
        for sub in &mut subs {
            sub.unsubscribe("t").unwrap();
        }
        let got: Vec<_> = shown.iter().map(|_| texts(&xpub.recv_timeout(LONG).unwrap()).remove(0)).collect();
        assert_eq!(got, shown);
        assert_eq!(xpub.try_recv(), Err(Error::WouldBlock));
    }
}

#[test]
fn xpub_welcome_message() {
    let context = context();
    for wild in ENDPOINTS {
        let builder = zmq::XPub::builder_in(&context).xpub_welcome_message(zmq::Bytes::from("welcome"));
        let mut xpub = builder.build().unwrap();
        let bound = xpub.bind_to(wild).unwrap();
        let mut sub = zmq::Sub::builder_in(&context).subscribe("welcome").connect(bound).unwrap();
        xpub.wait_for_subscribers(1, LONG).unwrap();
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "welcome".into(), "{wild}");
    }
}

#[test]
fn xpub_nodrop() {
    let context = context();
    for nodrop in [false, true] {
        let mut xpub = zmq::XPub::builder_in(&context).xpub_nodrop(nodrop).send_hwm(2usize).build().unwrap();
        let bound = xpub.bind_to("inproc://*").unwrap();
        let builder = zmq::Sub::builder_in(&context).recv_hwm(2usize).subscribe("");
        let mut sub = builder.connect(bound).unwrap();
        xpub.wait_for_subscribers(1, LONG).unwrap();
        let taken = (0..10).take_while(|_| xpub.try_send("x").is_ok()).count();
        if nodrop {
            assert_eq!((taken, xpub.stats().dropped.full), (4, 0));
            sub.recv_timeout(LONG).unwrap();
            sub.recv_timeout(LONG).unwrap();
            xpub.send_timeout("x", LONG).unwrap();
        } else {
            assert_eq!((taken, xpub.stats().dropped.full), (10, 6));
        }
    }
}

#[test]
fn reconnect_interval() {
    let context = context();
    let mut never = zmq::Push::builder_in(&context).reconnect_interval(None).build().unwrap();
    let mut monitor = never.monitor().unwrap();
    never.connect_to(NOBODY).unwrap();
    let event = monitor.next_timeout(Some(LONG));
    assert!(matches!(event, Some(Event::ConnectGivenUp { .. })), "{event:?}");
    let mut again = zmq::Push::builder_in(&context).reconnect_interval(ms(3)).build().unwrap();
    let mut monitor = again.monitor().unwrap();
    again.connect_to(NOBODY).unwrap();
    for _ in 0..5 {
        match monitor.next_timeout(Some(LONG)) {
            Some(Event::ConnectRetried { after, .. }) => assert!(after >= ms(3) && after < ms(6)),
            event => panic!("{event:?}"),
        }
    }
}

/// No clock counts that far: it waits for as long as one can, rather than not at all.
#[test]
fn reconnect_interval_without_end() {
    for (interval, max) in [(Duration::MAX, None), (Duration::MAX, Some(Duration::MAX))] {
        let mut push = zmq::Push::builder_in(&context())
            .reconnect_interval(interval)
            .reconnect_interval_max(max)
            .build()
            .unwrap();
        let mut monitor = push.monitor().unwrap();
        push.connect_to(NOBODY).unwrap();
        match monitor.next_timeout(Some(LONG)) {
            Some(Event::ConnectRetried { after, .. }) => {
                assert!(after > Duration::from_secs(1 << 31), "{after:?}")
            }
            event => panic!("{event:?}"),
        }
        let soon = monitor.next_timeout(Some(ms(50)));
        assert!(soon.is_none(), "{soon:?}");
    }
}

#[test]
fn handshake_timeout_of_the_connecting_side() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let context = context();
    let mut push =
        zmq::Push::builder_in(&context).handshake_timeout(ms(50)).reconnect_interval(ms(5)).build().unwrap();
    let mut monitor = push.monitor().unwrap();
    push.connect_to(format!("tcp://{}", mute.local_addr().unwrap())).unwrap();
    for _ in 0..2 {
        let reason = refusal(&mut monitor);
        assert!(reason.contains("handshake") && reason.contains("50ms"), "{reason}");
        await_event(&mut monitor, "it tries again", |event| matches!(event, Event::ConnectRetried { .. }));
    }
}

/// A bound PULL with a monitor, and a ZMTP 3.1 peer that speaks only when it is told to.
fn pull_and_peer(set: impl FnOnce(&mut Options)) -> (zmq::Pull, zmq::Monitor, Raw) {
    let mut options = Options::default();
    set(&mut options);
    let mut pull = zmq::Pull::with_options(&context(), options).unwrap();
    let monitor = pull.monitor().unwrap();
    let mut peer = Raw::connect(&pull.bind_to("tcp://127.0.0.1:*").unwrap());
    let mut greeting = greeting();
    greeting[11] = 1;
    peer.send(&greeting);
    peer.send(&ready("PUSH"));
    peer.skip_greeting();
    assert!(peer.frame().1.starts_with(b"\x05READY"));
    (pull, monitor, peer)
}

#[test]
fn heartbeat_interval_and_ttl() {
    let (_pull, _monitor, mut peer) = pull_and_peer(|options| {
        options.heartbeat_interval = Some(ms(30));
        options.heartbeat_ttl = Some(ms(25_600));
        options.heartbeat_timeout = Some(LONG);
    });
    for _ in 0..3 {
        let (flags, body) = peer.frame();
        assert_eq!((flags, &body[..7]), (4, &b"\x04PING\x01\x00"[..]), "a TTL of 256 tenths of a second");
        let mut pong = b"\x04PONG".to_vec();
        pong.extend(&body[7..]);
        peer.send(&frame(4, &pong));
    }
}

#[test]
fn heartbeat_ttl_of_the_peer() {
    let (_pull, mut monitor, mut peer) = pull_and_peer(|_| {});
    peer.send(&frame(4, b"\x04PING\x00\x01context"));
    assert_eq!(peer.frame(), (4, b"\x04PONGcontext".to_vec()));
    let reason = end(&mut monitor);
    assert!(reason.contains("silent for 100ms"), "{reason}");
}

/// What has arrived counts for the next message, however many subscriptions that are and however little the publisher
/// takes of other things.
#[test]
fn recv_hwm_does_not_hold_subscriptions_back() {
    let reaches = || {
        let context = context();
        let mut publisher = zmq::Pub::builder_in(&context).recv_hwm(1usize).build().unwrap();
        let bound = publisher.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut subscriber = Raw::peer(&bound, "SUB");
        let topics = (0..5000).flat_map(|number| frame(0, format!("\u{1}topic {number:04}").as_bytes()));
        subscriber.send(&topics.collect::<Vec<u8>>());
        // The background has time; the application does not look.
        std::thread::sleep(ms(20));
        publisher.send("topic 4999").unwrap();
        publisher.stats().written == 1
    };
    // Every time; but on a machine that is busy they may not have arrived.
    assert!((0..5).any(|_| (0..20).all(|_| reaches())));
}

#[test]
fn max_pending_handshakes() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).max_pending_handshakes(1usize).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut first = Raw::connect(&bound);
    let _second = Raw::connect(&bound);
    assert!(refusal(&mut monitor).contains("too many handshakes"));
    assert!(first.is_closed());
}

/// tcp under another name, that notes what it is asked for, and whose connections may never be established.
#[derive(Clone, Default)]
struct Spy {
    seen: Arc<Mutex<Vec<(&'static str, StreamOptions)>>>,
    stuck: bool,
}

impl Spy {
    fn note(&self, call: &'static str, options: &StreamOptions) {
        self.seen.lock().unwrap().push((call, options.clone()));
    }
}

impl Transport for Spy {
    fn scheme(&self) -> &str {
        "spy"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Spy {
    fn listen(&self, address: &str, options: &StreamOptions) -> zmq::Result<Box<dyn Listener>> {
        self.note("listen", options);
        Tcp.listen(address, options)
    }

    fn check(&self, address: &str, options: &StreamOptions) -> zmq::Result<()> {
        self.note("check", options);
        Tcp.check(address, options)
    }

    fn resolve(&self, address: &str, options: &StreamOptions) -> io::Result<Vec<String>> {
        self.note("resolve", options);
        Tcp.resolve(address, options)
    }

    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        self.note("open", options);
        if self.stuck { Ok(Box::new(Stuck)) } else { Tcp.open(address, options) }
    }
}

/// A connection that is never established.
struct Stuck;

impl Stream for Stuck {
    fn established(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn peer_address(&self) -> String {
        String::new()
    }
}

impl Source for Stuck {
    fn register(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn connect_timeout() {
    let spy = Spy { stuck: true, ..Spy::default() };
    let context = zmq::context_builder().transport(spy).build().unwrap();
    let mut push = zmq::Push::builder_in(&context)
        .connect_timeout(ms(30))
        .reconnect_interval(ms(5))
        .linger(Duration::ZERO)
        .build()
        .unwrap();
    let mut monitor = push.monitor().unwrap();
    push.connect_to("spy://127.0.0.1:1").unwrap();
    for _ in 0..2 {
        let event = await_event(&mut monitor, "an attempt is given up", |event| {
            matches!(event, Event::ConnectRetried { .. })
        });
        assert!(matches!(event, Event::ConnectRetried { error, .. } if error.contains("took too long")));
    }
}

#[test]
fn stream_options_arrive_at_the_transport() {
    let spy = Spy::default();
    let context = zmq::context_builder().transport(spy.clone()).build().unwrap();
    macro_rules! all {
        ($builder:expr) => {
            $builder
                .send_buffer(100_000usize)
                .recv_buffer(200_000usize)
                .backlog(7_u32)
                .ipv6(true)
                .keepalive(true)
                .keepalive_count(3_u32)
                .keepalive_idle(ms(4000))
                .keepalive_interval(ms(5000))
                .max_retransmit(ms(6000))
                .type_of_service(0x10_u8)
                .device(None)
                .accept_from(vec!["127.0.0.0/8".parse().unwrap()])
                .accept_users(vec![1])
                .accept_groups(vec![2])
                .accept_processes(vec![3])
                .file_mode(0o600_u32)
                .listen_fd(None)
        };
    }
    let mut pull = all!(zmq::Pull::builder_in(&context)).build().unwrap();
    let bound = pull.bind_to("spy://127.0.0.1:*").unwrap();
    let mut push = all!(zmq::Push::builder_in(&context)).connect(bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    let seen = spy.seen.lock().unwrap();
    let calls: HashSet<_> = seen.iter().map(|(call, _)| *call).collect();
    assert_eq!(calls, HashSet::from(["listen", "check", "resolve", "open"]));
    for (call, options) in &*seen {
        assert_eq!(
            format!("{options:?}"),
            "StreamOptions { send_buffer: Some(100000), recv_buffer: Some(200000), backlog: 7, ipv6: true, \
             keepalive: Some(true), keepalive_count: Some(3), keepalive_idle: Some(4s), \
             keepalive_interval: Some(5s), max_retransmit: Some(6s), type_of_service: 16, device: None, \
             accept_from: [Network { address: 127.0.0.0, prefix: 8 }], accept_users: [1], accept_groups: [2], \
             accept_processes: [3], file_mode: Some(384), listen_fd: None, socks_proxy: None }",
            "{call}"
        );
    }
}

#[test]
fn ipv6() {
    if TcpListener::bind("[::1]:0").is_err() {
        zmq_core::testing::skipped("this machine has no IPv6");
        return;
    }
    let context = context();
    let mut four = zmq::Pull::new_in(&context).unwrap();
    let error = four.bind_to("tcp://[::1]:*").unwrap_err();
    assert!(error.to_string().contains("ipv6"), "{error}");
    let mut six = zmq::Pull::builder_in(&context).ipv6(true).build().unwrap();
    let bound = six.bind_to("tcp://[::1]:*").unwrap();
    let mut push = zmq::Push::builder_in(&context).ipv6(true).connect(bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(six.recv_timeout(LONG).unwrap(), "x".into());
}

#[cfg(target_os = "linux")]
#[test]
fn device() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).device(Some("nosuchdevice0".to_owned())).build().unwrap();
    let error = pull.bind_to("tcp://127.0.0.1:*").unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

/// The kernel takes more from us the larger its buffers are.
#[test]
fn send_and_recv_buffer() {
    let fill = |size: usize| {
        let context = context();
        let mut options = Options::default();
        (options.stream.send_buffer, options.stream.recv_buffer) = (Some(size), Some(size));
        (options.send_hwm, options.recv_hwm) = (1, 1);
        options.linger = Some(Duration::ZERO);
        let mut pull = zmq::Pull::with_options(&context, options.clone()).unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut push = zmq::Push::with_options(&context, options).unwrap();
        push.connect_to(bound).unwrap();
        (0..100_000).take_while(|_| push.send_timeout(vec![7; 1000], ms(100)).is_ok()).count()
    };
    let (little, much) = (fill(4096), fill(1_000_000));
    assert!(much > little + 100, "{little} and {much} messages");
}

/// Waits until a peer was sent away, and tells why.
fn sent_away(monitor: &mut zmq::Monitor) -> String {
    match await_event(monitor, "a peer that may not", |event| matches!(event, Event::AcceptFailed { .. })) {
        Event::AcceptFailed { error, .. } => error,
        _ => unreachable!(),
    }
}

#[test]
fn accept_from() {
    let context = context();
    let allowed = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    let mut pull = zmq::Pull::builder_in(&context).accept_from(allowed).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    // More than are looked at in one turn.
    let mut strangers: Vec<Raw> = (0..100).map(|_| Raw::connect(&bound)).collect();
    let reason = sent_away(&mut monitor);
    assert!(reason.starts_with("127.0.0.1:") && reason.contains("accept_from"), "{reason}");
    assert!(strangers.iter_mut().all(Raw::is_closed));
    if cfg!(target_os = "linux") {
        let from = format!("tcp://127.0.0.2:0;{}", bound.address());
        let mut push = zmq::Push::builder_in(&context).connect(from).unwrap();
        push.send("x").unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    }
    assert_eq!(pull.stats().connections, u64::from(cfg!(target_os = "linux")));
}

#[test]
fn accept_users_groups_and_processes() {
    let context = context();
    let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let process = std::process::id() as i32;
    for name in ["accept_users", "accept_groups", "accept_processes"] {
        if name == "accept_processes" && cfg!(not(target_os = "linux")) {
            continue;
        }
        for (other, fits) in [(0, true), (1, false)] {
            let mut options = Options::default();
            match name {
                "accept_users" => options.stream.accept_users = vec![user + other],
                "accept_groups" => options.stream.accept_groups = vec![group + other],
                _ => options.stream.accept_processes = vec![process + other as i32],
            }
            let mut pull = zmq::Pull::with_options(&context, options).unwrap();
            let mut monitor = pull.monitor().unwrap();
            let bound = pull.bind_to("ipc://*").unwrap();
            let mut push = zmq::Push::builder_in(&context).linger(Duration::ZERO).connect(bound).unwrap();
            push.send("x").unwrap();
            if fits {
                assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into(), "{name}");
            } else {
                assert!(sent_away(&mut monitor).contains(name));
                assert_eq!(pull.stats().connections, 0);
            }
        }
    }
}

#[test]
fn file_mode() {
    use std::os::unix::fs::PermissionsExt;
    let context = context();
    for mode in [0o600_u32, 0o666, 0o000] {
        let mut pull = zmq::Pull::builder_in(&context).file_mode(mode).build().unwrap();
        let bound = pull.bind_to(format!("ipc://{}", fresh_path())).unwrap();
        let file = std::fs::metadata(bound.address()).unwrap();
        assert_eq!(file.permissions().mode() & 0o7777, mode);
    }
    let mut pull = zmq::Pull::builder_in(&context).file_mode(0o600_u32).build().unwrap();
    if cfg!(target_os = "linux") {
        let error = pull.bind_to("ipc://@no-file").unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option: "file_mode", .. }), "{error}");
    }
    let mut pull = zmq::Pull::builder_in(&context).file_mode(0o1000_u32).build().unwrap();
    let error = pull.bind_to("ipc://*").unwrap_err();
    assert!(matches!(error, Error::InvalidOption { option: "file_mode", .. }), "{error}");
}

#[test]
fn listen_fd() {
    use std::os::fd::OwnedFd;
    let context = context();
    let path = fresh_path();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_endpoint = format!("tcp://{}", tcp.local_addr().unwrap());
    let ipc = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for (fd, wild, endpoint) in [
        (Arc::new(OwnedFd::from(tcp)), "tcp://*:*", tcp_endpoint),
        (Arc::new(OwnedFd::from(ipc)), "ipc://*", format!("ipc://{path}")),
    ] {
        // Again and again: it stays bound, and its file is not ours.
        for _ in 0..2 {
            let mut pull = zmq::Pull::builder_in(&context).listen_fd(fd.clone()).build().unwrap();
            let bound = pull.bind_to(wild).unwrap();
            assert_eq!(bound.to_string(), endpoint);
            let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
            push.send("x").unwrap();
            assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
        }
    }
    assert!(std::path::Path::new(&path).exists());
    std::fs::remove_file(&path).unwrap();

    let file = Arc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
    for wild in WIRES {
        let mut pull = zmq::Pull::builder_in(&context).listen_fd(file.clone()).build().unwrap();
        let error = pull.bind_to(wild).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option: "listen_fd", .. }), "{error}");
    }
}
