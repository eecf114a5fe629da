//! The model definition: one page that reads from top to bottom like a textbook's forward pass.
//!
//! Every architectural choice is matched here, and only here; the result is a list of ops.

use crate::{
    AttentionMask, EmbeddingRole, EndRole, Graph, Model, NormOp, Op, Place, Role, SublayerId,
    SublayerKind, ValueId,
    graph::{AttentionOp, Builder},
    params::{ParamGroup, ParamId, ParamInit},
    spec::{
        Attention, Bias, Mask, Mlp, MlpForm, ModelSpec, Norm, NormPlace, OutputHead, Position,
        QkNorm, Residual, ResidualInit, Scale, Sublayer, SublayerOrder,
    },
};

/// Writes the forward pass of `model`.
///
/// ```
/// use gptlab_model::{Preset, Residual, lower};
///
/// let mut spec = Preset::Gpt2Mini.spec();
/// let graph = lower(&spec.check(65)?);
/// assert_eq!(graph.params().iter().next().map(|p| p.name.as_str()), Some("tok_emb.weight"));
/// assert!(graph.find("block0.attn.residual").is_some());
///
/// // An ablation is a difference between two listings.
/// spec.wiring.residual = Residual::None;
/// let ablated = lower(&spec.check(65)?);
/// assert!(ablated.find("block0.attn.residual").is_none());
/// assert_ne!(graph.to_string(), ablated.to_string());
/// # Ok::<(), gptlab_model::SpecError>(())
/// ```
pub fn lower(model: &Model) -> Graph {
    let spec = model.spec();
    let mut g = Lowering {
        spec,
        build: Builder::new(),
    };
    let (embedded, tok_emb) = g.embed(model.vocab_size());
    let mut x = embedded;
    for (i, layer) in spec.layers.iter().enumerate() {
        x = match spec.wiring.order {
            SublayerOrder::Sequential => g.sequential_block(i, layer, x),
            SublayerOrder::Parallel => g.parallel_block(i, layer, x),
        };
    }
    let x = g.norm(spec.norms.last, Place::End(EndRole::Norm), "ln_f", x);
    let weight = match spec.head {
        OutputHead::Tied => tok_emb,
        OutputHead::Untied => g.table("lm_head.weight", model.vocab_size()),
    };
    let logits = Op::Linear {
        x,
        weight,
        bias: None,
    };
    let logits = g
        .build
        .node(Place::End(EndRole::Logits), model.vocab_size(), logits);
    g.build.finish(logits, spec.block_size)
}

struct Lowering<'a> {
    spec: &'a ModelSpec,
    build: Builder,
}

