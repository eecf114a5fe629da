use gptlab_model::Residual;
use gptlab_record::{Event, Observation, Series};

use super::*;
use crate::study::tests::{results, run, step};

fn symptoms(run: &RecordedRun, floors: Option<&Floors>) -> Vec<Symptom> {
    examine(run, floors)
        .findings
        .iter()
        .map(|f| f.symptom)
        .collect()
}

/// Makes a run with these training and validation losses at its logged steps, and nothing else.
fn with(losses: &[(f64, f64)]) -> RecordedRun {
    let mut made = run(0, 2.0);
    made.events = (0..)
        .zip(losses)
        .map(|(n, (train, val))| step(n * 10, *train, *val))
        .collect();
    made
}

fn falling(n: usize, to: f64) -> Vec<(f64, f64)> {
    (0..n)
        .map(|n| to + 1.3 * (-(n as f64) / 2.0).exp())
        .map(|x| (x, x))
        .collect()
}

fn observed(measure: &str, values: &[f64]) -> RecordedRun {
    let mut made = with(&falling(20, 2.0));
    let at = (0..values.len()).map(|n| format!("block{n}")).collect();
    let series = vec![Series {
        measure: measure.into(),
        at,
        values: values.to_vec(),
    }];
    made.events
        .push(Event::Observation(Observation { step: 190, series }));
    made
}

fn grad_norms(made: &mut RecordedRun, norm: impl Fn(usize) -> f64) {
    let mut n = 0;
    for event in &mut made.events {
        if let Event::Step(record) = event {
            record.grad_norm = norm(n);
            n += 1;
        }
    }
}

#[test]
fn a_healthy_run_has_nothing() {
    let found = examine(&run(0, 2.0), Some(&results().floors));
    assert_eq!(found.findings, []);
    let lines = found.lines();
    assert_eq!(found.verdict, Verdict::NoSymptoms);
    assert_eq!(
        lines,
        [
            "No symptom was found.",
            "The doctor looked at 10 logged steps, 1 observed measure, n-gram baselines up to 3."
        ]
    );
}

#[test]
fn losses_tell() {
    let uniform = 27f64.ln();
    assert_eq!(
        symptoms(&with(&vec![(uniform, uniform); 20]), None),
        [Symptom::Stuck]
    );
    assert_eq!(
        symptoms(&with(&falling(30, 2.8)), Some(&results().floors)),
        [Symptom::Stuck],
        "the 1-gram baseline, and who is stuck is worse than the others too"
    );
    let rising: Vec<(f64, f64)> = (0..20)
        .map(|n| (2.0 + 0.05 * f64::from(n), 2.0 + 0.05 * f64::from(n)))
        .collect();
    assert_eq!(symptoms(&with(&rising), None), [Symptom::Rising]);
    let mut learned = falling(20, 1.0);
    learned
        .iter_mut()
        .enumerate()
        .for_each(|(n, (_, val))| *val = 1.8 + 0.02 * n as f64);
    assert_eq!(symptoms(&with(&learned), None), [Symptom::Memorising]);
    let steep: Vec<(f64, f64)> = (0..20)
        .map(|n| 3.2 - 0.05 * f64::from(n))
        .map(|x| (x, x))
        .collect();
    assert_eq!(symptoms(&with(&steep), None), [Symptom::StillFalling]);
    assert_eq!(
        symptoms(&with(&falling(3, 2.0)), None),
        [],
        "three steps are no course"
    );
}

#[test]
fn divergence_is_told_alone() {
    let mut made = with(&falling(20, 2.0));
    made.events.push(Event::Diverged {
        step: 200,
        what: None,
        seconds: 1.0,
    });
    assert_eq!(
        symptoms(&made, Some(&results().floors)),
        [Symptom::Diverged]
    );
    let mut goes_on = falling(20, 2.0);
    goes_on[7..].fill((f64::NAN, f64::NAN));
    assert_eq!(
        symptoms(&with(&goes_on), None),
        [Symptom::Diverged],
        "a run that went on"
    );
    let lines = examine(&made, None).lines().join("\n");
    assert!(
        lines.contains("step 200") && lines.contains("--lr 0.00333"),
        "{lines}"
    );
}

