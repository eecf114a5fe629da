//! The grid: a small base, every switch alone, every pair of switches, and specs drawn at random.

use std::collections::BTreeSet;

use gptlab_model::{
    Activation, Attention, Bias, Choice, Graph, Init, Layer, Mask, Mlp, MlpForm, Model, ModelSpec,
    Norm, NormPlace, Norms, OutputHead, Position, QkNorm, Residual, ResidualInit, Scale, SpecError,
    Sublayer, SublayerOrder, Wiring, lower,
    random::{Cursor, Stream},
};

use super::batches::pick;

pub(crate) const VOCAB: usize = 7;

/// A model under test.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: Model,
    pub(crate) graph: Graph,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        spec: &ModelSpec,
        vocab: usize,
    ) -> Result<Self, SpecError> {
        let model = spec.check(vocab)?;
        let graph = lower(&model);
        Ok(Self {
            name: name.into(),
            model,
            graph,
        })
    }
}

/// Returns gpt2-mini's choices at a small size, with weights so large that every part matters.
pub(crate) fn base() -> ModelSpec {
    let layer = vec![
        Sublayer::Attention(Attention::causal(2)),
        Sublayer::Mlp(Mlp {
            hidden: 11,
            form: MlpForm::Plain(Activation::GeluErf),
        }),
    ];
    ModelSpec {
        block_size: 6,
        n_embd: 8,
        position: Position::Learned,
        norms: Norms {
            embedding: Norm::None,
            block: Norm::LayerNorm,
            last: Norm::LayerNorm,
        },
        wiring: Wiring {
            norm: NormPlace::Before,
            residual: Residual::Add,
            order: SublayerOrder::Sequential,
        },
        layers: vec![layer; 2],
        head: OutputHead::Tied,
        bias: Bias::Everywhere,
        dropout: 0.0,
        init: Init {
            std: 0.3,
            residual: ResidualInit::Same,
        },
    }
}

/// One choice that differs from [`base`]. Switches that add or remove sublayers come before those
/// that change sublayers.
pub(crate) struct Switch {
    /// The choice that it changes; two switches of one subject exclude each other.
    subject: &'static str,
    choice: &'static str,
    apply: fn(&mut ModelSpec),
}

impl Switch {
    fn name(&self) -> String {
        format!("{}={}", self.subject, self.choice)
    }
}

fn switch(subject: &'static str, choice: &'static str, apply: fn(&mut ModelSpec)) -> Switch {
    Switch {
        subject,
        choice,
        apply,
    }
}

pub(crate) fn switches() -> Vec<Switch> {
    let mut all = ends();
    all.extend(norms_and_wiring());
    all.extend(blocks());
    all.extend(attentions());
    all.extend(mlps());
    all
}

fn ends() -> Vec<Switch> {
    vec![
        switch("position", "none", |s| s.position = Position::None),
        switch("position", "sinusoidal-scaled", |s| {
            s.position = Position::Sinusoidal;
        }),
        switch("position", "sinusoidal", |s| {
            s.position = Position::SinusoidalUnscaled;
        }),
        switch("position", "rotary", |s| s.position = Position::Rotary),
        switch("position", "alibi", |s| s.position = Position::Alibi),
        switch("head", "untied", |s| s.head = OutputHead::Untied),
        switch("bias", "nowhere", |s| s.bias = Bias::Nowhere),
        switch("dropout", "0.25", |s| s.dropout = 0.25),
        switch("dropout", "0.7", |s| s.dropout = 0.7),
        switch("init", "scaled", |s| s.init.residual = ResidualInit::Scaled),
        switch("init", "0.02", |s| s.init.std = 0.02),
        switch("width", "9", |s| s.n_embd = 9),
        switch("width", "12", |s| s.n_embd = 12),
        switch("context", "9", |s| s.block_size = 9),
    ]
}

fn norms_and_wiring() -> Vec<Switch> {
    vec![
        switch("norm.embedding", "layer", |s| {
            s.norms.embedding = Norm::LayerNorm;
        }),
        switch("norm.embedding", "rms", |s| {
            s.norms.embedding = Norm::RmsNorm;
        }),
        switch("norm.embedding", "rms-no-gain", |s| {
            s.norms.embedding = Norm::RmsNormNoGain;
        }),
        switch("norm.block", "none", |s| s.norms.block = Norm::None),
        switch("norm.block", "rms", |s| s.norms.block = Norm::RmsNorm),
        switch("norm.block", "rms-no-gain", |s| {
            s.norms.block = Norm::RmsNormNoGain;
        }),
        switch("norm.last", "none", |s| s.norms.last = Norm::None),
        switch("norm.last", "rms", |s| s.norms.last = Norm::RmsNorm),
        switch("norm.last", "rms-no-gain", |s| {
            s.norms.last = Norm::RmsNormNoGain;
        }),
        switch("norm", "after", |s| s.wiring.norm = NormPlace::After),
        switch("residual", "none", |s| s.wiring.residual = Residual::None),
        switch("order", "parallel", |s| {
            s.wiring.order = SublayerOrder::Parallel;
        }),
    ]
}

