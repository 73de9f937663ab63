//! Peers of every version of ZMTP, made of bytes that arrive one by one: every pattern, with the peer connecting and
//! with the peer bound.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use support::*;
use zmq::options::ZmtpVersion::{self, V1_0, V2_0, V3_0, V3_1};
use zmq::security::{Authenticator, Plain};
use zmq::{AnySocket, Event, Message, Options, SocketType};

const VERSIONS: [ZmtpVersion; 4] = [V1_0, V2_0, V3_0, V3_1];

/// A peer of one version.
struct Peer {
    version: ZmtpVersion,
    stream: TcpStream,
}

/// Whether the peer connects to us, or we to it.
#[derive(Clone, Copy, Debug)]
enum Role {
    Connects,
    Binds,
}

impl Peer {
    fn over(stream: TcpStream, version: ZmtpVersion) -> Peer {
        stream.set_nodelay(true).expect("nodelay");
        Peer { version, stream: Raw::over(stream).0 }
    }

    /// Introduces itself, and returns the routing id that we gave.
    fn greet(&mut self, socket_type: SocketType, routing_id: &[u8]) -> Vec<u8> {
        match self.version {
            V1_0 => {
                self.part(0, routing_id);
                let [_, length @ .., flags] = self.read::<10>();
                assert_eq!(flags, 0x7F);
                self.read_body(u64::from_be_bytes(length) - 1)
            }
            V2_0 => {
                self.write(&greeting()[..10]);
                self.write(&[1, socket_type.number()]);
                self.part(0, routing_id);
                let [.., version, _type] = self.read::<12>();
                assert_eq!(version, 3);
                self.read_part().1
            }
            V3_0 | V3_1 => {
                let mut greeting = greeting();
                greeting[11] = u8::from(self.version == V3_1);
                self.write(&greeting);
                let mut ready = ready(socket_type.as_str())[2..].to_vec();
                ready.extend(b"\x08Identity\0\0\0");
                ready.push(routing_id.len() as u8);
                ready.extend(routing_id);
                self.part(4, &ready);
                assert_eq!(self.read::<64>()[10..12], [3, 1]);
                let (flags, body) = self.read_part();
                assert_eq!(flags, 4);
                let id = body.windows(8).position(|window| window == b"Identity");
                id.map(|at| body[at + 12..].to_vec()).unwrap_or_default()
            }
        }
    }

    fn send<const N: usize>(&mut self, parts: [&[u8]; N]) {
        for (number, part) in parts.iter().enumerate() {
            self.part(u8::from(number + 1 < N), part);
        }
    }

    fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        loop {
            let (flags, body) = self.read_part();
            parts.push(body);
            match flags {
                0 => return parts,
                1 => {}
                _ => panic!("no message: {flags} {parts:?}"),
            }
        }
    }

    fn subscribe(&mut self, topic: &[u8]) {
        match self.version {
            V1_0 => {}
            V2_0 | V3_0 => self.part(0, &[b"\x01", topic].concat()),
            V3_1 => self.part(4, &[b"\x09SUBSCRIBE", topic].concat()),
        }
    }

    fn expect_subscription(&mut self, subscribe: bool, topic: &[u8]) {
        let expected = match self.version {
            V1_0 => return,
            V2_0 | V3_0 => (0, [&[u8::from(subscribe)], topic].concat()),
            V3_1 => (4, [if subscribe { &b"\x09SUBSCRIBE"[..] } else { b"\x06CANCEL" }, topic].concat()),
        };
        assert_eq!(self.read_part(), expected);
    }

    fn part(&mut self, flags: u8, body: &[u8]) {
        if self.version == V1_0 {
            self.write(&[u8::try_from(body.len() + 1).expect("a short frame"), flags]);
        } else {
            self.write(&[flags, u8::try_from(body.len()).expect("a short frame")]);
        }
        self.write(body);
    }

    fn read_part(&mut self) -> (u8, Vec<u8>) {
        let [first, second] = self.read::<2>();
        let (flags, length) = match self.version {
            V1_0 => (second, first - 1),
            _ => (first, second),
        };
        (flags, self.read_body(length.into()))
    }

    /// Every byte by itself.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.stream.write_all(&[*byte]).expect("write");
        }
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("read");
        bytes
    }

    fn read_body(&mut self, length: u64) -> Vec<u8> {
        let mut body = vec![0; usize::try_from(length).expect("length")];
        self.stream.read_exact(&mut body).expect("body");
        body
    }
}

fn socket(socket_type: SocketType, routing_id: &'static str) -> AnySocket {
    let mut options = Options::default();
    options.oldest_zmtp = V1_0;
    options.routing_id = routing_id.into();
    options.reconnect_interval = Some(ms(5));
    options.req_correlate = false;
    AnySocket::new(&context(), socket_type, options).expect("socket")
}

