//! The charts: SVG without scripts, legible in light and in dark.

pub mod axis;
pub mod latency;
pub mod svg;
pub mod throughput;

use crate::program::OURS;
use crate::results::Results;

const TRANSPORTS: [&str; 3] = ["tcp", "ipc", "inproc"];
const OURS_COLOUR: &str = "#e5532d";
const LIMIT_COLOUR: &str = "#8b949e";
const COLOURS: [&str; 6] = ["#3b82d6", "#2f9e5b", "#b06ac9", "#c08a1e", "#159aa8", "#d0609a"];

/// The colour of a program is the same in all charts.
fn colour(results: &Results, program: &str) -> &'static str {
    if program == OURS {
        return OURS_COLOUR;
    }
    if results.is_limit(program) {
        return LIMIT_COLOUR;
    }
    let others = results.programs().into_iter().filter(|name| *name != OURS && !results.is_limit(name));
    COLOURS[others.take_while(|name| *name != program).count() % COLOURS.len()]
}

/// What stands below a title: when, where, what.
fn circumstances(results: &Results) -> String {
    let version = |name: &&str| match results.fact(&format!("version of {name}")) {
        "" => None,
        version => Some(format!("{name} {version}")),
    };
    let versions: Vec<String> = results.programs().iter().filter_map(version).collect();
    let facts = ["date", "machine", "system"].map(|name| results.fact(name).to_owned());
    facts
        .into_iter()
        .chain([versions.join(", ")])
        .filter(|fact| !fact.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
