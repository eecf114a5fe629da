//! Decoding: one token after another, with a cache of keys and values while the context allows.
//!
//! Past the context the last `block_size` tokens are run anew for every token, as the seed does: their
//! positions have moved, so nothing that was cached holds. A model that is not causal has no cache.

use std::{fmt, ops::Range};

use gptlab_kernels::{Isa, attention, linear};
use gptlab_model::{AttentionOp, Graph, Node};

use super::{
    Options, check_len,
    chunk::{Chunk, Workspace},
    head,
    plan::{Plan, Purpose},
    program::Program,
};
use crate::{ImportError, sample::Sampling};

/// Continues token sequences with a model's weights.
#[derive(Debug)]
pub struct Generator {
    program: Program,
    weights: Vec<f32>,
    causal: bool,
    /// For a whole context, and for one token.
    whole: Plan,
    single: Plan,
    work: Workspace,
    /// By node: keys, then values, `[block_size, kv_heads * head_dim]` each; empty but for attention.
    cache: Vec<[Vec<f32>; 2]>,
    /// How many of the window's tokens the cache holds.
    cached: usize,
    context: Vec<u32>,
    logits: Vec<f32>,
}

/// A prompt that cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptError {
    Empty,
    /// A token the vocabulary does not hold: (token, vocabulary size).
    Unknown(u32, usize),
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a prompt needs at least one token to continue from"),
            Self::Unknown(token, vocab) => {
                write!(f, "token {token} is not in the vocabulary of {vocab}")
            }
        }
    }
}

impl std::error::Error for PromptError {}

impl Generator {
    /// A generator for `graph` with `weights` in table order.
    ///
    /// # Errors
    /// When the number of weights is not the graph's.
    pub fn new(graph: Graph, weights: &[f32]) -> Result<Self, ImportError> {
        Self::with_isa(graph, weights, Isa::detect())
    }

    /// The same with the vector instructions of `isa`.
    ///
    /// # Errors
    /// As [`Generator::new`].
    pub fn with_isa(graph: Graph, weights: &[f32], isa: Isa) -> Result<Self, ImportError> {
        check_len(graph.params().total(), weights.len())?;
        let program = Program::new(
            graph,
            Options {
                isa,
                ..Options::of_threads(1)
            },
        );
        let graph = &program.graph;
        let (whole, single) = (
            Plan::new(graph, graph.block_size(), Purpose::Evaluate),
            Plan::new(graph, 1, Purpose::Evaluate),
        );
        let mut work = Workspace::default();
        work.fit(&program, &whole);
        let cache = graph
            .nodes()
            .iter()
            .map(|n| cache(n, graph.block_size()))
            .collect();
        let causal = graph
            .nodes()
            .iter()
            .filter_map(Node::attention)
            .all(|(_, a)| a.causal);
        Ok(Self {
            logits: vec![0.0; graph.node(graph.logits()).width],
            weights: weights.to_vec(),
            causal,
            whole,
            single,
            work,
            cache,
            cached: 0,
            context: Vec::new(),
            program,
        })
    }

    /// Starts anew from `prompt`.
    ///
    /// # Errors
    /// When the prompt is empty or holds a token the vocabulary does not.
    pub fn begin(&mut self, prompt: &[u32]) -> Result<(), PromptError> {
        if prompt.is_empty() {
            return Err(PromptError::Empty);
        }
        let vocab = self.logits.len();
        if let Some(token) = prompt.iter().find(|t| **t as usize >= vocab) {
            return Err(PromptError::Unknown(*token, vocab));
        }
        self.context = prompt.to_vec();
        self.cached = 0;
        Ok(())
    }

    /// Chooses the next token by `uniform`, a draw from [0, 1), and appends it. `None` where nothing was
    /// begun, or where the model has diverged and its logits are no numbers.
    pub fn next_token(&mut self, sampling: &Sampling, uniform: f64) -> Option<u32> {
        if self.context.is_empty() {
            return None;
        }
        self.run();
        let token = sampling.choose(&self.logits, uniform)?;
        self.context.push(token);
        Some(token)
    }

    /// The logits after all tokens so far, `[vocab_size]`; nothing before [`Generator::begin`].
    pub fn logits(&mut self) -> &[f32] {
        if self.context.is_empty() {
            return &[];
        }
        self.run();
        &self.logits
    }

