//! The memory that engines and generators take is the memory that was counted before. The witness
//! is an allocator that counts the bytes held.
//!
//! There is one test, because the counter cannot tell whose an allocation is.

use std::alloc::System;

use gptlab_engine::{
    Backend, BackendOptions, Engine, GenerationRequest, Noise, StepHyper,
    cpu::{CpuBackend, CpuEngine, CpuGenerator, CpuOptions, OperandType},
    generate_each,
    memory_need::{BatchShape, Texts, Training},
};
use gptlab_model::{Batch, Model, ModelSpec, Position, Preset, lower};
use gptlab_recipe::{Decay, Optimizer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the backend that makes engines with `options`.
fn backend(options: CpuOptions) -> CpuBackend {
    CpuBackend::new(options.isa)
}

fn backend_options(options: CpuOptions) -> BackendOptions {
    BackendOptions {
        threads: options.threads,
        precision: match options.precision {
            OperandType::F32 => gptlab_recipe::Precision::F32,
            OperandType::Bf16 => gptlab_recipe::Precision::Bf16,
        },
    }
}

/// Returns the bytes that are held now and were not at the start of `region`.
fn held(region: &Region<System>) -> u64 {
    let seen = region.change();
    seen.bytes_allocated.saturating_sub(seen.bytes_deallocated) as u64
}

/// The bytes that thread pools and lists take.
const POOLS: u64 = 1 << 18;

fn not_above(what: &str, found: u64, counted: u64) {
    assert!(
        found <= counted + counted / 50 + POOLS,
        "{what}: {found} bytes held, {counted} bytes counted"
    );
}

/// Checks that `found` is at most `counted`, and at least six sevenths of it.
fn close(what: &str, found: u64, counted: u64) {
    not_above(what, found, counted);
    assert!(
        counted <= found + found / 6 + POOLS,
        "{what}: {found} bytes held, {counted} bytes counted"
    );
}

fn model(vocab_size: usize, change: impl Fn(&mut ModelSpec)) -> Model {
    let mut spec = Preset::Gpt2Mini.spec();
    change(&mut spec);
    spec.check(vocab_size).expect("a model")
}

fn models() -> [(&'static str, Model); 5] {
    [
        ("mini", model(65, |s| s.layers.truncate(2))),
        ("many tokens", model(5000, |s| s.layers.truncate(1))),
        (
            "rotary",
            model(65, |s| {
                (s.position, s.dropout) = (Position::Rotary, 0.0);
                s.block_size = 384;
                s.layers.truncate(1);
            }),
        ),
        ("gated", {
            let mut spec = Preset::Modern.spec();
            spec.block_size = 300;
            spec.layers.truncate(1);
            spec.check(100).expect("a model")
        }),
        (
            "short",
            model(65, |s| {
                s.block_size = 24;
                s.layers.truncate(1);
            }),
        ),
    ]
}

fn batch(model: &Model, shape: BatchShape) -> Batch {
    let tokens = vec![1u32; shape.tokens];
    let sequence = (tokens.as_slice(), tokens.as_slice());
    Batch::new(model, vec![sequence; shape.sequences]).expect("a batch")
}

fn hyper(optimizer: Optimizer) -> StepHyper {
    StepHyper {
        optimizer,
        update: 1,
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        decay: Decay::Everything,
        grad_clip: Some(1.0),
    }
}

/// Trains a few sequences at a time, so that fewer threads need an arena for training.
fn train_in_parts(name: &str, model: &Model, options: CpuOptions, micro_batch: usize) {
    let (graph, tokens) = (lower(model), model.spec().block_size);
    let shape = BatchShape {
        sequences: 16,
        tokens,
    };
    let of = |micro_batch| {
        let training = Training {
            shape,
            optimizer: Optimizer::AdamW,
            observed: 0,
            micro_batch,
        };
        backend(options).training_memory(&graph, backend_options(options), training)
    };
    let (weights, batch) = (graph.params().initial(1), batch(model, shape));
    let mut losses = vec![0.0; batch.tokens()];
    let region = Region::new(ALLOCATOR);
    let mut engine = CpuEngine::new(graph.clone(), &weights, options).expect("an engine");
    engine.evaluate(&batch);
    let (mut first, noise) = (0, Noise { seed: 1, step: 0 });
    while first < shape.sequences {
        let part = engine.part(&batch, first, micro_batch);
        first = part.end;
        engine.accumulate(&batch, part, noise, &mut losses);
    }
    engine.update(&hyper(Optimizer::AdamW));
    let found = held(&region) + 2 * (batch.tokens() as u64 * 8);
    let what = format!("{name}, {options:?}, {micro_batch} sequences at a time");
    close(&what, found, of(micro_batch).addresses());
    assert!(of(micro_batch).total() <= of(shape.sequences).total());
    assert_eq!(of(usize::MAX), of(shape.sequences));
}

fn train(name: &str, model: &Model, options: CpuOptions, optimizer: Optimizer, sequences: usize) {
    let graph = lower(model);
    let tokens = model.spec().block_size;
    let shape = BatchShape { sequences, tokens };
    let training = Training {
        shape,
        optimizer,
        observed: 0,
        micro_batch: shape.sequences,
    };
    let need = backend(options).training_memory(&graph, backend_options(options), training);
    let (weights, batch) = (graph.params().initial(1), batch(model, shape));
    let what = format!("{name}, {options:?}, {optimizer:?}, {sequences} sequences");
    let region = Region::new(ALLOCATOR);
    let mut engine = CpuEngine::new(graph.clone(), &weights, options).expect("an engine");
    engine.evaluate(&batch);
    engine.forward_backward(&batch, Noise { seed: 1, step: 0 });
    engine.update(&hyper(optimizer));
    // The batches were allocated before `region` started.
    let found = held(&region) + 2 * (batch.tokens() as u64 * 8);
    close(&what, found, need.addresses());
    drop(engine);
    let need = backend(options).evaluation_memory(&graph, backend_options(options), shape);
    let region = Region::new(ALLOCATOR);
    let mut engine = CpuEngine::new(graph.clone(), &weights, options).expect("an engine");
    engine.evaluate(&batch);
    let found = held(&region) + batch.tokens() as u64 * 16;
    close(&format!("{what}, evaluated"), found, need.addresses());
    let few = self::batch(
        model,
        BatchShape {
            sequences: 2,
            tokens,
        },
    );
    let more = backend(options).hook_memory(&graph, backend_options(options), few.tokens());
    let mut seen = 0;
    engine.losses_with(&few, &mut |_, _, _| {
        seen = seen.max(held(&region));
    });
    not_above(
        &format!("{what}, observed"),
        seen,
        need.and(more).addresses(),
    );
}

/// A text that measures the memory while it is written.
struct Measured<'a> {
    prompt: Vec<u32>,
    left: usize,
    region: &'a Region<'a, System>,
    most: u64,
}

impl GenerationRequest for Measured<'_> {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn next(&mut self, _: &[f32]) -> Option<u32> {
        self.most = self.most.max(held(self.region));
        self.left = self.left.checked_sub(1)?;
        Some(1)
    }
}

