//! Requests of probes, from the user's choices to the report.

use gptlab_data::{Corpus, Text};
use gptlab_engine::Device;
use gptlab_model::{Batch, choices};
use gptlab_train::{DataMark, Header, TrainedModel};

use super::{
    Ablations, CopiedReport, Measure, Patching, ProbeReport, longest_copied,
    subject::{ProbeError, Prompt, Subject},
};

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
const PROMPT: usize = 32;

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

    /// Tokenizes the request's texts for `checkpoint`.
    ///
    /// # Errors
    /// Returns an error if a text contains characters that the tokenizer does not know.
    pub fn prepare<'a>(
        &'a self,
        checkpoint: ProbedCheckpoint<'a>,
    ) -> Result<PreparedProbe<'a>, ProbeError> {
        let text = match self.data.as_ref().or(self.own_text.as_ref()) {
            Some(text) => Some(self.measured(checkpoint, text)?),
            None => None,
        };
        Ok(PreparedProbe {
            request: self,
            checkpoint,
            text,
        })
    }

    fn measured(
        &self,
        checkpoint: ProbedCheckpoint<'_>,
        text: &Text,
    ) -> Result<MeasuredText, ProbeError> {
        let mark = &checkpoint.header.data;
        let own = is_own(text, mark);
        let fraction = if own { mark.val_fraction } else { 0.0 };
        let corpus = Corpus::new(text, checkpoint.model.tokenizer().clone(), fraction);
        let corpus = corpus.map_err(ProbeError::Corpus)?;
        let part = corpus.validation().unwrap_or(corpus.train());
        let most = self.predictions.saturating_add(1).max(PROMPT);
        let name = match fraction {
            0.0 => text.origin().to_string(),
            fraction => format!("{} (its last {fraction:.3})", text.origin()),
        };
        Ok(MeasuredText {
            tokens: part.tokens().slice(0..most),
            name,
        })
    }
}

fn is_own(text: &Text, mark: &DataMark) -> bool {
    text.fingerprint() == mark.fingerprint
}

/// The tokens on which ablations are measured, and their text's name.
#[derive(Debug)]
struct MeasuredText {
    tokens: Vec<u32>,
    name: String,
}

/// A request and its tokens.
#[derive(Debug)]
pub struct PreparedProbe<'a> {
    request: &'a ProbeRequest,
    checkpoint: ProbedCheckpoint<'a>,
    text: Option<MeasuredText>,
}

/// The numbers of tokens that a model will run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbedTokens {
    /// The largest number of tokens of a prompt.
    pub prompt: usize,
    /// The largest number of tokens of the text on which ablations are measured.
    pub text: usize,
}

/// The inputs of all probes.
struct Inputs {
    prompt: Prompt,
    corrupted: Option<(Prompt, [u32; 2])>,
    copied: Option<CopiedTexts>,
    batch: Option<Batch>,
    /// The name of the text that `batch` contains.
    text: String,
}

/// A text, and the text that it may have been copied from.
struct CopiedTexts {
    written: NamedText,
    training: NamedText,
}

