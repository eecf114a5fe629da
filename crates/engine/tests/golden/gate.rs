//! Named tolerances against PyTorch, and a report that keeps the worst cases.

/// The largest difference from PyTorch's float64 that a policy allows:
/// `digits * (largest magnitude of the tensor) + slack * (the larger of `[`Yardstick`]`)`, where
/// the second term is at most [`MOST`] of that magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// An f64 engine. The goldens hold 9 digits of gradients and weights, and all digits of the
    /// rest.
    Double,
    /// An f32 engine: some roundings, and a few times the unavoidable ones.
    Single,
}

const MOST: f64 = 1e-3;

/// The possible effect of rounding to f32 on a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    /// The error of PyTorch's own float32, which is a single draw and can be small by luck.
    pub(crate) torch: f64,
    /// The change of the float64 result when the weights change by a float32's last bit, which
    /// measures the condition of the problem.
    pub(crate) sway: f64,
}

/// The kind of number that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Loss,
    Gradient,
    GradNorm,
    TrainLoss,
    TrainGradNorm,
    Weight,
}

impl Quantity {
    const ALL: [Self; 6] = [
        Self::Loss,
        Self::Gradient,
        Self::GradNorm,
        Self::TrainLoss,
        Self::TrainGradNorm,
        Self::Weight,
    ];
}

impl Policy {
    fn digits(self, quantity: Quantity) -> f64 {
        match self {
            Self::Double => match quantity {
                Quantity::Loss | Quantity::GradNorm | Quantity::TrainLoss => 1e-12,
                Quantity::TrainGradNorm => 1e-11,
                // Half a unit of the ninth digit, and a margin.
                Quantity::Gradient | Quantity::Weight => 6e-9,
            },
            Self::Single => match quantity {
                Quantity::Loss | Quantity::GradNorm => 1e-6,
                Quantity::Gradient
                | Quantity::TrainLoss
                | Quantity::TrainGradNorm
                | Quantity::Weight => 4e-6,
            },
        }
    }

    fn slack(self) -> f64 {
        match self {
            Self::Double => 0.0,
            Self::Single => 4.0,
        }
    }
}

/// The worst case of one quantity.
#[derive(Clone, Debug, Default)]
struct Worst {
    comparisons: usize,
    failures: usize,
    /// The error as a fraction of the allowed one.
    ratio: f64,
    /// The name of the number that was compared.
    at: String,
    /// The error relative to the largest magnitude of the tensor.
    error: f64,
    /// The relative error of PyTorch's own float32.
    torch: f64,
}

/// Compares results with goldens and keeps the worst case of each quantity.
#[derive(Debug)]
pub(crate) struct Report {
    policy: Policy,
    pub(crate) goldens: usize,
    worst: [Worst; Quantity::ALL.len()],
}

impl Report {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            goldens: 0,
            worst: <_>::default(),
        }
    }

    /// Compares one tensor with PyTorch's.
    pub(crate) fn compare(
        &mut self,
        quantity: Quantity,
        at: impl FnOnce() -> String,
        found: &[f64],
        expected: &[f64],
        yardstick: Yardstick,
    ) {
        let largest = expected
            .iter()
            .fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
        let error = worst_error(found, expected);
        let Yardstick { torch, sway } = yardstick;
        let strayed = self.policy.slack() * torch.max(sway);
        let allowed = self.policy.digits(quantity) * largest + strayed.min(MOST * largest);
        let worst = &mut self.worst[quantity as usize];
        worst.comparisons += 1;
        worst.failures += usize::from(error > allowed);
        worst.error = worst.error.max(error / largest);
        worst.torch = worst.torch.max(torch / largest);
        if error / allowed >= worst.ratio {
            worst.ratio = error / allowed;
            worst.at = at();
        }
    }

    pub(crate) fn failures(&self) -> usize {
        self.worst.iter().map(|w| w.failures).sum()
    }

    /// Prints the worst case of every quantity. Panics if one is beyond the policy, or none was
    /// compared.
    #[expect(
        clippy::print_stderr,
        reason = "a test's worst case is for people to read"
    )]
    pub(crate) fn finish(&self, engine: &str) {
        let (goldens, policy) = (self.goldens, self.policy);
        eprintln!("{engine} against PyTorch's float64, {goldens} goldens, {policy:?}:");
        for (quantity, w) in Quantity::ALL.into_iter().zip(&self.worst) {
            let quantity = format!("{quantity:?}");
            eprintln!(
                "  {quantity:<14} error {:.1e} (PyTorch's float32 {:.1e}); at most {:.3} of what is \
                 allowed, in {}; {} of {} beyond",
                w.error, w.torch, w.ratio, w.at, w.failures, w.comparisons
            );
            assert!(w.comparisons > 0, "{engine}: no {quantity} was compared");
        }
        assert_eq!(self.failures(), 0, "{engine}: beyond {policy:?}");
    }
}

/// Returns the largest difference; infinite if lengths differ or a difference is not a number.
pub(crate) fn worst_error(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let errors = found.iter().zip(expected).map(|(f, e)| (f - e).abs());
    // `max` would lose a NaN.
    errors.fold(0.0, |worst: f64, error| {
        if error.is_nan() {
            f64::INFINITY
        } else {
            worst.max(error)
        }
    })
}
