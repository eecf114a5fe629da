//! Texts that a model generated, in the form that `generate --json` prints.

use serde::Serialize;

/// One generated sample and the seed that it was drawn with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedSample {
    pub seed: u64,
    #[serde(flatten)]
    pub continuation: Continuation,
}

/// The text that a model generated after a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Continuation {
    pub prompt: String,
    /// The generated text, without the prompt.
    pub text: String,
    /// The number of generated tokens.
    pub tokens: usize,
    pub end: ContinuationEnd,
}

/// The reason why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContinuationEnd {
    /// The text reached the requested number of tokens.
    Length,
    /// The stop text was generated.
    Stop,
    /// The model ended the document.
    Document,
    /// The user interrupted the generation.
    Interrupted,
}
