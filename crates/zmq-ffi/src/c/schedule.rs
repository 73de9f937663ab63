//! Where and how the threads of a context run.

use crate::error::{Errno, Result};
use nix::libc;
use std::collections::BTreeSet;
use std::ffi::c_int;

/// What a program chose; what it did not choose stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// `ZMQ_THREAD_SCHED_POLICY`: one of the system's.
    pub(crate) policy: Option<c_int>,
    /// `ZMQ_THREAD_PRIORITY`: that of `SCHED_FIFO` and `SCHED_RR`; with other policies one above 0 is as nice as can be.
    pub(crate) priority: Option<c_int>,
    /// The processors it may run on (`ZMQ_THREAD_AFFINITY_CPU_ADD`); none: all.
    pub(crate) processors: BTreeSet<usize>,
}

/// The least nice of all.
const GREEDY: c_int = -20;

#[cfg(target_os = "linux")]
impl Schedule {
    /// Has the calling thread run so.
    ///
    /// # Errors
    /// That of the system: `EPERM`, `EINVAL`.
    pub(crate) fn apply(&self) -> Result<()> {
        if self.policy.is_some() || self.priority.is_some() {
            self.apply_policy()?;
        }
        if self.processors.is_empty() {
            return Ok(());
        }
        let mut processors = nix::sched::CpuSet::new();
        for processor in &self.processors {
            processors.set(*processor).map_err(|_| Errno::EINVAL)?;
        }
        let this_thread = nix::unistd::Pid::from_raw(0);
        nix::sched::sched_setaffinity(this_thread, &processors).map_err(|error| Errno(error as c_int))
    }

    fn apply_policy(&self) -> Result<()> {
        let policy = match self.policy {
            Some(policy) => policy,
            // SAFETY: takes a number.
            None => system(unsafe { libc::sched_getscheduler(0) })?,
        };
        let has_priority = policy == libc::SCHED_FIFO || policy == libc::SCHED_RR;
        let parameter =
            libc::sched_param { sched_priority: self.priority.filter(|_| has_priority).unwrap_or_default() };
        // SAFETY: the parameter is read during the call.
        system(unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) })?;
        if !has_priority && self.priority.is_some_and(|priority| priority > 0) {
            // SAFETY: takes numbers; 0 is this thread.
            system(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, GREEDY) })?;
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Schedule {
    /// # Errors
    /// `ENOTSUP`, unless nothing is chosen.
    pub(crate) fn apply(&self) -> Result<()> {
        if *self == Schedule::default() { Ok(()) } else { Err(Errno::ENOTSUP) }
    }
}

#[cfg(target_os = "linux")]
fn system(result: c_int) -> Result<c_int> {
    if result == -1 { Err(Errno(Errno::get())) } else { Ok(result) }
}
