//! Whether a folder holds the grid that is requested, and if not, what differs.

use std::path::Path;

use gptlab_record::{FileError, Grid, GridKind, TunedSetting};
use gptlab_train::same_settings;

/// Returns an error that says what differs unless `found`, the grid in `folder`, has the plan of
/// `requested`, or the same plan with fewer seeds.
pub(super) fn check_same_plan(
    folder: &Path,
    found: &Grid,
    requested: &Grid,
) -> Result<(), FileError> {
    if !has_shape(found, requested) && !lacks_seeds(found, requested) {
        let expected = "the same grid, to resume it";
        let words = if found.format < Grid::FORMAT {
            "a grid of an older version, which `gptlab report` shows; give a folder of its own with --out".to_owned()
        } else {
            let differences = differences(found, requested).join(", and ");
            format!("another one: {differences}{}", way_out(found, requested))
        };
        return Err(FileError::wrong(folder, expected, words));
    }
    for (found, requested) in found.variants.iter().zip(&requested.variants) {
        if let (Some(found), Some(requested)) = (&found.experiment, &requested.experiment) {
            same_settings(folder, found, requested)?;
        }
    }
    Ok(())
}

/// Returns whether the grids have the same runs, and the same reason to compare them.
fn has_shape(found: &Grid, requested: &Grid) -> bool {
    same_variants(found, requested)
        && found.seeds == requested.seeds
        && found.cells == requested.cells
}

/// Returns whether the grids differ in nothing but seeds.
fn same_variants(found: &Grid, requested: &Grid) -> bool {
    let variants = |grid: &Grid| -> Vec<_> {
        let variants = grid.variants.iter();
        variants
            .map(|v| (v.name.clone(), v.settings.clone()))
            .collect()
    };
    found.kind == requested.kind
        && found.tuned == requested.tuned
        && variants(found) == variants(requested)
}

/// Returns whether `found` is the beginning of `requested`, whose runs of further seeds follow
/// those of the first ones. The plan of an older version is never written again.
fn lacks_seeds(found: &Grid, requested: &Grid) -> bool {
    found.format == Grid::FORMAT
        && same_variants(found, requested)
        && requested.seeds.starts_with(&found.seeds)
        && requested.cells.starts_with(&found.cells)
}

/// Returns what differs, in sentences about the found grid.
fn differences(found: &Grid, requested: &Grid) -> Vec<String> {
    let mut said = Vec::new();
    if found.kind != requested.kind {
        said.push(format!("it is {}", kind(found.kind)));
    }
    let names = |grid: &Grid| -> Vec<String> {
        let variants = grid.variants.iter();
        variants.map(|v| format!("`{}`", v.name)).collect()
    };
    let (ours, theirs) = (names(found), names(requested));
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        let only = of.iter().filter(|name| !other.contains(name));
        only.cloned().collect()
    };
    for (does, missing) in [
        ("has", only(&ours, &theirs)),
        ("lacks", only(&theirs, &ours)),
    ] {
        if !missing.is_empty() {
            said.push(format!("it {does} {}", missing.join(", ")));
        }
    }
    if said.is_empty() && ours != theirs {
        said.push("its variants are in another order".to_owned());
    }
    if found.seeds != requested.seeds {
        let (had, asked) = (seeds(&found.seeds), seeds(&requested.seeds));
        said.push(format!("it has {had}, not {asked}"));
    }
    if found.tuned != requested.tuned {
        said.push(format!("it tunes {}", tuned(found.tuned.as_ref())));
    }
    if said.is_empty() {
        said.push("its runs are others".to_owned());
    }
    said
}

/// Says what to do: a grid that only has more seeds can be continued with them.
fn way_out(found: &Grid, requested: &Grid) -> String {
    let elsewhere = "give the new one a folder of its own with --out";
    let more = same_variants(found, requested) && found.seeds.starts_with(&requested.seeds);
    if more {
        let all = found.seeds.len();
        format!("; `--seeds {all}` continues it, or {elsewhere}")
    } else {
        format!("; {elsewhere}")
    }
}

fn kind(kind: GridKind) -> &'static str {
    match kind {
        GridKind::Ablation => "an ablation",
        GridKind::Sweep => "a sweep",
        GridKind::Published => "a comparison with published results",
    }
}

fn tuned(tuned: Option<&TunedSetting>) -> String {
    tuned.map_or("no setting".to_owned(), |tuned| {
        format!("`{}` around {}", tuned.setting, tuned.shared)
    })
}

/// Returns `seed 3`, `seeds 0 to 2` or, where they do not follow each other, `seeds 1, 5`.
fn seeds(seeds: &[u64]) -> String {
    let follow = seeds
        .windows(2)
        .all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    match seeds {
        [one] => format!("seed {one}"),
        [first, .., last] if follow => format!("seeds {first} to {last}"),
        _ => {
            let each: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!("seeds {}", each.join(", "))
        }
    }
}
