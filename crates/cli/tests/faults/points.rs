//! The points that a command passes, and the choice of those that are tested.

use std::{collections::BTreeMap, env};

/// A point that was passed: the operation and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) what: String,
    pub(crate) path: String,
}

impl Passed {
    /// Parses a line of a trace.
    pub(crate) fn of(line: &str) -> Self {
        let (what, path) = line.split_once(' ').expect("what and to which file");
        Self {
            what: what.to_owned(),
            path: path.replace('\\', "/"),
        }
    }

    /// Returns the kind of the point: the same operation on files of the same kind.
    fn kind(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let name = name.trim_start_matches('.').split('.').next_back();
        let folders = self.path.matches('/').count();
        format!("{} {} {folders}", self.what, name.unwrap_or_default())
    }
}

/// The points that are tested by default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// The first and the last of each kind, and every eleventh.
    EveryKind,
    /// Every fiftieth point, for slow commands whose kinds of points are tested elsewhere.
    Few,
}

/// Returns true if all points are tested, with all ends at each.
pub(crate) fn all() -> bool {
    env::var_os("GPTLAB_FAULTS").is_some_and(|v| v == "all")
}

/// Returns the points, counted from 1, that are tested.
pub(crate) fn chosen(points: &[Passed], choice: Choice) -> Vec<usize> {
    if all() {
        return (1..=points.len()).collect();
    }
    match choice {
        Choice::Few => (1..=points.len()).step_by(50).collect(),
        Choice::EveryKind => of_every_kind(points),
    }
}

fn of_every_kind(points: &[Passed]) -> Vec<usize> {
    let mut ends: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (n, point) in (1..).zip(points) {
        ends.entry(point.kind()).or_insert((n, n)).1 = n;
    }
    let ends: Vec<usize> = ends.into_values().flat_map(|(a, b)| [a, b]).collect();
    let is_chosen = |n: &usize| n % 11 == 1 || ends.contains(n);
    (1..=points.len()).filter(is_chosen).collect()
}

/// Returns the files that were renamed into place before point `at`, and not removed or moved by
/// then.
pub(crate) fn in_place(points: &[Passed], at: usize) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (n, point) in (1..=at).zip(points) {
        match point.what.as_str() {
            "rename" if n < at => found.push(&point.path),
            "remove" | "move" => found.retain(|path| *path != point.path),
            _ => {}
        }
    }
    found
}

/// Returns how many events were appended to `path` before point `at`.
pub(crate) fn appended(points: &[Passed], at: usize, path: &str) -> usize {
    let mut before = points[..at - 1].iter();
    before
        .by_ref()
        .filter(|p| p.what == "append" && p.path == path)
        .count()
}

#[test]
fn every_kind_of_point_is_chosen_and_what_is_in_place_is_known() {
    let lines = [
        "rename a/experiment.json",
        "append a/events.jsonl",
        "rename a/step-1.safetensors",
        "append a/events.jsonl",
        "remove a/step-1.safetensors",
    ];
    let points = lines.map(Passed::of);
    assert_eq!(of_every_kind(&points), [1, 2, 3, 4, 5]);
    assert_eq!(in_place(&points, 1), [] as [&str; 0]);
    assert_eq!(in_place(&points, 3), ["a/experiment.json"]);
    assert_eq!(in_place(&points, 4).len(), 2);
    assert_eq!(in_place(&points, 5), ["a/experiment.json"]);
    assert_eq!(appended(&points, 4, "a/events.jsonl"), 1);
}
