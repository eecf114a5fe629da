//! Tests of corpora and batches: splits, windows, epochs, coverings.

use std::{collections::BTreeSet, sync::Arc};

use gptlab_data::{
    Batches, Corpus, CorpusError, Cut, Fit, Split, SplitName, Text, TokenStore, Tokenizer,
};
use gptlab_model::{Batch, Model, Preset};
use gptlab_recipe::{TextOrigin, Tokenization, TokenizerKind};
use proptest::prelude::*;

fn text(s: &str) -> Text {
    Text::from_bytes(s.as_bytes().to_vec(), TextOrigin::Other("the text".into())).unwrap()
}

fn corpus(kind: impl Into<Tokenization>, s: &str, f: f64) -> Result<Corpus, CorpusError> {
    Corpus::fit(&text(s), kind, f)
}

fn chars(s: &str, f: f64) -> Corpus {
    corpus(TokenizerKind::Chars, s, f).unwrap()
}

fn lines(s: &str, f: f64) -> Corpus {
    corpus(TokenizerKind::Lines, s, f).unwrap()
}

/// Makes a text of `n` distinct characters, so that a window reveals its position.
fn distinct(n: u32) -> String {
    (0..n)
        .map(|i| char::from_u32(0x4E00 + i).unwrap())
        .collect()
}

fn batches(corpus: Corpus, block_size: usize, batch_size: usize, seed: u64) -> (Batches, Model) {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.block_size = block_size;
    let model = spec.check(corpus.tokenizer().vocab_size()).unwrap();
    let made = Batches::new(Arc::new(corpus), block_size, batch_size, seed).unwrap();
    (made, model)
}

/// Returns every sequence of `batch` as (inputs, targets).
fn sequences(batch: &Batch) -> Vec<(Vec<u32>, Vec<u32>)> {
    (0..batch.sequences())
        .map(|i| batch.rows(i))
        .map(|r| {
            (
                batch.inputs()[r.clone()].to_vec(),
                batch.targets()[r].to_vec(),
            )
        })
        .collect()
}

fn covering(made: &Batches, model: &Model, part: SplitName, most: usize) -> Vec<Batch> {
    made.covering(model, part, most)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn the_end_of_a_text_is_kept_for_validation() {
    let c = chars("abcdefghijklmnopqrst", 0.1);
    assert_eq!(c.train().tokens().to_vec(), (0..18).collect::<Vec<u32>>());
    assert_eq!(c.validation().unwrap().tokens().to_vec(), [18, 19]);
    assert_eq!(c.train().predictions(), 17);
    assert_eq!(c.train().characters_per_token(), 1.0);
    assert!(chars("ab", 0.0).validation().is_none());
}

/// nanoGPT prints these sizes for the tiny Shakespeare: 1,003,854 and 111,540 tokens.
#[test]
fn the_split_is_nanogpts() {
    let s = "ab".repeat(1_115_394 / 2);
    let c = chars(&s, 0.1);
    assert_eq!(c.train().tokens().len(), 1_003_854);
    assert_eq!(c.validation().unwrap().tokens().len(), 111_540);
}

#[test]
fn documents_are_split_whole_and_share_their_bos() {
    let c = lines("ab\n\n  b\r\nca\n", 0.34);
    assert_eq!(c.train().documents(), Some(1));
    assert_eq!(c.train().tokens().to_vec(), [3, 0, 1, 3]);
    let validation = c.validation().unwrap();
    assert_eq!(validation.documents(), Some(2));
    assert_eq!(validation.tokens().to_vec(), [3, 1, 3, 2, 0, 3]);
    assert_eq!(c.part(SplitName::Train).unwrap().characters(), 4);
}

/// The characters are counted by hand: a BOS represents the whole separator, and a byte in the
/// middle of a character counts as none.
#[test]
fn documents_between_separators_are_laid_out_as_lines_are() {
    let separated = Tokenization {
        documents: "separator=--".parse().unwrap(),
        ..TokenizerKind::Bytes.into()
    };
    let c = corpus(separated, "é--\n b \n----c", 0.4).unwrap();
    let (train, validation) = (c.train(), c.validation().unwrap());
    assert_eq!(train.tokens().to_vec(), [256, 0xC3, 0xA9, 256]);
    assert_eq!(validation.tokens().to_vec(), [256, 98, 256, 99, 256]);
    assert_eq!(
        (train.documents(), validation.documents()),
        (Some(1), Some(2))
    );
    assert_eq!(validation.document(1), [256, 99, 256]);
    assert_eq!((train.characters(), validation.characters()), (5, 8));
    assert_eq!(train.characters_per_token(), 1.25);
}

#[test]
fn bytes_are_split_wherever_the_fraction_falls() {
    let c = corpus(TokenizerKind::Bytes, "abé猫", 0.5).unwrap();
    assert_eq!(c.train().tokens().to_vec(), [97, 98, 0xC3]);
    assert_eq!(c.train().characters(), 3, "é begins here");
    let validation = c.validation().unwrap();
    assert_eq!(validation.tokens().to_vec(), [0xA9, 0xE7, 0x8C, 0xAB]);
    assert_eq!(validation.characters(), 1);
}

/// A store whose tokens are computed when they are read.
#[derive(Debug)]
struct Sevens(usize);

impl TokenStore for Sevens {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, start: usize, out: &mut [u32]) {
        for (i, token) in out.iter_mut().enumerate() {
            *token = ((start + i) % 7) as u32;
        }
    }
}

