//! A writer of SVG elements. Its lengths are pixels of a page that shows the picture at its own
//! size.
//!
//! A chart library would draw axes and lines as well, but knows no classes, no dashes, no titles of
//! elements and no groups, which the dark form, the script and screen readers need.

use std::fmt::Write as _;

use super::{escaped, style::Look};
use crate::visible::one_line;

/// A point in pixels, from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pixel {
    pub(super) x: f64,
    pub(super) y: f64,
}

pub(super) const fn pixel(x: f64, y: f64) -> Pixel {
    Pixel { x, y }
}

/// Elements, in the order in which they are painted.
#[derive(Clone, Debug, Default)]
pub(super) struct Svg(String);

impl Svg {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Adds all elements of `other`.
    pub(super) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Adds an element as it is written.
    fn add(&mut self, element: &str) {
        self.0.push_str(element);
        self.0.push('\n');
    }

    /// Draws `paint` in a group of this class. `series` is the number of the line that the group
    /// belongs to, by which the script of a page finds all that is to be hidden with it.
    pub(super) fn group(
        &mut self,
        class: &str,
        series: Option<usize>,
        paint: impl FnOnce(&mut Self),
    ) {
        let series = series.map_or_else(String::new, |i| format!(" data-series=\"{i}\""));
        self.add(&format!("<g class=\"{class}\"{series}>"));
        paint(self);
        self.add("</g>");
    }

    /// Draws a line of the style sheet's class, such as `grid` and `axis`.
    pub(super) fn rule(&mut self, from: Pixel, to: Pixel, class: &str) {
        let (a, b) = (pair(from), pair(to));
        self.add(&format!("<path class=\"{class}\" d=\"M{a}L{b}\"/>"));
    }

    /// Draws a line through `points` in the colour of its group.
    pub(super) fn line(&mut self, points: &[Pixel], look: Look, width: f64) {
        if points.len() < 2 {
            return;
        }
        let dash = look.dash.map_or_else(String::new, |(on, off)| {
            format!(" stroke-dasharray=\"{on} {off}\"")
        });
        let d = path(points);
        self.add(&format!(
            "<path fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash} d=\"{d}\"/>"
        ));
    }

    /// Fills the polygon through `points` lightly, in the colour of its group.
    pub(super) fn area(&mut self, points: &[Pixel]) {
        let d = path(points);
        self.add(&format!(
            "<path fill=\"currentColor\" fill-opacity=\"0.18\" d=\"{d}z\"/>"
        ));
    }

    pub(super) fn disc(&mut self, at: Pixel, radius: f64) {
        self.add(&format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" fill=\"currentColor\"/>",
            at.x, at.y
        ));
    }

    pub(super) fn ring(&mut self, at: Pixel, radius: f64) {
        self.add(&format!(
            "<circle class=\"ring\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" stroke=\"currentColor\" stroke-width=\"1.5\"/>",
            at.x, at.y
        ));
    }

    /// Fills the polygon through `points` in the colour of its group.
    pub(super) fn polygon(&mut self, points: &[Pixel]) {
        let d = path(points);
        self.add(&format!("<path fill=\"currentColor\" d=\"{d}z\"/>"));
    }

    /// Writes `text`, centred on the height of `at`. Classes give its size, its colour and, with
    /// `c` and `e`, which point of it stands at `at`: its middle or its end, else its beginning.
    pub(super) fn text(&mut self, at: Pixel, text: &str, classes: &str) {
        if text.is_empty() {
            return;
        }
        let class = if classes.is_empty() {
            String::new()
        } else {
            format!(" class=\"{classes}\"")
        };
        let shown = escaped(&one_line(text));
        self.add(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" dy=\".35em\"{class}>{shown}</text>",
            at.x, at.y
        ));
    }

    /// Writes `text` upwards, so that it ends at `at`.
    pub(super) fn upright_text(&mut self, at: Pixel, text: &str, classes: &str) {
        let (x, y) = (at.x, at.y);
        let shown = escaped(&one_line(text));
        self.add(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\".35em\" class=\"{classes}\" transform=\"rotate(-90 {x:.1} {y:.1})\">{shown}</text>"
        ));
    }

    /// Fills a path with a fixed colour.
    pub(super) fn fill(&mut self, colour: &str, d: &str) {
        self.add(&format!("<path fill=\"{colour}\" d=\"{d}\"/>"));
    }
}

fn pair(at: Pixel) -> String {
    format!("{:.1} {:.1}", at.x, at.y)
}

fn path(points: &[Pixel]) -> String {
    let mut d = String::new();
    for (i, point) in points.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(d, "{}{}", if i == 0 { "M" } else { "L" }, pair(*point));
    }
    d
}
