//! Deadlines, in virtual time.

use crate::common::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zmq_core::zmtp::{Config, Engine, ProtocolError};
use zmq_core::{Message, SocketType};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn beating(interval: u64, timeout: Option<u64>, ttl: Option<u64>) -> Config {
    Config {
        heartbeat_interval: Some(ms(interval)),
        heartbeat_timeout: timeout.map(ms),
        heartbeat_ttl: ttl.map(ms),
        ..config(SocketType::Pull)
    }
}

#[test]
fn the_handshake_has_one_deadline() {
    let start = Instant::now();
    let config = Config { handshake_timeout: Some(ms(100)), ..config(SocketType::Pull) };
    let stream = [greeting(1), ready("PUSH")].concat();
    for cut in [0, 1, 10, 32, 63, 64, 70, stream.len() - 1] {
        let mut engine = Engine::new(Arc::new(config.clone()), start);
        assert_eq!(engine.poll_timeout(), Some(start + ms(100)));
        for (i, byte) in stream[..cut].iter().enumerate() {
            feed_at(&mut engine, &[*byte], start + ms(i as u64 % 99));
        }
        assert_eq!(engine.poll_timeout(), Some(start + ms(100)), "bytes do not buy time");
        take_output(&mut engine);
        assert_eq!(engine.handle_timeout(start + ms(99)), Ok(()));
        let expected = ProtocolError::HandshakeTimeout { after: ms(100) };
        assert!(expected.is_timeout());
        assert_eq!(engine.handle_timeout(start + ms(100)), Err(expected));
        assert_eq!(engine.output_len() > 0, cut >= 64, "ERROR only where it can be read");
        assert_eq!(engine.handle_timeout(start + ms(101)), Err(ProtocolError::Closed));
    }
}

#[test]
fn a_completed_handshake_has_no_deadline() {
    let start = Instant::now();
    let mut engine = facing(config(SocketType::Pull), 1, "PUSH", start);
    assert_eq!(engine.poll_timeout(), None);
    assert_eq!(engine.handle_timeout(start + Duration::from_secs(1_000_000)), Ok(()));
}

#[test]
fn pings_go_out_at_the_interval_to_every_version() {
    for minor in [0, 1] {
        let start = Instant::now();
        let mut engine = facing(beating(100, None, Some(250)), minor, "PUSH", start);
        for beat in 1..=5 {
            let due = start + ms(beat * 100);
            assert_eq!(engine.poll_timeout(), Some(due));
            assert_eq!(engine.handle_timeout(due - ms(1)), Ok(()));
            assert_eq!(engine.output_len(), 0);
            assert_eq!(engine.handle_timeout(due), Ok(()));
            assert_eq!(take_output(&mut engine), command("PING", &[0, 3]), "tenths, rounded up");
            feed_at(&mut engine, &command("PONG", b""), due + ms(10));
        }
    }
}

#[test]
fn a_silent_peer_is_given_up_after_the_timeout() {
    for (timeout, after) in [(None, 100), (Some(30), 30), (Some(250), 250)] {
        let start = Instant::now();
        let mut engine = facing(beating(100, timeout, None), 1, "PUSH", start);
        let first = start + ms(100);
        assert_eq!(engine.handle_timeout(first), Ok(()));
        take_output(&mut engine);
        for later in (1..after).filter(|later| later % 10 == 0) {
            assert_eq!(engine.handle_timeout(first + ms(later)), Ok(()), "{later} of {after}");
            take_output(&mut engine);
        }
        assert_eq!(engine.handle_timeout(first + ms(after - 1)), Ok(()));
        let expected = ProtocolError::HeartbeatTimeout { after: ms(after) };
        assert_eq!(engine.handle_timeout(first + ms(after)), Err(expected));
    }
}

#[test]
fn any_traffic_is_a_sign_of_life() {
    let start = Instant::now();
    let large = long_frame(0, 10_000_000, &[0; 100]);
    let signs: [&[u8]; 4] = [&command("PONG", b""), &frame(0, b"message"), &[1], &large];
    for sign in signs {
        let mut engine = facing(beating(100, Some(50), None), 1, "PUSH", start);
        assert_eq!(engine.handle_timeout(start + ms(100)), Ok(()));
        assert_eq!(engine.poll_timeout(), Some(start + ms(150)));
        feed_at(&mut engine, sign, start + ms(149));
        assert_eq!(engine.poll_timeout(), Some(start + ms(200)));
        assert_eq!(engine.handle_timeout(start + ms(200)), Ok(()));
        if let Some(mut room) = engine.body_to_fill() {
            assert_eq!(room.fill(b"x"), 1);
            engine.body_filled(1, start + ms(249));
            assert_eq!(engine.handle_timeout(start + ms(250)), Ok(()));
        }
    }
}

#[test]
fn a_long_absence_is_one_ping_not_a_storm() {
    let start = Instant::now();
    let mut engine = facing(beating(100, Some(10_000_000), None), 1, "PUSH", start);
    let back = start + Duration::from_secs(3600);
    assert_eq!(engine.handle_timeout(back), Ok(()));
    assert_eq!(engine.handle_timeout(back), Ok(()));
    assert_eq!(take_output(&mut engine), command("PING", &[0, 0]));
    assert_eq!(engine.poll_timeout(), Some(back + ms(100)));
}

