//! CURVE on sockets: every pattern's way, both transports, and strangers at the door.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use support::*;
use zmq::curve::{Certificate, Curve, KeyPair};
use zmq::security::{Authenticator, Claim, Verdict};
use zmq::{Endpoint, Error, Event, Message};

struct Keys {
    server: KeyPair,
    client: KeyPair,
}

fn keys() -> Keys {
    Keys { server: KeyPair::generate().unwrap(), client: KeyPair::generate().unwrap() }
}

impl Keys {
    fn client(&self) -> Curve {
        Curve::client(&self.client, self.server.public())
    }

    fn server(&self) -> Curve {
        Curve::server(&self.server)
    }

    fn known(&self) -> Authenticator {
        Authenticator::keys([self.client.public()])
    }
}

#[test]
fn requests_and_replies_of_every_size() {
    for wire in WIRES {
        let (keys, context) = (keys(), context());
        let mut rep = zmq::Rep::builder_in(&context)
            .security(keys.server())
            .authenticator(keys.known())
            .build()
            .unwrap();
        let mut monitor = rep.monitor().unwrap();
        let bound = rep.bind_to(wire).unwrap();
        let mut req = zmq::Req::builder_in(&context).security(keys.client()).connect(&bound).unwrap();
        for size in [0, 1, 100, 10_000, 1 << 20, 5 << 20] {
            let body: Vec<u8> = (0..size).map(|index: usize| ((index * 13) >> 3) as u8).collect();
            let request = Message::from([&b"a part"[..], &body]);
            req.send(request.clone()).unwrap();
            assert!(rep.recv_timeout(LONG).unwrap() == request);
            rep.send(request.clone()).unwrap();
            assert!(req.recv_timeout(LONG).unwrap() == request);
        }
        let event =
            await_event(&mut monitor, "success", |event| matches!(event, Event::HandshakeSucceeded { .. }));
        let Event::HandshakeSucceeded { peer, .. } = event else { unreachable!() };
        assert_eq!(peer.user_id, keys.client.public().to_string());
    }
}

#[test]
fn subscriptions_and_what_is_published() {
    let (keys, context) = (keys(), context());
    let mut publisher =
        zmq::XPub::builder_in(&context).security(keys.server()).authenticator(keys.known()).build().unwrap();
    let bound = publisher.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut sub =
        zmq::Sub::builder_in(&context).security(keys.client()).subscribe("a").connect(&bound).unwrap();
    assert_eq!(publisher.recv_timeout(LONG).unwrap(), Message::from(&b"\x01a"[..]));
    for text in ["b 1", "a 2", "c 3", "a 4"] {
        publisher.send(text).unwrap();
    }
    assert_eq!(sub.recv_timeout(LONG).unwrap(), "a 2".into());
    assert_eq!(sub.recv_timeout(LONG).unwrap(), "a 4".into());
    sub.unsubscribe("a").unwrap();
    assert_eq!(publisher.recv_timeout(LONG).unwrap(), Message::from(&b"\x00a"[..]));
}

#[test]
fn a_flood_in_both_directions_is_whole() {
    let (keys, context) = (keys(), context());
    let mut server =
        zmq::Pair::builder_in(&context).security(keys.server()).authenticator(keys.known()).build().unwrap();
    let bound = server.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut client = zmq::Pair::builder_in(&context).security(keys.client()).connect(&bound).unwrap();
    let body = |number: usize| Message::from([number.to_string(), "x".repeat(number * 7 % 3000)]);
    let there = std::thread::spawn(move || {
        for number in 0..20_000 {
            server.send(body(number)).unwrap();
            assert_eq!(server.recv_timeout(LONG).unwrap(), body(number));
        }
    });
    for number in 0..20_000 {
        client.send(body(number)).unwrap();
        assert_eq!(client.recv_timeout(LONG).unwrap(), body(number));
    }
    there.join().unwrap();
}

