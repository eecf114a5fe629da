//! What all texts share, and what each has of its own.

use std::sync::Arc;

use gptlab_kernels::{
    attention::{self, CacheLayout},
    decode_linear,
};
use gptlab_model::{AttentionOp, Graph, ValueId};

use super::{
    PromptError,
    kv_cache::KvCache,
    rows::{DecodeWorkspace, DecodedRows, TokenPlace},
    shares::{HeadShare, kv_heads},
    weights::Weights,
};
use crate::{
    ImportError,
    cpu::{
        CpuOptions, Isa, check_len,
        plan::{ArenaPlan, Purpose},
        prepared_graph::PreparedGraph,
    },
};

/// From this many weights on, several threads read them faster than one.
const LARGE: usize = 1 << 23;

/// Whether one text of a model is worth several threads.
pub(super) fn is_large(graph: &Graph) -> bool {
    graph.params().total() >= LARGE
}

/// The words of scratch that `rows` rows of any product need.
pub(in crate::cpu) fn most_words(prepared: &PreparedGraph, rows: usize) -> usize {
    let products = prepared.linears().map(|(node, _)| prepared.map(node));
    let words = products.map(|map| decode_linear::scratch_len(&map, rows));
    words.max().unwrap_or(0)
}

/// A model made ready to decode.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) prepared: PreparedGraph,
    pub(super) weights: Weights,
    /// Of a single row: `n` rows take `n` times as much.
    pub(super) plan: ArenaPlan,
    pub(super) causal: bool,
}

/// A text, as far as it has been decoded.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) context: Vec<u32>,
    /// Keys and values of the first `cached` tokens.
    pub(super) kv_cache: Arc<KvCache>,
    pub(super) cached: usize,
    /// Which of the texts that have used this cache.
    pub(super) text: u64,
    /// Whether the logits are those after the whole context.
    fresh: bool,
    logits: Vec<f32>,
}

impl Decoder {
    pub(super) fn new(
        graph: Graph,
        weights: &[f32],
        options: CpuOptions,
    ) -> Result<Self, ImportError> {
        check_len(graph.params().total(), weights.len())?;
        let mut attentions = graph.nodes().iter().filter_map(|n| n.attention());
        let causal = attentions.all(|(_, a)| a.mask.is_causal());
        let plan = ArenaPlan::new(&graph, 1, Purpose::Decode);
        let prepared = PreparedGraph::new(graph, options);
        let total = weights.len();
        let weights =
            Weights::new(&prepared, weights).map_err(|_| ImportError::Memory { numbers: total })?;
        Ok(Self {
            prepared,
            weights,
            plan,
            causal,
        })
    }

    pub(super) fn isa(&self) -> Isa {
        self.prepared.isa
    }

    /// How a share of a node's heads keeps keys and values; `None` but for attention, and where
    /// nothing can be kept.
    pub(super) fn cache_layout(&self, node: ValueId, share: HeadShare) -> Option<CacheLayout> {
        let graph = &self.prepared.graph;
        let (_, op) = graph.node(node).attention().filter(|_| self.causal)?;
        Some(CacheLayout::new(
            &self.heads(node, op, share),
            graph.block_size(),
        ))
    }

    /// The attention of a share of the heads, as if there were no others.
    pub(super) fn heads(
        &self,
        node: ValueId,
        op: &AttentionOp,
        share: HeadShare,
    ) -> attention::Options<'_> {
        let (all, heads) = (self.prepared.attention(node, op, None), kv_heads(op, share));
        let group = op.heads / op.kv_heads;
        attention::Options {
            heads: heads.len() * group,
            kv_heads: heads.len(),
            alibi: all
                .alibi
                .map(|slopes| &slopes[heads.start * group..heads.end * group]),
            ..all
        }
    }

    /// Whether one text is worth several threads.
    pub(super) fn is_large(&self) -> bool {
        is_large(&self.prepared.graph)
    }

    pub(super) fn vocab_size(&self) -> usize {
        let graph = &self.prepared.graph;
        graph.node(graph.logits()).width
    }

    pub(super) fn check(&self, prompt: &[u32]) -> Result<(), PromptError> {
        PromptError::check(prompt, self.vocab_size())
    }

    /// A text of which there is nothing yet, its heads in `parts` shares.
    pub(super) fn sequence(&self, parts: usize) -> Sequence {
        Sequence {
            context: Vec::new(),
            kv_cache: Arc::new(KvCache::new(self, parts)),
            cached: 0,
            text: 0,
            fresh: false,
            logits: Vec::with_capacity(self.vocab_size()),
        }
    }

    /// Brings the logits of every text up to date: windows one by one, single tokens together.
    pub(super) fn next(&self, work: &mut DecodeWorkspace, sequences: &mut [&mut Sequence]) {
        let mut steps: Vec<&mut Sequence> = Vec::new();
        for sequence in sequences.iter_mut().filter(|s| s.is_behind()) {
            if self.goes_by_step(sequence) {
                steps.push(sequence);
            } else {
                let len = sequence.context.len();
                let window = len.saturating_sub(self.prepared.graph.block_size())..len;
                self.run(work, &mut DecodedRows::Window(sequence, window));
                sequence.answer(work.logits(0, self.vocab_size()));
            }
        }
        if !steps.is_empty() {
            self.run(work, &mut DecodedRows::Step(&mut steps));
        }
        for (row, sequence) in steps.into_iter().enumerate() {
            sequence.answer(work.logits(row, self.vocab_size()));
        }
    }

    /// Whether all but the last token of a text are cached, and hold.
    pub(super) fn goes_by_step(&self, sequence: &Sequence) -> bool {
        let len = sequence.context.len();
        self.causal && sequence.cached + 1 == len && len <= self.prepared.graph.block_size()
    }
}

impl Sequence {
    pub(super) fn begin(&mut self, prompt: &[u32]) {
        self.context.clear();
        self.context.extend_from_slice(prompt);
        self.cached = 0;
        self.text += 1;
        self.fresh = false;
    }

    pub(super) fn push(&mut self, token: u32) {
        self.context.push(token);
        self.fresh = false;
    }

    /// Where the token after the cached ones belongs.
    pub(super) fn place(&self) -> TokenPlace<'_> {
        TokenPlace {
            kv_cache: &self.kv_cache,
            text: self.text,
            position: self.cached,
        }
    }

    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.fresh && !self.context.is_empty()
    }

    pub(super) fn answer(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.fresh = true;
    }
}
