//! The engine of a STREAM: no greeting, no frames, no clock.

use crate::common::{engine, feed, messages, take_output};
use bytes::Bytes;
use std::time::{Duration, Instant};
use zmq_core::zmtp::{Engine, Event};
use zmq_core::{Frame, Message, SocketType};

fn introduced() -> Engine {
    let mut raw = engine(SocketType::Stream);
    let (events, error) = feed(&mut raw, b"");
    assert_eq!(error, None);
    assert!(matches!(&events[..], [Event::Ready(peer)] if peer.zmtp.is_none() && peer.socket_type.is_none()));
    raw
}

#[test]
fn it_is_ready_without_a_byte_in_either_direction() {
    let mut raw = engine(SocketType::Stream);
    assert!(!raw.is_ready());
    raw.push(&Message::from("too early"));
    assert_eq!(raw.output_len(), 0);
    let mut raw = introduced();
    assert!(raw.is_ready());
    assert_eq!((raw.output_len(), raw.poll_timeout(), raw.body_to_fill().is_none()), (0, None, true));
    assert_eq!(raw.handle_timeout(Instant::now() + Duration::from_secs(3600)), Ok(()));
}

#[test]
fn what_is_read_is_received_whatever_it_looks_like() {
    // A greeting, a small message, a command and a long frame of ZMTP, and none of them here.
    for bytes in [&b"\xff\0\0\0\0\0\0\0\x01\x7f"[..], b"\0\x01x", b"\x04\x05hello", b"\x02\0\0\0\0\0\0\0\0"] {
        assert_eq!(messages(feed(&mut introduced(), bytes)), [Message::from(Frame::from(bytes))]);
        let mut raw = introduced();
        for byte in bytes {
            assert_eq!(messages(feed(&mut raw, &[*byte])), [Message::from(Frame::from([*byte]))]);
        }
    }
}

#[test]
fn a_long_read_comes_in_pieces_of_8_kib() {
    let bytes: Vec<u8> = (0..20_000).map(|number| (number % 251) as u8).collect();
    let received = messages(feed(&mut introduced(), &bytes));
    assert_eq!(received.iter().map(Message::size).collect::<Vec<_>>(), [8192, 8192, 3616]);
    assert_eq!(received.iter().flat_map(|message| message.body().to_vec()).collect::<Vec<_>>(), bytes);
}

#[test]
fn what_is_sent_is_written_and_nothing_else() {
    let mut raw = introduced();
    let shared = Bytes::from(vec![7; 100_000]);
    let mut expected = Vec::new();
    for body in
        [Frame::from("small"), Frame::new(), Frame::from(vec![1; 300]), Frame::from(shared), "end".into()]
    {
        expected.extend_from_slice(body.as_bytes());
        raw.push(&Message::from(body));
    }
    assert_eq!(take_output(&mut raw), expected);
}
