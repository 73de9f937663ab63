//! A receiver that does not keep up is no reason to take its sender for dead.

mod support;

use std::time::{Duration, Instant};
use support::*;

#[test]
fn heartbeats_bear_a_receiver_that_is_full() {
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        let beat = Some(Duration::from_millis(20));
        let mut pull = zmq::Pull::builder().recv_hwm(1usize).heartbeat_interval(beat).bind(endpoint).unwrap();
        let mut push = zmq::Push::connect(pull.last_endpoint().unwrap()).unwrap();
        const COUNT: u32 = 2000;
        for number in 0..COUNT / 2 {
            push.send(number.to_be_bytes()).unwrap();
        }
        assert_eq!(pull.recv_timeout(Duration::from_secs(10)).unwrap()[0], 0u32.to_be_bytes());
        // Many intervals pass with the pipe full and bytes waiting behind it.
        std::thread::sleep(Duration::from_millis(300));
        for number in COUNT / 2..COUNT {
            push.send(number.to_be_bytes()).unwrap();
            let due = number - COUNT / 2 + 1;
            assert_eq!(
                pull.recv_timeout(Duration::from_secs(10)).unwrap()[0],
                due.to_be_bytes(),
                "{endpoint}"
            );
        }
        for number in COUNT / 2 + 1..COUNT {
            assert_eq!(
                pull.recv_timeout(Duration::from_secs(10)).unwrap()[0],
                number.to_be_bytes(),
                "{endpoint}"
            );
        }
        assert_eq!((pull.stats().connections, pull.stats().dropped.total()), (1, 0));
    }
}

/// The pipe is full and nothing that was read waits: what the peer said lies with the system, unread.
#[test]
fn heartbeats_bear_a_receiver_that_is_full_to_the_last_byte() {
    let mut pull =
        zmq::Pull::builder().recv_hwm(2usize).heartbeat_interval(ms(20)).bind("tcp://127.0.0.1:0").unwrap();
    let mut raw = Raw::peer(&pull.last_endpoint().unwrap(), "PUSH");
    // Each is read for itself, until one is not read at all.
    let mut sent = 0;
    loop {
        let read = pull.stats().bytes_received;
        raw.send(&frame(0, &[sent]));
        sent += 1;
        let started = Instant::now();
        while pull.stats().bytes_received == read && started.elapsed() < ms(200) {
            std::thread::sleep(ms(1));
        }
        if pull.stats().bytes_received == read {
            break;
        }
    }
    assert!(sent < 10, "the pipe holds {sent}");
    for _ in 0..60 {
        raw.send(&frame(4, b"\x04PONG"));
        std::thread::sleep(ms(5));
    }
    for number in 0..sent {
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], [number]);
    }
    assert_eq!((pull.stats().connections, pull.stats().queued), (1, 0));
}

/// What the system holds for a receiver that has not read it yet outlives the socket that sent it, as long as its
/// linger allows, and whatever the receiver says meanwhile.
#[test]
fn a_socket_that_is_gone_waits_for_a_receiver_that_is_late() {
    const COUNT: u32 = 40;
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        let mut late =
            zmq::Dealer::builder().recv_hwm(1usize).recv_buffer(16 * 1024usize).bind(endpoint).unwrap();
        let context = context();
        let mut gone = zmq::Dealer::builder_in(&context)
            .linger(None)
            .send_buffer(256 * 1024usize)
            .connect(late.last_endpoint().unwrap())
            .unwrap();
        for number in 0..COUNT {
            gone.send_timeout([&number.to_be_bytes()[..], &[0; 20_000]].concat(), LONG).unwrap();
        }
        drop(gone);
        for number in 0..COUNT {
            if number == COUNT - 15 {
                // All the rest is with the system by now. What is said to a connection that is closed ends it.
                std::thread::sleep(ms(1500));
                for _ in 0..3 {
                    late.send_timeout("I am late", LONG).unwrap();
                    std::thread::sleep(ms(10));
                }
            }
            let message =
                late.recv_timeout(LONG).unwrap_or_else(|error| panic!("{endpoint} {number}: {error}"));
            assert_eq!(message[0][..4], number.to_be_bytes(), "{endpoint}");
        }
        context.wait_for_sends(LONG).unwrap();
    }
}

