//! Rows of tokens through the model, node by node: the window of one text, or the next token of
//! several.

use std::ops::Range;

use gptlab_kernels::{
    activation, attention, elementwise, gate,
    head_norm::{self, Layout as Heads},
    layer_norm, packed, rms_norm, rope,
};
use gptlab_model::{AttentionOp, NORM_EPS, NormOp, Op, ParamId};
use rayon::prelude::*;

use super::{
    decoder::{Decoder, Sequence, most_words},
    kv_cache::KvCache,
    layout::Layout,
    shares::packed_heads,
};
use crate::cpu::{chunk::parts, memory::Aligned, program::kernel};

/// From this many multiplications on a product is shared between threads.
const SHARED: usize = 1 << 19;
/// Rows that a thread takes of a shared product: a multiple of the tiles' heights.
const ROWS: usize = 12;

/// Where a token belongs: the cache of its text, which text that is, and the token's position in
/// it.
pub(super) type Place<'a> = (&'a KvCache, u64, usize);

/// The rows that go through the model together.
pub(super) enum Rows<'a, 's> {
    /// These tokens of one text, from the first position on.
    Window(&'a mut Sequence, Range<usize>),
    /// The token after the cached ones of each text.
    Step(&'a mut [&'s mut Sequence]),
    /// A token and its position in a text that another thread writes.
    Helped(u32, usize),
}

impl Rows<'_, '_> {
    fn len(&self) -> usize {
        match self {
            Self::Window(_, window) => window.len(),
            Self::Step(sequences) => sequences.len(),
            Self::Helped(..) => 1,
        }
    }

    /// The token of a row and its position.
    fn token(&self, row: usize) -> (u32, usize) {
        match self {
            Self::Window(sequence, window) => (sequence.context[window.start + row], row),
            Self::Step(sequences) => {
                let at = sequences[row].cached;
                (sequences[row].context[at], at)
            }
            Self::Helped(token, position) => (*token, *position),
        }
    }

    /// The rows whose logits are wanted.
    fn asked(&self) -> Range<usize> {
        match self {
            Self::Window(_, window) => window.len() - 1..window.len(),
            Self::Step(sequences) => 0..sequences.len(),
            Self::Helped(..) => 0..1,
        }
    }

    /// The keys and values of these rows are in the cache.
    pub(super) fn advance(&mut self) {
        match self {
            Self::Window(sequence, window) if window.start == 0 => sequence.cached = window.len(),
            // Past the context, nothing that is cached holds.
            Self::Window(sequence, _) => sequence.cached = 0,
            Self::Step(sequences) => sequences.iter_mut().for_each(|s| s.cached += 1),
            Self::Helped(..) => {}
        }
    }
}

/// The memory that one thread decodes in.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// How many threads share a large product; none or one, where the caller's thread is alone.
    pub(super) threads: usize,
    /// What there is room for: numbers of a row, rows, windows.
    room: [usize; 3],
    pub(super) arena: Aligned<f32>,
    pub(super) scratch: Vec<f32>,
    /// What a product multiplies, where that is rounded.
    pub(super) words: Vec<u32>,
    /// Queries, keys and values of some heads, side by side.
    pub(super) heads: Vec<f32>,
    /// What kernels leave for a backward that never comes.
    stats: Vec<f32>,
    logits: Vec<f32>,
}

impl Work {
    /// Of the `row`th row that logits were asked of.
    pub(super) fn logits(&self, row: usize, vocab: usize) -> &[f32] {
        &self.logits[row * vocab..][..vocab]
    }

    /// Makes room for `rows` in `layout`.
    pub(super) fn fit(&mut self, decoder: &Decoder, layout: &Layout, rows: &Rows<'_, '_>) {
        let windows = match rows {
            Rows::Window(..) => 1,
            Rows::Step(_) | Rows::Helped(..) => 0,
        };
        let room = [layout.len, rows.len(), windows];
        if self.room == room {
            return;
        }
        self.room = room;
        let grow = |v: &mut Vec<f32>, len: usize| v.resize(len.max(v.len()), 0.0);
        self.arena.grow(layout.len * rows.len());
        grow(&mut self.logits, decoder.vocab_size() * rows.asked().len());
        let attentions = || {
            let nodes = decoder.program.graph.nodes().iter().enumerate();
            nodes.filter_map(|(i, n)| Some((i, n.attention()?.1)))
        };
        let heads = attentions().map(|(_, a)| a.heads + a.kv_heads).max();
        grow(&mut self.stats, heads.unwrap_or(0).max(2) * rows.len());
        let scratch = attentions().map(|(node, op)| match rows {
            Rows::Window(_, window) => {
                attention::scratch_len(window.len(), &decoder.program.attention(node, op, None))
            }
            Rows::Step(_) | Rows::Helped(..) => {
                attention::decode_scratch_len(decoder.program.graph.block_size())
            }
        });
        grow(&mut self.scratch, scratch.max().unwrap_or(0));
        let words = most_words(&decoder.program, rows.len());
        self.words.resize(words.max(self.words.len()), 0);
    }
}

