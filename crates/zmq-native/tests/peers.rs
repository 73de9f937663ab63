//! What a socket is told of its peers: who a message is from, who has come and who has gone, and the options by which
//! libzmq does so. Each acts, over every transport.

mod support;

use std::net::TcpListener;
use support::*;
use zmq::options::ZmtpVersion;
use zmq::security::{Authenticator, Plain, Verdict};
use zmq::{AnySocket, Bytes, Context, Endpoint, Error, Event, Options, SocketType};

fn socket(context: &Context, socket_type: SocketType, set: impl FnOnce(&mut Options)) -> AnySocket {
    let mut options = Options::default();
    options.reconnect_interval = Some(ms(5));
    set(&mut options);
    AnySocket::new(context, socket_type, options).expect("socket")
}

#[track_caller]
fn receive(socket: &mut AnySocket) -> Vec<String> {
    socket.recv_timeout(LONG).expect("receive").iter().map(|frame| frame.to_string_lossy()).collect()
}

/// What a connection is made of, as a peer of version 3.0 that gives its name.
fn named_dealer(endpoint: &Endpoint, name: &str) -> Raw {
    let mut peer = Raw::connect(endpoint);
    peer.send(&greeting());
    let mut body = ready("DEALER")[2..].to_vec();
    body.extend(b"\x08Identity\0\0\0");
    body.push(name.len() as u8);
    body.extend(name.as_bytes());
    peer.send(&frame(4, &body));
    peer
}

/// A peer that is connected to, sends one message, and closes once it has read the handshake.
fn say_and_leave(listener: &TcpListener, socket_type: &str, message: &str) {
    let mut peer = Raw::over(listener.accept().expect("accept").0);
    peer.send(&greeting());
    peer.send(&ready(socket_type));
    peer.skip_greeting();
    assert!(peer.frame().1.starts_with(b"\x05READY"));
    peer.send(&frame(0, message.as_bytes()));
}

#[test]
fn last_peer_says_who_a_message_is_from() {
    use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};
    for wild in ENDPOINTS {
        for (ours, theirs) in [
            (Pull, Push),
            (Pair, Pair),
            (Dealer, Router),
            (Router, Dealer),
            (Rep, Req),
            (Req, Rep),
            (Sub, Pub),
            (XSub, XPub),
            (XPub, XSub),
        ] {
            for bound_by_us in [true, false] {
                let context = context();
                let mut ours = socket(&context, ours, |options| {
                    options.req_correlate = false;
                    if matches!(ours, Sub | XSub) {
                        options.subscriptions.push(Bytes::new());
                    }
                });
                let mut theirs = socket(&context, theirs, |options| {
                    options.metadata = vec![("X-Colour".to_owned(), "blue".into())];
                    options.routing_id = "them".into();
                    options.router_mandatory = false;
                });
                assert!(ours.last_peer().unwrap().is_none());
                let (binds, connects) =
                    if bound_by_us { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
                let endpoint = binds.bind(wild).unwrap();
                connects.connect(&endpoint).unwrap();
                let kind = theirs.socket_type();
                println!("{} from {kind} over {wild}", ours.socket_type());
                match kind {
                    Rep => {
                        ours.send("question").unwrap();
                        receive(&mut theirs);
                        theirs.send("answer").unwrap();
                    }
                    Router => {
                        ours.send("hello").unwrap();
                        let id = theirs.recv_timeout(LONG).unwrap()[0].clone();
                        theirs.send([id, "welcome".into()]).unwrap();
                    }
                    Pub | XPub => until("it is subscribed", || {
                        theirs.send("news").unwrap();
                        ours.try_recv().is_ok()
                    }),
                    XSub => theirs.send("\u{1}topic").unwrap(),
                    _ => theirs.send("hello").unwrap(),
                }
                if !matches!(kind, Pub | XPub) {
                    ours.recv_timeout(LONG).unwrap();
                }
                let peer = ours.last_peer().unwrap().expect("a peer");
                assert_eq!(peer.socket_type, Some(kind));
                assert_eq!(peer.property("x-colour"), Some(&Bytes::from("blue")));
                assert_eq!(peer.zmtp, (wild != "inproc://*").then_some(ZmtpVersion::V3_1));
                assert!(!peer.address.is_empty(), "{peer:?}");
                if matches!(kind, Req | Dealer | Router) {
                    assert_eq!(peer.routing_id, "them");
                }
            }
        }
    }
}

