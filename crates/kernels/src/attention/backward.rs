//! Backward: for 32 queries against 64 keys at a time, all in the first-level cache.
//!
//! With P = e^(score - lse), M the dropout factors and Δ = rowsum(dmix ∘ mix):
//! dV += (M ∘ P)ᵀ dO; dP = M ∘ (dO Vᵀ); dS = P ∘ (dP - Δ) ∘ dscore/dproduct; dQ = scale dS K; dK += dSᵀ (scale Q).

use super::pack::{self, Columns};
use super::{KEYS, MASK_WORDS, Options, PANEL, QUERIES, Scores, Scratch, scratch_len};
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::matmul::SLACK;
use crate::simd::{LANES, Simd};
use crate::tile::Operand;

/// dqkv (written) from dmix and what the forward left: mix and lse.
pub fn backward(
    isa: Isa,
    dqkv: &mut [f32],
    scratch: &mut [f32],
    dmix: &[f32],
    mix: &[f32],
    lse: &[f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    options.check(qkv, t);
    assert_eq!(dqkv.len(), qkv.len(), "dqkv is not like qkv");
    assert!(
        mix.len() == t * options.mix_width() && dmix.len() == mix.len(),
        "mix sizes"
    );
    assert_eq!(lse.len(), t * options.heads, "lse is not [heads, T]");
    assert!(
        scratch.len() >= scratch_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t > 0 && options.head_dim > 0 {
        let saved = Saved {
            dmix,
            mix,
            lse,
            qkv,
        };
        dispatch!(isa, s => sequence(s, dqkv, scratch, saved, options, t));
    }
}

#[derive(Clone, Copy)]
struct Saved<'a> {
    dmix: &'a [f32],
    mix: &'a [f32],
    lse: &'a [f32],
    qkv: &'a [f32],
}

/// The operands of a key head, its gradients, and the room for a tile. `..._across` has queries in lanes.
struct Work<'a> {
    masks: &'a mut [f32],
    key_panels: &'a mut [f32],
    value_panels: &'a mut [f32],
    keys: &'a mut [f32],
    dkeys: &'a mut [f32],
    dvalues: &'a mut [f32],
    queries: &'a mut [f32],
    queries_across: &'a mut [f32],
    dmix: &'a mut [f32],
    dmix_across: &'a mut [f32],
    dqueries_across: &'a mut [f32],
    weights: &'a mut [f32],
    dscores: &'a mut [f32],
}

impl<'a> Work<'a> {
    fn new(scratch: &'a mut [f32], padded_t: usize, d: usize) -> Self {
        let mut scratch = Scratch(scratch);
        Self {
            masks: scratch.take(padded_t * MASK_WORDS),
            key_panels: scratch.take(padded_t * d + SLACK),
            value_panels: scratch.take(padded_t * d + SLACK),
            keys: scratch.take(padded_t * d),
            dkeys: scratch.take(padded_t * d),
            dvalues: scratch.take(padded_t * d),
            queries: scratch.take(QUERIES * d),
            queries_across: scratch.take(QUERIES * d + SLACK),
            dmix: scratch.take(QUERIES * d),
            dmix_across: scratch.take(QUERIES * d + SLACK),
            dqueries_across: scratch.take(QUERIES * d),
            weights: scratch.take(KEYS * QUERIES),
            dscores: scratch.take(KEYS * QUERIES),
        }
    }
}

/// What a tile knows of its queries: how many there are, and log-sum-exp and Δ in lanes.
#[derive(Clone, Copy)]
struct Rows {
    live: usize,
    lse: [f32; QUERIES],
    delta: [f32; QUERIES],
}

#[inline(always)]
fn sequence<S: Simd>(
    s: S,
    dqkv: &mut [f32],
    scratch: &mut [f32],
    saved: Saved<'_>,
    options: &Options<'_>,
    t: usize,
) {
    let (width, d) = (options.head_dim, options.padded_dim());
    let mut work = Work::new(scratch, t.next_multiple_of(QUERIES), d);
    let stride = options.qkv_width();
    let columns = |first| Columns {
        rows: saved.qkv,
        stride,
        first,
        width,
    };
    for kv_head in 0..options.kv_heads {
        let (key, value) = (options.key_column(kv_head), options.value_column(kv_head));
        pack::key_panels(s, work.key_panels, columns(key), t);
        pack::key_panels(s, work.value_panels, columns(value), t);
        pack::down(s, work.keys, columns(key), 0, t, d, 1.0);
        work.dkeys.fill(0.0);
        work.dvalues.fill(0.0);
        for head in options.group(kv_head) {
            for first in (0..t).step_by(QUERIES) {
                pack::refresh_masks(s, work.masks, options, head, first, t);
                query_tile(s, dqkv, &mut work, saved, options, (head, first, t));
            }
        }
        for row in 0..t {
            let line = &mut dqkv[row * stride..][..stride];
            line[key..][..width].copy_from_slice(&work.dkeys[row * d..][..width]);
            line[value..][..width].copy_from_slice(&work.dvalues[row * d..][..width]);
        }
    }
}

#[inline(always)]
fn query_tile<S: Simd>(
    s: S,
    dqkv: &mut [f32],
    work: &mut Work<'_>,
    saved: Saved<'_>,
    options: &Options<'_>,
    (head, first, t): (usize, usize, usize),
) {
    let (width, d) = (options.head_dim, options.padded_dim());
    let live = QUERIES.min(t - first);
    let rows = load_tile(s, work, saved, options, (head, first, t));
    work.dqueries_across.fill(0.0);
    let scores = Scores::new(options, head, first);
    let seen = options.keys_seen(first, t);
    for key in (0..seen).step_by(KEYS) {
        key_block(
            s,
            work,
            options,
            scores,
            &rows,
            key,
            KEYS.min(seen - key),
            d,
        );
    }
    let stride = options.qkv_width();
    let dqueries = &mut dqkv[first * stride + head * width..];
    let factors = [s.splat(options.scale); 2];
    pack::write_across(
        s,
        dqueries,
        stride,
        width,
        live,
        work.dqueries_across,
        factors,
    );
}

