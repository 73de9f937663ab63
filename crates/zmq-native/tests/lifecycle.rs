//! Beginnings and ends: blocked calls end with their context, drops do not block, nothing is left behind, and what was
//! sent arrives; lost peers come back.

mod support;

use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;
use zmq::{AnySocket, Context, Endpoint, Error, Event, Monitor, Options, SocketType};

/// Where a socket may stand when something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    NoEndpoint,
    Bound,
    ConnectingToNobody,
    Connected,
    PeerLost,
}

const STANDS: [Stand; 5] =
    [Stand::NoEndpoint, Stand::Bound, Stand::ConnectingToNobody, Stand::Connected, Stand::PeerLost];

/// What the kinds of sockets have in common here.
trait Attach {
    fn attach(&mut self, bind: bool, endpoint: &str) -> Endpoint;
    fn watch(&mut self) -> Monitor;
}

impl Attach for AnySocket {
    fn attach(&mut self, bind: bool, endpoint: &str) -> Endpoint {
        if bind { self.bind(endpoint) } else { self.connect(endpoint) }.expect("attach")
    }

    fn watch(&mut self) -> Monitor {
        self.monitor().expect("monitor")
    }
}

macro_rules! attach {
    ($($kind:ty)*) => {$(
        impl Attach for $kind {
            fn attach(&mut self, bind: bool, endpoint: &str) -> Endpoint {
                if bind { self.bind_to(endpoint) } else { self.connect_to(endpoint) }.expect("attach")
            }

            fn watch(&mut self) -> Monitor {
                self.monitor().expect("monitor")
            }
        }
    )*};
}

attach! { zmq::Pair zmq::Pub }

fn any(context: &Context, socket_type: SocketType) -> AnySocket {
    AnySocket::new(context, socket_type, small()).expect("socket")
}

/// Options with little room.
fn small() -> Options {
    let mut options = Options::default();
    (options.send_hwm, options.recv_hwm) = (2, 2);
    options.linger = Some(ms(50));
    (options.stream.send_buffer, options.stream.recv_buffer) = (Some(8192), Some(8192));
    options
}

/// An endpoint where nobody is.
fn nobody(wild: &str) -> String {
    match wild.split_once("://").expect("scheme").0 {
        // The port stays free: nothing here binds to a chosen one.
        "tcp" => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            format!("tcp://{}", listener.local_addr().expect("address"))
        }
        "ipc" => format!("ipc://{}", fresh_path()),
        _ => "inproc://nobody".to_owned(),
    }
}

/// Brings a socket to where it shall stand. What is returned must be kept.
fn bring(
    socket: &mut dyn Attach,
    context: &Context,
    stand: Stand,
    wild: &str,
    peer: SocketType,
) -> Option<AnySocket> {
    let mut monitor = socket.watch();
    match stand {
        Stand::NoEndpoint => return None,
        Stand::Bound => _ = socket.attach(true, wild),
        Stand::ConnectingToNobody => _ = socket.attach(false, &nobody(wild)),
        Stand::Connected | Stand::PeerLost => {
            let bound = socket.attach(true, wild);
            // On a wire the peer is somebody else, who is not shut down.
            let elsewhere = if wild.starts_with("inproc") { context.clone() } else { self::context() };
            let mut peer = any(&elsewhere, peer);
            peer.connect(&bound).expect("connect");
            await_event(&mut monitor, "connected", |event| matches!(event, Event::HandshakeSucceeded { .. }));
            if stand == Stand::Connected {
                return Some(peer);
            }
            drop(peer);
            if !wild.starts_with("inproc") {
                await_event(&mut monitor, "lost", |event| matches!(event, Event::Disconnected { .. }));
            }
        }
    }
    None
}

/// Runs `call` in another thread, shuts the context down while it blocks, and wants it to say so.
#[track_caller]
fn ends(what: &str, context: &Context, call: impl FnOnce() -> Error + Send + 'static) {
    let context = context.clone();
    let shutter = std::thread::spawn(move || {
        // Long enough for the call to block, mostly; whether it does is no matter.
        std::thread::sleep(ms(15));
        context.shutdown();
    });
    let error = bounded(what, call);
    assert_eq!(error, Error::Terminated, "{what}");
    shutter.join().unwrap();
}

/// Every state over every transport, each with a context of its own.
fn matrix(test: impl Fn(&str, &Context, Stand, &str)) {
    for wild in ENDPOINTS {
        for stand in STANDS {
            let context = context();
            test(&format!("{stand:?} over {wild}"), &context, stand, wild);
        }
    }
}

