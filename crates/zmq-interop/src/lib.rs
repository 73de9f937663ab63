//! Tests of ZeroMQ in pure Rust against libzmq; see `tests/`. Nothing here is for use.

use std::sync::mpsc;
use std::time::Duration;

/// Runs `scenario` in a thread of its own, and gives up on it after `bound`.
///
/// # Panics
/// If `scenario` does, or is not done in time.
pub fn bounded(bound: Duration, scenario: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _done = done;
        scenario();
    });
    if finished.recv_timeout(bound) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it hangs: not done after {bound:?}");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
