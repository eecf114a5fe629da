//! What an optimiser keeps for each parameter from one step to the next.

use gptlab_model::Group;

use crate::Optimizer;

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
    /// What it keeps for the parameters of `group`, in the order of an engine's slots. An engine
    /// leaves the slots that follow at zero.
    pub fn state(self, group: Group) -> &'static [StateName] {
        const ADAM: &[StateName] = &[StateName::ExpAvg, StateName::ExpAvgSq];
        const MOMENTUM: &[StateName] = &[StateName::MomentumBuffer];
        match (self, group) {
            (Self::AdamW, _) | (Self::Muon, Group::Embedding | Group::Vector) => ADAM,
            (Self::Sgd, _) | (Self::Muon, Group::Matrix) => MOMENTUM,
        }
    }

    /// How many slots it needs.
    pub fn state_slots(self) -> usize {
        let groups = [Group::Matrix, Group::Embedding, Group::Vector];
        let slots = groups.map(|group| self.state(group).len());
        slots.into_iter().fold(0, usize::max)
    }
}
