//! The space of models: every architectural choice as an enum, every size as a number.

use serde::{Deserialize, Serialize};

use crate::choices;

/// One point of the model space. The vocabulary is not part of it; [`ModelSpec::check`] adds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The longest context, in tokens.
    pub block_size: usize,
    /// The width of the residual stream, `C`.
    pub n_embd: usize,
    pub position: Position,
    pub norms: Norms,
    pub wiring: Wiring,
    /// The blocks, first to last; each is a list of sublayers, so "no attention" is a shorter list.
    pub layers: Vec<Layer>,
    pub head: OutputHead,
    pub bias: Bias,
    /// The probability of zeroing an element of embeddings, attention weights and sublayers'
    /// outputs.
    pub dropout: f32,
    pub init: Init,
}

impl ModelSpec {
    /// Sets the number of blocks; blocks that are added are copies of the first.
    pub fn set_depth(&mut self, n_layer: usize) {
        let pattern = self.layers.first().cloned().unwrap_or_default();
        self.layers.resize(n_layer, pattern);
    }

    /// Sets the width of the residual stream. MLPs keep their ratio to the width, rounded up.
    pub fn set_width(&mut self, n_embd: usize) {
        let old = self.n_embd.max(1);
        for mlp in self.mlps_mut() {
            mlp.hidden = mlp.hidden.saturating_mul(n_embd).div_ceil(old);
        }
        self.n_embd = n_embd;
    }

    /// Returns every attention, first to last.
    pub fn attentions(&self) -> impl Iterator<Item = &Attention> {
        self.layers.iter().flatten().filter_map(Sublayer::attention)
    }

    /// Returns every attention, for changes.
    pub fn attentions_mut(&mut self) -> impl Iterator<Item = &mut Attention> {
        let sublayers = self.layers.iter_mut().flatten();
        sublayers.filter_map(|sublayer| match sublayer {
            Sublayer::Attention(a) => Some(a),
            Sublayer::Mlp(_) => None,
        })
    }

    /// Returns the MLPs of all blocks, in order.
    pub fn mlps(&self) -> impl Iterator<Item = &Mlp> {
        let sublayers = self.layers.iter().flatten();
        sublayers.filter_map(|sublayer| match sublayer {
            Sublayer::Attention(_) => None,
            Sublayer::Mlp(mlp) => Some(mlp),
        })
    }

    /// Returns every MLP, for changes.
    pub fn mlps_mut(&mut self) -> impl Iterator<Item = &mut Mlp> {
        let sublayers = self.layers.iter_mut().flatten();
        sublayers.filter_map(|sublayer| match sublayer {
            Sublayer::Attention(_) => None,
            Sublayer::Mlp(mlp) => Some(mlp),
        })
    }

    /// Removes every attention.
    pub fn remove_attentions(&mut self) {
        for layer in &mut self.layers {
            layer.retain(|sublayer| sublayer.attention().is_none());
        }
    }

    /// Removes every MLP.
    pub fn remove_mlps(&mut self) {
        for layer in &mut self.layers {
            layer.retain(|sublayer| sublayer.mlp().is_none());
        }
    }

    /// Returns true if no attention sees a token after its own.
    pub fn is_causal(&self) -> bool {
        self.attentions().all(|a| match a.mask {
            Mask::Causal => true,
            Mask::Full => false,
        })
    }

    /// Returns whether sublayers add their output to the stream.
    pub fn has_residual(&self) -> bool {
        match self.wiring.residual {
            Residual::Add => true,
            Residual::None => false,
        }
    }

    /// Returns whether every sublayer has a norm.
    pub fn has_block_norms(&self) -> bool {
        match self.norms.block {
            Norm::None => false,
            Norm::LayerNorm | Norm::RmsNorm | Norm::RmsNormNoGain => true,
        }
    }

    /// Returns whether norms stand after the residual addition (post-LN).
    pub fn is_post_norm(&self) -> bool {
        match self.wiring.norm {
            NormPlace::Before => false,
            NormPlace::After => self.has_block_norms(),
        }
    }

    /// Returns whether there is a norm before the head.
    pub fn has_final_norm(&self) -> bool {
        match self.norms.last {
            Norm::None => false,
            Norm::LayerNorm | Norm::RmsNorm | Norm::RmsNormNoGain => true,
        }
    }

    /// Returns whether an attention leaves its queries and keys as they are.
    pub fn lacks_qk_norm(&self) -> bool {
        self.attentions().any(|a| match a.qk_norm {
            QkNorm::None => true,
            QkNorm::RmsNorm => false,
        })
    }

    /// Returns whether an attention leaves its scores undivided.
    pub fn has_unscaled_scores(&self) -> bool {
        self.attentions().any(|a| match a.scale {
            Scale::InverseSqrt => false,
            Scale::One => true,
        })
    }