#[test]
fn strangers_stay_out_and_others_are_served() {
    let (keys, context) = (keys(), context());
    let mut pull =
        zmq::Pull::builder_in(&context).security(keys.server()).authenticator(keys.known()).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::builder_in(&context).security(keys.client()).connect(&bound).unwrap();
    push.send("before").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "before".into());

    let stranger = KeyPair::generate().unwrap();
    let knows_the_server = Curve::client(&stranger, keys.server.public());
    let knows_another = Curve::client(&keys.client, stranger.public());
    let _one = zmq::Push::builder_in(&context).security(knows_the_server).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("status 400"));
    let _other = zmq::Push::builder_in(&context)
        .security(knows_another)
        .reconnect_interval(ms(60_000))
        .connect(&bound)
        .unwrap();
    assert!(refusal(&mut monitor).contains("HELLO was sealed with other keys"));
    let _null = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    assert!(refusal(&mut monitor).contains("\"NULL\""));

    push.send("after").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "after".into());
    assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
}

/// Each costs a server public-key cryptography before it knows anything of the peer.
#[test]
fn the_handshakes_of_an_address_are_counted() {
    let (keys, context) = (keys(), context());
    let mut pull = zmq::Pull::builder_in(&context)
        .security(keys.server())
        .authenticator(keys.known())
        .max_handshakes_per_second(3u32)
        .build()
        .unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let join = |endpoint: &str| {
        let builder = zmq::Push::builder_in(&context).security(keys.client()).reconnect_interval(ms(100));
        builder.connect(endpoint).unwrap()
    };
    let mut friend = join(bound.as_ref());
    friend.send("friend").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "friend".into());
    await_event(&mut monitor, "the friend", |event| matches!(event, Event::HandshakeSucceeded { .. }));
    let mut strangers = Vec::new();
    let refusal = loop {
        strangers.push(TcpStream::connect(bound.address()).unwrap());
        let arrived = |event: &Event| matches!(event, Event::Accepted { .. } | Event::AcceptFailed { .. });
        if let Event::AcceptFailed { error, .. } = await_event(&mut monitor, "an arrival", arrived) {
            break error;
        }
        assert!(strangers.len() < 1000, "nobody counts them");
    };
    let last = strangers.last().unwrap().local_addr().unwrap().to_string();
    assert!(refusal.contains(&last) && refusal.contains("more than 3 handshakes"), "{refusal}");
    assert!(refusal.contains("max_handshakes_per_second"), "{refusal}");
    // Who was there is served, who comes from elsewhere is let in, and so is who tries again.
    friend.send("friend").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "friend".into());
    let mut elsewhere = join(&format!("tcp://127.0.0.2:0;{}", bound.address()));
    let mut patient = join(bound.as_ref());
    elsewhere.send("guest").unwrap();
    patient.send("guest").unwrap();
    for _ in 0..2 {
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "guest".into());
    }
}

/// Many addresses together cost no more than the listener spends on strangers.
#[test]
fn the_handshakes_of_all_addresses_together_are_counted() {
    let (keys, context) = (keys(), context());
    let mut pull = zmq::Pull::builder_in(&context)
        .security(keys.server())
        .authenticator(keys.known())
        .max_total_handshakes_per_second(3u32)
        .build()
        .unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let from = |host: u8| {
        let builder = zmq::Push::builder_in(&context).security(keys.client()).reconnect_interval(ms(100));
        builder.connect(format!("tcp://127.0.0.{host}:0;{}", bound.address())).unwrap()
    };
    let mut friend = from(2);
    friend.send("friend").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "friend".into());
    // More than there is room for, each from an address of its own.
    let mut guests: Vec<_> = (3..11).map(from).collect();
    guests.iter_mut().for_each(|guest| guest.send("guest").unwrap());
    let refused = |event: &Event| matches!(event, Event::AcceptFailed { .. });
    let Event::AcceptFailed { error, .. } = await_event(&mut monitor, "one too many", refused) else {
        unreachable!()
    };
    assert!(error.contains("more than 3 handshakes within a second"), "{error}");
    assert!(error.contains("max_total_handshakes_per_second"), "{error}");
    // Who was there is served, and who tries again is let in.
    friend.send("friend").unwrap();
    let (mut heard, mut served) = (0, false);
    while heard < guests.len() || !served {
        match pull.recv_timeout(LONG).unwrap()[0].as_bytes() {
            b"friend" => served = true,
            _ => heard += 1,
        }
    }
}

