//! Forward: 32 queries against 64 keys at a time, all in the first-level cache, with a running
//! softmax.
//!
//! The weights of a tile are 2^(score - top), where a row's `top` is the largest score of its first
//! block of keys. It is raised, and what is summed scaled down, only when a score stands 2^16 above
//! it: the quotient is the same, and the sums are hardly ever touched. In bf16 the weights are
//! rounded so, relative to `top`, for the product with V; their sum is of unrounded ones.

use super::dropout_masks::{self, Masks};
use super::pack::{self, Columns, Scratch, Share};
use super::shared::{Claims, Shared, Window};
use super::{KEYS, Options, QUERIES, Tile, products, short, task_len};
use crate::element::{Element, products};
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::parallel::{Parallel, Sequential};
use crate::simd::{self, LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};
use core::ops::Range;

/// How far (in powers of two) a score may stand above its row's `top`.
const HEADROOM: f32 = 16.0;

/// mix[T, heads * `head_dim`] from qkv; lse[heads * T] is the log-sum-exp of each row of scores,
/// for the backward.
pub fn forward(
    isa: Isa,
    mix: &mut [f32],
    lse: &mut [f32],
    scratch: &mut [f32],
    qkv: &[f32],
    options: &Options<'_>,
    t: usize,
) {
    forward_by(isa, &Sequential, mix, lse, scratch, qkv, options, t);
}

/// [`forward`] on several threads, with the scratch of [`super::scratch_len_by`]; the same bits.
pub fn forward_by(
    isa: Isa,
    parallel: &dyn Parallel,
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
    if t == 0 || options.head_dim == 0 {
        return;
    }
    let most = if t <= LANES {
        1
    } else {
        (options.heads * t.div_ceil(QUERIES)).min(Claims::MOST)
    };
    let tasks = parallel.threads().clamp(1, most);
    assert!(
        scratch.len() >= tasks * task_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t <= LANES {
        dispatch!(isa, s => short::forward(s, mix, lse, scratch, qkv, options, t));
        return;
    }
    let job = Job {
        mix: Shared::new(mix),
        lse: Shared::new(lse),
        scratch: Shared::new(scratch),
        qkv,
        options,
        t,
    };
    let claims = Claims::new();
    let work = |task| {
        claims.take(task);
        products!(isa, options.precision, (s, e) => by_width((s, e), &job, task, tasks));
    };
    if tasks == 1 {
        work(0);
    } else {
        parallel.for_each(tasks, &work);
    }
}

struct Job<'a> {
    mix: Shared<'a>,
    lse: Shared<'a>,
    scratch: Shared<'a>,
    qkv: &'a [f32],
    options: &'a Options<'a>,
    t: usize,
}

impl Job<'_> {
    /// The rows of `mix` and of `lse` that belong to a tile.
    fn outputs(&self, tile: &Tile) -> (Window<'_>, Window<'_>) {
        let (t, width) = (self.t, self.options.head_dim);
        let queries = tile.first..tile.first + tile.live;
        let columns = tile.head * width..(tile.head + 1) * width;
        // SAFETY: tiles of one head have different queries, those of different heads different
        // columns of `mix` and different rows of `lse`; `Share` gives every tile to one task, which
        // drops these windows before the next, and `Claims` lets every task run once.
        unsafe {
            (
                self.mix
                    .window(self.options.mix_width(), queries.clone(), columns),
                self.lse.window(t, tile.head..tile.head + 1, queries),
            )
        }
    }

    fn columns(&self, first: usize) -> Columns<'_> {
        Columns {
            rows: self.qkv,
            stride: self.options.qkv_width(),
            first,
            width: self.options.head_dim,
        }
    }
}

/// The operands of a key head and the room for a tile.
struct Work<'a> {
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
fn by_width<S: Simd, E: Element<S>>(s: (S, E), job: &Job<'_>, task: usize, tasks: usize) {
    let narrow = job.options.padded_dim() == LANES;
    match (S::WIDE, E::STEPS, narrow) {
        (true, 2, false) => sequence::<S, E, 8, 32, 16>(s, job, task, tasks),
        (true, _, false) => sequence::<S, E, 8, 32, 32>(s, job, task, tasks),
        (true, _, true) => sequence::<S, E, 8, 16, 16>(s, job, task, tasks),
        (false, _, false) => sequence::<S, E, 4, 32, 32>(s, job, task, tasks),
        (false, _, true) => sequence::<S, E, 4, 16, 16>(s, job, task, tasks),
    }
}

