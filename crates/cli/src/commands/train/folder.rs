//! Where a run's record goes when nobody says.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_data::Origin;

/// A folder in `runs/` that does not exist: the time (UTC) and the text's name.
pub(in crate::commands) fn new(origin: &Origin) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let name = format!("{}-{}", stamp(seconds), slug(origin));
    let runs = Path::new("runs");
    let numbered = (2..).map(|n: u32| runs.join(format!("{name}-{n}")));
    std::iter::once(runs.join(&name))
        .chain(numbered)
        .find(|folder| !folder.exists())
        .unwrap_or_else(|| runs.join(&name))
}

/// `20260131-235959`.
fn stamp(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month and day of the day that is `days` after 1 January 1970: Howard Hinnant's
/// `civil_from_days`, <https://howardhinnant.github.io/date_algorithms.html>.
pub(in crate::commands) fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// A text's name as part of a folder's.
fn slug(origin: &Origin) -> String {
    let name = match origin {
        Origin::File(path) => Path::new(path)
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned()),
        Origin::Builtin(name) | Origin::Other(name) => name.clone(),
    };
    let slug: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    if slug.is_empty() { "text".into() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known from `date -u -d @SECONDS +%Y%m%d-%H%M%S`.
    #[test]
    fn stamps_are_utc_times() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_782_400), "20000229-000000");
        assert_eq!(stamp(1_767_225_599), "20251231-235959");
        assert_eq!(stamp(4_107_542_400), "21000301-000000");
    }

    #[test]
    fn slugs_are_file_names() {
        let slug_of = |path: &str| slug(&Origin::File(path.to_owned()));
        assert_eq!(slug_of("/a/b/my text.txt"), "my-text");
        assert_eq!(slug_of("吾輩は猫である.txt"), "吾輩は猫である");
        assert_eq!(slug_of("/"), "text");
        assert_eq!(slug(&Origin::Builtin("stories".into())), "stories");
    }
}
