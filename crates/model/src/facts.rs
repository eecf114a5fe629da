//! What is true of an op whatever runs it: stated once, here, for whoever compiles, counts or
//! explains a graph.

use crate::{
    AttentionMask, Node, Op, ParamId, ValueId,
    graph::{AttentionOp, NormOp},
};

/// What whoever runs, plans or counts an op has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFacts {
    /// The values it reads, in order.
    pub inputs: Vec<ValueId>,
    /// The parameters it reads.
    pub params: Vec<ParamId>,
    /// What its backward reads of its forward.
    pub saved: Saved,
    /// Which of its inputs it may be computed in place of, because each number that it writes is
    /// computed from what stands there and from what other inputs or its own head hold.
    pub in_place: Option<usize>,
    /// How the gradients of its inputs come from its own.
    pub adjoint: Adjoint,
    /// Which numbers of its inputs a number of its value depends on.
    pub mixes: Mixes,
    /// The fixed table it reads.
    pub constant: Option<Constant>,
    /// The matrix products that it makes.
    pub products: Products,
}

/// What an op's backward reads of its forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    pub inputs: bool,
    pub output: bool,
    /// Statistics that the forward leaves beside its value, in numbers for each row: means,
    /// reciprocal deviations, log-sum-exps.
    pub statistics: usize,
}

/// How the gradients of an op's inputs come from the gradient of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjoint {
    /// Each is the value's gradient, unchanged.
    Identity,
    /// It may be computed in place of the value's gradient.
    InPlace,
    /// They need memory of their own.
    OutOfPlace,
}

/// Which numbers of its inputs a number of an op's value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixes {
    /// Those that stand where it stands.
    Nothing,
    /// Those of its head, in its row.
    Head,
    /// Those of its row.
    Row,
    /// Those of its head, in rows of its sequence.
    Sequence,
}

/// The multiply-adds of an op's matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Products {
    None,
    /// One for each number of this parameter and each row.
    OfWeight(ParamId),
    /// `each` for every pair of a query and a key that it sees.
    OfPairs {
        each: usize,
        mask: AttentionMask,
    },
}

/// A table that follows from an op's settings and the longest sequence alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// [`crate::sinusoid`]s, `[block_size, width]`.
    Sinusoids { width: usize },
    /// Cosines `[block_size, head_dim / 2]`, then sines, of rotary angles.
    Rotations { head_dim: usize },
    /// [`crate::alibi_slopes`], `[heads]`.
    AlibiSlopes { heads: usize },
}

impl Constant {
    /// How many numbers it has for sequences of up to `block_size` tokens.
    pub fn len(self, block_size: usize) -> usize {
        match self {
            Self::Sinusoids { width } => block_size * width,
            Self::Rotations { head_dim } => 2 * (block_size * (head_dim / 2)),
            Self::AlibiSlopes { heads } => heads,
        }
    }
}

impl OpFacts {
    /// Those of an op that reads nothing and that nothing is known of yet.
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

    /// The same for an op with one input.
    fn of(x: ValueId) -> Self {
        Self {
            inputs: vec![x],
            ..Self::of_nothing()
        }
    }
}

impl Node {
    /// The values it reads, in order.
    pub fn inputs(&self) -> Vec<ValueId> {
        self.facts().inputs
    }

    /// The facts of its op.
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
                // Of scores, and of what they mix.
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
