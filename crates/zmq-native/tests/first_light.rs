//! Each pattern over each transport, once.

use std::time::Duration;

const LONG: Duration = Duration::from_secs(10);

fn endpoints() -> [&'static str; 3] {
    ["tcp://127.0.0.1:0", "ipc://*", "inproc://*"]
}

#[test]
fn request_reply() {
    for endpoint in endpoints() {
        let mut rep = zmq::Rep::new().unwrap();
        let bound = rep.bind_to(endpoint).unwrap();
        let mut req = zmq::Req::connect(&bound).unwrap();
        let server = std::thread::spawn(move || {
            for _ in 0..100 {
                let (request, reply) = rep.recv_request().unwrap();
                assert_eq!(request.as_str(), Ok("Hello"));
                reply.send("World").unwrap();
            }
        });
        for _ in 0..100 {
            assert_eq!(req.request_timeout("Hello", LONG).unwrap().as_str(), Ok("World"), "{endpoint}");
        }
        server.join().unwrap();
    }
}

#[test]
fn push_pull_in_order() {
    for endpoint in endpoints() {
        for size in [0, 1, 64, 255, 256, 5000, 100_000] {
            let count: u32 = if size > 1000 { 300 } else { 20_000 };
            let mut pull = zmq::Pull::new().unwrap();
            let bound = pull.bind_to(endpoint).unwrap();
            let sender = std::thread::spawn(move || {
                let mut push = zmq::Push::connect(&bound).unwrap();
                for number in 0..count {
                    push.send((number.to_be_bytes(), vec![7; size])).unwrap();
                }
            });
            for number in 0..count {
                let message = pull.recv_timeout(LONG).unwrap();
                assert_eq!(message[0], number.to_be_bytes(), "{endpoint} {size}");
                assert_eq!(message[1].len(), size);
            }
            sender.join().unwrap();
        }
    }
}

#[test]
fn publish_subscribe() {
    for endpoint in endpoints() {
        let mut publisher = zmq::Pub::new().unwrap();
        let bound = publisher.bind_to(endpoint).unwrap();
        let mut sub = zmq::Sub::builder().subscribe("b").connect(&bound).unwrap();
        publisher.wait_for_subscribers(1, LONG).unwrap();
        assert_eq!(publisher.publish("a1").unwrap(), zmq::Published { matched: 0, dropped: 0 });
        assert_eq!(publisher.publish("b1").unwrap(), zmq::Published { matched: 1, dropped: 0 });
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "b1".into());
        sub.unsubscribe("b").unwrap();
        sub.subscribe("c").unwrap();
        while publisher.publish("c1").unwrap().matched == 0 {
            std::thread::sleep(Duration::from_millis(1));
            let _ = publisher.publish("b2");
        }
        let message = loop {
            let message = sub.recv_timeout(LONG).unwrap();
            if message.as_str() != Ok("b2") {
                break message;
            }
        };
        assert_eq!(message, "c1".into());
    }
}

#[test]
fn dealer_router() {
    for endpoint in endpoints() {
        let mut router = zmq::Router::new().unwrap();
        let bound = router.bind_to(endpoint).unwrap();
        let mut dealer = zmq::Dealer::builder().routing_id("bob").connect(&bound).unwrap();
        dealer.send(["x", "y"]).unwrap();
        let (from, message) = router.recv_from().unwrap();
        assert_eq!((&*from, message.len()), (&b"bob"[..], 2));
        router.send_to(from, "back").unwrap();
        assert_eq!(dealer.recv_timeout(LONG).unwrap(), "back".into());
        assert!(matches!(router.send_to("eve", "x").unwrap_err().error, zmq::Error::Unroutable { .. }));
    }
}

#[test]
fn pair_split() {
    for endpoint in endpoints() {
        let mut one = zmq::Pair::new().unwrap();
        let bound = one.bind_to(endpoint).unwrap();
        let other = zmq::Pair::connect(&bound).unwrap();
        let (mut tx, mut rx) = other.split().unwrap();
        let echo = std::thread::spawn(move || {
            for _ in 0..1000 {
                tx.send(rx.recv_timeout(LONG).unwrap()).unwrap();
            }
        });
        for number in 0..1000u32 {
            one.send(number.to_be_bytes()).unwrap();
            assert_eq!(one.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
        }
        echo.join().unwrap();
    }
}
