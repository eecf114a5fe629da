//! Resumed runs: after a sample that was cut short, after the end, from an older checkpoint.

use std::time::Duration;

use gptlab_engine::Noise;

use super::*;
use crate::{Progress, step_hyper};

/// Makes a folder with a run that was stopped after `steps` steps.
fn stopped_after(steps: u64) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = EventKeeper::stopping_after(steps);
    train(&fresh(), kept_in(root.path()), &mut recorder);
    root
}

fn resume(folder: &Path) -> Resolved {
    Resolved::resume_run(folder, &story(), "again", None).unwrap()
}

#[test]
fn a_sample_that_was_cut_short_is_made_again() {
    let (bytes, events) = uninterrupted();
    // The cut samples are the one after three steps and that of the finished model.
    for at in [3, STEPS] {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = EventKeeper {
            cut_sample: Some(at),
            ..EventKeeper::default()
        };
        let outcome = train(&fresh(), kept_in(root.path()), &mut recorder);
        assert!(matches!(outcome, Outcome::Stopped { step, .. } if step == at));
        train(
            &resume(root.path()),
            kept_in(root.path()),
            &mut EventKeeper::default(),
        );
        assert_eq!(newest(root.path()), bytes);
        let mut found = without_checkpoint(story_of(root.path()), at);
        let mut expected = events.clone();
        // The stop saved its checkpoint before the sample that is generated again.
        let order = |event: &Event| matches!(event, Event::Checkpoint { .. });
        found.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(found, expected, "cut at {at}");
    }
}

/// An observer that makes two steps take more than a second each.
struct Slow(EventKeeper);
impl Observer for Slow {
    fn event(&mut self, event: &Event) {
        self.0.event(event);
    }
    fn progress(&mut self, progress: &Progress) {
        if [2, 4].contains(&progress.done) {
            std::thread::sleep(Duration::from_millis(1_050));
        }
    }
    fn sample(&mut self, engine: &dyn Engine, step: u64) -> Option<String> {
        self.0.sample(engine, step)
    }
}

