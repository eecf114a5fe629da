//! Prepared probes: a request with its texts cut into tokens, and how it becomes a report.

use gptlab_data::{Corpus, Text};
use gptlab_engine::Device;
use gptlab_model::Batch;
use gptlab_train::DataMark;

use super::{
    Ablations, CopiedReport, Measure, NamedText, Patching, Probe, ProbeReport, ProbeRequest,
    ProbedCheckpoint, Values, longest_copied,
    request::PROMPT,
    subject::{ProbeError, Prompt, Subject},
};

impl ProbeRequest {
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
            precision: device.options.precision,
            trained_in: self.checkpoint.header.hyper.precision,
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

    /// Returns all values inside the model on the prompt.
    ///
    /// # Errors
    /// Returns the errors of [`PreparedProbe::run`].
    pub fn values(&self, device: &Device) -> Result<Values, ProbeError> {
        let mut subject = Subject::new(self.checkpoint.model, device)?;
        let prompt = self.prompt(&subject)?;
        let trace = subject.trace(&prompt);
        let maps = subject.attention(&prompt, &trace);
        Ok(subject.values(&prompt, &trace, &maps))
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
