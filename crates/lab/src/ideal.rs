//! What the ideal predictor loses on given predictions: the predictor that knows how a text was
//! made, and has read of it what stands before in the window.

use std::{fmt, ops::Range};

use gptlab_data::{Builtin, Corpus, Diagnostic, Split, Text, diagnostic::Predicted, stories};
use gptlab_recipe::Documents;

use crate::skill_flags;

/// The losses of the ideal predictor, summed over predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ideal {
    pub predictions: usize,
    /// The sum of their losses, in nats.
    pub nats: f64,
    /// Those of them that need the text's skill, if it is made for one.
    pub skilled: usize,
    pub skill_nats: f64,
}

impl Ideal {
    const NOTHING: Self = Self {
        predictions: 0,
        nats: 0.0,
        skilled: 0,
        skill_nats: 0.0,
    };

    pub fn nats_per_token(&self) -> f64 {
        self.nats / self.predictions as f64
    }

    /// Returns the mean loss of the predictions that need the skill; `None` if none does.
    pub fn skill_nats_per_token(&self) -> Option<f64> {
        (self.skilled > 0).then(|| self.skill_nats / self.skilled as f64)
    }
}

/// Why the ideal predictor's loss is not known on a text whose making is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownIdeal {
    /// The text is not cut as its generator makes it, or is no text of its generator.
    Cut { needed: &'static str },
    /// So many of the windows hold only a part of their document, the longest of which has so many
    /// predictions.
    Pieces {
        pieces: usize,
        windows: usize,
        longest: usize,
    },
    /// The context is too long for a sum over all derivations.
    Long,
}

impl fmt::Display for UnknownIdeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { needed } => write!(
                f,
                "The best possible loss is known only where the text is cut as it was made: `--tokenizer {needed}`."
            ),
            Self::Pieces {
                pieces,
                windows,
                longest,
            } => write!(
                f,
                "The best possible loss is not known: {pieces} of {windows} windows hold a part of a document, \
                 and what can be known there of the rest is not; `--block-size {longest}` holds every document."
            ),
            Self::Long => write!(
                f,
                "The best possible loss on stories is summed for contexts of at most {MOST} characters."
            ),
        }
    }
}

impl std::error::Error for UnknownIdeal {}

/// The longest window of stories. The sum over derivations recurses along the window.
const MOST: usize = 1024;

/// Returns what the ideal predictor loses on the predictions of `windows`, which are places among
/// the tokens of `split`. `split` is a part of `corpus`, a corpus of `text`. The result is `None`
/// for a text whose ideal predictor is not known.
///
/// # Errors
/// Returns an error if the text's making is known, but not the ideal loss on these windows.
pub fn ideal(
    text: &Text,
    corpus: &Corpus,
    split: &Split,
    windows: &[Range<usize>],
) -> Option<Result<Ideal, UnknownIdeal>> {
    match text.recipe()? {
        Builtin::Names => None,
        Builtin::Stories => Some(of_stories(corpus, split, windows)),
        Builtin::Diagnostic(kind, _) => Some(of_documents(kind, corpus, split, windows)),
    }
}

/// Measures windows of an endless text of stories by [`stories::least_loss`].
fn of_stories(
    corpus: &Corpus,
    split: &Split,
    windows: &[Range<usize>],
) -> Result<Ideal, UnknownIdeal> {
    let unknown = UnknownIdeal::Cut { needed: "chars" };
    let tokenizer = corpus.tokenizer();
    let whole = *tokenizer.spec().documents() == Documents::Text;
    if !whole || split.characters() != split.tokens().len() {
        return Err(unknown);
    }
    if windows.iter().any(|at| at.len() > MOST + 1) {
        return Err(UnknownIdeal::Long);
    }
    let tokens = split.tokens().to_vec();
    let mut found = Ideal::NOTHING;
    for window in windows {
        let text = tokenizer.decode(&tokens[window.clone()]);
        let text = text.map_err(|_| unknown)?;
        let loss = stories::least_loss(&text).ok_or(unknown)?;
        found.predictions += window.len() - 1;
        found.nats += loss * (window.len() - 1) as f64;
    }
    Ok(found)
}

/// Measures windows of documents that need a skill. Each window has to be a whole document.
fn of_documents(
    kind: Diagnostic,
    corpus: &Corpus,
    split: &Split,
    windows: &[Range<usize>],
) -> Result<Ideal, UnknownIdeal> {
    let unknown = UnknownIdeal::Cut { needed: "lines" };
    let lines = skill_flags::lines(corpus, split).ok_or(unknown)?;
    let documents = lines.lines().filter(|line| !line.is_empty());
    let predicted: Option<Vec<Vec<Predicted>>> = documents.map(|line| kind.ideal(line)).collect();
    let predicted = predicted.ok_or(unknown)?;
    let mut starts = vec![0];
    starts.extend(predicted.iter().scan(0, |end, document| {
        *end += document.len();
        Some(*end)
    }));
    let begins = |place: usize| starts.binary_search(&place).is_ok();
    let is_whole = |at: &&Range<usize>| begins(at.start) && begins(at.end - 1);
    let pieces = windows.len() - windows.iter().filter(is_whole).count();
    if pieces > 0 {
        let longest = predicted.iter().map(Vec::len).max().unwrap_or(0);
        return Err(UnknownIdeal::Pieces {
            pieces,
            windows: windows.len(),
            longest,
        });
    }
    let all = predicted.concat();
    let mut found = Ideal::NOTHING;
    for token in windows.iter().flat_map(|at| &all[at.start..at.end - 1]) {
        found.predictions += 1;
        found.nats += token.nats;
        if token.skill {
            found.skilled += 1;
            found.skill_nats += token.nats;
        }
    }
    Ok(found)
}
