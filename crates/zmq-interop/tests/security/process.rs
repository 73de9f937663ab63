//! `python/secured.py` in a process of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

pub const LONG: Duration = Duration::from_secs(20);

/// Runs `scenario` in a thread of its own and gives up on it after a while.
pub fn bounded(scenario: impl FnOnce() + Send + 'static) {
    zmq_interop::bounded(Duration::from_secs(120), scenario);
}

/// The interpreter with pyzmq; without it the test says that it is skipped.
pub fn python() -> Option<OsString> {
    let python = std::env::var_os("ZMQ_INTEROP_PYTHON").filter(|python| !python.is_empty());
    if python.is_none() {
        zmq_core::testing::skipped("it needs ZMQ_INTEROP_PYTHON, a python with pyzmq");
    }
    python
}

fn command(python: &OsString) -> Command {
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/secured.py"));
    command
}

/// What it prints when it is run to its end.
pub fn run(python: &OsString, arguments: &[&str]) -> String {
    let output = command(python).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// How its socket is made: what the script is told.
pub struct How(Vec<(&'static str, String)>);

impl How {
    pub fn new(mechanism: &str, server: bool) -> How {
        How(vec![("mechanism", quoted(mechanism)), ("server", server.to_string())])
    }

    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> How {
        self.0.push((name, quoted(&value.to_string())));
        self
    }

    fn json(&self) -> String {
        let fields: Vec<String> = self.0.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// Keys, paths and endpoints need no more than this.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The process. Dropped early, it is killed.
pub struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Its end tells an echo that it may stop.
    input: Option<ChildStdin>,
    pub endpoint: String,
}

impl Process {
    pub fn start(python: &OsString, how: How, part: &str, way: &str, endpoint: &str) -> Process {
        let how = how.with("part", part).with("way", way).with("endpoint", endpoint);
        let mut child =
            command(python).arg(how.json()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, output, input, endpoint: String::new() };
        let line = process.line();
        process.endpoint = line.strip_prefix("ready ").expect("its traceback is above").to_owned();
        process
    }

    /// What it prints next. It ends by itself when something does not come in time.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn finish(mut self) {
        self.input = None;
        assert_eq!(self.line(), "done", "its traceback is above");
        let deadline = Instant::now() + LONG;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it is done and does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
