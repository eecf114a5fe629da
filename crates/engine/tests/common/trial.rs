//! An engine beside the oracle: losses, values, gradients and updates.

use gptlab_engine::{Engine, Noise, Slot, StateSlot, StepHyper, oracle::Oracle, untouched};
use gptlab_model::{Batch, Choice, Graph};
use gptlab_recipe::{Decay, Optimizer};

use super::{
    batches,
    engines::oracle,
    specs::{self, Case},
    tolerance::Gate,
};

/// Returns a step that moves weights visibly. `eps` is large, because a weight whose true gradient
/// is zero (a key's bias under a softmax) has a gradient of pure rounding, which a small `eps`
/// would turn into a full step; [`one_update`] takes small ones.
pub(crate) fn hyper(update: u64, decay: Decay, grad_clip: Option<f64>) -> StepHyper {
    StepHyper {
        optimizer: Optimizer::AdamW,
        update,
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-2,
        weight_decay: 0.1,
        decay,
        grad_clip,
    }
}

/// An engine and its witnesses, with the same initial weights.
pub(crate) struct Trial<'a> {
    case: &'a Case,
    gate: &'a mut Gate,
    engine: Box<dyn Engine>,
    oracle: Oracle,
    /// The oracle with weights that differ by a rounding: it shows how far apart two correct
    /// results can be.
    swayed: Oracle,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        case: &'a Case,
        make: impl FnOnce(Graph, &[f32]) -> Box<dyn Engine>,
        gate: &'a mut Gate,
    ) -> Self {
        let weights = batches::weights(&case.graph, 2);
        let oracle = oracle(case.graph.clone(), &weights);
        let mut swayed = oracle.clone();
        let imported = swayed.import64(Slot::Weights, &batches::sway(&weights, gate.rounding()));
        imported.expect("as many as the table has");
        Self {
            case,
            gate,
            engine: make(case.graph.clone(), &weights),
            oracle,
            swayed,
        }
    }

    /// Runs `query` on all three engines: found, expected, swayed.
    fn ask<T>(&mut self, query: impl Fn(&mut dyn Engine) -> T) -> [T; 3] {
        [
            query(&mut *self.engine),
            query(&mut self.oracle),
            query(&mut self.swayed),
        ]
    }

    fn compare(&mut self, what: &str, query: impl Fn(&mut dyn Engine) -> Vec<f64>) {
        let [found, expected, swayed] = self.ask(query);
        let what = || format!("{what} of {}", self.case.name);
        self.gate.compare_swayed(what, &found, &expected, &swayed);
    }

    fn losses(&mut self, batch: &Batch) {
        self.compare("losses", |engine| engine.losses(batch));
        self.compare("evaluate", |engine| vec![engine.evaluate(batch)]);
    }

    fn values(&mut self, batch: &Batch) {
        let engines: [&mut dyn Engine; 3] = [&mut *self.engine, &mut self.oracle, &mut self.swayed];
        let traces = engines.map(|engine| engine.trace(batch, &mut untouched));
        for id in self.case.graph.ids() {
            let node = self.case.graph.node(id);
            let [found, expected, swayed] = traces.each_ref().map(|trace| {
                let value = trace.of(id);
                assert_eq!((value.rows, value.cols), (batch.tokens(), node.width));
                wide(&value.values)
            });
            let what = || format!("value {} of {}", node.name, self.case.name);
            self.gate.compare_swayed(what, &found, &expected, &swayed);
        }
    }

    fn forward_backward(&mut self, batch: &Batch, step: u32) {
        let noise = Noise { seed: 9, step };
        self.compare("training loss", |engine| {
            vec![engine.forward_backward(batch, noise)]
        });
    }

    /// Compares one slot, tensor by tensor.
    fn slot(&mut self, slot: Slot) {
        let [found, expected, swayed] = self.ask(|engine| wide(&engine.export(slot)));
        for param in self.case.graph.params().iter() {
            let what = || format!("{slot:?} {} of {}", param.name, self.case.name);
            let [found, expected, swayed] = [&found, &expected, &swayed].map(|x| &x[param.range()]);
            self.gate.compare_swayed(what, found, expected, swayed);
        }
    }

    fn update(&mut self, hyper: &StepHyper) {
        self.compare("gradient norm", |engine| {
            vec![engine.update(hyper).grad_norm]
        });
        for slot in Slot::ALL {
            self.slot(slot);
        }
    }
}

pub(crate) fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|x| f64::from(*x)).collect()
}

/// Compares the sum of two batches' gradients, then an update, then two more steps.
pub(crate) fn compare(mut trial: Trial, batches: [&Batch; 2]) {
    trial.losses(batches[0]);
    trial.values(batches[0]);
    for (batch, step) in batches.into_iter().zip(0..) {
        trial.forward_backward(batch, step);
        trial.slot(Slot::Gradients);
    }
    trial.update(&hyper(1, Decay::Everything, None));
    for (update, decay, grad_clip) in [
        (2, Decay::Matrices, Some(0.5)),
        (3, Decay::Everything, Some(1e6)),
    ] {
        trial.forward_backward(batches[0], update as u32);
        trial.update(&hyper(update, decay, grad_clip));
    }
    trial.losses(batches[1]);
}

/// Compares updates with a usual `eps`, on given gradients and moments.
pub(crate) fn one_update(
    make: impl Fn(Graph, &[f32]) -> Box<dyn Engine>,
    optimizer: Optimizer,
    gate: &mut Gate,
) {
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    for (seed, clip) in [(1, None), (2, Some(0.1)), (3, Some(1e6))] {
        for &decay in Decay::ALL {
            let mut trial = Trial::new(&case, &make, gate);
            trial.ask(|engine| given(engine, seed));
            trial.update(&StepHyper {
                optimizer,
                eps: 1e-8,
                ..hyper(seed, decay, clip)
            });
        }
    }
}

/// Sets gradients and moments such as training leaves.
fn given(engine: &mut dyn Engine, seed: u64) {
    let n = engine.graph().params().total();
    let squares = batches::noise(n, 0.1, seed + 2)
        .iter()
        .map(|x| x * x)
        .collect();
    let numbers = [
        (Slot::Gradients, batches::noise(n, 0.1, seed)),
        (
            Slot::State(StateSlot::First),
            batches::noise(n, 0.05, seed + 1),
        ),
        (Slot::State(StateSlot::Second), squares),
    ];
    for (slot, numbers) in numbers {
        let imported = engine.import(slot, &numbers);
        imported.expect("as many as the table has");
    }
}
