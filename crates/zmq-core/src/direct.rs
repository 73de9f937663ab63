//! Joining two sockets of one process by a pair of frame pipes: no ZMTP, no copies, the same checks.

use crate::driver::Driver;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::link::{Far, Inlet, Joint, Outlet, PipeKey, new_pipe};
use crate::mailbox::PipeEvent;
use crate::message::Message;
use crate::monitor::Event;
use crate::peer::Peer;
use crate::pipe::{Reader, Writer};
use crate::settings::Settings;
use crate::shared::SocketShared;
use crate::socket_type::SocketType;
use crate::subscriptions::subscription;
use crate::sync::{Mutex, lock};
use bytes::Bytes;
use std::sync::{Arc, Weak};

/// Chunks that a pipe keeps for its writer, each for 32 messages. Both ends are threads of this process.
const SPARES: u8 = 8;

/// A socket as a [`DirectTransport`](crate::transport::DirectTransport) sees it: something that can be joined to
/// another one.
#[derive(Clone)]
pub struct Port {
    shared: Arc<SocketShared>,
    settings: Arc<Settings>,
    endpoint: Endpoint,
    /// What a connecting ROUTER calls its peer, whatever that says; empty: what it says.
    given: Bytes,
    /// The two names of the pipe, ours and the peer's, once it connects two sockets.
    joined: Arc<Mutex<Option<[Weak<PipeKey>; 2]>>>,
}

impl Port {
    pub(crate) fn new(shared: Arc<SocketShared>, endpoint: Endpoint) -> Port {
        let settings = shared.settings();
        Port { shared, settings, endpoint, given: Bytes::new(), joined: Arc::default() }
    }

    pub(crate) fn naming_its_peer(self, given: Bytes) -> Port {
        Port { given, ..self }
    }

    /// Ends the connection that was made for this port, if there still is one: what was sent is still received.
    pub(crate) fn part(&self) {
        for key in lock(&self.joined).take().into_iter().flatten() {
            if let Some(key) = key.upgrade() {
                key.socket.outgoing.post(PipeEvent::Closed(key.id));
            }
        }
    }

    /// The type of the socket.
    pub fn socket_type(&self) -> SocketType {
        self.shared.socket_type
    }

    /// Has a connection of `asker` ask the socket one question. The pipes to put it into, and to get the answer from;
    /// `None`: the socket takes no further peer, or is of a type that does not answer.
    pub(crate) fn ask(&self, question: Message, asker: (Weak<Driver>, usize)) -> Option<(Outlet, Inlet)> {
        if !matches!(self.socket_type(), SocketType::Rep | SocketType::Router) {
            return None;
        }
        let key = self.shared.new_pipe_key()?;
        let (to_socket, from_asker) = new_pipe(1, false);
        let (to_asker, from_socket) = new_pipe(1, false);
        let socket = Joint::with(key.clone());
        let mut outlet = Outlet::new(to_socket, Far::Socket(socket.clone()), key.clone());
        let inlet = Inlet::new(from_socket, Far::Socket(socket), key.clone());
        outlet.introduce(question);
        let (driver, token) = asker;
        let peer = Peer { socket_type: Some(SocketType::Req), ..Peer::default() };
        attach(
            self,
            Outlet::new(to_asker, Far::Asker(driver.clone(), token), key.clone()),
            Inlet::new(from_asker, Far::Asker(driver, token), key),
            Some(Arc::new(peer)),
        );
        Some((outlet, inlet))
    }

    /// Starts to connect. Give the result a peer with [`Pending::join`], or let it [wait](Pending::wait) for one;
    /// dropping it gives up, and before it waited leaves no trace.
    ///
    /// # Errors
    /// [`Error::PeerBusy`] if the socket is a PAIR that has its peer.
    pub fn connect(&self) -> Result<Pending> {
        let key = self.shared.new_pipe_key().ok_or(Error::PeerBusy)?;
        Ok(Pending {
            port: self.clone(),
            key,
            far: Arc::default(),
            far_ends: None,
            waits: false,
            introduced: 0,
        })
    }
}

/// A socket that waits to be joined to one that is not bound yet.
pub struct Pending {
    port: Port,
    key: Arc<PipeKey>,
    /// Where the acceptor joins.
    far: Arc<Joint>,
    /// What the acceptor gets, if the socket got its ends early.
    far_ends: Option<(Writer<Message>, Reader<Message>)>,
    waits: bool,
    /// What went into the pipe before the socket had it, and is not counted as sent.
    introduced: usize,
}

/// The two pipes of a join: first the connecting socket's ends, then the acceptor's.
type Ends = ((Outlet, Inlet), (Writer<Message>, Reader<Message>));

impl Pending {
    /// There is nobody yet: the socket may queue messages meanwhile, if its pattern does so before there is a peer.
    pub fn wait(&mut self) {
        self.waits = true;
        let given = &self.port.given;
        let promised =
            (!given.is_empty()).then(|| Arc::new(Peer { routing_id: given.clone(), ..Peer::default() }));
        if promised.is_some() || self.port.settings.attaches_early() {
            let settings = &self.port.settings;
            let (ours, mut theirs) =
                self.make_pipes(settings.conflates_outgoing(), settings.conflates_incoming());
            self.attach(ours, promised);
            self.introduced = theirs.1.len();
            self.far_ends = Some(theirs);
        }
    }

