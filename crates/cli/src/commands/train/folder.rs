//! The default folder of a run's record.

use std::{
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_recipe::{Overrides, SettingGroup, SettingValue, TextOrigin};
use gptlab_record::{FileError, disk};
use gptlab_report::words::{self, Date, folder_slug};

use crate::exit::{CommandResult, Stop};

/// Makes a new folder in `runs/`, named after the time (UTC), the text and the `typed` settings
/// that change the model or its training. Runs that start in the same second get different folders.
pub(in crate::commands) fn make(origin: &TextOrigin, typed: &Overrides) -> CommandResult<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let runs = Path::new("runs");
    disk::make_folders(runs)
        .map_err(|error| Stop::from(FileError::io("make", runs)(error)).hint(ELSEWHERE))?;
    let name = format!("{}-{}{}", stamp(seconds), slug(origin), changes(typed));
    make_in(runs, &name)
}

fn make_in(runs: &Path, name: &str) -> CommandResult<PathBuf> {
    let numbered = (2..=MOST_TWINS).map(|n| format!("{name}-{n}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let folder = runs.join(name);
        match disk::make_folder(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Stop::from(FileError::io("make", &folder)(e)).hint(ELSEWHERE)),
        }
    }
    Err(Stop::failure(format_args!(
        "{MOST_TWINS} runs of {name} are in {}; name a folder with --out",
        runs.display()
    )))
}

/// What to do where no folder can be made.
const ELSEWHERE: &str = "`--out DIR` names another folder";

/// The largest number of runs that can start in one second.
const MOST_TWINS: u32 = 10_000;

/// Formats seconds since 1970 as `20260131-235959`.
fn stamp(seconds: u64) -> String {
    let Date { year, month, day } = words::date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Returns a text's name in a form that fits into a folder's name.
fn slug(origin: &TextOrigin) -> String {
    let name = match origin {
        TextOrigin::File(path) => Path::new(path)
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        TextOrigin::Builtin(name) | TextOrigin::Other(name) => name.clone(),
    };
    let slug = folder_slug(&name);
    if slug.is_empty() { "text".into() } else { slug }
}

/// The largest number of settings that a folder's name has.
const MOST_CHANGES: usize = 3;

/// Returns the first [`MOST_CHANGES`] settings of the seed, the optimiser and the model, each after
/// a hyphen: `-seed-1-disable-residual`.
fn changes(typed: &Overrides) -> String {
    let told = typed.values().filter(|(key, _)| match key.group {
        SettingGroup::Model | SettingGroup::Optimiser => true,
        SettingGroup::Run => key.field == "seed",
        SettingGroup::Data | SettingGroup::Writing => false,
    });
    let named = told.take(MOST_CHANGES).map(|(key, value)| {
        if value == SettingValue::Switch(true) {
            format!("-{}", key.name())
        } else {
            format!("-{}-{value}", key.name())
        }
    });
    let is_plain = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
    let named: String = named.collect();
    named.replace(|c| !is_plain(c), "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_was_changed() {
        let of = |pairs: &[(&str, &str)]| {
            let mut typed = Overrides::default();
            for (key, value) in pairs {
                typed.set(key, value).expect("a setting");
            }
            changes(&typed)
        };
        assert_eq!(of(&[("steps", "300"), ("prompt", "a/b")]), "");
        assert_eq!(of(&[("disable-residual", "1")]), "-disable-residual");
        assert_eq!(of(&[("lr", "3e-3"), ("seed", "1")]), "-seed-1-lr-0.003");
        let four = [
            ("ln-style", "post"),
            ("tied", "0"),
            ("bias", "0"),
            ("n-head", "2"),
        ];
        assert_eq!(of(&four), "-ln-style-post-tied-0-bias-0");
    }

    /// The times are those of `date -u -d @SECONDS +%Y%m%d-%H%M%S`.
    #[test]
    fn stamps_are_utc_times() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_782_400), "20000229-000000");
        assert_eq!(stamp(1_767_225_599), "20251231-235959");
        assert_eq!(stamp(4_107_542_400), "21000301-000000");
    }

    #[test]
    fn runs_of_the_same_second_get_different_folders() {
        let runs = tempfile::tempdir().expect("a folder");
        let made = || make_in(runs.path(), "a").map(|made| made.file_name().map(ToOwned::to_owned));
        let made: Vec<_> = (0..3).filter_map(|_| made().ok().flatten()).collect();
        assert_eq!(made, ["a", "a-2", "a-3"]);
    }

    #[test]
    fn slugs_are_file_names() {
        let slug_of = |path: &str| slug(&TextOrigin::File(path.to_owned()));
        assert_eq!(slug_of("/a/b/my text.txt"), "my-text");
        assert_eq!(slug_of("吾輩は猫である.txt"), "吾輩は猫である");
        assert_eq!(slug_of("/"), "text");
        assert_eq!(slug(&TextOrigin::Builtin("stories".into())), "stories");
    }
}