/// Joins a socket and a peer; the peer has greeted and been greeted.
fn join(socket: &mut AnySocket, version: ZmtpVersion, theirs: SocketType, role: Role) -> (Peer, Vec<u8>) {
    let stream = match role {
        Role::Connects => {
            let bound = socket.bind("tcp://127.0.0.1:*").expect("bind");
            TcpStream::connect(bound.address()).expect("connect")
        }
        Role::Binds => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            socket.connect(format!("tcp://{}", listener.local_addr().expect("address"))).expect("connect");
            listener.accept().expect("accept").0
        }
    };
    let mut peer = Peer::over(stream, version);
    let our_id = peer.greet(theirs, b"peer");
    (peer, our_id)
}

/// Runs `test` for each version, with the peer connecting and with the peer bound.
fn for_each(ours: SocketType, theirs: SocketType, test: impl Fn(&mut AnySocket, &mut Peer)) {
    for version in VERSIONS {
        for role in [Role::Connects, Role::Binds] {
            println!("{ours} with a {theirs} of {version} that {role:?}");
            let mut socket = socket(ours, "us");
            let mut monitor = socket.monitor().expect("monitor");
            let (mut peer, our_id) = join(&mut socket, version, theirs, role);
            let known = await_event(&mut monitor, "a handshake", |event| {
                matches!(event, Event::HandshakeSucceeded { .. })
            });
            let Event::HandshakeSucceeded { peer: known, .. } = known else { unreachable!() };
            assert_eq!((known.zmtp, &known.routing_id[..]), (Some(version), &b"peer"[..]));
            assert_eq!(known.socket_type, (version > V1_0).then_some(theirs));
            // Since 3.0 only those types say it that have a use for it.
            assert_eq!(our_id, if version < V3_0 || ours.sends_identity() { &b"us"[..] } else { b"" });
            test(&mut socket, &mut peer);
            let stats = socket.stats();
            assert_eq!(stats.connections, 1);
        }
    }
}

fn bytes(message: &Message) -> Vec<Vec<u8>> {
    message.iter().map(|frame| frame.to_vec()).collect()
}

#[track_caller]
fn receive(socket: &mut AnySocket) -> Vec<Vec<u8>> {
    bytes(&socket.recv_timeout(LONG).expect("receive"))
}

#[test]
fn pipelines() {
    for_each(SocketType::Push, SocketType::Pull, |push, pull| {
        push.send("one").unwrap();
        push.send(["two", "", "parts"]).unwrap();
        assert_eq!(pull.receive(), [b"one"]);
        assert_eq!(pull.receive(), [&b"two"[..], b"", b"parts"]);
    });
    for_each(SocketType::Pull, SocketType::Push, |pull, push| {
        push.send([b"one"]);
        push.send([b"", b"two", b"parts"]);
        assert_eq!(receive(pull), [b"one"]);
        assert_eq!(receive(pull), [&b""[..], b"two", b"parts"]);
    });
}

#[test]
fn pairs() {
    for_each(SocketType::Pair, SocketType::Pair, |ours, theirs| {
        ours.send("there").unwrap();
        assert_eq!(theirs.receive(), [b"there"]);
        theirs.send([b"and", b"back"]);
        assert_eq!(receive(ours), [&b"and"[..], b"back"]);
    });
}

#[test]
fn requests_and_replies() {
    for theirs in [SocketType::Rep, SocketType::Router] {
        for_each(SocketType::Req, theirs, |req, peer| {
            req.send("question").unwrap();
            assert_eq!(peer.receive(), [&b""[..], b"question"]);
            peer.send([b"", b"answer"]);
            assert_eq!(receive(req), [b"answer"]);
        });
    }
    for theirs in [SocketType::Req, SocketType::Dealer] {
        for_each(SocketType::Rep, theirs, |rep, peer| {
            peer.send([b"", b"question"]);
            assert_eq!(receive(rep), [b"question"]);
            rep.send("answer").unwrap();
            assert_eq!(peer.receive(), [&b""[..], b"answer"]);
        });
    }
}

#[test]
fn dealers_and_routers() {
    for theirs in [SocketType::Rep, SocketType::Dealer, SocketType::Router] {
        for_each(SocketType::Dealer, theirs, |dealer, peer| {
            dealer.send(["", "there"]).unwrap();
            assert_eq!(peer.receive(), [&b""[..], b"there"]);
            peer.send([b"", b"back"]);
            assert_eq!(receive(dealer), [&b""[..], b"back"]);
        });
    }
    for theirs in [SocketType::Req, SocketType::Dealer, SocketType::Router] {
        for_each(SocketType::Router, theirs, |router, peer| {
            peer.send([b"", b"hello"]);
            assert_eq!(receive(router), [&b"peer"[..], b"", b"hello"]);
            router.send(["peer", "", "welcome"]).unwrap();
            assert_eq!(peer.receive(), [&b""[..], b"welcome"]);
        });
    }
}