#[test]
fn last_peer_follows_the_messages() {
    let context = context();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut pushes: Vec<_> = ["red", "green", "blue"]
        .map(|colour| (colour, zmq::Push::builder_in(&context).metadata("X-Colour", colour)))
        .into_iter()
        .map(|(colour, builder)| (colour, builder.connect(&bound).unwrap()))
        .collect();
    for _ in 0..10 {
        for (colour, push) in &mut pushes {
            push.send(*colour).unwrap();
        }
    }
    for _ in 0..30 {
        let message = pull.recv_timeout(LONG).unwrap();
        let peer = pull.last_peer().unwrap().expect("a peer");
        assert_eq!(peer.property("X-Colour").map(|colour| &colour[..]), Some(message[0].as_bytes()));
    }
    // Half a socket tells it too.
    let mut pair = zmq::Pair::new_in(&context).unwrap();
    let bound = pair.bind_to("tcp://127.0.0.1:*").unwrap();
    let builder = zmq::Pair::builder_in(&context).metadata("X-Colour", "grey");
    let mut other = builder.connect(bound).unwrap();
    let (_sender, mut receiver) = pair.split().unwrap();
    assert!(receiver.last_peer().is_none());
    other.send("x").unwrap();
    receiver.recv_timeout(LONG).unwrap();
    assert_eq!(receiver.last_peer().unwrap().property("X-Colour"), Some(&Bytes::from("grey")));
}

#[test]
fn last_peer_has_the_user_id_that_the_authenticator_gave() {
    let context = context();
    let judge = |claim: &zmq::security::Claim| match claim.username() {
        Some(name) => Verdict::admit_as(format!("user {}", String::from_utf8_lossy(name))),
        None => Verdict::deny(),
    };
    let builder = zmq::Pull::builder_in(&context).security(Plain::server());
    let mut pull = builder.authenticator(Authenticator::new(judge)).build().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    for name in ["ann", "bob"] {
        let client = Plain::client(name, "secret").unwrap();
        let builder = zmq::Push::builder_in(&context).security(client).metadata("X-Colour", "red");
        builder.connect(&bound).unwrap().send(name).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), name.into());
        let peer = pull.last_peer().unwrap().expect("a peer");
        assert_eq!(peer.user_id, format!("user {name}"));
        assert!(peer.address.contains("127.0.0.1") && peer.property("X-Colour").is_some(), "{peer:?}");
    }
}

#[test]
fn metadata_must_be_sendable() {
    let context = context();
    let bad = [
        vec![("Colour", "blue".to_owned())],
        vec![("X-", "blue".to_owned())],
        vec![("X-Colour\n", "blue".to_owned())],
        vec![("X-Farbe-\u{fc}", "blau".to_owned())],
        vec![("User-Id", "root".to_owned())],
        vec![("X-Colour", "blue".to_owned()), ("x-colour", "red".to_owned())],
        vec![("X-Large", "x".repeat(7 * 1024))],
    ];
    for metadata in bad {
        let mut options = Options::default();
        options.metadata =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        let error = zmq::Push::with_options(&context, options).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option: "metadata", .. }), "{metadata:?}");
    }
    // As much as may be arrives.
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let large = "x".repeat(7 * 1024 - 12);
    let builder = zmq::Push::builder_in(&context).metadata("X-Large", large.clone());
    builder.connect(bound).unwrap().send("x").unwrap();
    pull.recv_timeout(LONG).unwrap();
    assert_eq!(pull.last_peer().unwrap().unwrap().property("X-Large"), Some(&large.into()));
}

#[test]
fn router_notify() {
    for wild in ENDPOINTS {
        for (connect, disconnect) in [(true, true), (true, false), (false, true), (false, false)] {
            println!("{wild} {connect} {disconnect}");
            let context = context();
            let mut router = socket(&context, SocketType::Router, |options| {
                options.router_notify_connect = connect;
                options.router_notify_disconnect = disconnect;
            });
            let bound = router.bind(wild).unwrap();
            for _ in 0..2 {
                let mut dealer = zmq::Dealer::builder_in(&context).routing_id("bob").build().unwrap();
                dealer.connect_to(&bound).unwrap();
                if connect {
                    assert_eq!(receive(&mut router), ["bob", ""]);
                }
                for number in 0..10 {
                    dealer.send(format!("{number}")).unwrap();
                }
                dealer.close(Some(LONG));
                for number in 0..10 {
                    assert_eq!(receive(&mut router), ["bob".to_owned(), number.to_string()]);
                }
                if disconnect {
                    assert_eq!(receive(&mut router), ["bob", ""]);
                }
                // The name is free again, and nothing else was said.
                until("it is forgotten", || {
                    assert!(matches!(router.try_recv(), Err(Error::WouldBlock)));
                    router.try_send(["bob", "x"]).is_err()
                });
            }
        }
    }
}

