//! Checkpoints: one `.safetensors` file that is enough to generate and to evaluate. Together with
//! the data it is enough to resume the run.
//!
//! Weights have the names of the parameter table. The optimiser's numbers are named
//! `adam.exp_avg.<name>` and `adam.exp_avg_sq.<name>` for every optimiser: they are the first and
//! the second of [`gptlab_recipe::Optimizer::state`], and zeros for an optimiser with fewer. One
//! metadata key, `gptlab`, holds the [`Header`] as canonical JSON. Equal states have equal bytes.
//!
//! The header holds a SHA-256 of itself and of each kind of numbers, so that a damaged file is
//! recognised. A state with a number that is not finite is never saved.

mod digest;
mod json_header;
mod read;
mod write;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use gptlab_data::{Fingerprint, Tokenizer};
use gptlab_engine::{Slot, StateSlot};
use gptlab_model::{Graph, Model, ModelSpec, Param};
use gptlab_recipe::Hyper;
use gptlab_record::FileError;
use serde::{Deserialize, Serialize};

/// The metadata of a checkpoint: everything except its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The file's format: [`Header::FORMAT`], or an older one that can still be read.
    pub format: u32,
    pub spec: ModelSpec,
    pub tokenizer: Tokenizer,
    /// The number of updates made, which is also the number of the next step.
    pub step: u64,
    pub seed: u64,
    pub hyper: Hyper,
    pub data: DataMark,
    /// The name of the vector instructions that computed the state; absent in files of format 1.
    #[serde(default)]
    pub isa: Option<String>,
    /// The digests of the file. They are only in the file, and absent in files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digests>,
}

impl Header {
    /// The newest format. Format 1 had no `isa` and no `sha256`.
    pub const FORMAT: u32 = 2;

    /// Makes the header of a state after `step` updates.
    pub fn new(about: About, step: u64) -> Self {
        let About {
            spec,
            tokenizer,
            seed,
            hyper,
            data,
            isa,
        } = about;
        Self {
            format: Self::FORMAT,
            spec,
            tokenizer,
            step,
            seed,
            hyper,
            data,
            isa,
            sha256: None,
        }
    }
}

/// The part of a [`Header`] that is the same for all checkpoints of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    pub spec: ModelSpec,
    pub tokenizer: Tokenizer,
    pub seed: u64,
    pub hyper: Hyper,
    pub data: DataMark,
    pub isa: Option<String>,
}

/// The reason why a checkpoint was not saved.
#[derive(Debug)]
pub enum SaveError {
    /// The file could not be written.
    File(FileError),
    /// This tensor holds a number that is not finite.
    NotFinite(String),
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NotFinite(tensor) => write!(
                f,
                "the model has diverged: `{tensor}` holds a number that is not finite"
            ),
        }
    }
}

impl std::error::Error for SaveError {}

/// The text that a run learns from, as far as its numbers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataMark {
    /// The SHA-256 of the text.
    pub fingerprint: Fingerprint,
    /// The fraction at the end of the text that is kept for validation.
    pub val_fraction: f64,
}

/// One of the three kinds of numbers that are stored for each parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The weights.
    Weights,
    /// The numbers that the optimiser stores.
    State(StateSlot),
}

impl Stored {
    /// The three kinds, in the order of the file.
    pub const ALL: [Self; 3] = [
        Self::Weights,
        Self::State(StateSlot::First),
        Self::State(StateSlot::Second),
    ];

    /// Returns the engine's slot for these numbers.
    pub fn slot(self) -> Slot {
        match self {
            Self::Weights => Slot::Weights,
            Self::State(slot) => Slot::State(slot),
        }
    }

    /// Returns its name in words.
    fn words(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::State(StateSlot::First) => "first moments",
            Self::State(StateSlot::Second) => "second moments",
        }
    }

    /// Returns the name of `param`'s tensor of this kind.
    fn name(self, param: &Param) -> String {
        let name = &param.name;
        match self {
            Self::Weights => name.clone(),
            Self::State(StateSlot::First) => format!("adam.exp_avg.{name}"),
            Self::State(StateSlot::Second) => format!("adam.exp_avg_sq.{name}"),
        }
    }
}

/// A checkpoint whose header is valid and whose tensors fit its spec. Tensors are read on request.
/// The file is not kept open, so that a run can overwrite the checkpoint that it was resumed from.
#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    path: PathBuf,
    header: Header,
    model: Model,
    graph: Graph,
    /// The offset of each tensor's bytes in the file, by [`Stored::ALL`], then by the parameter
    /// table.
    places: [Vec<u64>; 3],
    /// The digests; `None` for a file of format 1.
    digests: Option<Digests>,
}

/// Whether numbers that are not finite are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    /// They are an error.
    Refused,
    /// They are read like any other number, to inspect a model that has diverged.
    Allowed,
}

impl Checkpoint {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the checked model of the header's spec.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the model's graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the tokenizer of the header.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.header.tokenizer
    }
}

use digest::Digests;
pub use read::is_checkpoint;

#[cfg(test)]
mod tests;
