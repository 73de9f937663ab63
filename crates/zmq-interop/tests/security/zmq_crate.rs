//! Against libzmq in this process: PLAIN, and NULL in a ZAP domain, with handlers of either library.

use std::thread::JoinHandle;
use std::time::Duration;
use zmq::security::{Authenticator, Plain, ZAP_ENDPOINT};
use zmq::{Dealer, Event, Options};

const LONG: Duration = Duration::from_secs(20);
const LONG_MS: i32 = 20_000;

/// A ZAP handler of libzmq's own kind: a REP in `context`, which admits whoever shows `password`, or is NULL.
fn handler(context: &libzmq::Context, count: usize) -> JoinHandle<Vec<Vec<Vec<u8>>>> {
    let rep = context.socket(libzmq::REP).unwrap();
    rep.set_rcvtimeo(LONG_MS).unwrap();
    rep.bind(ZAP_ENDPOINT).unwrap();
    std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..count {
            let question = rep.recv_multipart(0).unwrap();
            let admitted =
                question[5] == b"NULL" || question.get(7).is_some_and(|password| password == b"apple");
            let status: &[u8] = if admitted { b"200" } else { b"400" };
            rep.send_multipart([b"1.0", &question[1][..], status, b"", b"ann", b""], 0).unwrap();
            asked.push(question);
        }
        asked
    })
}

fn ours(change: impl FnOnce(&mut Options)) -> Dealer {
    let mut options = Options::default();
    (options.send_timeout, options.recv_timeout) = (Some(LONG), Some(LONG));
    change(&mut options);
    Dealer::with_options(&zmq::context().unwrap(), options).unwrap()
}

fn theirs(context: &libzmq::Context) -> libzmq::Socket {
    let socket = context.socket(libzmq::DEALER).unwrap();
    socket.set_rcvtimeo(LONG_MS).unwrap();
    socket.set_sndtimeo(LONG_MS).unwrap();
    socket.set_linger(0).unwrap();
    socket
}

fn exchange(ours: &mut Dealer, theirs: &libzmq::Socket) {
    for size in [0, 1, 255, 256, 70_000] {
        let body = vec![7_u8; size];
        ours.send(vec![body.clone(), b"end".to_vec()]).unwrap();
        assert!(theirs.recv_multipart(0).unwrap() == [body.clone(), b"end".to_vec()]);
        theirs.send_multipart([&body[..], b"end"], 0).unwrap();
        assert!(ours.recv().unwrap() == zmq::Message::from(vec![body, b"end".to_vec()]));
    }
}

#[test]
fn their_plain_server_and_our_client() {
    let context = libzmq::Context::new();
    let handler = handler(&context, 2);
    let server = theirs(&context);
    server.set_plain_server(true).unwrap();
    server.set_zap_domain("fruit").unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let bound = server.get_last_endpoint().unwrap().unwrap();

    let mut stranger = ours(|options| options.security = Plain::client("ann", "pear").unwrap().into());
    let mut monitor = stranger.monitor().unwrap();
    stranger.connect_to(&bound).unwrap();
    let failed = std::iter::from_fn(|| monitor.next_timeout(Some(LONG)))
        .find_map(|event| match event {
            Event::HandshakeFailed { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .expect("a failed handshake");
    assert!(failed.contains("\"400\""), "{failed}");

    let mut client = ours(|options| options.security = Plain::client("ann", "apple").unwrap().into());
    client.connect_to(&bound).unwrap();
    exchange(&mut client, &server);
    let asked = handler.join().unwrap();
    assert_eq!(asked[1][5..], [b"PLAIN".to_vec(), b"ann".to_vec(), b"apple".to_vec()]);
}

#[test]
fn our_plain_server_and_their_client() {
    let mut server = ours(|options| {
        options.security = Plain::server().into();
        options.authenticator = Some(Authenticator::passwords([("ann", "apple")]));
    });
    let mut monitor = server.monitor().unwrap();
    let bound = server.bind_to("tcp://127.0.0.1:*").unwrap();
    let context = libzmq::Context::new();
    let connect = |password| {
        let client = theirs(&context);
        client.set_plain_username(Some("ann")).unwrap();
        client.set_plain_password(Some(password)).unwrap();
        client.connect(bound.as_str()).unwrap();
        client
    };
    let _stranger = connect("pear");
    let failed = std::iter::from_fn(|| monitor.next_timeout(Some(LONG)))
        .find_map(|event| match event {
            Event::HandshakeFailed { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .expect("a failed handshake");
    assert!(failed.contains("status 400"), "{failed}");
    exchange(&mut server, &connect("apple"));
}

#[test]
fn null_in_a_zap_domain() {
    let context = libzmq::Context::new();
    let handler = handler(&context, 1);
    let server = theirs(&context);
    server.set_zap_domain("global").unwrap();
    server.bind("tcp://127.0.0.1:*").unwrap();
    let mut client = ours(|_| {});
    client.connect_to(server.get_last_endpoint().unwrap().unwrap()).unwrap();
    exchange(&mut client, &server);
    let theirs_asked = handler.join().unwrap();

    // The same question from us.
    let ours_context = zmq::context_builder().build().unwrap();
    let mut rep = zmq::Rep::builder_in(&ours_context).recv_timeout(LONG).bind(ZAP_ENDPOINT).unwrap();
    let judge = std::thread::spawn(move || {
        let question = rep.recv().unwrap();
        rep.send(["1.0", "1", "200", "", "ann", ""]).unwrap();
        question.iter().map(|frame| frame.to_vec()).collect::<Vec<_>>()
    });
    let mut options = Options::default();
    (options.send_timeout, options.recv_timeout) = (Some(LONG), Some(LONG));
    options.authenticator = Some(Authenticator::zap("global"));
    let mut server = Dealer::with_options(&ours_context, options).unwrap();
    let bound = server.bind_to("tcp://127.0.0.1:*").unwrap();
    let client = theirs(&context);
    client.connect(bound.as_str()).unwrap();
    exchange(&mut server, &client);
    assert_eq!(judge.join().unwrap(), theirs_asked[0]);
}
