//! Tables in Markdown, and their place in a README.

use crate::cells::SECTIONS;
use crate::program::OURS;
use crate::results::Results;
use std::fmt::Write;

const BEGIN: &str = "<!-- compare: drawn by `compare --draw`; do not edit -->";
const END: &str = "<!-- compare: end -->";

/// What stands above the table of a section, and whether less is better.
fn heading(section: &str) -> (&'static str, bool) {
    match section {
        "throughput" => ("PUSH/PULL, messages/s", false),
        "latency" => ("REQ/REP, round trip in us, p50, unpinned", true),
        "pubsub" => ("PUB/SUB lossless, 64 B, delivered/s", false),
        "submatch" => ("matching, a tenth of the messages wanted, 64 B, published/s", false),
        "multipart" => ("PUSH/PULL, multipart, messages/s", false),
        "router" => ("ROUTER echo, 8 B, round trips/s", false),
        _ => ("the Guide's weather service, s", true),
    }
}

/// Everything about a run: facts, charts, tables.
pub fn report(results: &Results) -> String {
    let mut text = facts(results);
    text += "\n![PUSH/PULL throughput by size](results/throughput.svg)\n";
    text += "\n![REQ/REP round trips](results/latency.svg)\n";
    for section in SECTIONS.iter().filter(|section| !results.cells(section).is_empty()) {
        text += "\n";
        text += &self::section(results, section);
    }
    text
}

fn facts(results: &Results) -> String {
    let fact = |name| results.fact(name);
    let versions: Vec<String> = results
        .facts
        .iter()
        .filter_map(|(name, version)| Some(format!("{} {version}", name.strip_prefix("version of ")?)))
        .collect();
    let mut text = format!(
        "{}; {}; {}; load {} at the start, {} at the end. {}. Medians of {} runs of about {} s, interleaved in random \
         order; default options, but lossless where it says so.\n",
        fact("date"),
        fact("machine"),
        fact("system"),
        fact("load at the start"),
        fact("load at the end"),
        versions.join(", "),
        fact("repetitions"),
        fact("seconds of a run"),
    );
    if !fact("limits").is_empty() {
        let _ = writeln!(
            text,
            "`{}` is no ZeroMQ but what the machine can do: plain sockets, written in batches of 64 KiB or blocking in \
             each read, and channels between threads. It does not count as one of the others.",
            fact("limits")
        );
    }
    text += "`-`: not offered, failed, or lost messages.\n";
    text
}

/// One table, with ratios: above 1 we are better.
pub fn section(results: &Results, section: &str) -> String {
    let (title, less_is_better) = heading(section);
    let programs = results.programs();
    let mut text = format!("| {title} | {} | to libzmq | to the best other |\n", programs.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(programs.len() + 2));
    for cell in results.cells(section) {
        let of = |program: &str| results.median(cell, program, 0);
        let others = programs.iter().filter(|name| **name != OURS && !results.is_limit(name));
        let best =
            others.filter_map(|name| of(name)).reduce(if less_is_better { f64::min } else { f64::max });
        let ratio = |other: Option<f64>| match (of(OURS), other) {
            (Some(ours), Some(other)) if less_is_better => format!("{:.2}", other / ours),
            (Some(ours), Some(other)) => format!("{:.2}", ours / other),
            _ => "-".to_owned(),
        };
        let figures: Vec<String> =
            programs.iter().map(|name| of(name).map_or("-".to_owned(), number)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell.title(),
            figures.join(" | "),
            ratio(of("libzmq")),
            ratio(best)
        );
    }
    text
}

/// Three digits that count: "5.55M", "296k", "21.9k", "46.5", "0.31".
pub fn number(value: f64) -> String {
    let (scaled, unit) = match value {
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match scaled {
        100.0.. => format!("{scaled:.0}{unit}"),
        10.0.. => format!("{scaled:.1}{unit}"),
        _ => format!("{scaled:.2}{unit}"),
    }
}

/// `document` with `text` between its two marks.
pub fn replace_between_marks(document: &str, text: &str) -> Result<String, String> {
    let missing = || format!("the lines {BEGIN:?} and {END:?} are wanted, in this order");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{text}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn numbers_have_three_digits() {
        let texts = [5_554_321.0, 296_000.0, 21_900.0, 46.51, 0.312, 1e9].map(number);
        assert_eq!(texts, ["5.55M", "296k", "21.9k", "46.5", "0.31", "1.00G"]);
    }

    #[test]
    fn ratios_say_how_much_better_we_are() {
        let results = example();
        let throughput = section(&results, "throughput");
        assert!(throughput.contains("| tcp 64 B | 2.00M | - | 8.00M | - | - |"), "{throughput}");
        assert!(throughput.contains("| tcp 1 KiB | 2.00M | 1.00M | 8.00M | 2.00 | 2.00 |"), "{throughput}");
        let latency = section(&results, "latency");
        assert!(latency.contains("| ipc 8 B | 2.00M | 1.00M | 8.00M | 0.50 | 0.50 |"), "{latency}");
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replace_between_marks(&document, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replace_between_marks(&once, "new\n").as_ref(), Ok(&once));
        assert!(replace_between_marks("no marks", "new").is_err());
    }

    #[test]
    fn a_report_has_charts_and_a_table_for_each_section() {
        let report = report(&example());
        assert_eq!(report.matches("| --- |").count(), SECTIONS.len());
        assert!(report.contains("libzmq 4.3.5") && report.contains("results/latency.svg"));
    }
}
