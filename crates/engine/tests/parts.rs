//! A step in parts equals the whole step: micro-batches one after another, and several engines side
//! by side, compute the bits of one engine on the whole batch.

mod common;

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use common::{
    batches,
    engines::{CANDIDATES, Candidate},
    specs::{self, Case, Grid},
};
use gptlab_engine::{Alone, Engine, Noise, Reduce, ReduceError, Slot, StateSlot, StepHyper};
use gptlab_model::{Batch, Preset};
use gptlab_recipe::{Decay, Optimizer};

const SLOTS: [Slot; 3] = [
    Slot::Weights,
    Slot::State(StateSlot::First),
    Slot::State(StateSlot::Second),
];
const STEPS: u32 = 2;

fn hyper(update: u32) -> StepHyper {
    StepHyper {
        optimizer: Optimizer::AdamW,
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

fn make(candidate: &Candidate, case: &Case) -> Box<dyn Engine> {
    (candidate.make)(case.graph.clone(), &batches::weights(&case.graph, 1))
}

/// The results of two steps: losses, gradients, norms and all an engine holds, as bits.
#[derive(Debug, Default, PartialEq)]
struct Trained {
    losses: Vec<u64>,
    gradients: Vec<u32>,
    norms: Vec<u64>,
    state: Vec<u32>,
}

impl Trained {
    /// Trains with `accumulate`, which computes the gradients of each step and sets the losses.
    fn of(
        engine: &mut dyn Engine,
        batch: &Batch,
        mut accumulate: impl FnMut(&mut dyn Engine, Noise, &mut [f64]),
    ) -> Self {
        let mut trained = Self::default();
        for step in 1..=STEPS {
            let mut losses = vec![0.0; batch.tokens()];
            accumulate(engine, Noise { seed: 1, step }, &mut losses);
            trained.losses.extend(losses.iter().map(|x| x.to_bits()));
            let gradients = engine.export(Slot::Gradients).into_iter();
            trained.gradients.extend(gradients.map(f32::to_bits));
            let stats = engine.update(&hyper(step));
            trained.norms.push(stats.grad_norm.to_bits());
        }
        let state = SLOTS.iter().flat_map(|slot| engine.export(*slot));
        trained.state = state.map(f32::to_bits).collect();
        trained
    }

    fn whole(candidate: &Candidate, case: &Case, batch: &Batch) -> Self {
        Self::of(
            &mut *make(candidate, case),
            batch,
            |engine, noise, losses| {
                engine.accumulate(batch, 0..batch.sequences(), noise, losses);
                engine.reduce(&mut Alone).expect("nobody to fail it");
            },
        )
    }
}

/// Returns specs with every switch alone, and larger ones, each with sequences of unequal lengths
/// that make several chunks.
fn trials() -> Vec<(Case, Batch)> {
    let alone = Grid::alone().cases.into_iter();
    let mut trials: Vec<(Case, Vec<usize>)> = specs::larger();
    trials.extend(alone.map(|case| (case, [6, 1, 3, 6, 2].repeat(40))));
    let mut dropping = Preset::Gpt2Mini.spec();
    dropping.layers.truncate(1);
    let dropping = Case::new("gpt2-mini", &dropping, 65).expect("a preset");
    trials.push((dropping, vec![256, 31, 200, 256, 2, 100, 100, 256, 64]));
    let batch = |(case, lengths): (Case, Vec<usize>)| {
        let batch = batches::of_lengths(&case.model, &lengths, 1);
        (case, batch)
    };
    trials.into_iter().map(batch).collect()
}

/// Returns the engines whose sums are ordered by rows; the oracle sums in f64 in the order of its
/// tape.
fn ordered() -> impl Iterator<Item = &'static Candidate> {
    CANDIDATES.iter().filter(|c| c.name != "oracle")
}

#[test]
fn micro_batches_are_the_batch_to_the_bit() {
    for (case, batch) in &trials() {
        for candidate in ordered() {
            let whole = Trained::whole(candidate, case, batch);
            for sequences in [1, 2, 50] {
                let mut parts = 0;
                let engine = &mut *make(candidate, case);
                let trained = Trained::of(engine, batch, |engine, noise, losses| {
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
                let what = format!("{}, {}, {sequences} sequences", candidate.name, case.name);
                assert!(parts >= STEPS, "{what}");
                assert!(trained == whole, "{what}");
            }
        }
    }
}

/// A link in a chain of engines in threads of one process.
struct Link {
    before: Option<Receiver<Vec<f32>>>,
    next: Option<Sender<Vec<f32>>>,
    /// The channel from the last engine to all others.
    total: Receiver<Vec<f32>>,
    totals: Vec<Sender<Vec<f32>>>,
}

fn gone<E>(_: E) -> ReduceError {
    ReduceError("an engine has gone".to_owned())
}

impl Reduce for Link {
    fn receive(&mut self, _: usize, block: &mut [f32]) -> Result<(), ReduceError> {
        if let Some(before) = &self.before {
            block.copy_from_slice(&before.recv().map_err(gone)?);
        }
        Ok(())
    }

    fn send(&mut self, _: usize, block: &[f32]) -> Result<(), ReduceError> {
        match &self.next {
            Some(next) => next.send(block.to_vec()).map_err(gone),
            None => Ok(()),
        }
    }

    fn total(&mut self, gradients: &mut [f32]) -> Result<(), ReduceError> {
        if self.next.is_some() {
            gradients.copy_from_slice(&self.total.recv().map_err(gone)?);
        } else {
            for other in &self.totals {
                other.send(gradients.to_vec()).map_err(gone)?;
            }
        }
        Ok(())
    }
}

fn chain(count: usize) -> Vec<Link> {
    let (totals, mut receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
    let mut before = None;
    let mut links = Vec::new();
    for (i, total) in receivers.drain(..).enumerate() {
        let last = i + 1 == count;
        let (next, receiver) = channel();
        links.push(Link {
            before: before.replace(receiver),
            next: (!last).then_some(next),
            total,
            totals: if last {
                totals[..i].to_vec()
            } else {
                Vec::new()
            },
        });
    }
    links
}

#[test]
fn engines_with_a_share_each_are_one_engine_to_the_bit() {
    for (case, batch) in &trials() {
        for candidate in ordered() {
            let whole = Trained::whole(candidate, case, batch);
            for count in [2, 3, 9] {
                let engines: Vec<Trained> = thread::scope(|scope| {
                    let run = |(index, mut link): (usize, Link)| {
                        scope.spawn(move || {
                            let engine = &mut *make(candidate, case);
                            Trained::of(engine, batch, |engine, noise, losses| {
                                let share = engine.share(batch, index, count);
                                engine.accumulate(batch, share, noise, losses);
                                engine.reduce(&mut link).expect("all are there");
                            })
                        })
                    };
                    let running: Vec<_> = chain(count).into_iter().enumerate().map(run).collect();
                    let ended = running.into_iter().map(|t| t.join().expect("an engine"));
                    ended.collect()
                });
                let what = format!("{}, {}, {count} engines", candidate.name, case.name);
                for engine in &engines {
                    assert!(engine.gradients == whole.gradients, "{what}: gradients");
                    assert!(engine.norms == whole.norms, "{what}: norms");
                    assert!(engine.state == whole.state, "{what}: state");
                }
                // Each engine has the losses of its own share, and the shares cover the batch.
                let all = (0..whole.losses.len()).map(|i| {
                    let known = engines.iter().map(|engine| engine.losses[i]);
                    known.filter(|bits| *bits != 0).collect::<Vec<_>>()
                });
                for (known, loss) in all.zip(&whole.losses) {
                    assert_eq!(known, [*loss], "{what}: losses");
                }
            }
        }
    }
}

/// The oracle is a witness up to rounding: a step in parts has the gradients of the whole in f64.
#[test]
fn parts_of_the_oracle_add_up() {
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let batch = batches::ragged(&case.model, 1);
    let weights = batches::weights(&case.graph, 1);
    let oracle = || common::engines::oracle(case.graph.clone(), &weights);
    let (mut whole, mut parts) = (oracle(), oracle());
    let noise = Noise { seed: 1, step: 1 };
    let mut losses = [0, 1].map(|_| vec![0.0; batch.tokens()]);
    whole.accumulate(&batch, 0..batch.sequences(), noise, &mut losses[0]);
    for first in 0..batch.sequences() {
        let part = parts.part(&batch, first, 1);
        parts.accumulate(&batch, part, noise, &mut losses[1]);
    }
    assert_eq!(losses[0], losses[1]);
    let largest = whole
        .gradients64()
        .iter()
        .fold(0.0f64, |m, g| m.max(g.abs()));
    for (a, b) in whole.gradients64().iter().zip(parts.gradients64()) {
        assert!((a - b).abs() <= 1e-14 * largest, "{a} and {b}");
    }
}

/// An update without a call of `reduce` uses the gradients of this engine.
#[test]
fn an_update_does_not_lose_what_was_not_reduced() {
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let batch = batches::of_lengths(&case.model, &[6, 1, 3, 6, 2].repeat(40), 1);
    for candidate in CANDIDATES {
        let norms = [true, false].map(|reduces| {
            let mut engine = make(candidate, &case);
            let mut losses = vec![0.0; batch.tokens()];
            let noise = Noise { seed: 1, step: 1 };
            engine.accumulate(&batch, 0..batch.sequences(), noise, &mut losses);
            if reduces {
                engine.reduce(&mut Alone).expect("nobody to fail it");
            }
            engine.update(&hyper(1)).grad_norm
        });
        assert!(norms[0] > 0.0 && norms[0] == norms[1], "{}", candidate.name);
    }
}
