//! Sequences of up to sixteen tokens: a token a lane. Nothing is padded but the lanes, and nothing
//! packed: matrices that are needed across the lanes are *turned*, all heads at once, sixteen
//! columns at a time; the others are read as they lie, a number at a time. All is f32 in every
//! precision: where nothing is copied, rounding would be a pass of its own.

use super::pack::{Columns, Scratch};
use super::{Options, Tile};
use crate::dropout::{self, CHUNK};
use crate::math;
use crate::simd::{self, LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};

type Row = [f32; LANES];

/// Floats of scratch for any short sequence.
pub(super) fn scratch_len(options: &Options<'_>) -> usize {
    LANES * (2 * options.mix_width() + options.qkv_width() + 4 * LANES)
}

#[inline(always)]
fn take<'a>(scratch: &mut Scratch<'a>, rows: usize) -> &'a mut [Row] {
    scratch.take(rows * LANES).as_chunks_mut().0
}

#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    mix: &mut [f32],
    lse: &mut [f32],
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let (stride, width) = (options.qkv_width(), options.head_dim);
    let mut scratch = Scratch(scratch);
    let queries = take(&mut scratch, options.mix_width());
    let out = take(&mut scratch, options.mix_width());
    let strip = &mut take(&mut scratch, LANES)[..t];
    turn(s, queries, qkv, stride, options.scale * LOG2_E);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    for head in 0..options.heads {
        let tile = Tile::new(options, head, 0, t);
        let (keys, values) = operands(qkv, options, head);
        dots(s, strip, keys, &queries[head * width..][..width]);
        let (top, sum) = softmax(s, strip, &tile);
        drop_weights(s, [&mut *strip], options, (head, t));
        let log = s.mul_add(top, s.splat(LN_2), math::ln_lanes(s, sum));
        s.store_partial(log, &mut lse[head * t..][..t]);
        let factor = s.div(s.splat(kept), sum);
        let out = &mut out[head * width..][..width];
        combine(s, out, values, strip, factor, false);
    }
    turn_back(s, mix, options.mix_width(), out);
}

