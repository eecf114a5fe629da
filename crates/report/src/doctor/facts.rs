//! The numbers from which symptoms are derived.

use gptlab_record::{Event, Floors, Measure};

use super::thresholds::{COURSE, NO_GRADIENT, SHORT, STUCK};
use crate::{RecordedRun, number, phrases, phrases::Guide, study::mean, words::plural};

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

    /// Says what could not be judged, and how it can be, in a sentence each.
    pub(super) fn unjudged(&self) -> Vec<String> {
        let mut unjudged = Vec::new();
        if self.run.diverged_at().is_some() {
            return unjudged;
        }
        if !self.has_course() {
            let enough = COURSE.value;
            let logged = plural(self.train.len(), "step");
            let was = if self.train.len() == 1 { "was" } else { "were" };
            let unfinished = self.run.unfinished();
            let made = unfinished.unwrap_or(self.run.experiment.hyper.steps);
            let interval = (made / 20).max(1);
            let logs_more = interval < self.run.experiment.intervals.log.get();
            let more = if made as f64 >= enough && logs_more {
                format!("`--log-interval {interval}` logs more")
            } else if unfinished.is_some() {
                "continue the run with `--resume`".to_owned()
            } else {
                "train for more `--steps`".to_owned()
            };
            unjudged.push(format!(
                "The course of the loss is not judged: {logged} {was} logged, and it takes {enough}; {more}."
            ));
        }
        if self.run.observations().next().is_none() {
            unjudged.push(
                "Activations, attention heads and hidden units are not judged: nothing was observed; \
                 `--observe full` records them."
                    .to_owned(),
            );
        }
        unjudged.extend(self.floors.and_then(|floors| floors.unknown.clone()));
        if self.floors.is_none_or(|f| f.ngrams.is_empty()) {
            unjudged.push(
                "The loss is not compared with n-gram baselines: they need the run's text, and a \
                 validation part of it."
                    .to_owned(),
            );
        }
        unjudged
    }

    pub(super) fn seen(&self) -> String {
        let measures = self.run.measures().len();
        let observed = match measures {
            0 => "no observations".to_owned(),
            n => plural(n, "observed measure"),
        };
        let over = self.floors.and_then(|f| f.predictions);
        let over = over.map(|n| format!(" over the loss's {}", plural(n, "prediction")));
        let baselines = match self.floors.map_or(0, |f| f.ngrams.len()) {
            0 => "no n-gram baselines".to_owned(),
            n => format!("n-gram baselines up to {n}{}", over.unwrap_or_default()),
        };
        let made = self.run.unfinished().map_or_else(String::new, |made| {
            let all = self.run.experiment.hyper.steps;
            format!(
                ", after {made} of {}: the run has not ended",
                plural(all as usize, "step")
            )
        });
        let logged = plural(self.train.len(), "logged step");
        format!("{logged}, {observed}, {baselines}{made}")
    }

    /// Returns whether there are enough steps for a trend.
    pub(super) fn has_course(&self) -> bool {
        self.train.len() as f64 >= COURSE.value
    }

    /// Returns the last loss of a run that has a course and did not diverge.
    pub(super) fn loss_after_course(&self) -> Option<f64> {
        self.loss_at_end().filter(|_| self.has_course())
    }

    /// Returns the last loss of a run that has ended or has a course, and did not diverge.
    pub(super) fn loss_at_end(&self) -> Option<f64> {
        let judged = self.run.unfinished().is_none() || self.has_course();
        let fine = judged && self.run.diverged_at().is_none();
        self.last_loss().filter(|_| fine)
    }

    /// Returns whether the loss is as low as this text or this model lets it be.
    pub(super) fn is_at_its_best(&self) -> bool {
        let bigrams = self.floors.and_then(|floors| floors.ngrams.get(1));
        let bigrams = bigrams.filter(|_| !self.has_attention());
        self.is_at_the_entropy() || bigrams.is_some_and(|best| self.is_down_to(*best))
    }

    /// Returns whether the loss is at the text's entropy, or at 0 if that is not known.
    pub(super) fn is_at_the_entropy(&self) -> bool {
        let entropy = self.floors.and_then(|floors| floors.entropy);
        self.is_down_to(entropy.unwrap_or(0.0))
    }

    fn is_down_to(&self, best: f64) -> bool {
        self.last_loss()
            .is_some_and(|last| last - best < STUCK.value)
    }

    pub(super) fn has_attention(&self) -> bool {
        self.run.experiment.spec.attentions().next().is_some()
    }

    /// Returns the n-gram baseline with the shortest context that has a lower loss than `last`.
    pub(super) fn shortest_unbeaten(&self, last: f64) -> Option<Guide> {
        let baselines = phrases::guides(self.floors?).into_iter();
        let mut ngrams = baselines.filter(|g| g.short.ends_with("-gram"));
        ngrams.find(|g| number::is_below(g.loss, last))
    }

    /// Returns how many predictions the run has made for each of its parameters, and how many
    /// passes over the training text they are; `None` if the record does not tell the parameters.
    pub(super) fn seen_each(&self) -> Option<(f64, f64)> {
        let parameters = self.run.events.iter().find_map(|event| match event {
            Event::Start { parameters } => Some(*parameters as f64),
            Event::Notice { .. }
            | Event::Step(_)
            | Event::Observation(_)
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. }
            | Event::Done { .. } => None,
        })?;
        let experiment = &self.run.experiment;
        let made = self.run.unfinished().unwrap_or(experiment.hyper.steps);
        let batch = experiment.hyper.batch_size as f64 * experiment.spec.block_size as f64;
        let predictions = made as f64 * batch;
        let text = experiment.data.train_tokens.max(1) as f64;
        Some((predictions / parameters.max(1.0), predictions / text))
    }

    /// Returns whether the run has seen little text for its size.
    pub(super) fn is_short(&self) -> bool {
        self.seen_each().is_some_and(|(each, _)| each < SHORT.value)
    }

    /// Returns the validation losses if there are enough, otherwise the training losses.
    pub(super) fn losses(&self) -> &[f64] {
        if self.val.len() as f64 >= COURSE.value {
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

    /// Returns whether next to no gradient is left at the end.
    pub(super) fn has_no_gradient(&self) -> bool {
        self.last_norm()
            .is_some_and(|norm| norm < NO_GRADIENT.value)
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
