//! Choices that users make by name.

use gptlab_model::choices;
use serde::{Deserialize, Serialize};

/// The storage type of the operands of matrix products; weights and sums are f32 under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// The operands keep their f32 values.
    #[default]
    F32,
    /// The operands are rounded to the nearest bf16.
    Bf16,
}

choices! { Precision, "precision":
    F32 = "f32", "Operands as they are";
    Bf16 = "bf16", "Half the bits: faster where the processor has instructions for it, right everywhere";
}

impl Precision {
    // serde passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// The learning rate of step 0 when there is a warm-up. Step `warmup` is the first with `lr` under
/// both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmupStart {
    /// The rate starts at 0, so the first step changes only moments: `lr * step / warmup`, as in
    /// gpt2-mini.
    #[default]
    Zero,
    /// The rate starts at `lr / (warmup + 1)`: `lr * (step + 1) / (warmup + 1)`, as in nanoGPT.
    FirstStep,
}

choices! { WarmupStart, "start of the warm-up":
    Zero = "zero", "From 0 at the first step, which learns nothing, as in the ancestor";
    FirstStep = "first-step", "From lr / (warmup + 1) at the first step, as in nanoGPT";
}

impl WarmupStart {
    // serde passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::Zero
    }
}

/// The curve by which the learning rate falls from `lr` to `min_lr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrShape {
    /// It stays at `lr`.
    Constant,
    /// It falls in a straight line.
    Linear,
    /// It follows half a cosine wave (Loshchilov & Hutter 2017, without restarts).
    Cosine,
}

choices! { LrShape, "shape of the learning rate":
    Constant = "constant", "It does not fall";
    Linear = "linear", "In a straight line";
    Cosine = "cosine", "Half a cosine wave";
}

/// The parameters that weight decay applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Every parameter.
    Everything,
    /// Weight matrices and embeddings, but not gains and biases.
    Matrices,
}

choices! { Decay, "weight decay":
    Everything = "everything", "Every parameter";
    Matrices = "matrices", "Not gains and biases";
}

/// The form of every MLP. The model has no such type: there, "no MLP" is a shorter list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlpShape {
    None,
    Plain,
    Gated,
}

choices! { MlpShape, "form of the MLP":
    None = "none", "No MLPs at all";
    Plain = "plain", "c_proj(act(c_fc(x)))";
    Gated = "gated", "c_proj(act(c_gate(x)) * c_fc(x)), as in SwiGLU (Shazeer 2020)";
}
