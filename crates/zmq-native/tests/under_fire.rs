//! Peers that are killed, signals, forks, no descriptors: whoever has nothing to do with it goes on, and nothing that
//! was theirs is left.

mod support;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use support::*;
use zmq::{Context, Endpoint, Error, Event, Poller, Stats};

/// Where peers stand when they are killed.
const STANDS: [&str; 13] = [
    "silent",
    "half a greeting",
    "greeted",
    "half a READY",
    "admitted",
    "one of two frames",
    "half a frame",
    "pushing",
    "pulling",
    "pulling nothing",
    "subscribed",
    "reading nothing it is subscribed to",
    "asking",
];

#[test]
fn peers_are_killed_wherever_they_stand() {
    const NAME: &str = "peers_are_killed_wherever_they_stand";
    if let Some(role) = Helper::role() {
        let (stand, endpoint) = role.split_once('|').unwrap();
        return be_killed(stand, endpoint);
    }
    if !in_child(NAME) {
        return;
    }
    let mut random = Random::announced(NAME);
    for wild in WIRES {
        let mut scene = Scene::new(wild);
        for stand in STANDS {
            println!("{stand} over {wild}");
            let (open, before) = (descriptors(), scene.push.stats().connections);
            let victim = Helper::start(NAME, &format!("{stand}|{}", scene.endpoint_for(stand)));
            assert_eq!(victim.hear(), "there");
            scene.meet(stand, before);
            std::thread::sleep(std::time::Duration::from_micros(random.below(3000)));
            drop(victim);
            scene.mourn(stand);
            until("its descriptors are closed", || {
                // A connection ends behind the messages that came over it.
                while scene.pull.try_recv().is_ok() {}
                descriptors() <= open
            });
            scene.others_are_served();
        }
        scene.books_balance();
    }
}

/// In the process that is killed.
fn be_killed(stand: &str, endpoint: &str) {
    let there = || Helper::say("there");
    let hello = [&greeting()[..], &ready("PUSH")].concat();
    let raw = |bytes: &[u8]| {
        let (scheme, address) = endpoint.split_once("://").unwrap();
        let mut stream: Box<dyn Write> = if scheme == "tcp" {
            Box::new(TcpStream::connect(address).unwrap())
        } else {
            Box::new(UnixStream::connect(address).unwrap())
        };
        stream.write_all(bytes).unwrap();
        there();
        Helper::order();
    };
    let sub = || zmq::Sub::builder().recv_hwm(1usize).subscribe("").connect(endpoint).unwrap();
    // Whoever goes on for ever ends with the process that started it.
    std::thread::spawn(|| {
        let idle = ["pushing", "pulling", "subscribed"];
        if Helper::role().is_some_and(|role| idle.iter().any(|stand| role.starts_with(&format!("{stand}|"))))
        {
            Helper::order();
        }
    });
    match stand {
        "silent" => raw(b""),
        "half a greeting" => raw(&hello[..30]),
        "greeted" => raw(&hello[..64]),
        "half a READY" => raw(&hello[..70]),
        "admitted" => raw(&hello),
        "one of two frames" => raw(&[&hello[..], &frame(1, b"the first")].concat()),
        "half a frame" => raw(&[&hello[..], &[2, 0, 0, 0, 0, 0, 16, 0, 0], &[7; 100_000]].concat()),
        "pushing" => {
            let mut push = zmq::Push::connect(endpoint).unwrap();
            for number in 0_u64.. {
                push.send("from the victim").unwrap();
                if number == 1000 {
                    there();
                }
            }
        }
        "pulling" => {
            let mut pull = zmq::Pull::connect(endpoint).unwrap();
            there();
            while pull.recv().is_ok() {}
        }
        "pulling nothing" => {
            let _pull = zmq::Pull::builder().recv_hwm(1usize).connect(endpoint).unwrap();
            there();
            Helper::order();
        }
        "subscribed" => {
            let mut sub = sub();
            there();
            while sub.recv().is_ok() {}
        }
        "reading nothing it is subscribed to" => {
            let _sub = sub();
            there();
            Helper::order();
        }
        "asking" => {
            let mut req = zmq::Req::connect(endpoint).unwrap();
            req.send("from the victim").unwrap();
            there();
            Helper::order();
        }
        other => panic!("nobody knows how to be {other}"),
    }
}

