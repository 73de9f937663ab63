//! What the command line and the environment ask for.

use std::env;

/// How the bytes of a message come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Copied from a buffer that stays with the application.
    Copy,
    /// One shared buffer, never copied.
    Share,
    /// A new buffer for each message.
    Alloc,
}

#[derive(Clone, Debug)]
pub struct Args {
    pub label: String,
    pub mode: String,
    pub transport: String,
    pub size: usize,
    pub count: u64,
    pub arg: Option<String>,
    /// What a process that was started by another one is to be.
    pub role: Option<String>,
    pub hwm: Option<usize>,
    pub sending: Sending,
    pub curve: bool,
    pub nodrop: bool,
    pub busy_wait: bool,
    pub io_threads: Option<usize>,
    /// Both ends wait in a poller, with so many idle sockets beside the one that matters.
    pub poller: Option<usize>,
}

impl Args {
    pub fn from_environment() -> Result<Args, String> {
        let mut words = env::args().skip(1);
        let mut next = |name: &str| words.next().ok_or_else(|| format!("{name} is missing"));
        let number =
            |name: &str, word: String| word.parse().map_err(|_| format!("{name} is not a number: {word}"));
        Ok(Args {
            label: next("LABEL")?,
            mode: next("MODE")?,
            transport: next("TRANSPORT")?,
            size: number("SIZE", next("SIZE")?)? as usize,
            count: number("COUNT", next("COUNT")?)?,
            arg: next("ARG").ok().filter(|arg| !arg.is_empty()),
            role: variable("ZB_ROLE"),
            hwm: parsed("ZB_HWM"),
            sending: match variable("ZB_SEND").as_deref() {
                Some("share") => Sending::Share,
                Some("alloc") => Sending::Alloc,
                _ => Sending::Copy,
            },
            curve: parsed("ZB_CURVE").unwrap_or(0) != 0,
            nodrop: parsed("ZB_NODROP").unwrap_or(0) != 0,
            busy_wait: parsed("ZB_BUSY").unwrap_or(1) != 0,
            io_threads: parsed("ZB_IOTHREADS").filter(|count| *count > 0),
            poller: parsed("ZB_POLL"),
        })
    }

    pub fn is_inproc(&self) -> bool {
        self.transport == "inproc"
    }

    /// Whether the sockets of this process bind, and those of the others connect.
    pub fn binds(&self) -> bool {
        match self.role.as_deref() {
            Some(role) => matches!(role, "publisher" | "router" | "station"),
            None => matches!(self.mode.as_str(), "throughput" | "multipart" | "latency" | "big" | "tasks"),
        }
    }

    /// ARG as a number; 1 without one.
    pub fn number(&self) -> usize {
        self.arg.as_ref().and_then(|arg| arg.parse().ok()).unwrap_or(1)
    }
}

pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

pub fn parsed(name: &str) -> Option<usize> {
    variable(name)?.parse().ok()
}
