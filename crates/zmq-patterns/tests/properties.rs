//! Socket types against naive oracles, over sockets of this process: what one does, the other sees when the call has
//! returned, so a history is a list of calls.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use zmq_core::{Context, Error, Message, Options, SendError};
use zmq_patterns::kind::{Dealer, Pub, Rep, Req, Router, Sub};
use zmq_patterns::{Published, Socket};

fn context() -> Context {
    Context::builder().transport(zmq_transport_inproc::Inproc::new()).build().expect("a context")
}

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

fn is_state<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::State { .. }))
}

// REQ and REP.

/// What one of the requesters, or the replier, does.
#[derive(Clone, Debug)]
enum Turn {
    Send(usize),
    Receive(usize),
    /// A wait that ends at once: the same as trying, but by the other way.
    Timeout(usize),
    Reset(usize),
    RepReceive,
    RepSend,
    /// A reply, as a handle that is used or dropped.
    RepHandle(bool),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (0..2usize).prop_map(Turn::Send),
        4 => (0..2usize).prop_map(Turn::Receive),
        1 => (0..2usize).prop_map(Turn::Timeout),
        1 => (0..2usize).prop_map(Turn::Reset),
        4 => Just(Turn::RepReceive),
        4 => Just(Turn::RepSend),
        2 => any::<bool>().prop_map(Turn::RepHandle),
    ]
}

/// A requester as a list of what is to happen.
#[derive(Default)]
struct Requester {
    /// The number of the request whose reply is waited for.
    awaited: Option<usize>,
    /// Replies on their way: to which requests.
    replies: VecDeque<usize>,
}

struct Lockstep {
    requesters: [Requester; 2],
    /// Requests on their way to the replier, by requester.
    requests: [VecDeque<usize>; 2],
    /// Who asked what.
    asked: Option<(usize, usize)>,
    next: usize,
}

/// Exactly one reply to each request that was accepted and not given up, and never that to another.
fn lockstep(turns: Vec<Turn>, relaxed: bool, correlate: bool) {
    let context = context();
    let mut rep = Socket::<Rep>::new_in(&context).expect("a socket");
    let place = rep.bind_to("inproc://*").expect("bound");
    let mut reqs = [(); 2].map(|()| {
        let options = options(|options| {
            options.req_relaxed = relaxed;
            options.req_correlate = correlate;
        });
        let mut req = Socket::<Req>::with_options(&context, options).expect("a socket");
        req.connect_to(&place).expect("connected");
        req
    });
    let mut model =
        Lockstep { requesters: Default::default(), requests: Default::default(), asked: None, next: 0 };
    for turn in turns {
        match turn {
            Turn::Send(who) => send_request(&mut reqs[who], who, &mut model, relaxed),
            Turn::Receive(who) => receive_reply(reqs[who].try_recv(), who, &mut model),
            Turn::Timeout(who) => receive_reply(reqs[who].recv_timeout(Duration::ZERO), who, &mut model),
            Turn::Reset(who) => {
                reqs[who].reset().expect("reset");
                model.requesters[who].awaited = None;
            }
            Turn::RepReceive => receive_request(rep.try_recv(), &mut model),
            Turn::RepSend => {
                let text = model.asked.map_or(0, |(_, number)| number).to_string();
                let sent = rep.try_send(text).map_err(|failed| failed.error);
                match model.asked.take() {
                    Some((who, number)) => {
                        assert_eq!(sent, Ok(()));
                        model.requesters[who].replies.push_back(number);
                    }
                    None => assert!(is_state(&sent)),
                }
            }
            Turn::RepHandle(_) if model.asked.is_some() || model.requests.iter().all(VecDeque::is_empty) => {}
            Turn::RepHandle(used) => {
                let (request, reply) = rep.recv_request().expect("a request");
                let text = request.as_str().expect("text").to_owned();
                // Without numbers a replier that leaves a request without a reply misleads a requester that has given
                // one up: only the order tells replies apart.
                if used || !correlate {
                    reply.send(text).expect("sent");
                } else {
                    drop(reply);
                }
                receive_request(Ok(request), &mut model);
                let (who, number) = model.asked.take().expect("asked");
                if used || !correlate {
                    model.requesters[who].replies.push_back(number);
                }
            }
        }
    }
}

