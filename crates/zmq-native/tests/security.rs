//! Who may come in: mechanisms and authenticators on sockets.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use support::*;
use zmq::security::{Authenticator, Claim, Plain, Verdict, ZAP_ENDPOINT};
use zmq::{Error, Event};

fn plain(username: &str, password: &str) -> Plain {
    Plain::client(username, password).unwrap()
}

fn ann_only() -> Authenticator {
    Authenticator::passwords([("ann", "apple")])
}

#[test]
fn plain_lets_in_who_knows_the_password() {
    for wire in WIRES {
        let context = context();
        let mut rep = zmq::Rep::builder_in(&context)
            .security(Plain::server())
            .authenticator(ann_only())
            .build()
            .unwrap();
        let mut monitor = rep.monitor().unwrap();
        let bound = rep.bind_to(wire).unwrap();
        let mut req = zmq::Req::builder_in(&context).security(plain("ann", "apple")).connect(&bound).unwrap();
        req.send("hello").unwrap();
        assert_eq!(rep.recv_timeout(LONG).unwrap(), "hello".into());
        rep.send("world").unwrap();
        assert_eq!(req.recv_timeout(LONG).unwrap(), "world".into());
        let event =
            await_event(&mut monitor, "success", |event| matches!(event, Event::HandshakeSucceeded { .. }));
        let Event::HandshakeSucceeded { peer, .. } = event else { unreachable!() };
        assert_eq!(peer.user_id, "ann");
        assert_eq!(rep.last_peer().unwrap().unwrap().user_id, "ann");
    }
}

#[test]
fn plain_keeps_out_who_does_not() {
    let context = context();
    let mut pull =
        zmq::Pull::builder_in(&context).security(Plain::server()).authenticator(ann_only()).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    for (username, password) in [("ann", "pear"), ("bob", "apple"), ("", "")] {
        let mut push = zmq::Push::builder_in(&context).security(plain(username, password)).build().unwrap();
        let mut at_client = push.monitor().unwrap();
        push.connect_to(&bound).unwrap();
        // Who is refused before this is sent has nobody to send it to, and would wait for ever.
        let _ = push.try_send("let me in");
        assert!(refusal(&mut monitor).contains("status 400"));
        assert!(refusal(&mut at_client).contains("refused the connection: \"400\""));
        await_event(&mut at_client, "no second attempt", |event| {
            matches!(event, Event::ConnectGivenUp { .. })
        });
    }
    // Those who belong are served meanwhile.
    let mut push = zmq::Push::builder_in(&context).security(plain("ann", "apple")).connect(&bound).unwrap();
    push.send("it is me").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "it is me".into());
    assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
}

#[test]
fn mechanisms_do_not_mix() {
    let context = context();
    let mut server = zmq::Pull::builder_in(&context)
        .security(Plain::server())
        .authenticator(Authenticator::anyone())
        .build()
        .unwrap();
    let mut monitor = server.monitor().unwrap();
    let bound = server.bind_to("tcp://127.0.0.1:*").unwrap();
    let _null = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("\"NULL\""));
    let _server = zmq::Push::builder_in(&context)
        .security(Plain::server())
        .authenticator(Authenticator::anyone())
        .connect(&bound)
        .unwrap();
    assert!(refusal(&mut monitor).contains("same role"));

    let mut null = zmq::Pull::new_in(&context).unwrap();
    let mut monitor = null.monitor().unwrap();
    let bound = null.bind_to("tcp://127.0.0.1:*").unwrap();
    let _client = zmq::Push::builder_in(&context).security(plain("ann", "apple")).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("\"PLAIN\""));
}

#[test]
fn an_authenticator_judges_null_by_address() {
    let context = context();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    let judge = move |claim: &Claim| {
        note.lock().unwrap().push((claim.mechanism().to_owned(), claim.address().to_owned()));
        claim.address().starts_with("127.0.0.1:")
            && claim.process().is_none()
            && claim.credentials().is_empty()
    };
    let mut pull = zmq::Pull::builder_in(&context).authenticator(Authenticator::new(judge)).build().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    let seen = seen.lock().unwrap();
    assert!(matches!(&seen[..], [(mechanism, _)] if mechanism == "NULL"), "{seen:?}");
}

#[test]
fn over_ipc_the_process_is_known() {
    let context = context();
    let judge = |claim: &Claim| {
        claim.process().and_then(|process| process.pid) == i32::try_from(std::process::id()).ok()
    };
    let mut pull = zmq::Pull::builder_in(&context).authenticator(Authenticator::new(judge)).build().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
}

