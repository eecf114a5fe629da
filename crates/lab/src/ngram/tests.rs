//! Tests against the definition, which is evaluated naively.

use std::{collections::BTreeSet, sync::Arc};

use gptlab_data::{Corpus, Text};
use gptlab_recipe::{TextOrigin, TokenizerKind};
use proptest::prelude::*;

use super::*;

/// Returns the positions in `tokens` where `context` precedes a token that is predicted from it.
fn places(tokens: &[u32], bos: Option<u32>, context: &[u32]) -> Vec<usize> {
    let n = context.len();
    (1..tokens.len())
        .filter(|i| *i >= n && tokens[i - n..*i] == *context)
        // A BOS occurs only as the first token of a context.
        .filter(|i| {
            let inner = &tokens[(i - n + 1).min(*i)..*i];
            !inner.iter().any(|t| Some(*t) == bos)
        })
        .collect()
}

/// Evaluates the formula of the module's docs.
fn defined(tokens: &[u32], vocab: usize, bos: Option<u32>, context: &[u32], token: u32) -> f64 {
    let shorter = match context {
        [] => 1.0 / vocab as f64,
        [_, rest @ ..] => defined(tokens, vocab, bos, rest, token),
    };
    let after: Vec<u32> = places(tokens, bos, context)
        .iter()
        .map(|i| tokens[*i])
        .collect();
    if after.is_empty() {
        return shorter;
    }
    let count = after.iter().filter(|t| **t == token).count() as f64;
    let different = after.iter().collect::<BTreeSet<_>>().len() as f64;
    (count + different * shorter) / (after.len() as f64 + different)
}

/// Returns the context of position `i` for n-grams of `order`.
fn context(tokens: &[u32], bos: Option<u32>, i: usize, order: usize) -> &[u32] {
    let start = i.saturating_sub(order - 1);
    let bos_at = tokens[..i].iter().rposition(|t| Some(*t) == bos);
    &tokens[start.max(bos_at.unwrap_or(0)).min(i)..i]
}

fn a_text(vocab: u32, most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..vocab, 2..most)
}

proptest! {
    #[test]
    fn losses_are_as_defined(
        train in a_text(4, 40),
        other in a_text(4, 25),
        order in 1usize..=5,
        documents in any::<bool>(),
    ) {
        let bos = documents.then_some(3);
        let tables = Ngrams::fit(&train, 4, bos, order).unwrap();
        let losses = tables.losses(&other);
        prop_assert_eq!(losses.len(), other.len() - 1);
        for (i, loss) in (1..).zip(losses) {
            let context = context(&other, bos, i, order);
            let p = defined(&train, 4, bos, context, other[i]);
            prop_assert!((loss + p.ln()).abs() < 1e-12, "{} at {}", loss, i);
        }
    }

    #[test]
    fn probabilities_sum_to_one(train in a_text(5, 60), order in 1usize..=6, before in a_text(5, 8)) {
        let tables = Ngrams::fit(&train, 5, Some(4), order).unwrap();
        let p = |token| {
            let text = [before.as_slice(), &[token]].concat();
            (-tables.losses(&text)[before.len() - 1]).exp()
        };
        let total: f64 = (0..5).map(p).sum();
        prop_assert!((total - 1.0).abs() < 1e-12, "{}", total);
    }

    /// Tables of a higher order contain those of the lower ones.
    #[test]
    fn one_ladder_has_every_rung(train in a_text(4, 60), other in a_text(4, 30)) {
        let means = Ngrams::fit(&train, 4, Some(3), 5).unwrap().means(&other);
        for (order, mean) in (1..).zip(means) {
            let losses = Ngrams::fit(&train, 4, Some(3), order).unwrap().losses(&other);
            let alone = losses.iter().sum::<f64>() / losses.len() as f64;
            prop_assert!((mean - alone).abs() < 1e-12);
        }
    }
}

fn corpus(text: &str, kind: TokenizerKind, f: f64) -> Corpus {
    let text = Text::from_bytes(text.into(), TextOrigin::Other("a text".into())).unwrap();
    Corpus::fit(&text, kind, f).unwrap()
}

/// Makes batches of all of `corpus`, whatever the context.
fn batches(corpus: Corpus) -> Batches {
    Batches::new(Arc::new(corpus), 4, 1, 0).unwrap()
}