fn send_request(req: &mut Socket<Req>, who: usize, model: &mut Lockstep, relaxed: bool) {
    let number = model.next;
    let sent = req.try_send(number.to_string());
    let requester = &mut model.requesters[who];
    if requester.awaited.is_some() && !relaxed {
        let SendError { error, message } = sent.expect_err("out of turn");
        assert!(is_state::<()>(&Err(error)));
        assert_eq!(message, number.to_string().into());
        return;
    }
    assert_eq!(sent, Ok(()));
    model.next += 1;
    requester.awaited = Some(number);
    model.requests[who].push_back(number);
}

fn receive_reply(received: Result<Message, Error>, who: usize, model: &mut Lockstep) {
    let requester = &mut model.requesters[who];
    let Some(awaited) = requester.awaited else {
        assert!(is_state(&received), "{received:?}");
        return;
    };
    // Replies to what was given up are thrown away.
    let mut expected = None;
    while let Some(number) = requester.replies.pop_front() {
        if number == awaited {
            expected = Some(number);
            break;
        }
    }
    match expected {
        Some(number) => {
            assert_eq!(received, Ok(number.to_string().into()));
            requester.awaited = None;
        }
        None => assert!(received.expect_err("nothing").is_temporary()),
    }
}

fn receive_request(received: Result<Message, Error>, model: &mut Lockstep) {
    if model.asked.is_some() {
        assert!(is_state(&received), "{received:?}");
        return;
    }
    if model.requests.iter().all(VecDeque::is_empty) {
        assert_eq!(received, Err(Error::WouldBlock));
        return;
    }
    // From either, but the oldest of that one.
    let number: usize = received.expect("a request").as_str().expect("text").parse().expect("a number");
    let who = model.requests.iter().position(|requests| requests.front() == Some(&number)).expect("in order");
    model.requests[who].pop_front();
    model.asked = Some((who, number));
}

// ROUTER.

#[derive(Clone, Debug)]
enum Step {
    /// A peer with one of three names connects.
    Join(u8),
    /// The peer at this place, of those that ever joined, leaves.
    Leave(usize),
    /// That peer sends.
    PeerSends(usize),
    RouterReceives,
    RouterSends(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3u8).prop_map(Step::Join),
        1 => (0..8usize).prop_map(Step::Leave),
        3 => (0..8usize).prop_map(Step::PeerSends),
        3 => Just(Step::RouterReceives),
        3 => (0..3u8).prop_map(Step::RouterSends),
    ]
}

struct Peer {
    name: u8,
    socket: Option<Socket<Dealer>>,
    /// Whether the router has it in its table.
    admitted: bool,
    /// What it sent and the router has not received: those of a peer that left stay, those of one whose name was
    /// taken over go.
    sent: VecDeque<String>,
}

