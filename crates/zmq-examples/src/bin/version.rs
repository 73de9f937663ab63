//! Reports the version of the library.
//!
//! `version`

use std::io::Write;
use zmq_examples::{Args, Result};

#[allow(missing_docs)]
pub fn main() -> Result {
    run(Args::from_env(), &mut std::io::stdout())
}

/// The program.
pub fn run(args: Args, out: &mut dyn Write) -> Result {
    args.finish()?;
    let (major, minor, patch) = zmq::version();
    writeln!(out, "Current 0MQ version is {major}.{minor}.{patch}")?;
    Ok(())
}
