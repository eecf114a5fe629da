//! The affine map of a layer: y[n, out] = x[n, inp] Wᵀ + b with W[out, inp], the layout of PyTorch's `Linear`.
//!
//! dx = dy W, dW += dyᵀ x, db += the column sums of dy. The products are `matmul`'s. Few rows (the decoding of
//! one token) would not repay the packing of W: they are dot products of W's rows, four rows of W at a time, and
//! run at the speed of memory.

use crate::elementwise;
use crate::isa::{Isa, dispatch};
use crate::matmul::{self, Strided};
use crate::simd::{LANES, Simd};

/// Floats of scratch that every function here needs.
pub const SCRATCH_LEN: usize = matmul::SCRATCH_LEN;

/// Up to this many rows a product is a handful of dot products.
const FEW_ROWS: usize = 3;

/// Plain loops.
pub mod naive {
    use crate::matmul::{Strided, naive::matmul};

    /// y[n, out] = x[n, inp] Wᵀ + b.
    pub fn forward(
        y: &mut [f32],
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        (n, inp, out): (usize, usize, usize),
    ) {
        for row in 0..n {
            for o in 0..out {
                let mut sum = bias.map_or(0.0, |bias| bias[o]);
                for i in 0..inp {
                    sum += x[row * inp + i] * w[o * inp + i];
                }
                y[row * out + o] = sum;
            }
        }
    }

    /// dx[n, inp] = dy[n, out] W.
    pub fn backward_input(
        dx: &mut [f32],
        dy: &[f32],
        w: &[f32],
        accumulate: bool,
        (n, inp, out): (usize, usize, usize),
    ) {
        let (dy, w) = (Strided::row_major(dy, out), Strided::row_major(w, inp));
        matmul(dx, dy, w, accumulate, (n, inp, out));
    }

    /// dW[out, inp] += dyᵀ x.
    pub fn backward_weight(
        dw: &mut [f32],
        dy: &[f32],
        x: &[f32],
        (n, inp, out): (usize, usize, usize),
    ) {
        let (dy, x) = (Strided::row_major(dy, out), Strided::row_major(x, inp));
        matmul(dw, dy.transposed(), x, true, (out, inp, n));
    }

    /// db[out] += the column sums of dy.
    pub fn backward_bias(dbias: &mut [f32], dy: &[f32], n: usize, out: usize) {
        for row in 0..n {
            for o in 0..out {
                dbias[o] += dy[row * out + o];
            }
        }
    }
}

/// y[n, out] = x[n, inp] Wᵀ + b.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    scratch: &mut [f32],
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    (n, inp, out): (usize, usize, usize),
) {
    assert!(
        y.len() == n * out && x.len() == n * inp && w.len() == out * inp,
        "linear sizes"
    );
    assert!(
        bias.is_none_or(|bias| bias.len() == out),
        "bias is not [out]"
    );
    if n <= FEW_ROWS {
        dispatch!(isa, s => few_rows(s, y, x, w, bias, (n, inp, out)));
        return;
    }
    if let Some(bias) = bias {
        y.chunks_exact_mut(out.max(1))
            .for_each(|row| row.copy_from_slice(bias));
    }
    let (x, w) = (Strided::row_major(x, inp), Strided::row_major(w, inp));
    matmul::matmul(
        isa,
        y,
        scratch,
        x,
        w.transposed(),
        bias.is_some(),
        (n, out, inp),
    );
}

/// dx[n, inp] = dy[n, out] W, added to dx where `accumulate`.
pub fn backward_input(
    isa: Isa,
    dx: &mut [f32],
    scratch: &mut [f32],
    dy: &[f32],
    w: &[f32],
    accumulate: bool,
    (n, inp, out): (usize, usize, usize),
) {
    assert!(dy.len() == n * out && w.len() == out * inp, "linear sizes");
    let (dy, w) = (Strided::row_major(dy, out), Strided::row_major(w, inp));
    matmul::matmul(isa, dx, scratch, dy, w, accumulate, (n, inp, out));
}

/// dW[out, inp] += dyᵀ x.
pub fn backward_weight(
    isa: Isa,
    dw: &mut [f32],
    scratch: &mut [f32],
    dy: &[f32],
    x: &[f32],
    (n, inp, out): (usize, usize, usize),
) {
    assert!(dy.len() == n * out && x.len() == n * inp, "linear sizes");
    let (dy, x) = (Strided::row_major(dy, out), Strided::row_major(x, inp));
    matmul::matmul(isa, dw, scratch, dy.transposed(), x, true, (out, inp, n));
}

/// db[out] += the column sums of dy, rows in order.
pub fn backward_bias(isa: Isa, dbias: &mut [f32], dy: &[f32], n: usize, out: usize) {
    assert!(dbias.len() == out && dy.len() == n * out, "linear sizes");
    for row in dy.chunks_exact(out.max(1)) {
        elementwise::accumulate(isa, dbias, row);
    }
}