#[test]
fn term_matrix_recv() {
    matrix(|what, context, stand, wild| {
        let mut dealer = any(context, SocketType::Dealer);
        let _peer = bring(&mut dealer, context, stand, wild, SocketType::Dealer);
        ends(what, context, move || dealer.recv().unwrap_err());
    });
}

#[test]
fn term_matrix_send() {
    matrix(|what, context, stand, wild| {
        let mut dealer = any(context, SocketType::Dealer);
        let _peer = bring(&mut dealer, context, stand, wild, SocketType::Dealer);
        // Until it is full, or at once if there is nobody.
        ends(what, context, move || {
            loop {
                if let Err(failed) = dealer.send(vec![7; 4000]) {
                    assert_eq!(failed.message[0].len(), 4000);
                    return failed.error;
                }
            }
        });
    });
}

#[test]
fn term_matrix_poller() {
    matrix(|what, context, stand, wild| {
        let mut dealer = any(context, SocketType::Dealer);
        let _peer = bring(&mut dealer, context, stand, wild, SocketType::Dealer);
        ends(what, context, move || {
            let mut poller = zmq::Poller::new().unwrap();
            poller.add(&mut dealer, 0).unwrap();
            poller.wait(None).unwrap_err()
        });
    });
}

#[test]
fn term_matrix_proxy() {
    matrix(|what, context, stand, wild| {
        let mut frontend = any(context, SocketType::Router);
        let mut backend = any(context, SocketType::Dealer);
        let _peer = bring(&mut frontend, context, stand, wild, SocketType::Dealer);
        let _other = bring(&mut backend, context, stand, wild, SocketType::Dealer);
        ends(what, context, move || zmq::proxy(&mut frontend, &mut backend).unwrap_err());
    });
}

#[test]
fn term_matrix_split() {
    matrix(|what, context, stand, wild| {
        let mut pair = zmq::Pair::builder_in(context).options(small()).build().unwrap();
        let _peer = bring(&mut pair, context, stand, wild, SocketType::Pair);
        let (mut sender, mut receiver) = pair.split().unwrap();
        let sending = std::thread::spawn(move || {
            loop {
                if let Err(failed) = sender.send(vec![7; 4000]) {
                    return failed.error;
                }
            }
        });
        ends(what, context, move || receiver.recv().unwrap_err());
        assert_eq!(bounded(what, move || sending.join().unwrap()), Error::Terminated);
    });
}

#[test]
fn term_matrix_wait_for_subscribers() {
    matrix(|what, context, stand, wild| {
        let mut publisher = zmq::Pub::new_in(context).unwrap();
        let _peer = bring(&mut publisher, context, stand, wild, SocketType::Sub);
        ends(what, context, move || publisher.wait_for_subscribers(2, LONG * 2).unwrap_err());
    });
}

