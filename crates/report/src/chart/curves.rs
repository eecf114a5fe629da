//! Charts of losses over steps.

use gptlab_record::Floors;
use serde_json::{Value, json};

use super::{
    Caption, Chart,
    axis::{Axis, extent},
    canvas::{self, Canvas, Frame, GridLines, Label},
    style::{Look, MOST_LISTED_LOOKS, MOST_LOOKS, look_of},
    svg::pixel,
};
use crate::{
    Table, number, phrases,
    study::mean,
    table::{Column, TableCell},
    visible::one_line,
    words::display_width,
};

/// The losses by step of all runs of a variant, which make one line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub label: String,
    pub runs: Vec<Vec<(u64, f64)>>,
}

/// The texts of a chart of curves, and its size.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveText {
    pub title: String,
    pub caption: Caption,
    /// What the curves are over, such as `step`.
    pub over: String,
    /// What is measured, with its unit.
    pub measure: String,
    /// Pixels.
    pub size: (u32, u32),
    pub legend: Legend,
}

/// Where the names of the curves stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legend {
    /// Right of the curves, of which there are at most seven.
    Beside,
    /// Like `Beside`, for up to 28 curves with longer names. The picture is as high as they need,
    /// and on a narrow screen they stand below it.
    Listed,
    /// Nowhere.
    Absent,
}

/// The size of a chart on a narrow screen.
pub(super) const NARROW: (u32, u32) = (340, 280);

impl CurveText {
    pub fn new(title: impl Into<String>, measure: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            caption: Caption::default(),
            over: "step".to_owned(),
            measure: measure.into(),
            size: (620, 340),
            legend: Legend::Beside,
        }
    }

    /// Returns the number of curves that are drawn at most.
    fn most(&self) -> usize {
        match self.legend {
            Legend::Beside | Legend::Absent => MOST_LOOKS,
            Legend::Listed => MOST_LISTED_LOOKS,
        }
    }
}

/// The size of a chart that is one of several.
pub(super) const SMALL: (u32, u32) = (290, 190);
/// The most points of a line that are drawn; more could not be seen.
const MOST_POINTS: usize = 240;
/// The most steps whose numbers are listed below the picture.
const MOST_LISTED: usize = 21;
/// The pixels between an axis and the legend below it.
const LEGEND_GAP: u32 = 12;
/// The pixels of a chart above and below its labels.
const TOP_AND_BOTTOM: u32 = 66;
/// Losses above this multiple of the loss of blind guessing are drawn at the upper edge.
const CEILING: f64 = 1.25;

/// Draws curves with bands from the lowest to the highest seed, and the losses of n-gram baselines
/// as dotted lines. Returns `None` if no loss is finite. Curves that could not be distinguished
/// from others ([`Legend`]) are left out, and the caption says so.
pub fn curves(text: &CurveText, curves: &[Curve], floors: Option<&Floors>) -> Option<Chart> {
    let shown = &curves[..curves.len().min(text.most())];
    let draw = |text: &CurveText| {
        let scales = Scales::of(text, shown, floors)?;
        Some(scales.draw(text, curves, &look_of))
    };
    let narrow = CurveText {
        size: NARROW,
        ..text.clone()
    };
    let chart = draw(text)?;
    Some(if text.size.0 > NARROW.0 {
        chart.with_narrow(draw(&narrow)?)
    } else {
        chart
    })
}

/// The axes of one or of several charts of curves.
pub(super) struct Scales {
    x: Axis,
    y: Axis,
    ceiling: f64,
    guides: Vec<phrases::Guide>,
}

impl Scales {
    /// Returns axes that hold all of `curves`.
    pub(super) fn of(text: &CurveText, curves: &[Curve], floors: Option<&Floors>) -> Option<Self> {
        let most_ticks = if is_small(text) { 3 } else { 5 };
        let x = Axis::linear(steps(curves), &text.over, most_ticks)?;
        let (low, high) = extent(losses(curves))?;
        let ceiling = floors
            .map_or(high, |f| high.min(CEILING * f.uniform))
            .max(low);
        let guides = guides_between(floors, low, ceiling);
        let heights = [low, ceiling]
            .into_iter()
            .chain(guides.iter().map(|g| g.loss));
        let y = Axis::linear(heights, &text.measure, most_ticks)?.padded(0.04);
        Some(Self {
            x,
            y,
            ceiling,
            guides,
        })
    }

