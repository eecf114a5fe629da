//! Choosing the next token from logits.

pub use gptlab_recipe::SamplingError;
use gptlab_recipe::check_sampling;

/// How to choose. Only [`Sampling::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
}

impl Sampling {
    /// `temperature` divides the logits, and 0 always takes the likeliest token; `top_k` keeps the
    /// `k` likeliest (Fan et al. 2018); `top_p` then keeps the fewest whose probabilities sum to at
    /// least `p` (Holtzman et al. 2020).
    ///
    /// # Errors
    /// A sentence for the first setting out of its range.
    pub fn new(
        temperature: f64,
        top_k: Option<usize>,
        top_p: Option<f64>,
    ) -> Result<Self, SamplingError> {
        check_sampling(temperature, top_k, top_p)?;
        Ok(Self {
            temperature,
            top_k,
            top_p,
        })
    }

    /// The token that `uniform`, a draw from [0, 1), falls on, likeliest first; equal logits count
    /// in token order. `None` where the logits hold no finite number: the model has diverged.
    ///
    /// Tokens are put in order only as far as the choice asks: a draw rarely falls far from the
    /// top.
    pub fn choose(&self, ranking: &mut Ranking, logits: &[f32], uniform: f64) -> Option<u32> {
        if self.temperature == 0.0 {
            return keys(logits).min().map(token);
        }
        ranking.fill(logits);
        let best = *ranking.keys.iter().min()?;
        if let Some(k) = self.top_k {
            ranking.keep(k);
        }
        let best = logit(best);
        let weight = |key: u64| ((logit(key) - best) / self.temperature).exp();
        let total: f64 = ranking.keys.iter().map(|key| weight(*key)).sum();
        let kept = self.top_p.map_or(total, |p| {
            let (count, sum) = ranking.nucleus(p * total, weight);
            ranking.keep(count);
            sum
        });
        Some(ranking.pick(uniform * kept, weight))
    }
}

/// Memory to choose in; kept from token to token, so that choosing does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// What may be chosen, the first `ranked` of it in order.
    keys: Vec<u64>,
    ranked: usize,
}

/// Keys that sort as logits fall, equal logits in token order.
fn keys(logits: &[f32]) -> impl Iterator<Item = u64> {
    let finite = (0u32..).zip(logits).filter(|(_, logit)| logit.is_finite());
    finite.map(|(token, logit)| u64::from(falling(logit.to_bits())) << 32 | u64::from(token))
}

/// The bits of floats as numbers in the opposite order; its own inverse.
fn falling(bits: u32) -> u32 {
    if bits >> 31 == 0 {
        !(bits | 1 << 31)
    } else {
        bits
    }
}

fn token(key: u64) -> u32 {
    key as u32
}

fn logit(key: u64) -> f64 {
    f64::from(f32::from_bits(falling((key >> 32) as u32)))
}

impl Ranking {
    fn fill(&mut self, logits: &[f32]) {
        self.keys.clear();
        self.keys.extend(keys(logits));
        self.ranked = 0;
    }

    /// Forgets all but the `k` likeliest, which are put in order.
    fn keep(&mut self, k: usize) {
        if k < self.keys.len() {
            self.rank(k);
            self.keys.truncate(k);
        }
    }

    /// Puts at least the first `n` keys in order.
    fn rank(&mut self, n: usize) {
        if n <= self.ranked {
            return;
        }
        let rest = &mut self.keys[self.ranked..];
        let more = n - self.ranked;
        if more < rest.len() {
            rest.select_nth_unstable(more - 1);
        }
        rest[..more].sort_unstable();
        self.ranked = n;
    }

    /// The key of rank `i`. Ranks are made in lots that grow, for draws that fall far down.
    fn at(&mut self, i: usize) -> u64 {
        if i >= self.ranked {
            self.rank((4 * i).max(64).min(self.keys.len()));
        }
        self.keys[i]
    }

