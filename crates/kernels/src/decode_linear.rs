//! The affine map of a layer for a few rows at a time, as decoding needs it: y[n, out] = x[n, inp]
//! Wᵀ + b, with W packed once, before the first token.
//!
//! One row is bound by the reading of W: every multiply-add needs a number that no other one needs.
//! So W lies in the order in which it is read: panels of 64 outputs (32 where registers are few),
//! step by step of the sum, and later lines are fetched while a line is multiplied.
//! There is no horizontal sum, and several rows share each line that is read.
//!
//! **The sum of an output goes through the inputs in order, beginning with the bias, in one
//! accumulator**, however many rows there are and whichever outputs a call makes. A row's numbers
//! therefore do not depend on the rows beside it: text written in a batch is the text written
//! alone, to the bit.
//!
//! **bf16.** Both operands are rounded as in training ([`crate::linear`]), x once a product
//! ([`rows`]) and W when it is packed; sums are f32. A row is the row of the training product in
//! both precisions.
//!
//! On one core of a Zen 5 server (AVX-512), in f32: 112 to 117 GB/s for one row of 3 MB of weights,
//! of the 120 that the third-level cache gives (dot products with the rows of W as it is: 87 to
//! 93), and 245 to 255 GFLOP/s from six rows on.

use core::ops::Range;

use crate::element::{self, Element, products};
use crate::isa::{Isa, dispatch};
use crate::linear::Linear;
use crate::linear::pack_operands::{Submatrix, copy_along};
use crate::operand_type::OperandType;
use crate::simd::{LANES, Simd, at, prefetch};

/// Bytes between what is multiplied and what is fetched.
const PREFETCH_DISTANCE: usize = 4096;
/// Rows of a tile where there are 32 wide registers.
const ROWS: usize = 6;

/// Plain loops.
pub mod naive {
    pub use crate::linear::naive::{LinearShape, forward};
}

/// Returns how many outputs a whole panel has. Work is split between panels, never inside one.
pub fn panel(isa: Isa) -> usize {
    dispatch!(isa, s => panel_of(s))
}

#[inline(always)]
fn panel_of<S: Simd>(_: S) -> usize {
    if S::WIDE { 4 * LANES } else { 2 * LANES }
}

/// Returns how many words a packed W[out, inp] has: what is left after whole panels goes into
/// panels of sixteen.
pub fn len(map: &Linear) -> usize {
    depth(map) * map.out.next_multiple_of(LANES)
}

/// Words of one output or one row.
fn depth(map: &Linear) -> usize {
    products!(map.isa, map.precision, (s, e) => depth_of((s, e), map.inp))
}

#[inline(always)]
fn depth_of<S: Simd, E: Element<S>>(_: (S, E), inp: usize) -> usize {
    inp.div_ceil(E::STEPS)
}

/// Packs w[out, inp] for `map`; `packed` holds [`len`] words.
pub fn pack(map: &Linear, packed: &mut [u32], w: &[f32]) {
    assert!(
        packed.len() == len(map) && w.len() == map.out * map.inp,
        "packed sizes"
    );
    products!(map.isa, map.precision, (s, e) => pack_panels((s, e), packed, w, map));
}

#[inline(always)]
fn pack_panels<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    packed: &mut [u32],
    w: &[f32],
    map: &Linear,
) {
    let (mut rest, square) = (packed, LANES * E::STEPS);
    for outputs in panels(panel_of(s), 0..map.out) {
        let width = outputs.len().next_multiple_of(LANES);
        let (panel, after) = rest.split_at_mut(map.inp.div_ceil(E::STEPS) * width);
        rest = after;
        for (lines, step) in panel.chunks_mut(LANES * width).zip((0..).step_by(square)) {
            for first in (0..width).step_by(LANES) {
                let row = outputs.start + first;
                let rows = row..outputs.end.min(row + LANES);
                let w = Submatrix::part(w, map.inp, rows, step..map.inp.min(step + square));
                turn((s, e), &mut lines[first..], width, w);
            }
        }
    }
}

/// Makes lines of a panel, `width` words apart, of sixteen words of up to sixteen rows of w.
#[inline(always)]
fn turn<S: Simd, E: Element<S>>((s, e): (S, E), lines: &mut [u32], width: usize, w: Submatrix<'_>) {
    let mut words = [s.zero(); LANES];
    for (i, v) in words.iter_mut().enumerate().take(w.rows) {
        *v = s.bits_to_float(e.along(s, w.row(i)));
    }
    s.transpose(&mut words);
    for (line, v) in lines.chunks_mut(width).zip(words) {
        if let Some(line) = line.first_chunk_mut() {
            s.store_u(s.bits(v), line);
        }
    }
}