#[test]
fn term_while_others_come_and_go() {
    for _ in 0..20 {
        let context = context();
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let context = context.clone();
                let wild = ENDPOINTS[number % 3];
                std::thread::spawn(move || {
                    loop {
                        let run = || -> zmq::Result<()> {
                            let mut pull = zmq::Pull::new_in(&context)?;
                            let bound = pull.bind_to(wild)?;
                            let mut push = zmq::Push::builder_in(&context).connect(&bound)?;
                            push.send("x")?;
                            pull.recv()?;
                            Ok(())
                        };
                        if let Err(error) = run() {
                            return error;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(ms(10));
        context.shutdown();
        for thread in threads {
            assert_eq!(bounded("socket churn", move || thread.join().unwrap()), Error::Terminated);
        }
        bounded("the context", move || drop(context));
    }
}

/// Lingering must not be waited for by anybody but the last handle of the context.
#[test]
fn drop_does_not_block() {
    for wild in ENDPOINTS {
        for stand in STANDS {
            let context = context();
            let mut options = small();
            options.linger = Some(2 * LONG);
            let mut dealer = AnySocket::new(&context, SocketType::Dealer, options).unwrap();
            let peer = bring(&mut dealer, &context, stand, wild, SocketType::Dealer);
            while dealer.try_send(vec![7; 4000]).is_ok() {}
            bounded(&format!("drop of a socket, {stand:?} over {wild}"), move || drop(dealer));
            // The handle that would wait is given away.
            std::mem::forget(context);
            drop(peer);
        }
    }
}

#[test]
fn the_last_handle_waits_as_long_as_sockets_linger() {
    for wild in WIRES {
        let context = context();
        let mut push = zmq::Push::builder_in(&context).linger(ms(200)).connect(nobody(wild)).unwrap();
        for _ in 0..10 {
            push.send("x").unwrap();
        }
        let started = std::time::Instant::now();
        bounded("the context", move || drop((push, context)));
        assert!(started.elapsed() >= ms(200), "it did not wait");
    }
}

#[test]
fn linger_delivers_everything() {
    for wild in ENDPOINTS {
        for push_binds in [false, true] {
            let (ours, theirs) = (context(), context());
            let ours = if wild.starts_with("inproc") { theirs.clone() } else { ours };
            let mut push = zmq::Push::builder_in(&ours).send_hwm(0usize).linger(None).build().unwrap();
            let mut pull = zmq::Pull::new_in(&theirs).unwrap();
            if push_binds {
                let bound = push.bind_to(wild).unwrap();
                pull.connect_to(&bound).unwrap();
            } else {
                let bound = pull.bind_to(wild).unwrap();
                push.connect_to(&bound).unwrap();
            }
            for number in 0..1000_u32 {
                push.send((number.to_be_bytes(), vec![7; 1000])).unwrap();
            }
            drop(push);
            for number in 0..1000_u32 {
                assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes(), "{wild} {push_binds}");
            }
            assert!(ours.wait_for_sends(LONG).is_ok());
        }
    }
}

#[test]
fn linger_of_the_last_handle_delivers_everything() {
    for wild in WIRES {
        let (ours, theirs) = (context(), context());
        let mut pull = zmq::Pull::new_in(&theirs).unwrap();
        let bound = pull.bind_to(wild).unwrap();
        let mut push = zmq::Push::builder_in(&ours).linger(LONG).send_hwm(0usize).connect(bound).unwrap();
        let receiver = std::thread::spawn(move || {
            (0..1000).for_each(|_| drop(pull.recv_timeout(LONG).unwrap()));
        });
        for _ in 0..1000 {
            push.send(vec![7; 10_000]).unwrap();
        }
        bounded("the context", move || drop((push, ours)));
        receiver.join().unwrap();
    }
}

#[test]
fn no_linger_discards() {
    for wild in WIRES {
        let context = context();
        let endpoint = nobody(wild);
        let mut push = zmq::Push::builder_in(&context).linger(Duration::ZERO).connect(&endpoint).unwrap();
        for _ in 0..100 {
            push.send("lost").unwrap();
        }
        assert_eq!(push.stats().queued, 100);
        let mut monitor = push.monitor().unwrap();
        push.close(Some(Duration::ZERO));
        let stopped = await_event(&mut monitor, "the end", |event| matches!(event, Event::Stopped { .. }));
        let Event::Stopped { stats } = stopped else { unreachable!() };
        assert_eq!((stats.written, stats.queued, stats.dropped.lingered), (100, 0, 100), "{stats:?}");
        assert!(monitor.next().is_none());
        context.wait_for_sends(LONG).unwrap();
        // Whoever comes now gets what is sent now.
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        pull.bind_to(&endpoint).unwrap();
        let mut push = zmq::Push::builder_in(&context).connect(&endpoint).unwrap();
        push.send("fresh").unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "fresh".into());
    }
}

#[test]
fn a_late_binder_within_linger_gets_everything() {
    for wild in WIRES {
        let context = context();
        let endpoint = nobody(wild);
        let mut push = zmq::Push::builder_in(&context)
            .linger(None)
            .reconnect_interval(ms(20))
            .connect(&endpoint)
            .unwrap();
        for number in 0..100_u32 {
            push.send(number.to_be_bytes()).unwrap();
        }
        drop(push);
        let undelivered = context.wait_for_sends(ms(50)).unwrap_err();
        assert_eq!(undelivered.sockets, [(SocketType::Push, 100)]);
        assert!(undelivered.to_string().contains("PUSH (100 messages)"), "{undelivered}");
        let mut pull = zmq::Pull::new_in(&context).unwrap();
        pull.bind_to(&endpoint).unwrap();
        for number in 0..100_u32 {
            assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
        }
        context.wait_for_sends(LONG).unwrap();
    }
}

/// Who waits in a way of their own is told, once for each time they asked, and only of what happened after it.
#[test]
fn a_task_is_told_that_everything_is_sent() {
    let context = context();
    let told = Arc::new(Told::default());
    let waker = told.clone().into();
    let mut task = std::task::Context::from_waker(&waker);
    assert!(context.poll_sends(&mut task).is_ready(), "nothing was sent");
    let endpoint = nobody(WIRES[0]);
    let open = zmq::Push::builder_in(&context).connect(&endpoint).unwrap();
    assert!(context.poll_sends(&mut task).is_ready(), "who is not dropped is not waited for");
    let mut push =
        zmq::Push::builder_in(&context).linger(None).reconnect_interval(ms(20)).connect(&endpoint).unwrap();
    push.send("x").unwrap();
    drop(push);
    for _ in 0..2 {
        assert!(context.poll_sends(&mut task).is_pending());
    }
    assert_eq!(told.0.load(Ordering::Relaxed), 0);
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    pull.bind_to(&endpoint).unwrap();
    until("it is told", || told.0.load(Ordering::Relaxed) > 0);
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
    assert!(context.poll_sends(&mut task).is_ready());
    drop(open);
}

#[derive(Default)]
struct Told(AtomicUsize);

impl std::task::Wake for Told {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a child tries first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Wait,
    Send,
}

#[test]
fn a_forked_child_is_inert() {
    if in_child("a_forked_child_is_inert") {
        fork_and_try(First::Wait);
    }
}

#[test]
fn a_forked_child_cannot_send() {
    if in_child("a_forked_child_cannot_send") {
        fork_and_try(First::Send);
    }
}

/// In the middle of a flood a child is told late, but nothing that it sends arrives.
#[test]
fn a_forked_child_cannot_join_a_flood() {
    if !in_child("a_forked_child_cannot_join_a_flood") {
        return;
    }
    const FLOOD: usize = 20_000;
    for wild in WIRES {
        let context = context();
        let mut pull = zmq::Pull::builder_in(&context).recv_hwm(0usize).build().unwrap();
        let mut sub = zmq::Sub::builder_in(&context).recv_hwm(0usize).subscribe("").build().unwrap();
        let mut push = zmq::Push::builder_in(&context).send_hwm(0usize).build().unwrap();
        let mut publisher = zmq::Pub::builder_in(&context).send_hwm(0usize).build().unwrap();
        push.connect_to(pull.bind_to(wild).unwrap()).unwrap();
        sub.connect_to(publisher.bind_to(wild).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, LONG).unwrap();
        for _ in 0..FLOOD {
            push.send("from the parent").unwrap();
            publisher.send("from the parent").unwrap();
        }
        if let Some(end) = fork() {
            let told = |mut send: Box<dyn FnMut() -> Result<(), zmq::SendError> + '_>| {
                (0..FLOOD).find_map(|_| send().err()).is_some_and(|failed| failed.error == Error::Forked)
            };
            let push_is_told = told(Box::new(|| push.send("from the child")));
            let publisher_is_told = told(Box::new(|| publisher.send("from the child")));
            end(&[push_is_told, publisher_is_told, publisher.stats().queued == 0]);
        }
        push.send("the end").unwrap();
        publisher.send("the end").unwrap();
        for _ in 0..FLOOD {
            assert_eq!(pull.recv_timeout(LONG).unwrap(), "from the parent".into());
            assert_eq!(sub.recv_timeout(LONG).unwrap(), "from the parent".into());
        }
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "the end".into());
        assert_eq!(sub.recv_timeout(LONG).unwrap(), "the end".into());
    }
}

