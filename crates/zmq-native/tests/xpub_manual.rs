//! XPUB that decides for its peers, and greets them (PS8).

use std::time::Duration;

const LONG: Duration = Duration::from_secs(10);

#[test]
fn ps8_manual_subscriptions_are_for_the_last_peer() {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*", "inproc://*"] {
        let mut xpub = zmq::XPub::builder().xpub_manual(true).bind(endpoint).unwrap();
        let bound = xpub.last_endpoint().unwrap();
        let mut one = zmq::Sub::builder().subscribe("A").connect(&bound).unwrap();
        assert_eq!(xpub.recv_timeout(LONG).unwrap(), "\u{1}A".into(), "{endpoint}");
        one.subscribe("B").unwrap();
        assert!(xpub.subscribe_last_peer("B").unwrap());
        assert_eq!(xpub.recv_timeout(LONG).unwrap(), "\u{1}B".into());
        let mut other = zmq::Sub::builder().subscribe("A").connect(&bound).unwrap();
        assert_eq!(xpub.recv_timeout(LONG).unwrap(), "\u{1}A".into());
        assert!(xpub.subscribe_last_peer("A").unwrap());
        // Only what the application decided counts.
        assert_eq!(xpub.publish("A1").unwrap().matched, 1);
        assert_eq!(xpub.publish("B1").unwrap().matched, 1);
        assert_eq!(one.recv_timeout(LONG).unwrap(), "B1".into());
        assert_eq!(other.recv_timeout(LONG).unwrap(), "A1".into());
        assert!(xpub.unsubscribe_last_peer("A").unwrap());
        assert!(!xpub.unsubscribe_last_peer("A").unwrap());
        assert_eq!(xpub.publish("A2").unwrap().matched, 0);
    }
}

#[test]
fn ps8_welcome_comes_first() {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*", "inproc://*"] {
        let welcome = bytes_of("W hello");
        let mut xpub = zmq::XPub::builder().xpub_welcome_message(Some(welcome)).bind(endpoint).unwrap();
        let bound = xpub.last_endpoint().unwrap();
        let mut sub = zmq::Sub::builder().subscribe("").connect(&bound).unwrap();
        xpub.wait_for_subscribers(1, LONG).unwrap();
        xpub.send("news").unwrap();
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "W hello".into(), "{endpoint}");
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "news".into());
    }
}

#[test]
fn a_plain_xpub_does_not_subscribe_for_its_peers() {
    let mut xpub = zmq::XPub::new().unwrap();
    assert!(matches!(xpub.subscribe_last_peer("A"), Err(zmq::Error::State { .. })));
}

fn bytes_of(text: &'static str) -> zmq::Bytes {
    zmq::Bytes::from_static(text.as_bytes())
}
