//! The proxy that is steered.

mod common;

use common::*;
use std::thread::JoinHandle;
use zmq::{AnySocket, Context, Error, Message, SocketType};

/// A steered streamer: its ends, and who steers it.
struct Rig {
    context: Context,
    push: AnySocket,
    pull: AnySocket,
    control: AnySocket,
    proxy: JoinHandle<zmq::Result<()>>,
}

fn any(context: &Context, kind: SocketType) -> AnySocket {
    AnySocket::new(context, kind, options(small)).unwrap()
}

fn rig(endpoint: &str, theirs: SocketType, ours: SocketType) -> Rig {
    let context = zmq::context_builder().build().unwrap();
    let (mut frontend, mut backend) = (any(&context, SocketType::Pull), any(&context, SocketType::Push));
    let (mut push, mut pull) = (any(&context, SocketType::Push), any(&context, SocketType::Pull));
    let (mut steered, mut control) = (any(&context, theirs), any(&context, ours));
    if theirs == SocketType::Sub {
        steered.subscribe("").unwrap();
    }
    join(&mut frontend, &mut push, endpoint, Side::Bound);
    join(&mut backend, &mut pull, endpoint, Side::Bound);
    join(&mut steered, &mut control, endpoint, Side::Bound);
    let proxy =
        std::thread::spawn(move || zmq::proxy_steerable(&mut frontend, &mut backend, None, &mut steered));
    Rig { context, push, pull, control, proxy }
}

impl Rig {
    fn passes(&mut self, text: &str) {
        self.push.send_timeout(text, LONG).unwrap();
        assert_eq!(receive_text(&mut self.pull), text);
    }

    fn request(&mut self, command: &str) -> Message {
        self.control.send_timeout(command, LONG).unwrap();
        receive(&mut self.control)
    }
}

fn numbers(message: &Message) -> Vec<u64> {
    message.frames().iter().map(|frame| u64::from_ne_bytes(frame.as_bytes().try_into().unwrap())).collect()
}

#[test]
fn over_rep_each_command_acts_and_is_answered() {
    for_each_transport(|endpoint| {
        let mut rig = rig(endpoint, SocketType::Rep, SocketType::Req);
        rig.passes("one");
        rig.push.send_timeout(Message::from(["two", "parts"]), LONG).unwrap();
        assert_eq!(receive(&mut rig.pull), Message::from(["two", "parts"]));
        until("both are counted", || numbers(&rig.request("STATISTICS")) == [2, 11, 0, 0, 0, 0, 2, 11]);

        assert_eq!(rig.request("PAUSE"), Message::from(""));
        rig.push.send_timeout("kept", LONG).unwrap();
        assert!(matches!(rig.pull.recv_timeout(SHORT), Err(Error::Timeout { .. })));
        assert_eq!(numbers(&rig.request("STATISTICS")), [2, 11, 0, 0, 0, 0, 2, 11]);
        assert_eq!(rig.request("RESUME"), Message::from(""));
        assert_eq!(receive_text(&mut rig.pull), "kept");

        for strange in ["", "pause", "PAUSE\0", "STOP"] {
            assert!(
                String::from_utf8_lossy(rig.request(strange).body()).contains("TERMINATE"),
                "{strange:?}"
            );
        }
        rig.control.send_timeout(Message::from(["TERMINATE", ""]), LONG).unwrap();
        assert!(String::from_utf8_lossy(receive(&mut rig.control).body()).contains("TERMINATE"));
        rig.passes("still");

        assert_eq!(rig.request("TERMINATE"), Message::from(""));
        assert_eq!(rig.proxy.join().unwrap(), Ok(()));
    });
}

#[test]
fn over_pair_only_statistics_are_answered() {
    let mut rig = rig("inproc://*", SocketType::Pair, SocketType::Pair);
    rig.control.send_timeout("PAUSE", LONG).unwrap();
    assert_eq!(numbers(&rig.request("STATISTICS")), [0; 8]);
    rig.push.send_timeout("kept", LONG).unwrap();
    rig.control.send_timeout("nonsense", LONG).unwrap();
    assert_eq!(numbers(&rig.request("STATISTICS")), [0; 8]);
    rig.control.send_timeout("RESUME", LONG).unwrap();
    assert_eq!(receive_text(&mut rig.pull), "kept");
    rig.control.send_timeout("TERMINATE", LONG).unwrap();
    assert_eq!(rig.proxy.join().unwrap(), Ok(()));
    assert!(matches!(rig.control.try_recv(), Err(Error::WouldBlock)));
}

