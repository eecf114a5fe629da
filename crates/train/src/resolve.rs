//! Settings and a text become an experiment that can begin.

mod newest;
mod notice;
mod same;

use std::{path::Path, sync::Arc};

use gptlab_data::{Batches, Corpus, CorpusError, CorpusSource, Cut, SplitName, Text, Tokenizer};
use gptlab_model::{Graph, Model, ModelSpec, lower};
use gptlab_record::{DataRecord, Experiment, Extension, FileError, WeightsOrigin};

use crate::{
    Checkpoint, DataMark, Error, Header, ResumeOptions, Schedule, Settings, Stored,
    checkpoint::About, resume_options,
};

pub use newest::{Damaged, Newest};
pub use notice::Notice;
pub(crate) use same::same_experiment;
pub use same::same_settings;
use same::{same_run, same_text};

/// An experiment with everything looked up, and what it needs to begin or go on.
#[derive(Debug)]
pub struct Resolved {
    pub experiment: Experiment,
    pub model: Model,
    pub graph: Graph,
    pub tokenizer: Tokenizer,
    pub batches: Batches,
    /// What is not as it was asked for.
    pub notices: Vec<Notice>,
    mark: DataMark,
    begin: Begin,
}

/// What the first step starts from.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Weights drawn from the seed.
    Fresh,
    /// The same, in a folder whose run was killed before it saved anything.
    Again,
    /// Another model's weights.
    Load(Checkpoint),
    /// All of a run's state.
    Resume(Checkpoint),
}

impl Resolved {
    /// A new model, fitted to `text`, a [`Text`] or a [`CorpusCache`](gptlab_data::CorpusCache).
    ///
    /// # Errors
    /// When the settings make no sense, or the text has nothing to learn from.
    pub fn fresh(settings: &Settings, text: &dyn CorpusSource) -> Result<Self, Error> {
        let tokenizer = text
            .fit(&settings.tokenizer)
            .ok_or_else(|| Error::NoCharacters(text.text().origin().to_string()))?;
        let (corpus, notices) = corpus(text, &tokenizer, settings.val_fraction)?;
        let spec = ModelSpec {
            block_size: fit(&corpus, settings.spec.block_size),
            ..settings.spec.clone()
        };
        let model = spec.check(corpus.tokenizer().vocab_size())?;
        Self::assemble(settings, text.text(), corpus, model, notices, Begin::Fresh)
    }

    /// The model and tokenizer of `checkpoint` with a fresh optimiser, to train as `settings` say;
    /// their spec and tokenizer are not looked at.
    ///
    /// # Errors
    /// When the settings make no sense, or `text` holds characters the tokenizer does not know.
    pub fn load(
        settings: &Settings,
        text: &dyn CorpusSource,
        checkpoint: Checkpoint,
    ) -> Result<Self, Error> {
        let (corpus, notices) = corpus(text, checkpoint.tokenizer(), settings.val_fraction)?;
        let model = checkpoint.model().clone();
        let begin = Begin::Load(checkpoint);
        Self::assemble(settings, text.text(), corpus, model, notices, begin)
    }

    /// The run that saved `checkpoint`, from where it was, as `record` in its folder says it is.
    ///
    /// # Errors
    /// When `text` is not the text of that run, or the number of steps asked for is already made.
    pub fn resume(
        checkpoint: Checkpoint,
        text: &dyn CorpusSource,
        record: Option<&Experiment>,
        options: &ResumeOptions,
    ) -> Result<Self, Error> {
        same_text(&checkpoint, text.text())?;
        let header = checkpoint.header();
        let mut settings = header.settings(options);
        let steps = options.steps.or(record.map(|record| record.hyper.steps));
        settings.hyper.steps = steps.unwrap_or(header.hyper.steps);
        if settings.hyper.steps < header.step {
            return Err(Error::StepsMade {
                requested: settings.hyper.steps,
                made: header.step,
            });
        }
        let extension = Extension {
            after: header.step,
            from: header.hyper.steps,
            to: settings.hyper.steps,
        };
        let (corpus, mut notices) = corpus(text, checkpoint.tokenizer(), settings.val_fraction)?;
        notices.extend(isa_changed(header.isa.as_ref(), options.isa.as_ref()));
        notices.extend(steps_changed(extension, &settings));
        let model = checkpoint.model().clone();
        let begin = Begin::Resume(checkpoint);
        let mut resumed = Self::assemble(&settings, text.text(), corpus, model, notices, begin)?;
        resumed.experiment.extensions = extensions(record, extension);
        Ok(resumed)
    }

