//! A model as a list of named ops on matrices with one row per token. `lower` writes this list,
//! engines run it, and learners read it.
//!
//! A node reads only nodes before it, and only attention mixes rows. Engines run a graph; they
//! never see the spec it came from. [`std::fmt::Display`] prints one line per op.

use std::fmt;

use crate::{
    AttentionMask, Place,
    params::{ParamGroup, ParamId, ParamInit, ParamTable},
    spec::Activation,
};

/// The index of a node, and of the value that it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(usize);

impl ValueId {
    /// Returns the index in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A named value `[tokens, width]` and the op that computes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node's place in the model.
    pub place: Place,
    /// The place in words, for readers: `block0.attn.mix`.
    pub name: String,
    /// The op that computes the value.
    pub op: Op,
    /// The numbers in each row of the value.
    pub width: usize,
}

/// An operation on matrices with one row per token.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Reads row `token` of `table`.
    TokenEmbedding {
        table: ParamId,
        scale: f32,
    },
    /// Reads row `position` of `table`.
    PositionEmbedding {
        table: ParamId,
    },
    /// Reads row `position` of the fixed table of [`sinusoid`]s.
    Sinusoid,
    Add {
        a: ValueId,
        b: ValueId,
    },
    Norm {
        x: ValueId,
        norm: NormOp,
    },
    /// Computes `x W^T + b` with `W` of shape `[out, in]`.
    Linear {
        x: ValueId,
        weight: ParamId,
        bias: Option<ParamId>,
    },
    /// Divides the first `heads` heads of each row by their root mean square.
    HeadNorm {
        x: ValueId,
        heads: usize,
        head_dim: usize,
    },
    /// Rotates the first `heads` heads of each row by the row's position: the pair (`i`,
    /// `i + head_dim / 2`) of a head turns by the angle `position / 10_000^(2i / head_dim)`.
    Rotary {
        x: ValueId,
        heads: usize,
        head_dim: usize,
    },
    /// Computes attention over packed rows of queries, keys and values.
    Attention {
        x: ValueId,
        attention: AttentionOp,
    },
    Activate {
        x: ValueId,
        f: Activation,
    },
    /// Computes `f(gate) * up`.
    Gate {
        gate: ValueId,
        up: ValueId,
        f: Activation,
    },
    /// Zeroes elements with probability `p`, to the nearest 1/65536, while training, and divides
    /// the rest by the exact probability of being kept. Its stream's purpose is `dropout/` + the
    /// node's name.
    Dropout {
        x: ValueId,
        p: f32,
    },
}

/// The epsilon under every root: PyTorch's default for LayerNorm, and microgpt's for RMSNorm.
pub const NORM_EPS: f32 = 1e-5;

/// The base of rotary angles: pair `i` of a head turns by `position * base^(-2i / head_dim)`.
pub const ROTARY_BASE: f64 = 10_000.0;

/// A norm of each row, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormOp {
    LayerNorm {
        gain: ParamId,
        bias: Option<ParamId>,
    },
    RmsNorm {
        gain: Option<ParamId>,
    },
}

/// An attention. Rows are `heads` queries, then `kv_heads` keys, then `kv_heads` values, each
/// `head_dim` wide; query head `h` reads key and value head `h / (heads / kv_heads)`. A score is
/// the product of a query and a key, to which `scale`, `softcap` and `alibi` are applied in this
/// order; the softmax and `dropout` follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOp {
    /// The number of query heads.
    pub heads: usize,
    /// The number of key and value heads; it divides `heads`.
    pub kv_heads: usize,
    /// The width of each head.
    pub head_dim: usize,
    /// The keys that a query sees.
    pub mask: AttentionMask,
    /// The factor that scores are multiplied by.
    pub scale: f32,
    /// The bound of scores, if there is one: `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Whether [`alibi_slopes`]`[head] * |query - key|` is subtracted from each score.
    pub alibi: bool,
    /// The probability that a weight is zeroed while training. The masks are those of the
    /// transposed weights: the mask's row of head `h` and key `j` is
    /// `first_row * heads + h * T + j` for a sequence of `T` tokens from batch row `first_row`, its
    /// column is the query's position, and rows are [`crate::random::mask_stride`]`(T)` apart.
    pub dropout: f32,
}

