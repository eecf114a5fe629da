//! The settings in which two or more runs differ.

use serde::Serialize;

use crate::{
    order::natural,
    settings::{Setting, layer_of},
};

/// A setting in which runs differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferingSetting {
    pub path: String,
    /// The name of the setting, with the layers that it belongs to.
    pub words: String,
    /// The value of each run; `None` where it is absent.
    pub values: Vec<Option<String>>,
}

impl DifferingSetting {
    /// Returns whether the runs that have the setting differ in it.
    fn differs_where_present(&self) -> bool {
        let mut present = self.values.iter().flatten();
        let first = present.next();
        present.any(|value| Some(value) != first)
    }
}

/// Returns the settings in which `runs` differ and that `keep` keeps. An equal difference in
/// several layers is one setting. What is inside a part that some runs do not have is left out,
/// unless the other runs differ in it.
pub(crate) fn differing(
    runs: &[Vec<Setting>],
    keep: impl Fn(&DifferingSetting) -> bool,
) -> Vec<DifferingSetting> {
    let value =
        |of: &[Setting], path: &str| of.iter().find(|s| s.path == path).map(|s| s.value.clone());
    let mut all: Vec<&Setting> = runs.iter().flatten().collect();
    // This order also distinguishes paths that differ in the leading zeros of a number.
    all.sort_by(|x, y| natural(&x.path, &y.path).then_with(|| x.path.cmp(&y.path)));
    all.dedup_by(|x, y| x.path == y.path);
    let of_runs = |s: &Setting| DifferingSetting {
        path: s.path.clone(),
        words: s.words.clone(),
        values: runs.iter().map(|run| value(run, &s.path)).collect(),
    };
    let found = all.into_iter().map(of_runs);
    let found: Vec<DifferingSetting> = found
        .filter(|s| s.values.windows(2).any(|pair| pair[0] != pair[1]))
        .filter(keep)
        .collect();
    let is_part = |s: &&DifferingSetting| s.values.iter().flatten().any(|v| v == "present");
    let parts: Vec<String> = found
        .iter()
        .filter(is_part)
        .map(|s| s.path.clone() + ".")
        .collect();
    let says_more = |s: &DifferingSetting| {
        let mut whole = parts.iter();
        !whole.any(|part| s.path.starts_with(part.as_str())) || s.differs_where_present()
    };
    merged(found.into_iter().filter(says_more).collect())
}

fn merged(settings: Vec<DifferingSetting>) -> Vec<DifferingSetting> {
    let mut groups: Vec<(DifferingSetting, Vec<usize>)> = Vec::new();
    for setting in settings {
        let place = layer_of(&setting.path).map(|(n, rest)| (n, rest.to_owned()));
        let same = |(other, _): &&mut (DifferingSetting, Vec<usize>)| {
            let inside = layer_of(&other.path).map(|(_, rest)| rest.to_owned());
            inside.is_some()
                && inside == place.as_ref().map(|p| p.1.clone())
                && other.values == setting.values
        };
        match (groups.iter_mut().find(same), place) {
            (Some((_, layers)), Some((n, _))) => layers.push(n),
            (_, place) => groups.push((setting, place.map(|(n, _)| n).into_iter().collect())),
        }
    }
    let named = |(setting, layers): (DifferingSetting, Vec<usize>)| DifferingSetting {
        words: setting.words + &layers_of(&layers),
        ..setting
    };
    groups.into_iter().map(named).collect()
}

fn layers_of(layers: &[usize]) -> String {
    match layers {
        [] => String::new(),
        [one] => format!(" of layer {one}"),
        [first, .., last] if last.checked_sub(*first) == Some(layers.len() - 1) => {
            format!(" of layers {first} to {last}")
        }
        several => {
            let numbers: Vec<String> = several.iter().map(usize::to_string).collect();
            format!(" of layers {}", numbers.join(", "))
        }
    }
}