#[test]
fn router_notify_of_a_peer_that_comes_back() {
    let context = context();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut router = zmq::Router::builder_in(&context)
        .router_notify_connect(true)
        .router_notify_disconnect(true)
        .reconnect_interval(ms(5))
        .build()
        .unwrap();
    router.connect_as(format!("tcp://{}", listener.local_addr().unwrap()), b"bob").unwrap();
    assert!(matches!(router.recv_timeout(ms(20)), Err(Error::Timeout { .. })), "it is only promised");
    for round in ["one", "two"] {
        say_and_leave(&listener, "DEALER", round);
        for expected in ["", round, ""] {
            assert_eq!(router.recv_timeout(LONG).unwrap(), ["bob", expected].into(), "{round}");
        }
    }
}

#[test]
fn hello_message() {
    for wild in ENDPOINTS {
        for (ours, theirs) in [
            (SocketType::Pair, SocketType::Pair),
            (SocketType::Dealer, SocketType::Dealer),
            (SocketType::Router, SocketType::Dealer),
            (SocketType::Push, SocketType::Pull),
        ] {
            for bound_by_us in [true, false] {
                let context = context();
                let hello = |options: &mut Options| options.hello_message = Some("hello".into());
                let (mut ours, mut theirs) =
                    (socket(&context, ours, hello), socket(&context, theirs, |_| {}));
                let (binds, connects) =
                    if bound_by_us { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
                let endpoint = binds.bind(wild).unwrap();
                connects.connect(&endpoint).unwrap();
                assert_eq!(receive(&mut theirs), ["hello"], "{wild} {bound_by_us}");
            }
        }
    }
    // Before what was queued, and again over each connection.
    let context = context();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let builder = zmq::Push::builder_in(&context).hello_message(Bytes::from("hello"));
    let mut push = builder
        .reconnect_interval(ms(5))
        .connect(format!("tcp://{}", listener.local_addr().unwrap()))
        .unwrap();
    push.send("queued").unwrap();
    for queued in [true, false] {
        let mut peer = Raw::over(listener.accept().unwrap().0);
        peer.send(&greeting());
        peer.send(&ready("PULL"));
        peer.skip_greeting();
        assert!(peer.frame().1.starts_with(b"\x05READY"));
        assert_eq!(peer.frame(), (0, b"hello".to_vec()));
        if queued {
            assert_eq!(peer.frame(), (0, b"queued".to_vec()));
        }
    }
}

#[test]
fn disconnect_message() {
    for wild in ENDPOINTS {
        for (ours, theirs) in [
            (SocketType::Pair, SocketType::Pair),
            (SocketType::Dealer, SocketType::Dealer),
            (SocketType::Pull, SocketType::Push),
        ] {
            let context = context();
            let mut ours = socket(&context, ours, |options| options.disconnect_message = Some("gone".into()));
            let bound = ours.bind(wild).unwrap();
            for _ in 0..2 {
                let mut theirs = socket(&context, theirs, |_| {});
                until("there is room for a peer", || {
                    assert!(ours.try_recv().is_err());
                    theirs.connect(&bound).is_ok()
                });
                theirs.send("last words").unwrap();
                drop(theirs);
                assert_eq!(receive(&mut ours), ["last words"], "{wild}");
                assert_eq!(receive(&mut ours), ["gone"], "{wild}");
            }
        }
    }
    let context = context();
    let mut router =
        zmq::Router::builder_in(&context).disconnect_message(Bytes::from("gone")).build().unwrap();
    let bound = router.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut peer = named_dealer(&bound, "bob");
    peer.send(&frame(0, b"x"));
    assert_eq!(router.recv_timeout(LONG).unwrap(), ["bob", "x"].into());
    // Half of a message is none.
    peer.send(&frame(1, b"half"));
    drop(peer);
    assert_eq!(router.recv_timeout(LONG).unwrap(), ["bob", "gone"].into());
    // Who was never admitted was never there.
    let mut stranger = Raw::connect(&bound);
    stranger.send(&greeting());
    drop(stranger);
    assert!(matches!(router.recv_timeout(ms(20)), Err(Error::Timeout { .. })));
}

#[test]
fn hiccup_message() {
    let context = context();
    for ours in [SocketType::Pair, SocketType::Dealer, SocketType::Pull] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = if ours == SocketType::Pull { "PUSH" } else { ours.as_str() };
        let mut ours = socket(&context, ours, |options| {
            options.hiccup_message = Some("hiccup".into());
            options.disconnect_message = Some("gone".into());
        });
        ours.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
        for round in ["one", "two"] {
            say_and_leave(&listener, theirs, round);
            assert_eq!(receive(&mut ours), [round]);
            assert_eq!(receive(&mut ours), ["hiccup"]);
        }
    }
}

