use gptlab_model::Preset;

use super::*;
use crate::{DataRecord, StepRecord, WeightsOrigin};
use gptlab_recipe::{Hyper, Intervals, ObserveLevel, SampleSettings, TextOrigin};

fn experiment() -> Experiment {
    Experiment {
        format: Experiment::FORMAT,
        program: "gptlab 0.1.0".to_owned(),
        engine: "none".to_owned(),
        isa: Some("portable".to_owned()),
        spec: Preset::Gpt2Mini.spec(),
        vocab_size: 3,
        tokenizer: serde_json::from_str(r#"{"kind": "chars", "chars": "abc"}"#).unwrap(),
        data: DataRecord {
            source: "a.txt".to_owned(),
            origin: TextOrigin::File("a.txt".to_owned()),
            fingerprint: "00".repeat(32),
            bytes: Some(100),
            val_fraction: 0.1,
            train_tokens: 90,
            val_tokens: 10,
        },
        hyper: Hyper::of(Preset::Gpt2Mini, None),
        seed: u64::MAX,
        origin: WeightsOrigin::Fresh,
        intervals: Intervals {
            log: 100.try_into().unwrap(),
            sample: 500.try_into().ok(),
            checkpoint: None,
            checkpoint_seconds: 60.try_into().ok(),
            val_tokens: 1 << 16,
        },
        observe: ObserveLevel::Basic,
        sampling: SampleSettings::default(),
        extensions: Vec::new(),
    }
}

fn step(step: u64) -> Event {
    Event::Step(StepRecord {
        step,
        loss: 1.0 / (step + 1) as f64,
        grad_norm: 1.0,
        lr: 0.1,
        seconds: 1.0,
        tokens_per_second: 1.0,
        val_loss: None,
        val_bits_per_char: None,
    })
}

fn checkpoint(step: u64) -> Event {
    let file = format!("checkpoints/step-{step:08}.safetensors");
    Event::Checkpoint { step, file }
}

fn story() -> Vec<Event> {
    vec![
        Event::Start { parameters: 7 },
        step(0),
        step(1),
        checkpoint(2),
        step(2),
        step(3),
        checkpoint(4),
    ]
}

/// Makes a run's folder with the events of [`story`]; returns its temporary root and its path.
fn recorded_run() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("runs").join("one");
    let mut store = Store::create(&folder, &experiment()).unwrap();
    for event in story() {
        store.append(&event).unwrap();
    }
    (root, folder)
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let (_root, folder) = recorded_run();
    assert_eq!(read_experiment(&folder).unwrap(), experiment());
    assert_eq!(read_events(&folder).unwrap(), story());
    assert_eq!(checkpoints(&folder).unwrap(), []);
}

#[test]
fn a_run_is_never_written_over() {
    let (_root, folder) = recorded_run();
    let message = Store::create(&folder, &experiment())
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("resume it or choose another folder"),
        "{message}"
    );
    assert_eq!(read_events(&folder).unwrap(), story());
}

#[test]
fn one_process_writes_at_a_time() {
    let (_root, folder) = recorded_run();
    let (store, _) = Store::resume(&folder, 4).unwrap();
    assert!(matches!(Store::resume(&folder, 4), Err(FileError::Busy(_))));
    drop(store);
    Store::resume(&folder, 4).unwrap();
}

/// A child process that is being started holds a copy of every descriptor for a moment.
#[test]
fn a_copy_of_the_lock_does_not_keep_the_folder_locked() {
    let (_root, folder) = recorded_run();
    let held = lock(&folder).unwrap();
    let copy = held.0.try_clone().unwrap();
    drop(held);
    Store::resume(&folder, 4).unwrap();
    drop(copy);
}

