//! Tables, charts and pages of recorded runs.
//!
//! [`Study::read`] reads the folder of a run or a grid. [`ablation`] makes tables of it, [`chart`]
//! pictures, [`page`] the files of a report, [`story`] the same for a terminal, and [`plot`] its
//! curves. [`comparison`] puts several runs beside each other, [`diff`] compares two, and
//! [`doctor`] finds out what is wrong with one. [`probe`] holds and draws what was found inside a
//! checkpoint. Everything is a pure function of the record and of what the caller adds: the same
//! record makes the same bytes.
//!
//! The crate handles recorded runs and grids, Markdown, CSV, SVG and HTML. It never touches
//! engines, training, data, the terminal or the environment.

pub mod ablation;
pub mod chart;
pub mod comparison;
pub mod diff;
pub mod doctor;
pub mod glossary;
mod number;
mod order;
pub mod page;
pub mod phrases;
pub mod plot;
pub mod probe;
pub mod published;
mod runs;
mod settings;
mod story;
mod study;
pub mod sweep;
pub mod table;
pub mod visible;
pub mod words;

pub use chart::Chart;
pub use comparison::Comparison;
pub use runs::{RunState, RunSummary, fitted_runs_table, runs_table};
pub use settings::{Setting, settings_of};
pub use story::story;
pub use study::{Arm, MeasureHistory, RecordedRun, Study, StudyKind};
pub use table::Table;

#[cfg(test)]
mod tests;
