//! Batches: the tokens that a training step uses, as a pure function of (seed, step).

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gptlab_model::{Batch, BatchError, Model, random::Stream};

use crate::{
    corpus::{Corpus, Split, SplitName},
    store::TokenIter,
};

/// The batches of a corpus. The type has no position: any batch can be made at any time.
#[derive(Debug)]
pub struct Batches {
    corpus: Arc<Corpus>,
    block_size: usize,
    batch_size: usize,
    seed: u64,
    /// The pieces of each split with documents longer than the context, in the order of
    /// [`SplitName::ALL`].
    pieces: [Option<Pieces>; 2],
    /// The order of the last epoch used, which is recomputed for another epoch.
    order: Mutex<EpochOrder>,
}

/// The order of pieces in the last epoch used.
#[derive(Debug, Default)]
struct EpochOrder {
    epoch: Option<u32>,
    pieces: Vec<u32>,
}

impl Batches {
    /// Makes batches of `batch_size` sequences of up to `block_size` tokens.
    ///
    /// # Errors
    /// Returns an error if a size is 0, or if a window of `block_size` tokens and its next token do
    /// not fit the training split. [`Corpus::fit_block_size`] returns the largest size that fits.
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
        let pieces = SplitName::ALL.map(|part| Pieces::of(corpus.part(part)?, block_size));
        Ok(Self {
            corpus,
            block_size,
            batch_size,
            seed,
            pieces,
            order: Mutex::default(),
        })
    }

    /// Returns the corpus.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Returns the length of the longest sequence of a batch, in tokens.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// Returns the number of sequences in a training batch.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the batch of training step `step`, for `model`.
    ///
    /// For a text that is not split into documents, the batch consists of windows of exactly
    /// `block_size` tokens, whose starts are drawn uniformly with replacement, as in gpt2-mini and
    /// nanoGPT.
    ///
    /// For documents, sequence `i` of the batch is number `step * batch_size + i` of an endless
    /// sequence that contains every document once per epoch and is reshuffled for each, as in
    /// microgpt. Documents with more than `block_size` predictions are cut into pieces, each of
    /// which takes the place of a document; microgpt uses only the first piece.
    ///
    /// # Errors
    /// Returns an error if `model` has a shorter context or a smaller vocabulary than the batch.
    pub fn train(&self, model: &Model, step: u32) -> Result<Batch, BatchError> {
        self.train_in(None, model, step)
    }

    /// Returns [`Batches::train`] in the memory of `spent`, a batch that is no longer needed.
    ///
    /// # Errors
    /// Returns the errors of [`Batches::train`].
    pub fn train_in(
        &self,
        spent: Option<Batch>,
        model: &Model,
        step: u32,
    ) -> Result<Batch, BatchError> {
        let train = self.corpus.train();
        match self.bounds(SplitName::Train) {
            None => pack(spent, model, train, self.drawn_windows(train, step)),
            Some(bounds) => {
                let count = bounds.len() - 1;
                let drawn = (0..self.batch_size).map(|i| self.piece_at(step, i, count));
                pack(spent, model, train, drawn.map(|i| between(bounds, i)))
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

    /// Returns the index of the piece, of `count`, that sequence `i` of `step` contains.
    fn piece_at(&self, step: u32, i: usize, count: usize) -> usize {
        let number = u64::from(step) * self.batch_size as u64 + i as u64;
        let (epoch, place) = (number / count as u64, number % count as u64);
        let (epoch, mut order) = (epoch as u32, self.order());
        if order.epoch != Some(epoch) {
            order.epoch = Some(epoch);
            let stream = Stream::new(self.seed, "shuffle", epoch);
            shuffle(&mut order.pieces, count, stream);
        }
        order.pieces[place as usize] as usize
    }

    fn order(&self) -> MutexGuard<'_, EpochOrder> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how the documents of `part` were cut to fit the context; `None` if the text is not
    /// split into documents, or if the corpus has no such split.
    pub fn cut(&self, part: SplitName) -> Option<Cut> {
        let documents = self.corpus.part(part)?.documents()?;
        let cut = |pieces: &Pieces| {
            (
                pieces.long,
                pieces.bounds.len() - 1 - documents + pieces.long,
            )
        };
        let (long, pieces) = self.pieces[part as usize].as_ref().map_or((0, 0), cut);
        Some(Cut {
            documents,
            long,
            pieces,
        })
    }

    /// Returns a covering of `part`, which is the same at every call, so that losses at different
    /// steps are comparable. It consists of consecutive windows, or of all documents with long ones
    /// in pieces, and predicts every token but the first once.
    ///
    /// If that is more than `max_tokens` predictions, the covering consists of evenly spaced
    /// windows with at most that many predictions (but at least one window), or of evenly spaced
    /// documents with about that many. Of long documents, one piece is taken from each interval,
    /// always the same one. The last batch, and the last window of a text, may be shorter than the
    /// others, so a batch's mean loss should be weighted by [`Batch::tokens`]. The covering is
    /// empty if the corpus has no such split.
    pub fn covering(
        &self,
        model: &Model,
        part: SplitName,
        max_tokens: usize,
    ) -> impl Iterator<Item = Result<Batch, BatchError>> {
        let split = self.corpus.part(part).into_iter();
        split.flat_map(move |split| {
            let units = self.units(part, split, max_tokens);
            (0..units.kept).step_by(self.batch_size).map(move |first| {
                let last = (first + self.batch_size).min(units.kept);
                pack(None, model, split, (first..last).map(|k| units.place(k)))
            })
        })
    }

    /// Returns [`Batches::covering`] of the validation split.
    pub fn validation(
        &self,
        model: &Model,
        max_tokens: usize,
    ) -> impl Iterator<Item = Result<Batch, BatchError>> {
        self.covering(model, SplitName::Validation, max_tokens)
    }

    /// Returns the windows of [`Batches::covering`] with the same `max_tokens`, in order, as places
    /// among the tokens of `part`: `a..b` predicts the tokens from `a + 1` to `b - 1`, each from
    /// those of the window before it. The result is empty if the corpus has no such split.
    pub fn windows(&self, part: SplitName, max_tokens: usize) -> Vec<Range<usize>> {
        let Some(split) = self.corpus.part(part) else {
            return Vec::new();
        };
        let (units, end) = (self.units(part, split, max_tokens), split.tokens().len());
        let places = (0..units.kept).map(|k| units.place(k));
        places.map(|at| at.start..at.end.min(end)).collect()
    }

    /// Returns windows of `part` that overlap, so that a prediction sees more of the context: every
    /// window after the first of a document (of a text, of all of it) holds `stride` new
    /// predictions at most. Together they hold every prediction as a new one once. `stride` is at
    /// least 1. The result is empty if the corpus has no such split.
    pub fn overlapping(&self, part: SplitName, stride: usize) -> Vec<OverlappingWindow> {
        let Some(split) = self.corpus.part(part) else {
            return Vec::new();
        };
        let whole = [0, split.tokens().len() - 1];
        let bounds = split.starts().unwrap_or(&whole);
        let mut windows = Vec::new();
        for document in bounds.windows(2) {
            let mut predicted = document[0];
            while predicted < document[1] {
                let first = predicted == document[0];
                let new = if first { self.block_size } else { stride };
                let last = (predicted + new.min(self.block_size)).min(document[1]);
                let start = last.saturating_sub(self.block_size).max(document[0]);
                windows.push(OverlappingWindow {
                    at: start..last + 1,
                    seen: predicted - start,
                });
                predicted = last;
            }
        }
        windows
    }

    /// Makes a batch of the sequences of `split` at `places`, as [`Batches::windows`] gives them.
    ///
    /// # Errors
    /// Returns an error if the sequences do not fit `model`.
    pub fn at(
        model: &Model,
        split: &Split,
        places: impl Iterator<Item = Range<usize>>,
    ) -> Result<Batch, BatchError> {
        pack(None, model, split, places)
    }

    /// Returns the starts of the pieces of the documents of `part`, followed by the end of the last
    /// one; `None` if the text is not split into documents.
    fn bounds(&self, part: SplitName) -> Option<&[usize]> {
        match &self.pieces[part as usize] {
            Some(pieces) => Some(&pieces.bounds),
            None => self.corpus.part(part)?.starts(),
        }
    }

    /// Returns the windows or pieces that cover `split`, the split called `part`, with about
    /// `max_tokens` predictions.
    fn units(&self, part: SplitName, split: &Split, max_tokens: usize) -> Units<'_> {
        let (bounds, all) = (self.bounds(part), split.predictions());
        let total = match bounds {
            Some(bounds) => bounds.len() - 1,
            None => all.div_ceil(self.block_size),
        };
        let most = match bounds {
            _ if max_tokens >= all => total,
            None => max_tokens / self.block_size,
            Some(_) => (total as u128 * max_tokens as u128 / all as u128) as usize,
        };
        Units {
            bounds,
            drawn: self.pieces[part as usize].is_some(),
            block_size: self.block_size,
            total,
            kept: most.clamp(1, total),
        }
    }
}

/// A window of which some predictions were made in the windows before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlappingWindow {
    /// The window, as places among a split's tokens.
    pub at: Range<usize>,
    /// How many of its first predictions are not new.
    pub seen: usize,
}

