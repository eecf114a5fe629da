//! The rules for source files.

use crate::{crates, none, read, root, rust_files};

/// A word, the crates or files that can use it, and the reason. Code outside of tests is searched.
const WORDS: &[(&str, &[&str], &str)] = &[
    ("println!", SPEAKERS, "only the CLI prints"),
    ("print!", SPEAKERS, "only the CLI prints"),
    ("eprintln!", SPEAKERS, "only the CLI prints"),
    ("eprint!", SPEAKERS, "only the CLI prints"),
    ("dbg!", &[], "left over from debugging"),
    ("todo!", &[], "left over from writing"),
    ("io::stdout", SPEAKERS, "only the CLI prints"),
    ("io::stderr", SPEAKERS, "only the CLI prints"),
    ("std::env", SPEAKERS, "only the CLI reads the environment"),
    ("env::var", SPEAKERS, "only the CLI reads the environment"),
    ("env::args", SPEAKERS, "only the CLI reads arguments"),
    ("process::exit", SPEAKERS, "a library returns errors"),
    (
        "unsafe",
        &["kernels", EXPERIMENTAL],
        "unsafe lives in kernels alone",
    ),
    ("CpuEngine", &["engine"], BACKENDS),
    ("CpuGenerator", &["engine", "bench"], BACKENDS),
    ("CpuBackend", &["engine", "bench", "cli"], DEVICES),
    ("thread::", THREADS, "only these start threads"),
    ("rayon", THREADS, "only these start threads"),
    ("fs::create_dir", DISK, CHANGES),
    ("fs::create_dir_all", DISK, CHANGES),
    ("fs::rename", DISK, CHANGES),
    ("fs::remove_file", DISK, CHANGES),
    ("fs::write", DISK, CHANGES),
    ("File::create", DISK, CHANGES),
    ("OpenOptions", DISK, CHANGES),
];

/// The file that asks wgpu for a feature, which wgpu makes a matter of `unsafe`.
const EXPERIMENTAL: &str = "gpu/src/matrix_units.rs";
const BACKENDS: &str = "whoever runs models takes a `Backend` or a `Device`, and names no engine";
const DEVICES: &str = "who calls a library chooses the device";
/// The crates that start threads. Kernels get a `Parallel` that runs their tasks.
const THREADS: &[&str] = &["bench", "cli", "engine", "lab", "train"];

/// The crates that change the disk. `book` writes files that are under version control, and nothing
/// that a training has made.
const DISK: &[&str] = &["record", "book"];
const CHANGES: &str = "the disk is changed by `gptlab_record::disk`, where tests make it fail";

/// The crates with a program. In `book` only `main.rs` prints.
const SPEAKERS: &[&str] = &["cli", "microgpt", "book"];

/// Words that crates which only compute never use.
const PURE: &[&str] = &["model", "recipe", "kernels", "engine"];
const IMPURE: &[&str] = &[
    "std::fs",
    "fs::",
    "std::time",
    "Instant",
    "SystemTime",
    "std::net",
];

/// The enums of architecture: every match on them is exhaustive.
const ARCHITECTURE: &[&str] = &[
    "Position",
    "Norm",
    "NormPlace",
    "Residual",
    "SublayerOrder",
    "Sublayer",
    "Mask",
    "AttentionMask",
    "Scale",
    "QkNorm",
    "MlpForm",
    "Activation",
    "OutputHead",
    "Bias",
    "ResidualInit",
    "Op",
    "NormOp",
    "Preset",
];

/// The enums that engines match: a graph's ops, which contain no choice any more, and whole models.
const NOT_CHOICES: &[&str] = &["Op", "NormOp", "Preset"];

/// The files that can match a choice of architecture: those of `model`, where it has its meaning;
/// of flags, which name it (settings by name); of the conversions of the model's activation and
/// mask to the kernels' types; and of the oracle, which has no kernels. `kernels` has its own types
/// and uses none of the model's.
const MATCHES: &[&str] = &[
    "crates/model/src/",
    "crates/kernels/src/",
    "crates/recipe/src/overrides/",
    "crates/engine/src/cpu/prepared_graph.rs",
    "crates/engine/src/oracle/forward.rs",
    "crates/gpu/src/choices.rs",
];

const MOST_LINES: usize = 500;

