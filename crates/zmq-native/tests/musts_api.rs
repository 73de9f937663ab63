//! The interface: what errors hand back, timeouts, halves, the poller, the proxy.

mod common;

use common::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zmq::{AnySocket, Context, Error, Frame, Message, Poller, SocketType};

fn context() -> Context {
    zmq::context_builder().build().unwrap()
}

fn in_context(context: &Context, kind: SocketType) -> AnySocket {
    AnySocket::new(context, kind, options(|_| {})).unwrap()
}

#[test]
fn a_message_without_frames_is_refused_and_handed_back() {
    use SocketType::*;
    for kind in [Pair, Pub, Req, Dealer, Push, XPub, XSub] {
        let failed = socket(kind).send(Message::from(Vec::<Frame>::new())).unwrap_err();
        assert!(matches!(failed.error, Error::InvalidMessage { .. }), "{kind}: {failed}");
        assert!(failed.message.is_empty());
    }
}

#[test]
fn every_failed_send_hands_the_message_back() {
    let message = || Message::from(["one", "", "three"]);
    let context = context();
    let mut push = in_context(&context, SocketType::Push);
    for failed in [
        push.try_send(message()).unwrap_err(),
        push.send_timeout(message(), SHORT).unwrap_err(),
        push.send_timeout(message(), Duration::ZERO).unwrap_err(),
        socket(SocketType::Pull).send(message()).unwrap_err(),
        socket(SocketType::Sub).send(message()).unwrap_err(),
        socket(SocketType::Rep).send(message()).unwrap_err(),
        socket(SocketType::Router).send(message()).unwrap_err(),
    ] {
        assert_eq!(failed.message, message(), "{}", failed.error);
        assert!(std::error::Error::source(&failed).is_some());
    }
    let mut router = zmq::Router::new().unwrap();
    let failed = router.send_to("nobody", message()).unwrap_err();
    assert_eq!(
        (failed.message, failed.error),
        (message(), Error::Unroutable { routing_id: b"nobody".to_vec() })
    );
    context.shutdown();
    let failed = push.send(message()).unwrap_err();
    assert_eq!((failed.message, failed.error), (message(), Error::Terminated));
}

#[test]
fn timeouts_of_options_and_of_calls() {
    let mut socket = socket_with(SocketType::Dealer, |options| {
        options.send_timeout = Some(SHORT);
        options.recv_timeout = Some(SHORT);
    });
    assert_eq!(socket.recv(), Err(Error::Timeout { after: SHORT }));
    assert_eq!(socket.send("x").unwrap_err().error, Error::Timeout { after: SHORT });
    let other = Duration::from_millis(1);
    assert_eq!(socket.recv_timeout(other), Err(Error::Timeout { after: other }));
    assert_eq!(socket.send_timeout("x", other).unwrap_err().error, Error::Timeout { after: other });
    assert_eq!(socket.recv_timeout(Duration::ZERO), Err(Error::Timeout { after: Duration::ZERO }));
    let started = Instant::now();
    socket.recv().unwrap_err();
    assert!(started.elapsed() >= SHORT);
}

#[test]
fn a_timeout_of_zero_takes_what_is_there() {
    for_each_transport(|endpoint| {
        let (mut push, mut pull) = (socket(SocketType::Push), socket(SocketType::Pull));
        join(&mut push, &mut pull, endpoint, Side::Bound);
        push.send_timeout("x", Duration::ZERO).unwrap();
        until("it has come", || pull.recv_timeout(Duration::ZERO).is_ok());
    });
}