fn fork_and_try(first: First) {
    let context = context();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let path = fresh_path();
    pull.bind_to(format!("ipc://{path}")).unwrap();
    let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    let mut pair = zmq::Pair::new_in(&context).unwrap();
    pair.bind_to("inproc://pair").unwrap();
    push.send("before").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "before".into());
    let default = zmq::Push::new().unwrap();

    let mut poller = zmq::Poller::new().unwrap();
    let mut polled = zmq::Pull::new_in(&context).unwrap();
    poller.add(&mut polled, 0).unwrap();

    if let Some(end) = fork() {
        let checks = [
            first != First::Send
                || push.send("from the child").is_err_and(|failed| {
                    failed.error == Error::Forked && failed.message == "from the child".into()
                }) && push.try_send("from the child").is_err_and(|failed| failed.error == Error::Forked)
                    && pull.try_recv().is_err_and(|error| error == Error::Forked),
            pull.recv().is_err_and(|error| error == Error::Forked),
            pair.connect_to("inproc://x").is_err_and(|error| error == Error::Forked),
            pull.bind_to("tcp://127.0.0.1:*").is_err_and(|error| error == Error::Forked),
            zmq::Pair::new_in(&context).is_err_and(|error| error == Error::Forked),
            context.is_inherited(),
            poller.wait(None).is_err_and(|error| error == Error::Forked),
            // The default context is made anew.
            zmq::Pair::new().is_ok_and(|mut pair| pair.bind_to("tcp://127.0.0.1:*").is_ok()),
        ];
        drop((pair, push, pull, default, poller, polled, context));
        end(&checks);
    }
    // Nothing has happened to us.
    for number in 0..100_u32 {
        push.send(number.to_be_bytes()).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
    }
    let mut other = zmq::Push::builder_in(&context).connect(format!("ipc://{path}")).unwrap();
    other.send("by ipc").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "by ipc".into());
}

