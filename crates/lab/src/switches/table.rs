//! The table of switches, from the most important parts to the details of training.

use gptlab_model::{Activation, Mask, Norm, NormPlace, Position, Scale};
use gptlab_recipe::{MlpShape, Optimizer, Overrides, ZeroIsNone};
use gptlab_record::ExpectedDifference;

use super::{
    Switch,
    names::{activation_of, none, norm_of, optimizer_of},
    optimizers::optimizer,
    widths::widened,
};

/// All switches.
pub const ALL: &[Switch] = &[
    Switch {
        name: "no residual",
        aliases: &["residual"],
        replaces: none,
        expected: ExpectedDifference::worse(0.2),
        title: "no residual connections",
        purpose: "lets the signal and its gradient pass every block unchanged, so that a block only has to add",
        prediction: "learning stalls between the 1-gram and the 2-gram baseline: the gradient that reaches the embeddings is tiny and the \
                     tokens become alike",
        source: "He et al. 2016; Dong et al. 2021",
        change: |_| Overrides {
            disable_residual: Some(true),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no attention",
        aliases: &["attention"],
        replaces: none,
        expected: ExpectedDifference::worse(0.1),
        title: "no attention",
        purpose: "the only place where a token can learn of another",
        prediction: "stops at about the 2-gram baseline: it sees only the last character",
        source: "Vaswani et al. 2017",
        change: |_| Overrides {
            disable_attention: Some(true),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no MLP",
        aliases: &["mlp"],
        replaces: none,
        expected: ExpectedDifference::between(0.01, 0.5),
        title: "no MLP",
        purpose: "two thirds of the parameters: they process what attention has gathered",
        prediction: "worse by some hundredths to tenths of a nat; it still learns from context",
        source: "Geva et al. 2021; Elhage et al. 2021",
        change: |_| Overrides {
            mlp: Some(MlpShape::None),
            ..Overrides::default()
        },
    },
    Switch {
        name: "post-LN",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "norm after the residual addition",
        purpose: "pre-norm leaves a clean path from loss to embedding; post-norm puts a norm on it at every block",
        prediction: "about the same at low rates; at a high one some runs never leave the 1-gram baseline",
        source: "Xiong et al. 2020",
        change: |_| Overrides {
            ln_style: Some(NormPlace::After),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no norm",
        aliases: &["norm-none"],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "no norms at all",
        purpose: "keeps activations at one size whatever the weights do",
        prediction: "learns, slower: at this depth the residual stream does not yet explode",
        source: "Ba et al. 2016; Zhang et al. 2019 (Fixup)",
        change: |_| Overrides {
            norm: Some(Norm::None),
            final_norm: Some(Norm::None),
            ..Overrides::default()
        },
    },
    Switch {
        name: "RMSNorm",
        aliases: &["norm-rms"],
        replaces: norm_of,
        expected: ExpectedDifference::between(-0.02, 0.02),
        title: "RMSNorm in place of LayerNorm",
        purpose: "LayerNorm also takes the mean away and adds a bias",
        prediction: "no difference beyond noise: the mean was not needed",
        source: "Zhang & Sennrich 2019",
        change: |_| Overrides {
            norm: Some(Norm::RmsNorm),
            final_norm: Some(Norm::RmsNorm),
            ..Overrides::default()
        },
    },
    Switch {
        name: "LayerNorm",
        aliases: &[],
        replaces: norm_of,
        expected: ExpectedDifference::between(-0.02, 0.02),
        title: "LayerNorm in place of RMSNorm",
        purpose: "RMSNorm leaves the mean where it is and adds no bias",
        prediction: "no difference beyond noise: the mean was not needed",
        source: "Zhang & Sennrich 2019",
        change: |_| Overrides {
            norm: Some(Norm::LayerNorm),
            final_norm: Some(Norm::LayerNorm),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no positions",
        aliases: &["position-none", "positions", "position"],
        replaces: none,
        expected: ExpectedDifference::between(0.0, 0.3),
        title: "no positions",
        purpose: "attention sees a set; positions make it a sequence",
        prediction: "worse, but far better than without attention: the causal mask itself reveals how many tokens came before",
        source: "Haviv et al. 2022; Kazemnejad et al. 2023",
        change: |_| Overrides {
            position: Some(Position::None),
            ..Overrides::default()
        },
    },
    Switch {
        name: "learned positions",
        aliases: &["position-learned"],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "a learned row for each position, added to the token's",
        purpose: "rotary positions make scores depend on distance; a learned row must be learned for each place",
        prediction: "worse: what holds at one place must be learned again at the next",
        source: "Radford et al. 2019; Su et al. 2021",
        change: |_| Overrides {
            position: Some(Position::Learned),
            ..Overrides::default()
        },
    },
    Switch {
        name: "sinusoidal positions",
        aliases: &["position-sinusoidal"],
        replaces: none,
        expected: ExpectedDifference::worse(0.1),
        title: "fixed sines and cosines for positions",
        purpose: "mark each place by a pattern that is there from the first step",
        prediction: "worse than rotary positions by a tenth of a nat or more: attention must first learn to read distances from sines",
        source: "Vaswani et al. 2017; Haviv et al. 2022",
        change: |_| Overrides {
            position: Some(Position::Sinusoidal),
            ..Overrides::default()
        },
    },
    Switch {
        name: "unscaled sinusoidal positions",
        aliases: &["position-sinusoidal-unscaled"],
        replaces: none,
        expected: ExpectedDifference::worse(0.3),
        title: "sines and cosines, and embeddings not scaled to them",
        purpose: "multiplying embeddings by the root of the width keeps tokens as large as their positions",
        prediction: "far behind: sines of size 0.7 drown embeddings that begin at 0.02",
        source: "Vaswani et al. 2017, section 3.4",
        change: |_| Overrides {
            position: Some(Position::SinusoidalUnscaled),
            ..Overrides::default()
        },
    },
    Switch {
        name: "rotary positions",
        aliases: &["position-rotary"],
        replaces: none,
        expected: ExpectedDifference::better(),
        title: "rotary positions",
        purpose: "makes scores depend on distance, not on place",
        prediction: "better: which character came just before is what matters most, and it need not be learned per place",
        source: "Su et al. 2021",
        change: |_| Overrides {
            position: Some(Position::Rotary),
            ..Overrides::default()
        },
    },
    Switch {
        name: "ALiBi",
        aliases: &["position-alibi"],
        replaces: none,
        expected: ExpectedDifference::between(0.0, 0.2),
        title: "ALiBi: a penalty on distance",
        purpose: "biases all heads towards near tokens from the first step",
        prediction: "a little worse than rotary positions, better than learned ones: heads prefer near tokens, and cannot pick a distance",
        source: "Press et al. 2022",
        change: |_| Overrides {
            position: Some(Position::Alibi),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no causal mask",
        aliases: &["causal-mask"],
        replaces: none,
        expected: ExpectedDifference::at_most(-0.5),
        title: "no causal mask: every token sees every other",
        purpose: "hides the token that is to be predicted",
        prediction: "training and validation loss near 0, since the answer can be read off; samples are garbage, since \
                     nothing can be read off what is not yet written",
        source: "Vaswani et al. 2017",
        change: |_| Overrides {
            mask: Some(Mask::Full),
            window: Some(ZeroIsNone(None)),
            ..Overrides::default()
        },
    },
    Switch {
        name: "short window",
        aliases: &["window"],
        replaces: none,
        expected: ExpectedDifference::between(-0.02, 0.02),
        title: "attention to the last eighth of the context alone",
        purpose: "distance: a layer sees as far back as the context, in work that grows with its square",
        prediction: "no difference beyond noise on short texts, where what helps is near; layers on top of each other reach \
                     further than one window",
        source: "Beltagy et al. 2020; Jiang et al. 2023",
        change: |base| Overrides {
            mask: Some(Mask::Causal),
            window: Some(ZeroIsNone(Some((base.spec.block_size / 8).max(1)))),
            ..Overrides::default()
        },
    },
    Switch {
        name: "unscaled scores",
        aliases: &["scale"],
        replaces: none,
        expected: ExpectedDifference::between(-0.05, 0.05),
        title: "scores not divided by the root of the head's width",
        purpose: "keeps scores near one at the start, so that the softmax is soft",
        prediction: "little at head width 32 with small first weights; in a short run sharper heads may even be ahead",
        source: "Vaswani et al. 2017",
        change: |_| Overrides {
            attention_scale: Some(Scale::One),
            ..Overrides::default()
        },
    },
    Switch {
        name: "QK-norm",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::between(-0.1, 0.01),
        title: "queries and keys normalised",
        purpose: "bounds the scores, so that attention cannot saturate",
        prediction: "as good or a little better; it pays at rates where the baseline diverges",
        source: "Henry et al. 2020; Dehghani et al. 2023",
        change: |_| Overrides {
            qk_norm: Some(true),
            ..Overrides::default()
        },
    },
    Switch {
        name: "one head",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::between(-0.05, 0.05),
        title: "one attention head",
        purpose: "heads look at several places at once",
        prediction: "little in a short run; behind in a long one: one head can look at one place at a time",
        source: "Michel et al. 2019",
        change: |_| Overrides {
            n_head: Some(1),
            n_kv_head: Some(1),
            ..Overrides::default()
        },
    },
    Switch {
        name: "one layer",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "one block",
        purpose: "depth composes: a head that reads what another wrote needs two",
        prediction: "behind, and without induction heads; level only in a very short run, since one block is quickly learned",
        source: "Elhage et al. 2021; Olsson et al. 2022",
        change: |_| Overrides {
            n_layer: Some(1),
            ..Overrides::default()
        },
    },
    Switch {
        name: "ReLU",
        aliases: &[],
        replaces: activation_of,
        expected: ExpectedDifference::between(0.0, 0.15),
        title: "a plain MLP with ReLU, at the same width",
        purpose: "the bend that makes the MLP more than a matrix",
        prediction: "worse than SwiGLU, which has a gate and so half as many parameters more; some units dead",
        source: "Hendrycks & Gimpel 2016",
        change: |_| Overrides {
            mlp: Some(MlpShape::Plain),
            activation: Some(Activation::Relu),
            ..Overrides::default()
        },
    },
    Switch {
        name: "squared ReLU",
        aliases: &["relu-squared"],
        replaces: activation_of,
        expected: ExpectedDifference::between(-0.02, 0.1),
        title: "a plain MLP with squared ReLU, at the same width",
        purpose: "a sharper nonlinearity",
        prediction: "about as good as SwiGLU or a little worse: it has no gate, and so a third fewer parameters",
        source: "So et al. 2021 (Primer)",
        change: |_| Overrides {
            mlp: Some(MlpShape::Plain),
            activation: Some(Activation::ReluSquared),
            ..Overrides::default()
        },
    },
    Switch {
        name: "SwiGLU",
        aliases: &[],
        replaces: activation_of,
        expected: ExpectedDifference::between(-0.1, 0.0),
        title: "SwiGLU at two thirds of the width",
        purpose: "a gate on every hidden unit, at the same number of parameters",
        prediction: "a little better",
        source: "Shazeer 2020",
        change: |base| Overrides {
            mlp: Some(MlpShape::Gated),
            activation: Some(Activation::Silu),
            mlp_hidden: Overrides::of(base)
                .mlp_hidden
                .map(|hidden| (2 * hidden / 3).max(1)),
            ..Overrides::default()
        },
    },
    Switch {
        name: "GELU",
        aliases: &[],
        replaces: activation_of,
        expected: ExpectedDifference::between(0.0, 0.1),
        title: "a plain MLP with GELU, at three halves of the width",
        purpose: "a gate on every hidden unit multiplies what the MLP can say",
        prediction: "a little worse at the same number of parameters",
        source: "Hendrycks & Gimpel 2016; Shazeer 2020",
        change: |base| Overrides {
            mlp: Some(MlpShape::Plain),
            activation: Some(Activation::GeluErf),
            mlp_hidden: widened(base),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no biases",
        aliases: &["bias"],
        replaces: none,
        expected: ExpectedDifference::between(-0.02, 0.02),
        title: "no biases",
        purpose: "a constant that every linear map and norm may add",
        prediction: "no difference beyond noise",
        source: "Touvron et al. 2023",
        change: |_| Overrides {
            bias: Some(false),
            ..Overrides::default()
        },
    },
    Switch {
        name: "untied head",
        aliases: &["tying"],
        replaces: none,
        expected: ExpectedDifference::between(-0.05, 0.05),
        title: "the head has weights of its own",
        purpose: "one table both reads and writes tokens",
        prediction: "little with a small vocabulary: few parameters are shared",
        source: "Press & Wolf 2017",
        change: |_| Overrides {
            tied: Some(false),
            ..Overrides::default()
        },
    },
    Switch {
        name: "init x10",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::worse(0.05),
        title: "first weights ten times as large",
        purpose: "the size of the first weights sets how much each block writes at the start",
        prediction: "begins far above uniform, and is still behind at the end",
        source: "Glorot & Bengio 2010",
        change: |base| Overrides {
            init_std: Some(10.0 * base.spec.init.std),
            ..Overrides::default()
        },
    },
    Switch {
        name: "init x0.1",
        aliases: &[],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "first weights a tenth as large",
        purpose: "the size of the first weights sets how much each block writes at the start",
        prediction: "slower at first: blocks write almost nothing and gradients through them are small",
        source: "Glorot & Bengio 2010",
        change: |base| Overrides {
            init_std: Some(0.1 * base.spec.init.std),
            ..Overrides::default()
        },
    },
    Switch {
        name: "other residual init",
        aliases: &["residual-init"],
        replaces: none,
        expected: ExpectedDifference::between(-0.02, 0.02),
        title: "1/sqrt(2L) on projections onto the stream: off where on, on where off",
        purpose: "keeps the stream's size at the start independent of depth",
        prediction: "no difference beyond noise at this depth",
        source: "Radford et al. 2019",
        change: |base| Overrides {
            init_residual: Some(base.spec.init.residual.other()),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no warm-up",
        aliases: &["warm-up"],
        replaces: none,
        expected: ExpectedDifference::worse(0.0),
        title: "no warm-up",
        purpose: "keeps the first steps small while Adam's moments are guesses",
        prediction: "nothing at low rates; at a high one behind: the first steps, at full size on guessed moments, throw the weights far",
        source: "Goyal et al. 2017; Liu et al. 2020",
        change: |_| Overrides {
            warmup: Some(0),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no clipping",
        aliases: &["clip"],
        replaces: none,
        expected: ExpectedDifference::between(-0.05, 0.05),
        title: "gradients not clipped",
        purpose: "one bad batch must not throw the weights far",
        prediction: "nothing while the norm stays below one; at a high rate a seed that meets a steep place falls behind",
        source: "Pascanu et al. 2013",
        change: |_| Overrides {
            grad_clip: Some(ZeroIsNone(None)),
            ..Overrides::default()
        },
    },
    Switch {
        name: "no dropout",
        aliases: &["dropout"],
        replaces: none,
        expected: ExpectedDifference::better(),
        title: "no dropout",
        purpose: "keeps units from relying on each other, against memorising",
        prediction: "better: in a few hundred steps there is nothing to memorise yet",
        source: "Srivastava et al. 2014",
        change: |_| Overrides {
            dropout: Some(0.0),
            ..Overrides::default()
        },
    },
    Switch {
        name: "SGD",
        aliases: &[],
        replaces: optimizer_of,
        expected: ExpectedDifference::worse(0.1),
        title: "SGD with momentum, at its own best rate and with the same decay a step",
        purpose: "Adam gives every weight a step of its own size",
        prediction: "far behind: gradients of embeddings, norms and matrices differ in size by orders",
        source: "Zhang et al. 2020; Kunstner et al. 2024",
        change: |base| optimizer(base, Optimizer::Sgd),
    },
    Switch {
        name: "Muon",
        aliases: &[],
        replaces: optimizer_of,
        expected: ExpectedDifference::better(),
        title: "Muon for the blocks' matrices, at its own best rate and with the same decay a step",
        purpose: "a step with all singular values alike moves rare directions as far as common ones",
        prediction: "ahead of AdamW where each has its best rate; at AdamW's own best, about level",
        source: "Jordan 2024; Liu et al. 2025",
        change: |base| optimizer(base, Optimizer::Muon),
    },
    Switch {
        name: "AdamW",
        aliases: &[],
        replaces: optimizer_of,
        expected: ExpectedDifference::worse(0.0),
        title: "AdamW, at its own best rate and with the same decay a step",
        purpose: "gives every weight a step of its own size, from running means of its gradient and of the square",
        prediction: "behind Muon where each has its best rate",
        source: "Loshchilov & Hutter 2019",
        change: |base| optimizer(base, Optimizer::AdamW),
    },
];