    pub(super) fn draw(
        &self,
        text: &CurveText,
        curves: &[Curve],
        look: &dyn Fn(usize) -> Look,
    ) -> Chart {
        let shown = &curves[..curves.len().min(text.most())];
        let lines: Vec<DrawnCurve> = shown.iter().map(|c| line_of(c, self.ceiling)).collect();
        let labels = match text.legend {
            Legend::Beside | Legend::Listed => labels(&lines, look),
            Legend::Absent => Vec::new(),
        };
        let edge = self.x.high;
        let (width, height) = text.size;
        let listed_height = canvas::legend_height(labels.len());
        let lengths = labels.iter().map(|l| display_width(&l.text));
        let (height, right, beneath) = match text.legend {
            Legend::Listed if is_small(text) => {
                let beneath = listed_height + LEGEND_GAP;
                (height + beneath, 26, beneath)
            }
            Legend::Listed => (
                height.max(listed_height + TOP_AND_BOTTOM),
                canvas::wide_margin(lengths),
                0,
            ),
            Legend::Beside => (height, canvas::margin(lengths), 0),
            Legend::Absent => (height, 14, 0),
        };
        let frame = Frame {
            title: text.title.clone(),
            caption: describe(&text.caption, curves, shown.len(), &self.guides),
            size: (width, height),
            x: self.x.clone(),
            y: self.y.clone(),
            left: left_of(&self.y),
            right: if labels.is_empty() { 14 } else { right },
            beneath,
            grid: GridLines::Horizontal,
            numbers: Some(listed(text, &lines)),
            hover: Some(hover(text, &lines)),
        };
        canvas::draw(frame, |canvas| {
            paint(canvas, &lines, look);
            self.guides(canvas);
            if beneath > 0 {
                let top = f64::from(height - beneath + LEGEND_GAP);
                canvas.legend(&labels, top);
            } else {
                canvas.labels(&labels, edge);
            }
        })
    }

    /// Lists the numbers of all of `curves`.
    pub(super) fn numbers(&self, text: &CurveText, curves: &[Curve]) -> Table {
        let lines: Vec<DrawnCurve> = curves.iter().map(|c| line_of(c, self.ceiling)).collect();
        listed(text, &lines)
    }

    /// Draws the n-gram baselines, each with its name on its line. Where two lines are too close
    /// for both names, the second one stands further left.
    fn guides(&self, canvas: &mut Canvas) {
        const LINE: f64 = 13.0;
        let mut placed: Vec<(f64, usize)> = Vec::new();
        let (left, right) = (canvas.plane.left, canvas.plane.right);
        let mut sorted: Vec<&phrases::Guide> = self.guides.iter().collect();
        sorted.sort_by(|a, b| b.loss.total_cmp(&a.loss));
        let height =
            |plane: &canvas::Plane, loss: f64| plane.at((self.x.low, loss)).y.round() + 0.5;
        // All lines come first, so that none strikes a name out.
        for guide in &sorted {
            let y = height(&canvas.plane, guide.loss);
            canvas.svg.rule(pixel(left, y), pixel(right, y), "guide");
        }
        for guide in sorted {
            let y = height(&canvas.plane, guide.loss);
            let taken = |column: usize| {
                let near = |(other, at): &(f64, usize)| *at == column && (other - y).abs() < LINE;
                placed.iter().any(near)
            };
            let column = (0..4).find(|column| !taken(*column)).unwrap_or(0);
            placed.push((y, column));
            let x = right - 4.0 - 58.0 * column as f64;
            canvas
                .svg
                .text(pixel(x, y), &guide.short, "muted small halo e");
        }
    }
}

