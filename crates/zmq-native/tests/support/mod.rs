//! What the robustness tests share: bounded waits, the numbers of this process, children, and a peer made of bytes.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use zmq::{Context, Endpoint, Event, Message, Monitor, Options, SendError};

/// How long anything may take that must happen.
pub const LONG: Duration = Duration::from_secs(30);

pub const ENDPOINTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://*"];
pub const WIRES: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

pub fn context() -> Context {
    zmq::context_builder().build().expect("context")
}

pub fn fresh_path() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (directory, process) = (std::env::temp_dir(), std::process::id());
    format!("{}/zmq-life-{process}-{}", directory.display(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// How long is waited for something, asked again and again. What passes while the whole process is stopped does not count.
struct Patience {
    left: Duration,
    last: Instant,
}

impl Patience {
    /// Nothing that is asked again and again takes longer than that.
    const STEP: Duration = Duration::from_secs(1);

    fn new() -> Patience {
        Patience { left: LONG, last: Instant::now() }
    }

    fn lasts(&mut self) -> bool {
        let passed = self.last.elapsed().min(2 * Patience::STEP);
        self.last = Instant::now();
        self.left = self.left.saturating_sub(passed);
        !self.left.is_zero()
    }
}

/// Makes a call that waits, in short steps.
pub fn patiently<T>(mut call: impl FnMut(Duration) -> zmq::Result<T>) -> zmq::Result<T> {
    let mut patience = Patience::new();
    loop {
        match call(Patience::STEP) {
            Err(zmq::Error::Timeout { .. }) if patience.lasts() => {}
            result => return result,
        }
    }
}

/// Sends, in short steps; `call` gives a message back that did not go.
pub fn send_patiently(
    message: impl Into<Message>,
    mut call: impl FnMut(Message, Duration) -> Result<(), SendError>,
) -> zmq::Result<()> {
    let mut message = message.into();
    patiently(|step| {
        call(std::mem::take(&mut message), step).map_err(|failed| {
            message = failed.message;
            failed.error
        })
    })
}

/// Takes events until one is wanted.
#[track_caller]
pub fn await_event(monitor: &mut Monitor, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    let (mut patience, mut seen) = (Patience::new(), Vec::new());
    while patience.lasts() {
        match monitor.next_timeout(Some(ms(100))) {
            Some(event) if wanted(&event) => return event,
            Some(event) => seen.push(event),
            None => {}
        }
    }
    panic!("no event: {what}; but {seen:#?}");
}

/// Waits for a handshake that fails, and tells why.
#[track_caller]
pub fn refusal(monitor: &mut Monitor) -> String {
    match await_event(monitor, "a failed handshake", |event| matches!(event, Event::HandshakeFailed { .. })) {
        Event::HandshakeFailed { reason, .. } => reason.to_string(),
        _ => unreachable!(),
    }
}

/// Waits for a connection that ends, and tells why.
#[track_caller]
pub fn end(monitor: &mut Monitor) -> String {
    match await_event(monitor, "a lost connection", |event| matches!(event, Event::Disconnected { .. })) {
        Event::Disconnected { reason, .. } => reason.to_string(),
        _ => unreachable!(),
    }
}

/// Waits for a connection that ends by a fault of the peer, and tells which.
#[track_caller]
pub fn fault(monitor: &mut Monitor) -> String {
    loop {
        let reason = end(monitor);
        if reason != zmq::DisconnectReason::PeerClosed.to_string() {
            return reason;
        }
    }
}

/// Repeats until it is true.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut patience = Patience::new();
    while !holds() {
        assert!(patience.lasts(), "never: {what}");
        std::thread::sleep(ms(1));
    }
}

/// Runs on a thread of its own and must end in time.
#[track_caller]
pub fn bounded<R: Send + 'static>(what: &str, work: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, ended) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = work();
        let _ = done.send(());
        result
    });
    let mut patience = Patience::new();
    while ended.recv_timeout(Patience::STEP) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        assert!(patience.lasts(), "it hangs: {what}");
    }
    thread.join().unwrap_or_else(|_| panic!("it failed: {what}"))
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count() - 1
}