#[test]
fn who_may_come_later_comes_later() {
    let context = context();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let judge = move |_: &Claim| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Verdict::try_later(),
        _ => Verdict::admit(),
    };
    let mut pull = zmq::Pull::builder_in(&context).authenticator(Authenticator::new(judge)).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::builder_in(&context).reconnect_interval(ms(10)).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert!(refusal(&mut monitor).contains("status 300"));
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn a_judge_that_panics_keeps_everybody_out() {
    let context = context();
    let judge = |_: &Claim| -> bool { panic!("the test wants it") };
    let mut pull = zmq::Pull::builder_in(&context).authenticator(Authenticator::new(judge)).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let _push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("status 500"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let refused = |error: Error| match error {
        Error::InvalidOption { option, reason } => (option, reason),
        other => panic!("{other:?}"),
    };
    let (option, reason) = refused(zmq::Rep::builder().security(Plain::server()).build().unwrap_err());
    assert!(option == "authenticator" && reason.contains("who may come in"), "{reason}");
    let both = zmq::Req::builder().security(plain("a", "b")).authenticator(Authenticator::anyone());
    assert_eq!(refused(both.build().unwrap_err()).0, "authenticator");
    assert_eq!(refused(Plain::client("x".repeat(256), "").unwrap_err()).0, "username");
    assert_eq!(refused(Plain::client("", [0; 256]).unwrap_err()).0, "password");
    assert!(Plain::client("x".repeat(255), "y".repeat(255)).is_ok());
}

#[test]
fn secrets_are_not_shown() {
    let options = format!("{:?}", zmq::Options::default());
    assert!(options.contains("security: Null"), "{options}");
    let shown = format!("{:?}", plain("ann", "apple"));
    assert_eq!(shown, "Plain(Client)");
}

/// A ZAP handler that answers `count` questions by `answer`, which gets the frames behind the delimiter.
fn handler(
    context: &zmq::Context,
    count: usize,
    answer: impl Fn(&[String]) -> Vec<String> + Send + 'static,
) -> JoinHandle<Vec<Vec<String>>> {
    let mut rep = zmq::Rep::builder_in(context).recv_timeout(LONG).bind(ZAP_ENDPOINT).unwrap();
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..count {
            let question: Vec<String> =
                rep.recv().unwrap().iter().map(|frame| frame.to_string_lossy()).collect();
            rep.send(answer(&question)).unwrap();
            asked.push(question);
        }
        asked
    })
}

fn answer(status: &str, user_id: &str) -> Vec<String> {
    ["1.0", "1", status, "because", user_id, ""].map(str::to_owned).to_vec()
}

#[test]
fn a_zap_handler_judges() {
    let context = context();
    let asked = handler(&context, 2, |question| match &question[6..] {
        [user, password] if user == "ann" && password == "apple" => answer("200", "Ann"),
        _ => answer("400", ""),
    });
    let mut pull = zmq::Pull::builder_in(&context)
        .security(Plain::server())
        .authenticator(Authenticator::zap("fruit"))
        .build()
        .unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut bad = zmq::Push::builder_in(&context).security(plain("ann", "pear")).build().unwrap();
    bad.connect_to(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("status 400"));
    let mut push = zmq::Push::builder_in(&context).security(plain("ann", "apple")).connect(&bound).unwrap();
    push.send("it is me").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "it is me".into());
    let event =
        await_event(&mut monitor, "success", |event| matches!(event, Event::HandshakeSucceeded { .. }));
    let Event::HandshakeSucceeded { peer, .. } = event else { unreachable!() };
    assert_eq!(
        (peer.user_id.as_str(), peer.property("user-id").map(|id| &id[..])),
        ("Ann", Some(&b"Ann"[..]))
    );
    let asked = asked.join().unwrap();
    assert_eq!(asked[1], ["1.0", "1", "fruit", "127.0.0.1", "", "PLAIN", "ann", "apple"]);
}

#[test]
fn a_router_may_be_the_handler_and_null_may_be_judged() {
    let context = context();
    let mut router = zmq::Router::builder_in(&context).recv_timeout(LONG).bind(ZAP_ENDPOINT).unwrap();
    let handler = std::thread::spawn(move || {
        for status in ["300", "200"] {
            let question = router.recv().unwrap();
            assert_eq!(question[7].as_bytes(), b"NULL");
            let mut reply = zmq::Message::from(question[0].clone());
            reply.push("");
            answer(status, "").into_iter().for_each(|frame| reply.push(frame));
            router.send(reply).unwrap();
        }
    });
    let mut pull =
        zmq::Pull::builder_in(&context).authenticator(Authenticator::zap("global")).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let mut push = zmq::Push::builder_in(&context).reconnect_interval(ms(10)).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert!(refusal(&mut monitor).contains("status 300"));
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    handler.join().unwrap();
}

