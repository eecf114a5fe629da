//! Rows of tokens through the model: the window of one text, the next token of several, or a
//! worker's share of a token.

use std::{ops::Range, slice};

use gptlab_kernels::{
    attention,
    decode_linear::{self, Outputs},
};
use gptlab_model::{AttentionOp, ParamId, ValueId};
use rayon::prelude::*;

use super::{
    decoder::{Decoder, most_words},
    kv_cache::{Appended, LayerHeads},
    sequence::{Sequence, TokenPlace},
    shares::{HeadShare, NodeShare, packed_heads},
};
use crate::{
    cpu::{
        aligned::Aligned,
        forward_pass::{Attended, ForwardPass, Mapped, RowDropout, RowRun},
        plan::ArenaPlan,
        pool,
        prepared_graph::PreparedGraph,
    },
    program::Work,
};

/// From this many multiplications on a product is shared between threads.
const SHARED: usize = 1 << 19;
/// Rows that a thread takes of a shared product: a multiple of the tiles' heights.
const ROWS: usize = 12;

/// The rows that go through the model together.
pub(super) enum DecodedRows<'a, 's> {
    /// These tokens of one text, from the first position on.
    Window(&'a mut Sequence, Range<usize>),
    /// The token after the cached ones of each text.
    Step(&'a mut [&'s mut Sequence]),
    /// A token and its position in a text that another thread writes.
    Helped(u32, usize),
}

impl DecodedRows<'_, '_> {
    fn len(&self) -> usize {
        match self {
            Self::Window(_, window) => window.len(),
            Self::Step(sequences) => sequences.len(),
            Self::Helped(..) => 1,
        }
    }

    /// The position of a row.
    fn position(&self, row: usize) -> usize {
        match self {
            Self::Window(..) => row,
            Self::Step(sequences) => sequences[row].cached,
            Self::Helped(_, position) => *position,
        }
    }

    /// The token of each row; `gathered` is room for them.
    fn tokens<'t>(&'t self, gathered: &'t mut Vec<u32>) -> &'t [u32] {
        match self {
            Self::Window(sequence, window) => &sequence.context[window.clone()],
            Self::Step(sequences) => {
                gathered.clear();
                gathered.extend(sequences.iter().map(|s| s.context[s.cached]));
                gathered
            }
            Self::Helped(token, _) => slice::from_ref(token),
        }
    }

    /// The rows whose logits are wanted.
    fn requested(&self) -> Range<usize> {
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

/// What products and attention scribble on.
#[derive(Debug, Default)]
pub(super) struct DecodeScratch {
    attention: Vec<f32>,
    /// What a product multiplies, where that is rounded.
    words: Vec<u32>,
    /// Queries, keys and values of some heads, side by side.
    heads: Vec<f32>,
}

/// The memory that one thread decodes in.
#[derive(Debug, Default)]
pub(super) struct DecodeWorkspace {
    /// How many threads share a large product; none or one, where the caller's thread is alone.
    pub(super) threads: usize,
    /// What it is large enough for.
    size: WorkspaceSize,
    pub(super) arena: Aligned<f32>,
    scratch: DecodeScratch,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

/// What a workspace is asked to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WorkspaceSize {
    /// Numbers of a row.
    row: usize,
    rows: usize,
    window: bool,
}

impl DecodeWorkspace {
    /// The logits of a row, the `row`th of those that logits were asked of.
    pub(super) fn logits(&self, row: usize, vocab: usize) -> &[f32] {
        &self.logits[row * vocab..][..vocab]
    }

    /// Makes room for `rows` where `plan` puts them.
    pub(super) fn fit(&mut self, decoder: &Decoder, plan: &ArenaPlan, rows: &DecodedRows<'_, '_>) {
        let window = match rows {
            DecodedRows::Window(..) => true,
            DecodedRows::Step(_) | DecodedRows::Helped(..) => false,
        };
        let size = WorkspaceSize {
            row: plan.len,
            rows: rows.len(),
            window,
        };
        if self.size == size {
            return;
        }
        self.size = size;
        let grow = |v: &mut Vec<f32>, len: usize| v.resize(len.max(v.len()), 0.0);
        self.arena.grow(plan.len * rows.len());
        grow(
            &mut self.logits,
            decoder.vocab_size() * rows.requested().len(),
        );
        let prepared = &decoder.prepared;
        let attention = prepared.attentions().map(|(node, op)| match rows {
            DecodedRows::Window(_, window) => {
                attention::scratch_len(window.len(), &prepared.attention(node, op, None))
            }
            DecodedRows::Step(_) | DecodedRows::Helped(..) => {
                attention::decode_scratch_len(prepared.graph.block_size())
            }
        });
        grow(&mut self.scratch.attention, attention.max().unwrap_or(0));
        let words = most_words(prepared, rows.len());
        let words = words.max(self.scratch.words.len());
        self.scratch.words.resize(words, 0);
    }
}

/// The columns of a token that one of several workers computes, and the token's place.
#[derive(Clone, Copy)]
pub(super) struct OwnShare<'a> {
    pub(super) share: &'a NodeShare,
    pub(super) worker: usize,
    pub(super) place: TokenPlace<'a>,
}

impl Decoder {
    /// Takes `rows` through the model: logits into `work`, keys and values into the caches.
    pub(super) fn run(&self, work: &mut DecodeWorkspace, rows: &mut DecodedRows<'_, '_>) {
        work.fit(self, &self.plan, rows);
        for step in self.plan.program.steps() {
            match step.work {
                Work::Forward(node) => self.forward(node, &self.plan, work, rows),
                Work::Logits => self.head(work, rows),
                Work::Loss | Work::Backward(_) => {}
            }
        }
        rows.advance();
    }

