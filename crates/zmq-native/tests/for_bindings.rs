//! What those need who give the sockets to another language: options that change, messages frame by frame, signals,
//! descriptors that tell of news.

mod common;
mod support;

use common::{LONG, for_each_transport};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::in_child;
use zmq::security::{Authenticator, Plain};
use zmq::{AnySocket, Context, Descriptor, Error, Event, Frame, Message, Options, SocketType};

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    options.recv_timeout = Some(LONG);
    options.send_timeout = Some(LONG);
    change(&mut options);
    options
}

fn socket(context: &Context, socket_type: SocketType) -> AnySocket {
    AnySocket::new(context, socket_type, options(|_| ())).unwrap()
}

/// Each endpoint keeps the options it was made with: one server for PLAIN and one for everybody, on one socket; and a client
/// that shows each its own password.
#[test]
fn options_that_change_are_those_of_the_next_endpoint() {
    let context = zmq::context_builder().build().unwrap();
    let mut pull = socket(&context, SocketType::Pull);
    let open = pull.bind("tcp://127.0.0.1:*").unwrap();
    let guarded = |password: &'static str| {
        options(|options| {
            options.security = Plain::server().into();
            options.authenticator = Some(Authenticator::passwords([("ann", password)]));
        })
    };
    pull.set_options(guarded("one")).unwrap();
    let first = pull.bind("tcp://127.0.0.1:*").unwrap();
    pull.set_options(guarded("two")).unwrap();
    let second = pull.bind("tcp://127.0.0.1:*").unwrap();

    let mut push = socket(&context, SocketType::Push);
    push.connect(open).unwrap();
    for (password, endpoint) in [("one", first), ("two", second)] {
        push.set_options(options(|options| {
            options.security = Plain::client("ann", password).unwrap().into()
        }))
        .unwrap();
        push.connect(endpoint).unwrap();
    }
    for number in 0..30_u8 {
        push.send([number]).unwrap();
    }
    let mut users = Vec::new();
    for _ in 0..30 {
        pull.recv().unwrap();
        users.push(pull.last_peer().unwrap().unwrap().user_id.clone());
    }
    assert_eq!(users.iter().filter(|user| *user == "ann").count(), 20);

    let refused = pull.set_options(options(|options| options.max_frames = 0));
    assert!(matches!(refused, Err(Error::InvalidOption { option: "max_frames", .. })));
}

#[test]
fn what_a_socket_does_itself_changes_at_once() {
    let context = zmq::context_builder().build().unwrap();
    let mut router = socket(&context, SocketType::Router);
    assert!(
        matches!(router.try_send(["nobody", ""]), Err(failed) if matches!(failed.error, Error::Unroutable { .. }))
    );
    router
        .set_options(options(|options| {
            options.router_mandatory = false;
            options.recv_timeout = Some(Duration::from_millis(1));
        }))
        .unwrap();
    router.try_send(["nobody", ""]).unwrap();
    assert!(matches!(router.recv(), Err(Error::Timeout { .. })));
}

#[test]
fn the_first_frame_tells_whether_a_message_would_go() {
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let frame = Frame::from("first");

        let mut push =
            AnySocket::new(&context, SocketType::Push, options(|options| options.send_hwm = 1)).unwrap();
        assert_eq!(push.try_begin(&frame), Err(Error::WouldBlock));
        let mut pull =
            AnySocket::new(&context, SocketType::Pull, options(|options| options.recv_hwm = 1)).unwrap();
        let bound = pull.bind(endpoint).unwrap();
        push.connect(&bound).unwrap();
        // As many as go when nobody receives: then also the first frame does not.
        let body = vec![0; 1 << 20];
        while push.send_timeout(body.as_slice(), Duration::from_millis(200)).is_ok() {}
        assert_eq!(push.try_begin(&frame), Err(Error::WouldBlock));
        pull.recv().unwrap();
        let started = Instant::now();
        while push.try_begin(&frame).is_err() {
            let _ = pull.try_recv();
            assert!(started.elapsed() < LONG, "there is room again");
        }
        push.try_send("goes").unwrap();

        let mut request = socket(&context, SocketType::Req);
        let mut reply = socket(&context, SocketType::Rep);
        assert!(matches!(reply.try_begin(&frame), Err(Error::State { .. })));
        let bound = reply.bind(endpoint).unwrap();
        request.connect(&bound).unwrap();
        request.begin(&frame).unwrap();
        request.send("request").unwrap();
        reply.recv().unwrap();
        reply.try_begin(&frame).unwrap();
        let mut strict =
            AnySocket::new(&context, SocketType::Req, options(|options| options.req_relaxed = false))
                .unwrap();
        strict.connect(&bound).unwrap();
        strict.send("request").unwrap();
        assert!(matches!(strict.try_begin(&frame), Err(Error::State { .. })));

        let mut router = socket(&context, SocketType::Router);
        assert!(matches!(router.try_begin(&frame), Err(Error::Unroutable { .. })));
        let bound = router.bind(endpoint).unwrap();
        let mut dealer = AnySocket::new(
            &context,
            SocketType::Dealer,
            options(|options| options.routing_id = "first".into()),
        )
        .unwrap();
        dealer.connect(&bound).unwrap();
        dealer.send("hello").unwrap();
        router.recv().unwrap();
        router.begin(&frame).unwrap();
    });
}

