//! What a section of a page shows.

use maud::{Markup, html};

use super::File;
use crate::{
    Chart, Table,
    chart::{Caption, Panels},
};

/// A picture, or several with one caption.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// The name of its file, without its ending, and the picture.
    One(String, Box<Chart>),
    /// Like `One`, but as wide as the page.
    Whole(String, Box<Chart>),
    /// The beginning of the names of its files, and the pictures.
    Many(String, Box<Panels>),
}

impl Figure {
    pub fn one(name: impl Into<String>, chart: Chart) -> Self {
        Self::One(name.into(), Box::new(chart))
    }

    /// Makes a figure that is as wide as the page.
    pub fn whole(name: impl Into<String>, chart: Chart) -> Self {
        Self::Whole(name.into(), Box::new(chart))
    }

    pub fn many(name: impl Into<String>, panels: Panels) -> Self {
        Self::Many(name.into(), Box::new(panels))
    }

    pub(super) fn html(&self) -> Markup {
        match self {
            Self::One(_, chart) => chart.figure(),
            Self::Whole(_, chart) => html! { div class="whole" { (chart.figure()) } },
            Self::Many(_, panels) => panels.figure(),
        }
    }

    pub(super) fn title(&self) -> &str {
        match self {
            Self::One(_, chart) | Self::Whole(_, chart) => &chart.title,
            Self::Many(_, panels) => &panels.title,
        }
    }

    pub(super) fn caption(&self) -> &Caption {
        match self {
            Self::One(_, chart) | Self::Whole(_, chart) => &chart.caption,
            Self::Many(_, panels) => &panels.caption,
        }
    }

    /// Returns each picture with the name of its file.
    pub(super) fn pictures(&self) -> Vec<(String, &Chart)> {
        match self {
            Self::One(name, chart) | Self::Whole(name, chart) => {
                vec![(format!("{name}.svg"), chart)]
            }
            Self::Many(name, panels) => {
                let file = |end: &str| format!("{name}-{end}.svg");
                let panels = panels.panels.iter();
                panels.map(|(end, chart)| (file(end), chart)).collect()
            }
        }
    }

    pub(super) fn files(&self) -> Vec<File> {
        let pictures = self.pictures().into_iter();
        pictures
            .map(|(name, chart)| File::new(name, chart.svg()))
            .collect()
    }
}

/// A part of a page, with its heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    pub title: String,
    /// What the section is about, in a few sentences.
    pub text: String,
    pub figures: Vec<Figure>,
    pub tables: Vec<Table>,
}

impl Section {
    pub(super) fn html(&self) -> Markup {
        html! {
            @if !(self.figures.is_empty() && self.tables.is_empty()) {
                section {
                    h2 { (self.title) }
                    @if !self.text.is_empty() { p { (self.text) } }
                    div class="figures" { @for figure in &self.figures { (figure.html()) } }
                    @for table in &self.tables {
                        details { summary { (table.caption) } (table.html()) }
                    }
                }
            }
        }
    }
}