/// Evenly spaced windows of a text, or pieces of documents.
#[derive(Clone, Copy)]
struct Units<'a> {
    /// The bounds of the pieces, if there are documents.
    bounds: Option<&'a [usize]>,
    /// Whether each piece is drawn from those nearest to its place. When documents are cut, every
    /// second piece may be a long one, and even steps would take only those.
    drawn: bool,
    block_size: usize,
    /// The number of windows or pieces in the split.
    total: usize,
    /// The number of them in the covering, at least 1.
    kept: usize,
}

impl Units<'_> {
    /// Returns the position among the split's tokens of unit `k` of the covering.
    fn place(&self, k: usize) -> Range<usize> {
        let mut i = self.spaced(k);
        if self.drawn {
            // The stream is the same for every seed, so that the losses of runs are comparable.
            let stream = Stream::new(0, "covering", 0);
            i += stream.below_at(k as u64, self.spaced(k + 1) - i);
        }
        match self.bounds {
            Some(bounds) => between(bounds, i),
            None => i * self.block_size..(i + 1) * self.block_size + 1,
        }
    }

    /// Returns the index of item `k` of `kept` evenly spaced ones among `total`.
    fn spaced(&self, k: usize) -> usize {
        (k as u128 * self.total as u128 / self.kept as u128) as usize
    }
}

