//! The baselines of a text: losses of predictors that are not models, such as n-grams, which give a
//! model's loss its meaning. `baselines --json` prints them.

use std::{fmt, ops::Range, sync::Arc};

use gptlab_data::{Batches, BatchesError, Builtin, Corpus, Diagnostic, Split, SplitName, Text};
use gptlab_record::SkillBaselines;
use serde::Serialize;

use crate::{
    ideal::{self, Ideal, UnknownIdeal},
    ngram::{self, NgramError, Ngrams},
    skill_flags,
};

/// The losses of simple predictors on the validation part of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselinesReport {
    /// The text's name.
    pub text: String,
    /// The tokenizer's name.
    pub tokenizer: String,
    /// The validation fraction: the last part of the text, which is predicted.
    pub fraction: f64,
    /// The vocabulary's size, in tokens.
    pub vocab_size: usize,
    /// The number of tokens of that part that are predicted.
    pub predictions: usize,
    /// The context that all predictors see, in tokens; `None` if they see all that stands before,
    /// or before in the document.
    pub block_size: Option<usize>,
    /// Uniform, the n-grams, the ideal predictor and the entropy, as far as they are known. JSON
    /// has kept the field's first name.
    #[serde(rename = "floors")]
    pub rows: Vec<BaselineRow>,
    /// The skill that the text requires; `None` if it is not a diagnostic text.
    pub skill: Option<SkillReport>,
    /// Why there is no row of the ideal predictor, if the text's making is known: a sentence.
    pub unknown: Option<String>,
}

/// The losses of one predictor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineRow {
    /// The predictor: `uniform`, `3-gram`, `ideal` or `entropy`.
    pub name: String,
    /// The mean loss, in nats per token.
    pub loss: f64,
    /// The mean loss, in bits per character.
    pub bits_per_char: f64,
    /// The perplexity, `exp(loss)`.
    pub perplexity: f64,
    /// The mean loss on the tokens that require the text's skill, in nats per token.
    pub skill_loss: Option<f64>,
}

/// The skill that a diagnostic text requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkillReport {
    /// A description of the skill.
    pub needs: &'static str,
    /// The number of predictions that require it.
    pub predictions: usize,
}

impl BaselinesReport {
    /// Measures the n-gram baselines of every order up to `orders`, fitted to the training part of
    /// `corpus`, on its validation part, which is the last `fraction` of `text`.
    ///
    /// # Errors
    /// Returns an error if there is no validation part, or if the n-grams cannot be counted.
    pub fn measure(
        text: &Text,
        corpus: &Arc<Corpus>,
        fraction: f64,
        orders: usize,
        block_size: Option<usize>,
    ) -> Result<Self, BaselinesError> {
        let split = corpus.validation().ok_or(NgramError::NoValidation)?;
        let tables = Ngrams::of(corpus, orders)?;
        let windows = windows(corpus, split, block_size)?;
        let skilled = text.recipe().and_then(|b| skilled(b, corpus, split));
        let ideal = ideal_on(text, corpus, &windows, block_size);
        let unknown = ideal.as_ref().and_then(|ideal| ideal.as_ref().err());
        let unknown = unknown.map(UnknownIdeal::to_string);
        let measured = Measured {
            text,
            split,
            tables: &tables,
            windows: &windows,
            skilled: skilled.as_ref(),
            ideal: ideal.and_then(Result::ok),
        };
        let tokenizer = corpus.tokenizer();
        let vocab_size = tokenizer.vocab_size();
        Ok(Self {
            text: text.origin().to_string(),
            tokenizer: tokenizer.tokenization().to_string(),
            fraction,
            vocab_size,
            predictions: split.predictions(),
            block_size,
            rows: measured.rows(vocab_size, block_size),
            skill: skilled.map(|s| SkillReport {
                needs: s.kind.skill_needed(),
                predictions: s.flags.iter().filter(|f| **f).count(),
            }),
            unknown,
        })
    }
}

/// Returns windows of `split`, the validation split of `corpus`, that predict every token once.
fn windows(
    corpus: &Arc<Corpus>,
    split: &Split,
    block_size: Option<usize>,
) -> Result<Vec<Range<usize>>, BaselinesError> {
    if let Some(block_size) = block_size {
        let batches = Batches::new(Arc::clone(corpus), block_size, 1, 0)?;
        return Ok(batches.windows(SplitName::Validation, usize::MAX));
    }
    let document = |ends: &[usize]| ends[0]..ends[1] + 1;
    Ok(match split.starts() {
        Some(starts) => starts.windows(2).map(document).collect(),
        None => std::iter::once(0..split.tokens().len()).collect(),
    })
}

