//! A model and the threads that decode with it: together on one text, each on texts of its own.

use std::sync::{Arc, Mutex};

use gptlab_model::Graph;

use super::{
    decoder::Decoder, rows::DecodeWorkspace, sequence::Sequence, shares::Shares, workers::Workers,
};
use crate::{
    ImportError,
    cpu::{CpuOptions, pool::Pool},
};

/// A model made ready to decode, and the threads that do it.
#[derive(Debug)]
pub(super) struct ThreadedDecoder {
    pub(super) decoder: Arc<Decoder>,
    /// How many threads write many texts, or read a large model.
    pub(super) threads: usize,
    pub(super) pool: Pool,
    /// How threads share one text; `None` where one is as fast.
    shares: Option<Arc<Shares>>,
    /// Those who do: started with the first token, for one text at a time.
    workers: Mutex<LazyWorkers>,
}

/// Threads that help with one text.
#[derive(Debug, Default)]
enum LazyWorkers {
    #[default]
    NotStarted,
    Started(Workers),
    /// The system gave none: it is not asked again for every token.
    Refused,
}

impl LazyWorkers {
    /// The next token of a text together, as [`Workers::step`]; false where there is nobody to
    /// help.
    fn step(
        &mut self,
        decoder: &Arc<Decoder>,
        shares: &Arc<Shares>,
        work: &mut DecodeWorkspace,
        sequence: &mut Sequence,
    ) -> bool {
        if let Self::NotStarted = self {
            *self = Workers::new(decoder, shares).map_or(Self::Refused, Self::Started);
        }
        match self {
            Self::Started(workers) => workers.step(work, sequence),
            Self::NotStarted | Self::Refused => false,
        }
    }
}

impl ThreadedDecoder {
    /// For `graph` with `weights` in table order.
    pub(super) fn new(
        graph: Graph,
        weights: &[f32],
        options: CpuOptions,
    ) -> Result<Self, ImportError> {
        let pool = Pool::new(options.threads);
        let shares = Shares::new(&graph, options.isa, pool.threads());
        let decoder = Decoder::new(graph, weights, options)?;
        Ok(Self {
            // The products of a large model are cut one by one: no cache holds a thread's share of
            // all of them.
            shares: shares.filter(|_| !decoder.is_large()).map(Arc::new),
            decoder: Arc::new(decoder),
            threads: pool.threads(),
            pool,
            workers: Mutex::default(),
        })
    }

    /// A text of which there is nothing yet, to be written by all threads.
    pub(super) fn sequence(&self) -> Sequence {
        let parts = self.shares.as_ref().map_or(1, |shares| shares.workers);
        Sequence::new(&self.decoder, parts)
    }

    /// Brings the logits of a text up to date, a single token with all threads.
    pub(super) fn next(&self, work: &mut DecodeWorkspace, sequence: &mut Sequence) {
        let decoder = &*self.decoder;
        if sequence.is_behind()
            && decoder.goes_by_step(sequence)
            && let Some(shares) = &self.shares
            && let Ok(mut workers) = self.workers.try_lock()
            && workers.step(&self.decoder, shares, work, sequence)
        {
            return;
        }
        let sequences = &mut [sequence];
        match self.pool.rayon() {
            Some(pool) if decoder.is_large() => {
                work.threads = self.threads;
                pool.install(|| decoder.next(work, sequences));
            }
            Some(_) | None => decoder.next(work, sequences),
        }
    }
}