/// Returns the outputs of each panel of `outputs`, which begin where a panel does.
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

/// Rows of x that are ready for a product; several threads may read them.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    words: &'a [u32],
    stride: usize,
    n: usize,
}

/// Returns how many words of scratch [`rows`] needs for `n` rows.
pub fn scratch_len(map: &Linear, n: usize) -> usize {
    match map.precision {
        OperandType::F32 => 0,
        OperandType::Bf16 => n * depth(map).next_multiple_of(LANES),
    }
}

/// Returns x[n, inp] as `map` multiplies it: where it lies, or rounded into `scratch`.
pub fn rows<'a>(map: &Linear, scratch: &'a mut [u32], x: &'a [f32], n: usize) -> Rows<'a> {
    assert!(x.len() == n * map.inp, "x is not [n, inp]");
    match map.precision {
        OperandType::F32 => Rows {
            words: element::words(x),
            stride: map.inp,
            n,
        },
        OperandType::Bf16 => {
            let stride = depth(map).next_multiple_of(LANES);
            let words = &mut scratch[..n * stride];
            let x = Submatrix {
                data: x,
                stride: map.inp,
                rows: n,
                columns: map.inp,
            };
            products!(map.isa, map.precision, (s, e) => copy_along((s, e), words, stride, x));
            Rows { words, stride, n }
        }
    }
}

impl Rows<'_> {
    /// Returns `count` of the rows, from `first` on.
    #[must_use]
    pub fn part(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.n, "more rows than there are");
        Self {
            words: &self.words[first * self.stride..][..count * self.stride],
            n: count,
            ..self
        }
    }
}

/// Some columns of y[n, out], so that threads may share a product.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// y[n, outs], which is written.
    pub y: &'a mut [f32],
    /// Columns of y[n, out]. They begin at a multiple of [`panel`] and end at another or at `out`.
    pub outs: Range<usize>,
}

/// y[n, outs] of y[n, out] = x Wᵀ + b, with rows of x from [`rows`] and W from [`pack`] for the
/// same `map`.
pub fn forward(map: &Linear, out: Outputs<'_>, x: Rows<'_>, packed: &[u32], bias: Option<&[f32]>) {
    let Outputs { y, outs } = out;
    assert!(
        y.len() == x.n * outs.len() && packed.len() == len(map),
        "packed sizes"
    );
    assert!(
        bias.is_none_or(|bias| bias.len() == map.out),
        "bias is not [out]"
    );
    let whole = |o: usize| o.is_multiple_of(panel(map.isa));
    assert!(
        whole(outs.start) && (whole(outs.end) || outs.end == map.out),
        "a part is whole panels"
    );
    products!(map.isa, map.precision, (s, e) => by_width((s, e), y, outs, x, packed, bias, map.inp));
}

#[inline(always)]
fn by_width<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    y: &mut [f32],
    outputs: Range<usize>,
    x: Rows<'_>,
    packed: &[u32],
    bias: Option<&[f32]>,
    inp: usize,
) {
    let depth = inp.div_ceil(E::STEPS);
    if S::WIDE {
        every_panel::<S, E, 4>((s, e), y, outputs, x, packed, bias, depth);
    } else {
        every_panel::<S, E, 2>((s, e), y, outputs, x, packed, bias, depth);
    }
}

/// One panel, or two side by side, and what their product needs beside x.
struct PanelProduct<'a> {
    words: &'a [u32],
    /// Words of a sum.
    depth: usize,
    outputs: usize,
    bias: Option<&'a [f32]>,
    /// The outputs of the first row; rows are `y_stride` apart.
    y: &'a mut [f32],
    y_stride: usize,
}

