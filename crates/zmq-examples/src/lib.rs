//! The programs of chapter 1 of the ZeroMQ Guide, on `zmq-native`, and a few more.
//!
//! Each program is one file in `src/bin`, to be read and run by itself. This library has what they share (reading the
//! command line, random numbers) and what the `tour` needs to run them. The tour can run a program as a process or, for
//! `inproc://`, as a thread; for that the programs of the chapter are modules here too.

#![forbid(unsafe_code)]

// So that a program finds the same names whether it is compiled by itself or as a module of this library.
extern crate self as zmq_examples;

mod args;
pub mod bar;
pub mod program;
mod random;
pub mod usage;

pub use args::Args;
pub use random::Random;

#[path = "bin/hwclient.rs"]
pub mod hwclient;
#[path = "bin/hwserver.rs"]
pub mod hwserver;
#[path = "bin/tasksink.rs"]
pub mod tasksink;
#[path = "bin/taskvent.rs"]
pub mod taskvent;
#[path = "bin/taskwork.rs"]
pub mod taskwork;
#[path = "bin/version.rs"]
pub mod version;
#[path = "bin/wuclient.rs"]
pub mod wuclient;
#[path = "bin/wuserver.rs"]
pub mod wuserver;

/// What every program returns: an error ends it, is shown, and makes its exit status 1.
pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A program of the chapter: its arguments, and where its output goes.
pub type Run = fn(Args, &mut dyn std::io::Write) -> Result;

/// The program of that name.
pub fn find(name: &str) -> Option<Run> {
    Some(match name {
        "hwserver" => hwserver::run,
        "hwclient" => hwclient::run,
        "version" => version::run,
        "wuserver" => wuserver::run,
        "wuclient" => wuclient::run,
        "taskvent" => taskvent::run,
        "taskwork" => taskwork::run,
        "tasksink" => tasksink::run,
        _ => return None,
    })
}
