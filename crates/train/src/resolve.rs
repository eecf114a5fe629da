//! Resolving settings and a text to an experiment that can begin.

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

/// A resolved experiment and everything that a run needs to begin or resume.
#[derive(Debug)]
pub struct Resolved {
    pub experiment: Experiment,
    pub model: Model,
    pub graph: Graph,
    pub tokenizer: Tokenizer,
    pub batches: Batches,
    /// The differences between the request and this experiment.
    pub notices: Vec<Notice>,
    mark: DataMark,
    begin: Begin,
}

/// The state that the first step starts from.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Weights drawn from the seed.
    Fresh,
    /// Weights drawn from the seed, in the folder of a run that was killed before it saved
    /// anything.
    Again,
    /// The weights of another model.
    Load(Checkpoint),
    /// The whole state of a run.
    Resume(Checkpoint),
}

impl Resolved {
    /// Resolves a new model, fitted to `text`, which is a [`Text`] or a
    /// [`CorpusCache`](gptlab_data::CorpusCache).
    ///
    /// # Errors
    /// Returns an error if the settings are invalid, or the text has nothing to learn from.
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

    /// Resolves the model and tokenizer of `checkpoint` with a fresh optimiser, to be trained with
    /// `settings`. The settings' own spec and tokenizer are ignored.
    ///
    /// # Errors
    /// Returns an error if the settings are invalid, or `text` holds characters that the tokenizer
    /// does not know.
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

    /// Resolves the run that saved `checkpoint`, to be resumed from there. `record` is the
    /// experiment in the run's folder, if there is one.
    ///
    /// # Errors
    /// Returns an error if `text` is not the run's text, or the requested number of steps is
    /// already made.
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

    /// Resolves a run that is resumed, as [`Resolved::resume`] does, and checks that it has the
    /// given `settings`, which hold the run's own number of steps.
    ///
    /// # Errors
    /// Returns the errors of [`Resolved::resume`], and an error if the requested model, tokenizer,
    /// hyper-parameters, seed or validation fraction differ from the run's.
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
        // A loaded model keeps its context, whatever the length of the text.
        if settings.spec.block_size == checkpoint.header().spec.block_size {
            requested.spec.block_size = settings.spec.block_size;
        }
        same_run(checkpoint.path(), &requested, checkpoint.header())?;
        Self::resume(checkpoint, text, record, options)
    }

    /// Resolves the run in `folder`, to be resumed from its newest checkpoint. A run without a
    /// checkpoint is resumed from step 0, which computes the same bits.
    ///
    /// # Errors
    /// Returns an error if `folder` holds no run, `text` is not the run's text, or the run began
    /// with another model's weights and has no checkpoint of its own.
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

    /// Resolves the run in `folder`, whose record is `experiment`, to begin again from step 0,
    /// because it has no checkpoint.
    ///
    /// # Errors
    /// Returns an error if `text` is not the run's text, or the run began with another model's
    /// weights.
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

    /// Returns the experiment of other `settings` on the same `text`.
    ///
    /// # Errors
    /// Returns the errors of [`Resolved::fresh`].
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

    /// Returns the weights of the first step, in the order of the parameter table.
    ///
    /// # Errors
    /// Returns an error if they are in a checkpoint that cannot be read.
    pub fn weights(&self) -> Result<Vec<f32>, FileError> {
        match &self.begin {
            Begin::Fresh | Begin::Again => Ok(self.graph.params().initial(self.experiment.seed)),
            Begin::Load(checkpoint) | Begin::Resume(checkpoint) => checkpoint.read(Stored::Weights),
        }
    }

    /// Returns the number of the first step, which is the number of updates made before it.
    pub fn first_step(&self) -> u64 {
        match &self.begin {
            Begin::Fresh | Begin::Again | Begin::Load(_) => 0,
            Begin::Resume(checkpoint) => checkpoint.header().step,
        }
    }

    /// Returns whether the run begins again from step 0, because it had no checkpoint.
    pub fn begins_again(&self) -> bool {
        match &self.begin {
            Begin::Again => true,
            Begin::Fresh | Begin::Load(_) | Begin::Resume(_) => false,
        }
    }

    /// Returns the header of a checkpoint after `step` updates.
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
        // The recorded fraction is 0 if the text was too short for the requested one.
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

/// Returns a notice if the vector instructions are known and have changed.
fn isa_changed(before: Option<&String>, now: Option<&String>) -> Option<Notice> {
    let (before, now) = (before?.clone(), now?.clone());
    (before != now).then_some(Notice::IsaChanged { before, now })
}

fn steps_changed(extension: Extension, settings: &Settings) -> Option<Notice> {
    let lr = Schedule::new(&settings.hyper).at(extension.after);
    (extension.from != extension.to).then_some(Notice::StepsChanged { extension, lr })
}

/// Returns the recorded changes of the number of steps before this one, and this one if it is a
/// change.
fn extensions(record: Option<&Experiment>, extension: Extension) -> Vec<Extension> {
    let before = record.into_iter().flat_map(|record| &record.extensions);
    let before = before.filter(|e| e.after < extension.after).copied();
    let now = (extension.from != extension.to).then_some(extension);
    before.chain(now).collect()
}

/// Returns the tokens in two splits, or in one if the text is too short for two. A validation
/// fraction above one half stays an error, since one split would be far from what was requested.
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

/// Returns the largest context up to `requested` that the training split fills. Documents may be
/// shorter than the context, so they do not limit it.
pub(crate) fn fit(corpus: &Corpus, requested: usize) -> usize {
    let train = corpus.train();
    match train.documents() {
        Some(_) => requested,
        None => requested.min(train.predictions()),
    }
}

/// Returns a notice if documents of either split do not fit the context.
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
