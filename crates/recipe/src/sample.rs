//! How text is sampled.

use serde::{Deserialize, Serialize};

/// How text is sampled from a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// The text to go on from.
    pub prompt: String,
    /// At most so many tokens are written.
    pub max_tokens: usize,
    /// What divides the logits before the softmax; 0 takes the likeliest token.
    pub temperature: f64,
    /// A token is one of so many likeliest ones; `None`: of all.
    pub top_k: Option<usize>,
    /// A token is one of the fewest whose probabilities sum to this; `None`: of all.
    pub top_p: Option<f64>,
    /// The text ends before this text.
    pub stop: Option<String>,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            max_tokens: 200,
            temperature: 0.8,
            top_k: Some(40),
            top_p: None,
            stop: None,
        }
    }
}
