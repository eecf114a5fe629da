//! A model on a device that decodes: windows of single texts, and steps of several.

use std::sync::Arc;

use gptlab_engine::ImportError;
use gptlab_model::Graph;
use gptlab_recipe::Precision;

use crate::{
    GpuError,
    buffers::{Buffers, Lengths, Place},
    cache::CacheLayout,
    chunks::{DecodedRow, IndexLayout},
    context::Context,
    engine::{check_heads, check_len},
    layout::Layout,
    plan::Plan,
    steps::{self, DecodedRows, Steps},
    tables::GraphTables,
};

/// The most texts that are written at once.
const MOST_TEXTS: usize = 64;

/// A text, as far as it is written.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) tokens: Vec<u32>,
    pub(super) slot: usize,
    /// The number of tokens, from the first on, whose keys and values are in the slot.
    cached: usize,
}

impl Text {
    pub(super) fn new(slot: usize, prompt: &[u32]) -> Self {
        Self {
            tokens: prompt.to_vec(),
            slot,
            cached: 0,
        }
    }
}

/// The layouts with which a number of texts are written at once.
pub(crate) struct Decoding {
    windows: Layout,
    steps: Layout,
    cache: CacheLayout,
    texts: usize,
}

impl Decoding {
    /// Returns the layouts for at most `texts` texts at once, or for fewer where buffers of
    /// `numbers` numbers hold no more; at least for one.
    pub(crate) fn new(tables: &GraphTables, texts: usize, numbers: usize) -> Self {
        let cache = CacheLayout::new(&tables.graph);
        let most = (numbers / cache.len.max(1)).clamp(1, MOST_TEXTS);
        let mut texts = texts.clamp(1, most);
        let mut steps = Layout::decoding(tables, texts, texts);
        while texts > 1 && steps.len > numbers {
            texts /= 2;
            steps = Layout::decoding(tables, texts, texts);
        }
        Self {
            windows: Layout::decoding(tables, tables.graph.block_size(), 1),
            steps,
            cache,
            texts,
        }
    }

    /// Returns the lengths of the buffers.
    pub(crate) fn lengths(&self) -> Lengths {
        let rows = self.windows.rows.max(self.steps.rows);
        Lengths {
            arena: self.windows.len.max(self.steps.len),
            indices: IndexLayout::decoding(rows).len as usize,
            gradients: 0,
            cache: self.texts * self.cache.len,
        }
    }

    /// Returns the number of texts.
    pub(crate) fn texts(&self) -> usize {
        self.texts
    }
}

/// A model on a device that decodes.
#[derive(Debug)]
pub(super) struct Decoder {
    context: Arc<Context>,
    tables: GraphTables,
    cache: CacheLayout,
    buffers: Buffers,
    windows: Plan,
    steps: Plan,
    /// The logits of each text, where the host can read them.
    logits: wgpu::Buffer,
    /// The number of texts that can be written at once.
    texts: usize,
}

impl Decoder {
    /// Makes a decoder that can write one text at a time.
    pub(super) fn new(
        context: &Arc<Context>,
        graph: Graph,
        weights: &[f32],
        precision: Precision,
    ) -> Result<Self, ImportError> {
        let total = graph.params().total();
        check_len(total, weights.len())?;
        check_heads(&graph)?;
        let tables = GraphTables::new(graph, precision);
        let decoding = Decoding::new(&tables, 1, context.most_numbers());
        decoding.windows.check(context.most_numbers())?;
        let mut buffers = Buffers::untrained(context, total, &tables.constants)?;
        buffers.fit(context, decoding.lengths())?;
        context.write(buffers.at(Place::Weights), 0, weights);
        Ok(Self {
            context: Arc::clone(context),
            logits: context.read_buffer(tables.graph.vocab_size())?,
            tables,
            buffers,
            cache: decoding.cache,
            windows: Plan::new(decoding.windows),
            steps: Plan::new(decoding.steps),
            texts: 1,
        })
    }

