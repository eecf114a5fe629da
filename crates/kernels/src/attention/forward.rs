//! The forward takes 32 queries against 64 keys at a time, all in the first-level cache, with a
//! running softmax.
//!
//! The weights of a tile are 2^(score - reference), where the reference of a row is the largest
//! score of its first block of keys. It is raised, and the sums are scaled down, only when a score
//! is 16 above it: the quotient is the same, and the sums hardly ever change. In bf16 these
//! weights, relative to the reference, are rounded for the product with V; their sum is of
//! unrounded ones.

use super::dropout_masks::{self, Masks};
use super::pack_heads::{self, Chunked, HeadColumns};
use super::scratch_stack::ScratchStack;
use super::tasks::{self, ForwardTask, ForwardTasks, TileOutput};
use super::{KEYS, Options, Outputs, QUERIES, QueryTile, products, short, task_len};
use crate::element::{Element, products};
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::parallel::{Sequential, Threads};
use crate::simd::{self, LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};
use core::ops::Range;

/// How far (in powers of two) a score may be above the reference of its row.
const HEADROOM: f32 = 16.0;

/// Makes mix, and lse for the backward, from qkv[T, (heads + 2 `kv_heads`) `head_dim`].
pub fn forward(
    isa: Isa,
    out: Outputs<'_>,
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let alone = Threads {
        parallel: &Sequential,
        scratch,
    };
    forward_by(isa, alone, out, qkv, options, t);
}

/// [`forward`] on several threads, with the scratch of [`super::scratch_len_by`]; the same bits.
pub fn forward_by(
    isa: Isa,
    threads: Threads<'_>,
    out: Outputs<'_>,
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    let (Threads { parallel, scratch }, Outputs { mix, lse }) = (threads, out);
    options.check(qkv, t);
    assert_eq!(
        mix.len(),
        t * options.mix_width(),
        "mix is not [T, heads * head_dim]"
    );
    assert_eq!(lse.len(), t * options.heads, "lse is not [heads, T]");
    if t == 0 || options.head_dim == 0 {
        return;
    }
    let most = if t <= LANES {
        1
    } else {
        (options.heads * t.div_ceil(QUERIES)).min(tasks::MOST)
    };
    let tasks = parallel.threads().clamp(1, most);
    assert!(
        scratch.len() >= tasks * task_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t <= LANES {
        dispatch!(isa, s => short::forward(s, Outputs { mix, lse }, scratch, qkv, options, t));
        return;
    }
    let input = ForwardInput { qkv, options, t };
    let len = task_len(t, options);
    let tasks = ForwardTasks::new(options, t, tasks, scratch, len, [mix, lse]);
    let work = |index| {
        let task = tasks.start(index);
        products!(isa, options.precision, (s, e) => by_width((s, e), &input, task));
    };
    if tasks.count() == 1 {
        work(0);
    } else {
        parallel.for_each(tasks.count(), &work);
    }
}

struct ForwardInput<'a> {
    qkv: &'a [f32],
    options: &'a Options<'a>,
    t: usize,
}

impl<'a> ForwardInput<'a> {
    fn columns(&self, first: usize) -> HeadColumns<'a> {
        HeadColumns {
            rows: self.qkv,
            stride: self.options.qkv_width(),
            first,
            width: self.options.head_dim,
        }
    }
}

/// The operands of a key head, and the memory of a tile.
struct ForwardWorkspace<'a> {
    /// Rows of `keys` and of `values`.
    count: usize,
    keys: &'a mut [f32],
    values: &'a mut [f32],
    queries: &'a mut [f32],
    strip: &'a mut [f32],
    mix: &'a mut [f32],
    masks: &'a mut [f32],
}

