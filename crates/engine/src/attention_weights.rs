//! The weights of an attention. Engines do not store them; they are computed again from the
//! attention's input.

use gptlab_model::{AttentionOp, alibi_slopes};

/// The attention weights of one sequence of `T` tokens: one `T x T` matrix per head, whose rows are
/// queries and whose columns are keys. Rows sum to 1; weights that the mask hides are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionWeights {
    /// The number of query heads.
    pub heads: usize,
    /// The number of tokens in the sequence, `T`.
    pub tokens: usize,
    /// The weights, `[heads, tokens, tokens]`, row-major.
    pub weights: Vec<f64>,
    /// The input of the softmax, in the same order: masked scores are negative infinity.
    pub scores: Vec<f64>,
}

impl AttentionWeights {
    /// Computes the weights of `op` in f64 without dropout, for one sequence, from the packed
    /// queries, keys and values that its node reads: `[tokens, (heads + 2 kv_heads) head_dim]`.
    /// [`AttentionOp`] defines them.
    ///
    /// # Panics
    /// Panics if `qkv` does not hold whole rows.
    pub fn new(op: &AttentionOp, qkv: &[f32]) -> Self {
        let width = (op.heads + 2 * op.kv_heads) * op.head_dim;
        assert!(qkv.len().is_multiple_of(width), "whole rows of {width}");
        let tokens = qkv.len() / width;
        let slopes = alibi_slopes(op.heads);
        let mut scores = Vec::with_capacity(op.heads * tokens * tokens);
        for (head, slope) in slopes.into_iter().enumerate() {
            let slope = if op.alibi { f64::from(slope) } else { 0.0 };
            let key_head = op.heads + head / (op.heads / op.kv_heads);
            for q in 0..tokens {
                let query = slice(qkv, width, q, head, op.head_dim);
                let seen = op.mask.keys(q, tokens);
                scores.extend((0..tokens).map(|k| {
                    let key = slice(qkv, width, k, key_head, op.head_dim);
                    let distance = q.abs_diff(k) as f64;
                    if !seen.contains(&k) {
                        return f64::NEG_INFINITY;
                    }
                    score(op, dot(query, key)) - slope * distance
                }));
            }
        }
        let weights = scores.chunks(tokens.max(1)).flat_map(softmax).collect();
        Self {
            heads: op.heads,
            tokens,
            weights,
            scores,
        }
    }

    /// Returns the weights of one head, `[tokens, tokens]`.
    pub fn head(&self, head: usize) -> &[f64] {
        let size = self.tokens * self.tokens;
        &self.weights[head * size..][..size]
    }

    /// Returns the scores of one head, `[tokens, tokens]`.
    pub fn head_scores(&self, head: usize) -> &[f64] {
        let size = self.tokens * self.tokens;
        &self.scores[head * size..][..size]
    }

    /// Returns the weight of `key` for `query`.
    pub fn at(&self, head: usize, query: usize, key: usize) -> f64 {
        self.head(head)[query * self.tokens + key]
    }
}

/// Returns the `nth` slice of width `head_dim` of row `row`.
fn slice(qkv: &[f32], width: usize, row: usize, nth: usize, head_dim: usize) -> &[f32] {
    &qkv[row * width + nth * head_dim..][..head_dim]
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Applies scale → (softcap).
fn score(op: &AttentionOp, product: f64) -> f64 {
    let scaled = product * f64::from(op.scale);
    match op.softcap.map(f64::from) {
        Some(cap) => cap * (scaled / cap).tanh(),
        None => scaled,
    }
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}
