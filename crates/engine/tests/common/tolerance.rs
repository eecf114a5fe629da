//! How far two answers may be apart, by name, and a gate that remembers the worst case.

use gptlab_model::{Activation, Node, Op};

use super::specs::Case;

/// A policy: `|found - expected| <= relative * largest + floor + sways * sway`, where `largest` is
/// the tensor's largest magnitude: an element that is small among large ones is a difference of
/// large terms and carries their rounding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tolerance {
    /// An f32 engine against the f64 oracle. An f32 rounds to 6e-8 of its value, and a gradient of
    /// these models is some hundred roundings deep. The floor is for tensors that are nothing but
    /// rounding, such as the gradient of a bias that a softmax cancels. `sway` is how far the
    /// oracle's own answer moves when its weights move by a rounding: a model that divides by the
    /// root mean square of almost nothing has answers that no f32 engine can know better.
    F32,
    /// An engine whose matrix products round their operands to bf16, against the f64 oracle: to
    /// 2e-3 of their value, some fifteen products deep. `sway` is that of a bf16 rounding: it tells
    /// where a gate such as ReLU's is so near its edge that nobody in bf16 can know its side.
    Bf16,
    /// The f32 optimiser alone: a dozen roundings.
    F32Step,
    /// Central differences in f64 against the tape. With a step of 1e-5 the cut-off term is about
    /// 1e-10 and the rounding of the loss, divided by the step, about 1e-11.
    Differences,
}

struct Allowance {
    relative: f64,
    floor: f64,
    sways: f64,
}

impl Tolerance {
    fn allowance(self) -> Allowance {
        let (relative, floor, sways) = match self {
            Self::F32 => (2e-5, 1e-6, 50.0),
            Self::Bf16 => (2e-2, 1e-3, 50.0),
            Self::F32Step => (1e-6, 1e-8, 0.0),
            Self::Differences => (1e-6, 1e-9, 0.0),
        };
        Allowance {
            relative,
            floor,
            sways,
        }
    }

    /// What one rounding changes a number by, at most twice: how much the weights of the swayed
    /// witness differ.
    fn rounding(self) -> f64 {
        match self {
            Self::F32 | Self::F32Step | Self::Differences => f64::from(f32::EPSILON),
            // Both operands of a product are rounded, and only one of them is a weight.
            Self::Bf16 => 1.0 / 128.0,
        }
    }

    /// Whether the policy has something to say about the model. ReLU's derivative jumps, and an
    /// error of bf16 is wide enough to be on its other side somewhere in nearly every batch; in f32
    /// it hardly ever is.
    pub(crate) fn can_judge(self, case: &Case) -> bool {
        let jumps = |node: &Node| {
            if let Op::Activate { f, .. } | Op::Gate { f, .. } = node.op {
                f == Activation::Relu
            } else {
                false
            }
        };
        !matches!(self, Self::Bf16) || !case.graph.nodes().iter().any(jumps)
    }

    /// The worst element's error, and what is allowed.
    fn judge(self, found: &[f64], expected: &[f64], swayed: &[f64]) -> (f64, f64) {
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let allow = self.allowance();
        let sway = distance(swayed, expected);
        let allowed = allow.relative * largest + allow.floor + allow.sways * sway;
        (distance(found, expected), allowed)
    }
}

/// The largest difference of two elements; infinite where one is not a number or has no
/// counterpart.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    // `max` would lose a NaN.
    let finite = differences.map(|d| if d.is_finite() { d } else { f64::INFINITY });
    finite.fold(0.0, f64::max)
}

/// Compares tensors under one policy and remembers the worst.
pub(crate) struct Gate {
    tolerance: Tolerance,
    comparisons: usize,
    failures: usize,
    worst: (f64, String),
}

impl Gate {
    pub(crate) fn new(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            comparisons: 0,
            failures: 0,
            worst: (0.0, "nothing".into()),
        }
    }

    /// How much the weights of the swayed witness differ.
    pub(crate) fn rounding(&self) -> f64 {
        self.tolerance.rounding()
    }

    pub(crate) fn compare(
        &mut self,
        what: impl FnOnce() -> String,
        found: &[f64],
        expected: &[f64],
    ) {
        self.compare_swayed(what, found, expected, expected);
    }

    /// [`Self::compare`] where `swayed` is what the witness answers to weights a rounding away.
    pub(crate) fn compare_swayed(
        &mut self,
        what: impl FnOnce() -> String,
        found: &[f64],
        expected: &[f64],
        swayed: &[f64],
    ) {
        let (error, allowed) = self.tolerance.judge(found, expected, swayed);
        let ratio = error / allowed;
        self.comparisons += 1;
        self.failures += usize::from(error > allowed || !allowed.is_finite());
        if ratio > self.worst.0 {
            let what = what();
            self.worst = (
                ratio,
                format!("{what} (error {error:.2e}, allowed {allowed:.2e})"),
            );
        }
    }

    pub(crate) fn passes(&self) -> bool {
        self.failures == 0
    }

    /// Prints the worst case; fails if it, or any other, is beyond the tolerance.
    #[expect(
        clippy::print_stderr,
        reason = "a test's worst case is for people to read"
    )]
    pub(crate) fn finish(self, suite: &str) {
        let (ratio, what) = &self.worst;
        let verdict = format!(
            "{suite}: {} of {} comparisons beyond {:?}; the worst is at {ratio:.3} of it: {what}",
            self.failures, self.comparisons, self.tolerance
        );
        eprintln!("{verdict}");
        assert!(self.comparisons > 0, "{suite}: nothing was compared");
        assert!(self.passes(), "{verdict}");
    }
}
