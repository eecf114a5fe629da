//! Processes that are measured in turns. Such a process reads a number of steps from a line, runs
//! them, answers with a line of JSON, and waits for the next line. `bench/peers/turns.py`
//! implements the same protocol.

use std::{
    fs,
    io::{self, BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use gptlab_kernels::Isa;
use gptlab_recipe::words::reason;

use crate::{
    Error, Workload,
    job::Job,
    step::{Prepared, TimedStep, prepare},
};

/// The time that a process has to exit after it has closed its output.
const DYING: Duration = Duration::from_millis(100);

/// One line of a process's output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ready(Ready),
    #[serde(rename = "turn")]
    Sample(Sample),
    /// A program or library that all peers need is not installed.
    Absent(String),
    /// This process cannot run, for this reason.
    Error(String),
}

/// The first answer of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) program: String,
    pub(crate) threads: usize,
    pub(crate) parameters: usize,
}

/// The measurements of one turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The time of each step.
    pub(crate) seconds: Vec<f64>,
    /// The peak memory of the process, in bytes; `None` when its system does not report it.
    pub(crate) peak_bytes: Option<u64>,
}

/// The reason why a program cannot take part.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// Neither this program nor any other of its kind can run.
    All(String),
    /// This program cannot run; others may.
    This(String),
}

/// A running process that waits for its turns.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pub(crate) ready: Ready,
    child: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl WorkerProcess {
    /// Starts `command` and waits until it is ready. Its standard error goes where `command`
    /// directs it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Unavailable> {
        let program = command.get_program().to_string_lossy().into_owned();
        let none = |e: io::Error| Unavailable::All(format!("cannot run {program}: {}", reason(&e)));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(none)?;
        let (Some(steps), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Unavailable::All(format!(
                "cannot communicate with {program}"
            )));
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

    /// Makes the process run `steps` steps, and returns its measurements.
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

    /// Returns the error about a process that ended or closed its output. Waits a moment for the
    /// exit status.
    fn gone(&mut self) -> Unavailable {
        thread::sleep(DYING);
        let how = self.child.try_wait().ok().flatten();
        let how = how.map_or(String::new(), |status| format!(" ({status})"));
        let program = &self.ready.program;
        Unavailable::This(format!("{program} ended without an answer{how}"))
    }

    fn odd(&self) -> Unavailable {
        Unavailable::This(format!(
            "{} answered with an unexpected line",
            self.ready.program
        ))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // The process may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves turns of `workload` in a process of gptlab. Reads a number of steps from each line of
/// `requests`, runs them, and writes a line to `answers`. Returns when `requests` ends or a line is
/// not a number.
///
/// # Errors
/// Returns an error if the workload cannot be run, or an answer cannot be written.
pub fn serve(
    workload: &Workload,
    threads: usize,
    isa: Isa,
    requests: impl BufRead,
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
    let requests = requests.lines().map_while(Result::ok);
    for steps in requests.map_while(|line| line.trim().parse().ok()) {
        let seconds = timed(&mut step, steps)?;
        answer(&Answer::Sample(Sample {
            seconds,
            peak_bytes: peak_bytes(),
        }))?;
    }
    Ok(())
}

/// Runs `steps` steps and returns the time of each, in seconds.
pub(crate) fn timed(step: &mut TimedStep, steps: usize) -> Result<Vec<f64>, Error> {
    (0..steps)
        .map(|_| {
            let begun = Instant::now();
            step()?;
            Ok(begun.elapsed().as_secs_f64())
        })
        .collect()
}

/// Returns the peak memory of this process in bytes, which only Linux reports.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
