//! Tests the probes of the CPU's engine against those of the oracle.

use gptlab_engine::{BackendOptions, Device, oracle::OracleBackend};
use gptlab_lab::probe::{Prompt, Subject};

use crate::{cases, common::batches, prompt, subject_on, worst};

#[test]
fn the_oracle_is_probed_alike() {
    let oracle = Device::new(OracleBackend, BackendOptions::default());
    let (mut error, mut count) = (0.0f64, 0);
    for case in cases() {
        let weights = batches::weights(&case.graph, 2);
        let [mut fast, mut slow] =
            [&Device::cpu(1), &oracle].map(|device| subject_on(device, &case, &weights));
        let probed = prompt(&fast);
        let [of_fast, of_slow] = [&mut fast, &mut slow].map(|s| numbers(s, &probed));
        assert_eq!(of_fast.len(), of_slow.len(), "{}", case.name);
        for (a, b) in of_fast.iter().zip(&of_slow) {
            error = error.max((a - b).abs() / (1.0 + b.abs()));
            count += 1;
        }
    }
    assert!(count > 1000, "{count} numbers");
    worst("probes of the oracle", error, 1e-4);
}

/// Returns the numbers of every probe that changes the model or reads all of it.
fn numbers(subject: &mut Subject, prompt: &Prompt) -> Vec<f64> {
    let trace = subject.trace(prompt);
    let batch = subject.windows(&prompt.tokens, 100).expect("predictions");
    let ablations = subject.ablations(&batch).parts.into_iter();
    let mut all: Vec<f64> = ablations
        .flat_map(|part| [part.zero_ablation, part.mean_ablation])
        .collect();
    let maps = subject.attention(prompt, &trace).into_iter();
    all.extend(maps.flat_map(|map| map.weights.concat()).map(f64::from));
    let lens = subject.lens(prompt, &trace, 1);
    all.extend(lens.iter().map(|layer| layer.lens_kl));
    let attribution = subject.attribution(prompt, &trace).parts.into_iter();
    all.extend(attribution.flat_map(|part| part.logit_attribution));
    all
}