    /// Makes room for `texts` texts at once, or for fewer if the device has no memory for them.
    /// Returns the number that can be written at once. The texts before are forgotten.
    pub(super) fn fit(&mut self, texts: usize) -> usize {
        let decoding = Decoding::new(&self.tables, texts, self.context.most_numbers());
        if decoding.texts > self.texts {
            let numbers = decoding.texts * self.tables.graph.vocab_size();
            let fitted = self.buffers.fit(&self.context, decoding.lengths());
            let logits = self.context.read_buffer(numbers);
            if let (Ok(()), Ok(logits)) = (fitted, logits) {
                self.logits = logits;
                self.steps = Plan::new(decoding.steps);
                self.texts = decoding.texts;
            }
        }
        self.texts.min(texts.max(1))
    }

    /// Runs what is new of each text, and returns the logits `[texts, vocab_size]` after them.
    pub(super) fn next(&mut self, texts: &mut [&mut Text]) -> Result<Vec<f32>, GpuError> {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for (place, text) in texts.iter_mut().enumerate() {
            if self.goes_by_step(text) {
                rows.push(row_of_step(text));
                places.push(place);
                text.cached += 1;
            } else {
                let window = self.window(text);
                self.run(DecodedRows::Window, &window, &[place])?;
                text.cached = match text.tokens.len() {
                    all if all == window.len() => all,
                    // Past the context, nothing that is cached holds.
                    _ => 0,
                };
            }
        }
        if !rows.is_empty() {
            self.run(DecodedRows::Step, &rows, &places)?;
        }
        let numbers = texts.len() * self.tables.graph.vocab_size();
        self.context.read_staging(&self.logits, numbers)
    }

    /// Returns true if all but the last token of a text are cached, and hold.
    fn goes_by_step(&self, text: &Text) -> bool {
        let len = text.tokens.len();
        self.cache.is_causal && text.cached + 1 == len && len <= self.cache.tokens
    }

    /// Returns the last `block_size` tokens of a text as one sequence.
    fn window(&self, text: &Text) -> Vec<DecodedRow> {
        let first = text.tokens.len().saturating_sub(self.cache.tokens);
        let window = &text.tokens[first..];
        let row = |(token, position): (&u32, u32)| DecodedRow {
            token: *token,
            position,
            first: 0,
            end: window.len() as u32,
            slot: text.slot as u32,
        };
        window.iter().zip(0..).map(row).collect()
    }

    /// Runs rows, and copies the logits of each text to its place among those that the host reads.
    fn run(
        &mut self,
        kind: DecodedRows,
        rows: &[DecodedRow],
        places: &[usize],
    ) -> Result<(), GpuError> {
        let plan = match kind {
            DecodedRows::Window => &mut self.windows,
            DecodedRows::Step => &mut self.steps,
        };
        let indices = IndexLayout::decoding(plan.layout.rows).of_decoded(rows);
        let (context, scratch) = (&self.context, plan.layout.scratch);
        context.write(self.buffers.at(Place::Indices), 0, &indices);
        let decoding = steps::Decoding {
            cache: &self.cache,
            rows: kind,
        };
        let tables = &self.tables;
        let recording = plan.recording(context, rows.len(), |layout| {
            Steps::decoding(tables, layout, rows.len(), decoding).all()
        })?;
        let mut encoder = context.encoder();
        recording.encode(&mut encoder, self.buffers.bindings());
        let vocab = tables.graph.vocab_size();
        let bytes = |numbers: usize| 4 * numbers as u64;
        for (row, place) in places.iter().enumerate() {
            encoder.copy_buffer_to_buffer(
                self.buffers.at(Place::Arena),
                bytes(scratch + row * vocab),
                &self.logits,
                bytes(place * vocab),
                bytes(vocab),
            );
        }
        context.submit(encoder);
        Ok(())
    }
}

/// Returns the last token of a text, which attends to the cached ones.
fn row_of_step(text: &Text) -> DecodedRow {
    DecodedRow {
        token: text.tokens[text.cached],
        position: text.cached as u32,
        first: 0,
        end: 1,
        slot: text.slot as u32,
    }
}
