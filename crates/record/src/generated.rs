//! A text that a model wrote: what `generate --json` prints.

use serde::Serialize;

/// One sample, and the seed that it was drawn with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedSample {
    pub seed: u64,
    #[serde(flatten)]
    pub continuation: Continuation,
}

/// What a model wrote after a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Continuation {
    pub prompt: String,
    /// What follows the prompt.
    pub text: String,
    /// How many tokens were chosen.
    pub tokens: usize,
    pub end: ContinuationEnd,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContinuationEnd {
    /// As many tokens as were asked for were written.
    Length,
    /// The text came before which a sample was to end.
    Stop,
    /// The model ended the document.
    Document,
    /// A person interrupted it.
    Interrupted,
}
