//! The events of a run, which `events.jsonl` holds as one line each.

use serde::{Deserialize, Serialize};

use crate::json::{maybe_number, number, numbers};

/// One line of `events.jsonl`. Its `event` key holds the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began at step 0.
    Start { parameters: u64 },
    /// The run differs from the request in some way that the user should know. The text is a
    /// sentence.
    Notice { text: String },
    /// A step was logged.
    Step(StepRecord),
    /// The model was measured at a logged step.
    Observation(Observation),
    /// The model wrote `text` after `step` updates.
    Sample { step: u64, text: String },
    /// The state after `step` updates was saved to `file`. A file in the run's folder is named
    /// relative to the folder.
    Checkpoint { step: u64, file: String },
    /// The run resumed after `step` updates.
    Resume { step: u64 },
    /// The run was stopped after `step` updates.
    Stop { step: u64, seconds: f64 },
    /// The run ended at step `step`, because a number was not finite: the step's loss or gradient
    /// norm, or the validation loss or a weight before it.
    Diverged {
        step: u64,
        seconds: f64,
        /// Which number was not finite; absent in records of format 1.
        #[serde(default)]
        what: Option<NotFinite>,
    },
    /// The run finished after `step` updates. The losses are those of the finished model.
    Done {
        step: u64,
        seconds: f64,
        #[serde(with = "maybe_number", default)]
        val_loss: Option<f64>,
        #[serde(with = "maybe_number", default)]
        val_bits_per_char: Option<f64>,
    },
}

/// The first number of a run that was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotFinite {
    /// The loss of the step's batch.
    Loss,
    /// The global norm of the step's gradients.
    GradNorm,
    /// The loss on the validation split.
    ValLoss,
    /// A weight, or a number that the optimiser stores.
    State,
}

impl NotFinite {
    /// Returns its name in words, as the subject of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "the loss",
            Self::GradNorm => "the gradient norm",
            Self::ValLoss => "the validation loss",
            Self::State => "a weight",
        }
    }
}

/// The record of one logged step. The losses and the gradient norm belong to the weights before the
/// step's update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's number, counted from 0: how many updates were made before it.
    pub step: u64,
    /// The mean loss of the step's own batch, with dropout, in nats per token.
    #[serde(with = "number")]
    pub loss: f64,
    /// The global L2 norm of the gradients before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// The learning rate of the step's update.
    pub lr: f64,
    /// The seconds since the run began, without the time between a stop and a resume.
    pub seconds: f64,
    /// The training speed since the last record, without evaluation, samples and checkpoints.
    pub tokens_per_second: f64,
    /// The mean loss on the validation split, without dropout, in nats per token.
    #[serde(with = "maybe_number", default)]
    pub val_loss: Option<f64>,
    /// The validation loss in bits per character of text.
    #[serde(with = "maybe_number", default)]
    pub val_bits_per_char: Option<f64>,
}

/// The measurements of one step, recorded beside its [`StepRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub step: u64,
    pub series: Vec<Series>,
}

/// The values of one measure at several places of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The measure's name; [`Measure`](crate::Measure) defines it.
    pub measure: String,
    /// The places from the model's input to its output: names of parameters or values, or
    /// positions.
    pub at: Vec<String>,
    /// The value at each place.
    #[serde(with = "numbers")]
    pub values: Vec<f64>,
}

impl Event {
    /// Returns whether a run that resumes after `step` updates produces this event again, or has
    /// not yet reached it.
    pub fn is_beyond(&self, step: u64) -> bool {
        match self {
            Self::Start { .. } | Self::Notice { .. } => false,
            Self::Step(record) => record.step >= step,
            Self::Observation(observation) => observation.step >= step,
            // A run that resumes at its end has already produced the events of the end.
            Self::Sample { step: at, .. }
            | Self::Checkpoint { step: at, .. }
            | Self::Resume { step: at }
            | Self::Stop { step: at, .. }
            | Self::Done { step: at, .. } => *at > step,
            Self::Diverged { step: at, .. } => *at >= step,
        }
    }

    /// Returns the event with all times set to 0. Two runs of one experiment have such events in
    /// common.
    #[must_use]
    pub fn timeless(self) -> Self {
        match self {
            Self::Step(record) => Self::Step(StepRecord {
                seconds: 0.0,
                tokens_per_second: 0.0,
                ..record
            }),
            Self::Stop { step, .. } => Self::Stop { step, seconds: 0.0 },
            Self::Diverged { step, what, .. } => Self::Diverged {
                step,
                what,
                seconds: 0.0,
            },
            Self::Done {
                step,
                val_loss,
                val_bits_per_char,
                ..
            } => Self::Done {
                step,
                seconds: 0.0,
                val_loss,
                val_bits_per_char,
            },
            Self::Start { .. }
            | Self::Notice { .. }
            | Self::Observation(_)
            | Self::Sample { .. }
            | Self::Checkpoint { .. }
            | Self::Resume { .. } => self,
        }
    }

    /// Returns the record of a logged step; `None` for any other event.
    pub fn as_step(&self) -> Option<&StepRecord> {
        if let Self::Step(record) = self {
            return Some(record);
        }
        None
    }

    /// Returns the measurements of a logged step; `None` for any other event.
    pub fn as_observation(&self) -> Option<&Observation> {
        if let Self::Observation(observation) = self {
            return Some(observation);
        }
        None
    }

    /// Returns the number of updates and the text of a sample; `None` for any other event.
    pub fn as_sample(&self) -> Option<(u64, &str)> {
        if let Self::Sample { step, text } = self {
            return Some((*step, text));
        }
        None
    }

    /// Returns the seconds since the run began; `None` for an event without a time.
    pub fn seconds(&self) -> Option<f64> {
        match self {
            Self::Step(record) => Some(record.seconds),
            Self::Stop { seconds, .. }
            | Self::Diverged { seconds, .. }
            | Self::Done { seconds, .. } => Some(*seconds),
            Self::Start { .. }
            | Self::Notice { .. }
            | Self::Observation(_)
            | Self::Sample { .. }
            | Self::Checkpoint { .. }
            | Self::Resume { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: StepRecord = StepRecord {
        step: 100,
        loss: 2.5,
        grad_norm: f64::INFINITY,
        lr: 3e-4,
        seconds: 3.6,
        tokens_per_second: 8192.0,
        val_loss: None,
        val_bits_per_char: None,
    };

    #[test]
    fn the_lines_are_as_documented() {
        let line = |event: Event| serde_json::to_string(&event).unwrap();
        assert_eq!(
            line(Event::Step(RECORD)),
            r#"{"event":"step","step":100,"loss":2.5,"grad_norm":"inf","lr":0.0003,"seconds":3.6,"tokens_per_second":8192.0,"val_loss":null,"val_bits_per_char":null}"#
        );
        assert_eq!(
            line(Event::Resume { step: 5 }),
            r#"{"event":"resume","step":5}"#
        );
    }

    #[test]
    fn losses_of_a_model_that_diverged_come_back() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2] {
            let event = Event::Step(StepRecord {
                loss: x,
                val_loss: Some(x),
                ..RECORD
            });
            let line = serde_json::to_string(&event).unwrap();
            let Event::Step(back) = serde_json::from_str(&line).unwrap() else {
                panic!("{line}");
            };
            let same = |y: f64| y.to_bits() == x.to_bits() || (x.is_nan() && y.is_nan());
            assert!(same(back.loss) && back.val_loss.is_some_and(same), "{line}");
        }
    }
}
