//! The laws of engines, on the GPU: the same bits twice, in parts, and through a hook that changes
//! nothing; numbers that go in and out; failures that are sentences.

#[path = "../../engine/tests/common/mod.rs"]
mod common;
mod device;

use common::{
    batches,
    specs::{self, Case, Grid},
    tolerance::{Gate, Tolerance},
};
use device::{gpu, maker};
use gptlab_engine::{
    Alone, Backend, BackendOptions, Device, Engine, Noise, Reduce, ReduceError, Slot, StepHyper,
    StepResult, untouched,
};
use gptlab_gpu::{GpuBackend, GpuError, adapters};
use gptlab_model::{Batch, Node, Preset, ValueId};
use gptlab_recipe::{Decay, Optimizer, Precision};

fn hyper(optimizer: Optimizer, update: u32) -> StepHyper {
    StepHyper {
        optimizer,
        update: update.into(),
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        decay: Decay::Matrices,
        grad_clip: Some(1.0),
    }
}

fn noise(step: u32) -> Noise {
    Noise { seed: 1, step }
}

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

fn make(backend: &GpuBackend, case: &Case, precision: Precision) -> Box<dyn Engine> {
    let weights = batches::weights(&case.graph, 1);
    maker(backend, precision)(case.graph.clone(), &weights)
}

/// Returns everything an engine holds, as bits.
fn state(engine: &dyn Engine) -> Vec<u32> {
    let numbers = Slot::ALL.iter().flat_map(|slot| engine.export(*slot));
    numbers.map(f32::to_bits).collect()
}

/// Returns larger models, and a piece of gpt2-mini with dropout.
fn trials() -> Vec<(Case, Batch)> {
    let mut trials = specs::larger();
    let mut mini = Preset::Gpt2Mini.spec();
    mini.layers.truncate(1);
    let mini = Case::new("gpt2-mini", &mini, 65).expect("a preset");
    trials.push((mini, vec![256, 31, 2, 100, 64]));
    let batch = |(case, lengths): (Case, Vec<usize>)| {
        let batch = batches::of_lengths(&case.model, &lengths, 1);
        (case, batch)
    };
    trials.into_iter().map(batch).collect()
}

/// The results of three steps, one of each optimiser, as bits.
fn trained(
    engine: &mut dyn Engine,
    batch: &Batch,
    mut accumulate: impl FnMut(&mut dyn Engine, Noise, &mut [f64]),
) -> (Vec<u64>, Vec<u32>) {
    let (mut numbers, mut gradients) = (Vec::new(), Vec::new());
    let optimizers = [Optimizer::AdamW, Optimizer::Muon, Optimizer::Sgd];
    for (optimizer, step) in optimizers.into_iter().zip(1..) {
        let mut losses = vec![0.0; batch.tokens()];
        accumulate(engine, noise(step), &mut losses);
        gradients.extend(engine.export(Slot::Gradients).into_iter().map(f32::to_bits));
        let stats = engine.update(&hyper(optimizer, step));
        numbers.extend(
            losses
                .into_iter()
                .chain([stats.grad_norm])
                .map(f64::to_bits),
        );
    }
    gradients.extend(state(engine));
    (numbers, gradients)
}

fn whole(engine: &mut dyn Engine, batch: &Batch) -> (Vec<u64>, Vec<u32>) {
    trained(engine, batch, |engine, noise, losses| {
        engine.accumulate(batch, 0..batch.sequences(), noise, losses);
        engine.reduce(&mut Alone).expect("nobody to fail it");
    })
}

#[test]
fn the_same_device_computes_the_same_bits_twice() {
    let Some(backend) = gpu() else { return };
    for (case, batch) in &trials() {
        for precision in PRECISIONS {
            let [one, two] = [0, 1].map(|_| whole(&mut *make(&backend, case, precision), batch));
            assert!(one == two, "{} {precision:?}", case.name);
        }
    }
}

