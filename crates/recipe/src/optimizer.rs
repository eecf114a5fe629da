//! The optimisers, and what each keeps for every parameter from one step to the next.

use gptlab_model::{ParamGroup, choices};
use serde::{Deserialize, Serialize};

/// How gradients become steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// As PyTorch computes it (Loshchilov & Hutter 2019).
    #[default]
    AdamW,
    /// Momentum `beta1`; decoupled weight decay.
    Sgd,
    /// Orthogonal steps (Jordan 2024), scaled to the size of `AdamW`'s (Liu et al. 2025), for the
    /// matrices inside the blocks; `AdamW` for everything else.
    Muon,
}

choices! { Optimizer, "optimizer":
    AdamW = "adamw", "Adam with decoupled weight decay";
    Sgd = "sgd", "Gradient descent with momentum (--beta1)";
    Muon = "muon", "Orthogonal steps for the blocks' matrices, of which queries, keys and values are one, AdamW for the rest";
}

/// A number that an optimiser keeps for each parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// Adam's running mean of the gradients.
    ExpAvg,
    /// Adam's running mean of the gradients' squares.
    ExpAvgSq,
    /// The momentum of SGD and of Muon.
    MomentumBuffer,
}

impl StateName {
    /// PyTorch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExpAvg => "exp_avg",
            Self::ExpAvgSq => "exp_avg_sq",
            Self::MomentumBuffer => "momentum_buffer",
        }
    }
}

impl Optimizer {
    // serde hands over a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_adamw(&self) -> bool {
        *self == Self::AdamW
    }

    /// What it keeps for the parameters of `group`, in the order of an engine's slots. An engine
    /// leaves the slots that follow at zero.
    pub fn state(self, group: ParamGroup) -> &'static [StateName] {
        const ADAM: &[StateName] = &[StateName::ExpAvg, StateName::ExpAvgSq];
        const MOMENTUM: &[StateName] = &[StateName::MomentumBuffer];
        match (self, group) {
            (Self::AdamW, _) | (Self::Muon, ParamGroup::Embedding | ParamGroup::Vector) => ADAM,
            (Self::Sgd, _) | (Self::Muon, ParamGroup::Matrix) => MOMENTUM,
        }
    }

    /// How many slots it needs.
    pub fn state_slots(self) -> usize {
        let groups = [
            ParamGroup::Matrix,
            ParamGroup::Embedding,
            ParamGroup::Vector,
        ];
        let slots = groups.map(|group| self.state(group).len());
        slots.into_iter().fold(0, usize::max)
    }
}
