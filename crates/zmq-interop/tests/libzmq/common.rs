//! One face over both libraries, so that a scenario is written once and run with the roles swapped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use zmq::{AnySocket, Context, Options, SocketType};

/// What every single call waits at most.
pub const LONG: Duration = Duration::from_secs(10);

pub const TRANSPORTS: [&str; 2] = ["tcp", "ipc"];

/// A message.
pub type Parts = Vec<Vec<u8>>;

/// Runs `scenario` in a thread of its own and gives up on it after a while.
pub fn bounded(scenario: impl FnOnce() + Send + 'static) {
    zmq_interop::bounded(Duration::from_secs(30), scenario);
}

/// Tries until it works.
#[track_caller]
pub fn eventually<R>(what: &str, mut attempt: impl FnMut() -> Option<R>) -> R {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < deadline, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    Ours,
    Theirs,
}

impl Library {
    pub const BOTH: [Library; 2] = [Library::Ours, Library::Theirs];

    pub fn other(self) -> Library {
        match self {
            Library::Ours => Library::Theirs,
            Library::Theirs => Library::Ours,
        }
    }
}

/// A context of each library, and a directory for ipc.
pub struct World {
    ours: Context,
    theirs: libzmq::Context,
    directory: PathBuf,
    endpoints: AtomicU32,
}

impl Drop for World {
    /// libzmq leaves the files of its sockets behind.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl World {
    pub fn new() -> World {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("zmq-interop-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        World {
            ours: zmq::context_builder().build().unwrap(),
            theirs: libzmq::Context::new(),
            directory,
            endpoints: AtomicU32::new(0),
        }
    }

    /// Binds to an endpoint that nobody uses, and returns it.
    pub fn bind_anew(&self, side: &mut Side, transport: &str) -> String {
        let endpoint = if transport == "ipc" {
            let number = self.endpoints.fetch_add(1, Ordering::Relaxed);
            format!("ipc://{}", self.directory.join(number.to_string()).display())
        } else {
            "tcp://127.0.0.1:*".to_owned()
        };
        match side {
            Side::Ours(socket) => socket.bind(endpoint).unwrap().to_string(),
            Side::Theirs(socket) => {
                socket.bind(&endpoint).unwrap();
                socket.get_last_endpoint().unwrap().unwrap()
            }
        }
    }

    /// Binds one, connects the other.
    pub fn join(&self, binder: &mut Side, connecter: &mut Side, transport: &str) -> String {
        let endpoint = self.bind_anew(binder, transport);
        connecter.connect(&endpoint);
        endpoint
    }

    pub fn socket(&self, library: Library, socket_type: SocketType) -> Side {
        self.socket_with(library, socket_type, b"")
    }

    /// A socket with a routing id, and with the options that make the two libraries alike.
    pub fn socket_with(&self, library: Library, socket_type: SocketType, id: &[u8]) -> Side {
        match library {
            Library::Ours => {
                let mut options = options();
                options.routing_id = id.to_vec().into();
                self.ours(socket_type, options)
            }
            Library::Theirs => {
                let mut socket = self.theirs(socket_type);
                if !id.is_empty() {
                    socket.set_identity(id).unwrap();
                }
                match socket_type {
                    SocketType::Req => {
                        set(&mut socket, libzmq_sys::ZMQ_REQ_RELAXED, 1);
                        set(&mut socket, libzmq_sys::ZMQ_REQ_CORRELATE, 1);
                    }
                    SocketType::Router => set(&mut socket, libzmq_sys::ZMQ_ROUTER_MANDATORY, 1),
                    _ => {}
                }
                Side::Theirs(socket)
            }
        }
    }

    pub fn ours(&self, socket_type: SocketType, options: Options) -> Side {
        Side::Ours(AnySocket::new(&self.ours, socket_type, options).unwrap())
    }

    pub fn theirs(&self, socket_type: SocketType) -> libzmq::Socket {
        let socket = self.theirs.socket(their_type(socket_type)).unwrap();
        let timeout = LONG.as_millis() as i32;
        socket.set_rcvtimeo(timeout).unwrap();
        socket.set_sndtimeo(timeout).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_reconnect_ivl(20).unwrap();
        socket
    }
}

/// Options of ours that suit tests.
pub fn options() -> Options {
    let mut options = Options::default();
    options.send_timeout = Some(LONG);
    options.recv_timeout = Some(LONG);
    options.reconnect_interval = Some(Duration::from_millis(20));
    options
}

fn their_type(socket_type: SocketType) -> libzmq::SocketType {
    match socket_type {
        SocketType::Pair => libzmq::PAIR,
        SocketType::Pub => libzmq::PUB,
        SocketType::Sub => libzmq::SUB,
        SocketType::Req => libzmq::REQ,
        SocketType::Rep => libzmq::REP,
        SocketType::Dealer => libzmq::DEALER,
        SocketType::Router => libzmq::ROUTER,
        SocketType::Pull => libzmq::PULL,
        SocketType::Push => libzmq::PUSH,
        SocketType::XPub => libzmq::XPUB,
        SocketType::XSub => libzmq::XSUB,
        SocketType::Stream => libzmq::STREAM,
        other => panic!("libzmq has no {other}"),
    }
}

