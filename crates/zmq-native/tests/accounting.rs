//! Every message that is sent over a link that holds arrives once, in order and whole; and the books say so.

mod support;

use std::thread::JoinHandle;
use support::*;
use zmq::{Context, Endpoint, Frame, Message, Options};

/// A tenth without optimization, so that the whole suite stays short.
const MESSAGES: u64 = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };

/// One message: who sent it, which one it is, a filling that both determine, and a checksum. Most are small; some go
/// through every other path: beyond the inline size, beyond one read, in several frames.
fn message(sender: u32, number: u64) -> Message {
    let filling = match number % 10_000 {
        9_999 => 200_000,
        n if n % 1000 == 999 => 10_000,
        n if n % 10 == 9 => 100,
        n => (n % 10) as usize,
    };
    let mut body = Vec::with_capacity(20 + filling);
    body.extend(sender.to_be_bytes());
    body.extend(number.to_be_bytes());
    body.resize(12 + filling, (number % 251) as u8);
    body.extend(checksum(&body).to_be_bytes());
    if number % 100 == 50 {
        Message::from([Frame::from("one of two"), Frame::from(body)])
    } else {
        Message::from(body)
    }
}

/// The sender and the number of a message that is whole.
fn open(message: &Message) -> (u32, u64) {
    let body: &[u8] = &message[message.len() - 1];
    let (content, sum) = body.split_last_chunk::<8>().expect("a checksum");
    assert_eq!(u64::from_be_bytes(*sum), checksum(content), "a message is damaged");
    let sender = u32::from_be_bytes(content[..4].try_into().unwrap());
    let number = u64::from_be_bytes(content[4..12].try_into().unwrap());
    assert_eq!(message.len(), if number % 100 == 50 { 2 } else { 1 }, "a frame is missing");
    (sender, number)
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |sum: u64, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

/// The numbers of each sender must come as 0, 1, 2, ...
struct Ledger(Vec<u64>);

impl Ledger {
    fn enter(&mut self, message: &Message) {
        let (sender, number) = open(message);
        let next = &mut self.0[sender as usize];
        assert_eq!(number, *next, "sender {sender}: lost, doubled or out of order");
        *next += 1;
    }
}

fn send(context: &Context, to: &Endpoint, sender: u32, count: u64, options: &Options) -> JoinHandle<()> {
    let mut push = zmq::Push::with_options(context, options.clone()).unwrap();
    push.connect_to(to).unwrap();
    std::thread::spawn(move || {
        for number in 0..count {
            push.send(message(sender, number)).unwrap();
        }
        let stats = push.stats();
        assert_eq!((stats.sent, stats.written, stats.dropped.total()), (count, count, 0), "{stats:?}");
        until("everything is delivered", || push.stats().delivered == count);
        assert_eq!(push.stats().queued, 0);
    })
}

fn account(wild: &str, senders: u32, messages: u64, set: impl FnOnce(&mut Options)) {
    let mut options = Options::default();
    set(&mut options);
    let context = context();
    let mut pull = zmq::Pull::with_options(&context, options.clone()).unwrap();
    let bound = pull.bind_to(wild).unwrap();
    let each = messages / u64::from(senders);
    let threads: Vec<_> = (0..senders).map(|sender| send(&context, &bound, sender, each, &options)).collect();
    let mut ledger = Ledger(vec![0; senders as usize]);
    for _ in 0..each * u64::from(senders) {
        ledger.enter(&pull.recv_timeout(LONG).unwrap());
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ledger.0, vec![each; senders as usize]);
    assert!(pull.try_recv().is_err(), "there is one too many");
    let stats = pull.stats();
    assert_eq!((stats.received, stats.unread), (each * u64::from(senders), 0), "{stats:?}");
}

#[test]
fn account_pushpull_inproc() {
    account("inproc://*", 1, MESSAGES, |_| {});
}

#[test]
fn account_pushpull_ipc() {
    account("ipc://*", 1, MESSAGES, |_| {});
}

#[test]
fn account_pushpull_tcp() {
    account("tcp://127.0.0.1:*", 1, MESSAGES, |_| {});
}

#[test]
fn account_pushpull_several_senders() {
    for wild in ENDPOINTS {
        account(wild, 4, MESSAGES / 5, |_| {});
    }
}

/// Where every wait and wake-up is on the way of nearly every message.
#[test]
fn account_pushpull_high_water_mark_of_one() {
    for wild in ENDPOINTS {
        account(wild, 2, MESSAGES / 50, |options| (options.send_hwm, options.recv_hwm) = (1, 1));
    }
}

#[test]
fn account_pushpull_without_high_water_mark() {
    for wild in ENDPOINTS {
        account(wild, 1, MESSAGES / 20, |options| (options.send_hwm, options.recv_hwm) = (0, 0));
    }
}

/// There and back through a router that answers as it likes.
#[test]
fn account_dealer_router() {
    for wild in ENDPOINTS {
        let context = context();
        let mut router = zmq::Router::new_in(&context).unwrap();
        let bound = router.bind_to(wild).unwrap();
        let count = MESSAGES / 20;
        let clients: Vec<_> = (0..2)
            .map(|sender| {
                let dealer = zmq::Dealer::builder_in(&context).connect(&bound).unwrap();
                let (mut tx, mut rx) = dealer.split().unwrap();
                std::thread::spawn(move || {
                    let sending = std::thread::spawn(move || {
                        (0..count).for_each(|number| tx.send(message(sender, number)).unwrap());
                        // Kept, so that it is not this half that ends the socket.
                        tx
                    });
                    let mut ledger = Ledger(vec![0; 2]);
                    for _ in 0..count {
                        ledger.enter(&rx.recv_timeout(LONG).unwrap());
                    }
                    assert_eq!(ledger.0[sender as usize], count);
                    drop(sending.join().unwrap());
                })
            })
            .collect();
        for _ in 0..2 * count {
            let (from, message) = router.recv_from().unwrap();
            router.send_to(from, message).unwrap();
        }
        for client in clients {
            client.join().unwrap();
        }
    }
}

/// Copies sent into an inproc name that nobody is bound to wait, and are delivered when somebody is.
#[test]
fn what_waits_for_an_inproc_name_is_queued() {
    let context = context();
    let mut push = zmq::Push::builder_in(&context).connect("inproc://later").unwrap();
    let balance = |push: &mut zmq::Push| {
        let stats = push.stats();
        assert_eq!(stats.written, stats.delivered + stats.queued + stats.dropped.total(), "{stats:?}");
        (stats.delivered, stats.queued, stats.dropped.disconnected)
    };
    for number in 0..10_u32 {
        push.send(number.to_be_bytes()).unwrap();
    }
    assert_eq!(balance(&mut push), (0, 10, 0));
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    pull.bind_to("inproc://later").unwrap();
    assert_eq!(balance(&mut push), (10, 0, 0));
    push.send(10_u32.to_be_bytes()).unwrap();
    assert_eq!(balance(&mut push), (11, 0, 0));
    for number in 0..11_u32 {
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
    }

    let mut given_up = zmq::Push::builder_in(&context).connect("inproc://never").unwrap();
    given_up.send("x").unwrap();
    given_up.disconnect("inproc://never").unwrap();
    assert_eq!(balance(&mut given_up), (0, 0, 1));
    assert!(given_up.try_send("y").is_err());

    // What it was subscribed to when it connected counts as sent by nobody.
    let mut sub = zmq::Sub::builder_in(&context).subscribe("a").connect("inproc://never").unwrap();
    sub.subscribe("b").unwrap();
    sub.disconnect("inproc://never").unwrap();
    let stats = sub.stats();
    assert_eq!((stats.written, stats.queued, stats.dropped.disconnected), (1, 0, 1), "{stats:?}");
}

/// The binder takes the name while the other side sends: each message is counted once.
#[test]
fn what_waits_for_an_inproc_name_is_counted_once() {
    for round in 0..200 {
        let context = context();
        let mut push = zmq::Push::builder_in(&context).send_hwm(0usize).connect("inproc://later").unwrap();
        let other = context.clone();
        let binder = std::thread::spawn(move || {
            let mut pull = zmq::Pull::builder_in(&other).recv_hwm(0usize).build().unwrap();
            pull.bind_to("inproc://later").unwrap();
            pull
        });
        for _ in 0..1000 {
            push.send("x").unwrap();
        }
        drop(binder.join().unwrap());
        let stats = push.stats();
        assert_eq!(
            (stats.delivered, stats.queued, stats.dropped.total()),
            (1000, 0, 0),
            "{round}: {stats:?}"
        );
    }
}

/// Subscriptions and messages that waited for the connection are on the books as what is sent over it.
#[test]
fn what_waits_for_a_publisher_is_delivered_with_its_connection() {
    for wild in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = context();
        let mut xpub = zmq::XPub::new_in(&context).unwrap();
        let mut xsub = zmq::XSub::new_in(&context).unwrap();
        xsub.connect_to(xpub.bind_to(wild).unwrap()).unwrap();
        xsub.subscribe("news").unwrap();
        xsub.send("to the publisher").unwrap();
        xsub.subscribe("weather").unwrap();
        xsub.unsubscribe("weather").unwrap();
        let mut messages = 0;
        while messages == 0 {
            let message = xpub.recv_timeout(LONG).unwrap();
            messages += usize::from(message.as_str() == Ok("to the publisher"));
        }
        until("everything is delivered", || xsub.stats().delivered == xsub.stats().written);
        let stats = xsub.stats();
        assert_eq!((stats.written, stats.queued, stats.dropped.total()), (4, 0, 0), "{wild}: {stats:?}");
    }
}