fn router_table(steps: Vec<Step>, handover: bool, mandatory: bool) {
    let context = context();
    let router_options = options(|options| {
        options.router_handover = handover;
        options.router_mandatory = mandatory;
    });
    let mut router = Socket::<Router>::with_options(&context, router_options).expect("a socket");
    let place = router.bind_to("inproc://*").expect("bound");
    let mut peers: Vec<Peer> = Vec::new();
    let (mut next, mut unroutable) = (0, 0);
    for step in steps {
        match step {
            Step::Join(name) => {
                let dealer_options = options(|options| options.routing_id = vec![b'a' + name].into());
                let mut dealer = Socket::<Dealer>::with_options(&context, dealer_options).expect("a socket");
                dealer.connect_to(&place).expect("connected");
                let rival = peers.iter_mut().find(|peer| peer.name == name && peer.admitted);
                let admitted = rival.is_none() || handover;
                if let (true, Some(rival)) = (handover, rival) {
                    rival.admitted = false;
                    rival.sent.clear();
                }
                peers.push(Peer { name, socket: Some(dealer), admitted, sent: VecDeque::new() });
            }
            Step::Leave(place) => {
                if let Some(peer) = peers.get_mut(place) {
                    peer.socket = None;
                    peer.admitted = false;
                }
            }
            Step::PeerSends(place) => {
                let Some(peer) = peers.get_mut(place) else { continue };
                let Some(socket) = &mut peer.socket else { continue };
                let text = format!("{place} {next}");
                next += 1;
                let sent = socket.try_send(text.as_str());
                if peer.admitted {
                    assert_eq!(sent, Ok(()));
                    peer.sent.push_back(text);
                }
            }
            Step::RouterReceives => match router.try_recv() {
                Ok(message) => {
                    let text = message[1].as_str().expect("text").to_owned();
                    let (place, _) = text.split_once(' ').expect("two words");
                    let peer = &mut peers[place.parse::<usize>().expect("a number")];
                    assert_eq!(message[0], [b'a' + peer.name]);
                    assert_eq!(peer.sent.pop_front(), Some(text));
                }
                Err(error) => {
                    assert_eq!(error, Error::WouldBlock);
                    assert!(peers.iter().all(|peer| peer.sent.is_empty()));
                }
            },
            Step::RouterSends(name) => {
                let text = next.to_string();
                next += 1;
                let sent = router.send_to([b'a' + name], text.as_str());
                let to = peers.iter_mut().find(|peer| peer.name == name && peer.admitted);
                match (to.and_then(|peer| peer.socket.as_mut()), mandatory) {
                    (Some(socket), _) => {
                        assert_eq!(sent, Ok(()));
                        assert_eq!(socket.try_recv(), Ok(text.into()));
                    }
                    (None, false) => {
                        assert_eq!(sent, Ok(()));
                        unroutable += 1;
                    }
                    (None, true) => {
                        let routing_id = vec![b'a' + name];
                        assert_eq!(
                            sent,
                            Err(SendError { error: Error::Unroutable { routing_id }, message: text.into() })
                        );
                    }
                }
                for peer in peers.iter_mut().filter_map(|peer| peer.socket.as_mut()) {
                    assert_eq!(peer.try_recv(), Err(Error::WouldBlock));
                }
            }
        }
        let mut known: Vec<_> = router.peers().expect("peers").iter().map(|name| name[0]).collect();
        known.sort_unstable();
        let mut expected: Vec<_> = peers.iter().filter(|p| p.admitted).map(|p| b'a' + p.name).collect();
        expected.sort_unstable();
        assert_eq!(known, expected);
        assert_eq!(router.stats().dropped.unroutable, unroutable);
    }
}

// PUB.

#[derive(Clone, Debug)]
enum Act {
    Subscribe(usize, u8),
    Unsubscribe(usize, u8),
    Publish(u8),
    Receive(usize),
    /// A subscriber leaves and another comes.
    Replace(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..3usize, 0..4u8).prop_map(|(who, topic)| Act::Subscribe(who, topic)),
        1 => (0..3usize, 0..4u8).prop_map(|(who, topic)| Act::Unsubscribe(who, topic)),
        8 => (0..4u8).prop_map(Act::Publish),
        4 => (0..3usize).prop_map(Act::Receive),
        1 => (0..3usize).prop_map(Act::Replace),
    ]
}

/// Topics that are prefixes of each other.
fn topic(number: u8) -> &'static str {
    ["", "a", "ab", "b"][usize::from(number)]
}

#[derive(Default)]
struct Listener {
    topics: BTreeMap<u8, usize>,
    /// What is in its pipe, in order, and whether that is certain: of a message that some of several lost it is not.
    queue: VecDeque<(String, bool)>,
}

impl Listener {
    fn wants(&self, text: &str) -> bool {
        self.topics.keys().any(|number| text.starts_with(topic(*number)))
    }

    /// So many from the front did not come: none of them was certain, or wanted any more.
    fn skip(&mut self, count: usize) {
        let skipped: Vec<_> = self.queue.drain(..count).collect();
        assert!(skipped.iter().all(|(text, certain)| !certain || !self.wants(text)), "{skipped:?}");
    }
}

