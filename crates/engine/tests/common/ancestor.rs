//! The settings and the output of the GPT in `crates/microgpt`.

use std::collections::BTreeMap;

use gptlab_model::{ModelSpec, Preset, Sublayer};

use crate::cpython::Random;

/// The constants of the ancestor's main.rs, and its output with them.
#[derive(Clone, Copy)]
pub(crate) struct Ancestor {
    pub(crate) golden: &'static str,
    pub(crate) text: &'static str,
    pub(crate) seed: u32,
    pub(crate) n_layer: usize,
    pub(crate) n_embd: usize,
    pub(crate) n_head: usize,
    pub(crate) block_size: usize,
    pub(crate) lr: f64,
    pub(crate) betas: [f64; 2],
    pub(crate) eps: f64,
}

/// The ancestor's own settings: the golden of the built-in names.
pub(crate) const NAMES: Ancestor = Ancestor {
    golden: include_str!("../../../microgpt/tests/golden/names.txt"),
    text: include_str!("../../../microgpt/src/names.txt"),
    seed: 42,
    n_layer: 1,
    n_embd: 16,
    n_head: 4,
    block_size: 16,
    lr: 0.01,
    betas: [0.85, 0.99],
    eps: 1e-8,
};

/// Two layers, with lines longer than the context.
pub(crate) const SCRIPTS: Ancestor = Ancestor {
    golden: include_str!("../../../microgpt/tests/golden/scripts.txt"),
    text: include_str!("../../../microgpt/tests/texts/scripts.txt"),
    seed: 7,
    n_layer: 2,
    n_head: 2,
    block_size: 8,
    ..NAMES
};

/// One head, a tiny context and other settings of the optimiser.
pub(crate) const TUNED: Ancestor = Ancestor {
    golden: include_str!("../../../microgpt/tests/golden/tuned.txt"),
    text: SCRIPTS.text,
    seed: 0,
    n_embd: 6,
    n_head: 1,
    block_size: 3,
    lr: 0.03,
    betas: [0.9, 0.95],
    eps: 1e-6,
    ..NAMES
};

/// The standard deviation of the ancestor's initial weights.
pub(crate) const STD: f64 = 0.08;

impl Ancestor {
    /// Returns the preset in these sizes.
    pub(crate) fn spec(&self) -> ModelSpec {
        let mut spec = Preset::Microgpt.spec();
        (spec.block_size, spec.n_embd) = (self.block_size, self.n_embd);
        spec.layers = vec![spec.layers[0].clone(); self.n_layer];
        for sublayer in spec.layers.iter_mut().flatten() {
            match sublayer {
                Sublayer::Attention(a) => (a.heads, a.kv_heads) = (self.n_head, self.n_head),
                Sublayer::Mlp(mlp) => mlp.hidden = 4 * self.n_embd,
            }
        }
        spec
    }

    /// Returns the lines of the text as Python reads and strips them, without empty ones.
    pub(crate) fn documents(&self) -> Vec<&'static str> {
        let gap = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
        let lines = self.text.split(['\n', '\r']);
        let lines = lines.map(|line| line.trim_matches(gap));
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Draws the initial weights, by the parameter table's names, in the ancestor's order.
    pub(crate) fn tensors(&self, vocab: usize, draws: &mut Random) -> BTreeMap<String, Vec<f64>> {
        let c = self.n_embd;
        let mut matrix = |rows: usize, columns: usize| -> Vec<f64> {
            (0..rows * columns).map(|_| draws.gauss(STD)).collect()
        };
        let mut tensors = BTreeMap::from([
            ("tok_emb.weight".to_owned(), matrix(vocab, c)),
            ("pos_emb.weight".to_owned(), matrix(self.block_size, c)),
            ("lm_head.weight".to_owned(), matrix(vocab, c)),
        ]);
        for block in 0..self.n_layer {
            let qkv = [matrix(c, c), matrix(c, c), matrix(c, c)].concat();
            let mut name = |name: &str, tensor| {
                tensors.insert(format!("blocks.{block}.{name}.weight"), tensor);
            };
            name("attn.c_attn", qkv);
            name("attn.c_proj", matrix(c, c));
            name("mlp.c_fc", matrix(4 * c, c));
            name("mlp.c_proj", matrix(c, 4 * c));
        }
        tensors
    }
}

/// The ancestor's output while training.
pub(crate) struct Printed {
    pub(crate) docs: usize,
    pub(crate) vocab: usize,
    pub(crate) params: usize,
    /// The losses, to four decimals.
    pub(crate) losses: Vec<f64>,
}

impl Printed {
    pub(crate) fn of(golden: &str) -> Self {
        let after = |line: &str, mark: &str| line.split(mark).nth(1).map(str::to_owned);
        let number = |mark| {
            let found = golden.lines().find_map(|line| after(line, mark));
            found.expect(mark).parse().expect("a whole number")
        };
        let losses = golden.lines().filter_map(|line| after(line, "| loss "));
        Self {
            docs: number("num docs: "),
            vocab: number("vocab size: "),
            params: number("num params: "),
            losses: losses.map(|loss| loss.parse().expect("a loss")).collect(),
        }
    }
}