/// A number of `/proc/self/status`, such as `Threads` or `VmRSS` (KiB).
pub fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = text.lines().find(|line| line.starts_with(name)).expect("line");
    line.split_whitespace().nth(1).expect("number").parse().expect("number")
}

/// Runs the rest of test `name` in a process of its own: `true` there, and here `false` once it has succeeded.
#[track_caller]
pub fn in_child(name: &str) -> bool {
    const MARK: &str = "ZMQ_TEST_CHILD";
    if std::env::var(MARK).is_ok_and(|child| child == name) {
        return true;
    }
    let program = std::env::current_exe().expect("program");
    let output = std::process::Command::new(program)
        .args(["--exact", name, "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(MARK, name)
        .output()
        .expect("child");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} in its own process: {}\n{text}", output.status);
    assert!(text.contains("1 passed"), "{name} did not run\n{text}");
    for line in text.lines().filter(|line| line.starts_with("skipped")) {
        println!("{line}");
    }
    false
}

/// A bound PULL with a monitor, and a PUSH that must go on through everything.
pub struct Intake {
    pub pull: zmq::Pull,
    pub endpoint: Endpoint,
    pub monitor: Monitor,
    pub friend: zmq::Push,
    pub context: Context,
    sent: u32,
}

impl Intake {
    pub fn new(set: impl FnOnce(&mut Options)) -> Intake {
        let context = context();
        let mut options = Options::default();
        set(&mut options);
        let mut pull = zmq::Pull::with_options(&context, options).expect("pull");
        let monitor = pull.monitor().expect("monitor");
        let endpoint = pull.bind_to("tcp://127.0.0.1:*").expect("bind");
        let friend = zmq::Push::builder_in(&context).connect(&endpoint).expect("connect");
        let mut intake = Intake { pull, endpoint, monitor, friend, context, sent: 0 };
        intake.friend_is_served();
        intake
    }

    #[track_caller]
    pub fn friend_is_served(&mut self) {
        self.sent += 1;
        self.friend.send(self.sent.to_be_bytes()).expect("send");
        assert_eq!(self.pull.recv_timeout(LONG).expect("receive")[0], self.sent.to_be_bytes());
    }

    /// The friend, and somebody who comes only now.
    #[track_caller]
    pub fn others_are_unaffected(&mut self) {
        self.friend_is_served();
        let mut newcomer = zmq::Push::builder_in(&self.context).connect(&self.endpoint).expect("connect");
        newcomer.send("newcomer").expect("send");
        assert_eq!(self.pull.recv_timeout(LONG).expect("receive"), "newcomer".into());
    }
}

/// A ZMTP peer over TCP that does exactly what it is told.
pub struct Raw(pub TcpStream);

impl Raw {
    pub fn connect(endpoint: &Endpoint) -> Raw {
        Raw::over(TcpStream::connect(endpoint.address()).expect("connect"))
    }

    pub fn over(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(LONG)).expect("timeout");
        stream.set_write_timeout(Some(LONG)).expect("timeout");
        Raw(stream)
    }

    /// Connected, and in the handshake as far as READY, which is complete if the other side agrees.
    pub fn peer(endpoint: &Endpoint, socket_type: &str) -> Raw {
        let mut raw = Raw::connect(endpoint);
        raw.send(&greeting());
        raw.send(&ready(socket_type));
        raw.skip_greeting();
        let (flags, body) = raw.frame();
        assert!(flags == 4 && body.starts_with(b"\x05READY"), "{}", body.escape_ascii());
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("write");
    }

    pub fn skip_greeting(&mut self) {
        self.0.read_exact(&mut [0; 64]).expect("greeting");
    }

    /// The next frame: flags and body.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("frame");
        let length = if head[0] & 2 == 0 {
            u64::from(head[1])
        } else {
            let mut length = [0; 8];
            length[0] = head[1];
            self.0.read_exact(&mut length[1..]).expect("length");
            u64::from_be_bytes(length)
        };
        let mut body = vec![0; usize::try_from(length).expect("length")];
        self.0.read_exact(&mut body).expect("body");
        (head[0], body)
    }

    /// Reads to the end; `false` if there is none in time.
    pub fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return false;
                }
                Err(_) => return true,
            }
        }
    }
}

