//! Much of everything: connections that come and go, thousands of peers, messages of gigabytes, readers that do not read,
//! and hours. With `ZMQ_SOAK` set the numbers are the full ones, without it such as `cargo test` has time for; a mixed soak
//! lasts `ZMQ_SOAK_SECONDS`.

mod support;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::*;
use zmq::{Context, Error, Event, Message, Stats};

/// What may be added to the memory of a process that has everything it needs, KiB.
const FLAT: usize = 2 * 1024;

#[track_caller]
fn assert_balanced(stats: &Stats) {
    assert_eq!(stats.written, stats.delivered + stats.queued + stats.dropped.total(), "{stats:?}");
}

/// To a socket that is read, and to one whose thread never looks.
#[test]
fn connections_that_come_and_go_leave_nothing() {
    if !in_child("connections_that_come_and_go_leave_nothing") {
        return;
    }
    let context = context();
    let mut read = zmq::Pull::new_in(&context).unwrap();
    let mut idle = zmq::Pull::new_in(&context).unwrap();
    let bound = WIRES.map(|wild| (read.bind_to(wild).unwrap(), idle.bind_to(wild).unwrap()));
    let mut cycle = |number: u32| {
        let (read_at, idle_at) = &bound[number as usize % 2];
        let mut push = zmq::Push::builder_in(&context).connect(read_at).unwrap();
        push.send(number.to_be_bytes()).unwrap();
        assert_eq!(patiently(|step| read.recv_timeout(step)).unwrap()[0], number.to_be_bytes());
        let mut shy = zmq::Push::new_in(&context).unwrap();
        let mut monitor = shy.monitor().unwrap();
        shy.connect_to(idle_at).unwrap();
        await_event(&mut monitor, "a handshake", |event| matches!(event, Event::HandshakeSucceeded { .. }));
    };
    let settled = || {
        until("everything is sent", || context.wait_for_sends(ms(100)).is_ok());
        until("nothing lingers", || context.socket_count() == 2);
    };
    let (warm_up, cycles) = soak((10_000, 50_000), (500, 1500));
    (0..warm_up).for_each(&mut cycle);
    settled();
    let (open, memory) = (descriptors(), status("VmRSS"));
    (0..cycles).for_each(&mut cycle);
    settled();
    until("the descriptors are closed", || descriptors() <= open);
    let grown = status("VmRSS").saturating_sub(memory);
    println!("{} connections: {grown} KiB more, {open} descriptors", 2 * cycles);
    assert!(grown < FLAT, "{grown} KiB for {} connections", 2 * cycles);
    assert_eq!(idle.stats().connections, u64::from(warm_up + cycles));
    // What one of them has sent is there all the same.
    zmq::Push::builder_in(&context).connect(&bound[0].1).unwrap().send("the last").unwrap();
    settled();
    assert_eq!(patiently(|step| idle.recv_timeout(step)).unwrap(), "the last".into());
    assert_eq!(idle.try_recv(), Err(Error::WouldBlock));
}

