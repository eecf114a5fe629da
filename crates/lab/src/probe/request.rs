//! Requests of probes: the choices of a user.

use gptlab_data::Text;
use gptlab_model::choices;
use gptlab_train::{Header, TrainedModel};

/// A kind of probe.
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

/// A checkpoint's model, and the header with its training settings.
#[derive(Clone, Copy, Debug)]
pub struct ProbedCheckpoint<'a> {
    /// The name in reports, usually the file's.
    pub name: &'a str,
    pub header: &'a Header,
    pub model: &'a TrainedModel,
}

/// The probes to run and their inputs. An absent input falls back to the text that the model was
/// trained on, and a probe without its inputs is left out.
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
    /// The text to probe token by token; `None` uses the first tokens of `data`.
    pub prompt: Option<String>,
    /// The corrupted prompt of patching, and the answers.
    pub corruption: Option<Corruption>,
    /// The text on which ablations are measured. Of the model's own text, only the validation part
    /// is used. `None` uses `own_text`, or else the prompt.
    pub data: Option<Text>,
    /// The largest number of predictions on that text.
    pub predictions: usize,
    /// The text that is searched for in the training text; `None` uses the prompt.
    pub written: Option<NamedText>,
    /// The text that the model was trained on, for [`Probe::Copied`]; `None` uses `own_text`.
    pub train_text: Option<Text>,
    /// The text whose fingerprint is in the checkpoint's header, if the caller has it.
    pub own_text: Option<Text>,
    /// The probes to run; if it is empty, all probes whose inputs are present.
    pub only: Vec<Probe>,
    /// The number of likeliest tokens reported per prediction.
    pub top: usize,
    /// The seed of the repeated random tokens.
    pub seed: u64,
}

/// A corrupted prompt with as many tokens as the clean one, and the answers to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    pub prompt: String,
    /// Two tokens as text: the answer to the clean prompt, and that to the corrupted one.
    pub answers: String,
}

/// A text and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedText {
    pub name: String,
    pub text: String,
}

/// The default number of predictions on which ablations are measured.
const PREDICTIONS: usize = 2048;
/// The default number of likeliest tokens per prediction.
const TOP: usize = 3;
/// The number of tokens of the default prompt.
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
    /// Returns whether `probe` is requested, by name or by default.
    pub fn requests(&self, probe: Probe) -> bool {
        self.only.is_empty() || self.only.contains(&probe)
    }

    /// Returns whether the request uses the text that the model was trained on.
    pub fn needs_own_text(&self) -> bool {
        let measured = self.prompt.is_none() || self.requests(Probe::Ablation);
        let copied = self.train_text.is_none() && self.requests(Probe::Copied);
        self.data.is_none() && measured || copied
    }
}
