//! Tokens and weights for models under test.

use gptlab_model::{
    Batch, Graph, Model, ParamGroup,
    random::{Cursor, Stream},
};

/// Returns random tokens in sequences of `lengths`.
pub(crate) fn of_lengths(model: &Model, lengths: &[usize], seed: u64) -> Batch {
    let mut cursor = Stream::new(seed, "tokens", 0).cursor();
    let mut tokens = |n: usize| -> Vec<u32> {
        let mut token = || cursor.below(model.vocab_size()) as u32;
        (0..n).map(|_| token()).collect()
    };
    let sequences: Vec<_> = lengths.iter().map(|n| (tokens(*n), tokens(*n))).collect();
    let pairs = sequences.iter().map(|(x, y)| (&x[..], &y[..]));
    Batch::new(model, pairs).expect("tokens of this vocabulary in sequences that fit")
}

/// Returns a full sequence, one with a single token, and one between, in an order that `seed`
/// rotates.
pub(crate) fn ragged(model: &Model, seed: u64) -> Batch {
    let most = model.spec().block_size;
    let between = 1 + Stream::new(seed, "length", 0).below_at(0, most);
    let mut lengths = [most, 1, between];
    lengths.rotate_left(seed as usize % 3);
    of_lengths(model, &lengths, seed)
}

/// Returns weights without special values: initial gains are all 1 and initial biases all 0, which
/// would hide a missing one.
pub(crate) fn weights(graph: &Graph, seed: u64) -> Vec<f32> {
    let mut weights = graph.params().initial(seed);
    for param in graph.params().iter() {
        let stream = Stream::new(seed, &format!("shake/{}", param.name), 0);
        match param.group {
            ParamGroup::Matrix | ParamGroup::Embedding => {}
            ParamGroup::Vector => {
                for (i, w) in weights[param.range()].iter_mut().enumerate() {
                    *w += 0.3 * stream.normal_at(i as u64) as f32;
                }
            }
        }
    }
    weights
}

/// Returns `weights`, each changed by up to half of `rounding`.
pub(crate) fn sway(weights: &[f32], rounding: f64) -> Vec<f64> {
    let stream = Stream::new(1, "sway", 0);
    let factor = |i| 1.0 + rounding * (stream.uniform_at(i) - 0.5);
    let weights = weights.iter().zip(0..);
    weights.map(|(w, i)| f64::from(*w) * factor(i)).collect()
}

/// Returns numbers from N(0, `std`²).
pub(crate) fn noise(n: usize, std: f64, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, "noise", 0);
    (0..n)
        .map(|i| (std * stream.normal_at(i as u64)) as f32)
        .collect()
}

/// Returns one of `choices`.
pub(crate) fn pick<T: Clone>(cursor: &mut Cursor, choices: &[T]) -> T {
    choices[cursor.below(choices.len())].clone()
}
