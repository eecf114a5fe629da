//! Every architectural choice, by name. What is not typed stays as the preset has it.

use clap::Args;
use gptlab_model::{
    Activation, Mask, Norm, NormPlace, Order, Position, Preset, ResidualInit, Scale, choices,
};

use super::choice::one_of;
use super::command_line::{SWITCH, switch, zero_where_typed};

#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Begin from a model with a name (see `gptlab presets`) [default: gpt2-mini]
    #[arg(long, alias = "base", value_name = "NAME", value_parser = one_of::<Preset>())]
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
    #[arg(long, value_name = "PLACE", value_parser = one_of::<NormPlace>())]
    pub(crate) ln_style: Option<NormPlace>,
    /// How a token learns where it stands
    #[arg(long, value_name = "KIND", value_parser = one_of::<Position>())]
    pub(crate) position: Option<Position>,
    /// The norm of every sublayer
    #[arg(long, value_name = "KIND", value_parser = one_of::<Norm>())]
    pub(crate) norm: Option<Norm>,
    /// The norm after the embeddings
    #[arg(long, value_name = "KIND", value_parser = one_of::<Norm>())]
    pub(crate) embedding_norm: Option<Norm>,
    /// The norm before the head
    #[arg(long, value_name = "KIND", value_parser = one_of::<Norm>())]
    pub(crate) final_norm: Option<Norm>,
    /// Sublayers one after the other, or all from the block's input
    #[arg(long, value_name = "ORDER", value_parser = one_of::<Order>())]
    pub(crate) order: Option<Order>,
    /// The MLP's form; none takes the MLPs out
    #[arg(long, value_name = "FORM", value_parser = one_of::<MlpShape>())]
    pub(crate) mlp: Option<MlpShape>,
    /// The gated MLP (the same as --mlp gated), or the plain one with 0 [default: as --mlp]
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) gated: Option<bool>,
    /// The MLP's inner width
    #[arg(long, value_name = "N")]
    pub(crate) mlp_hidden: Option<usize>,
    /// The MLP's activation
    #[arg(long, value_name = "F", value_parser = one_of::<Activation>())]
    pub(crate) activation: Option<Activation>,
    /// Which tokens a token sees: those before it, or all
    #[arg(long, value_name = "KIND", value_parser = one_of::<Mask>())]
    pub(crate) mask: Option<Mask>,
    /// How many tokens a token sees, itself included (sliding-window attention); 0 for all the past
    #[arg(long, value_name = "N")]
    pub(crate) window: Option<usize>,
    /// What attention scores are multiplied by
    #[arg(long, value_name = "KIND", value_parser = one_of::<Scale>())]
    pub(crate) attention_scale: Option<Scale>,
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
    #[arg(long, value_name = "KIND", value_parser = one_of::<ResidualInit>())]
    pub(crate) init_residual: Option<ResidualInit>,
}

/// The forms of `--mlp`: no type of the model, where "no MLP" is a shorter list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MlpShape {
    None,
    Plain,
    Gated,
}

choices! { MlpShape, "form of the MLP":
    None = "none", "No MLPs at all";
    Plain = "plain", "c_proj(act(c_fc(x)))";
    Gated = "gated", "c_proj(act(c_gate(x)) * c_fc(x)), as in SwiGLU (Shazeer 2020)";
}
