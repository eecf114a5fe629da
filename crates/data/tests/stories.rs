//! Tests of the built-in texts: their entropy, their language, and that they never change
//! unnoticed.

use std::collections::BTreeSet;

use gptlab_data::{
    Builtin, Fingerprint, Tokenizer, names,
    stories::{self, Story},
};
use gptlab_recipe::{TokenizerKind, Vocabulary};

const SAMPLES: u32 = 20_000;

fn some() -> impl Iterator<Item = Story> {
    (0..SAMPLES).map(|i| stories::story(99, i))
}

/// Returns the mean of `values` and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// The entropy is summed over the grammar, and sampled stories are the witness.
#[test]
fn the_entropy_is_the_mean_surprise_of_a_story() {
    let entropy = stories::entropy();
    let surprise: Vec<f64> = some().map(|s| -s.log_probability).collect();
    let length: Vec<f64> = some().map(|s| s.text.chars().count() as f64).collect();
    for (values, exact) in [
        (surprise, entropy.nats_per_story),
        (length, entropy.characters_per_story),
    ] {
        let (mean, error) = mean_and_error(&values);
        assert!(
            (mean - exact).abs() < 4.0 * error,
            "{mean} ± {error}, not {exact}"
        );
        assert!(
            error < exact / 500.0,
            "the check is sharp: {error} of {exact}"
        );
    }
}

/// The entropy is valid only if every text has a single derivation.
#[test]
fn a_story_tells_how_it_was_made() {
    for story in some().take(3_000) {
        let paragraph = story.text.strip_suffix("\n\n").unwrap();
        let parsed = stories::log_probability(paragraph).unwrap();
        assert!(
            (parsed - story.log_probability).abs() < 1e-9,
            "ambiguous: {paragraph}"
        );
        let other = format!("{paragraph} And so on.");
        assert_eq!(stories::log_probability(&other), None);
    }
}

/// A blank line occurs only at the end of a story: after one, a stretch is a story from its start.
#[test]
fn a_stretch_from_a_blank_line_is_a_story() {
    let ends = stories::entropy().characters_per_story.ln();
    for story in some().take(20) {
        let stretch = format!("\n\n{}", story.text);
        let found = stories::stretch_log_probability(&stretch).unwrap();
        assert!((found - (story.log_probability - ends)).abs() < 1e-9);
    }
    assert_eq!(stories::stretch_log_probability("xyzzy"), None);
}

#[test]
fn a_shorter_context_has_a_higher_least_loss() {
    let all: Vec<char> = stories::stories(8, 40_000).chars().collect();
    let mean = |t: usize| {
        let windows = all.windows(t + 1).step_by(701).take(50);
        let losses: Vec<f64> = windows
            .map(|w| stories::least_loss(&w.iter().collect::<String>()).unwrap())
            .collect();
        mean_and_error(&losses).0
    };
    let (short, long) = (mean(64), mean(256));
    assert!((0.22..0.26).contains(&short), "{short}");
    assert!((0.135..0.155).contains(&long), "{long}");
    assert!(long > stories::entropy().nats_per_character());
    assert_eq!(stories::least_loss("a"), None);
    assert_eq!(stories::least_loss(""), None);
}

#[test]
fn what_was_said_early_is_kept_to_the_end() {
    assert!(stories::log_probability(BUTTONS).is_some());
    for (right, wrong) in [
        ("yellow", "red"),
        ("yellow", "orange"),
        ("rabbit", "goose"),
        ("Tom", "Jack"),
        ("in the oven", "on the roof"),
        ("buttons were", "buttons was"),
        ("the buttons", "the boots"),
        ("them", "it"),
        ("His", "Her"),
    ] {
        let (before, after) = BUTTONS.rsplit_once(right).unwrap();
        let changed = stories::log_probability(&format!("{before}{wrong}{after}"));
        assert_eq!(changed.is_some(), wrong == "red", "{wrong}");
    }
}

