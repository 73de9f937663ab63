//! Our sockets against pyzmq in another process: `python/peer.py`, run by the interpreter that `ZMQ_INTEROP_PYTHON`
//! names. Without it there is nothing to do.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use zmq::{AnySocket, Message, Options, SocketType};

const LONG: Duration = Duration::from_secs(10);
const SIZES: [usize; 5] = [0, 1, 255, 256, 65_536];
const COUNT: usize = 50;

/// What we do `COUNT` times while the peer does its part.
type Part = fn(&mut AnySocket);

const PAIRS: [(&str, SocketType, Part); 11] = [
    ("REP", SocketType::Req, request),
    ("REQ", SocketType::Rep, reply),
    ("PULL", SocketType::Push, send),
    ("PUSH", SocketType::Pull, receive),
    ("PAIR", SocketType::Pair, receive_and_send),
    ("ROUTER", SocketType::Dealer, send_and_receive),
    ("DEALER", SocketType::Router, send_back),
    ("SUB", SocketType::Pub, publish),
    ("PUB", SocketType::Sub, subscribe),
    ("XSUB", SocketType::XPub, follow_subscriptions),
    ("XPUB", SocketType::XSub, change_subscriptions),
];

#[test]
fn every_pattern_with_a_process_of_pyzmq() {
    let Some(python) = std::env::var_os("ZMQ_INTEROP_PYTHON").filter(|python| !python.is_empty()) else {
        zmq_core::testing::skipped("it needs ZMQ_INTEROP_PYTHON, a python with pyzmq");
        return;
    };
    let version = Command::new(&python).arg(script()).arg("--version").output().unwrap();
    assert!(version.status.success(), "no pyzmq: {}", String::from_utf8_lossy(&version.stderr));
    println!("{}", String::from_utf8_lossy(&version.stdout).trim());
    let context = zmq::context_builder().build().unwrap();
    for (peer_type, our_type, part) in PAIRS {
        for transport in ["tcp", "ipc"] {
            for we_bind in [true, false] {
                println!("{our_type} with {peer_type} of pyzmq over {transport}, we bind: {we_bind}");
                let mut socket = AnySocket::new(&context, our_type, options()).unwrap();
                let wildcard = if transport == "tcp" { "tcp://127.0.0.1:*" } else { "ipc://*" };
                let peer = if we_bind {
                    let endpoint = socket.bind(wildcard).unwrap();
                    Peer::start(&python, peer_type, "connect", endpoint.as_str())
                } else {
                    let peer = Peer::start(&python, peer_type, "bind", wildcard);
                    socket.connect(&peer.endpoint).unwrap();
                    peer
                };
                part(&mut socket);
                peer.finish();
            }
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.send_timeout = Some(LONG);
    options.recv_timeout = Some(LONG);
    options.routing_id = "dealer of ours".into();
    options
}

fn script() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/python/peer.py")
}

/// The other process. Dropped early, it is killed.
struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Its end tells a publisher that it may stop.
    input: Option<ChildStdin>,
    endpoint: String,
}