static SIGNALLED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_signal(_: libc::c_int) {
    SIGNALLED.store(true, Ordering::Relaxed);
}

/// Runs `wait` on a thread that is sent signals until it returns.
fn interrupted<R: Send>(flags: SaFlags, wait: impl FnOnce() -> R + Send) -> R {
    let action = SigAction::new(SigHandler::Handler(note_signal), flags, SigSet::empty());
    // SAFETY: the handler only stores an atomic flag.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
    let (thread_id, thread_of) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            thread_id.send(nix::unistd::gettid().as_raw()).unwrap();
            wait()
        });
        let thread = thread_of.recv().unwrap();
        let started = Instant::now();
        while !waiting.is_finished() {
            // SAFETY: takes numbers only; the thread is not joined yet.
            unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, libc::SIGUSR2) };
            std::thread::sleep(Duration::from_millis(5));
            assert!(started.elapsed() < LONG, "a signal ends the wait");
        }
        waiting.join().unwrap()
    })
}

fn interruptible(context: &Context, socket_type: SocketType) -> AnySocket {
    AnySocket::new(context, socket_type, options(|options| options.interruptible = true)).unwrap()
}

#[test]
fn a_signal_ends_the_waits_of_an_interruptible_socket() {
    a_handler_ends_waits(SaFlags::SA_RESTART);
    a_handler_ends_waits(SaFlags::empty());
}

fn a_handler_ends_waits(flags: SaFlags) {
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let mut pull = interruptible(&context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap();
        assert!(matches!(interrupted(flags, || pull.recv()), Err(Error::Interrupted)));
        // What comes later is not lost.
        let mut push = interruptible(&context, SocketType::Push);
        let nobody = interrupted(flags, || push.send("nobody")).unwrap_err();
        assert_eq!((nobody.error, nobody.message), (Error::Interrupted, Message::from("nobody")));
        push.connect(&bound).unwrap();
        push.send("somebody").unwrap();
        assert_eq!(pull.recv().unwrap(), Message::from("somebody"));

        let mut poller = zmq::Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        poller.set_interruptible(true);
        assert_eq!(interrupted(flags, || poller.wait(None).map(<[_]>::len)), Err(Error::Interrupted));
        let mut back = socket(&context, SocketType::Push);
        back.bind("inproc://back").unwrap();
        assert_eq!(interrupted(flags, || zmq::proxy(&mut pull, &mut back)), Err(Error::Interrupted));
    });
}

/// Runs `wait` on a thread while this process is stopped and goes on a few times, and then `end`, which ends the wait.
fn stopped<R: Send>(wait: impl FnOnce() -> R + Send, end: impl FnOnce()) -> R {
    const STOP_AND_GO: &str = "
        for round in 1 2 3 4 5; do
            kill -STOP $0 || exit
            until grep -q '^State:.T' /proc/$0/status; do sleep 0.01; done
            kill -CONT $0
            sleep 0.03
        done";
    std::thread::scope(|scope| {
        let (thread_id, thread_of) = mpsc::channel();
        let waiting = scope.spawn(move || {
            thread_id.send(nix::unistd::gettid().as_raw()).unwrap();
            wait()
        });
        let state = format!("/proc/self/task/{}/stat", thread_of.recv().unwrap());
        let started = Instant::now();
        while std::fs::read_to_string(&state).is_ok_and(|state| !state.contains(") S ")) {
            assert!(started.elapsed() < LONG, "it goes to sleep");
            std::thread::sleep(Duration::from_millis(1));
        }
        let process = std::process::id().to_string();
        assert!(Command::new("sh").args(["-c", STOP_AND_GO, &process]).status().unwrap().success());
        end();
        waiting.join().unwrap()
    })
}

