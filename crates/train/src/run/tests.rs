use std::{cell::RefCell, fs};

use gptlab_record::{read_events, read_experiment};

use std::path::Path;

use super::*;
use crate::testing::{EventKeeper, RoundedOracle, kept_in, settings, story, text, train};
use crate::{Checkpoint, ResumeOptions};

const STEPS: u64 = 6;

mod diverged;
mod resumed;

fn fresh() -> Resolved {
    Resolved::fresh(&settings(STEPS), &story()).unwrap()
}

fn newest(folder: &Path) -> Vec<u8> {
    let (_, path) = gptlab_record::checkpoints(folder).unwrap().pop().unwrap();
    fs::read(path).unwrap()
}

/// Returns the events in `folder` without times, and without stops and resumes.
fn story_of(folder: &Path) -> Vec<Event> {
    let events = read_events(folder).unwrap();
    let trained = |e: &Event| !matches!(e, Event::Stop { .. } | Event::Resume { .. });
    let kept = events.into_iter().filter(trained);
    kept.map(Event::timeless).collect()
}

fn records(events: &[Event]) -> impl Iterator<Item = &StepRecord> {
    events.iter().filter_map(|e| {
        if let Event::Step(record) = e {
            Some(record)
        } else {
            None
        }
    })
}

/// Returns the last checkpoint and the events of a run that was never stopped.
fn uninterrupted() -> (Vec<u8>, Vec<Event>) {
    let root = tempfile::tempdir().unwrap();
    let outcome = train(&fresh(), kept_in(root.path()), &mut EventKeeper::default());
    let path = root.path().join("checkpoints/step-00000006.safetensors");
    let saved = vec![path];
    assert_eq!(outcome, Outcome::Finished { step: STEPS, saved });
    (newest(root.path()), story_of(root.path()))
}

/// Removes the checkpoint event at `at`: a stop saves one checkpoint more than an uninterrupted
/// run.
fn without_checkpoint(events: Vec<Event>, at: u64) -> Vec<Event> {
    let other =
        |e: &Event| !matches!(e, Event::Checkpoint { step, .. } if *step == at && at < STEPS);
    events.into_iter().filter(other).collect()
}

#[test]
fn stopped_after_any_step_and_resumed_it_makes_the_same_bits() {
    let (bytes, events) = uninterrupted();
    for k in 0..=STEPS {
        let root = tempfile::tempdir().unwrap();
        train(
            &fresh(),
            kept_in(root.path()),
            &mut EventKeeper::stopping_after(k),
        );
        let resolved = Resolved::resume_run(root.path(), &story(), "again", None).unwrap();
        assert_eq!(resolved.first_step(), k);
        train(&resolved, kept_in(root.path()), &mut EventKeeper::default());
        assert_eq!(newest(root.path()), bytes, "stopped after {k}");
        assert_eq!(
            without_checkpoint(story_of(root.path()), k),
            events,
            "stopped after {k}"
        );
    }
}

