//! What `diff` takes.

use std::path::PathBuf;

use clap::Args;

use super::JsonArgs;

const ABOUT: &str = "\
Compares settings, listings and every recorded number but times. A checkpoint has settings and a listing alone. \
Ends with 0 where nothing differs, with 1 where something does, and with 3 where a side cannot be read.";

#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct DiffArgs {
    /// A run's folder, or a checkpoint
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// Another run's folder, or another checkpoint
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}
