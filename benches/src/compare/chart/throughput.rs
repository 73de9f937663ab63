//! Messages per second by size: a panel for each transport, a line for each program.

use super::axis::LogAxis;
use super::svg::{Anchor, Svg};
use super::{OURS, TRANSPORTS, circumstances, colour};
use crate::Result;
use crate::cells::{Cell, bytes};
use crate::results::Results;
use crate::tables::number;

const WIDTH: f64 = 1240.0;
const HEIGHT: f64 = 520.0;
const TOP: f64 = 100.0;
const BOTTOM: f64 = 430.0;
const LEFT: f64 = 70.0;
const PANEL: f64 = 360.0;
const GAP: f64 = 30.0;

pub fn draw(results: &Results) -> Result<String> {
    let cells = results.cells("throughput");
    let rates: Vec<f64> = results.programs().iter().flat_map(|name| rates(results, &cells, name)).collect();
    let rate_axis =
        LogAxis::decades(&rates, BOTTOM, TOP).ok_or("there are no figures of throughput to draw")?;

    let title = "PUSH/PULL throughput by message size";
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    svg.title((20.0, 30.0), title);
    svg.small((20.0, 50.0), Anchor::Start, &circumstances(results));
    svg.upwards((18.0, (TOP + BOTTOM) / 2.0), "messages per second (logarithmic)");
    for (index, transport) in TRANSPORTS.iter().enumerate() {
        let left = LEFT + index as f64 * (PANEL + GAP);
        let here: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.transport == *transport).collect();
        panel(&mut svg, results, &here, left, &rate_axis);
        svg.heading((left + PANEL / 2.0, TOP - 20.0), transport);
    }
    legend(&mut svg, results);
    Ok(svg.finish())
}

fn rates(results: &Results, cells: &[&Cell], program: &str) -> Vec<f64> {
    cells.iter().filter_map(|cell| results.median(cell, program, 0)).collect()
}

fn panel(svg: &mut Svg, results: &Results, cells: &[&Cell], left: f64, rate_axis: &LogAxis) {
    for tick in rate_axis.ticks() {
        let y = rate_axis.position(tick);
        svg.grid_line((left, y), (left + PANEL, y));
        if left == LEFT {
            svg.small((left - 8.0, y + 4.0), Anchor::End, &power_of_ten(tick));
        }
    }
    let sizes: Vec<f64> = cells.iter().map(|cell| cell.size as f64).collect();
    let Some(size_axis) = LogAxis::exactly(&sizes, left + 20.0, left + PANEL - 20.0) else {
        svg.small((left + PANEL / 2.0, (TOP + BOTTOM) / 2.0), Anchor::Middle, "not measured");
        return;
    };
    for cell in cells {
        let x = size_axis.position(cell.size as f64);
        svg.grid_line((x, TOP), (x, BOTTOM));
        svg.small((x, BOTTOM + 18.0), Anchor::Middle, &bytes(cell.size));
    }
    svg.small((left + PANEL / 2.0, BOTTOM + 38.0), Anchor::Middle, "message size (logarithmic)");

    // Ours last: it lies above the others, with its numbers.
    for program in results.programs().into_iter().rev() {
        let points = points(results, cells, program, &size_axis, rate_axis);
        let width = if program == OURS { 3.0 } else { 1.8 };
        svg.curve(&points, colour(results, program), width, results.is_limit(program));
    }
    for (cell, (x, y)) in cells.iter().zip(points(results, cells, OURS, &size_axis, rate_axis)) {
        let rate = results.median(cell, OURS, 0).map_or(String::new(), number);
        svg.number((x, y - 9.0), colour(results, OURS), &rate);
    }
}

/// Where the line of a program goes through.
fn points(
    results: &Results,
    cells: &[&Cell],
    program: &str,
    size_axis: &LogAxis,
    rate_axis: &LogAxis,
) -> Vec<(f64, f64)> {
    let point = |cell: &&Cell| {
        let rate = results.median(cell, program, 0)?;
        Some((size_axis.position(cell.size as f64), rate_axis.position(rate)))
    };
    cells.iter().filter_map(point).collect()
}

fn legend(svg: &mut Svg, results: &Results) {
    let mut x = LEFT;
    for program in results.programs() {
        let limit = results.is_limit(program);
        let y = HEIGHT - 20.0;
        svg.curve(&[(x, y), (x + 24.0, y)], colour(results, program), 2.0, limit);
        let text = if limit {
            format!("{program} (no ZeroMQ: plain sockets, channels)")
        } else {
            program.to_owned()
        };
        svg.label((x + 34.0, y + 4.0), Anchor::Start, &text);
        x += 62.0 + 7.0 * text.len() as f64;
    }
}

/// "1", "10k", "100M".
fn power_of_ten(value: f64) -> String {
    number(value).replace(".00", "").replace(".0", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn each_program_has_a_line_in_each_panel_and_one_in_the_legend() {
        let text = draw(&example()).unwrap();
        assert_eq!(text.matches("<polyline").count(), 3 * 3 + 3);
        assert!(text.contains(">64 KiB<") && text.contains(">2.00M<") && text.contains("PUSH/PULL"));
    }

    #[test]
    fn without_figures_there_is_no_chart() {
        let empty = Results { facts: Vec::new(), runs: Vec::new() };
        assert!(draw(&empty).is_err());
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!([1.0, 10.0, 1e4, 1e8].map(power_of_ten), ["1", "10", "10k", "100M"]);
    }
}