fn sources() -> Vec<(String, String, String)> {
    let of = |folder: &String| {
        let files = rust_files(&root().join("crates").join(folder).join("src"));
        let folder = folder.clone();
        files
            .into_iter()
            .map(move |(path, text)| (folder.clone(), path, text))
    };
    crates().iter().flat_map(of).collect()
}

fn on_every_source(rule: impl Fn(&str, &str, &str) -> Vec<String>) {
    let complaints: Vec<String> = sources()
        .iter()
        .flat_map(|(folder, path, text)| rule(folder, path, text))
        .collect();
    none(&complaints);
}

#[test]
fn words_stay_where_they_may_stand() {
    on_every_source(misplaced_words);
}

#[test]
fn crates_that_compute_touch_nothing_else() {
    on_every_source(impurities);
}

#[test]
fn no_wildcard_hides_an_architecture() {
    on_every_source(|_, path, text| wildcards(path, text));
}

#[test]
fn no_comparison_hides_an_architecture() {
    on_every_source(|_, path, text| comparisons(path, text));
}

#[test]
fn a_choice_is_matched_in_the_model_alone() {
    on_every_source(|_, path, text| matches(path, text));
}

#[test]
fn files_stay_readable() {
    on_every_source(|_, path, text| long_files(path, text));
}

#[test]
fn comments_stay_within_a_hundred_columns() {
    on_every_source(|_, path, text| wide_comments(path, text));
}

/// The README and the glossary say what the program says.
#[test]
fn losses_have_one_unit() {
    on_every_source(|_, path, text| other_units(path, text));
    for page in ["README.md", "GLOSSARY.md"] {
        let text = read(&root().join(page));
        none(&other_units(page, &text));
    }
}

#[test]
fn every_crate_says_what_it_knows() {
    for folder in crates() {
        let src = root().join("crates").join(folder).join("src");
        let opening = ["lib.rs", "main.rs"].map(|f| src.join(f));
        for file in opening.iter().filter(|f| f.is_file()) {
            none(&unopened(&file.display().to_string(), &read(file)));
        }
    }
}

fn unopened(path: &str, text: &str) -> Vec<String> {
    let complaint = format!("{path} does not open with `//!`");
    (!text.starts_with("//!"))
        .then_some(complaint)
        .into_iter()
        .collect()
}

/// Returns the lines of code with their numbers, without comments, the contents of strings, and a
/// final module of tests. A file with only tests is named `tests.rs`.
fn code(path: &str, text: &str) -> Vec<(usize, String)> {
    if path.ends_with("tests.rs") || path.contains("/tests/") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let opens_tests = |i: usize| {
        let next = lines.get(i + 1).map_or("", |line| line.trim());
        lines[i].trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{')
    };
    let end = (0..lines.len())
        .find(|i| opens_tests(*i))
        .unwrap_or(lines.len());
    (1..)
        .zip(lines[..end].iter().map(|line| bare(line)))
        .collect()
}

/// Returns a line without its comment and without the contents of its strings.
fn bare(line: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if inside => _ = chars.next(),
            '\'' if chars.peek() == Some(&'"') => _ = chars.next(),
            '"' => inside = !inside,
            '/' if !inside && chars.peek() == Some(&'/') => break,
            _ if inside => {}
            _ => out.push(c),
        }
    }
    out
}

/// Returns true if `line` contains `word` with no letter right before or after it.
fn holds(line: &str, word: &str) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let open = word.ends_with("::") || !in_word(line[at + word.len()..].chars().next());
        !in_word(line[..at].chars().next_back()) && open
    })
}

fn misplaced_words(folder: &str, path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (n, line) in code(path, text) {
        for (word, may, why) in WORDS {
            let is_allowed = may.iter().any(|at| *at == folder || path.ends_with(at));
            if holds(&line, word) && !is_allowed {
                complaints.push(format!("{path}:{n}: `{word}`: {why}"));
            }
        }
    }
    complaints
}

fn impurities(folder: &str, path: &str, text: &str) -> Vec<String> {
    let pure = PURE.contains(&folder);
    code(path, text)
        .into_iter()
        .filter(|_| pure)
        .filter_map(|(n, line)| {
            let word = IMPURE.iter().find(|word| holds(&line, word))?;
            Some(format!("{path}:{n}: {folder} must not touch `{word}`"))
        })
        .collect()
}