/// Sets an option for which the binding has no method.
pub fn set(socket: &mut libzmq::Socket, option: impl TryInto<i32>, value: i32) {
    let Ok(option) = option.try_into() else { panic!("not an option") };
    // SAFETY: the socket is open for as long as it is borrowed; the value is an int that outlives the call.
    let result = unsafe {
        libzmq_sys::zmq_setsockopt(socket.as_mut_ptr(), option, (&raw const value).cast(), size_of::<i32>())
    };
    assert_eq!(result, 0, "option {option}");
}

/// A socket of either library.
pub enum Side {
    Ours(AnySocket),
    Theirs(libzmq::Socket),
}

impl Side {
    /// Binds to an endpoint that another socket has just left.
    pub fn bind_again(&mut self, endpoint: &str) {
        eventually("the endpoint is free again", || match self {
            Side::Ours(socket) => socket.bind(endpoint).ok().map(drop),
            Side::Theirs(socket) => socket.bind(endpoint).ok(),
        });
    }

    pub fn connect(&mut self, endpoint: &str) {
        match self {
            Side::Ours(socket) => drop(socket.connect(endpoint).unwrap()),
            Side::Theirs(socket) => socket.connect(endpoint).unwrap(),
        }
    }

    #[track_caller]
    pub fn send(&mut self, parts: &Parts) {
        match self {
            Side::Ours(socket) => socket.send(parts.iter().cloned().collect::<zmq::Message>()).unwrap(),
            Side::Theirs(socket) => socket.send_multipart(parts, 0).unwrap(),
        }
    }

    /// Whether it could be sent at once.
    pub fn try_send(&mut self, parts: &Parts) -> bool {
        match self {
            Side::Ours(socket) => socket.try_send(parts.iter().cloned().collect::<zmq::Message>()).is_ok(),
            Side::Theirs(socket) => socket.send_multipart(parts, libzmq::DONTWAIT).is_ok(),
        }
    }

    #[track_caller]
    pub fn recv(&mut self) -> Parts {
        match self {
            Side::Ours(socket) => parts(socket.recv().unwrap()),
            Side::Theirs(socket) => socket.recv_multipart(0).unwrap(),
        }
    }

    pub fn recv_within(&mut self, timeout: Duration) -> Option<Parts> {
        match self {
            Side::Ours(socket) => socket.recv_timeout(timeout).ok().map(parts),
            Side::Theirs(socket) => {
                let timeout = i64::try_from(timeout.as_millis()).unwrap();
                if socket.poll(libzmq::POLLIN, timeout).unwrap() == 0 {
                    return None;
                }
                socket.recv_multipart(libzmq::DONTWAIT).ok()
            }
        }
    }

    /// Subscribes, in the way of the socket's type.
    #[track_caller]
    pub fn subscribe(&mut self, topic: &[u8]) {
        match self {
            Side::Ours(socket) => socket.subscribe(topic).unwrap(),
            Side::Theirs(socket) => match socket.get_socket_type().unwrap() {
                libzmq::SUB => socket.set_subscribe(topic).unwrap(),
                _ => socket.send([&[1], topic].concat(), 0).unwrap(),
            },
        }
    }

    #[track_caller]
    pub fn unsubscribe(&mut self, topic: &[u8]) {
        match self {
            Side::Ours(socket) => assert!(socket.unsubscribe(topic).unwrap()),
            Side::Theirs(socket) => match socket.get_socket_type().unwrap() {
                libzmq::SUB => socket.set_unsubscribe(topic).unwrap(),
                _ => socket.send([&[0], topic].concat(), 0).unwrap(),
            },
        }
    }
}

pub fn parts(message: zmq::Message) -> Parts {
    message.iter().map(|frame| frame.to_vec()).collect()
}

/// A message of these parts.
pub fn message<const N: usize>(parts: [&[u8]; N]) -> Parts {
    parts.map(<[u8]>::to_vec).to_vec()
}

/// Whether messages from `publisher` reach `subscriber`, which has subscribed to `topic` already; waits for it. Nothing
/// is under way when this returns.
#[track_caller]
pub fn settle(publisher: &mut Side, subscriber: &mut Side, topic: &[u8]) {
    let probe = message([topic, b"probe"]);
    eventually("a subscription arrives", || {
        publisher.send(&probe);
        subscriber.recv_within(Duration::from_millis(5))
    });
    let last = message([topic, b"last"]);
    publisher.send(&last);
    while subscriber.recv() != last {}
}
