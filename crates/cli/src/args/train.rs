//! What `train` takes beside a model.

use std::path::PathBuf;

use clap::{
    Args, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::{
    ConfigArgs, JsonArgs, ModelArgs, SampleArgs,
    command_line::{SWITCH, switch},
};

const DEFAULTS: &str = "\
What has no default here has its preset's: `gptlab inspect --preset NAME` shows the model's. \
Hyphens and underscores are the same in flags, and a switch alone means 1.

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
    /// The text to train on: a UTF-8 file, or a built-in text [default: stories] [built in: stories, names, copy, brackets, agreement, addition, in-context]
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// How text becomes tokens
    #[arg(long, value_name = "KIND")]
    pub(crate) tokenizer: Option<TokenizerArg>,
    /// The last part of the text, kept from training to validate on; 0 for none [default: 0.1]
    #[arg(long, value_name = "FRACTION")]
    pub(crate) val_fraction: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TokenizerArg {
    /// A token is a character
    Chars,
    /// The same, and each line is a document of its own; one longer than the context is cut into pieces
    Lines,
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
    /// Train on at most N sequences of a batch at a time; this takes less memory and changes no number [default: all]
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
    /// Save a checkpoint every N steps, besides the one at the end; 0 for none [default: every minute]
    #[arg(long, value_name = "N")]
    pub(crate) checkpoint_interval: Option<u64>,
    /// Keep only the newest N checkpoints of the folder [default: 3, or all with --checkpoint-interval]
    #[arg(long, value_name = "N")]
    pub(crate) keep_checkpoints: Option<usize>,
    /// Look into the model at every log: off, basic (gradients and updates) or full (activations too)
    /// [default: off]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) observe: Option<ObserveArg>,
    /// Validate on at most about N tokens at a log
    #[arg(long, value_name = "N")]
    pub(crate) val_tokens: Option<u64>,
    /// Save the checkpoint here as well: a new file, or a checkpoint that it replaces
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Begin with the weights, model and tokenizer of this checkpoint
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Go on where a run stopped: that of this checkpoint, of --save, or of --out
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
    #[arg(long, value_name = "TYPE")]
    pub(crate) precision: Option<PrecisionArg>,
    /// The run's folder [default: a new one in runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Do not train: write text with the checkpoint of --load
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
    #[arg(long, value_name = "NAME")]
    pub(crate) optimizer: Option<OptimizerArg>,
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
    #[arg(long, value_name = "WHERE")]
    pub(crate) warmup_start: Option<WarmupStartArg>,
    /// How the learning rate falls after that
    #[arg(long, value_name = "SHAPE")]
    pub(crate) lr_shape: Option<LrShapeArg>,
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
    #[arg(long, value_name = "WHAT")]
    pub(crate) decayed: Option<DecayedArg>,
    /// The largest global gradient norm; 0 for no limit
    #[arg(long, value_name = "X")]
    pub(crate) grad_clip: Option<f64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OptimizerArg {
    Adamw,
    /// Gradient descent with momentum (--beta1)
    Sgd,
    /// Orthogonal steps for the blocks' matrices, AdamW for the rest
    Muon,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LrShapeArg {
    Constant,
    Linear,
    Cosine,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WarmupStartArg {
    /// From 0 at the first step, which learns nothing, as in the ancestor
    Zero,
    /// From lr / (warmup + 1) at the first step, as in nanoGPT
    FirstStep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DecayedArg {
    Everything,
    /// Not gains and biases
    Matrices,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ObserveArg {
    Off,
    /// Gradients, updates and clipping, by parameter
    Basic,
    /// The same, and activations, attention, logits and losses by position
    Full,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionArg {
    F32,
    /// Half the bits: faster where the processor has instructions for it, right everywhere
    Bf16,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// How many cores to use [default: all]; results are the same for any number
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Which vector instructions to use [default: the best there are]; sums round differently on others
    #[arg(long, value_name = "SET")]
    pub(crate) isa: Option<IsaArg>,
}

/// The sets that `gptlab doctor` lists for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsaArg {
    Portable,
    Neon,
    Avx2,
    Avx512,
    Avx512Bf16,
}
