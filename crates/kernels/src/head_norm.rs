//! QK-norm (Henry et al. 2020; Dehghani et al. 2023): each of the first heads of a packed row
//! becomes y = x / sqrt(mean(x²) + eps), without a gain.
//!
//! The backward needs only what the forward wrote: with y and rstd, dx = rstd (dy - y mean(dy y)).
//! Both work in place. A head is one to four vectors and stays in registers between its two passes.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, fold, put};

/// The first heads of packed rows: the columns that are normalised, or rotated (`rope`).
#[derive(Clone, Copy, Debug)]
pub struct LeadingHeads {
    /// How many heads there are; they come first in each row.
    pub count: usize,
    /// Columns of a head.
    pub head_dim: usize,
    /// Columns of a row.
    pub width: usize,
}

/// Plain loops in f64.
pub mod naive {
    use super::LeadingHeads;

    /// x[n, width] in place; rstd[n * heads].
    pub fn forward(x: &mut [f64], rstd: &mut [f64], heads: LeadingHeads, eps: f64, n: usize) {
        for row in 0..n {
            for head in 0..heads.count {
                let x = &mut x[row * heads.width + head * heads.head_dim..][..heads.head_dim];
                let squares: f64 = x.iter().map(|x| x * x).sum();
                let r = 1.0 / (squares / heads.head_dim as f64 + eps).sqrt();
                for x in x {
                    *x *= r;
                }
                rstd[row * heads.count + head] = r;
            }
        }
    }

    /// dy becomes dx, from the normalised y.
    pub fn backward(dy_to_dx: &mut [f64], y: &[f64], rstd: &[f64], heads: LeadingHeads, n: usize) {
        for row in 0..n {
            for head in 0..heads.count {
                let at = row * heads.width + head * heads.head_dim;
                let d = &mut dy_to_dx[at..][..heads.head_dim];
                let y = &y[at..][..heads.head_dim];
                let sum: f64 = d.iter().zip(y).map(|(d, y)| d * y).sum();
                for (d, y) in d.iter_mut().zip(y) {
                    let mean = sum / heads.head_dim as f64;
                    *d = rstd[row * heads.count + head] * (*d - y * mean);
                }
            }
        }
    }
}

/// Normalises the first heads of x[n, width] in place; rstd[n * heads] is for the backward.
pub fn forward(isa: Isa, x: &mut [f32], rstd: &mut [f32], heads: LeadingHeads, eps: f32, n: usize) {
    check(x, rstd, heads, n);
    dispatch!(isa, s => heads_forward(s, x, rstd, heads, eps));
}

/// dy becomes dx in place, from the normalised y[n, width] and rstd.
pub fn backward(
    isa: Isa,
    dy_to_dx: &mut [f32],
    y: &[f32],
    rstd: &[f32],
    heads: LeadingHeads,
    n: usize,
) {
    check(dy_to_dx, rstd, heads, n);
    assert_eq!(y.len(), dy_to_dx.len(), "head norm: y is not like dy");
    dispatch!(isa, s => heads_backward(s, dy_to_dx, y, rstd, heads));
}

fn check(x: &[f32], rstd: &[f32], heads: LeadingHeads, n: usize) {
    assert_eq!(x.len(), n * heads.width, "head norm: x is not [n, width]");
    assert_eq!(
        rstd.len(),
        n * heads.count,
        "head norm: rstd is not [n, heads]"
    );
    assert!(
        heads.count * heads.head_dim <= heads.width,
        "head norm: the heads fit a row"
    );
    assert!(
        heads.count == 0 || heads.head_dim > 0,
        "head norm: heads have columns"
    );
}

#[inline(always)]
fn heads_forward<S: Simd>(s: S, x: &mut [f32], rstds: &mut [f32], heads: LeadingHeads, eps: f32) {
    let d = heads.head_dim;
    for (i, rstd) in rstds.iter_mut().enumerate() {
        let first = i / heads.count * heads.width + i % heads.count * d;
        let x = &mut x[first..][..d];
        let squares = fold(
            s,
            s.zero(),
            x,
            0.0,
            #[inline(always)]
            |acc, x| s.mul_add(x, x, acc),
        );
        *rstd = 1.0 / (s.sum(squares) / d as f32 + eps).sqrt();
        for i in (0..d).step_by(LANES) {
            let y = s.mul(at(s, x, i), s.splat(*rstd));
            put(s, x, i, y);
        }
    }
}

#[inline(always)]
fn heads_backward<S: Simd>(s: S, d: &mut [f32], y: &[f32], rstds: &[f32], heads: LeadingHeads) {
    let width = heads.head_dim;
    for (i, &rstd) in rstds.iter().enumerate() {
        let first = i / heads.count * heads.width + i % heads.count * width;
        let (d, y) = (&mut d[first..][..width], &y[first..][..width]);
        let mut sum = s.zero();
        for i in (0..width).step_by(LANES) {
            sum = s.mul_add(at(s, d, i), at(s, y, i), sum);
        }
        let mean = s.splat(-s.sum(sum) / width as f32);
        for i in (0..width).step_by(LANES) {
            let v = s.mul_add(at(s, y, i), mean, at(s, d, i));
            put(s, d, i, s.mul(v, s.splat(rstd)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, check_gradient, close, dot, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, head_dim) in Isa::available().flat_map(|isa| [1, 7, 17, 32, 33].map(|d| (isa, d)))
        {
            let (n, heads) = (
                4,
                LeadingHeads {
                    count: 3,
                    head_dim,
                    width: 5 * head_dim,
                },
            );
            let (x, dy) = (values(n * heads.width, 1), values(n * heads.width, 2));
            let (mut y, mut rstd) = (to_f64(&x), vec![0.0; n * 3]);
            naive::forward(&mut y, &mut rstd, heads, 1e-2, n);
            let mut dx = to_f64(&dy);
            naive::backward(&mut dx, &y, &rstd, heads, n);
            let (mut fast, mut fast_rstd) = (x.clone(), vec![0.0; n * 3]);
            forward(isa, &mut fast, &mut fast_rstd, heads, 1e-2, n);
            close(isa, "y", &fast, &narrow(&y), SUMS);
            close(isa, "rstd", &fast_rstd, &narrow(&rstd), SUMS);
            let mut d = dy.clone();
            backward(isa, &mut d, &fast, &fast_rstd, heads, n);
            close(isa, "dx", &d, &narrow(&dx), SUMS);
        }
    }

    #[test]
    fn naive_backward_is_the_derivative() {
        let (n, heads) = (
            2,
            LeadingHeads {
                count: 2,
                head_dim: 3,
                width: 8,
            },
        );
        let (x, dy) = (to_f64(&values(16, 1)), to_f64(&values(16, 2)));
        let run = |x: &[f64]| {
            let (mut y, mut rstd) = (x.to_vec(), vec![0.0; 4]);
            naive::forward(&mut y, &mut rstd, heads, 1e-5, n);
            (y, rstd)
        };
        let (y, rstd) = run(&x);
        let mut dx = dy.clone();
        naive::backward(&mut dx, &y, &rstd, heads, n);
        check_gradient("dx", &dx, &x, |x| dot(&run(x).0, &dy));
    }
}
