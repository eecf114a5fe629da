//! Choosing the next token from logits.

use std::fmt;

/// How to choose. Only [`Sampling::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
}

/// A setting that cannot be: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingError(String);

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SamplingError {}

impl Sampling {
    /// `temperature` divides the logits, and 0 always takes the likeliest token; `top_k` keeps the `k`
    /// likeliest (Fan et al. 2018); `top_p` then keeps the fewest whose probabilities sum to at least
    /// `p` (Holtzman et al. 2020).
    ///
    /// # Errors
    /// A sentence for the first setting out of its range.
    pub fn new(
        temperature: f64,
        top_k: Option<usize>,
        top_p: Option<f64>,
    ) -> Result<Self, SamplingError> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            let why = format!("temperature must be a number of at least 0, found {temperature}");
            return Err(SamplingError(why));
        }
        if top_k == Some(0) {
            return Err(SamplingError("top-k must be at least 1, found 0".into()));
        }
        if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            let why = format!("top-p must be above 0 and at most 1, found {p}");
            return Err(SamplingError(why));
        }
        Ok(Self {
            temperature,
            top_k,
            top_p,
        })
    }

    /// The token that `uniform`, a draw from [0, 1), falls on, likeliest first; equal logits count in
    /// token order. `None` where the logits hold no finite number: the model has diverged.
    pub fn choose(&self, logits: &[f32], uniform: f64) -> Option<u32> {
        let mut ranked: Vec<(u32, f64)> = (0u32..)
            .zip(logits)
            .map(|(token, logit)| (token, f64::from(*logit)))
            .filter(|(_, logit)| logit.is_finite())
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = *ranked.first()?;
        if self.temperature == 0.0 {
            return Some(best.0);
        }
        ranked.truncate(self.top_k.unwrap_or(usize::MAX));
        for (_, weight) in &mut ranked {
            *weight = ((*weight - best.1) / self.temperature).exp();
        }
        let total: f64 = ranked.iter().map(|r| r.1).sum();
        let kept = self
            .top_p
            .map_or(total, |p| nucleus(&mut ranked, p * total));
        Some(pick(&ranked, uniform * kept))
    }
}

/// Keeps the fewest tokens whose weights reach `mass`; returns their weight together.
fn nucleus(ranked: &mut Vec<(u32, f64)>, mass: f64) -> f64 {
    let mut sum = 0.0;
    let enough = ranked.iter().position(|(_, weight)| {
        sum += weight;
        sum >= mass
    });
    ranked.truncate(enough.map_or(ranked.len(), |i| i + 1));
    sum
}

fn pick(ranked: &[(u32, f64)], mut at: f64) -> u32 {
    for (token, weight) in ranked {
        if at < *weight {
            return *token;
        }
        at -= weight;
    }
    // Rounding may leave a crumb past the end: it belongs to the last token.
    ranked[ranked.len() - 1].0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
        Sampling::new(temperature, top_k, top_p).unwrap()
    }

    /// The share of each token over an even grid of draws.
    fn shares(sampling: &Sampling, logits: &[f32]) -> Vec<f64> {
        let n = 100_000;
        let mut counts = vec![0.0; logits.len()];
        for i in 0..n {
            let token = sampling
                .choose(logits, f64::from(i) / f64::from(n))
                .unwrap();
            counts[token as usize] += 1.0 / f64::from(n);
        }
        counts
    }

    fn close(found: &[f64], expected: &[f64]) {
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-4, "{found:?} is not {expected:?}");
        }
    }

    /// Probabilities 0.1, 0.2, 0.3, 0.4, so that every closed form is plain.
    fn logits() -> [f32; 4] {
        [1.0f32, 2.0, 3.0, 4.0].map(f32::ln)
    }

    #[test]
    fn temperature_one_draws_the_softmax() {
        close(
            &shares(&sampling(1.0, None, None), &logits()),
            &[0.1, 0.2, 0.3, 0.4],
        );
    }

    #[test]
    fn temperature_half_squares_the_odds() {
        let expected = [1.0, 4.0, 9.0, 16.0].map(|x| x / 30.0);
        close(&shares(&sampling(0.5, None, None), &logits()), &expected);
    }

    #[test]
    fn temperature_zero_takes_the_likeliest_and_the_first_of_equals() {
        assert_eq!(
            shares(&sampling(0.0, None, None), &logits())[3],
            shares(&sampling(0.0, None, None), &logits()).iter().sum()
        );
        assert_eq!(
            sampling(0.0, None, None).choose(&[1.0, 3.0, 3.0], 0.99),
            Some(1)
        );
    }

    #[test]
    fn top_k_keeps_the_k_likeliest() {
        close(
            &shares(&sampling(1.0, Some(2), None), &logits()),
            &[0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0],
        );
        close(
            &shares(&sampling(1.0, Some(99), None), &logits()),
            &[0.1, 0.2, 0.3, 0.4],
        );
    }

    #[test]
    fn top_p_keeps_the_fewest_that_reach_p() {
        close(
            &shares(&sampling(1.0, None, Some(0.6)), &logits()),
            &[0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0],
        );
        close(
            &shares(&sampling(1.0, None, Some(0.39)), &logits()),
            &[0.0, 0.0, 0.0, 1.0],
        );
    }

    #[test]
    fn a_diverged_model_is_seen() {
        assert_eq!(
            sampling(1.0, None, None).choose(&[f32::NAN, f32::NAN], 0.5),
            None
        );
        assert_eq!(
            sampling(1.0, None, None).choose(&[f32::NAN, 1.0], 0.5),
            Some(1)
        );
    }

    #[test]
    fn settings_out_of_range_are_sentences() {
        let why = |r: Result<Sampling, SamplingError>| r.unwrap_err().to_string();
        assert_eq!(
            why(Sampling::new(-1.0, None, None)),
            "temperature must be a number of at least 0, found -1"
        );
        assert_eq!(
            why(Sampling::new(1.0, Some(0), None)),
            "top-k must be at least 1, found 0"
        );
        assert_eq!(
            why(Sampling::new(1.0, None, Some(1.5))),
            "top-p must be above 0 and at most 1, found 1.5"
        );
    }
}
