//! A folder in which the program runs, with a plan of faults.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::points::Passed;

/// A model so small that training it takes little time.
pub(crate) const TINY: &str = "--data data.txt --n-layer 1 --n-embd 8 --n-head 2 --block-size 16 --batch-size 2 \
                               --isa portable --threads 1";

const TEXT: &str = "the cat sat on the mat and the dog sat on the log.\n";

/// The file of a trace; the program itself has no file of this name.
const TRACE: &str = "trace";

pub(crate) struct Lab {
    folder: TempDir,
}

/// The result of a command line.
pub(crate) struct Ran {
    /// The exit code, or `None` if a signal ended the program.
    pub(crate) code: Option<i32>,
    pub(crate) err: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("data.txt"), TEXT.repeat(8)).expect("a text");
        Self { folder }
    }

    /// Returns a copy of the whole folder.
    pub(crate) fn copied(&self) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        for (name, bytes) in self.files() {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a copy");
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Returns all files except the trace, sorted by name.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut names = Vec::new();
        walk(self.folder.path(), &mut names);
        names.sort();
        let name_of = |path: &Path| {
            let inside = path.strip_prefix(self.folder.path()).expect("inside");
            inside.to_string_lossy().replace('\\', "/")
        };
        let names = names.iter().map(|path| name_of(path));
        let names = names.filter(|name| name != TRACE);
        names.map(|name| (name.clone(), self.read(&name))).collect()
    }

    /// Returns the command of a command line without quotes in it.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = bare();
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().expect("the program starts"))
    }

    /// Runs a command line with a plan of faults.
    pub(crate) fn faulty(&self, line: &str, plan: &str) -> Ran {
        let mut command = self.command(line);
        command.env("GPTLAB_FAULT", plan);
        Ran::of(command.output().expect("the program starts"))
    }

    /// Runs a command line that must succeed.
    pub(crate) fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.err);
        ran
    }

    /// Returns the points that a command line, which must succeed, passes.
    pub(crate) fn trace(&self, line: &str) -> Vec<Passed> {
        let ran = self.faulty(line, &format!("trace@{TRACE}"));
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.err);
        let text = String::from_utf8(self.read(TRACE)).expect("UTF-8");
        fs::remove_file(self.path(TRACE)).expect("the trace");
        text.lines().map(Passed::of).collect()
    }
}

/// Returns the program. It leaves no core file when it aborts.
#[cfg(unix)]
fn bare() -> Command {
    let mut command = Command::new("sh");
    let words = [
        "-c",
        "ulimit -c 0; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_gptlab"),
    ];
    command.args(words);
    command
}

#[cfg(not(unix))]
fn bare() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gptlab"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

impl Ran {
    /// Checks that the program did not end with a panic.
    pub(crate) fn of(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!err.contains("panicked"), "{err}");
        Self {
            code: output.status.code(),
            err,
        }
    }
}
