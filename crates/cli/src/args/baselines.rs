//! The arguments of `baselines`.

use clap::Args;
use gptlab_recipe::{Documents, TokenizerKind};

use super::{
    ConfigArgs, JsonArgs,
    choice::{one_of, text_help},
};

const ABOUT: &str = "\
A diagnostic text is made from a seed and a number of characters: --data copy:seed=3,size=200000. \
Its documents are its lines, unless --tokenizer or --documents cut it in another way.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct BaselinesArgs {
    #[arg(long, value_name = "TEXT", help = text_help("The text"))]
    pub(crate) data: Option<String>,
    /// The length of the longest n-grams [default: 6]
    #[arg(long, value_name = "N")]
    pub(crate) up_to: Option<usize>,
    /// The context that all predictors see, in tokens: the windows in which a model of this
    /// --block-size is evaluated [default: everything before the token]
    #[arg(long, value_name = "N", aliases = ["context", "context-length", "seq-len"])]
    pub(crate) block_size: Option<usize>,
    /// How text becomes tokens
    #[arg(long, value_name = "KIND", value_parser = one_of::<TokenizerKind>())]
    pub(crate) tokenizer: Option<TokenizerKind>,
    /// How the text is cut into documents: text (not at all), lines, or separator=TEXT [default: as
    /// --tokenizer says]
    #[arg(long, value_name = "HOW")]
    pub(crate) documents: Option<Documents>,
    /// The last part of the text, which the n-grams do not see and are measured on [default: 0.1]
    #[arg(long, value_name = "FRACTION")]
    pub(crate) val_fraction: Option<f64>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}