#[inline(always)]
fn every_panel<S: Simd, E: Element<S>, const NV: usize>(
    (s, e): (S, E),
    y: &mut [f32],
    outputs: Range<usize>,
    x: Rows<'_>,
    packed: &[u32],
    bias: Option<&[f32]>,
    depth: usize,
) {
    let (first, y_stride) = (outputs.start, outputs.len());
    let mut rest = outputs;
    while !rest.is_empty() {
        // One row keeps few sums in flight: two panels side by side keep twice as many.
        let panel = NV * LANES;
        let width = if x.n == 1 && rest.len() >= 2 * panel {
            2 * panel
        } else if rest.len() >= panel {
            panel
        } else {
            rest.len().min(LANES)
        };
        let outputs = rest.start..rest.start + width;
        rest.start = outputs.end;
        let len = width.next_multiple_of(LANES) * depth;
        let mut panels = PanelProduct {
            words: &packed[outputs.start * depth..][..len],
            depth,
            outputs: width,
            bias: bias.map(|bias| &bias[outputs.clone()]),
            y: &mut y[outputs.start - first..],
            y_stride,
        };
        if width == 2 * panel {
            panels.tile::<S, E, 1, NV, 2>((s, e), x, 0);
        } else if width == panel {
            panels.every_row::<S, E, NV>((s, e), x);
        } else {
            panels.every_row::<S, E, 1>((s, e), x);
        }
    }
}

