//! What is measured: the cells of each section.

pub const SECTIONS: [&str; 7] =
    ["throughput", "latency", "pubsub", "submatch", "multipart", "router", "weather"];

/// One thing to measure. The section is the mode of `zmq_bench`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    pub section: String,
    pub transport: String,
    /// Bytes of a message, or of each frame.
    pub size: u64,
    /// Subscribers, prefixes, frames or DEALERs.
    pub arg: Option<u64>,
}

/// The cells of a section; `quick` leaves some out.
pub fn of_section(section: &str, quick: bool) -> Vec<Cell> {
    let transports: &[&str] = match section {
        "throughput" | "latency" => &["tcp", "ipc", "inproc"],
        "pubsub" => &["tcp", "inproc"],
        _ => &["tcp"],
    };
    let sizes: &[u64] = match section {
        "throughput" if quick => &[64, 1024, 65536],
        "throughput" => &[8, 64, 256, 1024, 8192, 65536, 1_048_576],
        "latency" if !quick => &[8, 1024, 65536],
        "pubsub" | "submatch" => &[64],
        "multipart" => &[10],
        "weather" => &[0],
        _ => &[8],
    };
    let args: &[Option<u64>] = match section {
        "pubsub" => &[Some(1), Some(8), Some(64)],
        "submatch" => &[Some(1), Some(1000), Some(100_000)],
        "multipart" => &[Some(10)],
        "router" => &[Some(1), Some(100), Some(1000)],
        "weather" => &[Some(1), Some(5)],
        _ => &[None],
    };
    let mut cells = Vec::new();
    for transport in transports {
        for &size in sizes {
            for &arg in args {
                let (section, transport) = (section.to_owned(), (*transport).to_owned());
                cells.push(Cell { section, transport, size, arg });
            }
        }
    }
    cells
}

impl Cell {
    /// Whether every message must arrive: where nobody may drop, rates compare.
    pub fn is_lossless(&self) -> bool {
        matches!(self.section.as_str(), "pubsub" | "submatch")
    }

    /// How it reads in a table.
    pub fn title(&self) -> String {
        let (transport, size) = (&self.transport, bytes(self.size));
        let count = self.arg.unwrap_or(1);
        let some = |one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        match self.section.as_str() {
            "pubsub" | "weather" => format!("{transport}, {}", some("subscriber", "subscribers")),
            "submatch" => format!("{transport}, {}", some("prefix", "prefixes")),
            "multipart" => format!("{transport}, {} of {size}", some("frame", "frames")),
            "router" => format!("{transport}, {}", some("DEALER", "DEALERs")),
            _ => format!("{transport} {size}"),
        }
    }
}

/// "64 B", "8 KiB", "1 MiB".
pub fn bytes(size: u64) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_cells_and_a_quick_run_has_some_of_them() {
        for section in SECTIONS {
            let (all, quick) = (of_section(section, false), of_section(section, true));
            assert!(!quick.is_empty() && quick.iter().all(|cell| all.contains(cell)), "{section}");
        }
    }
}