#[test]
fn a_loss_without_a_mask_says_nothing() {
    let mut made = with(&falling(30, 0.05));
    let floors = results().floors;
    assert_eq!(
        symptoms(&made, Some(&floors)),
        [],
        "a causal model may be that good"
    );
    for sublayer in made.experiment.spec.layers.iter_mut().flatten() {
        if let gptlab_model::Sublayer::Attention(attention) = sublayer {
            attention.mask = gptlab_model::Mask::Full;
        }
    }
    assert_eq!(symptoms(&made, Some(&floors)), [Symptom::SeesTheAnswer]);
    assert_eq!(symptoms(&made, None), [], "nothing to compare with");
}

/// On a text of one character, a loss of 0 is the best possible, and equal losses are not worse.
#[test]
fn equal_losses_are_no_symptom() {
    let floors = Floors {
        uniform: 0.0,
        ngrams: vec![0.0; 3],
        entropy: None,
        ..Floors::default()
    };
    let mut made = with(&[
        (1e-7, 1e-7),
        (9e-8, 9e-8),
        (5e-8, 5e-8),
        (2e-8, 2e-8),
        (1e-8, 1e-8),
    ]);
    made.experiment.vocab_size = 1;
    assert_eq!(symptoms(&made, Some(&floors)), []);
    assert_eq!(symptoms(&made, None), []);
    for sublayer in made.experiment.spec.layers.iter_mut().flatten() {
        if let gptlab_model::Sublayer::Attention(attention) = sublayer {
            attention.mask = gptlab_model::Mask::Full;
        }
    }
    let above = Floors {
        ngrams: vec![4e-5],
        ..floors
    };
    assert_eq!(symptoms(&made, Some(&above)), [], "nothing was seen");
    let mut worse = with(&falling(30, 2.2));
    worse.experiment.spec.layers.truncate(0);
    let level = Floors {
        uniform: 4.0,
        ngrams: vec![3.3, 2.2, 2.200_02],
        entropy: None,
        ..Floors::default()
    };
    assert_eq!(symptoms(&worse, Some(&level)), []);
}

/// Losses that scatter around the entropy of a text of random letters are as low as possible.
#[test]
fn who_cannot_be_better_is_not_stuck() {
    let uniform = 27f64.ln();
    let floors = Floors {
        uniform,
        ngrams: vec![uniform + 0.001],
        entropy: Some(uniform),
        ..Floors::default()
    };
    let made = with(&vec![(uniform + 1e-5, uniform + 1e-5); 20]);
    assert_eq!(symptoms(&made, Some(&floors)), []);
}

/// The shortest n-gram with a lower loss is named, because it shows how little of the context is
/// used.
#[test]
fn an_n_gram_baseline_that_does_better_is_named() {
    let floors = Floors {
        uniform: 4.0,
        ngrams: vec![3.3, 2.5, 2.0, 1.8],
        entropy: None,
        ..Floors::default()
    };
    let found = examine(&with(&falling(30, 2.2)), Some(&floors));
    let lines = found.lines().join("\n");
    assert!(
        lines.contains("Worse than the 3-gram baseline: 2.2000 against 2.0000."),
        "{lines}"
    );
}

#[test]
fn gradients_tell() {
    let mut made = with(&falling(20, 2.0));
    made.experiment.hyper.grad_clip = Some(1.0);
    grad_norms(&mut made, |_| 5.0);
    assert_eq!(symptoms(&made, None), [Symptom::AlwaysClipped]);
    grad_norms(&mut made, |n| if n == 12 { 500.0 } else { 0.5 });
    assert_eq!(symptoms(&made, None), [Symptom::Exploding]);
    grad_norms(&mut made, |_| 1e-7);
    assert_eq!(symptoms(&made, None), [Symptom::NoGradient]);
    grad_norms(&mut made, |n| if n == 12 { 1e-14 } else { 1e-18 });
    assert_eq!(
        symptoms(&made, None),
        [Symptom::NoGradient],
        "not exploding"
    );
}

