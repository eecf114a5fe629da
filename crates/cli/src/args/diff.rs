//! The arguments of `diff`.

use std::path::PathBuf;

use clap::Args;

use super::JsonArgs;

const ABOUT: &str = "\
Compares settings, listings and every recorded number except times. A checkpoint has only settings and a listing. \
The exit code is 0 if nothing differs, 1 if something does, and 3 if a side cannot be read.";

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
