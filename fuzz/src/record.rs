//! The files of a record: whatever they hold, they are read or refused.

use std::{fmt::Debug, path::Path};

use arbitrary::Unstructured;
use gptlab_record::{Event, Experiment, FileError, Store};
use serde_json::Value;

use super::{
    edit::edited,
    folder::{empty, put, within},
    made::MADE,
};

/// A file's bytes: those of the input, or `made` with a few values changed. Files begin with `{`;
/// what does not is a list of changes.
pub(crate) fn bytes(data: &[u8], made: &Value) -> Vec<u8> {
    if data.first() == Some(&b'{') {
        return data.to_vec();
    }
    let text = |made: &Value| made.to_string().into_bytes();
    edited(made, &mut Unstructured::new(data)).map_or_else(|_| text(made), |value| text(&value))
}

/// The same for a file of a value a line.
pub(crate) fn lines(data: &[u8], made: &Value) -> Vec<u8> {
    if data.first() == Some(&b'{') {
        return data.to_vec();
    }
    match edited(made, &mut Unstructured::new(data)) {
        Ok(Value::Array(events)) => of_lines(&events),
        Ok(other) => other.to_string().into_bytes(),
        Err(_) => made.to_string().into_bytes(),
    }
}

fn of_lines(events: &[Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| event.to_string() + "\n");
    lines.collect::<String>().into_bytes()
}

/// `experiment.json`: what is read is written and read again as the same.
pub fn experiment(data: &[u8]) {
    within("experiment", |folder| {
        put(
            &folder.join("experiment.json"),
            &bytes(data, &MADE.experiment),
        );
        let Ok(read) = gptlab_record::read_experiment(folder) else {
            return;
        };
        let checked = (read.hyper.check(), read.spec.check(read.vocab_size));
        let text = gptlab_record::canonical(&read).expect("an experiment is JSON");
        // JSON holds 1e39, an f32 does not: what is not finite is refused.
        if let (Ok(()), Ok(_)) = checked {
            let again: Experiment = serde_json::from_str(&text).expect("what was written is read");
            assert_eq!(again, read);
        }
    });
}

/// `events.jsonl`: what is read is written and read again as the same, and a run can go on after
/// any step.
pub fn events(data: &[u8]) {
    within("events", |folder| {
        let folder = empty(folder);
        let (step, data) = data.split_first().unwrap_or((&0, &[]));
        let experiment = MADE.experiment.to_string();
        put(&folder.join("experiment.json"), experiment.as_bytes());
        put(&folder.join("events.jsonl"), &lines(data, &MADE.events));
        let Ok(read) = gptlab_record::read_events(&folder) else {
            let _ = Store::resume(&folder, u64::from(*step));
            return;
        };
        for event in &read {
            round_trip(event);
        }
        resume(&folder, u64::from(*step), &read);
    });
}

fn round_trip(event: &Event) {
    let text = serde_json::to_string(event).expect("an event is JSON");
    let again: Event = serde_json::from_str(&text).expect("what was written is read");
    // By their texts: a NaN is not equal to itself.
    assert_eq!(
        serde_json::to_string(&again).expect("an event is JSON"),
        text
    );
}

/// Resuming keeps events up to the first beyond `step`, and the file then holds those.
fn resume(folder: &Path, step: u64, read: &[Event]) {
    let Ok((store, past)) = Store::resume(folder, step) else {
        return;
    };
    drop(store);
    assert!(past.events.len() <= read.len());
    let now = gptlab_record::read_events(folder).expect("what was kept is read");
    assert_eq!(format!("{now:?}"), format!("{:?}", past.events));
}

/// `grid.json`, `results.json` and `outcome.json`: what is read is written and read again as the
/// same.
pub fn grid(data: &[u8]) {
    use gptlab_record as record;
    let (which, data) = data.split_first().unwrap_or((&0, &[]));
    within("grid", |folder| match which % 3 {
        0 => {
            put(&folder.join("grid.json"), &bytes(data, &MADE.grid));
            same(folder, record::read_grid, record::write_grid);
        }
        1 => {
            put(&folder.join("results.json"), &bytes(data, &MADE.results));
            same(folder, record::read_results, record::write_results);
        }
        _ => {
            put(&folder.join("outcome.json"), &bytes(data, &MADE.outcome));
            same(folder, record::read_outcome, record::write_outcome);
        }
    });
}

/// By their texts: a NaN is not equal to itself.
fn same<T: Debug>(
    folder: &Path,
    read: fn(&Path) -> Result<Option<T>, FileError>,
    write: fn(&Path, &T) -> Result<(), FileError>,
) {
    let Ok(Some(found)) = read(folder) else {
        return;
    };
    write(folder, &found).expect("what was read is written");
    let again = read(folder).expect("what was written is read");
    assert_eq!(format!("{again:?}"), format!("{:?}", Some(found)));
}
