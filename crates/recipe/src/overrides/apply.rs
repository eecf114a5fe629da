//! Overrides over settings.

use std::num::NonZeroU64;

use gptlab_model::{
    Attention, Bias, Mlp, MlpForm, ModelSpec, OutputHead, Preset, QkNorm, Residual, check_n_layer,
};

use super::{Overrides, SettingsError};
use crate::{Hyper, Intervals, MlpShape, SampleSettings, Settings, Tokenization};

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

    /// Returns `base` with the hyper-parameters that are asked for. A learning rate below the
    /// lowest of `base` is the lowest.
    ///
    /// # Errors
    /// As for [`Hyper::check`].
    pub fn hyper(&self, base: Hyper) -> Result<Hyper, SettingsError> {
        let lr = self.lr.unwrap_or(base.lr);
        let hyper = Hyper {
            steps: self.steps.unwrap_or(base.steps),
            batch_size: self.batch_size.unwrap_or(base.batch_size),
            lr,
            min_lr: self.min_lr.unwrap_or(base.min_lr.min(lr)),
            warmup: self.warmup.unwrap_or(base.warmup),
            warmup_start: self.warmup_start.unwrap_or(base.warmup_start),
            lr_shape: self.lr_shape.unwrap_or(base.lr_shape),
            beta1: self.beta1.unwrap_or(base.beta1),
            beta2: self.beta2.unwrap_or(base.beta2),
            eps: self.eps.unwrap_or(base.eps),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            decayed: self.decayed.unwrap_or(base.decayed),
            grad_clip: self.grad_clip.map_or(base.grad_clip, |clip| clip.0),
            optimizer: self.optimizer.unwrap_or(base.optimizer),
            precision: self.precision.unwrap_or(base.precision),
        };
        hyper.check().map_err(SettingsError::of)?;
        Ok(hyper)
    }

    /// Returns `base` with the intervals that are asked for. An interval of steps between
    /// checkpoints replaces the clock.
    ///
    /// # Errors
    /// When logs are asked for every 0 steps.
    pub fn intervals(&self, base: Intervals) -> Result<Intervals, SettingsError> {
        let log = self.log_interval.map_or(Some(base.log), NonZeroU64::new);
        let Some(log) = log else {
            let why = "log-interval must be at least 1, found 0";
            return Err(SettingsError(why.into()));
        };
        let sample = self.sample_interval.map(|steps| non_zero(steps.0));
        let checkpoint = self.checkpoint_interval.map(|steps| non_zero(steps.0));
        Ok(Intervals {
            log,
            sample: sample.unwrap_or(base.sample),
            checkpoint: checkpoint.unwrap_or(base.checkpoint),
            checkpoint_seconds: base.checkpoint_seconds.filter(|_| checkpoint.is_none()),
            val_tokens: self.val_tokens.unwrap_or(base.val_tokens),
        })
    }

    /// Returns `base` with what is asked for of samples. An empty text to stop at asks for nothing.
    ///
    /// # Errors
    /// As for [`SampleSettings::check`].
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

    /// Returns `base`, or the model of the preset that is asked for, with every choice that is
    /// asked for.
    ///
    /// # Errors
    /// When there are more blocks than a model may have, or the forms of the MLP contradict each
    /// other.
    pub fn spec(&self, base: ModelSpec) -> Result<ModelSpec, SettingsError> {
        self.n_layer
            .map_or(Ok(()), check_n_layer)
            .map_err(SettingsError::of)?;
        let gated = self.is_gated()?;
        let mut spec = self.preset.map_or(base, Preset::spec);
        self.set_sizes(&mut spec);
        self.set_whole(&mut spec);
        self.take_out(&mut spec);
        spec.attentions_mut().for_each(|a| self.set_attention(a));
        spec.mlps_mut().for_each(|mlp| self.set_mlp(mlp, gated));
        Ok(spec)
    }

    fn set_sizes(&self, spec: &mut ModelSpec) {
        set(&mut spec.block_size, self.block_size);
        set(&mut spec.dropout, self.dropout);
        if let Some(n_layer) = self.n_layer {
            spec.set_depth(n_layer);
        }
        if let Some(n_embd) = self.n_embd {
            spec.set_width(n_embd);
        }
        if let Some(heads) = self.n_head {
            spec.set_heads(heads);
        }
    }

    /// Sets choices that hold for the whole model.
    fn set_whole(&self, spec: &mut ModelSpec) {
        set(&mut spec.position, self.position);
        set(&mut spec.norms.block, self.norm);
        set(&mut spec.norms.embedding, self.embedding_norm);
        set(&mut spec.norms.last, self.final_norm);
        set(&mut spec.wiring.norm, self.ln_style);
        set(&mut spec.wiring.order, self.order);
        let residual = |off| if off { Residual::None } else { Residual::Add };
        set(
            &mut spec.wiring.residual,
            self.disable_residual.map(residual),
        );
        let head = |tied| {
            if tied {
                OutputHead::Tied
            } else {
                OutputHead::Untied
            }
        };
        set(&mut spec.head, self.tied.map(head));
        let bias = |on| if on { Bias::Everywhere } else { Bias::Nowhere };
        set(&mut spec.bias, self.bias.map(bias));
        set(&mut spec.init.std, self.init_std);
        set(&mut spec.init.residual, self.init_residual);
    }

    /// Takes out what is not wanted: "no attention" and "no MLP" are shorter lists.
    fn take_out(&self, spec: &mut ModelSpec) {
        if self.disable_attention == Some(true) {
            spec.remove_attentions();
        }
        if self.mlp == Some(MlpShape::None) {
            spec.remove_mlps();
        }
    }

    fn set_attention(&self, attention: &mut Attention) {
        set(&mut attention.kv_heads, self.n_kv_head);
        set(&mut attention.mask, self.mask);
        set(&mut attention.window, self.window.map(|window| window.0));
        set(&mut attention.scale, self.attention_scale);
        let qk_norm = |on| if on { QkNorm::RmsNorm } else { QkNorm::None };
        set(&mut attention.qk_norm, self.qk_norm.map(qk_norm));
        set(&mut attention.softcap, self.softcap.map(|cap| cap.0));
    }

    /// Says whether the MLP is to be gated, where that is asked for.
    fn is_gated(&self) -> Result<Option<bool>, SettingsError> {
        let why = match (self.mlp, self.gated) {
            (None, gated) => return Ok(gated),
            (Some(MlpShape::None), None | Some(false)) => return Ok(None),
            (Some(MlpShape::Plain), None | Some(false)) => return Ok(Some(false)),
            (Some(MlpShape::Gated), None | Some(true)) => return Ok(Some(true)),
            (Some(MlpShape::None), Some(true)) => {
                "mlp none takes the MLPs out and gated wants them gated"
            }
            (Some(MlpShape::Plain), Some(true)) => "mlp plain and gated contradict each other",
            (Some(MlpShape::Gated), Some(false)) => "mlp gated and gated 0 contradict each other",
        };
        Err(SettingsError(why.into()))
    }

    fn set_mlp(&self, mlp: &mut Mlp, gated: Option<bool>) {
        set(&mut mlp.hidden, self.mlp_hidden);
        let (was_gated, had) = match mlp.form {
            MlpForm::Plain(f) => (false, f),
            MlpForm::Gated(f) => (true, f),
        };
        let f = self.activation.unwrap_or(had);
        mlp.form = if gated.unwrap_or(was_gated) {
            MlpForm::Gated(f)
        } else {
            MlpForm::Plain(f)
        };
    }
}

fn set<T>(place: &mut T, asked: Option<T>) {
    if let Some(value) = asked {
        *place = value;
    }
}

fn non_zero(steps: Option<u64>) -> Option<NonZeroU64> {
    steps.and_then(NonZeroU64::new)
}