/// Whichever byte a kill cuts the file at, the complete events before it are read, and appending
/// still works.
#[test]
fn events_survive_being_cut_after_any_byte() {
    let (_root, folder) = recorded_run();
    let path = folder.join(EVENTS);
    let whole = fs::read(&path).unwrap();
    for cut in (0..whole.len()).step_by(3) {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].split(|b| *b == b'\n').count() - 1;
        assert_eq!(
            read_events(&folder).unwrap(),
            story()[..lines],
            "cut at {cut}"
        );
        let (mut store, past) = Store::resume(&folder, 9).unwrap();
        assert_eq!(past.events, story()[..lines]);
        store.append(&Event::Resume { step: 9 }).unwrap();
        assert_eq!(
            read_events(&folder).unwrap().len(),
            lines + 1,
            "cut at {cut}"
        );
    }
}

#[test]
fn a_last_line_of_lost_bytes_is_torn_and_an_earlier_one_is_named() {
    let (_root, folder) = recorded_run();
    let path = folder.join(EVENTS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &[0; 40], b"\n"].concat()).unwrap();
    assert_eq!(read_events(&folder).unwrap(), story());
    fs::write(&path, [b"{\"event\":\"gone\"}\n", &whole[..]].concat()).unwrap();
    let message = read_events(&folder).unwrap_err().to_string();
    assert!(
        message.contains(
            "events.jsonl: expected an event of gptlab in line 1, found unknown variant `gone`"
        ),
        "{message}"
    );
}

#[test]
fn resuming_drops_what_comes_again_and_nothing_else() {
    for (at, kept) in [(0, 1), (1, 2), (2, 4), (3, 5), (4, 7), (9, 7)] {
        let (_root, folder) = recorded_run();
        let (store, past) = Store::resume(&folder, at).unwrap();
        assert_eq!(past.events, story()[..kept], "at {at}");
        assert_eq!(past.set_aside, None, "at {at}");
        drop(store);
        assert_eq!(read_events(&folder).unwrap(), story()[..kept], "at {at}");
    }
}

#[test]
fn checkpoints_are_listed_by_step_and_leftovers_swept() {
    let (_root, folder) = recorded_run();
    let within = folder.join(CHECKPOINTS);
    for name in [
        "step-00000010.safetensors",
        "step-00000009.safetensors",
        "step-123456789.safetensors",
        "notes.txt",
        ".step-00000011.safetensors.aBc1eF.tmp",
    ] {
        fs::write(within.join(name), b"").unwrap();
    }
    let steps = |found: Vec<(u64, PathBuf)>| found.into_iter().map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(steps(checkpoints(&folder).unwrap()), [9, 10, 123_456_789]);
    let (store, _) = Store::resume(&folder, 123_456_789).unwrap();
    assert!(
        !within
            .join(".step-00000011.safetensors.aBc1eF.tmp")
            .exists()
    );
    let path = store.checkpoint_path(10);
    assert!(path.exists());
    assert_eq!(
        store.name_of(&path),
        "checkpoints/step-00000010.safetensors"
    );
}

#[test]
fn what_is_not_an_experiment_is_an_error() {
    let (_root, folder) = recorded_run();
    let path = folder.join(EXPERIMENT);
    let text = fs::read_to_string(&path).unwrap();
    let cases = [
        (
            text.replace("\"format\": 2", "\"format\": 3"),
            "found format 3",
        ),
        (
            text[..text.len() / 2].to_owned(),
            "expected an experiment of gptlab, found EOF",
        ),
        (text.replace("\"seed\"", "\"sead\""), "unknown field `sead`"),
        (
            text.replace("\"abc\"", "\"acb\""),
            "distinct and sorted by code point, found 'b' (U+0062) after 'c' (U+0063) at place 2",
        ),
        (
            text.replace("\"file\": \"a.txt\"", "\"drawer\": \"a.txt\""),
            "unknown variant `drawer`",
        ),
        (
            "PK\u{3}\u{4}".to_owned(),
            "expected an experiment of gptlab, found",
        ),
    ];
    for (wrong, sentence) in cases {
        fs::write(&path, wrong).unwrap();
        let message = read_experiment(&folder).unwrap_err().to_string();
        assert!(
            message.contains(sentence) && message.contains(EXPERIMENT),
            "{message}"
        );
    }
    fs::write(&path, [0xFF; 9]).unwrap();
    let message = read_experiment(&folder).unwrap_err().to_string();
    assert!(
        message.ends_with("found bytes that are not UTF-8"),
        "{message}"
    );
    fs::remove_file(&path).unwrap();
    let message = read_experiment(&folder).unwrap_err().to_string();
    assert!(
        message.ends_with("there is no such file or folder"),
        "{message}"
    );
}

