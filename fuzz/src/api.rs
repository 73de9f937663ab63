//! Random calls on a live context: sockets of every type over inproc, tcp and ipc, with a poller and monitors.

use crate::input::{Input, with_length};
use crate::options::{KINDS, change};
use std::time::Duration;
use zmq::{AnySocket, Context, Endpoint, Error, Event, Message, Monitor, Options, Poller};

/// Sockets that exist at once.
const PLACES: usize = 6;
/// How long a call may wait.
const SHORT: Duration = Duration::from_micros(100);

struct World {
    context: Context,
    sockets: [Option<AnySocket>; PLACES],
    monitors: Vec<Monitor>,
    poller: Poller,
    /// Where somebody was bound, whether he still is or not.
    endpoints: Vec<Endpoint>,
    /// The message that was received last.
    last: Message,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World {
        context: zmq::context_builder().build().expect("a context"),
        sockets: Default::default(),
        monitors: Vec::new(),
        poller: Poller::new().expect("a poller"),
        endpoints: Vec::new(),
        last: Message::from("first"),
    };
    let mut calls = 0;
    while !input.is_empty() && calls < 100 {
        calls += 1;
        world.call(&mut input);
    }
    world.end(input.byte());
}

impl World {
    fn call(&mut self, input: &mut Input<'_>) {
        let (what, place) = (input.byte(), input.below(PLACES));
        let Some(socket) = &mut self.sockets[place] else { return self.make(what, place, input) };
        match what % 24 {
            0 => self.sockets[place] = None,
            1 => drop(socket.bind("inproc://*").map(|endpoint| self.endpoints.push(endpoint))),
            2 => drop(socket.bind("tcp://127.0.0.1:*").map(|endpoint| self.endpoints.push(endpoint))),
            3 => drop(socket.bind("ipc://*").map(|endpoint| self.endpoints.push(endpoint))),
            4 => drop(socket.bind(input.pick(&NAMES))),
            5 => drop(socket.connect(input.pick(&NAMES))),
            6 | 7 => {
                if let Some(endpoint) = chosen(&self.endpoints, input) {
                    drop(socket.connect(endpoint).map_err(|error| shown(&error)));
                }
            }
            8 => drop(chosen(&self.endpoints, input).map(|endpoint| socket.unbind(endpoint))),
            9 => drop(chosen(&self.endpoints, input).map(|endpoint| socket.disconnect(endpoint))),
            10..=12 => drop(socket.try_send(message(input))),
            13 => drop(socket.send_timeout(message(input), SHORT)),
            // With whatever names its peers have.
            14 => drop(socket.try_send(self.last.clone())),
            15..=17 => drop(socket.try_recv().map(|message| self.last = message)),
            18 => drop(socket.recv_timeout(SHORT).map(|message| self.last = message)),
            19 => drop(socket.subscribe(input.bytes())),
            20 => drop(socket.unsubscribe(input.bytes())),
            21 => drop(socket.monitor().map(|monitor| self.monitors.push(monitor))),
            22 => drop(self.poller.add(socket, input.below(8))),
            _ => self.others(input),
        }
    }

    fn make(&mut self, what: u8, place: usize, input: &mut Input<'_>) {
        let mut options = Options::default();
        for _ in 0..input.below(4) {
            change(&mut options, input);
        }
        options.linger = Some(Duration::ZERO);
        options.send_timeout = Some(SHORT);
        options.recv_timeout = Some(SHORT);
        options.reconnect_interval = options.reconnect_interval.map(|_| Duration::from_millis(1));
        let socket_type = KINDS[usize::from(what) % KINDS.len()];
        match AnySocket::new(&self.context, socket_type, options) {
            Ok(socket) => self.sockets[place] = Some(socket),
            Err(error) => shown(&error),
        }
    }

    fn others(&mut self, input: &mut Input<'_>) {
        match input.below(7) {
            6 => typed(&self.context, &self.endpoints, input),
            0 => drop(self.poller.remove(input.below(8))),
            1 => drop(self.poller.wait(Some(SHORT)).map(<[_]>::len)),
            2 => drop(self.poller.wait_readable_or_writable(Some(Duration::ZERO)).map(<[_]>::len)),
            3 => self.monitors.iter_mut().for_each(|monitor| drop(monitor.try_next())),
            4 => self.sockets.iter_mut().flatten().for_each(|socket| assert!(socket.stats().sent < 1000)),
            // Most inputs shall go on for a while.
            _ if input.byte() == 0x5A => self.context.shutdown(),
            _ => {}
        }
    }

    /// The end, in any order.
    fn end(mut self, order: u8) {
        if self.context.is_shut_down() {
            for socket in self.sockets.iter_mut().flatten() {
                assert_eq!(socket.try_recv(), Err(Error::Terminated));
            }
        }
        match order % 4 {
            0 => drop(self.poller),
            1 => self.context.shutdown(),
            2 => self.sockets = Default::default(),
            _ => return drop(self.monitors),
        }
        let World { context, sockets, monitors, .. } = self;
        drop((sockets, context));
        // The last handle of the context has waited for everything: the books are final.
        monitors.into_iter().for_each(|mut monitor| balanced(&mut monitor));
    }
}

/// What the last event says of a socket adds up: `written = delivered + queued + dropped`, and nothing is queued.
fn balanced(monitor: &mut Monitor) {
    while let Some(event) = monitor.try_next() {
        if let Event::Stopped { stats } = event {
            let accounted = stats.delivered + stats.dropped.total();
            assert_eq!((stats.queued, stats.written), (0, accounted), "{stats:?}");
        }
    }
}

