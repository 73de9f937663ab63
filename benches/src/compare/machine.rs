//! What a reader must know beside the figures: when, where, with which versions.

use crate::options::Options;
use crate::program::{OURS, Program};
use std::process::Command;
use std::{fs, thread};

/// Facts by name, in the order in which they are told.
pub fn facts(options: &Options, programs: &[Program]) -> Vec<(String, String)> {
    let mut facts = vec![
        ("date", command("date", &["-u", "+%F %H:%M UTC"])),
        ("machine", processor()),
        ("system", command("uname", &["-sr"])),
        ("repetitions", options.repetitions.to_string()),
        ("seconds of a run", options.seconds.to_string()),
        ("load at the start", load()),
        ("programs", names(programs, |_| true)),
        ("limits", names(programs, Program::is_limit)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let mut facts: Vec<_> = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut versions = options.versions.clone();
    if !versions.iter().any(|(name, _)| name == OURS) {
        versions.insert(0, (OURS.to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    }
    facts.extend(versions.into_iter().map(|(name, version)| (format!("version of {name}"), version)));
    facts
}

/// Processes that ran or wanted to, over the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("unknown").to_owned()
}

fn names(programs: &[Program], wanted: impl Fn(&Program) -> bool) -> String {
    let names: Vec<_> =
        programs.iter().filter(|program| wanted(program)).map(|program| program.name.as_str()).collect();
    names.join(",")
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let virtual_machine = if text.contains(" hypervisor") { ", virtual machine" } else { "" };
    format!("{model}, {cores} CPUs{virtual_machine}")
}

fn command(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}