/// Finds arms `_ =>` whose neighbours at the same indentation name an architecture enum.
fn wildcards(path: &str, text: &str) -> Vec<String> {
    let lines = code(path, text);
    let mut complaints = Vec::new();
    for (i, (n, line)) in lines.iter().enumerate() {
        if !line.trim_start().starts_with("_ =>") {
            continue;
        }
        let depth = indent(line);
        let arms = lines[..i]
            .iter()
            .rev()
            .map(|(_, line)| line)
            .filter(|line| !line.trim().is_empty())
            .take_while(|line| indent(line) >= depth)
            .filter(|line| indent(line) == depth);
        if arms.clone().any(|arm| names_architecture(arm)) {
            complaints.push(format!("{path}:{n}: `_ =>` hides an architecture choice"));
        }
    }
    complaints
}

/// Finds patterns of a `match`, an `if let` or a `let … else` that name a choice of architecture.
fn matches(path: &str, text: &str) -> Vec<String> {
    let may = MATCHES.iter().any(|place| path.starts_with(place));
    let names_choice = |pattern: &str| {
        let choices = ARCHITECTURE
            .iter()
            .filter(|name| !NOT_CHOICES.contains(name));
        choices
            .into_iter()
            .any(|name| holds(pattern, &format!("{name}::")))
    };
    code(path, text)
        .into_iter()
        .filter(|(_, line)| {
            let arm = line.split_once("=>").map(|(pattern, _)| pattern);
            let tested = line.split_once("let ").map(|(_, rest)| rest);
            let bound = tested.and_then(|rest| rest.split_once(" = "));
            let bound = bound.map(|(pattern, _)| pattern);
            !may && [arm, bound].into_iter().flatten().any(names_choice)
        })
        .map(|(n, _)| format!("{path}:{n}: a choice of architecture is matched; ask `model`"))
        .collect()
}

fn comparisons(path: &str, text: &str) -> Vec<String> {
    code(path, text)
        .into_iter()
        .filter(|(_, line)| {
            let sides = line.split("==").chain(line.split("!=")).skip(1);
            let compared = (line.contains("==") || line.contains("!="))
                && sides
                    .into_iter()
                    .any(|side| begins_with_architecture(side.trim_start()));
            compared || (line.contains("matches!(") && names_architecture(line))
        })
        .map(|(n, _)| format!("{path}:{n}: an architecture enum is compared, not matched"))
        .collect()
}

fn names_architecture(line: &str) -> bool {
    ARCHITECTURE
        .iter()
        .any(|name| holds(line, &format!("{name}::")))
}

