//! Trained models.

use std::path::Path;

use gptlab_data::{Batches, Corpus, SplitName, Text, Tokenizer};
use gptlab_engine::{Device, Engine, ImportError, Slot, memory_need::BatchShape};
use gptlab_model::{Graph, Model, lower};
use gptlab_recipe::SampleSettings;
use gptlab_record::FileError;

use crate::{
    Checkpoint, Error, Evaluation, EvaluationReport, NonFinite, Resolved, SampleError, SampleModel,
    Sampler, Stored, evaluate, evaluate_overlapping,
};

/// A model with its tokenizer and weights. A checkpoint holds one, together with a run's state.
///
/// ```no_run
/// use std::path::Path;
///
/// use gptlab_data::{Builtin, Text};
/// use gptlab_engine::Device;
/// use gptlab_train::{EvaluatedText, TrainedModel};
///
/// let model = TrainedModel::open(Path::new("model.safetensors"))?;
/// let device = Device::cpu(1);
/// let text = EvaluatedText::new(&model, &Text::builtin(Builtin::Names), 0.1, 8)?;
/// println!("{:?}", text.evaluate(&mut *model.engine(&device)?)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    model: Model,
    graph: Graph,
    tokenizer: Tokenizer,
    weights: Vec<f32>,
}

impl TrainedModel {
    /// Makes the model of these parts. `weights` are in the order of the parameter table.
    ///
    /// # Errors
    /// Returns an error if the number of weights differs from the model's.
    pub fn new(model: Model, tokenizer: Tokenizer, weights: Vec<f32>) -> Result<Self, ImportError> {
        let graph = lower(&model);
        let (expected, found) = (graph.params().total(), weights.len());
        if expected != found {
            return Err(ImportError::Count { expected, found });
        }
        Ok(Self {
            model,
            graph,
            tokenizer,
            weights,
        })
    }

    /// Reads the model of the checkpoint at `path`.
    ///
    /// # Errors
    /// Returns an error if the file is not a complete checkpoint, or holds a number that is not
    /// finite.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Checkpoint::open(path)?.trained_model(NonFinite::Refused)
    }

    /// Returns the model that `engine` has trained in the run of `resolved`.
    ///
    /// # Errors
    /// Returns an error if the engine runs another model.
    pub fn of_run(resolved: &Resolved, engine: &dyn Engine) -> Result<Self, ImportError> {
        let weights = engine.export(Slot::Weights);
        Self::new(resolved.model.clone(), resolved.tokenizer.clone(), weights)
    }

    /// Returns the checked model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns the model's graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns the weights, in the order of the parameter table.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Makes an engine that runs the model on `device`.
    ///
    /// # Errors
    /// Returns an error if the system cannot provide the memory.
    pub fn engine(&self, device: &Device) -> Result<Box<dyn Engine>, ImportError> {
        device.engine(self.graph.clone(), &self.weights)
    }

    /// Makes a sampler that generates text with the model on `device`.
    ///
    /// # Errors
    /// Returns the errors of [`Sampler::new`].
    pub fn sampler(
        &self,
        device: &Device,
        settings: &SampleSettings,
        seed: u64,
    ) -> Result<Sampler, SampleError> {
        let model = SampleModel {
            graph: &self.graph,
            weights: &self.weights,
            tokenizer: &self.tokenizer,
        };
        Sampler::new(device, model, settings, seed)
    }
}

impl Checkpoint {
    /// Reads the model that the checkpoint holds.
    ///
    /// # Errors
    /// Returns the errors of [`Checkpoint::read_with`].
    pub fn trained_model(&self, non_finite: NonFinite) -> Result<TrainedModel, FileError> {
        Ok(TrainedModel {
            model: self.model().clone(),
            graph: self.graph().clone(),
            tokenizer: self.tokenizer().clone(),
            weights: self.read_with(Stored::Weights, non_finite)?,
        })
    }
}

/// A text, or its last part, in the batches that a model is evaluated on.
#[derive(Debug)]
pub struct EvaluatedText {
    model: Model,
    batches: Batches,
    part: SplitName,
    name: String,
    fraction: f64,
}

impl EvaluatedText {
    /// Cuts the last `fraction` of `text`, or all of it if that is 0, into batches of `batch_size`
    /// sequences. A sequence has the length of the model's context, or less if the text is shorter.
    ///
    /// # Errors
    /// Returns an error if the text holds characters that the tokenizer does not know, or is too
    /// short.
    pub fn new(
        trained: &TrainedModel,
        text: &Text,
        fraction: f64,
        batch_size: usize,
    ) -> Result<Self, Error> {
        let corpus = Corpus::new(text, trained.tokenizer.clone(), fraction)?;
        let part = if fraction > 0.0 {
            SplitName::Validation
        } else {
            SplitName::Train
        };
        let block_size = corpus
            .fit_block_size(trained.model.spec().block_size)
            .block_size;
        Ok(Self {
            model: trained.model.clone(),
            batches: Batches::new(corpus.into(), block_size, batch_size, 0)?,
            part,
            name: text.origin().to_string(),
            fraction,
        })
    }

    /// Returns the shape of the largest batch.
    pub fn shape(&self) -> BatchShape {
        BatchShape {
            sequences: self.batches.batch_size(),
            tokens: self.batches.block_size(),
        }
    }

    /// Evaluates the whole text or part; `None` when it has nothing to predict.
    ///
    /// # Errors
    /// Returns an error if `engine` runs another model, or if its device has stopped computing.
    pub fn evaluate(&self, engine: &mut dyn Engine) -> Result<Option<EvaluationReport>, Error> {
        let found = evaluate(engine, &self.model, &self.batches, self.part, u64::MAX)?;
        Error::unless_stopped(engine)?;
        Ok(found.map(|found| self.report(&found)))
    }

    /// Evaluates the whole text or part in windows that overlap: each but the first makes `stride`
    /// new predictions, which is at least 1.
    ///
    /// # Errors
    /// Returns an error if `engine` runs another model, or if its device has stopped computing.
    pub fn evaluate_overlapping(
        &self,
        engine: &mut dyn Engine,
        stride: usize,
    ) -> Result<Option<EvaluationReport>, Error> {
        let found = evaluate_overlapping(engine, &self.model, &self.batches, self.part, stride)?;
        Error::unless_stopped(engine)?;
        Ok(found.map(|found| EvaluationReport {
            stride: Some(stride),
            ..self.report(&found)
        }))
    }

    fn report(&self, found: &Evaluation) -> EvaluationReport {
        let block_size = self.batches.block_size();
        EvaluationReport::new(self.name.clone(), self.fraction, block_size, found)
    }
}
