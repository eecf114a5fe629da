//! The settings for sampling text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The settings for sampling text from a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// The text to continue.
    pub prompt: String,
    /// The largest number of tokens to write.
    pub max_tokens: usize,
    /// The divisor of the logits before the softmax; 0 takes the likeliest token.
    pub temperature: f64,
    /// The number of likeliest tokens to choose from; `None` chooses from all.
    pub top_k: Option<usize>,
    /// The probability that the likeliest tokens to choose from must reach, with as few of them as
    /// possible; `None` chooses from all.
    pub top_p: Option<f64>,
    /// The text before which the sampled text ends.
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

impl SampleSettings {
    /// Checks every number.
    ///
    /// # Errors
    /// Returns the errors of [`check_sampling`].
    pub fn check(&self) -> Result<(), SamplingError> {
        check_sampling(self.temperature, self.top_k, self.top_p)
    }
}

/// Checks the numbers by which a token is chosen.
///
/// # Errors
/// Returns a sentence about the first number out of its range.
pub fn check_sampling(
    temperature: f64,
    top_k: Option<usize>,
    top_p: Option<f64>,
) -> Result<(), SamplingError> {
    if !(temperature.is_finite() && temperature >= 0.0) {
        let why = format!("temperature must be a number of at least 0, found {temperature}");
        return Err(SamplingError(why));
    }
    if top_k == Some(0) {
        return Err(SamplingError("top-k must be at least 1, found 0".into()));
    }
    if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
        let why = format!("top-p must be above 0 and at most 1, found {p}");
        return Err(SamplingError(why));
    }
    Ok(())
}

/// The reason why these numbers cannot choose a token: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingError(String);

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SamplingError {}
