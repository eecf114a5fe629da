//! A training step allocates nothing after the first of its shape. The witness is an allocator that
//! counts the allocations of all threads.
//!
//! There is one test, because the counter cannot tell whose an allocation is. Every engine stays
//! alive until the end, because threads allocate while they end.

mod common;

use std::alloc::System;

use common::batches;
use gptlab_engine::{
    Alone, Engine, Noise, StepHyper,
    cpu::{CpuEngine, CpuOptions, OperandType},
};
use gptlab_model::{Batch, Model, ModelSpec, Preset, lower, random::Stream};
use gptlab_recipe::{Decay, Optimizer};
use rayon::ThreadPoolBuilder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the number of allocations, by any thread, while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let seen = region.change();
    seen.allocations + seen.reallocations
}

#[test]
fn a_step_allocates_nothing_after_the_first_of_its_shape() {
    let mut engines = Vec::new();
    for threads in [1, 2] {
        let by_pool = allocations_of_a_pass(threads);
        for case in cases() {
            let (mut run, batches) = (Run::new(&case, threads), case.batches());
            run.start(&case.model);
            let first = allocations(|| run.steps(&batches));
            assert!(first > 0, "{} allocated nothing to begin with", case.name);
            let later = allocations(|| run.steps(&batches));
            let allowed = by_pool * case.passes * batches.len();
            assert!(
                later <= allowed,
                "{} on {threads} threads: {} steps allocated {later} times, {allowed} of them the pool's",
                case.name,
                batches.len(),
            );
            engines.push(run.engine);
        }
    }
}

/// Returns the number of rayon's own allocations when all threads of a pool get a job: a list of
/// the jobs, and on some systems the objects to wait on.
fn allocations_of_a_pass(threads: usize) -> usize {
    if threads == 1 {
        return 0;
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("threads");
    pool.broadcast(|_| ());
    allocations(|| drop(pool.broadcast(|_| ())))
}

/// A model and the way in which it is trained.
struct Case {
    name: &'static str,
    model: Model,
    /// Whether sequences are shorter than the context, each by a different length.
    ragged: bool,
    optimizer: Optimizer,
    precision: OperandType,
    /// The number of times that a step on several threads gives jobs to all of them.
    passes: usize,
}

fn cases() -> [Case; 5] {
    let mut mini = ModelSpec {
        block_size: 64,
        n_embd: 64,
        dropout: 0.0,
        ..Preset::Gpt2Mini.spec()
    };
    mini.layers.truncate(2);
    let dropout = ModelSpec {
        dropout: 0.1,
        ..mini.clone()
    };
    // The passes are: chunks, the sum of their gradients, its norm, and the optimiser (which packs
    // the weights).
    let case = |name, spec: &ModelSpec| Case {
        name,
        model: spec.check(65).expect("a model that makes sense"),
        ragged: false,
        optimizer: Optimizer::AdamW,
        precision: OperandType::F32,
        passes: 4,
    };
    [
        // The model is too small for waking other threads.
        Case {
            ragged: true,
            passes: 0,
            ..case("microgpt", &Preset::Microgpt.spec())
        },
        case("gpt2-mini", &mini),
        case("gpt2-mini with dropout", &dropout),
        Case {
            precision: OperandType::Bf16,
            ..case("gpt2-mini in bf16", &mini)
        },
        Case {
            optimizer: Optimizer::Muon,
            ..case("gpt2-mini by Muon", &mini)
        },
    ]
}

impl Case {
    fn batches(&self) -> Vec<Batch> {
        let most = self.model.spec().block_size;
        let lengths = Stream::new(1, "lengths", 0);
        let length = |i| 1 + lengths.below_at(i, most);
        (0..3)
            .map(|step| {
                let sequences = 8 * step..8 * (step + 1);
                let lengths = sequences.map(|i| if self.ragged { length(i) } else { most });
                batches::of_lengths(&self.model, &lengths.collect::<Vec<_>>(), step)
            })
            .collect()
    }
}

struct Run {
    engine: CpuEngine,
    optimizer: Optimizer,
    losses: Vec<f64>,
    done: u32,
}

impl Run {
    fn new(case: &Case, threads: usize) -> Self {
        let graph = lower(&case.model);
        let weights = graph.params().initial(1);
        let options = CpuOptions {
            precision: case.precision,
            ..CpuOptions::of_threads(threads)
        };
        Self {
            engine: CpuEngine::new(graph, &weights, options).expect("threads"),
            optimizer: case.optimizer,
            // It is longer than any batch, so that it does not grow while allocations are counted.
            losses: Vec::with_capacity(1 << 12),
            done: 0,
        }
    }

    /// Gives every thread a job, since threads allocate as they start: the batch has enough tokens
    /// for any model.
    fn start(&mut self, model: &Model) {
        let lengths = vec![model.spec().block_size; 64];
        self.engine.losses(&batches::of_lengths(model, &lengths, 1));
    }

    fn steps(&mut self, batches: &[Batch]) {
        for batch in batches {
            let (seed, step) = (1, self.done);
            let noise = Noise { seed, step };
            self.losses.resize(batch.tokens(), 0.0);
            let all = 0..batch.sequences();
            self.engine.accumulate(batch, all, noise, &mut self.losses);
            self.engine.reduce(&mut Alone).expect("nobody to fail it");
            self.done += 1;
            self.engine.update(&hyper(self.optimizer, self.done));
        }
    }
}

fn hyper(optimizer: Optimizer, update: u32) -> StepHyper {
    StepHyper {
        optimizer,
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
