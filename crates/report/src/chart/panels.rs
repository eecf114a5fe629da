//! Several pictures with one title, one caption and one scale: small multiples.

use maud::{Markup, html};

use super::{Caption, Chart, Shading, numbers, shown};
use crate::Table;

/// Pictures to be seen side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Panels {
    pub title: String,
    pub caption: Caption,
    /// The scale of the shades that all panels share.
    pub shading: Option<Shading>,
    /// Each with the end of its file's name.
    pub panels: Vec<(String, Chart)>,
    pub numbers: Option<Table>,
}

impl Panels {
    pub fn figure(&self) -> Markup {
        html! {
            figure class="panels" {
                figcaption { strong { (shown(&self.title)) } (self.caption.first()) }
                @if let Some(shading) = &self.shading { (shading.key()) }
                div class="grid-of-panels" { @for (_, panel) in &self.panels { (panel.panel()) } }
                (self.caption.rest())
                (numbers(self.numbers.as_ref()))
            }
        }
    }
}
