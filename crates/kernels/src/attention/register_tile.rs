//! The tile of attention's products: `MR` rows by `NV` vectors of sixteen columns, held in
//! registers while `depth` outer products are added to it. The tile of `linear` is another one: it
//! prefetches, and its rows may lie any distance apart.
//!
//! Each step loads `NV` vectors of B, broadcasts `MR` numbers of A and does `MR * NV`
//! multiply-adds. The arithmetic takes longer than the loads: 8 x 2 needs 10 loads for 16
//! multiply-adds. A kernel chooses `MR` and `NV` by [`Simd::WIDE`]: 32 wide registers hold up to 12
//! x 2, 16 registers of half the width 4 x 1.

use crate::element::Element;
use crate::simd::{LANES, Simd};

/// The accumulators of a tile.
pub(crate) type Accumulators<S, const MR: usize, const NV: usize> = [[<S as Simd>::F; NV]; MR];

/// The words of A or of B, as the bits of f32 numbers; steps are `step_stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct OperandWords<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) step_stride: usize,
}

impl<'a> OperandWords<'a> {
    #[inline(always)]
    pub(crate) fn new(data: &'a [f32], step_stride: usize) -> Self {
        Self { data, step_stride }
    }
}

/// `tile[r][v] + sum over step < depth of a(r, step) * b(step, 16 v ..)`, steps in order. A step is
/// a word of `E`.
///
/// `a(r, step) = a.data[r * A_ROW + step * a.step_stride]`,
/// `b(step, c) = b.data[c + step * b.step_stride]`.
#[inline(always)]
pub(crate) fn multiply<
    S: Simd,
    E: Element<S>,
    const MR: usize,
    const NV: usize,
    const A_ROW: usize,
>(
    (s, e): (S, E),
    mut tile: Accumulators<S, MR, NV>,
    a: OperandWords<'_>,
    b: OperandWords<'_>,
    depth: usize,
) -> Accumulators<S, MR, NV> {
    if depth == 0 {
        return tile;
    }
    let [last_a, last_b] = [a, b].map(
        #[inline(always)]
        |words| (depth - 1).saturating_mul(words.step_stride),
    );
    assert!(
        a.data.len() > last_a.saturating_add((MR - 1) * A_ROW),
        "A is shorter than the tile"
    );
    assert!(
        b.data.len() >= last_b.saturating_add(NV * LANES),
        "B is shorter than the tile"
    );
    let (mut a_at, mut b_at) = (a.data.as_ptr(), b.data.as_ptr());
    for _ in 0..depth {
        // SAFETY: the pointers stand at `step * stride`; the assertions above say that the slices
        // reach `(MR - 1) * A_ROW` and `NV * 16` elements beyond the last of these.
        unsafe {
            let mut columns = [s.splat_u(0); NV];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = s.bits(s.load(&*b_at.add(v * LANES).cast::<[f32; LANES]>()));
            }
            for (r, row) in tile.iter_mut().enumerate() {
                let factor = s.bits(s.splat(*a_at.add(r * A_ROW)));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = e.mul_add(s, factor, column, *sum);
                }
            }
        }
        // The pointers may leave the slices after the last step, where they are not read.
        a_at = a_at.wrapping_add(a.step_stride);
        b_at = b_at.wrapping_add(b.step_stride);
    }
    tile
}

/// Returns a tile of zeros.
#[inline(always)]
pub(crate) fn zero<S: Simd, const MR: usize, const NV: usize>(s: S) -> Accumulators<S, MR, NV> {
    [[s.zero(); NV]; MR]
}

/// Reads a whole tile from rows `stride` apart.
#[inline(always)]
pub(crate) fn load<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &[f32],
    stride: usize,
) -> Accumulators<S, MR, NV> {
    let mut tile = zero::<S, MR, NV>(s);
    for (r, row) in tile.iter_mut().enumerate() {
        let line = &c[r * stride..][..NV * LANES];
        for (sum, x) in row.iter_mut().zip(line.as_chunks::<LANES>().0) {
            *sum = s.load(x);
        }
    }
    tile
}

/// Writes a whole tile to rows `stride` apart.
#[inline(always)]
pub(crate) fn store<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    tile: &Accumulators<S, MR, NV>,
    c: &mut [f32],
    stride: usize,
) {
    for (r, row) in tile.iter().enumerate() {
        let line = &mut c[r * stride..][..NV * LANES];
        for (sum, y) in row.iter().zip(line.as_chunks_mut::<LANES>().0) {
            s.store(*sum, y);
        }
    }
}
