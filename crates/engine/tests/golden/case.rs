//! An engine beside a golden.

use gptlab_engine::{Engine, Slot, oracle::Oracle};
use gptlab_model::Param;

use crate::{
    files::{Golden, Train},
    gate::{Quantity, Report, Yardstick, worst_error},
};

/// An engine, and its numbers as exactly as it exports them.
pub(crate) trait Subject {
    fn engine(&mut self) -> &mut dyn Engine;
    fn numbers(&self, slot: Slot) -> Vec<f64>;
}

/// The numbers of any engine are rounded to f32.
impl Subject for Box<dyn Engine> {
    fn engine(&mut self) -> &mut dyn Engine {
        &mut **self
    }

    fn numbers(&self, slot: Slot) -> Vec<f64> {
        self.export(slot).into_iter().map(f64::from).collect()
    }
}

/// The numbers of the oracle are exact.
impl Subject for Oracle {
    fn engine(&mut self) -> &mut dyn Engine {
        self
    }

    fn numbers(&self, slot: Slot) -> Vec<f64> {
        match slot {
            Slot::Weights => self.weights64().to_vec(),
            Slot::Gradients => self.gradients64().to_vec(),
            Slot::State(_) => panic!("no golden holds moments"),
        }
    }
}

/// A comparison of one engine with one golden.
struct Case<'a, E> {
    golden: &'a Golden,
    engine: E,
    report: &'a mut Report,
}

impl<E: Subject> Case<'_, E> {
    /// Compares one number: found, PyTorch's double and single, and the double's sway.
    fn number(
        &mut self,
        quantity: Quantity,
        what: &str,
        found: f64,
        [double, single, sway]: [f64; 3],
    ) {
        let at = || format!("{what} of {}", self.golden.name);
        let torch = (single - double).abs();
        let yardstick = Yardstick { torch, sway };
        self.report
            .compare(quantity, at, &[found], &[double], yardstick);
    }

    /// Compares the loss without dropout, the loss, every gradient, and their norm.
    fn gradients(&mut self) {
        let Golden {
            double,
            single,
            sway,
            ..
        } = self.golden;
        let batch = self.golden.batch(&self.golden.batch);
        let found = self.engine.engine().evaluate(&batch);
        let expected = [double.eval_loss, single.eval_loss, sway.eval_loss];
        self.number(Quantity::Loss, "loss without dropout", found, expected);
        let noise = self.golden.noise(self.golden.noise.step);
        let found = self.engine.engine().forward_backward(&batch, noise);
        let expected = [double.loss, single.loss, sway.loss];
        self.number(Quantity::Loss, "loss", found, expected);
        let gradients = self.engine.numbers(Slot::Gradients);
        for param in self.golden.graph().params().iter() {
            self.gradient(param, &gradients[param.range()]);
        }
        let expected = [double.grad_norm, single.grad_norm, sway.grad_norm];
        self.number(Quantity::GradNorm, "all", norm(&gradients), expected);
    }

    /// Compares one tensor's gradient: all of it, or a sample and the norm.
    fn gradient(&mut self, param: &Param, found: &[f64]) {
        let (name, golden) = (&param.name, self.golden);
        let Golden {
            double,
            single,
            sway,
            ..
        } = golden;
        let picked: Vec<f64> = match &golden.sample {
            None => found.to_vec(),
            Some(sample) => sample[name].iter().map(|i| found[*i]).collect(),
        };
        let at = || format!("{name} of {}", golden.name);
        let expected = &double.grads[name];
        let torch = worst_error(&single.grads[name], expected);
        let yardstick = Yardstick {
            torch,
            sway: sway.grads[name],
        };
        self.report
            .compare(Quantity::Gradient, at, &picked, expected, yardstick);
        let norms = [&double.grad_norms, &single.grad_norms, &sway.grad_norms];
        if let [Some(double), Some(single), Some(sway)] = norms {
            let expected = [double[name], single[name], sway[name]];
            self.number(Quantity::GradNorm, name, norm(found), expected);
        }
    }

    /// Trains from the initial weights, and compares every step and the final weights.
    fn train(&mut self, train: &Train) {
        let golden = self.golden;
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for (step, batch) in train.batches.iter().enumerate() {
            let batch = golden.batch(batch);
            let engine = self.engine.engine();
            losses.push(engine.forward_backward(&batch, golden.noise(step as u32)));
            let hyper = train.hyper.at(step, train.lrs[step]);
            norms.push(engine.update(&hyper).grad_norm);
        }
        let Train {
            double,
            single,
            sway,
            ..
        } = train;
        let expected = [&double.losses, &single.losses];
        self.course(Quantity::TrainLoss, &losses, expected, sway.losses);
        let expected = [&double.grad_norms, &single.grad_norms];
        self.course(Quantity::TrainGradNorm, &norms, expected, sway.grad_norms);
        let weights = self.engine.numbers(Slot::Weights);
        for param in golden.graph().params().iter() {
            self.weight(train, param, weights[param.range()].to_vec());
        }
    }

    /// Compares one number of every step.
    fn course(
        &mut self,
        quantity: Quantity,
        found: &[f64],
        [double, single]: [&Vec<f64>; 2],
        sway: f64,
    ) {
        let at = || self.golden.name.clone();
        let torch = worst_error(single, double);
        let yardstick = Yardstick { torch, sway };
        self.report.compare(quantity, at, found, double, yardstick);
    }

    /// Compares one tensor after the last step, without the entries that drift.
    fn weight(&mut self, train: &Train, param: &Param, mut found: Vec<f64>) {
        let name = &param.name;
        let expected = &train.double.weights[name];
        for i in train.adrift.get(name).into_iter().flatten() {
            found[*i] = expected[*i];
        }
        let at = || format!("{name} of {}", self.golden.name);
        let (torch, sway) = (train.single.weights[name], train.sway.weights[name]);
        let yardstick = Yardstick { torch, sway };
        self.report
            .compare(Quantity::Weight, at, &found, expected, yardstick);
    }
}

fn norm(xs: &[f64]) -> f64 {
    xs.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Compares new engines with a golden: one for its gradients, one for its training.
pub(crate) fn check<E: Subject>(golden: &Golden, make: impl Fn(&Golden) -> E, report: &mut Report) {
    report.goldens += 1;
    let engine = make(golden);
    let mut case = Case {
        golden,
        engine,
        report,
    };
    case.gradients();
    if let Some(train) = &golden.train {
        case.engine = make(golden);
        case.train(train);
    }
}