/// A kill leaves what was written and runs no more code. The test drops the run between two steps.
#[test]
fn killed_after_any_step_it_resumes_from_the_last_checkpoint() {
    let mut settings = settings(STEPS);
    settings.intervals.checkpoint = 2.try_into().ok();
    let resolved = Resolved::fresh(&settings, &story()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    train(&resolved, kept_in(&whole), &mut EventKeeper::default());
    for k in 0..=STEPS {
        let folder = root.path().join(k.to_string());
        let (mut engine, mut recorder) = (RoundedOracle::new(&resolved), EventKeeper::default());
        let mut run = Run::new(&resolved, &mut engine, kept_in(&folder), &mut recorder).unwrap();
        (0..k).for_each(|_| run.step().unwrap());
        drop(run);
        let resolved = Resolved::resume_run(&folder, &story(), "again", None).unwrap();
        assert_eq!(resolved.first_step(), k / 2 * 2);
        train(&resolved, kept_in(&folder), &mut EventKeeper::default());
        assert_eq!(newest(&folder), newest(&whole), "killed after {k}");
        assert_eq!(story_of(&folder), story_of(&whole), "killed after {k}");
    }
}

#[test]
fn a_kill_between_a_checkpoint_and_its_event_loses_no_event() {
    let root = tempfile::tempdir().unwrap();
    train(
        &fresh(),
        kept_in(root.path()),
        &mut EventKeeper::stopping_after(3),
    );
    let path = root.path().join("events.jsonl");
    let lines = fs::read_to_string(&path).unwrap();
    let at = lines.find(r#"{"event":"checkpoint""#).unwrap();
    fs::write(&path, &lines[..at]).unwrap();
    let resolved = Resolved::resume_run(root.path(), &story(), "again", None).unwrap();
    train(&resolved, kept_in(root.path()), &mut EventKeeper::default());
    let at_stop = |e: &Event| matches!(e, Event::Checkpoint { step: 3, .. });
    assert_eq!(
        story_of(root.path()).iter().filter(|e| at_stop(e)).count(),
        1
    );
    assert_eq!(
        without_checkpoint(story_of(root.path()), 3),
        uninterrupted().1
    );
}

#[test]
fn a_saved_file_alone_resumes_in_a_folder_of_its_own() {
    let (bytes, _) = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("model.safetensors");
    let save = RunOptions {
        save: Some(path.clone()),
        ..RunOptions::default()
    };
    let outcome = train(&fresh(), save.clone(), &mut EventKeeper::stopping_after(4));
    let saved = vec![path.clone()];
    assert_eq!(outcome, Outcome::Stopped { step: 4, saved });
    let checkpoint = Checkpoint::open(&path).unwrap();
    let options = ResumeOptions::of(&settings(STEPS));
    let resolved = Resolved::resume(checkpoint, &story(), None, &options).unwrap();
    let both = RunOptions {
        folder: Some(root.path().join("run")),
        ..save
    };
    train(&resolved, both, &mut EventKeeper::default());
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(newest(&root.path().join("run")), bytes);
    let experiment = read_experiment(&root.path().join("run")).unwrap();
    let file = path.display().to_string();
    let origin = gptlab_record::WeightsOrigin::Resumed { file, step: 4 };
    assert_eq!(experiment.origin, origin);
}

#[test]
fn intervals_change_no_number() {
    let (bytes, _) = uninterrupted();
    let mut settings = settings(STEPS);
    settings.intervals = gptlab_recipe::Intervals {
        log: 5.try_into().unwrap(),
        sample: None,
        checkpoint: 1.try_into().ok(),
        checkpoint_seconds: None,
        val_tokens: 1,
    };
    let resolved = Resolved::fresh(&settings, &story()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let mut recorder = EventKeeper::default();
    train(&resolved, kept_in(root.path()), &mut recorder);
    assert_eq!(newest(root.path()), bytes);
    let steps = records(&recorder.events).map(|r| r.step);
    assert_eq!(steps.collect::<Vec<_>>(), [0, 5]);
    let none = |e: &Event| matches!(e, Event::Sample { .. });
    assert!(!recorder.events.iter().any(none));
    assert_eq!(gptlab_record::checkpoints(root.path()).unwrap().len(), 6);
}

/// An observer that reads the run's folder at each event.
struct Reader<'a>(&'a Path, RefCell<Vec<bool>>);

impl Observer for Reader<'_> {
    fn event(&mut self, _: &Event) {
        let there = read_experiment(self.0).is_ok_and(|e| e == fresh().experiment);
        self.1.borrow_mut().push(there);
    }

    fn should_stop(&self) -> bool {
        self.event_count() > 0
    }
}

impl Reader<'_> {
    fn event_count(&self) -> usize {
        self.1.borrow().len()
    }
}

#[test]
fn the_experiment_is_written_before_anything_happens() {
    let root = tempfile::tempdir().unwrap();
    let resolved = fresh();
    let mut engine = RoundedOracle::new(&resolved);
    let mut reader = Reader(root.path(), RefCell::default());
    let run = Run::new(&resolved, &mut engine, kept_in(root.path()), &mut reader).unwrap();
    assert_eq!(run.done(), 0);
    assert!(read_experiment(root.path()).is_ok());
    run.go().unwrap();
    assert!(reader.event_count() > 0 && reader.1.borrow().iter().all(|there| *there));
}

#[test]
fn events_come_in_order_with_validation_and_samples() {
    let (_, events) = uninterrupted();
    let kinds: Vec<&str> = events
        .iter()
        .map(|e| match e {
            Event::Start { .. } => "start",
            Event::Step(_) => "step",
            Event::Sample { .. } => "sample",
            Event::Checkpoint { .. } => "checkpoint",
            Event::Done { .. } => "done",
            Event::Notice { .. }
            | Event::Observation(_)
            | Event::Resume { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. } => "other",
        })
        .collect();
    assert_eq!(
        kinds.join(" "),
        "start step step step sample step step step sample checkpoint done"
    );
    for event in &events {
        if let Event::Step(record) = event {
            let (loss, bits) = (record.val_loss.unwrap(), record.val_bits_per_char.unwrap());
            assert!(
                (bits - loss / 2f64.ln()).abs() < 1e-12,
                "a character is a token"
            );
        }
    }
}

#[test]
fn the_first_steps_are_the_warm_up_and_the_loss_falls() {
    let (_, events) = uninterrupted();
    let records: Vec<&StepRecord> = records(&events).collect();
    assert_eq!(records[0].lr, 0.0);
    assert_eq!(records[1].lr, 0.025);
    assert_eq!(records[2].lr, 0.05);
    let vocab = fresh().experiment.vocab_size as f64;
    assert!(
        (records[0].loss - vocab.ln()).abs() < 0.1,
        "near the uniform guess"
    );
    assert!(records[5].val_loss < records[0].val_loss);
}