#[inline(always)]
fn sequence<S: Simd, E: Element<S>, const MR: usize, const W: usize, const A: usize>(
    s: (S, E),
    job: &Job<'_>,
    task: usize,
    tasks: usize,
) {
    let (options, t) = (job.options, job.t);
    let (padded_t, d) = (t.next_multiple_of(QUERIES), options.padded_dim());
    let len = task_len(t, options);
    // SAFETY: each task has one row of the scratch, and runs once.
    let mut scratch = unsafe { job.scratch.window(len, task..task + 1, 0..len) };
    let mut scratch = Scratch(scratch.row(0));
    let along = options.head_dim.div_ceil(E::STEPS).next_multiple_of(A);
    let mut work = Work {
        count: padded_t,
        masks: scratch.take(padded_t * dropout_masks::WORDS),
        keys: scratch.take(padded_t * along),
        values: scratch.take(padded_t / E::STEPS * d),
        queries: scratch.take(QUERIES * along),
        strip: scratch.take(KEYS * QUERIES),
        mix: scratch.take(QUERIES * d),
    };
    let tiles = (0..t).step_by(QUERIES);
    let of_head: usize = tiles
        .clone()
        .map(|first| Tile::new(options, 0, first, t).seen().len())
        .sum();
    let share = Share {
        task,
        tasks,
        total: options.heads * of_head,
    };
    let mut done = 0;
    for kv_head in 0..options.kv_heads {
        let mut packed = false;
        for head in options.group(kv_head) {
            let mut masked = usize::MAX;
            for first in tiles.clone() {
                let tile = Tile::new(options, head, first, t);
                let owns = share.owns(done);
                done += tile.seen().len();
                if !owns {
                    continue;
                }
                if !packed {
                    let (key, value) = (options.key_column(kv_head), options.value_column(kv_head));
                    let (key, value) = (job.columns(key), job.columns(value));
                    pack::along::<S, E, A>(s, work.keys, key, (0, t), padded_t, 1.0);
                    let count = padded_t / E::STEPS;
                    pack::down::<S, E, W>(s, work.values, value, (0, t), count, 1.0);
                    packed = true;
                }
                if dropout_masks::chunk(first) != masked {
                    dropout_masks::make(s.0, work.masks, options, (head, first, t));
                    masked = dropout_masks::chunk(first);
                }
                query_tile::<S, E, MR, W, A>(s, job, &mut work, &tile);
            }
        }
    }
}

/// A softmax under way: for 32 queries the score that weights are relative to, and the sum of
/// weights.
struct Running<S: Simd> {
    top: [S::F; 2],
    sum: [S::F; 2],
}

#[inline(always)]
fn query_tile<S: Simd, E: Element<S>, const MR: usize, const W: usize, const A: usize>(
    (s, e): (S, E),
    job: &Job<'_>,
    work: &mut Work<'_>,
    tile: &Tile,
) {
    let options = job.options;
    let queries = job.columns(tile.head * options.head_dim);
    let (place, factor) = ((tile.first, tile.live), options.scale * LOG2_E);
    pack::across((s, e), work.queries, queries, place, factor);
    work.mix.fill(0.0);
    let mut running = Running::<S> {
        top: [s.zero(); 2],
        sum: [s.zero(); 2],
    };
    for (block, keys) in tile.blocks().enumerate() {
        let max = scores::<S, E, MR, A>((s, e), work, tile, keys.clone(), options.head_dim);
        if block == 0 {
            running.top = max;
        } else {
            raise::<S, W>(s, &mut running, max, work.mix);
        }
        let masks = Masks::new(work.masks, tile.first);
        match &options.dropout {
            Some(_) => {
                weigh::<S, E, true>((s, e), work.strip, &mut running, tile, masks, keys.clone());
            }
            None => {
                weigh::<S, E, false>((s, e), work.strip, &mut running, tile, masks, keys.clone());
            }
        }
        let values = (
            &work.values[keys.start / E::STEPS * W..],
            work.count / E::STEPS,
        );
        for query in (0..tile.live).step_by(MR) {
            let seen = tile.keys_within(&keys, query..query + MR);
            products::by_query::<S, E, MR, W>((s, e), work.mix, work.strip, values, query, seen);
        }
    }
    finish::<S, W>(s, job, work.mix, &running, tile);
}

