//! Backward: for 32 queries against 64 keys at a time, all in the first-level cache.
//!
//! With P = e^(score - lse), M the dropout factors and Δ = rowsum(dmix ∘ mix):
//! dV += (M ∘ P)ᵀ dO; dP = M ∘ (dO Vᵀ); dS = P ∘ (dP - Δ) ∘ dscore/dproduct; dQ = scale dS K; dK += dSᵀ (scale Q).
//! What M multiplies the kept weights by goes into dO once.

use super::masks::{self, Masks};
use super::pack::{self, Columns, Scratch, Share};
use super::shared::{Claims, Shared, Window};
use super::{KEYS, Options, QUERIES, Tile, products, short, task_len};
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{self, LANES, Simd};
use crate::team::{Alone, Team};
use core::f32::consts::LOG2_E;
use core::ops::Range;

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
    backward_by(isa, &Alone, dqkv, scratch, dmix, mix, lse, qkv, options, t);
}

/// [`backward`] by a team, with the scratch of [`super::scratch_len_by`]; the same bits.
pub fn backward_by(
    isa: Isa,
    team: &dyn Team,
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
    if t == 0 || options.head_dim == 0 {
        return;
    }
    let most = if t <= LANES {
        1
    } else {
        options.kv_heads.min(Claims::MOST)
    };
    let tasks = team.size().clamp(1, most);
    assert!(
        scratch.len() >= tasks * task_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t <= LANES {
        dispatch!(isa, s => short::backward(s, dqkv, scratch, dmix, lse, qkv, options, t));
        return;
    }
    let job = Job {
        dqkv: Shared::new(dqkv),
        scratch: Shared::new(scratch),
        dmix,
        mix,
        lse,
        qkv,
        options,
        t,
    };
    let claims = Claims::new();
    let work = |task| {
        claims.take(task);
        dispatch!(isa, s => by_width(s, &job, task, tasks));
    };
    if tasks == 1 {
        work(0);
    } else {
        team.each(tasks, &work);
    }
}

struct Job<'a> {
    dqkv: Shared<'a>,
    scratch: Shared<'a>,
    dmix: &'a [f32],
    mix: &'a [f32],
    lse: &'a [f32],
    qkv: &'a [f32],
    options: &'a Options<'a>,
    t: usize,
}

impl Job<'_> {
    /// Some rows of the columns of dqkv from `first` on, which are a head's queries, keys or values.
    fn output(&self, rows: Range<usize>, first: usize) -> Window<'_> {
        let columns = first..first + self.options.head_dim;
        // SAFETY: `Share` gives a key head to one task, and with it the columns of its keys, of its values and of the
        // queries that read it; `Claims` lets the task run once, and it has one window at a time.
        unsafe { self.dqkv.window(self.options.qkv_width(), rows, columns) }
    }

    fn columns(&self, first: usize) -> Columns<'_> {
        Columns {
            rows: self.qkv,
            stride: self.options.qkv_width(),
            first,
            width: self.options.head_dim,
        }
    }

    /// A head's columns of `mix` or `dmix`.
    fn of_mix<'b>(&self, rows: &'b [f32], head: usize) -> Columns<'b> {
        Columns {
            rows,
            stride: self.options.mix_width(),
            first: head * self.options.head_dim,
            width: self.options.head_dim,
        }
    }
}

/// The operands of a key head, its gradients, and the room for a tile. `..._across` has queries in lanes.
struct Work<'a> {
    /// Rows of `keys`, `values` and their gradients.
    count: usize,
    masks: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut [f32],
    dkeys: &'a mut [f32],
    dvalues: &'a mut [f32],
    queries: &'a mut [f32],
    queries_across: &'a mut [f32],
    dmix: &'a mut [f32],
    dmix_across: &'a mut [f32],
    dqueries: &'a mut [f32],
    weights: &'a mut [f32],
    dscores: &'a mut [f32],
}

impl<'a> Work<'a> {
    fn new(scratch: &'a mut [f32], count: usize, d: usize) -> Self {
        let mut scratch = Scratch(scratch);
        Self {
            count,
            masks: scratch.take(count * masks::WORDS),
            keys: scratch.take(count * d),
            values: scratch.take(count * d),
            dkeys: scratch.take(count * d),
            dvalues: scratch.take(count * d),
            queries: scratch.take(QUERIES * d),
            queries_across: scratch.take(QUERIES * d),
            dmix: scratch.take(QUERIES * d),
            dmix_across: scratch.take(QUERIES * d),
            dqueries: scratch.take(QUERIES * d),
            weights: scratch.take(KEYS * QUERIES),
            dscores: scratch.take(KEYS * QUERIES),
        }
    }
}

