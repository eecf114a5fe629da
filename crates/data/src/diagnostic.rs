//! Diagnostic texts, which require one skill each and have a known entropy.
//!
//! A document is one line, drawn from a small generator. Document `i` of a seed is a pure function
//! of (seed, i), and documents are independent. If the text is split into lines, each sequence of a
//! batch starts where a document starts, so that the losses below are those of a model that sees
//! the whole document before the predicted token.
//!
//! The *ideal* predictor knows the generator, and the part of the document that precedes a token,
//! but nothing else. Its losses are computed, not estimated: [`Diagnostic::ideal`] returns them for
//! each token of a document, [`Diagnostic::ideal_loss`] in expectation. On enough documents no
//! model has a lower loss.

mod addition;
mod agreement;
mod brackets;
mod copy;
mod in_context;
mod length;
#[cfg(test)]
mod tests;

use gptlab_model::{
    Choice, choices,
    random::{Cursor, Stream},
};
use gptlab_recipe::Documents;

use crate::tokenizer::documents;
use {
    addition::Addition, agreement::Agreement, brackets::Brackets, copy::CopyTask,
    in_context::InContext,
};

/// A kind of diagnostic text, named after its skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// `qmdkzvbe|qmdkzvbe`: the model must find what followed the last occurrence of a letter.
    Copy,
    /// `([]{<>})[]`: the model must track which bracket is open.
    Brackets,
    /// `Cvxsttzw:c`: the model must recall the first letter.
    Agreement,
    /// `321+949=270`: the model must add two numbers, whose least significant digits come first.
    Addition,
    /// `cacahbhbca…`: the model must learn which letters follow which in this document.
    InContext,
}

/// The ideal predictor's result on one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// The loss, in nats.
    pub nats: f64,
    /// Whether a good prediction of the token requires the skill.
    pub skill: bool,
}

/// The ideal predictor's expected losses. A document's tokens are its characters and the BOS after
/// them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdealLoss {
    /// The expected loss on a document, in nats.
    pub nats_per_document: f64,
    /// The expected number of tokens of a document.
    pub tokens_per_document: f64,
    /// The expected loss on the tokens that require the skill, in nats per document.
    pub skill_nats_per_document: f64,
    /// The expected number of tokens per document that require the skill.
    pub skill_tokens_per_document: f64,
    /// The standard error of `nats_per_document`; 0 if the loss was computed and not measured.
    pub error: f64,
}

impl IdealLoss {
    const NOTHING: Self = Self {
        nats_per_document: 0.0,
        tokens_per_document: 0.0,
        skill_nats_per_document: 0.0,
        skill_tokens_per_document: 0.0,
        error: 0.0,
    };

    /// Adds a token that a document contains with probability `p`.
    fn add(&mut self, p: f64, token: Predicted) {
        let skill = if token.skill { p } else { 0.0 };
        self.nats_per_document += p * token.nats;
        self.tokens_per_document += p;
        self.skill_nats_per_document += skill * token.nats;
        self.skill_tokens_per_document += skill;
    }

    /// Returns the lowest possible mean loss in the long run, in nats per token.
    pub fn nats_per_token(&self) -> f64 {
        self.nats_per_document / self.tokens_per_document
    }

    /// Returns the lowest possible mean loss on the tokens that require the skill, in nats per
    /// token.
    pub fn skill_nats_per_token(&self) -> f64 {
        self.skill_nats_per_document / self.skill_tokens_per_document
    }
}

/// A generator of the documents of one kind.
trait TextGenerator {
    /// Draws a document from `cursor`.
    fn draw(&self, cursor: &mut Cursor) -> String;
    /// Returns the ideal predictions of each character and the BOS; `None` if the generator cannot
    /// produce `document`.
    fn ideal(&self, document: &str) -> Option<Vec<Predicted>>;
    fn ideal_loss(&self) -> IdealLoss;
}

choices! { Diagnostic, "diagnostic text":
    Copy = "copy", "a string of random letters, a bar, and the string again";
    Brackets = "brackets", "balanced brackets of four kinds, at most six deep";
    Agreement = "agreement", "a capital, up to 56 other letters, and the capital's small letter";
    Addition = "addition", "sums of three-digit numbers, modulo 1000, least digit first";
    InContext = "in-context", "letters from a table of bigrams that every document draws anew";
}