    /// Returns whether an MLP has an activation that is 0 for every negative number.
    pub fn has_relu(&self) -> bool {
        let mut mlps = self.layers.iter().flatten().filter_map(Sublayer::mlp);
        mlps.any(|mlp| {
            let (MlpForm::Plain(activation) | MlpForm::Gated(activation)) = mlp.form;
            match activation {
                Activation::Relu | Activation::ReluSquared => true,
                Activation::GeluErf | Activation::GeluTanh | Activation::Silu => false,
            }
        })
    }

    /// Gives every attention so many `heads`, and as many of keys and values where it had as many.
    pub fn set_heads(&mut self, heads: usize) {
        for a in self.attentions_mut() {
            if a.kv_heads == a.heads {
                a.kv_heads = heads;
            }
            a.heads = heads;
        }
    }
}

/// How the model encodes positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    None,
    /// A learned row per position is added to the token's (GPT-2).
    Learned,
    /// Fixed sines and cosines, added to embeddings times the root of the width (Vaswani et al.
    /// 2017, sections 3.4 and 3.5). Files call it `sinusoidal-scaled`.
    #[serde(rename = "sinusoidal-scaled")]
    Sinusoidal,
    /// The same sines, added to embeddings as they are, which they drown where those begin small.
    /// Files call it `sinusoidal`: that is what the word meant in them before there was the other.
    #[serde(rename = "sinusoidal")]
    SinusoidalUnscaled,
    /// Queries and keys rotated by position (Su et al. 2021), half-split layout, base 10,000.
    Rotary,
    /// Scores lose a penalty linear in distance (Press et al. 2022).
    Alibi,
}

choices! { Position, "position":
    None = "none", "No positions: attention sees a set";
    Learned = "learned" | "absolute", "A learned row per position, added to the token's (GPT-2)";
    Sinusoidal = "sinusoidal", "Fixed sines and cosines, added to embeddings times the root of the width (Vaswani et al. 2017)";
    SinusoidalUnscaled = "sinusoidal-unscaled", "The same sines, added to embeddings as they are";
    Rotary = "rotary" | "rope", "Queries and keys rotated by position (Su et al. 2021)";
    Alibi = "alibi", "A penalty on attention linear in distance (Press et al. 2022)";
}

/// The kind of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    None,
    /// Layer normalisation with a gain, and a bias under [`Bias::Everywhere`] (Ba et al. 2016).
    LayerNorm,
    /// Root mean square normalisation with a gain (Zhang & Sennrich 2019).
    RmsNorm,
    /// Root mean square normalisation without parameters, as in microgpt.
    RmsNormNoGain,
}

choices! { Norm, "norm":
    None = "none", "No norm";
    LayerNorm = "layer-norm" | "layernorm", "Layer normalisation";
    RmsNorm = "rms-norm" | "rmsnorm", "Root mean square normalisation with a gain";
    RmsNormNoGain = "rms-norm-no-gain", "The same without a gain, as in microgpt";
}

/// The norms of the model, by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norms {
    /// The norm after token and position are added.
    pub embedding: Norm,
    /// The norm of each sublayer.
    pub block: Norm,
    /// The norm before the output head.
    pub last: Norm,
}

/// The order of norms, residuals and sublayers in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wiring {
    pub norm: NormPlace,
    pub residual: Residual,
    pub order: SublayerOrder,
}

/// The place of a sublayer's norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlace {
    /// The norm is before the sublayer (pre-LN): `x + f(norm(x))`.
    Before,
    /// The norm is after the addition (post-LN): `norm(x + f(x))`.
    After,
}

choices! { NormPlace, "place of the norm":
    Before = "pre", "Before the sublayer: x + f(norm(x))";
    After = "post", "After the residual addition: norm(x + f(x))";
}

/// The use of a sublayer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Residual {
    Add,
    /// The sublayer's output replaces the stream.
    None,
}

choices! { Residual, "residual connection":
    Add = "add", "The sublayer's output is added to the stream";
    None = "none", "The sublayer's output replaces the stream";
}

/// The order of a block's sublayers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SublayerOrder {
    /// Each sublayer reads the output of the one before it.
    Sequential,
    /// All sublayers of a block read the block's input; their outputs are summed (GPT-NeoX).
    Parallel,
}

choices! { SublayerOrder, "order of sublayers":
    Sequential = "sequential", "Each sublayer reads what the one before it left";
    Parallel = "parallel", "All sublayers of a block read the block's input (GPT-NeoX)";
}

/// One block: a list of sublayers in order.
pub type Layer = Vec<Sublayer>;

/// One part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sublayer {
    Attention(Attention),
    Mlp(Mlp),
}

