//! Charts of a record, as SVG.
//!
//! Colours are those of Okabe and Ito (2008), which people with colour blindness can distinguish,
//! some of them darker so that they have contrast; dashes, markers and labels beside the lines
//! carry the same information. Heat maps are in viridis (Smith & van der Walt 2015), whose
//! lightness rises evenly, and numbers with a sign in blue and vermilion on both sides of a neutral
//! zero. A chart has a dark form for pages and viewers that ask for one.

mod axis;
mod canvas;
mod caption;
mod colour;
mod curves;
mod differences;
mod heat;
mod observed;
mod panels;
mod profile;
mod scatter;
mod style;
mod svg;

use maud::{Markup, PreEscaped, html};

use crate::{Table, visible};

pub use caption::Caption;
pub use colour::{ShadeScale, Shading};
pub use curves::{Curve, CurveText, Legend, curves};
pub use differences::differences;
pub use heat::{HeatMap, attention};
pub use observed::{Observed, observation, observations, over_variants, panels_of_curves};
pub use panels::Panels;
pub use profile::profiles;
pub use scatter::{ScalingFit, learning_rates, scaling_law};
pub use style::STYLE;

/// A drawn picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub title: String,
    /// What is drawn, what is normal, and what to notice.
    pub caption: Caption,
    /// The numbers that are drawn, for whoever cannot see the picture; `None` where they are too
    /// many to be read.
    pub numbers: Option<Table>,
    /// The contents of `<svg>`.
    body: String,
    /// Pixels.
    size: (u32, u32),
    /// JSON from which the script of a page shows the number under a pointer.
    hover: Option<String>,
    /// The same for a narrow screen, where this one would be too small to be read.
    narrow: Option<Box<Chart>>,
    /// The picture is not scaled, so that its cells stay on whole pixels.
    is_map: bool,
}

impl Chart {
    fn with_narrow(self, narrow: Self) -> Self {
        Self {
            narrow: Some(Box::new(narrow)),
            ..self
        }
    }

    /// Returns the chart as a file, which needs no page around it.
    pub fn svg(&self) -> String {
        let style = format!("<style>{STYLE}</style>\n");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
            self.element(&style, "")
        )
    }

    /// Returns the chart for a page that holds [`STYLE`] and the page's own styles, which show its
    /// wide or its narrow form.
    pub fn inline(&self) -> Markup {
        let Some(narrow) = &self.narrow else {
            return self.drawn("scroll");
        };
        html! { (self.drawn("scroll on-wide")) (narrow.drawn("scroll on-narrow")) }
    }

    fn drawn(&self, class: &str) -> Markup {
        let hover = self.hover.as_ref().map_or_else(String::new, |hover| {
            format!(" tabindex=\"0\" data-hover=\"{}\"", escaped(hover))
        });
        html! { div class=(class) { (PreEscaped(self.element("", &hover))) } }
    }

    /// Returns [`Chart::inline`] with its title, its caption and its numbers.
    pub fn figure(&self) -> Markup {
        html! {
            figure {
                figcaption { strong { (shown(&self.title)) } (self.caption.first()) }
                (self.inline())
                (self.caption.rest())
                (numbers(self.numbers.as_ref()))
            }
        }
    }

    /// Returns the chart as one of several that share a caption.
    fn panel(&self) -> Markup {
        html! {
            div class="panel" {
                p class="panel-title" { (shown(&self.title)) }
                (self.inline())
            }
        }
    }

    fn element(&self, before: &str, attributes: &str) -> String {
        let (width, height) = self.size;
        let title = escaped(&self.title);
        let about = escaped(&self.caption.text());
        let class = if self.is_map { "chart map" } else { "chart" };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\"{attributes}>\n\
             <title>{title}</title>\n<desc>{about}</desc>\n{before}{}</svg>",
            self.body
        )
    }
}

/// Shows the numbers of a picture on demand.
fn numbers(table: Option<&Table>) -> Markup {
    html! {
        @if let Some(table) = table {
            details class="numbers" { summary { "Numbers" } (table.html()) }
        }
    }
}

fn shown(text: &str) -> Markup {
    PreEscaped(escaped(text))
}

/// Escapes markup, and the characters that XML cannot hold.
fn escaped(text: &str) -> String {
    let shown = visible::text(text);
    html! { (shown) }.into_string()
}

#[cfg(test)]
mod tests;
