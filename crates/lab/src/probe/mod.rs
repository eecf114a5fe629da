//! Probes: attention, predictions at each depth, and the roles of a model's parts.
//!
//! [`Measure`] lists everything that is measured, with its formula, unit, source and usual range.
//! [`formulas`] holds those that are cheap enough for a training run. A [`Subject`] is a model to
//! probe; its methods are the probes, one file each. A [`ProbeRequest`] selects the probes of a
//! checkpoint, a [`ProbeReport`] holds their results, and [`Tables`] formats them. The results are
//! types of `report`, which draws them.

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
mod request;
mod subject;
mod surprise;
mod tables;
mod values;

pub use ablation::{Columns, Instead};
pub use anatomy::{Anatomy, AttentionPart, MlpPart, Stage};
pub use copied::longest_copied;
pub use gptlab_record::{Definition, Measure};
pub use gptlab_report::probe::{
    Ablation, Ablations, Attribution, CopiedReport, CopiedText, Flow, Guess, HeadMap, HeadScores,
    LensCell, LensLayer, PartFlow, PatchedHead, PatchedStage, Patching, ProbeReport, Repeated,
    Share, StageFlow, Surprise,
};
pub use prepared::{PreparedProbe, ProbedTokens};
pub use request::{Corruption, NamedText, Probe, ProbeRequest, ProbedCheckpoint};
pub use subject::{ProbeError, Prompt, Subject};
pub use tables::{Tables, measures_table};
pub use values::{VALUES_MARK, Values};
