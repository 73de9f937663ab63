//! Timers that run when they are looked at (`zmq_timers_*`). Times in milliseconds.

use crate::error::{Errno, Result};
use std::ffi::c_int;
use std::time::{Duration, Instant};

/// Timers, each with what it is to call.
pub(crate) struct Timers<H> {
    timers: Vec<Timer<H>>,
    next: c_int,
}

struct Timer<H> {
    id: c_int,
    interval: Duration,
    due: Instant,
    handler: H,
}

impl<H> Default for Timers<H> {
    fn default() -> Timers<H> {
        Timers { timers: Vec::new(), next: 1 }
    }
}

impl<H: Copy> Timers<H> {
    pub(crate) fn add(&mut self, interval: usize, handler: H, now: Instant) -> c_int {
        let (id, interval) = (self.next, Duration::from_millis(interval as u64));
        self.next = self.next.wrapping_add(1);
        self.timers.push(Timer { id, interval, due: now + interval, handler });
        id
    }

    pub(crate) fn cancel(&mut self, id: c_int) -> Result<()> {
        let index = self.timers.iter().position(|timer| timer.id == id).ok_or(Errno::EINVAL)?;
        self.timers.remove(index);
        Ok(())
    }

    pub(crate) fn set_interval(&mut self, id: c_int, interval: usize, now: Instant) -> Result<()> {
        let timer = self.find(id)?;
        timer.interval = Duration::from_millis(interval as u64);
        timer.due = now + timer.interval;
        Ok(())
    }

    pub(crate) fn reset(&mut self, id: c_int, now: Instant) -> Result<()> {
        let timer = self.find(id)?;
        timer.due = now + timer.interval;
        Ok(())
    }

    /// How long until the next is due; `None`: there is none.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Duration> {
        self.timers.iter().map(|timer| timer.due.saturating_duration_since(now)).min()
    }

    /// Those that are due, the earliest first; each is set for its next time.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(c_int, H)> {
        let mut due: Vec<_> = self.timers.iter_mut().filter(|timer| timer.due <= now).collect();
        due.sort_by_key(|timer| timer.due);
        let mut taken = Vec::with_capacity(due.len());
        for timer in due {
            timer.due = now + timer.interval;
            taken.push((timer.id, timer.handler));
        }
        taken
    }

    /// Whether it was not cancelled meanwhile.
    pub(crate) fn contains(&self, id: c_int) -> bool {
        self.timers.iter().any(|timer| timer.id == id)
    }

    fn find(&mut self, id: c_int) -> Result<&mut Timer<H>> {
        self.timers.iter_mut().find(|timer| timer.id == id).ok_or(Errno::EINVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_again() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut timers = Timers::default();
        assert_eq!(timers.timeout(start), None);
        let slow = timers.add(20, "slow", start);
        let fast = timers.add(10, "fast", start);
        assert_eq!(timers.timeout(at(4)), Some(Duration::from_millis(6)));
        assert_eq!(timers.take_due(at(9)), []);
        assert_eq!(timers.take_due(at(21)), [(fast, "fast"), (slow, "slow")]);
        assert_eq!(timers.timeout(at(21)), Some(Duration::from_millis(10)));
        timers.reset(fast, at(25)).unwrap();
        assert_eq!(timers.take_due(at(32)), []);
        timers.set_interval(fast, 1, at(32)).unwrap();
        assert_eq!(timers.take_due(at(33)), [(fast, "fast")]);
        timers.cancel(fast).unwrap();
        assert!(!timers.contains(fast) && timers.contains(slow));
        assert_eq!(timers.cancel(fast), Err(Errno::EINVAL));
        assert_eq!(timers.reset(fast, start), Err(Errno::EINVAL));
    }
}
