//! What the probes of a checkpoint found, as plain data, and the page that shows it.
//!
//! The laboratory fills these types, and `probe --json` prints a [`ProbeReport`].
//! [`pictures`] draws it.

mod attention;
pub mod pictures;

use gptlab_model::AttentionMask;
use gptlab_recipe::Precision;
use gptlab_record::Definition;
use serde::Serialize;

use crate::words::{count, plural};

pub use attention::{attention_maps, mean_maps};

/// The results that `probe --json` prints. A probe that did not run is null.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The checkpoint's file name.
    pub checkpoint: String,
    /// The number of updates that the checkpoint was trained for.
    pub step: u64,
    /// The prompt's tokens as text; positions index them from 0.
    pub tokens: Vec<String>,
    /// The name of the text on which ablations are measured.
    pub text: String,
    /// The seed of the repeated random tokens.
    pub seed: u64,
    /// What operands of matrix products are rounded to here.
    pub precision: Precision,
    /// The same while the model was trained.
    pub trained_in: Precision,
    pub attention: Option<Vec<HeadMap>>,
    pub repeated: Option<Repeated>,
    pub activations: Option<Flow>,
    pub ablation: Option<Ablations>,
    pub lens: Option<Vec<LensLayer>>,
    pub attribution: Option<Attribution>,
    pub surprise: Option<Vec<Surprise>>,
    pub patching: Option<Patching>,
    pub copied: Option<CopiedReport>,
    /// The definitions of the measures.
    pub measures: Vec<Definition>,
}

/// The longest passage that a text shares with the training text.
#[derive(Clone, Debug, Serialize)]
pub struct CopiedReport {
    /// The text's name.
    pub written: String,
    /// The training text's name.
    pub training: String,
    /// The passage; null if the two share no character.
    pub longest: Option<CopiedText>,
}

/// A token and the probability that the model assigns to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    pub token: String,
    pub probability: f64,
}

/// The attention of one head on one prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadMap {
    /// The attention's name, such as `block0.attn`.
    pub part: String,
    pub block: usize,
    pub head: usize,
    /// The mean entropy of the weights, in nats.
    pub attention_entropy: f64,
    /// The mean weight on the first token; `None` for a prompt of one token.
    pub sink_mass: Option<f64>,
    /// The largest score before the softmax.
    pub max_attention_logit: Option<f64>,
    /// The prefix-matching score; `None` if no token of the prompt is repeated.
    pub prefix_matching: Option<f64>,
    /// The weights, `[query][key]`.
    pub weights: Vec<Vec<f32>>,
    /// Which keys a query sees: the other weights are 0 because they are hidden.
    #[serde(skip)]
    pub mask: AttentionMask,
}

/// The scores of one head on repeated random tokens (Olsson et al. 2022).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadScores {
    /// The attention's name, such as `block0.attn`.
    pub part: String,
    pub block: usize,
    pub head: usize,
    /// The mean weight on the previous token.
    pub previous_token: f64,
    /// The mean weight of the second half on the same token in the first.
    pub duplicate_token: f64,
    /// The mean weight of the second half on the token after the same one in the first.
    pub induction: f64,
    /// The standard errors of the three, in that order, over the sequences.
    pub errors: [f64; 3],
}

/// The results of a model on repeated random tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeated {
    /// The number of distinct tokens, each of which occurs twice in a sequence.
    pub length: usize,
    pub sequences: usize,
    /// The mean loss of the predictions within the first half, in nats. These tokens are
    /// unpredictable.
    pub first_loss: f64,
    /// The mean loss of the predictions within the second half, in nats. Copying lowers it.
    pub second_loss: f64,
    pub heads: Vec<HeadScores>,
}

/// The activations on one prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// The stream at each depth.
    pub stream: Vec<StageFlow>,
    /// The effect of each sublayer on the stream.
    pub parts: Vec<PartFlow>,
    /// The mean over positions of the logits' log partition function, in nats.
    pub log_z: f64,
}

/// The stream's activations at one depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageFlow {
    /// The stage's name: `embedding`, `block0`, …
    pub name: String,
    pub activation_rms: f64,
    /// The mean cosine similarity between tokens; `None` for a prompt of one token.
    pub token_similarity: Option<f64>,
}

/// The effect of one sublayer on the stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartFlow {
    /// The part's name, such as `block0.attn` or `block0.mlp`.
    pub part: String,
    pub block: usize,
    /// The size of the part's output relative to the stream; `None` without a residual.
    pub write_ratio: Option<f64>,
    /// The share of dead units; `None` for attention.
    pub dead_share: Option<f64>,
}

/// The losses of a model without each of its parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ablations {
    /// The loss of the whole model, in nats per token.
    pub loss: f64,
    /// The number of predictions over which losses are averaged.
    pub predictions: usize,
    pub parts: Vec<Ablation>,
}