/// What only some types can do, by a socket that stays for a few calls.
fn typed(context: &Context, endpoints: &[Endpoint], input: &mut Input<'_>) {
    let endpoint = chosen(endpoints, input).map_or("inproc://a", Endpoint::as_str);
    match input.below(6) {
        0 => with(zmq::Req::builder_in(context), endpoint, input, |req, input| match input.below(3) {
            0 => drop(req.request_timeout(message(input), SHORT)),
            1 => drop(req.reset()),
            _ => drop(req.try_send(message(input))),
        }),
        1 => with(zmq::Rep::builder_in(context), endpoint, input, |rep, input| {
            if let (Ok((request, reply)), true) = (rep.recv_request(), input.flag()) {
                drop(reply.send(request));
            }
        }),
        2 => with(zmq::Router::builder_in(context), endpoint, input, |router, input| match input.below(4) {
            0 => drop(router.connect_as(endpoint, input.bytes())),
            1 => drop(router.recv_from()),
            2 => drop(router.send_to(input.bytes(), message(input))),
            _ => {
                for peer in router.peers().unwrap_or_default() {
                    drop(router.send_to(peer, "to whom it may concern"));
                }
            }
        }),
        3 => {
            with(zmq::XPub::builder_in(context).xpub_manual(true), endpoint, input, |xpub, input| match input
                .below(4)
            {
                0 => drop(xpub.try_recv()),
                1 => drop(xpub.subscribe_last_peer(input.bytes())),
                2 => drop(xpub.unsubscribe_last_peer(input.bytes())),
                _ => drop(xpub.publish(message(input))),
            })
        }
        4 => with(zmq::Pub::builder_in(context), endpoint, input, |publisher, input| match input.flag() {
            true => drop(publisher.wait_for_subscribers(1, SHORT)),
            false => {
                drop(publisher.publish(message(input)).map(|done| assert!(done.dropped <= done.matched)))
            }
        }),
        _ => halves(context, endpoint, input),
    }
}

/// A few calls on a socket that is connected or bound.
fn with<K: zmq::Kind>(
    builder: zmq::Builder<K>,
    endpoint: &str,
    input: &mut Input<'_>,
    call: impl Fn(&mut zmq::Socket<K>, &mut Input<'_>),
) {
    let none = Some(Duration::ZERO);
    let builder = builder.linger(none).send_timeout(SHORT).recv_timeout(SHORT);
    let joined = if input.flag() { builder.bind("inproc://*") } else { builder.connect(endpoint) };
    match joined {
        Ok(mut socket) => (0..input.below(8)).for_each(|_| call(&mut socket, input)),
        Err(error) => shown(&error),
    }
}

/// The two halves of a DEALER, on two threads, dropped in any order.
fn halves(context: &Context, endpoint: &str, input: &mut Input<'_>) {
    let builder = zmq::Dealer::builder_in(context).linger(Some(Duration::ZERO)).recv_timeout(SHORT);
    let Ok(dealer) = builder.send_timeout(SHORT).connect(endpoint) else { return };
    let (mut sender, mut receiver) = dealer.split().expect("it is in no poller");
    let (sends, receives) = (input.below(4), input.below(4));
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || (0..sends).for_each(|_| drop(sender.send("half"))));
        (0..receives).for_each(|_| drop(receiver.recv()));
        if input.flag() {
            drop(receiver);
        }
        // Whole: the end of a scope does not wait for the thread's own variables, and the leak checker would see them go.
        sending.join().expect("it only sends");
    });
}

const NAMES: [&str; 8] = [
    "inproc://a",
    "inproc://b",
    "tcp://127.0.0.1:1",
    "ipc://@zmq-fuzz-nobody",
    "ipc:///nowhere/at/all",
    "tcp://127.0.0.1",
    "udp://x",
    "",
];

fn chosen<'a>(endpoints: &'a [Endpoint], input: &mut Input<'_>) -> Option<&'a Endpoint> {
    let number = usize::from(input.byte());
    endpoints.get(number % endpoints.len().max(1))
}

fn shown(error: &Error) {
    assert!(!error.to_string().is_empty());
}

fn message(input: &mut Input<'_>) -> Message {
    let size = usize::from(input.byte());
    match size {
        250..=254 => Message::from(vec![7; size * 100]),
        255 => Message::default(),
        _ => (0..size % 4 + 1).map(|_| input.bytes()).collect(),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for bind in 1..4 {
        for (ours, theirs) in [
            (0, 0),
            (1, 2),
            (2, 1),
            (3, 4),
            (5, 6),
            (6, 5),
            (8, 7),
            (7, 8),
            (9, 10),
            (10, 9),
            (11, 5),
            (11, 11),
        ] {
            // Two sockets, joined; a few messages each way; the end.
            let mut seed = vec![ours, 0, 0, theirs, 1, 0, bind, 0, 6, 1, 0, 19, 0, 0, 19, 1, 0];
            for _ in 0..3 {
                for place in [0, 1] {
                    seed.extend([&[13, place, 1][..], &with_length(b"to"), &with_length(b"body")].concat());
                }
                seed.extend([18, 0, 18, 1, 14, 0, 18, 1]);
            }
            seed.extend([22, 0, 3, 23, 0, 1, 21, 1, 9, 1, 0, 0, 0]);
            seeds.push(seed);
        }
    }
    seeds
}