#[test]
fn such_messages_are_for_types_that_can_have_them() {
    let context = context();
    for socket_type in SocketType::ALL {
        for option in ["hello_message", "disconnect_message", "hiccup_message"] {
            let mut options = Options::default();
            let message = match option {
                "hello_message" => &mut options.hello_message,
                "disconnect_message" => &mut options.disconnect_message,
                _ => &mut options.hiccup_message,
            };
            *message = Some("x".into());
            let direction = if option == "hello_message" { SocketType::Push } else { SocketType::Pull };
            let free = [SocketType::Pair, SocketType::Dealer, SocketType::Router].contains(&socket_type);
            match AnySocket::new(&context, socket_type, options) {
                Ok(_) => assert!(free || socket_type == direction, "{socket_type} {option}"),
                Err(Error::InvalidOption { option: refused, reason }) => {
                    assert!(!free && socket_type != direction && refused == option);
                    assert!(reason.contains(socket_type.as_str()) && reason.contains("DEALER"), "{reason}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn xpub_manual_last_value() {
    for wild in ENDPOINTS {
        let context = context();
        let mut xpub = zmq::XPub::builder_in(&context).xpub_manual_last_value(true).build().unwrap();
        let bound = xpub.bind_to(wild).unwrap();
        let mut subs = Vec::new();
        for _ in 0..3 {
            let mut sub = zmq::Sub::builder_in(&context).subscribe("t").connect(&bound).unwrap();
            assert_eq!(xpub.recv_timeout(LONG).unwrap(), "\u{1}t".into());
            assert!(xpub.subscribe_last_peer("t").unwrap());
            assert_eq!(xpub.publish("t: the last value").unwrap().matched, 1, "{wild}: the newcomer alone");
            assert_eq!(sub.recv_timeout(LONG).unwrap(), "t: the last value".into());
            subs.push(sub);
            assert_eq!(xpub.publish("t: news for everybody").unwrap().matched, subs.len());
            for sub in &mut subs {
                assert_eq!(sub.recv_timeout(LONG).unwrap(), "t: news for everybody".into());
            }
        }
        // What the newcomer did not ask for is for nobody.
        let mut other = zmq::Sub::builder_in(&context).subscribe("other").connect(&bound).unwrap();
        assert_eq!(xpub.recv_timeout(LONG).unwrap(), "\u{1}other".into());
        assert!(xpub.subscribe_last_peer("other").unwrap());
        assert_eq!(xpub.publish("t: not for it").unwrap().matched, 0);
        assert_eq!(xpub.publish("other: for it").unwrap().matched, 1);
        assert_eq!(other.recv_timeout(LONG).unwrap(), "other: for it".into());
    }
}

#[test]
fn a_handover_is_for_the_same_user() {
    let context = context();
    let judge = |claim: &zmq::security::Claim| match claim.username() {
        Some(name) => Verdict::admit_as(String::from_utf8_lossy(name)),
        None => Verdict::deny(),
    };
    let builder = zmq::Router::builder_in(&context).router_handover(true).security(Plain::server());
    let mut router = builder.authenticator(Authenticator::new(judge)).build().unwrap();
    let bound = router.bind_to("tcp://127.0.0.1:*").unwrap();
    let dealer = |user: &str| {
        let client = Plain::client(user, "").unwrap();
        let builder = zmq::Dealer::builder_in(&context).security(client).routing_id("desk");
        builder.reconnect_interval(None).connect(&bound).unwrap()
    };
    let mut ann = dealer("ann");
    ann.send("ann").unwrap();
    assert_eq!(router.recv_timeout(LONG).unwrap(), ["desk", "ann"].into());
    let mut bob = dealer("bob");
    let mut theirs = bob.monitor().unwrap();
    bob.send("bob").unwrap();
    // The router follows its news when it is called.
    until("it is thrown out", || {
        let _ = router.try_recv().map(|message| panic!("{message:?}"));
        std::iter::from_fn(|| theirs.try_next()).any(|event| matches!(event, Event::Disconnected { .. }))
    });
    router.send_to("desk", "for ann").unwrap();
    assert_eq!(ann.recv_timeout(LONG).unwrap(), "for ann".into());
    let mut again = dealer("ann");
    again.send("again").unwrap();
    assert_eq!(router.recv_timeout(LONG).unwrap(), ["desk", "again"].into());
}
