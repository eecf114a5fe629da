//! The tokens of a text, in a training and a validation split.

use std::{fmt, sync::Arc};

use gptlab_recipe::{Documents, TextOrigin, Tokenization};

use crate::{
    Text, TokenStore, Tokenizer, UnknownCharacters, store::TokenIter, tokenizer::documents,
    tokens::Tokens,
};

/// The name of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitName {
    Train,
    Validation,
}

impl SplitName {
    /// Both splits, in the order of their indices.
    pub const ALL: [Self; 2] = [Self::Train, Self::Validation];

    /// Returns the split's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
        }
    }
}

/// A contiguous part of a text. A split of plain text contains at least 2 tokens. A split of
/// documents contains at least 1 document, laid out as `BOS a BOS b BOS` so that neighbours share a
/// BOS.
#[derive(Clone, Debug)]
pub struct Split {
    tokens: Arc<dyn TokenStore>,
    /// The position of each document's first BOS, followed by that of the last BOS. The vector is
    /// empty for plain text.
    starts: Vec<usize>,
    characters: usize,
}

impl Split {
    /// Makes a split of plain text from its `tokens` and their number of `characters`; `None` if
    /// there are fewer than two tokens, and thus nothing to predict.
    pub fn of_text(tokens: Arc<dyn TokenStore>, characters: usize) -> Option<Self> {
        (tokens.len() >= LEAST_TOKENS).then_some(Self {
            tokens,
            starts: Vec::new(),
            characters,
        })
    }

    /// Returns the tokens.
    pub fn tokens(&self) -> &dyn TokenStore {
        &*self.tokens
    }

    /// Returns the number of tokens that are predicted, which excludes the first.
    pub fn predictions(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Returns the number of documents; `None` if the text is not split into documents.
    pub fn documents(&self) -> Option<usize> {
        self.starts.len().checked_sub(1)
    }

    /// Returns the tokens of document `i` with a BOS at both ends, if the text is split into
    /// documents.
    pub fn document(&self, i: usize) -> Vec<u32> {
        self.tokens.slice(self.starts[i]..self.starts[i + 1] + 1)
    }

    /// Returns where each document begins, and at the end where the last one ends, where the text
    /// is cut into documents.
    pub fn starts(&self) -> Option<&[usize]> {
        (!self.starts.is_empty()).then_some(&self.starts)
    }

    /// Returns the number of characters of text in the split. A BOS counts as the separator that it
    /// replaces.
    pub fn characters(&self) -> usize {
        self.characters
    }

    /// Returns the mean number of characters per token, which converts losses: bits per character
    /// are `nats per token / ln 2 / this`.
    pub fn characters_per_token(&self) -> f64 {
        self.characters as f64 / self.tokens.len() as f64
    }
}

/// The smallest number of tokens with something to predict.
const LEAST_TOKENS: usize = 2;

/// A tokenized text, split for training and validation, with its tokenizer.
#[derive(Clone, Debug)]
pub struct Corpus {
    tokenizer: Tokenizer,
    train: Split,
    validation: Option<Split>,
}

impl Corpus {
    /// Tokenizes `text` and keeps its last `val_fraction` for validation, counted in tokens or, if
    /// the text is split into documents, in documents; 0 keeps nothing. The training split has
    /// `floor(n * (1 - val_fraction))` of `n` items, as in nanoGPT.
    ///
    /// # Errors
    /// Returns an error if `val_fraction` is not in 0..1, if a character is unknown, or if a split
    /// is too short to predict anything.
    pub fn new(text: &Text, tokenizer: Tokenizer, val_fraction: f64) -> Result<Self, CorpusError> {
        if !(0.0..1.0).contains(&val_fraction) {
            return Err(CorpusError::Fraction(val_fraction));
        }
        let (train, validation) = match tokenizer.bos() {
            None => split_text(text, &tokenizer, val_fraction),
            Some(bos) => split_documents(text, &tokenizer, bos, val_fraction),
        }?;
        Ok(Self::of_splits(tokenizer, train, validation))
    }

    /// Makes a corpus as [`Corpus::new`] does, with a tokenizer fitted to `text`.
    ///
    /// # Errors
    /// Returns the errors of [`Corpus::new`], or an error if the text is to be split into documents
    /// and all of them are empty.
    pub fn fit(
        text: &Text,
        tokenization: impl Into<Tokenization>,
        val_fraction: f64,
    ) -> Result<Self, CorpusError> {
        let tokenization = tokenization.into();
        let tokenizer = Tokenizer::fit(tokenization.clone(), text.as_str())
            .ok_or_else(|| CorpusError::Blank(text.origin().clone(), tokenization.documents))?;
        Self::new(text, tokenizer, val_fraction)
    }

    /// Makes a corpus from existing splits. Their tokens must be below the vocabulary's size.
    pub fn of_splits(tokenizer: Tokenizer, train: Split, validation: Option<Split>) -> Self {
        Self {
            tokenizer,
            train,
            validation,
        }
    }

    /// Returns the tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns the training split.
    pub fn train(&self) -> &Split {
        &self.train
    }

    /// Returns the validation split; `None` if the validation fraction was 0.
    pub fn validation(&self) -> Option<&Split> {
        self.validation.as_ref()
    }

