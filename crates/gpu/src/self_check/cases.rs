//! The models of the self-check, from the simplest on.

use gptlab_engine::StepHyper;
use gptlab_model::{
    Activation, Attention, Bias, Choice, Init, Mask, Mlp, MlpForm, ModelSpec, Norm, NormPlace,
    Norms, OutputHead, Position, QkNorm, Residual, ResidualInit, Sublayer, SublayerOrder, Wiring,
};
use gptlab_recipe::{Optimizer, Precision};

use super::hyper;

/// The tokens of the vocabulary: no multiple of a tile.
pub(super) const VOCAB: usize = 71;
/// The width: more than a tile, and 4 heads of an even width.
const WIDTH: usize = 72;

/// What is compared, and the kernels that a difference of gradients or updates names.
#[derive(Clone, Copy)]
pub(super) enum Checked {
    ValuesAndGradients(&'static str),
    Gradients(&'static str),
    Update(StepHyper, &'static str),
    /// The logits of texts that are written at once, with the lengths as those of their prompts.
    Logits(&'static str),
    /// The tokens that the device chooses for such texts, by several rules.
    Choices(&'static str),
}

/// A model, its batches, and what is compared.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) spec: ModelSpec,
    /// The lengths of the sequences of each batch.
    pub(super) batches: Vec<Vec<usize>>,
    pub(super) precision: Precision,
    /// The most rows of a chunk.
    pub(super) most_rows: Option<usize>,
    pub(super) checked: Checked,
}

impl Case {
    fn new(name: impl Into<String>, spec: ModelSpec, kernels: &'static str) -> Self {
        Self {
            name: name.into(),
            spec,
            // The first has sums in several parts, and groups of rows of several sequences.
            batches: vec![vec![66, 1, 40, 33], vec![3, 1]],
            precision: Precision::F32,
            most_rows: None,
            checked: Checked::ValuesAndGradients(kernels),
        }
    }

    fn checking(self, checked: Checked) -> Self {
        Self { checked, ..self }
    }
}

/// Returns an embedding and an output head.
fn base() -> ModelSpec {
    ModelSpec {
        block_size: 70,
        n_embd: WIDTH,
        position: Position::None,
        norms: Norms {
            embedding: Norm::None,
            block: Norm::None,
            last: Norm::None,
        },
        wiring: Wiring {
            norm: NormPlace::Before,
            residual: Residual::Add,
            order: SublayerOrder::Sequential,
        },
        layers: Vec::new(),
        head: OutputHead::Untied,
        bias: Bias::Everywhere,
        dropout: 0.0,
        init: Init {
            std: 0.3,
            residual: ResidualInit::Same,
        },
    }
}

fn with(change: impl FnOnce(&mut ModelSpec)) -> ModelSpec {
    let mut spec = base();
    change(&mut spec);
    spec
}

fn with_mlp(form: MlpForm) -> ModelSpec {
    let mlp = Mlp { hidden: 37, form };
    with(|spec| spec.layers = vec![vec![Sublayer::Mlp(mlp)]])
}

fn with_attention(position: Position, change: impl FnOnce(&mut Attention)) -> ModelSpec {
    let mut attention = Attention::causal(4);
    change(&mut attention);
    with(|spec| {
        spec.position = position;
        spec.norms.block = Norm::LayerNorm;
        spec.layers = vec![vec![Sublayer::Attention(attention)]];
    })
}

/// Returns a model with everything that a bf16 run or an update meets.
fn whole() -> ModelSpec {
    let mut spec = with_attention(Position::Learned, |_| {});
    let form = MlpForm::Plain(Activation::GeluTanh);
    spec.layers[0].push(Sublayer::Mlp(Mlp { hidden: 37, form }));
    spec.norms.last = Norm::LayerNorm;
    spec
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = ends();
    cases.extend(mlps());
    cases.extend(attentions());
    cases.extend(dropout_and_chunks());
    cases.extend(updates());
    cases.extend(texts());
    cases
}

fn ends() -> Vec<Case> {
    const PRODUCTS: &str = "cross_entropy, product_backward_input, product_backward_weight, product_transposed_left, \
        sum_parts, embedding_backward";
    const NORMS: &str = "norm_backward, column_sums";
    let norms =
        |embedding, last| with(|spec| (spec.norms.embedding, spec.norms.last) = (embedding, last));
    vec![
        Case::new("an output head", base(), PRODUCTS),
        Case {
            precision: Precision::Bf16,
            ..Case::new("an output head in bf16", base(), PRODUCTS)
        },
        Case::new(
            "learned positions",
            with(|spec| spec.position = Position::Learned),
            "copy",
        ),
        Case::new(
            "sinusoidal positions",
            with(|spec| spec.position = Position::Sinusoidal),
            "copy",
        ),
        Case::new("LayerNorm", norms(Norm::None, Norm::LayerNorm), NORMS),
        Case::new("RMSNorm", norms(Norm::RmsNormNoGain, Norm::RmsNorm), NORMS),
    ]
}

fn mlps() -> Vec<Case> {
    let plain = Activation::ALL.iter().map(|f| {
        let spec = with_mlp(MlpForm::Plain(*f));
        Case::new(
            format!("an MLP with {}", f.name()),
            spec,
            "activation_backward",
        )
    });
    let gated = Activation::ALL.iter().map(|f| {
        let spec = with_mlp(MlpForm::Gated(*f));
        Case::new(
            format!("a gated MLP with {}", f.name()),
            spec,
            "gate_backward",
        )
    });
    plain.chain(gated).collect()
}

fn attentions() -> Vec<Case> {
    const ATTENTION: &str = "attention_backward_query, attention_backward_key";
    let case = |name: &str, position, change: fn(&mut Attention)| {
        Case::new(name, with_attention(position, change), ATTENTION)
    };
    let normed = with_attention(Position::None, |a| a.qk_norm = QkNorm::RmsNorm);
    let turned = with_attention(Position::Rotary, |a| a.kv_heads = 2);
    vec![
        case("causal attention", Position::None, |_| {}),
        case("full attention", Position::None, |a| a.mask = Mask::Full),
        case("windowed attention", Position::None, |a| a.window = Some(5)),
        case("grouped heads", Position::None, |a| a.kv_heads = 2),
        case("softcapped scores", Position::None, |a| {
            a.softcap = Some(1.5);
        }),
        case("ALiBi", Position::Alibi, |_| {}),
        case("a single wide head", Position::None, |a| {
            (a.heads, a.kv_heads) = (1, 1);
        }),
        Case::new("normed queries and keys", normed, "head_norm_backward"),
        Case::new("rotary positions", turned, "rotary"),
    ]
}

fn dropout_and_chunks() -> Vec<Case> {
    let mut dropping = whole();
    dropping.dropout = 0.3;
    let case = |name: &str, spec, kernels| {
        Case::new(name, spec, kernels).checking(Checked::Gradients(kernels))
    };
    vec![
        case("dropout", dropping, "dropout"),
        Case {
            most_rows: Some(70),
            ..case("a batch in chunks", whole(), "sum_shards")
        },
        Case {
            precision: Precision::Bf16,
            ..case("products in bf16", whole(), "rounding to bf16")
        },
    ]
}

fn updates() -> Vec<Case> {
    const MUON: &str = "muon_momentum, inverse_norm, scale, product_transposed_right, product_plain, \
        combine, muon_step";
    let case = |name: &str, optimizer, kernels| {
        let checked = Checked::Update(hyper(optimizer), kernels);
        let case = Case::new(name, whole(), kernels).checking(checked);
        Case {
            batches: vec![vec![1]],
            ..case
        }
    };
    vec![
        case("AdamW", Optimizer::AdamW, "sum_squares, clip_factor, adamw"),
        case("SGD", Optimizer::Sgd, "sgd"),
        case("Muon", Optimizer::Muon, MUON),
    ]
}

fn texts() -> Vec<Case> {
    const CACHED: &str = "cache_append, attention_cached";
    let text = |name: &str, spec, kernels| Case {
        // The first prompt fills more than a tile of keys, and the last is one token.
        batches: vec![vec![66, 5, 40, 1]],
        ..Case::new(name, spec, kernels).checking(Checked::Logits(kernels))
    };
    let attending = |name: &str, position, change: fn(&mut Attention)| {
        text(name, with_attention(position, change), CACHED)
    };
    vec![
        text("a text by an output head", base(), "product_of_rows"),
        Case {
            precision: Precision::Bf16,
            ..text("a text in bf16", base(), "product_of_rows")
        },
        text("choices", base(), "choose").checking(Checked::Choices("choose")),
        attending("a text by attention", Position::None, |_| {}),
        attending("a text by a window", Position::Alibi, |a| {
            a.window = Some(5);
        }),
        attending("a text by grouped heads", Position::Rotary, |a| {
            (a.kv_heads, a.softcap) = (2, Some(1.5));
        }),
        attending("a text by a wide head", Position::None, |a| {
            (a.heads, a.kv_heads) = (1, 1);
        }),
    ]
}
