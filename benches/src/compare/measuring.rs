//! Runs a section: every cell with every program, interleaved.

use crate::calibration;
use crate::cells::{self, Cell};
use crate::options::Options;
use crate::program::Program;
use crate::results::Run;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// One program in one cell.
struct Job<'a> {
    program: &'a Program,
    cell: Cell,
    count: u64,
}

/// All runs, those of one job one after the other.
pub fn section(section: &str, programs: &[Program], options: &Options) -> Vec<Run> {
    let jobs = jobs(section, programs, options);
    let mut runs: Vec<(usize, Run)> = Vec::new();
    for repetition in 1..=options.repetitions {
        eprintln!("{section}: repetition {repetition} of {}", options.repetitions);
        for index in random_order(jobs.len()) {
            let Job { program, cell, count } = &jobs[index];
            match program.run(cell, *count) {
                Ok(numbers) => runs.push((index, Run::new(cell, &program.name, *count, numbers))),
                Err(reason) => report(program, cell, &reason),
            }
        }
    }
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(_, run)| run).collect()
}

fn jobs<'a>(section: &str, programs: &'a [Program], options: &Options) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for cell in cells::of_section(section, options.quick) {
        for program in programs.iter().filter(|program| program.label(&cell).is_some()) {
            match calibration::count(program, &cell, options.seconds, options.quick) {
                Ok(count) => jobs.push(Job { program, cell: cell.clone(), count }),
                Err(reason) => report(program, &cell, &reason),
            }
        }
    }
    jobs
}

fn report(program: &Program, cell: &Cell, reason: &str) {
    eprintln!("no figure: {}, {}, {}: {reason}", program.name, cell.section, cell.title());
}

/// The numbers below `count`, shuffled: hashes with new keys are order enough.
fn random_order(count: usize) -> Vec<usize> {
    let keys = RandomState::new();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_cached_key(|index| keys.hash_one(index));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_order_has_everything_once_and_changes() {
        let orders: Vec<_> = (0..10).map(|_| random_order(20)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert!(orders.iter().any(|order| *order != orders[0]));
    }
}