    /// Returns the split called `part`.
    pub fn part(&self, part: SplitName) -> Option<&Split> {
        match part {
            SplitName::Train => Some(&self.train),
            SplitName::Validation => self.validation.as_ref(),
        }
    }

    /// Returns the largest context, up to `block_size`, that a window of every split can fill.
    /// Documents do not limit the context, because they may be shorter.
    pub fn fit_block_size(&self, block_size: usize) -> Fit {
        let splits = [Some(&self.train), self.validation.as_ref()];
        let shortest = splits
            .into_iter()
            .flatten()
            .filter(|split| split.documents().is_none())
            .map(Split::predictions)
            .min();
        let block_size_fit = shortest.map_or(block_size, |most| block_size.min(most));
        Fit {
            block_size: block_size_fit,
            shrunk: block_size_fit < block_size,
        }
    }
}

/// A context length that fits a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The context length, in tokens.
    pub block_size: usize,
    /// Whether it is smaller than the requested length.
    pub shrunk: bool,
}

type Splits = (Split, Option<Split>);

/// Returns the number of `n` items that the training split gets.
fn train_share(n: usize, val_fraction: f64) -> usize {
    (n as f64 * (1.0 - val_fraction)) as usize
}

fn split_text(text: &Text, tokenizer: &Tokenizer, f: f64) -> Result<Splits, CorpusError> {
    let mut head = tokenizer
        .tokenize(text.as_str())
        .map_err(|e| CorpusError::Unknown(text.origin().clone(), e))?;
    let tail = head.split_off(train_share(head.len(), f));
    let make = |part, tokens: Tokens| {
        let characters = characters(tokenizer, &tokens);
        let found = tokens.len();
        Split::of_text(Arc::new(tokens), characters)
            .ok_or_else(|| too_short(text, part, f, found, "token", LEAST_TOKENS))
    };
    let train = make(SplitName::Train, head)?;
    let validation = (f > 0.0).then(|| make(SplitName::Validation, tail));
    Ok((train, validation.transpose()?))
}

fn split_documents(
    text: &Text,
    tokenizer: &Tokenizer,
    bos: u32,
    f: f64,
) -> Result<Splits, CorpusError> {
    let cut = tokenizer.spec().documents();
    let all: Vec<&str> = documents(text.as_str(), cut).collect();
    let (head, tail) = all.split_at(train_share(all.len(), f));
    let make = |part, documents: &[&str]| {
        if documents.is_empty() {
            return Err(too_short(text, part, f, 0, "document", 1));
        }
        let (tokens, starts) = tokenizer
            .tokenize_documents(documents, bos)
            .map_err(|e| CorpusError::Unknown(text.origin().clone(), e))?;
        Ok(Split {
            characters: characters(tokenizer, &tokens),
            tokens: Arc::new(tokens),
            starts,
        })
    };
    let train = make(SplitName::Train, head)?;
    let validation = (f > 0.0).then(|| make(SplitName::Validation, tail));
    Ok((train, validation.transpose()?))
}

/// Returns the number of characters in `tokens`.
fn characters(tokenizer: &Tokenizer, tokens: &Tokens) -> usize {
    TokenIter::new(tokens, 0..tokens.len())
        .map(|token| tokenizer.characters(token))
        .sum()
}

fn too_short(
    text: &Text,
    part: SplitName,
    val_fraction: f64,
    found: usize,
    unit: &'static str,
    needed: usize,
) -> CorpusError {
    CorpusError::TooShort {
        origin: text.origin().clone(),
        part,
        val_fraction,
        found,
        needed,
        unit,
    }
}

/// The reason that a text makes no corpus.
#[derive(Clone, Debug, PartialEq)]
pub enum CorpusError {
    /// The validation fraction is not in 0..1.
    Fraction(f64),
    /// The text contains nothing but white space between its separators.
    Blank(TextOrigin, Documents),
    Unknown(TextOrigin, UnknownCharacters),
    TooShort {
        origin: TextOrigin,
        part: SplitName,
        val_fraction: f64,
        found: usize,
        needed: usize,
        /// The counted item: `token` or `document`.
        unit: &'static str,
    },
}

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fraction(found) => write!(
                f,
                "the validation fraction must be at least 0 and below 1, found {found}"
            ),
            Self::Blank(origin, Documents::Text | Documents::Lines) => write!(
                f,
                "{origin} holds no documents: every line of it is empty; give a text with a document \
                 on each line, or cut it into characters (`chars`)"
            ),
            Self::Blank(origin, Documents::Separator(separator)) => write!(
                f,
                "{origin} holds no documents: it is empty but for the separator `{separator}`; give a text with \
                 a document between separators, or another separator"
            ),
            Self::Unknown(origin, unknown) => write!(f, "{origin}: {unknown}"),
            Self::TooShort {
                origin,
                part,
                val_fraction,
                found,
                needed,
                unit,
            } => write!(
                f,
                "{origin} is too short: with a validation fraction of {val_fraction} the {} split \
                 would hold {found} {unit}{} and needs at least {needed}; give more text, or another \
                 validation fraction",
                part.name(),
                if *found == 1 { "" } else { "s" }
            ),
        }
    }
}

impl std::error::Error for CorpusError {}