    /// [`Resolved::resume`] for somebody who also says what the run is, and may be mistaken:
    /// `settings` with the run's own number of steps.
    ///
    /// # Errors
    /// As [`Resolved::resume`], and when the model, tokenizer, hyper-parameters, seed or validation
    /// fraction asked for are not the run's.
    pub fn resume_as(
        settings: &Settings,
        checkpoint: Checkpoint,
        text: &dyn CorpusSource,
        record: Option<&Experiment>,
        options: &ResumeOptions,
    ) -> Result<Self, Error> {
        same_text(&checkpoint, text.text())?;
        let requested = Self::fresh(settings, text)?;
        let mut requested = requested.header(checkpoint.header().step);
        // A loaded model keeps its context whatever the text's length.
        if settings.spec.block_size == checkpoint.header().spec.block_size {
            requested.spec.block_size = settings.spec.block_size;
        }
        same_run(checkpoint.path(), &requested, checkpoint.header())?;
        Self::resume(checkpoint, text, record, options)
    }

    /// The run in `folder`, from its newest checkpoint; from step 0 where it was killed before the
    /// first, which comes to the same.
    ///
    /// # Errors
    /// When `folder` holds no run, `text` is not its text, or it began with another model's weights
    /// and saved nothing of its own.
    pub fn resume_run(
        folder: &Path,
        text: &dyn CorpusSource,
        engine: &str,
        isa: Option<String>,
    ) -> Result<Self, Error> {
        let experiment = gptlab_record::read_experiment(folder)?;
        let options = ResumeOptions::of_record(&experiment, engine, isa);
        if let Some(newest) = Newest::of(folder)? {
            let (checkpoint, record) = (newest.checkpoint, Some(&experiment));
            return Self::resume(checkpoint, text, record, &options);
        }
        Self::again(folder, text, &experiment, &options)
    }

    /// The run in `folder`, whose record is `experiment`, from step 0: it saved nothing.
    ///
    /// # Errors
    /// When `text` is not its text, or it began with another model's weights.
    pub fn again(
        folder: &Path,
        text: &dyn CorpusSource,
        experiment: &Experiment,
        options: &ResumeOptions,
    ) -> Result<Self, Error> {
        match &experiment.origin {
            WeightsOrigin::Fresh => {}
            WeightsOrigin::Loaded { file, .. } | WeightsOrigin::Resumed { file, .. } => {
                let found = format!("none; begin again from {file} in another folder");
                return Err(FileError::wrong(folder, "a checkpoint to resume", found).into());
            }
        }
        let mut settings = resume_options::of_experiment(experiment, options);
        let mut resolved = Self::fresh(&settings, text)?;
        same_experiment(folder, experiment, &resolved.experiment)?;
        let from = settings.hyper.steps;
        settings.hyper.steps = options.steps.unwrap_or(from);
        settings.hyper.check()?;
        let extension = Extension {
            after: 0,
            from,
            to: settings.hyper.steps,
        };
        resolved
            .notices
            .extend(isa_changed(experiment.isa.as_ref(), options.isa.as_ref()));
        resolved.notices.extend(steps_changed(extension, &settings));
        resolved.experiment.hyper = settings.hyper;
        resolved.experiment.extensions = extensions(Some(experiment), extension);
        resolved.begin = Begin::Again;
        Ok(resolved)
    }

