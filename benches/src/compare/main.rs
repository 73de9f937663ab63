//! `compare`: runs `zmq_bench` and the same benchmark of other libraries, keeps the figures, and draws them.
//!
//! ```text
//! compare [--other NAME=PATH[,LABEL]]... [--limit NAME=PATH]... [--version-of NAME=VERSION]...
//!         [--sections A,B] [--reps 5] [--secs 0.3] [--quick] [--results FILE]
//! compare --draw [--results FILE] [--readme FILE]
//! ```
//!
//! The first form measures, prints tables and writes FILE; the second draws FILE into charts beside it and into tables
//! between two marks of the README. FILE is `benches/results/latest.csv` unless something else is said.
//!
//! `--other` is another ZeroMQ: a program with the command line of `zmq_bench`, `LABEL MODE TRANSPORT SIZE COUNT [ARG]`,
//! that prints four numbers with the same meanings (head of `src/main.rs`); LABEL is NAME unless given. `--limit` is
//! what the machine can do without a ZeroMQ; it is called with the labels of [`program::Program::label`], is measured in
//! `throughput` and `latency`, and is left out when the best of the others is looked for.
//!
//! How it measures: for each cell (mode, transport, size, ARG) and program a number of messages is found that takes
//! about `--secs`. Then everything in a section runs `--reps` times, in a new random order each time, and medians count.
//! A run that fails, takes over 30 s, or loses messages where none may be lost is said on standard error and does not
//! count; what has no run at all is `-` in the tables.

#![forbid(unsafe_code)]

mod calibration;
mod cells;
mod chart;
mod machine;
mod measuring;
mod options;
mod program;
mod results;
mod tables;

use options::Options;
use results::Results;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("compare: {reason}\nusage: head of benches/src/compare/main.rs");
            return ExitCode::from(2);
        }
    };
    match if options.draw { draw(&options) } else { measure(&options) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let programs = program::all(options)?;
    let mut results = Results { facts: machine::facts(options, &programs), runs: Vec::new() };
    for section in &options.sections {
        results.runs.extend(measuring::section(section, &programs, options));
        println!("{}", tables::section(&results, section));
    }
    results.facts.push(("load at the end".to_owned(), machine::load()));
    write(&options.results, &results.to_csv())?;
    println!("figures: {}", options.results.display());
    Ok(())
}

fn draw(options: &Options) -> Result<()> {
    let results = Results::from_csv(&read(&options.results)?)
        .map_err(|reason| format!("{}: {reason}", options.results.display()))?;
    let readme = tables::replace_between_marks(&read(&options.readme)?, &tables::report(&results))
        .map_err(|reason| format!("{}: {reason}", options.readme.display()))?;
    write(&options.results.with_file_name("throughput.svg"), &chart::throughput::draw(&results)?)?;
    write(&options.results.with_file_name("latency.svg"), &chart::latency::draw(&results)?)?;
    write(&options.readme, &readme)
}

fn read(path: &Path) -> Result<String> {
    Ok(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    Ok(fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?)
}