/// The increase of the loss without one part, in nats per token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ablation {
    /// The part's name, such as `block0.attn`, `block0.attn.head1` or `block0.mlp`.
    pub part: String,
    pub block: usize,
    /// The head; `None` for whole sublayers.
    pub head: Option<usize>,
    /// The increase when the output is set to zero.
    pub zero_ablation: f64,
    /// The increase when the output is set to its mean.
    pub mean_ablation: f64,
}

/// The predictions from the stream at one depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LensLayer {
    /// The stage's name: `embedding`, `block0`, …
    pub name: String,
    /// The mean loss over the prompt's predictions, in nats; `None` for a prompt of one token.
    pub lens_loss: Option<f64>,
    /// The mean over tokens of the KL divergence of the model's distribution from this one, in
    /// nats.
    pub lens_kl: f64,
    /// The predictions, by position.
    pub positions: Vec<LensCell>,
}

/// The prediction of the next token from the stream at one position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LensCell {
    /// The likeliest tokens, in decreasing order of probability.
    pub top: Vec<Guess>,
    /// The probability of the prompt's next token; `None` at its end.
    pub target_probability: Option<f64>,
    /// The rank of the prompt's next token; 1 is the likeliest, and `None` the prompt's end.
    pub target_rank: Option<usize>,
}

/// The shares of every part at every position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribution {
    /// The tokens to whose logits the parts contribute, by position: the next token of the prompt,
    /// and at its end the likeliest one.
    pub targets: Vec<String>,
    /// The logits of those tokens, by position.
    pub logits: Vec<f64>,
    /// By position: that logit less the mean of all logits, which is what counts for the softmax
    /// and what TransformerLens attributes where it centres the unembedding.
    pub centred_logits: Vec<f64>,
    /// In the order of the graph.
    pub parts: Vec<Share>,
}

/// The contribution of one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The part's name: `tok_emb`, `pos_emb`, `block0.attn.head1`, `block0.mlp`. The bias of a norm
    /// or projection is a separate part.
    pub part: String,
    /// The contribution to the target's logit, by position.
    pub logit_attribution: Vec<f64>,
    /// By position, of the centred logit: these sum to it. What raises all logits alike has no
    /// share here.
    pub centred_attribution: Vec<f64>,
}

/// One token and the model's prediction at its position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surprise {
    pub position: usize,
    /// The token; `None` after the end of the prompt.
    pub token: Option<String>,
    /// The surprise, `-ln` of the token's probability, in nats.
    pub surprise: Option<f64>,
    /// The rank of the token, where 1 is the likeliest.
    pub rank: Option<usize>,
    /// The expected surprise: the entropy of the model's distribution, in nats.
    pub expected: f64,
    /// The likeliest tokens, in decreasing order of probability.
    pub top: Vec<Guess>,
}

/// The recovery of each activation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Patching {
    pub clean: Vec<String>,
    pub corrupted: Vec<String>,
    /// The answer to the clean prompt, then that to the corrupted one.
    pub answers: [String; 2],
    /// The logit of the first answer minus that of the second, after the clean prompt.
    pub clean_difference: f64,
    /// The logit of the first answer minus that of the second, after the corrupted prompt.
    pub corrupted_difference: f64,
    /// The stream at each depth.
    pub stream: Vec<PatchedStage>,
    /// The heads, each patched at all positions at once.
    pub heads: Vec<PatchedHead>,
}

/// The recovery of the stream at one depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchedStage {
    /// The stage's name: `embedding`, `block0`, …
    pub name: String,
    /// The recovered fraction, by position.
    pub recovery: Vec<f64>,
}

/// The recovery of one head.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PatchedHead {
    /// The attention's name, such as `block0.attn`.
    pub part: String,
    pub block: usize,
    pub head: usize,
    /// The recovered fraction.
    pub recovery: f64,
}

/// A passage that occurs in both texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiedText {
    pub text: String,
    /// The length, in characters.
    pub length: usize,
    /// The position of its first occurrence in the text, in characters.
    pub at: usize,
    /// The position of its first occurrence in the training text, in characters.
    pub at_in_training: usize,
}

impl CopiedReport {
    /// Returns what was found, as text.
    pub fn text(&self) -> String {
        match &self.longest {
            None => format!("nothing of {} stands in {}", self.written, self.training),
            Some(copied) => format!(
                "{} of {}, from {}: {:?}, which stands at {} in {}",
                plural(copied.length, "character"),
                self.written,
                count(copied.at as u64),
                copied.text,
                count(copied.at_in_training as u64),
                self.training
            ),
        }
    }
}

#[cfg(test)]
mod tests;