    /// Computes a node of all rows.
    pub(super) fn forward(
        &self,
        node: ValueId,
        plan: &ArenaPlan,
        work: &mut DecodeWorkspace,
        rows: &DecodedRows<'_, '_>,
    ) {
        self.forward_share(node, plan, work, rows, None);
    }

    /// Computes a node of all rows, or a worker's share of it.
    pub(super) fn forward_share(
        &self,
        node: ValueId,
        plan: &ArenaPlan,
        work: &mut DecodeWorkspace,
        rows: &DecodedRows<'_, '_>,
        share: Option<OwnShare<'_>>,
    ) {
        let decoding = Decoding {
            decoder: self,
            plan,
            rows,
            tokens: rows.tokens(&mut work.tokens),
            threads: work.threads,
            share,
        };
        decoding.forward_node(node, &mut work.arena, &mut work.scratch);
    }

    /// The logits of the rows that were asked for.
    fn head(&self, work: &mut DecodeWorkspace, rows: &DecodedRows<'_, '_>) {
        let node = self.prepared.graph.logits();
        let (x, _) = self.prepared.linear(node);
        let width = self.prepared.graph.node(x).width;
        let requested = rows.requested();
        let x = &mut work.arena[self.plan.value(x).of_rows(rows.len())];
        let mapped = Mapped {
            x: &mut x[requested.start * width..requested.end * width],
            y: &mut work.logits[..requested.len() * self.vocab_size()],
            bias: None,
        };
        self.multiply(node, mapped, work.threads, &mut work.scratch.words);
    }

    /// A product, shared between threads where it is long enough: outputs of one row, rows of many.
    fn multiply(&self, node: ValueId, mapped: Mapped, threads: usize, scratch: &mut [u32]) {
        let Mapped { y, x, bias } = mapped;
        let (map, w) = (self.prepared.map(node), self.weights.matrix(node));
        let n = y.len() / map.out;
        let x = decode_linear::rows(&map, scratch, x, n);
        if threads <= 1 || n * map.inp * map.out < SHARED {
            let outs = 0..map.out;
            decode_linear::forward(&map, Outputs { y, outs }, x, w, bias);
        } else if n == 1 {
            let panel = decode_linear::panel(map.isa);
            let part = map.out.div_ceil(threads).next_multiple_of(panel);
            y.par_chunks_mut(part).enumerate().for_each(|(i, y)| {
                let outs = i * part..i * part + y.len();
                decode_linear::forward(&map, Outputs { y, outs }, x, w, bias);
            });
        } else {
            let parts = y.par_chunks_mut(ROWS * map.out).enumerate();
            parts.for_each(|(i, y)| {
                let (x, outs) = (x.part(i * ROWS, y.len() / map.out), 0..map.out);
                decode_linear::forward(&map, Outputs { y, outs }, x, w, bias);
            });
        }
    }
}

/// Rows that are decoded.
struct Decoding<'a, 'r, 's> {
    decoder: &'a Decoder,
    plan: &'a ArenaPlan,
    rows: &'a DecodedRows<'r, 's>,
    tokens: &'a [u32],
    threads: usize,
    /// What this worker computes of a node; `None`: all of it.
    share: Option<OwnShare<'a>>,
}

