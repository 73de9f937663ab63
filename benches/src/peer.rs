//! The other end: a process that runs this program again, or a thread. Both are told things line by line, and leave when
//! they are told no more.

use crate::measure::Usage;
use crate::modes;
use crate::setup::Setup;
use crate::{Result, args};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The other end as the measuring end sees it.
pub enum Peer {
    Process { child: Child, commands: ChildStdin, lines: BufReader<ChildStdout> },
    Thread { handle: JoinHandle<()>, commands: Sender<()>, lines: Receiver<String> },
}

/// The other end as it sees itself.
pub struct Side {
    /// Where to connect.
    pub endpoint: String,
    /// What else its role needs to know.
    pub extra: String,
    commands: Receiver<()>,
    /// `None`: standard output.
    lines: Option<Sender<String>>,
}

impl Peer {
    /// Starts the other end: a thread for inproc, a process otherwise.
    pub fn start(setup: &Setup, role: &'static str, endpoint: &str, extra: &str) -> Result<Peer> {
        if setup.args.is_inproc() {
            Peer::start_thread(setup, role, endpoint, extra)
        } else {
            Peer::start_process(setup, role, endpoint, extra)
        }
    }

    fn start_thread(setup: &Setup, role: &'static str, endpoint: &str, extra: &str) -> Result<Peer> {
        let (commands, commands_there) = channel();
        let (lines_there, lines) = channel();
        let setup = setup.clone();
        let work = modes::role(role)?;
        let side = Side {
            endpoint: endpoint.to_owned(),
            extra: extra.to_owned(),
            commands: commands_there,
            lines: Some(lines_there),
        };
        let handle = std::thread::spawn(move || {
            if let Err(error) = work(&setup, side) {
                eprintln!("zmq_bench, {role}: {error}");
                // The other end would wait for ever.
                std::process::exit(1);
            }
        });
        Ok(Peer::Thread { handle, commands, lines })
    }

    fn start_process(setup: &Setup, role: &str, endpoint: &str, extra: &str) -> Result<Peer> {
        let args = &setup.args;
        let mut child = Command::new(std::env::current_exe()?)
            .args([&args.label, &args.mode, &args.transport, &args.size.to_string(), &args.count.to_string()])
            .arg(args.arg.as_deref().unwrap_or(""))
            .env("ZB_ROLE", role)
            .env("ZB_EP", endpoint)
            .env("ZB_ROLE_ARG", extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take().ok_or("no pipe to the other process")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe from the other process")?);
        Ok(Peer::Process { child, commands, lines })
    }

    /// What it says next.
    pub fn line(&mut self) -> Result<String> {
        let line = match self {
            Peer::Process { lines, .. } => {
                let mut line = String::new();
                lines.read_line(&mut line)?;
                line
            }
            Peer::Thread { lines, .. } => lines.recv().unwrap_or_default(),
        };
        match line.trim() {
            "" => Err("the other end died".into()),
            line => Ok(line.to_owned()),
        }
    }

    /// Lets the measured part begin.
    pub fn go(&mut self) -> Result<()> {
        match self {
            Peer::Process { commands, .. } => commands.write_all(b"S\n")?,
            Peer::Thread { commands, .. } => commands.send(())?,
        }
        Ok(())
    }

    /// Its process, or this one.
    pub fn pid(&self) -> u32 {
        match self {
            Peer::Process { child, .. } => child.id(),
            Peer::Thread { .. } => std::process::id(),
        }
    }

    /// Lets it leave and waits until it has. What it used, if it is a process.
    pub fn finish(self) -> Result<Usage> {
        match self {
            Peer::Process { mut child, commands, .. } => {
                let before = Usage::of_children();
                drop(commands);
                let status = child.wait()?;
                if !status.success() {
                    return Err(format!("the other end: {status}").into());
                }
                Ok(Usage::of_children() - before)
            }
            Peer::Thread { handle, commands, .. } => {
                drop(commands);
                handle.join().map_err(|_| "the other end panicked")?;
                Ok(Usage::default())
            }
        }
    }
}

impl Side {
    /// Of a process that was started for its role.
    pub fn of_process() -> Side {
        let (tell, commands) = channel();
        std::thread::spawn(move || {
            for _ in std::io::stdin().lock().lines() {
                let _ = tell.send(());
            }
        });
        Side {
            endpoint: args::variable("ZB_EP").unwrap_or_default(),
            extra: std::env::var("ZB_ROLE_ARG").unwrap_or_default(),
            commands,
            lines: None,
        }
    }

    pub fn say(&self, line: &str) -> Result<()> {
        match &self.lines {
            Some(lines) => lines.send(line.to_owned())?,
            None => {
                println!("{line}");
                std::io::stdout().flush()?;
            }
        }
        Ok(())
    }

    /// Waits for [`Peer::go`]; `false` after `timeout`.
    pub fn wait_for_go(&self, timeout: Duration) -> Result<bool> {
        match self.commands.recv_timeout(timeout) {
            Ok(()) => Ok(true),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err("the measuring end died".into()),
        }
    }

    /// Waits until it may leave.
    pub fn wait_for_end(&self) {
        while self.commands.recv().is_ok() {}
    }
}