/// Returns ALiBi's slope of each head (Press et al. 2022): a geometric series from `2^(-8/n)`. If
/// `n` is not a power of two, the series of the power below is followed by every other slope of the
/// power above.
pub fn alibi_slopes(heads: usize) -> Vec<f32> {
    let series = |n: usize| (1..=n).map(move |i| (-8.0 * i as f64 / n as f64).exp2() as f32);
    let below = 1 << heads.max(1).ilog2();
    series(below)
        .chain(series(2 * below).step_by(2))
        .take(heads)
        .collect()
}

/// Returns element `i` of the sinusoidal position vector of width `width` at `position` (Vaswani et
/// al. 2017).
pub fn sinusoid(position: usize, i: usize, width: usize) -> f32 {
    let angle = position as f64 / 10_000f64.powf((i / 2 * 2) as f64 / width as f64);
    match i % 2 {
        0 => angle.sin() as f32,
        _ => angle.cos() as f32,
    }
}

/// A lowered model: its nodes in the order they run, the parameters they use, and the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    params: ParamTable,
    logits: ValueId,
    block_size: usize,
}

impl Graph {
    /// Returns the longest sequence that the model reads, in tokens.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Returns the nodes in the order they run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the ids of the nodes in the order they run.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ValueId> + use<> {
        (0..self.nodes.len()).map(ValueId)
    }

    /// Returns the node with this id.
    pub fn node(&self, id: ValueId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns the table of the model's parameters.
    pub fn params(&self) -> &ParamTable {
        &self.params
    }

    /// Returns the last node, `[tokens, vocab_size]`: the loss is its mean softmax cross-entropy.
    pub fn logits(&self) -> ValueId {
        self.logits
    }

    /// Returns the number of tokens in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.node(self.logits).width
    }

    /// Returns the node with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.nodes.iter().position(|n| n.name == name).map(ValueId)
    }
}

impl Node {
    /// Returns the input and the weight of a linear map; `None` for every other op.
    pub fn linear(&self) -> Option<(ValueId, ParamId)> {
        let Op::Linear { x, weight, .. } = &self.op else {
            return None;
        };
        Some((*x, *weight))
    }

    /// Returns the input and the settings of an attention; `None` for every other op.
    pub fn attention(&self) -> Option<(ValueId, &AttentionOp)> {
        let Op::Attention { x, attention } = &self.op else {
            return None;
        };
        Some((*x, attention))
    }

    /// Returns the input and the settings of a norm; `None` for every other op, including the norms
    /// of single heads.
    pub fn norm(&self) -> Option<(ValueId, &NormOp)> {
        let Op::Norm { x, norm } = &self.op else {
            return None;
        };
        Some((*x, norm))
    }

    /// Returns true if the op is an activation, gated or not: its value is the hidden units of an
    /// MLP.
    pub fn is_activation(&self) -> bool {
        match self.op {
            Op::Activate { .. } | Op::Gate { .. } => true,
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::Add { .. }
            | Op::Norm { .. }
            | Op::Linear { .. }
            | Op::HeadNorm { .. }
            | Op::Rotary { .. }
            | Op::Attention { .. }
            | Op::Dropout { .. } => false,
        }
    }

    /// Returns the two inputs of an addition; `None` for every other op. In a block of a model with
    /// residuals the first is the stream, and the second is what a sublayer writes to it.
    pub fn addition(&self) -> Option<(ValueId, ValueId)> {
        let Op::Add { a, b } = &self.op else {
            return None;
        };
        Some((*a, *b))
    }

    /// Returns the block of the node; `None` before the first block and after the last.
    pub fn block(&self) -> Option<usize> {
        self.place.sublayer().map(|sublayer| sublayer.block)
    }
}

