//! Tokens to train or evaluate on: several sequences, packed row after row without padding.

use std::{fmt, ops::Range};

use crate::{Graph, Model};

/// Sequences of tokens and the token that follows each. A row is a token; sequence `i` is
/// the rows [`Batch::rows`]`(i)`; positions count from 0 in each sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    inputs: Vec<u32>,
    targets: Vec<u32>,
    starts: Vec<usize>,
}

/// What a batch cannot be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// No sequence, or one without tokens.
    Empty,
    /// A sequence whose inputs and targets differ in number: (inputs, targets).
    Unequal(usize, usize),
    /// A sequence longer than the context: (length, `block_size`).
    TooLong(usize, usize),
    /// A token the vocabulary does not hold: (token, `vocab_size`).
    Unknown(u32, usize),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a batch needs at least one token in every sequence"),
            Self::Unequal(x, y) => {
                write!(
                    f,
                    "a sequence has {x} inputs and {y} targets; they must be as many"
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
    /// When a sequence is empty, uneven, longer than the context, or holds an unknown token.
    pub fn new<'a>(
        model: &Model,
        sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>,
    ) -> Result<Self, BatchError> {
        Self::pack(Limits::of_model(model), sequences)
    }

    /// Packs `(inputs, targets)` pairs for the model of `graph`, for whoever has no spec.
    ///
    /// # Errors
    /// As [`Batch::new`].
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

    /// Packs windows of text for `model`: every token of a window predicts the one after it. The
    /// memory is that of `spent`, a batch that nobody needs any more, which is enough where it had
    /// as many windows.
    ///
    /// # Errors
    /// When a window holds fewer than two tokens, more than the context and one, or an unknown
    /// token.
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

    /// Nothing yet, in the memory of `spent`.
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

    /// Makes room for so many sequences of any length: the next batch in this memory may have
    /// longer ones.
    fn reserve(&mut self, sequences: usize, block_size: usize) {
        self.inputs.reserve(sequences * block_size);
        self.targets.reserve(sequences * block_size);
        self.starts.reserve(sequences);
    }

    /// What has been appended since the last sequence is the next.
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

    /// How many sequences.
    pub fn sequences(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many tokens in all.
    pub fn tokens(&self) -> usize {
        self.inputs.len()
    }

    /// The rows of sequence `i`.
    pub fn rows(&self, i: usize) -> Range<usize> {
        self.starts[i]..self.starts[i + 1]
    }

    pub fn inputs(&self) -> &[u32] {
        &self.inputs
    }

    pub fn targets(&self) -> &[u32] {
        &self.targets
    }
}

/// What a sequence has to keep to.
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
