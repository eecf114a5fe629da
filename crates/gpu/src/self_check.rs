//! Compares every kernel with another backend, on this machine's own driver: drivers miscompile
//! barriers, bounds and loops, and each does so in its own way.
//!
//! Small models of awkward sizes (odd widths, sequences of one token, tiles that end in the middle)
//! run on both. Values are compared node by node, and each node reads the witness's values, so that
//! an error shows at the kernel that makes it. Gradients are compared model by model, from the
//! simplest on: the first check that fails names the kernels at fault.

mod cases;
mod choices;
mod texts;

use std::fmt;

use gptlab_engine::{
    Backend, BackendOptions, Engine, ImportError, Noise, Slot, StateSlot, StepHyper, untouched,
};
use gptlab_model::{Batch, Graph, Node, Op, lower, random::Stream};
use gptlab_recipe::{Decay, Precision};

use crate::GpuBackend;
use cases::{Case, Checked, VOCAB};
use texts::Generators;

/// The result of a check of some kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelCheck {
    /// The names of the kernels.
    pub kernels: &'static str,
    /// The number of tensors that were compared.
    pub comparisons: usize,
    /// The largest error, as a multiple of the error allowed.
    pub worst: f64,
    /// The tensor with that error, and its model.
    pub tensor: String,
}

impl KernelCheck {
    /// Returns true if no error was larger than allowed.
    pub fn passes(&self) -> bool {
        self.worst <= 1.0
    }
}

/// The checks of all kernels, in an order in which each uses only kernels of those before it and
/// its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelfCheck {
    pub checks: Vec<KernelCheck>,
}

impl SelfCheck {
    /// Returns the first check that fails: its kernels are at fault.
    pub fn broken(&self) -> Option<&KernelCheck> {
        self.checks.iter().find(|check| !check.passes())
    }

    /// Records the error of a tensor.
    fn record(&mut self, kernels: &'static str, error: f64, tensor: impl FnOnce() -> String) {
        let known = self.checks.iter().position(|c| c.kernels == kernels);
        let at = known.unwrap_or_else(|| {
            self.checks.push(KernelCheck {
                kernels,
                comparisons: 0,
                worst: 0.0,
                tensor: "nothing".to_owned(),
            });
            self.checks.len() - 1
        });
        let check = &mut self.checks[at];
        check.comparisons += 1;
        if error > check.worst {
            (check.worst, check.tensor) = (error, tensor());
        }
    }
}

impl fmt::Display for SelfCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let verdict = if check.passes() { "ok" } else { "WRONG" };
            let KernelCheck {
                kernels,
                comparisons,
                worst,
                tensor,
            } = check;
            write!(f, "{verdict:<5} {kernels}: {comparisons} comparisons, ")?;
            if *worst > 0.0 {
                writeln!(f, "the worst at {worst:.3} of the tolerance ({tensor})")?;
            } else {
                writeln!(f, "no difference")?;
            }
        }
        Ok(())
    }
}

/// An error is allowed up to `relative` of a tensor's largest number, plus `floor`.
#[derive(Clone, Copy)]
struct Tolerance {
    relative: f64,
    floor: f64,
}

impl Tolerance {
    /// Two engines in f32, each some hundred roundings of 6e-8 from the exact result; the floor is
    /// for tensors that are nothing but rounding.
    const F32: Self = Self {
        relative: 5e-5,
        floor: 2e-6,
    };
    /// Two engines whose products round their operands to bf16, at 4e-3 of their value.
    const BF16: Self = Self {
        relative: 3e-2,
        floor: 2e-3,
    };

    fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::BF16,
        }
    }

    /// Returns the largest difference as a multiple of the allowed one; infinite where a number is
    /// not a number.
    fn error(self, found: &[f32], expected: &[f32]) -> f64 {
        let wide = |x: &f32| f64::from(*x);
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(wide(x).abs()));
        let allowed = self.relative * largest + self.floor;
        let differences = found.iter().zip(expected);
        let ratios = differences.map(|(a, b)| (wide(a) - wide(b)).abs() / allowed);
        let finite = ratios.map(|r| if r.is_finite() { r } else { f64::INFINITY });
        finite.fold(0.0, f64::max)
    }
}

