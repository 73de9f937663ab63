//! Timers that call the program back.

use super::exported;
use crate::error::Errno;
use crate::handles::Handles;
use crate::timers::Timers;
use std::ffi::{c_int, c_long, c_void};
use std::sync::Mutex;
use std::time::Instant;

/// Called with the timer and the argument.
pub type TimerFunction = unsafe extern "C" fn(c_int, *mut c_void);

#[derive(Clone, Copy)]
struct Handler {
    function: TimerFunction,
    argument: *mut c_void,
}

// SAFETY: the program says on which thread timers run; the argument is only given back to it.
unsafe impl Send for Handler {}

/// Their lock is not held while the program is called back.
static TIMERS: Handles<Mutex<Option<Timers<Handler>>>> = Handles::new();

exported! {
    /// No timers.
    fn zmq_timers_new() -> *mut c_void, or std::ptr::null_mut(), {
        TIMERS.insert(Timers::default()).ok_or(Errno::ENOMEM)
    }

    /// Ends them; the place of the handle is null then.
    fn zmq_timers_destroy(timers: *mut *mut c_void) -> c_int, or -1, {
        // SAFETY: a place of a handle, unless it is null.
        let place = unsafe { timers.as_mut() }.ok_or(Errno::EFAULT)?;
        drop(TIMERS.remove(*place)?);
        *place = std::ptr::null_mut();
        Ok(0)
    }

    /// A timer that runs every `interval` milliseconds. Returns its number.
    fn zmq_timers_add(
        timers: *mut c_void,
        interval: usize,
        function: Option<TimerFunction>,
        argument: *mut c_void,
    ) -> c_int, or -1, {
        let function = function.ok_or(Errno::EFAULT)?;
        TIMERS.with(timers, |timers| Ok(timers.add(interval, Handler { function, argument }, Instant::now())))
    }

    /// Ends one timer.
    fn zmq_timers_cancel(timers: *mut c_void, timer: c_int) -> c_int, or -1, {
        TIMERS.with(timers, |timers| timers.cancel(timer).map(|()| 0))
    }

    /// Gives a timer another interval, from now.
    fn zmq_timers_set_interval(timers: *mut c_void, timer: c_int, interval: usize) -> c_int, or -1, {
        TIMERS.with(timers, |timers| timers.set_interval(timer, interval, Instant::now()).map(|()| 0))
    }

    /// Starts a timer's interval anew.
    fn zmq_timers_reset(timers: *mut c_void, timer: c_int) -> c_int, or -1, {
        TIMERS.with(timers, |timers| timers.reset(timer, Instant::now()).map(|()| 0))
    }

    /// Milliseconds until the next timer is due; -1: there is none.
    fn zmq_timers_timeout(timers: *mut c_void) -> c_long, or -1, {
        TIMERS.with(timers, |timers| {
            let left = timers.timeout(Instant::now());
            // Not too early.
            Ok(left.map_or(-1, |left| left.as_nanos().div_ceil(1_000_000) as c_long))
        })
    }

    /// Runs the timers that are due.
    fn zmq_timers_execute(timers: *mut c_void) -> c_int, or -1, {
        let due = TIMERS.with(timers, |timers| Ok(timers.take_due(Instant::now())))?;
        for (timer, handler) in due {
            // One that ran before may have ended it, or all of them.
            if TIMERS.with(timers, |timers| Ok(timers.contains(timer))).unwrap_or_default() {
                // SAFETY: the program gave the function for just this.
                unsafe { (handler.function)(timer, handler.argument) };
            }
        }
        Ok(0)
    }
}