/// A record of format 1 has no instructions, observation level and sampling settings.
#[test]
fn an_older_experiment_is_read_with_its_defaults() {
    let (_root, folder) = recorded_run();
    let path = folder.join(EXPERIMENT);
    let mut old: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    old["format"] = 1.into();
    for key in ["isa", "observe", "sampling"] {
        old.as_object_mut().unwrap().remove(key).unwrap();
    }
    let intervals = old["intervals"].as_object_mut().unwrap();
    intervals.remove("checkpoint_seconds").unwrap();
    fs::write(&path, old.to_string()).unwrap();
    let found = read_experiment(&folder).unwrap();
    assert_eq!((found.isa, found.observe), (None, ObserveLevel::Off));
    assert_eq!(found.sampling, SampleSettings::default());
    assert_eq!(found.intervals.checkpoint_seconds, None);
}

#[test]
fn what_comes_after_an_older_checkpoint_is_set_aside() {
    let (_root, folder) = recorded_run();
    for step in [2, 4] {
        fs::write(
            folder.join(format!("{CHECKPOINTS}/step-{step:08}.safetensors")),
            format!("state {step}"),
        )
        .unwrap();
        fs::write(
            folder.join(format!("{SAMPLES}/step-{step:08}.txt")),
            b"text",
        )
        .unwrap();
    }
    let whole = fs::read(folder.join(EVENTS)).unwrap();
    for n in [1, 2] {
        let (mut store, past) = Store::resume(&folder, 2).unwrap();
        let aside = past.set_aside.unwrap();
        assert_eq!(aside.folder, folder.join(format!("aside-{n}")));
        assert_eq!((aside.events, aside.checkpoints), (3, 1));
        assert_eq!(past.events, story()[..4]);
        // No byte is lost.
        let kept = fs::read(folder.join(EVENTS)).unwrap();
        let moved = fs::read(aside.folder.join(EVENTS)).unwrap();
        assert_eq!([kept, moved].concat(), whole);
        let state = fs::read(aside.folder.join("checkpoints/step-00000004.safetensors"));
        assert_eq!(state.unwrap(), b"state 4");
        assert!(aside.folder.join("samples/step-00000004.txt").exists());
        assert!(!folder.join("samples/step-00000004.txt").exists());
        // The next resume finds no newer checkpoint that is stale.
        let left = checkpoints(&folder).unwrap();
        assert_eq!(left.iter().map(|c| c.0).collect::<Vec<_>>(), [2]);
        // The new branch continues, and is abandoned once more.
        for event in &story()[4..] {
            store.append(event).unwrap();
        }
        fs::write(store.checkpoint_path(4), b"state 4").unwrap();
        fs::write(folder.join("samples/step-00000004.txt"), b"text").unwrap();
    }
}

#[test]
fn going_back_from_the_end_sets_the_end_aside() {
    let (_root, folder) = recorded_run();
    let (mut store, _) = Store::resume(&folder, 9).unwrap();
    let done = Event::Done {
        step: 4,
        seconds: 1.0,
        val_loss: None,
        val_bits_per_char: None,
    };
    store.append(&done).unwrap();
    drop(store);
    let (store, past) = Store::resume(&folder, 4).unwrap();
    assert_eq!((past.events.last(), past.set_aside), (Some(&done), None));
    drop(store);
    let (_, past) = Store::resume(&folder, 2).unwrap();
    let aside = past.set_aside.unwrap();
    assert_eq!((aside.events, aside.checkpoints), (4, 0));
}

