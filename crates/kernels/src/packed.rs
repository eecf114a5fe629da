//! The affine map of a layer for a few rows at a time, as decoding needs it: y[n, out] = x[n, inp] Wᵀ + b, with W
//! packed once, before the first token.
//!
//! One row is bound by the reading of W: every multiply-add wants a number that nothing else wants. So W lies
//! in the order in which it is read: panels of 64 outputs (32 where registers are few), step by step of the sum,
//! and the lines some way ahead are fetched while these are multiplied. There is no horizontal sum, and several
//! rows share one reading of a panel.
//!
//! **The sum of an output goes through the inputs in order, beginning with the bias, in one accumulator**, however
//! many rows there are and whichever outputs a call makes. A row's numbers therefore do not depend on the rows
//! beside it: text written in a batch is the text written alone, to the bit.
//!
//! On one core of a Zen 5 server (AVX-512): 112 to 117 GB/s for one row of 3 MB of weights, of the 120 that the
//! third-level cache gives (dot products with the rows of W as it is: 87 to 93), and 245 to 255 GFLOP/s from six rows
//! on.

use core::ops::Range;

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, prefetch};

/// Bytes between what is multiplied and what is fetched.
const AHEAD: usize = 4096;
/// Rows of a tile, with 32 wide registers and with fewer.
const ROWS: usize = 6;

/// Plain loops.
pub mod naive {
    pub use crate::linear::naive::forward;
}

/// Outputs of a whole panel: work is split between panels, never inside one.
pub fn panel(isa: Isa) -> usize {
    dispatch!(isa, s => panel_of(s))
}

#[inline(always)]
fn panel_of<S: Simd>(_: S) -> usize {
    if S::WIDE { 4 * LANES } else { 2 * LANES }
}

/// Floats of a packed W[out, inp]: what is left after whole panels goes into panels of sixteen.
pub fn len(inp: usize, out: usize) -> usize {
    inp * out.next_multiple_of(LANES)
}

/// Packs w[out, inp] for `isa`; `packed` holds [`len`] floats.
pub fn pack(isa: Isa, packed: &mut [f32], w: &[f32], (inp, out): (usize, usize)) {
    assert!(
        packed.len() == len(inp, out) && w.len() == out * inp,
        "packed sizes"
    );
    dispatch!(isa, s => pack_panels(s, packed, w, (inp, out)));
}

#[inline(always)]
fn pack_panels<S: Simd>(s: S, packed: &mut [f32], w: &[f32], (inp, out): (usize, usize)) {
    let mut rest = packed;
    for outputs in panels(panel_of(s), 0..out) {
        let width = outputs.len().next_multiple_of(LANES);
        let (panel, after) = rest.split_at_mut(inp * width);
        rest = after;
        for (step, lines) in panel.chunks_mut(LANES * width).enumerate() {
            for first in (0..width).step_by(LANES) {
                let rows = LANES.min(outputs.len() - first);
                let w = &w[(outputs.start + first) * inp..][..rows * inp];
                turn(s, &mut lines[first..], width, w, (step * LANES, inp));
            }
        }
    }
}

/// Sixteen steps of up to sixteen rows of w become lines of a panel.
#[inline(always)]
fn turn<S: Simd>(s: S, lines: &mut [f32], width: usize, w: &[f32], (step, inp): (usize, usize)) {
    let mut square = [s.zero(); LANES];
    for (v, row) in square.iter_mut().zip(w.chunks_exact(inp)) {
        *v = at(s, &row[..inp.min(step + LANES)], step);
    }
    s.transpose(&mut square);
    for (line, v) in lines.chunks_mut(width).zip(square) {
        s.store_partial(v, &mut line[..LANES]);
    }
}

/// The outputs of each panel of `outputs`, which begin where a panel does.
fn panels(panel: usize, outputs: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut from = outputs.start;
    core::iter::from_fn(move || {
        let left = outputs.end - from;
        let width = if left >= panel {
            panel
        } else {
            left.min(LANES)
        };
        from += width;
        (width > 0).then_some(from - width..from)
    })
}

