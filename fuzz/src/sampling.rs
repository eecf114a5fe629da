//! Choosing a token from any logits.

use arbitrary::{Result, Unstructured};
use gptlab_engine::sample::{Ranking, Sampling};

/// Settings, a draw, and the logits' bits.
pub fn sampling(data: &[u8]) {
    // Too few bytes make no input.
    let _ = choose(&mut Unstructured::new(data));
}

fn choose(u: &mut Unstructured) -> Result<()> {
    let temperature = match u.int_in_range(0..=3u8)? {
        0 => 0.0,
        1 => f64::from(u.int_in_range(1..=200u8)?) / 100.0,
        _ => u.arbitrary()?,
    };
    let top_k = u.arbitrary::<Option<u8>>()?.map(usize::from);
    let top_p = match u.int_in_range(0..=2u8)? {
        0 => None,
        1 => Some(f64::from(u.arbitrary::<u8>()?) / 255.0),
        _ => Some(u.arbitrary()?),
    };
    let Ok(sampling) = Sampling::new(temperature, top_k, top_p) else {
        return Ok(());
    };
    let uniform = f64::from(u.arbitrary::<u32>()?) / (f64::from(u32::MAX) + 1.0);
    let logits = logits(u)?;
    let chosen = sampling.choose(&mut Ranking::default(), &logits, uniform);
    let again = sampling.choose(&mut Ranking::default(), &logits, uniform);
    assert_eq!(chosen, again);
    check(&logits, chosen, top_k, temperature);
    Ok(())
}

fn logits(u: &mut Unstructured) -> Result<Vec<f32>> {
    let rough = u.arbitrary::<bool>()?;
    let mut logits = Vec::new();
    while !u.is_empty() {
        logits.push(if rough {
            f32::from(u.arbitrary::<i8>()?) / 8.0
        } else {
            f32::from_bits(u.arbitrary()?)
        });
    }
    Ok(logits)
}

/// A token is chosen where there is a finite logit; it has one, and fewer than `top_k` are above
/// it.
fn check(logits: &[f32], chosen: Option<u32>, top_k: Option<usize>, temperature: f64) {
    let some = logits.iter().any(|x| x.is_finite());
    assert_eq!(chosen.is_some(), some);
    let Some(token) = chosen else { return };
    let logit = logits[token as usize];
    assert!(logit.is_finite());
    let above = logits
        .iter()
        .filter(|x| x.is_finite() && **x > logit)
        .count();
    assert!(top_k.is_none_or(|k| above < k));
    assert!(temperature > 0.0 || above == 0);
}
