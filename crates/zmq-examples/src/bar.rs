//! Progress bars, drawn by hand.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: u64 = 30;
const LABEL: usize = 34;
/// Not drawn more often than this.
const PAUSE: Duration = Duration::from_millis(50);

/// A progress bar. On a terminal it moves; elsewhere one line is printed when it ends.
#[derive(Debug)]
pub struct Bar {
    label: String,
    total: u64,
    done: u64,
    drawn: Option<Instant>,
    moves: bool,
    ended: bool,
}

impl Bar {
    /// A bar that is full at `total`.
    pub fn new(label: impl Into<String>, total: u64) -> Bar {
        let moves = io::stdout().is_terminal();
        let mut bar =
            Bar { label: label.into(), total: total.max(1), done: 0, drawn: None, moves, ended: false };
        bar.set(0);
        bar
    }

    /// Moves it to `done`.
    pub fn set(&mut self, done: u64) {
        self.done = done.min(self.total);
        if self.moves && self.drawn.is_none_or(|drawn| drawn.elapsed() > PAUSE) {
            self.drawn = Some(Instant::now());
            print!("\r{}", self.line());
            let _ = io::stdout().flush();
        }
    }

    /// Fills it, and writes `note` beside it.
    pub fn finish(mut self, note: &str) {
        self.done = self.total;
        self.end(note);
    }

    fn end(&mut self, note: &str) {
        self.ended = true;
        println!("{}{}  {note}", if self.moves { "\r" } else { "" }, self.line());
    }

    fn line(&self) -> String {
        let full = self.done * WIDTH / self.total;
        let (full, empty) = ("#".repeat(full as usize), "-".repeat((WIDTH - full) as usize));
        format!("  {:LABEL$} [{full}{empty}] {:3}%", self.label, self.done * 100 / self.total)
    }
}

/// A bar that was not finished stays where it is.
impl Drop for Bar {
    fn drop(&mut self) {
        if !self.ended {
            self.end("failed");
        }
    }
}