/// Compares every kernel of `backend` with `witness`, such as the CPU.
///
/// # Errors
/// Returns an error when either refuses a model, or when the device stops computing.
pub fn self_check(backend: &GpuBackend, witness: &dyn Backend) -> Result<SelfCheck, ImportError> {
    let mut report = SelfCheck::default();
    for case in cases::all() {
        check_case(backend, witness, &case, &mut report)?;
    }
    Ok(report)
}

/// Two engines with the same weights.
struct Pair<'a> {
    case: &'a Case,
    graph: Graph,
    found: Box<dyn Engine>,
    expected: Box<dyn Engine>,
    tolerance: Tolerance,
}

fn check_case(
    backend: &GpuBackend,
    witness: &dyn Backend,
    case: &Case,
    report: &mut SelfCheck,
) -> Result<(), ImportError> {
    let refused = |e: &dyn fmt::Display| ImportError::Device(e.to_string());
    let model = case.spec.check(VOCAB).map_err(|e| refused(&e))?;
    let graph = lower(&model);
    let weights = numbers(graph.params().total(), 0.3, 1);
    let options = BackendOptions {
        precision: case.precision,
        ..BackendOptions::default()
    };
    let backend = match case.most_rows {
        Some(rows) => backend.clone().with_most_rows(rows),
        None => backend.clone(),
    };
    if let Some(compared) = texts::Compared::of(case.checked) {
        let generators = Generators {
            found: &*backend.generator(graph.clone(), &weights, options)?,
            expected: &*witness.generator(graph.clone(), &weights, options)?,
        };
        return generators.compare(case, &graph, compared, report);
    }
    let mut pair = Pair {
        case,
        found: backend.engine(graph.clone(), &weights, options)?,
        expected: witness.engine(graph.clone(), &weights, options)?,
        graph,
        tolerance: Tolerance::of(case.precision),
    };
    for lengths in &case.batches {
        let batch = batch(&pair.graph, lengths).map_err(|e| refused(&e))?;
        match case.checked {
            Checked::ValuesAndGradients(kernels) => {
                pair.values(&batch, report);
                pair.gradients(&batch, kernels, report);
            }
            Checked::Gradients(kernels) => pair.gradients(&batch, kernels, report),
            Checked::Update(hyper, kernels) => pair.update(&hyper, kernels, report)?,
            // Generators are compared, not engines.
            Checked::Logits(_) | Checked::Choices(_) => {}
        }
    }
    match pair.found.failure() {
        Some(reason) => Err(ImportError::Device(reason)),
        None => Ok(()),
    }
}

