//! The formulas of measures on one matrix of activations, one matrix of attention weights, or
//! logits. They are cheap enough for a training run. [`super::Measure`] gives their meanings,
//! sources and usual ranges.
//!
//! Matrices are row-major slices with `cols` numbers per row and one row per token. Sums are
//! accumulated in f64, in row order. Formulas in [`STREAM`] and [`HEADS`] are recorded while a
//! model trains.

use super::Measure;

/// A number of one sequence's activations: a matrix and its `cols`. `None` where it has no such
/// number.
pub type StreamFormula = fn(&[f32], usize) -> Option<f64>;

/// A number of one head's attention. `None` where it has no such number.
pub type HeadFormula = fn(&HeadMatrices<'_>) -> Option<f64>;

/// What the recorder measures of the residual stream at every depth, as the mean over sequences.
pub const STREAM: &[(Measure, StreamFormula)] = &[(Measure::TokenSimilarity, token_similarity)];

/// What the recorder measures of every attention head, in the first sequence of a batch.
pub const HEADS: &[(Measure, HeadFormula)] = &[
    (Measure::AttentionEntropy, |head| {
        Some(attention_entropy(head.weights, head.keys))
    }),
    (Measure::SinkMass, |head| sink_mass(head.weights, head.keys)),
    (Measure::MaxAttentionLogit, |head| max_logit(head.scores)),
];

/// One head's attention in one sequence: two matrices `[queries, keys]`.
#[derive(Clone, Copy, Debug)]
pub struct HeadMatrices<'a> {
    /// Scores before the softmax; negative infinity where a key is masked.
    pub scores: &'a [f64],
    /// What the softmax makes of them: each row sums to 1.
    pub weights: &'a [f64],
    /// The number of columns of both.
    pub keys: usize,
}

/// The magnitude up to which a unit's output counts as zero. It covers ReLU's zero and the far tail
/// of the smooth activations.
pub const SILENT: f32 = 1e-3;

/// Returns the root mean square of all numbers; 0 for an empty slice.
pub fn rms(values: &[f32]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    (square_sum(values) / values.len() as f64).sqrt()
}

/// Returns the mean cosine of all pairs of distinct rows, in one pass: `(|sum of unit rows|^2 - n)
/// / (n (n - 1))`. A row of zeros counts as orthogonal to all others. The result is `None` for
/// fewer than two rows.
pub fn token_similarity(matrix: &[f32], cols: usize) -> Option<f64> {
    let rows = matrix.len() / cols.max(1);
    if rows < 2 {
        return None;
    }
    let (mut sum, mut units) = (vec![0.0; cols], 0.0);
    for row in matrix.chunks_exact(cols) {
        let norm = square_sum(row).sqrt();
        if norm > 0.0 {
            units += 1.0;
            let pairs = sum.iter_mut().zip(row);
            pairs.for_each(|(s, x)| *s += f64::from(*x) / norm);
        }
    }
    let square: f64 = sum.iter().map(|s| s * s).sum();
    let pairs = rows as f64 * (rows as f64 - 1.0);
    Some((square - units) / pairs)
}

/// Returns the size of a sublayer's output relative to the stream that it is added to: `rms(write)
/// / rms(stream)`. The result is `None` if the stream is zero.
pub fn write_ratio(write: &[f32], stream: &[f32]) -> Option<f64> {
    let below = rms(stream);
    (below > 0.0).then(|| rms(write) / below)
}

/// Returns the mean entropy, in nats, of the rows of weights `[queries, keys]`; 0 for no rows.
pub fn attention_entropy(weights: &[f64], keys: usize) -> f64 {
    mean(weights.chunks_exact(keys.max(1)).map(entropy))
}

/// Returns the mean weight on the first token, over every later query of `[queries, keys]`. The
/// first query is left out because it has no choice. The result is `None` for fewer than two
/// queries.
pub fn sink_mass(weights: &[f64], keys: usize) -> Option<f64> {
    let later = weights.chunks_exact(keys.max(1)).skip(1);
    (later.len() > 0).then(|| mean(later.map(|row| row[0])))
}

/// Returns the largest number that is not masked (negative infinity); `None` if there is none.
pub fn max_logit(scores: &[f64]) -> Option<f64> {
    let seen = scores.iter().copied().filter(|s| *s > f64::NEG_INFINITY);
    seen.reduce(f64::max)
}

/// Returns the share of columns that are at most [`SILENT`] in magnitude in every row.
pub fn dead_share(matrix: &[f32], cols: usize) -> f64 {
    let mut alive = vec![false; cols];
    for row in matrix.chunks_exact(cols.max(1)) {
        let pairs = alive.iter_mut().zip(row);
        // This is not `<= SILENT`: a unit that outputs NaN is broken, not dead.
        pairs.for_each(|(alive, x)| *alive |= x.is_nan() || x.abs() > SILENT);
    }
    mean(alive.into_iter().map(|alive| f64::from(u8::from(!alive))))
}

