//! Texts that generators under test write, and the witness of their logits.

use gptlab_engine::{
    Engine, GenerationRequest, Generator, generate_each,
    sample::{Ranking, Sampling},
    untouched,
};
use gptlab_model::{Batch, Model, random::Stream};

use super::trial::wide;

/// Returns the oracle's logits after the last `block_size` of `tokens`.
pub(crate) fn expected(oracle: &mut dyn Engine, model: &Model, tokens: &[u32]) -> Vec<f64> {
    let window = &tokens[tokens.len().saturating_sub(model.spec().block_size)..];
    let batch = Batch::new(model, [(window, window)]).expect("tokens of the vocabulary");
    let trace = oracle.trace(&batch, &mut untouched);
    let logits = trace.logits();
    wide(&logits.values[logits.values.len() - logits.cols..])
}

/// A text that records the logits it was shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tale {
    pub(crate) prompt: Vec<u32>,
    /// The largest number of tokens.
    pub(crate) most: usize,
    pub(crate) draws: Stream,
    pub(crate) tokens: Vec<u32>,
    pub(crate) seen: Vec<Vec<f32>>,
}

impl Tale {
    /// Returns the `i`th of many texts: prompts and lengths of all kinds, some past the context,
    /// some without a token.
    pub(crate) fn new(i: u32, block_size: usize, vocab: usize) -> Self {
        let draws = Stream::new(5, "tales", i);
        let below = |index: u64, n: usize| draws.below_at(1000 + index, n);
        let prompt = (0..=below(0, block_size + 2)).map(|k| below(2 + k as u64, vocab) as u32);
        Self {
            prompt: prompt.collect(),
            most: below(1, block_size + 4),
            draws,
            tokens: Vec::new(),
            seen: Vec::new(),
        }
    }
}

impl GenerationRequest for Tale {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        self.seen.push(logits.to_vec());
        let written = self.tokens.len();
        let sampling = Sampling::new(1.0, Some(5), None).expect("settings in range");
        let uniform = self.draws.uniform_at(written as u64);
        let token = sampling.choose(&mut Ranking::default(), logits, uniform);
        self.tokens.extend(token.filter(|_| written < self.most));
        token.filter(|_| written < self.most)
    }
}

/// A request that takes the likeliest token a fixed number of times.
pub(crate) struct Greedy {
    pub(crate) prompt: Vec<u32>,
    pub(crate) left: usize,
    pub(crate) tokens: Vec<u32>,
}

impl GenerationRequest for Greedy {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let best = (0..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1))?.0;
        self.tokens.push(best);
        Some(best)
    }
}

/// Returns the likeliest continuations of four prompts, to past the context.
pub(crate) fn texts(generator: &dyn Generator, block_size: usize) -> Vec<Vec<u32>> {
    let request = |i: u32| Greedy {
        prompt: (0..=i).map(|t| t % 3).collect(),
        left: block_size + 2,
        tokens: Vec::new(),
    };
    let mut requests: Vec<Greedy> = (0..4).map(request).collect();
    generate_each(generator, &mut requests).expect("prompts of the vocabulary");
    requests.into_iter().map(|r| r.tokens).collect()
}