/// Job control, debuggers, and those who freeze containers.
#[test]
fn who_was_stopped_waits_on() {
    if !in_child("who_was_stopped_waits_on") {
        return;
    }
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let mut pull = interruptible(&context, SocketType::Pull);
        let bound = pull.bind(endpoint).unwrap();
        let mut push = interruptible(&context, SocketType::Push);
        push.connect(&bound).unwrap();
        let received = stopped(|| pull.recv(), || push.send("for recv").unwrap());
        assert_eq!(received, Ok(Message::from("for recv")));

        let mut poller = zmq::Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        poller.set_interruptible(true);
        let ready = stopped(|| poller.wait(None).map(<[_]>::len), || push.send("for a poller").unwrap());
        assert_eq!(ready, Ok(1));

        let mut bound_push = interruptible(&context, SocketType::Push);
        let bound = bound_push.bind(endpoint).unwrap();
        let mut late_pull = socket(&context, SocketType::Pull);
        stopped(|| bound_push.send("who comes"), || drop(late_pull.connect(&bound).unwrap())).unwrap();
        assert_eq!(late_pull.recv(), Ok(Message::from("who comes")));
    });
}

fn is_readable(descriptor: &Descriptor, wait: Duration) -> bool {
    let mut fds = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(wait).unwrap()).unwrap() == 1
}

/// `ZMQ_FD`: quiet although messages wait, once that was told; and no news is missed.
#[test]
fn an_edge_descriptor_tells_of_news() {
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let mut pull = socket(&context, SocketType::Pull);
        let descriptor = pull.edge_descriptor().unwrap();
        let bound = pull.bind(endpoint).unwrap();
        let mut push = socket(&context, SocketType::Push);
        push.connect(&bound).unwrap();
        for round in 0..100_u8 {
            push.send([round]).unwrap();
            push.send([round]).unwrap();
            let started = Instant::now();
            while !pull.readiness().unwrap().readable {
                assert!(is_readable(&descriptor, LONG), "the news of round {round} is told");
                assert!(started.elapsed() < LONG);
            }
            pull.recv().unwrap();
            pull.recv().unwrap();
        }
        push.send("waits").unwrap();
        let started = Instant::now();
        // Told, and told again as long as there is other news, such as that the peer has come.
        while is_readable(&descriptor, Duration::from_millis(50)) {
            pull.readiness().unwrap();
            assert!(started.elapsed() < LONG, "it is quiet although a message waits");
        }
        assert!(pull.readiness().unwrap().readable);
    });
}

#[test]
fn a_stopper_ends_the_calls_of_one_socket() {
    for_each_transport(|endpoint| {
        let context = zmq::context_builder().build().unwrap();
        let mut pull = socket(&context, SocketType::Pull);
        let mut other = socket(&context, SocketType::Pull);
        other.set_options(options(|options| options.recv_timeout = Some(Duration::from_millis(1)))).unwrap();
        pull.bind(endpoint).unwrap();
        let stopper = pull.stopper().unwrap();
        let waiting = std::thread::spawn(move || pull.recv());
        std::thread::sleep(Duration::from_millis(20));
        stopper.stop();
        assert_eq!(waiting.join().unwrap(), Err(Error::Terminated));
        assert!(matches!(other.recv(), Err(Error::Timeout { .. })));
    });
}

#[test]
fn a_monitor_is_stopped_from_another_thread() {
    let context = zmq::context_builder().build().unwrap();
    let mut pull = socket(&context, SocketType::Pull);
    let mut monitor = pull.monitor().unwrap();
    pull.bind("inproc://monitored").unwrap();
    let stopper = monitor.stopper();
    let events = std::thread::spawn(move || monitor.by_ref().collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(20));
    stopper.stop();
    let events = events.join().unwrap();
    assert!(matches!(events.as_slice(), [Event::Listening { .. }]), "{events:?}");
    stopper.stop();
}
