//! Charts of losses over steps.

use gptlab_record::Floors;

use super::{
    Chart,
    axis::{Axis, extent},
    canvas::{self, Canvas, Drawn, Frame, GridLines, Label, LabelKind},
    style::{GRID, Look, MOST_LOOKS, MUTED, Marker, look_of},
};
use crate::{phrases, study::mean};

/// The losses by step of all runs of a variant, which make one line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub label: String,
    pub runs: Vec<Vec<(u64, f64)>>,
}

/// The largest number of points drawn per line; more would be indistinguishable.
const MOST_POINTS: usize = 240;
/// Losses above this multiple of the uniform loss are drawn at the upper edge.
const CEILING: f64 = 1.25;

/// Draws curves with bands from the lowest to the highest seed, and guide lines. Returns `None` if
/// no loss is finite. More than seven curves could not be distinguished; the rest are left out, and
/// the description says so.
pub fn curves(
    title: &str,
    measure: &str,
    curves: &[Curve],
    floors: Option<&Floors>,
) -> Option<Chart> {
    along("step", title, measure, curves, floors)
}

/// Draws [`curves`] over a quantity other than steps.
pub(super) fn along(
    over: &str,
    title: &str,
    measure: &str,
    curves: &[Curve],
    floors: Option<&Floors>,
) -> Option<Chart> {
    let shown = &curves[..curves.len().min(MOST_LOOKS)];
    let x = Axis::linear(steps(shown), over, 5)?;
    let (low, high) = extent(losses(shown))?;
    let high = floors
        .map_or(high, |f| high.min(CEILING * f.uniform))
        .max(low);
    let lines: Vec<DrawnCurve> = shown.iter().map(|c| line_of(c, high)).collect();
    let guides = guides_between(floors, low, high);
    let heights = [low, high].into_iter().chain(guides.iter().map(|g| g.loss));
    let y = Axis::linear(heights, measure, 5)?.padded(0.04);
    let labels = labels(&lines, &guides);
    let edge = x.high;
    let frame = Frame {
        title: title.to_owned(),
        description: describe(curves, shown.len(), &guides),
        size: (460, 300),
        x,
        y,
        left: 44,
        right: canvas::margin(labels.iter().map(|l| l.text.chars().count())),
        grid: GridLines::Horizontal,
    };
    canvas::draw(frame, |canvas| {
        paint(canvas, &lines, &guides, edge)?;
        canvas.labels(&labels, edge)
    })
}

/// The drawn form of a curve.
struct DrawnCurve {
    label: String,
    mean: Vec<(f64, f64)>,
    low: Vec<(f64, f64)>,
    high: Vec<(f64, f64)>,
}

fn steps(curves: &[Curve]) -> impl Iterator<Item = f64> {
    let points = curves.iter().flat_map(|c| c.runs.iter().flatten());
    points.map(|(step, _)| *step as f64)
}

fn losses(curves: &[Curve]) -> impl Iterator<Item = f64> {
    let points = curves.iter().flat_map(|c| c.runs.iter().flatten());
    points.map(|(_, loss)| *loss)
}

/// Returns the mean over the runs, and the band, at the steps of the longest run. After some runs
/// have diverged, it is the mean of the others.
fn line_of(curve: &Curve, ceiling: f64) -> DrawnCurve {
    let longest = curve.runs.iter().max_by_key(|run| run.len());
    let steps = thinned(longest.map_or(&[], Vec::as_slice));
    let mut line = DrawnCurve {
        label: curve.label.clone(),
        mean: Vec::new(),
        low: Vec::new(),
        high: Vec::new(),
    };
    for step in steps {
        let at: Vec<f64> = curve
            .runs
            .iter()
            .filter_map(|run| at_step(run, step))
            .filter(|x| x.is_finite())
            .collect();
        let Some(((low, high), mean)) = extent(at.iter().copied()).zip(mean(&at)) else {
            continue;
        };
        let x = step as f64;
        line.mean.push((x, mean.min(ceiling)));
        line.low.push((x, low.min(ceiling)));
        line.high.push((x, high.min(ceiling)));
    }
    line
}

fn at_step(run: &[(u64, f64)], step: u64) -> Option<f64> {
    let at = run.binary_search_by_key(&step, |(step, _)| *step).ok()?;
    Some(run[at].1)
}

/// Returns evenly chosen steps of a run, the last step among them.
fn thinned(run: &[(u64, f64)]) -> Vec<u64> {
    let every = run.len().div_ceil(MOST_POINTS).max(1);
    let last = run.len().saturating_sub(1);
    let keep = |(i, _): &(usize, &(u64, f64))| i % every == 0 || *i == last;
    run.iter()
        .enumerate()
        .filter(keep)
        .map(|(_, (step, _))| *step)
        .collect()
}

/// Returns the guides between the curves, or just outside.
fn guides_between(floors: Option<&Floors>, low: f64, high: f64) -> Vec<phrases::Guide> {
    let room = (high - low).max(0.1) * 0.35;
    let mut guides = floors.map_or_else(Vec::new, phrases::guides);
    guides.retain(|g| (low - room..=high + room).contains(&g.loss));
    guides
}

const GUIDE: Look = Look {
    colour: MUTED,
    dash: Some((4, 12)),
    marker: Marker::Disc,
};

fn labels(lines: &[DrawnCurve], guides: &[phrases::Guide]) -> Vec<Label> {
    let line = |(i, line): (usize, &DrawnCurve)| {
        Some(Label {
            text: line.label.clone(),
            height: line.mean.last()?.1,
            look: look_of(i),
            kind: LabelKind::Line,
        })
    };
    let guide = |guide: &phrases::Guide| Label {
        text: guide.short.clone(),
        height: guide.loss,
        look: GUIDE,
        kind: LabelKind::Guide,
    };
    let lines = lines.iter().enumerate().filter_map(line);
    lines.chain(guides.iter().map(guide)).collect()
}

fn paint(canvas: &mut Canvas, lines: &[DrawnCurve], guides: &[phrases::Guide], edge: f64) -> Drawn {
    let begin = lines
        .iter()
        .filter_map(|l| l.mean.first())
        .map(|p| p.0)
        .fold(edge, f64::min);
    for guide in guides {
        let quiet = Look {
            colour: GRID,
            dash: None,
            ..GUIDE
        };
        canvas.line(&[(begin, guide.loss), (edge, guide.loss)], quiet, 2)?;
        canvas.line(&[(begin, guide.loss), (edge, guide.loss)], GUIDE, 2)?;
    }
    for (i, line) in lines.iter().enumerate() {
        canvas.band(&line.low, &line.high, look_of(i).colour)?;
    }
    for (i, line) in lines.iter().enumerate().rev() {
        let look = look_of(i);
        canvas.line(&line.mean, look, 4)?;
        if let [only] = line.mean.as_slice() {
            canvas.dot(*only, look, 3)?;
        }
    }
    Ok(())
}

fn describe(curves: &[Curve], shown: usize, guides: &[phrases::Guide]) -> String {
    let mut sentences = Vec::new();
    let seeds = curves.iter().map(|c| c.runs.len()).max().unwrap_or(0);
    sentences.push(match seeds {
        0 | 1 => "One seed.".to_owned(),
        n => format!("Means of {n} seeds; bands reach from the lowest to the highest seed."),
    });
    if !guides.is_empty() {
        sentences.push("Dotted: the losses of predictors that are not models.".to_owned());
    }
    if shown < curves.len() {
        sentences.push(format!("{} more are not drawn.", curves.len() - shown));
    }
    sentences.join(" ")
}
