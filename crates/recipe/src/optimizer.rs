//! The optimisers, and the state that each keeps for every parameter.

use gptlab_model::{ParamGroup, choices};
use serde::{Deserialize, Serialize};

/// The method by which gradients become updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019), as PyTorch computes it.
    #[default]
    AdamW,
    /// Gradient descent with momentum `beta1` and decoupled weight decay.
    Sgd,
    /// Orthogonal updates (Jordan 2024), scaled to the size of `AdamW`'s (Liu et al. 2025), for the
    /// matrices inside the blocks, and `AdamW` for all other parameters.
    Muon,
}

choices! { Optimizer, "optimizer":
    AdamW = "adamw", "Adam with decoupled weight decay";
    Sgd = "sgd", "Gradient descent with momentum (--beta1)";
    Muon = "muon", "Orthogonal steps for the blocks' matrices, of which queries, keys and values are one, AdamW for the rest";
}

/// A number that an optimiser keeps for each parameter from step to step.
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
    /// Returns PyTorch's name of this state.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExpAvg => "exp_avg",
            Self::ExpAvgSq => "exp_avg_sq",
            Self::MomentumBuffer => "momentum_buffer",
        }
    }
}

impl Optimizer {
    // serde passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_adamw(&self) -> bool {
        *self == Self::AdamW
    }

    /// Returns the state for the parameters of `group`, in the order of an engine's slots. An
    /// engine leaves the remaining slots at zero.
    pub fn state(self, group: ParamGroup) -> &'static [StateName] {
        const ADAM: &[StateName] = &[StateName::ExpAvg, StateName::ExpAvgSq];
        const MOMENTUM: &[StateName] = &[StateName::MomentumBuffer];
        match (self, group) {
            (Self::AdamW, _) | (Self::Muon, ParamGroup::Embedding | ParamGroup::Vector) => ADAM,
            (Self::Sgd, _) | (Self::Muon, ParamGroup::Matrix) => MOMENTUM,
        }
    }

    /// Returns the number of slots that the optimiser needs.
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
