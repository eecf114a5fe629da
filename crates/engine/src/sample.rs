//! Choosing the next token from logits.

pub use gptlab_recipe::SamplingError;
use gptlab_recipe::check_sampling;

/// The rule by which a token is chosen. Only [`Sampling::new`] makes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
}

impl Sampling {
    /// Makes a rule. `temperature` divides the logits, and 0 always takes the likeliest token;
    /// `top_k` keeps the `k` likeliest (Fan et al. 2018); `top_p` then keeps the fewest whose
    /// probabilities sum to at least `p` (Holtzman et al. 2020).
    ///
    /// # Errors
    /// Returns a sentence about the first setting out of its range.
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

    /// Returns what divides the logits; 0 always takes the likeliest token.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Returns how many of the likeliest tokens are kept; `None` keeps all.
    pub fn top_k(&self) -> Option<usize> {
        self.top_k
    }

    /// Returns the probability that the kept tokens reach together; `None` keeps all.
    pub fn top_p(&self) -> Option<f64> {
        self.top_p
    }

    /// Chooses the token that `uniform`, a draw from [0, 1), selects in the order of likelihood;
    /// equal logits are in token order. Returns `None` if the logits hold no finite number: the
    /// model has diverged.
    ///
    /// Tokens are sorted only as far as the choice needs: a draw rarely selects an unlikely token.
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

/// Scratch memory for choices, reused from token to token, so that a choice does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// The keys of the candidates, of which the first `ranked` are sorted.
    keys: Vec<u64>,
    ranked: usize,
}

/// Returns keys that sort by falling logit, equal logits in token order.
fn keys(logits: &[f32]) -> impl Iterator<Item = u64> {
    let finite = (0u32..).zip(logits).filter(|(_, logit)| logit.is_finite());
    finite.map(|(token, logit)| u64::from(falling(logit.to_bits())) << 32 | u64::from(token))
}

/// Maps the bits of floats to numbers in the opposite order. It is its own inverse.
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

    /// Drops all but the `k` likeliest tokens, and sorts these.
    fn keep(&mut self, k: usize) {
        if k < self.keys.len() {
            self.rank(k);
            self.keys.truncate(k);
        }
    }

    /// Sorts at least the first `n` keys.
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

    /// Returns the key of rank `i`. Keys are sorted in batches of growing size, for unlikely draws.
    fn at(&mut self, i: usize) -> u64 {
        if i >= self.ranked {
            self.rank((4 * i).max(64).min(self.keys.len()));
        }
        self.keys[i]
    }

    /// Returns the least number of likeliest tokens whose weights reach `mass`, and the sum of
    /// these weights.
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

    /// Returns the token at `at` of the weights laid end to end.
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
        // Rounding can leave a remainder after the end; it belongs to the last token.
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

    /// Returns the fraction of draws, over an even grid, that select each token.
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

    /// Returns logits with the probabilities 0.1, 0.2, 0.3, 0.4, whose closed forms are simple.
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
    fn a_diverged_model_is_detected() {
        assert_eq!(
            choose(&sampling(1.0, None, None), &[f32::NAN, f32::NAN], 0.5),
            None
        );
        assert_eq!(
            choose(&sampling(1.0, None, None), &[f32::NAN, 1.0], 0.5),
            Some(1)
        );
    }

    /// The literal definition: sort all tokens, cut the list, draw from it.
    fn by_definition(sampling: &Sampling, logits: &[f32], uniform: f64) -> u32 {
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
    fn partial_ranking_equals_full_ranking() {
        let stream = gptlab_model::random::Stream::new(1, "logits", 0);
        let mut ranking = Ranking::default();
        for (n, k, p) in [
            (5, None, None),
            (700, None, None),
            (700, Some(9), None),
            (700, Some(300), Some(0.9)),
            (1300, None, Some(0.95)),
        ] {
            // Coarse logits of both signs, so that some are equal.
            let logits: Vec<f32> = (0..n)
                .map(|i| (stream.normal_at(i) * 8.0).round() as f32 / 8.0)
                .collect();
            let sampling = sampling(0.9, k, p);
            for i in 0..500 {
                let uniform = stream.uniform_at(10_000 + i);
                assert_eq!(
                    sampling.choose(&mut ranking, &logits, uniform),
                    Some(by_definition(&sampling, &logits, uniform)),
                    "{n} tokens, draw {i}"
                );
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_with_a_sentence() {
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
