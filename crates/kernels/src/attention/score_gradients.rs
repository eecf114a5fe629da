//! The innermost step of the backward: products become weights and the gradients of products.

use super::dropout_masks::Masks;
use super::{QUERIES, QueryTile};
use crate::element::Element;
use crate::math;
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// The log-sum-exp (with a factor log2 e) and the Δ of the queries of a tile, in lanes.
#[derive(Clone, Copy)]
pub(super) struct RowStatistics {
    pub(super) lse: [[f32; LANES]; 2],
    pub(super) delta: [[f32; LANES]; 2],
}

/// What the products of a few keys, K Qᵀ and V dOᵀ, are turned into: weights (dropped weights are
/// zero) and the gradients of the products, as words of a block of keys.
pub(super) struct ScoreGradients<'a> {
    /// K Qᵀ and V dOᵀ.
    pub(super) products: [&'a [[f32; LANES]]; 2],
    pub(super) weights: &'a mut [f32],
    pub(super) dscores: &'a mut [f32],
    /// The gradients again, as words that lie down, where a word holds two steps.
    pub(super) dscores_down: &'a mut [f32],
    pub(super) masks: Masks<'a>,
    pub(super) keys: Range<usize>,
    pub(super) tile: &'a QueryTile,
    pub(super) rows: &'a RowStatistics,
}

impl ScoreGradients<'_> {
    /// Makes those of the `MR` keys from `first` on, for the queries of `halves`; those of the
    /// other queries are zero.
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
        first: usize,
        halves: Range<usize>,
    ) {
        let plain = self.tile.plain() && !self.tile.hides(&(first..first + MR));
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
                    let products = [&self.products[0][at], &self.products[1][at]];
                    (weights[i][half], dscores[i][half]) =
                        self.of::<S, DROPOUT>(s, products, key + i, half, plain);
                }
            }
            self.put::<S, E, Q>((s, e), key - self.keys.start, weights, dscores);
        }
    }

    /// Returns the weights and the gradients of the products of sixteen queries and a key. `plain`
    /// products are scores.
    #[inline(always)]
    fn of<S: Simd, const DROPOUT: bool>(
        &self,
        s: S,
        [product, dweight]: [&[f32; LANES]; 2],
        key: usize,
        half: usize,
        plain: bool,
    ) -> (S::F, S::F) {
        let (tile, rows) = (self.tile, self.rows);
        let (lse, delta) = (s.load(&rows.lse[half]), s.load(&rows.delta[half]));
        let (mut score, mut derivative) = (s.load(product), s.splat(1.0));
        if !plain {
            (score, derivative) = tile.score(s, score, key, half);
            score = tile.mask(s, score, QueryTile::MASKED, key, half);
        }
        let p = math::exp2_lanes(s, s.sub(score, lse));
        let (mut weight, mut dp) = (p, s.load(dweight));
        if DROPOUT {
            let dropped = self.masks.dropped(s, key, half);
            weight = s.select(dropped, s.zero(), p);
            dp = s.select(dropped, s.zero(), dp);
        }
        let ds = s.mul(p, s.sub(dp, delta));
        (weight, if plain { ds } else { s.mul(ds, derivative) })
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
            let down = self.dscores_down[key / 2 * QUERIES..][..QUERIES]
                .as_chunks_mut::<LANES>()
                .0;
            for (half, out) in down.iter_mut().enumerate() {
                let words = e.across(s, dscores[0][half], dscores[1][half]);
                s.store(s.bits_to_float(words), out);
            }
        }
    }
}