/// y[n, out] = x[n, inp] Wᵀ + b, with W as [`pack`] left it for the same `isa`.
pub fn forward(
    isa: Isa,
    y: &mut [f32],
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    (n, inp, out): (usize, usize, usize),
) {
    assert!(
        y.len() == n * out && x.len() == n * inp && packed.len() == len(inp, out),
        "packed sizes"
    );
    assert!(
        bias.is_none_or(|bias| bias.len() == out),
        "bias is not [out]"
    );
    dispatch!(isa, s => by_width(s, (y, 0..out), x, packed, bias, (n, inp, out)));
}

/// One row's outputs `outputs`, the rest being somebody else's: y[outputs] of x[inp] Wᵀ + b. They begin at a
/// multiple of [`panel`] and end at another or at `out`.
pub fn forward_part(
    isa: Isa,
    y: &mut [f32],
    outputs: Range<usize>,
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    (inp, out): (usize, usize),
) {
    assert!(
        y.len() == outputs.len() && x.len() == inp && packed.len() == len(inp, out),
        "packed sizes"
    );
    assert!(
        bias.is_none_or(|bias| bias.len() == out),
        "bias is not [out]"
    );
    let whole = |o: usize| o.is_multiple_of(panel(isa));
    assert!(
        whole(outputs.start) && (whole(outputs.end) || outputs.end == out),
        "a part is whole panels"
    );
    dispatch!(isa, s => by_width(s, (y, outputs), x, packed, bias, (1, inp, out)));
}

#[inline(always)]
fn by_width<S: Simd>(
    s: S,
    y: (&mut [f32], Range<usize>),
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    size: (usize, usize, usize),
) {
    if S::WIDE {
        every_panel::<S, 4>(s, y, x, packed, bias, size);
    } else {
        every_panel::<S, 2>(s, y, x, packed, bias, size);
    }
}

#[inline(always)]
fn every_panel<S: Simd, const NV: usize>(
    s: S,
    (y, outputs): (&mut [f32], Range<usize>),
    x: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    (n, inp, _): (usize, usize, usize),
) {
    let (first, stride) = (outputs.start, outputs.len());
    for outputs in panels(NV * LANES, outputs) {
        let width = outputs.len().next_multiple_of(LANES);
        let panel = &packed[outputs.start * inp..][..width * inp];
        let bias = bias.map(|bias| &bias[outputs.clone()]);
        let y = &mut y[outputs.start - first..];
        if width == NV * LANES {
            every_row::<S, NV>(s, (y, stride), x, panel, bias, (n, inp, outputs.len()));
        } else {
            every_row::<S, 1>(s, (y, stride), x, panel, bias, (n, inp, outputs.len()));
        }
    }
}

/// One panel for all rows; `y` begins at the panel's first output, rows `stride` apart.
#[inline(always)]
fn every_row<S: Simd, const NV: usize>(
    s: S,
    (y, stride): (&mut [f32], usize),
    x: &[f32],
    panel: &[f32],
    bias: Option<&[f32]>,
    (n, inp, out): (usize, usize, usize),
) {
    let most = if S::WIDE { ROWS } else { 2 };
    let mut row = 0;
    while row < n {
        // The first rows bring the panel in; it is there for the others.
        let (rows, fetch) = (most.min(n - row), row == 0);
        let y = (&mut y[row * stride..], stride);
        let x = &x[row * inp..][..rows * inp];
        match rows {
            1 => tile::<S, 1, NV>(s, y, x, panel, bias, fetch, (inp, out)),
            2 => tile::<S, 2, NV>(s, y, x, panel, bias, fetch, (inp, out)),
            3 => tile::<S, 3, NV>(s, y, x, panel, bias, fetch, (inp, out)),
            4 => tile::<S, 4, NV>(s, y, x, panel, bias, fetch, (inp, out)),
            5 => tile::<S, 5, NV>(s, y, x, panel, bias, fetch, (inp, out)),
            _ => tile::<S, ROWS, NV>(s, y, x, panel, bias, fetch, (inp, out)),
        }
        row += rows;
    }
}

