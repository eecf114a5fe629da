//! How far from PyTorch an answer may be, by name, and a report that remembers the worst.

/// How far from PyTorch's float64 an answer may be:
/// `digits * (largest magnitude of the tensor) + slack * (the larger of `[`Yardstick`]`)`, where
/// the second term, however far a number strays, is no more than [`MOST`] of that magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// An f64 engine. The goldens keep 9 digits of gradients and weights, and all of the rest.
    Double,
    /// An f32 engine: some roundings, and a few times what they must do.
    Single,
}

const MOST: f64 = 1e-3;

/// What rounding to f32 can do to a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    /// The error of PyTorch's own float32: one draw, which may be lucky.
    pub(crate) torch: f64,
    /// How far float64 moves when the weights move by a float32's last bit: no luck, but the
    /// condition of the problem.
    pub(crate) sway: f64,
}

/// What is compared.
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
                // Half a unit of the ninth digit, and a bit.
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

/// The worst of one quantity.
#[derive(Clone, Debug, Default)]
struct Worst {
    comparisons: usize,
    failures: usize,
    /// Of what is allowed.
    ratio: f64,
    /// What was compared when it came to that.
    at: String,
    /// Relative to the largest magnitude of the tensor.
    error: f64,
    /// The same of PyTorch's own float32.
    torch: f64,
}

/// Compares answers with goldens and remembers the worst of each quantity.
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

    /// Prints the worst of every quantity; fails where one is beyond the policy, or none was
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

/// The largest difference; infinite where lengths differ or a difference is not a number.
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