fn write(name: &str, model: &Model, options: CpuOptions, count: usize, tokens: usize) {
    let graph = lower(model);
    let texts = Texts {
        count,
        prompt: 4,
        tokens,
    };
    let need = backend(options).generation_memory(&graph, backend_options(options), texts);
    let weights = graph.params().initial(1);
    let region = Region::new(ALLOCATOR);
    let generator = CpuGenerator::with_options(graph, &weights, options).expect("a generator");
    let mut writers: Vec<Measured> = (0..count)
        .map(|_| Measured {
            prompt: vec![1; 4],
            left: tokens - 4,
            region: &region,
            most: 0,
        })
        .collect();
    generate_each(&generator, &mut writers).expect("prompts");
    let most = writers.iter().map(|w| w.most).max().unwrap_or(0);
    let what = format!("{name}, {options:?}, {count} texts of {tokens}");
    if options.threads == 1 {
        close(&what, most, need.addresses());
    } else {
        // One thread may write all texts before another wakes up.
        not_above(&what, most, need.addresses());
    }
}

#[test]
fn the_memory_held_is_the_memory_counted() {
    for (name, model) in models() {
        for (precision, threads) in OperandType::ALL.into_iter().zip([1, 3]) {
            let options = CpuOptions {
                precision,
                ..CpuOptions::of_threads(threads)
            };
            for (optimizer, sequences) in [
                (Optimizer::AdamW, 9),
                (Optimizer::Sgd, 1),
                (Optimizer::Muon, 2),
            ] {
                train(name, &model, options, optimizer, sequences);
            }
            for micro_batch in [1, 5] {
                train_in_parts(name, &model, options, micro_batch);
            }
            for (count, tokens) in [(1, 16), (9, 20)] {
                write(name, &model, options, count, tokens);
            }
        }
    }
    // The texts are longer than the context.
    let (name, model) = &models()[4];
    write(name, model, CpuOptions::of_threads(2), 3, 60);
}

/// Sizes that are accepted and fit no machine are counted without overflow.
#[test]
fn sizes_that_fit_no_machine_are_counted_without_overflow() {
    let options = CpuOptions::of_threads(64);
    let model = model(1 << 24, |s| {
        (s.n_embd, s.block_size) = (256, 1 << 24);
        s.layers.truncate(1);
    });
    let graph = lower(&model);
    let shape = BatchShape {
        sequences: 1 << 20,
        tokens: 1 << 24,
    };
    let training = Training {
        shape,
        optimizer: Optimizer::Muon,
        observed: 1 << 25,
        micro_batch: shape.sequences,
    };
    let need = backend(options).training_memory(&graph, backend_options(options), training);
    // Tokens, targets and losses take 28 bytes per token.
    assert!(need.total() > (28 << 44), "{need:?}");
    let texts = Texts {
        count: usize::MAX,
        prompt: usize::MAX,
        tokens: usize::MAX,
    };
    let need = backend(options).generation_memory(&graph, backend_options(options), texts);
    assert!(
        need.total() > 1 << 50 && need.addresses() >= need.total(),
        "{need:?}"
    );
}
