//! Probes: attention, predictions at each depth, and the roles of a model's parts.
//!
//! [`Measure`] lists everything that is measured, with its formula, unit, source and usual range.
//! [`formulas`] holds those that are cheap enough for a training run. A [`Subject`] is a model to
//! probe; its methods are the probes, one file each. A [`ProbeRequest`] selects the probes of a
//! checkpoint, a [`ProbeReport`] holds their results, and [`Tables`] formats them.

mod ablation;
mod activations;
mod anatomy;
mod attribution;
mod copied;
pub mod formulas;
mod heads;
mod lens;
mod patching;
mod prepared;
mod report;
mod request;
mod subject;
mod surprise;
mod tables;
mod values;

pub use ablation::{Ablation, Ablations, Columns, Instead};
pub use activations::{Flow, PartFlow, StageFlow};
pub use anatomy::{Anatomy, AttentionPart, MlpPart, Stage};
pub use attribution::{Attribution, Share};
pub use copied::{CopiedText, longest_copied};
pub use gptlab_record::{Definition, Measure};
pub use heads::{HeadMap, HeadScores, Repeated};
pub use lens::{LensCell, LensLayer};
pub use patching::{PatchedHead, PatchedStage, Patching};
pub use prepared::{PreparedProbe, ProbedTokens};
pub use report::{CopiedReport, ProbeReport};
pub use request::{Corruption, NamedText, Probe, ProbeRequest, ProbedCheckpoint};
pub use subject::{Guess, ProbeError, Prompt, Subject};
pub use surprise::Surprise;
pub use tables::{Tables, measures_table};
pub use values::{VALUES_MARK, Values};
