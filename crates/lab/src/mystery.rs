//! A model with one part secretly changed, for a student to find out which.
//!
//! The seed chooses the switch. [`planned`] plans two runs, of the whole model and of the changed
//! one, under names that do not tell; [`conceal`] takes out of their record what would.

use std::collections::BTreeMap;

use gptlab_data::Text;
use gptlab_record::{Grid, Variant};
use gptlab_report::Study;
use gptlab_train::{Error, Settings};
use serde::{Deserialize, Serialize};

use crate::{
    grid::{Planned, Point, Skipped, ablation},
    switches::{Switch, UnknownSwitch},
};

/// The switches that a mystery may have thrown, by the names that users type. On a text like the
/// built-in stories each shows in the curves, the pictures along the model or the samples.
pub const CANDIDATES: [&str; 8] = [
    "no-residual",
    "no-attention",
    "no-mlp",
    "no-norm",
    "no-positions",
    "no-causal-mask",
    "short-window",
    "init-x10",
];

/// The name of the changed model.
pub const NAME: &str = "mystery";

/// A mystery that was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysteryReport {
    pub seed: u64,
    /// The folder of the page and the models.
    pub out: String,
    /// The mean validation loss of each model, in nats per token; `None` if no run ended with one.
    pub losses: BTreeMap<String, Option<f64>>,
    /// The switches among which the thrown one is.
    pub candidates: Vec<String>,
}

impl MysteryReport {
    /// Reports the mystery of `seed`, whose files are in `out`.
    pub fn of(study: &Study, seed: u64, out: String) -> Self {
        let losses = study.arms.iter();
        Self {
            seed,
            out,
            losses: losses
                .map(|arm| (arm.variant.name.clone(), arm.loss()))
                .collect(),
            candidates: CANDIDATES.map(str::to_owned).to_vec(),
        }
    }
}

/// Whether a guess is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysteryAnswer {
    pub seed: u64,
    /// The name of the switch that was guessed.
    pub guess: String,
    pub right: bool,
}

/// Returns the switch that `seed` chooses.
///
/// # Errors
/// Returns an error if a candidate is not in the table of switches.
pub fn switch_of(seed: u64) -> Result<Switch, UnknownSwitch> {
    let at = mixed(seed) % CANDIDATES.len() as u64;
    Switch::find(CANDIDATES[at as usize])
}

/// Returns a number that depends on every bit of `seed` (the finaliser of `SplitMix64`, Steele, Lea
/// and Flood 2014), so that neighbouring seeds choose unrelated switches.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Plans the whole model and the one that `switch` changes, both with each of `seeds`. If the
/// switch cannot be thrown, there is only the whole model, and the reason beside it.
///
/// # Errors
/// Returns an error if the whole model cannot be trained on `text`.
pub fn planned(
    base: &Settings,
    switch: Switch,
    seeds: &[u64],
    text: &Text,
    command: &[String],
) -> Result<(Planned, Option<Skipped>), Error> {
    let point = Point {
        name: String::new(),
        settings: base.clone(),
        values: Vec::new(),
    };
    let (mut planned, skipped) = ablation(&[point], &[switch], seeds, text, command)?;
    let Grid {
        variants, cells, ..
    } = &mut planned.grid;
    if let Some(variant) = variants.get_mut(1) {
        let told = std::mem::replace(&mut variant.name, NAME.to_owned());
        for cell in cells.iter_mut().filter(|cell| cell.variant == told) {
            NAME.clone_into(&mut cell.variant);
            cell.folder = format!("runs/{NAME}-s{}", cell.seed);
        }
    }
    Ok((planned, skipped.into_iter().next()))
}

/// Takes out of `study`, which is of a mystery, everything that names what was changed: pages do
/// not show the settings, the listing and the number of parameters of the changed model, nor what
/// to try next, which depends on them.
pub fn conceal(study: &mut Study) {
    for verdict in study.conclusion.iter_mut().flat_map(|c| &mut c.variants) {
        verdict.prediction = None;
    }
    let [whole, changed] = study.arms.as_mut_slice() else {
        return;
    };
    let hidden = Variant {
        name: changed.variant.name.clone(),
        title: "a model with one part changed".to_owned(),
        purpose: String::new(),
        prediction: String::new(),
        source: String::new(),
        expected: None,
        ..whole.variant.clone()
    };
    changed.variant = hidden;
    changed.concealed = true;
    for (run, of_whole) in changed.runs.iter_mut().zip(&whole.runs) {
        run.experiment = of_whole.experiment.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_is_a_switch_and_is_chosen_by_some_seed() {
        let mut chosen: Vec<String> = (0..40).map(|n| switch_of(n).unwrap().slug()).collect();
        // The choice never changes: a teacher's notes stay true.
        let first = [
            "init-x10",
            "no-attention",
            "short-window",
            "no-causal-mask",
            "no-mlp",
            "no-mlp",
            "no-residual",
            "init-x10",
        ];
        assert_eq!(chosen[..8], first);
        chosen.sort();
        chosen.dedup();
        let mut all = CANDIDATES.map(str::to_owned).to_vec();
        all.sort();
        assert_eq!(chosen, all);
    }
}