#[test]
fn a_request_that_times_out_leaves_the_socket_usable() {
    for_each_transport(|endpoint| {
        for correlate in [false, true] {
            let (mut req, mut rep) = (
                zmq::Req::builder()
                    .options(options(|options| options.req_correlate = correlate))
                    .build()
                    .unwrap(),
                socket(SocketType::Rep),
            );
            let place = rep.bind(endpoint).unwrap();
            req.connect_to(&place).unwrap();
            assert_eq!(req.request_timeout("slow", SHORT), Err(Error::Timeout { after: SHORT }));
            assert_eq!(receive_text(&mut rep), "slow");
            rep.send("late").unwrap();
            let server = std::thread::spawn(move || {
                let request = receive(&mut rep);
                rep.send(request).unwrap();
                rep
            });
            assert_eq!(req.request_timeout("quick", LONG).unwrap(), "quick".into());
            drop(server.join().unwrap());
        }
    });
}

#[test]
fn any_socket_refuses_what_its_type_cannot_do() {
    use SocketType::*;
    let mut sockets: Vec<_> = SocketType::ALL.into_iter().map(socket).collect();
    for socket in &mut sockets {
        let kind = socket.socket_type();
        let receives = !matches!(kind, Pub | Push);
        let receives_now = receives && kind != Req;
        match socket.try_recv() {
            Err(Error::WouldBlock) => assert!(receives_now, "{kind}"),
            Err(Error::State { hint }) => {
                assert!(!receives_now && hint.contains(kind.as_str()), "{kind}: {hint}")
            }
            other => panic!("{kind}: {other:?}"),
        }
        let sends_now = !matches!(kind, Sub | Pull | Rep);
        match socket.try_send(["a", "b"]) {
            Ok(()) => assert!(matches!(kind, Pub | XPub | XSub), "{kind}"),
            Err(failed) => match failed.error {
                Error::WouldBlock | Error::Unroutable { .. } => assert!(sends_now, "{kind}"),
                Error::State { hint } => {
                    assert!(!sends_now && hint.contains(kind.as_str()), "{kind}: {hint}")
                }
                other => panic!("{kind}: {other}"),
            },
        }
        let subscribed = socket.subscribe("x");
        if let Err(error) = &subscribed {
            let text = error.to_string();
            assert!(text.contains(&format!(" {kind} socket")), "{text}");
        }
        assert_eq!(subscribed.is_ok(), matches!(kind, Sub | XSub), "{kind}");
        assert_eq!(socket.unsubscribe("x").ok(), subscribed.ok().map(|()| true), "{kind}");
        assert!(matches!(socket.disconnect("tcp://127.0.0.1:1"), Err(Error::UnknownEndpoint { .. })));
        assert!(matches!(socket.unbind("tcp://127.0.0.1:1"), Err(Error::UnknownEndpoint { .. })));
        assert!(matches!(socket.bind("carrier-pigeon://x"), Err(Error::UnknownTransport { .. })));
        assert!(matches!(socket.connect("nothing"), Err(Error::InvalidEndpoint { .. })));
        assert_eq!(socket.last_endpoint(), None);
    }
    let refused =
        AnySocket::new(&zmq::context().unwrap(), Push, options(|o| o.subscriptions.push("x".into())));
    assert!(matches!(refused, Err(Error::InvalidOption { .. })));
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.as_str().unwrap()).collect()
}

