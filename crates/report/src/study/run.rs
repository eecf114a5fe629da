//! One run's record, and what to ask of it.

use std::path::Path;

use gptlab_record::{
    CellOutcome, Event, Experiment, FileError, Floors, Measure, Observation, StepRecord,
    read_events, read_experiment, read_outcome,
};

/// What a run's folder holds.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedRun {
    pub name: String,
    pub experiment: Experiment,
    pub events: Vec<Event>,
    /// The finished model's loss over all of the validation split, which the runs of a grid
    /// measure; in nats a token. The losses of events are over a part of it
    /// (`intervals.val_tokens`).
    pub whole_loss: Option<f64>,
    /// The n-gram baselines over the predictions of the run's last loss, where the study's are over
    /// others. The record does not hold them: who has the text adds them.
    pub floors: Option<Floors>,
}

/// The numbers of one measure over a run, at the places of its first observation. The name is one
/// of [`Measure`], or what another version of the program measured.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasureHistory {
    pub name: String,
    pub at: Vec<String>,
    pub steps: Vec<u64>,
    /// A row for each step, a number for each place.
    pub values: Vec<Vec<f64>>,
}

impl MeasureHistory {
    /// The mean over places at the last step; `None` where nothing is finite.
    pub fn last_mean(&self) -> Option<f64> {
        self.values.last().and_then(|row| finite_mean(row))
    }

    /// The numbers at the last step.
    pub fn last(&self) -> &[f64] {
        self.values.last().map_or(&[], Vec::as_slice)
    }
}

fn finite_mean(numbers: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = numbers.iter().copied().filter(|x| x.is_finite()).collect();
    super::mean(&finite)
}

impl RecordedRun {
    /// The run in `folder`.
    ///
    /// # Errors
    /// When it holds none, or one that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, FileError> {
        Ok(Self {
            name: super::name_of(folder),
            experiment: read_experiment(folder)?,
            events: read_events(folder)?,
            whole_loss: read_outcome(folder)?.and_then(|outcome| outcome.val_loss),
            floors: None,
        })
    }

    pub fn seed(&self) -> u64 {
        self.experiment.seed
    }

    /// Whether the loss at the end is over all of the validation split.
    pub fn ends_whole(&self) -> bool {
        let Experiment {
            data, intervals, ..
        } = &self.experiment;
        self.whole_loss.is_some() || intervals.val_tokens >= data.val_tokens.saturating_sub(1)
    }

    /// The logged steps, first to last.
    pub fn steps(&self) -> Vec<&StepRecord> {
        self.events.iter().filter_map(Event::as_step).collect()
    }

    /// Losses of the steps' own batches.
    pub fn training(&self) -> Vec<(u64, f64)> {
        self.steps().iter().map(|r| (r.step, r.loss)).collect()
    }

    /// Validation losses, the finished model's at last.
    pub fn validation(&self) -> Vec<(u64, f64)> {
        let logged = self.steps();
        let logged = logged.iter().filter_map(|r| Some((r.step, r.val_loss?)));
        let done = self.done().and_then(|(step, loss)| Some((step, loss?)));
        logged.chain(done).collect()
    }

    /// Validation losses, or those of the batches where nothing was kept for validation.
    pub fn curve(&self) -> Vec<(u64, f64)> {
        let validation = self.validation();
        if validation.is_empty() {
            self.training()
        } else {
            validation
        }
    }

    /// The updates that were made and the finished model's validation loss.
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

    /// How many updates are known to have been made of a run that has not ended, because it was
    /// stopped or still goes on; `None` of one that has ended.
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

    /// The first step known to have a loss that is no finite number, whether or not the run ended
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

    /// How the run ended; `None` while it goes on.
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

    /// Texts of the model and after how many updates it wrote them.
    pub fn samples(&self) -> Vec<(u64, &str)> {
        self.events.iter().filter_map(Event::as_sample).collect()
    }

    /// What was observed, step by step.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.events.iter().filter_map(Event::as_observation)
    }

    /// What was observed, measure by measure, in the order of their first appearance.
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
                // Places that change on the way could not stand in one picture.
                if found[at].at == series.at && series.values.len() == series.at.len() {
                    found[at].steps.push(observation.step);
                    found[at].values.push(series.values.clone());
                }
            }
        }
        found.retain(|measure| !measure.values.is_empty() && !measure.at.is_empty());
        found
    }

    /// What was observed of one measure; `None` where it was not.
    pub fn measure(&self, measure: Measure) -> Option<MeasureHistory> {
        let mut found = self.measures().into_iter();
        found.find(|history| history.name == measure.name())
    }

    /// The median of the logged speeds, in tokens a second: a time, and never in a file that has to
    /// repeat.
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

    /// How long it took, pauses left out.
    pub fn seconds(&self) -> Option<f64> {
        self.events.iter().rev().find_map(Event::seconds)
    }
}
