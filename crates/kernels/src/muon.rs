//! Muon (Jordan 2024), an optimiser of weight matrices that makes the step of the momentum
//! orthogonal.
//!
//! m = μ m + (1 - μ) g; u = (1 - μ) g + μ m (Nesterov); w *= 1 - lr wd; w -= 0.2 sqrt(max(rows,
//! columns)) lr O(u).
//!
//! O(u) has u's singular vectors and singular values near 1. It comes from five Newton-Schulz steps
//! X <- a X + (b S + c S²) X, S = X Xᵀ, with Jordan's coefficients, which take values in (0, 1] to
//! about 0.7 to 1.2. The factor 0.2 sqrt(max) gives a step the size of one of `AdamW`'s, so that
//! both share a learning rate (Liu et al. 2025). The products are [`Linear`]'s, in f32.

use crate::OperandType;
use crate::isa::{Isa, dispatch};
use crate::linear::{self, Linear, Operand, WeightGrads};
use crate::reduction::sum_of_squares;
use crate::simd::{self, LANES, Simd, at, put};

/// Jordan's coefficients a, b, c: steepest at 0.
pub const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Newton-Schulz steps.
pub const STEPS: usize = 5;
/// The least norm that a matrix is divided by.
pub const EPS: f64 = 1e-7;

/// The hyper-parameters of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonHyper {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// The factor that gradients are multiplied by first.
    pub grad_scale: f64,
}

impl MuonHyper {
    /// Returns the factor of O(u) for a matrix [rows, columns].
    pub fn step_size(&self, rows: usize, columns: usize) -> f64 {
        self.lr * 0.2 * (rows.max(columns) as f64).sqrt()
    }
}

/// A weight matrix and what its step reads and writes, all of them [rows, columns]; with `T = f64`
/// for [`naive`].
#[derive(Debug)]
pub struct Matrix<'a, T = f32> {
    /// The weights.
    pub w: &'a mut [T],
    /// The momentum.
    pub m: &'a mut [T],
    /// The gradient.
    pub g: &'a [T],
    pub rows: usize,
    pub columns: usize,
}

/// Plain loops in f64.
pub mod naive {
    use super::{COEFFICIENTS, EPS, Matrix, MuonHyper, STEPS};

    /// Makes one step on the weights and their momentum.
    pub fn step(matrix: Matrix<'_, f64>, hyper: &MuonHyper) {
        let Matrix {
            w,
            m,
            g,
            rows,
            columns,
        } = matrix;
        let mu = hyper.momentum;
        let mut u = vec![0.0; w.len()];
        for i in 0..w.len() {
            let g = hyper.grad_scale * g[i];
            m[i] = mu * m[i] + (1.0 - mu) * g;
            u[i] = (1.0 - mu) * g + mu * m[i];
        }
        orthogonalize(&mut u, rows, columns);
        for i in 0..w.len() {
            w[i] *= 1.0 - hyper.lr * hyper.weight_decay;
            w[i] -= hyper.step_size(rows, columns) * u[i];
        }
    }

    /// x[rows, columns] becomes O(x).
    pub fn orthogonalize(x: &mut [f64], rows: usize, columns: usize) {
        let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(EPS);
        for x in x.iter_mut() {
            *x /= norm;
        }
        let [a, b, c] = COEFFICIENTS;
        for _ in 0..STEPS {
            let gram = product(x, &transposed(x, rows, columns), rows, columns);
            let square = product(&gram, &gram, rows, rows);
            let polynomial: Vec<f64> = gram
                .iter()
                .zip(&square)
                .map(|(s, s2)| b * s + c * s2)
                .collect();
            let terms = product(&polynomial, x, rows, rows);
            x.iter_mut()
                .zip(terms)
                .for_each(|(x, term)| *x = a * *x + term);
        }
    }

    /// Returns a[n, k] b[k, ..].
    fn product(a: &[f64], b: &[f64], n: usize, k: usize) -> Vec<f64> {
        let columns = b.len() / k;
        let element = |i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * columns + j]).sum();
        (0..n)
            .flat_map(|i| (0..columns).map(move |j| (i, j)))
            .map(|(i, j)| element(i, j))
            .collect()
    }

    fn transposed(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        (0..columns)
            .flat_map(|j| (0..rows).map(move |i| x[i * columns + j]))
            .collect()
    }
}

/// Returns how many floats of scratch [`step`] needs for a matrix [rows, columns].
pub fn scratch_len(rows: usize, columns: usize) -> usize {
    let short = rows.min(columns);
    2 * rows * columns + 2 * short * short + linear::SCRATCH_LEN
}

/// Makes one step on the weights and their momentum.
pub fn step(isa: Isa, matrix: Matrix<'_>, scratch: &mut [f32], hyper: &MuonHyper) {
    let Matrix {
        w,
        m,
        g,
        rows,
        columns,
    } = matrix;
    let n = rows * columns;
    assert!(
        w.len() == n && m.len() == n && g.len() == n,
        "muon: lengths differ"
    );
    let (u, scratch) = scratch.split_at_mut(n);
    dispatch!(isa, s => add_momentum(s, u, m, g, hyper));
    orthogonalize(isa, u, scratch, rows, columns);
    let (decay, size) = (
        1.0 - hyper.lr * hyper.weight_decay,
        hyper.step_size(rows, columns),
    );
    dispatch!(isa, s => axpby(s, w, decay, u, -size));
}

