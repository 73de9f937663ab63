//! Who may come in: mechanisms and authenticators on sockets.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::*;
use zmq::security::{Authenticator, Claim, Plain, Verdict};
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
        push.send("let me in").unwrap();
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