#[test]
fn batches_are_the_same_from_any_store() {
    let text = "abcdefg".repeat(100);
    let in_memory = chars(&text, 0.1);
    let tokenizer = in_memory.tokenizer().clone();
    let split = |n| Split::of_text(Arc::new(Sevens(n)), n);
    let computed = Corpus::of_splits(tokenizer, split(630).unwrap(), split(70));
    assert!(split(1).is_none(), "nothing to predict");
    let ((a, model), (b, _)) = (batches(in_memory, 100, 3, 9), batches(computed, 100, 3, 9));
    for step in 0..5 {
        assert_eq!(a.train(&model, step), b.train(&model, step));
    }
    let all = |made| covering(made, &model, SplitName::Validation, usize::MAX);
    assert_eq!(all(&a), all(&b));
}

#[test]
fn a_split_too_short_is_a_sentence() {
    let message = |kind, s, f| corpus(kind, s, f).unwrap_err().to_string();
    assert_eq!(
        message(TokenizerKind::Chars, "abcdefghij", 0.1),
        "the text is too short: with a validation fraction of 0.1 the validation split would hold \
         1 token and needs at least 2; give more text, or another validation fraction"
    );
    assert!(
        message(TokenizerKind::Chars, "abcd", 0.9)
            .contains("the training split would hold 0 tokens")
    );
    let lines = message(TokenizerKind::Lines, "emma\n", 0.1);
    assert!(
        lines.contains("the training split would hold 0 documents"),
        "{lines}"
    );
    assert!(corpus(TokenizerKind::Lines, "emma\n", 0.0).is_ok());
    assert!(
        message(TokenizerKind::Lines, " \n\t\n", 0.1)
            .starts_with("the text holds no documents: every line of it is empty;")
    );
    let separated = Tokenization {
        documents: r"separator=\n\n".parse().unwrap(),
        ..TokenizerKind::Chars.into()
    };
    let message = corpus(separated, " \n\n\t\n", 0.1).unwrap_err().to_string();
    assert!(
        message
            .starts_with(r"the text holds no documents: it is empty but for the separator `\n\n`;"),
        "{message}"
    );
    let message = |kind, s, f| corpus(kind, s, f).unwrap_err().to_string();
    for wrong in [1.0, -0.1, f64::NAN] {
        assert!(
            message(TokenizerKind::Chars, "abcd", wrong).contains("at least 0 and below 1, found")
        );
    }
}

#[test]
fn a_text_with_strangers_is_refused_by_name() {
    let tokenizer = Tokenizer::fit(TokenizerKind::Chars, "ab").unwrap();
    let error = Corpus::new(&text("abé"), tokenizer, 0.0)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the text: the tokenizer knows 2 characters and not 'é' (U+00E9)"),
        "{error}"
    );
}

#[test]
fn the_context_shrinks_to_the_shorter_split() {
    let fit = |block_size, shrunk| Fit { block_size, shrunk };
    assert_eq!(chars(&distinct(20), 0.0).fit_block_size(256), fit(19, true));
    assert_eq!(chars(&distinct(20), 0.0).fit_block_size(19), fit(19, false));
    assert_eq!(chars(&distinct(40), 0.1).fit_block_size(256), fit(3, true));
    assert_eq!(lines("ab\ncd", 0.0).fit_block_size(256), fit(256, false));
}