/// The connection of a socket whose thread never looks is lost and made again, time after time.
#[test]
fn connections_made_again_leave_nothing() {
    if !in_child("connections_made_again_leave_nothing") {
        return;
    }
    let context = context();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut idle = zmq::Dealer::builder_in(&context).reconnect_interval(ms(1)).build().unwrap();
    idle.connect_to(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    // Each time the peer has much to say of itself.
    let mut body = ready("ROUTER")[2..].to_vec();
    body.extend(b"\x06X-Bulk\0\0\x1b\0");
    body.resize(body.len() + 0x1b00, b'x');
    let hello = [&greeting()[..], &[6], &(body.len() as u64).to_be_bytes(), &body].concat();
    let cycle = || {
        let mut peer = Raw::over(listener.accept().unwrap().0);
        peer.send(&hello);
        peer.skip_greeting();
        peer.frame();
        // Until it has read everything and closes.
        peer.0.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(peer.is_closed());
    };
    let cycles = soak(50_000, 1000);
    (0..200).for_each(|_| cycle());
    let memory = status("VmRSS");
    (0..cycles).for_each(|_| cycle());
    let grown = status("VmRSS").saturating_sub(memory);
    println!("{cycles} connections: {grown} KiB more");
    assert!(grown < FLAT, "{grown} KiB for {cycles} connections");
    assert!(idle.stats().reconnects >= cycles - 1, "{:?}", idle.stats());
}

#[test]
fn thousands_of_peers_on_one_socket() {
    const NAME: &str = "thousands_of_peers_on_one_socket";
    if let Some(role) = Helper::role() {
        let (count, address) = role.split_once('|').unwrap();
        return be_thousands(count.parse().unwrap(), address);
    }
    if !in_child(NAME) {
        return;
    }
    let wanted = soak(10_000, 1000);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let count = wanted.min(usize::try_from(hard).unwrap() - 100);
    if count < wanted {
        zmq_core::testing::skipped(&format!("in part: {count} peers, for want of descriptors"));
    }
    let context = context();
    let mut pull = zmq::Pull::builder_in(&context).backlog(4096u32).build().unwrap();
    let bound = pull.bind_to("tcp://127.0.0.1:*").unwrap();
    let (open, memory) = (descriptors(), status("VmRSS"));
    let mut peers = Helper::start(NAME, &format!("{count}|{}", bound.address()));
    assert_eq!(peers.hear(), "connected");
    until("all are admitted", || {
        assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
        pull.stats().connections == count as u64
    });
    let idle = status("VmRSS").saturating_sub(memory);
    println!("{count} peers: {idle} KiB, {} bytes for each", idle * 1024 / count);
    assert!(idle * 1024 / count < 8 * 1024, "{idle} KiB for {count} peers");
    for round in 0..3_u8 {
        peers.tell("send");
        let mut heard = vec![false; count];
        for _ in 0..count {
            let message = patiently(|step| pull.recv_timeout(step)).unwrap();
            let (number, of_round) = message[0].split_first_chunk::<4>().unwrap();
            assert_eq!(of_round, [round]);
            let heard = &mut heard[u32::from_be_bytes(*number) as usize];
            assert!(!*heard, "twice from the same one");
            *heard = true;
        }
    }
    drop(peers);
    until("their descriptors are closed", || {
        assert_eq!(pull.try_recv(), Err(Error::WouldBlock));
        descriptors() <= open
    });
}

/// In the other process: peers made of bytes, because a socket for each would need several descriptors.
fn be_thousands(count: u32, address: &str) {
    let hello = [&greeting()[..], &ready("PUSH")].concat();
    let mut peers: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    Helper::say("connected");
    for round in 0_u8.. {
        assert_eq!(Helper::order(), "send");
        for (number, peer) in (0..count).zip(&mut peers) {
            peer.write_all(&frame(0, &[&number.to_be_bytes()[..], &[round]].concat())).unwrap();
        }
    }
}

#[test]
fn a_slow_subscriber_costs_its_high_water_marks_and_nobody_else_anything() {
    const HWM: usize = 50;
    const SIZE: usize = 20_000;
    const COUNT: u32 = 4000;
    if !in_child("a_slow_subscriber_costs_its_high_water_marks_and_nobody_else_anything") {
        return;
    }
    let message = |number: u32| {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(SIZE, 7);
        body
    };
    let number = |message: &Message| u32::from_be_bytes(message[0][..4].try_into().unwrap());
    for wild in ENDPOINTS {
        let context = context();
        let mut publisher = zmq::Pub::builder_in(&context).send_hwm(HWM).send_buffer(8192).build().unwrap();
        let bound = publisher.bind_to(wild).unwrap();
        let subscriber = || {
            let builder = zmq::Sub::builder_in(&context).recv_hwm(HWM).recv_buffer(8192);
            builder.subscribe("").connect(&bound).unwrap()
        };
        let mut slow = subscriber();
        let mut fast: Vec<_> = (0..3).map(|_| subscriber()).collect();
        publisher.wait_for_subscribers(4, LONG).unwrap();
        let mut publish = |from: u32, to: u32| {
            for sent in from..to {
                publisher.publish(message(sent)).unwrap();
                for sub in &mut fast {
                    assert_eq!(number(&sub.recv_timeout(LONG).unwrap()), sent, "{wild}");
                }
            }
        };
        let before = status("VmRSS");
        publish(0, COUNT);
        let grown = status("VmRSS").saturating_sub(before);
        // Its two pipes, and 2 MiB for buffers and what else a process does; 80 MB were published.
        let bound = 2 * HWM * (SIZE + 96) / 1024 + 2048;
        println!("{wild}: {grown} KiB, at most {bound}");
        assert!(grown < bound, "{wild}: {grown} KiB");

        let mut last = None;
        let mut taken = 0;
        while let Ok(message) = slow.recv_timeout(ms(200)) {
            assert!(last < Some(number(&message)), "{wild}: out of order");
            last = Some(number(&message));
            taken += 1;
        }
        let stats = publisher.stats();
        assert_balanced(&stats);
        assert_eq!(stats.dropped.full, u64::from(COUNT - taken), "{wild}");
        assert!(taken >= HWM as u32, "{wild}: {taken}");
    }
}

/// Both ends have their message once, and little beside it.
#[test]
fn enormous_messages_are_in_memory_once() {
    const NAME: &str = "enormous_messages_are_in_memory_once";
    if let Some(endpoint) = Helper::role() {
        return be_receiver(&endpoint);
    }
    if !in_child(NAME) {
        return;
    }
    let sizes = soak(vec![1 << 30, (4 << 30) + 1], vec![64 << 20]);
    for wild in WIRES {
        for &size in &sizes {
            // Each in a process of its own, because the peak of a process stays.
            let context = context();
            let mut push = zmq::Push::new_in(&context).unwrap();
            let receiver = Helper::start(NAME, push.bind_to(wild).unwrap().as_ref());
            reset_peak();
            let before = status("VmRSS");
            let started = Instant::now();
            push.send(vec![7; size]).unwrap();
            let said = receiver.hear();
            let (length, theirs) = said.split_once(' ').unwrap();
            assert_eq!(length, size.to_string());
            let ours = status("VmHWM").saturating_sub(before);
            let theirs: usize = theirs.parse().unwrap();
            println!("{wild}: {size} bytes in {:?}, {ours} KiB here, {theirs} KiB there", started.elapsed());
            let most = size / 1024 / 10 * 11;
            assert!(ours <= most && theirs <= most, "{ours} KiB here, {theirs} KiB there for {size} bytes");
        }
    }
}

/// In the other process.
fn be_receiver(endpoint: &str) {
    let before = status("VmRSS");
    let mut pull = zmq::Pull::connect(endpoint).unwrap();
    let message = pull.recv_timeout(10 * LONG).unwrap();
    assert!(message[0].iter().all(|&byte| byte == 7));
    Helper::say(format!("{} {}", message[0].len(), status("VmHWM").saturating_sub(before)));
    Helper::order();
}

fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Everything at once.
#[test]
fn a_mixed_soak_balances_its_books() {
    if !in_child("a_mixed_soak_balances_its_books") {
        return;
    }
    let seconds = std::env::var("ZMQ_SOAK_SECONDS").map_or(3, |text| text.parse().expect("seconds"));
    let mut random = Random::announced("a mixed soak");
    let context = context();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = ENDPOINTS
        .iter()
        .flat_map(|wild| {
            let run = |work: fn(&Context, &str, &AtomicBool, Random) -> u64, random: Random| {
                let (context, stop) = (context.clone(), stop.clone());
                std::thread::spawn(move || (wild, work(&context, wild, &stop, random)))
            };
            [
                run(pipeline, random.fork()),
                run(requests, random.fork()),
                run(news, random.fork()),
                run(routed, random.fork()),
                run(fickle, random.fork()),
            ]
        })
        .collect();
    let begun = Instant::now();
    let mut warm = None;
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(ms(100));
        if warm.is_none() && begun.elapsed() > Duration::from_secs(seconds / 2) {
            warm = Some(status("VmRSS"));
        }
    }
    let grown = status("VmRSS").saturating_sub(warm.unwrap_or_default());
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        let (wild, count) = bounded("a part of the soak", move || thread.join().unwrap());
        assert!(count > 0, "nothing happened over {wild}");
        println!("over {wild}: {count}");
    }
    println!("{grown} KiB more in the second half of {seconds} s");
    until("everything is sent", || context.wait_for_sends(ms(100)).is_ok());
    until("nothing lingers", || context.socket_count() == 0);
    // Pipes may be fuller at one time than at another; what leaks grows with the hours.
    assert!(grown < 16 * 1024, "{grown} KiB");
}

