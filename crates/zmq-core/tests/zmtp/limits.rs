//! What a peer may not have.

use crate::common::*;
use std::time::Instant;
use zmq_core::SocketType;
use zmq_core::zmtp::{Config, Engine, ProtocolError};

fn pull(max_message_size: Option<u64>, max_frames: usize) -> Engine {
    let config = Config { max_message_size, max_frames, ..config(SocketType::Pull) };
    facing(config, 1, "PUSH", Instant::now())
}

#[test]
fn a_message_is_refused_by_its_header() {
    let limit = 100;
    let refused = |size| Some(ProtocolError::MessageTooLarge { size, limit });
    assert_eq!(feed(&mut pull(Some(limit), 10), &[0, 101]).1, refused(101));
    assert_eq!(feed(&mut pull(Some(limit), 10), &long_frame(0, 1 << 40, b"")).1, refused(1 << 40));
    assert_eq!(feed(&mut pull(Some(limit), 10), &long_frame(4, 101, b"")).1, refused(101));
    assert_eq!(messages(feed(&mut pull(Some(limit), 10), &frame(0, &[0; 100]))).len(), 1);
}

#[test]
fn the_limit_is_for_all_parts_together() {
    let mut pull = pull(Some(100), 10);
    for _ in 0..3 {
        let input = [frame(1, &[0; 60]), frame(0, &[0; 40])].concat();
        assert_eq!(messages(feed(&mut pull, &input)).len(), 1);
    }
    feed(&mut pull, &frame(1, &[0; 60]));
    let (_, error) = feed(&mut pull, &[0, 41]);
    assert_eq!(error, Some(ProtocolError::MessageTooLarge { size: 101, limit: 100 }));
}

#[test]
fn small_limits_hold_on_the_short_way_too() {
    assert!(feed(&mut pull(Some(0), 10), &[0, 0]).1.is_none());
    assert_eq!(
        feed(&mut pull(Some(0), 10), &[0, 1, 7]).1,
        Some(ProtocolError::MessageTooLarge { size: 1, limit: 0 })
    );
}

#[test]
fn frames_are_counted() {
    for max_frames in [0, 1] {
        let mut pull = pull(None, max_frames);
        assert_eq!(messages(feed(&mut pull, &frame(0, b"one"))).len(), 1);
        feed(&mut pull, &frame(1, b"one"));
        assert_eq!(feed(&mut pull, &frame(0, b"two")).1, Some(ProtocolError::TooManyFrames { limit: 1 }));
    }
    let mut pull = pull(None, 3);
    let three = [frame(1, b""), frame(1, b""), frame(0, b"")].concat();
    assert_eq!(messages(feed(&mut pull, &three)).len(), 1);
    feed(&mut pull, &frame(1, b"").repeat(3));
    assert_eq!(feed(&mut pull, &frame(1, b"")).1, Some(ProtocolError::TooManyFrames { limit: 3 }));
}

#[test]
fn lengths_beyond_63_bits_are_refused_and_others_are_waited_for() {
    for size in [1 << 63, u64::MAX] {
        let (_, error) = feed(&mut pull(None, 10), &long_frame(0, size, b""));
        assert_eq!(error, Some(ProtocolError::MessageTooLarge { size, limit: (1 << 63) - 1 }));
        // What the user has set is what is named.
        let (_, error) = feed(&mut pull(Some(100), 10), &long_frame(0, size, b""));
        assert_eq!(error, Some(ProtocolError::MessageTooLarge { size, limit: 100 }));
        let (_, error) = feed(&mut pull(Some(u64::MAX), 10), &long_frame(0, size, b""));
        assert_eq!(error, Some(ProtocolError::MessageTooLarge { size, limit: (1 << 63) - 1 }));
    }
    let mut pull = pull(None, 10);
    assert_eq!(feed(&mut pull, &long_frame(0, (1 << 63) - 1, &[1; 1000])), (vec![], None));
    assert!(pull.body_to_fill().is_some_and(|room| room.len() <= 1000 + 64 * 1024));
}

#[test]
fn sums_of_huge_lengths_do_not_overflow() {
    let mut pull = pull(Some(u64::MAX), 10);
    feed(&mut pull, &frame(1, &[0; 200]));
    assert_eq!(feed(&mut pull, &long_frame(0, (1 << 63) - 1, b"")), (vec![], None));
}

#[test]
fn malformed_commands_end_the_connection() {
    for (input, text) in [
        (frame(4, b""), "cut off or empty"),
        (frame(4, b"\0"), "cut off or empty"),
        (frame(4, b"\x09SUB"), "cut off or empty"),
        (command("PING", b""), "no time to live"),
        (command("PING", b"\0"), "no time to live"),
        (command("PING", &[0; 19]), "longer than 16 bytes"),
    ] {
        let (events, error) = feed(&mut pull(None, 10), &input);
        assert!(events.is_empty());
        assert!(error.as_ref().is_some_and(|error| error.to_string().contains(text)), "{error:?}");
    }
}
