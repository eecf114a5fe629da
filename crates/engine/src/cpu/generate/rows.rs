//! Rows of tokens through the model, node by node: the window of one text, or the next token of several.

use std::ops::Range;

use gptlab_kernels::{
    activation, attention, elementwise, gate,
    head_norm::{self, Layout as Heads},
    layer_norm, packed, rms_norm, rope,
};
use gptlab_model::{AttentionOp, NORM_EPS, NormOp, Op, ParamId};
use rayon::prelude::*;

use super::decoder::{Decoder, Stream};
use crate::cpu::{chunk::parts, memory::Aligned, program::kernel};

/// From this many multiplications on a product is shared between threads.
const SHARED: usize = 1 << 19;
/// Rows that a thread takes of a shared product: a multiple of the tiles' heights.
const ROWS: usize = 12;

/// What goes through the model together.
pub(super) enum Rows<'a, 's> {
    /// These tokens of one text, from the first position on.
    Window(&'a mut Stream, Range<usize>),
    /// The token after the cached ones of each text.
    Step(&'a mut [&'s mut Stream]),
}

impl Rows<'_, '_> {
    fn len(&self) -> usize {
        match self {
            Self::Window(_, window) => window.len(),
            Self::Step(streams) => streams.len(),
        }
    }

    /// The token of a row and its position.
    fn token(&self, row: usize) -> (u32, usize) {
        match self {
            Self::Window(stream, window) => (stream.context[window.start + row], row),
            Self::Step(streams) => {
                let at = streams[row].cached;
                (streams[row].context[at], at)
            }
        }
    }

    /// The rows whose logits are wanted.
    fn asked(&self) -> Range<usize> {
        match self {
            Self::Window(_, window) => window.len() - 1..window.len(),
            Self::Step(streams) => 0..streams.len(),
        }
    }

    /// The keys and values of these rows are in the cache.
    fn remembered(&mut self) {
        match self {
            Self::Window(stream, window) if window.start == 0 => stream.cached = window.len(),
            // Past the context, nothing that is cached holds.
            Self::Window(stream, _) => stream.cached = 0,
            Self::Step(streams) => streams.iter_mut().for_each(|s| s.cached += 1),
        }
    }
}

/// One thread's memory.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// How many threads share a large product; none or one, where the caller's thread is alone.
    pub(super) threads: usize,
    arena: Aligned<f32>,
    scratch: Vec<f32>,
    /// What a product multiplies, where that is rounded.
    words: Vec<u32>,
    /// What kernels leave for a backward that never comes.
    stats: Vec<f32>,
    logits: Vec<f32>,
}

impl Work {
    /// Of the `row`th row that logits were asked of.
    pub(super) fn logits(&self, row: usize, vocab: usize) -> &[f32] {
        &self.logits[row * vocab..][..vocab]
    }

    fn fit(&mut self, decoder: &Decoder, rows: &Rows<'_, '_>) {
        let grow = |v: &mut Vec<f32>, len: usize| v.resize(len.max(v.len()), 0.0);
        self.arena.grow(decoder.layout.len * rows.len());
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
            Rows::Step(_) => attention::decode_scratch_len(decoder.program.graph.block_size()),
        });
        grow(&mut self.scratch, scratch.max().unwrap_or(0));
        let words = decoder.most_words(rows.len());
        self.words.resize(words.max(self.words.len()), 0);
    }
}

impl Decoder {
    /// Takes `rows` through the model: logits into `work`, keys and values into the caches.
    pub(super) fn run(&self, work: &mut Work, rows: &mut Rows<'_, '_>) {
        work.fit(self, rows);
        let head = self.program.graph.nodes().len() - 1;
        (0..head).for_each(|node| self.forward(node, work, rows));
        self.head(head, work, rows);
        rows.remembered();
    }

    fn forward(&self, node: usize, work: &mut Work, rows: &mut Rows<'_, '_>) {
        let (n, width) = (rows.len(), self.program.graph.nodes()[node].width);
        let (isa, y) = (self.isa(), self.layout.value(node, n));
        let at = |x: usize| self.layout.value(x, n);
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
        rows: &mut Rows<'_, '_>,
    ) {
        let isa = self.isa();
        let options = self.program.attention(node, op, None);
        let [mix, qkv] = parts(&mut work.arena, [y, x]);
        let scratch = &mut work.scratch;
        let queries = op.heads * op.head_dim;
        match (rows, &self.caches[node]) {
            (Rows::Window(stream, window), cache) => {
                let lse = &mut work.stats[..window.len() * op.heads];
                attention::forward(isa, mix, lse, scratch, qkv, &options, window.len());
                if let Some(cache) = cache.filter(|_| window.start == 0) {
                    cache.remember(&mut stream.memory[node], qkv, &options, 0);
                }
            }
            (Rows::Step(streams), Some(cache)) => {
                let width = options.qkv_width();
                let rows = mix.chunks_exact_mut(queries).zip(qkv.chunks_exact(width));
                for (stream, (mix, qkv)) in streams.iter_mut().zip(rows) {
                    let (at, memory) = (stream.cached, &mut stream.memory[node]);
                    cache.remember(memory, qkv, &options, at);
                    let (q, cache) = (&qkv[..queries], (cache, &**memory));
                    attention::decode_one(isa, mix, scratch, q, cache, &options, at + 1);
                }
            }
            (Rows::Step(_), None) => unreachable!("a model without caches goes by windows"),
        }
    }

    /// The logits of the rows that were asked for.
    fn head(&self, node: usize, work: &mut Work, rows: &Rows<'_, '_>) {
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
