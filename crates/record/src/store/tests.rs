use gptlab_model::Preset;

use super::*;
use crate::{DataRecord, Hyper, Intervals, Origin, StepRecord};

fn experiment() -> Experiment {
    Experiment {
        format: Experiment::FORMAT,
        program: "gptlab 0.1.0".to_owned(),
        engine: "none".to_owned(),
        spec: Preset::Gpt2Mini.spec(),
        vocab_size: 3,
        tokenizer: serde_json::json!({"kind": "chars", "chars": "abc"}),
        data: DataRecord {
            source: "a.txt".to_owned(),
            origin: serde_json::json!({"file": "a.txt"}),
            fingerprint: "00".repeat(32),
            bytes: Some(100),
            val_fraction: 0.1,
            train_tokens: 90,
            val_tokens: 10,
        },
        hyper: Hyper::of(Preset::Gpt2Mini, None),
        seed: u64::MAX,
        origin: Origin::Fresh,
        intervals: Intervals {
            log: 100.try_into().unwrap(),
            sample: 500.try_into().ok(),
            checkpoint: None,
            val_tokens: 1 << 16,
        },
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

/// A folder with [`story`] in it, and its path.
fn told() -> (tempfile::TempDir, PathBuf) {
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
    let (_root, folder) = told();
    assert_eq!(read_experiment(&folder).unwrap(), experiment());
    assert_eq!(read_events(&folder).unwrap(), story());
    assert_eq!(checkpoints(&folder).unwrap(), []);
}

#[test]
fn a_run_is_never_written_over() {
    let (_root, folder) = told();
    let said = Store::create(&folder, &experiment())
        .unwrap_err()
        .to_string();
    assert!(
        said.ends_with("resume it or choose another folder"),
        "{said}"
    );
    assert_eq!(read_events(&folder).unwrap(), story());
}

#[test]
fn one_process_writes_at_a_time() {
    let (_root, folder) = told();
    let (store, _) = Store::resume(&folder, 4).unwrap();
    assert!(matches!(Store::resume(&folder, 4), Err(FileError::Busy(_))));
    drop(store);
    Store::resume(&folder, 4).unwrap();
}

/// Whatever byte a kill came after, the whole events before it are read, and appending goes on.
#[test]
fn events_survive_being_cut_after_any_byte() {
    let (_root, folder) = told();
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
        let (mut store, kept) = Store::resume(&folder, 9).unwrap();
        assert_eq!(kept, story()[..lines]);
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
    let (_root, folder) = told();
    let path = folder.join(EVENTS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], &[0; 40], b"\n"].concat()).unwrap();
    assert_eq!(read_events(&folder).unwrap(), story());
    fs::write(&path, [b"{\"event\":\"gone\"}\n", &whole[..]].concat()).unwrap();
    let said = read_events(&folder).unwrap_err().to_string();
    assert!(
        said.contains(
            "events.jsonl: expected an event of gptlab in line 1, found unknown variant `gone`"
        ),
        "{said}"
    );
}

#[test]
fn resuming_drops_what_comes_again_and_nothing_else() {
    for (at, kept) in [(0, 1), (1, 2), (2, 4), (3, 5), (4, 7), (9, 7)] {
        let (_root, folder) = told();
        let (store, events) = Store::resume(&folder, at).unwrap();
        assert_eq!(events, story()[..kept], "at {at}");
        drop(store);
        assert_eq!(read_events(&folder).unwrap(), story()[..kept], "at {at}");
    }
}

#[test]
fn checkpoints_are_listed_by_step_and_leftovers_swept() {
    let (_root, folder) = told();
    let within = folder.join(CHECKPOINTS);
    for name in [
        "step-00000010.safetensors",
        "step-00000009.safetensors",
        "step-123456789.safetensors",
        "notes.txt",
        ".step-00000011.safetensors.x.tmp",
    ] {
        fs::write(within.join(name), b"").unwrap();
    }
    let steps = |found: Vec<(u64, PathBuf)>| found.into_iter().map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(steps(checkpoints(&folder).unwrap()), [9, 10, 123_456_789]);
    let (store, _) = Store::resume(&folder, 0).unwrap();
    assert!(!within.join(".step-00000011.safetensors.x.tmp").exists());
    let path = store.checkpoint_path(10);
    assert!(path.exists());
    assert_eq!(
        store.name_of(&path),
        "checkpoints/step-00000010.safetensors"
    );
}

#[test]
fn an_experiment_that_is_none_is_a_sentence() {
    let (_root, folder) = told();
    let path = folder.join(EXPERIMENT);
    let text = fs::read_to_string(&path).unwrap();
    let cases = [
        (
            text.replace("\"format\": 1", "\"format\": 2"),
            "found format 2",
        ),
        (
            text[..text.len() / 2].to_owned(),
            "expected an experiment of gptlab, found EOF",
        ),
        (text.replace("\"seed\"", "\"sead\""), "unknown field `sead`"),
        (
            "PK\u{3}\u{4}".to_owned(),
            "expected an experiment of gptlab, found",
        ),
    ];
    for (wrong, sentence) in cases {
        fs::write(&path, wrong).unwrap();
        let said = read_experiment(&folder).unwrap_err().to_string();
        assert!(
            said.contains(sentence) && said.contains(EXPERIMENT),
            "{said}"
        );
    }
    fs::write(&path, [0xFF; 9]).unwrap();
    let said = read_experiment(&folder).unwrap_err().to_string();
    assert!(said.ends_with("found bytes that are not UTF-8"), "{said}");
    fs::remove_file(&path).unwrap();
    let said = read_experiment(&folder).unwrap_err().to_string();
    assert!(said.ends_with("there is no such file or folder"), "{said}");
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