#[test]
fn contexts_and_sockets_leave_nothing_behind() {
    if !in_child("contexts_and_sockets_leave_nothing_behind") {
        return;
    }
    let pass = |context: &Context, wild: &str| {
        let mut pull = zmq::Pull::new_in(context).unwrap();
        let bound = pull.bind_to(wild).unwrap();
        let mut push = zmq::Push::builder_in(context).connect(bound).unwrap();
        push.send("x").unwrap();
        pull.recv_timeout(LONG).unwrap();
    };
    let many_contexts = |count: usize| {
        for number in 0..count {
            pass(&context(), ENDPOINTS[number % 3]);
        }
    };
    let many_sockets = |context: &Context, count: usize| {
        for number in 0..count / 2 {
            if number % 5 == 0 {
                pass(context, ENDPOINTS[number / 5 % 3]);
            } else {
                drop((
                    zmq::Sub::new_in(context).unwrap(),
                    zmq::Req::builder_in(context).connect("inproc://x"),
                ));
            }
        }
    };
    let settled = |context: &Context| context.wait_for_sends(LONG).unwrap();
    many_contexts(100);
    let shared = context();
    many_sockets(&shared, 500);
    settled(&shared);
    until("nothing lingers", || shared.socket_count() == 0);
    let (open, threads, memory) = (descriptors(), status("Threads"), status("VmRSS"));
    many_contexts(1000);
    many_sockets(&shared, 10_000);
    settled(&shared);
    until("the descriptors are closed", || descriptors() <= open);
    until("the threads have ended", || status("Threads") <= threads);
    let grown = status("VmRSS").saturating_sub(memory);
    assert!(grown < 6 * 1024, "{grown} KiB");
    assert_eq!(shared.socket_count(), 0);
}

/// An echo server in a process of its own: this very program, told so by its environment.
struct Server(Child);

const SERVE: &str = "ZMQ_TEST_SERVE";

impl Server {
    fn start(test: &str, endpoint: &str) -> Server {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(SERVE, endpoint)
            .stdout(std::process::Stdio::null())
            .spawn();
        Server(child.expect("a server"))
    }