#[test]
fn heartbeats_go_through_the_seal() {
    let (keys, context) = (keys(), context());
    let mut pull = zmq::Pull::builder_in(&context)
        .security(keys.server())
        .authenticator(keys.known())
        .heartbeat_interval(ms(20))
        .heartbeat_timeout(LONG)
        .build()
        .unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::builder_in(&context)
        .security(keys.client())
        .heartbeat_interval(ms(20))
        .heartbeat_timeout(LONG)
        .connect(&bound)
        .unwrap();
    let mut monitor = push.monitor().unwrap();
    for _ in 0..10 {
        push.send("x").unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
        std::thread::sleep(ms(30));
    }
    while let Some(event) = monitor.try_next() {
        assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
    }
}

/// Passes bytes between whoever connects and `server`, and alters one of those of the first to connect.
fn alter_on_the_way(server: &Endpoint, place: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let server = server.address().to_owned();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let altered = (number == 0).then_some(place);
            std::thread::spawn(move || pass(client, to_server, altered));
            std::thread::spawn(move || pass(server, to_client, None));
        }
    });
    endpoint
}

/// Ends both ways when one ends.
fn pass(mut from: TcpStream, mut to: TcpStream, altered: Option<usize>) {
    let (mut buffer, mut passed) = ([0; 4096], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(index) =
            altered.and_then(|place| place.checked_sub(passed)).filter(|index| *index < count)
        {
            buffer[index] ^= 1;
        }
        passed += count;
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// What is altered on the way ends that connection, and that one only; the next one takes over.
#[test]
fn whoever_alters_a_byte_gains_nothing() {
    let (keys, context) = (keys(), context());
    let mut pull =
        zmq::Pull::builder_in(&context).security(keys.server()).authenticator(keys.known()).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut direct = zmq::Push::builder_in(&context).security(keys.client()).connect(&bound).unwrap();
    direct.send("direct").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "direct".into());

    // Behind the handshake, and in a message that is read straight into its place.
    let way = alter_on_the_way(&bound, 100_000);
    let mut push =
        zmq::Push::builder_in(&context).security(keys.client()).reconnect_interval(ms(10)).build().unwrap();
    let mut at_client = push.monitor().unwrap();
    push.connect_to(&way).unwrap();
    push.send(vec![7; 200_000]).unwrap();
    let reason = end(&mut monitor);
    assert!(reason.contains("MESSAGE was sealed with other keys or altered on the way"), "{reason}");
    assert_eq!(pull.try_recv(), Err(Error::WouldBlock));

    // What is sent into a connection that is lost already is lost with it.
    end(&mut at_client);
    push.send("again").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "again".into());
    direct.send("still here").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "still here".into());
}

#[test]
fn a_server_must_say_who_may_come_in() {
    let keys = keys();
    let refused = zmq::Rep::builder().security(keys.server()).build().unwrap_err();
    assert!(matches!(refused, Error::InvalidOption { option: "authenticator", .. }), "{refused}");
    let anyone = zmq::Rep::builder().security(keys.server()).authenticator(Authenticator::anyone());
    assert!(anyone.build().is_ok());
}

#[test]
fn a_function_judges_by_certificate() {
    let (keys, context) = (keys(), context());
    let directory = std::env::temp_dir().join(format!("zmq-facade-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("ann.key");
    Certificate::new(&keys.client).with_metadata("name", "Ann").unwrap().save(&path).unwrap();
    let allowed = Certificate::load_directory(&directory).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let judge = Authenticator::new(move |claim: &Claim| {
        let found = allowed.iter().find(|one| claim.public_key() == Some(one.public().as_bytes()));
        match found {
            Some(certificate) => Verdict::admit_as(&certificate.metadata()[0].1),
            None => Verdict::deny(),
        }
    });
    let mut pull =
        zmq::Pull::builder_in(&context).security(keys.server()).authenticator(judge).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("ipc://*").unwrap();
    let _push = zmq::Push::builder_in(&context).security(keys.client()).connect(&bound).unwrap();
    let event =
        await_event(&mut monitor, "success", |event| matches!(event, Event::HandshakeSucceeded { .. }));
    assert!(matches!(event, Event::HandshakeSucceeded { peer, .. } if peer.user_id == "Ann"));
}
