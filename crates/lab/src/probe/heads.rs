//! Attention maps on a prompt, and head scores on random tokens that are repeated.

use gptlab_engine::{AttentionWeights, Matrix, Trace, untouched};
use gptlab_model::{Batch, random::Stream};
use gptlab_report::probe::{HeadMap, HeadScores, Repeated};

use crate::statistics;

use super::{
    Subject,
    anatomy::AttentionPart,
    formulas::{attention_entropy, max_logit, sink_mass},
    subject::{ProbeError, Prompt},
};

const SEQUENCES: usize = 8;
const LONGEST: usize = 50;

impl Subject {
    /// Returns the attention map of every head on `prompt`. `trace` must come from the same prompt.
    pub fn attention(&self, prompt: &Prompt, trace: &Trace) -> Vec<HeadMap> {
        let n = prompt.tokens.len();
        let parts = self.anatomy.attentions.iter();
        let maps = parts.flat_map(|part| {
            let weights = weights(part, trace, 0..n);
            (0..part.op.heads).map(move |head| head_map(part, &weights, head, &prompt.tokens))
        });
        maps.collect()
    }

    /// Scores every head on sequences `[r][r]`, where `r` is a random order of distinct tokens
    /// drawn from `seed`. Its length is half a context, and at most 50 and the vocabulary's size.
    /// The result is `None` if that length is below two.
    ///
    /// # Errors
    /// Returns an error if the sequences do not fit the model, which does not happen with tokens of
    /// its own vocabulary.
    pub fn repeated(&mut self, seed: u64) -> Result<Option<Repeated>, ProbeError> {
        let vocab = self.model.vocab_size();
        let length = (self.block_size() / 2).min(vocab).min(LONGEST);
        if length < 2 {
            return Ok(None);
        }
        let batch = repeated_batch(self, length, seed)?;
        let trace = self.engine.trace(&batch, &mut untouched);
        let mean_loss = |from: usize, to: usize| {
            let rows = (0..SEQUENCES).flat_map(|i| batch.rows(i).skip(from).take(to - from));
            rows.map(|r| trace.losses()[r]).sum::<f64>() / (SEQUENCES * (to - from)) as f64
        };
        Ok(Some(Repeated {
            length,
            sequences: SEQUENCES,
            first_loss: mean_loss(0, length - 1),
            second_loss: mean_loss(length, 2 * length - 1),
            heads: scores(&self.anatomy.attentions, &batch, &trace, length),
        }))
    }
}

fn head_map(
    part: &AttentionPart,
    weights: &AttentionWeights,
    head: usize,
    tokens: &[u32],
) -> HeadMap {
    let (of_head, n) = (weights.head(head), weights.tokens);
    let narrow = |row: &[f64]| row.iter().map(|w| *w as f32).collect();
    HeadMap {
        part: part.name.clone(),
        block: part.block,
        head,
        attention_entropy: attention_entropy(of_head, n),
        sink_mass: sink_mass(of_head, n),
        max_attention_logit: max_logit(weights.head_scores(head)),
        prefix_matching: prefix_matching(weights, head, tokens),
        weights: of_head.chunks(n).map(narrow).collect(),
        mask: part.op.mask,
    }
}

/// Returns the mean, over tokens that occurred before, of the total weight on the positions right
/// after their earlier occurrences.
fn prefix_matching(weights: &AttentionWeights, head: usize, tokens: &[u32]) -> Option<f64> {
    let looks: Vec<f64> = (0..tokens.len())
        .filter_map(|q| {
            let followers: Vec<usize> = (1..q).filter(|k| tokens[k - 1] == tokens[q]).collect();
            let look = followers.iter().map(|k| weights.at(head, q, *k)).sum();
            (!followers.is_empty()).then_some(look)
        })
        .collect();
    let count = looks.len() as f64;
    (!looks.is_empty()).then(|| looks.iter().sum::<f64>() / count)
}

/// Returns the attention weights of `part` on the sequence that occupies `rows` of the trace.
fn weights(part: &AttentionPart, trace: &Trace, rows: std::ops::Range<usize>) -> AttentionWeights {
    let qkv: &Matrix = trace.of(part.qkv);
    let qkv = &qkv.values[rows.start * qkv.cols..rows.end * qkv.cols];
    AttentionWeights::new(&part.op, qkv)
}

