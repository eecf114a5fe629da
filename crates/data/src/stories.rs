//! Stories whose entropy is known: the text to train on where nobody gave one.
//!
//! A story is derived from the grammar in `stories.grammar`: who, what and which colour are said
//! early and needed again late, verbs agree with a subject that another noun may stand between, and
//! pronouns refer over sentences. Story `i` of a seed is a pure function of (seed, i). A text is
//! stories one after the other, each a paragraph and a blank line.
//!
//! Two floors say how low a loss can be. [`floor`] is the entropy rate, summed over the grammar and
//! not estimated: what a model pays that knows the grammar and always sees the whole story. A model
//! with a context of `T` meets most windows in the middle of a story and pays for what it cannot
//! look up; [`least_loss`] is what the best possible model loses on a window at a place like any
//! other, exactly (on the average about 0.15 nats per character at `T` = 256, and 0.24 at 64). On
//! enough unseen text no model stays below either.

use std::sync::LazyLock;

use gptlab_model::random::Stream;

use crate::grammar::{Grammar, log_sum};

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    Grammar::parse(include_str!("stories.grammar")).expect("a test reads the page of stories")
});

/// How many characters the built-in text has, at least.
pub const DEFAULT_CHARACTERS: usize = 1_000_000;

/// One story.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// A paragraph and the blank line after it.
    pub text: String,
    /// The logarithm of the story's probability, in nats.
    pub log_probability: f64,
}

/// Story `index` of `seed`.
pub fn story(seed: u64, index: u32) -> Story {
    let derived = GRAMMAR.derive(&mut Stream::new(seed, "story", index).cursor());
    Story {
        text: derived.text,
        log_probability: derived.log_probability,
    }
}

/// The first stories of `seed`, whole, up to the one that reaches `min_chars` characters.
pub fn stories(seed: u64, min_chars: usize) -> String {
    let mut text = String::with_capacity(min_chars);
    let mut characters = 0;
    for index in 0..=u32::MAX {
        if characters >= min_chars {
            break;
        }
        let story = story(seed, index).text;
        characters += story.chars().count();
        text.push_str(&story);
    }
    text
}

/// The log-probability, in nats, of `paragraph` (without the blank line after it) being a story;
/// `None` where the grammar does not make it. Says of a model's sample whether it is right.
pub fn log_probability(paragraph: &str) -> Option<f64> {
    finite(log_sum(&GRAMMAR.derivations(&format!("{paragraph}\n\n"))))
}

/// The log-probability, in nats, of reading `stretch` from a place drawn uniformly in an endless
/// text of stories: any number of characters, from the middle of one story to the middle of
/// another. `None` where it cannot be.
pub fn stretch_log_probability(stretch: &str) -> Option<f64> {
    finite(GRAMMAR.stretch(stretch))
}

/// What a model that knows the grammar, and has read nothing before, loses on `window`: nats per
/// character predicted, which are all but the first. No model has a lower mean over many windows,
/// though on a single one it may be lucky. Weigh windows by the characters they predict. `None`
/// where no stories hold such a window, or it is shorter than 2 characters.
pub fn least_loss(window: &str) -> Option<f64> {
    let (first, _) = window.char_indices().nth(1)?;
    let given = stretch_log_probability(&window[..first])?;
    let predicted = window.chars().count() - 1;
    Some((given - stretch_log_probability(window)?) / predicted as f64)
}

fn finite(log_probability: f64) -> Option<f64> {
    log_probability.is_finite().then_some(log_probability)
}

/// What a text of stories cannot be predicted better than.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoryEntropy {
    /// The entropy of a story.
    pub nats_per_story: f64,
    /// Its expected length, the blank line included.
    pub characters_per_story: f64,
}

impl StoryEntropy {
    /// The entropy rate: the least mean loss of a model whose tokens are characters.
    pub fn nats_per_character(&self) -> f64 {
        self.nats_per_story / self.characters_per_story
    }
}

/// The floor of [`stories`], exact: every derivation makes another text.
pub fn floor() -> StoryEntropy {
    StoryEntropy {
        nats_per_story: GRAMMAR.entropy(),
        characters_per_story: GRAMMAR.expected_characters(),
    }
}
