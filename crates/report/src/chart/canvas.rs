//! A plotting area with axes. Pixels are those of a page that shows the chart at its natural size;
//! the units of the SVG are finer, because the backend rounds to whole units.

use std::error::Error;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    Chart,
    axis::Axis,
    style::{GRID, INK, Look, MUTED, Marker, PAPER},
};
use crate::visible::one_line;

/// The number of SVG units per pixel.
pub(super) const SCALE: u32 = 4;
const S: i32 = SCALE as i32;

pub(super) type Drawn = Result<(), Box<dyn Error>>;
type SvgCanvas<'a> = SVGBackend<'a>;
type Area<'a> = DrawingArea<SvgCanvas<'a>, plotters::coord::Shift>;
type Plane = Cartesian2d<Axis, Axis>;

/// The size, margins and axes of a chart before anything is drawn.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) description: String,
    /// The width and height, in pixels.
    pub(super) size: (u32, u32),
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The space left of the plotting area for the labels of the y axis, in pixels.
    pub(super) left: u32,
    /// The space right of the plotting area for labels, in pixels.
    pub(super) right: u32,
    pub(super) grid: GridLines,
}

/// The direction of the grid lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GridLines {
    Horizontal,
    Vertical,
    Both,
    None,
}

/// The side of its point on which a text is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

pub(super) struct Canvas<'a> {
    area: Area<'a>,
    plane: ChartContext<'a, SvgCanvas<'a>, Plane>,
}

/// Draws a chart. Returns `None` if the backend fails, which is not expected.
pub(super) fn draw(frame: Frame, paint: impl FnOnce(&mut Canvas) -> Drawn) -> Option<Chart> {
    let size = (frame.size.0 * SCALE, frame.size.1 * SCALE);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&PAPER).ok()?;
        let mut canvas = Canvas::new(area, &frame).ok()?;
        paint(&mut canvas).ok()?;
        canvas.area.present().ok()?;
    }
    Some(Chart {
        title: frame.title,
        description: frame.description,
        body: inside(&text)?,
        size,
    })
}

/// Returns the contents of the root element, without attributes that have no effect.
fn inside(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(">\n")?;
    let body = rest.trim_end().strip_suffix("</svg>")?;
    let body = body
        .replace(" opacity=\"1\"", "")
        .replace(" font-family=\"sans-serif\"", "");
    Some(dashed(&body.replace(" \"", "\"")))
}

/// Encodes a dash in the width of a line, far above any real width. The backend has no dashes, and
/// a line drawn in pieces would be a hundred elements; [`dashed`] decodes the width into an
/// attribute.
fn dash_in_width(width: u32, (on, off): (u32, u32)) -> u32 {
    width + WIDEST * (on + WIDEST * off)
}

/// A number above every width and dash, in the SVG's units.
const WIDEST: u32 = 100;

fn dashed(body: &str) -> String {
    const WIDTH: &str = "stroke-width=\"";
    let mut pieces = body.split(WIDTH);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once('"').unwrap_or((piece, ""));
        let coded: u32 = number.parse().unwrap_or(SCALE);
        let (width, on, off) = (
            coded % WIDEST,
            coded / WIDEST % WIDEST,
            coded / WIDEST / WIDEST,
        );
        let dash = match on {
            0 => String::new(),
            on => format!(" stroke-dasharray=\"{on} {off}\""),
        };
        out += &[WIDTH, &width.to_string(), "\"", &dash, rest].concat();
    }
    out
}

pub(super) fn font(size: f64, colour: RGBColor, side: Anchor) -> TextStyle<'static> {
    let across = match side {
        Anchor::Left => HPos::Right,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Left,
    };
    // The backend divides sizes by 1.24.
    let font = ("sans-serif", size * 1.24 * f64::from(SCALE)).into_font();
    font.color(&colour).pos(Pos::new(across, VPos::Center))
}

