//! The names by which runs are told apart.

use crate::RecordedRun;

/// Returns a name for each run: that of its folder without the time at its beginning, or with it
/// where that is what tells the names apart, or the path to it where folders have the same name. A
/// backtick would end the code in which sentences write a name.
pub(super) fn labels(runs: &[(String, RecordedRun)]) -> Vec<String> {
    let count = |same: &dyn Fn(&str) -> bool| runs.iter().filter(|(_, r)| same(&r.name)).count();
    let label = |(path, run): &(String, RecordedRun)| {
        let (name, bare) = (run.name.as_str(), without_time(&run.name));
        let label = if count(&|other| without_time(other) == bare) == 1 {
            bare
        } else if count(&|other| other == name) == 1 {
            name
        } else {
            path
        };
        label.replace('`', "'")
    };
    runs.iter().map(label).collect()
}

/// Returns a folder's name without a time at its beginning: `20260131-235959-`.
fn without_time(name: &str) -> &str {
    let mut parts = name.splitn(3, '-');
    let digits = |part: Option<&str>, n| {
        part.is_some_and(|part| part.len() == n && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let stamped = digits(parts.next(), 8) && digits(parts.next(), 6);
    parts
        .next()
        .filter(|rest| stamped && !rest.is_empty())
        .unwrap_or(name)
}

/// Returns `label` with at most `most` characters, the middle ones replaced by an ellipsis.
pub(crate) fn shortened(label: &str, most: usize) -> String {
    let length = label.chars().count();
    if length <= most {
        return label.to_owned();
    }
    let end = most.saturating_sub(1) / 2;
    let start = most.saturating_sub(1 + end);
    let start: String = label.chars().take(start).collect();
    let end: String = label.chars().skip(length - end).collect();
    format!("{start}…{end}")
}