fn blocks() -> Vec<Switch> {
    fn each(s: &mut ModelSpec, f: fn(&mut Layer)) {
        s.layers.iter_mut().for_each(f);
    }
    fn is_mlp(sublayer: &Sublayer) -> bool {
        match sublayer {
            Sublayer::Attention(_) => false,
            Sublayer::Mlp(_) => true,
        }
    }
    vec![
        switch("layers", "none", |s| s.layers.clear()),
        switch("layers", "empty", |s| each(s, Vec::clear)),
        switch("layers", "no-attention", |s| each(s, |l| l.retain(is_mlp))),
        switch("layers", "no-mlp", |s| each(s, |l| l.truncate(1))),
        switch("layers", "mlp-first", |s| each(s, |l| l.reverse())),
        switch("layers", "doubled", |s| each(s, |l| l.extend(l.clone()))),
        switch("layers", "unlike", |s| {
            s.layers[0].truncate(1);
            s.layers[1].reverse();
        }),
    ]
}

fn attentions() -> Vec<Switch> {
    fn each(s: &mut ModelSpec, f: fn(&mut Attention)) {
        s.layers.iter_mut().flatten().for_each(|s| match s {
            Sublayer::Attention(a) => f(a),
            Sublayer::Mlp(_) => {}
        });
    }
    fn heads(a: &mut Attention, heads: usize, kv_heads: usize) {
        (a.heads, a.kv_heads) = (heads, kv_heads);
    }
    vec![
        switch("heads", "1", |s| each(s, |a| heads(a, 1, 1))),
        switch("heads", "2:1", |s| each(s, |a| heads(a, 2, 1))),
        switch("heads", "3", |s| each(s, |a| heads(a, 3, 3))),
        switch("heads", "4", |s| each(s, |a| heads(a, 4, 4))),
        switch("heads", "4:2", |s| each(s, |a| heads(a, 4, 2))),
        switch("heads", "4:3", |s| each(s, |a| heads(a, 4, 3))),
        switch("mask", "full", |s| each(s, |a| a.mask = Mask::Full)),
        switch("window", "1", |s| each(s, |a| a.window = Some(1))),
        switch("window", "3", |s| each(s, |a| a.window = Some(3))),
        switch("scale", "one", |s| each(s, |a| a.scale = Scale::One)),
        switch("qk-norm", "rms", |s| {
            each(s, |a| a.qk_norm = QkNorm::RmsNorm);
        }),
        switch("softcap", "1.5", |s| each(s, |a| a.softcap = Some(1.5))),
    ]
}

fn mlps() -> Vec<Switch> {
    fn each(s: &mut ModelSpec, f: fn(&mut Mlp)) {
        s.layers.iter_mut().flatten().for_each(|s| match s {
            Sublayer::Attention(_) => {}
            Sublayer::Mlp(mlp) => f(mlp),
        });
    }
    macro_rules! form {
        ($name:literal, $form:ident, $activation:ident) => {
            switch("mlp", $name, |s| {
                each(s, |m| m.form = MlpForm::$form(Activation::$activation));
            })
        };
    }
    vec![
        form!("gelu-tanh", Plain, GeluTanh),
        form!("relu", Plain, Relu),
        form!("relu-squared", Plain, ReluSquared),
        form!("silu", Plain, Silu),
        form!("geglu", Gated, GeluErf),
        form!("geglu-tanh", Gated, GeluTanh),
        form!("reglu", Gated, Relu),
        form!("gated-relu-squared", Gated, ReluSquared),
        form!("swiglu", Gated, Silu),
        switch("hidden", "16", |s| each(s, |m| m.hidden = 16)),
        switch("hidden", "1", |s| each(s, |m| m.hidden = 1)),
    ]
}

/// Returns a few models larger than lanes, tiles and mask rows (128 numbers), with sizes that are
/// not multiples of any of them, and the lengths of sequences for each.
pub(crate) fn larger() -> Vec<(Case, Vec<usize>)> {
    let sized = |name: &str, n_embd, heads, hidden, block_size, lengths: &[usize]| {
        let mut spec = base();
        (spec.n_embd, spec.block_size, spec.dropout) = (n_embd, block_size, 0.2);
        spec.init.std = 0.1;
        spec.layers.truncate(1);
        spec.layers[0][0] = Sublayer::Attention(Attention {
            window: (name == "long window").then_some(37),
            ..Attention::causal(heads)
        });
        let form = MlpForm::Plain(Activation::GeluErf);
        spec.layers[0][1] = Sublayer::Mlp(Mlp { hidden, form });
        let case = Case::new(name, &spec, 37).expect("sizes that divide");
        (case, lengths.to_vec())
    };
    vec![
        sized("wide", 132, 3, 141, 5, &[5, 2]),
        sized("middling", 36, 2, 70, 40, &[33, 1, 40]),
        sized("long", 6, 2, 5, 140, &[133, 3, 129]),
        sized("long window", 6, 2, 5, 140, &[133, 3, 129]),
        sized(
            "many",
            10,
            1,
            9,
            3,
            &[1, 3, 2, 3, 1, 1, 3, 2, 2, 3, 3, 1, 2, 3, 3, 3, 1, 2, 3, 3],
        ),
    ]
}

