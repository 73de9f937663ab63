//! The tour, and the programs by themselves, as a newcomer runs them.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs it to its end, which must come in time.
fn run(command: &mut Command) -> Output {
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    let id = child.id();
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(PATIENCE).map(|output| output.expect("output")).unwrap_or_else(|_| {
        let _ = Command::new("kill").arg("-9").arg(id.to_string()).status();
        panic!("{command:?} did not end in time");
    })
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A program that runs until it is dropped, and where it listens.
struct Server {
    child: Option<Child>,
    endpoint: String,
    rest: Option<BufReader<ChildStdout>>,
}

impl Server {
    fn start(program: &str, args: &[&str]) -> Server {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start");
        let output = BufReader::new(child.stdout.take().expect("stdout"));
        let mut server = Server { child: Some(child), endpoint: String::new(), rest: Some(output) };
        server.endpoint = server.listening();
        server
    }

    fn listening(&mut self) -> String {
        let mut line = String::new();
        self.rest.as_mut().expect("output").read_line(&mut line).expect("a line");
        line.trim().strip_prefix("Listening on ").expect("where it listens").to_owned()
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.rest.take().expect("output").read_to_string(&mut rest).expect("UTF-8");
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn check_tour(tour: &Path) {
    let output = run(Command::new(tour).arg("--quick"));
    let text = text(&output);
    assert!(output.status.success(), "{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("All 17 stops were right."), "{text}");
    assert!(text.contains("Summary") && !text.contains("WRONG"), "{text}");
    assert!(!text.contains('\r'), "it is not a terminal");
}

#[test]
fn tour_with_the_other_programs() {
    check_tour(Path::new(env!("CARGO_BIN_EXE_tour")));
}

/// As after `cargo run --bin tour`, which builds nothing else.
#[test]
fn tour_by_itself() {
    let folder = std::env::temp_dir().join(format!("zmq-tour-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folder");
    let alone = folder.join(format!("tour{}", std::env::consts::EXE_SUFFIX));
    std::fs::copy(env!("CARGO_BIN_EXE_tour"), &alone).expect("copy");
    check_tour(&alone);
    std::fs::remove_dir_all(&folder).expect("clean up");
}

#[test]
fn version() {
    let text = text(&run(&mut Command::new(env!("CARGO_BIN_EXE_version"))));
    assert_eq!(text, format!("Current 0MQ version is {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn hello_world() {
    let args = ["tcp://127.0.0.1:0", "--work=0", "--requests=10"];
    let mut server = Server::start(env!("CARGO_BIN_EXE_hwserver"), &args);
    let output = run(Command::new(env!("CARGO_BIN_EXE_hwclient")).arg(&server.endpoint));
    assert!(output.status.success());
    let text = text(&output);
    assert!(
        text.starts_with("Connecting to hello world server…\nSending Hello 0…\nReceived World 0\n"),
        "{text}"
    );
    assert!(text.ends_with("Received World 9\n"), "{text}");
    assert_eq!(server.rest(), "Received Hello\n".repeat(10));
}

#[test]
fn weather() {
    let server = Server::start(env!("CARGO_BIN_EXE_wuserver"), &["tcp://127.0.0.1:0"]);
    let args = ["10001", &server.endpoint, "--updates=5"];
    let output = run(Command::new(env!("CARGO_BIN_EXE_wuclient")).args(args));
    assert!(output.status.success());
    let text = text(&output);
    let average = text
        .strip_prefix(
            "Collecting updates from weather server…\nAverage temperature for zipcode '10001 ' was ",
        )
        .and_then(|rest| rest.strip_suffix("F\n"))
        .and_then(|average| average.parse::<i32>().ok());
    assert!(average.is_some_and(|average| (-80..135).contains(&average)), "{text}");
}

#[test]
fn hello_world_through_the_broker() {
    let mut broker = Server::start(env!("CARGO_BIN_EXE_broker"), &["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"]);
    let backend = broker.listening();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_hwserver"));
    let worker = worker.args([&backend, "--connect", "--work=0", "--quiet"]).spawn().expect("worker");
    let _worker = Server { child: Some(worker), endpoint: backend, rest: None };
    let output = run(Command::new(env!("CARGO_BIN_EXE_hwclient")).arg(&broker.endpoint));
    assert!(output.status.success() && text(&output).ends_with("Received World 9\n"));
}

#[test]
fn poller_reads_from_both() {
    let weather = Server::start(env!("CARGO_BIN_EXE_wuserver"), &["tcp://127.0.0.1:0"]);
    let mut tasks = zmq::Push::bind("tcp://127.0.0.1:0").expect("bind");
    let endpoint = tasks.last_endpoint().expect("endpoint").to_string();
    let mut poller = Command::new(env!("CARGO_BIN_EXE_poller"));
    let mut poller =
        poller.args([&endpoint, &weather.endpoint]).stdout(Stdio::piped()).spawn().expect("poller");
    let mut lines = BufReader::new(poller.stdout.take().expect("stdout")).lines();
    let _poller = Server { child: Some(poller), endpoint, rest: None };
    tasks.send_timeout("42", PATIENCE).expect("send");
    let (mut task, mut update) = (false, false);
    while !(task && update) {
        let line = lines.next().expect("a line").expect("UTF-8");
        task |= line == "task of 42 ms";
        update |= line.starts_with("weather 10001 ");
        assert!(!line.starts_with("Nothing"));
    }
}

#[test]
fn monitor_sees_the_client_come_and_go() {
    let output = run(&mut Command::new(env!("CARGO_BIN_EXE_monitor")));
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    for part in ["listening on tcp://127.0.0.1:", " connected\n", "is REQ \"alice\"", "has gone: "] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn arguments_that_mean_nothing_are_named() {
    let output = run(Command::new(env!("CARGO_BIN_EXE_hwserver")).arg("--wrok=5"));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--wrok=5"));
}
