//! An application thread that comes and goes as it likes, while peers send, connect, vanish and heart-beat: whoever
//! drives the sockets at a time, nothing is stranded, and nothing is lost on a link that holds.

mod support;

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::*;
use zmq::{Context, Endpoint, Error, Message, Poller, Stats};

/// Messages of each link that holds.
const EACH: u32 = 3000;
/// Sockets in the poller; one more is outside.
const POLLED: usize = 3;
/// The name of senders that vanish begins here.
const VANISHING: u32 = 1000;

fn message(sender: u32, number: u32) -> Message {
    let mut body = [sender.to_be_bytes(), number.to_be_bytes()].concat();
    // Some do not fit into one read.
    body.resize(if number % 500 == 499 { 300_000 } else { 8 + number as usize % 100 }, 7);
    Message::from(body)
}

/// What was received by one socket.
#[derive(Default)]
struct Ledger {
    /// From the sender whose link holds.
    next: u32,
    /// From the senders that vanish: name and number of the last message.
    last: std::collections::HashMap<u32, u32>,
    messages: u64,
}

impl Ledger {
    fn enter(&mut self, message: &Message) {
        self.messages += 1;
        let word = |at: usize| u32::from_be_bytes(message[0][at..at + 4].try_into().expect("four bytes"));
        let (sender, number) = (word(0), word(4));
        if sender < VANISHING {
            assert_eq!(number, self.next, "from {sender}: lost, doubled or out of order");
            self.next += 1;
        } else {
            let expected = self.last.get(&sender).map_or(0, |last| last + 1);
            assert_eq!(number, expected, "from {sender}, which vanished");
            self.last.insert(sender, number);
        }
    }

    fn is_complete(&self) -> bool {
        self.next == EACH
    }
}

fn pause(random: &mut Random) {
    match random.below(400) {
        0 => std::thread::sleep(Duration::from_micros(random.below(5000))),
        1 => compute(Duration::from_micros(random.below(1000))),
        _ => {}
    }
}

fn compute(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn assert_all_delivered(stats: &Stats) {
    let count = u64::from(EACH);
    assert_eq!((stats.sent, stats.written, stats.dropped.total()), (count, count, 0), "{stats:?}");
    assert_eq!((stats.delivered, stats.reconnects), (count, 0), "{stats:?}");
}

/// Sends over a link that holds.
fn send_all(context: &Context, to: &Endpoint, sender: u32, mut random: Random) -> JoinHandle<Stats> {
    let mut push = zmq::Push::builder_in(context)
        .linger(None)
        .heartbeat_interval(ms(5))
        .heartbeat_timeout(LONG)
        .send_hwm(1 + random.below(50) as usize)
        .connect(to)
        .unwrap();
    std::thread::spawn(move || {
        for number in 0..EACH {
            push.send_timeout(message(sender, number), LONG).unwrap();
            pause(&mut random);
        }
        until("everything is delivered", || push.stats().delivered == u64::from(EACH));
        // What is on its way arrives, although nobody here answers the peer any more.
        push.stats()
    })
}

/// Connects and vanishes until it is told to stop: with a socket, or in the middle of a handshake.
fn vanish(to: Vec<Endpoint>, stop: Arc<AtomicBool>, mut random: Random) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let context = context();
        for name in VANISHING.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let to = &to[random.below(to.len() as u64) as usize];
            if to.scheme() == "tcp" && random.once_in(2) {
                let mut raw = Raw::over(TcpStream::connect(to.address()).unwrap());
                let bytes = [&greeting()[..], &ready("PUSH"), &frame(1, b"half a message")].concat();
                raw.send(&bytes[..random.below(bytes.len() as u64 + 1) as usize]);
                std::thread::sleep(Duration::from_micros(random.below(2000)));
                continue;
            }
            let linger = random.once_in(2).then_some(Duration::ZERO);
            let mut push = zmq::Push::builder_in(&context).linger(linger).connect(to).unwrap();
            for number in 0..random.below(50) as u32 {
                if push.try_send(message(name, number)).is_err() {
                    break;
                }
            }
            std::thread::sleep(Duration::from_micros(random.below(2000)));
        }
    })
}

type Halves = (zmq::Sender<zmq::kind::Dealer>, zmq::Receiver<zmq::kind::Dealer>);

/// Both ways at once, over the halves of a socket, in two threads of their own.
fn converse(context: &Context, to: &Endpoint, mut random: Random) -> JoinHandle<Halves> {
    let dealer = zmq::Dealer::builder_in(context)
        .heartbeat_interval(ms(5))
        .heartbeat_timeout(LONG)
        .connect(to)
        .unwrap();
    let (mut sender, mut receiver) = dealer.split().unwrap();
    std::thread::spawn(move || {
        let mut other = random.fork();
        let sending = std::thread::spawn(move || {
            for number in 0..EACH {
                sender.send_timeout(message(0, number), LONG).unwrap();
                pause(&mut other);
            }
            sender
        });
        let mut ledger = Ledger::default();
        while !ledger.is_complete() {
            ledger.enter(&receiver.recv_timeout(LONG).unwrap());
            pause(&mut random);
        }
        let sender = sending.join().unwrap();
        until("everything is delivered", || sender.stats().delivered == u64::from(EACH));
        (sender, receiver)
    })
}

/// Ours of the sockets, all used by one thread.
struct Wanderer {
    /// The last one is not in the poller.
    pulls: Vec<zmq::Pull>,
    ledgers: Vec<Ledger>,
    poller: Poller,
    half: zmq::Receiver<zmq::kind::Dealer>,
    half_ledger: Ledger,
    random: Random,
}

