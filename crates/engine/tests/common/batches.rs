//! Tokens and weights to try models on.

use gptlab_model::{
    Batch, Graph, Model, ParamGroup,
    random::{Cursor, Stream},
};

/// Random tokens in sequences of `lengths`.
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

/// A full sequence, one of a single token, and one between, in an order that `seed` turns.
pub(crate) fn ragged(model: &Model, seed: u64) -> Batch {
    let most = model.spec().block_size;
    let between = 1 + Stream::new(seed, "length", 0).below_at(0, most);
    let mut lengths = [most, 1, between];
    lengths.rotate_left(seed as usize % 3);
    of_lengths(model, &lengths, seed)
}

/// Weights with nothing at a special value: fresh ones have all gains at 1 and all biases at 0,
/// where a forgotten one would not be missed.
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

/// `weights`, each moved by up to half of `rounding`.
pub(crate) fn sway(weights: &[f32], rounding: f64) -> Vec<f64> {
    let stream = Stream::new(1, "sway", 0);
    let factor = |i| 1.0 + rounding * (stream.uniform_at(i) - 0.5);
    let weights = weights.iter().zip(0..);
    weights.map(|(w, i)| f64::from(*w) * factor(i)).collect()
}

/// Numbers from N(0, `std`²).
pub(crate) fn noise(n: usize, std: f64, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, "noise", 0);
    (0..n)
        .map(|i| (std * stream.normal_at(i as u64)) as f32)
        .collect()
}

/// One of `choices`.
pub(crate) fn pick<T: Clone>(cursor: &mut Cursor, choices: &[T]) -> T {
    choices[cursor.below(choices.len())].clone()
}