    /// In the child: serves until it is killed.
    fn serve_if_asked() {
        let Ok(endpoint) = std::env::var(SERVE) else { return };
        let mut rep = zmq::Rep::bind(endpoint).expect("bind");
        while let Ok((request, reply)) = rep.recv_request() {
            let _ = reply.send(request);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
}

#[test]
fn a_killed_process_that_comes_back_is_found() {
    Server::serve_if_asked();
    for wild in WIRES {
        let context = context();
        let endpoint = nobody(wild);
        let mut req = zmq::Req::builder_in(&context).reconnect_interval(ms(10)).build().unwrap();
        let mut monitor = req.monitor().unwrap();
        req.connect_to(&endpoint).unwrap();
        for life in 0..3_u32 {
            let server = Server::start("a_killed_process_that_comes_back_is_found", &endpoint);
            let mut answered = false;
            until("an answer", || {
                answered = req.request_timeout(life.to_be_bytes(), ms(500)).is_ok_and(|reply| {
                    assert_eq!(reply[0], life.to_be_bytes());
                    true
                });
                answered
            });
            drop(server);
            end(&mut monitor);
        }
        assert_eq!(req.stats().reconnects, 2, "{wild}");
    }
}

#[test]
fn a_socket_that_comes_back_to_its_endpoint_is_found() {
    for wild in WIRES {
        let context = context();
        let endpoint = nobody(wild);
        let mut push = zmq::Push::builder_in(&context).reconnect_interval(ms(10)).build().unwrap();
        let mut monitor = push.monitor().unwrap();
        push.connect_to(&endpoint).unwrap();
        for life in 0..5_u32 {
            let mut pull = zmq::Pull::new_in(&context).unwrap();
            until("the address is free", || pull.bind_to(&endpoint).is_ok());
            push.send(life.to_be_bytes()).unwrap();
            assert_eq!(pull.recv_timeout(LONG).unwrap()[0], life.to_be_bytes());
            drop(pull);
            end(&mut monitor);
        }
        let stats = push.stats();
        assert_eq!((stats.reconnects, stats.delivered, stats.dropped.total()), (4, 5, 0), "{stats:?}");
    }
}

#[test]
fn reconnecting_backs_off_with_jitter() {
    for wild in WIRES {
        let context = context();
        let mut push = zmq::Push::builder_in(&context)
            .reconnect_interval(ms(4))
            .reconnect_interval_max(ms(32))
            .build()
            .unwrap();
        let mut monitor = push.monitor().unwrap();
        push.connect_to(nobody(wild)).unwrap();
        let mut delays = Vec::new();
        for low in [4, 8, 16, 32, 32, 32] {
            let event = await_event(&mut monitor, "another attempt", |event| {
                matches!(event, Event::ConnectRetried { .. })
            });
            let Event::ConnectRetried { after, error, .. } = event else { unreachable!() };
            assert!(after >= ms(low) && after < ms(2 * low), "{after:?} for {low} ms");
            assert!(!error.is_empty());
            delays.push(after.as_nanos() as f64 / ms(low).as_nanos() as f64);
        }
        assert!(delays.windows(2).any(|two| (two[0] - two[1]).abs() > 0.001), "no jitter: {delays:?}");
    }
}

#[test]
fn names_are_looked_up_elsewhere() {
    let context = context();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let port = bound.address().rsplit_once(':').unwrap().1;
    let mut push = zmq::Push::builder_in(&context).immediate(true).build().unwrap();
    let mut monitor = push.monitor().unwrap();
    push.connect_to("tcp://no-such-host.invalid:1").unwrap();
    push.connect_to(format!("tcp://localhost:{port}")).unwrap();
    for number in 0..1000_u32 {
        push.send(number.to_be_bytes()).unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes());
    }
    let failed = await_event(
        &mut monitor,
        "a name that is not known",
        |event| matches!(event, Event::ConnectRetried { endpoint, .. } if endpoint.address().starts_with("no-such-host")),
    );
    assert!(matches!(failed, Event::ConnectRetried { error, .. } if !error.is_empty()));
}

#[test]
fn handshakes_are_capped_and_the_oldest_goes_first() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).max_pending_handshakes(3usize).build().unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut silent: Vec<Raw> = (0..10).map(|_| Raw::connect(&bound)).collect();
    for _ in 0..7 {
        assert!(refusal(&mut monitor).contains("too many handshakes"));
    }
    assert!(silent[..7].iter_mut().all(Raw::is_closed));
    let mut last = silent.pop().unwrap();
    last.send(&greeting());
    last.send(&ready("PUSH"));
    last.send(&frame(0, b"x"));
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "x".into());
}

#[test]
fn handshakes_that_are_over_count_no_more() {
    for wild in WIRES {
        let context = context();
        let mut pull = zmq::Pull::builder_in(&context).max_pending_handshakes(3usize).build().unwrap();
        let bound = pull.bind_to(wild).unwrap();
        for number in 0..20_u32 {
            let mut push = zmq::Push::builder_in(&context).connect(&bound).unwrap();
            push.send(number.to_be_bytes()).unwrap();
            assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes(), "{wild}");
            drop(push);
            context.wait_for_sends(LONG).unwrap();
        }
    }
}