fn is_small(text: &CurveText) -> bool {
    text.size.0 < 400
}

/// Returns how many pixels the labels of an axis need.
fn left_of(y: &Axis) -> u32 {
    let longest = y.ticks.iter().map(|(_, label)| label.chars().count());
    longest.max().unwrap_or(0) as u32 * 7 + 12
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

fn labels(lines: &[DrawnCurve], look: &dyn Fn(usize) -> Look) -> Vec<Label> {
    let label = |(i, line): (usize, &DrawnCurve)| {
        Some(Label {
            text: Some(&line.label).filter(|l| !l.is_empty())?.clone(),
            height: line.mean.last()?.1,
            look: look(i),
            series: Some(i),
        })
    };
    lines.iter().enumerate().filter_map(label).collect()
}

fn paint(canvas: &mut Canvas, lines: &[DrawnCurve], look: &dyn Fn(usize) -> Look) {
    for (i, line) in lines.iter().enumerate() {
        canvas.in_colour(look(i), Some(i), |canvas| {
            canvas.band(&line.low, &line.high);
        });
    }
    for (i, line) in lines.iter().enumerate().rev() {
        let look = look(i);
        canvas.in_colour(look, Some(i), |canvas| {
            canvas.line(&line.mean, look, 2.0);
            if let [only] = line.mean.as_slice() {
                canvas.mark(*only, look.marker, 3.0);
            }
        });
    }
}

/// Lists the numbers of evenly chosen steps.
fn listed(text: &CurveText, lines: &[DrawnCurve]) -> Table {
    let mut columns = vec![Column::numbers(&text.over)];
    let name = |line: &DrawnCurve| {
        let label = if line.label.is_empty() {
            &text.title
        } else {
            &line.label
        };
        Column::numbers(label)
    };
    columns.extend(lines.iter().map(name));
    let mut table = Table::new(&text.title, columns);
    let mut steps: Vec<u64> = lines
        .iter()
        .flat_map(|l| l.mean.iter().map(|p| p.0 as u64))
        .collect();
    steps.sort_unstable();
    steps.dedup();
    let every = steps.len().div_ceil(MOST_LISTED).max(1);
    let last = steps.len().saturating_sub(1);
    for (i, step) in steps.into_iter().enumerate() {
        if i % every != 0 && i != last {
            continue;
        }
        let mut row = vec![TableCell::count(step)];
        for line in lines {
            let found = line.mean.iter().find(|p| p.0 as u64 == step);
            row.push(found.map_or_else(TableCell::default, |p| {
                TableCell::number(number::short(p.1), p.1)
            }));
        }
        table.push(row);
    }
    table
}

/// Returns the points of all lines.
fn hover(text: &CurveText, lines: &[DrawnCurve]) -> Value {
    let exact = |x: f64| number::short(x).parse::<f64>().ok();
    let series: Vec<Value> = lines
        .iter()
        .map(|line| {
            let points = line.mean.iter().map(|p| json!([p.0, exact(p.1)]));
            json!({"label": one_line(&line.label), "points": points.collect::<Vec<_>>()})
        })
        .collect();
    json!({"kind": "lines", "over": one_line(&text.over), "series": series})
}

fn describe(
    caption: &Caption,
    curves: &[Curve],
    shown: usize,
    guides: &[phrases::Guide],
) -> Caption {
    let mut said = vec![caption.drawn.clone()];
    let seeds = curves.iter().map(|c| c.runs.len()).max().unwrap_or(0);
    if seeds > 1 {
        said.push(format!(
            "Means of {seeds} seeds; bands reach from the lowest to the highest seed."
        ));
    }
    if !guides.is_empty() {
        said.push("Dotted: the losses of n-gram baselines, which only count.".to_owned());
    }
    if shown < curves.len() {
        said.push(format!("{} more are not drawn.", curves.len() - shown));
    }
    said.retain(|s| !s.is_empty());
    Caption {
        drawn: said.join(" "),
        ..caption.clone()
    }
}