impl<'a> Canvas<'a> {
    fn new(area: Area<'a>, frame: &Frame) -> Result<Self, Box<dyn Error>> {
        let below = if frame.x.title.is_empty() { 26 } else { 44 };
        let above = if frame.y.title.is_empty() { 10 } else { 28 };
        let mut plane = ChartBuilder::on(&area)
            .margin_top(above * S)
            .margin_right(frame.right as i32 * S)
            .x_label_area_size(if frame.x.ticks.is_empty() {
                8 * S
            } else {
                below * S
            })
            .y_label_area_size(frame.left as i32 * S)
            .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
        mesh(&mut plane, frame)?;
        let mut canvas = Self { area, plane };
        canvas.titles(frame)?;
        Ok(canvas)
    }

    fn titles(&mut self, frame: &Frame) -> Drawn {
        let (width, height) = (frame.size.0 as i32, frame.size.1 as i32);
        let middle = (frame.left as i32 + width - frame.right as i32) / 2;
        self.text(
            (middle, height - 10),
            &frame.x.title,
            12.0,
            MUTED,
            Anchor::Middle,
        )?;
        self.text((6, 12), &frame.y.title, 12.0, MUTED, Anchor::Right)
    }

    /// Returns the pixel of a point.
    pub(super) fn pixel(&self, at: (f64, f64)) -> (i32, i32) {
        let (x, y) = self.plane.backend_coord(&at);
        (x / S, y / S)
    }

    /// Returns the left edge of the plotting area, in pixels.
    pub(super) fn plane_left(&self) -> i32 {
        self.plane.plotting_area().get_pixel_range().0.start / S
    }

    /// Returns the position of a point in the SVG's units.
    pub(super) fn unit(&self, at: (f64, f64)) -> (i32, i32) {
        self.plane.backend_coord(&at)
    }

    pub(super) fn text(
        &mut self,
        at: (i32, i32),
        text: &str,
        size: f64,
        colour: RGBColor,
        side: Anchor,
    ) -> Drawn {
        if !text.is_empty() {
            let at = (at.0 * S, at.1 * S);
            self.area
                .draw(&Text::new(one_line(text), at, font(size, colour, side)))?;
        }
        Ok(())
    }

    /// Draws a line through `points`, interrupted at points that are not finite.
    pub(super) fn line(&mut self, points: &[(f64, f64)], look: Look, width: u32) -> Drawn {
        let width = width * SCALE / 2;
        let coded = look.dash.map_or(width, |dash| dash_in_width(width, dash));
        let style = look.colour.stroke_width(coded);
        for piece in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            self.plane
                .draw_series(LineSeries::new(piece.iter().copied(), style))?;
        }
        Ok(())
    }

    /// Fills the band between `low` and `high`, each from left to right.
    pub(super) fn band(
        &mut self,
        low: &[(f64, f64)],
        high: &[(f64, f64)],
        colour: RGBColor,
    ) -> Drawn {
        let around: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
        let finite = around.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        if finite && around.len() > 3 {
            self.plane
                .draw_series([Polygon::new(around, colour.mix(0.18))])?;
        }
        Ok(())
    }

    pub(super) fn dot(&mut self, at: (f64, f64), look: Look, radius: i32) -> Drawn {
        let r = radius * S;
        let stroke = look.colour.stroke_width(SCALE * 3 / 2);
        match look.marker {
            Marker::Disc => self
                .plane
                .draw_series([Circle::new(at, r, look.colour.filled())])
                .map(|_| ()),
            Marker::Ring => {
                self.plane
                    .draw_series([Circle::new(at, r, PAPER.filled())])?;
                self.plane
                    .draw_series([Circle::new(at, r, stroke)])
                    .map(|_| ())
            }
            Marker::Triangle => {
                let triangle = TriangleMarker::new(at, r + S, look.colour.filled());
                self.plane.draw_series([triangle]).map(|_| ())
            }
            Marker::Cross => self
                .plane
                .draw_series([Cross::new(at, r, stroke)])
                .map(|_| ()),
        }?;
        Ok(())
    }

    /// Writes labels in the right margin, each near its height, without overlap, and with a piece
    /// of its line.
    pub(super) fn labels(&mut self, labels: &[Label], right_edge: f64) -> Drawn {
        let wanted: Vec<i32> = labels
            .iter()
            .map(|l| self.pixel((right_edge, l.height)).1)
            .collect();
        let x = self
            .pixel((right_edge, labels.first().map_or(0.0, |l| l.height)))
            .0;
        let bottom = self.plane.plotting_area().get_pixel_range().1.end / S;
        for (label, y) in labels.iter().zip(spread(&wanted, bottom)) {
            let (size, colour) = match label.kind {
                LabelKind::Line => (13.0, INK),
                LabelKind::Guide => (11.0, MUTED),
            };
            self.swatch((x + 5, y), label.look)?;
            self.text((x + 27, y), &label.text, size, colour, Anchor::Right)?;
        }
        Ok(())
    }

    fn swatch(&mut self, at: (i32, i32), look: Look) -> Drawn {
        let coded = look
            .dash
            .map_or(SCALE * 2, |dash| dash_in_width(SCALE * 2, dash));
        let ends = [(at.0 * S, at.1 * S), ((at.0 + 18) * S, at.1 * S)];
        self.area
            .draw(&PathElement::new(ends, look.colour.stroke_width(coded)))?;
        Ok(())
    }
}

