//! A workload on this machine: its model, its batches, and what a step of it costs.

use std::sync::Arc;

use gptlab_data::{Batches, Builtin, Corpus, Text};
use gptlab_engine::{
    BackendOptions,
    cpu::{CpuOptions, Isa, OperandType},
};
use gptlab_model::{Batch, Counts, Graph, Model, lower, random::Stream};
use gptlab_recipe::TokenizerKind;

use crate::{Error, Task, Workload, WorkloadShape};

/// The seed of weights, tokens, windows and draws. `bench/peers/step.py` uses the same.
pub(crate) const SEED: u64 = 1;
/// The number of random tokens that windows are cut from. `bench/peers/step.py` uses the same.
const POOL: u64 = 1 << 16;
/// The number of steps whose mean is the cost of a step, when steps differ.
const COSTED: u32 = 200;

/// A workload with the options of the CPU engine that runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) shape: WorkloadShape,
    pub(crate) task: Task,
    pub(crate) options: CpuOptions,
}

/// The least cost of a step, whichever program runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) parameters: usize,
    pub(crate) tokens: f64,
    /// The floating-point operations of matrix products; a multiply-add counts as two.
    pub(crate) flops: f64,
    /// The bytes that move between memory and the cores if all activations stay in caches.
    pub(crate) bytes: f64,
}

/// The size of a step, or the mean size when steps differ.
struct StepSize {
    tokens: f64,
    flops: f64,
}

impl Job {
    pub(crate) fn of(workload: &Workload, threads: usize, isa: Isa) -> Self {
        Self {
            shape: workload.shape,
            task: workload.task,
            options: CpuOptions {
                threads: workload.task.threads(threads),
                isa,
                precision: workload.precision,
            },
        }
    }

    /// Returns the options without the instructions, which a backend holds itself.
    pub(crate) fn backend_options(&self) -> BackendOptions {
        BackendOptions {
            threads: self.options.threads,
            precision: match self.options.precision {
                OperandType::F32 => gptlab_recipe::Precision::F32,
                OperandType::Bf16 => gptlab_recipe::Precision::Bf16,
            },
        }
    }

    pub(crate) fn cost(&self) -> Result<Cost, Error> {
        let source = BatchSource::of(self)?;
        let model = self.model(&source)?;
        let graph = lower(&model);
        let parameters = graph.params().total();
        let StepSize { tokens, flops } = self.step_size(&model, &graph, &source)?;
        let bytes = match self.task {
            Task::Windows { .. } | Task::Names { .. } => training_bytes(parameters),
            Task::Generate { texts, .. } => {
                let size = weight_bytes(self.options.precision);
                decoding_bytes(&graph, self.shape.block_size - 1, texts, size)
            }
        };
        Ok(Cost {
            parameters,
            tokens,
            flops,
            bytes,
        })
    }

    fn step_size(
        &self,
        model: &Model,
        graph: &Graph,
        source: &BatchSource,
    ) -> Result<StepSize, Error> {
        match self.task {
            Task::Windows { .. } => mean_of(1, model, graph, source),
            Task::Names { .. } => mean_of(COSTED, model, graph, source),
            Task::Generate { texts, .. } => {
                let new = self.shape.block_size - 1;
                let flops = Counts::of(graph, new).forward_flops;
                Ok(StepSize {
                    tokens: (texts * new) as f64,
                    flops: texts as f64 * flops as f64,
                })
            }
        }
    }

    pub(crate) fn model(&self, source: &BatchSource) -> Result<Model, Error> {
        Ok(self.shape.spec()?.check(source.vocab_size())?)
    }
}

/// Returns the mean tokens and operations of the first `steps` training steps.
fn mean_of(
    steps: u32,
    model: &Model,
    graph: &Graph,
    source: &BatchSource,
) -> Result<StepSize, Error> {
    let (mut tokens, mut flops) = (0, 0);
    for step in 0..steps {
        let batch = source.batch(None, model, step)?;
        tokens += batch.tokens();
        flops += (0..batch.sequences())
            .map(|i| Counts::of(graph, batch.rows(i).len()).training_flops())
            .sum::<u128>();
    }
    let mean = |sum: f64| sum / f64::from(steps);
    Ok(StepSize {
        tokens: mean(tokens as f64),
        flops: mean(flops as f64),
    })
}

/// Returns the least number of bytes that a training step moves: it reads the weights in the
/// forward and backward pass and writes them, writes and reads the gradients, and reads and writes
/// both moments. That is nine numbers of four bytes per parameter.
fn training_bytes(parameters: usize) -> f64 {
    9.0 * 4.0 * parameters as f64
}

/// Returns the least number of bytes that generating `new` tokens of each of `texts` moves: every
/// weight of a product is read once per position for all texts, and every key and value once per
/// position for its own text.
fn decoding_bytes(graph: &Graph, new: usize, texts: usize, weight_bytes: f64) -> f64 {
    let flops = |tokens: usize| Counts::of(graph, tokens).forward_flops as f64;
    // A weight costs two operations per token, and a key with its value four per pair. Therefore
    // flops(1) = 2 w + 4 a and flops(2) = 4 w + 12 a.
    let weights = (3.0 * flops(1) - flops(2)) / 2.0;
    let read_once = new as f64 * weights;
    let own = flops(new) / 2.0 - read_once;
    weight_bytes * read_once + 4.0 * texts as f64 * own
}

