//! A benchmark program: what it is called with, and what it answers.

use crate::cells::Cell;
use crate::options::{Options, Other};
use crate::{Result, results};
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How we are called in tables and charts.
pub const OURS: &str = "zmq-native";
const LONGEST_RUN: Duration = Duration::from_secs(30);
/// Few messages are counted with an error of one in a hundred.
const NOTHING_LOST_PERCENT: f64 = 98.0;

#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub path: PathBuf,
    /// `None`: a limit, which has a label for each kind of cell.
    label: Option<String>,
}

/// All that take part: ours, the others, the limits.
pub fn all(options: &Options) -> Result<Vec<Program>> {
    let ours = env::current_exe()?.with_file_name("zmq_bench");
    if !ours.exists() {
        return Err(format!("{} is missing: cargo build --release -p zmq-benches", ours.display()).into());
    }
    let mut programs = vec![Program { name: OURS.to_owned(), path: ours, label: Some("ours".to_owned()) }];
    programs.extend(options.others.iter().map(|other| Program::of(other, Some(other.label.clone()))));
    programs.extend(options.limits.iter().map(|limit| Program::of(limit, None)));
    for (position, program) in programs.iter().enumerate() {
        if !program.path.exists() {
            return Err(format!("{}: {} does not exist", program.name, program.path.display()).into());
        }
        if programs[..position].iter().any(|earlier| earlier.name == program.name) {
            return Err(format!("two programs are called {}", program.name).into());
        }
    }
    Ok(programs)
}

impl Program {
    fn of(other: &Other, label: Option<String>) -> Program {
        // A bare file name would be looked up in PATH.
        let path =
            if other.path.is_relative() { Path::new(".").join(&other.path) } else { other.path.clone() };
        Program { name: other.name.clone(), path, label }
    }

    pub fn is_limit(&self) -> bool {
        self.label.is_none()
    }

    /// What to call it with; `None` if it does not take part in this cell. A limit is called `rawbatch` for batches of 64 KiB
    /// over a plain socket, `raw` for a ping-pong over one, `crossbeam` for a channel, `spinpark` for a ping-pong between
    /// threads.
    pub fn label(&self, cell: &Cell) -> Option<&str> {
        match (&self.label, cell.section.as_str(), cell.transport.as_str()) {
            (Some(label), _, _) => Some(label),
            (None, "throughput", "inproc") => Some("crossbeam"),
            (None, "throughput", _) => Some("rawbatch"),
            (None, "latency", "inproc") => Some("spinpark"),
            (None, "latency", _) => Some("raw"),
            _ => None,
        }
    }

    /// Runs it once.
    pub fn run(&self, cell: &Cell, count: u64) -> std::result::Result<[f64; 4], String> {
        let mut command = Command::new(&self.path);
        command.arg(self.label(cell).ok_or("it has no such mode")?);
        command.args([&cell.section, &cell.transport, &cell.size.to_string(), &count.to_string()]);
        command.args(cell.arg.map(|arg| arg.to_string()));
        if cell.is_lossless() {
            command.env("ZB_NODROP", "1");
        }
        let line = output_of(&mut command).map_err(|reason| format!("{reason}, of {command:?}"))?;
        if cell.is_lossless()
            && results::extra(&line, "delivered_pct").is_some_and(|percent| percent < NOTHING_LOST_PERCENT)
        {
            return Err(format!("messages were lost, of {command:?}"));
        }
        results::four_numbers(&line)
            .ok_or_else(|| format!("not four numbers: {:?}, of {command:?}", line.trim()))
    }
}

/// What a command prints. Killed if it takes too long; its other process dies with it.
fn output_of(command: &mut Command) -> std::result::Result<String, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut output = child.stdout.take().ok_or("no pipe")?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = tell.send(output.read_to_string(&mut text).map(|_| text));
    });
    let Ok(text) = told.recv_timeout(LONGEST_RUN) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("no end within {} s", LONGEST_RUN.as_secs()));
    };
    match child.wait() {
        Ok(status) if status.success() => text.map_err(|error| error.to_string()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_command_is_read_and_its_failure_told() {
        assert_eq!(output_of(Command::new("echo").arg("1 2")).as_deref(), Ok("1 2\n"));
        assert!(output_of(&mut Command::new("false")).unwrap_err().contains("exit status: 1"));
        assert!(output_of(&mut Command::new("/nowhere/at/all")).is_err());
    }
}