impl PreparedProbe<'_> {
    /// Returns the numbers of tokens that the model will run on, which determine its memory use.
    pub fn tokens(&self) -> ProbedTokens {
        let corrupted = self.request.corruption.as_ref().map(|c| &c.prompt);
        let texts = self.request.prompt.iter().chain(corrupted);
        let prompt = texts.map(|text| text.chars().count() + 1).max();
        let most = self.checkpoint.model.graph().block_size();
        let prompt = prompt.unwrap_or(PROMPT).min(most);
        ProbedTokens {
            prompt,
            text: self.text.as_ref().map_or(prompt, |text| text.tokens.len()),
        }
    }

    /// Runs all requested probes on `device`.
    ///
    /// # Errors
    /// Returns an error if a prompt is too long or contains unknown characters, or if a probe that
    /// was requested by name lacks an input.
    pub fn run(&self, device: &Device) -> Result<ProbeReport, ProbeError> {
        let mut subject = Subject::new(self.checkpoint.model, device)?;
        let inputs = self.inputs(&subject)?;
        let made = |probe| self.request.requests(probe);
        let (prompt, top) = (&inputs.prompt, self.request.top.max(1));
        let trace = subject.trace(prompt);
        let attention = made(Probe::Attention).then(|| subject.attention(prompt, &trace));
        let repeated = if made(Probe::Attention) {
            subject.repeated(self.request.seed)?
        } else {
            None
        };
        let lens = made(Probe::Lens).then(|| subject.lens(prompt, &trace, top));
        Ok(ProbeReport {
            checkpoint: self.checkpoint.name.to_owned(),
            step: self.checkpoint.header.step,
            tokens: subject.labels(&prompt.tokens),
            text: inputs.text.clone(),
            seed: self.request.seed,
            attention,
            repeated,
            activations: made(Probe::Activations).then(|| subject.flow(&trace)),
            ablation: self.ablation(&mut subject, &inputs),
            lens,
            attribution: made(Probe::Attribution).then(|| subject.attribution(prompt, &trace)),
            surprise: made(Probe::Surprise).then(|| subject.surprise(prompt, &trace, top)),
            patching: self.patching(&mut subject, &inputs)?,
            copied: self.copied(&inputs),
            measures: Measure::definitions(),
        })
    }

    fn inputs(&self, subject: &Subject) -> Result<Inputs, ProbeError> {
        let prompt = self.prompt(subject)?;
        let corrupted = self.corrupted(subject)?;
        let copied = self.copied_texts(&prompt)?;
        let (batch, text) = self.batch(subject, &prompt)?;
        Ok(Inputs {
            prompt,
            corrupted,
            copied,
            batch,
            text,
        })
    }

    fn prompt(&self, subject: &Subject) -> Result<Prompt, ProbeError> {
        if let Some(text) = &self.request.prompt {
            return subject.prompt("prompt", text);
        }
        let text = self.text.as_ref().ok_or(ProbeError::NoPrompt)?;
        let most = PROMPT.min(subject.block_size()).min(text.tokens.len());
        subject.prompt_of("prompt", text.tokens[..most].to_vec())
    }

    fn corrupted(&self, subject: &Subject) -> Result<Option<(Prompt, [u32; 2])>, ProbeError> {
        let Some(corruption) = &self.request.corruption else {
            let must = self.request.only.contains(&Probe::Patching);
            return if must {
                Err(ProbeError::NoCorruption)
            } else {
                Ok(None)
            };
        };
        let prompt = subject.prompt("corrupted prompt", &corruption.prompt)?;
        Ok(Some((prompt, subject.answers(&corruption.answers)?)))
    }

    /// Returns the batch on which ablations are measured, and its text's name. The batch is `None`
    /// if there is only a prompt of one token.
    fn batch(
        &self,
        subject: &Subject,
        prompt: &Prompt,
    ) -> Result<(Option<Batch>, String), ProbeError> {
        let request = self.request;
        let must = request.data.is_some() || request.only.contains(&Probe::Ablation);
        let (tokens, name) = match &self.text {
            Some(text) => (&text.tokens, text.name.clone()),
            None => (&prompt.tokens, "the prompt".to_owned()),
        };
        match subject.windows(tokens, request.predictions) {
            Ok(batch) => Ok((Some(batch), name)),
            Err(error) if must => Err(error),
            Err(_) => Ok((None, name)),
        }
    }

    fn copied_texts(&self, prompt: &Prompt) -> Result<Option<CopiedTexts>, ProbeError> {
        let request = self.request;
        let Some(training) = self.training()? else {
            let must = request.only.contains(&Probe::Copied) || request.written.is_some();
            return if must {
                Err(ProbeError::NoTrainText)
            } else {
                Ok(None)
            };
        };
        let written = match &request.written {
            Some(written) => written.clone(),
            None => NamedText {
                name: "the prompt".to_owned(),
                text: self.decode(&prompt.tokens)?,
            },
        };
        Ok(Some(CopiedTexts { written, training }))
    }

    /// Returns the text that the model was trained on: of its own text, the training part.
    fn training(&self) -> Result<Option<NamedText>, ProbeError> {
        let request = self.request;
        let Some(text) = request.train_text.as_ref().or(request.own_text.as_ref()) else {
            return Ok(None);
        };
        let (name, mark) = (text.origin().to_string(), &self.checkpoint.header.data);
        if !is_own(text, mark) {
            return Ok(Some(NamedText {
                name,
                text: text.as_str().to_owned(),
            }));
        }
        let tokenizer = self.checkpoint.model.tokenizer().clone();
        let corpus = Corpus::new(text, tokenizer, mark.val_fraction);
        let corpus = corpus.map_err(ProbeError::Corpus)?;
        Ok(Some(NamedText {
            name: format!("{name} (its training part)"),
            text: self.decode(&corpus.train().tokens().to_vec())?,
        }))
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, ProbeError> {
        let text = self.checkpoint.model.tokenizer().decode(tokens);
        text.map_err(ProbeError::Decode)
    }

    fn ablation(&self, subject: &mut Subject, inputs: &Inputs) -> Option<Ablations> {
        let batch = inputs.batch.as_ref();
        let batch = batch.filter(|_| self.request.requests(Probe::Ablation))?;
        Some(subject.ablations(batch))
    }

    fn patching(
        &self,
        subject: &mut Subject,
        inputs: &Inputs,
    ) -> Result<Option<Patching>, ProbeError> {
        let corrupted = inputs.corrupted.as_ref();
        let wanted = self.request.requests(Probe::Patching);
        let Some((corrupted, answers)) = corrupted.filter(|_| wanted) else {
            return Ok(None);
        };
        let found = subject.patching(&inputs.prompt, corrupted, *answers)?;
        Ok(Some(found))
    }

    fn copied(&self, inputs: &Inputs) -> Option<CopiedReport> {
        let wanted = self.request.requests(Probe::Copied);
        let texts = inputs.copied.as_ref().filter(|_| wanted)?;
        Some(CopiedReport {
            written: texts.written.name.clone(),
            training: texts.training.name.clone(),
            longest: longest_copied(&texts.written.text, &texts.training.text),
        })
    }
}
