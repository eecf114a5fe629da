//! The numbers from which symptoms are derived.

use gptlab_record::{Floors, Measure};

use crate::{RecordedRun, study::mean};

/// The number of logged steps that a trend requires.
const FEWEST: usize = 5;

pub(super) struct Facts<'a> {
    pub(super) run: &'a RecordedRun,
    pub(super) floors: Option<&'a Floors>,
    pub(super) train: Vec<f64>,
    pub(super) val: Vec<f64>,
    /// The gradient norms after the first tenth of the run.
    pub(super) grad_norms: Vec<f64>,
    pub(super) uniform: f64,
}

impl<'a> Facts<'a> {
    pub(super) fn of(run: &'a RecordedRun, floors: Option<&'a Floors>) -> Self {
        let losses = |curve: Vec<(u64, f64)>| curve.into_iter().map(|(_, loss)| loss).collect();
        let steps = run.steps();
        let after = steps.len().div_ceil(10);
        Self {
            run,
            floors,
            train: losses(run.training()),
            val: losses(run.validation()),
            grad_norms: steps.iter().skip(after).map(|r| r.grad_norm).collect(),
            uniform: (run.experiment.vocab_size as f64).ln(),
        }
    }

    pub(super) fn seen(&self) -> String {
        let measures = self.run.measures().len();
        let observed = match measures {
            0 => "no observations".to_owned(),
            n => format!("{n} observed measures"),
        };
        let guides = match self.floors.map_or(0, |f| f.ngrams.len()) {
            0 => "no n-gram tables".to_owned(),
            n => format!("n-gram tables up to {n}"),
        };
        let made = self.run.unfinished().map_or_else(String::new, |made| {
            let all = self.run.experiment.hyper.steps;
            format!(", after {made} of {all} steps: the run has not ended")
        });
        format!(
            "{} logged steps, {observed}, {guides}{made}",
            self.train.len()
        )
    }

    /// Returns whether there are enough steps for a trend.
    pub(super) fn has_course(&self) -> bool {
        self.train.len() >= FEWEST
    }

    /// Returns the validation losses if there are enough, otherwise the training losses.
    pub(super) fn losses(&self) -> &[f64] {
        if self.val.len() >= FEWEST {
            &self.val
        } else {
            &self.train
        }
    }

    /// Returns the last known loss: the validation loss if there is one, over the whole split if
    /// that was measured.
    pub(super) fn last_loss(&self) -> Option<f64> {
        let logged = self.val.last().or(self.train.last());
        self.run.whole_loss.or(logged.copied())
    }

    /// Returns the mean of the last tenth of a curve.
    pub(super) fn end(curve: &[f64]) -> Option<f64> {
        let n = curve.len().div_ceil(10);
        mean(&curve[curve.len() - n..])
    }

    /// Returns the lowest mean of a tenth of a curve.
    pub(super) fn lowest(curve: &[f64]) -> Option<f64> {
        let n = curve.len().div_ceil(10).max(1);
        curve.windows(n).filter_map(mean).min_by(f64::total_cmp)
    }

    pub(super) fn median_norm(&self) -> Option<f64> {
        median(&self.grad_norms)
    }

    /// Returns the median gradient norm of the last quarter.
    pub(super) fn last_norm(&self) -> Option<f64> {
        let n = self.grad_norms.len();
        median(&self.grad_norms[n - n.div_ceil(4)..])
    }

    /// Returns a measure's mean at the last observation.
    pub(super) fn measured(&self, measure: Measure) -> Option<f64> {
        self.run.measure(measure)?.last_mean()
    }

    /// Returns a measure's largest number at the last observation, and its place.
    pub(super) fn largest(&self, measure: Measure) -> Option<(f64, String)> {
        let history = self.run.measure(measure)?;
        let finite = history
            .last()
            .iter()
            .zip(&history.at)
            .filter(|(x, _)| x.is_finite());
        let (x, at) = finite.max_by(|a, b| a.0.total_cmp(b.0))?;
        Some((*x, at.clone()))
    }
}

fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
