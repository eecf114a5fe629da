//! The arguments of `ablate` and `sweep`.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, GridFlags, JsonArgs, MachineArgs, SettingsArgs, train::DataArgs};

const ABLATE: &str = "\
The baseline and every broken model start with the same weights wherever shapes agree, and see the same batches. \
`--switches seed` repeats the ancestor's own experiment exactly, with 30 steps. All other switches have 400 steps of \
32 contexts of 64 tokens at a rate of 3e-3 by default, which learn most in a quarter of a minute.

A grid that was stopped or killed continues when the same command is given again with its --out.";

const SWEEP: &str = "\
Sizes: tiny (0.35M), mini (0.81M), small (2.25M), medium (4.8M), large (16M parameters with a small vocabulary). A run \
makes 400 steps of 32 contexts of 64 tokens by default.

A sweep that was stopped or killed continues when the same command is given again with its --out.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABLATE)]
pub(crate) struct AblateArgs {
    /// What to break: names, separated by commas, or the lists `all` and `seed`
    #[arg(long, value_name = "NAMES", default_value = "seed")]
    pub(crate) switches: String,
    /// List the switches, what each part does and what to expect without it
    #[arg(long)]
    pub(crate) list: bool,
    /// Repeat everything at each of several values of a setting, a flag of `train`: as in
    /// lr=1e-4,3e-4,1e-3
    #[arg(long, value_name = "FLAG=A,B,...")]
    pub(crate) grid: Vec<String>,
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
    /// How many seeds each variant is trained with [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u64>,
    /// How many runs to train at a time, sharing the cores [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// The folder of the grid, which continues if it is already there [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
