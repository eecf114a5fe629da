//! What a checkpoint is probed with.

use gptlab_data::Text;
use gptlab_model::choices;
use gptlab_train::{Header, TrainedModel};

/// A question to the inside of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Attention,
    Activations,
    Ablation,
    Lens,
    Attribution,
    Surprise,
    Patching,
    Copied,
}

choices! { Probe, "probe":
    Attention = "attention", "What each head attends to";
    Activations = "activations", "How large and how alike activations are";
    Ablation = "ablation", "The loss without each part";
    Lens = "lens", "What the model would predict after each block";
    Attribution = "attribution", "What each part adds to the logit of the next token";
    Surprise = "surprise", "How surprising each token is";
    Patching = "patching", "Which activations carry the difference between two prompts";
    Copied = "copied", "The longest passage that is also in the training text";
}

/// The model that is probed: a checkpoint's, and what it says of its run.
#[derive(Clone, Copy, Debug)]
pub struct ProbedCheckpoint<'a> {
    /// What reports call it: its file.
    pub name: &'a str,
    pub header: &'a Header,
    pub model: &'a TrainedModel,
}

/// What a model is probed with. Whatever is absent is left out, or taken from the text that the
/// model was trained on.
///
/// ```no_run
/// use std::path::Path;
///
/// use gptlab_engine::Device;
/// use gptlab_lab::probe::{Probe, ProbeRequest, ProbedCheckpoint};
/// use gptlab_train::{Checkpoint, NonFinite};
///
/// let checkpoint = Checkpoint::open(Path::new("model.safetensors"))?;
/// let model = checkpoint.trained_model(NonFinite::Refused)?;
/// let request = ProbeRequest {
///     prompt: Some("once upon a time".into()),
///     only: vec![Probe::Ablation],
///     ..ProbeRequest::default()
/// };
/// let probed = ProbedCheckpoint {
///     name: "model.safetensors",
///     header: checkpoint.header(),
///     model: &model,
/// };
/// let device = Device::cpu(1);
/// let report = request.prepare(probed)?.run(&device)?;
/// for part in report.ablation.iter().flat_map(|ablation| &ablation.parts) {
///     println!("{}: {:+.3} nats", part.part, part.zero_ablation);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    /// The text to look at token by token; `None`: the first tokens of `data`.
    pub prompt: Option<String>,
    /// The other prompt of patching.
    pub corruption: Option<Corruption>,
    /// The text that ablations are measured on: of the model's own text, what it has not seen.
    /// `None`: `own_text`, or else the prompt.
    pub data: Option<Text>,
    /// How many predictions of that text, at most.
    pub predictions: usize,
    /// The text that is looked for in the training text; `None`: the prompt.
    pub written: Option<NamedText>,
    /// The text that the model was trained on, for [`Probe::Copied`]; `None`: `own_text`.
    pub train_text: Option<Text>,
    /// The text with the fingerprint that the checkpoint tells of, where the caller has it.
    pub own_text: Option<Text>,
    /// Only these probes; where it is empty, all that have what they need.
    pub only: Vec<Probe>,
    /// How many tokens to tell of each guess.
    pub top: usize,
    /// The seed of the random tokens that heads are tried on.
    pub seed: u64,
}

/// A prompt of as many tokens as another, and the answers to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    pub prompt: String,
    /// Two tokens as text: the answer to the prompt, and that to the corrupted one.
    pub answers: String,
}

/// A text and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedText {
    pub name: String,
    pub text: String,
}

/// Predictions that ablations are measured on, where nobody says how many.
const PREDICTIONS: usize = 2048;
/// Tokens of a guess, where nobody says how many.
const TOP: usize = 3;
/// Tokens of a prompt that nobody typed.
pub(super) const PROMPT: usize = 32;

impl Default for ProbeRequest {
    fn default() -> Self {
        Self {
            prompt: None,
            corruption: None,
            data: None,
            predictions: PREDICTIONS,
            written: None,
            train_text: None,
            own_text: None,
            only: Vec::new(),
            top: TOP,
            seed: 0,
        }
    }
}

impl ProbeRequest {
    /// Returns whether `probe` is requested, by name or by no name.
    pub fn requests(&self, probe: Probe) -> bool {
        self.only.is_empty() || self.only.contains(&probe)
    }

    /// Returns whether the text that the model was trained on is of use.
    pub fn needs_own_text(&self) -> bool {
        let measured = self.prompt.is_none() || self.requests(Probe::Ablation);
        let copied = self.train_text.is_none() && self.requests(Probe::Copied);
        self.data.is_none() && measured || copied
    }
}
