//! The f64 oracle: the witness of every other engine.
//!
//! A tape records each scalar that the forward pass computes, and walking it backwards gives the
//! gradients; no derivative of any layer is written down here. The code is slow and obvious.

mod forward;
mod optimizer;
mod tape;

use std::ops::Range;

use forward::OraclePass;
use gptlab_model::{Batch, Graph, Param, ParamGroup};
use gptlab_recipe::Decay;
use optimizer::Tensor;

use crate::{
    Backend, BackendOptions, Engine, Hook, ImportError, Noise, Reduce, ReduceError, Slot,
    StateSlot, StepHyper, StepStats,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};

/// An engine that runs a graph in f64, scalar by scalar.
#[derive(Clone, Debug)]
pub struct Oracle {
    graph: Graph,
    weights: Vec<f64>,
    gradients: Vec<f64>,
    exp_avg: Vec<f64>,
    exp_avg_sq: Vec<f64>,
}

impl Oracle {
    /// Makes an engine for `graph` with these initial `weights`, in the parameter table's order.
    ///
    /// # Errors
    /// Returns an error when the number of weights differs from the table's.
    pub fn new(graph: Graph, weights: &[f32]) -> Result<Self, ImportError> {
        let zeros = vec![0.0; graph.params().total()];
        let mut oracle = Self {
            graph,
            weights: zeros.clone(),
            gradients: zeros.clone(),
            exp_avg: zeros.clone(),
            exp_avg_sq: zeros,
        };
        oracle.import(Slot::Weights, weights)?;
        Ok(oracle)
    }

    /// Returns the weights without the rounding of [`Engine::export`].
    pub fn weights64(&self) -> &[f64] {
        &self.weights
    }

    /// Returns the gradients without the rounding of [`Engine::export`].
    pub fn gradients64(&self) -> &[f64] {
        &self.gradients
    }

    /// Replaces all numbers of `slot`, as [`Engine::import`] does, without rounding.
    ///
    /// # Errors
    /// Returns an error when the number of values differs from the parameter table's.
    pub fn import64(&mut self, slot: Slot, values: &[f64]) -> Result<(), ImportError> {
        let numbers = match slot {
            Slot::Weights => &mut self.weights,
            Slot::Gradients => &mut self.gradients,
            Slot::State(StateSlot::First) => &mut self.exp_avg,
            Slot::State(StateSlot::Second) => &mut self.exp_avg_sq,
        };
        if values.len() != numbers.len() {
            return Err(ImportError::Count {
                expected: numbers.len(),
                found: values.len(),
            });
        }
        numbers.copy_from_slice(values);
        Ok(())
    }

    /// Returns the mean loss of `batch`, with dropout if there is `noise`. The engine does not
    /// change.
    pub fn loss(&self, batch: &Batch, noise: Option<Noise>) -> f64 {
        let mut pass = OraclePass::run(&self.graph, &self.weights, batch, noise, false);
        let loss = pass.mean_loss();
        pass.tape.value(loss)
    }

    fn slot(&self, slot: Slot) -> &[f64] {
        match slot {
            Slot::Weights => &self.weights,
            Slot::Gradients => &self.gradients,
            Slot::State(StateSlot::First) => &self.exp_avg,
            Slot::State(StateSlot::Second) => &self.exp_avg_sq,
        }
    }
}