#[test]
fn pings_do_not_pile_up_behind_a_peer_that_does_not_read() {
    let start = Instant::now();
    let mut engine = facing(beating(100, Some(10_000_000), None), 1, "PUSH", start);
    for beat in 1..1000 {
        assert_eq!(engine.handle_timeout(start + ms(beat * 100)), Ok(()));
    }
    assert_eq!(engine.output_len(), 9);
    take_some(&mut engine, 8);
    assert_eq!(engine.handle_timeout(start + ms(100_000)), Ok(()));
    assert_eq!(engine.output_len(), 1);
    take_some(&mut engine, 8);
    assert_eq!(engine.handle_timeout(start + ms(100_100)), Ok(()));
    assert_eq!(engine.output_len(), 9);
}

/// Who leaves unread what the peer says goes on saying that it is here, and blames the peer for nothing meanwhile.
#[test]
fn pings_without_answers_while_nothing_is_read() {
    let start = Instant::now();
    let mut engine = facing(beating(100, Some(50), None), 1, "PUSH", start);
    for beat in 1..=10 {
        let due = start + ms(beat * 100);
        assert_eq!(engine.poll_ping(), Some(due));
        engine.send_ping(due - ms(1));
        assert_eq!(engine.output_len(), 0);
        engine.send_ping(due);
        assert_eq!(take_output(&mut engine), command("PING", &[0, 0]));
    }
    // Reading again, it expects answers again, to what it sends from now on.
    assert_eq!(engine.handle_timeout(start + ms(1050)), Ok(()));
    assert_eq!(engine.handle_timeout(start + ms(1100)), Ok(()));
    let expected = ProtocolError::HeartbeatTimeout { after: ms(50) };
    assert_eq!(engine.handle_timeout(start + ms(1150)), Err(expected));
    assert_eq!(engine.poll_ping(), None, "a closed engine says nothing");
}

#[test]
fn the_peer_sets_its_own_time_to_live() {
    let start = Instant::now();
    // 100 s: more tenths than a byte holds, more milliseconds than 16 bits hold.
    for (ttl, after) in [([0, 1], ms(100)), ([3, 0xE8], ms(100_000)), ([0xFF, 0xFF], ms(6_553_500))] {
        let mut engine = facing(config(SocketType::Pull), 1, "PUSH", start);
        feed_at(&mut engine, &command("PING", &ttl), start + ms(5));
        assert_eq!(engine.poll_timeout(), Some(start + ms(5) + after));
        feed_at(&mut engine, &frame(0, b"renews"), start + ms(60));
        let due = start + ms(60) + after;
        assert_eq!(engine.poll_timeout(), Some(due));
        assert_eq!(engine.handle_timeout(due - ms(1)), Ok(()));
        assert_eq!(engine.handle_timeout(due), Err(ProtocolError::TimeToLiveExpired { after }));
    }
}

#[test]
fn a_ping_without_time_to_live_ends_the_earlier_one() {
    let start = Instant::now();
    let mut engine = facing(config(SocketType::Pull), 1, "PUSH", start);
    feed_at(&mut engine, &command("PING", &[0, 1]), start);
    assert!(engine.poll_timeout().is_some());
    feed_at(&mut engine, &command("PING", &[0, 0]), start);
    assert_eq!(engine.poll_timeout(), None);
}

#[test]
fn two_engines_keep_each_other_alive() {
    let start = Instant::now();
    let make = |socket_type| {
        let config = Config { socket_type, ..beating(100, None, Some(150)) };
        Engine::new(Arc::new(config), start)
    };
    let (mut push, mut pull) = (make(SocketType::Push), make(SocketType::Pull));
    let pass = |from: &mut Engine, to: &mut Engine, now| {
        let bytes = take_output(from);
        assert_eq!(feed_at(to, &bytes, now).1, None);
    };
    for tick in 0..2000 {
        let now = start + ms(tick);
        for engine in [&mut push, &mut pull] {
            if engine.poll_timeout().is_some_and(|due| due <= now) {
                assert_eq!(engine.handle_timeout(now), Ok(()));
            }
        }
        if tick == 1000 {
            push.push(&Message::from("once"));
        }
        pass(&mut push, &mut pull, now);
        pass(&mut pull, &mut push, now);
    }
    assert!(push.is_ready() && pull.is_ready());
}

#[test]
fn times_without_end_are_no_times() {
    let start = Instant::now();
    let endless = Config {
        handshake_timeout: Some(Duration::MAX),
        heartbeat_interval: Some(Duration::MAX),
        heartbeat_timeout: Some(Duration::MAX),
        heartbeat_ttl: Some(Duration::MAX),
        ..config(SocketType::Pull)
    };
    let mut engine = facing(endless, 1, "PUSH", start);
    assert_eq!(engine.poll_timeout(), None);
    assert_eq!(engine.handle_timeout(start + Duration::from_secs(1 << 30)), Ok(()));
}