/// `MR` rows of x against a panel of `NV` vectors of outputs.
#[inline(always)]
fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (y, stride): (&mut [f32], usize),
    x: &[f32],
    panel: &[f32],
    bias: Option<&[f32]>,
    fetch: bool,
    (inp, out): (usize, usize),
) {
    let mut start = [s.zero(); NV];
    for (v, start) in start.iter_mut().enumerate() {
        *start = bias.map_or(s.zero(), |bias| at(s, bias, (v * LANES).min(bias.len())));
    }
    let mut tile = [start; MR];
    let x: [&[f32]; MR] = core::array::from_fn(|r| &x[r * inp..][..inp]);
    let steps = &panel.as_chunks::<LANES>().0.as_chunks::<NV>().0[..inp];
    for (k, step) in steps.iter().enumerate() {
        if fetch {
            for line in step {
                prefetch(line.as_ptr().wrapping_byte_add(AHEAD));
            }
        }
        let columns = step.map(
            #[inline(always)]
            |line| s.load(&line),
        );
        for (row, x) in tile.iter_mut().zip(x) {
            let factor = s.splat(x[k]);
            for (cell, column) in row.iter_mut().zip(columns) {
                *cell = s.mul_add(factor, column, *cell);
            }
        }
    }
    for (r, row) in tile.iter().enumerate() {
        let y = &mut y[r * stride..][..out];
        for (y, cell) in y.chunks_mut(LANES).zip(row) {
            s.store_partial(*cell, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, close, values};

    const SIZES: [(usize, usize, usize); 8] = [
        (1, 33, 17),
        (1, 128, 384),
        (2, 130, 7),
        (3, 1, 1),
        (7, 5, 65),
        (13, 33, 130),
        (12, 64, 64),
        (4, 0, 5),
    ];

    fn packed(isa: Isa, w: &[f32], (inp, out): (usize, usize)) -> Vec<f32> {
        let mut packed = vec![f32::NAN; len(inp, out)];
        pack(isa, &mut packed, w, (inp, out));
        packed
    }

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, size) in Isa::available().flat_map(|isa| SIZES.map(|size| (isa, size))) {
            let (n, inp, out) = size;
            let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
            let packed = packed(isa, &w, (inp, out));
            for bias in [None, Some(bias.as_slice())] {
                let (mut fast, mut slow) = (vec![f32::NAN; n * out], vec![0.0; n * out]);
                forward(isa, &mut fast, &x, &packed, bias, size);
                naive::forward(&mut slow, &x, &w, bias, size);
                close(isa, "y", &fast, &slow, SUMS);
            }
        }
    }

    /// One law of sums: what is decoded and what is trained agree to the bit.
    #[test]
    fn a_row_is_the_row_of_the_training_product() {
        use crate::linear::{Linear, Operand, SCRATCH_LEN};
        let mut scratch = vec![0.0; SCRATCH_LEN];
        for (isa, (n, inp, out)) in Isa::available().flat_map(|isa| SIZES.map(|size| (isa, size))) {
            let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
            let (mut here, mut there) = (vec![0.0; n * out], vec![0.0; n * out]);
            let kept = packed(isa, &w, (inp, out));
            forward(isa, &mut here, &x, &kept, Some(&bias), (n, inp, out));
            let (precision, plain) = (crate::Precision::F32, Operand::Plain(&w));
            let map = Linear {
                isa,
                precision,
                inp,
                out,
            };
            map.forward(&mut there, &mut scratch, &x, plain, Some(&bias), n);
            assert_eq!(here, there, "{isa:?}, {n} x {inp} x {out}");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it_nor_on_the_part() {
        let (n, inp, out) = (19, 37, 150);
        let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
        for isa in Isa::available() {
            let packed = packed(isa, &w, (inp, out));
            let mut all = vec![0.0; n * out];
            forward(isa, &mut all, &x, &packed, Some(&bias), (n, inp, out));
            for (row, expected) in all.chunks(out).enumerate() {
                let x = &x[row * inp..][..inp];
                for split in [0, panel(isa), 2 * panel(isa)] {
                    let mut alone = vec![f32::NAN; out];
                    let (low, high) = alone.split_at_mut(split);
                    for (y, outputs) in [(low, 0..split), (high, split..out)] {
                        forward_part(isa, y, outputs, x, &packed, Some(&bias), (inp, out));
                    }
                    assert_eq!(alone, expected, "{isa:?}, row {row}");
                }
            }
        }
    }
}