    /// The experiment of other `settings` on the same `text`.
    ///
    /// # Errors
    /// As [`Resolved::fresh`].
    pub fn experiment_of(
        &self,
        settings: &Settings,
        text: &dyn CorpusSource,
    ) -> Result<Experiment, Error> {
        let corpus = self.batches.corpus();
        let same_tokens = settings.tokenizer == self.tokenizer.tokenization()
            && settings.val_fraction == self.mark.val_fraction;
        if !same_tokens {
            return Ok(Self::fresh(settings, text)?.experiment);
        }
        let spec = ModelSpec {
            block_size: fit(corpus, settings.spec.block_size),
            ..settings.spec.clone()
        };
        let model = spec.check(self.tokenizer.vocab_size())?;
        let data = self.experiment.data.clone();
        let begin = Begin::Fresh;
        Ok(experiment(settings, &model, &self.tokenizer, data, &begin))
    }

    /// The weights an engine begins with, in the parameter table's order.
    ///
    /// # Errors
    /// When they are in a checkpoint that cannot be read.
    pub fn weights(&self) -> Result<Vec<f32>, FileError> {
        match &self.begin {
            Begin::Fresh | Begin::Again => Ok(self.graph.params().initial(self.experiment.seed)),
            Begin::Load(checkpoint) | Begin::Resume(checkpoint) => checkpoint.read(Stored::Weights),
        }
    }

    /// How many updates are made before the first step.
    pub fn first_step(&self) -> u64 {
        match &self.begin {
            Begin::Fresh | Begin::Again | Begin::Load(_) => 0,
            Begin::Resume(checkpoint) => checkpoint.header().step,
        }
    }

    /// Whether a run begins again from step 0, because it had saved nothing.
    pub fn begins_again(&self) -> bool {
        match &self.begin {
            Begin::Again => true,
            Begin::Fresh | Begin::Load(_) | Begin::Resume(_) => false,
        }
    }

    /// The header of a checkpoint after `step` updates.
    pub fn header(&self, step: u64) -> Header {
        let about = About {
            spec: self.experiment.spec.clone(),
            tokenizer: self.tokenizer.clone(),
            seed: self.experiment.seed,
            hyper: self.experiment.hyper,
            data: self.mark,
            isa: self.experiment.isa.clone(),
        };
        Header::new(about, step)
    }

    pub(crate) fn begin(&self) -> &Begin {
        &self.begin
    }

    fn assemble(
        settings: &Settings,
        text: &Text,
        corpus: Arc<Corpus>,
        model: Model,
        mut notices: Vec<Notice>,
        begin: Begin,
    ) -> Result<Self, Error> {
        settings.hyper.check()?;
        let requested = match &begin {
            Begin::Fresh | Begin::Again => settings.spec.block_size,
            Begin::Load(_) | Begin::Resume(_) => model.spec().block_size,
        };
        let block_size = fit(&corpus, requested);
        if block_size < requested {
            notices.push(Notice::ContextShrunk {
                requested,
                fits: block_size,
                tokens: corpus.train().tokens().len(),
            });
        }
        let mark = mark(settings, text, &corpus);
        let tokenizer = corpus.tokenizer().clone();
        let data = data_record(text, &corpus, &mark);
        let (size, seed) = (settings.hyper.batch_size, settings.seed);
        let batches = Batches::new(corpus, block_size, size, seed)?;
        notices.extend(cut(&batches));
        Ok(Self {
            experiment: experiment(settings, &model, &tokenizer, data, &begin),
            graph: lower(&model),
            model,
            tokenizer,
            batches,
            notices,
            mark,
            begin,
        })
    }
}

fn mark(settings: &Settings, text: &Text, corpus: &Corpus) -> DataMark {
    DataMark {
        fingerprint: text.fingerprint(),
        // Not the one asked for, where the text was too short for it.
        val_fraction: match corpus.validation() {
            Some(_) => settings.val_fraction,
            None => 0.0,
        },
    }
}