#[test]
fn sizes_that_cannot_be_are_sentences() {
    let c = Arc::new(chars("abcd", 0.0));
    let message = |t, b| {
        Batches::new(Arc::clone(&c), t, b, 0)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(0, 1),
        "block_size and batch_size must be at least 1, found 0 and 1"
    );
    assert_eq!(
        message(1, 0),
        "block_size and batch_size must be at least 1, found 1 and 0"
    );
    assert_eq!(
        message(4, 1),
        "a context of 4 needs 5 tokens to train on, found 4; use a context of at most 3 or more text"
    );
    assert!(Batches::new(c, 3, 1, 0).is_ok());
}

#[test]
fn windows_reach_both_ends_and_targets_follow_inputs() {
    let (made, model) = batches(chars(&distinct(20), 0.0), 8, 16, 1);
    let mut starts = BTreeSet::new();
    for step in 0..20 {
        for (x, y) in sequences(&made.train(&model, step).unwrap()) {
            assert_eq!(x, (x[0]..x[0] + 8).collect::<Vec<u32>>());
            assert_eq!(y, (x[0] + 1..x[0] + 9).collect::<Vec<u32>>());
            starts.insert(x[0]);
        }
    }
    assert_eq!(
        starts,
        (0..12).collect(),
        "the last target is token 19, the last of all"
    );
}

#[test]
fn the_shortest_text_has_one_window() {
    let (made, model) = batches(chars("ab", 0.0), 1, 2, 0);
    let batch = made.train(&model, 0).unwrap();
    assert_eq!(sequences(&batch), vec![(vec![0], vec![1]); 2]);
}

#[test]
fn training_never_sees_validation() {
    let (made, model) = batches(chars(&distinct(100), 0.2), 10, 8, 3);
    for step in 0..50 {
        let batch = made.train(&model, step).unwrap();
        assert!(
            batch
                .inputs()
                .iter()
                .chain(batch.targets())
                .all(|t| *t < 80)
        );
    }
}

#[test]
fn a_batch_is_a_function_of_seed_and_step() {
    let documents: Vec<String> = (0..50).map(|i| i.to_string()).collect();
    for c in [
        chars(&distinct(500), 0.1),
        lines(&documents.join("\n"), 0.1),
    ] {
        let (made, model) = batches(c.clone(), 16, 4, 7);
        let forward: Vec<Batch> = (0..40).map(|s| made.train(&model, s).unwrap()).collect();
        let (again, _) = batches(c.clone(), 16, 4, 7);
        for step in (0..40).rev() {
            assert_eq!(again.train(&model, step).unwrap(), forward[step as usize]);
            let _ = covering(&again, &model, SplitName::Validation, 20);
        }
        let mut spent = None;
        for step in (0..40).rev() {
            let batch = again.train_in(spent, &model, step).unwrap();
            assert_eq!(batch, forward[step as usize]);
            spent = Some(batch);
        }
        let (other, _) = batches(c, 16, 4, 8);
        assert_ne!(other.train(&model, 0).unwrap(), forward[0]);
        assert_ne!(forward[0], forward[1]);
    }
}

#[test]
fn every_document_comes_once_an_epoch_in_another_order() {
    let documents: Vec<String> = ('a'..='j').map(String::from).collect();
    let (made, model) = batches(lines(&documents.join("\n"), 0.0), 16, 4, 5);
    let seen: Vec<u32> = (0..5)
        .flat_map(|step| sequences(&made.train(&model, step).unwrap()))
        .map(|(x, y)| {
            assert_eq!((x[0], y.clone()), (10, vec![x[1], 10]));
            x[1]
        })
        .collect();
    let (first, second) = seen.split_at(10);
    for epoch in [first, second] {
        assert_eq!(
            epoch.iter().copied().collect::<BTreeSet<_>>(),
            (0..10).collect()
        );
    }
    assert_ne!(first, second);
    assert_ne!(first, (0..10).collect::<Vec<u32>>());
}

/// Each piece starts with the last target of the previous one. A document that fits is one
/// sequence, as in microgpt.
#[test]
fn a_long_document_is_cut_into_pieces_and_a_short_one_is_not() {
    let (made, model) = batches(lines("abcdef", 0.0), 4, 2, 0);
    let mut pieces = sequences(&made.train(&model, 9).unwrap());
    pieces.sort();
    let rest = (vec![3, 4, 5], vec![4, 5, 6]);
    assert_eq!(pieces, [rest, (vec![6, 0, 1, 2], vec![0, 1, 2, 3])]);
    let cut = |documents, long, pieces| Cut {
        documents,
        long,
        pieces,
    };
    assert_eq!(made.cut(SplitName::Train), Some(cut(1, 1, 2)));
    let (made, model) = batches(lines("ab", 0.0), 4, 1, 0);
    let batch = made.train(&model, 9).unwrap();
    assert_eq!(sequences(&batch), [(vec![2, 0, 1], vec![0, 1, 2])]);
    assert_eq!(made.cut(SplitName::Train), Some(cut(1, 0, 0)));
    assert_eq!(made.cut(SplitName::Validation), None);
    // A document with 4 predictions fits exactly, and one with 5 does not.
    let (made, _) = batches(lines("abc\nabcd\na", 0.0), 4, 1, 0);
    assert_eq!(made.cut(SplitName::Train), Some(cut(3, 1, 2)));
    let (made, _) = batches(chars("abcdef", 0.0), 4, 1, 0);
    assert_eq!(made.cut(SplitName::Train), None);
}

