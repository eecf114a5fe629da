//! How to write text.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Writing")]
pub(crate) struct SampleArgs {
    /// The text to go on from
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) prompt: Option<String>,
    /// How many tokens to write at most
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<usize>,
    /// What divides the logits before the softmax; 0 takes the likeliest token [default: 0.8]
    #[arg(long, value_name = "X")]
    pub(crate) temperature: Option<f64>,
    /// Choose among the K likeliest tokens; 0 for all [default: 40]
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Choose among the fewest tokens whose probabilities sum to P; without it, among all [default:
    /// none]
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Stop where this text has been written
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) stop: Option<String>,
}
