//! A plane with axes to draw on.

use serde_json::Value;

use super::{
    Caption, Chart,
    axis::Axis,
    style::{Look, Marker},
    svg::{Pixel, Svg, pixel},
};
use crate::Table;

/// The size, margins and axes of a chart before anything is drawn.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) caption: Caption,
    /// Pixels.
    pub(super) size: (u32, u32),
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The space left of the plotting area for the labels of the y axis, in pixels.
    pub(super) left: u32,
    /// The space right of the plotting area for labels, in pixels.
    pub(super) right: u32,
    /// The space below everything else for a legend, in pixels.
    pub(super) beneath: u32,
    pub(super) grid: GridLines,
    /// The numbers that are drawn, for whoever cannot see the picture or wants them exactly.
    pub(super) numbers: Option<Table>,
    /// What the script of a page needs to show the numbers under a pointer.
    pub(super) hover: Option<Value>,
}

/// The direction of the grid lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GridLines {
    Horizontal,
    Vertical,
    Both,
}

pub(super) struct Canvas {
    pub(super) svg: Svg,
    pub(super) plane: Plane,
}

/// The part of a chart between its axes, in pixels.
pub(super) struct Plane {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    x: Axis,
    y: Axis,
}

/// Draws a chart.
pub(super) fn draw(frame: Frame, paint: impl FnOnce(&mut Canvas)) -> Chart {
    let mut canvas = Canvas {
        svg: Svg::default(),
        plane: Plane::of(&frame),
    };
    canvas.axes(frame.grid);
    canvas.titles(&frame);
    paint(&mut canvas);
    let plane = [
        canvas.plane.left,
        canvas.plane.top,
        canvas.plane.right,
        canvas.plane.bottom,
    ];
    let hover = frame.hover.map(|mut hover| {
        hover["plane"] = plane.into();
        hover["x"] = [frame.x.low, frame.x.high].into();
        hover
    });
    Chart {
        title: frame.title,
        caption: frame.caption,
        numbers: frame.numbers,
        body: canvas.svg.into_text(),
        size: frame.size,
        hover: hover.map(|hover| hover.to_string()),
        narrow: None,
        is_map: false,
    }
}

impl Plane {
    fn of(frame: &Frame) -> Self {
        let (width, height) = (f64::from(frame.size.0), f64::from(frame.size.1));
        let below = match (frame.x.ticks.is_empty(), frame.x.title.is_empty()) {
            (true, _) => 8.0,
            (false, true) => 24.0,
            (false, false) => 40.0,
        };
        Self {
            left: frame.left.into(),
            top: if frame.y.title.is_empty() { 8.0 } else { 26.0 },
            right: (width - f64::from(frame.right)).max(f64::from(frame.left) + 20.0),
            bottom: height - below - f64::from(frame.beneath),
            x: frame.x.clone(),
            y: frame.y.clone(),
        }
    }

    /// Returns the pixel of a point of the plane.
    pub(super) fn at(&self, (x, y): (f64, f64)) -> Pixel {
        pixel(
            self.left + (self.right - self.left) * self.x.share(x),
            self.bottom - (self.bottom - self.top) * self.y.share(y),
        )
    }
}

impl Canvas {
    fn axes(&mut self, grid: GridLines) {
        let Plane {
            left,
            top,
            right,
            bottom,
            ..
        } = self.plane;
        let (x, y) = (self.plane.x.ticks.clone(), self.plane.y.ticks.clone());
        let (low_x, low_y) = (self.plane.x.low, self.plane.y.low);
        for (at, label) in &y {
            let height = self.plane.at((low_x, *at)).y.round() + 0.5;
            if matches!(grid, GridLines::Horizontal | GridLines::Both) {
                self.svg
                    .rule(pixel(left, height), pixel(right, height), "grid");
            }
            self.svg.text(pixel(left - 7.0, height), label, "muted e");
        }
        for (at, label) in &x {
            let across = self.plane.at((*at, low_y)).x.round() + 0.5;
            match grid {
                GridLines::Vertical | GridLines::Both => {
                    self.svg
                        .rule(pixel(across, top), pixel(across, bottom), "grid");
                }
                GridLines::Horizontal => {
                    self.svg
                        .rule(pixel(across, bottom), pixel(across, bottom + 4.0), "axis");
                }
            }
            self.svg
                .text(pixel(across, bottom + 13.0), label, "muted c");
        }
        self.svg.rule(
            pixel(left, bottom + 0.5),
            pixel(right, bottom + 0.5),
            "axis",
        );
    }

    fn titles(&mut self, frame: &Frame) {
        let middle = f64::midpoint(self.plane.left, self.plane.right);
        let below = f64::from(frame.size.1.saturating_sub(frame.beneath)) - 9.0;
        self.svg
            .text(pixel(middle, below), &frame.x.title, "muted c");
        self.svg.text(pixel(4.0, 11.0), &frame.y.title, "muted");
    }

