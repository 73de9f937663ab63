//! A tour of chapter 1 of the ZeroMQ Guide: runs its programs, watches them, and checks what they say.
//!
//! `tour [--quick]`
//!
//! Exit status 0: everything was right. Otherwise the summary at the end says what was wrong.

use std::time::{Duration, Instant};
use zmq_examples::bar::Bar;
use zmq_examples::program::{Place, Program, take_part};
use zmq_examples::{Args, Result};

/// No single wait is longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the running programs are looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// The three transports, and where the programs run to use them.
const TRANSPORTS: [(&str, &str, Place); 3] = [
    ("tcp", "tcp://127.0.0.1:*", Place::Process),
    ("ipc", "ipc://*", Place::Process),
    ("inproc", "inproc://*", Place::Thread),
];

fn main() -> Result {
    if let Some(result) = take_part() {
        return result;
    }
    let mut args = Args::from_env();
    let quick = args.flag("quick");
    args.finish()?;
    watch_the_clock(Duration::from_secs(150));

    let mut tour = Tour { quick, rows: Vec::new() };
    let started = Instant::now();
    println!("A tour of chapter 1 of the ZeroMQ Guide{}", if quick { ", quickly" } else { "" });
    tour.stop("version", |tour| tour.version());

    println!("\n1. Hello world: ten questions, ten answers");
    for transport in TRANSPORTS {
        tour.stop(&format!("hello world, {}", transport.0), |tour| tour.hello(transport));
    }
    println!("\n2. The weather service");
    tour.stop("weather, 1 subscriber", |tour| tour.weather(&["10001"]));
    tour.stop("weather, 5 subscribers", |tour| tour.weather(&["10001", "20002", "30003", "40004", "90009"]));

    println!("\n3. The ventilator: tasks of 1 to 100 ms for parallel workers");
    for (workers, guide) in [(1, "5034 ms"), (2, "2421 ms"), (4, "1018 ms")] {
        tour.stop(&format!("ventilator, {workers} workers"), |tour| {
            tour.ventilator(TRANSPORTS[0], workers, if tour.quick { "" } else { guide })
        });
    }
    println!("\n4. Hello world as fast as it goes, and the ventilator, over each transport");
    for transport in TRANSPORTS {
        tour.stop(&format!("round trips, {}", transport.0), |tour| tour.round_trips(transport));
    }
    for transport in TRANSPORTS {
        tour.stop(&format!("4 workers, {}", transport.0), |tour| tour.ventilator(transport, 4, ""));
    }
    println!("\n5. A server is killed and started again; its client stays");
    tour.stop("SUB survives", |tour| tour.subscriber_survives());
    tour.stop("REQ survives", |tour| tour.requester_survives());

    if tour.summary(started.elapsed()) { Ok(()) } else { std::process::exit(1) }
}

/// Everything below is bounded; should that be wrong, this ends the tour. The programs it started end with it.
fn watch_the_clock(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("\nthe tour did not end within {limit:?}");
        std::process::exit(2);
    });
}

struct Tour {
    quick: bool,
    rows: Vec<Row>,
}

/// A line of the summary.
struct Row {
    what: String,
    here: String,
    guide: String,
    right: bool,
}

/// What a stop of the tour found: the result here, and the Guide's if it has one.
type Found = Result<(String, String)>;

impl Tour {
    /// Visits one stop. Errors are noted, and the tour goes on.
    fn stop(&mut self, what: &str, visit: impl FnOnce(&Tour) -> Found) {
        let (right, (here, guide)) = match visit(self) {
            Ok(found) => (true, found),
            Err(error) => (false, (error.to_string(), String::new())),
        };
        if !right {
            println!("  {what}: {here}");
        }
        self.rows.push(Row { what: what.to_owned(), here, guide, right });
    }

    fn summary(&self, elapsed: Duration) -> bool {
        println!("\nSummary ({:.1} s)\n", elapsed.as_secs_f64());
        println!("  {:<24} {:<34} {:<10} verdict", "", "here", "the Guide");
        for Row { what, here, guide, right } in &self.rows {
            println!("  {what:<24} {here:<34} {guide:<10} {}", if *right { "ok" } else { "WRONG" });
        }
        let wrong = self.rows.iter().filter(|row| !row.right).count();
        match wrong {
            0 => println!("\nAll {} stops were right.", self.rows.len()),
            _ => println!("\n{wrong} of {} stops were WRONG.", self.rows.len()),
        }
        wrong == 0
    }

