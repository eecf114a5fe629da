//! The inside of a model: what it attends to, what it knows at which depth, which part does what.
//!
//! [`Measure`] is the table of everything measured: formula, unit, source, usual range.
//! [`formulas`] holds what any matrix can be asked, cheap enough for a training run. A
//! [`Subject`] is a model to probe; its methods are the probes, one file each. A [`ProbeRequest`]
//! says what a checkpoint is probed with, a [`ProbeReport`] holds what was found, and [`Tables`]
//! shows it.

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
