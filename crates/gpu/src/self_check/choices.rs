//! Texts whose tokens the device chooses, and how far each choice is from the rule in f64.

use gptlab_engine::{DrawRule, GenerationRequest, sample::Sampling};
use gptlab_model::random::Stream;

use super::texts::GivenText;

/// The tokens that are chosen after each prompt.
const CHOSEN: usize = 6;
/// How near two logits, or two parts of a sum, are where f32 cannot tell their order.
const CLOSE: f64 = 1e-3;
/// How far a draw can lie outside of what belongs to its token, of the whole.
const ALLOWED: f64 = 1e-4;

/// Returns the rules, and their names.
pub(super) fn rules() -> impl Iterator<Item = (&'static str, Sampling)> {
    let rules = [
        ("the softmax", 1.0, None, None),
        ("the likeliest token", 0.0, None, None),
        ("top-k", 0.7, Some(5), None),
        ("top-p", 1.3, None, Some(0.9)),
        ("top-k and top-p", 1.0, Some(40), Some(0.6)),
    ];
    let rule = |(name, temperature, top_k, top_p)| {
        let sampling = Sampling::new(temperature, top_k, top_p).ok()?;
        Some((name, sampling))
    };
    rules.into_iter().filter_map(rule)
}

/// A text whose tokens the device chooses.
pub(super) struct ChosenText {
    prompt: Vec<u32>,
    rule: DrawRule,
    /// The chosen tokens; `None` where the device found no finite logit.
    tokens: Vec<Option<u32>>,
}

impl ChosenText {
    pub(super) fn new(prompt: Vec<u32>, sampling: Sampling, number: u32) -> Self {
        let rule = DrawRule {
            sampling,
            draws: Stream::new(6, "self-check draws", number),
            most: CHOSEN,
        };
        Self {
            prompt,
            rule,
            tokens: Vec::new(),
        }
    }

    /// Returns the same text with these tokens given.
    pub(super) fn given(&self) -> GivenText {
        let chosen = self.tokens.iter().map_while(|token| *token);
        GivenText {
            tokens: self.prompt.iter().copied().chain(chosen).collect(),
            prompt: self.prompt.len(),
            logits: Vec::new(),
        }
    }

    /// Returns the error of each token, as a multiple of the error allowed, by the logits before
    /// it. Tokens that are too close to others to be told from them have none.
    pub(super) fn errors(&self, logits: &[Vec<f32>]) -> Vec<f64> {
        if self.tokens.len() != CHOSEN {
            return vec![f64::INFINITY];
        }
        let judged = self.tokens.iter().zip(logits).enumerate();
        let judged = judged.filter_map(|(n, (token, logits))| {
            let uniform = self.rule.draws.uniform_at(n as u64);
            match token {
                Some(token) => outside(self.rule.sampling, logits, uniform, *token),
                None => Some(f64::INFINITY),
            }
        });
        judged.map(|outside| outside / ALLOWED).collect()
    }
}

impl GenerationRequest for ChosenText {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// A generator that shows logits instead leaves the text without tokens.
    fn next(&mut self, _: &[f32]) -> Option<u32> {
        None
    }

    fn rule(&self) -> Option<DrawRule> {
        Some(self.rule)
    }

    fn take(&mut self, token: Option<u32>) -> bool {
        self.tokens.push(token);
        token.is_some()
    }
}

/// Returns how far `uniform` lies outside of the part that belongs to `token`, of the whole; `None`
/// if f32 cannot tell.
fn outside(sampling: Sampling, logits: &[f32], uniform: f64, token: u32) -> Option<f64> {
    let logit = |t: &u32| f64::from(logits[*t as usize]);
    let mut order: Vec<u32> = (0..).take(logits.len()).collect();
    order.sort_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
    let are_close = |i: usize| {
        let pair = order.get(i).zip(order.get(i + 1));
        pair.is_some_and(|(a, b)| logit(a) - logit(b) < CLOSE)
    };
    let is_greedy = sampling.temperature() == 0.0;
    let kept = match sampling.top_k() {
        _ if is_greedy => 1,
        Some(k) => k.min(order.len()),
        None => order.len(),
    };
    let Some(place) = order.iter().position(|t| *t == token) else {
        return Some(f64::INFINITY);
    };
    if are_close(kept - 1) || are_close(place) || (place > 0 && are_close(place - 1)) {
        return None;
    }
    if is_greedy {
        return Some(if place == 0 { 0.0 } else { f64::INFINITY });
    }
    let weight = |t: &u32| ((logit(t) - logit(&order[0])) / sampling.temperature()).exp();
    let ends = order[..kept].iter().scan(0.0, |sum, t| {
        *sum += weight(t);
        Some(*sum)
    });
    let mut ends: Vec<f64> = ends.collect();
    if let Some(p) = sampling.top_p() {
        let wanted = p * ends[ends.len() - 1];
        if ends.iter().any(|end| (end - wanted).abs() < CLOSE * wanted) {
            return None;
        }
        let last = ends.iter().position(|end| *end >= wanted);
        ends.truncate(last.map_or(ends.len(), |last| last + 1));
    }
    let whole = ends[ends.len() - 1];
    let Some(end) = ends.get(place) else {
        return Some(f64::INFINITY);
    };
    let begin = if place == 0 { 0.0 } else { ends[place - 1] };
    let (at, begin, end) = (uniform, begin / whole, end / whole);
    Some((begin - at).max(at - end).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gptlab_engine::sample::Ranking;

    #[test]
    fn a_choice_by_the_rule_is_never_outside_and_another_is() {
        let stream = Stream::new(3, "logits", 0);
        let logits = |n: u64| -> Vec<f32> {
            let logit = |i: u64| 2.0 * stream.normal_at(50 * n + i) as f32;
            (0..50).map(logit).collect()
        };
        for (name, sampling) in rules() {
            let choose = |logits: &[f32], uniform| {
                let token = sampling.choose(&mut Ranking::default(), logits, uniform);
                token.expect("finite logits")
            };
            let mut judged = 0;
            for i in 0..200 {
                let uniform = stream.uniform_at(100_000 + i);
                let logits = logits(i);
                let token = choose(&logits, uniform);
                if let Some(error) = outside(sampling, &logits, uniform, token) {
                    assert!(error < 1e-12, "{name}: {error}");
                    judged += 1;
                }
            }
            assert!(judged > 100, "{name}: {judged}");
            // The likeliest token by a draw for the last ones, and the least likely by one for the
            // first.
            let errors = (0..50).flat_map(|n| {
                let logits = logits(n);
                let by_logit = |a: &usize, b: &usize| logits[*a].total_cmp(&logits[*b]);
                let likeliest = (0..50).max_by(by_logit).expect("a token") as u32;
                let least = (0..50).min_by(by_logit).expect("a token") as u32;
                let is_greedy = sampling.temperature() == 0.0;
                let likeliest = outside(sampling, &logits, 0.999, likeliest);
                let least = outside(sampling, &logits, 0.0, least);
                [likeliest.filter(|_| !is_greedy), least]
            });
            let errors: Vec<f64> = errors.flatten().collect();
            // A token can be the only one that is kept.
            let far = errors.iter().filter(|error| **error > 10.0 * ALLOWED);
            assert!(
                errors.len() > 20 && 10 * far.count() > 9 * errors.len(),
                "{name}"
            );
        }
    }
}