#[inline(always)]
fn by_width<S: Simd, E: Element<S>>(s: (S, E), input: &ForwardInput<'_>, task: ForwardTask<'_>) {
    let narrow = input.options.padded_dim() == LANES;
    match (S::WIDE, E::STEPS, narrow) {
        (true, 2, false) => sequence::<S, E, 8, 32, 16>(s, input, task),
        (true, _, false) => sequence::<S, E, 8, 32, 32>(s, input, task),
        (true, _, true) => sequence::<S, E, 8, 16, 16>(s, input, task),
        (false, _, false) => sequence::<S, E, 4, 32, 32>(s, input, task),
        (false, _, true) => sequence::<S, E, 4, 16, 16>(s, input, task),
    }
}

/// Makes all tiles of a task. The operands of a key head are packed for its first tile, and the
/// dropout masks of a chunk of queries for the first tile in it.
#[inline(always)]
fn sequence<S: Simd, E: Element<S>, const MR: usize, const W: usize, const A: usize>(
    s: (S, E),
    input: &ForwardInput<'_>,
    mut task: ForwardTask<'_>,
) {
    let (options, t) = (input.options, input.t);
    let (padded_t, d) = (t.next_multiple_of(QUERIES), options.padded_dim());
    let mut scratch = ScratchStack(task.take_scratch());
    let along = options.head_dim.div_ceil(E::STEPS).next_multiple_of(A);
    let mut work = ForwardWorkspace {
        count: padded_t,
        masks: scratch.take(padded_t * dropout_masks::WORDS),
        keys: scratch.take(padded_t * along),
        values: scratch.take(padded_t / E::STEPS * d),
        queries: scratch.take(QUERIES * along),
        strip: scratch.take(KEYS * QUERIES),
        mix: scratch.take(QUERIES * d),
    };
    let (mut packed, mut masked) = (None, None);
    for output in task.into_tiles() {
        let tile = &output.tile;
        let kv_head = options.kv_head(tile.head);
        if packed.replace(kv_head) != Some(kv_head) {
            let key = input.columns(options.key_column(kv_head));
            let value = input.columns(options.value_column(kv_head));
            pack_heads::along::<S, E, A>(s, work.keys, key, 0..t, padded_t, 1.0);
            pack_heads::down::<S, E, W>(s, work.values, value, 0..t, padded_t / E::STEPS, 1.0);
        }
        let chunk = (tile.head, dropout_masks::chunk(tile.first));
        if masked.replace(chunk) != Some(chunk) {
            dropout_masks::make(s.0, work.masks, options.dropout, tile);
        }
        query_tile::<S, E, MR, W, A>(s, input, &mut work, output);
    }
}

/// A running softmax: for 32 queries the score that weights are relative to, and the sum of
/// weights.
struct RunningSoftmax<S: Simd> {
    reference: [S::F; 2],
    sum: [S::F; 2],
}

#[inline(always)]
fn query_tile<S: Simd, E: Element<S>, const MR: usize, const W: usize, const A: usize>(
    (s, e): (S, E),
    input: &ForwardInput<'_>,
    work: &mut ForwardWorkspace<'_>,
    output: TileOutput<'_>,
) {
    let (options, tile) = (input.options, &output.tile);
    let (queries, factor) = (tile.queries(), options.scale * LOG2_E);
    let columns = input.columns(tile.head * options.head_dim);
    pack_heads::across((s, e), work.queries, columns, queries, factor);
    work.mix.fill(0.0);
    let mut running = RunningSoftmax::<S> {
        reference: [s.zero(); 2],
        sum: [s.zero(); 2],
    };
    for (block, keys) in tile.blocks().enumerate() {
        let max = scores::<S, E, MR, A>((s, e), work, tile, keys.clone(), options.head_dim);
        if block == 0 {
            running.reference = max.map(|max| s.max(max, s.splat(QueryTile::LOWEST)));
        } else {
            raise_reference::<S, W>(s, &mut running, max, work.mix);
        }
        let masks = Masks::new(work.masks, tile.first);
        match &options.dropout {
            Some(_) => {
                weights::<S, E, true>((s, e), work.strip, &mut running, tile, masks, keys.clone());
            }
            None => {
                weights::<S, E, false>((s, e), work.strip, &mut running, tile, masks, keys.clone());
            }
        }
        let values = Chunked {
            words: &work.values[keys.start / E::STEPS * W..],
            count: work.count / E::STEPS,
        };
        for query in (0..tile.count).step_by(MR) {
            let seen = tile.keys_within(&keys, query..query + MR);
            products::by_query::<S, E, MR, W>((s, e), work.mix, work.strip, values, query, seen);
        }
    }
    let mix = Chunked {
        words: &*work.mix,
        count: QUERIES,
    };
    finish::<S, W>(s, output, mix, &running, options);
}

