//! The kernels: their names, their WGSL, and the sizes of their groups.

use crate::{args, matrix_units::MatrixUnit};

/// A kernel, which is a pipeline once it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kernel {
    Embedding,
    EmbeddingBackward,
    Add,
    Copy,
    Norm,
    NormBackward,
    ColumnSums,
    SumParts,
    SumShards,
    /// A product, by a matrix unit where there is one.
    Product(Product, Option<MatrixUnit>),
    /// Y = X W^T for a few rows.
    ProductOfRows,
    HeadNorm,
    HeadNormBackward,
    Rotary,
    Attention(AttentionPass, HeadDim),
    CacheAppend,
    Activation,
    ActivationBackward,
    Gate,
    GateBackward,
    Dropout,
    CrossEntropy,
    /// The next token, by a rule.
    Choose,
    SumSquares(Source),
    ClipFactor,
    InverseNorm,
    AdamW,
    Sgd,
    MuonMomentum,
    MuonStep,
    Scale,
    Combine,
    /// Multiply-adds in registers, of a matrix unit or not, to measure a device.
    MultiplyAdds(Option<MatrixUnit>),
}

/// The width of a head, which is a constant of the kernels of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeadDim(pub(crate) u32);

/// The widest head whose tile of one key and one value fits the 16 KiB of shared memory that every
/// adapter has.
pub(crate) const WIDEST_HEAD: usize = 1536;
/// The numbers in a tile of keys: two such tiles take half of the shared memory.
const TILE_NUMBERS: u32 = 1024;
/// The most keys of a tile.
const MOST_KEYS: u32 = 32;

impl HeadDim {
    /// Returns the number of keys in a tile.
    fn tile(self) -> u32 {
        (TILE_NUMBERS / self.0.max(1)).clamp(1, MOST_KEYS)
    }
}

/// A kernel of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AttentionPass {
    Forward,
    BackwardQuery,
    BackwardKey,
    /// The forward pass of rows that attend to a cache.
    Cached,
}

/// The buffer that numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Arena,
    Gradients,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Arena => "arena",
            Self::Gradients => "gradients",
        }
    }
}

/// A form of the matrix product. X and Y stand for matrices in the arena, W for a weight, dW for
/// its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Product {
    /// Y = X W^T: the forward pass of a linear map.
    Forward,
    /// dX = dY W.
    BackwardInput,
    /// dW += dY^T X.
    BackwardWeight,
    /// A part of dY^T X, or X^T X, in the arena.
    TransposedLeft,
    /// X Y^T in the arena.
    TransposedRight,
    /// X Y in the arena.
    Plain,
}

/// What distinguishes the forms.
struct ProductForm {
    left_k_fast: bool,
    right: &'static str,
    right_k_fast: bool,
    to_gradients: bool,
}

impl Product {
    fn form(self) -> ProductForm {
        let form = |left_k_fast, right, right_k_fast, to_gradients| ProductForm {
            left_k_fast,
            right,
            right_k_fast,
            to_gradients,
        };
        match self {
            Self::Forward => form(true, "weights", true, false),
            Self::BackwardInput => form(true, "weights", false, false),
            Self::BackwardWeight => form(false, "arena", false, true),
            Self::TransposedLeft => form(false, "arena", false, false),
            Self::TransposedRight => form(true, "arena", true, false),
            Self::Plain => form(true, "arena", false, false),
        }
    }

    /// Returns the WGSL, with the buffers and the layouts of this form.
    fn source(self, unit: Option<MatrixUnit>) -> String {
        let form = self.form();
        let write = if form.to_gradients {
            include_str!("shaders/product_to_gradients.wgsl")
        } else {
            PRODUCT_TO_ARENA
        };
        let layouts = format!(
            "const LEFT_K_FAST: bool = {};\nconst RIGHT_K_FAST: bool = {};\n",
            form.left_k_fast, form.right_k_fast
        );
        let body = match unit {
            Some(unit) => unit.product(),
            None => include_str!("shaders/product.wgsl").to_owned(),
        };
        let body = body
            .replace("LEFT[", "arena[")
            .replace("RIGHT[", &format!("{}[", form.right));
        [&layouts, write, PRODUCT_OPERAND, &body].concat()
    }
}

/// The functions that a kernel needs beside its own.
const MATH: &str = include_str!("shaders/math.wgsl");
const NONLINEARITY: &str = include_str!("shaders/nonlinearity.wgsl");
const PHILOX: &str = include_str!("shaders/philox.wgsl");
const REDUCE: &str = include_str!("shaders/reduce.wgsl");
const ATTENTION: &str = include_str!("shaders/attention_common.wgsl");
const PRODUCT_OPERAND: &str = include_str!("shaders/product_operand.wgsl");
const PRODUCT_TO_ARENA: &str = include_str!("shaders/product_to_arena.wgsl");