#[test]
fn a_curve_that_passes_a_baseline_is_not_stuck() {
    let floors = Floors {
        uniform: 4.0,
        ngrams: vec![2.2, 2.0],
        ..Floors::default()
    };
    let steady = (0..20).map(|i| 4.0 - 1.8 * f64::from(i) / 19.0);
    let steady: Vec<(f64, f64)> = steady.map(|loss| (loss, loss)).collect();
    let found = symptoms(&with(&steady), Some(&floors));
    assert!(!found.contains(&Symptom::Stuck), "{found:?}");
}

/// The names are those in records. If a measure is renamed, this test shows that old records
/// contain its old name.
#[test]
fn observations_tell() {
    let cases: [(&str, &[f64], Symptom); 5] = [
        ("token_similarity", &[0.2, 0.99], Symptom::TokensAlike),
        ("dead_share", &[0.1, 0.9], Symptom::DeadUnits),
        (
            "attention_entropy",
            &[0.01, 0.02],
            Symptom::AttentionCollapsed,
        ),
        ("sink_mass", &[0.9, 0.95], Symptom::AttentionSink),
        ("max_attention_logit", &[3.0, 400.0], Symptom::LargeLogits),
    ];
    for (measure, values, symptom) in cases {
        assert_eq!(
            symptoms(&observed(measure, values), None),
            [symptom],
            "{measure}"
        );
    }
    for (measure, values) in [
        ("token_similarity", [0.99, 0.3]),
        ("dead_share", [0.1, 0.2]),
        ("max_attention_logit", [3.0, 9.0]),
    ] {
        assert_eq!(symptoms(&observed(measure, &values), None), [], "{measure}");
    }
}

/// Where no residual connection carries the signal, units are not dead of too large steps.
#[test]
fn dead_units_without_residual_connections_have_another_cause() {
    let cause = |residual: Residual| {
        let mut run = observed("dead_share", &[0.1, 0.9]);
        run.experiment.spec.wiring.residual = residual;
        let found = examine(&run, None).findings;
        let dead = found.into_iter().find(|f| f.symptom == Symptom::DeadUnits);
        dead.expect("dead units").cause
    };
    assert!(cause(Residual::Add).contains("too large steps"));
    assert!(cause(Residual::None).contains("the signal vanishes"));
}

/// A run that logged little is judged by its end alone.
#[test]
fn too_few_logged_steps_are_too_little_to_judge() {
    let floors = results().floors;
    let found = examine(&with(&falling(4, 1.0)), None);
    assert_eq!(found.verdict, Verdict::TooLittle);
    assert_eq!(found.lines()[0], "There is too little to judge.");
    assert_eq!(
        found.lines()[1],
        "The course of the loss is not judged: 4 steps were logged, and it takes 5; \
         `--log-interval 1` logs more."
    );
    // The loss of a run that has ended can be held against the baselines however little it logged.
    let mut ended = run(0, 2.35);
    ended
        .events
        .retain(|event| event.as_step().is_none_or(|r| r.step < 30));
    let found = examine(&ended, Some(&floors));
    let symptoms: Vec<Symptom> = found.findings.iter().map(|f| f.symptom).collect();
    assert_eq!(symptoms, [Symptom::WorseThanNgram]);
    assert!(
        found.unjudged[0].contains("3 steps were logged"),
        "{:?}",
        found.unjudged
    );
}

#[test]
fn why_the_entropy_is_not_known_is_said() {
    let floors = Floors {
        unknown: Some("The best possible loss is not known.".into()),
        ..results().floors
    };
    let found = examine(&run(0, 2.0), Some(&floors));
    assert_eq!(found.unjudged, ["The best possible loss is not known."]);
}

fn experiment_of(run: &RecordedRun, floors: Option<&Floors>, symptom: Symptom) -> String {
    let found = examine(run, floors).findings;
    let found = found.into_iter().find(|f| f.symptom == symptom);
    let found = found.expect("the symptom");
    format!("{} | {}", found.cause, found.experiment)
}