    /// Draws a line through `points`, broken where one is not finite.
    pub(super) fn line(&mut self, points: &[(f64, f64)], look: Look, width: f64) {
        for piece in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            let pixels: Vec<Pixel> = piece.iter().map(|at| self.plane.at(*at)).collect();
            self.svg.line(&pixels, look, width);
        }
    }

    /// Draws a line in a group of its own colour.
    pub(super) fn coloured_line(&mut self, points: &[(f64, f64)], look: Look, width: f64) {
        self.in_colour(look, None, |canvas| canvas.line(points, look, width));
    }

    /// Draws `paint` in the colour of `look`; `series` is the number of its line.
    pub(super) fn in_colour(
        &mut self,
        look: Look,
        series: Option<usize>,
        paint: impl FnOnce(&mut Self),
    ) {
        let outside = std::mem::take(&mut self.svg);
        paint(self);
        let inside = std::mem::replace(&mut self.svg, outside);
        self.svg
            .group(look.class, series, |svg| svg.append(&inside));
    }

    /// Draws a band between `low` and `high`, each from left to right.
    pub(super) fn band(&mut self, low: &[(f64, f64)], high: &[(f64, f64)]) {
        let around: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
        let finite = around.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        if finite && around.len() > 3 {
            let pixels: Vec<Pixel> = around.iter().map(|at| self.plane.at(*at)).collect();
            self.svg.area(&pixels);
        }
    }

    /// Draws a mark in the colour of its group.
    pub(super) fn mark(&mut self, at: (f64, f64), marker: Marker, radius: f64) {
        if !(at.0.is_finite() && at.1.is_finite()) {
            return;
        }
        let Pixel { x, y } = self.plane.at(at);
        let r = radius;
        match marker {
            Marker::Disc => self.svg.disc(pixel(x, y), r),
            Marker::Ring => self.svg.ring(pixel(x, y), r),
            Marker::Triangle => self.svg.polygon(&[
                pixel(x, y - r - 1.0),
                pixel(x + r, y + r * 0.7),
                pixel(x - r, y + r * 0.7),
            ]),
            Marker::Cross => {
                let plain = super::style::INK;
                for (dx, dy) in [(r, r), (r, -r)] {
                    self.svg
                        .line(&[pixel(x - dx, y - dy), pixel(x + dx, y + dy)], plain, 1.5);
                }
            }
        }
    }

    /// Draws a mark in a group of its own colour.
    pub(super) fn coloured_mark(&mut self, at: (f64, f64), look: Look, radius: f64) {
        self.in_colour(look, None, |canvas| canvas.mark(at, look.marker, radius));
    }

    /// Writes labels in the right margin, each near its height, without overlap, and with a piece
    /// of its line.
    pub(super) fn labels(&mut self, labels: &[Label], right_edge: f64) {
        let heights = labels
            .iter()
            .map(|l| self.plane.at((right_edge, l.height)).y);
        let wanted: Vec<f64> = heights.collect();
        let x = self.plane.right;
        for (label, y) in labels.iter().zip(spread(&wanted, self.plane.bottom)) {
            let class = format!("label {}", label.look.class);
            self.svg.group(&class, label.series, |svg| {
                svg.line(&[pixel(x + 5.0, y), pixel(x + 23.0, y)], label.look, 2.0);
                svg.text(pixel(x + 27.0, y), &label.text, "big");
            });
        }
    }

    /// Writes labels one below the other under the axis, each after a piece of its line. The first
    /// one stands at the height `top`.
    pub(super) fn legend(&mut self, labels: &[Label], top: f64) {
        for (i, label) in labels.iter().enumerate() {
            let y = top + LINE * i as f64;
            let class = format!("label {}", label.look.class);
            self.svg.group(&class, label.series, |svg| {
                svg.line(&[pixel(4.0, y), pixel(30.0, y)], label.look, 2.0);
                svg.text(pixel(36.0, y), &label.text, "");
            });
        }
    }
}

/// The distance between two labels, in pixels.
const LINE: f64 = 16.0;

/// Returns the height that a legend of `labels` labels needs, in pixels.
pub(super) fn legend_height(labels: usize) -> u32 {
    LINE as u32 * labels as u32
}

/// A label in the right margin.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) height: f64,
    pub(super) look: Look,
    /// The number of the line that it names.
    pub(super) series: Option<usize>,
}

/// Returns the width that labels of so many characters need, in pixels.
pub(super) fn margin(labels: impl Iterator<Item = usize>) -> u32 {
    wide_margin(labels).min(190)
}

/// Returns what [`margin`] returns, without a limit.
pub(super) fn wide_margin(labels: impl Iterator<Item = usize>) -> u32 {
    34 + 7 * labels.max().unwrap_or(0) as u32
}

/// Returns heights near the wanted ones, at least a line apart, and above `bottom` if they fit.
fn spread(wanted: &[f64], bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.to_vec();
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].max(placed[pair[0]] + LINE);
    }
    // All labels together move back up by half of the largest shift.
    let shifts = placed.iter().zip(wanted).map(|(p, w)| p - w);
    let push = shifts.fold(0.0, f64::max) / 2.0;
    let top = placed.iter().copied().fold(f64::INFINITY, f64::min);
    let lowest = placed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let push = push.max(lowest - bottom).min((top - 10.0).max(0.0));
    placed.iter().map(|y| y - push).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        let placed = spread(&[100.0, 100.0, 40.0, 103.0], 300.0);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[1] - w[0] >= 16.0), "{placed:?}");
        assert!(placed[2] < placed[0]);
        assert_eq!(spread(&[10.0, 200.0], 300.0), [10.0, 200.0]);
        assert_eq!(
            spread(&[100.0, 104.0], 100.0),
            [84.0, 100.0],
            "labels stay above the bottom"
        );
    }
}
