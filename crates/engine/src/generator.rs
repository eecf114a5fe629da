//! Continuing texts token by token: the contract of every generator, and a generator that works
//! with any engine.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use gptlab_model::{Batch, Graph, random::Stream};

use crate::{Engine, sample::Sampling};

/// Continues token sequences with a model's weights.
///
/// A text does not depend on the other texts: each has the bits that it would have if it were
/// generated alone.
pub trait Generator: fmt::Debug + Send + Sync {
    /// Returns the number of threads in use: fewer than requested if the system starts no more. No
    /// text depends on it.
    fn threads(&self) -> usize {
        1
    }

    /// Generates all texts to their ends, and starts them in order. Several threads may call
    /// requests at once.
    ///
    /// # Errors
    /// Returns an error when a prompt is empty or holds a token outside the vocabulary; then
    /// nothing is generated. Returns an error when the device stops computing; then the texts end
    /// where they are, and no request is shown numbers that were not computed.
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError>;

    /// Generates one text to its end. Only this thread calls the request.
    ///
    /// # Errors
    /// Returns the errors of [`Generator::generate_all`].
    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), GenerationError>;
}

/// Calls [`Generator::generate_all`] with requests of one type.
///
/// # Errors
/// Returns the errors of [`Generator::generate_all`].
pub fn generate_each<R: GenerationRequest + Send>(
    generator: &dyn Generator,
    requests: &mut [R],
) -> Result<(), GenerationError> {
    let each = requests.iter_mut();
    let mut each: Vec<_> = each
        .map(|r| r as &mut (dyn GenerationRequest + Send))
        .collect();
    generator.generate_all(&mut each)
}

/// A text to generate: its prompt, and the choice of each token and of the end.
pub trait GenerationRequest {
    /// Returns the tokens with which the text begins.
    fn prompt(&self) -> &[u32];

    /// Chooses the next token, by the logits `[vocab_size]` after all tokens so far; `None` ends
    /// the text. The token must be in the vocabulary.
    fn next(&mut self, logits: &[f32]) -> Option<u32>;

    /// Returns the rule by which [`GenerationRequest::next`] chooses, if it is one that a device
    /// knows. A generator may then choose the tokens where the logits are, and pass each to
    /// [`GenerationRequest::take`] instead of calling `next`. Its tokens can differ from those of
    /// `next` where a draw falls on the border of two tokens.
    fn rule(&self) -> Option<DrawRule> {
        None
    }

    /// Takes the next token, which the generator has chosen by [`GenerationRequest::rule`], or
    /// `None` where no logit was a finite number. Returns false at the end of the text, and
    /// whenever there is no rule.
    fn take(&mut self, token: Option<u32>) -> bool {
        let _ = token;
        false
    }
}

/// A rule by which a generator chooses the tokens of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DrawRule {
    pub sampling: Sampling,
    /// The draws: that of the `n`th generated token, from 0, is [`Stream::uniform_at`] `n`.
    pub draws: Stream,
    /// The most tokens that the text can take. [`GenerationRequest::take`] may end it before.
    pub most: usize,
}

impl<R: GenerationRequest + ?Sized> GenerationRequest for &mut R {
    fn prompt(&self) -> &[u32] {
        (**self).prompt()
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        (**self).next(logits)
    }

    fn rule(&self) -> Option<DrawRule> {
        (**self).rule()
    }

    fn take(&mut self, token: Option<u32>) -> bool {
        (**self).take(token)
    }
}

/// The reason why a prompt cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptError {
    Empty,
    /// A token is not in the vocabulary: (token, vocabulary size).
    Unknown(u32, usize),
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a prompt needs at least one token to continue from"),
            Self::Unknown(token, vocab) => {
                write!(f, "token {token} is not in the vocabulary of {vocab}")
            }
        }
    }
}

impl std::error::Error for PromptError {}

impl PromptError {
    /// Refuses a `prompt` that a model with `vocab_size` tokens cannot continue.
    ///
    /// # Errors
    /// Returns an error when the prompt is empty or holds a token outside the vocabulary.
    pub fn check(prompt: &[u32], vocab_size: usize) -> Result<(), Self> {
        if prompt.is_empty() {
            return Err(Self::Empty);
        }
        match prompt.iter().find(|token| **token as usize >= vocab_size) {
            Some(token) => Err(Self::Unknown(*token, vocab_size)),
            None => Ok(()),
        }
    }
}

/// The reason why texts were not generated to their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenerationError {
    /// A prompt cannot be continued.
    Prompt(PromptError),
    /// The device has stopped computing, for the reason that the sentence gives
    /// ([`Engine::failure`]).
    Device(String),
}

impl fmt::Display for GenerationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt(e) => e.fmt(f),
            Self::Device(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for GenerationError {}

impl From<PromptError> for GenerationError {
    fn from(error: PromptError) -> Self {
        Self::Prompt(error)
    }
}

/// A generator on top of any engine: it runs the last `block_size` tokens again for every token,
/// and caches nothing. Engines without a decoder generate with it, and it is the witness of those
/// that have one.
#[derive(Debug)]
pub struct UncachedGenerator {
    engine: Mutex<Box<dyn Engine>>,
}

impl UncachedGenerator {
    /// Makes a generator that runs `engine`.
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            engine: Mutex::new(engine),
        }
    }
}

impl Generator for UncachedGenerator {
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError> {
        let vocab_size = {
            let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            engine.graph().vocab_size()
        };
        for request in requests.iter() {
            PromptError::check(request.prompt(), vocab_size)?;
        }
        requests
            .iter_mut()
            .try_for_each(|request| self.generate_one(*request))
    }

    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), GenerationError> {
        // A panic cannot have changed an engine that only evaluates.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        PromptError::check(request.prompt(), engine.graph().vocab_size())?;
        let mut tokens = request.prompt().to_vec();
        while let Some(logits) = last_logits(&mut **engine, &tokens) {
            if let Some(reason) = engine.failure() {
                return Err(GenerationError::Device(reason));
            }
            let Some(token) = request.next(&logits) else {
                break;
            };
            tokens.push(token);
        }
        Ok(())
    }
}

/// Returns the logits `[vocab_size]` after the last `block_size` of `tokens`; `None` if one of them
/// is not in the vocabulary.
fn last_logits(engine: &mut dyn Engine, tokens: &[u32]) -> Option<Vec<f32>> {
    let graph: &Graph = engine.graph();
    let (id, width) = (graph.logits(), graph.vocab_size());
    let window = &tokens[tokens.len().saturating_sub(graph.block_size())..];
    // A batch needs targets, but the losses are not used.
    let batch = Batch::of_graph(graph, [(window, window)]).ok()?;
    let mut logits = Vec::new();
    engine.losses_with(&batch, &mut |node, _, value| {
        if node == id {
            logits = value[value.len() - width..].to_vec();
        }
    });
    Some(logits)
}
