//! Forward: a strip of weights for 32 queries at a time.

use super::pack::{self, Columns};
use super::{MASK_WORDS, Options, PANEL, QUERIES, Scores, Scratch, scratch_len};
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::matmul::SLACK;
use crate::simd::{LANES, Simd};
use crate::tile::Operand;

/// mix[T, heads * `head_dim`] from qkv; lse[heads * T] is the log-sum-exp of each row of scores, for the backward.
pub fn forward(
    isa: Isa,
    mix: &mut [f32],
    lse: &mut [f32],
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    options.check(qkv, t);
    assert_eq!(
        mix.len(),
        t * options.mix_width(),
        "mix is not [T, heads * head_dim]"
    );
    assert_eq!(lse.len(), t * options.heads, "lse is not [heads, T]");
    assert!(
        scratch.len() >= scratch_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t > 0 && options.head_dim > 0 {
        dispatch!(isa, s => sequence(s, mix, lse, scratch, qkv, options, t));
    }
}

/// The operands of a key head and the room for a tile.
struct Work<'a> {
    keys: &'a mut [f32],
    values: &'a mut [f32],
    queries: &'a mut [f32],
    strip: &'a mut [f32],
    mix: &'a mut [f32],
    masks: &'a mut [f32],
}

#[inline(always)]
fn sequence<S: Simd>(
    s: S,
    mix: &mut [f32],
    lse: &mut [f32],
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let (padded_t, d) = (t.next_multiple_of(QUERIES), options.padded_dim());
    let mut scratch = Scratch(scratch);
    let mut work = Work {
        masks: scratch.take(padded_t * MASK_WORDS),
        keys: scratch.take(padded_t * d + SLACK),
        values: scratch.take(padded_t * d),
        queries: scratch.take(QUERIES * d + SLACK),
        strip: scratch.take(padded_t * QUERIES),
        mix: scratch.take(QUERIES * d),
    };
    let columns = |first| Columns {
        rows: qkv,
        stride: options.qkv_width(),
        first,
        width: options.head_dim,
    };
    for kv_head in 0..options.kv_heads {
        pack::key_panels(s, work.keys, columns(options.key_column(kv_head)), t);
        pack::down(
            s,
            work.values,
            columns(options.value_column(kv_head)),
            0,
            t,
            d,
            1.0,
        );
        for head in options.group(kv_head) {
            let queries = columns(head * options.head_dim);
            for first in (0..t).step_by(QUERIES) {
                pack::refresh_masks(s, work.masks, options, head, first, t);
                let lse = &mut lse[head * t..][..t];
                query_tile(s, mix, lse, &mut work, queries, options, (head, first, t));
            }
        }
    }
}

#[inline(always)]
fn query_tile<S: Simd>(
    s: S,
    mix: &mut [f32],
    lse: &mut [f32],
    work: &mut Work<'_>,
    queries: Columns<'_>,
    options: &Options<'_>,
    (head, first, t): (usize, usize, usize),
) {
    let (width, d) = (options.head_dim, options.padded_dim());
    let live = QUERIES.min(t - first);
    let seen = options.keys_seen(first, t);
    pack::across(s, work.queries, queries, first, live);
    crate::simd::update(
        s,
        &mut work.queries[..QUERIES * width],
        #[inline(always)]
        |q| s.mul(q, s.splat(options.scale)),
    );
    let keys = &*work.keys;
    let key_rows = |key: usize| pack::panel(keys, key, width);
    let tall = seen.next_multiple_of(PANEL);
    pack::product_across(s, work.strip, key_rows, work.queries, false, tall, width);

    let scores = Scores::new(options, head, first);
    let strip = work.strip[..seen * QUERIES].as_chunks_mut().0;
    let max = maxima(s, strip, scores);
    let sum = match &options.dropout {
        Some(_) => exponentials::<S, true>(s, strip, max, work.masks, first),
        None => exponentials::<S, false>(s, strip, max, &[], first),
    };
    for half in 0..2 {
        let here = live.saturating_sub(half * LANES).min(LANES);
        let value = s.add(max[half], math::ln_lanes(s, sum[half]));
        let at = (first + half * LANES).min(t);
        s.store_partial(value, &mut lse[at..][..here]);
    }

    let values = &*work.values;
    let value_rows = |row: usize| Operand::new(&values[row..], d);
    pack::product_across(s, work.mix, value_rows, work.strip, false, d, seen);
    let stride = options.mix_width();
    let kept = s.splat(
        options
            .dropout
            .map_or(1.0, |weights| weights.dropout.scale()),
    );
    let factors = [s.div(kept, sum[0]), s.div(kept, sum[1])];
    let mix = &mut mix[first * stride + head * width..];
    pack::write_across(s, mix, stride, width, live, work.mix, factors);
}

/// Products become scores, those of keys that a query may not see -inf; gives the largest of each query.
#[inline(always)]
fn maxima<S: Simd>(s: S, strip: &mut [[f32; LANES]], scores: Scores) -> [S::F; 2] {
    let mut max = [s.splat(f32::NEG_INFINITY); 2];
    if !scores.plain() {
        for (i, lanes) in strip.iter_mut().enumerate() {
            let score = scores.of(s, s.load(lanes), i / 2, i % 2).0;
            s.store(score, lanes);
        }
    }
    let open = if scores.causal {
        strip.len().min(2 * scores.first_query)
    } else {
        strip.len()
    };
    let (open, diagonal) = strip.split_at_mut(open);
    for (i, lanes) in diagonal.iter_mut().enumerate() {
        let (key, half) = (scores.first_query + i / 2, i % 2);
        let score = scores.mask(s, s.load(lanes), f32::NEG_INFINITY, key, half);
        s.store(score, lanes);
        max[half] = s.max(max[half], score);
    }
    for pair in open.as_chunks::<2>().0 {
        max[0] = s.max(max[0], s.load(&pair[0]));
        max[1] = s.max(max[1], s.load(&pair[1]));
    }
    max
}

/// Scores become e^(score - max), dropped ones zero; gives the sum of each query, dropped ones included.
#[inline(always)]
fn exponentials<S: Simd, const DROPOUT: bool>(
    s: S,
    strip: &mut [[f32; LANES]],
    max: [S::F; 2],
    masks: &[f32],
    first: usize,
) -> [S::F; 2] {
    let mut sum = [s.zero(); 2];
    for (key, pair) in strip.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        for half in 0..2 {
            let p = math::exp_lanes(s, s.sub(s.load(&pair[half]), max[half]));
            sum[half] = s.add(sum[half], p);
            let kept = if DROPOUT {
                s.select(pack::dropped(s, masks, key, first, half), s.zero(), p)
            } else {
                p
            };
            s.store(kept, &mut pair[half]);
        }
    }
    sum
}
