//! The seeds of the fuzz targets, and the cases that fuzzing found, on a stable compiler and
//! without libFuzzer.
//!
//! The targets' functions are compiled into this test, so that changes of what they call are tested
//! immediately.

// This is the fuzz package's library; `cargo fuzz` uses it too, and needs its public items.
#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

use targets::{MOST_BYTES, TARGETS};

/// The size, in bytes, below which all seeds together stay.
const MOST_SEEDS: usize = 300_000;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Returns the files of `folder`, sorted by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_passes() {
    let mut total = 0;
    for (target, run) in TARGETS {
        let seeds = files(&package().join("seeds").join(target));
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for path in seeds {
            let bytes = fs::read(&path).expect("a seed");
            assert!(bytes.len() <= MOST_BYTES, "{} is too long", path.display());
            let passed = std::panic::catch_unwind(|| run(&bytes)).is_ok();
            assert!(passed, "{target} panics on {}", path.display());
            total += bytes.len();
        }
    }
    assert!(total < MOST_SEEDS, "the seeds are {total} bytes");
}

/// These inputs are in no seed: zeros, ones, and counting bytes, of several lengths.
#[test]
fn plain_bytes_pass() {
    for (_, run) in TARGETS {
        run(&[]);
        for length in [1, 7, 64, 700] {
            run(&vec![0; length]);
            run(&vec![255; length]);
            let counted: Vec<u8> = (0..length).map(|i| (i * 37) as u8).collect();
            run(&counted);
        }
    }
}

#[test]
fn every_target_has_its_file_and_its_entry() {
    let manifest = fs::read_to_string(package().join("Cargo.toml")).expect("the manifest");
    let found = files(&package().join("fuzz_targets"));
    let found: Vec<&str> = found
        .iter()
        .filter_map(|f| f.file_name()?.to_str())
        .collect();
    assert_eq!(found, TARGETS.map(|(name, _)| format!("{name}.rs")));
    for (name, _) in TARGETS {
        let entry = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&entry), "{name}");
    }
}
