//! The sizes of model and batch that suit a time.

use gptlab_model::{ModelSpec, Preset};

use crate::{Precision, RecipeInput};

/// A size of model and batch, and the longest time that it suits.
pub(crate) struct RecipeScale {
    /// The longest time on two ordinary cores, in seconds.
    pub(crate) up_to: u64,
    /// The floating-point operations that two ordinary cores make in a second of training this
    /// model: those of matrix products, forward and backward. A guess for the two largest sizes.
    pub(crate) ordinary_flops: f64,
    pub(crate) n_layer: usize,
    pub(crate) n_embd: usize,
    pub(crate) n_head: usize,
    pub(crate) block_size: usize,
    pub(crate) batch_size: usize,
    /// The peak learning rate.
    pub(crate) lr: f64,
    /// Whether products in bf16 save time where the processor is fast at them.
    pub(crate) wide: bool,
}

/// The scales. *Two ordinary cores* are those of an AMD EPYC of family 25 with AVX2, in f32. LOG.md
/// has the trials behind the times: a small model that reads a text often ends lower than a large
/// one that reads it once. Half of the width takes about twice the rate at equal batches, and short
/// trainings take smaller batches.
const SCALES: [RecipeScale; 8] = [
    RecipeScale {
        up_to: 18,
        ordinary_flops: 4.7e10,
        n_layer: 4,
        n_embd: 32,
        n_head: 2,
        block_size: 128,
        batch_size: 8,
        lr: 2e-2,
        wide: false,
    },
    RecipeScale {
        up_to: 30,
        ordinary_flops: 5.3e10,
        n_layer: 4,
        n_embd: 48,
        n_head: 3,
        block_size: 128,
        batch_size: 8,
        lr: 1.6e-2,
        wide: false,
    },
    RecipeScale {
        up_to: 60,
        ordinary_flops: 5.8e10,
        n_layer: 4,
        n_embd: 64,
        n_head: 4,
        block_size: 128,
        batch_size: 8,
        lr: 1.2e-2,
        wide: false,
    },
    RecipeScale {
        up_to: 400,
        ordinary_flops: 6.3e10,
        n_layer: 4,
        n_embd: 64,
        n_head: 4,
        block_size: 128,
        batch_size: 16,
        lr: 1.6e-2,
        wide: false,
    },
    RecipeScale {
        up_to: 540,
        ordinary_flops: 6.5e10,
        n_layer: 4,
        n_embd: 96,
        n_head: 3,
        block_size: 128,
        batch_size: 16,
        lr: 1.2e-2,
        wide: true,
    },
    RecipeScale {
        up_to: 1_800,
        ordinary_flops: 6.6e10,
        n_layer: 4,
        n_embd: 128,
        n_head: 4,
        block_size: 128,
        batch_size: 16,
        lr: 8e-3,
        wide: true,
    },
    RecipeScale {
        up_to: 7_200,
        ordinary_flops: 7e10,
        n_layer: 6,
        n_embd: 192,
        n_head: 6,
        block_size: 256,
        batch_size: 16,
        lr: 6e-3,
        wide: true,
    },
    RecipeScale {
        up_to: u64::MAX,
        ordinary_flops: 7e10,
        n_layer: 6,
        n_embd: 384,
        n_head: 6,
        block_size: 256,
        batch_size: 32,
        lr: 4e-3,
        wide: true,
    },
];

impl RecipeScale {
    /// Returns the size that suits a training of so many seconds on two ordinary cores.
    pub(crate) fn of(seconds: u64) -> &'static Self {
        let fits = |scale: &&Self| seconds <= scale.up_to;
        SCALES
            .iter()
            .find(fits)
            .unwrap_or(&SCALES[SCALES.len() - 1])
    }

    pub(crate) fn precision(&self, input: &RecipeInput) -> Precision {
        if self.wide && input.fast_bf16 {
            Precision::Bf16
        } else {
            Precision::F32
        }
    }

    /// Returns the approximate number of parameters of the blocks: 4 n² of attention and 8 n² of a
    /// gated MLP, n being the width.
    pub(crate) fn parameters(&self) -> usize {
        12 * self.n_layer * self.n_embd.pow(2)
    }

    pub(crate) fn spec(&self) -> ModelSpec {
        let mut spec = Preset::Modern.spec();
        spec.set_depth(self.n_layer);
        spec.set_width(self.n_embd);
        spec.set_heads(self.n_head);
        spec.block_size = self.block_size;
        spec
    }

    /// Returns the approximate number of tokens of a batch. A document that is shorter than the
    /// context is a shorter sequence.
    pub(crate) fn batch_tokens(&self, input: &RecipeInput) -> u64 {
        let context = self.block_size as u64;
        let document = input.documents.map(|n| input.train_tokens / n.max(1));
        self.batch_size as u64 * document.map_or(context, |tokens| tokens.clamp(1, context))
    }
}
