//! N-gram tables, scaling laws and statistics.

use arbitrary::{Result, Unstructured};
use gptlab_lab::{
    ngram::{MOST, Ngrams},
    scaling_law::{self, ScalingLaw},
    statistics,
};

/// An order, a vocabulary, and tokens.
pub fn ngrams(data: &[u8]) {
    let Some((&[order, vocab_size, bos, split], rest)) = data.split_first_chunk() else {
        return;
    };
    let vocab_size = usize::from(vocab_size) + 1;
    let tokens: Vec<u32> = rest
        .iter()
        .map(|b| u32::from(*b) % vocab_size as u32)
        .collect();
    let bos = (bos < 128).then(|| u32::from(bos) % vocab_size as u32);
    let order = usize::from(order) % (MOST + 2);
    let (train, validation) = tokens.split_at(usize::from(split).min(tokens.len()));
    let tables = match Ngrams::fit(train, vocab_size, bos, order) {
        Ok(tables) => tables,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let losses = tables.losses(validation);
    assert_eq!(losses.len(), validation.len().saturating_sub(1));
    assert!(
        losses
            .iter()
            .all(|loss| loss.is_finite() && *loss >= -1e-12)
    );
    let means = tables.means(validation);
    assert_eq!(means.len(), if losses.is_empty() { 0 } else { order });
    if let Some(last) = validation.first_chunk::<3>() {
        sums_to_one(&tables, last, vocab_size);
    }
}

/// The probabilities of all tokens after a context are 1 together.
fn sums_to_one(tables: &Ngrams, context: &[u32], vocab_size: usize) {
    let after = |token: usize| {
        let tokens = [context, &[token as u32]].concat();
        tables
            .losses(&tokens)
            .last()
            .map_or(0.0, |loss| (-loss).exp())
    };
    let sum: f64 = (0..vocab_size).map(after).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum} is not 1");
}

/// Points of a scaling law, and the same as pairs of losses.
pub fn numbers(data: &[u8]) {
    let Ok(points) = points(&mut Unstructured::new(data)) else {
        return;
    };
    for law in [
        scaling_law::fit(&points),
        scaling_law::fit_with_floor(&points),
    ] {
        match law {
            Ok(law) => check(&law),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let values: Vec<f64> = points.iter().map(|p| p.1).collect();
    let mean = statistics::mean(&values);
    assert_eq!(mean.is_some(), !values.is_empty());
    let _ = statistics::deviation(&values);
    if let Some(tested) = statistics::paired(&points) {
        assert!(tested.mean.is_finite(), "{tested:?}");
        assert!(
            tested.p.is_none_or(|p| (0.0..=1.0).contains(&p)),
            "{tested:?}"
        );
        assert!(
            tested.low.is_none_or(|low| low <= tested.mean),
            "{tested:?}"
        );
    }
}

/// A law is made of numbers: none of them is NaN.
fn check(law: &ScalingLaw) {
    let numbers = [law.floor, law.scale, law.exponent, law.r_squared];
    assert!(numbers.iter().all(|x| !x.is_nan()), "{law:?}");
    assert!(law.floor >= 0.0 && law.floor.is_finite(), "{law:?}");
    assert!(law.exponent_error >= 0.0, "{law:?}");
}

/// Numbers of any bits, or of the size that losses and models have.
fn points(u: &mut Unstructured) -> Result<Vec<(f64, f64)>> {
    let plain = u.arbitrary::<bool>()?;
    let mut points = Vec::new();
    while !u.is_empty() {
        points.push(if plain {
            let size = f64::from(u.arbitrary::<u16>()?) * 100.0;
            (size, f64::from(u.arbitrary::<u16>()?) / 10_000.0)
        } else {
            (u.arbitrary()?, u.arbitrary()?)
        });
    }
    Ok(points)
}
