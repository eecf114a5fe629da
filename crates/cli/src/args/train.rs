//! What `train` takes beside a model.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};

use gptlab_data::TokenizerKind;
use gptlab_engine::cpu::Kind;
use gptlab_recipe::{Decay, LrShape, ObserveLevel, Optimizer, Precision, WarmupStart};

use super::{
    ConfigArgs, JsonArgs, ModelArgs, SampleArgs,
    choice::{instructions, one_of, text_help},
    command_line::{SWITCH, switch},
};

const DEFAULTS: &str = "\
`gptlab presets NAME` prints what a preset has, in the form that --config reads; `gptlab inspect --preset NAME` shows \
its model. --load and --resume have the model and the recipe of their checkpoint instead. Hyphens and underscores are the same in flags, and a switch alone means 1.

A checkpoint is saved every minute, the newest three are kept, and a run that was cut short goes on with --resume. Ctrl-C \
finishes the step, saves, and says how to go on; so do SIGTERM and SIGHUP. The exit code is then 130.";

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = DEFAULTS)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) optim: OptimArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) sample: SampleArgs,
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
    /// How text becomes tokens
    #[arg(long, value_name = "KIND", value_parser = one_of::<TokenizerKind>())]
    pub(crate) tokenizer: Option<TokenizerKind>,
    /// The last part of the text, kept from training to validate on; 0 for none [default: 0.1]
    #[arg(long, value_name = "FRACTION")]
    pub(crate) val_fraction: Option<f64>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunArgs {
    /// How many steps to train; with --resume, how many in all
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Sequences a step
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Train on at most N sequences of a batch at a time; this may take less memory and
    /// changes no number [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) micro_batch: Option<usize>,
    /// The seed of weights, batches, dropout and samples
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Say how it goes every N steps
    #[arg(long, value_name = "N")]
    pub(crate) log_interval: Option<u64>,
    /// Write a sample every N steps; 0 for none
    #[arg(long, value_name = "N")]
    pub(crate) sample_interval: Option<u64>,
    /// Save a checkpoint every N steps, besides the one at the end; 0 for none [default: every
    /// minute]
    #[arg(long, value_name = "N")]
    pub(crate) checkpoint_interval: Option<u64>,
    /// Keep only the newest N checkpoints of the folder [default: 3, or all with
    /// --checkpoint-interval]
    #[arg(long, value_name = "N")]
    pub(crate) keep_checkpoints: Option<usize>,
    /// Look into the model at every log: off, basic (gradients and updates) or full (activations
    /// too) [default: off]
    #[arg(long, value_name = "LEVEL", value_parser = one_of::<ObserveLevel>())]
    pub(crate) observe: Option<ObserveLevel>,
    /// Validate on at most about N tokens at a log
    #[arg(long, value_name = "N")]
    pub(crate) val_tokens: Option<u64>,
    /// Also save the checkpoint here: a new file, or a checkpoint that it replaces
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
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
    /// What operands of matrix products are rounded to; weights and sums stay f32 [default: f32]
    #[arg(long, value_name = "TYPE", value_parser = one_of::<Precision>())]
    pub(crate) precision: Option<Precision>,
    /// The folder of the run [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Do not train: generate text with the checkpoint of --load
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) generate: Option<bool>,
    /// Do not train: prompt the checkpoint of --load line by line
    #[arg(long, value_name = SWITCH, value_parser = switch)]
    pub(crate) interactive: Option<bool>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Optimiser")]
pub(crate) struct OptimArgs {
    /// How gradients become steps [default: adamw]
    #[arg(long, value_name = "NAME", value_parser = one_of::<Optimizer>())]
    pub(crate) optimizer: Option<Optimizer>,
    /// The learning rate at its highest
    #[arg(long, value_name = "X")]
    pub(crate) lr: Option<f64>,
    /// The learning rate at the end
    #[arg(long, value_name = "X")]
    pub(crate) min_lr: Option<f64>,
    /// Steps in which the learning rate rises
    #[arg(long, value_name = "N")]
    pub(crate) warmup: Option<u64>,
    /// Where it rises from
    #[arg(long, value_name = "WHERE", value_parser = one_of::<WarmupStart>())]
    pub(crate) warmup_start: Option<WarmupStart>,
    /// How the learning rate falls after that
    #[arg(long, value_name = "SHAPE", value_parser = one_of::<LrShape>())]
    pub(crate) lr_shape: Option<LrShape>,
    #[arg(
        long,
        value_name = "X",
        help = "AdamW's first decay rate, and SGD's momentum"
    )]
    pub(crate) beta1: Option<f64>,
    #[arg(long, value_name = "X", help = "AdamW's second decay rate")]
    pub(crate) beta2: Option<f64>,
    #[arg(long, value_name = "X", help = "AdamW's epsilon")]
    pub(crate) eps: Option<f64>,
    #[arg(long, value_name = "X", help = "Weight decay")]
    pub(crate) weight_decay: Option<f64>,
    /// What weight decay applies to
    #[arg(long, value_name = "WHAT", value_parser = one_of::<Decay>())]
    pub(crate) decayed: Option<Decay>,
    /// The largest global gradient norm; 0 for no limit
    #[arg(long, value_name = "X")]
    pub(crate) grad_clip: Option<f64>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// How many cores to use [default: all]; results are the same for any number
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Which vector instructions to use [default: the best there are]; sums round differently on
    /// others
    #[arg(long, value_name = "SET", value_parser = instructions())]
    pub(crate) isa: Option<Kind>,
}
