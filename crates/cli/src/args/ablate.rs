//! What `ablate` and `sweep` take.

use std::path::PathBuf;

use clap::Args;
use gptlab_recipe::{ObserveLevel, Precision};

use super::{
    ConfigArgs, JsonArgs, MachineArgs, ModelArgs, OptimArgs, choice::one_of, train::DataArgs,
};

const ABLATE: &str = "\
The baseline and every broken model begin with the same weights wherever shapes agree, and see the same batches. \
`--switches seed` is the table of the ancestor's own experiment, to the letter, at 30 steps. Everything else has 400 \
steps of 32 contexts of 64 tokens at a rate of 3e-3, unless typed: what learns most in a quarter of a minute.

A grid that was stopped or killed goes on where it was when the same command is given again with its --out.";

const SWEEP: &str = "\
Sizes: tiny (0.35M), mini (0.81M), small (2.25M), medium (4.8M), large (16M parameters with a small vocabulary).

A sweep that was stopped or killed goes on where it was when the same command is given again with its --out.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABLATE)]
pub(crate) struct AblateArgs {
    /// What to break: names, separated by commas, or the lists `all` and `seed`
    #[arg(long, value_name = "NAMES", default_value = "seed")]
    pub(crate) switches: String,
    /// List the switches, what each part does and what to expect without it
    #[arg(long)]
    pub(crate) list: bool,
    /// Repeat everything at each of several settings: a flag of `train` and its values, as in
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
    /// Train each size at each of several settings: a flag of `train` and its values [default:
    /// lr=3e-4,1e-3,3e-3]
    #[arg(long, value_name = "FLAG=A,B,...")]
    pub(crate) grid: Vec<String>,
    #[command(flatten)]
    pub(crate) base: BaseArgs,
}

/// What a grid's runs have in common.
#[derive(Args, Clone, Debug)]
pub(crate) struct BaseArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) run: GridArgs,
    #[command(flatten)]
    pub(crate) optim: OptimArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
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
    /// How many seeds each variant is trained with
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u64>,
    /// The first of them
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many steps to train
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Sequences a step
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Log, and validate, every N steps [default: a twentieth of the steps]
    #[arg(long, value_name = "N")]
    pub(crate) log_interval: Option<u64>,
    /// Validate on at most about N tokens at a log; the finished model is validated on all
    #[arg(long, value_name = "N")]
    pub(crate) val_tokens: Option<u64>,
    /// Look into every model at every log: off, basic (gradients and updates) or full (activations
    /// too) [default: full]
    #[arg(long, value_name = "LEVEL", value_parser = one_of::<ObserveLevel>())]
    pub(crate) observe: Option<ObserveLevel>,
    /// What operands of matrix products are rounded to [default: f32]
    #[arg(long, value_name = "TYPE", value_parser = one_of::<Precision>())]
    pub(crate) precision: Option<Precision>,
    /// How many runs to train at a time, sharing the cores [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// The folder of the grid, which continues if it is already there [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