/// Whatever is wrong with the handler, nobody comes in.
#[test]
fn zap_fails_closed() {
    let kept_out = |context: &zmq::Context, why: &str| {
        let mut pull = zmq::Pull::builder_in(context)
            .authenticator(Authenticator::zap("global"))
            .handshake_timeout(ms(300))
            .build()
            .unwrap();
        let mut monitor = pull.monitor().unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut push = zmq::Push::builder_in(context).connect(&bound).unwrap();
        // Who is refused before this is sent has nobody to send it to, and would wait for ever.
        let _ = push.try_send("let me in");
        let refused = refusal(&mut monitor);
        assert!(refused.contains(why), "{refused}");
        assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
    };
    println!("nobody is there");
    kept_out(&context(), "status 500");
    println!("it answers nonsense");
    for nonsense in [
        vec![],
        vec!["200".to_owned()],
        answer("201", ""),
        ["2.0", "1", "200", "", "", ""].map(str::to_owned).to_vec(),
    ] {
        let context = context();
        let reply = if nonsense.is_empty() { vec![String::new()] } else { nonsense };
        let thread = handler(&context, 1, move |_| reply.clone());
        kept_out(&context, "status 500");
        thread.join().unwrap();
    }
    println!("it goes away");
    let one = context();
    let mut rep = zmq::Rep::builder_in(&one).recv_timeout(LONG).bind(ZAP_ENDPOINT).unwrap();
    let thread = std::thread::spawn(move || rep.recv().map(drop));
    kept_out(&one, "status 500");
    thread.join().unwrap().unwrap();
    println!("it never answers");
    let one = context();
    let _silent = zmq::Rep::builder_in(&one).bind(ZAP_ENDPOINT).unwrap();
    kept_out(&one, "within 300ms");
    println!("it is of a type that does not answer");
    let one = context();
    let _pull = zmq::Pull::builder_in(&one).bind(ZAP_ENDPOINT).unwrap();
    kept_out(&one, "status 500");
}

#[test]
fn an_absent_handler_may_be_stood_in_for() {
    let context = context();
    let judge = Authenticator::zap_or("", Authenticator::anyone());
    let mut pull = zmq::Pull::builder_in(&context).authenticator(judge).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    // While there is one, it judges.
    let thread = handler(&context, 1, |_| answer("400", ""));
    let _late = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("status 400"));
    thread.join().unwrap();
}

/// The handler is asked about each, all at once; a socket that goes meanwhile leaves nothing behind.
#[test]
fn zap_denied_storm() {
    const PEERS: usize = 100;
    let context = context();
    let thread = handler(&context, PEERS, |_| answer("400", ""));
    let mut pull =
        zmq::Pull::builder_in(&context).authenticator(Authenticator::zap("global")).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let _pushes: Vec<_> =
        (0..PEERS).map(|_| zmq::Push::builder_in(&context).connect(&bound).unwrap()).collect();
    for _ in 0..PEERS {
        assert!(refusal(&mut monitor).contains("status 400"));
    }
    assert_eq!(thread.join().unwrap().len(), PEERS);
}

#[test]
fn a_socket_that_goes_withdraws_its_question() {
    let context = context();
    let mut rep = zmq::Rep::builder_in(&context).bind(ZAP_ENDPOINT).unwrap();
    let mut pull =
        zmq::Pull::builder_in(&context).authenticator(Authenticator::zap("global")).build().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let _push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    let question = rep.recv_timeout(LONG).unwrap();
    assert_eq!(question[0].as_bytes(), b"1.0");
    drop(pull);
    rep.send(answer("200", "")).unwrap();
    let mut push = zmq::Push::builder_in(&context).connect("inproc://next").unwrap();
    push.send("the context goes on").unwrap();
}

