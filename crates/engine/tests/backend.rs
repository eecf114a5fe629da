//! Every backend fulfils the contract, and backends agree: hooks change the same losses, texts are
//! the same, and optimisers keep the state that they name.

mod common;

use std::ops::Range;

use common::{
    batches, engines,
    specs::Grid,
    texts::{Greedy, texts},
    tolerance::{Gate, Tolerance},
};
use gptlab_engine::{
    Backend, BackendOptions, Engine, GenerationError, Generator, Hook, ImportError, Noise,
    PromptError, Reduce, ReduceError, Slot, StateSlot, StepHyper, StepStats, UncachedGenerator,
    cpu::CpuBackend,
    generate_each,
    memory_need::{BatchShape, Texts, Training},
    oracle::{Oracle, OracleBackend},
};
use gptlab_model::{Batch, Choice, Graph};
use gptlab_recipe::{Decay, Optimizer};

fn engine(backend: &dyn Backend, graph: &Graph) -> Box<dyn Engine> {
    let weights = batches::weights(graph, 1);
    let engine = backend.engine(graph.clone(), &weights, BackendOptions::default());
    engine.expect("as many weights as the table has")
}

/// Every node is ablated in turn, on the CPU and on the oracle: half of its columns become zero.
#[test]
fn a_hook_changes_the_losses_of_every_backend_alike() {
    let mut gate = Gate::new(Tolerance::F32);
    for case in Grid::alone().cases {
        let batch = batches::ragged(&case.model, 3);
        let mut fast = engine(&CpuBackend::default(), &case.graph);
        let mut witness = engine(&OracleBackend, &case.graph);
        for ablated in case.graph.ids() {
            let without = |engine: &mut dyn Engine, batch: &Batch| {
                engine.losses_with(batch, &mut |id, node, value| {
                    if id == ablated {
                        let rows = value.chunks_mut(node.width);
                        rows.for_each(|row| row[..node.width / 2].fill(0.0));
                    }
                })
            };
            let found = without(&mut *fast, &batch);
            let expected = without(&mut *witness, &batch);
            let what = || format!("{} of {}", case.graph.node(ablated).name, case.name);
            gate.compare(what, &found, &expected);
        }
    }
    gate.finish("losses without half of a node");
}

/// Generators with and without caches choose the same likeliest tokens, inside and past the
/// context.
#[test]
fn generators_with_and_without_caches_write_the_same() {
    for case in Grid::alone().cases {
        let (graph, block_size) = (case.graph.clone(), case.graph.block_size());
        let weights = batches::weights(&graph, 1);
        let cpu = CpuBackend::default();
        let options = BackendOptions::default().with_threads(2);
        let cached = cpu.generator(graph.clone(), &weights, options);
        let cached = texts(&*cached.expect("a generator"), block_size);
        let uncached = UncachedGenerator::new(engine(&cpu, &graph));
        assert_eq!(texts(&uncached, block_size), cached, "{}", case.name);
        let witness = OracleBackend.generator(graph, &weights, options);
        let witness = texts(&*witness.expect("a generator"), block_size);
        assert_eq!(witness, cached, "{}", case.name);
    }
}

#[test]
fn every_generator_refuses_an_invalid_prompt() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let unknown = case.graph.vocab_size() as u32;
    let backends: [&dyn Backend; 2] = [&CpuBackend::default(), &OracleBackend];
    for backend in backends {
        let options = BackendOptions::default();
        let generator = backend.generator(case.graph.clone(), &weights, options);
        let generator = generator.expect("a generator");
        let request = |prompt: &[u32]| Greedy {
            prompt: prompt.to_vec(),
            left: 3,
            tokens: Vec::new(),
        };
        let mut requests = [request(&[0]), request(&[unknown])];
        let refused = generate_each(&*generator, &mut requests);
        assert_eq!(
            refused,
            Err(PromptError::Unknown(unknown, unknown as usize).into())
        );
        assert!(requests.iter().all(|r| r.tokens.is_empty()));
        let refused = generator.generate_one(&mut request(&[]));
        assert_eq!(refused, Err(PromptError::Empty.into()));
        let few = backend.generator(case.graph.clone(), &weights[1..], options);
        assert!(few.is_err());
    }
}