impl PanelProduct<'_> {
    /// One panel times all rows.
    #[inline(always)]
    fn every_row<S: Simd, E: Element<S>, const NV: usize>(&mut self, s: (S, E), x: Rows<'_>) {
        let most = if S::WIDE { ROWS } else { 2 };
        let mut row = 0;
        while row < x.n {
            let rows = most.min(x.n - row);
            match rows {
                1 => self.tile::<S, E, 1, NV, 1>(s, x, row),
                2 => self.tile::<S, E, 2, NV, 1>(s, x, row),
                3 => self.tile::<S, E, 3, NV, 1>(s, x, row),
                4 => self.tile::<S, E, 4, NV, 1>(s, x, row),
                5 => self.tile::<S, E, 5, NV, 1>(s, x, row),
                _ => self.tile::<S, E, ROWS, NV, 1>(s, x, row),
            }
            row += rows;
        }
    }

    /// `MR` rows of x, from `first_row` on, times `NP` panels of `NV` vectors of outputs each.
    #[inline(always)]
    fn tile<S: Simd, E: Element<S>, const MR: usize, const NV: usize, const NP: usize>(
        &mut self,
        (s, e): (S, E),
        x: Rows<'_>,
        first_row: usize,
    ) {
        // The first rows bring the panel into the cache for the others.
        let (depth, fetch) = (self.depth, first_row == 0);
        let mut start = [[s.zero(); NV]; NP];
        for (p, start) in start.iter_mut().enumerate() {
            for (v, start) in start.iter_mut().enumerate() {
                let first = (p * NV + v) * LANES;
                *start = self
                    .bias
                    .map_or(s.zero(), |bias| at(s, bias, first.min(bias.len())));
            }
        }
        let mut tile = [start; MR];
        let x: [&[u32]; MR] =
            core::array::from_fn(|r| &x.words[(first_row + r) * x.stride..][..depth]);
        let lines = self.words.as_chunks::<LANES>().0.as_chunks::<NV>().0;
        let panels: [&[[[u32; LANES]; NV]]; NP] =
            core::array::from_fn(|p| &lines[p * depth..][..depth]);
        let beyond = (NP - 1) * depth * NV * LANES * 4;
        for k in 0..depth {
            let distance = if (k + PREFETCH_DISTANCE / (NV * LANES * 4)) < depth {
                PREFETCH_DISTANCE
            } else {
                PREFETCH_DISTANCE + beyond
            };
            let mut columns = [[s.splat_u(0); NV]; NP];
            for (columns, panel) in columns.iter_mut().zip(panels) {
                for (column, line) in columns.iter_mut().zip(&panel[k]) {
                    if fetch {
                        prefetch(line.as_ptr().wrapping_byte_add(distance));
                    }
                    *column = s.load_u(line);
                }
            }
            for (row, x) in tile.iter_mut().zip(x) {
                let factor = s.splat_u(x[k]);
                for (row, columns) in row.iter_mut().zip(columns) {
                    for (sum, column) in row.iter_mut().zip(columns) {
                        *sum = e.mul_add(s, factor, column, *sum);
                    }
                }
            }
        }
        for (r, row) in tile.iter().enumerate() {
            let y = &mut self.y[(first_row + r) * self.y_stride..][..self.outputs];
            for (y, row) in y.chunks_mut(NV * LANES).zip(row) {
                for (y, sum) in y.chunks_mut(LANES).zip(row) {
                    s.store_partial(*sum, y);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Kind;
    use crate::testing::{SUMS, close, maps, values};

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

    fn packed(map: &Linear, w: &[f32]) -> Vec<u32> {
        let mut packed = vec![u32::MAX; len(map)];
        pack(map, &mut packed, w);
        packed
    }

    fn all(map: &Linear, x: &[f32], packed: &[u32], bias: Option<&[f32]>, n: usize) -> Vec<f32> {
        let mut y = vec![f32::NAN; n * map.out];
        let mut scratch = vec![u32::MAX; scratch_len(map, n)];
        let rows = rows(map, &mut scratch, x, n);
        let out = Outputs {
            y: &mut y,
            outs: 0..map.out,
        };
        forward(map, out, rows, packed, bias);
        y
    }

    /// To the nearest bf16, ties to even, by its definition: whichever neighbour is nearer.
    fn rounded(x: f32) -> f32 {
        let below = f32::from_bits(x.to_bits() & 0xffff_0000);
        let above = f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000);
        let (down, up) = ((x - below).abs(), (above - x).abs());
        let even = below.to_bits() & 0x1_0000 == 0;
        if down < up || down == up && even {
            below
        } else {
            above
        }
    }

    #[test]
    fn fast_agrees_with_naive() {
        for (n, inp, out) in SIZES {
            let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
            for map in maps(inp, out) {
                let operand = |x: &[f32]| match map.precision {
                    OperandType::F32 => x.to_vec(),
                    OperandType::Bf16 => x.iter().map(|x| rounded(*x)).collect(),
                };
                let shape = naive::LinearShape { n, inp, out };
                let kept = packed(&map, &w);
                for bias in [None, Some(bias.as_slice())] {
                    let mut slow = vec![0.0; n * out];
                    naive::forward(&mut slow, &operand(&x), &operand(&w), bias, shape);
                    close(map.isa, "y", &all(&map, &x, &kept, bias, n), &slow, SUMS);
                }
            }
        }
    }

    /// One law of sums: what is decoded and what is trained agree to the bit.
    #[test]
    fn a_row_is_the_row_of_the_training_product() {
        use crate::linear::{Operand, SCRATCH_LEN};
        let mut scratch = vec![0.0; SCRATCH_LEN];
        for (n, inp, out) in SIZES {
            let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
            for map in maps(inp, out) {
                let here = all(&map, &x, &packed(&map, &w), Some(&bias), n);
                let (mut there, plain) = (vec![0.0; n * out], Operand::Plain(&w));
                map.forward(&mut there, &mut scratch, &x, plain, Some(&bias), n);
                assert_eq!(here, there, "{map:?}, {n} rows");
            }
        }
    }

    #[test]
    fn bf16_is_the_same_wherever_multiply_adds_are_fused() {
        let kinds = [Kind::Avx2, Kind::Avx512, Kind::Avx512Bf16];
        let (n, inp, out) = (7, 75, 150);
        let (x, w) = (values(n * inp, 1), values(out * inp, 2));
        let of = |isa| {
            let map = Linear {
                isa,
                precision: OperandType::Bf16,
                inp,
                out,
            };
            all(&map, &x, &packed(&map, &w), None, n)
        };
        let all: Vec<Vec<f32>> = kinds.into_iter().filter_map(Isa::try_new).map(of).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it_nor_on_the_part() {
        let (n, inp, out) = (19, 37, 150);
        let (x, w, bias) = (values(n * inp, 1), values(out * inp, 2), values(out, 3));
        for map in maps(inp, out) {
            let packed = packed(&map, &w);
            let together = all(&map, &x, &packed, Some(&bias), n);
            let mut scratch = vec![u32::MAX; scratch_len(&map, n)];
            let ready = rows(&map, &mut scratch, &x, n);
            for (row, expected) in together.chunks(out).enumerate() {
                for split in [0, panel(map.isa), 2 * panel(map.isa)] {
                    let mut alone = vec![f32::NAN; out];
                    let (low, high) = alone.split_at_mut(split);
                    for (y, outs) in [(low, 0..split), (high, split..out)] {
                        let out = Outputs { y, outs };
                        forward(&map, out, ready.part(row, 1), &packed, Some(&bias));
                    }
                    assert_eq!(alone, expected, "{map:?}, row {row}");
                }
            }
        }
    }
}