impl Diagnostic {
    /// Describes the skill, the tokens that require it, and the part of a transformer that should
    /// be necessary for it, with the papers that show so.
    pub fn skill_needed(self) -> &'static str {
        match self {
            Self::Copy => {
                "After the bar, repeat the letters before it: by counting places, or by their content as an induction \
                 head does; both take attention in two layers (Elhage et al. 2021; Olsson et al. 2022)."
            }
            Self::Brackets => {
                "At a closing bracket, know which kind was opened last and not yet closed: attention that \
                 counts depth, which takes positions and at least two layers (Yao et al. 2021)."
            }
            Self::Agreement => {
                "After the colon, recall the capital that the line began with: one layer of attention \
                 that reaches as far back as the line is long (Linzen et al. 2016)."
            }
            Self::Addition => {
                "After the equals sign, add: attention by position fetches two digits and the carry, and an \
                 MLP adds them (Nanda et al. 2023; Quirke & Barez 2024)."
            }
            Self::InContext => {
                "Wherever this letter was read before in the line, count what followed it: statistical \
                 induction, attention in two layers (Akyürek et al. 2024; Edelman et al. 2024)."
            }
        }
    }

    fn generator(self) -> &'static dyn TextGenerator {
        match self {
            Self::Copy => &CopyTask::USUAL,
            Self::Brackets => &Brackets::USUAL,
            Self::Agreement => &Agreement::USUAL,
            Self::Addition => &Addition::USUAL,
            Self::InContext => &InContext::USUAL,
        }
    }

    /// Returns document `index` of `seed`, without a line break.
    pub fn document(self, seed: u64, index: u32) -> String {
        let mut draws = Stream::new(seed, self.name(), index).cursor();
        self.generator().draw(&mut draws)
    }

    /// Returns the first documents of `seed`, each followed by a line break, until the text has at
    /// least `min_chars` characters.
    pub fn text(self, seed: u64, min_chars: usize) -> String {
        let mut text = String::with_capacity(min_chars);
        for index in 0..=u32::MAX {
            // Every character is one byte.
            if text.len() >= min_chars {
                break;
            }
            text.push_str(&self.document(seed, index));
            text.push('\n');
        }
        text
    }

    /// Returns the ideal predictor's results on each character of `document` and on the BOS after
    /// it; `None` if `document` is not of this kind.
    pub fn ideal(self, document: &str) -> Option<Vec<Predicted>> {
        self.generator().ideal(document)
    }

    /// Returns which tokens of `document`, and of the BOS after it, require the skill; `None` if
    /// `document` is not of this kind.
    pub fn skill(self, document: &str) -> Option<Vec<bool>> {
        let ideal = self.ideal(document)?;
        Some(ideal.into_iter().map(|token| token.skill).collect())
    }

    /// Returns the ideal predictor's expected losses. They are sums over the generator, except for
    /// `in-context`, whose losses were measured and have an error.
    pub fn ideal_loss(self) -> IdealLoss {
        self.generator().ideal_loss()
    }

    /// Returns the ideal predictor's mean losses per document on the documents that the lines of
    /// `text` contain; `None` if there are none, or if one of them is not of this kind.
    pub fn ideal_loss_on(self, text: &str) -> Option<IdealLoss> {
        let ideals: Vec<Vec<Predicted>> = documents(text, &Documents::Lines)
            .map(|document| self.ideal(document))
            .collect::<Option<_>>()?;
        let (mut ideal, share) = (IdealLoss::NOTHING, 1.0 / ideals.len() as f64);
        for token in ideals.iter().flatten() {
            ideal.add(share, *token);
        }
        (!ideals.is_empty()).then_some(ideal)
    }
}

/// Makes the prediction of a token with a loss of `nats`, for which the skill does not help.
fn plain(nats: f64) -> Predicted {
    Predicted { nats, skill: false }
}

/// Makes the prediction of a token with a loss of `nats` that requires the skill.
fn skilled(nats: f64) -> Predicted {
    Predicted { nats, skill: true }
}

/// Returns the letter `n` places after `first`.
fn letter(first: u8, n: usize) -> char {
    char::from(first + n as u8)
}
