//! A model to probe, and the text that is run through it.

use std::fmt;

use gptlab_data::{CorpusError, DecodeError, Tokenizer, UnknownCharacters};
use gptlab_engine::{Device, Engine, ImportError, Trace, untouched};
use gptlab_model::{Batch, BatchError, Model};
use gptlab_report::probe::Guess;
use gptlab_train::TrainedModel;

use super::{anatomy::Anatomy, formulas::log_softmax};

/// A model, its tokenizer, an engine that runs it, and the locations of its parts.
///
/// ```
/// use gptlab_data::Tokenizer;
/// use gptlab_recipe::TokenizerKind;
/// use gptlab_engine::Device;
/// use gptlab_lab::probe::Subject;
/// use gptlab_model::{Preset, lower};
/// use gptlab_train::TrainedModel;
///
/// let tokenizer = Tokenizer::fit(TokenizerKind::Chars, "the cat sat").ok_or("no characters")?;
/// let model = Preset::Microgpt.spec().check(tokenizer.vocab_size())?;
/// let weights = lower(&model).params().initial(1);
/// let device = Device::cpu(1);
/// let mut subject = Subject::new(&TrainedModel::new(model, tokenizer, weights)?, &device)?;
///
/// let prompt = subject.prompt("prompt", "the cat")?;
/// let trace = subject.trace(&prompt);
/// let heads = subject.attention(&prompt, &trace);
/// // From the first token, a causal head attends to nothing but the first token.
/// assert!(heads.iter().all(|head| head.weights[0][0] == 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Subject {
    pub(super) model: Model,
    pub(super) tokenizer: Tokenizer,
    pub(super) engine: Box<dyn Engine>,
    pub(super) anatomy: Anatomy,
}

/// The reason that a probe cannot run.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeError {
    Unknown(UnknownCharacters),
    Batch(BatchError),
    Engine(ImportError),
    Corpus(CorpusError),
    Decode(DecodeError),
    /// There is neither a prompt nor a text from which to take one.
    NoPrompt,
    /// Patching lacks a corrupted prompt.
    NoCorruption,
    /// The search for copies lacks the text that the model was trained on.
    NoTrainText,
    /// The text has too many tokens: (its name, its length, the largest length).
    TooLong(&'static str, usize, usize),
    /// The text has fewer than the two tokens that a prediction requires.
    TooShort(&'static str),
    /// The clean and corrupted prompts have different lengths, in tokens.
    Unequal(usize, usize),
    /// The answers are not two distinct tokens.
    Answers(String),
    /// Clean and corrupted prompts between which the answers' logits differ by no more than
    /// rounding: the first answer's logit less the second's, after each.
    NoDifference {
        clean: f64,
        corrupted: f64,
    },
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            Self::Engine(e) => e.fmt(f),
            Self::Corpus(e) => e.fmt(f),
            Self::Decode(e) => e.fmt(f),
            Self::NoPrompt => write!(
                f,
                "a probe needs a prompt, or a text that one is taken from; give either"
            ),
            Self::NoCorruption => write!(
                f,
                "patching needs a corrupted prompt and the answers to both prompts; give them"
            ),
            Self::NoTrainText => write!(
                f,
                "a search for copies needs the text that the model was trained on; give it"
            ),
            Self::TooLong(what, found, most) => write!(
                f,
                "the {what} has {found} tokens and the model's context holds {most}; shorten it"
            ),
            Self::TooShort(what) => {
                write!(
                    f,
                    "the {what} needs at least 2 tokens, one to predict from the other"
                )
            }
            Self::Unequal(clean, corrupt) => write!(
                f,
                "the prompt has {clean} tokens and the corrupted one {corrupt}; patching puts one's \
                 activations into the other, position by position, and needs as many of both"
            ),
            Self::Answers(found) => write!(
                f,
                "answers are two different tokens, the one that the prompt should bring and the one \
                 that the corrupted prompt should; found {found:?}"
            ),
            Self::NoDifference { clean, corrupted } if clean == corrupted => write!(
                f,
                "the model prefers the first answer to the second exactly as much after both prompts; \
                 there is no difference to recover"
            ),
            Self::NoDifference { clean, corrupted } => write!(
                f,
                "the model prefers the first answer to the second by {clean:.6} after the clean prompt and by \
                 {corrupted:.6} after the corrupted one; the {:.1e} between them is rounding, and no share of it \
                 would mean anything; use prompts or answers that the model tells apart",
                (clean - corrupted).abs()
            ),
        }
    }
}

impl std::error::Error for ProbeError {}

impl From<BatchError> for ProbeError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