/// Packs the queries (times scale) and dmix of a tile both ways, and makes its rows' Δ.
#[inline(always)]
fn load_tile<S: Simd>(
    s: S,
    work: &mut Work<'_>,
    saved: Saved<'_>,
    options: &Options<'_>,
    (head, first, t): (usize, usize, usize),
) -> Rows {
    let (width, d) = (options.head_dim, options.padded_dim());
    let live = QUERIES.min(t - first);
    let column = head * width;
    let queries = Columns {
        rows: saved.qkv,
        stride: options.qkv_width(),
        first: column,
        width,
    };
    let dmix = Columns {
        rows: saved.dmix,
        stride: options.mix_width(),
        first: column,
        width,
    };
    let mix = Columns {
        rows: saved.mix,
        ..dmix
    };
    pack::down(s, work.queries, queries, first, live, d, options.scale);
    pack::down(s, work.dmix, dmix, first, live, d, 1.0);
    let packed = |rows| Columns {
        rows,
        stride: d,
        first: 0,
        width,
    };
    pack::across(s, work.queries_across, packed(work.queries), 0, QUERIES);
    pack::across(s, work.dmix_across, packed(work.dmix), 0, QUERIES);
    let mut rows = Rows {
        live,
        lse: [0.0; QUERIES],
        delta: [0.0; QUERIES],
    };
    for r in 0..live {
        rows.lse[r] = saved.lse[head * t + first + r];
        rows.delta[r] = dot(s, dmix.row(first + r), mix.row(first + r));
    }
    rows
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut acc = s.zero();
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        acc = s.mul_add(s.load_partial(a, 0.0), s.load_partial(b, 0.0), acc);
    }
    s.sum(acc)
}

#[inline(always)]
fn key_block<S: Simd>(
    s: S,
    work: &mut Work<'_>,
    options: &Options<'_>,
    scores: Scores,
    rows: &Rows,
    key: usize,
    count: usize,
    d: usize,
) {
    let width = options.head_dim;
    let tall = count.next_multiple_of(PANEL);
    let (key_panels, value_panels) = (&*work.key_panels, &*work.value_panels);
    let key_rows = |row: usize| pack::panel(key_panels, key + row, width);
    let value_rows = |row: usize| pack::panel(value_panels, key + row, width);
    pack::product_across(
        s,
        work.weights,
        key_rows,
        work.queries_across,
        false,
        tall,
        width,
    );
    pack::product_across(
        s,
        work.dscores,
        value_rows,
        work.dmix_across,
        false,
        tall,
        width,
    );

    let masks = options
        .dropout
        .as_ref()
        .map(|weights| (&*work.masks, weights.dropout.scale()));
    let strips = (
        &mut work.weights[..tall * QUERIES],
        &mut work.dscores[..tall * QUERIES],
    );
    if scores.plain() && masks.is_none() {
        weights_and_dscores::<S, true>(s, strips, scores, rows, None, key);
    } else {
        weights_and_dscores::<S, false>(s, strips, scores, rows, masks, key);
    }

    pack::product_down(
        s,
        &mut work.dvalues[key * d..],
        work.weights,
        work.dmix,
        (tall, rows.live),
        d,
    );
    pack::product_down(
        s,
        &mut work.dkeys[key * d..],
        work.dscores,
        work.queries,
        (tall, rows.live),
        d,
    );
    let keys = &work.keys[key * d..];
    let key_columns = |row: usize| Operand::new(&keys[row..], d);
    pack::product_across(
        s,
        work.dqueries_across,
        key_columns,
        work.dscores,
        true,
        d,
        count,
    );
}

/// In place: products become weights (dropped ones zero), dO Vᵀ becomes the gradient of the products.
#[inline(always)]
fn weights_and_dscores<S: Simd, const PLAIN: bool>(
    s: S,
    (weights, dscores): (&mut [f32], &mut [f32]),
    scores: Scores,
    rows: &Rows,
    masks: Option<(&[f32], f32)>,
    first_key: usize,
) {
    let (lse, delta) = (
        rows.lse.as_chunks::<LANES>().0,
        rows.delta.as_chunks::<LANES>().0,
    );
    let weights = weights.as_chunks_mut::<LANES>().0;
    let dscores = dscores.as_chunks_mut::<LANES>().0;
    for (i, (weight, dscore)) in weights.iter_mut().zip(dscores).enumerate() {
        let (key, half) = (first_key + i / 2, i % 2);
        let product = s.load(weight);
        let (score, slope) = if PLAIN {
            (product, s.splat(1.0))
        } else {
            scores.of(s, product, key, half)
        };
        let mut p = math::exp_lanes(s, s.sub(score, s.load(&lse[half])));
        if scores.masks(key) {
            p = scores.mask(s, p, 0.0, key, half);
        }
        let (mut kept, mut dp) = (p, s.load(dscore));
        if let Some((masks, scale)) = masks {
            let dropped = pack::dropped(s, masks, key, scores.first_query, half);
            kept = s.select(dropped, s.zero(), s.mul(p, s.splat(scale)));
            dp = s.select(dropped, s.zero(), s.mul(dp, s.splat(scale)));
        }
        let ds = s.mul(p, s.sub(dp, s.load(&delta[half])));
        s.store(kept, weight);
        s.store(if PLAIN { ds } else { s.mul(ds, slope) }, dscore);
    }
}
