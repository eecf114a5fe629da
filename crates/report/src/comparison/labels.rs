//! The names by which runs are told apart.

use crate::RecordedRun;

/// Returns a name for each run: that of its folder, or the path to it where other folders have the
/// same name. A backtick would end the code in which sentences write a name.
pub(super) fn labels(runs: &[(String, RecordedRun)]) -> Vec<String> {
    let shared = |name: &str| runs.iter().filter(|(_, run)| run.name == name).count() > 1;
    let label = |(path, run): &(String, RecordedRun)| {
        let label = if shared(&run.name) { path } else { &run.name };
        label.replace('`', "'")
    };
    runs.iter().map(label).collect()
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