fn go_on(stop: &AtomicBool) -> bool {
    !stop.load(Ordering::Relaxed)
}

/// Sizes that take every way through the library.
fn body(random: &mut Random, number: u64) -> Vec<u8> {
    let filling = match random.below(1000) {
        0 => 500_000,
        1..10 => 20_000,
        n => n % 200,
    };
    let mut body = number.to_be_bytes().to_vec();
    body.resize(8 + filling as usize, 7);
    body
}

fn number(message: &Message) -> u64 {
    u64::from_be_bytes(message[message.len() - 1][..8].try_into().unwrap())
}

/// PUSH to PULL: everything arrives, in order.
fn pipeline(context: &Context, wild: &str, stop: &AtomicBool, mut random: Random) -> u64 {
    let mut pull = zmq::Pull::new_in(context).unwrap();
    let mut push = zmq::Push::builder_in(context).connect(pull.bind_to(wild).unwrap()).unwrap();
    std::thread::scope(|scope| {
        let receiver: std::thread::ScopedJoinHandle<'_, u64> = scope.spawn(move || {
            for expected in 0.. {
                let message = patiently(|step| pull.recv_timeout(step)).unwrap();
                if message == "the end".into() {
                    assert_eq!((pull.stats().received, pull.stats().unread), (expected + 1, 0));
                    return expected;
                }
                assert_eq!(number(&message), expected, "lost or out of order");
            }
            unreachable!()
        });
        let mut sent = 0;
        while go_on(stop) {
            send_patiently(body(&mut random, sent), |message, step| push.send_timeout(message, step))
                .unwrap();
            sent += 1;
        }
        push.send("the end").unwrap();
        assert_eq!(receiver.join().unwrap(), sent);
        until("everything is delivered", || push.stats().delivered == sent + 1);
        assert_balanced(&push.stats());
        assert_eq!(push.stats().dropped.total(), 0);
        sent
    })
}

