//! Well-known points of the model space.

use serde::Serialize;

use crate::{
    Choice, Counts, SpecError, choices, lower,
    spec::{
        Activation, Attention, Bias, Init, Mlp, MlpForm, ModelSpec, Norm, NormPlace, Norms,
        OutputHead, Position, Residual, ResidualInit, Sublayer, SublayerOrder, Wiring,
    },
};

/// A model with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Karpathy's one-file GPT: 1 layer, width 16, RMSNorm without gain, ReLU, no bias, untied
    /// head.
    Microgpt,
    /// The ancestor's hand-built GPT-2: 4 layers, 4 heads, width 128, context 256.
    Gpt2Mini,
    /// GPT-2 (Radford et al. 2019), 124M parameters.
    Gpt2,
    Gpt2Medium,
    Gpt2Large,
    Gpt2Xl,
    /// nanoGPT's Shakespeare recipe: 6 layers, 6 heads, width 384, no bias, dropout 0.2.
    Nano,
    /// nanoGPT's Shakespeare recipe for a laptop: 4 layers, 4 heads, width 128, context 64, no
    /// bias, no dropout.
    NanoLaptop,
    /// A model with the changes since GPT-2: RMSNorm, rotary positions, SwiGLU, no bias.
    Modern,
}

/// The description of a preset that `presets --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PresetDescription {
    /// The name that users type.
    pub name: &'static str,
    /// A description in one line.
    pub summary: &'static str,
    /// The size of the vocabulary for which the parameters are counted, in tokens.
    pub vocab_size: usize,
    /// The number of parameters of the model with that vocabulary.
    pub parameters: usize,
    /// The preset's point of the model space.
    pub spec: ModelSpec,
}

impl PresetDescription {
    /// Describes `preset` with a vocabulary of `vocab_size` tokens.
    ///
    /// # Errors
    /// Returns an error when no model has a vocabulary of that size.
    pub fn new(preset: Preset, vocab_size: usize) -> Result<Self, SpecError> {
        let spec = preset.spec();
        let graph = lower(&spec.check(vocab_size)?);
        Ok(Self {
            name: preset.name(),
            summary: preset.help(),
            vocab_size,
            parameters: Counts::of(&graph, spec.block_size).parameters,
            spec,
        })
    }
}

choices! { Preset, "preset":
    Microgpt = "microgpt", "the one-file ancestor: 1 layer, width 16, context 16, RMSNorm, ReLU";
    Gpt2Mini = "gpt2-mini", "the hand-built ancestor: 4 layers, 4 heads, width 128, context 256";
    Gpt2 = "gpt2", "GPT-2 small: 12 layers, 12 heads, width 768, context 1024";
    Gpt2Medium = "gpt2-medium", "GPT-2 medium: 24 layers, 16 heads, width 1024";
    Gpt2Large = "gpt2-large", "GPT-2 large: 36 layers, 20 heads, width 1280";
    Gpt2Xl = "gpt2-xl", "GPT-2 XL: 48 layers, 25 heads, width 1600";
    Nano = "nano", "nanoGPT's Shakespeare recipe: 6 layers, 6 heads, width 384, no bias";
    NanoLaptop = "nano-laptop", "nanoGPT's laptop recipe: 4 layers, 4 heads, width 128, context 64, no bias";
    Modern = "modern", "gpt2-mini's size with RMSNorm, rotary positions, SwiGLU, no bias";
}

impl Preset {
    /// Returns the preset's point of the model space.
    pub fn spec(self) -> ModelSpec {
        match self {
            Self::Microgpt => microgpt(),
            Self::Gpt2Mini => gpt2_mini(),
            Self::Gpt2 => gpt2(12, 12, 768),
            Self::Gpt2Medium => gpt2(24, 16, 1024),
            Self::Gpt2Large => gpt2(36, 20, 1280),
            Self::Gpt2Xl => gpt2(48, 25, 1600),
            Self::Nano => nano(),
            Self::NanoLaptop => nano_laptop(),
            Self::Modern => modern(),
        }
    }
}

/// Returns `n_layer` blocks of causal attention and an MLP.
fn blocks(n_layer: usize, n_head: usize, hidden: usize, form: MlpForm) -> Vec<Vec<Sublayer>> {
    let block = vec![
        Sublayer::Attention(Attention::causal(n_head)),
        Sublayer::Mlp(Mlp { hidden, form }),
    ];
    vec![block; n_layer]
}

fn microgpt() -> ModelSpec {
    ModelSpec {
        block_size: 16,
        n_embd: 16,
        norms: Norms {
            embedding: Norm::RmsNormNoGain,
            block: Norm::RmsNormNoGain,
            last: Norm::None,
        },
        layers: blocks(1, 4, 64, MlpForm::Plain(Activation::Relu)),
        head: OutputHead::Untied,
        bias: Bias::Nowhere,
        dropout: 0.0,
        init: Init {
            std: 0.08,
            residual: ResidualInit::Same,
        },
        ..gpt2_mini()
    }
}

fn gpt2_mini() -> ModelSpec {
    ModelSpec {
        block_size: 256,
        n_embd: 128,
        position: Position::Learned,
        norms: Norms {
            embedding: Norm::None,
            block: Norm::LayerNorm,
            last: Norm::LayerNorm,
        },
        wiring: Wiring {
            norm: NormPlace::Before,
            residual: Residual::Add,
            order: SublayerOrder::Sequential,
        },
        layers: blocks(4, 4, 512, MlpForm::Plain(Activation::GeluErf)),
        head: OutputHead::Tied,
        bias: Bias::Everywhere,
        dropout: 0.1,
        init: Init {
            std: 0.02,
            residual: ResidualInit::Same,
        },
    }
}

fn gpt2(n_layer: usize, n_head: usize, n_embd: usize) -> ModelSpec {
    ModelSpec {
        block_size: 1024,
        n_embd,
        layers: blocks(
            n_layer,
            n_head,
            4 * n_embd,
            MlpForm::Plain(Activation::GeluTanh),
        ),
        init: Init {
            std: 0.02,
            residual: ResidualInit::Scaled,
        },
        ..gpt2_mini()
    }
}

fn nano() -> ModelSpec {
    ModelSpec {
        block_size: 256,
        layers: blocks(6, 6, 1536, MlpForm::Plain(Activation::GeluErf)),
        bias: Bias::Nowhere,
        dropout: 0.2,
        ..gpt2(6, 6, 384)
    }
}

fn nano_laptop() -> ModelSpec {
    ModelSpec {
        block_size: 64,
        n_embd: 128,
        layers: blocks(4, 4, 512, MlpForm::Plain(Activation::GeluErf)),
        dropout: 0.0,
        ..nano()
    }
}

fn modern() -> ModelSpec {
    ModelSpec {
        position: Position::Rotary,
        norms: Norms {
            embedding: Norm::None,
            block: Norm::RmsNorm,
            last: Norm::RmsNorm,
        },
        // Two thirds of 4 x 128, rounded up to a multiple of 32: three matrices with the parameters
        // of a plain MLP's two.
        layers: blocks(4, 4, 352, MlpForm::Gated(Activation::Silu)),
        bias: Bias::Nowhere,
        init: Init {
            std: 0.02,
            residual: ResidualInit::Scaled,
        },
        ..gpt2_mini()
    }
}
