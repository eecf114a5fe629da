//! The arguments of `ablate` and `sweep`.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, GridFlags, JsonArgs, MachineArgs, SettingsArgs, train::DataArgs};

const ABLATE: &str = "\
The baseline and every broken model begin with the same weights wherever shapes agree, and see the same batches. \
Where nothing else is typed, the baseline is the preset `modern` with 4 layers of width 64 and Muon, and each run makes \
500 steps of 16 contexts of 128 tokens at a rate of 1.6e-2, which takes less than a minute. With --preset, the model has \
that preset's size.

`--switches main` is no-residual, no-attention, no-mlp, no-norm, post-ln and no-positions; `all` is every switch of \
--list. `--switches seed` is the table of the ancestor's own experiment, to the letter: gpt2-mini, 30 steps, one seed.

Nothing is concluded where the baseline has not passed the 2-gram baseline or, on a diagnostic text, has not learned \
the skill. Intervals and p-values are corrected for the number of comparisons (Holm 1979).

`--against published` repeats recipes that others have measured, on the text that they took (--data), and prints their \
values, ours, and whether they agree. `--switches main` is then the results that take minutes, `all` is every one, and \
--list describes them. `--against FILE.toml` does the same with results of your own.

A grid that was stopped or killed continues when the same command is given again with its --out.";

const SWEEP: &str = "\
Sizes: tiny (0.35M), mini (0.81M), small (2.25M), medium (4.8M), large (16M parameters with a small vocabulary), of the \
preset gpt2-mini by default. A run makes 400 steps of 32 contexts of 64 tokens by default.

A sweep that was stopped or killed continues when the same command is given again with its --out.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABLATE)]
pub(crate) struct AblateArgs {
    /// What to break: names, separated by commas, or the lists `main`, `all` and `seed` [default:
    /// main]
    #[arg(long, value_name = "NAMES")]
    pub(crate) switches: Option<String>,
    /// List all switches, or those of --switches: what each part does and what to expect without
    /// it; with --against, the published results
    #[arg(long)]
    pub(crate) list: bool,
    /// Repeat recipes whose results others have published, and say which agree: `published`, or a
    /// file of results of your own; --switches names some of them
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["grid", "tune"])]
    pub(crate) against: Option<String>,
    /// Repeat everything at each of several values of a setting, a flag of `train`: as in
    /// lr=1e-4,3e-4,1e-3
    #[arg(long, value_name = "FLAG=A,B,...")]
    pub(crate) grid: Vec<String>,
    /// Give each variant its own best learning rate of a quarter, a half, once and twice the shared
    /// one, and compare both ways
    #[arg(long, value_name = "lr", conflicts_with = "grid")]
    pub(crate) tune: Option<String>,
    #[command(flatten)]
    pub(crate) base: BaseArgs,
}

impl AblateArgs {
    /// Returns the typed switches, or else the main ones.
    pub(crate) fn switches(&self) -> &str {
        self.switches.as_deref().unwrap_or("main")
    }
}

const MYSTERY: &str = "\
The seed chooses the part. The folder holds a page with the curves, pictures and samples of both models, and a checkpoint of \
each; the page does not say what was changed. What `gptlab inspect` prints of a checkpoint does, and so do its settings.";

#[derive(Args, Clone, Debug)]
#[command(after_help = MYSTERY)]
pub(crate) struct MysteryArgs {
    /// Check a guess: the name of a switch
    #[arg(long, value_name = "NAME", conflicts_with = "reveal")]
    pub(crate) guess: Option<String>,
    /// Say which part was changed, and what it is for
    #[arg(long)]
    pub(crate) reveal: bool,
    #[command(flatten)]
    pub(crate) base: BaseArgs,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = SWEEP)]
pub(crate) struct SweepArgs {
    /// Sizes, separated by commas, or `all`
    #[arg(long, value_name = "NAMES", default_value = "tiny,mini,small")]
    pub(crate) sizes: String,
    /// Train each size at each of several values of a setting, a flag of `train` [default:
    /// lr=3e-4,1e-3,3e-3]
    #[arg(long, value_name = "FLAG=A,B,...")]
    pub(crate) grid: Vec<String>,
    #[command(flatten)]
    pub(crate) base: BaseArgs,
}

/// The arguments that all runs of a grid share.
#[derive(Args, Clone, Debug)]
pub(crate) struct BaseArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs<GridFlags>,
    #[command(flatten)]
    pub(crate) run: GridArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Runs")]
pub(crate) struct GridArgs {
    /// How many seeds each variant is trained with [default: 3; 1 of a sweep and of `--switches
    /// seed`]
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u64>,
    /// How many runs to train at a time, sharing the cores [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// The folder of the grid, which continues if it is already there [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
