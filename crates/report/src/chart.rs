//! Pictures of a record, as SVG.
//!
//! Colours are Okabe and Ito's (2008), which people tell apart however they see colours; dashes,
//! markers and labels beside the lines say the same again. Heat maps are in viridis (Smith & van
//! der Walt 2015), whose lightness rises evenly. A chart knows a dark form: a page or a viewer that
//! asks for one gets it.

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
pub use heat::{Words, attention, map, observation};
pub use scatter::{ScalingFit, learning_rates, scaling_law};
pub use style::STYLE;

/// A drawn picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    pub title: String,
    /// What it shows, for those who cannot see it, and as its caption.
    pub description: String,
    /// Everything inside `<svg>`.
    body: String,
    /// In units of the body.
    size: (u32, u32),
}

impl Chart {
    /// A file of its own, readable without a page around it.
    pub fn svg(&self) -> String {
        let style = format!("<style>{STYLE}</style>");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
            self.element(&style, Some(canvas::SCALE))
        )
    }

    /// For a page that holds [`STYLE`]: as wide as its place.
    pub fn inline(&self) -> Markup {
        PreEscaped(self.element("", None))
    }

    /// `inline`, with its caption.
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

/// Text in which XML finds no markup and no character that it cannot hold.
fn escaped(text: &str) -> String {
    let shown = visible::text(text);
    html! { (shown) }.into_string()
}

#[cfg(test)]
mod tests;
