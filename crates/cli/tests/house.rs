//! The house rules, checked on the whole workspace. Every rule is a function from text to
//! complaints, and each has a test on an invented violation, which shows that the rule can fail.

#[path = "house/arrows.rs"]
mod arrows;
#[path = "house/laws.rs"]
mod laws;
#[path = "house/manifests.rs"]
mod manifests;
#[path = "house/readme.rs"]
mod readme;
#[path = "house/sources.rs"]
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Returns the folders in `crates/`, sorted by name.
fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .expect("crates/")
        .map(|entry| entry.expect("an entry of crates/"))
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(
        names.contains(&"cli".to_owned()),
        "this very crate is found"
    );
    names
}

/// Returns all Rust files under `folder`, with their paths from the root.
fn rust_files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(&path);
                files.push((name.display().to_string().replace('\\', "/"), read(&path)));
            }
        }
    }
    files.sort();
    files
}

/// Panics with all complaints at once.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