#[test]
fn pull_and_sub_hear_commands_and_say_nothing() {
    for (theirs, ours) in [(SocketType::Pull, SocketType::Push), (SocketType::Sub, SocketType::XPub)] {
        for_each_transport(|endpoint| {
            let mut rig = rig(endpoint, theirs, ours);
            if ours == SocketType::XPub {
                assert_eq!(receive_text(&mut rig.control), "\u{1}");
            }
            for command in ["STATISTICS", "PAUSE", "RESUME"] {
                rig.control.send_timeout(command, LONG).unwrap();
            }
            rig.passes("on");
            rig.control.send_timeout("TERMINATE", LONG).unwrap();
            assert_eq!(rig.proxy.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_backend_without_room_leaves_the_control_and_the_other_direction_alone() {
    let context = zmq::context_builder().build().unwrap();
    let (mut frontend, mut backend) = (any(&context, SocketType::Pair), any(&context, SocketType::Pair));
    let (mut left, mut right) = (any(&context, SocketType::Pair), any(&context, SocketType::Pair));
    let (mut steered, mut control) = (any(&context, SocketType::Rep), any(&context, SocketType::Req));
    join(&mut frontend, &mut left, "inproc://*", Side::Bound);
    join(&mut backend, &mut right, "inproc://*", Side::Bound);
    join(&mut steered, &mut control, "inproc://*", Side::Bound);
    let proxy =
        std::thread::spawn(move || zmq::proxy_steerable(&mut frontend, &mut backend, None, &mut steered));
    let mut sent = 0;
    while left.send_timeout(sent.to_string(), SHORT).is_ok() {
        sent += 1;
    }
    right.send_timeout("back", LONG).unwrap();
    assert_eq!(receive_text(&mut left), "back");
    control.send_timeout("STATISTICS", LONG).unwrap();
    assert_eq!(numbers(&receive(&mut control))[2], 1);
    for number in 0..sent {
        assert_eq!(receive_text(&mut right), number.to_string());
    }
    control.send_timeout("TERMINATE", LONG).unwrap();
    assert_eq!(receive(&mut control), Message::from(""));
    assert_eq!(proxy.join().unwrap(), Ok(()));
}

#[test]
fn a_paused_proxy_ends_with_the_context() {
    let mut rig = rig("inproc://*", SocketType::Rep, SocketType::Req);
    rig.request("PAUSE");
    rig.context.shutdown();
    assert_eq!(rig.proxy.join().unwrap(), Err(Error::Terminated));
}

#[test]
fn a_control_socket_that_cannot_be_told_is_refused() {
    for kind in [SocketType::Push, SocketType::Pub, SocketType::Req, SocketType::Router, SocketType::XSub] {
        let (mut frontend, mut backend) = (socket(SocketType::Pull), socket(SocketType::Push));
        let error = zmq::proxy_steerable(&mut frontend, &mut backend, None, &mut socket(kind)).unwrap_err();
        assert!(error.to_string().contains("steered over PAIR"), "{error}");
    }
}

/// What nobody has captured is not passed on; and everything is captured.
#[test]
fn a_proxy_that_waits_for_its_capture_loses_no_copy() {
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let (mut frontend, mut backend) = (any(&context, SocketType::Pull), any(&context, SocketType::Push));
        let (mut push, mut pull) = (any(&context, SocketType::Push), any(&context, SocketType::Pull));
        let mut capture = AnySocket::new(&context, SocketType::Push, options(|_| ())).unwrap();
        join(&mut frontend, &mut push, endpoint, Side::Bound);
        join(&mut backend, &mut pull, endpoint, Side::Bound);
        let place = capture.bind(endpoint).unwrap();
        let proxy = std::thread::spawn(move || {
            zmq::proxy_waiting_for_capture(&mut frontend, &mut backend, &mut capture, None)
        });
        push.send_timeout("0", LONG).unwrap();
        assert!(pull.recv_timeout(SHORT).is_err());
        let mut captured = any(&context, SocketType::Pull);
        captured.connect(&place).unwrap();
        for number in 0..100_u32 {
            if number > 0 {
                push.send_timeout(number.to_string(), LONG).unwrap();
            }
            assert_eq!(receive_text(&mut pull), number.to_string());
            assert_eq!(receive_text(&mut captured), number.to_string());
        }
        context.shutdown();
        assert_eq!(proxy.join().unwrap(), Err(Error::Terminated));
    });
}
