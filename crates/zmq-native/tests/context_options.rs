//! Each option of a context acts. `io_threads` has its test in `affinity.rs`, `max_sockets` in `bad_input.rs`.

mod support;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::*;
use zmq::security::{Authenticator, Plain};
use zmq::{AnySocket, Error, Options, SocketType};

/// The status of this process's threads whose names begin so: name and processors.
fn threads(prefix: &str) -> Vec<(String, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a field").trim().to_owned()
    };
    let all = statuses.map(|status| (field(&status, "Name:"), field(&status, "Cpus_allowed_list:")));
    all.filter(|(name, _)| name.starts_with(prefix)).collect()
}

#[test]
fn thread_name() {
    let context = zmq::context_builder().thread_name("named").io_threads(2).build().unwrap();
    assert_eq!(threads("named"), []);
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        pull.bind_to("tcp://127.0.0.1:*").unwrap();
        sockets.push(pull);
    }
    until("the threads have their names", || {
        let mut names: Vec<_> = threads("named").into_iter().map(|(name, _)| name).collect();
        names.sort();
        names == ["named/0", "named/1"]
    });
}

/// A thread chooses its processor; priority and policy are chosen in the same way.
#[test]
fn on_thread_start() {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let last = (0..CpuSet::count()).rfind(|cpu| allowed.is_set(*cpu).unwrap_or(false)).unwrap();
    let started = Arc::new(AtomicUsize::new(0));
    let hook = {
        let started = started.clone();
        move || {
            let mut only = CpuSet::new();
            only.set(last).unwrap();
            sched_setaffinity(Pid::from_raw(0), &only).unwrap();
            assert_eq!(std::thread::current().name(), Some("pinned/0"));
            started.fetch_add(1, Ordering::Relaxed);
        }
    };
    let context = zmq::context_builder().thread_name("pinned").on_thread_start(hook).build().unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 0, "threads start when they are needed");
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 1);
    assert_eq!(threads("pinned"), [("pinned/0".to_owned(), last.to_string())]);
    assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), allowed, "nobody else's processors changed");
    zmq::Push::builder_in(&context).connect(&bound).unwrap().send("x").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
    assert_eq!(started.load(Ordering::Relaxed), 1);
}

#[test]
fn a_hook_that_panics() {
    let fails = Arc::new(Mutex::new(true));
    let hook = {
        let fails = fails.clone();
        move || assert!(!*fails.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    };
    let context = zmq::context_builder().on_thread_start(hook).build().unwrap();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let error = pull.bind_to("tcp://127.0.0.1:*").unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("on_thread_start"), "{error}");
    *fails.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = false;
    pull.bind_to("tcp://127.0.0.1:*").unwrap();
}

#[test]
fn ipv6() {
    let refusal = |context: &zmq::Context, options| {
        let mut pull = zmq::Pull::with_options(context, options).unwrap();
        pull.bind_to("tcp://[::1]:*").err()
    };
    let error = refusal(&context(), Options::default());
    assert!(matches!(error, Some(Error::InvalidEndpoint { .. })), "{error:?}");
    let context = zmq::context_builder().ipv6(true).build().unwrap();
    // A machine may have none; that is not ours to refuse.
    let error = refusal(&context, Options::default());
    assert!(!matches!(error, Some(Error::InvalidEndpoint { .. })), "{error:?}");
}

#[test]
fn max_message_size() {
    for (of_context, of_socket, limit) in [(100, None, 100), (100, Some(50), 50), (100, Some(1000), 100)] {
        let context = zmq::context_builder().max_message_size(of_context).build().unwrap();
        let mut options = Options::default();
        options.max_message_size = of_socket;
        let mut pull = zmq::Pull::with_options(&context, options).unwrap();
        let mut monitor = pull.monitor().unwrap();
        let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
        let mut peer = Raw::peer(&bound, "PUSH");
        peer.send(&frame(0, &vec![b'x'; limit]));
        assert_eq!(pull.recv_timeout(LONG).unwrap().size(), limit);
        peer.send(&frame(0, &vec![b'x'; limit + 1]));
        let reason = fault(&mut monitor);
        assert!(reason.contains(&format!("accepts {limit}")), "{reason}");
        assert!(peer.is_closed());
    }
}

/// What a socket tells of its mechanism.
#[test]
fn mechanism() {
    let context = context();
    let mut options = Options::default();
    (options.security, options.authenticator) = (Plain::server().into(), Some(Authenticator::anyone()));
    assert_eq!(AnySocket::new(&context, SocketType::Pair, options).unwrap().mechanism(), Ok("PLAIN"));
    assert_eq!(zmq::Pair::new_in(&context).unwrap().mechanism(), Ok("NULL"));
    let client = Plain::client("a", "b").unwrap();
    assert_eq!(zmq::Pair::builder_in(&context).security(client).build().unwrap().mechanism(), Ok("PLAIN"));
}
