//! How programs take turns: a process that lives between its turns reads a number of steps on a line, runs
//! them, and answers with a line of JSON. `bench/peers/turns.py` speaks the same.

use std::{
    fs,
    io::{self, BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    steps::{Step, prepare},
    work::Work,
};
use crate::{exit::Outcome, printer::Printer};

/// How long a process may take to be gone that has closed its output.
const DYING: Duration = Duration::from_millis(100);

/// A line of answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ready(Ready),
    Turn(Turn),
    /// What every such program needs is not installed.
    Absent(String),
    /// This one cannot run.
    Error(String),
}

/// What a program says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) program: String,
    pub(super) threads: usize,
    pub(super) parameters: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    /// Of each step.
    pub(super) seconds: Vec<f64>,
    /// The most memory the process ever held, where its system tells.
    pub(super) peak_bytes: Option<u64>,
}

/// Why a program takes no part.
#[derive(Debug)]
pub(super) enum Missing {
    /// Nor will any of its kind.
    All(String),
    This(String),
}

/// A running program.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) ready: Ready,
    child: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Contender {
    /// Starts `command` and waits until it is ready. What it says on standard error goes where `command` says.
    pub(super) fn start(command: &mut Command) -> Result<Self, Missing> {
        let program = command.get_program().to_string_lossy().into_owned();
        let none = |e: io::Error| Missing::All(format!("cannot run {program}: {e}"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(none)?;
        let (Some(steps), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Missing::All(format!("cannot talk with {program}")));
        };
        let mut contender = Self {
            ready: Ready {
                program,
                threads: 0,
                parameters: 0,
            },
            child,
            steps,
            answers: BufReader::new(answers).lines(),
        };
        match contender.answer()? {
            Answer::Ready(ready) => contender.ready = ready,
            Answer::Turn(_) | Answer::Absent(_) | Answer::Error(_) => return Err(contender.odd()),
        }
        Ok(contender)
    }

    /// Has it run `steps` steps.
    pub(super) fn turn(&mut self, steps: usize) -> Result<Turn, Missing> {
        if writeln!(self.steps, "{steps}")
            .and_then(|()| self.steps.flush())
            .is_err()
        {
            return Err(self.gone());
        }
        match self.answer()? {
            Answer::Turn(turn) if !turn.seconds.is_empty() => Ok(turn),
            Answer::Turn(_) | Answer::Ready(_) | Answer::Absent(_) | Answer::Error(_) => {
                Err(self.odd())
            }
        }
    }

    fn answer(&mut self) -> Result<Answer, Missing> {
        let Some(Ok(line)) = self.answers.next() else {
            return Err(self.gone());
        };
        match serde_json::from_str(&line) {
            Ok(Answer::Absent(why)) => Err(Missing::All(why)),
            Ok(Answer::Error(why)) => Err(Missing::This(why)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.odd()),
        }
    }

    /// It ended, or closed its output; how it ended is worth a moment's wait.
    fn gone(&mut self) -> Missing {
        thread::sleep(DYING);
        let how = self.child.try_wait().ok().flatten();
        let how = how.map_or(String::new(), |status| format!(" ({status})"));
        let program = &self.ready.program;
        Missing::This(format!("{program} ended without an answer{how}"))
    }

    fn odd(&self) -> Missing {
        Missing::This(format!("{} does not take turns", self.ready.program))
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other end: runs `work` in turns until nobody asks any more.
pub(super) fn serve(work: &Work, printer: Printer) -> Outcome<()> {
    let (mut step, parameters) = prepare(work)?;
    printer.json(&Answer::Ready(Ready {
        program: format!("gptlab {}", env!("CARGO_PKG_VERSION")),
        threads: work.options.threads,
        parameters,
    }));
    let asked = io::stdin().lines().map_while(Result::ok);
    for steps in asked.map_while(|line| line.trim().parse().ok()) {
        let seconds = timed(&mut step, steps)?;
        printer.json(&Answer::Turn(Turn {
            seconds,
            peak_bytes: peak_bytes(),
        }));
    }
    Ok(())
}

/// Seconds of each of `steps` steps.
pub(super) fn timed(step: &mut Step, steps: usize) -> Outcome<Vec<f64>> {
    (0..steps)
        .map(|_| {
            let begun = Instant::now();
            step()?;
            Ok(begun.elapsed().as_secs_f64())
        })
        .collect()
}

/// The most memory this process held: Linux tells.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
