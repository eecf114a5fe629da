//! Synthetic records, which the tests of other modules use too.

use std::{fs, num::NonZeroU64, path::PathBuf};

use gptlab_model::Preset;
use gptlab_recipe::{
    Alphabet, Documents, Hyper, Intervals, ObserveLevel, SampleSettings, TextOrigin, TokenizerSpec,
    Vocabulary,
};
use gptlab_record::{
    Event, Experiment, Observation, PairedDifference, Results, Series, StepRecord, WeightsOrigin,
    write_grid, write_results,
};

use super::*;

pub(crate) fn experiment(seed: u64) -> Experiment {
    Experiment {
        format: Experiment::FORMAT,
        program: "gptlab 0.1.0".into(),
        engine: "cpu".into(),
        spec: Preset::Microgpt.spec(),
        vocab_size: 27,
        tokenizer: tokenizer(),
        data: data(),
        hyper: Hyper::of(Preset::Microgpt, Some(100)),
        seed,
        origin: WeightsOrigin::Fresh,
        intervals: Intervals {
            log: NonZeroU64::new(10).unwrap(),
            sample: None,
            checkpoint: None,
            checkpoint_seconds: None,
            val_tokens: 1_000,
        },
        isa: None,
        observe: ObserveLevel::Off,
        sampling: SampleSettings::default(),
        extensions: Vec::new(),
    }
}

fn tokenizer() -> TokenizerSpec {
    let chars = Alphabet::of(["ab"]).expect("two characters");
    TokenizerSpec::new(Vocabulary::Chars(chars), Documents::Text).expect("a tokenizer")
}

fn data() -> DataRecord {
    DataRecord {
        source: "built-in names".into(),
        origin: TextOrigin::Builtin("names".into()),
        fingerprint: "00ff".into(),
        bytes: Some(10_000),
        val_fraction: 0.1,
        train_tokens: 9_000,
        val_tokens: 1_000,
    }
}

pub(crate) fn step(step: u64, loss: f64, val_loss: f64) -> Event {
    Event::Step(StepRecord {
        step,
        loss,
        grad_norm: 0.5,
        lr: 1e-3,
        seconds: step as f64 * 0.25,
        tokens_per_second: 1_000.0,
        val_loss: Some(val_loss),
        val_bits_per_char: None,
    })
}

/// Makes a run whose loss falls from 3.3 towards `last`, with samples and observations.
pub(crate) fn run(seed: u64, last: f64) -> RecordedRun {
    let at = |n: u64| last + (3.3 - last) * (-(n as f64) / 20.0).exp();
    let mut events = vec![Event::Start { parameters: 4_000 }];
    for n in (0..100).step_by(10) {
        events.push(step(n, at(n) - 0.01, at(n)));
        events.push(Event::Observation(Observation {
            step: n,
            series: vec![Series {
                measure: "grad_norm".into(),
                at: vec!["tok_emb.weight".into(), "lm_head.weight".into()],
                values: vec![0.1 + n as f64, 0.001],
            }],
        }));
    }
    events.push(Event::Sample {
        step: 100,
        text: "<b>anna</b>\n```\nbob".into(),
    });
    events.push(Event::Done {
        step: 100,
        seconds: 25.0,
        val_loss: Some(last),
        val_bits_per_char: None,
    });
    RecordedRun {
        name: format!("run-{seed}"),
        experiment: experiment(seed),
        events,
        whole_loss: None,
        floors: None,
    }
}

fn variant(name: &str, title: &str, listing: &str) -> Variant {
    Variant {
        name: name.into(),
        title: title.into(),
        purpose: "keeps gradients alive through depth".into(),
        prediction: "the loss stays near a 1-gram table's".into(),
        source: "He et al. 2016".into(),
        listing: listing.into(),
        parameters: 4_000,
        settings: vec![("lr".into(), 0.01), ("parameters".into(), 4_000.0)],
        experiment: None,
        expected: None,
        published: None,
    }
}

fn row(name: &str, losses: [f64; 2], difference: Option<PairedDifference>) -> Row {
    let outcome = |(seed, loss): (u64, f64)| CellOutcome {
        seed,
        diverged_at: None,
        val_loss: Some(loss),
        train_loss: Some(loss - 0.01),
        grad_norm: Some(0.5),
        skill_loss: None,
        sample: None,
    };
    Row {
        variant: name.into(),
        outcomes: (0..).zip(losses).map(outcome).collect(),
        mean: Some(f64::midpoint(losses[0], losses[1])),
        deviation: Some((losses[0] - losses[1]).abs() / f64::sqrt(2.0)),
        difference,
    }
}

pub(crate) fn results() -> Results {
    let difference = PairedDifference {
        mean: 0.55,
        deviation: None,
        corrected: None,
        low: Some(0.5),
        high: Some(0.6),
        p: Some(0.0002),
        pairs: 2,
    };
    let mut broken = row("broken", [9.9, 9.9], None);
    broken.outcomes.iter_mut().for_each(|o| {
        (o.diverged_at, o.val_loss) = (Some(20 + o.seed), None);
    });
    (broken.mean, broken.deviation) = (None, None);
    // As versions before conclusions wrote it.
    Results {
        published: Vec::new(),
        format: 1,
        conclusion: None,
        skill: None,
        tuned: Vec::new(),
        floors: Floors {
            uniform: 27f64.ln(),
            ngrams: vec![2.8, 2.4, 2.3],
            entropy: None,
            ..Floors::default()
        },
        rows: vec![
            row("baseline", [2.1, 2.12], None),
            row("residual", [2.6, 2.72], Some(difference)),
            broken,
        ],
    }
}