/// Tom and the rabbit come back, the hiding place is mentioned twice, and the colour only once.
const BUTTONS: &str = "In a town by the apple trees lived a boy named Tom. His yellow buttons always \
    stood beside the coats. One bright morning, the buttons beside the coats were gone! Along came \
    a clever rabbit named Doctor Jam. \"I saw them in the oven,\" said the rabbit. So Doctor Jam and \
    Tom went to look, and the buttons were in the oven.";

#[test]
fn verbs_agree() {
    let text = stories::stories(3, 300_000);
    for wrong in [
        "boots was",
        "mittens is",
        "marbles was",
        "bells is",
        "kite were",
        "lantern are",
        "They was",
        "they is",
        "a umbrella",
        " a a",
        " the the ",
        "  ",
    ] {
        assert!(!text.contains(wrong), "{wrong}");
    }
}

/// Returns the characters of a vocabulary.
fn known(tokenizer: &Tokenizer) -> String {
    match tokenizer.spec().vocabulary() {
        Vocabulary::Chars(alphabet) => alphabet.clone().into(),
        Vocabulary::Bytes => String::new(),
    }
}

#[test]
fn stories_have_the_size_and_the_letters_that_were_meant() {
    let text = Builtin::Stories.text();
    assert!((1_000_000..1_001_000).contains(&text.chars().count()));
    let tokenizer = Tokenizer::fit(TokenizerKind::Chars, &text).unwrap();
    let vocabulary: String = known(&tokenizer);
    assert_eq!(vocabulary, VOCABULARY);
    let lengths: Vec<usize> = some().map(|s| s.text.len()).collect();
    assert!(lengths.iter().all(|n| (200..=500).contains(n)));
    let distinct: BTreeSet<String> = some().map(|s| s.text).collect();
    assert_eq!(distinct.len(), SAMPLES as usize, "no story twice");
}

const VOCABULARY: &str = "\n !\",.?ABCDEFGHIJKLMNOPQRSTUVWYZabcdefghijklmnopqrstuvwxyz";

#[test]
fn stories_are_whole_and_a_longer_text_begins_with_a_shorter() {
    let (short, long) = (stories::stories(5, 1_000), stories::stories(5, 2_000));
    assert!(long.starts_with(&short));
    assert!(short.ends_with("\n\n"));
    assert_eq!(stories::stories(5, 0), "");
    assert_ne!(short, stories::stories(6, 1_000));
    let joined: String = (0..3).map(|i| stories::story(5, i).text).collect();
    assert!(short.starts_with(&joined));
}

#[test]
fn the_built_in_texts_are_the_same_forever() {
    let start: String = Builtin::Stories.text().chars().take(300).collect();
    assert_eq!(start, STORIES_BEGIN);
    let hash = |b: Builtin| Fingerprint::of(b.text().as_bytes()).short();
    assert_eq!(hash(Builtin::Stories), "087fc7eaf860");
    assert_eq!(hash(Builtin::Names), "20efb966eb04");
}

const STORIES_BEGIN: &str = "In a town by the sea lived a boy named Finn. One foggy night, Finn heard a noise on \
    the roof. He held his silver marbles tight and did not move. A sleepy squirrel looked up. It was \
    Thimble, who had smelled the cheese. Now Thimble sleeps on the roof, and the silver marbles beside \
    the broom are never ";

#[test]
fn names_are_distinct_short_and_in_lower_case() {
    let text = Builtin::Names.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), names::DEFAULT_COUNT);
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len());
    assert!(lines.iter().all(|l| (2..=14).contains(&l.len())));
    let tokenizer = Tokenizer::fit(TokenizerKind::Lines, &text).unwrap();
    let letters: String = known(&tokenizer);
    assert_eq!(letters, "abcdefghijklmnopqrstuvwxyz");
    assert_eq!(tokenizer.vocab_size(), 27, "as microgpt's names have");
    assert!(text.starts_with(&names::names(0, 10)));
    assert_eq!(names::names(0, 0), "");
}
