//! Flags to hyper-parameters: the preset's recipe, with every typed number in place of its own.

use gptlab_recipe::Hyper;

use crate::{
    args::{OptimArgs, RunArgs},
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
        warmup_start: optim.warmup_start.unwrap_or(recipe.warmup_start),
        lr_shape: optim.lr_shape.unwrap_or(recipe.lr_shape),
        beta1: optim.beta1.unwrap_or(recipe.beta1),
        beta2: optim.beta2.unwrap_or(recipe.beta2),
        eps: optim.eps.unwrap_or(recipe.eps),
        weight_decay: optim.weight_decay.unwrap_or(recipe.weight_decay),
        decayed: optim.decayed.unwrap_or(recipe.decayed),
        grad_clip: optim
            .grad_clip
            .map_or(recipe.grad_clip, |clip| Some(clip).filter(|c| *c != 0.0)),
        optimizer: optim.optimizer.unwrap_or(recipe.optimizer),
        precision: run.precision.unwrap_or(recipe.precision),
    };
    hyper.check().map_err(Stop::usage)?;
    Ok(hyper)
}
