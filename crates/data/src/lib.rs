//! Makes batches from text.
//!
//! [`Text`] is read and fingerprinted. A [`Tokenizer`] is fitted to it and is a separate value. A
//! [`Corpus`] contains the tokens in two splits, and [`Batches`] makes any batch as a pure function
//! of (seed, step). [`Builtin`] texts are part of the program: [`stories`] have a known entropy, so
//! that a loss can be compared with the lowest possible one, and each kind of [`Diagnostic`] text
//! requires one skill and has a known entropy too.
//!
//! The crate handles text files, characters, documents, tokens and windows. It never touches the
//! parts of models, engines, optimisers, runs, the environment or standard output.

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