/// Appends nodes and parameters for `lower`.
pub(crate) struct Builder {
    nodes: Vec<Node>,
    params: ParamTable,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            params: ParamTable::default(),
        }
    }

    pub(crate) fn node(&mut self, place: Place, width: usize, op: Op) -> ValueId {
        self.nodes.push(Node {
            name: place.to_string(),
            place,
            op,
            width,
        });
        ValueId(self.nodes.len() - 1)
    }

    pub(crate) fn width(&self, id: ValueId) -> usize {
        self.nodes[id.0].width
    }

    pub(crate) fn vector(&mut self, name: String, width: usize, init: ParamInit) -> ParamId {
        self.params.add(name, vec![width], init, ParamGroup::Vector)
    }

    pub(crate) fn matrix(
        &mut self,
        name: String,
        shape: [usize; 2],
        init: ParamInit,
        group: ParamGroup,
    ) -> ParamId {
        self.params.add(name, shape.to_vec(), init, group)
    }

    pub(crate) fn finish(self, logits: ValueId, block_size: usize) -> Graph {
        Graph {
            nodes: self.nodes,
            params: self.params,
            logits,
            block_size,
        }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.nodes.iter().map(|n| n.name.len()).max().unwrap_or(0);
        writeln!(f, "# T tokens, at most {}", self.block_size)?;
        for node in &self.nodes {
            let line = format!("{:longest$} = {}", node.name, self.describe(&node.op));
            writeln!(f, "{line:<88} # T x {}", node.width)?;
        }
        let logits = &self.node(self.logits).name;
        writeln!(
            f,
            "{:longest$} = mean_cross_entropy({logits}, targets)",
            "loss"
        )
    }
}

impl Graph {
    fn describe(&self, op: &Op) -> String {
        let value = |id: &ValueId| &self.node(*id).name;
        let param = |id: &ParamId| &self.params.get(*id).name;
        let optional = |id: &Option<ParamId>| {
            id.map_or(String::new(), |id| {
                format!(", {}", self.params.get(id).name)
            })
        };
        match op {
            Op::TokenEmbedding { table, scale } => {
                let row = format!("row({}, token)", param(table));
                if *scale == 1.0 {
                    row
                } else {
                    format!("{scale} {row}")
                }
            }
            Op::PositionEmbedding { table } => format!("row({}, position)", param(table)),
            Op::Sinusoid => "sinusoid(position)".into(),
            Op::Add { a, b } => format!("{} + {}", value(a), value(b)),
            Op::Norm { x, norm } => match norm {
                NormOp::LayerNorm { gain, bias } => {
                    format!(
                        "layer_norm({}, {}{})",
                        value(x),
                        param(gain),
                        optional(bias)
                    )
                }
                NormOp::RmsNorm { gain } => format!("rms_norm({}{})", value(x), optional(gain)),
            },
            Op::Linear { x, weight, bias } => {
                format!("linear({}, {}{})", value(x), param(weight), optional(bias))
            }
            Op::HeadNorm { x, heads, head_dim } => {
                format!(
                    "head_rms_norm({}, first {heads} heads of {head_dim})",
                    value(x)
                )
            }
            Op::Rotary { x, heads, head_dim } => {
                format!("rotary({}, first {heads} heads of {head_dim})", value(x))
            }
            Op::Attention { x, attention } => format!("attention({}, {attention})", value(x)),
            Op::Activate { x, f } => format!("{}({})", f.listed(), value(x)),
            Op::Gate { gate, up, f } => format!("{}({}) * {}", f.listed(), value(gate), value(up)),
            Op::Dropout { x, p } => format!("dropout({}, {p})", value(x)),
        }
    }
}

impl fmt::Display for AttentionOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = |n| if n == 1 { "head" } else { "heads" };
        write!(
            f,
            "{} {} of {}",
            self.heads,
            heads(self.heads),
            self.head_dim
        )?;
        if self.kv_heads != self.heads {
            write!(f, ", {} kv {}", self.kv_heads, heads(self.kv_heads))?;
        }
        write!(f, ", {}, scale {}", self.mask, self.scale)?;
        if let Some(cap) = self.softcap {
            write!(f, ", softcap {cap}")?;
        }
        if self.alibi {
            f.write_str(", alibi")?;
        }
        if self.dropout > 0.0 {
            write!(f, ", dropout {}", self.dropout)?;
        }
        Ok(())
    }
}

impl Activation {
    /// Returns the name in listings.
    fn listed(self) -> &'static str {
        match self {
            Self::GeluErf => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Relu => "relu",
            Self::ReluSquared => "relu_squared",
            Self::Silu => "silu",
        }
    }
}
