//! Continuing texts token by token: the contract of every generator, and a generator that works
//! with any engine.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use gptlab_model::{Batch, Graph};

use crate::Engine;

/// Continues token sequences with a model's weights.
///
/// A text does not depend on the texts beside it: each comes out as if it were generated alone, to
/// the bit.
pub trait Generator: fmt::Debug + Send + Sync {
    /// How many threads it has: fewer than it was asked to use where the system gave no more. No
    /// text depends on it.
    fn threads(&self) -> usize {
        1
    }

    /// Generates all texts to their ends, the first ones first; requests may be called from
    /// several threads at once.
    ///
    /// # Errors
    /// When a prompt is empty or holds a token that the vocabulary does not; then nothing is
    /// generated.
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), PromptError>;

    /// Generates one text to its end. The request is called on this thread alone.
    ///
    /// # Errors
    /// As [`Generator::generate_all`].
    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), PromptError>;
}

/// [`Generator::generate_all`] of requests of one type.
///
/// # Errors
/// As [`Generator::generate_all`].
pub fn generate_each<R: GenerationRequest + Send>(
    generator: &dyn Generator,
    requests: &mut [R],
) -> Result<(), PromptError> {
    let each = requests.iter_mut();
    let mut each: Vec<_> = each
        .map(|r| r as &mut (dyn GenerationRequest + Send))
        .collect();
    generator.generate_all(&mut each)
}

/// One text that is to be generated: what it begins with, and who chooses each token and its end.
pub trait GenerationRequest {
    /// The tokens that the text begins with.
    fn prompt(&self) -> &[u32];

    /// The token that follows, by the logits `[vocab_size]` after all so far; `None` ends the text.
    /// The token is one of the vocabulary.
    fn next(&mut self, logits: &[f32]) -> Option<u32>;
}

impl<R: GenerationRequest + ?Sized> GenerationRequest for &mut R {
    fn prompt(&self) -> &[u32] {
        (**self).prompt()
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        (**self).next(logits)
    }
}

/// A prompt that cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptError {
    Empty,
    /// A token the vocabulary does not hold: (token, vocabulary size).
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
    /// Refuses a `prompt` that a model of this vocabulary cannot continue.
    pub(crate) fn check(prompt: &[u32], vocab_size: usize) -> Result<(), Self> {
        if prompt.is_empty() {
            return Err(Self::Empty);
        }
        match prompt.iter().find(|token| **token as usize >= vocab_size) {
            Some(token) => Err(Self::Unknown(*token, vocab_size)),
            None => Ok(()),
        }
    }
}

/// A generator that any engine makes possible: it runs the last `block_size` tokens anew for every
/// token, and caches nothing. What an engine without a decoder of its own generates with, and the
/// witness of those that have one.
#[derive(Debug)]
pub struct UncachedGenerator {
    engine: Mutex<Box<dyn Engine>>,
}

impl UncachedGenerator {
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
    ) -> Result<(), PromptError> {
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

    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), PromptError> {
        // A panic leaves an engine that has evaluated as it was.
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        PromptError::check(request.prompt(), engine.graph().vocab_size())?;
        let mut tokens = request.prompt().to_vec();
        while let Some(logits) = last_logits(&mut **engine, &tokens)
            && let Some(token) = request.next(&logits)
        {
            tokens.push(token);
        }
        Ok(())
    }
}

/// The logits `[vocab_size]` after the last `block_size` of `tokens`; `None` where one of them is
/// not in the vocabulary.
fn last_logits(engine: &mut dyn Engine, tokens: &[u32]) -> Option<Vec<f32>> {
    let graph: &Graph = engine.graph();
    let (id, width) = (graph.logits(), graph.vocab_size());
    let window = &tokens[tokens.len().saturating_sub(graph.block_size())..];
    // A batch has targets; nobody asks for the losses.
    let batch = Batch::of_graph(graph, [(window, window)]).ok()?;
    let mut logits = Vec::new();
    engine.losses_with(&batch, &mut |node, _, value| {
        if node == id {
            logits = value[value.len() - width..].to_vec();
        }
    });
    Some(logits)
}