    /// Joins the waiting socket to `acceptor`. If they do not fit, both are left as they were; a socket that
    /// [waited](Pending::wait) loses what it had queued, and its monitor is told
    /// ([`Event::ConnectGivenUp`]).
    ///
    /// # Errors
    /// [`Error::IncompatiblePeer`], or [`Error::PeerBusy`] if the acceptor is a PAIR that has its peer.
    pub fn join(self, acceptor: &Port) -> Result<()> {
        match self.check(acceptor) {
            Ok(far_key) => {
                self.join_as(far_key, acceptor);
                Ok(())
            }
            Err(error) => {
                if self.waits {
                    let (endpoint, error) = (self.port.endpoint.clone(), error.to_string());
                    self.port.shared.monitor.emit(|| Event::ConnectGivenUp { endpoint, error });
                }
                Err(error)
            }
        }
    }

    /// What the acceptor calls the pipe.
    fn check(&self, acceptor: &Port) -> Result<Arc<PipeKey>> {
        let (ours, theirs) = (self.port.shared.socket_type, acceptor.shared.socket_type);
        if !ours.is_compatible(theirs) {
            return Err(Error::IncompatiblePeer { ours, theirs });
        }
        acceptor.shared.new_pipe_key().ok_or(Error::PeerBusy)
    }

    fn join_as(mut self, far_key: Arc<PipeKey>, acceptor: &Port) {
        let (ours, theirs) = (&self.port.settings, &acceptor.settings);
        let (fresh, (to_us, from_us)) = match self.far_ends.take() {
            Some(theirs) => (None, theirs),
            None => {
                let outgoing = ours.conflates_outgoing() || theirs.conflates_incoming();
                let incoming = ours.conflates_incoming() || theirs.conflates_outgoing();
                let (ours, theirs) = self.make_pipes(outgoing, incoming);
                (Some(ours), theirs)
            }
        };
        let near = Joint::with(self.key.clone());
        let outlet = Outlet::new(to_us, Far::Socket(near.clone()), far_key.clone());
        let inlet = Inlet::new(from_us, Far::Socket(near), far_key.clone());
        let we = Arc::new(self.port.peer(Bytes::new()));
        let they = Arc::new(acceptor.peer(self.port.given.clone()));
        self.port.announce(&they);
        acceptor.announce(&we);
        *lock(&self.port.joined) = Some([Arc::downgrade(&self.key), Arc::downgrade(&far_key)]);
        // Before the acceptor can sleep or wait, whoever wakes it must know it.
        self.far.join(far_key, &self.port.shared);
        attach(acceptor, outlet, inlet, Some(we));
        match fresh {
            Some(ends) => self.attach(ends, Some(they)),
            None => {
                self.port.shared.outgoing.post(PipeEvent::Up(self.key.id, they.clone()));
                self.port.shared.incoming.post(PipeEvent::Up(self.key.id, they));
            }
        }
    }

    /// A pipe conflates if either of its ends asks for it.
    fn make_pipes(&self, outgoing_conflates: bool, incoming_conflates: bool) -> Ends {
        let options = &self.port.settings.options;
        let (to_peer, mut from_us) = new_pipe(options.send_hwm, outgoing_conflates);
        let (to_us, mut from_peer) = new_pipe(options.recv_hwm, incoming_conflates);
        from_us.keep_spares(SPARES);
        from_peer.keep_spares(SPARES);
        let outlet = Outlet::new(to_peer, Far::Socket(self.far.clone()), self.key.clone()).that_connects();
        let inlet = Inlet::new(from_peer, Far::Socket(self.far.clone()), self.key.clone());
        ((outlet, inlet), (to_us, from_us))
    }

    fn attach(&self, (outlet, inlet): (Outlet, Inlet), peer: Option<Arc<Peer>>) {
        attach(&self.port, outlet, inlet, peer);
    }
}

/// Nobody joins any more: a socket that has its ends lets go of them, and what it sent is lost.
impl Drop for Pending {
    fn drop(&mut self) {
        let Some((mut to_us, mut from_us)) = self.far_ends.take() else { return };
        let shared = &self.port.shared;
        let lost = from_us.close().discarded.saturating_sub(self.introduced as u64);
        shared.counters.io.early.take_back_shared(lost);
        shared.counters.io.disconnected.add_shared(lost);
        shared.outgoing.post(PipeEvent::Closed(self.key.id));
        if to_us.close() {
            shared.incoming.post(PipeEvent::Readable(self.key.id));
        }
    }
}

impl Port {
    /// How this socket describes itself to a peer. `given` is a routing id that the peer has chosen for it.
    fn peer(&self, given: Bytes) -> Peer {
        Peer {
            socket_type: Some(self.shared.socket_type),
            routing_id: if given.is_empty() { self.settings.options.routing_id.clone() } else { given },
            address: self.endpoint.to_string(),
            properties: self.settings.options.metadata.as_slice().into(),
            ..Peer::default()
        }
    }

    fn announce(&self, peer: &Peer) {
        self.shared.counters.io.connections.add_shared(1);
        let endpoint = &self.endpoint;
        self.shared
            .monitor
            .emit(|| Event::HandshakeSucceeded { endpoint: endpoint.clone(), peer: peer.clone() });
    }
}

fn attach(port: &Port, mut outlet: Outlet, inlet: Inlet, peer: Option<Arc<Peer>>) {
    let (shared, options) = (&port.shared, &port.settings.options);
    if options.probe_router {
        outlet.introduce(Message::from(""));
    }
    if let Some(hello) = &options.hello_message {
        outlet.introduce(Message::from(hello.clone()));
    }
    // As a fresh connection does: under the lock under which the subscriptions change.
    let subscriptions = lock(&shared.subscriptions);
    if shared.socket_type.subscribes() {
        for topic in subscriptions.topics() {
            outlet.introduce(subscription(true, &topic));
        }
    }
    shared.outgoing.post(PipeEvent::Outlet(Box::new(outlet), peer.clone()));
    shared.incoming.post(PipeEvent::Inlet(Box::new(inlet), peer));
}
