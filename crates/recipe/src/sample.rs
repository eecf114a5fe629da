//! How text is sampled.

use std::fmt;

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

impl SampleSettings {
    /// Refuses numbers that cannot be.
    ///
    /// # Errors
    /// As for [`check_sampling`].
    pub fn check(&self) -> Result<(), SamplingError> {
        check_sampling(self.temperature, self.top_k, self.top_p)
    }
}

/// Refuses numbers by which no token can be chosen.
///
/// # Errors
/// A sentence for the first number out of its range.
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

/// Why tokens cannot be chosen by these numbers: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingError(String);

impl fmt::Display for SamplingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SamplingError {}