    fn version(&self) -> Found {
        let (text, _) = Program::start(Place::Process, "version", &[])?.finish(PATIENCE)?;
        print!("  {text}");
        let version = text.trim().strip_prefix("Current 0MQ version is ").ok_or("no version")?;
        Ok((version.to_owned(), String::new()))
    }

    /// `hwserver` and `hwclient`, word for word.
    fn hello(&self, (name, endpoint, place): (&str, &str, Place)) -> Found {
        let work = if self.quick { "--work=1" } else { "--work=50" };
        let mut server = Program::start(place, "hwserver", &[endpoint, work, "--requests=10"])?;
        let endpoint = server.line("Listening on ", PATIENCE)?;
        let mut bar = Bar::new(format!("hwserver, hwclient over {name}"), 10);
        let mut client = Program::start(place, "hwclient", &[&endpoint])?;
        let deadline = Instant::now() + PATIENCE;
        while !client.has_ended() && Instant::now() < deadline {
            bar.set(client.text().matches("Received World").count() as u64);
            std::thread::sleep(PAUSE);
        }
        let (said, elapsed) = client.finish(Duration::ZERO)?;
        let (heard, _) = server.finish(PATIENCE)?;

        let dialogue: String = (0..10).map(|n| format!("Sending Hello {n}…\nReceived World {n}\n")).collect();
        same("hwclient", &said, &format!("Connecting to hello world server…\n{dialogue}"))?;
        same("hwserver", &heard, &format!("Listening on {endpoint}\n{}", "Received Hello\n".repeat(10)))?;
        let note = format!("10 of 10 in {} ms", elapsed.as_millis());
        bar.finish(&note);
        Ok((note, String::new()))
    }

    /// `wuserver` and a `wuclient` for each zip code, with the CPU time and memory of each process.
    fn weather(&self, zip_codes: &[&str]) -> Found {
        let updates: u64 = if self.quick { 100_000 } else { 10_000_000 };
        let subscribers = zip_codes.len();
        let (count, wait) = (format!("--updates={updates}"), format!("--subscribers={subscribers}"));
        let options = ["tcp://127.0.0.1:*", &count, &wait, "--seed=22", "--progress"];
        let mut server = Program::start(Place::Process, "wuserver", &options)?;
        let endpoint = server.line("Listening on ", PATIENCE)?;
        let mut bar = Bar::new(format!("{updates} updates for {subscribers}"), updates);
        let started = Instant::now();
        let mut clients = Vec::new();
        for zip_code in zip_codes {
            let args = [zip_code, &*endpoint, "--until-closed"];
            clients.push(Program::start(Place::Process, "wuclient", &args)?);
        }
        let deadline = started + PATIENCE;
        loop {
            // Looks at each of them each time: that is when its memory is measured.
            let running = clients.iter_mut().filter_map(|client| (!client.has_ended()).then_some(())).count();
            if (running == 0 && server.has_ended()) || Instant::now() > deadline {
                break;
            }
            bar.set(last_number(server.text()));
            std::thread::sleep(PAUSE);
        }
        server.finish(Duration::ZERO)?;
        let (mut elapsed, mut received) = (Duration::ZERO, 0);
        for client in &mut clients {
            // It fails unless it received as many as were published for its zip code.
            let (_, lifetime) = client.finish(Duration::ZERO)?;
            elapsed = elapsed.max(lifetime);
            match number(&client.line("Received ", Duration::ZERO)?)? {
                0 => return Err("there was a zip code without weather".into()),
                count => received += count,
            }
        }
        let rate = updates as f64 / elapsed.as_secs_f64() / 1e6;
        bar.finish(&format!("{:.2} s, {rate:.1} million/s", elapsed.as_secs_f64()));

        println!("    {:<10} {:>8} {:>8} {:>7}", "COMMAND", "RES", "CPU s", "%CPU");
        list(&mut server, "wuserver", "");
        for (client, zip_code) in clients.iter_mut().zip(zip_codes) {
            let note = client.line("Received ", Duration::ZERO)?;
            list(client, "wuclient", &format!("{note} for {zip_code}"));
        }
        let guide = if subscribers == 1 && !self.quick { "4.47 s" } else { "" };
        let here = format!("{:.2} s, {received} received, 0 missed", elapsed.as_secs_f64());
        Ok((here, guide.to_owned()))
    }

