//! Hyper-parameters, and the check of their numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Decay, LrShape, Optimizer, Precision, WarmupStart};

/// Everything besides the model, the data and the seed that decides a run's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hyper {
    /// The total number of updates.
    pub steps: u64,
    /// Sequences per step: windows of a text, or documents.
    pub batch_size: usize,
    /// The highest learning rate.
    pub lr: f64,
    /// The learning rate at the end.
    pub min_lr: f64,
    /// The number of steps in which the learning rate rises.
    pub warmup: u64,
    /// The learning rate from which it rises.
    #[serde(default, skip_serializing_if = "WarmupStart::is_zero")]
    pub warmup_start: WarmupStart,
    /// The curve by which the learning rate falls after the warm-up.
    pub lr_shape: LrShape,
    /// The decay rate of the first moment, or the momentum of SGD.
    pub beta1: f64,
    /// The decay rate of the second moment.
    pub beta2: f64,
    /// `AdamW`'s epsilon.
    pub eps: f64,
    /// The coefficient of decoupled weight decay.
    pub weight_decay: f64,
    /// The parameters that weight decay applies to.
    pub decayed: Decay,
    /// The largest global gradient norm; `None` does not clip.
    pub grad_clip: Option<f64>,
    /// The method by which gradients become updates.
    #[serde(default, skip_serializing_if = "Optimizer::is_adamw")]
    pub optimizer: Optimizer,
    /// The type to which operands of matrix products are rounded.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
}

impl Hyper {
    /// Checks every number.
    ///
    /// # Errors
    /// Returns a sentence about the first number that is out of its range.
    pub fn check(&self) -> Result<(), HyperError> {
        let steps = 1..=u64::from(u32::MAX);
        expect(
            steps.contains(&self.steps),
            "steps",
            "from 1 to 4294967295",
            self.steps,
        )?;
        let batches = 1..=1 << 20;
        let size = self.batch_size;
        expect(
            batches.contains(&size),
            "batch_size",
            "from 1 to 1048576",
            size,
        )?;
        let rate = |x: f64| (0.0..=MOST_LR).contains(&x);
        expect(rate(self.lr), "lr", "from 0 to 1000", self.lr)?;
        let low = (0.0..=self.lr).contains(&self.min_lr);
        expect(low, "min_lr", "from 0 to lr", self.min_lr)?;
        let beta = |x: f64| (0.0..1.0).contains(&x);
        expect(
            beta(self.beta1),
            "beta1",
            "at least 0 and below 1",
            self.beta1,
        )?;
        expect(
            beta(self.beta2),
            "beta2",
            "at least 0 and below 1",
            self.beta2,
        )?;
        // Kernels add it as f32, which rounds smaller numbers to 0.
        let eps = self.eps as f32 > 0.0 && (self.eps as f32).is_finite();
        expect(eps, "eps", "a finite number of at least 1e-45", self.eps)?;
        let decay = self.weight_decay >= 0.0 && self.weight_decay.is_finite();
        expect(
            decay,
            "weight_decay",
            "a finite number of at least 0",
            self.weight_decay,
        )?;
        match self.grad_clip {
            Some(clip) => expect(
                clip > 0.0 && clip.is_finite(),
                "grad_clip",
                "a finite number above 0",
                clip,
            ),
            None => Ok(()),
        }
    }
}

/// The highest learning rate: far above any that trains, far below those that overflow.
const MOST_LR: f64 = 1_000.0;

fn expect(
    fine: bool,
    name: &str,
    expected: &str,
    found: impl fmt::Display,
) -> Result<(), HyperError> {
    if fine {
        Ok(())
    } else {
        Err(HyperError(format!(
            "{name} must be {expected}, found {found}"
        )))
    }
}

/// The reason why hyper-parameters are refused: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperError(String);

impl fmt::Display for HyperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HyperError {}

#[cfg(test)]
mod tests {
    use gptlab_model::Preset;

    use super::*;

    #[test]
    fn numbers_that_cannot_be_are_named() {
        let fine = Hyper::of(Preset::Gpt2Mini, None);
        let cases = [
            (Hyper { steps: 0, ..fine }, "steps must be"),
            (
                Hyper {
                    batch_size: 0,
                    ..fine
                },
                "batch_size must be",
            ),
            (
                Hyper {
                    lr: f64::NAN,
                    ..fine
                },
                "lr must be",
            ),
            (Hyper { lr: -1.0, ..fine }, "lr must be"),
            (
                Hyper {
                    min_lr: 1.0,
                    ..fine
                },
                "min_lr must be",
            ),
            (Hyper { beta1: 1.0, ..fine }, "beta1 must be"),
            (
                Hyper {
                    beta2: -0.1,
                    ..fine
                },
                "beta2 must be",
            ),
            (Hyper { eps: 0.0, ..fine }, "eps must be"),
            (
                Hyper {
                    weight_decay: f64::INFINITY,
                    ..fine
                },
                "weight_decay must be",
            ),
            (
                Hyper {
                    grad_clip: Some(0.0),
                    ..fine
                },
                "grad_clip must be",
            ),
        ];
        for (hyper, sentence) in cases {
            let said = hyper.check().unwrap_err().to_string();
            assert!(said.starts_with(sentence), "{said}");
        }
    }
}