pub(crate) fn grid(kind: GridKind) -> Grid {
    let cell = |variant: &str, seed: u64| Cell {
        variant: variant.into(),
        seed,
        folder: format!("runs/{variant}-{seed}"),
    };
    let names = ["baseline", "residual", "broken"];
    Grid {
        format: Grid::FORMAT,
        tuned: None,
        program: "gptlab 0.1.0".into(),
        command: ["gptlab", "ablate", "--data", "my text.txt"]
            .map(String::from)
            .to_vec(),
        kind,
        data: data(),
        steps: 100,
        seeds: vec![0, 1],
        variants: vec![
            variant(
                "baseline",
                "nothing broken",
                "x = embed\nh = attend x\ny = x + h\n",
            ),
            variant(
                "residual",
                "no residual <connections>",
                "x = embed\ny = attend x\n",
            ),
            variant(
                "broken",
                "learning rate 100",
                "x = embed\nh = attend x\ny = x + h\n",
            ),
        ],
        cells: names
            .iter()
            .flat_map(|n| [cell(n, 0), cell(n, 1)])
            .collect(),
    }
}

pub(crate) fn write_run(folder: &Path, run: &RecordedRun) {
    let mut store = Store::create(folder, &run.experiment).unwrap();
    for event in &run.events {
        store.append(event).unwrap();
    }
}

/// Writes a folder with a grid of three variants over two seeds, the last of which diverged.
pub(crate) fn grid_folder(kind: GridKind) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("parts");
    fs::create_dir_all(&folder).unwrap();
    write_grid(&folder, &grid(kind)).unwrap();
    write_results(&folder, &results()).unwrap();
    for (name, losses) in [("baseline", [2.1, 2.12]), ("residual", [2.6, 2.72])] {
        for (seed, loss) in (0..).zip(losses) {
            write_run(
                &folder.join(format!("runs/{name}-{seed}")),
                &run(seed, loss),
            );
        }
    }
    (root, folder)
}

#[test]
fn a_grid_is_gathered() {
    let (_root, folder) = grid_folder(GridKind::Ablation);
    let study = Study::read(&folder).unwrap();
    assert_eq!(
        (study.kind, study.name.as_str()),
        (StudyKind::Ablation, "parts")
    );
    let runs: Vec<usize> = study.arms.iter().map(|arm| arm.runs.len()).collect();
    assert_eq!(runs, [2, 2, 0], "runs that have not begun are left out");
    assert_eq!(study.arms[1].loss(), Some(2.66));
    assert_eq!(study.arms[2].diverged(), Some((2, 20)));
    assert_eq!(study.floors.unwrap().ngrams.len(), 3);
}

/// A grid of format 1 or 2 has neither conclusions nor corrected numbers: they are drawn from what
/// it has, and its names are made those of today.
#[test]
fn an_old_grid_is_concluded_from_and_renamed() {
    let (_root, folder) = grid_folder(GridKind::Ablation);
    let mut study = Study::read(&folder).unwrap();
    study.rename(|name| (name == "residual").then(|| "no residual".to_owned()));
    let arm = &study.arms[1];
    assert_eq!(arm.variant.name, "no residual");
    assert_eq!(arm.row.as_ref().unwrap().variant, "no residual");
    let found = study.verdict(arm).expect("a verdict");
    assert_eq!(
        (found.verdict, found.prediction),
        (gptlab_record::Verdict::Worse, None)
    );
    let regime = study.conclusion.as_ref().unwrap().regime.unwrap();
    let tokens = 100.0 * 16.0;
    assert_eq!(regime.passes, tokens / 9_000.0);
}

#[test]
fn a_run_is_a_study_of_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("alone");
    write_run(&folder, &run(7, 2.0));
    let study = Study::read(&folder).unwrap();
    assert_eq!(
        (study.kind, study.seeds.as_slice()),
        (StudyKind::Run, &[7][..])
    );
    assert_eq!(study.arms[0].loss(), Some(2.0));
    assert!(
        study.arms[0].variant.listing.contains("block0.attn"),
        "the model's listing"
    );
    assert_eq!(study.floors.unwrap().uniform, 27f64.ln());
}

#[test]
fn what_is_neither_and_what_leads_outside_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let message = Study::read(root.path()).unwrap_err().to_string();
    assert!(
        message.contains("experiment.json") && message.ends_with("found neither file"),
        "{message}"
    );
    let mut bad = grid(GridKind::Ablation);
    bad.cells[0].folder = "../elsewhere".into();
    write_grid(root.path(), &bad).unwrap();
    let message = Study::read(root.path()).unwrap_err().to_string();
    assert!(message.contains("`../elsewhere`"), "{message}");
}

#[test]
fn measures_are_gathered_over_steps() {
    let found = run(0, 2.0).measures();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].steps.len(), found[0].at.len()), (10, 2));
    assert_eq!(found[0].last(), [90.1, 0.001]);
}

#[test]
fn curves_end_with_the_finished_model() {
    let curve = run(0, 2.0).curve();
    assert_eq!((curve.len(), curve[10]), (11, (100, 2.0)));
}
