//! Flags that take one of a list of names: the list supplies help, completions, near matches and
//! errors.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use gptlab_data::Builtin;
use gptlab_engine::cpu::Kind;
use gptlab_model::{Choice, Words};

/// Parses the name or an alias of a value of `C`.
pub(super) fn one_of<C: Choice + Send + Sync>() -> impl TypedValueParser<Value = C> {
    PossibleValuesParser::new(C::ALL.iter().map(|value| possible(value.words())))
        .try_map(|typed| C::parse(&typed))
}

pub(super) fn possible(words: Words) -> PossibleValue {
    PossibleValue::new(words.name)
        .aliases(words.aliases)
        .help(words.help)
}

/// Parses the name of a set of vector instructions. The list is in the kernels, which know no
/// flags.
pub(super) fn instructions() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name))
        .try_map(|typed| Kind::from_name(&typed).ok_or("no such instructions"))
}

/// Returns the help of a flag that takes a text and defaults to the built-in stories.
pub(super) fn text_help(what: &str) -> String {
    format!(
        "{what}: a UTF-8 file, or a built-in text [default: {}] [built in: {}]",
        Builtin::Stories.name(),
        Builtin::names()
    )
}

/// Returns the help of the flag that names the text to measure on.
pub(super) fn measured_text() -> String {
    format!(
        "The text to measure on: a UTF-8 file, or a built-in text ({}) [default: the text that the model was trained \
         on, if the run's record names it or it is a built-in one]",
        Builtin::names()
    )
}
