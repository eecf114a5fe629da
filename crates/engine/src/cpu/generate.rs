//! Decoding: one token after another, with a cache of keys and values while the context allows; one text, or
//! many at once.
//!
//! Past the context the last `block_size` tokens are run anew for every token, as the seed does: their
//! positions have moved, so nothing that was cached holds. A model that is not causal has no cache.
//!
//! A row's numbers do not depend on the rows beside it: every kernel here treats rows one by one, or, where
//! they share a matrix, keeps the order of each row's sums. So a text is the same to the bit whether it is
//! written alone or among others, and for any number of threads.

mod decoder;
mod layout;
mod many;
mod matrices;
mod rows;

use std::fmt;

use gptlab_model::Graph;

use self::{
    decoder::{Decoder, Stream},
    rows::Work,
};
use super::{Isa, Options, crew::Crew};
use crate::{
    ImportError,
    sample::{Ranking, Sampling},
};

pub use many::Writer;

/// Continues token sequences with a model's weights.
#[derive(Debug)]
pub struct Generator {
    decoder: Decoder,
    stream: Stream,
    work: Work,
    ranking: Ranking,
    /// How many threads write many texts, or read a large model.
    threads: usize,
    crew: Crew,
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

impl Generator {
    /// A generator on one thread for `graph` with `weights` in table order.
    ///
    /// # Errors
    /// When the number of weights is not the graph's.
    pub fn new(graph: Graph, weights: &[f32]) -> Result<Self, ImportError> {
        Self::with_options(graph, weights, Options::of_threads(1))
    }

    /// The same with the instructions of `isa`.
    ///
    /// # Errors
    /// As [`Generator::new`].
    pub fn with_isa(graph: Graph, weights: &[f32], isa: Isa) -> Result<Self, ImportError> {
        let options = Options::of_threads(1);
        Self::with_options(graph, weights, Options { isa, ..options })
    }

    /// The same with the threads and instructions of `options`. One text uses threads only where a model is so
    /// large that reading it takes longer than agreeing on who reads what.
    ///
    /// # Errors
    /// As [`Generator::new`], or when threads cannot be started.
    pub fn with_options(
        graph: Graph,
        weights: &[f32],
        options: Options,
    ) -> Result<Self, ImportError> {
        let crew = Crew::new(options.threads)?;
        let decoder = Decoder::new(graph, weights, options)?;
        Ok(Self {
            stream: decoder.stream(),
            work: Work::default(),
            ranking: Ranking::default(),
            threads: options.threads.max(1),
            crew,
            decoder,
        })
    }

    /// Starts anew from `prompt`.
    ///
    /// # Errors
    /// When the prompt is empty or holds a token the vocabulary does not.
    pub fn begin(&mut self, prompt: &[u32]) -> Result<(), PromptError> {
        self.decoder.check(prompt)?;
        self.stream.begin(prompt);
        Ok(())
    }

    /// Chooses the next token by `uniform`, a draw from [0, 1), and appends it. `None` where nothing was
    /// begun, or where the model has diverged and its logits are no numbers.
    pub fn next_token(&mut self, sampling: &Sampling, uniform: f64) -> Option<u32> {
        self.run();
        let logits = self.stream.logits();
        let token = sampling.choose(&mut self.ranking, logits, uniform)?;
        self.stream.push(token);
        Some(token)
    }

    /// The logits after all tokens so far, `[vocab_size]`; nothing before [`Generator::begin`].
    pub fn logits(&mut self) -> &[f32] {
        self.run();
        self.stream.logits()
    }

    /// Brings the logits up to date with the context.
    fn run(&mut self) {
        let (decoder, work) = (&self.decoder, &mut self.work);
        let streams = &mut [&mut self.stream];
        match self.crew.pool() {
            Some(pool) if decoder.is_large() => {
                work.threads = self.threads;
                pool.install(|| decoder.next(work, streams));
            }
            Some(_) | None => decoder.next(work, streams),
        }
    }
}
