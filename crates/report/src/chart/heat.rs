//! Heat maps: a measure over layers and steps, and attention over tokens.

use std::fmt::Write as _;

use gptlab_record::{Definition, Measure};
use plotters::style::{RGBColor, colors::colormaps::ViridisRGB};

use super::{
    Chart,
    axis::{Axis, extent},
    canvas::{self, Anchor, Canvas, Drawn, Frame, GridLines},
    curves::{self, Curve},
    style::{INK, MUTED},
};
use crate::{number, study::MeasureHistory, visible::one_line};

/// The largest numbers of columns and rows. If there are more, evenly spaced ones are drawn.
const MOST_COLUMNS: usize = 40;
const MOST_ROWS: usize = 40;
/// The number of shades. All cells of one shade form one path.
const SHADES: usize = 48;
/// The ratio of the largest to the smallest number above which shades are logarithmic.
const WIDE: f64 = 50.0;

/// Draws a measure: over steps if it has one place, over positions if its places are numbers, and
/// otherwise as a heat map of places and steps. Returns `None` if nothing is finite.
pub fn observation(measure: &MeasureHistory) -> Option<Chart> {
    let positions: Option<Vec<u64>> = measure.at.iter().map(|at| at.parse().ok()).collect();
    let title = measure.name.replace('_', " ");
    match (measure.at.as_slice(), positions) {
        ([_], _) => {
            let rows = measure.steps.iter().zip(&measure.values);
            let points = rows.filter_map(|(step, row)| Some((*step, *row.first()?)));
            let curve = Curve {
                label: String::new(),
                runs: vec![points.collect()],
            };
            curves::curves(&title, &title, &[curve], None)
        }
        (_, Some(positions)) => over_positions(&title, measure, &positions),
        (_, None) => over_steps(&title, measure),
    }
}

/// Draws a line for the first, the middle and the last observation.
fn over_positions(title: &str, measure: &MeasureHistory, positions: &[u64]) -> Option<Chart> {
    let last = measure
        .steps
        .len()
        .min(measure.values.len())
        .checked_sub(1)?;
    let mut chosen = vec![last, last / 2, 0];
    chosen.dedup();
    let curve = |i: usize| Curve {
        label: format!("step {}", measure.steps[i]),
        runs: vec![
            positions
                .iter()
                .copied()
                .zip(measure.values[i].iter().copied())
                .collect(),
        ],
    };
    let curves: Vec<Curve> = chosen.into_iter().map(curve).collect();
    curves::along("position", title, title, &curves, None)
}

fn over_steps(title: &str, measure: &MeasureHistory) -> Option<Chart> {
    let columns = chosen(measure.steps.len().min(measure.values.len()), MOST_COLUMNS);
    let rows = chosen(measure.at.len(), MOST_ROWS);
    let value = |c: usize, r: usize| measure.values[c].get(r).copied().unwrap_or(f64::NAN);
    let cells = rows
        .iter()
        .map(|r| columns.iter().map(|c| value(*c, *r)).collect());
    let across = columns
        .iter()
        .map(|c| measure.steps[*c].to_string())
        .collect();
    let left_out = if rows.len() < measure.at.len() || columns.len() < measure.steps.len() {
        " Evenly chosen rows and columns."
    } else {
        ""
    };
    let map = HeatMap {
        title: title.to_owned(),
        description: format!(
            "{}Rows: places from the model's beginning to its end. Columns: steps.{left_out}",
            meaning(&measure.name)
        ),
        cells: cells.collect(),
        rows: rows.iter().map(|r| measure.at[*r].clone()).collect(),
        columns: across,
        beneath: "step",
        row_height: 15,
    };
    map.draw()
}

/// Returns the definition of a measure, as sentences; nothing for an unknown measure.
fn meaning(name: &str) -> String {
    Measure::from_name(name).map_or_else(String::new, |measure| {
        let Definition {
            formula,
            unit,
            range,
            ..
        } = measure.definition();
        let unit = match unit {
            "1" => String::new(),
            unit => format!(", in {unit}"),
        };
        format!("The number is: {formula}{unit}. What to expect: {range}. ")
    })
}