/// The cases of a grid, each once, and the counts and refusals of the other specs.
#[derive(Default)]
pub(crate) struct Grid {
    pub(crate) cases: Vec<Case>,
    pub(crate) refused: Vec<SpecError>,
    /// The number of specs that lower to a graph that is already in the grid.
    pub(crate) twins: usize,
    seen: BTreeSet<String>,
}

impl Grid {
    fn add(&mut self, name: String, spec: &ModelSpec) {
        match Case::new(name, spec, VOCAB) {
            Err(refusal) => self.refused.push(refusal),
            Ok(case) if self.seen.insert(format!("{:?}", case.graph)) => self.cases.push(case),
            Ok(_) => self.twins += 1,
        }
    }

    /// Returns the base and every switch alone.
    pub(crate) fn alone() -> Self {
        let mut grid = Self::default();
        grid.add("base".into(), &base());
        for switch in switches() {
            let mut spec = base();
            (switch.apply)(&mut spec);
            grid.add(switch.name(), &spec);
        }
        grid
    }

    /// Returns every pair of switches of different subjects.
    pub(crate) fn pairs() -> Self {
        let mut grid = Self {
            seen: Self::alone().seen,
            ..Self::default()
        };
        let all = switches();
        for (i, a) in all.iter().enumerate() {
            for b in all[i + 1..].iter().filter(|b| b.subject != a.subject) {
                let mut spec = base();
                (a.apply)(&mut spec);
                (b.apply)(&mut spec);
                grid.add(format!("{} {}", a.name(), b.name()), &spec);
            }
        }
        grid
    }

    /// Returns `n` specs with every choice drawn at random.
    pub(crate) fn random(n: u32) -> Self {
        let mut grid = Self::default();
        for i in 0..n {
            grid.add(format!("random {i}"), &random(i));
        }
        grid
    }
}

/// Returns a spec with every choice drawn at random.
fn random(i: u32) -> ModelSpec {
    let mut cursor = Stream::new(11, "specs", i).cursor();
    let c = &mut cursor;
    let windows = &mut Stream::new(11, "windows", i).cursor();
    ModelSpec {
        block_size: pick(c, &[6, 7, 9]),
        n_embd: pick(c, &[8, 12, 15, 16]),
        position: pick(c, Position::ALL),
        norms: Norms {
            embedding: pick(c, Norm::ALL),
            block: pick(c, Norm::ALL),
            last: pick(c, Norm::ALL),
        },
        wiring: Wiring {
            norm: pick(c, NormPlace::ALL),
            residual: pick(c, &[Residual::Add, Residual::Add, Residual::None]),
            order: pick(
                c,
                &[
                    SublayerOrder::Sequential,
                    SublayerOrder::Sequential,
                    SublayerOrder::Parallel,
                ],
            ),
        },
        layers: (0..c.below(4)).map(|_| random_layer(c, windows)).collect(),
        head: pick(c, OutputHead::ALL),
        bias: pick(c, Bias::ALL),
        dropout: pick(c, &[0.0, 0.1, 0.5]),
        init: Init {
            std: pick(c, &[0.02, 0.1, 0.3]),
            residual: pick(c, ResidualInit::ALL),
        },
    }
}

fn random_layer(c: &mut Cursor, windows: &mut Cursor) -> Layer {
    let sublayers = 0..c.below(4);
    sublayers.map(|_| random_sublayer(c, windows)).collect()
}

/// Returns a random sublayer. Windows come from a stream of their own, so that all other draws are
/// the same as before windows were added.
fn random_sublayer(c: &mut Cursor, windows: &mut Cursor) -> Sublayer {
    if c.below(2) == 0 {
        let (heads, kv_heads) = (pick(c, &[1, 2, 4, 4]), pick(c, &[1, 1, 2]));
        let mask = pick(c, &[Mask::Causal, Mask::Causal, Mask::Full]);
        let window = pick(windows, &[None, Some(1), Some(4)]);
        return Sublayer::Attention(Attention {
            heads,
            kv_heads,
            mask,
            window: match mask {
                Mask::Causal => window,
                Mask::Full => None,
            },
            scale: pick(c, Scale::ALL),
            qk_norm: pick(c, QkNorm::ALL),
            softcap: pick(c, &[None, Some(2.0)]),
        });
    }
    let f = pick(c, Activation::ALL);
    Sublayer::Mlp(Mlp {
        hidden: 1 + c.below(20),
        form: pick(c, &[MlpForm::Plain(f), MlpForm::Gated(f)]),
    })
}