#[test]
fn micro_batches_are_the_batch_to_the_bit() {
    let Some(backend) = gpu() else { return };
    let backend = backend.with_most_rows(1);
    let trials = trials();
    let trials = trials
        .iter()
        .flat_map(|trial| PRECISIONS.map(|precision| (trial, precision)));
    for ((case, batch), precision) in trials {
        let expected = whole(&mut *make(&backend, case, precision), batch);
        for sequences in [1, 2] {
            let engine = &mut *make(&backend, case, precision);
            let mut parts = 0;
            let found = trained(engine, batch, |engine, noise, losses| {
                let mut first = 0;
                while first < batch.sequences() {
                    let part = engine.part(batch, first, sequences);
                    assert!(part.start == first && part.end > first, "{part:?}");
                    first = part.end;
                    engine.accumulate(batch, part, noise, losses);
                    parts += 1;
                }
                engine.reduce(&mut Alone).expect("nobody to fail it");
            });
            assert!(
                parts >= 3 && found == expected,
                "{} {precision:?}, {sequences}",
                case.name
            );
        }
    }
}

/// Three steps that the host does not wait for, each of which is seen when the next is begun.
#[test]
fn queued_steps_are_the_steps_that_are_waited_for_to_the_bit() {
    let Some(backend) = gpu() else { return };
    let backend = backend.with_most_rows(64);
    for (case, batch) in &trials() {
        for optimizer in [Optimizer::AdamW, Optimizer::Muon, Optimizer::Sgd] {
            let steps = [1, 2, 3];
            let mut waited = make(&backend, case, Precision::F32);
            let expected: Vec<StepResult> = steps
                .iter()
                .map(|step| StepResult {
                    step: *step,
                    loss: waited.forward_backward(batch, noise(*step)),
                    stats: waited.update(&hyper(optimizer, *step)),
                })
                .collect();
            let mut engine = make(&backend, case, Precision::F32);
            let queued = engine.queued().expect("a device beside the host");
            assert_eq!(queued.end_step(), None);
            let mut found = Vec::new();
            for step in steps {
                let before = queued.begin_step(batch, noise(step), &hyper(optimizer, step));
                assert_eq!(
                    before.map(|before| before.step + 1),
                    (step > 1).then_some(step)
                );
                found.extend(before);
            }
            found.extend(queued.end_step());
            assert_eq!(queued.end_step(), None);
            assert_eq!(found, expected, "{} {optimizer:?}", case.name);
            assert!(
                state(&*engine) == state(&*waited),
                "{} {optimizer:?}",
                case.name
            );
        }
    }
}

/// A chain that is walked engine by engine, in one thread: each engine gets the sum of those before
/// it, and the last one's sum is the total.
struct Link {
    first: bool,
    sum: Vec<f32>,
}

impl Reduce for Link {
    fn receive(&mut self, at: usize, block: &mut [f32]) -> Result<(), ReduceError> {
        if !self.first {
            block.copy_from_slice(&self.sum[at..at + block.len()]);
        }
        Ok(())
    }

    fn send(&mut self, at: usize, block: &[f32]) -> Result<(), ReduceError> {
        self.sum[at..at + block.len()].copy_from_slice(block);
        Ok(())
    }

    fn total(&mut self, gradients: &mut [f32]) -> Result<(), ReduceError> {
        gradients.copy_from_slice(&self.sum);
        Ok(())
    }
}

