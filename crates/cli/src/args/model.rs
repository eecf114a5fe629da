//! Every architectural choice, by name. What is not typed stays as the preset has it.

use clap::{
    Args, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use gptlab_model::Preset;

use super::command_line::{SWITCH, switch, zero_where_typed};

#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Begin from a model with a name (see `gptlab presets`) [default: gpt2-mini]
    #[arg(long, alias = "base", value_name = "NAME", value_parser = preset())]
    pub(crate) preset: Option<Preset>,
    /// Blocks
    #[arg(long, value_name = "N")]
    pub(crate) n_layer: Option<usize>,
    /// Attention heads; their number divides the width
    #[arg(long, value_name = "N")]
    pub(crate) n_head: Option<usize>,
    /// Key and value heads; fewer than --n-head is grouped-query attention
    #[arg(long, value_name = "N")]
    pub(crate) n_kv_head: Option<usize>,
    /// The width of the residual stream
    #[arg(long, value_name = "N")]
    pub(crate) n_embd: Option<usize>,
    /// The context, in tokens
    #[arg(long, value_name = "N")]
    pub(crate) block_size: Option<usize>,
    /// Probability of zeroing while training
    #[arg(long, value_name = "P")]
    pub(crate) dropout: Option<f32>,
    /// Break: no residual connection, a sublayer's output replaces the stream
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) disable_residual: Option<bool>,
    /// Break: no attention sublayers
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) disable_attention: Option<bool>,
    /// The norm before (pre) or after (post) each sublayer
    #[arg(long, value_name = "PLACE")]
    pub(crate) ln_style: Option<LnStyleArg>,
    /// How a token learns where it stands
    #[arg(long, value_name = "KIND")]
    pub(crate) position: Option<PositionArg>,
    /// The norm of every sublayer
    #[arg(long, value_name = "KIND")]
    pub(crate) norm: Option<NormArg>,
    /// The norm after the embeddings
    #[arg(long, value_name = "KIND")]
    pub(crate) embedding_norm: Option<NormArg>,
    /// The norm before the head
    #[arg(long, value_name = "KIND")]
    pub(crate) final_norm: Option<NormArg>,
    /// Sublayers one after the other, or all from the block's input
    #[arg(long, value_name = "ORDER")]
    pub(crate) order: Option<OrderArg>,
    /// The MLP's form; none takes the MLPs out
    #[arg(long, value_name = "FORM")]
    pub(crate) mlp: Option<MlpArg>,
    /// The gated MLP (the same as --mlp gated), or the plain one with 0
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) gated: Option<bool>,
    /// The MLP's inner width
    #[arg(long, value_name = "N")]
    pub(crate) mlp_hidden: Option<usize>,
    /// The MLP's activation
    #[arg(long, value_name = "F")]
    pub(crate) activation: Option<ActivationArg>,
    /// Which tokens a token sees: those before it, or all
    #[arg(long, value_name = "KIND")]
    pub(crate) mask: Option<MaskArg>,
    /// What attention scores are multiplied by
    #[arg(long, value_name = "KIND")]
    pub(crate) attention_scale: Option<ScaleArg>,
    /// Queries and keys divided by their root mean square
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) qk_norm: Option<bool>,
    /// Attention scores bent by cap * tanh(score / cap); 0 for none
    #[arg(long, value_name = "CAP", value_parser = zero_where_typed)]
    pub(crate) softcap: Option<f32>,
    /// Logits by the token embedding's own rows
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) tied: Option<bool>,
    /// Biases in the linear maps and LayerNorms
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) bias: Option<bool>,
    /// Standard deviation of the initial weights
    #[arg(long, value_name = "STD")]
    pub(crate) init_std: Option<f32>,
    /// Projections onto the residual stream begin like the rest, or scaled by 1/sqrt(2 layers)
    #[arg(long, value_name = "KIND")]
    pub(crate) init_residual: Option<InitResidualArg>,
}

/// The presets' names, so that help, completions and near matches know them.
fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name))
        .try_map(|name| Preset::from_name(&name).ok_or("no such preset"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LnStyleArg {
    Pre,
    Post,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PositionArg {
    None,
    Learned,
    Sinusoidal,
    Rotary,
    Alibi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NormArg {
    None,
    /// Layer normalisation
    #[value(alias = "layernorm")]
    LayerNorm,
    /// Root mean square normalisation with a gain
    #[value(alias = "rmsnorm")]
    RmsNorm,
    /// The same without a gain, as in microgpt
    RmsNormNoGain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    Sequential,
    Parallel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MlpArg {
    None,
    Plain,
    Gated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActivationArg {
    #[value(alias = "gelu-erf")]
    Gelu,
    GeluTanh,
    Relu,
    #[value(alias = "relu2")]
    ReluSquared,
    Silu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MaskArg {
    Causal,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScaleArg {
    /// 1 / sqrt(head width)
    InverseSqrt,
    #[value(alias = "1")]
    One,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitResidualArg {
    Same,
    Scaled,
}