/// Bound sockets, and a friend of each that must be served whatever happens.
struct Scene {
    pull: zmq::Pull,
    push: zmq::Push,
    publisher: zmq::Pub,
    rep: zmq::Rep,
    bound: [Endpoint; 4],
    friendly_push: zmq::Push,
    friendly_pull: zmq::Pull,
    friendly_sub: zmq::Sub,
    friendly_req: zmq::Req,
    round: u32,
}

impl Scene {
    fn new(wild: &str) -> Scene {
        let (ours, theirs) = (context(), context());
        let mut pull = zmq::Pull::new_in(&ours).unwrap();
        let mut push = zmq::Push::builder_in(&ours).send_hwm(10usize).build().unwrap();
        let mut publisher = zmq::Pub::builder_in(&ours).send_hwm(10usize).build().unwrap();
        let mut rep = zmq::Rep::new_in(&ours).unwrap();
        let bound = [
            pull.bind_to(wild).unwrap(),
            push.bind_to(wild).unwrap(),
            publisher.bind_to(wild).unwrap(),
            rep.bind_to(wild).unwrap(),
        ];
        let friendly_push = zmq::Push::builder_in(&theirs).connect(&bound[0]).unwrap();
        let friendly_pull = zmq::Pull::builder_in(&theirs).connect(&bound[1]).unwrap();
        let friendly_sub = zmq::Sub::builder_in(&theirs).subscribe("friend").connect(&bound[2]).unwrap();
        let friendly_req = zmq::Req::builder_in(&theirs).connect(&bound[3]).unwrap();
        publisher.wait_for_subscribers(1, LONG).unwrap();
        let mut scene = Scene {
            pull,
            push,
            publisher,
            rep,
            bound,
            friendly_push,
            friendly_pull,
            friendly_sub,
            friendly_req,
            round: 0,
        };
        scene.others_are_served();
        scene
    }

    fn endpoint_for(&self, stand: &str) -> &Endpoint {
        match stand {
            "pulling" | "pulling nothing" => &self.bound[1],
            "subscribed" | "reading nothing it is subscribed to" => &self.bound[2],
            "asking" => &self.bound[3],
            _ => &self.bound[0],
        }
    }

    /// Does something with the victim, if it can. The PUSH had so many connections `before` the victim came.
    fn meet(&mut self, stand: &str, before: u64) {
        let bulk = || vec![7; 100_000];
        match stand {
            "pulling" => {
                until("it is connected", || self.push.stats().connections > before);
                for _ in 0..1000 {
                    self.push.send_timeout("bulk", LONG).unwrap();
                    while self.friendly_pull.try_recv().is_ok() {}
                }
            }
            "pulling nothing" => {
                until("it is connected", || self.push.stats().connections > before);
                until("it is full", || {
                    while self.friendly_pull.try_recv().is_ok() {}
                    (0..1000).any(|_| self.push.try_send(bulk()).is_err())
                });
            }
            "subscribed" => {
                assert_eq!(self.publisher.wait_for_subscribers(2, LONG), Ok(2));
                (0..1000).for_each(|_| _ = self.publisher.publish(bulk()).unwrap());
            }
            "reading nothing it is subscribed to" => {
                assert_eq!(self.publisher.wait_for_subscribers(2, LONG), Ok(2));
                until("it is full", || self.publisher.publish(bulk()).unwrap().dropped > 0);
            }
            "asking" => assert_eq!(self.rep.recv_timeout(LONG).unwrap(), "from the victim".into()),
            _ => {}
        }
    }

    fn mourn(&mut self, stand: &str) {
        if stand == "asking" {
            self.rep.send("nobody hears this").unwrap();
        }
    }

