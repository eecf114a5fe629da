//! Batches: which tokens a step sees, as a pure function of (seed, step).

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

/// The batches of a corpus. Nothing here has a position: any batch can be made at any time.
#[derive(Debug)]
pub struct Batches {
    corpus: Arc<Corpus>,
    block_size: usize,
    batch_size: usize,
    seed: u64,
    /// The pieces of each split whose documents do not all fit the context, in the order of
    /// [`SplitName::ALL`].
    pieces: [Option<Pieces>; 2],
    /// Made again when another epoch is asked for.
    order: Mutex<EpochOrder>,
}

/// The order of pieces in the epoch that was asked for last.
#[derive(Debug, Default)]
struct EpochOrder {
    epoch: Option<u32>,
    pieces: Vec<u32>,
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
    /// Of a text: windows of exactly `block_size` tokens at starts drawn uniformly, with
    /// replacement, as in the seed and nanoGPT. Of documents: number `step * batch_size + i` of an
    /// endless sequence that holds every document once an epoch, shuffled anew for each, as in
    /// microgpt. Where some documents have more than `block_size` predictions, every piece of a
    /// document takes the place of a document: microgpt, which reads the first piece alone, differs
    /// there.
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

    /// Which of `count` pieces sequence `i` of `step` is.
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

    /// How the documents of `part` were cut to fit the context; `None` of a text that is not cut
    /// into documents, and where the corpus has no such split.
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

    /// A fixed covering of `part`, the same every time, so that losses at two steps compare:
    /// consecutive windows that predict every token but the first once; or every document, a long
    /// one in its pieces. Where that is more than `max_tokens` predictions, evenly spaced windows
    /// that make up no more (but at least one), or evenly spaced documents that make up about as
    /// many. Of long documents every so many pieces give one, the same one each time. The last
    /// batch, and of a text the last window, may be shorter than the others: weigh a batch's mean
    /// loss by [`Batch::tokens`]. Empty where the corpus has no such split.
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

    /// [`Batches::covering`] of the validation split.
    pub fn validation(
        &self,
        model: &Model,
        max_tokens: usize,
    ) -> impl Iterator<Item = Result<Batch, BatchError>> {
        self.covering(model, SplitName::Validation, max_tokens)
    }

    /// The windows of [`Batches::covering`] with the same `max_tokens`, in order, as places among
    /// the tokens of `part`: `a..b` predicts the tokens from `a + 1` to `b - 1`, each from those of
    /// the window before it. Empty where the corpus has no such split.
    pub fn windows(&self, part: SplitName, max_tokens: usize) -> Vec<Range<usize>> {
        let Some(split) = self.corpus.part(part) else {
            return Vec::new();
        };
        let (units, end) = (self.units(part, split, max_tokens), split.tokens().len());
        let places = (0..units.kept).map(|k| units.place(k));
        places.map(|at| at.start..at.end.min(end)).collect()
    }

    /// Where the pieces of the documents of `part` begin, and at the end where the last one ends;
    /// `None` of a text that is not cut into documents.
    fn bounds(&self, part: SplitName) -> Option<&[usize]> {
        match &self.pieces[part as usize] {
            Some(pieces) => Some(&pieces.bounds),
            None => self.corpus.part(part)?.starts(),
        }
    }

    /// The windows or pieces that cover `split`, which is that of `part`, with about `max_tokens`
    /// predictions.
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

/// Evenly spaced windows of a text, or pieces of documents.
#[derive(Clone, Copy)]
struct Units<'a> {
    /// Of the pieces, where there are documents.
    bounds: Option<&'a [usize]>,
    /// Whether each is drawn from the ones nearest to its place. Where documents are cut, every
    /// second piece may be a long one, and even steps would take only those.
    drawn: bool,
    block_size: usize,
    /// How many there are in the split.
    total: usize,
    /// How many of them these are, at least 1.
    kept: usize,
}

impl Units<'_> {
    /// Where among the split's tokens number `k` of those that are kept is.
    fn place(&self, k: usize) -> Range<usize> {
        let mut i = self.spaced(k);
        if self.drawn {
            // The same for every seed, so that the losses of runs compare.
            let stream = Stream::new(0, "covering", 0);
            i += stream.below_at(k as u64, self.spaced(k + 1) - i);
        }
        match self.bounds {
            Some(bounds) => between(bounds, i),
            None => i * self.block_size..(i + 1) * self.block_size + 1,
        }
    }

    /// Number `k` of `kept` evenly spaced among `total`.
    fn spaced(&self, k: usize) -> usize {
        (k as u128 * self.total as u128 / self.kept as u128) as usize
    }
}

/// How documents were cut to fit a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// All of them.
    pub documents: usize,
    /// Those of them that are longer than the context.
    pub long: usize,
    /// What the long ones became.
    pub pieces: usize,
}

impl Cut {
    /// The documents of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            documents: self.documents + other.documents,
            long: self.long + other.long,
            pieces: self.pieces + other.pieces,
        }
    }
}

/// The documents of a split, those that are longer than the context in pieces.
#[derive(Debug)]
struct Pieces {
    /// Where each piece begins, and at the end where the last one ends. A piece's last token is the
    /// next one's first, so that every token but the first of all is predicted once.
    bounds: Vec<usize>,
    /// How many documents were cut.
    long: usize,
}

impl Pieces {
    /// Pieces of at most `block_size` predictions; `None` where every document is one already.
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

/// The sequences of `split` at `places`.
fn pack(
    spent: Option<Batch>,
    model: &Model,
    split: &Split,
    places: impl Iterator<Item = Range<usize>>,
) -> Result<Batch, BatchError> {
    let windows = places.map(|at| TokenIter::new(split.tokens(), at));
    Batch::of_windows(spent, model, windows)
}

/// Piece `i` of `bounds` and the token after it.
fn between(bounds: &[usize], i: usize) -> Range<usize> {
    bounds[i]..bounds[i + 1] + 1
}

/// Makes `order` 0..n, in an order drawn from `stream`: Fisher and Yates's shuffle, from the end,
/// as Durstenfeld gives it.
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