impl Peer {
    fn start(python: &std::ffi::OsStr, socket_type: &str, way: &str, endpoint: &str) -> Peer {
        let mut child = Command::new(python)
            .args([script(), socket_type, way, endpoint, &COUNT.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Peer { child, output, input, endpoint: String::new() };
        let line = peer.line();
        peer.endpoint = line.strip_prefix("ready ").expect("the peer's traceback is above").to_owned();
        peer
    }

    /// What it prints next. It ends by itself when something does not come in time.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn finish(mut self) {
        self.input = None;
        assert_eq!(self.line(), "done", "the peer's traceback is above");
        let deadline = Instant::now() + LONG;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it is done and does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As `parts` in `python/peer.py`.
fn parts(number: usize) -> Vec<Vec<u8>> {
    vec![number.to_string().into_bytes(), Vec::new(), body(number)]
}

fn body(number: usize) -> Vec<u8> {
    (0..SIZES[number % SIZES.len()]).map(|index| (2 + (number + index) % 251) as u8).collect()
}

fn topic(number: usize) -> Vec<u8> {
    [&b"a"[..], &[b'b'; 254], &[b'c'; 255], &[b'd'; 256]][number % 4].to_vec()
}

fn message(parts: Vec<Vec<u8>>) -> Message {
    parts.into_iter().collect()
}

#[track_caller]
fn same(received: &Message, expected: Vec<Vec<u8>>) {
    let expected = message(expected);
    let sizes = |message: &Message| message.iter().map(|frame| frame.len()).collect::<Vec<_>>();
    assert_eq!(sizes(received), sizes(&expected));
    assert!(*received == expected, "same sizes {:?}, other bytes", sizes(&expected));
}

fn request(req: &mut AnySocket) {
    for number in 0..COUNT {
        req.send(message(parts(number))).unwrap();
        let mut reply = req.recv().unwrap();
        assert_eq!(reply.pop_front().unwrap(), "reply");
        same(&reply, parts(number));
    }
}

fn reply(rep: &mut AnySocket) {
    for number in 0..COUNT {
        let mut request = rep.recv().unwrap();
        same(&request, parts(number));
        request.push_front("reply");
        rep.send(request).unwrap();
    }
}

fn send(socket: &mut AnySocket) {
    for number in 0..COUNT {
        socket.send(message(parts(number))).unwrap();
    }
}

fn receive(socket: &mut AnySocket) {
    for number in 0..COUNT {
        same(&socket.recv().unwrap(), parts(number));
    }
}

fn receive_and_send(socket: &mut AnySocket) {
    receive(socket);
    send(socket);
}

fn send_and_receive(socket: &mut AnySocket) {
    send(socket);
    receive(socket);
}

fn send_back(router: &mut AnySocket) {
    for number in 0..COUNT {
        let mut received = router.recv().unwrap();
        let from = received.pop_front().unwrap();
        assert_eq!(from, "dealer of theirs");
        same(&received, parts(number));
        received.push_front(from);
        router.send(received).unwrap();
    }
}

/// Every topic in turn, until the subscriber has gone through all of its changes.
fn publish(publisher: &mut AnySocket) {
    let deadline = Instant::now() + LONG;
    let mut number = 0usize;
    let written = |publisher: &mut AnySocket| publisher.stats().written;
    loop {
        for which in 0..4 {
            publisher.send(message(vec![topic(which), number.to_string().into_bytes()])).unwrap();
        }
        number += 1;
        let before = written(publisher);
        publisher.send("the end").unwrap();
        if written(publisher) > before {
            break;
        }
        assert!(Instant::now() < deadline, "the subscriber is not done");
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn subscribe(subscriber: &mut AnySocket) {
    subscriber.subscribe("a").unwrap();
    for round in 0..COUNT {
        let topic = topic(1 + round % 3);
        subscriber.subscribe(&topic).unwrap();
        while subscriber.recv().unwrap()[0] != topic {}
        assert!(subscriber.unsubscribe(&topic).unwrap());
        let mut absent = 0;
        while absent < 20 {
            absent = if subscriber.recv().unwrap()[0] == topic { 0 } else { absent + 1 };
        }
    }
}

fn follow_subscriptions(xpub: &mut AnySocket) {
    for number in 0..COUNT {
        let topic = [format!("{number} ").as_bytes(), &topic(number)].concat();
        same(&xpub.recv().unwrap(), vec![[&[1], &topic[..]].concat()]);
        xpub.send(message(vec![topic.clone(), body(number)])).unwrap();
        same(&xpub.recv().unwrap(), vec![[&[0], &topic[..]].concat()]);
    }
    same(&xpub.recv().unwrap(), vec![b"up".to_vec(), b"stream".to_vec()]);
}

fn change_subscriptions(xsub: &mut AnySocket) {
    for number in 0..COUNT {
        let topic = [format!("{number} ").as_bytes(), &topic(number)].concat();
        xsub.subscribe(&topic).unwrap();
        same(&xsub.recv().unwrap(), vec![topic.clone(), body(number)]);
        assert!(xsub.unsubscribe(&topic).unwrap());
    }
    xsub.send(message(vec![b"up".to_vec(), b"stream".to_vec()])).unwrap();
}
