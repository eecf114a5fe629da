//! All settings at once: overrides over [`Settings`], and back.

use gptlab_model::Preset;

use super::{
    Overrides, SettingsError,
    model::of_spec,
    training::{of_hyper, of_intervals},
};
use crate::{Settings, Tokenization};

impl Overrides {
    /// Returns a whole recipe: that of the requested preset, or of `preset`, with every other
    /// requested setting in place of its own.
    ///
    /// # Errors
    /// Returns the errors of [`Overrides::apply`].
    pub fn resolve(&self, preset: Preset) -> Result<Settings, SettingsError> {
        let mut settings = Settings::of(self.preset.unwrap_or(preset), self.steps);
        self.apply(&mut settings)?;
        Ok(settings)
    }

    /// Replaces the settings that are requested. A preset replaces only the model.
    ///
    /// # Errors
    /// Returns a sentence for the first setting that is out of range or contradicts another;
    /// `settings` are then unchanged. Whether the sizes of the model fit together is left to
    /// [`gptlab_model::ModelSpec::check`], which knows the vocabulary.
    pub fn apply(&self, settings: &mut Settings) -> Result<(), SettingsError> {
        let base = settings.clone();
        *settings = Settings {
            spec: self.spec(base.spec)?,
            tokenizer: self.tokenization(base.tokenizer),
            hyper: self.hyper(base.hyper)?,
            seed: self.seed.unwrap_or(base.seed),
            val_fraction: self.val_fraction.unwrap_or(base.val_fraction),
            intervals: self.intervals(base.intervals)?,
            observe: self.observe.unwrap_or(base.observe),
            sampling: self.sampling(base.sampling)?,
            engine: base.engine,
            isa: base.isa,
        };
        Ok(())
    }

    /// Returns `base` with the requested tokenizer and documents.
    pub fn tokenization(&self, base: Tokenization) -> Tokenization {
        base.with(self.tokenizer, self.documents.as_ref())
    }

    /// Returns the overrides that make `settings` of any preset whose blocks are attention and an
    /// MLP. The blocks of the model must be equal, as they are in every preset. A setting that is
    /// `None` is left out.
    pub fn of(settings: &Settings) -> Self {
        let Settings {
            spec,
            tokenizer,
            hyper,
            seed,
            val_fraction,
            intervals,
            observe,
            sampling,
            // The machine is not part of a recipe.
            engine: _,
            isa: _,
        } = settings;
        let rest = Self {
            tokenizer: Some(tokenizer.kind()),
            documents: tokenizer.other_documents().cloned(),
            seed: Some(*seed),
            val_fraction: Some(*val_fraction),
            observe: Some(*observe),
            ..Self::of_sampling(sampling)
        };
        let recipe = of_hyper(hyper).or(of_intervals(intervals));
        rest.or(recipe).or(of_spec(spec))
    }
}