#[test]
fn engines_with_a_share_each_are_one_engine_to_the_bit() {
    let Some(backend) = gpu() else { return };
    let backend = backend.with_most_rows(1);
    for (case, batch) in &trials() {
        let mut one = make(&backend, case, Precision::F32);
        one.forward_backward(batch, noise(1));
        let expected = one.export(Slot::Gradients);
        for count in [2, 3, 9] {
            let mut link = Link {
                first: true,
                sum: vec![0.0; expected.len()],
            };
            for index in 0..count {
                let mut engine = make(&backend, case, Precision::F32);
                let share = engine.share(batch, index, count);
                let mut losses = vec![0.0; batch.tokens()];
                engine.accumulate(batch, share, noise(1), &mut losses);
                engine.reduce(&mut link).expect("a link");
                link.first = false;
            }
            let same = link.sum.iter().zip(&expected);
            let same = same.map(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same.into_iter().all(|same| same), "{}, {count}", case.name);
        }
    }
}

#[test]
fn a_hook_that_changes_nothing_leaves_the_losses_to_the_bit() {
    let Some(backend) = gpu() else { return };
    let trials = trials();
    let trials = trials
        .iter()
        .flat_map(|trial| PRECISIONS.map(|precision| (trial, precision)));
    for ((case, batch), precision) in trials {
        let mut engine = make(&backend, case, precision);
        let losses = engine.losses(batch);
        let trace = engine.trace(batch, &mut untouched);
        assert_eq!(trace.losses(), losses, "{}", case.name);
        assert_eq!(engine.losses(batch), losses, "{} afterwards", case.name);
    }
}

#[test]
fn what_a_hook_writes_is_what_later_nodes_read() {
    let Some(backend) = gpu() else { return };
    for case in Grid::alone().cases {
        let n = case.model.spec().block_size;
        let [a, b] = [1, 4].map(|seed| batches::of_lengths(&case.model, &[n, 1, 2], seed));
        let rows = (0..b.sequences()).map(|i| b.rows(i));
        let pairs = rows.map(|r| (&b.inputs()[r.clone()], &a.targets()[r]));
        let b = Batch::new(&case.model, pairs).expect("the same lengths");
        let mut engine = make(&backend, &case, Precision::F32);
        let [of_a, of_b] = [&a, &b].map(|batch| engine.trace(batch, &mut untouched));
        assert_ne!(of_a.losses(), of_b.losses(), "{}", case.name);
        let patched = engine.trace(&b, &mut |id: ValueId, _: &Node, value: &mut [f32]| {
            value.copy_from_slice(&of_a.of(id).values);
        });
        assert_eq!(patched, of_a, "{}", case.name);
    }
}

#[test]
fn what_is_exported_goes_on_the_same_on_the_gpu_and_near_on_the_cpu() {
    let Some(backend) = gpu() else { return };
    let mut gate = Gate::new(Tolerance::F32);
    for case in Grid::alone().cases {
        let [a, b] = [1, 2].map(|seed| batches::ragged(&case.model, seed));
        let cpu = Device::cpu(1);
        let other = batches::weights(&case.graph, 9);
        let mut engines = [
            make(&backend, &case, Precision::F32),
            maker(&backend, Precision::F32)(case.graph.clone(), &other),
            cpu.engine(case.graph.clone(), &other).expect("an engine"),
        ];
        engines[0].forward_backward(&a, noise(1));
        engines[0].update(&hyper(Optimizer::AdamW, 1));
        engines[0].forward_backward(&b, noise(2));
        for slot in Slot::ALL {
            let numbers = engines[0].export(slot);
            for engine in &mut engines {
                engine.import(slot, &numbers).expect("as many as it gave");
            }
        }
        assert_eq!(state(&*engines[0]), state(&*engines[1]), "{}", case.name);
        let losses = engines.each_mut().map(|engine| {
            let loss = engine.forward_backward(&a, noise(3));
            let norm = engine.update(&hyper(Optimizer::AdamW, 2)).grad_norm;
            [loss, norm, engine.evaluate(&b)]
        });
        assert_eq!(state(&*engines[0]), state(&*engines[1]), "{}", case.name);
        gate.compare(|| case.name.clone(), &losses[0], &losses[2]);
    }
    gate.finish("a run that changes its device");
}

