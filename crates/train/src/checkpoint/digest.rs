//! What the contents of a checkpoint are known by.

use gptlab_data::Fingerprint;
use gptlab_engine::StateSlot;
use serde::{Deserialize, Serialize};

use super::Stored;

/// A SHA-256 of the metadata, and one of the numbers of each kind, little-endian and in the order
/// of the parameter table: a file whose tensors another program has put into another order is the
/// same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Digests {
    /// Of the metadata's JSON with a 0 for every digit of the four digests.
    pub(super) header: Fingerprint,
    pub(super) weights: Fingerprint,
    pub(super) exp_avg: Fingerprint,
    pub(super) exp_avg_sq: Fingerprint,
}

/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

impl Digests {
    pub(super) fn of_stored(&self, stored: Stored) -> Fingerprint {
        match stored {
            Stored::Weights => self.weights,
            Stored::State(StateSlot::First) => self.exp_avg,
            Stored::State(StateSlot::Second) => self.exp_avg_sq,
        }
    }

    /// Whether `about`, metadata with these digests in it, is what was written.
    pub(super) fn fit(&self, about: &str) -> bool {
        let zeros = "0".repeat(DIGITS);
        let all = [self.header, self.weights, self.exp_avg, self.exp_avg_sq];
        let blank = all.iter().fold(about.to_owned(), |text, digest| {
            text.replace(&digest.to_string(), &zeros)
        });
        Fingerprint::of(blank.as_bytes()) == self.header
    }
}