impl Engine for Oracle {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        first
            ..batch
                .sequences()
                .min(first.saturating_add(sequences.max(1)))
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        let at = |index: usize| index * batch.sequences() / count.max(1);
        at(index)..at(index + 1)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        if part.is_empty() {
            return;
        }
        let rows = batch.rows(part.start).start..batch.rows(part.end - 1).end;
        let mut pass = OraclePass::run(&self.graph, &self.weights, batch, Some(noise), true);
        let each = pass.losses();
        let loss = pass.share_of_mean(&each[rows.clone()], batch.tokens());
        let fresh = pass.tape.gradients(loss);
        for (held, fresh) in self.gradients.iter_mut().zip(fresh) {
            *held += fresh;
        }
        for row in rows {
            losses[row] = pass.tape.value(each[row]);
        }
    }

    /// Sends its gradients to other engines rounded to f32.
    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        if others.is_alone() {
            return Ok(());
        }
        let mut sum = vec![0.0; self.gradients.len()];
        others.receive(0, &mut sum)?;
        for (sum, own) in sum.iter_mut().zip(&self.gradients) {
            *sum = (f64::from(*sum) + own) as f32;
        }
        others.send(0, &sum)?;
        others.total(&mut sum)?;
        let total: Vec<f64> = sum.into_iter().map(f64::from).collect();
        self.import64(Slot::Gradients, &total)
            .map_err(|e| ReduceError(e.to_string()))
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        let mut pass = OraclePass::run(&self.graph, &self.weights, batch, None, false);
        let losses = pass.losses();
        losses.iter().map(|loss| pass.tape.value(*loss)).collect()
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        let squares = self.gradients.iter().map(|g| g * g);
        let stats = StepStats::clipped(squares.sum::<f64>().sqrt(), hyper.grad_clip);
        for param in self.graph.params().iter() {
            let weight_decay = weight_decay(hyper, param);
            let tensor = Tensor {
                weights: &mut self.weights[param.range()],
                gradients: self.gradients[param.range()]
                    .iter()
                    .map(|g| g * stats.clip_factor)
                    .collect(),
                exp_avg: &mut self.exp_avg[param.range()],
                exp_avg_sq: &mut self.exp_avg_sq[param.range()],
            };
            tensor.step(param, weight_decay, hyper);
        }
        self.gradients.fill(0.0);
        stats
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        self.slot(slot).iter().map(|x| *x as f32).collect()
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        let values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
        self.import64(slot, &values)
    }

    /// The hook sees values rounded to f32. Numbers that it does not change keep their f64 values.
    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        let mut pass = OraclePass::run_with(&self.graph, &self.weights, batch, hook);
        let losses = pass.losses();
        losses.iter().map(|loss| pass.tape.value(*loss)).collect()
    }
}

/// The backend of the oracle, so that it can be the witness of all code that takes a backend. It
/// runs on one thread, in f64 whatever the precision.
#[derive(Clone, Copy, Debug, Default)]
pub struct OracleBackend;

impl Backend for OracleBackend {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn engine(
        &self,
        graph: Graph,
        weights: &[f32],
        _options: BackendOptions,
    ) -> Result<Box<dyn Engine>, ImportError> {
        Ok(Box::new(Oracle::new(graph, weights)?))
    }

    fn training_memory(
        &self,
        graph: &Graph,
        _options: BackendOptions,
        training: Training,
    ) -> MemoryNeed {
        let tokens = training.shape.sequences * training.shape.tokens;
        let states = parameters(graph) * (2 + StateSlot::ALL.len() as u64);
        MemoryNeed {
            weights: states,
            arenas: tape(graph, tokens, RECORDED),
            ..MemoryNeed::default()
        }
    }

    fn evaluation_memory(
        &self,
        graph: &Graph,
        _options: BackendOptions,
        shape: BatchShape,
    ) -> MemoryNeed {
        MemoryNeed {
            weights: parameters(graph) * (2 + StateSlot::ALL.len() as u64),
            arenas: tape(graph, shape.sequences * shape.tokens, VALUE),
            ..MemoryNeed::default()
        }
    }

    fn hook_memory(&self, graph: &Graph, _options: BackendOptions, tokens: usize) -> MemoryNeed {
        MemoryNeed {
            arenas: tape(graph, tokens, VALUE),
            ..MemoryNeed::default()
        }
    }

    fn generation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        texts: Texts,
    ) -> MemoryNeed {
        let shape = BatchShape {
            sequences: 1,
            tokens: texts.tokens.min(graph.block_size()),
        };
        self.evaluation_memory(graph, options, shape)
    }
}

/// The bytes of a number on the tape; an element of a product is several of them.
const VALUE: u64 = 8;
/// The bytes of a number, with its parents, on a tape that records.
const RECORDED: u64 = 64;

/// Returns the bytes of all parameters.
fn parameters(graph: &Graph) -> u64 {
    8 * graph.params().total() as u64
}

/// Returns the approximate bytes of a tape after `tokens` tokens went through the model: every
/// product is a number on it.
fn tape(graph: &Graph, tokens: usize, number: u64) -> u64 {
    let tokens = tokens as u64;
    let products = graph.params().total() as u64 + graph.block_size() as u64;
    tokens.saturating_mul(products).saturating_mul(number)
}

fn weight_decay(hyper: &StepHyper, param: &Param) -> f64 {
    match (hyper.decay, param.group) {
        (Decay::Everything, _) | (Decay::Matrices, ParamGroup::Matrix | ParamGroup::Embedding) => {
            hyper.weight_decay
        }
        (Decay::Matrices, ParamGroup::Vector) => 0.0,
    }
}