impl Decoder {
    /// Takes `rows` through the model: logits into `work`, keys and values into the caches.
    pub(super) fn run(&self, work: &mut Work, rows: &mut Rows<'_, '_>) {
        work.fit(self, &self.layout, rows);
        let head = self.program.graph.nodes().len() - 1;
        (0..head).for_each(|node| self.forward(node, &self.layout, work, rows));
        self.head(work, rows);
        rows.advance();
    }

    pub(super) fn forward(
        &self,
        node: usize,
        layout: &Layout,
        work: &mut Work,
        rows: &Rows<'_, '_>,
    ) {
        let (n, width) = (rows.len(), self.program.graph.nodes()[node].width);
        let (isa, y) = (self.isa(), layout.value(node, n));
        let at = |x: usize| layout.value(x, n);
        let arena = &mut *work.arena;
        match &self.program.graph.nodes()[node].op {
            Op::TokenEmbedding { table } => {
                let table = self.weights.plain(*table);
                copy_rows(&mut arena[y], table, width, |r| rows.token(r).0 as usize);
            }
            Op::PositionEmbedding { table } => {
                let table = self.weights.plain(*table);
                copy_rows(&mut arena[y], table, width, |r| rows.token(r).1);
            }
            Op::Sinusoid => {
                copy_rows(&mut arena[y], self.program.table(node), width, |r| {
                    rows.token(r).1
                });
            }
            Op::Add { a, b } => {
                carry_over(arena, &y, at(b.index()));
                let [y, a] = parts(arena, [y, at(a.index())]);
                elementwise::accumulate(isa, y, a);
            }
            Op::Norm { x, norm } => {
                let [y, x] = parts(arena, [y, at(x.index())]);
                self.norm(norm, y, &mut work.stats, x, (n, width));
            }
            Op::Linear { x, bias, .. } => {
                let [y, x] = parts(arena, [y, at(x.index())]);
                self.linear((node, *bias), y, x, (work.threads, &mut work.words), n);
            }
            Op::HeadNorm { x, heads, head_dim } => {
                carry_over(arena, &y, at(x.index()));
                let heads = heads_of(*heads, *head_dim, width);
                let rstd = &mut work.stats[..n * heads.heads];
                head_norm::forward(isa, &mut arena[y], rstd, heads, NORM_EPS, n);
            }
            Op::Rotary { x, heads, head_dim } => {
                carry_over(arena, &y, at(x.index()));
                let (cos, sin) = self.program.rotations(node);
                let heads = heads_of(*heads, *head_dim, width);
                for (row, y) in arena[y].chunks_exact_mut(width).enumerate() {
                    rope::forward(isa, y, cos, sin, heads, rows.token(row).1, 1);
                }
            }
            Op::Attention { x, attention } => {
                let places = [y, at(x.index())];
                self.attend(node, attention, places, work, rows);
            }
            Op::Activate { x, f } => {
                let [y, x] = parts(arena, [y, at(x.index())]);
                activation::forward(isa, kernel(*f), y, x);
            }
            Op::Gate { gate, up, f } => {
                let [y, gate, up] = parts(arena, [y, at(gate.index()), at(up.index())]);
                gate::forward(isa, kernel(*f), y, gate, up);
            }
            Op::Dropout { x, .. } => carry_over(arena, &y, at(x.index())),
        }
    }