/// In order, after what is there already, no more than asked for; an error comes with nothing.
#[test]
fn many_are_received_in_one_call() {
    for_each_transport(|endpoint| {
        let mut pull = socket_with(SocketType::Pull, |options| options.recv_timeout = Some(SHORT));
        let mut push = socket(SocketType::Push);
        push.connect(pull.bind(endpoint).unwrap()).unwrap();
        let mut into = vec![Message::from("before")];
        assert!(matches!(pull.try_recv_many(&mut into, 9), Err(Error::WouldBlock)));
        assert!(matches!(pull.recv_many(&mut into, 9), Err(Error::Timeout { after: SHORT })));
        assert_eq!(pull.recv_many(&mut into, 0).unwrap(), 0);
        assert_eq!(texts(&into), ["before"]);
        let mut poller = Poller::new().unwrap();
        for shared in [false, true] {
            if shared {
                poller.add(&mut pull, 7).unwrap();
            }
            for number in 0..10 {
                push.send(number.to_string()).unwrap();
            }
            while into.len() < 7 {
                let before = into.len();
                let count = pull.recv_many(&mut into, 4).unwrap();
                assert!((1..=4).contains(&count) && into.len() == before + count);
            }
            until("the rest is there", || {
                let _ = pull.try_recv_many(&mut into, usize::MAX);
                into.len() == 11
            });
            assert_eq!(texts(&into), ["before", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
            into.truncate(1);
            assert_balanced(&pull.stats());
        }
    });
}

#[test]
fn a_rep_receives_one_of_many_at_a_time() {
    let mut rep = zmq::Rep::new().unwrap();
    let place = rep.bind_to("inproc://one-at-a-time").unwrap();
    let mut reqs = [(); 3].map(|()| zmq::Req::connect(&place).unwrap());
    reqs.iter_mut().for_each(|req| req.send("question").unwrap());
    let mut requests = Vec::new();
    for number in 1..=3 {
        assert_eq!(rep.recv_many(&mut requests, 10).unwrap(), 1);
        assert_eq!(requests.len(), number);
        assert!(matches!(rep.try_recv_many(&mut requests, 10), Err(Error::State { .. })));
        rep.send("answer").unwrap();
    }
    assert!(matches!(rep.try_recv_many(&mut requests, 10), Err(Error::WouldBlock)));
    for mut req in reqs {
        assert_eq!(req.recv_many(&mut requests, 10).unwrap(), 1);
    }
    assert_eq!(texts(&requests), ["question", "question", "question", "answer", "answer", "answer"]);
}

// Halves.

#[test]
fn halves_work_at_the_same_time() {
    for_each_transport(|endpoint| {
        let mut bound = zmq::Pair::new().unwrap();
        let place = bound.bind_to(endpoint).unwrap();
        let (mut tx, mut rx) = zmq::Pair::connect(&place).unwrap().split().unwrap();
        let (mut other_tx, mut other_rx) = bound.split().unwrap();
        const COUNT: u32 = 5000;
        std::thread::scope(|scope| {
            for (tx, rx) in [(&mut tx, &mut rx), (&mut other_tx, &mut other_rx)] {
                scope.spawn(move || {
                    for number in 0..COUNT {
                        tx.send_timeout(number.to_be_bytes(), LONG).unwrap();
                    }
                });
                scope.spawn(move || {
                    for number in 0..COUNT / 2 {
                        assert_eq!(rx.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
                    }
                    let mut rest = Vec::new();
                    while rest.len() < (COUNT / 2) as usize {
                        rx.recv_many(&mut rest, 100).unwrap();
                    }
                    for (number, message) in (COUNT / 2..).zip(rest) {
                        assert_eq!(message[0], number.to_be_bytes());
                    }
                });
            }
        });
        assert_eq!((tx.stats().sent, rx.stats().received), (u64::from(COUNT), u64::from(COUNT)));
    });
}

#[test]
fn halves_strand_nothing_when_pipes_are_short() {
    for_each_transport(|endpoint| {
        let short = |options: &mut zmq::Options| {
            options.recv_hwm = 2;
            options.send_hwm = 2;
        };
        let mut bound = zmq::Pair::builder().options(options(short)).build().unwrap();
        let place = bound.bind_to(endpoint).unwrap();
        let pair = zmq::Pair::builder().options(options(short)).connect(&place).unwrap();
        let (mut one, mut other) = (pair.split().unwrap(), bound.split().unwrap());
        for _ in 0..100 {
            std::thread::scope(|scope| {
                for (tx, rx) in [(&mut one.0, &mut one.1), (&mut other.0, &mut other.1)] {
                    scope
                        .spawn(move || (0..40u8).for_each(|number| tx.send_timeout([number], LONG).unwrap()));
                    scope.spawn(move || {
                        (0..40u8).for_each(|number| assert_eq!(rx.recv_timeout(LONG).unwrap()[0], [number]));
                    });
                }
            });
        }
    });
}

#[test]
fn a_sender_never_waits_behind_a_sleeping_receiver() {
    for_each_transport(|endpoint| {
        let mut peer = socket(SocketType::Dealer);
        let place = peer.bind(endpoint).unwrap();
        let (mut tx, mut rx) = zmq::Dealer::connect(&place).unwrap().split().unwrap();
        let receiver = std::thread::spawn(move || rx.recv_timeout(LONG).map(|message| (message, rx)));
        std::thread::sleep(SHORT);
        // Small and large, and each arrives while the receiver sleeps.
        for number in 0..200usize {
            tx.send_timeout((number.to_string(), vec![0; number * 500]), LONG).unwrap();
            assert_eq!(receive(&mut peer)[0], number.to_string().as_str());
        }
        assert!(!receiver.is_finished());
        peer.send("wake up").unwrap();
        assert_eq!(receiver.join().unwrap().unwrap().0, "wake up".into());
    });
}

#[test]
fn a_receiver_never_waits_behind_a_blocked_sender() {
    for_each_transport(|endpoint| {
        let mut peer = socket_with(SocketType::Dealer, small);
        let place = peer.bind(endpoint).unwrap();
        let dealer = zmq::Dealer::builder().options(options(small)).connect(&place).unwrap();
        let (mut tx, mut rx) = dealer.split().unwrap();
        let (report, reports) = mpsc::channel();
        let sender = std::thread::spawn(move || {
            for number in 0..1000 {
                tx.send_timeout(big(number), LONG).unwrap();
                report.send(number).unwrap();
            }
            tx
        });
        while reports.recv_timeout(SHORT).is_ok() {}
        for number in 0..100 {
            peer.send_timeout(number.to_string(), LONG).unwrap();
            assert_eq!(rx.recv_timeout(LONG).unwrap(), number.to_string().into());
        }
        for number in 0..1000 {
            assert_eq!(number_of(&receive(&mut peer)), number);
        }
        drop(sender.join().unwrap());
    });
}

#[test]
fn halves_end_with_the_last_and_say_when_the_context_ends() {
    for_each_transport(|endpoint| {
        let context = context();
        let mut peer = in_context(&context, SocketType::Pair);
        let place = peer.bind(endpoint).unwrap();
        let pair = zmq::Pair::builder().context(&context).connect(&place).unwrap();
        let (mut tx, mut rx) = pair.split().unwrap();
        tx.send("x").unwrap();
        assert_eq!(receive_text(&mut peer), "x");
        drop(tx);
        expect_nothing(&mut peer);
        for number in 0..10 {
            peer.send(number.to_string()).unwrap();
            assert_eq!(rx.recv_timeout(LONG).unwrap(), number.to_string().into());
        }
        let waiting = std::thread::spawn(move || rx.recv());
        std::thread::sleep(Duration::from_millis(5));
        context.shutdown();
        assert_eq!(waiting.join().unwrap(), Err(Error::Terminated));
    });
}

#[test]
fn a_sender_goes_on_without_its_receiver_and_both_end_the_socket() {
    for_each_transport(|endpoint| {
        let mut peer = socket(SocketType::Dealer);
        let place = peer.bind(endpoint).unwrap();
        let (mut tx, rx) = zmq::Dealer::connect(&place).unwrap().split().unwrap();
        tx.send("x").unwrap();
        assert_eq!(receive_text(&mut peer), "x");
        drop(rx);
        peer.send("to nobody").unwrap();
        for number in 0..10 {
            tx.send(number.to_string()).unwrap();
            assert_eq!(receive_text(&mut peer), number.to_string());
        }
        tx.send("last").unwrap();
        drop(tx);
        assert_eq!(receive_text(&mut peer), "last");
        until("the peer knows", || peer.try_send("y").is_err());
    });
}

#[test]
fn a_socket_in_a_poller_is_not_split() {
    let mut pair = zmq::Pair::new().unwrap();
    let mut poller = Poller::new().unwrap();
    poller.add(&mut pair, 1).unwrap();
    let mut pair = pair.split().unwrap_err();
    assert_eq!(pair.try_recv(), Err(Error::WouldBlock));
}

// Poller.

fn ready(poller: &mut Poller, timeout: Duration) -> Vec<usize> {
    let mut keys: Vec<_> = poller
        .wait(Some(timeout))
        .unwrap()
        .iter()
        .inspect(|event| assert!(event.is_readable()))
        .map(|event| event.key())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn the_poller_reports_what_is_ready_again_until_it_is_taken() {
    for_each_transport(|endpoint| {
        let mut pulls = [(); 2].map(|()| socket(SocketType::Pull));
        let mut pushes = [(); 2].map(|()| socket(SocketType::Push));
        let mut poller = Poller::new().unwrap();
        for (index, (pull, push)) in pulls.iter_mut().zip(&mut pushes).enumerate() {
            join(pull, push, endpoint, Side::Bound);
            poller.add(pull, 10 + index).unwrap();
        }
        let (mut here, mut there) = UnixStream::pair().unwrap();
        poller.add_fd(&there, 7).unwrap();
        assert!(ready(&mut poller, SHORT).is_empty());

        pushes[1].send("a").unwrap();
        pushes[1].send("b").unwrap();
        for _ in 0..3 {
            assert_eq!(ready(&mut poller, LONG), [11]);
        }
        assert_eq!(receive_text(&mut pulls[1]), "a");
        assert_eq!(ready(&mut poller, LONG), [11]);
        assert_eq!(receive_text(&mut pulls[1]), "b");
        assert!(ready(&mut poller, SHORT).is_empty());

        here.write_all(b"xy").unwrap();
        for _ in 0..3 {
            assert_eq!(ready(&mut poller, LONG), [7]);
        }
        there.read_exact(&mut [0]).unwrap();
        assert_eq!(ready(&mut poller, LONG), [7]);
        pushes[0].send("c").unwrap();
        until("both are ready", || ready(&mut poller, LONG) == [7, 10]);
        assert_eq!(ready(&mut poller, LONG), [7, 10]);
        assert_eq!(receive_text(&mut pulls[0]), "c");
        there.read_exact(&mut [0]).unwrap();
        until("nothing is ready", || ready(&mut poller, SHORT).is_empty());

        // What is removed is reported no more.
        assert!(poller.remove(7) && poller.remove(11) && !poller.remove(12) && !poller.remove(7));
        here.write_all(b"z").unwrap();
        pushes[1].send("d").unwrap();
        assert!(ready(&mut poller, SHORT).is_empty());
        assert_eq!(receive_text(&mut pulls[1]), "d");
        poller.add(&mut pulls[1], 7).unwrap();
        pushes[1].send("e").unwrap();
        assert_eq!(ready(&mut poller, LONG), [7]);
    });
}

#[test]
fn the_poller_wakes_for_what_comes_while_it_sleeps() {
    for_each_transport(|endpoint| {
        let (mut pull, mut push) = (socket(SocketType::Pull), socket(SocketType::Push));
        join(&mut pull, &mut push, endpoint, Side::Bound);
        let mut poller = Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        poller.add_fd(&there, 1).unwrap();
        let sender = std::thread::spawn(move || {
            for number in 0..100 {
                std::thread::sleep(Duration::from_micros(300 * (number % 5)));
                push.send(number.to_string()).unwrap();
            }
            here.write_all(b"x").unwrap();
            (push, here)
        });
        let (mut received, mut descriptor) = (0, false);
        while received < 100 || !descriptor {
            let keys = ready(&mut poller, LONG);
            assert!(!keys.is_empty());
            descriptor |= keys.contains(&1);
            while pull.try_recv().is_ok() {
                received += 1;
            }
        }
        drop(sender.join().unwrap());
    });
}

#[test]
fn the_poller_waits_for_room_if_asked() {
    for_each_transport(|endpoint| {
        let (mut push, mut pull) =
            (socket_with(SocketType::Push, small), socket_with(SocketType::Pull, small));
        let place = push.bind(endpoint).unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&mut push, 3).unwrap();
        assert!(poller.wait_readable_or_writable(Some(SHORT)).unwrap().is_empty());
        add_peer(&mut push, &mut pull, &place);
        let events = poller.wait_readable_or_writable(Some(LONG)).unwrap();
        assert_eq!(events.len(), 1);
        assert!(events[0].is_writable() && !events[0].is_readable());
        // Only writable does not end the other wait.
        assert!(poller.wait(Some(SHORT)).unwrap().is_empty());
        let full = fill(&mut push, None);
        let taker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            for _ in 0..full {
                receive(&mut pull);
            }
            pull
        });
        let events = poller.wait_readable_or_writable(Some(LONG)).unwrap();
        assert!(events.len() == 1 && events[0].is_writable());
        push.try_send("room").unwrap();
        drop(taker.join().unwrap());
    });
}

#[test]
fn the_poller_keeps_keys_apart_and_outlives_its_sockets() {
    let mut poller = Poller::new().unwrap();
    let (mut one, mut other) = (socket(SocketType::Pull), socket(SocketType::Pull));
    let (here, there) = UnixStream::pair().unwrap();
    poller.add(&mut one, 1).unwrap();
    assert!(matches!(poller.add(&mut other, 1), Err(Error::InvalidOption { .. })));
    assert!(matches!(poller.add_fd(&there, 1), Err(Error::InvalidOption { .. })));
    poller.add_fd(&there, 2).unwrap();
    assert!(matches!(poller.add(&mut other, 2), Err(Error::InvalidOption { .. })));
    drop(one);
    // A hang-up is readable: the read says that it is the end.
    drop(here);
    until("the end is reported", || ready(&mut poller, LONG).contains(&2));
    assert!(poller.remove(2));
}

#[test]
fn the_poller_says_when_the_context_ends() {
    let context = context();
    let mut pull = in_context(&context, SocketType::Pull);
    let mut poller = Poller::new().unwrap();
    poller.add(&mut pull, 0).unwrap();
    let waiting = std::thread::spawn(move || poller.wait(Some(LONG)).map(<[_]>::len));
    std::thread::sleep(Duration::from_millis(5));
    context.shutdown();
    assert_eq!(waiting.join().unwrap(), Err(Error::Terminated));
}

#[test]
fn a_req_and_a_rep_are_ready_only_in_turn() {
    let (mut req, mut rep) =
        (socket_with(SocketType::Req, |options| options.req_relaxed = false), socket(SocketType::Rep));
    join(&mut req, &mut rep, "inproc://*", Side::Bound);
    let mut poller = Poller::new().unwrap();
    poller.add(&mut req, 0).unwrap();
    poller.add(&mut rep, 1).unwrap();
    let mut state = || -> Vec<_> {
        let events = poller.wait_readable_or_writable(Some(LONG)).unwrap();
        events.iter().map(|event| (event.key(), event.is_readable(), event.is_writable())).collect()
    };
    assert_eq!(state(), [(0, false, true)]);
    req.send("request").unwrap();
    assert_eq!(state(), [(1, true, false)]);
    receive(&mut rep);
    assert_eq!(state(), [(1, false, true)]);
    rep.send("reply").unwrap();
    assert_eq!(state(), [(0, true, false)]);
    receive(&mut req);
    assert_eq!(state(), [(0, false, true)]);
}

// Proxy.

#[test]
fn a_broker_with_capture() {
    for_each_transport(|endpoint| {
        let context = context();
        let (mut frontend, mut backend) =
            (in_context(&context, SocketType::Router), in_context(&context, SocketType::Dealer));
        let (front, back) = (frontend.bind(endpoint).unwrap(), backend.bind(endpoint).unwrap());
        let mut capture = in_context(&context, SocketType::Push);
        let mut captured = in_context(&context, SocketType::Pull);
        join(&mut capture, &mut captured, endpoint, Side::Bound);
        let proxy =
            std::thread::spawn(move || zmq::proxy_with_capture(&mut frontend, &mut backend, &mut capture));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let mut rep = in_context(&context, SocketType::Rep);
                rep.connect(&back).unwrap();
                std::thread::spawn(move || {
                    while let Ok(mut request) = rep.recv() {
                        request.push("done");
                        rep.send(request).unwrap();
                    }
                })
            })
            .collect();
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let mut req = in_context(&context, SocketType::Req);
                req.connect(&front).unwrap();
                std::thread::spawn(move || {
                    for number in 0..30 {
                        let request = Message::from([client.to_string(), number.to_string()]);
                        req.send_timeout(request.clone(), LONG).unwrap();
                        let mut expected = request;
                        expected.push("done");
                        assert_eq!(receive(&mut req), expected);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let (mut requests, mut replies) = (0, 0);
        for _ in 0..180 {
            let message = receive(&mut captured);
            if message[message.len() - 1] == "done" { replies += 1 } else { requests += 1 }
        }
        assert_eq!((requests, replies), (90, 90));
        context.shutdown();
        assert_eq!(proxy.join().unwrap(), Err(Error::Terminated));
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn a_capture_that_is_full_holds_nobody_up() {
    let context = context();
    let (mut frontend, mut backend) =
        (in_context(&context, SocketType::Pull), in_context(&context, SocketType::Push));
    let (front, back) = (frontend.bind("inproc://*").unwrap(), backend.bind("inproc://*").unwrap());
    let mut capture = AnySocket::new(&context, SocketType::Push, options(small)).unwrap();
    let mut captured = AnySocket::new(&context, SocketType::Pull, options(small)).unwrap();
    join(&mut capture, &mut captured, "inproc://*", Side::Bound);
    let proxy =
        std::thread::spawn(move || zmq::proxy_with_capture(&mut frontend, &mut backend, &mut capture));
    let (mut push, mut pull) =
        (in_context(&context, SocketType::Push), in_context(&context, SocketType::Pull));
    push.connect(&front).unwrap();
    pull.connect(&back).unwrap();
    for number in 0..100 {
        push.send_timeout(number.to_string(), LONG).unwrap();
        assert_eq!(receive_text(&mut pull), number.to_string());
    }
    for number in 0..4 {
        assert_eq!(receive_text(&mut captured), number.to_string());
    }
    context.shutdown();
    assert_eq!(proxy.join().unwrap(), Err(Error::Terminated));
}

#[test]
fn a_forwarder_passes_subscriptions_up_and_messages_down() {
    for_each_transport(|endpoint| {
        let context = context();
        let (mut frontend, mut backend) =
            (in_context(&context, SocketType::XSub), in_context(&context, SocketType::XPub));
        let (front, back) = (frontend.bind(endpoint).unwrap(), backend.bind(endpoint).unwrap());
        let proxy = std::thread::spawn(move || zmq::proxy(&mut frontend, &mut backend));
        let mut publisher = zmq::Pub::builder().context(&context).connect(&front).unwrap();
        let mut one = zmq::Sub::builder().context(&context).subscribe("a").connect(&back).unwrap();
        let mut other = zmq::Sub::builder().context(&context).subscribe("b").connect(&back).unwrap();
        until("both subscriptions have come through", || {
            publisher.publish("a").unwrap().matched == 1 && publisher.publish("b").unwrap().matched == 1
        });
        assert_eq!(publisher.publish("c").unwrap().matched, 0);
        assert_eq!(one.recv_timeout(LONG).unwrap(), "a".into());
        assert_eq!(other.recv_timeout(LONG).unwrap(), "b".into());
        drop(one);
        until("the cancel has come through", || publisher.publish("a").unwrap().matched == 0);
        context.shutdown();
        assert_eq!(proxy.join().unwrap(), Err(Error::Terminated));
    });
}