/// Measures the ideal predictor on `windows`. A text of stories as one window is too long for it,
/// and has its entropy instead.
fn ideal_on(
    text: &Text,
    corpus: &Corpus,
    windows: &[Range<usize>],
    block_size: Option<usize>,
) -> Option<Result<Ideal, UnknownIdeal>> {
    let split = corpus.validation()?;
    let found = ideal::ideal(text, corpus, split, windows);
    let too_long = block_size.is_none() && found == Some(Err(UnknownIdeal::Long));
    found.filter(|_| !too_long)
}

/// A validation split of documents that need a skill.
struct Skilled {
    kind: Diagnostic,
    /// Whether each prediction requires the skill.
    flags: Vec<bool>,
}

/// Returns the skilled predictions of `split`; `None` if the text is not diagnostic or is not split
/// into documents.
fn skilled(builtin: Builtin, corpus: &Corpus, split: &Split) -> Option<Skilled> {
    let kind = builtin.diagnostic()?;
    let lines = skill_flags::lines(corpus, split)?;
    Some(Skilled {
        kind,
        flags: skill_flags::of_documents(kind, &lines)?,
    })
}

/// Returns what predictors without a model lose on the validation tokens that need the skill of a
/// diagnostic text, in the windows of `batches`; `None` for any other text. The n-grams have up to
/// `orders` tokens.
pub fn skill_baselines(text: &Text, batches: &Batches, orders: usize) -> Option<SkillBaselines> {
    let corpus = batches.corpus();
    let split = corpus.validation()?;
    let skilled = skilled(text.recipe()?, corpus, split)?;
    let tables = Ngrams::of(corpus, orders).ok()?;
    let tokens = split.tokens().to_vec();
    let windows = batches.windows(SplitName::Validation, usize::MAX);
    let losses = tables.means_in(&tokens, &windows, |i| skilled.flags[i]);
    let ngram = losses.into_iter().min_by(f64::total_cmp)?;
    let ideal = ideal::ideal(text, corpus, split, &windows)?.ok()?;
    let ideal = ideal.skill_nats_per_token()?;
    (ngram.is_finite() && ideal.is_finite()).then_some(SkillBaselines { ngram, ideal })
}

/// What the rows are made of.
struct Measured<'a> {
    text: &'a Text,
    split: &'a Split,
    tables: &'a Ngrams,
    windows: &'a [Range<usize>],
    skilled: Option<&'a Skilled>,
    ideal: Option<Ideal>,
}

impl Measured<'_> {
    fn rows(&self, vocab_size: usize, block_size: Option<usize>) -> Vec<BaselineRow> {
        let uniform = ngram::uniform(vocab_size);
        let mut rows = vec![self.row("uniform".into(), uniform, self.skilled.map(|_| uniform))];
        let tokens = self.split.tokens().to_vec();
        let on_skill = self
            .skilled
            .map(|s| self.tables.means_in(&tokens, self.windows, |i| s.flags[i]));
        let means = self.tables.means_in(&tokens, self.windows, |_| true);
        for (i, loss) in means.into_iter().enumerate() {
            let skill = on_skill.as_ref().and_then(|means| means.get(i).copied());
            rows.push(self.row(format!("{}-gram", i + 1), loss, skill));
        }
        if let Some(ideal) = self.ideal {
            let (loss, skill) = (ideal.nats_per_token(), ideal.skill_nats_per_token());
            rows.push(self.row("ideal".into(), loss, skill));
        }
        // The entropy is of whole documents, and says nothing of windows that may cut them.
        let whole = block_size.is_none() || self.ideal.is_some_and(|ideal| ideal.skilled > 0);
        rows.extend(self.entropy().filter(|_| whole));
        rows
    }

    fn entropy(&self) -> Option<BaselineRow> {
        let builtin = self.text.recipe()?;
        let loss = builtin.entropy()? * self.split.characters_per_token();
        let kind = self.skilled.and(builtin.diagnostic());
        let skill = kind.map(|kind| kind.ideal_loss().skill_nats_per_token());
        Some(self.row("entropy".into(), loss, skill))
    }

    fn row(&self, name: String, loss: f64, skill_loss: Option<f64>) -> BaselineRow {
        let characters = self.split.characters_per_token();
        BaselineRow {
            name,
            loss,
            bits_per_char: loss / std::f64::consts::LN_2 / characters,
            perplexity: loss.exp(),
            skill_loss,
        }
    }
}

/// Why nothing could be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselinesError {
    Ngrams(NgramError),
    Windows(BatchesError),
}

impl From<NgramError> for BaselinesError {
    fn from(error: NgramError) -> Self {
        Self::Ngrams(error)
    }
}

impl From<BatchesError> for BaselinesError {
    fn from(error: BatchesError) -> Self {
        Self::Windows(error)
    }
}

impl fmt::Display for BaselinesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ngrams(error) => error.fmt(f),
            Self::Windows(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BaselinesError {}
