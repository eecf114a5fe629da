//! Phrases that compare a loss with n-gram baselines.

use gptlab_record::Floors;

use crate::number::{self, is_below, is_level};

/// The name of a predictor that gives every token the same probability.
pub(crate) const UNIFORM: &str = "uniform guessing";

/// A predictor of the next token that is not a model, and its loss: an n-gram baseline, uniform
/// guessing, or the text's entropy.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// The predictor's name: `uniform guessing`, `the 3-gram baseline`, `the text's entropy`.
    pub name: String,
    /// A short name: `uniform`, `3-gram`, `entropy`.
    pub short: String,
    /// The mean loss, in nats per token.
    pub loss: f64,
}

/// Returns what a loss is compared with: uniform guessing, the n-gram baselines, and the entropy if
/// it is known.
pub fn guides(floors: &Floors) -> Vec<Guide> {
    let ngram = |(n, loss): (usize, &f64)| Guide {
        name: format!("the {n}-gram baseline"),
        short: format!("{n}-gram"),
        loss: *loss,
    };
    let uniform = Guide {
        name: UNIFORM.to_owned(),
        short: "uniform".to_owned(),
        loss: floors.uniform,
    };
    let entropy = floors.entropy.map(|loss| Guide {
        name: "the text's entropy".to_owned(),
        short: "entropy".to_owned(),
        loss,
    });
    let mut all = vec![uniform];
    all.extend((1..).zip(&floors.ngrams).map(ngram));
    all.extend(entropy);
    all.retain(|guide| guide.loss.is_finite());
    all
}

/// Returns the lengths of the shortest two n-grams and of the best one, with their losses, shortest
/// first; `None` for the best one where no n-gram has a finite loss.
fn chosen_ngrams(floors: &Floors) -> (Vec<(usize, f64)>, Option<usize>) {
    let known = (1..).zip(floors.ngrams.iter().copied());
    let known: Vec<(usize, f64)> = known.filter(|(_, loss)| loss.is_finite()).collect();
    let best = known.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map(|(n, _)| *n);
    let chosen = known
        .into_iter()
        .filter(|(n, _)| *n <= 2 || Some(*n) == best);
    (chosen.collect(), best)
}

/// Returns a line with the 1-gram, the 2-gram and the best n-gram baseline: `N-gram baselines:
/// 1-gram 3.0733, 2-gram 2.2578, 5-gram 1.2003 (the best), in nats per token`. `None` where none is
/// known.
pub fn ngram_line(floors: &Floors) -> Option<String> {
    let (chosen, best) = chosen_ngrams(floors);
    let told = chosen.iter().map(|(n, loss)| {
        let best = if Some(*n) == best { " (the best)" } else { "" };
        format!("{n}-gram {}{best}", number::loss(*loss))
    });
    let told: Vec<String> = told.collect();
    let line = format!("N-gram baselines: {}, in nats per token", told.join(", "));
    (!told.is_empty()).then_some(line)
}

/// Returns the best n-gram baseline; `None` where none is known.
pub fn best_ngram(floors: &Floors) -> Option<Guide> {
    let (_, best) = chosen_ngrams(floors);
    let short = format!("{}-gram", best?);
    guides(floors)
        .into_iter()
        .find(|guide| guide.short == short)
}

/// Describes the baselines between which `loss` lies. Longer n-grams may be worse than shorter ones
/// on a text that they were not counted in, so baselines are ordered by their losses.
pub fn between(loss: f64, floors: &Floors) -> String {
    if !loss.is_finite() {
        return "no finite loss".to_owned();
    }
    let all = guides(floors);
    if let Some(level) = level_with(loss, all.iter()) {
        return level;
    }
    let worse = all
        .iter()
        .filter(|g| is_below(loss, g.loss))
        .min_by(by_loss);
    let better = all
        .iter()
        .filter(|g| is_below(g.loss, loss))
        .max_by(by_loss);
    let entropy = better.filter(|g| g.short == "entropy");
    match (worse, better) {
        (Some(worse), Some(_)) if entropy.is_some() => format!(
            "better than {}, {} nats above the text's entropy",
            worse.name,
            number::loss(loss - entropy.map_or(0.0, |g| g.loss))
        ),
        (Some(worse), Some(better)) => {
            format!("better than {}, worse than {}", worse.name, better.name)
        }
        (Some(worse), None) => format!("better than {}", worse.name),
        (None, Some(better)) => format!("worse than {}", better.name),
        (None, None) => "nothing to compare with".to_owned(),
    }
}