    /// Brings the logits up to date with the context.
    fn run(&mut self) {
        let most = self.program.graph.block_size();
        let start = self.context.len().saturating_sub(most);
        if start > 0 || !self.causal || self.cached == 0 {
            self.prefill(start);
        }
        while self.cached < self.context.len() - start {
            self.decode(self.cached);
        }
    }

    /// Runs the window from token `start` in one go and caches its keys and values.
    fn prefill(&mut self, start: usize) {
        let window = &self.context[start..];
        let sequence = [0..window.len()];
        let chunk = chunk(
            &self.program,
            &self.whole,
            &self.weights,
            window,
            &sequence,
            0,
        );
        for (node, cache) in self
            .cache
            .iter_mut()
            .enumerate()
            .take(self.program.graph.nodes().len() - 1)
        {
            chunk.forward_node(node, &mut self.work);
            if let Some((x, attention)) = self.program.graph.nodes()[node].attention() {
                let qkv = &self.work.arena[chunk.value(x.index())];
                remember(cache, attention, qkv, 0);
            }
        }
        chunk.last_logits(&mut self.work, &mut self.logits);
        self.cached = window.len();
    }

    /// Runs the token at `position` on the cache of those before it.
    fn decode(&mut self, position: usize) {
        let token = &self.context[position..=position];
        let sequence = [0..1];
        let chunk = chunk(
            &self.program,
            &self.single,
            &self.weights,
            token,
            &sequence,
            position,
        );
        for (node, cache) in self
            .cache
            .iter_mut()
            .enumerate()
            .take(self.program.graph.nodes().len() - 1)
        {
            let Some((x, op)) = self.program.graph.nodes()[node].attention() else {
                chunk.forward_node(node, &mut self.work);
                continue;
            };
            remember(
                cache,
                op,
                &self.work.arena[chunk.value(x.index())],
                position,
            );
            let [mix, qkv] = super::chunk::parts(
                &mut self.work.arena,
                [chunk.value(node), chunk.value(x.index())],
            );
            let options = chunk.attention(node, op, 0);
            let [keys, values] = cache;
            let query = &qkv[..op.heads * op.head_dim];
            attention::decode_one(
                self.program.isa,
                mix,
                &mut self.work.scratch,
                query,
                keys,
                values,
                &options,
                position + 1,
            );
        }
        chunk.last_logits(&mut self.work, &mut self.logits);
        self.cached = position + 1;
    }
}

fn cache(node: &Node, block_size: usize) -> [Vec<f32>; 2] {
    let len = node
        .attention()
        .map_or(0, |(_, a)| block_size * a.kv_heads * a.head_dim);
    [vec![0.0; len], vec![0.0; len]]
}

/// Copies the keys and values of packed rows into the cache, from `position` on.
fn remember(cache: &mut [Vec<f32>; 2], op: &AttentionOp, qkv: &[f32], position: usize) {
    let (queries, width) = (op.heads * op.head_dim, op.kv_heads * op.head_dim);
    for (i, row) in qkv.chunks(queries + 2 * width).enumerate() {
        let at = (position + i) * width..(position + i + 1) * width;
        let (keys, values) = row[queries..].split_at(width);
        cache[0][at.clone()].copy_from_slice(keys);
        cache[1][at].copy_from_slice(values);
    }
}

fn chunk<'a>(
    program: &'a Program,
    plan: &'a Plan,
    weights: &'a [f32],
    inputs: &'a [u32],
    sequences: &'a [Range<usize>],
    first_position: usize,
) -> Chunk<'a> {
    Chunk {
        program,
        plan,
        weights,
        inputs,
        sequences,
        first_row: 0,
        first_position,
        noise: None,
    }
}

impl Chunk<'_> {
    /// The logits of the last row.
    fn last_logits(&self, work: &mut Workspace, logits: &mut [f32]) {
        let (x, weight) = head::head(&self.program.graph);
        let width = self.width(x);
        let x = &work.arena[self.value(x)][(self.rows() - 1) * width..];
        let size = (1, width, logits.len());
        linear::forward(
            self.isa(),
            logits,
            &mut work.scratch,
            x,
            self.part(weight),
            None,
            size,
        );
    }
}
