//! Another optimiser, with everything else as it was.

use gptlab_recipe::{Optimizer, Overrides, Settings};

/// The best rate of each optimiser on a small model (LOG.md, "Rates of three optimisers").
fn best_rate(optimizer: Optimizer) -> f64 {
    match optimizer {
        Optimizer::AdamW => 8e-3,
        Optimizer::Sgd => 0.2,
        Optimizer::Muon => 2e-2,
    }
}

/// Returns the settings that train with `optimizer` and keep everything else as it is in `base`:
/// the rate is as far from the optimiser's best as it was from the other's, the schedule has its
/// shape, and a step decays the weights by as much, since decay is multiplied by the rate.
pub(super) fn optimizer(base: &Settings, optimizer: Optimizer) -> Overrides {
    let hyper = &base.hyper;
    let ratio = best_rate(optimizer) / best_rate(hyper.optimizer);
    Overrides {
        optimizer: Some(optimizer),
        lr: Some(hyper.lr * ratio),
        min_lr: Some(hyper.min_lr * ratio),
        weight_decay: Some(hyper.weight_decay / ratio),
        ..Overrides::default()
    }
}