/// The numbers of documents that were cut to fit a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The number of documents.
    pub documents: usize,
    /// The number of documents that are longer than the context.
    pub long: usize,
    /// The number of pieces of the long documents.
    pub pieces: usize,
}

impl Cut {
    /// Returns the sums of the counts of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            documents: self.documents + other.documents,
            long: self.long + other.long,
            pieces: self.pieces + other.pieces,
        }
    }
}

/// The documents of a split, cut into pieces if they are longer than the context.
#[derive(Debug)]
struct Pieces {
    /// The start of each piece, followed by the end of the last one. A piece's last token is the
    /// first of the next, so that every token but the first one of all is predicted once.
    bounds: Vec<usize>,
    /// The number of documents that were cut.
    long: usize,
}

impl Pieces {
    /// Cuts documents into pieces of at most `block_size` predictions; `None` if every document
    /// fits.
    fn of(split: &Split, block_size: usize) -> Option<Self> {
        let starts = split.starts()?;
        let is_long = |document: &&[usize]| document[1] - document[0] > block_size;
        let long = starts.windows(2).filter(is_long).count();
        if long == 0 {
            return None;
        }
        let documents = starts.windows(2);
        let begins = documents.flat_map(|d| (d[0]..d[1]).step_by(block_size));
        let bounds = begins.chain(starts.last().copied()).collect();
        Some(Self { bounds, long })
    }
}

/// Makes a batch of the sequences of `split` at `places`.
fn pack(
    spent: Option<Batch>,
    model: &Model,
    split: &Split,
    places: impl Iterator<Item = Range<usize>>,
) -> Result<Batch, BatchError> {
    let windows = places.map(|at| TokenIter::new(split.tokens(), at));
    Batch::of_windows(spent, model, windows)
}

/// Returns the range of piece `i` of `bounds` with the token after it.
fn between(bounds: &[usize], i: usize) -> Range<usize> {
    bounds[i]..bounds[i + 1] + 1
}

/// Writes a random permutation of 0..n into `order`, drawn from `stream` by the Fisher–Yates
/// shuffle in Durstenfeld's form, from the end.
fn shuffle(order: &mut Vec<u32>, n: usize, stream: Stream) {
    order.clear();
    order.extend(0..n as u32);
    for last in (1..n).rev() {
        order.swap(last, stream.below_at(last as u64, last + 1));
    }
}

/// The reason that a corpus has no such batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchesError {
    Zero {
        block_size: usize,
        batch_size: usize,
    },
    /// The training split contains only `tokens`.
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
