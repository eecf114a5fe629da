//! The listings, shared by the test and by the example that remakes the files.

use gptlab_model::{
    Activation, Attention, Bias, Choice, Mask, Mlp, MlpForm, ModelSpec, Norm, NormPlace,
    OutputHead, Position, Preset, QkNorm, Residual, ResidualInit, Scale, Sublayer, SublayerOrder,
    lower,
};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/listings");

/// Returns the name and the text of every listing, ordered by name.
pub(crate) fn all() -> Vec<(String, String)> {
    let presets = [
        Preset::Microgpt,
        Preset::Gpt2Mini,
        Preset::Nano,
        Preset::Modern,
    ];
    let presets = presets.map(|p| (p.name().to_owned(), of(&p.spec(), 65)));
    let mut all: Vec<_> = presets.into_iter().collect();
    all.push(("base".into(), of(&base(), 27)));
    all.extend(alone().into_iter().map(|(name, apply)| {
        let mut spec = base();
        apply(&mut spec);
        (format!("base.{name}"), of(&spec, 27))
    }));
    all.sort();
    all
}

/// Returns a listing and the parameter table: names, shapes, initial values.
fn of(spec: &ModelSpec, vocab_size: usize) -> String {
    let model = spec.check(vocab_size).expect("a spec that makes sense");
    let graph = lower(&model);
    format!("{graph}\n{}", graph.params())
}

/// Returns gpt2-mini with one layer.
fn base() -> ModelSpec {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.layers.truncate(1);
    spec
}

type Switch = (&'static str, fn(&mut ModelSpec));

fn alone() -> Vec<Switch> {
    let mut all = ends();
    all.extend(blocks());
    all.extend(attentions());
    all.extend(mlps());
    all
}

fn ends() -> Vec<Switch> {
    vec![
        ("position-none", |s| s.position = Position::None),
        ("position-sinusoidal", |s| s.position = Position::Sinusoidal),
        ("position-sinusoidal-unscaled", |s| {
            s.position = Position::SinusoidalUnscaled;
        }),
        ("position-rotary", |s| s.position = Position::Rotary),
        ("position-alibi", |s| s.position = Position::Alibi),
        ("norm-embedding-layer", |s| {
            s.norms.embedding = Norm::LayerNorm;
        }),
        ("norm-embedding-rms", |s| s.norms.embedding = Norm::RmsNorm),
        ("norm-block-none", |s| s.norms.block = Norm::None),
        ("norm-block-rms", |s| s.norms.block = Norm::RmsNorm),
        ("norm-block-rms-no-gain", |s| {
            s.norms.block = Norm::RmsNormNoGain;
        }),
        ("norm-last-none", |s| s.norms.last = Norm::None),
        ("norm-last-rms", |s| s.norms.last = Norm::RmsNorm),
        ("head-untied", |s| s.head = OutputHead::Untied),
        ("bias-nowhere", |s| s.bias = Bias::Nowhere),
        ("dropout-none", |s| s.dropout = 0.0),
        ("init-scaled", |s| s.init.residual = ResidualInit::Scaled),
    ]
}

fn blocks() -> Vec<Switch> {
    vec![
        ("norm-after", |s| s.wiring.norm = NormPlace::After),
        ("residual-none", |s| s.wiring.residual = Residual::None),
        ("residual-none-norm-after", |s| {
            s.wiring.residual = Residual::None;
            s.wiring.norm = NormPlace::After;
        }),
        ("parallel", |s| s.wiring.order = SublayerOrder::Parallel),
        ("parallel-residual-none", |s| {
            s.wiring.order = SublayerOrder::Parallel;
            s.wiring.residual = Residual::None;
        }),
        ("layers-none", |s| s.layers.clear()),
        ("no-attention", |s| drop(s.layers[0].drain(..1))),
        ("no-mlp", |s| s.layers[0].truncate(1)),
        ("mlp-first", |s| s.layers[0].reverse()),
        ("two-of-each", |s| s.layers[0].extend_from_within(..)),
        ("parallel-two-of-each", |s| {
            s.wiring.order = SublayerOrder::Parallel;
            s.layers[0].extend_from_within(..);
        }),
        ("layers-unlike", |s| {
            s.layers = vec![s.layers[0][..1].to_vec(), s.layers[0][1..].to_vec()];
        }),
    ]
}

fn attentions() -> Vec<Switch> {
    fn set(s: &mut ModelSpec, apply: fn(&mut Attention)) {
        let mut attention = Attention::causal(4);
        apply(&mut attention);
        s.layers[0][0] = Sublayer::Attention(attention);
    }
    vec![
        ("heads-1", |s| set(s, |a| (a.heads, a.kv_heads) = (1, 1))),
        ("kv-heads-2", |s| set(s, |a| a.kv_heads = 2)),
        ("mask-full", |s| set(s, |a| a.mask = Mask::Full)),
        ("window-32", |s| set(s, |a| a.window = Some(32))),
        ("scale-one", |s| set(s, |a| a.scale = Scale::One)),
        ("qk-norm", |s| set(s, |a| a.qk_norm = QkNorm::RmsNorm)),
        ("qk-norm-kv-heads-2-rotary", |s| {
            s.position = Position::Rotary;
            set(s, |a| (a.qk_norm, a.kv_heads) = (QkNorm::RmsNorm, 2));
        }),
        ("softcap", |s| set(s, |a| a.softcap = Some(50.0))),
    ]
}

fn mlps() -> Vec<Switch> {
    fn set(s: &mut ModelSpec, hidden: usize, form: MlpForm) {
        s.layers[0][1] = Sublayer::Mlp(Mlp { hidden, form });
    }
    vec![
        ("mlp-gelu-tanh", |s| {
            set(s, 512, MlpForm::Plain(Activation::GeluTanh));
        }),
        ("mlp-relu", |s| {
            set(s, 512, MlpForm::Plain(Activation::Relu));
        }),
        ("mlp-relu-squared", |s| {
            set(s, 512, MlpForm::Plain(Activation::ReluSquared));
        }),
        ("mlp-silu", |s| {
            set(s, 512, MlpForm::Plain(Activation::Silu));
        }),
        ("mlp-hidden-100", |s| {
            set(s, 100, MlpForm::Plain(Activation::GeluErf));
        }),
        ("mlp-geglu", |s| {
            set(s, 512, MlpForm::Gated(Activation::GeluErf));
        }),
        ("mlp-geglu-tanh", |s| {
            set(s, 512, MlpForm::Gated(Activation::GeluTanh));
        }),
        ("mlp-reglu", |s| {
            set(s, 512, MlpForm::Gated(Activation::Relu));
        }),
        ("mlp-gated-relu-squared", |s| {
            set(s, 512, MlpForm::Gated(Activation::ReluSquared));
        }),
        ("mlp-swiglu", |s| {
            set(s, 512, MlpForm::Gated(Activation::Silu));
        }),
    ]
}