impl Lowering<'_> {
    /// Writes token (+ position) → norm → dropout.
    fn embed(&mut self, vocab_size: usize) -> (ValueId, ParamId) {
        let c = self.spec.n_embd;
        let table = self.table("tok_emb.weight", vocab_size);
        let place = Place::Embedding;
        let scale = match self.spec.position {
            Position::Sinusoidal => (c as f32).sqrt(),
            Position::None
            | Position::Learned
            | Position::SinusoidalUnscaled
            | Position::Rotary
            | Position::Alibi => 1.0,
        };
        let token = Op::TokenEmbedding { table, scale };
        let token = self.build.node(place(EmbeddingRole::Token), c, token);
        let x = match self.spec.position {
            Position::None | Position::Rotary | Position::Alibi => token,
            Position::Learned => {
                let table = self.table("pos_emb.weight", self.spec.block_size);
                let position = Op::PositionEmbedding { table };
                let position = self.build.node(place(EmbeddingRole::Position), c, position);
                self.add(place(EmbeddingRole::Sum), token, position)
            }
            Position::Sinusoidal | Position::SinusoidalUnscaled => {
                let position = self
                    .build
                    .node(place(EmbeddingRole::Position), c, Op::Sinusoid);
                self.add(place(EmbeddingRole::Sum), token, position)
            }
        };
        let norm = place(EmbeddingRole::Norm);
        let x = self.norm(self.spec.norms.embedding, norm, "ln_emb", x);
        (self.dropout(place(EmbeddingRole::Dropout), x), table)
    }

    /// Writes a block in which each sublayer reads the output of the one before it.
    fn sequential_block(&mut self, block: usize, layer: &[Sublayer], mut x: ValueId) -> ValueId {
        for part in parts(block, layer) {
            x = match self.spec.wiring.norm {
                NormPlace::Before => {
                    let h = self.block_norm(&part, x);
                    let out = self.sublayer(&part, h);
                    self.join(part.place(Role::Residual), x, out)
                }
                NormPlace::After => {
                    let out = self.sublayer(&part, x);
                    let sum = self.join(part.place(Role::Residual), x, out);
                    self.block_norm(&part, sum)
                }
            };
        }
        x
    }

    /// Writes a block in which every sublayer reads the block's input; their outputs are summed.
    fn parallel_block(&mut self, block: usize, layer: &[Sublayer], input: ValueId) -> ValueId {
        let mut sum = None;
        for part in parts(block, layer) {
            let h = self.block_norm(&part, input);
            let out = self.sublayer(&part, h);
            sum = Some(match sum {
                None => self.join(part.place(Role::Residual), input, out),
                Some(x) => self.add(part.place(Role::Residual), x, out),
            });
        }
        sum.unwrap_or(input)
    }

    fn block_norm(&mut self, part: &SublayerAt, x: ValueId) -> ValueId {
        let (place, param) = (part.place(Role::Norm), part.id.norm_param());
        self.norm(self.spec.norms.block, place, &param, x)
    }

    fn join(&mut self, place: Place, x: ValueId, out: ValueId) -> ValueId {
        match self.spec.wiring.residual {
            Residual::Add => self.add(place, x, out),
            Residual::None => out,
        }
    }

    fn sublayer(&mut self, part: &SublayerAt, x: ValueId) -> ValueId {
        let out = match part.sublayer {
            Sublayer::Attention(a) => self.attention(part, a, x),
            Sublayer::Mlp(mlp) => self.mlp(part, mlp, x),
        };
        self.dropout(part.place(Role::Dropout), out)
    }

    /// Writes packed queries, keys and values → (QK-norm) → (rotary) → mix → projection.
    fn attention(&mut self, part: &SublayerAt, a: &Attention, x: ValueId) -> ValueId {
        let head_dim = self.spec.n_embd / a.heads;
        let (packed, turned) = (a.heads + 2 * a.kv_heads, a.heads + a.kv_heads);
        let mut qkv = self.linear(part, Role::Qkv, "c_attn", x, packed * head_dim, 1.0);
        qkv = match a.qk_norm {
            QkNorm::None => qkv,
            QkNorm::RmsNorm => {
                let op = Op::HeadNorm {
                    x: qkv,
                    heads: turned,
                    head_dim,
                };
                self.build
                    .node(part.place(Role::QkNorm), packed * head_dim, op)
            }
        };
        qkv = match self.spec.position {
            Position::None
            | Position::Learned
            | Position::Sinusoidal
            | Position::SinusoidalUnscaled
            | Position::Alibi => qkv,
            Position::Rotary => {
                let op = Op::Rotary {
                    x: qkv,
                    heads: turned,
                    head_dim,
                };
                self.build
                    .node(part.place(Role::Rotary), packed * head_dim, op)
            }
        };
        let attention = AttentionOp {
            heads: a.heads,
            kv_heads: a.kv_heads,
            head_dim,
            mask: match (a.mask, a.window) {
                (Mask::Causal, None) => AttentionMask::Causal,
                (Mask::Causal, Some(n)) => AttentionMask::Window(n),
                (Mask::Full, None | Some(_)) => AttentionMask::Full,
            },
            scale: match a.scale {
                Scale::InverseSqrt => (1.0 / (head_dim as f64).sqrt()) as f32,
                Scale::One => 1.0,
            },
            softcap: a.softcap,
            alibi: match self.spec.position {
                Position::Alibi => true,
                Position::None
                | Position::Learned
                | Position::Sinusoidal
                | Position::SinusoidalUnscaled
                | Position::Rotary => false,
            },
            dropout: self.spec.dropout,
        };
        let op = Op::Attention { x: qkv, attention };
        let mix = self.build.node(part.place(Role::Mix), self.spec.n_embd, op);
        let onto = self.projection_scale();
        self.linear(part, Role::Output, "c_proj", mix, self.spec.n_embd, onto)
    }

    /// Writes up → activation (gated or not) → projection.
    fn mlp(&mut self, part: &SublayerAt, mlp: &Mlp, x: ValueId) -> ValueId {
        let up = self.linear(part, Role::Up, "c_fc", x, mlp.hidden, 1.0);
        let op = match mlp.form {
            MlpForm::Plain(f) => Op::Activate { x: up, f },
            MlpForm::Gated(f) => {
                let gate = self.linear(part, Role::Gate, "c_gate", x, mlp.hidden, 1.0);
                Op::Gate { gate, up, f }
            }
        };
        let act = self
            .build
            .node(part.place(Role::Activation), mlp.hidden, op);
        let onto = self.projection_scale();
        self.linear(part, Role::Output, "c_proj", act, self.spec.n_embd, onto)
    }

    fn norm(&mut self, norm: Norm, place: Place, param: &str, x: ValueId) -> ValueId {
        let width = self.build.width(x);
        let mut vector =
            |what: &str, init| self.build.vector(format!("{param}.{what}"), width, init);
        let norm = match norm {
            Norm::None => return x,
            Norm::LayerNorm => NormOp::LayerNorm {
                gain: vector("weight", ParamInit::Ones),
                bias: match self.spec.bias {
                    Bias::Everywhere => Some(vector("bias", ParamInit::Zeros)),
                    Bias::Nowhere => None,
                },
            },
            Norm::RmsNorm => NormOp::RmsNorm {
                gain: Some(vector("weight", ParamInit::Ones)),
            },
            Norm::RmsNormNoGain => NormOp::RmsNorm { gain: None },
        };
        self.build.node(place, width, Op::Norm { x, norm })
    }

    fn linear(
        &mut self,
        part: &SublayerAt,
        role: Role,
        param: &str,
        x: ValueId,
        out: usize,
        init_scale: f64,
    ) -> ValueId {
        let name = format!("{}.{param}", part.id.param());
        let width = self.build.width(x);
        let weight = self.matrix(&format!("{name}.weight"), out, width, init_scale);
        let bias = match self.spec.bias {
            Bias::Everywhere => {
                let bias = format!("{name}.bias");
                Some(self.build.vector(bias, out, ParamInit::Zeros))
            }
            Bias::Nowhere => None,
        };
        let op = Op::Linear { x, weight, bias };
        self.build.node(part.place(role), out, op)
    }

    fn add(&mut self, place: Place, a: ValueId, b: ValueId) -> ValueId {
        let width = self.build.width(a);
        self.build.node(place, width, Op::Add { a, b })
    }

    fn dropout(&mut self, place: Place, x: ValueId) -> ValueId {
        let p = self.spec.dropout;
        if p == 0.0 {
            return x;
        }
        let width = self.build.width(x);
        self.build.node(place, width, Op::Dropout { x, p })
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize, init_scale: f64) -> ParamId {
        let std = f64::from(self.spec.init.std) * init_scale;
        let init = ParamInit::Normal { std };
        self.build
            .matrix(name.into(), [rows, cols], init, ParamGroup::Matrix)
    }

    /// Adds a table with `rows` rows, one for each token or position, as wide as the stream.
    fn table(&mut self, name: &str, rows: usize) -> ParamId {
        let std = f64::from(self.spec.init.std);
        let (shape, init) = ([rows, self.spec.n_embd], ParamInit::Normal { std });
        self.build
            .matrix(name.into(), shape, init, ParamGroup::Embedding)
    }

    /// Returns the factor of the initial projections onto the residual stream.
    fn projection_scale(&self) -> f64 {
        match self.spec.init.residual {
            ResidualInit::Same => 1.0,
            ResidualInit::Scaled => {
                let writes: usize = self.spec.layers.iter().map(Vec::len).sum();
                1.0 / (writes as f64).sqrt()
            }
        }
    }
}

/// A sublayer and its number among those of its kind. The first attention of block 0 is
/// `blocks.0.attn` with `ln1`, and the first MLP `blocks.0.mlp` with `ln2`, as in gpt2-mini; the
/// second of a kind gets `_2`, and so on.
struct SublayerAt<'a> {
    id: SublayerId,
    sublayer: &'a Sublayer,
}

impl SublayerAt<'_> {
    fn place(&self, role: Role) -> Place {
        Place::Block(self.id, role)
    }
}

fn parts(block: usize, layer: &[Sublayer]) -> Vec<SublayerAt<'_>> {
    let (mut attentions, mut mlps) = (0, 0);
    layer
        .iter()
        .map(|sublayer| {
            let (kind, count) = match sublayer {
                Sublayer::Attention(_) => (SublayerKind::Attention, &mut attentions),
                Sublayer::Mlp(_) => (SublayerKind::Mlp, &mut mlps),
            };
            let nth = *count;
            *count += 1;
            let id = SublayerId { block, kind, nth };
            SublayerAt { id, sublayer }
        })
        .collect()
}
