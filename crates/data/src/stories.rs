//! Stories with a known entropy, which are the default training text.
//!
//! A story is derived from the grammar in `stories.grammar`. Characters, objects and colours are
//! introduced early and needed again late, verbs agree with a subject that another noun may
//! separate from them, and pronouns refer across sentences. Story `i` of a seed is a pure function
//! of (seed, i). A text is a sequence of stories, each a paragraph followed by a blank line.
//!
//! Two numbers bound the loss. [`entropy`] is the entropy rate, computed from the grammar and not
//! estimated: the loss of a model that knows the grammar and always sees the whole story. A model
//! with a context of `T` meets most windows in the middle of a story, and cannot see what was
//! introduced before. [`least_loss`] is the exact loss of the best possible model on a window at a
//! random position (on average about 0.15 nats per character at `T` = 256, and 0.24 at 64). On
//! enough unseen text no model has a lower loss than either.

use std::sync::LazyLock;

use gptlab_model::random::Stream;

use crate::grammar::{Grammar, log_sum};

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    Grammar::parse(include_str!("stories.grammar")).expect("a test reads the page of stories")
});

/// The minimum number of characters in the built-in text.
pub const DEFAULT_CHARACTERS: usize = 1_000_000;

/// One story.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// A paragraph and the blank line after it.
    pub text: String,
    /// The log-probability of the story, in nats.
    pub log_probability: f64,
}

/// Returns story `index` of `seed`.
pub fn story(seed: u64, index: u32) -> Story {
    let derived = GRAMMAR.derive(&mut Stream::new(seed, "story", index).cursor());
    Story {
        text: derived.text,
        log_probability: derived.log_probability,
    }
}

/// Returns the first stories of `seed`, all complete, until the text has at least `min_chars`
/// characters.
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

/// Returns the log-probability, in nats, of `paragraph` (without the blank line after it) as a
/// story; `None` if the grammar does not produce it. Thus it checks whether a model's sample is
/// correct.
pub fn log_probability(paragraph: &str) -> Option<f64> {
    finite(log_sum(&GRAMMAR.derivations(&format!("{paragraph}\n\n"))))
}

/// Returns the log-probability, in nats, of reading `stretch` from a uniformly drawn position in an
/// endless text of stories. The stretch may have any number of characters, and start and end in the
/// middle of a story. The result is `None` if the stretch is impossible.
pub fn stretch_log_probability(stretch: &str) -> Option<f64> {
    finite(GRAMMAR.stretch(stretch))
}

/// Returns the loss on `window` of a model that knows the grammar and has seen nothing before, in
/// nats per predicted character. All characters but the first are predicted. No model has a lower
/// mean over many windows, but one may have a lower loss on a single window. A mean over windows
/// should be weighted by their predicted characters. The result is `None` if no stories contain the
/// window, or if it is shorter than 2 characters.
pub fn least_loss(window: &str) -> Option<f64> {
    let (first, _) = window.char_indices().nth(1)?;
    let given = stretch_log_probability(&window[..first])?;
    let predicted = window.chars().count() - 1;
    Some((given - stretch_log_probability(window)?) / predicted as f64)
}

fn finite(log_probability: f64) -> Option<f64> {
    log_probability.is_finite().then_some(log_probability)
}

/// The entropy and length of a story.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoryEntropy {
    /// The entropy of a story, in nats.
    pub nats_per_story: f64,
    /// The expected length of a story, in characters, including the blank line.
    pub characters_per_story: f64,
}

impl StoryEntropy {
    /// Returns the entropy rate, in nats per character: the lowest mean loss of a model whose
    /// tokens are characters.
    pub fn nats_per_character(&self) -> f64 {
        self.nats_per_story / self.characters_per_story
    }
}

/// Returns the entropy of [`stories`], which is exact because every derivation produces a different
/// text.
pub fn entropy() -> StoryEntropy {
    StoryEntropy {
        nats_per_story: GRAMMAR.entropy(),
        characters_per_story: GRAMMAR.expected_characters(),
    }
}
