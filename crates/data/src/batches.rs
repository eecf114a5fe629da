//! Batches: which tokens a step sees, as a pure function of (seed, step).

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gptlab_model::{Batch, BatchError, Model, random::Stream};

use crate::corpus::{Corpus, Part, Split};

/// The batches of a corpus. Nothing here has a position: any batch can be made at any time.
#[derive(Debug)]
pub struct Batches {
    corpus: Arc<Corpus>,
    block_size: usize,
    batch_size: usize,
    seed: u64,
    /// Made again when another epoch is asked for.
    order: Mutex<Order>,
}

/// The order of documents in the epoch that was asked for last.
#[derive(Debug, Default)]
struct Order {
    epoch: Option<u32>,
    documents: Vec<u32>,
}

impl Batches {
    /// Batches of `batch_size` sequences of up to `block_size` tokens.
    ///
    /// # Errors
    /// When a size is 0, or a window of `block_size` tokens and the one after them does not fit the
    /// training split; [`Corpus::fit_block_size`] says what fits.
    pub fn new(
        corpus: Arc<Corpus>,
        block_size: usize,
        batch_size: usize,
        seed: u64,
    ) -> Result<Self, BatchesError> {
        let train = corpus.train();
        if block_size == 0 || batch_size == 0 {
            return Err(BatchesError::Zero {
                block_size,
                batch_size,
            });
        }
        if train.documents().is_none() && block_size > train.predictions() {
            return Err(BatchesError::TooLong {
                block_size,
                tokens: train.tokens().len(),
            });
        }
        Ok(Self {
            corpus,
            block_size,
            batch_size,
            seed,
            order: Mutex::default(),
        })
    }

    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The longest sequence of a batch, in tokens.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Sequences in a training batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The batch of training step `step`, for `model`.
    ///
    /// Of a text: windows of exactly `block_size` tokens at starts drawn uniformly, with replacement, as
    /// in the seed and nanoGPT. Of documents: number `step * batch_size + i` of an endless
    /// sequence that holds every document once an epoch, shuffled anew for each, and of each the first
    /// `block_size` predictions, as in microgpt.
    ///
    /// # Errors
    /// When the batch is not one of this model's: its context is shorter or its vocabulary smaller.
    pub fn train(&self, model: &Model, step: u32) -> Result<Batch, BatchError> {
        self.train_in(None, model, step)
    }

    /// [`Batches::train`], in the memory of `spent`: a batch that nobody needs any more.
    ///
    /// # Errors
    /// As [`Batches::train`].
    pub fn train_in(
        &self,
        spent: Option<Batch>,
        model: &Model,
        step: u32,
    ) -> Result<Batch, BatchError> {
        let train = self.corpus.train();
        match train.documents() {
            None => self.pack(spent, model, train, self.drawn_windows(train, step)),
            Some(count) => {
                let drawn = (0..self.batch_size).map(|i| self.document_at(step, i, count));
                self.pack(spent, model, train, drawn.map(|i| train.place(i)))
            }
        }
    }

    fn drawn_windows(&self, split: &Split, step: u32) -> impl Iterator<Item = Range<usize>> {
        let stream = Stream::new(self.seed, "batch", step);
        let starts = split.tokens().len() - self.block_size;
        (0..self.batch_size)
            .map(move |i| stream.below_at(i as u64, starts))
            .map(|start| start..start + self.block_size + 1)
    }