#[inline(always)]
fn few_rows<S: Simd>(
    s: S,
    y: &mut [f32],
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    (n, inp, out): (usize, usize, usize),
) {
    for row in 0..n {
        let (y, x) = (&mut y[row * out..][..out], &x[row * inp..][..inp]);
        for o in (0..out).step_by(4) {
            // Past the last row of W the last row is read again, and the result dropped.
            let rows: [&[f32]; 4] =
                core::array::from_fn(|i| &w[(o + i).min(out - 1) * inp..][..inp]);
            let sums = four_dots(s, x, rows);
            for (i, y) in y[o..].iter_mut().take(4).enumerate() {
                *y = sums[i] + bias.map_or(0.0, |bias| bias[o + i]);
            }
        }
    }
}

#[inline(always)]
fn four_dots<S: Simd>(s: S, x: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let (full, tail) = x.as_chunks::<LANES>();
    let chunks = rows.map(|row| row.as_chunks::<LANES>());
    let mut acc = [s.zero(); 4];
    for (k, x) in full.iter().enumerate() {
        let x = s.load(x);
        for (acc, (row, _)) in acc.iter_mut().zip(&chunks) {
            *acc = s.mul_add(x, s.load(&row[k]), *acc);
        }
    }
    if !tail.is_empty() {
        let x = s.load_partial(tail, 0.0);
        for (acc, (_, row)) in acc.iter_mut().zip(&chunks) {
            *acc = s.mul_add(x, s.load_partial(row, 0.0), *acc);
        }
    }
    [s.sum(acc[0]), s.sum(acc[1]), s.sum(acc[2]), s.sum(acc[3])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, check_gradient, close, dot, to_f64, values};

    const SIZES: [(usize, usize, usize); 6] = [
        (1, 33, 17),
        (2, 130, 7),
        (1, 128, 384),
        (7, 1, 1),
        (33, 17, 130),
        (130, 33, 65),
    ];

    #[test]
    fn fast_agrees_with_naive() {
        let mut scratch = vec![f32::NAN; SCRATCH_LEN];
        for (isa, size) in Isa::available().flat_map(|isa| SIZES.map(|size| (isa, size))) {
            let (n, inp, out) = size;
            let (x, w) = (values(n * inp, 1), values(out * inp, 2));
            let (dy, bias) = (values(n * out, 3), values(out, 4));
            for bias in [None, Some(bias.as_slice())] {
                let (mut fast, mut slow) = (vec![f32::NAN; n * out], vec![0.0; n * out]);
                forward(isa, &mut fast, &mut scratch, &x, &w, bias, size);
                naive::forward(&mut slow, &x, &w, bias, size);
                close(isa, "forward", &fast, &slow, SUMS);
            }
            for accumulate in [false, true] {
                let (mut fast, mut slow) = (values(n * inp, 5), values(n * inp, 5));
                backward_input(isa, &mut fast, &mut scratch, &dy, &w, accumulate, size);
                naive::backward_input(&mut slow, &dy, &w, accumulate, size);
                close(isa, "dx", &fast, &slow, SUMS);
            }
            let (mut fast, mut slow) = (values(out * inp, 6), values(out * inp, 6));
            backward_weight(isa, &mut fast, &mut scratch, &dy, &x, size);
            naive::backward_weight(&mut slow, &dy, &x, size);
            close(isa, "dw", &fast, &slow, SUMS);
            let (mut fast, mut slow) = (values(out, 7), values(out, 7));
            backward_bias(isa, &mut fast, &dy, n, out);
            naive::backward_bias(&mut slow, &dy, n, out);
            close(isa, "dbias", &fast, &slow, SUMS);
        }
    }

    /// The independent witness: an f64 affine map written here, differentiated by differences.
    #[test]
    fn naive_backward_is_the_derivative() {
        let size @ (n, inp, out) = (3, 4, 5);
        let (x, w, bias, dy) = (values(12, 1), values(20, 2), values(5, 3), values(15, 4));
        let loss = |x: &[f64], w: &[f64], bias: &[f64]| -> f64 {
            let y =
                |row: usize, o: usize| bias[o] + dot(&x[row * inp..][..inp], &w[o * inp..][..inp]);
            (0..n * out)
                .map(|e| f64::from(dy[e]) * y(e / out, e % out))
                .sum()
        };
        let (x64, w64, b64) = (to_f64(&x), to_f64(&w), to_f64(&bias));
        let (mut dx, mut dw, mut dbias) = ([0.0; 12], [0.0; 20], [0.0; 5]);
        naive::backward_input(&mut dx, &dy, &w, false, size);
        naive::backward_weight(&mut dw, &dy, &x, size);
        naive::backward_bias(&mut dbias, &dy, n, out);
        check_gradient("dx", &to_f64(&dx), &x64, |x| loss(x, &w64, &b64));
        check_gradient("dw", &to_f64(&dw), &w64, |w| loss(&x64, w, &b64));
        check_gradient("dbias", &to_f64(&dbias), &b64, |b| loss(&x64, &w64, b));
    }
}
