//! A tape of scalars: every number that was computed, with its parents and its derivative by each.
//!
//! The engine defines only forward passes; [`Tape::gradients`] walks the tape backwards (reverse
//! accumulation, Linnainmaa 1970).

use std::f64::consts::PI;

/// A number on a tape.
#[derive(Clone, Copy)]
pub(super) struct Var(usize);

pub(super) struct Tape {
    values: Vec<f64>,
    /// Pairs `(parent, d node / d parent)`, node after node.
    parents: Vec<(Var, f64)>,
    /// The index in `parents` where each node's parents end.
    ends: Vec<usize>,
    /// Whether parents are recorded; evaluating needs only the values.
    recording: bool,
}

impl Tape {
    pub(super) fn new(recording: bool) -> Self {
        Self {
            values: Vec::new(),
            parents: Vec::new(),
            ends: Vec::new(),
            recording,
        }
    }

    pub(super) fn value(&self, x: Var) -> f64 {
        self.values[x.0]
    }

    /// Returns `d of / d x` for every number `x` on the tape, in the order they were recorded.
    pub(super) fn gradients(&self, of: Var) -> Vec<f64> {
        let mut gradients = vec![0.0; self.values.len()];
        gradients[of.0] = 1.0;
        for node in (0..=of.0).rev() {
            let first = if node == 0 { 0 } else { self.ends[node - 1] };
            for &(parent, slope) in &self.parents[first..self.ends[node]] {
                gradients[parent.0] += slope * gradients[node];
            }
        }
        gradients
    }

    fn push(&mut self, value: f64, parents: impl IntoIterator<Item = (Var, f64)>) -> Var {
        self.values.push(value);
        if self.recording {
            self.parents.extend(parents);
            self.ends.push(self.parents.len());
        }
        Var(self.values.len() - 1)
    }

    pub(super) fn leaf(&mut self, value: f64) -> Var {
        self.push(value, [])
    }

    pub(super) fn add(&mut self, a: Var, b: Var) -> Var {
        self.push(self.value(a) + self.value(b), [(a, 1.0), (b, 1.0)])
    }

    pub(super) fn sub(&mut self, a: Var, b: Var) -> Var {
        self.push(self.value(a) - self.value(b), [(a, 1.0), (b, -1.0)])
    }

    pub(super) fn mul(&mut self, a: Var, b: Var) -> Var {
        let (va, vb) = (self.value(a), self.value(b));
        self.push(va * vb, [(a, vb), (b, va)])
    }

    pub(super) fn div(&mut self, a: Var, b: Var) -> Var {
        let (va, vb) = (self.value(a), self.value(b));
        self.push(va / vb, [(a, 1.0 / vb), (b, -va / (vb * vb))])
    }

    /// Computes `a + k` for a constant `k`.
    pub(super) fn shift(&mut self, a: Var, k: f64) -> Var {
        self.push(self.value(a) + k, [(a, 1.0)])
    }

    /// Computes `a * k` for a constant `k`.
    pub(super) fn scale(&mut self, a: Var, k: f64) -> Var {
        self.push(self.value(a) * k, [(a, k)])
    }

    pub(super) fn sum(&mut self, xs: &[Var]) -> Var {
        let value = xs.iter().map(|x| self.value(*x)).sum();
        self.push(value, xs.iter().map(|x| (*x, 1.0)))
    }

    pub(super) fn dot(&mut self, xs: &[Var], ys: &[Var]) -> Var {
        let numbers = |vars: &[Var]| -> Vec<f64> { vars.iter().map(|v| self.value(*v)).collect() };
        let (vx, vy) = (numbers(xs), numbers(ys));
        let value = vx.iter().zip(&vy).map(|(x, y)| x * y).sum();
        let by_x = xs.iter().copied().zip(vy);
        let by_y = ys.iter().copied().zip(vx);
        self.push(value, by_x.chain(by_y))
    }

    pub(super) fn sqrt(&mut self, x: Var) -> Var {
        let y = self.value(x).sqrt();
        self.push(y, [(x, 0.5 / y)])
    }

    pub(super) fn exp(&mut self, x: Var) -> Var {
        let y = self.value(x).exp();
        self.push(y, [(x, y)])
    }

    pub(super) fn ln(&mut self, x: Var) -> Var {
        let v = self.value(x);
        self.push(v.ln(), [(x, 1.0 / v)])
    }

    pub(super) fn tanh(&mut self, x: Var) -> Var {
        let y = self.value(x).tanh();
        self.push(y, [(x, 1.0 - y * y)])
    }

    pub(super) fn erf(&mut self, x: Var) -> Var {
        let v = self.value(x);
        self.push(libm::erf(v), [(x, 2.0 / PI.sqrt() * (-v * v).exp())])
    }

    /// Computes `max(x, 0)`, with slope 0 at 0 as in PyTorch.
    pub(super) fn relu(&mut self, x: Var) -> Var {
        let v = self.value(x);
        let slope = f64::from(u8::from(v > 0.0));
        self.push(v * slope, [(x, slope)])
    }
}
