//! The learning rate and the optimiser's hyper-parameters at each step.

use std::f64::consts::PI;

use gptlab_engine::StepHyper;
use gptlab_recipe::{Hyper, LrShape, WarmupStart};

/// The learning-rate schedule. The rate depends only on the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    hyper: Hyper,
}

impl Schedule {
    /// Makes the schedule of `hyper`.
    pub fn new(hyper: &Hyper) -> Self {
        Self { hyper: *hyper }
    }

    /// Returns the learning rate of step `step`, counted from 0.
    ///
    /// It rises linearly from [`WarmupStart`] at step 0 to `lr` at step `warmup`. Then it falls to
    /// `min_lr`, which it reaches at step `steps`, one after the last.
    pub fn at(&self, step: u64) -> f64 {
        let Hyper {
            lr, min_lr, warmup, ..
        } = self.hyper;
        if step < warmup {
            return match self.hyper.warmup_start {
                WarmupStart::Zero => lr * step as f64 / warmup as f64,
                WarmupStart::FirstStep => lr * (step + 1) as f64 / (warmup + 1) as f64,
            };
        }
        let left = match self.hyper.lr_shape {
            LrShape::Constant => 1.0,
            LrShape::Linear => 1.0 - self.progress(step),
            LrShape::Cosine => 0.5 * (1.0 + (PI * self.progress(step)).cos()),
        };
        min_lr + (lr - min_lr) * left
    }

    /// Returns the position between the end of warm-up (0) and the end of training (1).
    fn progress(&self, step: u64) -> f64 {
        let Hyper { steps, warmup, .. } = self.hyper;
        // All steps are warm-up, and `step` comes after them.
        if steps <= warmup {
            return 1.0;
        }
        ((step - warmup) as f64 / (steps - warmup) as f64).min(1.0)
    }
}

/// Returns the optimiser's hyper-parameters for step `step`, counted from 0.
pub fn step_hyper(hyper: &Hyper, step: u64) -> StepHyper {
    StepHyper {
        optimizer: hyper.optimizer,
        update: step + 1,
        lr: Schedule::new(hyper).at(step),
        beta1: hyper.beta1,
        beta2: hyper.beta2,
        eps: hyper.eps,
        weight_decay: hyper.weight_decay,
        decay: hyper.decayed,
        grad_clip: hyper.grad_clip,
    }
}

#[cfg(test)]
mod tests {
    use gptlab_model::{Choice, Preset};

    use super::*;

    fn lr(hyper: &Hyper, step: u64) -> f64 {
        Schedule::new(hyper).at(step)
    }

    /// The witness is Python: `lr * step / warmup if step < warmup else lr * 0.5 * (1 +
    /// math.cos(math.pi * (step - warmup) / (steps - warmup)))` with the defaults of gpt2-mini.
    #[test]
    fn the_seed_s_learning_rates() {
        let hyper = Hyper::of(Preset::Gpt2Mini, None);
        let known = [
            (0, 0.0),
            (1, 3e-6),
            (50, 1.5e-4),
            (99, 2.97e-4),
            (100, 3e-4),
            (325, 2.560_660_171_779_821e-4),
            (550, 1.5e-4),
            (775, 4.393_398_282_201_787e-5),
            (1000, 0.0),
        ];
        for (step, expected) in known {
            let found = lr(&hyper, step);
            assert!(
                (found - expected).abs() < 1e-18,
                "{step}: {found:e} {expected:e}"
            );
        }
        assert!(lr(&hyper, 999) > 0.0);
    }

    /// The witness is a line of microgpt.py: `lr_t = learning_rate * (1 - step / num_steps)`.
    #[test]
    fn microgpt_s_learning_rates_to_the_bit() {
        let hyper = Hyper::of(Preset::Microgpt, None);
        for step in 0..=1000 {
            let expected = 0.01 * (1.0 - step as f64 / 1000.0);
            assert_eq!(lr(&hyper, step).to_bits(), expected.to_bits(), "{step}");
        }
    }

    #[test]
    fn nano_ends_at_a_tenth_and_a_constant_stays() {
        let hyper = Hyper::of(Preset::Nano, None);
        // nanoGPT's `learning_rate * (it + 1) / (warmup_iters + 1)`.
        assert_eq!(lr(&hyper, 0), 1e-3 / 101.0);
        assert_eq!(lr(&hyper, 99), 1e-3 * 100.0 / 101.0);
        assert_eq!(lr(&hyper, 100), 1e-3);
        assert!((lr(&hyper, 2550) - 5.5e-4).abs() < 1e-18);
        assert!((lr(&hyper, 5000) - 1e-4).abs() < 1e-18);
        let hyper = Hyper {
            lr_shape: LrShape::Constant,
            warmup: 0,
            ..hyper
        };
        assert!([0, 1, 4999].iter().all(|s| lr(&hyper, *s) == 1e-3));
    }

    /// Only gpt2-mini, which is reproduced exactly, has a first step with a learning rate of 0.
    #[test]
    fn the_first_step_of_a_recipe_learns() {
        for &preset in Preset::ALL {
            let first = lr(&Hyper::of(preset, None), 0);
            assert_eq!(
                first == 0.0,
                preset == Preset::Gpt2Mini,
                "{}",
                preset.name()
            );
        }
    }

    #[test]
    fn short_runs_have_no_warm_up_and_long_warm_ups_no_fall() {
        let short = Hyper::of(Preset::Gpt2Mini, Some(1));
        assert_eq!(lr(&short, 0), 3e-4);
        let long = Hyper {
            warmup: 10,
            ..short
        };
        assert_eq!((lr(&long, 0), lr(&long, 5)), (0.0, 1.5e-4));
        assert_eq!(lr(&long, 20), 0.0);
    }
}