fn scores(parts: &[AttentionPart], batch: &Batch, trace: &Trace, length: usize) -> Vec<HeadScores> {
    let of_part = |part: &AttentionPart| {
        let sequences = (0..SEQUENCES).map(|i| weights(part, trace, batch.rows(i)));
        let sequences: Vec<AttentionWeights> = sequences.collect();
        let score = |head, queries: std::ops::Range<usize>, back: usize| {
            let count = queries.len() as f64;
            let of_sequence = |w: &AttentionWeights| {
                let looks = queries.clone().map(|q| w.at(head, q, q - back));
                looks.sum::<f64>() / count
            };
            mean_and_error(&sequences.iter().map(of_sequence).collect::<Vec<_>>())
        };
        let second = length..2 * length;
        let of_head = |head| {
            let previous = score(head, 1..2 * length, 1);
            let duplicate = score(head, second.clone(), length);
            let induction = score(head, second.clone(), length - 1);
            HeadScores {
                part: part.name.clone(),
                block: part.block,
                head,
                previous_token: previous[0],
                duplicate_token: duplicate[0],
                induction: induction[0],
                errors: [previous[1], duplicate[1], induction[1]],
            }
        };
        (0..part.op.heads).map(of_head).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}

/// Returns the mean of `numbers` and its standard error, which is 0 for a single number.
fn mean_and_error(numbers: &[f64]) -> [f64; 2] {
    let mean = statistics::mean(numbers).unwrap_or(0.0);
    let deviation = statistics::deviation(numbers).unwrap_or(0.0);
    [mean, deviation / (numbers.len() as f64).sqrt()]
}

fn repeated_batch(subject: &Subject, length: usize, seed: u64) -> Result<Batch, ProbeError> {
    let vocab = subject.model.vocab_size();
    let sequences: Vec<(Vec<u32>, Vec<u32>)> = (0..SEQUENCES)
        .map(|i| {
            let inputs = repeated_tokens(vocab, length, seed, i as u32);
            let mut targets = inputs.clone();
            targets.rotate_left(1);
            (inputs, targets)
        })
        .collect();
    let pairs = sequences.iter().map(|(x, y)| (&x[..], &y[..]));
    Ok(Batch::new(&subject.model, pairs)?)
}

/// Returns `length` distinct tokens in a random order, twice.
fn repeated_tokens(vocab: usize, length: usize, seed: u64, nth: u32) -> Vec<u32> {
    let mut cursor = Stream::new(seed, "probe/repeated", nth).cursor();
    let mut tokens: Vec<u32> = (0..vocab as u32).collect();
    for i in 0..length {
        tokens.swap(i, i + cursor.below(vocab - i));
    }
    tokens.truncate(length);
    tokens.repeat(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a causal head with uniform weights.
    fn even(tokens: usize) -> AttentionWeights {
        let weight = |q: usize, k: usize| if k <= q { 1.0 / (q + 1) as f64 } else { 0.0 };
        AttentionWeights {
            heads: 1,
            tokens,
            weights: (0..tokens * tokens)
                .map(|i| weight(i / tokens, i % tokens))
                .collect(),
            scores: vec![0.0; tokens * tokens],
        }
    }

    /// 1, 2 and 6 have mean 3 and variance 7 with n - 1 below.
    #[test]
    fn errors_are_of_the_mean() {
        let [mean, error] = mean_and_error(&[1.0, 2.0, 6.0]);
        assert_eq!(mean, 3.0);
        assert!((error - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean_and_error(&[2.0]), [2.0, 0.0]);
    }

    /// By hand: `a b a b` looks from 2 at 1 and from 3 at 2; in `a a a`, from 2 at 1.
    #[test]
    fn prefix_matching_is_the_weight_on_what_followed_before() {
        let found = |tokens: &[u32]| prefix_matching(&even(tokens.len()), 0, tokens);
        let near =
            |found: Option<f64>, expected: f64| (found.expect("a score") - expected).abs() < 1e-12;
        assert!(near(
            found(&[7, 8, 7, 8]),
            f64::midpoint(1.0 / 3.0, 1.0 / 4.0)
        ));
        assert!(near(found(&[7, 7, 7]), 1.0 / 3.0));
        assert_eq!(found(&[1, 2, 3]), None);
    }
}
