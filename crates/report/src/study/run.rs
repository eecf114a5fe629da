//! The record of one run, and the numbers derived from it.

use std::path::Path;

use gptlab_record::{
    CellOutcome, Event, Experiment, FileError, Floors, Measure, Observation, StepRecord,
    read_events, read_experiment, read_outcome,
};

/// The contents of a run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRun {
    pub name: String,
    pub experiment: Experiment,
    pub events: Vec<Event>,
    /// The finished model's loss over the whole validation split, in nats per token. Only the runs
    /// of a grid measure it. The losses of events are over a part of the split
    /// (`intervals.val_tokens`).
    pub whole_loss: Option<f64>,
    /// The n-gram baselines over the predictions of the run's last loss, where the study's are over
    /// others. The record does not hold them: who has the text adds them.
    pub floors: Option<Floors>,
}

/// The numbers of one measure over a run, at the places of its first observation.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureHistory {
    /// The name of a [`Measure`], or of a measure of another version of the program.
    pub name: String,
    pub at: Vec<String>,
    pub steps: Vec<u64>,
    /// The values, one row per step and one column per place.
    pub values: Vec<Vec<f64>>,
}

impl MeasureHistory {
    /// Returns the mean over places at the last step; `None` if nothing is finite.
    pub fn last_mean(&self) -> Option<f64> {
        self.values.last().and_then(|row| finite_mean(row))
    }

    /// Returns the mean over places halfway through the run, with its step; `None` if nothing is
    /// finite.
    pub fn middle_mean(&self) -> Option<(u64, f64)> {
        let middle = self.values.len() / 2;
        let row = self.values.get(middle)?;
        Some((*self.steps.get(middle)?, finite_mean(row)?))
    }

    /// Returns the mean over places and over the second half of the run; `None` if nothing is
    /// finite.
    pub fn late_mean(&self) -> Option<f64> {
        let rows = &self.values[self.values.len() / 2..];
        let means: Vec<f64> = rows.iter().filter_map(|row| finite_mean(row)).collect();
        super::mean(&means)
    }

    /// Returns the numbers at the last step.
    pub fn last(&self) -> &[f64] {
        self.values.last().map_or(&[], Vec::as_slice)
    }
}

fn finite_mean(numbers: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = numbers.iter().copied().filter(|x| x.is_finite()).collect();
    super::mean(&finite)
}