#[test]
fn a_run_that_is_finished_is_not_trained_again() {
    let (bytes, events) = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    train(&fresh(), kept_in(root.path()), &mut EventKeeper::default());
    let resolved = Resolved::resume_run(root.path(), &story(), "again", None).unwrap();
    let mut recorder = EventKeeper::default();
    train(&resolved, kept_in(root.path()), &mut recorder);
    assert_eq!(recorder.steps, 0);
    assert_eq!(newest(root.path()), bytes);
    assert_eq!(story_of(root.path()), events);
}

fn refusal(resolved: &Resolved, run_options: RunOptions) -> String {
    let (mut engine, mut recorder) = (RoundedOracle::new(resolved), EventKeeper::default());
    let run = Run::new(resolved, &mut engine, run_options, &mut recorder);
    run.err().map_or_else(String::new, |e| e.to_string())
}

#[test]
fn files_are_tried_before_the_first_step() {
    let root = tempfile::tempdir().unwrap();
    train(
        &fresh(),
        kept_in(root.path()),
        &mut EventKeeper::stopping_after(1),
    );
    let message = refusal(&fresh(), kept_in(root.path()));
    assert!(
        message.contains("already holds a run; resume it"),
        "{message}"
    );

    let mut other = settings(STEPS);
    other.hyper.lr = 0.25;
    let save = RunOptions {
        save: Some(root.path().join("other.safetensors")),
        ..RunOptions::default()
    };
    let other = Resolved::fresh(&other, &story()).unwrap();
    train(&other, save.clone(), &mut EventKeeper::stopping_after(1));
    let checkpoint = Checkpoint::open(&root.path().join("other.safetensors")).unwrap();
    let options = ResumeOptions::of(&settings(STEPS));
    let resolved = Resolved::resume(checkpoint, &story(), None, &options).unwrap();
    let message = refusal(&resolved, kept_in(root.path()));
    assert!(
        message.contains("expected `hyper.lr` to be 0.25, as requested, found 0.05"),
        "{message}"
    );

    let nowhere = RunOptions {
        save: Some(root.path().join("none").join("m.safetensors")),
        ..RunOptions::default()
    };
    let message = refusal(&fresh(), nowhere);
    assert!(
        message.ends_with("there is no such file or folder"),
        "{message}"
    );
}

#[test]
fn loading_takes_the_weights_and_a_fresh_optimiser() {
    let root = tempfile::tempdir().unwrap();
    train(&fresh(), kept_in(root.path()), &mut EventKeeper::default());
    let (_, path) = gptlab_record::checkpoints(root.path())
        .unwrap()
        .pop()
        .unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let weights = checkpoint.read(Stored::Weights).unwrap();
    let other = text("a mat, a cat; the rat that sat on the mat then ate the hat; ".trim_end());
    let refused = Resolved::load(&settings(3), &other, Checkpoint::open(&path).unwrap());
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("','"), "{message}");
    let other = text("a mat and a cat; the rat that sat on the mat then sat on the cat.");
    let resolved = Resolved::load(&settings(3), &other, checkpoint).unwrap();
    assert_eq!(resolved.weights().unwrap(), weights);
    assert_eq!(resolved.first_step(), 0);
    let folder = root.path().join("tuned");
    let mut recorder = EventKeeper::default();
    train(&resolved, kept_in(&folder), &mut recorder);
    assert_eq!(recorder.steps, 3);
    let file = path.display().to_string();
    let origin = gptlab_record::WeightsOrigin::Loaded { file, step: STEPS };
    assert_eq!(read_experiment(&folder).unwrap().origin, origin);
}

/// When the record cannot be written, the state is still saved to the file that the caller named.
#[test]
fn where_the_record_fails_the_named_file_is_saved_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    let named = root.path().join("model.safetensors");
    let folder = root.path().join("run");
    let resolved = fresh();
    let (mut engine, mut recorder) = (RoundedOracle::new(&resolved), EventKeeper::default());
    let run_options = RunOptions {
        save: Some(named.clone()),
        ..kept_in(&folder)
    };
    let mut run = Run::new(&resolved, &mut engine, run_options, &mut recorder).unwrap();
    run.step().unwrap();
    fs::remove_dir(folder.join("samples")).unwrap();
    let failed = run.go().unwrap_err().to_string();
    assert!(failed.contains("samples"), "{failed}");
    assert_eq!(Checkpoint::open(&named).unwrap().header().step, 3);
    assert!(gptlab_record::checkpoints(&folder).unwrap().is_empty());
}
