//! Flags to hyper-parameters: the preset's recipe, with every typed number in place of its own.

use gptlab_record::{Decayed, Hyper, LrShape, Optimizer, Precision, WarmupStart};

use crate::{
    args::{
        DecayedArg, LrShapeArg, OptimArgs, OptimizerArg, PrecisionArg, RunArgs, WarmupStartArg,
    },
    exit::{Outcome, Stop},
};

/// `recipe` with what was typed.
pub(crate) fn over(recipe: Hyper, run: &RunArgs, optim: &OptimArgs) -> Outcome<Hyper> {
    let lr = optim.lr.unwrap_or(recipe.lr);
    let hyper = Hyper {
        steps: run.steps.unwrap_or(recipe.steps),
        batch_size: run.batch_size.unwrap_or(recipe.batch_size),
        lr,
        // A rate typed below the recipe's lowest is the lowest.
        min_lr: optim.min_lr.unwrap_or(recipe.min_lr.min(lr)),
        warmup: optim.warmup.unwrap_or(recipe.warmup),
        warmup_start: optim
            .warmup_start
            .map_or(recipe.warmup_start, WarmupStart::from),
        lr_shape: optim.lr_shape.map_or(recipe.lr_shape, LrShape::from),
        beta1: optim.beta1.unwrap_or(recipe.beta1),
        beta2: optim.beta2.unwrap_or(recipe.beta2),
        eps: optim.eps.unwrap_or(recipe.eps),
        weight_decay: optim.weight_decay.unwrap_or(recipe.weight_decay),
        decayed: optim.decayed.map_or(recipe.decayed, Decayed::from),
        grad_clip: optim
            .grad_clip
            .map_or(recipe.grad_clip, |clip| Some(clip).filter(|c| *c != 0.0)),
        optimizer: optim.optimizer.map_or(recipe.optimizer, Optimizer::from),
        precision: run.precision.map_or(recipe.precision, Precision::from),
    };
    hyper.check().map_err(Stop::usage)?;
    Ok(hyper)
}

impl From<LrShapeArg> for LrShape {
    fn from(typed: LrShapeArg) -> Self {
        match typed {
            LrShapeArg::Constant => Self::Constant,
            LrShapeArg::Linear => Self::Linear,
            LrShapeArg::Cosine => Self::Cosine,
        }
    }
}

impl From<WarmupStartArg> for WarmupStart {
    fn from(typed: WarmupStartArg) -> Self {
        match typed {
            WarmupStartArg::Zero => Self::Zero,
            WarmupStartArg::FirstStep => Self::FirstStep,
        }
    }
}

impl From<DecayedArg> for Decayed {
    fn from(typed: DecayedArg) -> Self {
        match typed {
            DecayedArg::Everything => Self::Everything,
            DecayedArg::Matrices => Self::Matrices,
        }
    }
}

impl From<OptimizerArg> for Optimizer {
    fn from(typed: OptimizerArg) -> Self {
        match typed {
            OptimizerArg::Adamw => Self::AdamW,
            OptimizerArg::Sgd => Self::Sgd,
            OptimizerArg::Muon => Self::Muon,
        }
    }
}

impl From<PrecisionArg> for Precision {
    fn from(typed: PrecisionArg) -> Self {
        match typed {
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Bf16 => Self::Bf16,
        }
    }
}
