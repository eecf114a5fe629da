//! Sequences of up to sixteen tokens, with one token in each lane. Nothing is padded but the lanes,
//! and nothing is packed: matrices that are needed across the lanes are transposed, all heads at
//! once, sixteen columns at a time; the others are read where they lie, a number at a time. All is
//! f32 in every precision: where nothing is copied, rounding would be a pass of its own.

use super::pack_heads::HeadColumns;
use super::scratch_stack::ScratchStack;
use super::{Options, Outputs, QueryTile, Saved, WeightDropout};
use crate::dropout::{self, CHUNK};
use crate::math;
use crate::simd::{self, LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};

/// A number of each token.
type PerToken = [f32; LANES];

/// Floats of scratch for any short sequence.
pub(super) fn scratch_len(options: &Options<'_>) -> usize {
    LANES * (2 * options.mix_width() + options.qkv_width() + 4 * LANES)
}

#[inline(always)]
fn take<'a>(scratch: &mut ScratchStack<'a>, rows: usize) -> &'a mut [PerToken] {
    scratch.take(rows * LANES).as_chunks_mut().0
}

#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    out: Outputs<'_>,
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let Outputs { mix, lse } = out;
    let (stride, width) = (options.qkv_width(), options.head_dim);
    let mut scratch = ScratchStack(scratch);
    let queries = take(&mut scratch, options.mix_width());
    let out = take(&mut scratch, options.mix_width());
    let strip = &mut take(&mut scratch, LANES)[..t];
    transpose(s, queries, qkv, stride, options.scale * LOG2_E);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    for head in 0..options.heads {
        let tile = QueryTile::new(options, head, 0, t);
        let (keys, values) = operands(qkv, options, head);
        dots(s, strip, keys, &queries[head * width..][..width]);
        let (top, sum) = softmax(s, strip, &tile);
        drop_weights(s, [&mut *strip], options.dropout, &tile);
        let log = s.mul_add(top, s.splat(LN_2), math::ln_lanes(s, sum));
        s.store_partial(log, &mut lse[head * t..][..t]);
        let factor = s.div(s.splat(kept), sum);
        let out = &mut out[head * width..][..width];
        combine(s, out, values, strip, factor, false);
    }
    transpose_back(s, mix, options.mix_width(), out);
}

/// dqkv (written) from dmix and what the forward left, but for mix.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    s: S,
    dqkv: &mut [f32],
    scratch: &mut [f32],
    dmix: &[f32],
    saved: &Saved<'_>,
    options: &Options<'_>,
) {
    let &Saved { qkv, lse, .. } = saved;
    let (stride, width) = (options.qkv_width(), options.head_dim);
    let t = qkv.len() / stride;
    let mut scratch = ScratchStack(scratch);
    let queries = take(&mut scratch, options.mix_width());
    let dmix_across = take(&mut scratch, options.mix_width());
    let out = take(&mut scratch, stride);
    let weights = take(&mut scratch, LANES);
    let dscores = take(&mut scratch, LANES);
    let factors = take(&mut scratch, LANES);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    transpose(s, queries, qkv, stride, options.scale * LOG2_E);
    transpose(s, dmix_across, dmix, options.mix_width(), kept);
    for head in 0..options.heads {
        let tile = QueryTile::new(options, head, 0, t);
        let (keys, values) = operands(qkv, options, head);
        dots(
            s,
            &mut weights[..t],
            keys,
            &queries[head * width..][..width],
        );
        dots(
            s,
            &mut dscores[..t],
            values,
            &dmix_across[head * width..][..width],
        );
        let lse = s.mul(s.load_partial(&lse[head * t..][..t], 0.0), s.splat(LOG2_E));
        score_gradients(s, weights, dscores, factors, &tile, lse, options);

        let (one, scale) = (s.splat(kept), s.splat(options.scale));
        let kv_head = options.kv_head(head);
        let again = head > options.group(kv_head).start;
        combine(
            s,
            &mut out[head * width..][..width],
            keys,
            &dscores[..t],
            scale,
            false,
        );
        transpose_square(s, weights);
        transpose_square(s, dscores);
        let of = |rows, stride| HeadColumns {
            rows,
            stride,
            first: head * width,
            width,
        };
        let dvalues = &mut out[options.value_column(kv_head)..][..width];
        combine(
            s,
            dvalues,
            of(dmix, options.mix_width()),
            &weights[..t],
            one,
            again,
        );
        let dkeys = &mut out[options.key_column(kv_head)..][..width];
        combine(s, dkeys, of(qkv, stride), &dscores[..t], scale, again);
    }
    transpose_back(s, dqkv, stride, out);
}

