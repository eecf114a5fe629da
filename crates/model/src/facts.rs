//! Facts about each op that hold on every engine. They are stated once, here, for everything that
//! compiles, counts or explains a graph.

use crate::{
    AttentionMask, Node, Op, ParamId, ValueId,
    graph::{AttentionOp, NormOp},
};

/// What an engine, a planner or a counter has to know about an op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFacts {
    /// The values that the op reads, in order.
    pub inputs: Vec<ValueId>,
    /// The parameters that the op reads.
    pub params: Vec<ParamId>,
    /// What the op's backward pass reads of its forward pass.
    pub saved: Saved,
    /// The input whose memory the op may overwrite with its value, if there is one: each number
    /// that it writes is computed from the number in the same place and from other inputs or its
    /// own head.
    pub in_place: Option<usize>,
    /// How the gradients of the op's inputs follow from the gradient of its value.
    pub adjoint: Adjoint,
    /// The numbers of the inputs that a number of the op's value depends on.
    pub mixes: Mixes,
    /// The fixed table that the op reads, if there is one.
    pub constant: Option<Constant>,
    /// The matrix products that the op computes.
    pub products: Products,
}

/// What an op's backward pass reads of its forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Whether the backward pass reads the op's inputs.
    pub inputs: bool,
    /// Whether the backward pass reads the op's value.
    pub output: bool,
    /// Statistics that the forward pass stores beside its value, in numbers per row: means,
    /// reciprocal deviations, log-sum-exps.
    pub statistics: usize,
}

/// How the gradients of an op's inputs follow from the gradient of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjoint {
    /// Each gradient equals the value's gradient.
    Identity,
    /// The gradient may overwrite the value's gradient.
    InPlace,
    /// The gradients need memory of their own.
    OutOfPlace,
}

/// The numbers of its inputs that a number of an op's value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixes {
    /// It depends only on the numbers in the same place.
    Nothing,
    /// It depends on the numbers of its head in the same row.
    Head,
    /// It depends on the numbers of its row.
    Row,
    /// It depends on the numbers of its head in all rows of its sequence.
    Sequence,
}

/// The multiply-adds in an op's matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    None,
    /// One multiply-add for each number of this parameter and each row.
    OfWeight(ParamId),
    /// `each` multiply-adds for every pair of a query and a key that it sees.
    OfPairs {
        each: usize,
        mask: AttentionMask,
    },
}

/// A table that depends only on an op's settings and the context length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// The values of [`crate::sinusoid`], `[block_size, width]`.
    Sinusoids { width: usize },
    /// The cosines of the rotary angles, `[block_size, head_dim / 2]`, then their sines.
    Rotations { head_dim: usize },
    /// The values of [`crate::alibi_slopes`], `[heads]`.
    AlibiSlopes { heads: usize },
}

impl Constant {
    /// Returns the number of elements of the table for sequences of up to `block_size` tokens.
    pub fn len(self, block_size: usize) -> usize {
        match self {
            Self::Sinusoids { width } => block_size * width,
            Self::Rotations { head_dim } => 2 * (block_size * (head_dim / 2)),
            Self::AlibiSlopes { heads } => heads,
        }
    }
}

impl OpFacts {
    /// Returns the facts of an op with no inputs, as a start for [`Op::facts`].
    fn of_nothing() -> Self {
        Self {
            inputs: Vec::new(),
            params: Vec::new(),
            saved: Saved::default(),
            in_place: None,
            adjoint: Adjoint::OutOfPlace,
            mixes: Mixes::Nothing,
            constant: None,
            products: Products::None,
        }
    }

    /// Returns the facts of an op with one input, as a start for [`Op::facts`].
    fn of(x: ValueId) -> Self {
        Self {
            inputs: vec![x],
            ..Self::of_nothing()
        }
    }
}

impl Node {
    /// Returns the values that the op reads, in order.
    pub fn inputs(&self) -> Vec<ValueId> {
        self.facts().inputs
    }

    /// Returns the facts of the op.
    pub fn facts(&self) -> OpFacts {
        let inputs_saved = Saved {
            inputs: true,
            ..Saved::default()
        };
        match &self.op {
            Op::TokenEmbedding { table, .. } | Op::PositionEmbedding { table } => OpFacts {
                params: vec![*table],
                ..OpFacts::of_nothing()
            },
            Op::Sinusoid => OpFacts {
                constant: Some(Constant::Sinusoids { width: self.width }),
                ..OpFacts::of_nothing()
            },
            Op::Add { a, b } => OpFacts {
                inputs: vec![*a, *b],
                in_place: Some(1),
                adjoint: Adjoint::Identity,
                ..OpFacts::of_nothing()
            },
            Op::Norm { x, norm } => OpFacts {
                params: norm.params(),
                saved: Saved {
                    // The mean and the reciprocal deviation.
                    statistics: 2,
                    ..inputs_saved
                },
                mixes: Mixes::Row,
                ..OpFacts::of(*x)
            },
            Op::Linear { x, weight, bias } => OpFacts {
                params: [Some(*weight), *bias].into_iter().flatten().collect(),
                saved: inputs_saved,
                mixes: Mixes::Row,
                products: Products::OfWeight(*weight),
                ..OpFacts::of(*x)
            },
            Op::HeadNorm { x, heads, .. } => OpFacts {
                saved: Saved {
                    output: true,
                    // The reciprocal root mean square of each head.
                    statistics: *heads,
                    ..Saved::default()
                },
                in_place: Some(0),
                adjoint: Adjoint::InPlace,
                mixes: Mixes::Head,
                ..OpFacts::of(*x)
            },
            Op::Rotary { x, head_dim, .. } => OpFacts {
                in_place: Some(0),
                adjoint: Adjoint::InPlace,
                mixes: Mixes::Head,
                constant: Some(Constant::Rotations {
                    head_dim: *head_dim,
                }),
                ..OpFacts::of(*x)
            },
            Op::Attention { x, attention } => OpFacts {
                saved: Saved {
                    inputs: true,
                    output: true,
                    // The log-sum-exp of each head.
                    statistics: attention.heads,
                },
                mixes: Mixes::Sequence,
                constant: attention.constant(),
                // The products compute the scores, and the weighted sums of values.
                products: Products::OfPairs {
                    each: 2 * attention.heads * attention.head_dim,
                    mask: attention.mask,
                },
                ..OpFacts::of(*x)
            },
            Op::Activate { x, .. } => OpFacts {
                saved: inputs_saved,
                adjoint: Adjoint::InPlace,
                ..OpFacts::of(*x)
            },
            Op::Gate { gate, up, .. } => OpFacts {
                inputs: vec![*gate, *up],
                saved: inputs_saved,
                ..OpFacts::of_nothing()
            },
            Op::Dropout { x, .. } => OpFacts {
                in_place: Some(0),
                adjoint: Adjoint::InPlace,
                ..OpFacts::of(*x)
            },
        }
    }
}

impl NormOp {
    fn params(&self) -> Vec<ParamId> {
        match self {
            Self::LayerNorm { gain, bias } => [Some(*gain), *bias].into_iter().flatten().collect(),
            Self::RmsNorm { gain } => gain.iter().copied().collect(),
        }
    }
}

impl AttentionOp {
    fn constant(&self) -> Option<Constant> {
        self.alibi
            .then_some(Constant::AlibiSlopes { heads: self.heads })
    }
}