/// A peer that has gone does not take with it what it said before, although nothing can be said to it any more.
#[test]
fn a_write_that_fails_loses_nothing_that_has_arrived() {
    const COUNT: u32 = 50;
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        let mut slow = zmq::Dealer::builder().recv_hwm(1usize).bind(endpoint).unwrap();
        let mut brief = zmq::Dealer::connect(slow.last_endpoint().unwrap()).unwrap();
        for number in 0..COUNT {
            brief.send_timeout([&number.to_be_bytes()[..], &[0; 2000]].concat(), LONG).unwrap();
        }
        until("everything is with the system", || brief.stats().delivered == u64::from(COUNT));
        drop(brief);
        // It has stopped waiting for an end of this side; what is written now, the system refuses.
        std::thread::sleep(ms(700));
        for _ in 0..5 {
            let _ = slow.try_send("too late");
            std::thread::sleep(ms(20));
        }
        for number in 0..COUNT {
            let message =
                slow.recv_timeout(LONG).unwrap_or_else(|error| panic!("{endpoint} {number}: {error}"));
            assert_eq!(message[0][..4], number.to_be_bytes(), "{endpoint}");
        }
    }
}

/// Who sends large messages stays with them as long as they move on, and no longer: what a peer does not take waits in
/// the pipe, as always.
#[test]
fn large_messages_wait_in_the_pipe_for_a_receiver_that_takes_none() {
    const COUNT: u32 = 200;
    for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
        let mut pull = zmq::Pull::builder().recv_hwm(1usize).bind(endpoint).unwrap();
        let mut push =
            zmq::Push::builder().send_hwm(COUNT as usize).connect(pull.last_endpoint().unwrap()).unwrap();
        for number in 0..COUNT {
            push.send_timeout([&number.to_be_bytes()[..], &[1; 100_000]].concat(), LONG).unwrap();
        }
        let stats = push.stats();
        assert_eq!((stats.sent, stats.written), (u64::from(COUNT), u64::from(COUNT)), "{endpoint}");
        assert!(stats.queued > u64::from(COUNT) / 4, "{endpoint}: nobody took them: {stats:?}");
        // The rest goes out although this socket is not used meanwhile.
        for number in 0..COUNT {
            assert_eq!(pull.recv_timeout(LONG).unwrap()[0][..4], number.to_be_bytes(), "{endpoint}");
        }
    }
}

/// Its peer hears PINGs meanwhile, from which it can tell that it is slow and not dead: what it is asked it leaves unread.
#[test]
fn a_receiver_that_is_full_goes_on_with_its_own_heartbeats() {
    let mut pull = zmq::Pull::builder()
        .recv_hwm(1usize)
        .heartbeat_interval(ms(20))
        .heartbeat_ttl(LONG)
        .bind("tcp://127.0.0.1:0")
        .unwrap();
    let mut raw = Raw::connect(&pull.last_endpoint().unwrap());
    let messages: Vec<_> = (0..100).flat_map(|number| frame(0, &[number])).collect();
    raw.send(&[&greeting(), &ready("PUSH")[..], &messages].concat());
    raw.skip_greeting();
    assert_eq!(raw.frame().0, 4, "READY");
    let ping = (4, b"\x04PING\x01\x2c".to_vec());
    for _ in 0..10 {
        assert_eq!(raw.frame(), ping);
    }
    // It never answers, and is blamed for nothing.
    for number in 0..100 {
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], [number]);
    }
    assert_eq!(pull.stats().connections, 1);
    // From now on it is.
    let mut monitor = pull.monitor().unwrap();
    assert!(fault(&mut monitor).contains("PING"));
}