    /// `taskvent`, `tasksink` and some `taskwork`.
    fn ventilator(&self, (name, any, place): (&str, &str, Place), workers: usize, guide: &str) -> Found {
        let tasks: u64 = if self.quick { 20 } else { 100 };
        let (count, wait) = (format!("--tasks={tasks}"), format!("--workers={workers}"));
        let mut bar = Bar::new(format!("{tasks} tasks, {workers} workers over {name}"), tasks);
        // If the programs are threads of ours, this is what ends them.
        let context = zmq::context()?;
        let mut sink = Program::start(place, "tasksink", &[any, &count])?;
        let sink_at = sink.line("Listening on ", PATIENCE)?;
        let mut ventilator = Program::start(place, "taskvent", &[any, &sink_at, &count, &wait, "--seed=3"])?;
        let ventilator_at = ventilator.line("Listening on ", PATIENCE)?;
        let mut crew = Vec::new();
        for _ in 0..workers {
            crew.push(Program::start(place, "taskwork", &[&ventilator_at, &sink_at])?);
        }
        let deadline = Instant::now() + PATIENCE;
        while !sink.has_ended() && Instant::now() < deadline {
            bar.set(sink.text().bytes().filter(|byte| b".:".contains(byte)).count() as u64);
            std::thread::sleep(PAUSE);
        }
        let finished = sink.finish(Duration::ZERO);
        ventilator.finish(PATIENCE)?;
        let cost: u64 = number(&ventilator.line("Total expected cost: ", PATIENCE)?)?;
        // The workers work for ever; end them.
        if place == Place::Thread {
            context.shutdown();
        }
        let (mut done, mut sum, mut longest) = (0, 0, 0);
        for worker in &mut crew {
            let text = if place == Place::Thread { worker.join(PATIENCE)? } else { worker.kill() };
            let work: Vec<u64> = text.split('.').filter_map(|task| task.parse().ok()).collect();
            let busy = work.iter().sum::<u64>();
            (done, sum, longest) = (done + work.len() as u64, sum + busy, longest.max(busy));
        }
        let (text, _) = finished?;
        let line = text.lines().find_map(|line| line.split_once("Total elapsed time: ")).ok_or("no time")?;
        let elapsed = number(line.1)?;

        let shown: String = (0..tasks).map(|n| if n % 10 == 0 { ':' } else { '.' }).collect();
        if !text.contains(&shown) || done != tasks || sum != cost {
            return Err(format!("{done} of {tasks} tasks, {sum} of {cost} ms were done").into());
        }
        if elapsed + 2 < longest {
            return Err(format!("done in {elapsed} ms, but one worker had work for {longest}").into());
        }
        bar.finish(&format!("{elapsed} ms (work for {cost} ms, {longest} on the busiest)"));
        Ok((format!("{elapsed} ms for {cost} ms of work"), guide.to_owned()))
    }

    /// Hello world without the work.
    fn round_trips(&self, (name, endpoint, place): (&str, &str, Place)) -> Found {
        let requests: u64 = if self.quick { 500 } else { 20_000 };
        let count = format!("--requests={requests}");
        let bar = Bar::new(format!("{requests} round trips over {name}"), requests);
        let mut server = Program::start(place, "hwserver", &[endpoint, "--work=0", "--quiet", &count])?;
        let endpoint = server.line("Listening on ", PATIENCE)?;
        let mut client = Program::start(place, "hwclient", &[&endpoint, "--quiet", &count])?;
        client.finish(PATIENCE)?;
        server.finish(PATIENCE)?;
        let micros = client.line(&format!("{requests} replies in "), PATIENCE)?;
        let each = number(&micros)? as f64 / requests as f64;
        let note = format!("{each:.1} us a round trip");
        bar.finish(&note);
        Ok((note, String::new()))
    }

