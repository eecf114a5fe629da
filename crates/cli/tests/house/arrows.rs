//! The allowed dependencies between crates. A new one needs an entry in this table.

use crate::{crates, none, read, root};

/// A crate's folder and the folders of ours that it can use, in any section of its manifest.
const ARROWS: &[(&str, &[&str])] = &[
    ("microgpt", &[]),
    ("model", &[]),
    ("recipe", &["model"]),
    ("data", &["model", "recipe"]),
    ("kernels", &[]),
    ("engine", &["model", "recipe", "kernels"]),
    ("record", &["model", "recipe"]),
    ("train", &["model", "recipe", "data", "engine", "record"]),
    (
        "lab",
        &[
            "model", "recipe", "data", "engine", "train", "record", "report",
        ],
    ),
    ("report", &["model", "recipe", "record"]),
    (
        "bench",
        &["model", "recipe", "data", "kernels", "engine", "report"],
    ),
    ("web", &["record", "report"]),
    ("book", &[]),
    ("gpu", &["model", "recipe", "engine"]),
    ("cluster", &["engine", "train"]),
    (
        "cli",
        &[
            "model", "recipe", "data", "kernels", "engine", "record", "train", "lab", "report",
            "bench", "web", "gpu", "cluster", "book",
        ],
    ),
];

#[test]
fn every_arrow_is_in_the_table() {
    let complaints: Vec<String> = crates()
        .iter()
        .flat_map(|folder| {
            let manifest = read(&root().join("crates").join(folder).join("Cargo.toml"));
            unknown_arrows(folder, &manifest)
        })
        .collect();
    none(&complaints);
}

fn unknown_arrows(folder: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
        return vec![format!("crates/{folder} is not in the table of arrows")];
    };
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let name = manifest["package"]["name"].as_str().unwrap_or_default();
    let mut complaints: Vec<String> = ours(&manifest)
        .into_iter()
        .filter(|used| !allowed.contains(&used.as_str()))
        .map(|used| format!("crates/{folder} must not use {used}"))
        .collect();
    if name != package(folder) {
        complaints.push(format!("crates/{folder} is called {name}"));
    }
    complaints
}

fn package(folder: &str) -> String {
    match folder {
        "cli" => "gptlab".into(),
        "microgpt" => "microgpt".into(),
        _ => format!("gptlab-{folder}"),
    }
}

/// Returns the folders of ours that a manifest names, in any section and under any name.
fn ours(manifest: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    let mut tables = vec![manifest];
    while let Some(table) = tables.pop() {
        for (key, value) in table {
            if key.ends_with("dependencies") {
                let dependencies = value.as_table().into_iter().flatten();
                found.extend(dependencies.filter_map(|(name, spec)| folder(name, spec)));
            } else {
                tables.extend(value.as_table());
            }
        }
    }
    found.sort();
    found
}

fn folder(name: &str, spec: &toml::Value) -> Option<String> {
    let renamed = spec.get("package").and_then(toml::Value::as_str);
    match renamed.unwrap_or(name) {
        "gptlab" => Some("cli".into()),
        "microgpt" => Some("microgpt".into()),
        other => other.strip_prefix("gptlab-").map(str::to_owned),
    }
}

#[test]
fn a_new_arrow_is_seen_in_any_section() {
    let manifest = |section: &str, line: &str| {
        format!("[package]\nname = \"gptlab-engine\"\n[{section}]\n{line}\n")
    };
    let ok = manifest("dependencies", "gptlab-model.workspace = true");
    assert_eq!(unknown_arrows("engine", &ok), [] as [&str; 0]);
    for section in [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "target.'cfg(unix)'.dependencies",
    ] {
        for line in [
            "gptlab-train.workspace = true",
            "friend = { package = \"gptlab-train\", path = \"../train\" }",
        ] {
            let complaints = unknown_arrows("engine", &manifest(section, line));
            assert_eq!(
                complaints,
                ["crates/engine must not use train"],
                "{section}: {line}"
            );
        }
    }
}

#[test]
fn a_new_crate_and_an_arrow_to_the_binary_are_seen() {
    let manifest = "[package]\nname = \"gptlab-extra\"\n";
    assert_eq!(
        unknown_arrows("extra", manifest),
        ["crates/extra is not in the table of arrows"]
    );
    let manifest =
        "[package]\nname = \"gptlab-web\"\n[dependencies]\ngptlab = { path = \"../cli\" }\n";
    assert_eq!(
        unknown_arrows("web", manifest),
        ["crates/web must not use cli"]
    );
    let manifest = "[package]\nname = \"web\"\n";
    assert_eq!(
        unknown_arrows("web", manifest),
        ["crates/web is called web"]
    );
}

#[test]
fn the_table_never_says_what_the_design_forbids() {
    let uses = |folder: &str, used: &str| {
        let row = ARROWS.iter().find(|(name, _)| *name == folder);
        row.expect("a row of the table").1.contains(&used)
    };
    for (folder, allowed) in ARROWS {
        assert!(!allowed.contains(&"cli"), "{folder} uses the binary");
        assert!(!allowed.contains(&"microgpt"), "{folder} uses the witness");
        let late = allowed.iter().any(|used| ["gpu", "cluster"].contains(used));
        assert!(!late || *folder == "cli", "{folder} uses a device");
    }
    assert!(!uses("report", "engine") && !uses("report", "train"));
    assert!(!uses("web", "engine") && !uses("web", "train"));
}