#[test]
fn causes_and_experiments_fit_the_model() {
    let at_unigrams = falling(30, 2.8);
    let floors = results().floors;
    let stuck = |run: &RecordedRun| experiment_of(run, Some(&floors), Symptom::Stuck);

    let mut made = with(&at_unigrams);
    let said = stuck(&made);
    assert!(
        said.contains("rate is too high") && said.contains("--lr 0.00333"),
        "{said}"
    );
    made.experiment.spec.wiring.residual = Residual::None;
    let said = stuck(&made);
    assert!(said.contains("without residual connections"), "{said}");

    let uniform = 27f64.ln();
    let said = stuck(&with(&vec![(uniform, uniform); 20]));
    assert!(
        said.contains("steps are too small") && said.contains("--lr 0.1"),
        "{said}"
    );

    let mut memorising = with(&falling(20, 1.0));
    for event in &mut memorising.events {
        if let Event::Step(record) = event {
            record.val_loss = Some(1.8 + 0.002 * record.step as f64);
        }
    }
    let tried = |run: &RecordedRun| experiment_of(run, None, Symptom::Memorising);
    assert!(tried(&memorising).contains("`--dropout 0.2` (this run has none)"));
    memorising.experiment.spec.dropout = 0.1;
    assert!(tried(&memorising).contains("more `--dropout` (this run has 0.1)"));
}

/// More steps are no help to a model that is as good as it can be.
#[test]
fn more_steps_are_not_advised_where_nothing_can_be_better() {
    let steep: Vec<(f64, f64)> = (0..20)
        .map(|n| 3.35 - 0.05 * f64::from(n))
        .map(|x| (x, x))
        .collect();
    let mut made = with(&steep);
    let mut floors = Floors {
        uniform: 3.4,
        ngrams: vec![2.9, 2.39, 1.9],
        ..Floors::default()
    };
    let symptoms_of = |made: &RecordedRun, floors: &Floors| symptoms(made, Some(floors));
    assert_eq!(
        symptoms_of(&made, &floors),
        [Symptom::WorseThanNgram, Symptom::StillFalling]
    );
    let said = experiment_of(&made, Some(&floors), Symptom::StillFalling);
    assert!(said.contains("`--steps 200` (twice as many)"), "{said}");
    floors.entropy = Some(2.395);
    assert_eq!(symptoms_of(&made, &floors), [], "at the entropy");
    floors.entropy = None;
    made.experiment.spec.remove_attentions();
    let found = symptoms_of(&made, &floors);
    assert_eq!(found, [Symptom::WorseThanNgram], "no attention, at 2-grams");
    let mut flat = with(&falling(30, 2.6));
    flat.experiment.spec.remove_attentions();
    floors.ngrams = vec![2.9, 2.65, 1.9];
    let said = experiment_of(&flat, Some(&floors), Symptom::WorseThanNgram);
    assert!(said.contains("more steps are no help"), "{said}");
}

#[test]
fn every_limit_is_in_the_table_once() {
    let names: Vec<&str> = THRESHOLDS.iter().map(|t| t.name).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    let declared = include_str!("thresholds.rs")
        .matches("pub(super) const")
        .count();
    assert_eq!(declared, names.len());
}

#[test]
fn a_rate_of_0_is_the_cause_of_what_it_causes() {
    let floors = results().floors;
    let flat: Vec<(f64, f64)> = vec![(4.0, 4.0); 20];
    let mut still = with(&flat);
    still.experiment.hyper.lr = 0.0;
    let found = examine(&still, Some(&floors));
    assert!(!found.findings.is_empty());
    for finding in &found.findings {
        assert_eq!(
            finding.cause,
            "the learning rate is 0: no step changes the model"
        );
        assert_eq!(finding.experiment, "a rate above 0, as in `--lr 1e-3`");
    }
}

#[test]
fn what_lets_a_course_be_judged_fits_the_run() {
    let said = |steps: u64, interval: u64| {
        let mut few = with(&falling(4, 1.0));
        few.experiment.hyper.steps = steps;
        few.experiment.intervals.log = interval.try_into().unwrap();
        examine(&few, None).unjudged[0].clone()
    };
    // It made 31 steps of 10,000 and logged every tenth: longer intervals are no help.
    assert!(said(10_000, 10).ends_with("`--log-interval 1` logs more."));
    assert!(said(10_000, 1).ends_with("continue the run with `--resume`."));
}