    fn norm(
        &self,
        norm: &NormOp,
        y: &mut [f32],
        stats: &mut [f32],
        x: &[f32],
        (n, width): (usize, usize),
    ) {
        let (isa, (mean, rest)) = (self.isa(), stats.split_at_mut(n));
        let rstd = &mut rest[..n];
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let gain = self.weights.plain(*gain);
                let bias = bias.map(|b| self.weights.plain(b));
                layer_norm::forward(isa, y, mean, rstd, x, gain, bias, NORM_EPS, n, width);
            }
            NormOp::RmsNorm { gain } => {
                let gain = gain.map(|g| self.weights.plain(g));
                rms_norm::forward(isa, y, rstd, x, gain, NORM_EPS, n, width);
            }
        }
    }

    /// A product, shared between threads where it is long enough: outputs of one row, rows of many.
    fn linear(
        &self,
        (node, bias): (usize, Option<ParamId>),
        y: &mut [f32],
        x: &[f32],
        (threads, scratch): (usize, &mut [u32]),
        n: usize,
    ) {
        let (map, w) = (self.program.map(node), self.weights.matrix(node));
        let bias = bias.map(|b| self.weights.plain(b));
        let x = packed::rows(&map, scratch, x, n);
        if threads <= 1 || n * map.inp * map.out < SHARED {
            packed::forward(&map, (y, 0..map.out), x, w, bias);
        } else if n == 1 {
            let panel = packed::panel(map.isa);
            let part = map.out.div_ceil(threads).next_multiple_of(panel);
            y.par_chunks_mut(part).enumerate().for_each(|(i, y)| {
                let outputs = i * part..i * part + y.len();
                packed::forward(&map, (y, outputs), x, w, bias);
            });
        } else {
            let parts = y.par_chunks_mut(ROWS * map.out).enumerate();
            parts.for_each(|(i, y)| {
                let x = x.part(i * ROWS, y.len() / map.out);
                packed::forward(&map, (y, 0..map.out), x, w, bias);
            });
        }
    }

    fn attend(
        &self,
        node: usize,
        op: &AttentionOp,
        [y, x]: [Range<usize>; 2],
        work: &mut Work,
        rows: &Rows<'_, '_>,
    ) {
        let (isa, options) = (self.isa(), self.program.attention(node, op, None));
        let (queries, width) = (op.heads * op.head_dim, options.qkv_width());
        let [mix, qkv] = parts(&mut work.arena, [y, x]);
        let (scratch, heads) = (&mut work.scratch, &mut work.heads);
        match rows {
            Rows::Window(sequence, window) => {
                let lse = &mut work.stats[..window.len() * op.heads];
                attention::forward(isa, mix, lse, scratch, qkv, &options, window.len());
                if window.start == 0 && self.causal {
                    self.append(node, op, (sequence, window.len()), heads, qkv);
                }
            }
            Rows::Step(sequences) => {
                let rows = mix.chunks_exact_mut(queries).zip(qkv.chunks_exact(width));
                for (sequence, (mix, qkv)) in sequences.iter().zip(rows) {
                    for part in 0..sequence.kv_cache.parts {
                        let place = (&*sequence.kv_cache, sequence.text, sequence.cached);
                        self.attend_one(node, op, part, place, (mix, qkv), [scratch, heads]);
                    }
                }
            }
            Rows::Helped(..) => unreachable!("a member sees to its heads itself"),
        }
    }

    /// Keeps the keys and values of a text's first tokens.
    fn append(
        &self,
        node: usize,
        op: &AttentionOp,
        (sequence, count): (&Sequence, usize),
        heads: &mut Vec<f32>,
        qkv: &[f32],
    ) {
        let (kv_cache, width) = (&sequence.kv_cache, qkv.len() / count);
        for part in 0..kv_cache.parts {
            let share = (part, kv_cache.parts);
            heads.clear();
            for row in qkv.chunks_exact(width) {
                for columns in packed_heads(op, share) {
                    heads.extend_from_slice(&row[columns]);
                }
            }
            let options = self.heads(node, op, share);
            kv_cache.append((node, part), (sequence.text, 0, count), heads, &options);
        }
    }

    /// Attention of the next token of a text, its share of the heads alone: `mix` and `qkv` are
    /// whole rows.
    pub(super) fn attend_one(
        &self,
        node: usize,
        op: &AttentionOp,
        part: usize,
        (kv_cache, text, position): Place<'_>,
        (mix, qkv): (&mut [f32], &[f32]),
        [scratch, heads]: [&mut Vec<f32>; 2],
    ) {
        let share = (part, kv_cache.parts);
        let (options, columns) = (self.heads(node, op, share), packed_heads(op, share));
        let mix = &mut mix[columns[0].clone()];
        let qkv = if kv_cache.parts == 1 {
            qkv
        } else {
            heads.clear();
            for columns in columns {
                heads.extend_from_slice(&qkv[columns]);
            }
            heads
        };
        kv_cache.append((node, part), (text, position, 1), qkv, &options);
        let (q, kept) = (&qkv[..mix.len()], kv_cache.read((node, part)));
        let cache = (&kept.cache, &*kept.numbers);
        attention::decode_one(self.isa(), mix, scratch, q, cache, &options, position + 1);
    }

    /// The logits of the rows that were asked for.
    fn head(&self, work: &mut Work, rows: &Rows<'_, '_>) {
        let node = self.program.graph.nodes().len() - 1;
        let (x, _) = self.program.linear(node);
        let width = self.program.graph.nodes()[x].width;
        let asked = rows.asked();
        let x = &work.arena[self.layout.value(x, rows.len())];
        let x = &x[asked.start * width..asked.end * width];
        let y = &mut work.logits[..asked.len() * self.vocab_size()];
        let scratch = (work.threads, work.words.as_mut_slice());
        self.linear((node, None), y, x, scratch, asked.len());
    }
}

fn heads_of(heads: usize, head_dim: usize, width: usize) -> Heads {
    Heads {
        heads,
        head_dim,
        width,
    }
}

/// Rows of `table`, by number.
fn copy_rows(y: &mut [f32], table: &[f32], width: usize, number: impl Fn(usize) -> usize) {
    for (row, y) in y.chunks_exact_mut(width).enumerate() {
        y.copy_from_slice(&table[number(row) * width..][..width]);
    }
}

/// Makes `y` what `x` is, unless they share a place.
fn carry_over(arena: &mut [f32], y: &Range<usize>, x: Range<usize>) {
    if *y != x {
        arena.copy_within(x, y.start);
    }
}