/// Tokens that are run through the model as one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub tokens: Vec<u32>,
    /// A batch in which each token's target is the next one. The last token is its own target,
    /// because it has no next one.
    pub(super) batch: Batch,
}

impl Subject {
    /// Makes a subject that runs on `device`.
    ///
    /// # Errors
    /// Returns an error if memory cannot be allocated.
    pub fn new(trained: &TrainedModel, device: &Device) -> Result<Self, ProbeError> {
        let model = trained.model();
        Ok(Self {
            anatomy: Anatomy::of(trained.graph(), model.spec().layers.len()),
            engine: trained.engine(device).map_err(ProbeError::Engine)?,
            model: model.clone(),
            tokenizer: trained.tokenizer().clone(),
        })
    }

    /// Returns the locations of the model's parts.
    pub fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// Returns the model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the length of the longest sequence that the model accepts, in tokens.
    pub fn block_size(&self) -> usize {
        self.engine.graph().block_size()
    }

    /// Tokenizes `text`, and prepends the token that starts documents if there is one. `what` names
    /// the prompt in errors.
    ///
    /// # Errors
    /// Returns an error if a character is unknown, or if there are more tokens than the context
    /// holds.
    pub fn prompt(&self, what: &'static str, text: &str) -> Result<Prompt, ProbeError> {
        let tokens = self.tokenizer.prompt(text).map_err(ProbeError::Unknown)?;
        self.prompt_of(what, tokens)
    }

    /// Makes a prompt of `tokens` without a change. `what` names the prompt in errors.
    ///
    /// # Errors
    /// Returns an error if there are no tokens, if there are more than the context holds, or if one
    /// is not in the vocabulary.
    pub fn prompt_of(&self, what: &'static str, tokens: Vec<u32>) -> Result<Prompt, ProbeError> {
        let most = self.block_size();
        if tokens.is_empty() {
            return Err(ProbeError::Batch(BatchError::Empty));
        }
        if tokens.len() > most {
            return Err(ProbeError::TooLong(what, tokens.len(), most));
        }
        let mut targets = tokens.clone();
        targets.rotate_left(1);
        targets[tokens.len() - 1] = tokens[tokens.len() - 1];
        let batch = Batch::new(&self.model, [(&tokens[..], &targets[..])])?;
        Ok(Prompt { tokens, batch })
    }

    /// Makes a batch from the start of `tokens` with at most `most` predictions, in consecutive
    /// windows of the context's length. As in training, a document is predicted without those
    /// before it: a window begins at each [`Tokenizer::bos`].
    ///
    /// # Errors
    /// Returns an error if there is nothing to predict.
    pub fn windows(&self, tokens: &[u32], most: usize) -> Result<Batch, ProbeError> {
        let n = tokens.len().saturating_sub(1).min(most);
        if n == 0 {
            return Err(ProbeError::TooShort("text"));
        }
        let (inputs, targets) = (&tokens[..n], &tokens[1..=n]);
        let size = self.block_size();
        let bos = self.tokenizer.bos();
        let begins = |at: &usize| *at == 0 || Some(inputs[*at]) == bos;
        let starts: Vec<usize> = (0..n).filter(begins).collect();
        let ends = starts.iter().skip(1).copied().chain([n]);
        let documents = starts.iter().zip(ends);
        let windows = documents.flat_map(|(start, end)| {
            let (inputs, targets) = (&inputs[*start..end], &targets[*start..end]);
            inputs.chunks(size).zip(targets.chunks(size))
        });
        Ok(Batch::new(&self.model, windows)?)
    }

    /// Returns the values of all nodes on `prompt`.
    pub fn trace(&mut self, prompt: &Prompt) -> Trace {
        self.trace_batch(&prompt.batch)
    }

    /// Returns the values of all nodes on `batch`.
    pub fn trace_batch(&mut self, batch: &Batch) -> Trace {
        self.engine.trace(batch, &mut untouched)
    }

    /// Returns the label of `token` in tables: [`Tokenizer::label`].
    pub fn label(&self, token: u32) -> String {
        self.tokenizer.label(token)
    }

    /// Returns the labels of `tokens` in tables.
    pub fn labels(&self, tokens: &[u32]) -> Vec<String> {
        tokens.iter().map(|t| self.label(*t)).collect()
    }

    /// Returns the `k` likeliest tokens under one row of logits, likeliest first. Of equally likely
    /// tokens, the lower id comes first.
    pub(super) fn guesses(&self, logits: &[f32], k: usize) -> Vec<Guess> {
        let log_p = log_softmax(logits);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        let guess = |i: &usize| Guess {
            token: self.label(*i as u32),
            probability: log_p[*i].exp(),
        };
        order.iter().take(k).map(guess).collect()
    }
}