/// The keys and the values that a head reads.
#[inline(always)]
fn operands<'a>(
    qkv: &'a [f32],
    options: &Options<'_>,
    head: usize,
) -> (HeadColumns<'a>, HeadColumns<'a>) {
    let kv_head = options.kv_head(head);
    let columns = |first| HeadColumns {
        rows: qkv,
        stride: options.qkv_width(),
        first,
        width: options.head_dim,
    };
    (
        columns(options.key_column(kv_head)),
        columns(options.value_column(kv_head)),
    )
}

/// Lays the first `out.len()` columns of packed rows across the lanes, times `factor`.
#[inline(always)]
fn transpose<S: Simd>(s: S, out: &mut [PerToken], x: &[f32], stride: usize, factor: f32) {
    let factor = s.splat(factor);
    for (i, out) in out.chunks_mut(LANES).enumerate() {
        let mut square = [s.zero(); LANES];
        for (lanes, row) in square.iter_mut().zip(x.chunks_exact(stride)) {
            let row = &row[i * LANES..][..out.len()];
            *lanes = s.mul(simd::at(s, row, 0), factor);
        }
        s.transpose(&mut square);
        for (out, v) in out.iter_mut().zip(square) {
            s.store(v, out);
        }
    }
}

/// Lays columns across the lanes as packed rows again.
#[inline(always)]
fn transpose_back<S: Simd>(s: S, y: &mut [f32], stride: usize, x: &[PerToken]) {
    for (i, x) in x.chunks(LANES).enumerate() {
        let mut square = [s.zero(); LANES];
        for (lanes, x) in square.iter_mut().zip(x) {
            *lanes = s.load(x);
        }
        s.transpose(&mut square);
        for (row, v) in y.chunks_exact_mut(stride).zip(square) {
            simd::put(s, &mut row[i * LANES..][..x.len()], 0, v);
        }
    }
}

/// Transposes sixteen rows in place.
#[inline(always)]
fn transpose_square<S: Simd>(s: S, rows: &mut [PerToken]) {
    let mut square = [s.zero(); LANES];
    for (lanes, row) in square.iter_mut().zip(&*rows) {
        *lanes = s.load(row);
    }
    s.transpose(&mut square);
    for (row, v) in rows.iter_mut().zip(square) {
        s.store(v, row);
    }
}

/// `out[j] = sum over d of rows[j, d] across[d]`.
#[inline(always)]
fn dots<S: Simd>(s: S, out: &mut [PerToken], rows: HeadColumns<'_>, across: &[PerToken]) {
    let mut first = 0;
    while first < out.len() {
        let left = &mut out[first..];
        if S::WIDE && left.len() > 4 {
            first += dots_of::<S, 8>(s, left, rows, across, first);
        } else {
            first += dots_of::<S, 4>(s, left, rows, across, first);
        }
    }
}

/// Makes up to `N` of [`dots`], from row `first` on, and returns how many.
#[inline(always)]
fn dots_of<S: Simd, const N: usize>(
    s: S,
    out: &mut [PerToken],
    rows: HeadColumns<'_>,
    across: &[PerToken],
    first: usize,
) -> usize {
    let count = N.min(out.len());
    let mut lines = [rows.row(first); N];
    for (r, line) in lines.iter_mut().enumerate().take(count) {
        *line = &rows.row(first + r)[..across.len()];
    }
    let mut acc = [s.zero(); N];
    for (d, across) in across.iter().enumerate() {
        let across = s.load(across);
        for (acc, line) in acc.iter_mut().zip(lines) {
            *acc = s.mul_add(s.splat(line[d]), across, *acc);
        }
    }
    for (out, acc) in out.iter_mut().zip(acc) {
        s.store(acc, out);
    }
    count
}

/// `out[d] = factor * sum over j of rows[j, d] weights[j]`, added to `out` where `accumulate`.
#[inline(always)]
fn combine<S: Simd>(
    s: S,
    out: &mut [PerToken],
    rows: HeadColumns<'_>,
    weights: &[PerToken],
    factor: S::F,
    accumulate: bool,
) {
    let mut at = 0;
    while at < out.len() {
        let left = &mut out[at..];
        at += match left.len() {
            8.. => combine_of::<S, 8>(s, left, rows, weights, at, factor, accumulate),
            4..8 => combine_of::<S, 4>(s, left, rows, weights, at, factor, accumulate),
            _ => combine_of::<S, 1>(s, left, rows, weights, at, factor, accumulate),
        };
    }
}

