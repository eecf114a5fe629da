//! The book: chapters whose numbers are references to the outputs of commands.
//!
//! A chapter is Markdown with references such as `{{baselines.floors.2-gram.loss:.2}}`
//! ([`mod@reference`]). What they refer to are files that commands of `gptlab` wrote and that are
//! kept in the repository ([`plan`], [`outputs`]). This crate puts the values in ([`splice`]),
//! finds what does not fit ([`check`]), reruns the commands and compares the files byte for byte
//! ([`rerun`]), and is mdBook's preprocessor ([`preprocessor`]). `book/README.md` describes all of
//! it for authors.
//!
//! [`CHAPTERS`] holds the finished text of every chapter, for a program that shows it.

pub mod book;
pub mod chapters;
pub mod check;
pub mod expression;
pub mod format;
pub mod glossary;
pub mod languages;
pub mod lookup;
pub mod outputs;
pub mod picture;
pub mod plan;
pub mod preprocessor;
pub mod problem;
pub mod prose;
pub mod reference;
pub mod rerun;
pub mod source;
pub mod splice;
pub mod words;

pub use book::Book;
pub use chapters::{CHAPTERS, ChapterText};
pub use languages::Language;
pub use problem::Problem;
