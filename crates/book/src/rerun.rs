//! Reruns the commands of a chapter, and compares what they write with what is kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    outputs::folder,
    plan::{Chapter, Output, PROGRAMS, STDOUT, words_of},
    problem::Problem,
};

/// Variables of the environment that change what a command prints.
const VARIABLES: [&str; 3] = ["COLUMNS", "NO_COLOR", "GPTLAB_FAULT"];

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All kept files are equal to the new ones.
    Equal,
    /// A kept file differs; a sentence says which, and where.
    Different(String),
    /// The new files were kept. True if they differ from those that were kept before.
    Written(bool),
    /// The command could not be run, or ended with another exit code.
    Failed(String),
    /// An earlier command of the chapter failed.
    NotRun,
}

/// A command that was rerun.
#[derive(Clone, Debug, PartialEq)]
pub struct Rerun {
    pub chapter: String,
    pub output: String,
    pub seconds: f64,
    /// The seconds that the plan gives for it.
    pub expected_seconds: f64,
    pub outcome: Outcome,
}

impl Rerun {
    /// Returns true if the kept outputs are those of the command.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Equal | Outcome::Written(_))
    }
}

/// How commands are rerun.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The book's folder.
    pub book: &'a Path,
    /// The program `gptlab`; others stand beside it.
    pub program: &'a Path,
    /// Whether the new files replace the kept ones.
    pub write: bool,
}

/// Reruns the commands of a chapter, and calls `report` after each.
///
/// # Errors
/// Returns what kept all commands from running.
pub fn rerun(
    chapter: &Chapter,
    options: Options,
    report: &mut dyn FnMut(&Rerun),
) -> Result<Vec<Rerun>, Problem> {
    let program = options.program;
    let program = program
        .canonicalize()
        .map_err(|e| Problem::io(program, "run", &e))?;
    let directory = tempfile::tempdir()
        .map_err(|e| Problem::of("the temporary folder", format_args!("cannot make it: {e}")))?;
    for input in &chapter.inputs {
        copy(
            &options.book.join("inputs").join(input),
            &directory.path().join(input),
        )?;
    }
    let mut reruns: Vec<Rerun> = Vec::new();
    for output in &chapter.outputs {
        let failed = |rerun: &Rerun| matches!(rerun.outcome, Outcome::Failed(_) | Outcome::NotRun);
        let begin = Instant::now();
        let outcome = if reruns.iter().any(failed) {
            Outcome::NotRun
        } else {
            let kept = folder(options.book, &chapter.name, &output.name);
            match run(output, &program, directory.path()) {
                Ok(files) if options.write => write(&kept, &files)?,
                Ok(files) => compared(&kept, &files),
                Err(message) => Outcome::Failed(message),
            }
        };
        let rerun = Rerun {
            chapter: chapter.name.clone(),
            output: output.name.clone(),
            seconds: begin.elapsed().as_secs_f64(),
            expected_seconds: output.seconds,
            outcome,
        };
        report(&rerun);
        reruns.push(rerun);
    }
    Ok(reruns)
}

/// A file that is kept of an output, with its name.
type NewFile<'a> = (&'a str, Vec<u8>);

/// Runs a command and returns the files that are kept of it.
fn run<'a>(
    output: &'a Output,
    program: &Path,
    directory: &Path,
) -> Result<Vec<NewFile<'a>>, String> {
    let words = words_of(&output.command)?;
    let (first, arguments) = words.split_first().ok_or("the command is empty")?;
    let path = program_of(first, program);
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    let found = command
        .output()
        .map_err(|error| format!("cannot run {}: {error}", path.display()))?;
    if found.status.code() != Some(output.exit) {
        let said = String::from_utf8_lossy(&found.stderr);
        return Err(format!(
            "expected exit code {}, and the command ended with {}: {}",
            output.exit,
            found.status,
            said.trim()
        ));
    }
    let read = |name: &'a str| {
        if name == STDOUT {
            return Ok((name, found.stdout.clone()));
        }
        let bytes = fs::read(directory.join(name));
        let bytes = bytes.map_err(|error| format!("the command left no `{name}`: {error}"))?;
        Ok((name, bytes))
    };
    output.kept().map(read).collect()
}

/// Returns the path of the program that a command begins with.
fn program_of(name: &str, gptlab: &Path) -> PathBuf {
    if name == PROGRAMS[0] {
        return gptlab.to_owned();
    }
    let suffix = gptlab
        .extension()
        .map_or(String::new(), |e| format!(".{}", e.display()));
    gptlab.with_file_name(format!("{name}{suffix}"))
}