/// Draws a matrix of numbers as shades. Returns `None` if no number is finite or the matrix does
/// not fit its names.
pub fn map(
    text: &MapText,
    rows: &[String],
    columns: &[String],
    cells: &[Vec<f64>],
) -> Option<Chart> {
    let fits = cells.len() == rows.len() && cells.iter().all(|row| row.len() == columns.len());
    let map = HeatMap {
        title: text.title.clone(),
        description: text.description.clone(),
        cells: cells.to_vec(),
        rows: rows.to_vec(),
        columns: columns.to_vec(),
        beneath: &text.beneath,
        row_height: (360 / rows.len().max(1) as u32).clamp(8, 20),
    };
    fits.then(|| map.draw()).flatten()
}

/// The texts around a heat map.
#[derive(Clone, Debug, Default)]
pub struct MapText {
    pub title: String,
    pub description: String,
    /// The title of the columns.
    pub beneath: String,
}

/// Draws attention weights: row `i` shows what token `i` attends to. Returns `None` if no weight is
/// finite or the matrix does not fit its labels.
pub fn attention(title: &str, weights: &[Vec<f64>], tokens: &[String]) -> Option<Chart> {
    let words = MapText {
        title: title.to_owned(),
        description:
            "Each row is a token; its shades are how much it attends to the token of each column."
                .to_owned(),
        beneath: "attended to".to_owned(),
    };
    map(&words, tokens, tokens, weights)
}

/// Returns the indices of at most `most` of `n` items, evenly spaced and including the last.
fn chosen(n: usize, most: usize) -> Vec<usize> {
    let kept = n.min(most);
    (0..kept)
        .map(|i| {
            if kept > 1 {
                i * (n - 1) / (kept - 1)
            } else {
                n - 1
            }
        })
        .collect()
}

struct HeatMap<'a> {
    title: String,
    description: String,
    cells: Vec<Vec<f64>>,
    rows: Vec<String>,
    columns: Vec<String>,
    beneath: &'a str,
    row_height: u32,
}

/// The mapping from numbers to shades.
#[derive(Clone, Copy)]
struct Shading {
    low: f64,
    high: f64,
    log: bool,
}

impl Shading {
    fn of(cells: &[Vec<f64>]) -> Option<Self> {
        let (low, high) = extent(cells.iter().flatten().copied())?;
        Some(Self {
            low,
            high,
            log: low > 0.0 && high > WIDE * low,
        })
    }

    /// Returns the relative position of a number in the range, from 0 to 1.
    fn share(self, x: f64) -> f64 {
        // Values are halved because the difference of two large numbers may overflow.
        let at = |x: f64| if self.log { x.ln() } else { x / 2.0 };
        let space = at(self.high) - at(self.low);
        if space > 0.0 {
            (at(x) - at(self.low)) / space
        } else {
            0.5
        }
    }

    /// Returns the shade of a number, or `None` if it is not finite.
    fn shade(self, x: f64) -> Option<usize> {
        x.is_finite()
            .then(|| ((self.share(x) * SHADES as f64) as usize).min(SHADES - 1))
    }
}

fn colour(shade: usize) -> RGBColor {
    ViridisRGB::get_color_normalized(shade as f64, 0.0, (SHADES - 1) as f64)
}