/// The WGSL of a kernel, in parts.
struct Text {
    /// The extensions of WGSL that are enabled, before everything else.
    enables: String,
    /// The generated arguments.
    args: &'static str,
    /// Constants, before what uses them.
    constants: String,
    helpers: &'static [&'static str],
    body: String,
}

impl Text {
    fn new(args: &'static str, helpers: &'static [&'static str], body: &str) -> Self {
        Self {
            enables: String::new(),
            args,
            constants: String::new(),
            helpers,
            body: body.to_owned(),
        }
    }

    /// Returns this text with groups of `lanes` threads that reduce numbers.
    fn lanes(self, lanes: u32) -> Self {
        Self {
            constants: format!("const LANES: u32 = {lanes}u;\n"),
            ..self
        }
    }
}

macro_rules! shader {
    ($args:ident, $helpers:expr, $file:literal) => {
        Text::new(
            args::$args::WGSL,
            $helpers,
            include_str!(concat!("shaders/", $file, ".wgsl")),
        )
    };
}

impl Kernel {
    /// Returns the name in error messages and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::EmbeddingBackward => "embedding_backward",
            Self::Add => "add",
            Self::Copy => "copy",
            Self::Norm => "norm",
            Self::NormBackward => "norm_backward",
            Self::ColumnSums => "column_sums",
            Self::SumParts => "sum_parts",
            Self::SumShards => "sum_shards",
            Self::Product(Product::Forward, None) => "product_forward",
            Self::Product(Product::Forward, Some(_)) => "cooperative_product_forward",
            Self::Product(Product::BackwardInput, None) => "product_backward_input",
            Self::Product(Product::BackwardInput, Some(_)) => "cooperative_product_backward_input",
            Self::Product(Product::BackwardWeight, None) => "product_backward_weight",
            Self::Product(Product::BackwardWeight, Some(_)) => {
                "cooperative_product_backward_weight"
            }
            Self::Product(Product::TransposedLeft, None) => "product_transposed_left",
            Self::Product(Product::TransposedLeft, Some(_)) => {
                "cooperative_product_transposed_left"
            }
            Self::Product(Product::TransposedRight, None) => "product_transposed_right",
            Self::Product(Product::TransposedRight, Some(_)) => {
                "cooperative_product_transposed_right"
            }
            Self::Product(Product::Plain, None) => "product_plain",
            Self::Product(Product::Plain, Some(_)) => "cooperative_product_plain",
            Self::ProductOfRows => "product_of_rows",
            Self::HeadNorm => "head_norm",
            Self::HeadNormBackward => "head_norm_backward",
            Self::Rotary => "rotary",
            Self::Attention(AttentionPass::Forward, _) => "attention",
            Self::Attention(AttentionPass::BackwardQuery, _) => "attention_backward_query",
            Self::Attention(AttentionPass::BackwardKey, _) => "attention_backward_key",
            Self::Attention(AttentionPass::Cached, _) => "attention_cached",
            Self::CacheAppend => "cache_append",
            Self::Activation => "activation",
            Self::ActivationBackward => "activation_backward",
            Self::Gate => "gate",
            Self::GateBackward => "gate_backward",
            Self::Dropout => "dropout",
            Self::CrossEntropy => "cross_entropy",
            Self::Choose => "choose",
            Self::SumSquares(_) => "sum_squares",
            Self::ClipFactor => "clip_factor",
            Self::InverseNorm => "inverse_norm",
            Self::AdamW => "adamw",
            Self::Sgd => "sgd",
            Self::MuonMomentum => "muon_momentum",
            Self::MuonStep => "muon_step",
            Self::Scale => "scale",
            Self::Combine => "combine",
            Self::MultiplyAdds(None) => "multiply_adds",
            Self::MultiplyAdds(Some(_)) => "cooperative_multiply_adds",
        }
    }

    /// Returns the declaration of the arguments that the kernel reads.
    pub(crate) fn args(self) -> &'static str {
        self.text().args
    }

    /// Returns the whole WGSL.
    pub(crate) fn source(self) -> String {
        let text = self.text();
        let helpers = text.helpers.concat();
        let common = include_str!("shaders/common.wgsl");
        [
            &text.enables,
            &text.constants,
            text.args,
            common,
            &helpers,
            &text.body,
        ]
        .join("\n")
    }

    fn text(self) -> Text {
        match self {
            Self::Embedding => shader!(Embedding, &[], "embedding"),
            Self::EmbeddingBackward => shader!(EmbeddingBackward, &[], "embedding_backward"),
            Self::Add => shader!(Add, &[], "add"),
            Self::Copy => shader!(Copy, &[], "copy"),
            Self::Norm => shader!(Norm, &[REDUCE], "norm").lanes(64),
            Self::NormBackward => shader!(NormBackward, &[REDUCE], "norm_backward").lanes(64),
            Self::ColumnSums => shader!(ColumnSums, &[], "column_sums"),
            Self::SumParts => shader!(SumParts, &[], "sum_parts"),
            Self::SumShards => shader!(SumShards, &[], "sum_shards"),
            Self::Product(product, unit) => Text {
                enables: unit.map(MatrixUnit::enables).unwrap_or_default(),
                ..Text::new(args::Product::WGSL, &[], &product.source(unit))
            },
            Self::ProductOfRows => {
                const HELPERS: &[&str] = &[PRODUCT_OPERAND, PRODUCT_TO_ARENA];
                shader!(Product, HELPERS, "product_of_rows")
            }
            Self::HeadNorm => shader!(HeadNorm, &[], "head_norm"),
            Self::HeadNormBackward => shader!(HeadNormBackward, &[], "head_norm_backward"),
            Self::Rotary => shader!(Rotary, &[], "rotary"),
            Self::Attention(pass, head_dim) => attention(pass, head_dim),
            Self::CacheAppend => shader!(CacheAppend, &[], "cache_append"),
            Self::Activation => shader!(Activation, &[MATH, NONLINEARITY], "activation"),
            Self::ActivationBackward => {
                shader!(
                    ActivationBackward,
                    &[MATH, NONLINEARITY],
                    "activation_backward"
                )
            }
            Self::Gate => shader!(Gate, &[MATH, NONLINEARITY], "gate"),
            Self::GateBackward => shader!(GateBackward, &[MATH, NONLINEARITY], "gate_backward"),
            Self::Dropout => shader!(Dropout, &[PHILOX], "dropout"),
            Self::CrossEntropy => {
                shader!(CrossEntropy, &[MATH, REDUCE], "cross_entropy").lanes(256)
            }
            Self::Choose => shader!(Choose, &[MATH, REDUCE], "choose").lanes(256),
            Self::SumSquares(source) => {
                let body = include_str!("shaders/sum_squares.wgsl");
                let body = body.replace("SOURCE[", &format!("{}[", source.name()));
                Text::new(args::SumSquares::WGSL, &[REDUCE], &body).lanes(256)
            }
            Self::ClipFactor => shader!(ClipFactor, &[REDUCE], "clip_factor").lanes(256),
            Self::InverseNorm => shader!(InverseNorm, &[REDUCE], "inverse_norm").lanes(256),
            Self::AdamW => shader!(AdamW, &[], "adamw"),
            Self::Sgd => shader!(Sgd, &[], "sgd"),
            Self::MuonMomentum => shader!(MuonMomentum, &[], "muon_momentum"),
            Self::MuonStep => shader!(MuonStep, &[], "muon_step"),
            Self::Scale => shader!(Scale, &[], "scale"),
            Self::Combine => shader!(Combine, &[], "combine"),
            Self::MultiplyAdds(None) => shader!(MultiplyAdds, &[], "multiply_adds"),
            Self::MultiplyAdds(Some(unit)) => Text {
                enables: unit.enables(),
                ..Text::new(args::MultiplyAdds::WGSL, &[], &unit.multiply_adds())
            },
        }
    }
}

fn attention(pass: AttentionPass, head_dim: HeadDim) -> Text {
    const HELPERS: &[&str] = &[MATH, PHILOX, ATTENTION];
    const REDUCING: &[&str] = &[MATH, PHILOX, REDUCE, ATTENTION];
    let (helpers, body) = match pass {
        AttentionPass::Forward => (HELPERS, include_str!("shaders/attention.wgsl")),
        AttentionPass::BackwardQuery => (
            HELPERS,
            include_str!("shaders/attention_backward_query.wgsl"),
        ),
        AttentionPass::BackwardKey => {
            (HELPERS, include_str!("shaders/attention_backward_key.wgsl"))
        }
        AttentionPass::Cached => (REDUCING, include_str!("shaders/attention_cached.wgsl")),
    };
    let text = Text::new(args::Attention::WGSL, helpers, body).lanes(64);
    let (HeadDim(width), tile) = (head_dim, head_dim.tile());
    let constants = format!("const HEAD_DIM: u32 = {width}u;\nconst TILE: u32 = {tile}u;\n");
    Text {
        constants: text.constants + &constants,
        ..text
    }
}

#[cfg(test)]
mod tests;
