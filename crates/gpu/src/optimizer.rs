//! The optimisers as dispatches: the global norm, the clip factor, and the step of every parameter.

use gptlab_engine::{MUON_MOMENTUM, StepHyper};
use gptlab_model::{Param, ParamGroup, ParamTable};
use gptlab_recipe::{Decay, Optimizer};

use crate::{
    args,
    dispatch::Dispatch,
    kernel::{Kernel, Product, Source},
    layout::{CLIP, INVERSE_NORM, LINE, NORM},
    matrix_units::MatrixUnits,
    steps::product,
};

/// The numbers whose squares a group adds up.
const BLOCK: usize = 1 << 14;

/// Jordan's coefficients, steps and least norm, as in `gptlab_kernels::muon`.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
const STEPS: usize = 5;
const EPS: f32 = 1e-7;

/// The dispatches of an update, and the length of the arena that they need.
#[derive(Debug, Default)]
pub(crate) struct UpdateSteps {
    pub(crate) dispatches: Vec<Dispatch>,
    pub(crate) arena: usize,
    units: MatrixUnits,
}

/// Parameters that lie side by side and take the same step.
struct Run {
    first: usize,
    count: usize,
    group: Step,
}

/// The step of a parameter.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    AdamW {
        weight_decay: f64,
    },
    Sgd {
        weight_decay: f64,
    },
    Muon {
        weight_decay: f64,
        shape: [usize; 2],
    },
}

impl UpdateSteps {
    /// Returns the dispatches of one step, with products by `units`.
    pub(crate) fn new(params: &ParamTable, hyper: &StepHyper, units: MatrixUnits) -> Self {
        let mut steps = Self {
            units,
            ..Self::default()
        };
        steps.clip(params.total(), hyper.grad_clip);
        for run in runs(params, hyper) {
            steps.step(&run, hyper);
        }
        steps
    }

    /// Returns `numbers` numbers of the arena behind the scalars, from `after` on.
    fn scratch(&mut self, after: usize, numbers: usize) -> usize {
        self.arena = self.arena.max(after + numbers.next_multiple_of(LINE));
        after
    }

    /// Adds the norm of all gradients and the clip factor.
    fn clip(&mut self, total: usize, grad_clip: Option<f64>) {
        let (blocks, parts) = self.sum_squares(Source::Gradients, 0, total);
        let args = args::ClipFactor {
            blocks,
            parts,
            clips: grad_clip.is_some().into(),
            most: grad_clip.unwrap_or(0.0) as f32,
            norm: NORM,
            factor: CLIP,
        };
        let dispatch = Dispatch::of_groups(Kernel::ClipFactor, &args, 1);
        self.dispatches.push(dispatch);
    }

    /// Adds the sums of squares of blocks; returns their number and where they lie.
    fn sum_squares(&mut self, source: Source, x: u32, count: usize) -> (u32, u32) {
        let blocks = count.div_ceil(BLOCK);
        let parts = self.scratch(LINE, blocks) as u32;
        let args = args::SumSquares {
            count: count as u32,
            block: BLOCK as u32,
            blocks: blocks as u32,
            x,
            parts,
        };
        let kernel = Kernel::SumSquares(source);
        self.dispatches
            .push(Dispatch::of_groups(kernel, &args, blocks));
        (blocks as u32, parts)
    }

    fn step(&mut self, run: &Run, hyper: &StepHyper) {
        let (count, parameter) = (run.count as u32, run.first as u32);
        let keep = |weight_decay: f64| (1.0 - hyper.lr * weight_decay) as f32;
        match run.group {
            Step::AdamW { weight_decay } => {
                let correction = |beta: f64| 1.0 - beta.powf(hyper.update as f64);
                let args = args::AdamW {
                    count,
                    parameter,
                    clip: CLIP,
                    keep: keep(weight_decay),
                    beta1: hyper.beta1 as f32,
                    rest1: (1.0 - hyper.beta1) as f32,
                    beta2: hyper.beta2 as f32,
                    rest2: (1.0 - hyper.beta2) as f32,
                    step_size: (-hyper.lr / correction(hyper.beta1)) as f32,
                    per_root: (1.0 / correction(hyper.beta2).sqrt()) as f32,
                    eps: hyper.eps as f32,
                };
                self.each(Kernel::AdamW, &args, run.count);
            }
            Step::Sgd { weight_decay } => {
                let args = args::Sgd {
                    count,
                    parameter,
                    clip: CLIP,
                    keep: keep(weight_decay),
                    momentum: hyper.beta1 as f32,
                    step_size: -hyper.lr as f32,
                };
                self.each(Kernel::Sgd, &args, run.count);
            }
            Step::Muon {
                weight_decay,
                shape,
            } => self.muon(run.first, shape, keep(weight_decay), hyper.lr),
        }
    }

    fn each(&mut self, kernel: Kernel, args: &dyn args::Args, threads: usize) {
        self.dispatches
            .push(Dispatch::of_threads(kernel, args, threads));
    }

