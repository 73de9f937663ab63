//! The command line, read by hand: `PROGRAM [VALUE]... [--flag] [--name=VALUE]...`.

use crate::Result;
use std::io::{self, Read, Write};
use std::time::Duration;

/// The arguments of a program, taken out one by one; [`finish`](Args::finish) complains about what is left.
#[derive(Debug)]
pub struct Args {
    values: Vec<String>,
    named: Vec<String>,
    /// Whether an endpoint was given, so that the program says where it listens.
    endpoint_given: bool,
}

impl Args {
    /// The arguments of this process.
    pub fn from_env() -> Args {
        Args::new(std::env::args().skip(1))
    }

    /// These arguments.
    pub fn new(arguments: impl IntoIterator<Item = impl Into<String>>) -> Args {
        let (named, values) = arguments.into_iter().map(Into::into).partition(|arg| arg.starts_with("--"));
        let mut args = Args { values, named, endpoint_given: false };
        if args.flag("attended") {
            end_with_parent();
        }
        args
    }

    /// The next plain argument.
    pub fn value(&mut self, default: &str) -> String {
        if self.values.is_empty() { default.to_owned() } else { self.values.remove(0) }
    }

    /// The next plain argument, an endpoint.
    pub fn endpoint(&mut self, default: &str) -> String {
        self.endpoint_given |= !self.values.is_empty();
        self.value(default)
    }

    /// Whether `--name` was given.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.named.iter().position(|arg| arg.strip_prefix("--") == Some(name));
        found.map(|index| self.named.remove(index)).is_some()
    }

    /// The number of `--name=NUMBER`, if it was given.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>> {
        let value_of = |arg: &String| {
            arg.strip_prefix("--")
                .and_then(|arg| arg.split_once('='))
                .filter(|(key, _)| *key == name)
                .is_some()
        };
        let Some(index) = self.named.iter().position(value_of) else { return Ok(None) };
        let arg = self.named.remove(index);
        let digits = arg.split_once('=').map_or("", |(_, digits)| digits);
        digits.parse().map(Some).map_err(|_| format!("{arg}: {digits:?} is not a number").into())
    }

    /// The milliseconds of `--name=NUMBER`.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn millis(&mut self, name: &str, default: u64) -> Result<Duration> {
        Ok(Duration::from_millis(self.number(name)?.unwrap_or(default)))
    }

    /// Complains about arguments that nobody took.
    ///
    /// # Errors
    /// If there are any.
    pub fn finish(&self) -> Result {
        match self.values.first().or(self.named.first()) {
            Some(arg) => Err(format!("I do not know what to do with the argument {arg:?}").into()),
            None => Ok(()),
        }
    }

    /// Tells where the program listens, if that was given as an argument: its port may have been chosen just now. (The
    /// Guide's programs, at their fixed ports, say nothing.)
    ///
    /// # Errors
    /// If `out` takes nothing.
    pub fn announce(&self, bound: &zmq::Endpoint, out: &mut dyn Write) -> io::Result<()> {
        if self.endpoint_given {
            writeln!(out, "Listening on {bound}")?;
        }
        Ok(())
    }
}

/// `--attended`: the program ends when its standard input does, that is with the program that started it.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while matches!(io::stdin().read(&mut nothing), Ok(1..)) {}
        std::process::exit(3);
    });
}
