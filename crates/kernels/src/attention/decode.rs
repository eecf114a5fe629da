//! One query against a cache of keys and values, for generation: no dropout, nothing packed, the speed of memory.

use super::Options;
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{self, LANES, Simd};
use crate::softmax;

/// mix[heads * `head_dim`] for the query row q[heads * `head_dim`], the last of `t` tokens, against keys and
/// values[t, `kv_heads` * `head_dim`]. `scratch` holds at least `t` floats. `options.dropout` is ignored, and so is
/// `options.causal`: the last query sees everything.
pub fn decode_one(
    isa: Isa,
    mix: &mut [f32],
    scratch: &mut [f32],
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let stride = options.kv_heads * options.head_dim;
    assert!(
        options.kv_heads > 0 && options.heads.is_multiple_of(options.kv_heads),
        "kv_heads divides heads"
    );
    assert!(
        mix.len() == options.mix_width() && q.len() == mix.len(),
        "q and mix are not one row"
    );
    assert!(
        keys.len() >= t * stride && values.len() >= t * stride,
        "the cache is shorter than t"
    );
    assert!(
        options
            .alibi
            .is_none_or(|slopes| slopes.len() == options.heads),
        "one slope a head"
    );
    let scores = &mut scratch[..t];
    if t > 0 && options.head_dim > 0 {
        dispatch!(isa, s => heads(s, mix, scores, q, keys, values, options));
    }
}

#[inline(always)]
fn heads<S: Simd>(
    s: S,
    mix: &mut [f32],
    scores: &mut [f32],
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    options: &Options<'_>,
) {
    let (width, stride) = (options.head_dim, options.kv_heads * options.head_dim);
    let group = options.heads / options.kv_heads;
    for head in 0..options.heads {
        let column = head / group * width;
        let q = &q[head * width..][..width];
        for (score, key) in scores.iter_mut().zip(keys.chunks_exact(stride)) {
            *score = options.scale * dot(s, q, &key[column..][..width]);
        }
        bias(s, scores, options, head);
        let (_, sum) = softmax::exponentials(s, scores);
        let mix = &mut mix[head * width..][..width];
        for (i, mix) in mix.chunks_mut(LANES).enumerate() {
            let column = column + i * LANES;
            let mut acc = s.zero();
            for (&weight, value) in scores.iter().zip(values.chunks_exact(stride)) {
                let value = s.load_partial(&value[column..][..mix.len()], 0.0);
                acc = s.mul_add(s.splat(weight), value, acc);
            }
            s.store_partial(s.mul(acc, s.splat(1.0 / sum)), mix);
        }
    }
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
fn bias<S: Simd>(s: S, scores: &mut [f32], options: &Options<'_>, head: usize) {
    if let Some(cap) = options.softcap {
        simd::update(
            s,
            scores,
            #[inline(always)]
            |score| {
                s.mul(
                    s.splat(cap),
                    math::tanh_lanes(s, s.mul(score, s.splat(1.0 / cap))),
                )
            },
        );
    }
    if let Some(slopes) = options.alibi {
        let last = scores.len() - 1;
        for (j, score) in scores.iter_mut().enumerate() {
            *score -= slopes[head] * (last - j) as f32;
        }
    }
}
