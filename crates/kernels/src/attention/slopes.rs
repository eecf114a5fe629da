//! The heart of the backward: products become weights and the gradients of products.

use super::dropout_masks::Masks;
use super::{QUERIES, Tile};
use crate::element::Element;
use crate::math;
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// What a tile knows of its queries, in lanes: log-sum-exp (with a factor log2 e) and Δ.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) lse: [[f32; LANES]; 2],
    pub(super) delta: [[f32; LANES]; 2],
}

/// What becomes of the products of a few keys, K Qᵀ and V dOᵀ: weights (dropped ones zero) and the
/// gradients of the products, as words of a block that begins at `keys.start`.
pub(super) struct Slopes<'a> {
    pub(super) strips: [&'a [[f32; LANES]]; 2],
    pub(super) weights: &'a mut [f32],
    pub(super) dscores: &'a mut [f32],
    pub(super) down: &'a mut [f32],
    pub(super) masks: Masks<'a>,
    pub(super) keys: Range<usize>,
}

impl Slopes<'_> {
    /// Those of the `MR` keys from `first` on, for the queries of `halves`; the others are zero.
    #[inline(always)]
    pub(super) fn make<
        S: Simd,
        E: Element<S>,
        const DROPOUT: bool,
        const MR: usize,
        const Q: usize,
    >(
        &mut self,
        (s, e): (S, E),
        tile: &Tile,
        rows: &Rows,
        first: usize,
        halves: Range<usize>,
    ) {
        let plain = tile.plain() && !tile.hides(&(first..first + MR));
        for key in (first..first + MR).step_by(2) {
            let (mut weights, mut dscores) = ([[s.zero(); 2]; 2], [[s.zero(); 2]; 2]);
            for half in 0..2 {
                if !halves.contains(&half) {
                    continue;
                }
                for i in 0..2 {
                    if i == 1 && key + 1 >= self.keys.end {
                        continue;
                    }
                    let at = (key + i - first) * 2 + half;
                    let strips = [&self.strips[0][at], &self.strips[1][at]];
                    let of = (key + i, half, plain);
                    (weights[i][half], dscores[i][half]) =
                        self.of::<S, DROPOUT>(s, strips, tile, rows, of);
                }
            }
            self.put::<S, E, Q>((s, e), key - self.keys.start, weights, dscores);
        }
    }

    /// The weight and the gradient of a product, for sixteen queries and a key.
    #[inline(always)]
    fn of<S: Simd, const DROPOUT: bool>(
        &self,
        s: S,
        [product, dweight]: [&[f32; LANES]; 2],
        tile: &Tile,
        rows: &Rows,
        (key, half, plain): (usize, usize, bool),
    ) -> (S::F, S::F) {
        let (lse, delta) = (s.load(&rows.lse[half]), s.load(&rows.delta[half]));
        let (mut score, mut slope) = (s.load(product), s.splat(1.0));
        if !plain {
            (score, slope) = tile.of(s, score, key, half);
            score = tile.mask(s, score, Tile::UNSEEN, key, half);
        }
        let p = math::exp2_lanes(s, s.sub(score, lse));
        let (mut kept, mut dp) = (p, s.load(dweight));
        if DROPOUT {
            let dropped = self.masks.dropped(s, key, half);
            kept = s.select(dropped, s.zero(), p);
            dp = s.select(dropped, s.zero(), dp);
        }
        let ds = s.mul(p, s.sub(dp, delta));
        (kept, if plain { ds } else { s.mul(ds, slope) })
    }

    /// Writes what belongs to an even key and the next, counted from the block's first.
    #[inline(always)]
    fn put<S: Simd, E: Element<S>, const Q: usize>(
        &mut self,
        (s, e): (S, E),
        key: usize,
        weights: [[S::F; 2]; 2],
        dscores: [[S::F; 2]; 2],
    ) {
        for i in 0..2 {
            for (out, x) in [
                (&mut *self.weights, weights[i]),
                (&mut *self.dscores, dscores[i]),
            ] {
                let out = out[(key + i) * Q..][..Q].as_chunks_mut::<LANES>().0;
                for (n, out) in out.iter_mut().enumerate() {
                    s.store(s.bits_to_float(e.beside(s, x[n], x[1])), out);
                }
            }
        }
        if E::STEPS == 2 {
            let down = self.down[key / 2 * QUERIES..][..QUERIES]
                .as_chunks_mut::<LANES>()
                .0;
            for (half, out) in down.iter_mut().enumerate() {
                let words = e.across(s, dscores[0][half], dscores[1][half]);
                s.store(s.bits_to_float(words), out);
            }
        }
    }
}