/// The text is `abab…`. After n tokens of one kind, one of which occurred before, the probability
/// is p = (n + p') / (n + 1).
#[test]
fn a_text_of_two_letters_in_turn() {
    let corpus = corpus(&"ab".repeat(500), TokenizerKind::Chars, 0.1);
    let found = ladder(&batches(corpus), u64::MAX, 2).unwrap();
    // Of 900 tokens, 899 are predicted: 450 b and 449 a, both after 2 distinct tokens. Of the
    // remaining 100, all but the first are predicted.
    let unigram = |count: f64| (count + 2.0 * 0.5) / (899.0 + 2.0);
    let (a, b) = (unigram(449.0), unigram(450.0));
    let one = -(49.0 * a.ln() + 50.0 * b.ln()) / 99.0;
    let after = |count: f64, p: f64| (count + p) / (count + 1.0);
    let two = -(49.0 * after(449.0, a).ln() + 50.0 * after(450.0, b).ln()) / 99.0;
    assert!((found[0] - one).abs() < 1e-12, "{found:?}");
    assert!((found[1] - two).abs() < 1e-12, "{found:?}");
}

/// A document's first letter is predicted from the BOS alone: the end of the previous document
/// cannot reveal it, whatever the order.
#[test]
fn contexts_do_not_cross_a_bos() {
    // A document that ends in x is followed by one that starts with a; any other is followed by one
    // that starts with b. Only a context that crosses the BOS could know this.
    let documents = "amx\nany\nbmy\nbnx\n".repeat(200);
    let corpus = corpus(&documents, TokenizerKind::Lines, 0.5);
    let tables = Ngrams::of(&corpus, 6).unwrap();
    let losses = tables.losses(&corpus.train().document(5));
    assert!((losses[0] - 2f64.ln()).abs() < 0.01, "{losses:?}");
}

#[test]
fn sentences() {
    let corpus = corpus("some words", TokenizerKind::Chars, 0.0);
    let message = |r: Result<Vec<f64>, NgramError>| r.unwrap_err().to_string();
    assert_eq!(
        message(ladder(&batches(corpus.clone()), u64::MAX, 3)),
        "n-gram baselines are measured on a validation split, and nothing was kept for one; use a validation \
         fraction above 0"
    );
    for wrong in [0, 17] {
        assert_eq!(
            Ngrams::of(&corpus, wrong).unwrap_err().to_string(),
            format!("n-grams have from 1 to 16 tokens, found {wrong}")
        );
    }
    assert_eq!(
        check(16, 1 << 28).unwrap_err().to_string(),
        "n-grams of up to 16 tokens can be counted in a text of at most 268435455 tokens, found 268435456; \
         use shorter n-grams or less text"
    );
    let text = Text::builtin(gptlab_data::Builtin::Names);
    let corpus = Corpus::fit(&text, TokenizerKind::Lines, 0.1).unwrap();
    let all = batches(corpus.clone());
    let found = baselines(&text, &all, u64::MAX, 2).unwrap();
    assert_eq!((found.uniform, found.entropy), (27f64.ln(), None));
    let validation = corpus.validation().unwrap().tokens().to_vec();
    assert_eq!(
        found.ngrams,
        Ngrams::of(&corpus, 2).unwrap().means(&validation)
    );
    assert_eq!(uniform(65), 65f64.ln());
    assert_eq!(Ngrams::of(&corpus, 2).unwrap().means(&[1]), [] as [f64; 0]);
}

/// The witness predicts the tokens of each sequence of the model's evaluation, given those before
/// it in the sequence alone.
#[test]
fn a_ladder_is_measured_on_the_sequences_of_the_evaluation() {
    for kind in [TokenizerKind::Chars, TokenizerKind::Lines] {
        let text = "abcab acb abc\nbca ab\ncab abca bacaba abca\nab\n".repeat(9);
        let batches = batches(corpus(&text, kind, 0.4));
        let tables = Ngrams::of(batches.corpus(), 3).unwrap();
        let model = gptlab_model::Preset::Gpt2Mini.spec().check(9).unwrap();
        for most in [1, 20, 60, u64::MAX] {
            let covering = batches.validation(&model, usize::try_from(most).unwrap());
            let mut losses = Vec::new();
            for batch in covering {
                let batch = batch.unwrap();
                for rows in (0..batch.sequences()).map(|i| batch.rows(i)) {
                    let mut seen = batch.inputs()[rows.clone()].to_vec();
                    seen.push(batch.targets()[rows.end - 1]);
                    losses.extend(tables.losses(&seen));
                }
            }
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            let ladder = ladder(&batches, most, 3).unwrap();
            assert!((ladder[2] - mean).abs() < 1e-12, "{kind:?} {most}");
        }
    }
}