/// Which messages a publisher drops, to the last one: with marks that add up to 3, credit comes back for two at a time.
fn publisher_books(acts: Vec<Act>) {
    const HWM: usize = 3;
    let context = context();
    let pub_options = options(|options| options.send_hwm = 1);
    let mut publisher = Socket::<Pub>::with_options(&context, pub_options).expect("a socket");
    let place = publisher.bind_to("inproc://*").expect("bound");
    let subscriber = || {
        let sub_options = options(|options| options.recv_hwm = HWM - 1);
        let mut sub = Socket::<Sub>::with_options(&context, sub_options).expect("a socket");
        sub.connect_to(&place).expect("connected");
        (sub, Listener::default())
    };
    let mut subscribers = [(); 3].map(|()| subscriber());
    let (mut sent, mut matched, mut dropped, mut next) = (0, 0, 0, 0u32);
    for act in acts {
        match act {
            Act::Subscribe(who, number) => {
                let (sub, listener) = &mut subscribers[who];
                sub.subscribe(topic(number)).expect("subscribed");
                *listener.topics.entry(number).or_default() += 1;
            }
            Act::Unsubscribe(who, number) => {
                let (sub, listener) = &mut subscribers[who];
                let known = sub.unsubscribe(topic(number)).expect("unsubscribed");
                let count = listener.topics.get_mut(&number);
                assert_eq!(known, count.is_some());
                if let Some(count) = count {
                    *count -= 1;
                    if *count == 0 {
                        listener.topics.remove(&number);
                    }
                }
            }
            Act::Publish(number) => {
                let text = format!("{}{next}", topic(number));
                next += 1;
                let Published { matched: reached, dropped: lost } =
                    publisher.publish(text.as_str()).expect("published");
                let mut wanting: Vec<_> =
                    subscribers.iter_mut().map(|(_, listener)| listener).filter(|l| l.wants(&text)).collect();
                assert_eq!(reached, wanting.len());
                let certain =
                    |listener: &Listener| listener.queue.iter().filter(|(_, certain)| *certain).count();
                let full = wanting.iter().filter(|listener| certain(listener) >= HWM).count();
                // Credit comes back in halves: a pipe that is not full may be taken for one.
                let fullish = wanting.iter().filter(|listener| listener.queue.len() > HWM / 2).count();
                assert!((full..=fullish).contains(&lost), "{lost} of {full} to {fullish}");
                if lost < reached {
                    wanting
                        .iter_mut()
                        .for_each(|listener| listener.queue.push_back((text.clone(), lost == 0)));
                }
                sent += 1;
                matched += reached as u64;
                dropped += lost as u64;
            }
            Act::Receive(who) => {
                let (sub, listener) = &mut subscribers[who];
                match sub.try_recv() {
                    Ok(message) => {
                        let text = message.as_str().expect("text");
                        assert!(listener.wants(text));
                        let place = listener.queue.iter().position(|(queued, _)| queued == text);
                        listener.skip(place.expect("it was sent to this one, and later than the last"));
                        listener.queue.pop_front();
                    }
                    Err(error) => {
                        assert_eq!(error, Error::WouldBlock);
                        listener.skip(listener.queue.len());
                    }
                }
            }
            Act::Replace(who) => subscribers[who] = subscriber(),
        }
        let stats = publisher.stats();
        assert_eq!((stats.sent, stats.written), (sent, matched));
        assert_eq!((stats.dropped.full, stats.dropped.total()), (dropped, dropped));
        assert_eq!(stats.written, stats.delivered + stats.queued + stats.dropped.total());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn req_rep_lockstep(turns in vec(turn(), 0..80), relaxed: bool, correlate: bool) {
        lockstep(turns, relaxed, correlate);
    }

    #[test]
    fn router_has_one_peer_per_name(steps in vec(step(), 0..60), handover: bool, mandatory: bool) {
        router_table(steps, handover, mandatory);
    }

    #[test]
    fn pub_counts_what_it_drops(acts in vec(act(), 0..120)) {
        publisher_books(acts);
    }
}