#[test]
fn publishers() {
    for ours in [SocketType::Pub, SocketType::XPub] {
        for theirs in [SocketType::Sub, SocketType::XSub] {
            for_each(ours, theirs, |publisher, subscriber| {
                subscriber.subscribe(b"topic");
                if ours == SocketType::XPub {
                    let shown: &[u8] = if subscriber.version == V1_0 { b"\x01" } else { b"\x01topic" };
                    assert_eq!(receive(publisher), [shown]);
                } else {
                    // PUB does not say that it knows.
                    until("the subscription has arrived", || {
                        publisher.send("topic: is there").unwrap();
                        publisher.stats().delivered > 0
                    });
                    publisher.send("topic: begin").unwrap();
                    while subscriber.receive() != [b"topic: begin"] {}
                }
                publisher.send("other").unwrap();
                publisher.send(["topic", "wanted"]).unwrap();
                if subscriber.version == V1_0 {
                    assert_eq!(subscriber.receive(), [b"other"], "it filters for itself");
                }
                assert_eq!(subscriber.receive(), [&b"topic"[..], b"wanted"]);
            });
        }
    }
}

#[test]
fn subscribers() {
    for theirs in [SocketType::Pub, SocketType::XPub] {
        for_each(SocketType::Sub, theirs, |sub, publisher| {
            sub.subscribe("topic").unwrap();
            sub.subscribe("more").unwrap();
            sub.unsubscribe("more").unwrap();
            publisher.expect_subscription(true, b"topic");
            publisher.expect_subscription(true, b"more");
            publisher.expect_subscription(false, b"more");
            publisher.send([b"other"]);
            publisher.send([b"more"]);
            publisher.send([b"topic", b"wanted"]);
            assert_eq!(receive(sub), [&b"topic"[..], b"wanted"]);
            until("the books balance", || {
                let stats = sub.stats();
                stats.queued == 0 && stats.written == stats.delivered + stats.dropped.total()
            });
        });
        for_each(SocketType::XSub, theirs, |xsub, publisher| {
            xsub.send("\u{1}topic").unwrap();
            xsub.send("upstream").unwrap();
            publisher.expect_subscription(true, b"topic");
            assert_eq!(publisher.receive(), [b"upstream"]);
            publisher.send([b"topic", b"wanted"]);
            assert_eq!(receive(xsub), [&b"topic"[..], b"wanted"]);
        });
    }
}

#[test]
fn a_1_0_publisher_is_told_nothing() {
    let mut sub = socket(SocketType::Sub, "");
    sub.subscribe("before").unwrap();
    let (mut publisher, _) = join(&mut sub, V1_0, SocketType::Pub, Role::Connects);
    sub.subscribe("after").unwrap();
    publisher.send([b"after"]);
    assert_eq!(receive(&mut sub), [b"after"]);
    drop(sub);
    let mut rest = Vec::new();
    publisher.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
}

#[test]
fn who_comes_back_may_have_another_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sub = socket(SocketType::Sub, "");
    sub.subscribe("topic").unwrap();
    sub.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    for version in [V1_0, V3_1, V2_0, V1_0, V3_0] {
        let mut publisher = Peer::over(listener.accept().unwrap().0, version);
        publisher.greet(SocketType::Pub, b"");
        publisher.expect_subscription(true, b"topic");
        publisher.send([b"topic", version.to_string().as_bytes()]);
        assert_eq!(receive(&mut sub), [b"topic", version.to_string().as_bytes()]);
    }
}

#[test]
fn nobody_gets_around_security_by_an_old_version() {
    let mut options = Options::default();
    options.oldest_zmtp = V1_0;
    options.security = Plain::server().into();
    options.authenticator = Some(Authenticator::passwords([("ann", "apple")]));
    let mut pull = AnySocket::new(&context(), SocketType::Pull, options).unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap();
    for bytes in [vec![1, 0, 7, 0], [&greeting()[..10], &[1, 8, 0, 0, 0, 6]].concat()] {
        let mut peer = Raw::connect(&bound);
        peer.send(&[&bytes[..], b"secret"].concat());
        let reason = refusal(&mut monitor);
        assert!(reason.contains("has no security"), "{reason}");
        assert!(peer.is_closed());
    }
    assert!(pull.try_recv().is_err());
    assert_eq!(pull.stats().connections, 0);
}

#[test]
fn oldest_zmtp() {
    let context = context();
    for oldest in VERSIONS {
        let mut pull = zmq::Pull::builder_in(&context).oldest_zmtp(oldest).build().unwrap();
        let mut monitor = pull.monitor().unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        for version in VERSIONS {
            let mut peer = Peer::over(TcpStream::connect(bound.address()).unwrap(), version);
            if version >= oldest {
                peer.greet(SocketType::Push, b"");
                peer.send([b"welcome"]);
                assert_eq!(pull.recv_timeout(LONG).unwrap(), "welcome".into());
                continue;
            }
            match version {
                V1_0 => peer.write(&[1, 0]),
                V2_0 => peer.write(&[&greeting()[..10], &[1]].concat()),
                V3_0 | V3_1 => peer.write(&greeting()),
            }
            let reason = refusal(&mut monitor);
            assert!(
                reason.contains(&format!("ZMTP {version}")) && reason.contains("oldest_zmtp"),
                "{reason}"
            );
            assert!(Raw(peer.stream).is_closed());
        }
    }
}
