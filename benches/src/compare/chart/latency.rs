//! Round trips of the smallest messages: a panel for each transport, three bars for each program.

use super::axis::LogAxis;
use super::svg::{Anchor, Svg};
use super::{TRANSPORTS, circumstances, colour};
use crate::Result;
use crate::cells::{Cell, bytes};
use crate::results::Results;
use crate::tables::number;

const WIDTH: f64 = 1240.0;
const TOP: f64 = 100.0;
const LEFT: f64 = 130.0;
const PANEL: f64 = 310.0;
const GAP: f64 = 50.0;
const BAR: f64 = 12.0;
const ROW: f64 = 3.0 * BAR + 16.0;
const PERCENTILES: [(&str, f64); 3] = [("p50", 1.0), ("p90", 0.6), ("p99", 0.3)];

pub fn draw(results: &Results) -> Result<String> {
    let cells = results.cells("latency");
    let size = cells.iter().map(|cell| cell.size).min().ok_or("there are no figures of latency to draw")?;
    let cells: Vec<&Cell> = cells.into_iter().filter(|cell| cell.size == size).collect();
    let bottom = TOP + ROW * results.programs().len() as f64;

    let title = format!("REQ/REP round trip, {}, unpinned: p50, p90, p99", bytes(size));
    let mut svg = Svg::new(WIDTH, bottom + 90.0, &title);
    svg.title((20.0, 30.0), &title);
    svg.small((20.0, 50.0), Anchor::Start, &circumstances(results));
    for (row, program) in results.programs().iter().enumerate() {
        svg.label((LEFT - 10.0, TOP + (row as f64 + 0.5) * ROW + 4.0), Anchor::End, program);
    }
    for (index, transport) in TRANSPORTS.iter().enumerate() {
        let left = LEFT + index as f64 * (PANEL + GAP);
        svg.heading((left + PANEL / 2.0, TOP - 20.0), transport);
        match cells.iter().find(|cell| cell.transport == *transport) {
            Some(cell) => panel(&mut svg, results, &cells, cell, left, bottom),
            None => svg.small((left + PANEL / 2.0, TOP + ROW), Anchor::Middle, "not measured"),
        }
    }
    legend(&mut svg, bottom + 65.0);
    Ok(svg.finish())
}

/// All panels have the axis of all `cells`, so that they compare.
fn panel(svg: &mut Svg, results: &Results, cells: &[&Cell], cell: &Cell, left: f64, bottom: f64) {
    let programs = results.programs();
    let all_of =
        |program: &&str| cells.iter().flat_map(|cell| times(results, cell, program)).collect::<Vec<_>>();
    let Some(axis) =
        LogAxis::decades(&programs.iter().flat_map(all_of).collect::<Vec<_>>(), left, left + PANEL)
    else {
        return;
    };
    for tick in axis.ticks() {
        let x = axis.position(tick);
        svg.grid_line((x, TOP), (x, bottom));
        svg.small((x, bottom + 18.0), Anchor::Middle, &tick.to_string());
    }
    svg.small(
        (left + PANEL / 2.0, bottom + 36.0),
        Anchor::Middle,
        "microseconds (logarithmic), less is better",
    );

    for (row, program) in programs.iter().enumerate() {
        let top = TOP + row as f64 * ROW + 8.0;
        let times = times(results, cell, program);
        if times.is_empty() {
            svg.small((left + 6.0, top + ROW / 2.0 - 4.0), Anchor::Start, "no figure");
        }
        for (index, (time, (_, opacity))) in times.iter().zip(PERCENTILES).enumerate() {
            let y = top + index as f64 * BAR;
            let width = (axis.position(*time) - left).max(1.0);
            svg.bar((left, y), width, BAR - 2.0, colour(results, program), opacity);
            svg.small((left + width + 4.0, y + BAR - 3.0), Anchor::Start, &number(*time));
        }
    }
}

/// p50, p90 and p99, or nothing.
fn times(results: &Results, cell: &Cell, program: &str) -> Vec<f64> {
    (0..PERCENTILES.len()).filter_map(|index| results.median(cell, program, index)).collect()
}

fn legend(svg: &mut Svg, y: f64) {
    for (index, (name, opacity)) in PERCENTILES.iter().enumerate() {
        let x = LEFT + index as f64 * 90.0;
        svg.bar((x, y), 24.0, BAR, super::LIMIT_COLOUR, *opacity);
        svg.label((x + 32.0, y + BAR - 2.0), Anchor::Start, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::example;

    #[test]
    fn each_program_has_three_bars_in_each_panel_it_has_figures_for() {
        let text = draw(&example()).unwrap();
        // Two programs in three panels, one in two, and the legend; `fill-opacity` belongs to bars alone.
        assert_eq!(text.matches("fill-opacity").count(), 3 * (2 * 3 + 2) + 3);
        assert_eq!(text.matches(">no figure<").count(), 1);
    }

    #[test]
    fn without_figures_there_is_no_chart() {
        let empty = Results { facts: Vec::new(), runs: Vec::new() };
        assert!(draw(&empty).is_err());
    }
}