/// dqkv (written) from dmix, qkv and the log-sum-exp of the forward.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    s: S,
    dqkv: &mut [f32],
    scratch: &mut [f32],
    dmix: &[f32],
    lse: &[f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let (stride, width) = (options.qkv_width(), options.head_dim);
    let mut scratch = Scratch(scratch);
    let queries = take(&mut scratch, options.mix_width());
    let dmix_across = take(&mut scratch, options.mix_width());
    let out = take(&mut scratch, stride);
    let weights = take(&mut scratch, LANES);
    let dscores = take(&mut scratch, LANES);
    let factors = take(&mut scratch, LANES);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    turn(s, queries, qkv, stride, options.scale * LOG2_E);
    turn(s, dmix_across, dmix, options.mix_width(), kept);
    for head in 0..options.heads {
        let tile = Tile::new(options, head, 0, t);
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
        differentiate(s, (weights, dscores, factors), &tile, lse, options);

        let (one, scale) = (s.splat(kept), s.splat(options.scale));
        let kv_head = head / (options.heads / options.kv_heads);
        let again = head > options.group(kv_head).start;
        combine(
            s,
            &mut out[head * width..][..width],
            keys,
            &dscores[..t],
            scale,
            false,
        );
        flip(s, weights);
        flip(s, dscores);
        let of = |rows, stride| Columns {
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
    turn_back(s, dqkv, stride, out);
}

/// The keys and the values that a head reads.
#[inline(always)]
fn operands<'a>(qkv: &'a [f32], options: &Options<'_>, head: usize) -> (Columns<'a>, Columns<'a>) {
    let kv_head = head / (options.heads / options.kv_heads);
    let columns = |first| Columns {
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

/// The first `out.len()` columns of packed rows, each across the lanes, times `factor`.
#[inline(always)]
fn turn<S: Simd>(s: S, out: &mut [Row], x: &[f32], stride: usize, factor: f32) {
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

/// Columns across the lanes become packed rows again.
#[inline(always)]
fn turn_back<S: Simd>(s: S, y: &mut [f32], stride: usize, x: &[Row]) {
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

/// Rows become columns.
#[inline(always)]
fn flip<S: Simd>(s: S, rows: &mut [Row]) {
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
fn dots<S: Simd>(s: S, out: &mut [Row], rows: Columns<'_>, across: &[Row]) {
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

/// Up to `N` of [`dots`], from row `first` on; gives how many.
#[inline(always)]
fn dots_of<S: Simd, const N: usize>(
    s: S,
    out: &mut [Row],
    rows: Columns<'_>,
    across: &[Row],
    first: usize,
) -> usize {
    let live = N.min(out.len());
    let mut lines = [rows.row(first); N];
    for (r, line) in lines.iter_mut().enumerate().take(live) {
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
    live
}

/// `out[d] = factor * sum over j of rows[j, d] weights[j]`, added to `out` where `accumulate`.
#[inline(always)]
fn combine<S: Simd>(
    s: S,
    out: &mut [Row],
    rows: Columns<'_>,
    weights: &[Row],
    factor: S::F,
    accumulate: bool,
) {
    let mut at = 0;
    while at < out.len() {
        let left = &mut out[at..];
        at += match left.len() {
            8.. => combine_of::<S, 8>(s, left, rows, weights, (at, factor, accumulate)),
            4..8 => combine_of::<S, 4>(s, left, rows, weights, (at, factor, accumulate)),
            _ => combine_of::<S, 1>(s, left, rows, weights, (at, factor, accumulate)),
        };
    }
}

/// `N` columns of [`combine`], from column `first` on; gives `N`.
#[inline(always)]
fn combine_of<S: Simd, const N: usize>(
    s: S,
    out: &mut [Row],
    rows: Columns<'_>,
    weights: &[Row],
    (first, factor, accumulate): (usize, S::F, bool),
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

/// Products become weights relative to each query's largest score; gives that score and the sum of
/// weights.
#[inline(always)]
fn softmax<S: Simd>(s: S, strip: &mut [Row], tile: &Tile) -> (S::F, S::F) {
    let mut top = s.splat(Tile::UNSEEN);
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

/// The score of a product, for a key that is seen, and its derivative.
#[inline(always)]
fn score<S: Simd>(s: S, product: S::F, tile: &Tile, key: usize) -> (S::F, S::F) {
    let (score, slope) = if tile.plain() {
        (product, s.splat(1.0))
    } else {
        tile.of(s, product, key, 0)
    };
    (tile.mask(s, score, Tile::UNSEEN, key, 0), slope)
}

/// Makes the dropped numbers of some strips zero.
#[inline(always)]
fn drop_weights<S: Simd, const N: usize>(
    s: S,
    mut strips: [&mut [Row]; N],
    options: &Options<'_>,
    (head, t): (usize, usize),
) {
    for key in (0..t).step_by(2) {
        let Some(dropped) = dropped(s, options, (head, key, t)) else {
            return;
        };
        for strip in &mut strips {
            for (lanes, dropped) in strip[key..t].iter_mut().zip(dropped) {
                s.store(s.select(dropped, s.zero(), s.load(lanes)), lanes);
            }
        }
    }
}

/// Which queries drop their weight for a key and the next.
#[inline(always)]
fn dropped<S: Simd>(
    s: S,
    options: &Options<'_>,
    (head, key, t): (usize, usize, usize),
) -> Option<[S::M; 2]> {
    let weights = options.dropout.as_ref()?;
    let row = weights.first_row + (head * t + key) as u64;
    let chunks = (dropout::mask_stride(t) / CHUNK) as u64;
    let [[this, ..], [next, ..]] = weights
        .dropout
        .dropped(s, [row * chunks, (row + 1) * chunks]);
    Some([this, next])
}

/// In place, as in the long backward; Δ is made of the weights, which are all here.
#[inline(always)]
fn differentiate<S: Simd>(
    s: S,
    (weights, dscores, factors): (&mut [Row], &mut [Row], &mut [Row]),
    tile: &Tile,
    lse: S::F,
    options: &Options<'_>,
) {
    let t = tile.live;
    for (key, (weight, factor)) in weights.iter_mut().zip(&mut *factors).enumerate().take(t) {
        let (score, slope) = score(s, s.load(weight), tile, key);
        let p = math::exp2_lanes(s, s.sub(score, lse));
        s.store(p, weight);
        s.store(s.mul(p, slope), factor);
    }
    drop_weights(s, [&mut *weights, &mut *dscores], options, (tile.head, t));
    let mut delta = s.zero();
    for (weight, dscore) in weights.iter().zip(&*dscores).take(t) {
        delta = s.mul_add(s.load(weight), s.load(dscore), delta);
    }
    for (dscore, factor) in dscores.iter_mut().zip(factors).take(t) {
        let ds = s.mul(s.load(factor), s.sub(s.load(dscore), delta));
        s.store(ds, dscore);
    }
}
