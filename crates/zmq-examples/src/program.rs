//! Runs the programs of the chapter: as processes, and as threads where they shall share memory.

use crate::usage::Usage;
use crate::{Args, Result};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a process of its own.
    Process,
    /// In a thread of this process.
    Thread,
}

/// A program that runs. Dropped, its process is killed; a thread ends when its context is shut down.
#[derive(Debug)]
pub struct Program {
    name: String,
    runner: Runner,
    output: Receiver<Vec<u8>>,
    text: String,
    raw: Vec<u8>,
    started: Instant,
    elapsed: Option<Duration>,
    success: bool,
    usage: Usage,
}

#[derive(Debug)]
enum Runner {
    Process(Child),
    Thread(JoinHandle<Result>),
    Ended,
}

impl Program {
    /// Starts the program `name`.
    ///
    /// # Errors
    /// If there is none, or the system has no room for it.
    pub fn start(place: Place, name: &str, args: &[&str]) -> Result<Program> {
        let (sender, output) = channel();
        let runner = match place {
            Place::Process => Runner::Process(start_process(name, args, sender)?),
            Place::Thread => Runner::Thread(start_thread(name, args, sender)?),
        };
        Ok(Program {
            name: name.to_owned(),
            runner,
            output,
            text: String::new(),
            raw: Vec::new(),
            started: Instant::now(),
            elapsed: None,
            success: false,
            usage: Usage::default(),
        })
    }

    /// What it has printed so far. Does not wait.
    pub fn text(&mut self) -> &str {
        self.look();
        &self.text
    }

    /// What it has used so far, and how long it has run.
    pub fn usage(&mut self) -> (Usage, Duration) {
        self.look();
        (self.usage, self.elapsed.unwrap_or_else(|| self.started.elapsed()))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.look();
        self.elapsed.is_some()
    }

    /// Waits for a whole line that begins with `start`, and returns what follows on it.
    ///
    /// # Errors
    /// If it does not come in time, or the program ends without.
    pub fn line(&mut self, start: &str, timeout: Duration) -> Result<String> {
        let deadline = Instant::now() + timeout;
        loop {
            let ended = self.has_ended();
            let lines = self.text.rfind('\n').map_or("", |end| &self.text[..end]);
            if let Some(rest) = lines.lines().find_map(|line| line.strip_prefix(start)) {
                return Ok(rest.to_owned());
            }
            if ended || Instant::now() > deadline {
                return Err(format!("{} did not say {start:?}; it said {:?}", self.name, self.text).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it ends by itself. Returns all that it printed and how long it ran.
    ///
    /// # Errors
    /// If it does not end in time, or fails.
    pub fn finish(&mut self, timeout: Duration) -> Result<(String, Duration)> {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() > deadline {
                self.kill();
                return Err(format!("{} did not end within {timeout:?}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if !self.success {
            return Err(format!("{} failed; it said {:?}", self.name, self.text).into());
        }
        Ok((self.text.clone(), self.elapsed.unwrap_or_default()))
    }

    /// Kills it without warning (`SIGKILL`), if it is a process. Returns all that it printed.
    pub fn kill(&mut self) -> &str {
        if let Runner::Process(child) = &mut self.runner {
            let _ = child.kill();
            let _ = child.wait();
            self.end(false);
        }
        &self.text
    }

    /// Waits for the thread to end, whose context was shut down. Returns all that it printed.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn join(&mut self, timeout: Duration) -> Result<&str> {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return Err(format!("{} did not end within {timeout:?}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(&self.text)
    }

    fn look(&mut self) {
        while let Ok(bytes) = self.output.try_recv() {
            self.take(&bytes);
        }
        match &mut self.runner {
            Runner::Process(child) => {
                if let Some(usage) = Usage::of(child.id()) {
                    let resident = usage.resident.max(self.usage.resident);
                    self.usage = Usage { resident, ..usage };
                    // What it used is known until it is waited for; so wait after it has been seen to have ended.
                    if !usage.ended {
                        return;
                    }
                }
                if let Ok(Some(status)) = child.try_wait() {
                    self.end(status.success());
                }
            }
            Runner::Thread(thread) if thread.is_finished() => self.end_thread(),
            Runner::Thread(_) | Runner::Ended => {}
        }
    }

    /// Adds output; a character may come in two pieces.
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        let whole = std::str::from_utf8(&self.raw).map_or_else(|error| error.valid_up_to(), str::len);
        self.text.push_str(&String::from_utf8_lossy(&self.raw[..whole]));
        self.raw.drain(..whole);
    }

    fn end_thread(&mut self) {
        let Runner::Thread(thread) = std::mem::replace(&mut self.runner, Runner::Ended) else { return };
        let success = match thread.join() {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                let ended = error.downcast_ref::<zmq::Error>().is_some_and(|e| *e == zmq::Error::Terminated);
                if !ended {
                    eprintln!("{}: {error}", self.name);
                }
                false
            }
            Err(_) => false,
        };
        self.end(success);
    }

    /// It has ended: takes the rest of its output.
    fn end(&mut self, success: bool) {
        self.elapsed = Some(self.started.elapsed());
        self.success = success;
        self.runner = Runner::Ended;
        loop {
            match self.output.recv_timeout(Duration::from_secs(1)) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return,
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program lies beside this one. If it was not built, this very program takes its part (see `take_part`).
fn start_process(name: &str, args: &[&str], output: Sender<Vec<u8>>) -> Result<Child> {
    let this = std::env::current_exe()?;
    let beside = this.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut command = if beside.is_file() {
        Command::new(beside)
    } else {
        let mut command = Command::new(this);
        command.arg(format!("--part={name}"));
        command
    };
    let mut child = command
        .args(args)
        // It ends when this pipe does, whatever becomes of this process.
        .arg("--attended")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting {name}: {error}"))?;
    if let Some(mut pipe) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let _ = output.send(buffer[..length].to_vec());
            }
        });
    }
    Ok(child)
}

/// If this process was started to take the part of another program, runs that. Every program that uses [`Program`] calls
/// this first.
pub fn take_part() -> Option<Result> {
    let name = std::env::args().nth(1)?.strip_prefix("--part=")?.to_owned();
    let run = crate::find(&name)?;
    Some(run(Args::new(std::env::args().skip(2)), &mut io::stdout()))
}

fn start_thread(name: &str, args: &[&str], output: Sender<Vec<u8>>) -> Result<JoinHandle<Result>> {
    let run = crate::find(name).ok_or_else(|| format!("there is no program {name}"))?;
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let work = move || run(Args::new(args), &mut Pipe(output));
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(work)?)
}

/// Where a thread prints to.
struct Pipe(Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
