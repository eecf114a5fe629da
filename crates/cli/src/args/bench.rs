//! The arguments of `bench`.

use std::path::PathBuf;

use clap::Args;

use super::{JsonArgs, MachineArgs};

const ABOUT: &str = "\
The programs take turns in every round, so that other work on the machine affects all of them alike. \
Times are medians of steps; a ratio is the median of the rounds' ratios. A step is everything from drawing the \
batch to the updated weights.

With --peer, PyTorch runs the same workloads: `pip install -r bench/peers/requirements.txt`, and run this from \
the repository.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct BenchArgs {
    /// Measure only these workloads; an unknown name lists all of them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Run the PyTorch programs of bench/peers alternately with ours, and print ratios
    #[arg(long)]
    pub(crate) peer: bool,
    /// Measure tokens/s by width, context, batch and threads around gpt2-mini instead
    #[arg(long, conflicts_with_all = ["only", "peer"])]
    pub(crate) scaling: bool,
    /// Measure the seconds until the validation loss of --data is at most this, in nats per token,
    /// by the recipe that `train --for` chooses; with --peer also by nanoGPT's laptop recipe in
    /// PyTorch
    #[arg(long, value_name = "LOSS", requires = "data", conflicts_with_all = ["only", "scaling", "seconds"])]
    pub(crate) time_to_loss: Option<f64>,
    /// The text of --time-to-loss
    #[arg(long, value_name = "FILE", requires = "time_to_loss")]
    pub(crate) data: Option<PathBuf>,
    /// How many rounds to measure [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// How many seconds a turn lasts at least; a step is never interrupted [default: 0.7]
    #[arg(long, value_name = "X")]
    pub(crate) seconds: Option<f64>,
    /// The Python interpreter that has PyTorch [default: python3]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) python: Option<PathBuf>,
    /// Where the PyTorch programs are [default: bench/peers]
    #[arg(long, value_name = "DIR")]
    pub(crate) peer_scripts: Option<PathBuf>,
    /// Also write the table and the raw times into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print Markdown, as files and pipes get it; a terminal gets tables that fit its width
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    /// Take turns with another process: what this command starts of itself
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) one: Option<String>,
}