impl ForwardPass for Decoding<'_, '_, '_> {
    type Scratch = DecodeScratch;

    fn prepared(&self) -> &PreparedGraph {
        &self.decoder.prepared
    }

    fn tokens(&self) -> &[u32] {
        self.tokens
    }

    fn runs(&self) -> impl Iterator<Item = RowRun> {
        let (runs, rows_each) = match self.rows {
            DecodedRows::Window(_, window) => (1, window.len()),
            DecodedRows::Step(sequences) => (sequences.len(), 1),
            DecodedRows::Helped(..) => (1, 1),
        };
        (0..runs).map(move |i| RowRun {
            rows: i * rows_each..(i + 1) * rows_each,
            position: self.rows.position(i * rows_each),
        })
    }

    fn value(&self, node: ValueId) -> Range<usize> {
        self.plan.value(node).of_rows(self.tokens.len())
    }

    fn statistics(&self, node: ValueId) -> Range<usize> {
        self.plan.statistics(node).of_rows(self.tokens.len())
    }

    fn param(&self, param: ParamId) -> &[f32] {
        self.decoder.weights.plain(param)
    }

    fn pass<const N: usize>(
        &self,
        _: usize,
        matrices: [pool::MatrixRows; N],
        work: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
    ) {
        work(0..self.tokens.len(), matrices.map(|(numbers, _)| numbers));
    }

    fn linear(&self, node: ValueId, mapped: Mapped, scratch: &mut DecodeScratch) {
        let Some(columns) = self.columns() else {
            let words = &mut scratch.words;
            self.decoder.multiply(node, mapped, self.threads, words);
            return;
        };
        let Mapped { y, x, bias } = mapped;
        let map = self.decoder.prepared.map(node);
        let w = self.decoder.weights.matrix(node);
        let x = decode_linear::rows(&map, &mut scratch.words, x, 1);
        for columns in columns {
            let (y, outs) = (&mut y[columns.clone()], columns.clone());
            decode_linear::forward(&map, Outputs { y, outs }, x, w, bias);
        }
    }

    fn attend(
        &self,
        node: ValueId,
        op: &AttentionOp,
        attended: Attended,
        scratch: &mut DecodeScratch,
    ) {
        let heads = Heads {
            decoder: self.decoder,
            node,
            op,
        };
        let Attended { mix, lse, qkv } = attended;
        if let Some(OwnShare { worker, place, .. }) = self.share {
            heads.attend_one(worker, place, mix, qkv, scratch);
            return;
        }
        match self.rows {
            DecodedRows::Window(sequence, window) => {
                let options = self.decoder.prepared.attention(node, op, None);
                let (isa, n) = (self.isa(), window.len());
                let outputs = attention::Outputs { mix, lse };
                attention::forward(isa, outputs, &mut scratch.attention, qkv, &options, n);
                if window.start == 0 && self.decoder.causal {
                    heads.append(sequence, n, qkv, &mut scratch.heads);
                }
            }
            DecodedRows::Step(sequences) => {
                let n = self.tokens.len();
                let mixes = mix.chunks_exact_mut(mix.len() / n);
                let rows = mixes.zip(qkv.chunks_exact(qkv.len() / n));
                for (sequence, (mix, qkv)) in sequences.iter().zip(rows) {
                    let place = sequence.place();
                    for part in 0..sequence.kv_cache.parts {
                        heads.attend_one(part, place, mix, qkv, scratch);
                    }
                }
            }
            DecodedRows::Helped(..) => unreachable!("a helper attends with its share of the heads"),
        }
    }

    fn dropout(&self, _: ValueId, _: f32) -> Option<RowDropout> {
        None
    }

    fn keeps_derivative(&self, _: ValueId) -> bool {
        false
    }

    fn columns(&self) -> Option<&[Range<usize>]> {
        let OwnShare { share, worker, .. } = self.share?;
        Some(&share.columns[worker])
    }
}

/// The heads of an attention, whose keys and values are cached by share.
struct Heads<'a> {
    decoder: &'a Decoder,
    node: ValueId,
    op: &'a AttentionOp,
}

impl Heads<'_> {
    /// Keeps the keys and values of a text's first `count` tokens.
    fn append(&self, sequence: &Sequence, count: usize, qkv: &[f32], heads: &mut Vec<f32>) {
        let (kv_cache, width) = (&sequence.kv_cache, qkv.len() / count);
        for index in 0..kv_cache.parts {
            let share = HeadShare {
                index,
                count: kv_cache.parts,
            };
            heads.clear();
            for row in qkv.chunks_exact(width) {
                for columns in packed_heads(self.op, share) {
                    heads.extend_from_slice(&row[columns]);
                }
            }
            let appended = Appended {
                text: sequence.text,
                position: 0,
                count,
                qkv: heads,
            };
            let options = self.decoder.heads(self.node, self.op, share);
            kv_cache.append(self.layer(index), &appended, &options);
        }
    }

    /// Attention of the next token of a text, its share of the heads alone: `mix` and `qkv` are
    /// whole rows.
    fn attend_one(
        &self,
        part: usize,
        place: TokenPlace<'_>,
        mix: &mut [f32],
        qkv: &[f32],
        scratch: &mut DecodeScratch,
    ) {
        let TokenPlace {
            kv_cache,
            text,
            position,
        } = place;
        let share = HeadShare {
            index: part,
            count: kv_cache.parts,
        };
        let options = self.decoder.heads(self.node, self.op, share);
        let columns = packed_heads(self.op, share);
        let mix = &mut mix[columns[0].clone()];
        let qkv = if kv_cache.parts == 1 {
            qkv
        } else {
            scratch.heads.clear();
            for columns in columns {
                scratch.heads.extend_from_slice(&qkv[columns]);
            }
            &scratch.heads
        };
        let appended = Appended {
            text,
            position,
            count: 1,
            qkv,
        };
        kv_cache.append(self.layer(part), &appended, &options);
        let (q, layer) = (&qkv[..mix.len()], kv_cache.read(self.layer(part)));
        let (isa, kv) = (self.decoder.isa(), layer.keys_and_values());
        let (scratch, seen) = (&mut scratch.attention, position + 1);
        attention::decode_one(isa, mix, scratch, q, kv, &options, seen);
    }

    fn layer(&self, part: usize) -> LayerHeads {
        LayerHeads {
            node: self.node,
            part,
        }
    }
}