/// Writes the scores of a block of keys into the strip; gives the largest of each query.
#[inline(always)]
fn scores<S: Simd, E: Element<S>, const MR: usize, const A: usize>(
    (s, e): (S, E),
    work: &mut Work<'_>,
    tile: &Tile,
    keys: Range<usize>,
    width: usize,
) -> [S::F; 2] {
    let mut max = [s.splat(Tile::UNSEEN); 2];
    for key in keys.clone().step_by(MR) {
        let strip = &mut work.strip[(key - keys.start) * QUERIES..][..MR * QUERIES];
        let rows = (&work.keys[key * A..], work.count);
        let halves = tile.halves(&(key..key + MR));
        products::scores::<S, E, MR, A>((s, e), strip, rows, work.queries, halves.clone(), width);
        let last = keys.end.min(key + MR);
        for half in halves {
            max[half] = settle(s, strip, tile, key..last, half, max[half]);
        }
    }
    max
}

/// Products of some keys become scores, in place; gives the largest of each query, `max` included.
#[inline(always)]
fn settle<S: Simd>(
    s: S,
    strip: &mut [f32],
    tile: &Tile,
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
        let score = tile.of(s, s.load(lanes), key, half).0;
        let score = tile.mask(s, score, Tile::UNSEEN, key, half);
        s.store(score, lanes);
        max = s.max(max, score);
    }
    max
}

/// Where a score stands too high, makes the largest one the row's top and scales down what is
/// summed.
#[inline(always)]
fn raise<S: Simd, const W: usize>(s: S, running: &mut Running<S>, max: [S::F; 2], mix: &mut [f32]) {
    let headroom = s.splat(HEADROOM);
    let first = s.lt(s.add(running.top[0], headroom), max[0]);
    let second = s.lt(s.add(running.top[1], headroom), max[1]);
    if s.mask_bits(first) | s.mask_bits(second) == 0 {
        return;
    }
    let mut factors = [[0.0; LANES]; 2];
    for half in 0..2 {
        let top = s.max(running.top[half], max[half]);
        let factor = math::exp2_lanes(s, s.sub(running.top[half], top));
        running.top[half] = top;
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

/// Scores become weights, dropped ones zero, as words that lie down, in place; the sums gather
/// them, dropped ones included.
#[inline(always)]
fn weigh<S: Simd, E: Element<S>, const DROPOUT: bool>(
    s: (S, E),
    strip: &mut [f32],
    running: &mut Running<S>,
    tile: &Tile,
    masks: Masks<'_>,
    keys: Range<usize>,
) {
    let first = tile.keys_within(&keys, 0..LANES);
    let second = tile.keys_within(&keys, LANES..QUERIES);
    let strip = strip.as_chunks_mut::<LANES>().0;
    let mut weigher = Weigher::<S, DROPOUT> {
        top: running.top,
        sum: running.sum,
        masks,
        first: keys.start,
        count: keys.len(),
    };
    for key in (first.start..second.start.min(first.end)).step_by(2) {
        weigher.pair(s, strip, key, 0);
    }
    for key in (first.start.max(second.start)..first.end).step_by(2) {
        weigher.pair(s, strip, key, 0);
        weigher.pair(s, strip, key, 1);
    }
    for key in (first.end.max(second.start)..second.end).step_by(2) {
        weigher.pair(s, strip, key, 1);
    }
    running.sum = weigher.sum;
}

struct Weigher<'a, S: Simd, const DROPOUT: bool> {
    top: [S::F; 2],
    sum: [S::F; 2],
    masks: Masks<'a>,
    first: usize,
    count: usize,
}

impl<S: Simd, const DROPOUT: bool> Weigher<'_, S, DROPOUT> {
    /// The weights of an even key and the next, counted from the first.
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
        let p = math::exp2_lanes(s, s.sub(s.load(score), self.top[half]));
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
    job: &Job<'_>,
    acc: &[f32],
    running: &Running<S>,
    tile: &Tile,
) {
    let kept = job.options.dropout.map_or(1.0, |w| w.dropout.scale());
    let (mut mix, mut lse) = job.outputs(tile);
    let (mut logs, mut factors) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
    for half in 0..2 {
        let sum = running.sum[half];
        let log = s.mul_add(running.top[half], s.splat(LN_2), math::ln_lanes(s, sum));
        s.store(log, &mut logs[half]);
        s.store(s.div(s.splat(kept), sum), &mut factors[half]);
    }
    lse.row(0)
        .copy_from_slice(&logs.as_flattened()[..tile.live]);
    for (r, &factor) in factors.as_flattened()[..tile.live].iter().enumerate() {
        pack::unpack::<S, W>(s, mix.row(r), acc, (r, QUERIES), factor);
    }
}
