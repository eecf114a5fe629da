//! The steps of a job, as functions that can be timed.

use gptlab_engine::{
    Backend, GenerationError, GenerationRequest, Noise, StepHyper,
    cpu::{CpuBackend, CpuGenerator},
    generate_each,
    sample::{Ranking, Sampling},
};
use gptlab_model::{Graph, Model, lower, random::Stream};
use gptlab_recipe::{Decay, Optimizer};

use crate::{
    Error, Task,
    job::{BatchSource, Job, SEED},
};

/// One step, which can run any number of times.
pub(crate) type TimedStep = Box<dyn FnMut() -> Result<(), Error>>;

/// A step and the number of its model's parameters.
pub(crate) struct Prepared {
    pub(crate) step: TimedStep,
    pub(crate) parameters: usize,
}

/// Prepares everything that a step of `job` needs.
pub(crate) fn prepare(job: &Job) -> Result<Prepared, Error> {
    let source = BatchSource::of(job)?;
    let model = job.model(&source)?;
    let graph = lower(&model);
    let weights = graph.params().initial(SEED);
    let step = match job.task {
        Task::Windows { .. } | Task::Names { .. } => training(job, model, graph, &weights, source),
        Task::Generate { texts: 1, .. } => generating(job, graph, &weights),
        Task::Generate { texts, .. } => generating_together(job, graph, &weights, texts),
    };
    Ok(Prepared {
        step: step?,
        parameters: weights.len(),
    })
}

fn training(
    job: &Job,
    model: Model,
    graph: Graph,
    weights: &[f32],
    source: BatchSource,
) -> Result<TimedStep, Error> {
    let backend = CpuBackend::new(job.options.isa);
    let mut engine = backend.engine(graph, weights, job.backend_options())?;
    let (mut step, mut spent) = (0, None);
    Ok(Box::new(move || {
        let batch = source.batch(spent.take(), &model, step)?;
        engine.forward_backward(&batch, Noise { seed: SEED, step });
        step += 1;
        engine.update(&hyper(step));
        spent = Some(batch);
        Ok(())
    }))
}

/// Returns the AdamW settings of gpt2-mini.
fn hyper(update: u32) -> StepHyper {
    StepHyper {
        optimizer: Optimizer::AdamW,
        update: update.into(),
        lr: 3e-4,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.1,
        decay: Decay::Everything,
        grad_clip: Some(1.0),
    }
}

/// The prompt of every text.
const PROMPT: &[u32] = &[0];

fn generating(job: &Job, graph: Graph, weights: &[f32]) -> Result<TimedStep, Error> {
    let new = graph.block_size() as u64 - 1;
    let mut generator = CpuGenerator::with_options(graph, weights, job.options)?;
    let sampling = sampling()?;
    let mut text = 0;
    Ok(Box::new(move || {
        generator.begin(PROMPT).map_err(GenerationError::from)?;
        let draws = draws(text);
        for i in 0..new {
            let token = generator.next_token(&sampling, draws.uniform_at(i));
            token.ok_or(Error::Diverged)?;
        }
        text += 1;
        Ok(())
    }))
}

fn generating_together(
    job: &Job,
    graph: Graph,
    weights: &[f32],
    texts: usize,
) -> Result<TimedStep, Error> {
    let new = graph.block_size() - 1;
    let backend = CpuBackend::new(job.options.isa);
    let generator = backend.generator(graph, weights, job.backend_options())?;
    let sampling = sampling()?;
    let mut first = 0;
    Ok(Box::new(move || {
        let mut all: Vec<GeneratedText> = (first..first + texts as u32)
            .map(|text| GeneratedText {
                left: new,
                sampling,
                ranking: Ranking::default(),
                draws: draws(text),
            })
            .collect();
        first += texts as u32;
        Ok(generate_each(&*generator, &mut all)?)
    }))
}

fn sampling() -> Result<Sampling, Error> {
    Ok(Sampling::new(1.0, None, None)?)
}

fn draws(text: u32) -> Stream {
    Stream::new(SEED, "bench/draws", text)
}

/// One of many texts that are generated together.
struct GeneratedText {
    /// The number of tokens still to generate.
    left: usize,
    sampling: Sampling,
    ranking: Ranking,
    draws: Stream,
}

impl GenerationRequest for GeneratedText {
    fn prompt(&self) -> &[u32] {
        PROMPT
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let uniform = self.draws.uniform_at(self.left as u64);
        self.sampling.choose(&mut self.ranking, logits, uniform)
    }
}
