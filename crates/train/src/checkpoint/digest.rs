//! Digests of a checkpoint's contents.

use gptlab_data::Fingerprint;
use gptlab_engine::StateSlot;
use serde::{Deserialize, Serialize};

use super::Stored;

/// The SHA-256 of the metadata and of each kind of numbers. Numbers are hashed as little-endian
/// bytes in the order of the parameter table, so that a file with its tensors in a different order
/// has the same digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Digests {
    /// The digest of the metadata's JSON with a 0 for every digit of the four digests.
    pub(super) header: Fingerprint,
    pub(super) weights: Fingerprint,
    pub(super) exp_avg: Fingerprint,
    pub(super) exp_avg_sq: Fingerprint,
}

/// The number of hexadecimal digits of a digest.
const DIGITS: usize = 64;

impl Digests {
    pub(super) fn of_stored(&self, stored: Stored) -> Fingerprint {
        match stored {
            Stored::Weights => self.weights,
            Stored::State(StateSlot::First) => self.exp_avg,
            Stored::State(StateSlot::Second) => self.exp_avg_sq,
        }
    }

    /// Returns whether `about`, the metadata that holds these digests, has the header's digest.
    pub(super) fn fit(&self, about: &str) -> bool {
        let zeros = "0".repeat(DIGITS);
        let all = [self.header, self.weights, self.exp_avg, self.exp_avg_sq];
        let blank = all.iter().fold(about.to_owned(), |text, digest| {
            text.replace(&digest.to_string(), &zeros)
        });
        Fingerprint::of(blank.as_bytes()) == self.header
    }
}
