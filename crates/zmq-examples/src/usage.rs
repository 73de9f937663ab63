//! What a process uses of the machine, where `/proc` tells.

use std::time::Duration;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time so far, of all threads, in user space and in the kernel.
    pub cpu: Duration,
    /// Resident memory in KiB, the most that was seen.
    pub resident: u64,
    /// It has ended and waits to be waited for.
    pub ended: bool,
}

/// Linux shows CPU time in these ticks to programs, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

impl Usage {
    /// What process `pid` uses; `None` where the system does not tell.
    pub fn of(pid: u32) -> Option<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name, in parentheses, and may contain anything; count from behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Usage {
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            resident: resident(pid).unwrap_or(0),
            ended: matches!(fields.first(), Some(&("Z" | "X"))),
        })
    }
}

/// The line `VmHWM` of `status` is the highest resident set so far. A process that has ended has none.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