/// What a tile knows of its queries, in lanes: log-sum-exp (with a factor log2 e) and Δ.
#[derive(Clone, Copy)]
struct Rows {
    lse: [[f32; LANES]; 2],
    delta: [[f32; LANES]; 2],
}

#[inline(always)]
fn by_width<S: Simd>(s: S, job: &Job<'_>, task: usize, tasks: usize) {
    let narrow = job.options.padded_dim() == LANES;
    match (S::WIDE, narrow) {
        (true, false) => sequence::<S, 8, 2, 2, 32>(s, job, task, tasks),
        (true, true) => sequence::<S, 8, 2, 1, 16>(s, job, task, tasks),
        (false, false) => sequence::<S, 4, 1, 1, 32>(s, job, task, tasks),
        (false, true) => sequence::<S, 4, 1, 1, 16>(s, job, task, tasks),
    }
}

#[inline(always)]
fn sequence<S: Simd, const MR: usize, const NQ: usize, const NV: usize, const W: usize>(
    s: S,
    job: &Job<'_>,
    task: usize,
    tasks: usize,
) {
    let (options, t) = (job.options, job.t);
    let d = options.padded_dim();
    let len = task_len(t, options);
    // SAFETY: each task has one row of the scratch, and runs once.
    let mut scratch = unsafe { job.scratch.window(len, task..task + 1, 0..len) };
    let mut work = Work::new(scratch.row(0), t.next_multiple_of(QUERIES), d);
    let share = Share {
        task,
        tasks,
        total: options.kv_heads,
    };
    for kv_head in (0..options.kv_heads).filter(|&kv_head| share.owns(kv_head)) {
        let (key, value) = (options.key_column(kv_head), options.value_column(kv_head));
        pack::rows::<S, W>(s, work.keys, job.columns(key), (0, t), d, 1.0);
        pack::rows::<S, W>(s, work.values, job.columns(value), (0, t), d, 1.0);
        work.dkeys.fill(0.0);
        work.dvalues.fill(0.0);
        for head in options.group(kv_head) {
            for first in (0..t).step_by(QUERIES) {
                if masks::begins(first) {
                    masks::make(s, work.masks, options, (head, first, t));
                }
                let tile = Tile::new(options, head, first, t);
                query_tile::<S, MR, NQ, NV, W>(s, job, &mut work, &tile);
            }
        }
        for (column, rows) in [(key, &*work.dkeys), (value, &*work.dvalues)] {
            let mut out = job.output(0..t, column);
            for row in 0..t {
                pack::unpack::<S, W>(s, out.row(row), rows, (row, work.count), 1.0);
            }
        }
    }
}

#[inline(always)]
fn query_tile<S: Simd, const MR: usize, const NQ: usize, const NV: usize, const W: usize>(
    s: S,
    job: &Job<'_>,
    work: &mut Work<'_>,
    tile: &Tile,
) {
    let rows = load_tile::<S, W>(s, job, work, tile);
    work.dqueries.fill(0.0);
    for key in (0..tile.seen).step_by(KEYS) {
        let keys = key..tile.seen.min(key + KEYS);
        key_block::<S, MR, NQ, NV, W>(s, job.options, work, tile, &rows, keys);
    }
    let queries = tile.first..tile.first + tile.live;
    let mut out = job.output(queries, tile.head * job.options.head_dim);
    for r in 0..tile.live {
        let at = (r, QUERIES);
        pack::unpack::<S, W>(s, out.row(r), work.dqueries, at, job.options.scale);
    }
}

/// Packs the queries and dmix of a tile both ways, and makes its rows' Δ.
#[inline(always)]
fn load_tile<S: Simd, const W: usize>(
    s: S,
    job: &Job<'_>,
    work: &mut Work<'_>,
    tile: &Tile,
) -> Rows {
    let (options, d) = (job.options, job.options.padded_dim());
    let place = (tile.first, tile.live);
    let queries = job.columns(tile.head * options.head_dim);
    let dmix = job.of_mix(job.dmix, tile.head);
    let mix = job.of_mix(job.mix, tile.head);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    pack::rows::<S, W>(s, work.queries, queries, place, d, options.scale);
    pack::across::<S, W>(s, work.queries_across, work.queries, LOG2_E);
    pack::rows::<S, W>(s, work.dmix, dmix, place, d, kept);
    pack::across::<S, W>(s, work.dmix_across, work.dmix, 1.0);
    let mut rows = Rows {
        lse: [[0.0; LANES]; 2],
        delta: [[0.0; LANES]; 2],
    };
    for r in 0..tile.live {
        let row = tile.first + r;
        rows.lse.as_flattened_mut()[r] = job.lse[tile.head * job.t + row] * LOG2_E;
        rows.delta.as_flattened_mut()[r] = dot(s, dmix.row(row), mix.row(row));
    }
    rows
}