impl Sublayer {
    /// Returns the attention, if the sublayer is one.
    pub fn attention(&self) -> Option<&Attention> {
        match self {
            Self::Attention(a) => Some(a),
            Self::Mlp(_) => None,
        }
    }

    /// Returns the MLP, if the sublayer is one.
    pub fn mlp(&self) -> Option<&Mlp> {
        match self {
            Self::Attention(_) => None,
            Self::Mlp(mlp) => Some(mlp),
        }
    }
}

/// The settings of one attention.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// The number of query heads; it divides the width of the residual stream.
    pub heads: usize,
    /// The number of key and value heads; fewer than `heads` is grouped-query attention (Ainslie et
    /// al. 2023).
    pub kv_heads: usize,
    /// The tokens that a token sees.
    pub mask: Mask,
    /// The number of tokens that a query sees, including its own, or `None` for all of the past:
    /// sliding-window attention (Beltagy et al. 2020; Jiang et al. 2023). `L` such layers reach
    /// back `L (window - 1)` tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    pub scale: Scale,
    pub qk_norm: QkNorm,
    /// The bound `cap` of scores, if there is one: `cap * tanh(score / cap)` before the softmax
    /// (Gemma 2).
    pub softcap: Option<f32>,
}

impl Attention {
    /// Returns causal multi-head attention with scores scaled by `1 / sqrt(head_dim)`.
    pub fn causal(heads: usize) -> Self {
        Self {
            heads,
            kv_heads: heads,
            mask: Mask::Causal,
            window: None,
            scale: Scale::InverseSqrt,
            qk_norm: QkNorm::None,
            softcap: None,
        }
    }
}

/// The tokens that a token sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    Causal,
    /// Every token sees every other, including those it has to predict.
    Full,
}

choices! { Mask, "mask":
    Causal = "causal", "A token sees itself and those before it";
    Full = "full", "Every token sees every other, and the answer with them";
}

/// The factor of attention scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Scores are multiplied by `1 / sqrt(head_dim)`.
    InverseSqrt,
    One,
}

choices! { Scale, "scale of attention scores":
    InverseSqrt = "inverse-sqrt", "1 / sqrt(head width)";
    One = "one" | "1", "Scores as they are";
}

/// The norm of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QkNorm {
    None,
    /// Each query and key head is divided by its root mean square, without gain (Henry et al.
    /// 2020).
    RmsNorm,
}

choices! { QkNorm, "norm of queries and keys":
    None = "none", "Queries and keys as they are";
    RmsNorm = "rms-norm", "Each query and key head divided by its root mean square";
}

/// The settings of one MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// The inner width.
    pub hidden: usize,
    pub form: MlpForm,
}

/// The form of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MlpForm {
    /// `c_proj(act(c_fc(x)))`.
    Plain(Activation),
    /// `c_proj(act(c_gate(x)) * c_fc(x))` (Shazeer 2020): SwiGLU with SiLU, GeGLU with GELU.
    Gated(Activation),
}

/// The activation of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x * Phi(x)`, with the exact error function.
    GeluErf,
    /// The tanh approximation of GPT-2's original code.
    GeluTanh,
    Relu,
    ReluSquared,
    Silu,
}

choices! { Activation, "activation":
    GeluErf = "gelu" | "gelu-erf", "GELU with the exact error function";
    GeluTanh = "gelu-tanh", "The tanh approximation of GPT-2's original code";
    Relu = "relu", "The larger of x and 0";
    ReluSquared = "relu-squared" | "relu2", "The square of ReLU (So et al. 2021)";
    Silu = "silu", "x * sigmoid(x)";
}

/// The weights of the output head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputHead {
    /// Logits are products with the rows of the token embedding.
    Tied,
    Untied,
}

choices! { OutputHead, "head":
    Tied = "tied", "Logits by the token embedding's own rows";
    Untied = "untied", "Logits by weights of the head's own";
}

/// Whether the blocks' linear maps and every LayerNorm have biases; the output head never has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    Everywhere,
    Nowhere,
}

choices! { Bias, "bias":
    Everywhere = "everywhere", "Biases in the linear maps of blocks and in every LayerNorm";
    Nowhere = "nowhere", "No bias";
}

/// The initial values of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// The standard deviation of every weight matrix and embedding; gains start at 1, biases at 0.
    pub std: f32,
    pub residual: ResidualInit,
}

/// The initial scale of projections onto the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResidualInit {
    Same,
    /// Projections onto the residual stream are divided by the square root of their number, `2L`
    /// (GPT-2).
    Scaled,
}

impl ResidualInit {
    /// Returns the other of the two values.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Same => Self::Scaled,
            Self::Scaled => Self::Same,
        }
    }
}

choices! { ResidualInit, "start of residual projections":
    Same = "same", "Like every other matrix";
    Scaled = "scaled", "Divided by the square root of their number, 2 a layer (GPT-2)";
}