/// The predictions are counted in the text: every one of every document is trained on once per
/// epoch.
#[test]
fn an_epoch_has_every_prediction_of_long_documents_once() {
    let text = "abcdefghij\nkl\nmnopqrstu\nvwxyz";
    let (made, model) = batches(lines(text, 0.0), 3, 1, 7);
    // The numbers of pieces are those of 11, 3, 10 and 6 predictions, divided by 3 and rounded up.
    let pieces = 4 + 1 + 4 + 2;
    let epoch = |first: u32| -> Vec<u32> {
        (first..first + pieces)
            .flat_map(|step| made.train(&model, step).unwrap().targets().to_vec())
            .collect()
    };
    let (first, second) = (epoch(0), epoch(pieces));
    let sorted = |mut targets: Vec<u32>| {
        targets.sort_unstable();
        targets
    };
    // The targets are every letter once, and the BOS after each document.
    let all: Vec<u32> = (0..26).chain([26; 4]).collect();
    assert_eq!(sorted(first.clone()), all);
    assert_eq!(sorted(second.clone()), all);
    assert_ne!(first, second, "shuffled anew");
}

/// If every second piece is a short one, even steps would take only the long ones.
#[test]
fn a_capped_covering_of_pieces_is_about_as_large_as_asked() {
    let text = "abcdefgh\n".repeat(1000);
    let (made, model) = batches(lines(&text, 0.0), 8, 16, 0);
    assert_eq!(made.cut(SplitName::Train).unwrap().pieces, 2000);
    let some = covering(&made, &model, SplitName::Train, 4500);
    let tokens: usize = some.iter().map(Batch::tokens).sum();
    assert!((4000..5000).contains(&tokens), "{tokens}");
    assert_eq!(covering(&made, &model, SplitName::Train, 4500), some);
}

#[test]
fn validation_covers_every_prediction_once() {
    let (made, model) = batches(chars(&distinct(100), 0.23), 5, 2, 0);
    let all: Vec<Batch> = covering(&made, &model, SplitName::Validation, usize::MAX);
    let targets: Vec<u32> = all.iter().flat_map(|b| b.targets().to_vec()).collect();
    assert_eq!(
        targets,
        (78..100).collect::<Vec<u32>>(),
        "77 has nothing before it"
    );
    assert_eq!(
        all.iter().map(Batch::sequences).collect::<Vec<_>>(),
        [2, 2, 1]
    );
    assert_eq!(
        covering(&made, &model, SplitName::Validation, usize::MAX),
        all
    );
}

#[test]
fn a_capped_covering_is_spread_evenly() {
    let (made, model) = batches(chars(&distinct(1001), 0.0), 10, 4, 0);
    let some = covering(&made, &model, SplitName::Train, 50);
    let starts: Vec<u32> = some.iter().flat_map(sequences).map(|(x, _)| x[0]).collect();
    assert_eq!(starts, [0, 200, 400, 600, 800]);
    assert_eq!(some.iter().map(Batch::tokens).sum::<usize>(), 50);
    assert_eq!(
        covering(&made, &model, SplitName::Train, 0).len(),
        1,
        "at least one window"
    );
    assert!(covering(&made, &model, SplitName::Validation, 50).is_empty());
}

#[test]
fn documents_are_covered_in_their_order() {
    let (made, model) = batches(lines("a\nbb\nc\nd", 0.0), 8, 3, 0);
    let all = covering(&made, &model, SplitName::Train, usize::MAX);
    let inputs: Vec<Vec<u32>> = all.iter().flat_map(sequences).map(|(x, _)| x).collect();
    assert_eq!(inputs, [vec![4, 0], vec![4, 1, 1], vec![4, 2], vec![4, 3]]);
    let half = covering(&made, &model, SplitName::Train, 5);
    let inputs: Vec<Vec<u32>> = half.iter().flat_map(sequences).map(|(x, _)| x).collect();
    assert_eq!(inputs, [vec![4, 0], vec![4, 2]]);
}

