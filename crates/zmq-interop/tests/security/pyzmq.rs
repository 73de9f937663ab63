//! Against pyzmq: every mechanism, both roles, either side bound, right and wrong credentials.

use crate::process::{How, LONG, Process, bounded, python, run};
use std::ffi::OsString;
use std::path::PathBuf;
use zmq::curve::{Certificate, Curve, KeyPair};
use zmq::security::{Authenticator, Claim, Plain};
use zmq::{Dealer, Event, Message, Monitor, Options};

const MECHANISMS: [&str; 3] = ["NULL", "PLAIN", "CURVE"];

/// The keys of either side, and a directory with the certificate of the client that may come in.
struct Keys {
    server: KeyPair,
    client: KeyPair,
    allowed: PathBuf,
}

impl Keys {
    fn new(name: &str) -> Keys {
        let (server, client) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let allowed = std::env::temp_dir().join(format!("zmq-allowed-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&allowed).unwrap();
        Certificate::new(&client).save(allowed.join("client.key")).unwrap();
        Keys { server, client, allowed }
    }

    /// Their socket.
    fn theirs(&self, mechanism: &str, server: bool) -> How {
        let (own, other) = if server { (&self.server, &self.client) } else { (&self.client, &self.server) };
        How::new(mechanism, server)
            .with("username", "ann")
            .with("password", "apple")
            .with("public", own.public())
            .with("secret", own.secret().to_z85().as_str())
            .with("server_key", other.public())
            .with("allowed", self.allowed.display())
    }

    /// Ours, which belongs.
    fn ours(&self, mechanism: &str, server: bool) -> Options {
        let mut options = options();
        match (mechanism, server) {
            ("PLAIN", true) => {
                options.security = Plain::server().into();
                options.authenticator = Some(Authenticator::passwords([("ann", "apple")]));
            }
            ("PLAIN", false) => options.security = Plain::client("ann", "apple").unwrap().into(),
            ("CURVE", true) => {
                options.security = Curve::server(&self.server).into();
                options.authenticator = Some(Authenticator::keys([self.client.public()]));
            }
            ("CURVE", false) => options.security = Curve::client(&self.client, self.server.public()).into(),
            (_, true) => {
                options.authenticator = Some(Authenticator::new(|claim: &Claim| claim.mechanism() == "NULL"))
            }
            _ => {}
        }
        options
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.allowed);
    }
}

fn options() -> Options {
    let mut options = Options::default();
    (options.send_timeout, options.recv_timeout) = (Some(LONG), Some(LONG));
    options
}

fn dealer(options: Options) -> Dealer {
    Dealer::with_options(&zmq::context().unwrap(), options).unwrap()
}

/// Messages of every size that is sealed in another way, alone and together, and back.
fn exchange(socket: &mut Dealer) {
    let sizes = [0, 1, 37, 38, 70, 71, 221, 222, 223, 255, 256, 8192, 65_535, 65_536, 1 << 20];
    let body = |size: &usize| (0..*size).map(|index| (index * 7 + size) as u8).collect::<Vec<u8>>();
    let mut all: Vec<Message> = sizes.iter().map(|size| Message::from(body(size))).collect();
    all.push(Message::from(sizes.iter().map(body).collect::<Vec<_>>()));
    all.push(Message::from(["", "", ""]));
    for message in &all {
        socket.send(message.clone()).unwrap();
    }
    for message in &all {
        assert!(socket.recv().unwrap() == *message, "{} bytes", message.body().len());
    }
    // Many small ones: several in one read, some cut.
    for _ in 0..10 {
        (0..100).for_each(|number| socket.send(format!("{number}")).unwrap());
        (0..100).for_each(|number| assert_eq!(socket.recv().unwrap(), format!("{number}").into()));
    }
}

/// Waits for a handshake that fails, and tells why.
fn refusal(monitor: &mut Monitor) -> String {
    loop {
        match monitor.next_timeout(Some(LONG)).expect("no handshake failed") {
            Event::HandshakeFailed { reason, .. } => return reason.to_string(),
            Event::HandshakeSucceeded { .. } => panic!("it came in"),
            _ => {}
        }
    }
}

#[test]
fn who_belongs_comes_in() {
    if let Some(python) = python() {
        bounded(move || who_belongs_comes_in_of(&python));
    }
}

fn who_belongs_comes_in_of(python: &OsString) {
    let keys = Keys::new("belongs");
    for mechanism in MECHANISMS {
        for we_serve in [true, false] {
            for we_bind in [true, false] {
                println!("{mechanism}, we are the server: {we_serve}, we bind: {we_bind}");
                let mut socket = dealer(keys.ours(mechanism, we_serve));
                let theirs = keys.theirs(mechanism, !we_serve);
                let peer = if we_bind {
                    let bound = socket.bind_to("tcp://127.0.0.1:*").unwrap();
                    Process::start(python, theirs, "echo", "connect", bound.as_str())
                } else {
                    let peer = Process::start(python, theirs, "echo", "bind", "tcp://127.0.0.1:*");
                    socket.connect_to(&peer.endpoint).unwrap();
                    peer
                };
                exchange(&mut socket);
                peer.finish();
            }
        }
    }
}

#[test]
fn our_server_keeps_theirs_out() {
    if let Some(python) = python() {
        bounded(move || our_server_keeps_theirs_out_of(&python));
    }
}

fn our_server_keeps_theirs_out_of(python: &OsString) {
    let keys = Keys::new("ours");
    let stranger = KeyPair::generate().unwrap();
    let stranger_keys =
        |how: How| how.with("public", stranger.public()).with("secret", stranger.secret().to_z85().as_str());
    let cases: [(&str, How, &str, &str); 3] = [
        // libzmq misspells the ERROR of PLAIN, and understands no other.
        ("PLAIN", keys.theirs("PLAIN", false).with("password", "pear"), "status 400", "FAILED_PROTOCOL"),
        ("CURVE", stranger_keys(keys.theirs("CURVE", false)), "status 400", "FAILED_AUTH 400"),
        // A client that was told another server's key: nobody tells it anything.
        (
            "CURVE",
            keys.theirs("CURVE", false).with("server_key", stranger.public()),
            "other keys",
            "FAILED_NO_DETAIL",
        ),
    ];
    for (mechanism, theirs, we_say, they_say) in cases {
        println!("{mechanism}: {we_say}");
        let mut socket = dealer(keys.ours(mechanism, true));
        let mut monitor = socket.monitor().unwrap();
        let bound = socket.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut peer = Process::start(python, theirs, "refused", "connect", bound.as_str());
        let refused = refusal(&mut monitor);
        assert!(refused.contains(we_say), "{refused}");
        let told = peer.line();
        assert!(told.contains(they_say), "{told}");
        peer.finish();
    }
}

#[test]
fn their_server_keeps_ours_out() {
    if let Some(python) = python() {
        bounded(move || their_server_keeps_ours_out_of(&python));
    }
}

fn their_server_keeps_ours_out_of(python: &OsString) {
    let keys = Keys::new("theirs");
    let stranger = KeyPair::generate().unwrap();
    let with = |security: zmq::security::Security| {
        let mut options = options();
        options.security = security;
        options
    };
    let refused = "refused the connection: \"400\"";
    let cases: [(How, Options, &str); 4] = [
        (keys.theirs("NULL", true).with("denied", "yes"), options(), refused),
        (keys.theirs("PLAIN", true), with(Plain::client("ann", "pear").unwrap().into()), refused),
        (keys.theirs("CURVE", true), with(Curve::client(&stranger, keys.server.public()).into()), refused),
        (keys.theirs("CURVE", true), with(Curve::client(&keys.client, stranger.public()).into()), "closed"),
    ];
    for (theirs, ours, reason) in cases {
        let peer = Process::start(python, theirs, "echo", "bind", "tcp://127.0.0.1:*");
        let mut socket = dealer(ours);
        let mut monitor = socket.monitor().unwrap();
        socket.connect_to(&peer.endpoint).unwrap();
        let why = refusal(&mut monitor);
        assert!(why.contains(reason), "{why}, not {reason}");
        peer.finish();
    }
}

#[test]
fn a_server_that_comes_back_is_talked_to_again() {
    if let Some(python) = python() {
        bounded(move || a_server_that_comes_back_is_talked_to_again_of(&python));
    }
}

fn a_server_that_comes_back_is_talked_to_again_of(python: &OsString) {
    let keys = Keys::new("again");
    let mut options = keys.ours("CURVE", false);
    options.reconnect_interval = Some(std::time::Duration::from_millis(20));
    let mut socket = dealer(options);
    let mut endpoint = "tcp://127.0.0.1:*".to_owned();
    for round in 0..3 {
        let peer = Process::start(python, keys.theirs("CURVE", true), "echo", "bind", &endpoint);
        if round == 0 {
            socket.connect_to(&peer.endpoint).unwrap();
            endpoint.clone_from(&peer.endpoint);
        }
        exchange(&mut socket);
        // Killed, in the middle of everything.
        drop(peer);
    }
}

#[test]
fn certificates_are_read_by_either() {
    if let Some(python) = python() {
        bounded(move || certificates_are_read_by_either_of(&python));
    }
}

fn certificates_are_read_by_either_of(python: &OsString) {
    let directory = std::env::temp_dir().join(format!("zmq-certificates-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    run(python, &["--create", directory.to_str().unwrap(), "theirs"]);
    let theirs = Certificate::load(directory.join("theirs.key_secret")).unwrap();
    let public = Certificate::load(directory.join("theirs.key")).unwrap();
    assert_eq!(theirs.keys().unwrap().public(), public.public());
    assert!(public.keys().is_none());
    assert_eq!(theirs.metadata(), [("name".to_owned(), "somebody".to_owned())]);

    let ours = KeyPair::generate().unwrap();
    let path = directory.join("ours.key");
    Certificate::new(&ours).with_metadata("name", "us").unwrap().save(&path).unwrap();
    assert_eq!(run(python, &["--load", path.to_str().unwrap()]), ours.public().to_string());
    let secret = format!("{}_secret", path.display());
    let expected = format!("{} {}", ours.public(), ours.secret().to_z85().as_str());
    assert_eq!(run(python, &["--load", &secret]), expected);
    std::fs::remove_dir_all(directory).unwrap();
}