#[test]
fn what_a_resumed_run_does_not_produce_again_is_set_aside() {
    // The run diverged before its first checkpoint.
    let (_root, folder) = recorded_run();
    let (mut store, _) = Store::resume(&folder, 9).unwrap();
    let diverged = Event::Diverged {
        step: 5,
        seconds: 1.0,
        what: None,
    };
    store.append(&diverged).unwrap();
    drop(store);
    let whole = fs::read(folder.join(EVENTS)).unwrap();
    let (store, past) = Store::resume(&folder, 0).unwrap();
    let aside = past.set_aside.unwrap();
    let kept = fs::read(folder.join(EVENTS)).unwrap();
    let moved = fs::read(aside.folder.join(EVENTS)).unwrap();
    assert_eq!([kept, moved].concat(), whole);
    drop(store);
    // The settings of a run that was cut short have changed.
    let (_root, folder) = recorded_run();
    let whole = fs::read(folder.join(EVENTS)).unwrap();
    let (store, past) = Store::resume_changed(&folder, 0).unwrap();
    let aside = past.set_aside.unwrap();
    let kept = fs::read(folder.join(EVENTS)).unwrap();
    let moved = fs::read(aside.folder.join(EVENTS)).unwrap();
    assert_eq!([kept, moved].concat(), whole);
    drop(store);
    // Nothing is left to set aside.
    let (_, past) = Store::resume_changed(&folder, 0).unwrap();
    assert_eq!(past.set_aside, None);
}

#[test]
fn lost_events_are_replaced_by_a_new_file() {
    let (_root, folder) = recorded_run();
    fs::remove_file(folder.join(EVENTS)).unwrap();
    let (mut store, past) = Store::resume(&folder, 2).unwrap();
    assert!(past.lost_events && past.events.is_empty());
    store.append(&Event::Resume { step: 2 }).unwrap();
    assert_eq!(read_events(&folder).unwrap().len(), 1);
}

#[test]
fn a_run_and_a_grid_do_not_share_a_folder() {
    let (root, folder) = recorded_run();
    let message = crate::write_grid(&folder, &grid()).unwrap_err().to_string();
    assert!(
        message.contains("expected a folder for a grid, found the folder of a run"),
        "{message}"
    );
    let other = root.path().join("grid");
    fs::create_dir(&other).unwrap();
    crate::write_grid(&other, &grid()).unwrap();
    let message = Store::create(&other, &experiment())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("expected a folder for a run, found the folder of a grid"),
        "{message}"
    );
    assert!(!Store::exists(&other));
}

fn grid() -> crate::Grid {
    crate::Grid {
        format: crate::Grid::FORMAT,
        program: "gptlab 0.1.0".to_owned(),
        command: Vec::new(),
        kind: crate::GridKind::Sweep,
        data: experiment().data,
        steps: 1,
        seeds: vec![0],
        variants: Vec::new(),
        cells: Vec::new(),
        tuned: None,
    }
}

/// Opening a FIFO would block until another process writes to it.
#[cfg(unix)]
#[test]
fn only_regular_files_are_opened() {
    let (_root, folder) = recorded_run();
    for name in [EVENTS, EXPERIMENT] {
        let path = folder.join(name);
        fs::remove_file(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
    }
    let message = read_events(&folder).unwrap_err().to_string();
    assert!(
        message.ends_with("expected a regular file, found a named pipe (FIFO)"),
        "{message}"
    );
    let message = read_experiment(&folder).unwrap_err().to_string();
    assert!(message.ends_with("found a named pipe (FIFO)"), "{message}");
    assert!(Store::resume(&folder, 0).is_err());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(EVENTS), &bytes).unwrap();
        fs::write(root.path().join(EXPERIMENT), &bytes).unwrap();
        let _ = read_events(root.path());
        proptest::prop_assert!(read_experiment(root.path()).is_err());
    }
}
