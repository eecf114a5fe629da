//! The backward takes 32 queries against 64 keys at a time, all in the first-level cache.
//!
//! With P = e^(score - lse), M the dropout factors and Δ = rowsum(dmix ∘ mix):
//! dV += (M ∘ P)ᵀ dO; dP = M ∘ (dO Vᵀ); dS = P ∘ (dP - Δ) ∘ dscore/dproduct; dQ = scale dS K; dK +=
//! dSᵀ (scale Q). The factor of kept weights goes into dO once, and scale into Q, with a factor
//! log2 e. In bf16 Q, K, V and dO are rounded with these factors in them, M ∘ P and dS as
//! they are made; Δ and the sums are f32.

use super::dropout_masks::{self, Masks};
use super::pack_heads::{self, Chunked, HeadColumns};
use super::score_gradients::{RowStatistics, ScoreGradients};
use super::scratch_stack::ScratchStack;
use super::tasks::{self, BackwardTask, BackwardTasks, Gradient, KeyHeadOutput};
use super::{
    KEYS, MAX_KEYS_AT_ONCE, Options, QUERIES, QueryTile, Saved, products, short, task_len,
};
use crate::element::{Element, products};
use crate::isa::{Isa, dispatch};
use crate::parallel::{Sequential, Threads};
use crate::simd::{self, LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};
use core::ops::Range;

/// dqkv (written), like qkv, from dmix, like mix, and what the forward left.
pub fn backward(
    isa: Isa,
    dqkv: &mut [f32],
    scratch: &mut [f32],
    dmix: &[f32],
    saved: &Saved<'_>,
    options: &Options<'_>,
    t: usize,
) {
    let alone = Threads {
        parallel: &Sequential,
        scratch,
    };
    backward_by(isa, alone, dqkv, dmix, saved, options, t);
}

/// [`backward`] on several threads, with the scratch of [`super::scratch_len_by`]; the same bits.
pub fn backward_by(
    isa: Isa,
    threads: Threads<'_>,
    dqkv: &mut [f32],
    dmix: &[f32],
    saved: &Saved<'_>,
    options: &Options<'_>,
    t: usize,
) {
    let Threads { parallel, scratch } = threads;
    let Saved { qkv, mix, lse } = *saved;
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
        options.kv_heads.min(tasks::MOST)
    };
    let tasks = parallel.threads().clamp(1, most);
    assert!(
        scratch.len() >= tasks * task_len(t, options),
        "scratch is shorter than scratch_len"
    );
    if t <= LANES {
        dispatch!(isa, s => short::backward(s, dqkv, scratch, dmix, saved, options));
        return;
    }
    let input = BackwardInput {
        dmix,
        saved: *saved,
        options,
        t,
    };
    let len = task_len(t, options);
    let tasks = BackwardTasks::new(options, t, tasks, scratch, len, [dqkv]);
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

struct BackwardInput<'a> {
    dmix: &'a [f32],
    saved: Saved<'a>,
    options: &'a Options<'a>,
    t: usize,
}

impl BackwardInput<'_> {
    fn columns(&self, first: usize) -> HeadColumns<'_> {
        HeadColumns {
            rows: self.saved.qkv,
            stride: self.options.qkv_width(),
            first,
            width: self.options.head_dim,
        }
    }

    /// A head's columns of `mix` or `dmix`.
    fn of_mix<'b>(&self, rows: &'b [f32], head: usize) -> HeadColumns<'b> {
        HeadColumns {
            rows,
            stride: self.options.mix_width(),
            first: head * self.options.head_dim,
            width: self.options.head_dim,
        }
    }
}

/// The operands of a key head, its gradients, and the memory of a tile, in the layouts of
/// `pack_heads`. Where a word holds one number, what would lie down is what lies along, and has no
/// memory of its own.
struct BackwardWorkspace<'a> {
    /// Rows of `keys`, `values` and their gradients.
    count: usize,
    masks: &'a mut [f32],
    keys: &'a mut [f32],
    keys_down: &'a mut [f32],
    values: &'a mut [f32],
    dkeys: &'a mut [f32],
    dvalues: &'a mut [f32],
    queries_across: &'a mut [f32],
    queries_down: &'a mut [f32],
    dmix_across: &'a mut [f32],
    dmix_down: &'a mut [f32],
    dqueries: &'a mut [f32],
    /// The products of a few keys with the queries, and of their values with dmix.
    products: [&'a mut [f32]; 2],
    weights: &'a mut [f32],
    dscores: &'a mut [f32],
    dscores_down: &'a mut [f32],
}

