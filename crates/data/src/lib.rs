//! From text to batches.
//!
//! [`Text`] is read and fingerprinted; a [`Tokenizer`] is fitted to it and is a value of its own;
//! a [`Corpus`] holds the tokens in two splits; [`Batches`] makes any batch as a pure function of
//! (seed, step). [`Builtin`] texts come with the program: [`stories`] have a known entropy, so that
//! a loss can be told from the best loss there is, and each kind of [`Diagnostic`] text needs one
//! skill, at a loss that is known too.
//!
//! Knows: files of text, characters, documents, tokens, windows.
//! Never will: models' parts, engines, optimisers, runs, the environment, standard output.

mod batches;
mod builtin;
mod corpora;
mod corpus;
pub mod diagnostic;
mod fingerprint;
mod foreign;
mod grammar;
pub mod names;
mod source;
mod store;
pub mod stories;
mod tokenizer;
mod tokens;

pub use batches::{Batches, BatchesError, Cut};
pub use builtin::{Builtin, DocumentSet, RecipeError};
pub use corpora::{CorpusCache, CorpusSource};
pub use corpus::{Corpus, CorpusError, Fit, Split, SplitName};
pub use diagnostic::Diagnostic;
pub use fingerprint::{Fingerprint, FingerprintError, Fingerprinter};
pub use foreign::Foreign;
pub use source::{Text, TextError};
pub use store::TokenStore;
pub use tokenizer::{DecodeError, StreamDecoder, Tokenizer, UnknownCharacters};
pub use tokens::Tokens;
