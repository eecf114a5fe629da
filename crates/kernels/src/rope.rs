//! Rotary positions (Su et al. 2021) in the half-split convention of `GPT-NeoX` and `LLaMA`: of a
//! head of D columns, the pair (i, i + D/2) is rotated by the angle position * theta^(-2i / D).
//!
//! The rotation is orthogonal, so the backward is the rotation by the opposite angle. The fast
//! version reads sines and cosines from tables that the caller keeps, a vector of pairs at a time.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, put};

/// The base of the angles in the paper.
pub const THETA: f64 = 10_000.0;

pub use crate::head_norm::LeadingHeads;

/// Returns how many floats each of the two tables holds, for positions below `positions`.
pub fn table_len(positions: usize, head_dim: usize) -> usize {
    positions * (head_dim / 2)
}

/// Fills the tables, rows of `head_dim / 2` angles a position, in f64 rounded once.
pub fn fill_table(cos: &mut [f32], sin: &mut [f32], head_dim: usize, theta: f64) {
    assert_eq!(cos.len(), sin.len(), "rope: the tables differ in length");
    let half = (head_dim / 2).max(1);
    for (i, (cos, sin)) in cos.iter_mut().zip(sin).enumerate() {
        let (position, pair) = (i / half, i % half);
        let angle = position as f64 * theta.powf(-((2 * pair) as f64) / head_dim as f64);
        (*cos, *sin) = (angle.cos() as f32, angle.sin() as f32);
    }
}

/// Plain loops in f64, without tables.
pub mod naive {
    use super::LeadingHeads;

    /// Rotates x[n, width] in place; row r stands at `first_position + r`. `sign` is 1 in the
    /// forward and -1 in the backward.
    pub fn rotate(
        x: &mut [f64],
        heads: LeadingHeads,
        first_position: usize,
        n: usize,
        theta: f64,
        sign: f64,
    ) {
        let (d, half) = (heads.head_dim, heads.head_dim / 2);
        for row in 0..n {
            for head in 0..heads.count {
                for pair in 0..half {
                    let frequency = theta.powf(-((2 * pair) as f64) / d as f64);
                    let angle = sign * (first_position + row) as f64 * frequency;
                    let first = row * heads.width + head * d + pair;
                    let (a, b) = (x[first], x[first + half]);
                    x[first] = a * angle.cos() - b * angle.sin();
                    x[first + half] = b * angle.cos() + a * angle.sin();
                }
            }
        }
    }
}

/// Rotates the first heads of x[n, width] in place; row r stands at `first_position + r`.
pub fn forward(
    isa: Isa,
    x: &mut [f32],
    cos: &[f32],
    sin: &[f32],
    heads: LeadingHeads,
    first_position: usize,
    n: usize,
) {
    let tables = AngleTables { cos, sin };
    check(x, tables, heads, first_position + n, n);
    dispatch!(isa, s => rotate(s, x, tables, heads, first_position, 1.0));
}

/// Rotates the gradient back, in place.
pub fn backward(
    isa: Isa,
    dx: &mut [f32],
    cos: &[f32],
    sin: &[f32],
    heads: LeadingHeads,
    first_position: usize,
    n: usize,
) {
    let tables = AngleTables { cos, sin };
    check(dx, tables, heads, first_position + n, n);
    dispatch!(isa, s => rotate(s, dx, tables, heads, first_position, -1.0));
}

/// What [`fill_table`] makes.
#[derive(Clone, Copy)]
struct AngleTables<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
}

fn check(x: &[f32], tables: AngleTables<'_>, heads: LeadingHeads, positions: usize, n: usize) {
    assert_eq!(x.len(), n * heads.width, "rope: x is not [n, width]");
    assert!(heads.head_dim.is_multiple_of(2), "rope: head_dim is even");
    assert!(
        heads.count * heads.head_dim <= heads.width,
        "rope: the heads fit a row"
    );
    let needed = table_len(positions, heads.head_dim);
    assert!(
        tables.cos.len() >= needed && tables.sin.len() >= needed,
        "rope: the tables are too short"
    );
}

#[inline(always)]
fn rotate<S: Simd>(
    s: S,
    x: &mut [f32],
    tables: AngleTables<'_>,
    heads: LeadingHeads,
    first_position: usize,
    sign: f32,
) {
    let half = heads.head_dim / 2;
    let rotated = heads.count * heads.head_dim;
    if rotated == 0 {
        return;
    }
    for (row, x) in x.chunks_exact_mut(heads.width).enumerate() {
        let angles = (first_position + row) * half;
        let (cos, sin) = (&tables.cos[angles..][..half], &tables.sin[angles..][..half]);
        for head in x[..rotated].chunks_exact_mut(heads.head_dim) {
            let (first, second) = head.split_at_mut(half);
            for i in (0..half).step_by(LANES) {
                let (a, b) = (at(s, first, i), at(s, second, i));
                let (cos, sin) = (at(s, cos, i), s.mul(at(s, sin, i), s.splat(sign)));
                let minus_sin = s.sub(s.zero(), sin);
                put(s, first, i, s.mul_add(b, minus_sin, s.mul(a, cos)));
                put(s, second, i, s.mul_add(a, sin, s.mul(b, cos)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, close, dot, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive_and_the_backward_undoes_it() {
        for (isa, head_dim) in
            Isa::available().flat_map(|isa| [2, 14, 32, 34, 64].map(|d| (isa, d)))
        {
            let (n, first) = (5, 300);
            let heads = LeadingHeads {
                count: 3,
                head_dim,
                width: 4 * head_dim + 1,
            };
            let mut cos = vec![0.0; table_len(first + n, head_dim)];
            let mut sin = cos.clone();
            fill_table(&mut cos, &mut sin, head_dim, THETA);
            let x = values(n * heads.width, 1);
            let (mut fast, mut slow) = (x.clone(), to_f64(&x));
            forward(isa, &mut fast, &cos, &sin, heads, first, n);
            naive::rotate(&mut slow, heads, first, n, THETA, 1.0);
            close(isa, "rotated", &fast, &narrow(&slow), ELEMENTWISE);
            backward(isa, &mut fast, &cos, &sin, heads, first, n);
            close(isa, "and back", &fast, &x, ELEMENTWISE);
        }
    }

    /// The purpose of the method: the product of a rotated query and a rotated key depends on their
    /// distance alone.
    #[test]
    fn products_depend_on_the_distance() {
        let heads = LeadingHeads {
            count: 1,
            head_dim: 8,
            width: 8,
        };
        let product = |i: usize, j: usize| {
            let (mut q, mut k) = (to_f64(&values(8, 1)), to_f64(&values(8, 2)));
            naive::rotate(&mut q, heads, i, 1, THETA, 1.0);
            naive::rotate(&mut k, heads, j, 1, THETA, 1.0);
            dot(&q, &k)
        };
        assert!((product(9, 4) - product(25, 20)).abs() < 1e-12);
        assert!((product(9, 4) - product(9, 5)).abs() > 1e-3);
    }
}
