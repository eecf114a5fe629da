//! What a path holds that was given where a run is expected.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gptlab_record::{Store, read_grid};
use gptlab_report::page;

use crate::exit::Stop;

/// Where runs lie unless somebody says otherwise, and where a grid keeps its own.
pub(crate) const RUNS: &str = "runs";

/// The message that `path`, which is no run, is not the `expected` thing. It says what was found
/// and where runs are.
pub(crate) fn no_run(path: &Path, expected: &str) -> Stop {
    let shown = path.display();
    let say = |found: &str| Stop::data(format_args!("{shown}: expected {expected}, found {found}"));
    let inside = |folder: PathBuf| {
        let folder = folder.display();
        format!("`gptlab runs {folder}` lists the runs in it")
    };
    if !path.exists() {
        return say("nothing").hint("`gptlab runs` lists runs");
    }
    if path.is_file() {
        return say("a file").hint("`gptlab runs` lists runs");
    }
    if is_grid(path) {
        return say("the folder of a grid").hint(inside(path.join(RUNS)));
    }
    if runs_in(path).is_ok_and(|runs| !runs.is_empty()) {
        return say("a folder of runs").hint(inside(path.to_owned()));
    }
    let found = if path.join(page::PAGE).is_file() {
        "the folder of a report"
    } else {
        "another folder"
    };
    say(found).hint("`gptlab runs` lists runs")
}

/// Returns whether `folder` holds a grid that can be read.
pub(crate) fn is_grid(folder: &Path) -> bool {
    read_grid(folder).is_ok_and(|grid| grid.is_some())
}

/// Returns the runs in `folder`, by name.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub(crate) fn runs_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if Store::exists(&path) {
            runs.push(path);
        }
    }
    runs.sort();
    Ok(runs)
}
