//! What a run leaves on disk: the resolved [`Experiment`], the [`Event`]s, and the [`Store`] that
//! keeps them in a folder.
//!
//! Everything here is plain data with a stable JSON form, so that a program can plot, compare and
//! resume a run without the code that made it. [`Store::create`] writes `experiment.json` before
//! step 0. Each event is appended to `events.jsonl` as one line. Every other file is written by
//! [`atomic::write`], so that a kill at any moment loses nothing that was saved before. Every
//! operation that changes the disk goes through [`disk`], where tests make it fail.
//!
//! Knows: folders, files, JSON, the contents of an experiment and of its events.
//! Never will: what a setting means (`gptlab-recipe` defines it), how to train, engines, text,
//! tokens, clocks, the environment, printing.

pub mod atomic;
mod conclusion;
mod difference;
pub mod disk;
mod error;
mod event;
mod experiment;
pub mod faults;
mod generated;
mod grid;
mod holm;
mod json;
mod measure;
mod published;
pub mod regular;
mod store;

pub use conclusion::{
    BaselineStanding, Conclusion, Evidence, ExpectedDifference, FitRegime, PredictionVerdict,
    Regime, SIGNIFICANT, SkillBaselines, Standing, VariantVerdict, Verdict, family_rows,
};
pub use difference::{Difference as SettingDifference, DifferenceOrder, first_difference};
pub use error::FileError;
pub use event::{Event, NotFinite, Observation, Series, StepRecord};
pub use experiment::{DataRecord, Experiment, Extension, WeightsOrigin};
pub use generated::{Continuation, ContinuationEnd, GeneratedSample};
pub use grid::{
    BASELINE_NAME, Cell, CellOutcome, CorrectedDifference, Floors, Grid, GridKind,
    PairedDifference, Results, Row, TunedRow, TunedSetting, Variant, grid_of, read_grid,
    read_outcome, read_results, write_grid, write_outcome, write_results,
};
pub use holm::{holm, holm_divisors};
pub use json::{canonical, number, read as read_json};
pub use measure::{Definition, Measure};
pub use published::{
    PublishedBounds, PublishedClaim, PublishedComparison, PublishedQuantity, PublishedVerdict,
};
pub use store::{Past, SetAside, Store, checkpoints, read_events, read_experiment};
