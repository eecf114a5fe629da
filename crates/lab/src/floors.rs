//! Losses of simple predictors on a text, which give a model's loss its meaning. `floors --json`
//! prints them.

use gptlab_data::{Builtin, Corpus, Diagnostic, Split, Text, diagnostic::IdealLoss};
use serde::Serialize;

use crate::{
    ngram::{self, NgramError, Ngrams},
    skill_flags,
};

/// The losses of simple predictors on the validation part of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloorsReport {
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
    /// The losses of the uniform distribution, the n-grams, the ideal predictor, and the entropy.
    /// The last two are present only where they are known.
    pub floors: Vec<FloorRow>,
    /// The skill that the text requires; `None` if it is not a diagnostic text.
    pub skill: Option<SkillReport>,
}

/// The losses of one predictor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloorRow {
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

impl FloorsReport {
    /// Measures n-gram tables of every order up to `orders`, fitted to the training part of
    /// `corpus`, on its validation part, which is the last `fraction` of `text`.
    ///
    /// # Errors
    /// Returns an error if there is no validation part, or if the n-grams cannot be counted.
    pub fn measure(
        text: &Text,
        corpus: &Corpus,
        fraction: f64,
        orders: usize,
    ) -> Result<Self, NgramError> {
        let split = corpus.validation().ok_or(NgramError::NoValidation)?;
        let tables = Ngrams::of(corpus, orders)?;
        let skilled = text.recipe().and_then(|b| skilled(b, corpus, split));
        let tokenizer = corpus.tokenizer();
        let vocab_size = tokenizer.vocab_size();
        Ok(Self {
            text: text.origin().to_string(),
            tokenizer: tokenizer.tokenization().to_string(),
            fraction,
            vocab_size,
            predictions: split.predictions(),
            floors: floors(text, split, &tables, skilled.as_ref(), vocab_size),
            skill: skilled.map(|s| SkillReport {
                needs: s.kind.skill_needed(),
                predictions: s.flags.iter().filter(|f| **f).count(),
            }),
        })
    }
}

/// A validation split of documents that require a skill.
struct Skilled {
    kind: Diagnostic,
    /// Whether each prediction requires the skill.
    flags: Vec<bool>,
    /// The ideal predictor's loss on these documents.
    ideal: IdealLoss,
}

/// Returns the skilled predictions of `split`; `None` if the text is not diagnostic or is not split
/// into documents.
fn skilled(builtin: Builtin, corpus: &Corpus, split: &Split) -> Option<Skilled> {
    let kind = builtin.diagnostic()?;
    let lines = skill_flags::lines(corpus, split)?;
    Some(Skilled {
        kind,
        flags: skill_flags::of_documents(kind, &lines)?,
        ideal: kind.floor_on(&lines)?,
    })
}

fn floors(
    text: &Text,
    split: &Split,
    tables: &Ngrams,
    skilled: Option<&Skilled>,
    vocab_size: usize,
) -> Vec<FloorRow> {
    let row = |name: String, loss: f64, skill_loss| FloorRow {
        name,
        loss,
        bits_per_char: loss / std::f64::consts::LN_2 / split.characters_per_token(),
        perplexity: loss.exp(),
        skill_loss,
    };
    let tokens = split.tokens().to_vec();
    let uniform = ngram::uniform(vocab_size);
    let mut rows = vec![row("uniform".into(), uniform, skilled.map(|_| uniform))];
    let on_skill = skilled.map(|s| tables.means_where(&tokens, |i| s.flags[i]));
    for (i, loss) in tables.means(&tokens).into_iter().enumerate() {
        let skill = on_skill.as_ref().and_then(|means| means.get(i).copied());
        rows.push(row(format!("{}-gram", i + 1), loss, skill));
    }
    if let Some(Skilled { ideal, .. }) = skilled {
        let skill = Some(ideal.skill_nats_per_token());
        rows.push(row("ideal".into(), ideal.nats_per_token(), skill));
    }
    if let Some(builtin) = text.recipe()
        && let Some(entropy) = builtin.entropy()
    {
        let floor = skilled.and(builtin.diagnostic()).map(Diagnostic::floor);
        let skill = floor.map(|f| f.skill_nats_per_token());
        let loss = entropy * split.characters_per_token();
        rows.push(row("entropy".into(), loss, skill));
    }
    rows
}