#[test]
fn a_model_of_another_size_is_refused() {
    let (made, _) = batches(chars(&distinct(100), 0.1), 8, 2, 0);
    let mut spec = Preset::Gpt2Mini.spec();
    spec.block_size = 4;
    let short = spec.check(100).unwrap();
    let error = made.train(&short, 0).unwrap_err().to_string();
    assert_eq!(error, "a sequence of 8 tokens does not fit a context of 4");
    spec.block_size = 8;
    let small = spec.check(3).unwrap();
    assert!(made.validation(&small, 9).any(|b| b.is_err()));
}

proptest! {
    #[test]
    fn any_capped_covering_stays_under_its_cap(
        n in 20u32..400, f in 0.0f64..0.5, block in 1usize..20, batch in 1usize..9, most in 0usize..500,
    ) {
        let Ok(c) = corpus(TokenizerKind::Chars, &distinct(n), f) else { return Ok(()) };
        let block = c.fit_block_size(block).block_size;
        let (made, model) = batches(c, block, batch, 1);
        for part in [SplitName::Train, SplitName::Validation] {
            let Some(split) = made.corpus().part(part) else { continue };
            let all = covering(&made, &model, part, most);
            let tokens: usize = all.iter().map(Batch::tokens).sum();
            prop_assert!(tokens <= most.max(block));
            prop_assert!(tokens > 0);
            prop_assert!(most < split.predictions() || tokens == split.predictions());
        }
    }
    /// Every prediction is a new one once, in order, and windows are as long as they can be.
    #[test]
    fn overlapping_windows_make_every_prediction_once(
        lengths in prop::collection::vec(1usize..40, 2..30), block in 1usize..20, stride in 1usize..25,
        by_line in any::<bool>(),
    ) {
        let documents: Vec<String> = lengths.iter().map(|n| "ab".repeat(*n)).collect();
        let kind = if by_line { TokenizerKind::Lines } else { TokenizerKind::Chars };
        let Ok(c) = corpus(kind, &documents.join("\n"), 0.3) else { return Ok(()) };
        let block = block.min(c.train().predictions());
        let (made, model) = batches(c, block, 2, 1);
        for part in [SplitName::Train, SplitName::Validation] {
            let Some(split) = made.corpus().part(part) else { continue };
            let (all, mut next) = (split.tokens().to_vec(), 0);
            for window in made.overlapping(part, stride) {
                let at = window.at.clone();
                prop_assert_eq!(at.start + window.seen, next);
                prop_assert!(window.seen == 0 || at.len() == block + 1);
                prop_assert!((2..=block + 1).contains(&at.len()));
                let batch = Batches::at(&model, split, std::iter::once(at.clone())).unwrap();
                prop_assert_eq!(batch.targets(), &all[at.start + 1..at.end]);
                next = at.end - 1;
            }
            prop_assert_eq!(next, split.predictions());
        }
    }
    /// The covering is compared with the text itself. Whatever the documents' lengths, a whole
    /// covering predicts every token but the first once and in order, each piece from at most
    /// `block` tokens before, and `windows` are those of the batches.
    #[test]
    fn a_covering_of_documents_has_every_prediction_once(
        lengths in prop::collection::vec(1usize..40, 2..30), block in 1usize..20, batch in 1usize..9,
        most in 0usize..900,
    ) {
        let line = |(i, n): (usize, &usize)| (0..*n).map(|k| char::from(b'a' + ((i * 7 + k) % 26) as u8)).collect();
        let documents: Vec<String> = lengths.iter().enumerate().map(line).collect();
        let Ok(c) = corpus(TokenizerKind::Lines, &documents.join("\n"), 0.3) else { return Ok(()) };
        let (made, model) = batches(c, block, batch, 1);
        for part in [SplitName::Train, SplitName::Validation] {
            let Some(split) = made.corpus().part(part) else { continue };
            let all = split.tokens().to_vec();
            let targets = |most| -> Vec<u32> {
                covering(&made, &model, part, most).iter().flat_map(|b| b.targets().to_vec()).collect()
            };
            prop_assert_eq!(targets(usize::MAX), &all[1..]);
            let windows = made.windows(part, most);
            prop_assert!(windows.iter().all(|at| (2..=block + 1).contains(&at.len())));
            let some: Vec<u32> = windows.iter().flat_map(|at| all[at.start + 1..at.end].to_vec()).collect();
            prop_assert_eq!(targets(most), some);
        }
    }
}
