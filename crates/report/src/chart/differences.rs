//! The difference of each variant from the baseline, with its confidence interval.

use gptlab_record::{PairedDifference, SIGNIFICANT, Verdict};

use super::{
    Caption, Chart,
    axis::Axis,
    canvas::{self, Canvas, Frame, GridLines},
    style::{BETTER, INK, Look, MUTED, Marker, WORSE},
    svg::pixel,
};
use crate::{
    Arm, Study, Table, number,
    table::{Column, TableCell, typeset},
    words::display_width,
};

struct VariantDifference<'a> {
    name: &'a str,
    difference: PairedDifference,
    verdict: Option<Verdict>,
}

/// The height of a variant, in pixels.
const LINE: u32 = 26;
const WIDTH: u32 = 620;
const NARROW: u32 = 340;

/// Draws a dot and its 95 % interval for each variant with a difference, the largest first. Returns
/// `None` if there is none.
pub fn differences(study: &Study) -> Option<Chart> {
    let bar = |arm: &'_ Arm| {
        let difference = arm.row.as_ref()?.difference?;
        let verdict = study.verdict(arm).map(|found| found.verdict);
        Some((arm.variant.name.clone(), difference, verdict))
    };
    let known: Vec<(String, PairedDifference, Option<Verdict>)> =
        study.arms.iter().filter_map(bar).collect();
    let mut bars: Vec<VariantDifference> = known
        .iter()
        .map(|(name, difference, verdict)| VariantDifference {
            name,
            difference: *difference,
            verdict: *verdict,
        })
        .collect();
    bars.retain(|b| b.difference.mean.is_finite());
    bars.sort_by(|a, b| b.difference.mean.total_cmp(&a.difference.mean));
    Some(draw(&bars, WIDTH)?.with_narrow(draw(&bars, NARROW)?))
}

fn draw(bars: &[VariantDifference], width: u32) -> Option<Chart> {
    let ends = bars.iter().flat_map(|b| {
        let d = b.difference;
        let (low, high) = d.interval().unwrap_or((d.mean, d.mean));
        [0.0, d.mean, low, high]
    });
    let title = "difference in validation loss, nats";
    let most_ticks = if width < WIDTH { 3 } else { 6 };
    let x = Axis::linear(ends, title, most_ticks)?.padded(0.03);
    let longest = bars
        .iter()
        .map(|b| display_width(b.name))
        .max()
        .unwrap_or(0) as u32;
    let frame = Frame {
        title: "How much each variant changes the validation loss".to_owned(),
        caption: describe(bars),
        size: (width, LINE * bars.len() as u32 + 64),
        x,
        y: rows(bars.len()),
        left: (longest * 7 + 16).min(230),
        right: 74,
        beneath: 0,
        grid: GridLines::Vertical,
        numbers: Some(listed(bars)),
        hover: None,
    };
    let height = bars.len() as f64;
    Some(canvas::draw(frame, |canvas| {
        canvas.coloured_line(&[(0.0, 0.0), (0.0, height)], INK, 1.0);
        for (i, bar) in bars.iter().enumerate() {
            paint(canvas, bar, height - 0.5 - i as f64);
        }
    }))
}

/// Lists the differences and their intervals.
fn listed(bars: &[VariantDifference]) -> Table {
    let mut columns = vec![Column::words("variant")];
    columns.extend(["difference", "low", "high", "p"].map(Column::numbers));
    let mut table = Table::new("Differences of validation losses, nats per token", columns);
    let cell = |x: Option<f64>, say: fn(f64) -> String| {
        x.map_or_else(TableCell::default, |x| TableCell::number(say(x), x))
    };
    for bar in bars {
        let d = bar.difference;
        let (low, high) = d.interval().unzip();
        table.push(vec![
            TableCell::text(bar.name),
            cell(Some(d.mean), number::signed),
            cell(low, number::signed),
            cell(high, number::signed),
            cell(
                d.corrected.map_or(d.p, |corrected| corrected.p),
                number::p_value,
            ),
        ]);
    }
    table.without_empty_columns()
}

/// Makes an axis of `n` rows of equal height.
fn rows(n: usize) -> Axis {
    Axis {
        low: 0.0,
        high: n as f64,
        ticks: Vec::new(),
        title: String::new(),
    }
}

fn paint(canvas: &mut Canvas, bar: &VariantDifference, y: f64) {
    let d = bar.difference;
    let look = look(bar.verdict);
    if let Some((low, high)) = d.interval() {
        canvas.coloured_line(&[(low, y), (high, y)], look, 2.5);
    }
    canvas.coloured_mark((d.mean, y), look, 4.5);
    let row = canvas.plane.at((d.mean, y)).y;
    let left = canvas.plane.left;
    canvas.svg.text(pixel(left - 8.0, row), bar.name, "big e");
    let value = typeset(&number::signed(d.mean));
    canvas
        .svg
        .text(pixel(canvas.plane.right + 68.0, row), &value, "muted e");
}

/// Returns vermilion for worse, blue for better, and hollow grey for all other verdicts.
fn look(verdict: Option<Verdict>) -> Look {
    match verdict {
        Some(Verdict::Worse) => return WORSE,
        Some(Verdict::Better) => return BETTER,
        Some(
            Verdict::Baseline
            | Verdict::NotSignificant
            | Verdict::NotTested
            | Verdict::TooShort
            | Verdict::NoLoss,
        )
        | None => {}
    }
    Look {
        marker: Marker::Ring,
        ..MUTED
    }
}

fn describe(bars: &[VariantDifference]) -> Caption {
    let intervals = bars.iter().any(|b| b.difference.interval().is_some());
    let lines = if intervals {
        " Lines are 95 % confidence intervals of the paired difference, corrected for the number of comparisons."
    } else {
        ""
    };
    Caption::new(format!(
        "To the right is worse than the baseline, to the left better.{lines} Filled: corrected p below {SIGNIFICANT}; \
         hollow: not significant, or too short to tell."
    ))
}