/// Whoever is not through is sent nothing, takes no place among the peers, and takes nothing from those who are.
#[test]
fn nobody_is_sent_anything_before_its_handshake_is_complete() {
    use zmq::{AnySocket, Options, SocketType};
    const EACH: usize = 100;
    for (ours, theirs) in [
        (SocketType::Push, SocketType::Pull),
        (SocketType::Dealer, SocketType::Dealer),
        (SocketType::Req, SocketType::Router),
        (SocketType::Pair, SocketType::Pair),
        (SocketType::Pub, SocketType::Sub),
    ] {
        let context = context();
        let mut sender = AnySocket::new(&context, ours, Options::default()).unwrap();
        let mut monitor = sender.monitor().unwrap();
        let bound = sender.bind("tcp://127.0.0.1:*").unwrap();
        let ready = ready(theirs.as_str());
        let beginnings = [&[][..], &greeting()[..40], &greeting(), &[&greeting()[..], &ready[..9]].concat()];
        let mut strangers = Vec::new();
        for beginning in beginnings {
            for _ in 0..EACH {
                strangers.push(Raw::connect(&bound));
                strangers.last_mut().unwrap().send(beginning);
                await_event(&mut monitor, "it is there", |event| matches!(event, Event::Accepted { .. }));
            }
        }
        if ours == SocketType::Pub {
            sender.try_send("to nobody").unwrap();
            assert_eq!(sender.stats().written, 0);
        } else {
            assert_eq!(sender.try_send("to nobody").unwrap_err().error, Error::WouldBlock, "{ours}");
        }
        assert_eq!(sender.stats().connections, 0);
        let mut peer = AnySocket::new(&context, theirs, Options::default()).unwrap();
        if theirs == SocketType::Sub {
            peer.subscribe("").unwrap();
        }
        peer.connect(&bound).unwrap();
        await_event(&mut monitor, "a peer", |event| matches!(event, Event::HandshakeSucceeded { .. }));
        // One who is through after all is one more.
        let last = strangers.last_mut().unwrap();
        last.send(&ready[9..]);
        if ours != SocketType::Pair {
            await_event(&mut monitor, "another", |event| matches!(event, Event::HandshakeSucceeded { .. }));
            assert_eq!(sender.stats().connections, 2, "{ours}");
        }
        drop(strangers);
        until("the peer hears", || {
            let _ = sender.try_send("hello");
            peer.recv_timeout(ms(10)).is_ok()
        });
    }
}

#[test]
fn nobody_is_sent_anything_before_the_verdict() {
    let context = context();
    let mut handler = zmq::Rep::builder_in(&context).bind(ZAP_ENDPOINT).unwrap();
    let mut push =
        zmq::Push::builder_in(&context).authenticator(Authenticator::zap("global")).build().unwrap();
    let mut monitor = push.monitor().unwrap();
    let bound = push.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut peer = Raw::connect(&bound);
    peer.send(&[&greeting()[..], &ready("PULL")].concat());
    peer.skip_greeting();
    handler.recv_timeout(LONG).unwrap();
    assert_eq!(push.try_send("too early").unwrap_err().error, Error::WouldBlock);
    assert_eq!(push.stats().connections, 0);
    while let Some(event) = monitor.try_next() {
        assert!(!matches!(event, Event::HandshakeSucceeded { .. }), "{event:?}");
    }
    handler.send(answer("200", "")).unwrap();
    push.send_timeout("now", LONG).unwrap();
    assert_eq!(peer.frame().0, 4, "READY");
    assert_eq!(peer.frame(), (0, b"now".to_vec()));
}

/// The address of this machine in its network, if it has one. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn plain_stays_within_the_machine_unless_told_otherwise() {
    let Some(address) = own_address() else {
        zmq_core::testing::skipped("this machine has no address in a network");
        return;
    };
    let context = context();
    let server = |plain: Plain| {
        let mut pull =
            zmq::Pull::builder_in(&context).security(plain).authenticator(ann_only()).build().unwrap();
        let bound = pull.bind_to(format!("tcp://{address}:*")).unwrap();
        (pull, bound)
    };
    let (mut pull, bound) = server(Plain::server());
    let mut monitor = pull.monitor().unwrap();
    let mut push = zmq::Push::builder_in(&context).security(plain("ann", "apple")).build().unwrap();
    let mut at_client = push.monitor().unwrap();
    push.connect_to(&bound).unwrap();
    assert!(refusal(&mut at_client).contains("over_networks"));
    await_event(&mut at_client, "no second attempt", |event| matches!(event, Event::ConnectGivenUp { .. }));
    let open = plain("ann", "apple").over_networks();
    let _push = zmq::Push::builder_in(&context).security(open.clone()).connect(&bound).unwrap();
    while !refusal(&mut monitor).contains("over_networks") {}

    let (mut pull, bound) = server(Plain::server().over_networks());
    let mut push = zmq::Push::builder_in(&context).security(open).connect(&bound).unwrap();
    push.send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
}
