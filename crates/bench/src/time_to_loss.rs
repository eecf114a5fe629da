//! The time that training takes until the validation loss of a text is at most a target: gptlab's
//! recipe for a text, and PyTorch running a published recipe, in alternation.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use gptlab_kernels::Isa;
use gptlab_recipe::words::reason;
use gptlab_report::{Table, table::TableCell, words::plural};
use serde::{Deserialize, Serialize};

use crate::{
    BenchProgress, Error, FORMAT, MachineDescription, PyTorch, median,
    report::first_format,
    table::{self, Layout, ResultPage, ratio, time},
};

/// The program of the peer, in the folder of [`PyTorch::scripts`].
const SCRIPT: &str = "time_to_loss.py";
/// The time limit of the first training, in seconds.
const FIRST_LIMIT: u64 = 3;
/// The longest time limit, in seconds.
const LAST_LIMIT: u64 = 1_800;

const LEGEND: &str = "\
Loss: nats per token, over every prediction of the validation split. Seconds of gptlab: its whole process, with the \
recipe that `train --for LIMIT` chooses; LIMIT is the first that reached the target: 3 s, then an eighth longer each \
time, in whole seconds; a round begins at the limit of the last, and the time of limits that fell short is not counted. \
Seconds of PyTorch: the steps of nanoGPT's laptop recipe (4 layers, 4 heads, width 128, context 64, batch 12, 2,000 \
steps) until its loss is at most the target, validated every 100 steps from the 1,000th \
on; validation, reading and start-up are not counted.";

/// The settings of a [`TimeToLoss`].
#[derive(Clone, Debug)]
pub struct TimeToLossSettings {
    /// The validation loss to reach, in nats per token.
    pub target: f64,
    /// The text. Its validation split is its last tenth.
    pub data: PathBuf,
    pub rounds: usize,
    pub threads: usize,
    pub isa: Isa,
    /// The program `gptlab`.
    pub gptlab: PathBuf,
    /// The Python that runs the PyTorch peer; `None` leaves it out.
    pub pytorch: Option<PyTorch>,
    /// An empty folder for the runs. The caller removes it.
    pub scratch: PathBuf,
}

/// The times until the validation loss of a text is at most a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeToLoss {
    pub machine: MachineDescription,
    /// The [`FORMAT`] of the program that wrote the results.
    #[serde(default = "first_format")]
    pub format: u32,
    /// The validation loss to reach, in nats per token.
    pub target: f64,
    pub rounds: Vec<TimeToLossRound>,
    /// The reason why the peer did not run, as a sentence.
    pub left_out: Option<String>,
}

/// The trainings of one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeToLossRound {
    pub seed: usize,
    /// The trainings of gptlab, in order. Only the last one can have reached the target.
    pub ours: Vec<LimitedTraining>,
    pub peer: Option<PeerTraining>,
}

/// A training of gptlab with a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitedTraining {
    /// The value of `--for`, in seconds.
    pub limit: u64,
    /// The time of the whole process, in seconds.
    pub seconds: f64,
    /// The validation loss at the end, in nats per token.
    pub loss: f64,
}

/// A training of PyTorch until the target is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerTraining {
    /// The program's name and version.
    pub program: String,
    /// The time of its steps, in seconds; `None` if it did not reach the target.
    pub seconds: Option<f64>,
    /// The validation loss at the end, in nats per token.
    pub loss: f64,
}

/// The answer of the peer: a line of JSON.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Trained(PeerTraining),
    Absent(String),
    Error(String),
}

/// The part of `gptlab eval --json` that is read here.
#[derive(Deserialize)]
struct Evaluation {
    loss: f64,
}

impl TimeToLossSettings {
    /// Checks the numbers, without reading the text.
    ///
    /// # Errors
    /// Returns an error if the target or the number of rounds is out of range.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.target > 0.0 && self.target.is_finite()) {
            return Err(Error::Target(self.target));
        }
        if !(1..=crate::MOST_ROUNDS).contains(&self.rounds) {
            return Err(Error::Rounds(self.rounds));
        }
        Ok(())
    }
}