    #[track_caller]
    fn others_are_served(&mut self) {
        self.round += 1;
        let text = format!("friend {}", self.round);
        self.friendly_push.send(&text).unwrap();
        until("the friend is received from", || {
            self.pull.recv_timeout(LONG).unwrap().as_str() == Ok(text.as_str())
        });
        self.push.send_timeout(&text, LONG).unwrap();
        until("the friend receives", || {
            self.friendly_pull.recv_timeout(LONG).unwrap().as_str() == Ok(text.as_str())
        });
        // The publisher may hear a moment later than its descriptors are closed.
        until("nobody else is subscribed", || self.publisher.publish("x").unwrap().matched == 0);
        let published = self.publisher.publish(&text).unwrap();
        assert_eq!((published.matched, published.dropped), (1, 0));
        assert_eq!(self.friendly_sub.recv_timeout(LONG).unwrap().as_str(), Ok(text.as_str()));
        self.friendly_req.send(&text).unwrap();
        assert_eq!(self.rep.recv_timeout(LONG).unwrap().as_str(), Ok(text.as_str()));
        self.rep.send("answer").unwrap();
        assert_eq!(self.friendly_req.recv_timeout(LONG).unwrap(), "answer".into());
    }

    fn books_balance(&mut self) {
        until("the friends have everything", || {
            self.push.stats().queued + self.publisher.stats().queued + self.rep.stats().queued == 0
        });
        for stats in [self.push.stats(), self.publisher.stats(), self.rep.stats(), self.friendly_push.stats()]
        {
            assert_balanced(&stats);
        }
        assert!(self.push.stats().dropped.disconnected > 0, "the killed ones were sent nothing");
        assert_eq!(self.friendly_push.stats().reconnects, 0);
        assert_eq!(self.friendly_req.stats().reconnects, 0);
    }
}

