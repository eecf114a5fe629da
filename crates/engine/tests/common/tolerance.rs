//! Named tolerances between two results, and a gate that keeps the worst case.

use gptlab_model::{Activation, Node, Op};

use super::specs::Case;

/// A policy: `|found - expected| <= relative * largest + floor + sways * sway`, where `largest` is
/// the tensor's largest magnitude: an element that is small among large ones is a difference of
/// large terms and carries their rounding.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tolerance {
    /// An f32 engine against the f64 oracle. An f32 rounds to 6e-8 of its value, and a gradient of
    /// these models is some hundred roundings deep. The floor is for tensors that are nothing but
    /// rounding, such as the gradient of a bias that a softmax cancels. `sway` is the change of the
    /// oracle's own result when its weights change by a rounding: a model that divides by the root
    /// mean square of almost nothing has results that no f32 engine can compute better.
    F32,
    /// An engine whose matrix products round their operands to bf16, against the f64 oracle: the
    /// error is 2e-3 of their value, some fifteen products deep. `sway` is that of a bf16 rounding:
    /// it grows where a gate such as ReLU's is so near its edge that bf16 cannot tell its side.
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

    /// Returns twice the largest relative change by one rounding: how much the weights of the
    /// swayed witness differ.
    fn rounding(self) -> f64 {
        match self {
            Self::F32 | Self::F32Step | Self::Differences => f64::from(f32::EPSILON),
            // Both operands of a product are rounded, and only one of them is a weight.
            Self::Bf16 => 1.0 / 128.0,
        }
    }

    /// Returns true if the policy can judge the model. ReLU's derivative jumps, and an error of
    /// bf16 is so wide that somewhere in nearly every batch it is on the other side; in f32 it
    /// hardly ever is.
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

    /// Returns the worst element's error, and the largest error allowed.
    fn judge(self, found: &[f64], expected: &[f64], swayed: &[f64]) -> (f64, f64) {
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let allow = self.allowance();
        let sway = distance(swayed, expected);
        let allowed = allow.relative * largest + allow.floor + allow.sways * sway;
        (distance(found, expected), allowed)
    }
}

/// Returns the largest difference of two elements; infinite if one is not a number or has no
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

/// Compares tensors under one policy and keeps the worst case.
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

    /// Returns how much the weights of the swayed witness differ.
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

    /// Runs [`Self::compare`] with `swayed`, the witness's result for weights that differ by a
    /// rounding.
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