/// A label in the right margin.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) height: f64,
    pub(super) look: Look,
    pub(super) kind: LabelKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabelKind {
    Line,
    Guide,
}

/// Returns the width that labels need, in pixels.
pub(super) fn margin(labels: impl Iterator<Item = usize>) -> u32 {
    (34 + 7 * labels.max().unwrap_or(0) as u32).min(190)
}

/// Returns heights near the wanted ones, at least a line apart, and above `bottom` if they fit.
fn spread(wanted: &[i32], bottom: i32) -> Vec<i32> {
    const APART: i32 = 15;
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut placed = wanted.to_vec();
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].max(placed[pair[0]] + APART);
    }
    // All labels move back up together by half of the largest shift.
    let push: i32 = placed
        .iter()
        .zip(wanted)
        .map(|(p, w)| p - w)
        .max()
        .unwrap_or(0)
        / 2;
    let top = placed.iter().min().copied().unwrap_or(0);
    let below = placed.iter().max().map_or(0, |lowest| lowest - bottom);
    let push = push.max(below).min((top - 10).max(0));
    placed.iter().map(|y| y - push).collect()
}

fn mesh(plane: &mut ChartContext<SvgCanvas, Plane>, frame: &Frame) -> Drawn {
    let mut mesh = plane.configure_mesh();
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(MUTED.stroke_width(SCALE))
        .set_all_tick_mark_size(4 * S)
        .x_labels(frame.x.ticks.len().max(1))
        .y_labels(frame.y.ticks.len().max(1));
    match frame.grid {
        GridLines::Horizontal => mesh.disable_x_mesh(),
        GridLines::Vertical => mesh.disable_y_mesh(),
        GridLines::Both => &mut mesh,
        GridLines::None => mesh.disable_mesh(),
    };
    let style = font(12.0, MUTED, Anchor::Middle);
    mesh.x_label_style(style.clone())
        .y_label_style(style)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        let placed = spread(&[100, 100, 40, 103], 300);
        let mut sorted = placed.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|w| w[1] - w[0] >= 15), "{placed:?}");
        assert!(placed[2] < placed[0]);
        assert_eq!(spread(&[10, 200], 300), [10, 200]);
        assert_eq!(
            spread(&[100, 104], 100),
            [85, 100],
            "labels stay above the bottom"
        );
    }

    #[test]
    fn a_dash_travels_in_a_width() {
        let line = |width: u32| format!("<polyline stroke-width=\"{width}\" points=\"1,2\"/>");
        assert_eq!(dashed(&line(8)), line(8));
        assert_eq!(
            dashed(&line(dash_in_width(8, (32, 12)))),
            "<polyline stroke-width=\"8\" stroke-dasharray=\"32 12\" points=\"1,2\"/>"
        );
    }
}