#[track_caller]
fn assert_balanced(stats: &Stats) {
    assert_eq!(stats.written, stats.delivered + stats.queued + stats.dropped.total(), "{stats:?}");
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// A thousand times a second to each thread of this process. System calls are interrupted, not restarted.
fn storm(stop: Arc<AtomicBool>) -> JoinHandle<()> {
    let action = SigAction::new(SigHandler::Handler(count_signal), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only adds to an atomic number.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
    std::thread::spawn(move || {
        let (process, me) = (std::process::id(), nix::unistd::gettid().as_raw());
        while !stop.load(Ordering::Relaxed) {
            for thread in std::fs::read_dir("/proc/self/task").unwrap() {
                let thread: i32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
                if thread != me {
                    // SAFETY: takes numbers only; a thread that has ended meanwhile is an error that does not matter.
                    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
                }
            }
            std::thread::sleep(ms(1));
        }
    })
}

#[test]
fn signals_at_a_kilohertz() {
    if !in_child("signals_at_a_kilohertz") {
        return;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let storm = storm(stop.clone());
    for wild in ENDPOINTS {
        let context = context();
        let mut pull = zmq::Pull::builder_in(&context).recv_hwm(10usize).build().unwrap();
        let bound = pull.bind_to(wild).unwrap();

        // A wait is as long as it was to be, and says that it was in vain.
        let started = Instant::now();
        assert_eq!(pull.recv_timeout(ms(100)), Err(Error::Timeout { after: ms(100) }));
        assert!(started.elapsed() >= ms(100), "it gave up early");
        let mut poller = Poller::new().unwrap();
        poller.add(&mut pull, 0).unwrap();
        let started = Instant::now();
        assert_eq!(poller.wait(Some(ms(100))), Ok(&[][..]));
        assert!(started.elapsed() >= ms(100), "it gave up early");

        // Calls that block, in one direction.
        let flood = flood(&context, &bound, 20_000);
        for number in 0..20_000_u32 {
            if number % 3 == 0 {
                assert_eq!(poller.wait(Some(LONG)).unwrap().len(), 1);
            }
            assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes(), "{wild}");
        }
        flood.join().unwrap();

        // And in both.
        let mut rep = zmq::Rep::new_in(&context).unwrap();
        let mut req = zmq::Req::builder_in(&context).connect(rep.bind_to(wild).unwrap()).unwrap();
        let answering = std::thread::spawn(move || {
            for _ in 0..2000 {
                let (request, reply) = rep.recv_request().unwrap();
                reply.send(request).unwrap();
            }
            rep
        });
        for number in 0..2000_u32 {
            let reply = req.request_timeout(number.to_be_bytes(), LONG).unwrap();
            assert_eq!(reply[0], number.to_be_bytes());
        }
        drop(answering.join().unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    storm.join().unwrap();
    let signals = SIGNALS.load(Ordering::Relaxed);
    assert!(signals > 1000, "only {signals} signals came");
}

/// Sends numbers, with a HWM of one.
fn flood(context: &Context, to: &Endpoint, count: u32) -> JoinHandle<()> {
    let mut push = zmq::Push::builder_in(context).send_hwm(1usize).connect(to).unwrap();
    std::thread::spawn(move || {
        for number in 0..count {
            push.send(number.to_be_bytes()).unwrap();
        }
        until("everything is delivered", || push.stats().delivered == u64::from(count));
        assert_eq!((push.stats().dropped.total(), push.stats().reconnects), (0, 0));
    })
}

/// The child is born while other threads hold whatever locks there are.
#[test]
fn forks_in_the_middle_of_what_other_threads_do() {
    if !in_child("forks_in_the_middle_of_what_other_threads_do") {
        return;
    }
    const COUNT: u32 = 20_000;
    for wild in ENDPOINTS {
        let context = context();
        let mut pulls: Vec<_> = (0..2).map(|_| zmq::Pull::new_in(&context).unwrap()).collect();
        let floods: Vec<_> =
            pulls.iter_mut().map(|pull| flood(&context, &pull.bind_to(wild).unwrap(), COUNT)).collect();
        let mut kept = Some((pulls, context));
        for number in 0..COUNT {
            let (pulls, context) = kept.as_mut().unwrap();
            for pull in &mut *pulls {
                assert_eq!(pull.recv_timeout(LONG).unwrap()[0], number.to_be_bytes(), "{wild}");
            }
            if number % 1000 == 500 {
                if let Some(end) = fork() {
                    let inherited = context.is_inherited();
                    drop(kept.take());
                    end(&[inherited]);
                }
            }
        }
        for flood in floods {
            flood.join().unwrap();
        }
    }
}

#[test]
fn who_connects_without_descriptors_comes_through_when_there_are_some() {
    if !in_child("who_connects_without_descriptors_comes_through_when_there_are_some") {
        return;
    }
    // The directory of a wildcard would go with its socket.
    let path = std::env::temp_dir().join(format!("zmq-fire-{}", std::process::id()));
    for wild in ["tcp://127.0.0.1:*", &format!("ipc://{}", path.display())] {
        let (ours, theirs) = (context(), context());
        let mut push = zmq::Push::builder_in(&ours).reconnect_interval(ms(5)).build().unwrap();
        let mut monitor = push.monitor().unwrap();
        let mut pull = zmq::Pull::new_in(&theirs).unwrap();
        let endpoint = pull.bind_to(wild).unwrap();
        push.connect_to(&endpoint).unwrap();
        push.send("before").unwrap();
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "before".into());

        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, descriptors() as u64 + 20, hard).unwrap();
        let mut hoard = Vec::new();
        let mut fill = || {
            while let Ok(file) = File::open("/dev/null") {
                hoard.push(file);
            }
        };
        fill();
        assert!(matches!(Poller::new(), Err(Error::Io { .. })));
        // The connection is cut, and its descriptors are taken by others before it can be made again.
        pull.unbind(&endpoint).unwrap();
        drop(pull);
        end(&mut monitor);
        theirs.wait_for_sends(LONG).unwrap();
        push.send("in need").unwrap();
        until("connecting fails for want of descriptors", || {
            // What the old connection had may come free only now.
            fill();
            let event = monitor.try_next();
            matches!(event, Some(Event::ConnectRetried { error, .. }) if error.contains("open files"))
        });
        // No event announces that there are some again.
        drop(hoard);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        let mut pull = zmq::Pull::new_in(&theirs).unwrap();
        until("the address is free", || pull.bind_to(&endpoint).is_ok());
        assert_eq!(pull.recv_timeout(LONG).unwrap(), "in need".into(), "{wild}");
        assert_eq!(push.stats().dropped.total(), 0);
    }
}