/// Compares `loss` with the most informative baseline: the best one that it does not reach.
pub fn nearest(loss: Option<f64>, floors: &Floors) -> String {
    let Some(loss) = loss.filter(|loss| loss.is_finite()) else {
        return String::new();
    };
    let all = guides(floors);
    let baselines = || all.iter().filter(|g| g.short != "entropy");
    if let Some(level) = level_with(loss, baselines()) {
        return level;
    }
    let unbeaten = baselines().filter(|g| is_below(g.loss, loss));
    let beaten = all.iter().filter(|g| is_below(loss, g.loss));
    match (unbeaten.max_by(by_loss), beaten.min_by(by_loss)) {
        (Some(guide), _) => format!("worse than {}", guide.name),
        (None, Some(guide)) => format!("better than {}", guide.name),
        (None, None) => String::new(),
    }
}

/// Describes that `loss` equals a baseline, as far as both are printed. Of several such baselines,
/// it names the first.
fn level_with<'a>(loss: f64, mut guides: impl Iterator<Item = &'a Guide>) -> Option<String> {
    let level = guides.find(|g| is_level(g.loss, loss))?;
    Some(format!("no better and no worse than {}", level.name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what min_by hands over")]
fn by_loss(a: &&Guide, b: &&Guide) -> std::cmp::Ordering {
    a.loss.total_cmp(&b.loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floors() -> Floors {
        Floors {
            uniform: 4.0,
            // The 4-gram is worse than the 3-gram, as happens when there is too little
            // text for it.
            ngrams: vec![3.0, 2.5, 2.0, 2.2],
            entropy: Some(1.0),
            ..Floors::default()
        }
    }

    #[test]
    fn a_loss_lies_between_its_neighbours() {
        let describe = |loss| between(loss, &floors());
        assert_eq!(
            describe(2.1),
            "better than the 4-gram baseline, worse than the 3-gram baseline"
        );
        assert_eq!(
            describe(2.7),
            "better than the 1-gram baseline, worse than the 2-gram baseline"
        );
        assert_eq!(describe(4.5), "worse than uniform guessing");
        assert_eq!(
            describe(1.5),
            "better than the 3-gram baseline, 0.5000 nats above the text's entropy"
        );
        assert_eq!(describe(0.5), "better than the text's entropy");
        assert_eq!(describe(f64::NAN), "no finite loss");
    }

    #[test]
    fn the_nearest_baseline_is_the_best_one_not_reached() {
        let describe = |loss| nearest(Some(loss), &floors());
        assert_eq!(describe(2.1), "worse than the 3-gram baseline");
        assert_eq!(describe(1.5), "better than the 3-gram baseline");
        assert_eq!(nearest(None, &floors()), "");
        assert_eq!(
            describe(2.5),
            "no better and no worse than the 2-gram baseline"
        );
        assert_eq!(describe(1.0), "better than the 3-gram baseline");
    }

    #[test]
    fn the_line_of_baselines_names_the_best() {
        let line = |ngrams: &[f64]| {
            ngram_line(&Floors {
                ngrams: ngrams.to_vec(),
                ..floors()
            })
        };
        assert_eq!(
            ngram_line(&floors()).as_deref(),
            Some(
                "N-gram baselines: 1-gram 3.0000, 2-gram 2.5000, 3-gram 2.0000 (the best), in nats per token"
            )
        );
        assert_eq!(
            line(&[3.0, 2.5, 2.7]).as_deref(),
            Some("N-gram baselines: 1-gram 3.0000, 2-gram 2.5000 (the best), in nats per token")
        );
        assert_eq!(line(&[]), None);
        assert_eq!(best_ngram(&floors()).map(|best| best.loss), Some(2.0));
    }

    /// On a text of one character, no prediction can be wrong, and all losses are equal.
    #[test]
    fn losses_that_print_alike_are_not_compared() {
        let one = Floors {
            uniform: 0.0,
            ngrams: vec![0.0; 3],
            entropy: None,
            ..Floors::default()
        };
        for loss in [0.0, 1e-9, 4e-5] {
            let level = "no better and no worse than uniform guessing";
            assert_eq!(between(loss, &one), level);
            assert_eq!(nearest(Some(loss), &one), level);
        }
        let level = "no better and no worse than the 3-gram baseline";
        assert_eq!(between(2.000_049, &floors()), level, "2.0000 both");
        assert_eq!(nearest(Some(1.999_951), &floors()), level);
        assert_eq!(
            between(1.0, &floors()),
            "no better and no worse than the text's entropy"
        );
    }
}