/// Computes u and m from the gradient.
#[inline(always)]
fn add_momentum<S: Simd>(s: S, u: &mut [f32], m: &mut [f32], g: &[f32], hyper: &MuonHyper) {
    let (mu, rest) = (hyper.momentum, 1.0 - hyper.momentum);
    let (mu, rest) = (
        s.splat(mu as f32),
        s.splat((rest * hyper.grad_scale) as f32),
    );
    for i in (0..u.len()).step_by(LANES) {
        let g_part = s.mul(rest, at(s, g, i));
        let momentum = s.mul_add(mu, at(s, m, i), g_part);
        put(s, u, i, s.mul_add(mu, momentum, g_part));
        put(s, m, i, momentum);
    }
}

/// x[rows, columns] becomes O(x).
fn orthogonalize(isa: Isa, x: &mut [f32], scratch: &mut [f32], rows: usize, columns: usize) {
    let short = rows.min(columns);
    let (y, scratch) = scratch.split_at_mut(rows * columns);
    let (gram, scratch) = scratch.split_at_mut(short * short);
    let (square, scratch) = scratch.split_at_mut(short * short);
    let map = |inp, out| Linear {
        isa,
        precision: OperandType::F32,
        inp,
        out,
    };
    let norm = sum_of_squares(isa, x).sqrt().max(EPS);
    dispatch!(isa, s => scale(s, x, 1.0 / norm));
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..STEPS {
        // The smaller of X Xᵀ and Xᵀ X: a polynomial of either on its own side is the same X.
        if rows <= columns {
            map(columns, rows).forward(gram, scratch, x, Operand::Plain(x), None, rows);
        } else {
            let grads = WeightGrads {
                outs: 0..columns,
                dw: gram,
                accumulate_dw: false,
                dbias: None,
            };
            map(columns, columns).backward_weight(grads, scratch, x, Operand::Plain(x), rows);
        }
        map(short, short).forward(square, scratch, gram, Operand::Plain(gram), None, short);
        dispatch!(isa, s => axpby(s, gram, b, square, c));
        if rows <= columns {
            map(columns, rows).backward_input(y, scratch, gram, Operand::Plain(x), false, rows);
        } else {
            map(columns, columns).forward(y, scratch, x, Operand::Plain(gram), None, rows);
        }
        dispatch!(isa, s => axpby(s, x, a, y, 1.0));
    }
}

/// x = a x.
#[inline(always)]
fn scale<S: Simd>(s: S, x: &mut [f32], a: f64) {
    simd::update(
        s,
        x,
        #[inline(always)]
        |x| s.mul(x, s.splat(a as f32)),
    );
}

/// x = a x + b y.
#[inline(always)]
fn axpby<S: Simd>(s: S, x: &mut [f32], a: f64, y: &[f32], b: f64) {
    let (a, b) = (s.splat(a as f32), s.splat(b as f32));
    simd::update1(
        s,
        x,
        y,
        #[inline(always)]
        |x, y| s.mul_add(b, y, s.mul(a, x)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, close, narrow, to_f64, values};

    const HYPER: MuonHyper = MuonHyper {
        lr: 0.02,
        momentum: 0.95,
        weight_decay: 0.1,
        grad_scale: 0.5,
    };

    #[test]
    fn fast_agrees_with_naive_over_steps() {
        let sizes = [(1, 1), (3, 17), (40, 9), (33, 33), (96, 32)];
        for (isa, (rows, columns)) in Isa::available().flat_map(|isa| sizes.map(|s| (isa, s))) {
            let n = rows * columns;
            let (mut w, mut m) = (values(n, 1), vec![0.0; n]);
            let (mut w64, mut m64) = (to_f64(&w), to_f64(&m));
            let mut scratch = vec![f32::NAN; scratch_len(rows, columns)];
            for seed in 10..13 {
                let g = values(n, seed);
                let matrix = Matrix {
                    w: &mut w64,
                    m: &mut m64,
                    g: &to_f64(&g),
                    rows,
                    columns,
                };
                naive::step(matrix, &HYPER);
                let matrix = Matrix {
                    w: &mut w,
                    m: &mut m,
                    g: &g,
                    rows,
                    columns,
                };
                step(isa, matrix, &mut scratch, &HYPER);
            }
            close(isa, "w", &w, &narrow(&w64), SUMS);
            close(isa, "m", &m, &narrow(&m64), SUMS);
        }
    }

    /// Worked out by hand: the orthogonal matrix nearest to a diagonal one has its signs. The
    /// values stay in Jordan's range.
    #[test]
    fn a_diagonal_matrix_becomes_its_signs() {
        let mut x = vec![0.0; 16];
        for (i, d) in [3.0, -1.0, 0.5, -2.0].into_iter().enumerate() {
            x[i * 4 + i] = d;
        }
        let signs: Vec<f64> = x
            .iter()
            .map(|x: &f64| x.signum() * f64::from(*x != 0.0))
            .collect();
        naive::orthogonalize(&mut x, 4, 4);
        for (x, sign) in x.iter().zip(signs) {
            assert!((x - sign).abs() < 0.35, "{x} {sign}");
        }
    }

    #[test]
    fn no_gradient_moves_nothing() {
        let (mut w, mut m) = (vec![1.0; 6], vec![0.0; 6]);
        let mut scratch = vec![f32::NAN; scratch_len(2, 3)];
        let hyper = MuonHyper {
            weight_decay: 0.0,
            ..HYPER
        };
        let matrix = Matrix {
            w: &mut w,
            m: &mut m,
            g: &[0.0; 6],
            rows: 2,
            columns: 3,
        };
        step(Isa::detect(), matrix, &mut scratch, &hyper);
        assert_eq!(w, [1.0; 6]);
    }
}
