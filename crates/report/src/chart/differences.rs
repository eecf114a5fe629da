//! The difference of each variant from the baseline, with its confidence interval.

use gptlab_record::{PairedDifference, SIGNIFICANT, Verdict};

use super::{
    Chart,
    axis::Axis,
    canvas::{self, Anchor, Canvas, Drawn, Frame, GridLines},
    style::{BLUE, INK, Look, MUTED, Marker, VERMILION},
};
use crate::{Arm, Study, number, table::typeset};

struct VariantDifference<'a> {
    name: &'a str,
    difference: PairedDifference,
    verdict: Option<Verdict>,
}

/// The height of a variant, in pixels.
const LINE: u32 = 24;
const WIDTH: u32 = 520;

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
    let ends = bars.iter().flat_map(|b| {
        let d = b.difference;
        let (low, high) = d.interval().unwrap_or((d.mean, d.mean));
        [0.0, d.mean, low, high]
    });
    let title = "difference in validation loss, nats a token";
    let x = Axis::linear(ends, title, 6)?.padded(0.03);
    let longest = bars
        .iter()
        .map(|b| b.name.chars().count())
        .max()
        .unwrap_or(0) as u32;
    let frame = Frame {
        title: "Difference to the baseline".to_owned(),
        description: describe(&bars),
        size: (WIDTH, LINE * bars.len() as u32 + 64),
        x,
        y: rows(bars.len()),
        left: (longest * 8 + 16).min(230),
        right: 74,
        grid: GridLines::Vertical,
    };
    let height = bars.len() as f64;
    canvas::draw(frame, |canvas| {
        let zero = Look {
            colour: INK,
            dash: None,
            marker: Marker::Disc,
        };
        canvas.line(&[(0.0, 0.0), (0.0, height)], zero, 2)?;
        bars.iter()
            .enumerate()
            .try_for_each(|(i, bar)| paint(canvas, bar, height - 0.5 - i as f64))
    })
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

fn paint(canvas: &mut Canvas, bar: &VariantDifference, y: f64) -> Drawn {
    let d = bar.difference;
    let look = look(bar.verdict);
    if let Some((low, high)) = d.interval() {
        canvas.line(&[(low, y), (high, y)], Look { dash: None, ..look }, 5)?;
    }
    canvas.dot((d.mean, y), look, 4)?;
    let row = canvas.pixel((d.mean, y)).1;
    let left = canvas.plane_left();
    canvas.text((left - 8, row), bar.name, 13.0, INK, Anchor::Left)?;
    let value = typeset(&number::signed(d.mean));
    canvas.text((WIDTH as i32 - 6, row), &value, 12.0, MUTED, Anchor::Left)
}

/// Returns vermilion for worse, blue for better, and hollow grey for all other verdicts.
fn look(verdict: Option<Verdict>) -> Look {
    let (colour, marker) = match verdict {
        Some(Verdict::Worse) => (VERMILION, Marker::Disc),
        Some(Verdict::Better) => (BLUE, Marker::Disc),
        Some(
            Verdict::Baseline
            | Verdict::NotSignificant
            | Verdict::NotTested
            | Verdict::TooShort
            | Verdict::NoLoss,
        )
        | None => (MUTED, Marker::Ring),
    };
    Look {
        colour,
        dash: None,
        marker,
    }
}

fn describe(bars: &[VariantDifference]) -> String {
    let intervals = bars.iter().any(|b| b.difference.interval().is_some());
    let lines = if intervals {
        "Lines are 95 % confidence intervals of the paired difference, corrected for the number of comparisons. "
    } else {
        ""
    };
    format!(
        "To the right is worse than the baseline, to the left better. {lines}Filled: corrected p \
         below {SIGNIFICANT}; hollow: not significant, or too short to tell."
    )
}