/// Makes `N` columns of [`combine`], from column `first` on, and returns `N`.
#[inline(always)]
fn combine_of<S: Simd, const N: usize>(
    s: S,
    out: &mut [PerToken],
    rows: HeadColumns<'_>,
    weights: &[PerToken],
    first: usize,
    factor: S::F,
    accumulate: bool,
) -> usize {
    let mut acc = [s.zero(); N];
    for (j, weight) in weights.iter().enumerate() {
        let weight = s.load(weight);
        let line = &rows.row(j)[first..first + N];
        for (acc, &x) in acc.iter_mut().zip(line) {
            *acc = s.mul_add(s.splat(x), weight, *acc);
        }
    }
    for (out, v) in out.iter_mut().zip(acc) {
        let old = if accumulate { s.load(out) } else { s.zero() };
        s.store(s.mul_add(v, factor, old), out);
    }
    N
}

/// Turns products into weights relative to the largest score of each query, and returns that score
/// and the sum of weights.
#[inline(always)]
fn softmax<S: Simd>(s: S, strip: &mut [PerToken], tile: &QueryTile) -> (S::F, S::F) {
    let mut top = s.splat(QueryTile::MASKED);
    for (key, lanes) in strip.iter_mut().enumerate() {
        let score = score(s, s.load(lanes), tile, key).0;
        s.store(score, lanes);
        top = s.max(top, score);
    }
    let mut sum = s.zero();
    for lanes in strip {
        let p = math::exp2_lanes(s, s.sub(s.load(lanes), top));
        sum = s.add(sum, p);
        s.store(p, lanes);
    }
    (top, sum)
}

/// Returns the score of a product, and its derivative by the product.
#[inline(always)]
fn score<S: Simd>(s: S, product: S::F, tile: &QueryTile, key: usize) -> (S::F, S::F) {
    let (score, derivative) = if tile.plain() {
        (product, s.splat(1.0))
    } else {
        tile.score(s, product, key, 0)
    };
    (tile.mask(s, score, QueryTile::MASKED, key, 0), derivative)
}

/// Sets the dropped numbers of some strips to zero.
#[inline(always)]
fn drop_weights<S: Simd, const N: usize>(
    s: S,
    mut strips: [&mut [PerToken]; N],
    dropout: Option<WeightDropout>,
    tile: &QueryTile,
) {
    let Some(dropout) = dropout else {
        return;
    };
    let t = tile.t;
    for key in (0..t).step_by(2) {
        let dropped = dropped(s, dropout, tile, key);
        for strip in &mut strips {
            for (lanes, dropped) in strip[key..t].iter_mut().zip(dropped) {
                s.store(s.select(dropped, s.zero(), s.load(lanes)), lanes);
            }
        }
    }
}

/// Returns which queries drop their weight for a key and the next.
#[inline(always)]
fn dropped<S: Simd>(s: S, weights: WeightDropout, tile: &QueryTile, key: usize) -> [S::M; 2] {
    let row = weights.first_row + (tile.head * tile.t + key) as u64;
    let chunks = (dropout::mask_stride(tile.t) / CHUNK) as u64;
    let [[this, ..], [next, ..]] = weights
        .dropout
        .dropped(s, [row * chunks, (row + 1) * chunks]);
    [this, next]
}

/// Turns products into weights, and the gradients of weights into those of products, in place. As
/// in the backward of long sequences, except that Δ is made of the weights, which are all here.
#[inline(always)]
fn score_gradients<S: Simd>(
    s: S,
    weights: &mut [PerToken],
    dscores: &mut [PerToken],
    factors: &mut [PerToken],
    tile: &QueryTile,
    lse: S::F,
    options: &Options<'_>,
) {
    let t = tile.t;
    for (key, (weight, factor)) in weights.iter_mut().zip(&mut *factors).enumerate().take(t) {
        let (score, derivative) = score(s, s.load(weight), tile, key);
        let p = math::exp2_lanes(s, s.sub(score, lse));
        s.store(p, weight);
        s.store(s.mul(p, derivative), factor);
    }
    drop_weights(s, [&mut *weights, &mut *dscores], options.dropout, tile);
    let mut delta = s.zero();
    for (weight, dscore) in weights.iter().zip(&*dscores).take(t) {
        delta = s.mul_add(s.load(weight), s.load(dscore), delta);
    }
    for (dscore, factor) in dscores.iter_mut().zip(factors).take(t) {
        let ds = s.mul(s.load(factor), s.sub(s.load(dscore), delta));
        s.store(ds, dscore);
    }
}