/// Writes the scores of a block of keys into the strip, and returns the largest of each query.
#[inline(always)]
fn scores<S: Simd, E: Element<S>, const MR: usize, const A: usize>(
    (s, e): (S, E),
    work: &mut ForwardWorkspace<'_>,
    tile: &QueryTile,
    keys: Range<usize>,
    width: usize,
) -> [S::F; 2] {
    let mut max = [s.splat(QueryTile::MASKED); 2];
    for key in keys.clone().step_by(MR) {
        let strip = &mut work.strip[(key - keys.start) * QUERIES..][..MR * QUERIES];
        let rows = Chunked {
            words: &work.keys[key * A..],
            count: work.count,
        };
        let halves = tile.halves(&(key..key + MR));
        products::scores::<S, E, MR, A>((s, e), strip, rows, work.queries, halves.clone(), width);
        let last = keys.end.min(key + MR);
        for half in halves {
            max[half] = scores_in_place(s, strip, tile, key..last, half, max[half]);
        }
    }
    max
}

/// Turns the products of some keys into scores, in place, and returns the largest of each query and
/// `max`.
#[inline(always)]
fn scores_in_place<S: Simd>(
    s: S,
    strip: &mut [f32],
    tile: &QueryTile,
    keys: Range<usize>,
    half: usize,
    mut max: S::F,
) -> S::F {
    let strip = strip.as_chunks_mut::<LANES>().0.iter_mut();
    let lanes = strip.skip(half).step_by(2).zip(keys.clone());
    if tile.plain() && !tile.hides(&keys) {
        for (score, _) in lanes {
            max = s.max(max, s.load(score));
        }
        return max;
    }
    for (lanes, key) in lanes {
        let score = tile.score(s, s.load(lanes), key, half).0;
        let score = tile.mask(s, score, QueryTile::MASKED, key, half);
        s.store(score, lanes);
        max = s.max(max, score);
    }
    max
}

/// Where a score is too far above the reference of its row, makes the largest score the reference
/// and scales down the sums.
#[inline(always)]
fn raise_reference<S: Simd, const W: usize>(
    s: S,
    running: &mut RunningSoftmax<S>,
    max: [S::F; 2],
    mix: &mut [f32],
) {
    let headroom = s.splat(HEADROOM);
    let first = s.lt(s.add(running.reference[0], headroom), max[0]);
    let second = s.lt(s.add(running.reference[1], headroom), max[1]);
    if s.mask_bits(first) | s.mask_bits(second) == 0 {
        return;
    }
    let mut factors = [[0.0; LANES]; 2];
    for half in 0..2 {
        let reference = s.max(running.reference[half], max[half]);
        let factor = math::exp2_lanes(s, s.sub(running.reference[half], reference));
        running.reference[half] = reference;
        running.sum[half] = s.mul(running.sum[half], factor);
        s.store(factor, &mut factors[half]);
    }
    let rows = mix.as_chunks_mut::<W>().0;
    for (row, factor) in rows.iter_mut().zip(factors.as_flattened().iter().cycle()) {
        simd::update(
            s,
            row,
            #[inline(always)]
            |x| s.mul(x, s.splat(*factor)),
        );
    }
}