fn experiment(
    settings: &Settings,
    model: &Model,
    tokenizer: &Tokenizer,
    data: DataRecord,
    begin: &Begin,
) -> Experiment {
    Experiment {
        format: Experiment::FORMAT,
        program: concat!("gptlab ", env!("CARGO_PKG_VERSION")).to_owned(),
        engine: settings.engine.clone(),
        isa: settings.isa.clone(),
        spec: model.spec().clone(),
        vocab_size: model.vocab_size(),
        tokenizer: tokenizer.spec().clone(),
        data,
        hyper: settings.hyper,
        seed: settings.seed,
        origin: origin(begin),
        intervals: settings.intervals,
        observe: settings.observe,
        sampling: settings.sampling.clone(),
        extensions: Vec::new(),
    }
}

/// A notice where instructions are known and are others now.
fn isa_changed(before: Option<&String>, now: Option<&String>) -> Option<Notice> {
    let (before, now) = (before?.clone(), now?.clone());
    (before != now).then_some(Notice::IsaChanged { before, now })
}

fn steps_changed(extension: Extension, settings: &Settings) -> Option<Notice> {
    let lr = Schedule::new(&settings.hyper).at(extension.after);
    (extension.from != extension.to).then_some(Notice::StepsChanged { extension, lr })
}

/// What a record says of changes of the number of steps before this one, and this one if it is one.
fn extensions(record: Option<&Experiment>, extension: Extension) -> Vec<Extension> {
    let before = record.into_iter().flat_map(|record| &record.extensions);
    let before = before.filter(|e| e.after < extension.after).copied();
    let now = (extension.from != extension.to).then_some(extension);
    before.chain(now).collect()
}

/// Tokens in two splits, or in one where the text is too short for two; not where most of it was to
/// be kept for validation, since then the fraction is what was meant otherwise.
fn corpus(
    text: &dyn CorpusSource,
    tokenizer: &Tokenizer,
    val_fraction: f64,
) -> Result<(Arc<Corpus>, Vec<Notice>), Error> {
    match text.corpus(tokenizer, val_fraction) {
        Err(CorpusError::TooShort { .. }) if val_fraction > 0.0 && val_fraction <= 0.5 => {
            let notice = Notice::NoValidation { val_fraction };
            Ok((text.corpus(tokenizer, 0.0)?, vec![notice]))
        }
        corpus => Ok((corpus?, Vec::new())),
    }
}

/// The largest context up to `requested` that the training split fills. Documents may be shorter.
pub(crate) fn fit(corpus: &Corpus, requested: usize) -> usize {
    let train = corpus.train();
    match train.documents() {
        Some(_) => requested,
        None => requested.min(train.predictions()),
    }
}

/// Says so where documents of either split do not fit the context.
fn cut(batches: &Batches) -> Option<Notice> {
    let cuts = SplitName::ALL.map(|part| batches.cut(part));
    let cut = cuts.into_iter().flatten().reduce(Cut::and)?;
    (cut.long > 0).then(|| Notice::DocumentsCut {
        cut,
        block_size: batches.block_size(),
    })
}

fn data_record(text: &Text, corpus: &Corpus, mark: &DataMark) -> DataRecord {
    let tokens = |split: &gptlab_data::Split| split.tokens().len() as u64;
    DataRecord {
        source: text.origin().to_string(),
        origin: text.origin().clone(),
        fingerprint: mark.fingerprint.to_string(),
        bytes: Some(text.bytes()),
        val_fraction: mark.val_fraction,
        train_tokens: tokens(corpus.train()),
        val_tokens: corpus.validation().map_or(0, tokens),
    }
}

fn origin(begin: &Begin) -> WeightsOrigin {
    let from = |checkpoint: &Checkpoint| {
        let file = checkpoint.path().display().to_string();
        (file, checkpoint.header().step)
    };
    match begin {
        Begin::Fresh | Begin::Again => WeightsOrigin::Fresh,
        Begin::Load(checkpoint) => {
            let (file, step) = from(checkpoint);
            WeightsOrigin::Loaded { file, step }
        }
        Begin::Resume(checkpoint) => {
            let (file, step) = from(checkpoint);
            WeightsOrigin::Resumed { file, step }
        }
    }
}

#[cfg(test)]
mod tests;