/// Compares new files with the kept ones, byte for byte, except for the name of the instruction set
/// in a record: it differs between processors whose numbers are equal.
fn compared(kept: &Path, files: &[NewFile]) -> Outcome {
    let differences = files.iter().filter_map(|(name, new)| {
        let old = match fs::read(kept.join(name)) {
            Ok(old) => old,
            Err(error) => return Some(format!("{name} is not kept: {error}")),
        };
        let (old, new) = (without_instructions(&old), without_instructions(new));
        (old != new).then(|| format!("{name}, {}", first_difference(&old, &new)))
    });
    let differences: Vec<String> = differences.collect();
    if differences.is_empty() {
        Outcome::Equal
    } else {
        Outcome::Different(differences.join("\n"))
    }
}

/// Returns a file without the names of instruction sets: the values of the key `isa` of JSON on one
/// line.
fn without_instructions(file: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = br#""isa":""#;
    let mut kept = Vec::with_capacity(file.len());
    let mut rest = file;
    while let Some(at) = rest.windows(KEY.len()).position(|part| part == KEY) {
        let (before, value) = rest.split_at(at + KEY.len());
        kept.extend_from_slice(before);
        let end = value.iter().position(|byte| *byte == b'"');
        rest = &value[end.unwrap_or(value.len())..];
    }
    kept.extend_from_slice(rest);
    kept
}

/// Says where two files first differ.
fn first_difference(old: &[u8], new: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let (mut old, mut new) = (old.split('\n'), new.split('\n'));
    let mut line = 1;
    loop {
        match (old.next(), new.next()) {
            (Some(a), Some(b)) if a == b => line += 1,
            (None, None) => return "bytes that are no text".to_owned(),
            (a, b) => {
                let same = a.zip(b).map_or(0, |(a, b)| common(a, b));
                let shown = |line: Option<&str>| {
                    line.map_or("nothing".to_owned(), |line| {
                        format!("`{}`", around(line, same))
                    })
                };
                return format!("line {line}: kept {}, now {}", shown(a), shown(b));
            }
        }
    }
}

/// Returns how many characters are the same at the beginning of both lines.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Returns the part of a long line around the character `at`.
fn around(line: &str, at: usize) -> String {
    const BEFORE: usize = 40;
    const MOST: usize = 100;
    let first = if line.chars().count() <= MOST {
        0
    } else {
        at.saturating_sub(BEFORE)
    };
    let part: String = line.chars().skip(first).take(MOST).collect();
    let before = if first > 0 { "…" } else { "" };
    let after = if line.chars().count() > first + MOST {
        "…"
    } else {
        ""
    };
    format!("{before}{part}{after}")
}

/// Replaces the kept files of an output.
fn write(kept: &Path, files: &[NewFile]) -> Result<Outcome, Problem> {
    let changed = compared(kept, files) != Outcome::Equal;
    if kept.exists() {
        fs::remove_dir_all(kept).map_err(|e| Problem::io(kept, "remove", &e))?;
    }
    for (name, bytes) in files {
        write_file(&kept.join(name), bytes)?;
    }
    Ok(Outcome::Written(changed))
}

/// Writes a file, and makes its folder if there is none.
///
/// # Errors
/// Returns the reason why it could not be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| Problem::io(folder, "make", &e))?;
    fs::write(path, bytes).map_err(|e| Problem::io(path, "write", &e))
}

fn copy(from: &Path, to: &Path) -> Result<(), Problem> {
    let bytes = fs::read(from).map_err(|e| Problem::io(from, "read", &e))?;
    write_file(to, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(
            first_difference(b"a\nb\nc", b"a\nB\nc"),
            "line 2: kept `b`, now `B`"
        );
        assert_eq!(
            first_difference(b"a\n", b"a"),
            "line 2: kept ``, now nothing"
        );
        assert!(first_difference(b"", &[b'x'; 200]).ends_with("x…`"));
        let long = |digit: &str| format!("{}{digit}{}", "a".repeat(200), "b".repeat(200));
        let said = first_difference(long("1").as_bytes(), long("2").as_bytes());
        assert!(said.contains("kept `…aaa") && said.contains("a1b") && said.contains("a2b"));
        assert!(said.len() < 300, "{said}");
    }

    #[test]
    fn the_name_of_the_instructions_is_not_compared() {
        let record = |isa: &str, seed: &str| format!(r#"{{"seed":{seed},"isa":"{isa}","end":1}}"#);
        let without = |text: String| without_instructions(text.as_bytes());
        assert_eq!(without(record("avx2", "1")), without(record("avx512", "1")));
        assert_ne!(without(record("avx2", "1")), without(record("avx2", "2")));
        assert_eq!(without(r#""isa":"ne"#.to_owned()), br#""isa":""#);
        assert_eq!(without("text".to_owned()), b"text");
    }

    #[test]
    fn other_programs_stand_beside_gptlab() {
        let gptlab = Path::new("/a/gptlab");
        assert_eq!(
            program_of("gptlab", Path::new("/a/renamed")),
            Path::new("/a/renamed")
        );
        assert_eq!(program_of("microgpt", gptlab), Path::new("/a/microgpt"));
        assert_eq!(
            program_of("microgpt", Path::new("b/gptlab.exe")),
            Path::new("b/microgpt.exe")
        );
    }
}