#[inline(always)]
fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let mut acc = s.zero();
    for i in (0..a.len()).step_by(LANES) {
        acc = s.mul_add(simd::at(s, a, i), simd::at(s, b, i), acc);
    }
    s.sum(acc)
}

#[inline(always)]
fn key_block<S: Simd, const MR: usize, const NQ: usize, const NV: usize, const W: usize>(
    s: S,
    options: &Options<'_>,
    work: &mut Work<'_>,
    tile: &Tile,
    rows: &Rows,
    keys: Range<usize>,
) {
    let (width, count) = (options.head_dim, work.count);
    for key in keys.clone().step_by(MR) {
        let here = (key - keys.start) * QUERIES..(key - keys.start + MR) * QUERIES;
        let (weights, dscores) = (&mut work.weights[here.clone()], &mut work.dscores[here]);
        let halves = tile.halves(key);
        let (k, v) = (
            (&work.keys[key * W..], count),
            (&work.values[key * W..], count),
        );
        let (q, dmix) = (&*work.queries_across, &*work.dmix_across);
        products::scores::<S, MR, NQ, W>(s, weights, k, q, halves.clone(), width);
        products::scores::<S, MR, NQ, W>(s, dscores, v, dmix, halves.clone(), width);
        let strips = (weights, dscores);
        let masks = Masks::new(work.masks, tile.first);
        if options.dropout.is_some() {
            differentiate::<S, true>(s, strips, tile, rows, masks, key..key + MR, halves);
        } else {
            differentiate::<S, false>(s, strips, tile, rows, masks, key..key + MR, halves);
        }
    }
    for key in keys.clone().step_by(MR) {
        let (at, strip) = (key * W, (key - keys.start) * QUERIES);
        let queries = tile.first_seeing(key)..tile.live;
        let (weights, dscores) = (&work.weights[strip..], &work.dscores[strip..]);
        let dvalues = (&mut work.dvalues[at..], count);
        products::by_key::<S, MR, NV, W>(s, dvalues, weights, work.dmix, queries.clone());
        let dkeys = (&mut work.dkeys[at..], count);
        products::by_key::<S, MR, NV, W>(s, dkeys, dscores, work.queries, queries);
    }
    let k = (&work.keys[keys.start * W..], count);
    for query in (0..tile.live).step_by(MR) {
        let depth = tile.keys_of(query + MR).min(keys.end) - keys.start;
        products::by_query::<S, MR, NV, W>(s, work.dqueries, work.dscores, k, query, depth);
    }
}

/// In place: products become weights (dropped ones zero), dO Vᵀ becomes the gradient of the products.
#[inline(always)]
fn differentiate<S: Simd, const DROPOUT: bool>(
    s: S,
    (weights, dscores): (&mut [f32], &mut [f32]),
    tile: &Tile,
    rows: &Rows,
    masks: Masks<'_>,
    keys: Range<usize>,
    halves: Range<usize>,
) {
    let weights = weights.as_chunks_mut::<LANES>().0;
    let dscores = dscores.as_chunks_mut::<LANES>().0;
    let plain = tile.plain() && !tile.masks(keys.end);
    for half in halves {
        let (lse, delta) = (s.load(&rows.lse[half]), s.load(&rows.delta[half]));
        for key in keys.clone() {
            let at = (key - keys.start) * 2 + half;
            let (weight, dscore) = (&mut weights[at], &mut dscores[at]);
            let (mut score, mut slope) = (s.load(weight), s.splat(1.0));
            if !plain {
                (score, slope) = tile.of(s, score, key, half);
                score = tile.mask(s, score, Tile::UNSEEN, key, half);
            }
            let p = math::exp2_lanes(s, s.sub(score, lse));
            let (mut kept, mut dp) = (p, s.load(dscore));
            if DROPOUT {
                let dropped = masks.dropped(s, key, half);
                kept = s.select(dropped, s.zero(), p);
                dp = s.select(dropped, s.zero(), dp);
            }
            let ds = s.mul(p, s.sub(dp, delta));
            s.store(kept, weight);
            s.store(if plain { ds } else { s.mul(ds, slope) }, dscore);
        }
    }
}
