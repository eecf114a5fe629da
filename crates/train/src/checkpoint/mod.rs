//! Checkpoints: one `.safetensors` file that is enough to generate, to evaluate, and, given the
//! data, to resume.
//!
//! Weights by table name; what the optimiser keeps as `adam.exp_avg.<name>` and
//! `adam.exp_avg_sq.<name>`, whichever optimiser it is: the first and the second of
//! [`gptlab_recipe::Optimizer::state`], and zeros where it keeps less. One metadata key, `gptlab`,
//! holds the [`Header`] as canonical JSON. Equal states are equal bytes.
//!
//! The header holds a SHA-256 of itself and one of each kind of numbers, so that a damaged file is
//! told from a whole one. A state whose numbers are not all finite is never saved.

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

/// Everything a checkpoint says besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Of the file: [`Header::FORMAT`], or an older one that is still read.
    pub format: u32,
    pub spec: ModelSpec,
    pub tokenizer: Tokenizer,
    /// How many updates are made; the next step's number.
    pub step: u64,
    pub seed: u64,
    pub hyper: Hyper,
    pub data: DataMark,
    /// The vector instructions that made the state, by name; absent in files of format 1.
    #[serde(default)]
    pub isa: Option<String>,
    /// What the file's bytes are known by; in the file alone, and absent in files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digests>,
}

impl Header {
    /// Format 1 knew no `isa` and no `sha256`.
    pub const FORMAT: u32 = 2;

    /// The header of a state after `step` updates.
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

/// What a checkpoint says of its run.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    pub spec: ModelSpec,
    pub tokenizer: Tokenizer,
    pub seed: u64,
    pub hyper: Hyper,
    pub data: DataMark,
    pub isa: Option<String>,
}

/// Why a checkpoint was not saved.
#[derive(Debug)]
pub enum SaveError {
    File(FileError),
    /// A number of this tensor is not finite.
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

/// Which text a run learns from, as far as numbers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataMark {
    pub fingerprint: Fingerprint,
    pub val_fraction: f64,
}

/// One of the three numbers that are stored for every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Weights,
    /// What the optimiser keeps.
    State(StateSlot),
}

impl Stored {
    pub const ALL: [Self; 3] = [
        Self::Weights,
        Self::State(StateSlot::First),
        Self::State(StateSlot::Second),
    ];

    /// Where an engine keeps it.
    pub fn slot(self) -> Slot {
        match self {
            Self::Weights => Slot::Weights,
            Self::State(slot) => Slot::State(slot),
        }
    }

    /// It in words.
    fn words(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::State(StateSlot::First) => "first moments",
            Self::State(StateSlot::Second) => "second moments",
        }
    }

    /// What `param`'s tensor is called.
    fn name(self, param: &Param) -> String {
        let name = &param.name;
        match self {
            Self::Weights => name.clone(),
            Self::State(StateSlot::First) => format!("adam.exp_avg.{name}"),
            Self::State(StateSlot::Second) => format!("adam.exp_avg_sq.{name}"),
        }
    }
}

/// A checkpoint known to be whole and to fit its own spec. Tensors are read when asked for; the
/// file is not kept open, so that a run can save over the checkpoint that it was resumed from.
#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    path: PathBuf,
    header: Header,
    model: Model,
    graph: Graph,
    /// Where each tensor's bytes begin, by [`Stored::ALL`], then by the parameter table.
    places: [Vec<u64>; 3],
    /// `None` of a file of format 1.
    digests: Option<Digests>,
}

/// Whether numbers that are not finite are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonFinite {
    Refused,
    /// For whoever looks into a model that has diverged.
    Allowed,
}

impl Checkpoint {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.header.tokenizer
    }
}

use digest::Digests;
pub use read::is_checkpoint;

#[cfg(test)]
mod tests;
