//! The command line as it was typed. Nothing here interprets it.

mod ablate;
mod baselines;
mod bench;
mod choice;
mod command_line;
mod defaults;
mod device;
mod diff;
mod probe;
mod report;
mod settings;
mod slips;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use gptlab_data::Builtin;
use gptlab_engine::program::Purpose;
use gptlab_model::Preset;
use gptlab_recipe::Precision;

pub(crate) use ablate::{AblateArgs, BaseArgs, MysteryArgs, SweepArgs};
pub(crate) use baselines::BaselinesArgs;
pub(crate) use bench::BenchArgs;
pub(crate) use command_line::{Refusal, definition, names, parse};
pub(crate) use device::DeviceChoice;
pub(crate) use diff::DiffArgs;
pub(crate) use probe::ProbeArgs;
pub(crate) use report::{DoctorArgs, ReportArgs};
pub(crate) use settings::{AllFlags, GridFlags, ModelFlags, SettingsArgs, WritingFlags};
pub(crate) use train::{MachineArgs, TrainArgs};

use crate::exit::ExitCode;
use choice::{measured_text, one_of};

/// A GPT laboratory: train a GPT on any text, break it one part at a time, and see what that does.
#[derive(Debug, Parser)]
#[command(
    name = "gptlab",
    version,
    after_help = ExitCode::HELP
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model on a text: from scratch, from a checkpoint, or from where a run stopped
    Train(Box<TrainArgs>),
    /// Generate text with a trained model
    Generate(GenerateArgs),
    /// Prompt a trained model line by line
    Interactive(InteractiveArgs),
    /// Measure a trained model on a text: loss, perplexity, bits per character
    Eval(EvalArgs),
    /// Show how low the loss on a text can be: n-gram baselines, and the entropy if it is known
    #[command(alias = "floors")]
    Baselines(BaselinesArgs),
    /// Look inside a trained model: attention, logit lens, ablations, surprise, patching
    Probe(Box<ProbeArgs>),
    /// Show a checkpoint, or the model that a preset and flags describe
    Inspect(Box<InspectArgs>),
    /// Break a model one part at a time, and test whether the difference is more than noise
    Ablate(Box<AblateArgs>),
    /// Train models of several sizes and learning rates, and fit the scaling law of their losses
    Sweep(Box<SweepArgs>),
    /// Train the hand-built GPT-2 of the ancestor gpt2-mini, with its own defaults
    Mini(Box<TrainArgs>),
    /// Train the model of the ancestor microgpt on names, with the fast engine
    Micro(MicroArgs),
    /// Measure how fast this machine trains and generates, optionally beside PyTorch
    Bench(BenchArgs),
    /// List the presets, or print the whole recipe of one as a settings file
    Presets(PresetsArgs),
    /// Write out built-in texts and the batches of a run, so that others can check them
    Data(DataArgs),
    /// List runs beside each other: text, size, steps, loss, time
    Runs(RunsArgs),
    /// Make a page, tables and pictures of a run or a grid, or of several runs beside each other
    Report(ReportArgs),
    /// Compare two runs: settings, listings, and the step at which their numbers first differ
    Diff(DiffArgs),
    /// Name the symptoms of a run; without a run, describe this machine and this program
    Doctor(DoctorArgs),
    /// Explain a word of this program, or list them all
    Explain(ExplainArgs),
    /// Show a chapter of the book, or list them all
    Learn(LearnArgs),
    /// Train a model with one part secretly changed, for you to find out which
    Mystery(Box<MysteryArgs>),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunsArgs {
    /// Folders of runs, or folders that hold some [default: runs]
    #[arg(value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// A settings file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// Read settings from a TOML file, whose keys are names of flags; flags typed here override it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Output for programs.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct JsonArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct GenerateArgs {
    /// The checkpoint to generate with (or --load FILE)
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) load: Option<PathBuf>,
    /// How many texts to generate
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// The seed of the random choices [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The type that operands of matrix products are rounded to [default: that of the training]
    #[arg(long, value_name = "TYPE", value_parser = one_of::<Precision>())]
    pub(crate) precision: Option<Precision>,
    #[command(flatten)]
    pub(crate) sample: SettingsArgs<WritingFlags>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InteractiveArgs {
    /// The checkpoint to prompt (or --load FILE)
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) load: Option<PathBuf>,
    /// The seed of the random choices [default: a new one each time]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The type that operands of matrix products are rounded to [default: that of the training]
    #[arg(long, value_name = "TYPE", value_parser = one_of::<Precision>())]
    pub(crate) precision: Option<Precision>,
    #[command(flatten)]
    pub(crate) sample: SettingsArgs<WritingFlags>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EvalArgs {
    /// The checkpoint to measure, or a run's folder, which stands for its newest one (or --load
    /// FILE)
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) load: Option<PathBuf>,
    #[arg(long, value_name = "TEXT", help = measured_text())]
    pub(crate) data: Option<String>,
    /// Measure only this last part of the text; 0 measures all of it [default: of the text that the
    /// model was trained on, the part that was kept from training; all of another]
    #[arg(long, value_name = "FRACTION")]
    pub(crate) val_fraction: Option<f64>,
    /// Overlap the windows, so that each makes N new predictions and the others are its context
    /// [default: windows side by side, whose first predictions see little of it and have a higher
    /// loss]
    #[arg(long, value_name = "N")]
    pub(crate) stride: Option<usize>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) what: DataCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Write a built-in text to standard output
    Write {
        #[arg(value_name = "TEXT", help = built_in_text())]
        text: String,
    },
    /// Write the batch of a step of a run: which tokens it reads, and which it predicts
    Batches {
        /// The folder of a run whose text is still there
        #[arg(value_name = "RUN")]
        run: PathBuf,
        /// The step, from 0
        #[arg(long, value_name = "N", default_value_t = 0)]
        step: u32,
        #[command(flatten)]
        json: JsonArgs,
    },
}