impl<'a> BackwardWorkspace<'a> {
    /// For `count` keys; rows take `d` numbers, or `along` words where they lie along.
    fn new(scratch: &'a mut [f32], count: usize, steps: usize, d: usize, along: usize) -> Self {
        let mut scratch = ScratchStack(scratch);
        let down = |rows: usize| if steps == 1 { 0 } else { rows / steps * d };
        Self {
            count,
            masks: scratch.take(count * dropout_masks::WORDS),
            keys: scratch.take(count * along),
            keys_down: scratch.take(down(count)),
            values: scratch.take(count * along),
            dkeys: scratch.take(count * d),
            dvalues: scratch.take(count * d),
            queries_across: scratch.take(QUERIES * along),
            queries_down: scratch.take(QUERIES / steps * d),
            dmix_across: scratch.take(QUERIES * along),
            dmix_down: scratch.take(QUERIES / steps * d),
            dqueries: scratch.take(QUERIES * d),
            products: [(); 2].map(|()| scratch.take(MAX_KEYS_AT_ONCE * QUERIES)),
            weights: scratch.take(KEYS * QUERIES / steps),
            dscores: scratch.take(KEYS * QUERIES / steps),
            dscores_down: scratch.take(if steps == 1 {
                0
            } else {
                KEYS / steps * QUERIES
            }),
        }
    }
}

#[inline(always)]
fn by_width<S: Simd, E: Element<S>>(s: (S, E), input: &BackwardInput<'_>, task: BackwardTask<'_>) {
    let narrow = input.options.padded_dim() == LANES;
    match (S::WIDE, E::STEPS, narrow) {
        (true, 2, false) => sequence::<S, E, 8, 32, 16, 16>(s, input, task),
        (true, 2, true) => sequence::<S, E, 8, 16, 16, 16>(s, input, task),
        (true, _, false) => sequence::<S, E, 8, 32, 32, 32>(s, input, task),
        (true, _, true) => sequence::<S, E, 8, 16, 16, 32>(s, input, task),
        (false, _, false) => sequence::<S, E, 4, 32, 32, 32>(s, input, task),
        (false, _, true) => sequence::<S, E, 4, 16, 16, 32>(s, input, task),
    }
}

/// Makes the gradients of all key heads of a task.
#[inline(always)]
fn sequence<
    S: Simd,
    E: Element<S>,
    const MR: usize,
    const W: usize,
    const A: usize,
    const Q: usize,
>(
    (s, e): (S, E),
    input: &BackwardInput<'_>,
    mut task: BackwardTask<'_>,
) {
    let (options, t) = (input.options, input.t);
    let d = options.padded_dim();
    let along = options.head_dim.div_ceil(E::STEPS).next_multiple_of(A);
    let count = t.next_multiple_of(QUERIES);
    let mut work = BackwardWorkspace::new(task.take_scratch(), count, E::STEPS, d, along);
    for mut output in task.into_key_heads() {
        let kv_head = output.kv_head();
        let k = input.columns(options.key_column(kv_head));
        let v = input.columns(options.value_column(kv_head));
        pack_heads::along::<S, E, A>((s, e), work.keys, k, 0..t, count, 1.0);
        pack_heads::along::<S, E, A>((s, e), work.values, v, 0..t, count, 1.0);
        if E::STEPS > 1 {
            pack_heads::down::<S, E, W>((s, e), work.keys_down, k, 0..t, count / E::STEPS, 1.0);
        }
        work.dkeys.fill(0.0);
        work.dvalues.fill(0.0);
        for head in options.group(kv_head) {
            for first in (0..t).step_by(QUERIES) {
                let tile = QueryTile::new(options, head, first, t);
                if dropout_masks::begins(first) {
                    dropout_masks::make(s, work.masks, options.dropout, &tile);
                }
                query_tile::<S, E, MR, W, A, Q>((s, e), input, &mut work, &tile, &mut output);
            }
        }
        // The queries carry a factor log2 e.
        for (of, words, factor) in [
            (Gradient::Key, &*work.dkeys, LN_2),
            (Gradient::Value, &*work.dvalues, 1.0),
        ] {
            let mut out = output.window(of, 0..t);
            for row in 0..t {
                pack_heads::unpack::<S, W>(s, out.row(row), Chunked { words, count }, row, factor);
            }
        }
    }
}

#[inline(always)]
fn query_tile<
    S: Simd,
    E: Element<S>,
    const MR: usize,
    const W: usize,
    const A: usize,
    const Q: usize,
>(
    (s, e): (S, E),
    input: &BackwardInput<'_>,
    work: &mut BackwardWorkspace<'_>,
    tile: &QueryTile,
    output: &mut KeyHeadOutput<'_>,
) {
    let rows = load_tile::<S, E, W>((s, e), input, work, tile);
    work.dqueries.fill(0.0);
    for keys in tile.blocks() {
        key_block::<S, E, MR, W, A, Q>((s, e), input.options, work, tile, &rows, keys);
    }
    let dqueries = Chunked {
        words: &*work.dqueries,
        count: QUERIES,
    };
    let mut out = output.window(Gradient::Query { head: tile.head }, tile.queries());
    for r in 0..tile.count {
        pack_heads::unpack::<S, W>(s, out.row(r), dqueries, r, input.options.scale);
    }
}