    /// Adds Muon's step of a matrix (Jordan 2024).
    fn muon(&mut self, first: usize, [rows, columns]: [usize; 2], keep: f32, lr: f64) {
        let numbers = rows * columns;
        // Sums of squares come first in the scratch, and are not needed any more.
        let after = LINE + numbers.div_ceil(BLOCK).next_multiple_of(LINE);
        let u = self.scratch(after, numbers);
        let momentum = args::MuonMomentum {
            count: numbers as u32,
            parameter: first as u32,
            clip: CLIP,
            momentum: MUON_MOMENTUM as f32,
            rest: (1.0 - MUON_MOMENTUM) as f32,
            u: u as u32,
        };
        self.each(Kernel::MuonMomentum, &momentum, numbers);
        self.orthogonalize(u, rows, columns);
        let step = args::MuonStep {
            count: numbers as u32,
            parameter: first as u32,
            u: u as u32,
            keep,
            step_size: (-lr * 0.2 * (rows.max(columns) as f64).sqrt()) as f32,
        };
        self.each(Kernel::MuonStep, &step, numbers);
    }

    /// Adds five Newton-Schulz steps X <- a X + (b S + c S²) X, with S = X Xᵀ, or those of the
    /// other side where that is smaller.
    fn orthogonalize(&mut self, x: usize, rows: usize, columns: usize) {
        let (numbers, short) = (rows * columns, rows.min(columns));
        let y = self.scratch(x + numbers.next_multiple_of(LINE), numbers);
        let gram = self.scratch(y + numbers.next_multiple_of(LINE), short * short);
        let after = gram + (short * short).next_multiple_of(LINE);
        let square = self.scratch(after, short * short);
        let [x, y, gram, square] = [x, y, gram, square].map(|n| n as u32);
        let (blocks, parts) = self.sum_squares(Source::Arena, x, numbers);
        let inverse = args::InverseNorm {
            blocks,
            parts,
            eps: EPS,
            factor: INVERSE_NORM,
        };
        self.dispatches
            .push(Dispatch::of_groups(Kernel::InverseNorm, &inverse, 1));
        let scale = args::Scale {
            count: numbers as u32,
            x,
            factor: INVERSE_NORM,
        };
        self.each(Kernel::Scale, &scale, numbers);
        let [a, b, c] = COEFFICIENTS.map(|n| n as f32);
        let wide = rows <= columns;
        let form = if wide {
            Product::TransposedRight
        } else {
            Product::TransposedLeft
        };
        let sizes = [short, short, rows.max(columns)];
        for _ in 0..STEPS {
            self.product(form, sizes, [(x, columns), (x, columns)], gram);
            let squares = [(gram, short), (gram, short)];
            self.product(Product::Plain, [short; 3], squares, square);
            self.combine(short * short, [gram, square], [b, c]);
            let sides = if wide {
                [(gram, short), (x, columns)]
            } else {
                [(x, columns), (gram, short)]
            };
            self.product(Product::Plain, [rows, columns, short], sides, y);
            self.combine(numbers, [x, y], [a, 1.0]);
        }
    }

    /// Adds a product of sizes `[m, n, k]`, of matrices with their pitches.
    fn product(
        &mut self,
        form: Product,
        [m, n, k]: [usize; 3],
        [left, right]: [(u32, usize); 2],
        out: u32,
    ) {
        let args = args::Product {
            m: m as u32,
            n: n as u32,
            k: k as u32,
            k_of_part: k as u32,
            left: left.0,
            left_pitch: left.1 as u32,
            right: right.0,
            right_pitch: right.1 as u32,
            out,
            ..args::Product::default()
        };
        self.dispatches.push(product(form, args, self.units));
    }

    /// Adds `x = a x + b y`.
    fn combine(&mut self, numbers: usize, [x, y]: [u32; 2], [a, b]: [f32; 2]) {
        let args = args::Combine {
            count: numbers as u32,
            x,
            y,
            a,
            b,
        };
        self.each(Kernel::Combine, &args, numbers);
    }
}

/// Returns all parameters, with neighbours of one step together.
fn runs(params: &ParamTable, hyper: &StepHyper) -> Vec<Run> {
    let mut runs = Vec::<Run>::new();
    for param in params.iter() {
        let group = step_of(param, hyper);
        let elementwise = match group {
            Step::AdamW { .. } | Step::Sgd { .. } => true,
            Step::Muon { .. } => false,
        };
        match runs.last_mut() {
            Some(run) if elementwise && run.group == group => run.count += param.len(),
            Some(_) | None => runs.push(Run {
                first: param.offset,
                count: param.len(),
                group,
            }),
        }
    }
    runs
}

fn step_of(param: &Param, hyper: &StepHyper) -> Step {
    let weight_decay = match (hyper.decay, param.group) {
        (Decay::Everything, _) | (Decay::Matrices, ParamGroup::Matrix | ParamGroup::Embedding) => {
            hyper.weight_decay
        }
        (Decay::Matrices, ParamGroup::Vector) => 0.0,
    };
    match (hyper.optimizer, param.group) {
        (Optimizer::AdamW, _) | (Optimizer::Muon, ParamGroup::Embedding | ParamGroup::Vector) => {
            Step::AdamW { weight_decay }
        }
        (Optimizer::Sgd, _) => Step::Sgd { weight_decay },
        (Optimizer::Muon, ParamGroup::Matrix) => Step::Muon {
            weight_decay,
            shape: [param.shape[0], param.shape[1]],
        },
    }
}