impl RecordedRun {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    /// Returns an error if it contains no run, or one that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, FileError> {
        Ok(Self {
            name: super::name_of(folder),
            experiment: read_experiment(folder)?,
            events: read_events(folder)?,
            whole_loss: read_outcome(folder)?.and_then(|outcome| outcome.val_loss),
            floors: None,
        })
    }

    /// Returns whether a part of the text was kept for validation.
    pub fn keeps_validation(&self) -> bool {
        self.experiment.data.val_tokens > 0
    }

    /// Returns the run's seed.
    pub fn seed(&self) -> u64 {
        self.experiment.seed
    }

    /// Returns whether the last loss is over the whole validation split.
    pub fn ends_whole(&self) -> bool {
        let Experiment {
            data, intervals, ..
        } = &self.experiment;
        self.whole_loss.is_some() || intervals.val_tokens >= data.val_tokens.saturating_sub(1)
    }

    /// Returns the logged steps, first to last.
    pub fn steps(&self) -> Vec<&StepRecord> {
        self.events.iter().filter_map(Event::as_step).collect()
    }

    /// Returns the losses of the steps' own batches, by step, in nats per token.
    pub fn training(&self) -> Vec<(u64, f64)> {
        self.steps().iter().map(|r| (r.step, r.loss)).collect()
    }

    /// Returns the validation losses by step, in nats per token. The finished model's is the last.
    pub fn validation(&self) -> Vec<(u64, f64)> {
        let logged = self.steps();
        let logged = logged.iter().filter_map(|r| Some((r.step, r.val_loss?)));
        let done = self.done().and_then(|(step, loss)| Some((step, loss?)));
        logged.chain(done).collect()
    }

    /// Returns the validation losses, or those of the batches if there is no validation split.
    pub fn curve(&self) -> Vec<(u64, f64)> {
        let validation = self.validation();
        if validation.is_empty() {
            self.training()
        } else {
            validation
        }
    }

    /// Returns the number of updates of a finished run, and the finished model's validation loss.
    pub fn done(&self) -> Option<(u64, Option<f64>)> {
        self.events.iter().rev().find_map(|event| match *event {
            Event::Done { step, val_loss, .. } => Some((step, val_loss)),
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Step(_)
            | Event::Observation(_)
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. } => None,
        })
    }

    /// Returns the number of updates that an unfinished run is known to have made, because it was
    /// stopped or is still running; `None` if it has ended.
    pub fn unfinished(&self) -> Option<u64> {
        if self.outcome().is_some() {
            return None;
        }
        let made = self.events.iter().filter_map(|event| match *event {
            Event::Step(record) => Some(record.step + 1),
            Event::Checkpoint { step, .. }
            | Event::Resume { step }
            | Event::Stop { step, .. }
            | Event::Sample { step, .. } => Some(step),
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Observation(_)
            | Event::Diverged { .. }
            | Event::Done { .. } => None,
        });
        Some(made.max().unwrap_or(0))
    }

    /// Returns the first step known to have a loss that is not finite, whether or not the run ended
    /// there.
    pub fn diverged_at(&self) -> Option<u64> {
        self.events.iter().find_map(|event| match *event {
            Event::Diverged { step, .. } => Some(step),
            Event::Step(record) => (!record.loss.is_finite()).then_some(record.step),
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Observation(_)
            | Event::Sample { .. }
            | Event::Checkpoint { .. }
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Done { .. } => None,
        })
    }

    /// Returns the run's outcome; `None` if it has not ended.
    pub fn outcome(&self) -> Option<CellOutcome> {
        let (done, diverged_at) = (self.done(), self.diverged_at());
        if done.is_none() && diverged_at.is_none() {
            return None;
        }
        let last = self.steps().last().copied();
        Some(CellOutcome {
            seed: self.seed(),
            diverged_at,
            val_loss: done.and_then(|(_, loss)| loss),
            train_loss: last.map(|r| r.loss),
            grad_norm: last.map(|r| r.grad_norm),
            skill_loss: None,
            sample: self.samples().last().map(|(_, text)| (*text).to_owned()),
        })
    }

    /// Returns the samples, each after the number of updates at which it was generated.
    pub fn samples(&self) -> Vec<(u64, &str)> {
        self.events.iter().filter_map(Event::as_sample).collect()
    }

    /// Returns the observations, step by step.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.events.iter().filter_map(Event::as_observation)
    }

    /// Returns the observations of each measure, in the order of their first appearance.
    pub fn measures(&self) -> Vec<MeasureHistory> {
        let mut found: Vec<MeasureHistory> = Vec::new();
        for observation in self.observations() {
            for series in &observation.series {
                let known = found.iter().position(|m| m.name == series.measure);
                let at = known.unwrap_or_else(|| {
                    found.push(MeasureHistory {
                        name: series.measure.clone(),
                        at: series.at.clone(),
                        steps: Vec::new(),
                        values: Vec::new(),
                    });
                    found.len() - 1
                });
                // Observations with other places than the first cannot be part of the same chart.
                if found[at].at == series.at && series.values.len() == series.at.len() {
                    found[at].steps.push(observation.step);
                    found[at].values.push(series.values.clone());
                }
            }
        }
        found.retain(|measure| !measure.values.is_empty() && !measure.at.is_empty());
        found
    }

    /// Returns the observations of one measure; `None` if there are none.
    pub fn measure(&self, measure: Measure) -> Option<MeasureHistory> {
        let mut found = self.measures().into_iter();
        found.find(|history| history.name == measure.name())
    }

    /// Tokens that a step trains on: known where every sequence is a whole window of one text.
    pub fn tokens_per_step(&self) -> Option<f64> {
        let Experiment { spec, hyper, .. } = &self.experiment;
        let tokens = (spec.block_size * hyper.batch_size) as f64;
        let documents = self.experiment.tokenizer.documents();
        documents.separator().is_none().then_some(tokens)
    }

    /// Returns the median of the logged speeds, in tokens per second. It differs between equal
    /// runs, so it must not enter a file that has to repeat.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let logged = self.steps();
        let mut speeds: Vec<f64> = logged
            .iter()
            .map(|r| r.tokens_per_second)
            .filter(|x| *x > 0.0)
            .collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }

    /// Returns the duration of the run in seconds, without pauses.
    pub fn seconds(&self) -> Option<f64> {
        self.events.iter().rev().find_map(Event::seconds)
    }
}