#[test]
fn checkpoints_by_the_clock_change_nothing_and_the_newest_few_stay() {
    let (bytes, events) = uninterrupted();
    let mut settings = settings(STEPS);
    settings.intervals.checkpoint_seconds = std::num::NonZeroU64::new(1);
    let resolved = Resolved::fresh(&settings, &story()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let run_options = RunOptions {
        keep: NonZeroUsize::new(2),
        ..kept_in(root.path())
    };
    let (mut engine, mut slow) = (RoundedOracle::new(&resolved), Slow(EventKeeper::default()));
    let run = Run::new(&resolved, &mut engine, run_options, &mut slow).unwrap();
    run.go().unwrap();
    assert_eq!(newest(root.path()), bytes);
    let saved = slow.0.events.iter().filter_map(|e| {
        if let Event::Checkpoint { step, .. } = e {
            return Some(*step);
        }
        None
    });
    let saved: Vec<u64> = saved.collect();
    // On a slow disk the clock waits longer than a second after the first checkpoint.
    assert!(
        [&[2, 4, STEPS][..], &[2, STEPS]].contains(&&*saved),
        "{saved:?}"
    );
    let left = gptlab_record::checkpoints(root.path()).unwrap();
    let left: Vec<u64> = left.iter().map(|c| c.0).collect();
    assert_eq!(left, saved[saved.len() - 2..]);
    let found = [2, 4]
        .into_iter()
        .fold(story_of(root.path()), without_checkpoint);
    assert_eq!(found, events);
}

#[test]
fn a_finished_run_is_extended_and_its_record_shows_it() {
    let root = tempfile::tempdir().unwrap();
    train(&fresh(), kept_in(root.path()), &mut EventKeeper::default());
    let resumed = |steps| {
        let record = read_experiment(root.path()).unwrap();
        let checkpoint = crate::Newest::of(root.path()).unwrap().unwrap().checkpoint;
        let mut options = ResumeOptions::of_record(&record, "again", None);
        options.steps = steps;
        Resolved::resume(checkpoint, &story(), Some(&record), &options)
    };
    let message = resumed(Some(5)).unwrap_err().to_string();
    assert!(
        message.starts_with("the run has made 6 steps, and 5 are fewer"),
        "{message}"
    );
    let resolved = resumed(Some(9)).unwrap();
    let notice = resolved.notices[0].to_string();
    assert!(
        notice
            .starts_with("the number of steps is 9 now and was 6: after 6 steps the learning rate"),
        "{notice}"
    );
    let mut recorder = EventKeeper::stopping_after(1);
    train(&resolved, kept_in(root.path()), &mut recorder);
    // The next resume reads the new number from the record, whether or not it is requested again.
    for steps in [None, Some(9)] {
        let resolved = resumed(steps).unwrap();
        assert_eq!(
            (resolved.first_step(), resolved.experiment.hyper.steps),
            (7, 9)
        );
        assert_eq!(resolved.notices, []);
    }
    train(
        &resumed(None).unwrap(),
        kept_in(root.path()),
        &mut EventKeeper::default(),
    );
    let record = read_experiment(root.path()).unwrap();
    let extension = gptlab_record::Extension {
        after: 6,
        from: 6,
        to: 9,
    };
    assert_eq!(
        (record.hyper.steps, record.extensions),
        (9, vec![extension])
    );
    let events = read_events(root.path()).unwrap();
    let rates: Vec<f64> = records(&events).map(|r| r.lr).collect();
    let hyper = Hyper {
        steps: 9,
        ..fresh().experiment.hyper
    };
    let expected: Vec<f64> = (6..9).map(|s| crate::Schedule::new(&hyper).at(s)).collect();
    assert_eq!(
        rates[6..],
        expected,
        "the new schedule, after the old one's steps"
    );
    // One run of nine steps with both schedules has the same bits, so the optimiser's state was
    // kept.
    let (mut engine, old) = (RoundedOracle::new(&fresh()), fresh());
    for step in 0..9 {
        let batch = old.batches.train(&old.model, step).unwrap();
        let seed = old.experiment.seed;
        engine.forward_backward(&batch, Noise { seed, step });
        let hyper = if step < 6 {
            old.experiment.hyper
        } else {
            hyper
        };
        engine.update(&step_hyper(&hyper, u64::from(step)));
    }
    let checkpoint = crate::Newest::of(root.path()).unwrap().unwrap().checkpoint;
    for stored in Stored::ALL {
        assert_eq!(
            checkpoint.read(stored).unwrap(),
            engine.export(stored.slot())
        );
    }
}

#[test]
fn the_newest_whole_checkpoint_is_taken_and_the_damaged_one_set_aside() {
    let (bytes, events) = uninterrupted();
    let root = tempfile::tempdir().unwrap();
    let mut often = settings(STEPS);
    often.intervals.checkpoint = 2.try_into().ok();
    let resolved = Resolved::fresh(&often, &story()).unwrap();
    train(&resolved, kept_in(root.path()), &mut EventKeeper::default());
    let path = root.path().join("checkpoints/step-00000006.safetensors");
    let mut torn = fs::read(&path).unwrap();
    let at = torn.len() - 9;
    torn[at] ^= 1;
    fs::write(&path, &torn).unwrap();
    let newest_whole = crate::Newest::of(root.path()).unwrap().unwrap();
    assert_eq!(newest_whole.checkpoint.header().step, 4);
    let message = newest_whole.damaged[0].error.to_string();
    assert!(
        message.contains("expected second moments with SHA-256"),
        "{message}"
    );
    train(
        &resume(root.path()),
        kept_in(root.path()),
        &mut EventKeeper::default(),
    );
    assert_eq!(newest(root.path()), bytes);
    assert_eq!(
        fs::read(
            root.path()
                .join("aside-1/checkpoints/step-00000006.safetensors")
        )
        .unwrap(),
        torn
    );
    let found = [2, 4]
        .into_iter()
        .fold(story_of(root.path()), without_checkpoint);
    let notice = |e: &Event| matches!(e, Event::Notice { .. });
    assert_eq!(found.iter().filter(|e| notice(e)).count(), 1);
    let found: Vec<Event> = found.into_iter().filter(|e| !notice(e)).collect();
    assert_eq!(found, events);
}

#[test]
fn other_instructions_are_recorded_with_a_notice() {
    let root = stopped_after(3);
    // The run began without recorded instructions.
    let isa = Some("portable".to_owned());
    let resolved = Resolved::resume_run(root.path(), &story(), "again", isa).unwrap();
    assert_eq!(resolved.notices, []);
    train(
        &resolved,
        kept_in(root.path()),
        &mut EventKeeper::stopping_after(1),
    );
    let isa = Some("avx2".to_owned());
    let resolved = Resolved::resume_run(root.path(), &story(), "again", isa).unwrap();
    train(&resolved, kept_in(root.path()), &mut EventKeeper::default());
    let events = read_events(root.path()).unwrap();
    let notices = events.iter().filter_map(|e| {
        if let Event::Notice { text } = e {
            return Some(text.as_str());
        }
        None
    });
    let notices: Vec<&str> = notices.collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0]
            .starts_with("the steps before were made with portable instructions and the next"),
        "{notices:?}"
    );
}
