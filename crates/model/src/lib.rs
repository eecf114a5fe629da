//! What a GPT *is*, and nothing about how one is run.
//!
//! [`ModelSpec`] is plain data made of enums; [`ModelSpec::check`] turns it, with a vocabulary
//! size, into a [`Model`] that makes sense; [`lower`] turns a `Model` into a [`Graph`], a list of
//! named ops over row-per-token matrices, together with its [`ParamTable`]. `lower` is the model
//! definition: every architectural choice is matched there and nothing below knows an ablation.
//!
//! Knows: architecture, parameters, counts, batches of tokens, named random streams.
//! Never will: kernels, threads, files, clocks, text, optimisers.

mod batch;
mod check;
mod choice;
mod counts;
mod facts;
mod graph;
mod lower;
mod mask;
mod params;
mod place;
mod presets;
pub mod random;
mod spec;

pub use batch::{Batch, BatchError};
pub use check::{MOST_LAYERS, Model, SpecError, check_n_layer};
pub use choice::{Choice, UnknownChoice, Words};
pub use counts::Counts;
pub use facts::{Adjoint, Constant, Mixes, OpFacts, Products, Saved};
pub use graph::{
    AttentionOp, Graph, NORM_EPS, Node, NormOp, Op, ROTARY_BASE, ValueId, alibi_slopes, sinusoid,
};
pub use lower::lower;
pub use mask::AttentionMask;
pub use params::{Param, ParamGroup, ParamId, ParamInit, ParamTable};
pub use place::{EmbeddingRole, EndRole, Place, Role, SublayerId, SublayerKind};
pub use presets::{Preset, PresetDescription};
pub use spec::{
    Activation, Attention, Bias, Init, Layer, Mask, Mlp, MlpForm, ModelSpec, Norm, NormPlace,
    Norms, OutputHead, Position, QkNorm, Residual, ResidualInit, Scale, Sublayer, SublayerOrder,
    Wiring,
};
