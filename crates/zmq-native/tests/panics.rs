//! A transport that panics loses the connection concerned, which is made again; nobody else suffers.

mod support;

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use support::*;
use zmq::options::StreamOptions;
use zmq::transport::mio::event::Source;
use zmq::transport::mio::{Interest, Registry, Token};
use zmq::transport::{Listener, PolledTransport, Stream, Transport, TransportKind};
use zmq::{Context, Endpoint, Event, Monitor, Result};
use zmq_transport_tcp::Tcp;

/// Where it panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Resolve,
    Open,
    Established,
    Register,
    Reregister,
    Accept,
    PeerAddress,
    Read,
    Write,
    Shutdown,
    Delivered,
    Deregister,
}

/// The next call of this kind panics.
#[derive(Clone, Default)]
struct Trap(Arc<Mutex<Option<At>>>);

impl Trap {
    fn set(&self, at: At) {
        *self.0.lock().unwrap() = Some(at);
    }

    fn is_set(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }

    fn pass(&self, at: At) {
        let mut armed = self.0.lock().unwrap();
        if *armed == Some(at) {
            *armed = None;
            drop(armed);
            panic!("the trap at {at:?}");
        }
    }
}

/// TCP with a trap in it.
struct Trapped(Tcp, Trap);

impl Trapped {
    fn inner(&self) -> &dyn PolledTransport {
        match self.0.kind() {
            TransportKind::Polled(polled) => polled,
            TransportKind::Direct(_) => unreachable!(),
        }
    }
}

impl Transport for Trapped {
    fn scheme(&self) -> &str {
        "tcp"
    }

    fn kind(&self) -> TransportKind<'_> {
        TransportKind::Polled(self)
    }
}

impl PolledTransport for Trapped {
    fn listen(&self, address: &str, options: &StreamOptions) -> Result<Box<dyn Listener>> {
        let listener = self.inner().listen(address, options)?;
        Ok(Box::new(TrappedSource(listener, self.1.clone())))
    }

    fn check(&self, address: &str, options: &StreamOptions) -> Result<()> {
        self.inner().check(address, options)
    }

    fn resolve_blocks(&self, address: &str, options: &StreamOptions) -> bool {
        self.inner().resolve_blocks(address, options)
    }

    fn resolve(&self, address: &str, options: &StreamOptions) -> io::Result<Vec<String>> {
        self.1.pass(At::Resolve);
        self.inner().resolve(address, options)
    }

    fn open(&self, address: &str, options: &StreamOptions) -> io::Result<Box<dyn Stream>> {
        self.1.pass(At::Open);
        let stream = self.inner().open(address, options)?;
        Ok(Box::new(TrappedSource(stream, self.1.clone())))
    }
}

struct TrappedSource<S: ?Sized>(Box<S>, Trap);

impl<S: Source + ?Sized> Source for TrappedSource<S> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.1.pass(At::Register);
        self.0.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.1.pass(At::Reregister);
        self.0.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.1.pass(At::Deregister);
        self.0.deregister(registry)
    }
}

impl Listener for TrappedSource<dyn Listener> {
    fn local_address(&self) -> String {
        self.0.local_address()
    }

    fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        self.1.pass(At::Accept);
        let stream = self.0.accept()?;
        Ok(Box::new(TrappedSource(stream, self.1.clone())))
    }
}

impl Stream for TrappedSource<dyn Stream> {
    fn established(&mut self) -> io::Result<bool> {
        self.1.pass(At::Established);
        self.0.established()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1.pass(At::Read);
        self.0.read(buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.1.pass(At::Write);
        self.0.write_vectored(slices)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.1.pass(At::Shutdown);
        self.0.shutdown_write()
    }

    fn is_delivered(&self) -> bool {
        self.1.pass(At::Delivered);
        self.0.is_delivered()
    }

    fn peer_address(&self) -> String {
        self.1.pass(At::PeerAddress);
        self.0.peer_address()
    }
}

/// A PULL with a trapped listener, one who is connected to it, and two who share nothing but the I/O thread.
struct Scene {
    trap: Trap,
    context: Context,
    pull: zmq::Pull,
    pull_monitor: Monitor,
    bound: Endpoint,
    neighbour: zmq::Push,
    elsewhere: (zmq::Push, zmq::Pull),
}

impl Scene {
    fn new() -> Scene {
        let trap = Trap::default();
        let context =
            zmq::context_builder().transport(Trapped(Tcp::new(), trap.clone())).build().expect("context");
        let mut pull = zmq::Pull::builder_in(&context).recv_hwm(1usize).build().expect("pull");
        let pull_monitor = pull.monitor().expect("monitor");
        let bound = pull.bind_to("tcp://127.0.0.1:*").expect("bind");
        let neighbour = zmq::Push::builder_in(&context).connect(&bound).expect("connect");
        let mut other = zmq::Pull::builder_in(&context).bind("ipc://*").expect("bind");
        let friend = zmq::Push::builder_in(&context).connect(other.last_endpoint().expect("bound")).unwrap();
        let mut scene =
            Scene { trap, context, pull, pull_monitor, bound, neighbour, elsewhere: (friend, other) };
        scene.others_are_served();
        scene
    }