#[test]
fn heartbeats_find_a_frozen_peer() {
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context)
        .heartbeat_interval(ms(50))
        .heartbeat_timeout(ms(1000))
        .build()
        .unwrap();
    let mut monitor = pull.monitor().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let mut lively = zmq::Push::builder_in(&context).connect(&bound).unwrap();
    lively.send("x").unwrap();
    pull.recv_timeout(LONG).unwrap();
    let mut frozen = Raw::connect(&bound);
    let mut greeting = greeting();
    greeting[11] = 1;
    frozen.send(&greeting);
    frozen.send(&ready("PUSH"));
    let reason = end(&mut monitor);
    assert!(reason.contains("PING") && reason.contains("1s"), "{reason}");
    frozen.skip_greeting();
    assert!(frozen.frame().1.starts_with(b"\x05READY"));
    assert!(frozen.frame().1.starts_with(b"\x04PING"));
    assert!(frozen.is_closed());
    // It was the frozen one that went.
    lively.send("y").unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "y".into());
    assert_eq!(lively.stats().reconnects, 0);
}

#[test]
fn a_monitor_that_nobody_reads_loses_the_oldest_and_says_so() {
    let context = context();
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    let (mut monitor, mut other) = (pull.monitor().unwrap(), pull.monitor().unwrap());
    for number in 0..1000 {
        let bound = pull.bind_to(format!("inproc://{number}")).unwrap();
        pull.unbind(bound).unwrap();
        if number < 10 {
            assert!(matches!(other.try_next(), Some(Event::Listening { .. })));
            assert!(matches!(other.try_next(), Some(Event::ListenerClosed { .. })));
        }
    }
    let Some(Event::Lagged(lost)) = monitor.try_next() else { panic!("nothing was lost") };
    let Some(Event::Listening { endpoint }) = monitor.try_next() else { panic!("an event is missing") };
    assert_eq!(endpoint.address(), (lost / 2).to_string());
    drop(pull);
    // Everything that is left, and then the end, which pushes out one more.
    assert_eq!(monitor.count() as u64, 2000 - lost - 1 + 1);
    assert!(matches!(other.next(), Some(Event::Lagged(_))));
}

#[test]
fn who_waited_for_an_inproc_name_and_does_not_fit_is_free_again() {
    let context = context();
    let mut pair = zmq::Pair::builder_in(&context).connect("inproc://name").unwrap();
    pair.bind_to("inproc://pair").unwrap();
    pair.send("nobody gets this").unwrap();
    let mut monitor = pair.monitor().unwrap();
    let waiter = std::thread::spawn(move || (pair.recv_timeout(LONG), pair.stats()));
    let mut pull = zmq::Pull::new_in(&context).unwrap();
    pull.bind_to("inproc://name").unwrap();
    let given_up =
        await_event(&mut monitor, "giving up", |event| matches!(event, Event::ConnectGivenUp { .. }));
    let Event::ConnectGivenUp { error, .. } = given_up else { unreachable!() };
    assert!(error.contains("PAIR") && error.contains("PULL"), "{error}");
    // The thread that waits lets go of the pipe, so another peer may come.
    let mut other = zmq::Pair::new_in(&context).unwrap();
    until("the PAIR is free", || other.connect_to("inproc://pair").is_ok());
    other.send("hello").unwrap();
    let (received, stats) = waiter.join().unwrap();
    assert_eq!(received.unwrap(), "hello".into());
    assert_eq!((stats.written, stats.dropped.disconnected, stats.queued), (1, 1, 0), "{stats:?}");
}

#[test]
fn who_is_dismissed_goes_to_whoever_is_bound_there_next() {
    let context = context();
    let pull = || zmq::AnySocket::new(&context, zmq::SocketType::Pull, zmq::Options::default()).unwrap();
    let (mut old, mut new) = (pull(), pull());
    let bound = old.bind("tcp://127.0.0.1:*").unwrap();
    let mut push = zmq::Push::new_in(&context).unwrap();
    push.connect_to(&bound).unwrap();
    push.send("first").unwrap();
    while !old.readiness().unwrap().readable {
        std::thread::yield_now();
    }
    old.unbind_and_dismiss(&bound).unwrap();
    new.bind(&bound).unwrap();
    // What had arrived is there still.
    assert_eq!(old.try_recv().unwrap(), "first".into());
    // What is sent to a connection that ends is lost, so it takes more than one.
    let (sender, done) = std::sync::mpsc::channel::<()>();
    let sending = std::thread::spawn(move || {
        while done.recv_timeout(Duration::from_millis(10))
            != Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        {
            let _ = push.try_send("second");
        }
    });
    assert_eq!(new.recv_timeout(LONG).unwrap(), "second".into());
    drop(sender);
    sending.join().unwrap();
    assert!(old.try_recv().is_err());
    assert!(old.unbind_and_dismiss(&bound).is_err());
}