/// Returns the bytes of one weight during decoding.
fn weight_bytes(precision: OperandType) -> f64 {
    match precision {
        OperandType::F32 => 4.0,
        OperandType::Bf16 => 2.0,
    }
}

/// The source of batches.
pub(crate) enum BatchSource {
    Windows {
        pool: Vec<u32>,
        vocab_size: usize,
        batch: usize,
        block_size: usize,
    },
    Names(Batches),
    Nowhere {
        vocab_size: usize,
    },
}

impl BatchSource {
    pub(crate) fn of(job: &Job) -> Result<Self, Error> {
        let block_size = job.shape.block_size;
        Ok(match job.task {
            Task::Windows { vocab_size, batch } => Self::Windows {
                pool: pool(vocab_size),
                vocab_size,
                batch,
                block_size,
            },
            Task::Names { batch } => Self::Names(names(block_size, batch)?),
            Task::Generate { vocab_size, .. } => Self::Nowhere { vocab_size },
        })
    }

    fn vocab_size(&self) -> usize {
        match self {
            Self::Windows { vocab_size, .. } | Self::Nowhere { vocab_size } => *vocab_size,
            Self::Names(names) => names.corpus().tokenizer().vocab_size(),
        }
    }

    /// Makes the batch of `step`, in the memory of the batch `spent`.
    pub(crate) fn batch(
        &self,
        spent: Option<Batch>,
        model: &Model,
        step: u32,
    ) -> Result<Batch, Error> {
        let batch = match self {
            Self::Windows {
                pool,
                batch,
                block_size,
                ..
            } => {
                let starts = Stream::new(SEED, "bench/windows", step);
                let windows = (0..*batch as u64)
                    .map(|i| starts.below_at(i, pool.len() - block_size))
                    .map(|at| pool[at..=at + block_size].iter().copied());
                Batch::of_windows(spent, model, windows)
            }
            Self::Names(names) => names.train_in(spent, model, step),
            Self::Nowhere { .. } => Batch::new(model, []),
        };
        Ok(batch?)
    }
}

fn pool(vocab_size: usize) -> Vec<u32> {
    let stream = Stream::new(SEED, "bench/tokens", 0);
    (0..POOL)
        .map(|i| stream.below_at(i, vocab_size) as u32)
        .collect()
}

fn names(block_size: usize, batch: usize) -> Result<Batches, Error> {
    let text = Text::builtin(Builtin::Names);
    let corpus = Corpus::fit(&text, TokenizerKind::Lines, 0.0)?;
    Ok(Batches::new(Arc::new(corpus), block_size, batch, SEED)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads;

    fn cost(name: &str) -> Cost {
        let workload = workloads::named(&[name.to_owned()]).unwrap()[0];
        Job::of(workload, 2, Isa::detect()).cost().unwrap()
    }

    /// The operations are computed by hand from the sizes: two per weight and token, four per pair
    /// and channel. A backward pass costs two forward passes.
    #[test]
    fn operations_are_those_of_the_formula() {
        let weights = 4.0 * 12.0 * 128.0 * 128.0 + 65.0 * 128.0;
        let forward = |t: f64| 2.0 * t * weights + 4.0 * 128.0 * 4.0 * t * (t + 1.0) / 2.0;
        assert_eq!(cost("mini").flops, 3.0 * 32.0 * forward(256.0));
        assert_eq!(cost("mini").tokens, 8192.0);
        assert_eq!(cost("generate").flops, forward(255.0));
        assert_eq!(cost("generate").tokens, 255.0);
        assert_eq!(cost("generate-batch").flops, 64.0 * forward(255.0));
    }

    /// The bytes are computed by hand: for each token, one text reads every weight and every key
    /// and value so far. Several texts share the weights.
    #[test]
    fn bytes_of_decoding_are_those_read() {
        let weights = 4.0 * 12.0 * 128.0 * 128.0 + 65.0 * 128.0;
        let own = 4.0 * 4.0 * 2.0 * 128.0 * 255.0 * 256.0 / 2.0;
        assert_eq!(cost("generate").bytes, 4.0 * 255.0 * weights + own);
        assert_eq!(cost("generate-bf16").bytes, 2.0 * 255.0 * weights + own);
        let many = 4.0 * 255.0 * weights + 64.0 * own;
        assert_eq!(cost("generate-batch").bytes, many);
    }

    /// nanoGPT prints 10.65M, without the 98,304 position embeddings. GPT-2's count is Hugging
    /// Face's.
    #[test]
    fn models_have_the_parameters_of_their_originals() {
        assert_eq!(cost("10m").parameters - 98_304, 10_646_784);
        assert_eq!(cost("124m").parameters, 124_439_808);
        assert_eq!(cost("micro-16").parameters, 4_192);
    }
}
