//! Checkpoints: one `.safetensors` file that is enough to generate, to evaluate, and, given the data,
//! to resume.
//!
//! Weights by table name; Adam's moments as `adam.exp_avg.<name>` and `adam.exp_avg_sq.<name>`; one
//! metadata key, `gptlab`, with the [`Header`] as canonical JSON. Equal states are equal bytes.

mod read;
mod write;

use std::path::{Path, PathBuf};

use gptlab_data::{Fingerprint, Tokenizer};
use gptlab_engine::Slot;
use gptlab_model::{Graph, Model, ModelSpec, Param};
use gptlab_record::Hyper;
use serde::{Deserialize, Serialize};

/// Everything a checkpoint says besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Of the file; always [`Header::FORMAT`].
    pub format: u32,
    pub spec: ModelSpec,
    pub tokenizer: Tokenizer,
    /// How many updates are made; the next step's number.
    pub step: u64,
    pub seed: u64,
    pub hyper: Hyper,
    pub data: DataMark,
}

impl Header {
    pub const FORMAT: u32 = 1;
}

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
    /// Adam's first moment.
    ExpAvg,
    /// Adam's second moment.
    ExpAvgSq,
}

impl Stored {
    pub const ALL: [Self; 3] = [Self::Weights, Self::ExpAvg, Self::ExpAvgSq];

    /// Where an engine keeps it.
    pub fn slot(self) -> Slot {
        match self {
            Self::Weights => Slot::Weights,
            Self::ExpAvg => Slot::ExpAvg,
            Self::ExpAvgSq => Slot::ExpAvgSq,
        }
    }

    /// What `param`'s tensor is called.
    fn name(self, param: &Param) -> String {
        let name = &param.name;
        match self {
            Self::Weights => name.clone(),
            Self::ExpAvg => format!("adam.exp_avg.{name}"),
            Self::ExpAvgSq => format!("adam.exp_avg_sq.{name}"),
        }
    }
}

/// A checkpoint known to be whole and to fit its own spec. Tensors are read when asked for; the file
/// is not kept open, so that a run can save over the checkpoint that it was resumed from.
#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    path: PathBuf,
    header: Header,
    model: Model,
    graph: Graph,
    /// Where each tensor's bytes begin, by [`Stored::ALL`], then by the parameter table.
    places: [Vec<u64>; 3],
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

#[cfg(test)]
mod tests;