    /// How few of the likeliest have weights that reach `mass`, and their weight together.
    fn nucleus(&mut self, mass: f64, weight: impl Fn(u64) -> f64) -> (usize, f64) {
        let mut sum = 0.0;
        for i in 0..self.keys.len() {
            sum += weight(self.at(i));
            if sum >= mass {
                return (i + 1, sum);
            }
        }
        (self.keys.len(), sum)
    }

    /// The token at `at` of the weights laid end to end.
    fn pick(&mut self, mut at: f64, weight: impl Fn(u64) -> f64) -> u32 {
        let last = self.keys.len() - 1;
        for i in 0..last {
            let key = self.at(i);
            let weight = weight(key);
            if at < weight {
                return token(key);
            }
            at -= weight;
        }
        // Rounding may leave a crumb past the end: it belongs to the last token.
        token(self.at(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
        Sampling::new(temperature, top_k, top_p).unwrap()
    }

    fn choose(sampling: &Sampling, logits: &[f32], uniform: f64) -> Option<u32> {
        sampling.choose(&mut Ranking::default(), logits, uniform)
    }

    /// The share of each token over an even grid of draws.
    fn shares(sampling: &Sampling, logits: &[f32]) -> Vec<f64> {
        let n = 100_000;
        let mut counts = vec![0.0; logits.len()];
        let mut ranking = Ranking::default();
        for i in 0..n {
            let uniform = f64::from(i) / f64::from(n);
            let token = sampling.choose(&mut ranking, logits, uniform).unwrap();
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
            choose(&sampling(0.0, None, None), &[1.0, 3.0, 3.0], 0.99),
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
            choose(&sampling(1.0, None, None), &[f32::NAN, f32::NAN], 0.5),
            None
        );
        assert_eq!(
            choose(&sampling(1.0, None, None), &[f32::NAN, 1.0], 0.5),
            Some(1)
        );
    }

    /// The definition, in plain words: all tokens in order, then cut, then drawn from.
    fn plainly(sampling: &Sampling, logits: &[f32], uniform: f64) -> u32 {
        let mut ranked: Vec<usize> = (0..logits.len()).collect();
        ranked.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        ranked.truncate(sampling.top_k.unwrap_or(usize::MAX));
        let best = f64::from(logits[ranked[0]]);
        let weight = |t: usize| ((f64::from(logits[t]) - best) / sampling.temperature).exp();
        let sums: Vec<f64> = ranked
            .iter()
            .scan(0.0, |sum, t| {
                *sum += weight(*t);
                Some(*sum)
            })
            .collect();
        let total = sums[sums.len() - 1];
        let mass = sampling.top_p.map_or(total, |p| {
            *sums.iter().find(|s| **s >= p * total).unwrap_or(&total)
        });
        let at = sums.iter().position(|s| uniform * mass < *s);
        ranked[at.unwrap_or(ranked.len() - 1)] as u32
    }

    #[test]
    fn ranking_as_far_as_asked_is_ranking_everything() {
        let stream = gptlab_model::random::Stream::new(1, "logits", 0);
        let mut ranking = Ranking::default();
        for (n, k, p) in [
            (5, None, None),
            (700, None, None),
            (700, Some(9), None),
            (700, Some(300), Some(0.9)),
            (1300, None, Some(0.95)),
        ] {
            // Rough logits, so that some are equal, of both signs.
            let logits: Vec<f32> = (0..n)
                .map(|i| (stream.normal_at(i) * 8.0).round() as f32 / 8.0)
                .collect();
            let sampling = sampling(0.9, k, p);
            for i in 0..500 {
                let uniform = stream.uniform_at(10_000 + i);
                assert_eq!(
                    sampling.choose(&mut ranking, &logits, uniform),
                    Some(plainly(&sampling, &logits, uniform)),
                    "{n} tokens, draw {i}"
                );
            }
        }
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
