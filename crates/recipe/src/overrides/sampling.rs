//! The settings of samples, over [`SampleSettings`] and back.

use super::{Overrides, SettingsError};
use crate::{SampleSettings, ZeroIsNone};

impl Overrides {
    /// Returns `base` with the requested settings of samples. An empty stop text is ignored.
    ///
    /// # Errors
    /// Returns the errors of [`SampleSettings::check`].
    pub fn sampling(&self, base: SampleSettings) -> Result<SampleSettings, SettingsError> {
        let stop = self.stop.clone().filter(|text| !text.is_empty());
        let sampling = SampleSettings {
            prompt: self.prompt.clone().unwrap_or(base.prompt),
            max_tokens: self.max_tokens.unwrap_or(base.max_tokens),
            temperature: self.temperature.unwrap_or(base.temperature),
            top_k: self.top_k.map_or(base.top_k, |k| k.0),
            top_p: self.top_p.or(base.top_p),
            stop: stop.or(base.stop),
        };
        sampling.check().map_err(SettingsError::of)?;
        Ok(sampling)
    }

    /// Returns every setting of samples, as `sampling` has it.
    pub fn of_sampling(sampling: &SampleSettings) -> Self {
        let SampleSettings {
            prompt,
            max_tokens,
            temperature,
            top_k,
            top_p,
            stop,
        } = sampling;
        Overrides {
            prompt: Some(prompt.clone()),
            max_tokens: Some(*max_tokens),
            temperature: Some(*temperature),
            top_k: Some(ZeroIsNone(*top_k)),
            top_p: *top_p,
            stop: stop.clone(),
            ..Overrides::default()
        }
    }
}
