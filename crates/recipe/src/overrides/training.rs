//! The settings of training, over [`Hyper`] and [`Intervals`] and back.

use std::num::NonZeroU64;

use super::{Overrides, SettingsError};
use crate::{Hyper, Intervals, ZeroIsNone};

impl Overrides {
    /// Returns `base` with the requested hyper-parameters. If the requested learning rate is below
    /// `base`'s lowest, it is also the lowest.
    ///
    /// # Errors
    /// Returns the errors of [`Hyper::check`].
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

    /// Returns `base` with the requested intervals. An interval of steps between checkpoints
    /// replaces the interval of time.
    ///
    /// # Errors
    /// Returns an error if the interval between logs is 0.
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
}

fn non_zero(steps: Option<u64>) -> Option<NonZeroU64> {
    steps.and_then(NonZeroU64::new)
}

pub(super) fn of_hyper(hyper: &Hyper) -> Overrides {
    let Hyper {
        steps,
        batch_size,
        precision,
        lr,
        min_lr,
        warmup,
        warmup_start,
        lr_shape,
        beta1,
        beta2,
        eps,
        weight_decay,
        decayed,
        grad_clip,
        optimizer,
    } = *hyper;
    Overrides {
        steps: Some(steps),
        batch_size: Some(batch_size),
        precision: Some(precision),
        lr: Some(lr),
        min_lr: Some(min_lr),
        warmup: Some(warmup),
        warmup_start: Some(warmup_start),
        lr_shape: Some(lr_shape),
        beta1: Some(beta1),
        beta2: Some(beta2),
        eps: Some(eps),
        weight_decay: Some(weight_decay),
        decayed: Some(decayed),
        grad_clip: Some(ZeroIsNone(grad_clip)),
        optimizer: Some(optimizer),
        ..Overrides::default()
    }
}

pub(super) fn of_intervals(intervals: &Intervals) -> Overrides {
    let Intervals {
        log,
        sample,
        checkpoint,
        // The interval of time applies if no number of steps is requested.
        checkpoint_seconds: _,
        val_tokens,
    } = intervals;
    Overrides {
        log_interval: Some(log.get()),
        sample_interval: Some(ZeroIsNone(sample.map(u64::from))),
        val_tokens: Some(*val_tokens),
        checkpoint_interval: checkpoint.map(|steps| ZeroIsNone(Some(steps.get()))),
        ..Overrides::default()
    }
}
