//! How a model is made, trained, logged and sampled from, as plain data.
//!
//! [`Settings`] is everything that decides a run besides its text, and [`Settings::of`] returns the
//! whole recipe of a preset: its model, [`Hyper`]-parameters, [`Intervals`], [`SampleSettings`].
//! [`Overrides`] changes parts of it: it holds every setting by name, each optional, with one table
//! ([`KEYS`]) from which flags, settings files, the axes of grids and help are made. [`TextOrigin`]
//! and [`TokenizerSpec`] describe the text that a run learns from and its tokens. Everything with a
//! choice of names is a [`gptlab_model::Choice`], with one list of names and help.
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
mod nearest;
mod observe;
mod optimizer;
mod overrides;
mod preset;
mod recipe_scale;
mod sample;
mod settings;
mod text;
mod text_recipe;
mod tokenizer;
mod value;
pub mod words;

pub use choice::{Decay, LrShape, MlpShape, Precision, WarmupStart};
pub use hyper::{Hyper, HyperError};
pub use nearest::{nearest, nearest_words};
pub use observe::{Intervals, ObserveLevel};
pub use optimizer::{Optimizer, StateName};
pub use overrides::{KEYS, Overrides, SettingGroup, SettingKey, SettingsError, UnknownKey};
pub use preset::{DEFAULT_PRESET, DEFAULT_VAL_FRACTION, KeyDefault, usual_vocab_size};
pub use sample::{SampleSettings, SamplingError, check_sampling};
pub use settings::Settings;
pub use text::TextOrigin;
pub use text_recipe::{DEFAULT_TIME, Reason, RecipeInput, TextRecipe};
pub use tokenizer::{
    Alphabet, AlphabetError, CodePoint, Documents, DocumentsError, LINE_ENDS, Separator,
    Tokenization, TokenizerKind, TokenizerSpec, TokenizerSpecError, Vocabulary, VocabularyKind,
};
pub use value::{
    Bounded, SettingValue, ValueKind, ZeroIsNone, read_count, read_number, read_switch,
};
