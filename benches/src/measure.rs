//! Clocks, the cost in CPU time, and the line that comes out.

use crate::args;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use std::ops::Sub;

/// Nanoseconds on a clock that all processes share.
pub fn now_ns() -> u64 {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(time) => time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64,
        Err(_) => 0,
    }
}

pub fn seconds_since(start_ns: u64) -> f64 {
    (now_ns() - start_ns) as f64 / 1e9
}

/// Pins the process to the CPU that the environment variable names, if it does.
pub fn pin(variable: &str) {
    let Some(cpu) = args::parsed(variable) else { return };
    let mut set = CpuSet::new();
    if set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).is_err() {
        eprintln!("{variable}: cannot pin to CPU {cpu}");
    }
}

/// A thousand sockets need more descriptors than a process may open by default.
pub fn allow_many_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Whoever measures is gone: nobody wants the rest.
pub fn die_with_parent() {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
}

/// What a process, or all children that it has waited for, used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub user: f64,
    pub system: f64,
    pub switches: i64,
    pub preemptions: i64,
    pub max_rss_mb: f64,
}

impl Usage {
    pub fn of_this_process() -> Usage {
        Usage::of(UsageWho::RUSAGE_SELF)
    }

    pub fn of_children() -> Usage {
        Usage::of(UsageWho::RUSAGE_CHILDREN)
    }

    pub fn cpu(&self) -> f64 {
        self.user + self.system
    }

    fn of(who: UsageWho) -> Usage {
        let Ok(usage) = getrusage(who) else { return Usage::default() };
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        Usage {
            user: seconds(usage.user_time()),
            system: seconds(usage.system_time()),
            switches: usage.voluntary_context_switches(),
            preemptions: usage.involuntary_context_switches(),
            max_rss_mb: usage.max_rss() as f64 / 1024.0,
        }
    }
}

impl Sub for Usage {
    type Output = Usage;

    /// The high-water mark of memory is not a difference: it stays.
    fn sub(self, before: Usage) -> Usage {
        Usage {
            user: self.user - before.user,
            system: self.system - before.system,
            switches: self.switches - before.switches,
            preemptions: self.preemptions - before.preemptions,
            max_rss_mb: self.max_rss_mb,
        }
    }
}

/// The line of the modes that count messages.
pub fn print_rate(count: u64, bytes: usize, seconds: f64, here: Usage, there: Usage, extra: &str) {
    let rate = count as f64 / seconds;
    println!(
        "{rate:.1} {:.3} {:.3} {:.3} recv_user={:.3} recv_sys={:.3} send_user={:.3} send_sys={:.3} vcsw={} ivcsw={} \
         secs={seconds:.4}{}{extra}",
        rate * bytes as f64 / 1e6,
        here.user + there.user,
        here.system + there.system,
        here.user,
        here.system,
        there.user,
        there.system,
        here.switches + there.switches,
        here.preemptions + there.preemptions,
        if extra.is_empty() { "" } else { " " },
    );
}

/// The line of the latency mode; `samples` in nanoseconds.
pub fn print_latency(samples: &mut [u64], mean_us: f64, cpu_us: f64, switches: f64) {
    samples.sort_unstable();
    let at =
        |per_mille: usize| samples.get(samples.len() * per_mille / 1000).copied().unwrap_or(0) as f64 / 1e3;
    println!(
        "{:.2} {:.2} {:.2} {mean_us:.2} p999={:.2} min={:.2} cpu_per_rt_us={cpu_us:.3} csw_per_rt={switches:.3}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(0),
    );
}

/// Resident memory of a process, in KiB.
pub fn rss_kb(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse().ok()).unwrap_or(-1)
}

/// The same numbers on every run (xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        Random(88_172_645_463_325_252)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }
}