fn begins_with_architecture(side: &str) -> bool {
    ARCHITECTURE.iter().any(|name| {
        side.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with("::"))
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn long_files(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let complaint = format!("{path} has {lines} lines; at most {MOST_LINES}");
    (lines > MOST_LINES)
        .then_some(complaint)
        .into_iter()
        .collect()
}

/// Finds other words for `nats per token`, `nats per character` and `bits per character`.
fn other_units(path: &str, text: &str) -> Vec<String> {
    const OTHERS: [&str; 5] = [
        "nats a token",
        "nats/token",
        "nats a character",
        "nats/char",
        "bits a character",
    ];
    let found = OTHERS.iter().filter(|other| text.contains(*other));
    found
        .map(|other| format!("{path}: a loss in `{other}`"))
        .collect()
}

/// Finds comments that are wider than rustfmt lets code be; a row of a table cannot be wrapped.
fn wide_comments(path: &str, text: &str) -> Vec<String> {
    let is_wide = |line: &&str| line.chars().count() > 100;
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("//") && !line.trim_start_matches(['/', '!', ' ']).starts_with('|')
    };
    let wide = text.lines().filter(is_wide).filter(is_comment);
    wide.map(|line| format!("{path}: a comment of more than 100 columns: {line}"))
        .collect()
}

#[test]
fn a_misplaced_word_is_seen_in_code_and_only_there() {
    let rule = |text: &str| misplaced_words("train", "x.rs", text).len();
    assert_eq!(rule("fn f() { println!(\"a\"); }"), 1);
    assert_eq!(rule("use std::env;"), 1);
    assert_eq!(rule("    unsafe { f() }"), 1);
    assert_eq!(rule("let q = '\"'; unsafe { f() }"), 1);
    assert_eq!(rule("// unsafe\nlet s = \"println!\"; // dbg!"), 0);
    assert_eq!(rule("#![forbid(unsafe_code)]"), 0);
    let tests = "#[cfg(test)]\nmod tests {\n    fn f() { println!(); }\n}";
    assert_eq!(rule(tests), 0);
    let after = "#[cfg(test)]\nmod testing;\nfn f() { println!(); }";
    assert_eq!(rule(after), 1);
    assert_eq!(
        misplaced_words("kernels", "x.rs", "unsafe { f() }").len(),
        0
    );
    assert_eq!(misplaced_words("cli", "x.rs", "unsafe { f() }").len(), 1);
    let found = |path| misplaced_words("gpu", path, "unsafe { f() }").len();
    assert_eq!(found("crates/gpu/src/matrix_units.rs"), 0);
    assert_eq!(found("crates/gpu/src/adapter.rs"), 1);
    assert_eq!(misplaced_words("cli", "x.rs", "eprintln!()").len(), 0);
    let makes = "fs::create_dir_all(folder)?; fs::rename(a, b)?;";
    assert_eq!(misplaced_words("cli", "x.rs", makes).len(), 2);
    assert_eq!(misplaced_words("record", "x.rs", makes).len(), 0);
    let spawns = "std::thread::spawn(work);";
    assert_eq!(misplaced_words("kernels", "x.rs", spawns).len(), 1);
    assert_eq!(misplaced_words("engine", "x.rs", spawns).len(), 0);
}

#[test]
fn an_impurity_is_seen() {
    assert_eq!(impurities("engine", "x.rs", "use std::fs;").len(), 1);
    assert_eq!(
        impurities("kernels", "x.rs", "let t = Instant::now();").len(),
        1
    );
    assert_eq!(impurities("data", "x.rs", "use std::fs;").len(), 0);
}

#[test]
fn a_wildcard_beside_an_architecture_is_seen() {
    let bad = "match p {\n    Position::Learned => {\n        1\n    }\n    _ => 2,\n}";
    assert_eq!(wildcards("x.rs", bad).len(), 1);
    let fine = "match p {\n    Position::Learned => match n {\n        1 => 1,\n        _ => 0,\n    },\n}";
    assert_eq!(wildcards("x.rs", fine).len(), 0);
    assert_eq!(
        wildcards("x.rs", "match n {\n    Loop::One => 1,\n    _ => 2,\n}").len(),
        0
    );
}

#[test]
fn a_match_on_a_choice_is_seen_outside_the_model_alone() {
    let arm = "        Sublayer::Attention(a) => Some(a.heads),";
    assert_eq!(matches("crates/lab/src/x.rs", arm).len(), 1);
    assert_eq!(matches("crates/model/src/x.rs", arm).len(), 0);
    let tested = "if let Sublayer::Mlp(mlp) = sublayer {";
    assert_eq!(matches("crates/report/src/x.rs", tested).len(), 1);
    for fine in [
        "let position = Position::None;",
        "change: |s| s.spec.head = Head::Untied,",
        "        Some(f) => Position::None,",
        "        Op::Add { a, b } => self.add(a, b),",
        "        SublayerKind::Attention => 1,",
    ] {
        assert_eq!(matches("crates/lab/src/x.rs", fine).len(), 0, "{fine}");
    }
}

#[test]
fn a_comparison_with_an_architecture_is_seen() {
    assert_eq!(comparisons("x.rs", "if p == Position::Learned {").len(), 1);
    assert_eq!(
        comparisons("x.rs", "let post = place != NormPlace::Before;").len(),
        1
    );
    assert_eq!(
        comparisons("x.rs", "matches!(s, Sublayer::Mlp(_))").len(),
        1
    );
    assert_eq!(comparisons("x.rs", "if a == b { Position::None }").len(), 0);
}

#[test]
fn a_silent_crate_and_a_long_file_are_seen() {
    assert_eq!(unopened("x.rs", "use std::fmt;\n//! late").len(), 1);
    assert_eq!(long_files("x.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
    assert_eq!(long_files("x.rs", &"\n".repeat(MOST_LINES)).len(), 0);
    let wide = format!("    // {}", "x".repeat(94));
    assert_eq!(wide_comments("x.rs", &wide).len(), 1);
    assert_eq!(wide_comments("x.rs", &wide[1..]).len(), 0);
    assert_eq!(wide_comments("x.rs", &format!("//! | {wide} |")).len(), 0);
}
