//! The arguments of `probe`.

use std::path::PathBuf;

use clap::Args;
use gptlab_lab::probe::Probe;

use super::{ConfigArgs, JsonArgs, MachineArgs, choice::one_of};

const ABOUT: &str = "\
Without --only, every probe runs whose inputs are known: patching needs --corrupt and --answers, and copied \
needs the text that the model was trained on, which is known if it is built in.

Patching asks which activations carry the difference between two prompts of one length:
    gptlab probe model.safetensors --prompt \"The cat s\" --corrupt \"The dog s\" --answers ar
runs the second with parts of the first, and prints how much of the first answer's lead comes back.

--measures prints what every number means: its formula, unit, source and usual range.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct ProbeArgs {
    /// The checkpoint to look into (or --load FILE)
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) checkpoint: Option<PathBuf>,
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) load: Option<PathBuf>,
    /// The text to look at token by token [default: the first tokens of --data]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: Option<String>,
    /// A corrupted prompt of as many tokens, for patching
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) corrupt: Option<String>,
    /// Two tokens: the answer to the prompt, and the answer to the corrupted prompt
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) answers: Option<String>,
    /// The text that ablations are measured on: a UTF-8 file, or a built-in text [default: what the
    /// model was trained on, where that is built in, else the prompt]
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// How many predictions of that text, at most [default: 2048]
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<usize>,
    /// The text that copied looks up [default: the prompt]
    #[arg(long, value_name = "FILE")]
    pub(crate) written: Option<PathBuf>,
    /// The text that the model was trained on, for copied [default: known where it is built in]
    #[arg(long, value_name = "TEXT")]
    pub(crate) train_text: Option<String>,
    /// Probe a model even if some of its numbers are not finite
    #[arg(long)]
    pub(crate) non_finite: bool,
    /// Run only these probes
    #[arg(long, value_name = "PROBE,...", value_delimiter = ',', value_parser = one_of::<Probe>())]
    pub(crate) only: Vec<Probe>,
    /// How many of the likeliest tokens to show of each guess [default: 3]
    #[arg(long, value_name = "K")]
    pub(crate) top: Option<usize>,
    /// The seed of the random tokens that heads are tried on [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Explain what every number means, and probe nothing
    #[arg(long)]
    pub(crate) measures: bool,
    /// Write every table into this folder as CSV
    #[arg(long, value_name = "DIR")]
    pub(crate) csv: Option<PathBuf>,
    /// Draw everything into this folder: a page, and each picture beside it
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: Option<PathBuf>,
    /// Write what every operation computes on the prompt into this folder, as values.safetensors:
    /// names of `gptlab inspect`, rows of tokens; and BLOCK.weights, [heads, queries, keys]
    #[arg(long, value_name = "DIR")]
    pub(crate) values: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}
