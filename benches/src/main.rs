//! `zmq_bench`: measures whole sockets, between two processes (tcp, ipc) or two threads (inproc).
//!
//! ```text
//! zmq_bench LABEL MODE TRANSPORT SIZE COUNT [ARG]
//! ```
//!
//! | mode | ARG | the four numbers |
//! | --- | --- | --- |
//! | `throughput` | `pushpull` (default), `pair`, `dealer` | messages/s, MB/s, CPU user s, CPU system s |
//! | `latency` | `reqrep` (default), `pair`, `dealer` | round trip in us: p50, p90, p99, mean |
//! | `pubsub` | subscribers | deliveries/s, MB/s, CPU user s, CPU system s |
//! | `submatch` | prefixes; 10 % of the messages match one | published/s, MB/s, CPU user s, CPU system s |
//! | `multipart` | frames, each of SIZE | messages/s, MB/s, CPU user s, CPU system s |
//! | `router` | DEALERs, each with one request under way | round trips/s, MB/s, CPU user s, CPU system s |
//! | `big` | | s, MB/s, CPU user s, CPU system s |
//! | `weather` | subscribers | s, updates/s, CPU user s, CPU system s of the publisher |
//! | `tasks` | workers | s, ideal s, CPU user s, CPU system s |
//!
//! Further results follow on the same line as `key=value`. The clock of the receiving side starts at the first
//! message.
//!
//! Environment: `ZB_HWM` (both high-water marks; 0 = unbounded), `ZB_SEND` (`copy` from a buffer of the application, the
//! default; `share` one buffer; `alloc` a new one), `ZB_NODROP=1` (the publisher waits instead of dropping),
//! `ZB_CURVE=1` (every connection over tcp and ipc is encrypted),
//! `ZB_POLL=n` (in `latency` both ends wait in a poller, with n idle sockets beside theirs),
//! `ZB_BUSY=0` (who waits sleeps at once),
//! `ZB_IOTHREADS`, `ZB_PIN_A` and `ZB_PIN_B` (the CPU of the measuring and of the other process).

#![forbid(unsafe_code)]

mod args;
mod measure;
mod modes;
mod peer;
mod setup;

use args::Args;
use setup::Setup;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args = match Args::from_environment() {
        Ok(args) => args,
        Err(reason) => {
            eprintln!("{reason}\nusage: zmq_bench LABEL MODE TRANSPORT SIZE COUNT [ARG]");
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zmq_bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    measure::pin(if args.role.is_some() { "ZB_PIN_B" } else { "ZB_PIN_A" });
    measure::allow_many_files();
    let setup = Setup::new(args)?;
    match setup.args.role.clone() {
        Some(role) => {
            measure::die_with_parent();
            modes::role(&role)?(&setup, peer::Side::of_process())
        }
        None => modes::mode(&setup.args.mode)?(&setup),
    }
}