impl Wanderer {
    fn is_done(&self) -> bool {
        self.half_ledger.is_complete() && self.ledgers.iter().all(Ledger::is_complete)
    }

    /// One visit, of a kind that chance decides.
    fn step(&mut self) {
        let time = Duration::from_micros(self.random.below(5000));
        match self.random.below(9) {
            0 => std::thread::sleep(time),
            1 => compute(time / 5),
            2 => self.poll(time),
            3 => self.poll(LONG),
            4 => self.receive_half(time),
            5 => self.receive_half(Duration::ZERO),
            6 => self.take(POLLED, |pull| pull.recv_timeout(LONG)),
            7 => {
                // From one that the poller watches too.
                let index = self.random.below(POLLED as u64) as usize;
                self.take(index, |pull| pull.recv_timeout(time));
            }
            _ => {
                let index = self.random.below(self.pulls.len() as u64) as usize;
                self.take(index, zmq::Pull::try_recv);
            }
        }
    }

    /// Waits in the poller, as long as it takes if a link that holds must bring something, and takes some of what there is.
    fn poll(&mut self, time: Duration) {
        if time == LONG && self.ledgers[..POLLED].iter().all(Ledger::is_complete) {
            return;
        }
        let ready: Vec<_> = self.poller.wait(Some(time)).unwrap().iter().map(|event| event.key()).collect();
        assert!(time != LONG || !ready.is_empty(), "a message is stranded");
        for key in ready {
            for _ in 0..1 + self.random.below(100) {
                match self.pulls[key].try_recv() {
                    Ok(message) => self.ledgers[key].enter(&message),
                    Err(error) => {
                        assert_eq!(error, Error::WouldBlock);
                        break;
                    }
                }
            }
        }
    }

    /// Receives some, each in the same way; waits for long only for what must come.
    fn take(&mut self, index: usize, receive: impl Fn(&mut zmq::Pull) -> zmq::Result<Message>) {
        for _ in 0..1 + self.random.below(100) {
            if index == POLLED && self.ledgers[index].is_complete() {
                return;
            }
            match receive(&mut self.pulls[index]) {
                Ok(message) => self.ledgers[index].enter(&message),
                Err(Error::Timeout { after }) => {
                    assert!(after < LONG, "a message is stranded");
                    return;
                }
                Err(error) => {
                    assert_eq!(error, Error::WouldBlock);
                    return;
                }
            }
        }
    }

    fn receive_half(&mut self, time: Duration) {
        for _ in 0..1 + self.random.below(100) {
            match self.half.recv_timeout(time) {
                Ok(message) => self.half_ledger.enter(&message),
                Err(_) => return,
            }
        }
    }
}

fn come_and_go(wild: &str) {
    let mut random = Random::announced(&format!("over {wild}"));
    let (ours, theirs) = (context(), context());
    let stop = Arc::new(AtomicBool::new(false));
    let mut poller = Poller::new().unwrap();
    let (mut pulls, mut bound, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for key in 0..=POLLED {
        let mut pull = zmq::Pull::builder_in(&ours)
            .heartbeat_interval(ms(3))
            .heartbeat_timeout(LONG)
            .recv_hwm(1 + random.below(100) as usize)
            .build()
            .unwrap();
        bound.push(pull.bind_to(wild).unwrap());
        if key < POLLED {
            poller.add(&mut pull, key).unwrap();
        }
        pulls.push(pull);
        peers.push(send_all(&theirs, &bound[key], 0, random.fork()));
    }
    let mut dealer = zmq::Dealer::new_in(&ours).unwrap();
    let meeting = dealer.bind_to(wild).unwrap();
    let conversing = converse(&theirs, &meeting, random.fork());
    let (mut sender, half) = dealer.split().unwrap();
    let mut other = random.fork();
    let answering = std::thread::spawn(move || {
        for number in 0..EACH {
            sender.send_timeout(message(0, number), LONG).unwrap();
            pause(&mut other);
        }
        sender
    });
    let vanishing = vanish(bound, stop.clone(), random.fork());

    let ledgers = pulls.iter().map(|_| Ledger::default()).collect();
    let mut wanderer = Wanderer { pulls, ledgers, poller, half, half_ledger: Ledger::default(), random };
    while !wanderer.is_done() {
        wanderer.step();
    }
    for peer in peers {
        assert_all_delivered(&peer.join().unwrap());
    }
    let (there, here) = (conversing.join().unwrap(), answering.join().unwrap());
    assert_all_delivered(&there.0.stats());
    assert_all_delivered(&here.stats());
    stop.store(true, Ordering::Relaxed);
    vanishing.join().unwrap();
    // What the vanished ones left behind may still come.
    for (pull, ledger) in wanderer.pulls.iter_mut().zip(&mut wanderer.ledgers) {
        while let Ok(message) = pull.recv_timeout(ms(20)) {
            ledger.enter(&message);
        }
        let stats = pull.stats();
        assert_eq!((stats.received, stats.unread), (ledger.messages, 0), "{stats:?}");
        assert_eq!((ledger.next, stats.reconnects), (EACH, 0));
        assert!(stats.connections > 1, "nobody came and went: {stats:?}");
    }
}

#[test]
fn come_and_go_over_tcp() {
    for _ in 0..soak(50, 1) {
        bounded("coming and going", || come_and_go("tcp://127.0.0.1:*"));
    }
}

#[test]
fn come_and_go_over_ipc() {
    for _ in 0..soak(50, 1) {
        bounded("coming and going", || come_and_go("ipc://*"));
    }
}
