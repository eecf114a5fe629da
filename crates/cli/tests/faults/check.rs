//! Invariants of files, whatever happened.

use std::path::Path;

use gptlab_train::Checkpoint;
use serde_json::Value;

use crate::lab::Lab;

/// Checks that every file is complete: checkpoints verify, JSON parses, and only the last event can
/// be torn.
pub(crate) fn all_is_whole(lab: &Lab, after: &str) {
    for (name, bytes) in lab.files() {
        let whole = match name.rsplit('.').next().unwrap_or_default() {
            _ if is_litter(&name) => Ok(()),
            "safetensors" => checkpoint(lab, &name),
            "json" => serde_json::from_slice::<Value>(&bytes)
                .map_or_else(|e| Err(e.to_string()), |_| Ok(())),
            "jsonl" => events(&bytes),
            "html" => ends_with(&bytes, "</html>"),
            "svg" => ends_with(&bytes, "</svg>"),
            _ => Ok(()),
        };
        assert!(whole.is_ok(), "{after}: {name}: {whole:?}");
    }
}

/// Returns true if `name` is a file that was being written.
pub(crate) fn is_litter(name: &str) -> bool {
    ends_in(name, "tmp")
}

/// Returns true if a file has this extension.
pub(crate) fn ends_in(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

fn checkpoint(lab: &Lab, name: &str) -> Result<(), String> {
    let opened = Checkpoint::open(&lab.path(name));
    opened.and_then(|c| c.verify()).map_err(|e| e.to_string())
}

fn events(bytes: &[u8]) -> Result<(), String> {
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let mut lines = bytes[..whole].split_inclusive(|b| *b == b'\n');
    lines.try_for_each(|line| match serde_json::from_slice::<Value>(line) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("{e}: {}", String::from_utf8_lossy(line))),
    })
}

fn ends_with(bytes: &[u8], end: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_end().ends_with(end) {
        return Ok(());
    }
    Err(format!("it does not end with {end}"))
}

/// Returns events without times, and without those about checkpoints and stops.
pub(crate) fn story(bytes: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(bytes);
    let events = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"));
    let is_compared = |event: &Value| {
        let kind = event["event"].as_str().unwrap_or_default();
        !["checkpoint", "resume", "stop", "notice"].contains(&kind)
    };
    events.filter(is_compared).map(timeless).collect()
}

fn timeless(mut event: Value) -> Value {
    if let Some(event) = event.as_object_mut() {
        event.remove("seconds");
        event.remove("tokens_per_second");
    }
    event
}

/// Checks that the files of `found` have the bits of `whole`. Events are compared without times,
/// and the reports of grids, which show the speed, only by name. `ignored` names are not compared.
pub(crate) fn same_files(found: &Lab, whole: &Lab, ignored: fn(&str) -> bool, after: &str) {
    let of = |lab: &Lab| -> Vec<(String, Vec<u8>)> {
        let files = lab.files().into_iter();
        files.filter(|(name, _)| !ignored(name)).collect()
    };
    let (found, whole) = (of(found), of(whole));
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    let (here, there) = (names(&found), names(&whole));
    let missing = there.iter().find(|name| !here.contains(name));
    let extra = here.iter().find(|name| !there.contains(name));
    assert_eq!(
        (missing, extra),
        (None, None),
        "{after}: missing, and too many"
    );
    for ((name, found), (_, whole)) in found.iter().zip(&whole) {
        match name.rsplit('.').next().unwrap_or_default() {
            "jsonl" => assert_eq!(story(found), story(whole), "{after}: {name}"),
            _ if name.contains("grid/report/") => {}
            _ => assert!(found == whole, "{after}: {name} differs"),
        }
    }
}

/// Checks as [`same_files`] does, but compares only the last checkpoints: a run that was stopped
/// has saved others before.
pub(crate) fn same_end(found: &Lab, whole: &Lab, after: &str) {
    same_files(found, whole, is_checkpoint, after);
    let files = whole.files();
    let checkpoints = files.iter().filter(|(name, _)| is_checkpoint(name));
    let folder = |name: &str| name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let mut checkpoints = checkpoints.peekable();
    while let Some((name, bytes)) = checkpoints.next() {
        let next = checkpoints.peek().and_then(|(next, _)| folder(next));
        if next != folder(name) {
            assert!(found.read(name) == *bytes, "{after}: {name} differs");
        }
    }
}

fn is_checkpoint(name: &str) -> bool {
    name.contains("checkpoints/")
}
