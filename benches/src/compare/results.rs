//! The figures of a full run, and the file they are kept in: facts as `# name: value`, then one line for each run.

use crate::cells::Cell;
use std::fmt::Write;

const HEADER: &str = "section,transport,size,arg,program,messages,first,second,third,fourth";

#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub cell: Cell,
    pub program: String,
    pub messages: u64,
    /// As `zmq_bench` prints them in this mode.
    pub numbers: [f64; 4],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    pub facts: Vec<(String, String)>,
    pub runs: Vec<Run>,
}

impl Run {
    pub fn new(cell: &Cell, program: &str, messages: u64, numbers: [f64; 4]) -> Run {
        Run { cell: cell.clone(), program: program.to_owned(), messages, numbers }
    }
}

impl Results {
    pub fn fact(&self, name: &str) -> &str {
        self.facts.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The programs in the order of their columns.
    pub fn programs(&self) -> Vec<&str> {
        self.fact("programs").split(',').filter(|name| !name.is_empty()).collect()
    }

    pub fn is_limit(&self, program: &str) -> bool {
        self.fact("limits").split(',').any(|limit| limit == program)
    }

    /// The cells of a section for which there are figures.
    pub fn cells(&self, section: &str) -> Vec<&Cell> {
        let mut cells = Vec::new();
        for run in self.runs.iter().filter(|run| run.cell.section == section) {
            if !cells.contains(&&run.cell) {
                cells.push(&run.cell);
            }
        }
        cells
    }

    /// The median of one of the four numbers over all runs; `None` without any.
    pub fn median(&self, cell: &Cell, program: &str, number: usize) -> Option<f64> {
        let of_both = |run: &&Run| run.cell == *cell && run.program == program;
        median(self.runs.iter().filter(of_both).map(|run| run.numbers[number]).collect())
    }

    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            let _ = writeln!(text, "# {name}: {value}");
        }
        let _ = writeln!(text, "{HEADER}");
        for Run { cell, program, messages, numbers: [first, second, third, fourth] } in &self.runs {
            let Cell { section, transport, size, arg } = cell;
            let arg = arg.map_or(String::new(), |arg| arg.to_string());
            let _ = writeln!(
                text,
                "{section},{transport},{size},{arg},{program},{messages},{first},{second},{third},{fourth}"
            );
        }
        text
    }

    pub fn from_csv(text: &str) -> Result<Results, String> {
        let mut results = Results { facts: Vec::new(), runs: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            if let Some((name, value)) = line.strip_prefix("# ").and_then(|fact| fact.split_once(": ")) {
                results.facts.push((name.to_owned(), value.to_owned()));
            } else if line != HEADER && !line.is_empty() {
                let run = run_of(line).ok_or(format!("line {} is none of {HEADER}: {line}", index + 1))?;
                results.runs.push(run);
            }
        }
        Ok(results)
    }
}

fn run_of(line: &str) -> Option<Run> {
    let words: Vec<&str> = line.split(',').collect();
    let [section, transport, size, arg, program, messages, first, second, third, fourth] = words[..] else {
        return None;
    };
    let arg = if arg.is_empty() { None } else { Some(arg.parse().ok()?) };
    let (section, transport) = (section.to_owned(), transport.to_owned());
    let cell = Cell { section, transport, size: size.parse().ok()?, arg };
    let numbers = four_numbers(&[first, second, third, fourth].join(" "))?;
    Some(Run::new(&cell, program, messages.parse().ok()?, numbers))
}

/// The first four words of a line.
pub fn four_numbers(line: &str) -> Option<[f64; 4]> {
    let mut words =
        line.split_whitespace().map(|word| word.parse().ok().filter(|number: &f64| number.is_finite()));
    let mut next = || words.next().flatten();
    Some([next()?, next()?, next()?, next()?])
}

/// The number after `key=` in a line.
pub fn extra(line: &str, key: &str) -> Option<f64> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(numbers[middle]),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::cells::of_section;

    /// Two programs and a limit in all quick cells; the second lacks the first cell of each section.
    pub fn example() -> Results {
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let facts = vec![
            fact("date", "2026-01-02 03:04 UTC"),
            fact("programs", "zmq-native,libzmq,raw"),
            fact("limits", "raw"),
            fact("version of libzmq", "4.3.5"),
        ];
        let mut runs = Vec::new();
        for section in crate::cells::SECTIONS {
            for (index, cell) in of_section(section, true).iter().enumerate() {
                runs.push(Run::new(cell, "zmq-native", 1000, [2e6, 2.5e6, 3e6, 2.25e6]));
                runs.push(Run::new(cell, "raw", 1000, [8e6, 9e6, 1e7, 8.5e6]));
                if index > 0 {
                    runs.push(Run::new(cell, "libzmq", 100, [1e6, 1.5e6, 2e6, 1.25]));
                }
            }
        }
        Results { facts, runs }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 3.0, 4.0]), Some(3.5));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let results = example();
        assert_eq!(Results::from_csv(&results.to_csv()), Ok(results));
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let text = format!("# date: today\n{HEADER}\nlatency,tcp,8,,libzmq,10,1,2,3,x\n");
        assert!(Results::from_csv(&text).unwrap_err().contains("line 3"));
    }

    #[test]
    fn a_line_of_a_benchmark_is_understood() {
        let line = "1.5 2 3e6 4 delivered_pct=99.5 x=1\n";
        assert_eq!(four_numbers(line), Some([1.5, 2.0, 3e6, 4.0]));
        assert_eq!(extra(line, "delivered_pct"), Some(99.5));
        assert_eq!(extra(line, "delivered"), None);
        assert_eq!(four_numbers("1 2 NaN 4"), None);
        assert_eq!(four_numbers("1 2 3"), None);
    }
}
