//! Tokens to train or evaluate on: several sequences, packed row after row without padding.

use std::{fmt, ops::Range};

use crate::{Graph, Model};

/// Sequences of input tokens, each with the token that follows it. Row `r` is one token; the rows
/// [`Batch::rows`]`(i)` are sequence `i`. Positions count from 0 in each sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    inputs: Vec<u32>,
    targets: Vec<u32>,
    starts: Vec<usize>,
}

/// Why sequences do not form a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// There is no sequence, or a sequence has no tokens.
    Empty,
    /// A sequence has different numbers of inputs and targets: (inputs, targets).
    Unequal(usize, usize),
    /// A sequence is longer than the context: (length, `block_size`).
    TooLong(usize, usize),
    /// A token is not in the vocabulary: (token, `vocab_size`).
    Unknown(u32, usize),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a batch needs at least one token in every sequence"),
            Self::Unequal(x, y) => {
                write!(
                    f,
                    "a sequence has {x} inputs and {y} targets; their numbers must be equal"
                )
            }
            Self::TooLong(found, most) => write!(
                f,
                "a sequence of {found} tokens does not fit a context of {most}"
            ),
            Self::Unknown(token, vocab) => write!(
                f,
                "token {token} is not in the vocabulary of {vocab} (0 to {})",
                vocab - 1
            ),
        }
    }
}

impl std::error::Error for BatchError {}

impl Batch {
    /// Packs `(inputs, targets)` pairs for `model`.
    ///
    /// # Errors
    /// Returns an error when there is no sequence, or when a sequence is empty, has different
    /// numbers of inputs and targets, is longer than the context, or holds a token outside the
    /// vocabulary.
    pub fn new<'a>(
        model: &Model,
        sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>,
    ) -> Result<Self, BatchError> {
        Self::pack(Limits::of_model(model), sequences)
    }

    /// Packs `(inputs, targets)` pairs for the model of `graph`, for callers that have no
    /// [`Model`].
    ///
    /// # Errors
    /// Returns the errors of [`Batch::new`].
    pub fn of_graph<'a>(
        graph: &Graph,
        sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>,
    ) -> Result<Self, BatchError> {
        let limits = Limits {
            block_size: graph.block_size(),
            vocab_size: graph.vocab_size(),
        };
        Self::pack(limits, sequences)
    }

    fn pack<'a>(
        limits: Limits,
        sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>,
    ) -> Result<Self, BatchError> {
        let mut batch = Self::begin(None);
        for (inputs, targets) in sequences {
            batch.inputs.extend_from_slice(inputs);
            batch.targets.extend_from_slice(targets);
            batch.end_sequence(limits)?;
        }
        batch.unless_empty()
    }

    /// Packs windows of text for `model`: every token of a window predicts the next one. The batch
    /// reuses the memory of `spent`, and allocates nothing if `spent` had at least as many windows.
    ///
    /// # Errors
    /// Returns an error when a window has fewer than two tokens or more than `block_size + 1`, or
    /// holds a token outside the vocabulary.
    pub fn of_windows<W>(
        spent: Option<Self>,
        model: &Model,
        windows: impl IntoIterator<Item = W>,
    ) -> Result<Self, BatchError>
    where
        W: ExactSizeIterator<Item = u32> + Clone,
    {
        let (mut batch, windows) = (Self::begin(spent), windows.into_iter());
        let limits = Limits::of_model(model);
        batch.reserve(windows.size_hint().0, limits.block_size);
        for window in windows {
            let n = window.len().saturating_sub(1);
            batch.inputs.extend(window.clone().take(n));
            batch.targets.extend(window.skip(1));
            batch.end_sequence(limits)?;
        }
        batch.unless_empty()
    }

    /// Returns an empty batch that reuses the memory of `spent`.
    fn begin(spent: Option<Self>) -> Self {
        let mut batch = spent.unwrap_or(Self {
            inputs: Vec::new(),
            targets: Vec::new(),
            starts: Vec::new(),
        });
        batch.inputs.clear();
        batch.targets.clear();
        batch.starts.clear();
        batch.starts.push(0);
        batch
    }

    /// Reserves memory for `sequences` sequences of `block_size` tokens, so that the next batch can
    /// have longer sequences without allocating.
    fn reserve(&mut self, sequences: usize, block_size: usize) {
        self.inputs.reserve(sequences * block_size);
        self.targets.reserve(sequences * block_size);
        self.starts.reserve(sequences);
    }

    /// Ends the sequence that consists of the tokens appended since the last call.
    fn end_sequence(&mut self, limits: Limits) -> Result<(), BatchError> {
        let start = self.starts[self.starts.len() - 1];
        limits.check(&self.inputs[start..], &self.targets[start..])?;
        self.starts.push(self.inputs.len());
        Ok(())
    }

    fn unless_empty(self) -> Result<Self, BatchError> {
        if self.inputs.is_empty() {
            return Err(BatchError::Empty);
        }
        Ok(self)
    }

    /// Returns the number of sequences.
    pub fn sequences(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the number of tokens in all sequences.
    pub fn tokens(&self) -> usize {
        self.inputs.len()
    }

    /// Returns the range of rows that hold sequence `i`.
    pub fn rows(&self, i: usize) -> Range<usize> {
        self.starts[i]..self.starts[i + 1]
    }

    /// Returns the input token of every row.
    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    /// Returns the target of every row: the token that follows its input.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }
}

/// The limits that every sequence must respect.
#[derive(Clone, Copy)]
struct Limits {
    block_size: usize,
    vocab_size: usize,
}

impl Limits {
    fn of_model(model: &Model) -> Self {
        Self {
            block_size: model.spec().block_size,
            vocab_size: model.vocab_size(),
        }
    }

    fn check(self, inputs: &[u32], targets: &[u32]) -> Result<(), BatchError> {
        let (most, vocab) = (self.block_size, self.vocab_size);
        if inputs.is_empty() {
            return Err(BatchError::Empty);
        }
        if inputs.len() != targets.len() {
            return Err(BatchError::Unequal(inputs.len(), targets.len()));
        }
        if inputs.len() > most {
            return Err(BatchError::TooLong(inputs.len(), most));
        }
        match inputs.iter().chain(targets).find(|t| **t as usize >= vocab) {
            Some(token) => Err(BatchError::Unknown(*token, vocab)),
            None => Ok(()),
        }
    }
}
