//! What `floors` takes.

use clap::Args;

use super::{ConfigArgs, JsonArgs, TokenizerArg};

const ABOUT: &str = "\
A diagnostic text is made by a seed, of so many characters: --data copy:seed=3,size=200000. \
Its documents are lines, and that is how it is cut unless --tokenizer says otherwise.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct FloorsArgs {
    /// The text: a UTF-8 file, or a built-in text [default: stories] [built in: stories, names, copy, brackets,
    /// agreement, addition, in-context]
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// The longest n-grams [default: 6]
    #[arg(long, value_name = "N")]
    pub(crate) up_to: Option<usize>,
    /// How text becomes tokens
    #[arg(long, value_name = "KIND")]
    pub(crate) tokenizer: Option<TokenizerArg>,
    /// The last part of the text, which the tables do not see and are measured on [default: 0.1]
    #[arg(long, value_name = "FRACTION")]
    pub(crate) val_fraction: Option<f64>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}
