//! How a model is trained, logged and sampled from, as plain data.
//!
//! [`Hyper`] is every number besides model, text and seed that decides a run's weights;
//! [`Hyper::of`] has the recipe that each preset is known by. [`Intervals`], [`ObserveLevel`] and
//! [`SampleSettings`] say what is looked at on the way; [`TextOrigin`] and [`TokenizerSpec`] say
//! which text a run learns from, and which tokens it becomes. Whatever can be chosen by name is a
//! [`gptlab_model::Choice`], with one list of names and help.
//!
//! Engines read these settings, records keep them, the trainer follows them and command lines
//! change them. None of these crates needs another to do so, which is why the settings live beneath
//! them.
//!
//! Knows: names, numbers, their defaults, and which numbers cannot be.
//! Never will: how a step is made, reading files, turning text into tokens, engines, threads,
//! clocks, printing.

mod choice;
mod hyper;
mod observe;
mod sample;
mod text;
mod tokenizer;

pub use choice::{Decay, LrShape, Optimizer, Precision, WarmupStart};
pub use hyper::{Hyper, HyperError};
pub use observe::{Intervals, ObserveLevel};
pub use sample::SampleSettings;
pub use text::TextOrigin;
pub use tokenizer::{
    Alphabet, AlphabetError, CodePoint, Documents, DocumentsError, LINE_ENDS, Separator,
    Tokenization, TokenizerKind, TokenizerSpec, TokenizerSpecError, Vocabulary, VocabularyKind,
};