#[test]
fn refusals_are_sentences() {
    let Some(backend) = gpu() else { return };
    let count = adapters().len();
    let refusal = GpuBackend::new(Some(count))
        .map(|_| ())
        .expect_err("one too many");
    assert!(
        matches!(&refusal, GpuError::NoSuchAdapter(n, names) if *n == count && names.len() == count)
    );
    assert!(
        refusal.to_string().contains("use one of these numbers"),
        "{refusal}"
    );
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let n = case.graph.params().total();
    let weights = vec![0.0; n + 1];
    let refusal = backend.engine(case.graph.clone(), &weights, BackendOptions::default());
    let refusal = refusal
        .map(|_| ())
        .expect_err("one number too many")
        .to_string();
    assert_eq!(
        refusal,
        format!("the model has {n} parameters; found {} values", n + 1)
    );
    let mut wide = specs::base();
    wide.n_embd = 1600;
    wide.layers.truncate(1);
    wide.set_heads(1);
    let wide = Case::new("wide", &wide, specs::VOCAB).expect("a wide head");
    let weights = vec![0.0; wide.graph.params().total()];
    let refusal = backend.engine(wide.graph.clone(), &weights, BackendOptions::default());
    let refusal = refusal.map(|_| ()).expect_err("too wide").to_string();
    assert!(
        refusal.contains("1600 numbers") && refusal.contains("use more heads"),
        "{refusal}"
    );
}

/// The context is so long that one sequence's values fit no buffer.
#[test]
fn a_model_that_does_not_fit_is_refused_with_what_would() {
    let Some(backend) = gpu() else { return };
    let mut spec = specs::base();
    spec.layers.clear();
    spec.n_embd = 4096;
    spec.block_size = 1 << 20;
    spec.position = gptlab_model::Position::None;
    let case = Case::new("long", &spec, specs::VOCAB).expect("a long context");
    let weights = vec![0.0; case.graph.params().total()];
    let refusal = backend.engine(case.graph.clone(), &weights, BackendOptions::default());
    let refusal = refusal.map(|_| ()).expect_err("too long").to_string();
    assert!(refusal.contains("use a shorter context"), "{refusal}");
}

#[test]
fn free_memory_is_what_the_device_gives() {
    let Some(backend) = gpu() else { return };
    let wanted = (100 << 20) + 1;
    assert_eq!(backend.free_memory(0), Some(0));
    assert_eq!(backend.free_memory(wanted), Some(wanted));
}

#[test]
fn a_lost_device_is_reported_and_gives_no_numbers() {
    let Some(backend) = gpu() else { return };
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let batch = batches::ragged(&case.model, 1);
    let mut engine = make(&backend, &case, Precision::F32);
    assert!(engine.evaluate(&batch).is_finite() && engine.failure().is_none());
    let adamw = hyper(Optimizer::AdamW, 1);
    let queued = engine.queued().expect("a device beside the host");
    assert_eq!(queued.begin_step(&batch, noise(1), &adamw), None);
    backend.lose();
    // The step that was under way may have ended before.
    let queued = engine.queued().expect("a device beside the host");
    let result = queued.begin_step(&batch, noise(2), &adamw);
    let last = queued.end_step().or(result).expect("a step");
    assert!(last.loss.is_nan() && last.stats.grad_norm.is_nan());
    assert!(engine.forward_backward(&batch, noise(1)).is_nan());
    assert!(
        engine
            .update(&hyper(Optimizer::AdamW, 1))
            .grad_norm
            .is_nan()
    );
    assert!(engine.evaluate(&batch).is_nan());
    assert!(engine.export(Slot::Weights).iter().all(|w| w.is_nan()));
    let stopped = engine.reduce(&mut Alone).expect_err("a step that stops");
    let failure = engine.failure().expect("a reason");
    assert_eq!(stopped.to_string(), failure);
    assert!(failure.contains("has stopped computing: "), "{failure}");
}
