//! Every dependency has a reason, written where it is declared.

use std::path::Path;

use crate::{crates, none, read, root};

#[test]
fn every_dependency_has_its_reason() {
    let mut manifests = vec!["Cargo.toml".to_owned()];
    manifests.extend(crates().iter().map(|c| format!("crates/{c}/Cargo.toml")));
    let complaints: Vec<String> = manifests
        .iter()
        .flat_map(|path| without_reason(path, &read(&root().join(path))))
        .collect();
    none(&complaints);
}

/// Returns dependencies that no comment of their section names. Our own crates have their reasons
/// in the table of arrows, and those with `workspace = true` in the workspace's manifest.
fn without_reason(path: &str, manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut inside, mut reasons) = (false, String::new());
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
            reasons.clear();
        } else if let Some(comment) = line.strip_prefix('#') {
            reasons.push_str(comment);
        } else if inside && let Some((key, rest)) = line.split_once('=') {
            let name = key.trim().split('.').next().unwrap_or_default();
            let elsewhere = name.starts_with("gptlab-") || key.trim().ends_with(".workspace");
            if !(elsewhere || rest.contains('#') || names(&reasons, name)) {
                complaints.push(format!("{path}: `{name}` has no reason beside it"));
            }
        }
    }
    complaints
}

/// Returns true if `text` contains `word`, and not only as a part of a longer word.
fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)))
        .any(|w| w == word)
}

#[test]
fn a_dependency_without_a_reason_is_seen() {
    let lone = "[dependencies]\n# serde: plain data\nserde = \"1\"\nserde_json = \"1\"\n";
    assert_eq!(
        without_reason("x", lone),
        ["x: `serde_json` has no reason beside it"]
    );
    let other = "[dependencies]\n# a: b\n[dev-dependencies]\na = \"1\"\n";
    assert_eq!(
        without_reason("x", other),
        ["x: `a` has no reason beside it"]
    );
    let fine =
        "[dependencies]\n# serde, serde_json: data\nserde = \"1\"\nserde_json.workspace = true\n";
    assert_eq!(without_reason("x", fine), [] as [&str; 0]);
}

#[test]
fn microgpt_depends_on_nothing_and_fits_its_page() {
    let folder = root().join("crates/microgpt");
    let manifest = read(&folder.join("Cargo.toml"));
    none(&dependencies(&manifest));
    none(&too_long(&read(&folder.join("src/main.rs"))));
    let files = crate::rust_files(&folder.join("src"));
    let names: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    // The algorithm, and what Python has built in.
    let expected = ["main.rs", "python.rs"].map(|name| format!("crates/microgpt/src/{name}"));
    assert_eq!(names, expected);
    assert!(!Path::new(&folder.join("build.rs")).exists());
}

fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    manifest
        .keys()
        .filter(|key| ["dependencies", "build-dependencies", "target"].contains(&key.as_str()))
        .map(|key| format!("microgpt must have no [{key}]"))
        .collect()
}

fn too_long(source: &str) -> Vec<String> {
    let lines = source.lines().count();
    let complaint = format!("microgpt is {lines} lines long: it stays under 200");
    (lines >= 200).then_some(complaint).into_iter().collect()
}

#[test]
fn a_dependency_or_a_line_too_many_in_microgpt_is_seen() {
    assert_eq!(dependencies("[dependencies]\nrand = \"1\"\n").len(), 1);
    assert_eq!(dependencies("[package]\nname = \"microgpt\"\n").len(), 0);
    assert_eq!(too_long(&"\n".repeat(200)).len(), 1);
    assert_eq!(too_long(&"\n".repeat(199)).len(), 0);
}