    /// A `wuserver` is killed; our SUB gets the updates of the next one.
    fn subscriber_survives(&self) -> Found {
        let mut bar = Bar::new("wuserver killed, SUB stays", 4);
        let mut server = Program::start(Place::Process, "wuserver", &["tcp://127.0.0.1:*"])?;
        let endpoint = server.line("Listening on ", PATIENCE)?;
        let mut subscriber = zmq::Sub::builder().subscribe("1000").connect(&endpoint)?;
        let before = receive(&mut subscriber, 50)?;
        bar.set(1);

        server.kill();
        // What had arrived before is still there; then there is silence.
        let deadline = Instant::now() + PATIENCE;
        while subscriber.recv_timeout(Duration::from_millis(300)).is_ok() {
            if Instant::now() > deadline {
                return Err("a killed server goes on publishing".into());
            }
        }
        bar.set(2);

        let restarted = Instant::now();
        let mut server = Program::start(Place::Process, "wuserver", &[&endpoint])?;
        subscriber.recv_timeout(PATIENCE)?;
        let gap = restarted.elapsed();
        bar.set(3);
        let after = 1 + receive(&mut subscriber, 50)?;
        server.kill();
        let note = format!("{before} + {after} updates, back in {} ms", gap.as_millis());
        bar.finish(&note);
        Ok((note, String::new()))
    }

    /// A `hwserver` is killed; our REQ times out, asks again, and is answered by the next one.
    fn requester_survives(&self) -> Found {
        const QUESTIONS: usize = 20;
        let mut bar = Bar::new("hwserver killed, REQ stays", 4);
        let mut server = Program::start(Place::Process, "hwserver", &["tcp://127.0.0.1:*", "--work=0"])?;
        let endpoint = server.line("Listening on ", PATIENCE)?;
        let mut requester = zmq::Req::connect(&endpoint)?;
        let mut ask = |timeout| match requester.request_timeout("Hello", timeout) {
            Ok(reply) if reply.as_str() == Ok("World") => Ok(true),
            Ok(reply) => Err(format!("the reply was {reply:?}")),
            Err(zmq::Error::Timeout { .. }) => Ok(false),
            Err(error) => Err(error.to_string()),
        };
        let answered = |yes: bool| if yes { Ok(()) } else { Err("a server that runs does not answer") };
        for _ in 0..QUESTIONS {
            answered(ask(PATIENCE)?)?;
        }
        bar.set(1);

        server.kill();
        for _ in 0..2 {
            if ask(Duration::from_millis(150))? {
                return Err("a killed server answers".into());
            }
        }
        bar.set(2);

        let restarted = Instant::now();
        let mut server = Program::start(Place::Process, "hwserver", &[&endpoint, "--work=0"])?;
        let mut timeouts = 2;
        while !ask(Duration::from_millis(250))? {
            timeouts += 1;
            if restarted.elapsed() > PATIENCE {
                return Err("the new server does not answer".into());
            }
        }
        let gap = restarted.elapsed();
        bar.set(3);
        for _ in 0..QUESTIONS {
            answered(ask(PATIENCE)?)?;
        }
        server.kill();
        let note = format!("{timeouts} timeouts, back in {} ms", gap.as_millis());
        bar.finish(&note);
        Ok((note, String::new()))
    }
}

/// One line as of `top`.
fn list(program: &mut Program, name: &str, note: &str) {
    let (usage, elapsed) = program.usage();
    if usage.resident == 0 {
        // This system does not tell.
        println!("    {name:<10} {:>8} {:>8} {:>7}  {note}", "-", "-", "-");
        return;
    }
    let cpu = usage.cpu.as_secs_f64();
    let (memory, share) =
        (format!("{:.1}m", usage.resident as f64 / 1024.0), cpu / elapsed.as_secs_f64() * 100.0);
    println!("    {name:<10} {memory:>8} {cpu:>8.2} {share:>7.0}  {note}");
}

fn receive(subscriber: &mut zmq::Sub, count: usize) -> Result<usize> {
    for _ in 0..count {
        subscriber.recv_timeout(PATIENCE)?;
    }
    Ok(count)
}

fn same(who: &str, said: &str, expected: &str) -> Result {
    if said == expected { Ok(()) } else { Err(format!("{who} said {said:?}, not {expected:?}").into()) }
}

/// The number that a text begins with.
fn number(text: &str) -> Result<u64> {
    Ok(text.split(' ').next().unwrap_or("").parse()?)
}

/// How far the server is: the number at the end of its last whole line.
fn last_number(text: &str) -> u64 {
    let lines = text.rfind('\n').map_or("", |end| &text[..end]);
    lines.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
