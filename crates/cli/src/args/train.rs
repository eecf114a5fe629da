//! The arguments of `train`, besides the model's.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};

use gptlab_engine::cpu::Kind;
use gptlab_recipe::read_switch;

use super::{
    AllFlags, ConfigArgs, DeviceChoice, JsonArgs, SettingsArgs,
    choice::{instructions, text_help},
    command_line::SWITCH,
};

const DEFAULTS: &str = "\
Without --preset, a recipe is chosen for the text and the time (--for); each choice is printed with its reason, and a flag \
overrides it. `gptlab presets NAME` prints a preset's recipe, in the form that --config reads; `gptlab inspect --preset NAME` shows \
its model. --load and --resume take the model and the recipe from their checkpoint instead. \
Hyphens and underscores are the same in flags, and a switch alone means 1.

A checkpoint is saved every minute, the newest three are kept, and a run that was cut short continues with --resume. Ctrl-C \
finishes the step, saves, and prints how to continue; so do SIGTERM and SIGHUP. The exit code is then 130.";

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = DEFAULTS)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs<AllFlags>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    #[arg(long, value_name = "TEXT", help = text_help("The text to train on"))]
    pub(crate) data: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// Train for about this long: 90s, 2m or 1h30m. The number of steps is found from the speed of
    /// the first ones, and without --preset the size of the model too; the flags that repeat the
    /// run exactly are printed [default: 2m where neither --steps nor --preset is given]
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with_all = ["load", "resume"])]
    pub(crate) time: Option<Duration>,
    /// Take the recipe with the size of model and batch that suits this time on two ordinary cores
    /// (AMD EPYC, family 25, AVX2) [default: found from --for and the speed of this machine; --for
    /// itself, or 2m, with --steps]
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["load", "resume"])]
    pub(crate) size_for: Option<Duration>,
    /// Train on at most N sequences of a batch at a time; this may take less memory and
    /// changes no number [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) micro_batch: Option<usize>,
    /// Keep only the newest N checkpoints of the folder [default: 3, or all with
    /// --checkpoint-interval]
    #[arg(long, value_name = "N")]
    pub(crate) keep_checkpoints: Option<usize>,
    /// Also save the checkpoint here: a new file, or a checkpoint that it replaces
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Also save the weights before the first step here, as a checkpoint of step 0
    #[arg(long, value_name = "FILE")]
    pub(crate) save_init: Option<PathBuf>,
    /// Begin with the weights, model and tokenizer of this checkpoint
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Continue the run of this checkpoint, of --save, or of --out
    #[arg(
        long,
        value_name = "CHECKPOINT",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        conflicts_with = "load"
    )]
    pub(crate) resume: Option<PathBuf>,
    /// The folder of the run [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Do not train: print all settings of the run, those of its recipe too, as a file for --config
    #[arg(long)]
    pub(crate) print_settings: bool,
    /// Do not train: generate text with the checkpoint of --load
    #[arg(long, value_name = SWITCH, value_parser = read_switch)]
    pub(crate) generate: Option<bool>,
    /// Do not train: prompt the checkpoint of --load line by line
    #[arg(long, value_name = SWITCH, value_parser = read_switch)]
    pub(crate) interactive: Option<bool>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// Where the model runs: cpu, gpu, gpu:N (a number of `gptlab doctor --device gpu`), or auto,
    /// with which `train` times a few steps on each and keeps the faster, and every other command
    /// takes the CPU [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceChoice>,
    /// How many cores to use [default: all]; results are the same for any number
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Which vector instructions to use [default: the best there are]; sums round differently on
    /// others
    #[arg(long, value_name = "SET", value_parser = instructions())]
    pub(crate) isa: Option<Kind>,
}

/// Reads a time that people typed: `90s`, `2m`, `1h30m`.
fn time(typed: &str) -> Result<Duration, String> {
    let expected = "expected a time of at least a second, such as 90s, 2m or 1h30m";
    let time = humantime::parse_duration(typed).map_err(|_| expected.to_owned())?;
    if time < Duration::from_secs(1) {
        return Err(expected.to_owned());
    }
    Ok(time)
}
