//! Decoding: one token after another, with a cache of keys and values while the context allows; one
//! text, or many at once.
//!
//! Past the context the last `block_size` tokens are run anew for every token, as gpt2-mini does:
//! their positions have moved, so nothing that was cached holds. A model that is not causal has no
//! cache.
//!
//! A row's numbers do not depend on the rows beside it: every kernel here treats rows one by one,
//! or, where they share a matrix, keeps the order of each row's sums. So a text is the same to the
//! bit whether it is written alone or among others, and for any number of threads.
//!
//! A module uses modules above it in this list, and none below:
//!
//! | module | is |
//! | --- | --- |
//! | `weights`, `shares` | a model's weights, packed; which worker computes what of a token |
//! | `decoder` | a model made ready to decode |
//! | `kv_cache` | the keys and values of a text |
//! | `sequence` | a text, as far as it has been decoded |
//! | `rows` | rows of tokens through the model |
//! | `next_logits` | the logits after some texts |
//! | `all_gather`, `helper_backoff` | how workers exchange columns, and when they stop helping |
//! | `workers` | one text on several threads |
//! | `threaded_decoder` | a model and its threads |
//! | `many` | many texts at once |

mod all_gather;
mod decoder;
mod helper_backoff;
mod kv_cache;
mod many;
mod next_logits;
mod rows;
mod sequence;
mod shares;
mod threaded_decoder;
mod weights;
mod workers;

use gptlab_model::Graph;

use self::{
    decoder::is_large, rows::DecodeWorkspace, sequence::Sequence, shares::Shares,
    threaded_decoder::ThreadedDecoder, weights::Weights,
};
use super::{
    CpuOptions, Isa,
    plan::{ArenaPlan, Purpose},
    prepared_graph::PreparedGraph,
};
use crate::{
    GenerationError, GenerationRequest, Generator, ImportError, PromptError,
    sample::{Ranking, Sampling},
};

pub(super) use decoder::most_words;
pub(super) use many::texts_at_once;

/// Continues token sequences with a model's weights.
#[derive(Debug)]
pub struct CpuGenerator {
    threaded: ThreadedDecoder,
    sequence: Sequence,
    work: DecodeWorkspace,
    ranking: Ranking,
}

impl CpuGenerator {
    /// A generator on one thread for `graph` with `weights` in table order.
    ///
    /// # Errors
    /// When the number of weights is not the graph's.
    pub fn new(graph: Graph, weights: &[f32]) -> Result<Self, ImportError> {
        Self::with_options(graph, weights, CpuOptions::of_threads(1))
    }

    /// The same with the threads and instructions of `options`. One text is shared between
    /// threads where its products are so large that reading them takes longer than agreeing on who
    /// reads what.
    ///
    /// # Errors
    /// As [`CpuGenerator::new`], or when the system gives no memory.
    pub fn with_options(
        graph: Graph,
        weights: &[f32],
        options: CpuOptions,
    ) -> Result<Self, ImportError> {
        let threaded = ThreadedDecoder::new(graph, weights, options)?;
        Ok(Self {
            sequence: threaded.sequence(),
            work: DecodeWorkspace::default(),
            ranking: Ranking::default(),
            threaded,
        })
    }

    /// Starts anew from `prompt`.
    ///
    /// # Errors
    /// When the prompt is empty or holds a token the vocabulary does not.
    pub fn begin(&mut self, prompt: &[u32]) -> Result<(), PromptError> {
        self.threaded.decoder.check(prompt)?;
        self.sequence.begin(prompt);
        Ok(())
    }

    /// Chooses the next token by `uniform`, a draw from [0, 1), and appends it. `None` where
    /// nothing was begun, or where the model has diverged and its logits are no numbers.
    pub fn next_token(&mut self, sampling: &Sampling, uniform: f64) -> Option<u32> {
        self.run();
        let logits = self.sequence.logits();
        let token = sampling.choose(&mut self.ranking, logits, uniform)?;
        self.sequence.push(token);
        Some(token)
    }

    /// The logits after all tokens so far, `[vocab_size]`; nothing before [`CpuGenerator::begin`].
    pub fn logits(&mut self) -> &[f32] {
        self.run();
        self.sequence.logits()
    }

    /// Brings the logits up to date with the context.
    fn run(&mut self) {
        self.threaded.next(&mut self.work, &mut self.sequence);
    }
}

impl Generator for CpuGenerator {
    fn threads(&self) -> usize {
        self.threaded.threads
    }

    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError> {
        Ok(self.threaded.write_all(requests)?)
    }

    fn generate_one(&self, mut request: &mut dyn GenerationRequest) -> Result<(), GenerationError> {
        Ok(self.threaded.write_one(&mut request)?)
    }
}

/// How many weights of a model are packed to decode, in words, and how many stay as they are.
pub(super) fn weight_sizes(prepared: &PreparedGraph) -> [usize; 2] {
    Weights::sizes(prepared)
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
    let shared = shares.map_or(0, |shares| shares.workers * shares.plan.len);
    [ArenaPlan::new(graph, 1, Purpose::Decode).len, shared]
}