impl HeatMap<'_> {
    fn draw(mut self) -> Option<Chart> {
        let shading = Shading::of(&self.cells)?;
        let longest = self
            .rows
            .iter()
            .map(|r| r.chars().count())
            .max()
            .unwrap_or(0)
            .min(30) as u32;
        let (width, height) = (self.columns.len() as f64, self.rows.len() as f64);
        if shading.log {
            self.description.push_str(" Shades are logarithmic.");
        }
        let frame = Frame {
            title: self.title.clone(),
            description: self.description.clone(),
            size: (480, self.row_height * self.rows.len() as u32 + 54),
            x: Axis {
                low: 0.0,
                high: width,
                ticks: self.ticks(),
                title: self.beneath.to_owned(),
            },
            y: Axis {
                low: 0.0,
                high: height,
                ticks: Vec::new(),
                title: String::new(),
            },
            left: longest * 6 + 14,
            right: 74,
            grid: GridLines::None,
        };
        let (mut paths, mut key) = (String::new(), String::new());
        let chart = canvas::draw(frame, |canvas| {
            paths = self.paths(canvas, shading);
            key = key_of(canvas, width, height, shading)?;
            self.names(canvas)
        });
        chart.map(|chart| Chart {
            body: chart.body + &paths + &key,
            ..chart
        })
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let most = if self.beneath == "step" {
            5
        } else {
            MOST_COLUMNS
        };
        let at = chosen(self.columns.len(), most).into_iter();
        at.map(|i| (i as f64 + 0.5, one_line(&self.columns[i])))
            .collect()
    }

    fn names(&self, canvas: &mut Canvas) -> Drawn {
        let left = canvas.plane_left();
        for (i, name) in self.rows.iter().enumerate() {
            let row = canvas.pixel((0.0, self.row(i) + 0.5)).1;
            canvas.text((left - 6, row), &tail(name, 30), 10.0, INK, Anchor::Left)?;
        }
        Ok(())
    }

    /// Returns the height of the row's lower edge. The first row is on top.
    fn row(&self, i: usize) -> f64 {
        (self.rows.len() - 1 - i) as f64
    }

    /// Makes a path for each shade.
    fn paths(&self, canvas: &Canvas, shading: Shading) -> String {
        let mut by_shade = vec![String::new(); SHADES];
        for (i, row) in self.cells.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                let Some(shade) = shading.shade(*x) else {
                    continue;
                };
                let (left, top) = canvas.unit((j as f64, self.row(i) + 1.0));
                let (right, bottom) = canvas.unit((j as f64 + 1.0, self.row(i)));
                // Writing to a string cannot fail.
                let _ = write!(by_shade[shade], "M{left} {top}H{right}V{bottom}H{left}z");
            }
        }
        let used = by_shade.iter().enumerate().filter(|(_, d)| !d.is_empty());
        let path = |(shade, d)| format!("<path fill=\"{}\" d=\"{d}\"/>\n", hex(colour(shade)));
        used.map(path).collect()
    }
}

/// Draws the colour key, right of a plotting area of this width and height.
fn key_of(
    canvas: &mut Canvas,
    width: f64,
    height: f64,
    shading: Shading,
) -> Result<String, Box<dyn std::error::Error>> {
    let (x, top) = canvas.pixel((width, height));
    let bottom = canvas.pixel((width, 0.0)).1;
    let room = f64::from((bottom - top).min(160));
    let scale = f64::from(canvas::SCALE);
    let mut out = String::new();
    for shade in 0..SHADES {
        let y = (f64::from(top) + room * (1.0 - (shade + 1) as f64 / SHADES as f64)) * scale;
        let h = room / SHADES as f64 * scale + 1.0;
        let x = (x + 10) * canvas::SCALE as i32;
        let fill = hex(colour(shade));
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y:.0}\" width=\"32\" height=\"{h:.0}\" fill=\"{fill}\"/>"
        );
    }
    canvas.text(
        (x + 22, top + 5),
        &number::short(shading.high),
        10.0,
        MUTED,
        Anchor::Right,
    )?;
    canvas.text(
        (x + 22, top + room as i32 - 5),
        &number::short(shading.low),
        10.0,
        MUTED,
        Anchor::Right,
    )?;
    Ok(out)
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Returns the end of a long name, which is more specific than its start.
fn tail(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length - most + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_chosen_evenly() {
        assert_eq!(chosen(3, 40), [0, 1, 2]);
        assert_eq!(chosen(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(chosen(1, 5), [0]);
        assert_eq!(chosen(0, 5), [] as [usize; 0]);
    }

    #[test]
    fn shades_rise_with_numbers() {
        let shading = Shading::of(&[vec![1e-4, 1e-2, f64::NAN], vec![1.0, 0.5, 0.1]]).unwrap();
        assert!(shading.log, "four decades");
        assert_eq!(shading.shade(1e-4), Some(0));
        assert_eq!(shading.shade(1e-2), Some(SHADES / 2));
        assert_eq!(shading.shade(1.0), Some(SHADES - 1));
        assert_eq!(shading.shade(f64::NAN), None);
        assert!(Shading::of(&[vec![f64::NAN]]).is_none());
        let wide = Shading::of(&[vec![f64::MIN, 0.0, f64::MAX]]).unwrap();
        assert_eq!(wide.shade(0.0), Some(SHADES / 2));
        assert_eq!(wide.shade(f64::MAX), Some(SHADES - 1));
    }
}
