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
mod exchange;
mod layout;
mod many;
mod matrices;
mod memory;
mod pace;
mod rows;
mod shares;
mod team;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use gptlab_model::Graph;

use self::{
    decoder::{Decoder, Stream, is_large},
    layout::Layout,
    matrices::Weights,
    rows::Work,
    shares::Shares,
    team::Team,
};
use super::{Isa, Options, crew::Crew, program::Program};
use crate::{
    ImportError,
    sample::{Ranking, Sampling},
};

pub(super) use decoder::most_words;
pub use many::Writer;
pub(super) use many::texts_at_once;

/// Continues token sequences with a model's weights.
#[derive(Debug)]
pub struct Generator {
    hands: Hands,
    stream: Stream,
    work: Work,
    ranking: Ranking,
}

/// A model made ready to decode, and the threads that do it.
#[derive(Debug)]
struct Hands {
    decoder: Arc<Decoder>,
    /// How many threads write many texts, or read a large model.
    threads: usize,
    crew: Crew,
    /// How threads share one text; `None` where one is as fast.
    shares: Option<Arc<Shares>>,
    /// Those who do: started with the first token, for one text at a time.
    team: Mutex<Helpers>,
}

/// Threads that help with one text.
#[derive(Debug, Default)]
enum Helpers {
    #[default]
    NotStarted,
    Started(Team),
    /// The system gave none: it is not asked again for every token.
    Refused,
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

    /// The same with the threads and instructions of `options`. One text is shared between
    /// threads where its products are so large that reading them takes longer than agreeing on who reads what.
    ///
    /// # Errors
    /// As [`Generator::new`], or when the system gives no memory.
    pub fn with_options(
        graph: Graph,
        weights: &[f32],
        options: Options,
    ) -> Result<Self, ImportError> {
        let crew = Crew::new(options.threads);
        let shares = Shares::new(&graph, options.isa, crew.threads());
        let decoder = Decoder::new(graph, weights, options)?;
        let hands = Hands {
            // The products of a large model are cut one by one: no cache holds a thread's share of all of them.
            shares: shares.filter(|_| !decoder.is_large()).map(Arc::new),
            decoder: Arc::new(decoder),
            threads: crew.threads(),
            crew,
            team: Mutex::default(),
        };
        Ok(Self {
            stream: hands.stream(),
            work: Work::default(),
            ranking: Ranking::default(),
            hands,
        })
    }

    /// How many threads it has: fewer than it was asked to use where the system gave no more. No
    /// text shows it.
    pub fn threads(&self) -> usize {
        self.hands.threads
    }

    /// Starts anew from `prompt`.
    ///
    /// # Errors
    /// When the prompt is empty or holds a token the vocabulary does not.
    pub fn begin(&mut self, prompt: &[u32]) -> Result<(), PromptError> {
        self.hands.decoder.check(prompt)?;
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
        self.hands.next(&mut self.work, &mut self.stream);
    }
}

/// How many weights of a model are packed to decode, in words, and how many stay as they are.
pub(super) fn weight_sizes(program: &Program) -> [usize; 2] {
    Weights::sizes(program)
}

/// The numbers of a row where threads write texts of their own, and those of all threads that share
/// the only one.
pub(super) fn decoding_layouts(
    graph: &Graph,
    isa: Isa,
    threads: usize,
    texts: usize,
) -> [usize; 2] {
    let shares = Shares::new(graph, isa, threads).filter(|_| texts <= 1 && !is_large(graph));
    let shared = shares.map_or(0, |shares| shares.members * shares.layout.len);
    [Layout::new(graph).len, shared]
}

impl Helpers {
    /// The next token of a text together, as [`Team::step`]; false where there is nobody to help.
    fn step(
        &mut self,
        decoder: &Arc<Decoder>,
        shares: &Arc<Shares>,
        work: &mut Work,
        stream: &mut Stream,
    ) -> bool {
        if let Self::NotStarted = self {
            *self = Team::new(decoder, shares).map_or(Self::Refused, Self::Started);
        }
        match self {
            Self::Started(team) => team.step(work, stream),
            Self::NotStarted | Self::Refused => false,
        }
    }
}

impl Hands {
    /// A text of which there is nothing yet, to be written by all threads.
    fn stream(&self) -> Stream {
        let parts = self.shares.as_ref().map_or(1, |shares| shares.members);
        self.decoder.stream(parts)
    }

    /// Brings the logits of a text up to date, a single token with all threads.
    fn next(&self, work: &mut Work, stream: &mut Stream) {
        let decoder = &*self.decoder;
        if stream.is_behind()
            && decoder.goes_by_step(stream)
            && let Some(shares) = &self.shares
            && let Ok(mut team) = self.team.try_lock()
            && team.step(&self.decoder, shares, work, stream)
        {
            return;
        }
        let streams = &mut [stream];
        match self.crew.pool() {
            Some(pool) if decoder.is_large() => {
                work.threads = self.threads;
                pool.install(|| decoder.next(work, streams));
            }
            Some(_) | None => decoder.next(work, streams),
        }
    }
}
