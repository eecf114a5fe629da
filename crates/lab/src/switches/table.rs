//! The table of switches, from the most important parts to the details of training.

use gptlab_model::{Activation, Mask, Norm, NormPlace, Position, Scale};
use gptlab_recipe::{MlpShape, Optimizer, Overrides, ZeroIsNone};

use super::Switch;

/// All switches.
pub const ALL: &[Switch] = &[
    Switch {
        name: "residual",
        title: "no residual connections",
        purpose: "lets the signal and its gradient pass every block unchanged, so that a block only has to add",
        prediction: "learning stalls near the unigram floor: the gradient that reaches the embeddings is tiny and the \
                     tokens become alike",
        source: "He et al. 2016; Dong et al. 2021",
        change: |_| Overrides {
            disable_residual: Some(true),
            ..Overrides::default()
        },
    },
    Switch {
        name: "attention",
        title: "no attention",
        purpose: "the only place where a token can learn of another",
        prediction: "stops at the bigram floor: it sees only the last character",
        source: "Vaswani et al. 2017",
        change: |_| Overrides {
            disable_attention: Some(true),
            ..Overrides::default()
        },
    },
    Switch {
        name: "mlp",
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
        name: "post-ln",
        title: "norm after the residual addition",
        purpose: "pre-norm leaves a clean path from loss to embedding; post-norm puts a norm on it at every block",
        prediction: "about the same at low rates; at a high one some runs never leave the unigram floor",
        source: "Xiong et al. 2020",
        change: |_| Overrides {
            ln_style: Some(NormPlace::After),
            ..Overrides::default()
        },
    },
    Switch {
        name: "norm-none",
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
        name: "norm-rms",
        title: "RMSNorm in place of LayerNorm",
        purpose: "LayerNorm also takes the mean away and adds a bias",
        prediction: "no significant difference: centring is not needed",
        source: "Zhang & Sennrich 2019",
        change: |_| Overrides {
            norm: Some(Norm::RmsNorm),
            final_norm: Some(Norm::RmsNorm),
            ..Overrides::default()
        },
    },
    Switch {
        name: "position-none",
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
        name: "position-sinusoidal",
        title: "fixed sines and cosines for positions",
        purpose: "learned positions must be learned; sines are there from the first step",
        prediction: "far behind: sines of size one dominate embeddings that start at 0.02 (the original multiplies them by the root of the width)",
        source: "Vaswani et al. 2017",
        change: |_| Overrides {
            position: Some(Position::Sinusoidal),
            ..Overrides::default()
        },
    },
    Switch {
        name: "position-rotary",
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
        name: "position-alibi",
        title: "ALiBi: a penalty on distance",
        purpose: "biases all heads towards near tokens from the first step",
        prediction: "better early on, for the same reason as rotary",
        source: "Press et al. 2022",
        change: |_| Overrides {
            position: Some(Position::Alibi),
            ..Overrides::default()
        },
    },
    Switch {
        name: "causal-mask",
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
        name: "window",
        title: "attention to the last eighth of the context alone",
        purpose: "distance: a layer sees as far back as the context, in work that grows with its square",
        prediction: "no significant difference on short texts, where useful tokens are near; layers on top of each other reach \
                     further than one window",
        source: "Beltagy et al. 2020; Jiang et al. 2023",
        change: |base| Overrides {
            mask: Some(Mask::Causal),
            window: Some(ZeroIsNone(Some((base.spec.block_size / 8).max(1)))),
            ..Overrides::default()
        },
    },
    Switch {
        name: "scale",
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
        name: "qk-norm",
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
        name: "one-head",
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
        name: "one-layer",
        title: "one block",
        purpose: "depth composes: a head that reads what another wrote needs two",
        prediction: "level in a short run, since one block is quickly learned; behind in a long one, and without induction heads",
        source: "Elhage et al. 2021; Olsson et al. 2022",
        change: |_| Overrides {
            n_layer: Some(1),
            ..Overrides::default()
        },
    },
    Switch {
        name: "relu",
        title: "ReLU in place of GELU",
        purpose: "the nonlinearity that makes the MLP more than a matrix",
        prediction: "no significant difference; some units are dead",
        source: "Hendrycks & Gimpel 2016",
        change: |_| Overrides {
            mlp: Some(MlpShape::Plain),
            activation: Some(Activation::Relu),
            ..Overrides::default()
        },
    },
    Switch {
        name: "relu-squared",
        title: "squared ReLU",
        purpose: "a sharper nonlinearity",
        prediction: "as good as GELU or better",
        source: "So et al. 2021 (Primer)",
        change: |_| Overrides {
            mlp: Some(MlpShape::Plain),
            activation: Some(Activation::ReluSquared),
            ..Overrides::default()
        },
    },
    Switch {
        name: "swiglu",
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
        name: "bias",
        title: "no biases",
        purpose: "a constant that every linear map and norm may add",
        prediction: "no significant difference",
        source: "Touvron et al. 2023",
        change: |_| Overrides {
            bias: Some(false),
            ..Overrides::default()
        },
    },
    Switch {
        name: "tying",
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
        name: "init-x10",
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
        name: "init-x0.1",
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
        name: "residual-init",
        title: "1/sqrt(2L) on projections onto the stream: off where on, on where off",
        purpose: "keeps the stream's size at the start independent of depth",
        prediction: "no significant difference at this depth",
        source: "Radford et al. 2019",
        change: |base| Overrides {
            init_residual: Some(base.spec.init.residual.other()),
            ..Overrides::default()
        },
    },
    Switch {
        name: "warm-up",
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
        name: "clip",
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
        name: "dropout",
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
        name: "sgd",
        title: "SGD with momentum at a rate of 0.1",
        purpose: "Adam gives every weight a step of its own size",
        prediction: "far behind: gradients of embeddings, norms and matrices differ in size by orders",
        source: "Zhang et al. 2020; Kunstner et al. 2024",
        change: |base| Overrides {
            optimizer: Some(Optimizer::Sgd),
            lr: Some(0.1),
            min_lr: Some(0.1 * base.hyper.min_lr / base.hyper.lr),
            ..Overrides::default()
        },
    },
    Switch {
        name: "muon",
        title: "Muon for the blocks' matrices",
        purpose: "a step with all singular values alike moves rare directions as far as common ones",
        prediction: "ahead of AdamW where each has its best rate; at AdamW's own best, about level",
        source: "Jordan 2024; Liu et al. 2025",
        change: |_| Overrides {
            optimizer: Some(Optimizer::Muon),
            ..Overrides::default()
        },
    },
];
