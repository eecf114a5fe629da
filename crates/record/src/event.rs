//! What happens in a run, one event a line.

use serde::{Deserialize, Serialize};

use crate::json::{maybe_number, number, numbers};

/// One line of `events.jsonl`, told apart by its `event` key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run begins, at step 0.
    Start { parameters: u64 },
    /// Something the user did not ask for and should know, as a sentence.
    Notice { text: String },
    /// A step whose turn it was to be logged.
    Step(StepRecord),
    /// What a logged step looked like inside.
    Observation(Observation),
    /// Text from the model after `step` updates.
    Sample { step: u64, text: String },
    /// The state after `step` updates is in `file`: in the run's folder a name relative to it.
    Checkpoint { step: u64, file: String },
    /// The run goes on after `step` updates.
    Resume { step: u64 },
    /// The run was asked to stop, and did after `step` updates.
    Stop { step: u64, seconds: f64 },
    /// A number of step `step` was not finite, and the run ended there: its loss or gradient, or
    /// the validation loss or weights before it.
    Diverged {
        step: u64,
        seconds: f64,
        /// Which number; absent in records of format 1.
        #[serde(default)]
        what: Option<NotFinite>,
    },
    /// All `step` updates are made; the losses are of the finished model.
    Done {
        step: u64,
        seconds: f64,
        #[serde(with = "maybe_number", default)]
        val_loss: Option<f64>,
        #[serde(with = "maybe_number", default)]
        val_bits_per_char: Option<f64>,
    },
}

/// Which number of a run that diverged was the first that was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotFinite {
    /// The loss of the step's batch.
    Loss,
    /// The global norm of the step's gradients.
    GradNorm,
    /// The loss on the validation split.
    ValLoss,
    /// A weight, or a number that the optimiser keeps.
    State,
}

impl NotFinite {
    /// It in words, as the subject of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "the loss",
            Self::GradNorm => "the gradient norm",
            Self::ValLoss => "the validation loss",
            Self::State => "a weight",
        }
    }
}

/// What is known of step `step`, counted from 0: every number but the time is of the weights before
/// its update, after `step` updates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub step: u64,
    /// Of the step's own batch, with dropout, in nats a token.
    #[serde(with = "number")]
    pub loss: f64,
    /// The gradients' global L2 norm before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    pub lr: f64,
    /// Since the run began, pauses between stop and resume left out.
    pub seconds: f64,
    /// Trained since the last record; evaluation, samples and checkpoints left out.
    pub tokens_per_second: f64,
    /// Of the validation split, without dropout, in nats a token.
    #[serde(with = "maybe_number", default)]
    pub val_loss: Option<f64>,
    /// The same in bits a character of text.
    #[serde(with = "maybe_number", default)]
    pub val_bits_per_char: Option<f64>,
}

/// Measurements of one step, beside its [`StepRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub step: u64,
    pub series: Vec<Series>,
}

/// One measure at several places of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name; the laboratory says what it means.
    pub measure: String,
    /// Names of parameters or values, or numbers of positions; from the model's beginning to its
    /// end.
    pub at: Vec<String>,
    /// A number for each place.
    #[serde(with = "numbers")]
    pub values: Vec<f64>,
}

impl Event {
    /// Whether a run that is resumed after `step` updates will make it again, or never came to it.
    pub fn is_beyond(&self, step: u64) -> bool {
        match self {
            Self::Start { .. } | Self::Notice { .. } => false,
            Self::Step(record) => record.step >= step,
            Self::Observation(observation) => observation.step >= step,
            // Whoever goes on after the end has come to it.
            Self::Sample { step: at, .. }
            | Self::Checkpoint { step: at, .. }
            | Self::Resume { step: at }
            | Self::Stop { step: at, .. }
            | Self::Done { step: at, .. } => *at > step,
            Self::Diverged { step: at, .. } => *at >= step,
        }
    }

    /// The same without times: what two runs of one experiment have in common.
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

    /// The record of a logged step, where this is one.
    pub fn as_step(&self) -> Option<&StepRecord> {
        if let Self::Step(record) = self {
            return Some(record);
        }
        None
    }

    /// What a logged step looked like inside, where this tells it.
    pub fn as_observation(&self) -> Option<&Observation> {
        if let Self::Observation(observation) = self {
            return Some(observation);
        }
        None
    }

    /// How many updates had been made, and what was written, where this is a sample.
    pub fn as_sample(&self) -> Option<(u64, &str)> {
        if let Self::Sample { step, text } = self {
            return Some((*step, text));
        }
        None
    }

    /// Seconds since the run began, where the event tells.
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