/// Returns the mean over rows of `ln(sum(exp(logits)))`, in nats.
pub fn mean_log_z(logits: &[f32], vocab_size: usize) -> f64 {
    mean(logits.chunks_exact(vocab_size.max(1)).map(log_z))
}

/// Returns `ln(sum(exp(logits)))` of one row, in nats.
pub fn log_z(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    let sum: f64 = logits.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
    largest + sum.ln()
}

/// Returns the logarithm of the softmax of one row of logits, in nats.
pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let log_z = log_z(logits);
    logits.iter().map(|x| f64::from(*x) - log_z).collect()
}

/// Returns the entropy of one distribution, in nats, with `0 ln 0` = 0.
pub fn entropy(probabilities: &[f64]) -> f64 {
    let terms = probabilities.iter().filter(|p| **p > 0.0);
    -terms.map(|p| p * p.ln()).sum::<f64>()
}

fn square_sum(values: &[f32]) -> f64 {
    values.iter().map(|x| f64::from(*x).powi(2)).sum()
}

/// Returns the mean; 0 for no numbers.
fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = numbers.len().max(1);
    numbers.sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use gptlab_model::random::Stream;

    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }

    fn noise(n: u64) -> Vec<f32> {
        let stream = Stream::new(3, "activations", 0);
        (0..n).map(|i| stream.normal_at(i) as f32).collect()
    }

    #[test]
    fn root_mean_squares_and_their_ratio() {
        near(rms(&[3.0, -4.0]), 12.5f64.sqrt());
        near(rms(&[]), 0.0);
        near(write_ratio(&[1.0, -1.0], &[2.0, 2.0]).unwrap(), 0.5);
        assert_eq!(write_ratio(&[1.0], &[0.0]), None);
    }

    /// The one-pass formula is compared with the mean over all pairs.
    #[test]
    fn similarity_is_the_mean_of_all_pairs() {
        let (rows, cols) = (7, 5);
        let mut matrix = noise(rows * cols);
        matrix[10..15].fill(0.0);
        let row = |i: u64| &matrix[(i * cols) as usize..][..cols as usize];
        let dot = |a: &[f32], b: &[f32]| {
            let pairs = a.iter().zip(b);
            pairs
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
        };
        let cosine = |i, j| match (dot(row(i), row(i)) * dot(row(j), row(j))).sqrt() {
            0.0 => 0.0,
            norms => dot(row(i), row(j)) / norms,
        };
        let pairs = (0..rows).flat_map(|i| (0..rows).filter(move |j| *j != i).map(move |j| (i, j)));
        let all: f64 = pairs.map(|(i, j)| cosine(i, j)).sum::<f64>() / (rows * (rows - 1)) as f64;
        near(token_similarity(&matrix, cols as usize).unwrap(), all);
        near(token_similarity(&[1.0, 2.0, 2.0, 4.0], 2).unwrap(), 1.0);
        near(token_similarity(&[1.0, 0.0, -3.0, 0.0], 2).unwrap(), -1.0);
        assert_eq!(token_similarity(&[1.0, 2.0], 2), None);
    }

    #[test]
    fn entropies_and_sinks_of_known_rows() {
        let weights = [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.25, 0.25, 0.5];
        let rows = [0.0, 2f64.ln(), 1.5 * 2f64.ln()];
        near(
            attention_entropy(&weights, 3),
            rows.iter().sum::<f64>() / 3.0,
        );
        near(attention_entropy(&[0.125; 64], 8), 8f64.ln());
        near(sink_mass(&weights, 3).unwrap(), 0.375);
        assert_eq!(sink_mass(&[1.0], 1), None);
        assert_eq!(max_logit(&[-3.0, f64::NEG_INFINITY, -1.0]), Some(-1.0));
        assert_eq!(max_logit(&[f64::NEG_INFINITY]), None);
    }

    #[test]
    fn a_unit_is_dead_when_no_token_wakes_it() {
        let matrix = [0.0, 1.0, -1e-4, 0.0, 0.0, 0.0, -0.5, 1e-4];
        near(dead_share(&matrix, 4), 0.5);
        near(dead_share(&[f32::NAN, 0.0], 2), 0.5);
        near(dead_share(&[], 4), 1.0);
    }

    #[test]
    fn log_z_is_the_logarithm_of_the_sum_and_survives_large_logits() {
        let logits = noise(6);
        let plain = |row: &[f32]| row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
        near(log_z(&logits), plain(&logits));
        near(log_z(&[1000.0, 1000.0]), 1000.0 + 2f64.ln());
        near(
            mean_log_z(&logits, 3),
            f64::midpoint(plain(&logits[..3]), plain(&logits[3..])),
        );
        near(log_softmax(&logits).iter().map(|x| x.exp()).sum(), 1.0);
    }
}