    fn push(&self, endpoint: &str) -> (zmq::Push, Monitor) {
        let mut push = zmq::Push::builder_in(&self.context).linger(LONG).build().expect("push");
        let monitor = push.monitor().expect("monitor");
        push.connect_to(endpoint).expect("connect");
        (push, monitor)
    }

    /// Sends until something arrives: what was on a connection that is lost is lost with it.
    #[track_caller]
    fn is_heard(&mut self, push: &mut zmq::Push, what: &str) {
        until(what, || {
            let _ = push.try_send(what);
            self.pull.recv_timeout(ms(10)).is_ok_and(|message| message == what.into())
        });
        while self.pull.recv_timeout(ms(1)).is_ok() {}
    }

    #[track_caller]
    fn others_are_served(&mut self) {
        let (friend, other) = &mut self.elsewhere;
        friend.send("elsewhere").expect("send");
        assert_eq!(other.recv_timeout(LONG).expect("receive"), "elsewhere".into());
        self.neighbour.send("neighbour").expect("send");
        until("the neighbour is heard", || {
            self.pull.recv_timeout(LONG).expect("receive") == "neighbour".into()
        });
    }
}

fn has_panicked(monitors: [&mut Monitor; 2], at: At) -> bool {
    let said = format!("the code of the connection panicked: the trap at {at:?}");
    let events = monitors.into_iter().flat_map(|monitor| std::iter::from_fn(|| monitor.try_next()));
    let mut reasons = events.filter_map(|event| match event {
        Event::Disconnected { reason, .. } | Event::HandshakeFailed { reason, .. } => {
            Some(reason.to_string())
        }
        Event::ConnectRetried { error, .. } | Event::AcceptFailed { error, .. } => Some(error),
        _ => None,
    });
    reasons.any(|reason| reason.contains(&said))
}

#[test]
fn a_connection_whose_transport_panics_is_made_again() {
    let mut scene = Scene::new();
    let named = scene.bound.to_string().replace("127.0.0.1", "localhost");
    let bound = scene.bound.to_string();
    for (at, endpoint) in [
        (At::Resolve, &bound),
        (At::Resolve, &named),
        (At::Open, &bound),
        (At::Established, &bound),
        (At::Register, &bound),
        (At::Reregister, &bound),
        (At::Accept, &bound),
        (At::PeerAddress, &bound),
        (At::Read, &bound),
        (At::Write, &bound),
    ] {
        println!("{at:?} of {endpoint}");
        scene.trap.set(at);
        let (mut push, mut monitor) = scene.push(endpoint);
        scene.is_heard(&mut push, "at last");
        assert!(!scene.trap.is_set(), "{at:?} was not called");
        assert!(has_panicked([&mut scene.pull_monitor, &mut monitor], at), "{at:?}");
        drop(push);
        until("its connection ends", || {
            std::iter::from_fn(|| scene.pull_monitor.try_next())
                .any(|event| matches!(event, Event::Disconnected { .. }))
        });
        scene.others_are_served();
    }
}

/// While nobody but the I/O thread attends to the sockets.
#[test]
fn a_panic_in_the_background_ends_one_connection() {
    let mut scene = Scene::new();
    let (mut push, mut monitor) = scene.push(scene.bound.to_string().as_str());
    scene.is_heard(&mut push, "before");
    while monitor.try_next().is_some() {}
    scene.trap.set(At::Read);
    push.try_send("this one's connection, or its answer, falls into the trap").expect("send");
    await_event(
        &mut scene.pull_monitor,
        "a lost connection",
        |event| matches!(event, Event::Disconnected { reason, .. } if reason.to_string().contains("the trap at Read")),
    );
    await_event(&mut monitor, "a new one", |event| matches!(event, Event::HandshakeSucceeded { .. }));
    scene.is_heard(&mut push, "after");
    scene.others_are_served();
}

#[test]
fn a_connection_that_panics_while_it_goes_is_gone() {
    let mut scene = Scene::new();
    for at in [At::Shutdown, At::Delivered, At::Deregister] {
        let (mut push, _) = scene.push(scene.bound.to_string().as_str());
        scene.is_heard(&mut push, "here");
        scene.trap.set(at);
        if at == At::Delivered {
            // It is asked when the peer takes its time to go, because it is full.
            (0..4).for_each(|_| push.send("unread").expect("send"));
        }
        drop(push);
        until("the trap springs", || !scene.trap.is_set());
        scene.others_are_served();
    }
    let Scene { context, pull, neighbour, elsewhere, .. } = scene;
    drop((pull, neighbour, elsewhere));
    bounded("the context ends", move || context.wait_for_sends(LONG).expect("nothing is left"));
}