/// Packs the queries and dmix of a tile both ways, and makes its rows' Δ.
#[inline(always)]
fn load_tile<S: Simd, E: Element<S>, const W: usize>(
    (s, e): (S, E),
    input: &BackwardInput<'_>,
    work: &mut BackwardWorkspace<'_>,
    tile: &QueryTile,
) -> RowStatistics {
    let (options, count, rows) = (input.options, QUERIES / E::STEPS, tile.queries());
    let queries = input.columns(tile.head * options.head_dim);
    let dmix = input.of_mix(input.dmix, tile.head);
    let mix = input.of_mix(input.saved.mix, tile.head);
    let kept = options.dropout.map_or(1.0, |w| w.dropout.scale());
    let factor = options.scale * LOG2_E;
    pack_heads::across((s, e), work.queries_across, queries, rows.clone(), factor);
    pack_heads::down::<S, E, W>(
        (s, e),
        work.queries_down,
        queries,
        rows.clone(),
        count,
        factor,
    );
    pack_heads::across((s, e), work.dmix_across, dmix, rows.clone(), kept);
    pack_heads::down::<S, E, W>((s, e), work.dmix_down, dmix, rows, count, kept);
    let mut rows = RowStatistics {
        lse: [[0.0; LANES]; 2],
        delta: [[0.0; LANES]; 2],
    };
    for r in 0..tile.count {
        let row = tile.first + r;
        rows.lse.as_flattened_mut()[r] = input.saved.lse[tile.head * input.t + row] * LOG2_E;
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
fn key_block<
    S: Simd,
    E: Element<S>,
    const MR: usize,
    const W: usize,
    const A: usize,
    const Q: usize,
>(
    (s, e): (S, E),
    options: &Options<'_>,
    work: &mut BackwardWorkspace<'_>,
    tile: &QueryTile,
    rows: &RowStatistics,
    keys: Range<usize>,
) {
    let (width, count) = (options.head_dim, work.count);
    for key in keys.clone().step_by(MR) {
        let halves = tile.halves(&(key..key + MR));
        let [k, v] =
            [&work.keys[key * A..], &work.values[key * A..]].map(|words| Chunked { words, count });
        let (q, dmix) = (&*work.queries_across, &*work.dmix_across);
        let [products, dweights] = &mut work.products;
        products::scores::<S, E, MR, A>((s, e), products, k, q, halves.clone(), width);
        products::scores::<S, E, MR, A>((s, e), dweights, v, dmix, halves.clone(), width);
        let mut gradients = ScoreGradients {
            products: [&**products, &**dweights].map(|strip| strip.as_chunks::<LANES>().0),
            weights: &mut *work.weights,
            dscores: &mut *work.dscores,
            dscores_down: &mut *work.dscores_down,
            masks: Masks::new(work.masks, tile.first),
            keys: keys.clone(),
            tile,
            rows,
        };
        if options.dropout.is_some() {
            gradients.make::<S, E, true, MR, Q>((s, e), key, halves);
        } else {
            gradients.make::<S, E, false, MR, Q>((s, e), key, halves);
        }
    }
    for key in keys.clone().step_by(MR) {
        let (at, strip) = (key * W, (key - keys.start) * Q);
        let queries = tile.queries_of(&(key..key + MR));
        let (weights, dscores) = (&work.weights[strip..], &work.dscores[strip..]);
        let dvalues = &mut Chunked {
            words: &mut work.dvalues[at..],
            count,
        };
        let dmix = &*work.dmix_down;
        products::by_key::<S, E, MR, W, Q>((s, e), dvalues, weights, dmix, queries.clone());
        let dkeys = &mut Chunked {
            words: &mut work.dkeys[at..],
            count,
        };
        let down = &*work.queries_down;
        products::by_key::<S, E, MR, W, Q>((s, e), dkeys, dscores, down, queries);
    }
    let (k, dscores) = if E::STEPS == 1 {
        (&*work.keys, &*work.dscores)
    } else {
        (&*work.keys_down, &*work.dscores_down)
    };
    let k = Chunked {
        words: &k[keys.start / E::STEPS * W..],
        count: count / E::STEPS,
    };
    for query in (0..tile.count).step_by(MR) {
        let seen = tile.keys_within(&keys, query..query + MR);
        products::by_query::<S, E, MR, W>((s, e), work.dqueries, dscores, k, query, seen);
    }
}