/// Turns scores into weights, in place, as words that lie down. Dropped weights are zero, but are
/// part of the sums.
#[inline(always)]
fn weights<S: Simd, E: Element<S>, const DROPOUT: bool>(
    s: (S, E),
    strip: &mut [f32],
    running: &mut RunningSoftmax<S>,
    tile: &QueryTile,
    masks: Masks<'_>,
    keys: Range<usize>,
) {
    let first = tile.keys_within(&keys, 0..LANES);
    let second = tile.keys_within(&keys, LANES..QUERIES);
    let strip = strip.as_chunks_mut::<LANES>().0;
    let mut weights = BlockWeights::<S, DROPOUT> {
        reference: running.reference,
        sum: running.sum,
        masks,
        first: keys.start,
        count: keys.len(),
    };
    for key in (first.start..second.start.min(first.end)).step_by(2) {
        weights.pair(s, strip, key, 0);
    }
    for key in (first.start.max(second.start)..first.end).step_by(2) {
        weights.pair(s, strip, key, 0);
        weights.pair(s, strip, key, 1);
    }
    for key in (first.end.max(second.start)..second.end).step_by(2) {
        weights.pair(s, strip, key, 1);
    }
    running.sum = weights.sum;
}

/// What turns the scores of a block of keys into weights.
struct BlockWeights<'a, S: Simd, const DROPOUT: bool> {
    reference: [S::F; 2],
    sum: [S::F; 2],
    masks: Masks<'a>,
    first: usize,
    count: usize,
}

impl<S: Simd, const DROPOUT: bool> BlockWeights<'_, S, DROPOUT> {
    /// Makes the weights of an even key and the next, counted from the block's first.
    #[inline(always)]
    fn pair<E: Element<S>>(
        &mut self,
        (s, e): (S, E),
        strip: &mut [[f32; LANES]],
        key: usize,
        half: usize,
    ) {
        let even = self.weight(s, &strip[key * 2 + half], key, half);
        let odd = if key + 1 < self.count {
            self.weight(s, &strip[key * 2 + 2 + half], key + 1, half)
        } else {
            s.zero()
        };
        if E::STEPS == 2 {
            s.store(
                s.bits_to_float(e.across(s, even, odd)),
                &mut strip[key + half],
            );
            return;
        }
        s.store(
            s.bits_to_float(e.across(s, even, even)),
            &mut strip[key * 2 + half],
        );
        if key + 1 < self.count {
            s.store(
                s.bits_to_float(e.across(s, odd, odd)),
                &mut strip[key * 2 + 2 + half],
            );
        }
    }

    #[inline(always)]
    fn weight(&mut self, s: S, score: &[f32; LANES], key: usize, half: usize) -> S::F {
        let p = math::exp2_lanes(s, s.sub(s.load(score), self.reference[half]));
        self.sum[half] = s.add(self.sum[half], p);
        if DROPOUT {
            let dropped = self.masks.dropped(s, self.first + key, half);
            s.select(dropped, s.zero(), p)
        } else {
            p
        }
    }
}

/// Divides by the sums and writes the tile's rows.
#[inline(always)]
fn finish<S: Simd, const W: usize>(
    s: S,
    mut output: TileOutput<'_>,
    mix: Chunked<&[f32]>,
    running: &RunningSoftmax<S>,
    options: &Options<'_>,
) {
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    let count = output.tile.count;
    let (mut logs, mut factors) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
    for half in 0..2 {
        let sum = running.sum[half];
        let log = s.mul_add(
            running.reference[half],
            s.splat(LN_2),
            math::ln_lanes(s, sum),
        );
        s.store(log, &mut logs[half]);
        s.store(s.div(s.splat(kept), sum), &mut factors[half]);
    }
    output.lse.copy_from_slice(&logs.as_flattened()[..count]);
    for (r, &factor) in factors.as_flattened()[..count].iter().enumerate() {
        pack_heads::unpack::<S, W>(s, output.mix.row(r), mix, r, factor);
    }
}