/// REQ to REP: each request has its own reply.
fn requests(context: &Context, wild: &str, stop: &AtomicBool, mut random: Random) -> u64 {
    let mut rep = zmq::Rep::new_in(context).unwrap();
    let mut req = zmq::Req::builder_in(context).connect(rep.bind_to(wild).unwrap()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while go_on(stop) {
                if let Ok(request) = rep.recv_timeout(ms(20)) {
                    rep.send(request).unwrap();
                }
            }
            // One may be under way.
            while let Ok(request) = rep.recv_timeout(ms(200)) {
                rep.send(request).unwrap();
            }
            assert_eq!(rep.stats().dropped.total(), 0);
        });
        let mut asked = 0;
        while go_on(stop) {
            let request = body(&mut random, asked);
            send_patiently(request.clone(), |message, step| req.send_timeout(message, step)).unwrap();
            assert_eq!(patiently(|step| req.recv_timeout(step)).unwrap(), request.into());
            asked += 1;
        }
        let stats = req.stats();
        assert_eq!((stats.sent, stats.received, stats.dropped.total()), (asked, asked, 0));
        assert_balanced(&stats);
        asked
    })
}

/// PUB to SUBs that come, read as they like, and go.
fn news(context: &Context, wild: &str, stop: &AtomicBool, mut random: Random) -> u64 {
    let mut publisher = zmq::Pub::builder_in(context).send_hwm(100usize).build().unwrap();
    let bound = publisher.bind_to(wild).unwrap();
    std::thread::scope(|scope| {
        let reader = |mut random: Random| {
            let bound = &bound;
            scope.spawn(move || {
                while go_on(stop) {
                    let mut sub = zmq::Sub::builder_in(context).subscribe("").connect(bound).unwrap();
                    let mut last = None;
                    for _ in 0..random.below(5000) {
                        let Ok(message) = sub.recv_timeout(ms(50)) else { break };
                        assert!(last < Some(number(&message)), "out of order or twice");
                        last = Some(number(&message));
                        if random.once_in(200) {
                            std::thread::sleep(Duration::from_micros(random.below(3000)));
                        }
                    }
                }
            })
        };
        let readers = [reader(random.fork()), reader(random.fork())];
        let mut sent = 0;
        while go_on(stop) {
            publisher.publish(body(&mut random, sent)).unwrap();
            sent += 1;
            if sent % 100 == 0 {
                std::thread::sleep(ms(1));
            }
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        until("the last ones have gone", || publisher.stats().queued == 0);
        assert_balanced(&publisher.stats());
        assert!(publisher.stats().delivered > 0);
        sent
    })
}

/// DEALERs through a ROUTER and back.
fn routed(context: &Context, wild: &str, stop: &AtomicBool, mut random: Random) -> u64 {
    let mut router = zmq::Router::new_in(context).unwrap();
    let bound = router.bind_to(wild).unwrap();
    std::thread::scope(|scope| {
        let client = |mut random: Random| {
            let mut dealer = zmq::Dealer::builder_in(context).connect(&bound).unwrap();
            scope.spawn(move || {
                let mut asked = 0;
                while go_on(stop) {
                    let burst = 1 + random.below(20);
                    for number in asked..asked + burst {
                        send_patiently(body(&mut random, number), |message, step| {
                            dealer.send_timeout(message, step)
                        })
                        .unwrap();
                    }
                    for expected in asked..asked + burst {
                        assert_eq!(number(&patiently(|step| dealer.recv_timeout(step)).unwrap()), expected);
                    }
                    asked += burst;
                }
                let stats = dealer.stats();
                assert_eq!((stats.sent, stats.received, stats.dropped.total()), (asked, asked, 0));
                asked
            })
        };
        let clients = [client(random.fork()), client(random.fork())];
        let mut answered = 0;
        while clients.iter().any(|client| !client.is_finished()) {
            if let Ok(message) = router.recv_timeout(ms(20)) {
                router.send(message).unwrap();
                answered += 1;
            }
        }
        assert_eq!(clients.map(|client| client.join().unwrap()).iter().sum::<u64>(), answered);
        assert_balanced(&router.stats());
        assert_eq!(router.stats().dropped.total(), 0);
        answered
    })
}

/// The place where a PUSH sends to is there and is not; nothing comes twice or out of order, and each loss is on the books.
fn fickle(context: &Context, wild: &str, stop: &AtomicBool, mut random: Random) -> u64 {
    let mut push = zmq::Push::builder_in(context).send_hwm(100usize).build().unwrap();
    let bound = push.bind_to(wild).unwrap();
    let (mut sent, mut taken, mut lives) = (0_u64, 0_u64, 0_u64);
    let mut last = None;
    while go_on(stop) {
        let mut pull = zmq::Pull::builder_in(context).recv_hwm(100usize).connect(&bound).unwrap();
        for _ in 0..random.below(300) {
            match push.try_send(body(&mut random, sent)) {
                Ok(()) => sent += 1,
                Err(failed) => assert_eq!(failed.error, Error::WouldBlock),
            }
            if let Ok(message) = pull.recv_timeout(Duration::from_micros(random.below(500))) {
                assert!(last < Some(number(&message)), "out of order or twice");
                last = Some(number(&message));
                taken += 1;
            }
        }
        lives += 1;
    }
    until("the last one has gone", || push.stats().queued == 0);
    let stats = push.stats();
    assert_balanced(&stats);
    assert_eq!(stats.sent, sent);
    assert!(taken > 0 && taken <= stats.delivered, "{taken} of {stats:?}");
    lives
}
