//! Programs that take turns: a process that lives between its turns reads a number of steps on a
//! line, runs them, and answers with a line of JSON. `bench/peers/turns.py` speaks the same.

use std::{
    fs,
    io::{self, BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use gptlab_kernels::Isa;

use crate::{
    Error, Workload,
    job::Job,
    step::{Prepared, TimedStep, prepare},
};

/// How long a process may take to be gone that has closed its output.
const DYING: Duration = Duration::from_millis(100);

/// A line of answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ready(Ready),
    #[serde(rename = "turn")]
    Sample(Sample),
    /// What every such program needs is not installed.
    Absent(String),
    /// This one cannot run.
    Error(String),
}

/// What a program says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) program: String,
    pub(crate) threads: usize,
    pub(crate) parameters: usize,
}

/// What a program measured in one turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Of each step.
    pub(crate) seconds: Vec<f64>,
    /// The most memory the process ever held, where its system tells.
    pub(crate) peak_bytes: Option<u64>,
}

/// Why a program takes no part.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// Nor will any of its kind.
    All(String),
    This(String),
}

/// A running program, which runs steps when it is told to.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pub(crate) ready: Ready,
    child: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl WorkerProcess {
    /// Starts `command` and waits until it is ready. What it says on standard error goes where
    /// `command` says.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Unavailable> {
        let program = command.get_program().to_string_lossy().into_owned();
        let none = |e: io::Error| Unavailable::All(format!("cannot run {program}: {e}"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(none)?;
        let (Some(steps), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Unavailable::All(format!("cannot talk with {program}")));
        };
        let mut worker = Self {
            ready: Ready {
                program,
                threads: 0,
                parameters: 0,
            },
            child,
            steps,
            answers: BufReader::new(answers).lines(),
        };
        match worker.answer()? {
            Answer::Ready(ready) => worker.ready = ready,
            Answer::Sample(_) | Answer::Absent(_) | Answer::Error(_) => return Err(worker.odd()),
        }
        Ok(worker)
    }

    /// Has it run `steps` steps.
    pub(crate) fn turn(&mut self, steps: usize) -> Result<Sample, Unavailable> {
        if writeln!(self.steps, "{steps}")
            .and_then(|()| self.steps.flush())
            .is_err()
        {
            return Err(self.gone());
        }
        match self.answer()? {
            Answer::Sample(sample) if !sample.seconds.is_empty() => Ok(sample),
            Answer::Sample(_) | Answer::Ready(_) | Answer::Absent(_) | Answer::Error(_) => {
                Err(self.odd())
            }
        }
    }

    fn answer(&mut self) -> Result<Answer, Unavailable> {
        let Some(Ok(line)) = self.answers.next() else {
            return Err(self.gone());
        };
        match serde_json::from_str(&line) {
            Ok(Answer::Absent(why)) => Err(Unavailable::All(why)),
            Ok(Answer::Error(why)) => Err(Unavailable::This(why)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.odd()),
        }
    }

    /// It ended, or closed its output; how it ended is worth a moment's wait.
    fn gone(&mut self) -> Unavailable {
        thread::sleep(DYING);
        let how = self.child.try_wait().ok().flatten();
        let how = how.map_or(String::new(), |status| format!(" ({status})"));
        let program = &self.ready.program;
        Unavailable::This(format!("{program} ended without an answer{how}"))
    }

    fn odd(&self) -> Unavailable {
        Unavailable::This(format!("{} does not take turns", self.ready.program))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes part as a process of ours: runs steps of `workload` whenever a line of `asked` holds their
/// number, and writes a line to `answers` for each, until `asked` ends or holds something else.
///
/// # Errors
/// When the workload cannot be run, or an answer cannot be written.
pub fn serve(
    workload: &Workload,
    threads: usize,
    isa: Isa,
    asked: impl BufRead,
    mut answers: impl FnMut(&str) -> io::Result<()>,
) -> Result<(), Error> {
    let job = Job::of(workload, threads, isa);
    let Prepared {
        mut step,
        parameters,
    } = prepare(&job)?;
    let mut answer = |answer: &Answer| {
        let line = serde_json::to_string(answer).map_err(io::Error::other);
        line.and_then(|line| answers(&line)).map_err(Error::Answer)
    };
    answer(&Answer::Ready(Ready {
        program: concat!("gptlab ", env!("CARGO_PKG_VERSION")).to_owned(),
        threads: job.options.threads,
        parameters,
    }))?;
    let asked = asked.lines().map_while(Result::ok);
    for steps in asked.map_while(|line| line.trim().parse().ok()) {
        let seconds = timed(&mut step, steps)?;
        answer(&Answer::Sample(Sample {
            seconds,
            peak_bytes: peak_bytes(),
        }))?;
    }
    Ok(())
}

/// Runs `steps` steps and returns the seconds of each.
pub(crate) fn timed(step: &mut TimedStep, steps: usize) -> Result<Vec<f64>, Error> {
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