fn built_in_text() -> String {
    format!(
        "A built-in text ({}); a diagnostic one takes a seed and a size: copy:seed=3,size=200000",
        Builtin::names()
    )
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InspectArgs {
    /// The checkpoint to show; without one, the model that the flags describe
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How many tokens the vocabulary has, if there is no checkpoint
    #[arg(long, value_name = "N")]
    pub(crate) vocab_size: Option<usize>,
    /// Show what the model becomes for a purpose, step by step, instead
    #[arg(long, value_name = "PURPOSE", value_parser = one_of::<Purpose>(), conflicts_with = "json")]
    pub(crate) program: Option<Purpose>,
    #[command(flatten)]
    pub(crate) model: SettingsArgs<ModelFlags>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct MicroArgs {
    /// The documents, one on each line: a UTF-8 file, or a built-in text (names)
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// How many steps to train, with one document each
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// The seed of weights, documents and samples
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The number that divides the logits before the softmax; 0 takes the likeliest token
    #[arg(long, value_name = "X")]
    pub(crate) temperature: Option<f64>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PresetsArgs {
    /// Print this preset's recipe: every setting by its flag's name, as TOML that --config reads
    #[arg(value_name = "NAME", value_parser = one_of::<Preset>())]
    pub(crate) name: Option<Preset>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The word, such as `perplexity` or `weight decay`; without one, all words are listed
    #[arg(value_name = "WORD")]
    pub(crate) word: Vec<String>,
    /// Print the whole glossary as Markdown
    #[arg(long, conflicts_with_all = ["word", "json"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LearnArgs {
    /// The chapter, by its number or name; without one, all chapters are listed
    #[arg(value_name = "CHAPTER")]
    pub(crate) chapter: Option<String>,
    /// The language: English or Japanese [default: that of the environment, or else English]
    #[arg(long, value_name = "CODE", value_parser = ["en", "ja"])]
    pub(crate) language: Option<String>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}