/// A slot that an optimiser does not name stays at zero, and one that it names does not.
#[test]
fn optimisers_keep_what_they_name() {
    let case = Grid::alone().cases.swap_remove(0);
    let batch = batches::ragged(&case.model, 3);
    let backends: [&dyn Backend; 2] = [&CpuBackend::default(), &OracleBackend];
    for (backend, optimizer) in backends
        .into_iter()
        .flat_map(|b| Optimizer::ALL.iter().map(move |o| (b, *o)))
    {
        let mut engine = engine(backend, &case.graph);
        engine.forward_backward(&batch, Noise { seed: 1, step: 0 });
        engine.update(&StepHyper {
            optimizer,
            update: 1,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.1,
            decay: Decay::Everything,
            grad_clip: None,
        });
        for (i, slot) in StateSlot::ALL.into_iter().enumerate() {
            let numbers = engine.export(Slot::State(slot));
            for param in case.graph.params().iter() {
                let kept = numbers[param.range()].iter().any(|x| *x != 0.0);
                let named = i < optimizer.state(param.group).len();
                let what = format!("{optimizer:?}, {slot:?} of {}", param.name);
                // A key's bias has no gradient under a softmax, and the oracle computes exactly
                // that.
                assert!(
                    kept == named || named && param.name.ends_with("bias"),
                    "{what}"
                );
            }
        }
    }
}

/// The memory that a backend counts grows with the work, and is never zero.
#[test]
fn every_backend_counts_its_memory() {
    let case = Grid::alone().cases.swap_remove(0);
    let backends: [&dyn Backend; 2] = [&CpuBackend::default(), &OracleBackend];
    for backend in backends {
        let options = BackendOptions::default();
        let training = |sequences, optimizer| {
            let shape = BatchShape {
                sequences,
                tokens: case.graph.block_size(),
            };
            let training = Training {
                shape,
                optimizer,
                observed: 0,
                micro_batch: sequences,
            };
            let need = backend.training_memory(&case.graph, options, training);
            (need, backend.evaluation_memory(&case.graph, options, shape))
        };
        let (one, evaluating) = training(1, Optimizer::AdamW);
        let (many, _) = training(64, Optimizer::AdamW);
        assert!(
            0 < evaluating.total() && evaluating.total() < one.total(),
            "{backend:?}"
        );
        assert!(one.total() < many.total(), "{backend:?}");
        let texts = Texts {
            count: 2,
            prompt: 1,
            tokens: 3,
        };
        let writing = backend.generation_memory(&case.graph, options, texts);
        assert!(writing.total() > 0, "{backend:?}");
        assert!(
            backend.hook_memory(&case.graph, options, 5).total() > 0,
            "{backend:?}"
        );
    }
}

/// The oracle is the witness of these tests; here it is tested itself: a hook that writes the
/// values it is shown changes no bit of the oracle's f64.
#[test]
fn an_oracles_hook_that_changes_nothing_changes_no_bit() {
    for case in Grid::alone().cases {
        let weights = batches::weights(&case.graph, 1);
        let mut oracle = engines::oracle(case.graph.clone(), &weights);
        let batch = batches::ragged(&case.model, 3);
        let losses = oracle.losses(&batch);
        let with = oracle.losses_with(&batch, &mut |_, _, value| {
            let same = value.to_vec();
            value.copy_from_slice(&same);
        });
        assert_eq!(with, losses, "{}", case.name);
    }
}

/// The oracle on a device that stops at the given evaluation: its numbers are then no results.
#[derive(Debug)]
struct Stopping {
    inner: Oracle,
    left: usize,
}

impl Engine for Stopping {
    fn graph(&self) -> &Graph {
        self.inner.graph()
    }

    fn failure(&self) -> Option<String> {
        (self.left == 0).then(|| "the device has stopped".to_owned())
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        self.inner.part(batch, first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        self.inner.share(batch, index, count)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        self.inner.accumulate(batch, part, noise, losses);
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        self.inner.reduce(others)
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        self.inner.losses(batch)
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        self.inner.update(hyper)
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        self.inner.export(slot)
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        self.inner.import(slot, values)
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.left -= 1;
        self.inner.losses_with(batch, hook)
    }
}

#[test]
fn a_device_that_stops_ends_a_text_with_its_own_sentence() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let generator = UncachedGenerator::new(Box::new(Stopping {
        inner: engines::oracle(case.graph.clone(), &weights),
        left: 3,
    }));
    let mut text = Greedy {
        prompt: vec![0],
        left: 9,
        tokens: Vec::new(),
    };
    let stopped = generator.generate_one(&mut text);
    let reason = "the device has stopped".to_owned();
    assert_eq!(stopped, Err(GenerationError::Device(reason)));
    assert_eq!(text.tokens.len(), 2);
}
