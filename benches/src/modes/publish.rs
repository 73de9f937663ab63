//! One publishes, others subscribe: `pubsub`, where everybody wants everything, and `submatch`, where one subscriber wants
//! a tenth.
//!
//! Everybody subscribes to "~" last. The publisher sends such probes until each subscriber has seen one: then all
//! subscriptions are in place.

use crate::Result;
use crate::measure::{Usage, now_ns, print_rate, seconds_since};
use crate::peer::{Peer, Side};
use crate::setup::{Payload, Setup};
use std::time::Duration;
use zmq_patterns::kind;

const PROBE: &[u8] = b"~";
/// How long nothing must come for the run to be over: a publisher may drop.
const QUIET: Duration = Duration::from_millis(400);
/// Messages to take from one subscriber before the others are looked after.
const BATCH: usize = 1000;
/// Messages to take in one call.
const AT_ONCE: usize = 64;

fn is_matching(setup: &Setup) -> bool {
    setup.args.mode == "submatch"
}

fn topic(number: u64) -> String {
    format!("{number:010}")
}

/// Says "~" until the measured part may begin.
pub fn probe_until_go(socket: &mut zmq::Socket<kind::Pub>, side: &Side) -> Result<()> {
    while !side.wait_for_go(Duration::from_millis(5))? {
        socket.send(PROBE)?;
    }
    Ok(())
}

pub fn publisher(setup: &Setup, side: Side) -> Result<()> {
    let mut options = setup.options();
    options.xpub_nodrop = setup.args.nodrop;
    let mut socket = zmq::Pub::with_options(&setup.context, options)?;
    side.say(&setup.bind(&mut socket)?)?;
    let payloads = if is_matching(setup) { matching_payloads(setup) } else { vec![setup.payload()] };
    probe_until_go(&mut socket, &side)?;
    let started = now_ns();
    for payload in payloads.iter().cycle().take(setup.args.count as usize) {
        socket.send(payload.frame())?;
    }
    side.say(&format!("{:.6}", seconds_since(started)))?;
    side.wait_for_end();
    socket.close(Some(Duration::ZERO));
    Ok(())
}

/// Made beforehand, so that the library is measured and not the formatting. Topics of ten digits, a tenth of which
/// matches.
fn matching_payloads(setup: &Setup) -> Vec<Payload> {
    let prefixes = setup.args.number() as u64;
    let payload = |number: u64| {
        let mut body = topic((number * 7919).wrapping_mul(2_654_435_761) % (prefixes * 10)).into_bytes();
        body.resize(setup.args.size, b'x');
        Payload::new(setup.args.sending, body)
    };
    (0..4096).map(payload).collect()
}

pub fn run(setup: &Setup) -> Result<()> {
    let matching = is_matching(setup);
    let subscribers = if matching { 1 } else { setup.args.number() };
    let mut publisher = Peer::start(setup, "publisher", "", "")?;
    let endpoint = publisher.line()?;

    let subscribing = now_ns();
    let mut audience = Audience::new(setup, &endpoint, subscribers)?;
    audience.wait_for_probes()?;
    let subscribe_seconds = seconds_since(subscribing);

    let before = Usage::of_this_process();
    publisher.go()?;
    let wanted = setup.args.count * subscribers as u64;
    let mut tally = Tally::up_to(if matching { u64::MAX } else { wanted });
    audience.listen(&mut tally)?;

    let publish_seconds: f64 = publisher.line()?.parse()?;
    let there = publisher.finish()?;
    let here = Usage::of_this_process() - before;
    let (got, seconds) = (tally.got, tally.seconds());
    let expected = if matching { wanted as f64 * 0.1 } else { wanted as f64 };
    let extra = format!(
        "delivered_pct={:.2} pub_secs={publish_seconds:.4} subscribe_secs={subscribe_seconds:.4} got={got}",
        100.0 * got as f64 / expected
    );
    if matching {
        print_rate(setup.args.count, setup.args.size, seconds.max(publish_seconds), here, there, &extra);
    } else {
        print_rate(got, setup.args.size, seconds, here, there, &extra);
    }
    Ok(())
}

/// The subscribers, all in this thread.
struct Audience {
    sockets: Vec<zmq::Sub>,
    poller: zmq::Poller,
}

impl Audience {
    fn new(setup: &Setup, endpoint: &str, count: usize) -> Result<Audience> {
        let mut audience = Audience { sockets: Vec::new(), poller: zmq::Poller::new()? };
        for key in 0..count {
            let mut socket = setup.socket::<kind::Sub>()?;
            if is_matching(setup) {
                for prefix in 0..setup.args.number() as u64 {
                    socket.subscribe(topic(prefix))?;
                }
            } else {
                socket.subscribe("x")?;
            }
            socket.subscribe(PROBE)?;
            socket.connect_to(endpoint)?;
            audience.poller.add(&mut socket, key)?;
            audience.sockets.push(socket);
        }
        Ok(audience)
    }

    fn wait_for_probes(&mut self) -> Result<()> {
        let mut seen = vec![false; self.sockets.len()];
        while seen.contains(&false) {
            let ready = self.poller.wait(Some(Duration::from_secs(60)))?;
            if ready.is_empty() {
                return Err("the probes do not arrive".into());
            }
            for event in ready {
                let mut probes = Tally::up_to(u64::MAX);
                seen[event.key()] |= take(&mut self.sockets[event.key()], BATCH, &mut probes)? > 0;
            }
        }
        Ok(())
    }

    fn listen(&mut self, tally: &mut Tally) -> Result<()> {
        while !tally.is_complete() {
            if let [only] = &mut self.sockets[..] {
                if take(only, BATCH, tally)? > 0 {
                    continue;
                }
            }
            let ready = self.poller.wait(Some(QUIET))?;
            if ready.is_empty() {
                break;
            }
            for event in ready {
                take(&mut self.sockets[event.key()], BATCH, tally)?;
            }
        }
        Ok(())
    }
}

/// Takes what is there, at most `most`; how many it were.
fn take(socket: &mut zmq::Sub, most: usize, tally: &mut Tally) -> Result<usize> {
    let mut messages = Vec::with_capacity(AT_ONCE);
    let mut taken = 0;
    while taken < most && !tally.is_complete() {
        match socket.try_recv_many(&mut messages, AT_ONCE) {
            Ok(count) => taken += count,
            Err(zmq::Error::WouldBlock) => break,
            Err(error) => return Err(error.into()),
        }
        messages.drain(..).for_each(|message| tally.count(&message));
    }
    Ok(taken)
}

/// Counts deliveries; looks at the clock for the first, each 64th and the last.
struct Tally {
    got: u64,
    wanted: u64,
    first: u64,
    last: u64,
}

impl Tally {
    fn up_to(wanted: u64) -> Tally {
        Tally { got: 0, wanted, first: 0, last: 0 }
    }

    #[inline]
    fn count(&mut self, message: &zmq::Message) {
        if message.body() == PROBE {
            return;
        }
        if self.got == 0 {
            self.first = now_ns();
        }
        self.got += 1;
        if self.got % 64 == 0 || self.is_complete() {
            self.last = now_ns();
        }
    }

    fn is_complete(&self) -> bool {
        self.got >= self.wanted
    }

    fn seconds(&self) -> f64 {
        self.last.saturating_sub(self.first).max(1) as f64 / 1e9
    }
}