impl Pair<'_> {
    fn record(
        &self,
        report: &mut SelfCheck,
        kernels: &'static str,
        what: &str,
        [found, expected]: [&[f32]; 2],
    ) {
        let error = self.tolerance.error(found, expected);
        report.record(kernels, error, || format!("{what} of {}", self.case.name));
    }

    /// Compares every value, and lets later nodes read the witness's.
    fn values(&mut self, batch: &Batch, report: &mut SelfCheck) {
        let witness = self.expected.trace(batch, &mut untouched);
        let mut seen = Vec::new();
        let losses = self.found.losses_with(batch, &mut |id, node, value| {
            let expected = &witness.of(id).values;
            seen.push((kernel_of(node), node.name.clone(), value.to_vec(), id));
            value.copy_from_slice(expected);
        });
        for (kernels, name, value, id) in seen {
            let expected = &witness.of(id).values;
            self.record(report, kernels, &name, [&value, expected]);
        }
        let pair = [losses.as_slice(), witness.losses()].map(narrow);
        self.record(report, "cross_entropy", "losses", [&pair[0], &pair[1]]);
    }

    /// Compares the losses of training, and every gradient.
    fn gradients(&mut self, batch: &Batch, kernels: &'static str, report: &mut SelfCheck) {
        let noise = Noise { seed: 7, step: 3 };
        let engines = [&mut self.found, &mut self.expected];
        let [found, expected] = engines.map(|engine| {
            let loss = engine.forward_backward(batch, noise);
            (loss as f32, engine.export(Slot::Gradients))
        });
        self.record(report, kernels, "loss", [&[found.0], &[expected.0]]);
        for param in self.graph.params().iter() {
            let gradients = [&found.1[param.range()], &expected.1[param.range()]];
            let what = format!("the gradient of {}", param.name);
            self.record(report, kernels, &what, gradients);
        }
    }

    /// Compares an update by given gradients from given moments.
    fn update(
        &mut self,
        hyper: &StepHyper,
        kernels: &'static str,
        report: &mut SelfCheck,
    ) -> Result<(), ImportError> {
        let n = self.graph.params().total();
        let squares = numbers(n, 0.1, 4).iter().map(|x| x * x).collect();
        let given = [
            (Slot::Gradients, numbers(n, 0.1, 2)),
            (Slot::State(StateSlot::First), numbers(n, 0.05, 3)),
            (Slot::State(StateSlot::Second), squares),
        ];
        for engine in [&mut self.found, &mut self.expected] {
            for (slot, numbers) in &given {
                engine.import(*slot, numbers)?;
            }
        }
        let norms = [&mut self.found, &mut self.expected]
            .map(|engine| [engine.update(hyper).grad_norm as f32]);
        self.record(report, kernels, "the gradient norm", [&norms[0], &norms[1]]);
        for slot in Slot::ALL {
            let [found, expected] = [&self.found, &self.expected].map(|e| e.export(slot));
            for param in self.graph.params().iter() {
                let tensors = [&found[param.range()], &expected[param.range()]];
                let what = format!("{slot:?} of {}", param.name);
                self.record(report, kernels, &what, tensors);
            }
        }
        Ok(())
    }
}

/// Returns the name of the kernel that computes the value of `node`.
fn kernel_of(node: &Node) -> &'static str {
    match node.op {
        Op::TokenEmbedding { .. } | Op::PositionEmbedding { .. } | Op::Sinusoid => "embedding",
        Op::Add { .. } => "add",
        Op::Norm { .. } => "norm",
        Op::Linear { .. } => "product_forward",
        Op::HeadNorm { .. } => "head_norm",
        Op::Rotary { .. } => "rotary",
        Op::Attention { .. } => "attention",
        Op::Activate { .. } => "activation",
        Op::Gate { .. } => "gate",
        Op::Dropout { .. } => "copy",
    }
}

fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|x| *x as f32).collect()
}

/// Returns numbers from N(0, `std`²).
fn numbers(n: usize, std: f64, seed: u64) -> Vec<f32> {
    let stream = Stream::new(seed, "self-check", 0);
    let number = |i| (std * stream.normal_at(i as u64)) as f32;
    (0..n).map(number).collect()
}

/// Returns random tokens in sequences of `lengths`.
fn batch(graph: &Graph, lengths: &[usize]) -> Result<Batch, gptlab_model::BatchError> {
    let mut cursor = Stream::new(5, "self-check tokens", 0).cursor();
    let mut tokens = |n: usize| -> Vec<u32> {
        (0..n)
            .map(|_| cursor.below(graph.vocab_size()) as u32)
            .collect()
    };
    let sequences: Vec<_> = lengths.iter().map(|n| (tokens(*n), tokens(*n))).collect();
    let pairs = sequences.iter().map(|(x, y)| (&x[..], &y[..]));
    Batch::of_graph(graph, pairs)
}

/// Returns the hyper-parameters of the checked updates.
fn hyper(optimizer: gptlab_recipe::Optimizer) -> StepHyper {
    StepHyper {
        optimizer,
        update: 3,
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        decay: Decay::Matrices,
        grad_clip: Some(0.5),
    }
}
