//! Texts that need one skill each, and whose best possible loss is known.
//!
//! A document is a line of its own, drawn from a small generator: document `i` of a seed is a pure
//! function of (seed, i), and documents are independent. Cut into lines, a batch begins where a
//! document begins, so that the floors here are those of a model that sees the whole document up to
//! the token it predicts.
//!
//! A predictor that knows the generator, and nothing of this document but what it has read, is
//! called *ideal*. Its losses are computed, not estimated: [`Diagnostic::ideal`] gives them token
//! by token for any document, [`Diagnostic::floor`] in expectation. On enough documents no model
//! stays below either.

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

/// Which skill a text needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// `qmdkzvbe|qmdkzvbe`: what followed this letter the last time it was read?
    Copy,
    /// `([]{<>})[]`: which bracket is still open?
    Brackets,
    /// `Cvxsttzw:c`: what was said at the beginning?
    Agreement,
    /// `321+949=270`: two numbers and their sum, least digit first.
    Addition,
    /// `cacahbhbca…`: which letters follow which in this document?
    InContext,
}

/// How the ideal predictor does on one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predicted {
    /// Its loss.
    pub nats: f64,
    /// Whether the token is predicted well only with the skill.
    pub skill: bool,
}

/// What the ideal predictor loses, in expectation over documents. A document's tokens are its
/// characters and the BOS after them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdealLoss {
    pub nats_per_document: f64,
    pub tokens_per_document: f64,
    /// On the tokens that need the skill.
    pub skill_nats_per_document: f64,
    pub skill_tokens_per_document: f64,
    /// The standard error of `nats_per_document`: 0 where it is a sum and not a measurement.
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

    /// A token that a document has with probability `p`.
    fn add(&mut self, p: f64, token: Predicted) {
        let skill = if token.skill { p } else { 0.0 };
        self.nats_per_document += p * token.nats;
        self.tokens_per_document += p;
        self.skill_nats_per_document += skill * token.nats;
        self.skill_tokens_per_document += skill;
    }

    /// The least mean loss of a model in the long run.
    pub fn nats_per_token(&self) -> f64 {
        self.nats_per_document / self.tokens_per_document
    }

    /// The same over the tokens that need the skill.
    pub fn skill_nats_per_token(&self) -> f64 {
        self.skill_nats_per_document / self.skill_tokens_per_document
    }
}

/// What every kind of text can do.
trait TextGenerator {
    /// A document, by draws of `cursor`.
    fn draw(&self, cursor: &mut Cursor) -> String;
    /// One a character and one for the BOS; `None` for what the generator does not make.
    fn ideal(&self, document: &str) -> Option<Vec<Predicted>>;
    fn floor(&self) -> IdealLoss;
}

choices! { Diagnostic, "diagnostic text":
    Copy = "copy", "a string of random letters, a bar, and the string again";
    Brackets = "brackets", "balanced brackets of four kinds, at most six deep";
    Agreement = "agreement", "a capital, up to 56 other letters, and the capital's small letter";
    Addition = "addition", "sums of three-digit numbers, modulo 1000, least digit first";
    InContext = "in-context", "letters from a table of bigrams that every document draws anew";
}

impl Diagnostic {
    /// The skill, which tokens need it, and which part of a transformer should be needed for it;
    /// with the papers that say so.
    pub fn skill_needed(self) -> &'static str {
        match self {
            Self::Copy => {
                "After the bar, find these letters further up and say what followed them: an induction head, \
                 which takes attention in two layers (Elhage et al. 2021; Olsson et al. 2022)."
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

    /// Document `index` of `seed`, without a line break.
    pub fn document(self, seed: u64, index: u32) -> String {
        let mut draws = Stream::new(seed, self.name(), index).cursor();
        self.generator().draw(&mut draws)
    }

    /// The first documents of `seed`, whole, each with a line break after it, up to the one that
    /// reaches `min_chars` characters.
    pub fn text(self, seed: u64, min_chars: usize) -> String {
        let mut text = String::with_capacity(min_chars);
        for index in 0..=u32::MAX {
            // Every character here is one byte.
            if text.len() >= min_chars {
                break;
            }
            text.push_str(&self.document(seed, index));
            text.push('\n');
        }
        text
    }

    /// The ideal predictor on `document`, character by character and at last on the BOS after it.
    /// `None` where no document is like that.
    pub fn ideal(self, document: &str) -> Option<Vec<Predicted>> {
        self.generator().ideal(document)
    }

    /// Which predicted tokens of `document`, and of the BOS after it, need the skill; as
    /// [`Diagnostic::ideal`].
    pub fn skill(self, document: &str) -> Option<Vec<bool>> {
        let ideal = self.ideal(document)?;
        Some(ideal.into_iter().map(|token| token.skill).collect())
    }

    /// The ideal predictor's losses in expectation: sums over the generator, but for `in-context`,
    /// whose were measured and carry their error.
    pub fn floor(self) -> IdealLoss {
        self.generator().floor()
    }

    /// The ideal predictor's losses on the documents that the lines of `text` are: means, a
    /// document. `None` where there are none, or one of them is not of this kind.
    pub fn floor_on(self, text: &str) -> Option<IdealLoss> {
        let ideals: Vec<Vec<Predicted>> = documents(text, &Documents::Lines)
            .map(|document| self.ideal(document))
            .collect::<Option<_>>()?;
        let (mut floor, share) = (IdealLoss::NOTHING, 1.0 / ideals.len() as f64);
        for token in ideals.iter().flatten() {
            floor.add(share, *token);
        }
        (!ideals.is_empty()).then_some(floor)
    }
}

/// A token that is `nats` of news, for whose prediction the skill is no help.
fn plain(nats: f64) -> Predicted {
    Predicted { nats, skill: false }
}

/// A token that the skill predicts, at a loss of `nats`.
fn skilled(nats: f64) -> Predicted {
    Predicted { nats, skill: true }
}

/// The letter that stands `n` places after `first`.
fn letter(first: u8, n: usize) -> char {
    char::from(first + n as u8)
}
