//! Charts of a record, as SVG.
//!
//! Colours are those of Okabe and Ito (2008), which people with colour blindness can distinguish;
//! dashes, markers and labels beside the lines carry the same information. Heat maps are in viridis
//! (Smith & van der Walt 2015), whose lightness rises evenly. A chart has a dark form for pages and
//! viewers that ask for one.

mod axis;
mod canvas;
mod curves;
mod differences;
mod heat;
mod scatter;
mod style;

use maud::{Markup, PreEscaped, html};

use crate::visible;

pub use curves::{Curve, curves};
pub use differences::differences;
pub use heat::{MapText, attention, map, observation};
pub use scatter::{ScalingFit, learning_rates, scaling_law};
pub use style::STYLE;

/// A drawn chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    pub title: String,
    /// The description of the chart's contents, which is the caption and the alternative text.
    pub description: String,
    /// The contents of `<svg>`.
    body: String,
    /// The width and height, in units of the body.
    size: (u32, u32),
}

impl Chart {
    /// Returns the chart as an SVG file that can stand alone.
    pub fn svg(&self) -> String {
        let style = format!("<style>{STYLE}</style>");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
            self.element(&style, Some(canvas::SCALE))
        )
    }

    /// Returns the chart for a page that contains [`STYLE`]. It is as wide as the page allows.
    pub fn inline(&self) -> Markup {
        PreEscaped(self.element("", None))
    }

    /// Returns [`Chart::inline`] with its caption.
    pub fn figure(&self) -> Markup {
        html! {
            figure {
                (self.inline())
                figcaption {
                    strong { (PreEscaped(escaped(&self.title))) } " " (PreEscaped(escaped(&self.description)))
                }
            }
        }
    }

    fn element(&self, before: &str, shrink: Option<u32>) -> String {
        let (width, height) = self.size;
        let size = shrink.map_or_else(String::new, |by| {
            format!(" width=\"{}\" height=\"{}\"", width / by, height / by)
        });
        let title = escaped(&self.title);
        let about = escaped(&self.description);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} {height}\"{size} \
             role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<desc>{about}</desc>\n{before}{}</svg>",
            self.body
        )
    }
}

/// Escapes markup, and the characters that XML cannot contain.
fn escaped(text: &str) -> String {
    let shown = visible::text(text);
    html! { (shown) }.into_string()
}

#[cfg(test)]
mod tests;