    /// Which of `count` documents sequence `i` of `step` is.
    fn document_at(&self, step: u32, i: usize, count: usize) -> usize {
        let number = u64::from(step) * self.batch_size as u64 + i as u64;
        let (epoch, place) = (number / count as u64, number % count as u64);
        let (epoch, mut order) = (epoch as u32, self.order());
        if order.epoch != Some(epoch) {
            order.epoch = Some(epoch);
            let stream = Stream::new(self.seed, "shuffle", epoch);
            shuffle(&mut order.documents, count, stream);
        }
        order.documents[place as usize] as usize
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fixed covering of `part`, the same every time, so that losses at two steps compare: consecutive
    /// windows that predict every token but the first once; or every document. Where that is more than
    /// `max_tokens` predictions, evenly spaced windows that make up no more (but at least one), or evenly
    /// spaced documents that make up about as many.
    /// The last batch, and of a text the last window, may be shorter than the others: weigh a batch's
    /// mean loss by [`Batch::tokens`]. Empty where the corpus has no such split.
    pub fn covering(
        &self,
        model: &Model,
        part: Part,
        max_tokens: usize,
    ) -> impl Iterator<Item = Result<Batch, BatchError>> {
        let split = self.corpus.part(part).into_iter();
        split.flat_map(move |split| {
            let (total, kept) = (self.units(split), self.units_within(split, max_tokens));
            (0..kept).step_by(self.batch_size).map(move |first| {
                let last = (first + self.batch_size).min(kept);
                let places = (first..last).map(|k| self.unit(split, spaced(k, kept, total)));
                self.pack(None, model, split, places)
            })
        })
    }

    /// [`Batches::covering`] of the validation split.
    pub fn validation(
        &self,
        model: &Model,
        max_tokens: usize,
    ) -> impl Iterator<Item = Result<Batch, BatchError>> {
        self.covering(model, Part::Validation, max_tokens)
    }

    /// How many windows or documents cover `split`.
    fn units(&self, split: &Split) -> usize {
        split
            .documents()
            .unwrap_or_else(|| split.predictions().div_ceil(self.block_size))
    }

    /// How many of them make up `max_tokens` predictions: all, or at least 1.
    fn units_within(&self, split: &Split, max_tokens: usize) -> usize {
        let (total, all) = (self.units(split), split.predictions());
        let most = match split.documents() {
            _ if max_tokens >= all => total,
            None => max_tokens / self.block_size,
            Some(_) => (total as u128 * max_tokens as u128 / all as u128) as usize,
        };
        most.clamp(1, total)
    }

    /// Where in `split` number `i` of them is.
    fn unit(&self, split: &Split, i: usize) -> Range<usize> {
        match split.documents() {
            Some(_) => split.place(i),
            None => window(i, self.block_size),
        }
    }

    /// The sequences of `split` at `places`, the first `block_size` predictions of each.
    fn pack(
        &self,
        spent: Option<Batch>,
        model: &Model,
        split: &Split,
        places: impl Iterator<Item = Range<usize>>,
    ) -> Result<Batch, BatchError> {
        let most = self.block_size + 1;
        let cropped = places.map(|at| at.start..at.end.min(at.start + most));
        Batch::of_windows(spent, model, cropped.map(|at| split.tokens().iter(at)))
    }
}

/// Window `i` of a covering and the token after it.
fn window(i: usize, block_size: usize) -> Range<usize> {
    i * block_size..(i + 1) * block_size + 1
}

/// Number `k` of `kept` evenly spaced among `total`.
fn spaced(k: usize, kept: usize, total: usize) -> usize {
    (k as u128 * total as u128 / kept as u128) as usize
}

/// Makes `order` 0..n, in an order drawn from `stream`: Fisher and Yates's shuffle, from the end, as Durstenfeld gives
/// it.
fn shuffle(order: &mut Vec<u32>, n: usize, stream: Stream) {
    order.clear();
    order.extend(0..n as u32);
    for last in (1..n).rev() {
        order.swap(last, stream.below_at(last as u64, last + 1));
    }
}

/// Why there are no such batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchesError {
    Zero {
        block_size: usize,
        batch_size: usize,
    },
    /// The training split has only `tokens`.
    TooLong { block_size: usize, tokens: usize },
}

impl fmt::Display for BatchesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero {
                block_size,
                batch_size,
            } => write!(
                f,
                "block_size and batch_size must be at least 1, found {block_size} and {batch_size}"
            ),
            Self::TooLong { block_size, tokens } => write!(
                f,
                "a context of {block_size} needs {} tokens to train on, found {tokens}; \
                 use a context of at most {} or more text",
                block_size + 1,
                tokens.saturating_sub(1)
            ),
        }
    }
}

impl std::error::Error for BatchesError {}
