//! All settings at once: overrides over [`Settings`], and back.

use gptlab_model::Preset;

use super::{
    Overrides, SettingsError,
    model::of_spec,
    sampling::of_sampling,
    training::{of_hyper, of_intervals},
};
use crate::{Settings, Tokenization};

impl Overrides {
    /// Makes a whole recipe: that of the preset that is asked for, or of `preset`, with every other
    /// setting that is asked for in place of its own.
    ///
    /// # Errors
    /// As for [`Overrides::apply`].
    pub fn resolve(&self, preset: Preset) -> Result<Settings, SettingsError> {
        let mut settings = Settings::of(self.preset.unwrap_or(preset), self.steps);
        self.apply(&mut settings)?;
        Ok(settings)
    }

    /// Puts what is asked for in place of what `settings` have. A preset replaces the model alone.
    ///
    /// # Errors
    /// A sentence for the first setting that cannot be, or contradicts another; `settings` are then
    /// as they were. Whether the sizes of the model go together is left to [`ModelSpec::check`],
    /// which knows the vocabulary.
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

    /// Returns `base` with the tokenizer and the documents that are asked for.
    pub fn tokenization(&self, base: Tokenization) -> Tokenization {
        base.with(self.tokenizer, self.documents.as_ref())
    }

    /// Returns what has to be asked for to have `settings`, over any preset whose blocks are
    /// attention and an MLP. The blocks of the model must be alike, as they are in every preset; a
    /// setting that is `None` because nobody asked for it is left out.
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
            // What the machine has is no part of a recipe.
            engine: _,
            isa: _,
        } = settings;
        let rest = Self {
            tokenizer: Some(tokenizer.kind()),
            documents: tokenizer.other_documents().cloned(),
            seed: Some(*seed),
            val_fraction: Some(*val_fraction),
            observe: Some(*observe),
            ..of_sampling(sampling)
        };
        let recipe = of_hyper(hyper).or(of_intervals(intervals));
        rest.or(recipe).or(of_spec(spec))
    }
}
