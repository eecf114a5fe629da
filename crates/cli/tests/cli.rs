//! The program as people and scripts use it: command lines in, text and exit codes out.

#[path = "cli/ablate.rs"]
mod ablate;
#[path = "cli/baselines.rs"]
mod baselines;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/comparison.rs"]
mod comparison;
#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/data.rs"]
mod data;
#[path = "cli/device.rs"]
mod device;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/doctor_run.rs"]
mod doctor_run;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/flags.rs"]
mod flags;
#[path = "cli/interactive.rs"]
mod interactive;
#[path = "cli/learn.rs"]
mod learn;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/more_seeds.rs"]
mod more_seeds;
#[path = "cli/mystery.rs"]
mod mystery;
#[path = "cli/observe.rs"]
mod observe;
#[path = "cli/pipes.rs"]
mod pipes;
#[path = "cli/places.rs"]
mod places;
#[path = "cli/probe.rs"]
mod probe;
#[path = "cli/published.rs"]
mod published;
#[path = "cli/readable.rs"]
mod readable;
#[path = "cli/recipe.rs"]
mod recipe;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/seed.rs"]
mod seed;
#[cfg(unix)]
#[path = "cli/signals.rs"]
mod signals;
#[path = "cli/slips.rs"]
mod slips;
#[path = "cli/sweep.rs"]
mod sweep;
#[path = "cli/targets.rs"]
mod targets;
#[cfg(target_os = "linux")]
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/texts.rs"]
mod texts;
#[path = "cli/tokenizers.rs"]
mod tokenizers;
#[path = "cli/visible.rs"]
mod visible;
#[path = "cli/widths.rs"]
mod widths;
#[path = "cli/write.rs"]
mod write;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

/// A model so small that training it takes little time.
const TINY: &str = "--preset gpt2-mini --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 5 \
                    --log-interval 2 --max-tokens 8";

const TEXT: &str = "the cat sat on the mat and the dog sat on the log.\n";

/// A folder with a text in it, in which the program runs.
struct Lab {
    folder: TempDir,
}

/// The result of a command line.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Returns lines as one text, with one space between words.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Lab {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let lab = Self { folder };
        lab.file("data.txt", TEXT.repeat(8));
        lab
    }

    /// Makes a lab with a trained `model.safetensors`, which is trained once for all tests.
    fn trained() -> Self {
        static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
        let lab = Self::new();
        let model = MODEL.get_or_init(|| {
            let at = Self::new();
            at.ok(&format!(
                "train --data data.txt {TINY} --save model.safetensors"
            ));
            fs::read(at.path("model.safetensors")).expect("a checkpoint")
        });
        fs::write(lab.path("model.safetensors"), model).expect("a copy of the checkpoint");
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file in the temporary folder");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn json(&self, name: impl AsRef<Path>) -> Value {
        let text = fs::read(self.folder.path().join(name)).expect("a file of JSON");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = program();
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .env("XDG_CACHE_HOME", self.path("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Returns the command of a command line without quotes in it.
    fn run(&self, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.words(&words)
    }

    fn words(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).output().expect("the program starts"))
    }

    /// Runs a command line and writes `input` to it.
    fn piped(&self, line: &str, input: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = self
            .command(&words)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that has ended does not read the rest.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran::of(child.wait_with_output().expect("the program ends"))
    }

    /// Runs a command line that must succeed.
    fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}\n{}\n{}", ran.out, ran.err);
        ran
    }

    /// Returns the names of all subcommands, as the help has them.
    fn commands(&self) -> Vec<String> {
        let help = self.ok("--help").out;
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = list
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
            .filter(|name| !["", "help"].contains(name));
        names.map(str::to_owned).collect()
    }

    /// Returns the events that `train --json` prints, without times.
    fn events(&self, line: &str) -> Vec<Value> {
        self.ok(line)
            .out
            .lines()
            .map(|line| timeless(serde_json::from_str(line).expect("an event")))
            .collect()
    }
}

/// Returns the program with the default reaction to Ctrl-C: a script's background ignores it, and a
/// process inherits what is ignored.
fn program() -> Command {
    let program = env!("CARGO_BIN_EXE_gptlab");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is 1 and SIGINT is 2.
    if mask.is_none_or(|mask| mask.trailing_zeros() >= 2) {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT", program]);
    command
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Returns the first line of standard error.
    fn first_line(&self) -> &str {
        self.err.lines().next().unwrap_or_default()
    }
}

fn timeless(mut event: Value) -> Value {
    if let Some(event) = event.as_object_mut() {
        event.remove("seconds");
        event.remove("tokens_per_second");
    }
    event
}
