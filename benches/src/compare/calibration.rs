//! How many messages make a run of the wanted length.

use crate::cells::Cell;
use crate::program::Program;

const FEWEST: u64 = 100;
const ATTEMPTS: usize = 6;

/// The number of messages with which `program` takes about `seconds`.
pub fn count(program: &Program, cell: &Cell, seconds: f64, quick: bool) -> Result<u64, String> {
    if cell.section == "weather" {
        // Its result is a time, so the work is the same for all; one run shows that it works.
        let updates = if quick { 1_000_000 } else { 10_000_000 };
        return program.run(cell, updates).map(|_| updates);
    }
    let mut count = first_count(cell);
    for _ in 0..ATTEMPTS {
        let took = duration(cell, count, program.run(cell, count)?);
        match next(count, took, seconds) {
            Next::Enough(enough) => return Ok(enough),
            Next::Again(more) => count = more,
        }
    }
    Ok(count)
}

fn first_count(cell: &Cell) -> u64 {
    match cell.section.as_str() {
        "latency" => 2000,
        "router" => 4000,
        _ if cell.size >= 65536 => 500,
        _ => 20_000,
    }
}

/// How long the measured part of a run took, in seconds, from what it printed.
fn duration(cell: &Cell, count: u64, numbers: [f64; 4]) -> f64 {
    let count = count as f64;
    match cell.section.as_str() {
        "latency" => count * numbers[3] * 1e-6,
        // Published messages were counted, deliveries were printed.
        "pubsub" => count * cell.arg.unwrap_or(1) as f64 / numbers[0].max(1.0),
        _ => count / numbers[0].max(1.0),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Enough(u64),
    Again(u64),
}

/// A third of the wanted time is enough to extrapolate from; before that the count grows in steps.
fn next(count: u64, took: f64, wanted: f64) -> Next {
    if took >= wanted / 3.0 {
        Next::Enough(((count as f64 * wanted / took) as u64).max(FEWEST))
    } else if took > wanted / 50.0 {
        Next::Again(count * 4)
    } else {
        Next::Again(count * 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::of_section;

    #[test]
    fn the_count_grows_until_it_can_be_extrapolated() {
        assert_eq!(next(1000, 0.001, 0.3), Next::Again(20_000));
        assert_eq!(next(1000, 0.05, 0.3), Next::Again(4000));
        assert_eq!(next(1000, 0.1, 0.3), Next::Enough(3000));
        assert_eq!(next(1000, 0.6, 0.3), Next::Enough(500));
        assert_eq!(next(1000, 60.0, 0.3), Next::Enough(FEWEST));
    }

    #[test]
    fn the_duration_follows_from_what_a_mode_prints() {
        let first = |section| of_section(section, true).remove(0);
        assert_eq!(duration(&first("throughput"), 1000, [500.0, 0.0, 0.0, 0.0]), 2.0);
        assert_eq!(duration(&first("latency"), 1000, [1.0, 2.0, 3.0, 2000.0]), 2.0);
        let eight = &of_section("pubsub", true)[1];
        assert_eq!(duration(eight, 1000, [4000.0, 0.0, 0.0, 0.0]), 2.0);
    }
}
