//! Notices: the differences between a run and the request, or between a resumed run and its past.

use std::fmt;

use gptlab_data::Cut;
use gptlab_recipe::words::plural_s;
use gptlab_record::Extension;

/// A difference that the user should know about. Its `Display` form is a sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The requested context is longer than the text allows.
    ContextShrunk {
        requested: usize,
        fits: usize,
        tokens: usize,
    },
    /// The text is too short to keep this fraction of it for validation.
    NoValidation { val_fraction: f64 },
    /// The run resumes with vector instructions other than those of the earlier steps.
    IsaChanged { before: String, now: String },
    /// The run resumes with a different number of steps.
    StepsChanged { extension: Extension, lr: f64 },
    /// The events and checkpoints after the resumed checkpoint were moved to this folder.
    SetAside {
        folder: String,
        events: usize,
        checkpoints: usize,
    },
    /// The run's `events.jsonl` was missing.
    EventsLost,
    /// Some documents have more predictions than the context has tokens, and are cut.
    DocumentsCut {
        /// The counts over both splits.
        cut: Cut,
        block_size: usize,
    },
}

impl Notice {
    /// Returns whether the notice is about a change in a resumed run, and not about how a run was
    /// begun.
    pub fn is_change(&self) -> bool {
        match self {
            Self::IsaChanged { .. }
            | Self::StepsChanged { .. }
            | Self::SetAside { .. }
            | Self::EventsLost => true,
            Self::ContextShrunk { .. } | Self::NoValidation { .. } | Self::DocumentsCut { .. } => {
                false
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ContextShrunk {
                requested,
                fits,
                tokens,
            } => write!(
                f,
                "the context shrank from {requested} to {fits} token{}: there are {tokens} to train on, \
                 and each needs one after it to predict",
                plural_s(*fits as u64)
            ),
            Self::NoValidation { val_fraction } => write!(
                f,
                "nothing is kept for validation: the text is too short for a fraction of {val_fraction}"
            ),
            Self::IsaChanged { before, now } => write!(
                f,
                "the steps before were made with {before} instructions and the next are made with \
                 {now}: sums round differently, so that the numbers are not those of one machine"
            ),
            Self::StepsChanged {
                extension: Extension { after, from, to },
                lr,
            } => write!(
                f,
                "the number of steps is {to} now and was {from}: after {after} step{} the learning \
                 rate continues from {lr:.2e}, as in a run of {to} steps",
                plural_s(*after)
            ),
            Self::SetAside {
                folder,
                events,
                checkpoints,
            } => write!(
                f,
                "what the run had recorded beyond this is set aside in {folder}: {events} event{} \
                 and {checkpoints} checkpoint{}",
                plural_s(*events as u64),
                plural_s(*checkpoints as u64)
            ),
            Self::EventsLost => f.write_str(
                "the run's events.jsonl was missing and a new one is begun: the events of the earlier \
                 steps are lost",
            ),
            Self::DocumentsCut { cut, block_size } => {
                let (are, they_are) = match cut.long {
                    1 => ("is", "it is"),
                    _ => ("are", "they are"),
                };
                write!(
                    f,
                    "{} of {} document{} {are} longer than the context of {block_size} tokens: {they_are} cut \
                     into {} pieces, and all of them are trained or validated on",
                    cut.long,
                    cut.documents,
                    plural_s(cut.documents as u64),
                    cut.pieces
                )
            }
        }
    }
}