impl TimeToLoss {
    /// Trains for `settings.rounds` seeds, gptlab first and then the peer, and calls `progress`
    /// after each training.
    ///
    /// # Errors
    /// Returns an error if the target or the number of rounds is out of range, or gptlab cannot
    /// train. A peer that cannot run is left out, and the result gives the reason.
    pub fn measure(
        settings: &TimeToLossSettings,
        progress: &mut dyn FnMut(BenchProgress<'_>),
    ) -> Result<Self, Error> {
        settings.check()?;
        let mut found = Self {
            machine: MachineDescription::describe(settings.isa, settings.threads),
            format: FORMAT,
            target: settings.target,
            rounds: Vec::new(),
            left_out: None,
        };
        let mut limit = FIRST_LIMIT;
        for seed in 0..settings.rounds {
            let ours = settings.ours(seed, limit, progress)?;
            limit = ours.last().map_or(limit, |training| training.limit);
            let peer = found.peer(settings, seed, progress);
            found.rounds.push(TimeToLossRound { seed, ours, peer });
        }
        Ok(found)
    }

    fn peer(
        &mut self,
        settings: &TimeToLossSettings,
        seed: usize,
        progress: &mut dyn FnMut(BenchProgress<'_>),
    ) -> Option<PeerTraining> {
        let pytorch = settings.pytorch.as_ref()?;
        if self.left_out.is_some() {
            return None;
        }
        let (why, is_absent) = match settings.peer(pytorch, seed) {
            Ok(Answer::Trained(training)) => {
                progress(BenchProgress::PeerTrained {
                    seed,
                    training: &training,
                });
                return Some(training);
            }
            Ok(Answer::Absent(why)) => (why, true),
            Ok(Answer::Error(why)) | Err(why) => (why, false),
        };
        let sentence = format!("PyTorch is left out: {why}");
        progress(BenchProgress::LeftOut {
            sentence: &sentence,
            is_absent,
        });
        self.left_out = Some(sentence);
        None
    }

    /// Returns the median of the peer's time divided by gptlab's; `None` unless both reached the
    /// target in every round.
    pub fn ratio(&self) -> Option<f64> {
        let ratios: Option<Vec<f64>> = self.rounds.iter().map(|r| r.ratio(self.target)).collect();
        ratios.map(|ratios| median(&ratios))
    }

    /// Returns a table with a row for each round.
    pub fn table(&self) -> Table {
        let numbers = [
            "seed", "--for", "seconds", "loss", "PyTorch", "its loss", "ratio",
        ];
        let mut table = table::table("time to a loss", &[], &numbers);
        for round in &self.rounds {
            table.push(row(round, self.target));
        }
        table
    }

    fn conclusion(&self) -> Option<String> {
        let has_peer = self.rounds.iter().any(|round| round.peer.is_some());
        let all = self.rounds.len();
        match self.ratio() {
            Some(ratio) => Some(format!(
                "PyTorch's time is {ratio:.2} times gptlab's: the median of {}.",
                plural(all, "round")
            )),
            None if has_peer => {
                Some("No ratio: not every training of the last limits reached the target.".into())
            }
            None => None,
        }
    }
}

impl ResultPage for TimeToLoss {
    fn page(&self, layout: Layout) -> String {
        let title = format!("Time until the validation loss is at most {}.", self.target);
        let mut parts = vec![
            layout.paragraph(&table::machine(&self.machine)),
            layout.paragraph(&title),
            layout.table(&self.table()),
        ];
        let sentences = self.conclusion().into_iter().chain(self.left_out.clone());
        parts.extend(sentences.map(|text| layout.paragraph(&text)));
        parts.push(layout.paragraph(LEGEND));
        parts.join("\n\n") + "\n"
    }
}

impl TimeToLossRound {
    fn ratio(&self, target: f64) -> Option<f64> {
        let ours = self
            .ours
            .last()
            .filter(|training| training.loss <= target)?;
        Some(self.peer.as_ref()?.seconds? / ours.seconds)
    }
}

fn row(round: &TimeToLossRound, target: f64) -> Vec<TableCell> {
    let loss = |loss: f64| TableCell::number(format!("{loss:.4}"), loss);
    let mut cells = vec![TableCell::text(round.seed.to_string())];
    cells.extend(round.ours.last().map_or_else(
        || vec![TableCell::default(); 3],
        |ours| {
            vec![
                TableCell::number(format!("{} s", ours.limit), ours.limit as f64),
                time(ours.seconds),
                loss(ours.loss),
            ]
        },
    ));
    cells.extend(round.peer.as_ref().map_or_else(
        || vec![TableCell::default(); 2],
        |peer| {
            let seconds = peer.seconds.map_or(TableCell::text("never"), time);
            vec![seconds, loss(peer.loss)]
        },
    ));
    cells.push(round.ratio(target).map(ratio).unwrap_or_default());
    cells
}

impl TimeToLossSettings {
    /// Trains with longer and longer limits, from `first` seconds on, until one reaches the target.
    fn ours(
        &self,
        seed: usize,
        first: u64,
        progress: &mut dyn FnMut(BenchProgress<'_>),
    ) -> Result<Vec<LimitedTraining>, Error> {
        let mut trainings = Vec::new();
        let mut limit = first;
        loop {
            let training = self.train(seed, limit)?;
            progress(BenchProgress::Trained { seed, training });
            trainings.push(training);
            if training.loss <= self.target || limit >= LAST_LIMIT {
                return Ok(trainings);
            }
            limit = (limit + limit.div_ceil(8)).min(LAST_LIMIT);
        }
    }

    fn train(&self, seed: usize, limit: u64) -> Result<LimitedTraining, Error> {
        let run = self.scratch.join(format!("seed-{seed}-for-{limit}"));
        let threads = self.threads.to_string();
        let machine = ["--threads", &threads, "--isa", self.isa.name()];
        let begun = Instant::now();
        let mut train = self.command("train");
        let (limit_typed, seed_typed) = (format!("{limit}s"), seed.to_string());
        train.args(["--for", &limit_typed, "--seed", &seed_typed]);
        train.arg("--out").arg(&run).args(machine);
        run_to_end(&mut train)?;
        let seconds = begun.elapsed().as_secs_f64();
        let mut eval = self.command("eval");
        eval.arg("--json").args(machine).arg(&run);
        let evaluation: Evaluation = serde_json::from_slice(&run_to_end(&mut eval)?)
            .map_err(|_| Error::Training("`eval --json` printed no loss".to_owned()))?;
        // The next training needs the disk more than anyone needs these weights.
        let _ = fs::remove_dir_all(&run);
        Ok(LimitedTraining {
            limit,
            seconds,
            loss: evaluation.loss,
        })
    }

    /// Returns the command of gptlab called `name`, on the text. It does not wrap the lines that
    /// are read here.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.gptlab);
        command.arg(name).arg("--data").arg(&self.data);
        command.env_remove("COLUMNS");
        command
    }

    fn peer(&self, pytorch: &PyTorch, seed: usize) -> Result<Answer, String> {
        if let Some(why) = pytorch.missing() {
            return Err(why);
        }
        let mut command = pytorch.program(SCRIPT);
        command.arg("--data").arg(&self.data);
        command.args(["--target", &self.target.to_string()]);
        command.args(["--seed", &seed.to_string()]);
        let python = pytorch.python.display();
        let output = command
            .output()
            .map_err(|e| format!("cannot run {python}: {}", reason(&e)))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("{SCRIPT} ended without an answer ({})", output.status))
    }
}

/// Runs `command` to its end and returns its standard output. The error holds what it said.
fn run_to_end(command: &mut Command) -> Result<Vec<u8>, Error> {
    command.stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|e| Error::Training(format!("cannot run it: {}", reason(&e))))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    let why = error.map_or_else(|| output.status.to_string(), str::to_owned);
    Err(Error::Training(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(seed: usize, ours: f64, loss: f64, theirs: Option<f64>) -> TimeToLossRound {
        TimeToLossRound {
            seed,
            ours: vec![LimitedTraining {
                limit: 10,
                seconds: ours,
                loss,
            }],
            peer: Some(PeerTraining {
                program: "PyTorch".to_owned(),
                seconds: theirs,
                loss: 1.9,
            }),
        }
    }

    fn result(rounds: Vec<TimeToLossRound>) -> TimeToLoss {
        TimeToLoss {
            machine: MachineDescription::describe(Isa::detect(), 1),
            format: FORMAT,
            target: 1.92,
            rounds,
            left_out: None,
        }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds() {
        let found = result(vec![
            round(0, 10.0, 1.9, Some(20.0)),
            round(1, 10.0, 1.9, Some(50.0)),
            round(2, 10.0, 1.92, Some(30.0)),
        ]);
        assert_eq!(found.ratio(), Some(3.0));
        assert!(
            found
                .page(Layout::Markdown)
                .contains("time is 3.00 times gptlab's: the median of 3 rounds.")
        );
    }

    #[test]
    fn a_round_without_the_target_leaves_no_ratio() {
        for bad in [round(1, 10.0, 1.93, Some(20.0)), round(1, 10.0, 1.9, None)] {
            let found = result(vec![round(0, 10.0, 1.9, Some(20.0)), bad]);
            assert_eq!(found.ratio(), None);
            assert!(found.page(Layout::Markdown).contains("No ratio"));
        }
    }

    #[test]
    fn json_is_read_back() {
        let found = result(vec![round(0, 10.0, 1.9, None)]);
        let json = serde_json::to_string(&found).unwrap();
        assert!(json.starts_with(crate::BEGINNING));
        assert_eq!(serde_json::from_str::<TimeToLoss>(&json).unwrap(), found);
    }
}