/// The greeting of a ZMTP 3.0 peer.
pub fn greeting() -> [u8; 64] {
    let mut bytes = [0; 64];
    (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

/// A READY command.
pub fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend((socket_type.len() as u32).to_be_bytes());
    body.extend(socket_type.as_bytes());
    frame(4, &body)
}

/// A short frame.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, u8::try_from(body.len()).expect("a short frame")];
    bytes.extend(body);
    bytes
}

/// Random numbers that can be had again (SplitMix64).
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from `ZMQ_SEED`, or somewhere else each time, and says where: the output of a test that fails is
    /// shown.
    pub fn announced(what: &str) -> Random {
        use std::hash::{BuildHasher, RandomState};
        let seed = match std::env::var("ZMQ_SEED") {
            Ok(seed) => seed.parse().expect("ZMQ_SEED is a number"),
            Err(_) => RandomState::new().hash_one(what),
        };
        println!("{what}: to repeat it, set ZMQ_SEED={seed}");
        Random(seed)
    }

    /// Another one, for another thread, that depends on nothing but this one.
    pub fn fork(&mut self) -> Random {
        Random(self.next())
    }

    /// A number from 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// The full number if `ZMQ_SOAK` is set, else one that `cargo test` has time for.
pub fn soak<T>(full: T, short: T) -> T {
    if std::env::var_os("ZMQ_SOAK").is_some() { full } else { short }
}

/// Forks. The parent comes back when the child has ended and all its checks held; the child goes on with `Some` of what
/// ends it.
pub fn fork() -> Option<fn(&[bool]) -> !> {
    // SAFETY: the child calls what a child may call by the contract of this library, and then ends.
    let fork = unsafe { nix::unistd::fork() }; // see above
    match fork.expect("fork") {
        nix::unistd::ForkResult::Child => Some(|checks| {
            let failed = checks.iter().position(|good| !good);
            std::process::exit(failed.map_or(0, |index| 10 + i32::try_from(index).unwrap_or(0)));
        }),
        nix::unistd::ForkResult::Parent { child } => {
            use nix::sys::{signal, wait};
            let started = Instant::now();
            while wait::waitpid(child, Some(wait::WaitPidFlag::WNOHANG | wait::WaitPidFlag::WNOWAIT))
                == Ok(wait::WaitStatus::StillAlive)
            {
                if started.elapsed() > LONG {
                    signal::kill(child, signal::Signal::SIGKILL).expect("kill");
                }
                std::thread::sleep(ms(1));
            }
            let status = wait::waitpid(child, None).expect("wait");
            assert_eq!(status, wait::WaitStatus::Exited(child, 0), "10 + the number of the check");
            None
        }
    }
}

/// Another process: this very program in one of its tests, told by its environment what to be. It ends when this is
/// dropped, and when this process ends.
pub struct Helper {
    child: std::process::Child,
    orders: std::process::ChildStdin,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Helper {
    const ROLE: &str = "ZMQ_TEST_ROLE";
    /// Begins what a helper says: the test runner writes to the same place.
    const MARK: &str = "helper: ";

    pub fn start(test: &str, role: &str) -> Helper {
        use std::io::BufRead;
        use std::process::Stdio;
        let mut child = std::process::Command::new(std::env::current_exe().expect("program"))
            .args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"])
            .env(Helper::ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a helper");
        let orders = child.stdin.take().expect("stdin");
        let output = std::io::BufReader::new(child.stdout.take().expect("stdout"));
        let (said, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(Helper::MARK) {
                    let _ = said.send(line.to_owned());
                }
            }
        });
        Helper { child, orders, lines }
    }

    /// What the helper says next.
    #[track_caller]
    pub fn hear(&self) -> String {
        self.lines.recv_timeout(10 * LONG).expect("the helper says something")
    }

    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the helper listens");
    }

    /// In the helper: what it shall be.
    pub fn role() -> Option<String> {
        std::env::var(Helper::ROLE).ok()
    }

    /// In the helper.
    pub fn say(line: impl std::fmt::Display) {
        println!("{}{line}", Helper::MARK);
    }

    /// In the helper: the next order. The process ends here with the one that started it.
    pub fn order() -> String {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
            std::process::exit(0);
        }
        line.trim_end().to_owned()
    }
}

impl Drop for Helper {
    /// With SIGKILL: it has no time for anything.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
