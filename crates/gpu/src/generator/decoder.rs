//! A model on a device that decodes: windows of single texts, and steps of several.

use std::sync::Arc;

use gptlab_engine::ImportError;
use wgpu::BufferUsages;

use crate::{
    GpuError,
    buffers::{Buffers, Lengths, Place},
    cache::CacheLayout,
    chunks::{DecodedRow, IndexLayout, RuleWords},
    context::{Context, Mapping},
    engine::{check_heads, check_len},
    layout::{CHOSEN, Layout},
    plan::{Plan, RecordingKey},
    steps::{self, DecodedRows, Steps},
    tables::GraphTables,
};

/// How the buffer of chosen tokens is used.
const CHOSEN_USAGE: BufferUsages = BufferUsages::COPY_SRC.union(BufferUsages::COPY_DST);
/// The most texts that are written at once.
const MOST_TEXTS: usize = 64;

/// A text, as far as it is written.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) tokens: Vec<u32>,
    pub(super) slot: usize,
    /// The number of tokens, from the first on, whose keys and values are in the slot.
    cached: usize,
    /// Whether the device has been asked for another token, which the host does not know yet.
    pub(super) is_pending: bool,
}

impl Text {
    pub(super) fn new(slot: usize, prompt: &[u32]) -> Self {
        Self {
            tokens: prompt.to_vec(),
            slot,
            cached: 0,
            is_pending: false,
        }
    }

    /// Returns the number of tokens, with one that the device knows alone.
    fn len(&self) -> usize {
        self.tokens.len() + usize::from(self.is_pending)
    }
}

/// What is wanted of each text.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// Logits for the host.
    Logits,
    /// A token, by the rule of each text, for the device, and for the host in this buffer.
    Tokens(&'a [RuleWords], &'a wgpu::Buffer),
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
    /// The token of each slot that the device has chosen.
    chosen: wgpu::Buffer,
    /// The number of texts that can be written at once.
    texts: usize,
}

impl Decoder {
    /// Makes a decoder that can write one text at a time.
    pub(super) fn new(
        context: &Arc<Context>,
        tables: GraphTables,
        weights: &[f32],
    ) -> Result<Self, ImportError> {
        let total = tables.graph.params().total();
        check_len(total, weights.len())?;
        check_heads(&tables.graph)?;
        let decoding = Decoding::new(&tables, 1, context.most_numbers());
        decoding.windows.check(context.most_numbers())?;
        let mut buffers = Buffers::untrained(context, total, &tables.constants)?;
        buffers.fit(context, decoding.lengths())?;
        context.write(buffers.at(Place::Weights), 0, weights);
        Ok(Self {
            context: Arc::clone(context),
            logits: context.read_buffer(tables.graph.vocab_size())?,
            chosen: context.buffer("chosen tokens", 1, CHOSEN_USAGE)?,
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
            let chosen = self
                .context
                .buffer("chosen tokens", decoding.texts, CHOSEN_USAGE);
            if let (Ok(()), Ok(logits), Ok(chosen)) = (fitted, logits, chosen) {
                (self.logits, self.chosen) = (logits, chosen);
                self.steps = Plan::new(decoding.steps);
                self.texts = decoding.texts;
            }
        }
        self.texts.min(texts.max(1))
    }

    /// Runs what is new of each text, and returns the logits `[texts, vocab_size]` after them.
    pub(super) fn next(&mut self, texts: &mut [&mut Text]) -> Result<Vec<f32>, GpuError> {
        self.run_all(texts, Wanted::Logits)?;
        let numbers = texts.len() * self.tables.graph.vocab_size();
        self.context.read_staging(&self.logits, numbers)
    }

    /// Runs what is new of each text, and lets the device choose the token after it by the rule of
    /// the text. The tokens, or `NO_TOKEN`, will be in `drawn`, in the order of the texts. Only
    /// texts that [`Decoder::goes_by_step`] can have a token that the host does not know.
    pub(super) fn draw(
        &mut self,
        texts: &mut [&mut Text],
        rules: &[RuleWords],
        drawn: &wgpu::Buffer,
    ) -> Result<Mapping, GpuError> {
        let submission = self.run_all(texts, Wanted::Tokens(rules, drawn))?;
        for text in texts {
            text.is_pending = true;
        }
        // Whoever waits for these tokens does not wait for what is submitted later.
        Ok(Mapping::begin(drawn, submission))
    }

    /// Makes a buffer for the tokens of all texts that [`Decoder::draw`] chooses at once.
    pub(super) fn drawn_buffer(&self) -> Result<wgpu::Buffer, GpuError> {
        self.context.read_buffer(self.texts)
    }

    /// Waits for tokens that the device chooses, and returns the first `count`.
    pub(super) fn drawn(
        &self,
        drawn: &wgpu::Buffer,
        mapping: Mapping,
        count: usize,
    ) -> Result<Vec<u32>, GpuError> {
        let numbers = self.context.wait(drawn, mapping, count)?;
        Ok(numbers.into_iter().map(f32::to_bits).collect())
    }

    /// Runs what is new of each text, and returns the last submission.
    fn run_all(
        &mut self,
        texts: &mut [&mut Text],
        wanted: Wanted<'_>,
    ) -> Result<Option<wgpu::SubmissionIndex>, GpuError> {
        let (mut rows, mut places, mut last) = (Vec::new(), Vec::new(), None);
        for (place, text) in texts.iter_mut().enumerate() {
            if self.goes_by_step(text) {
                rows.push(row_of_step(text));
                places.push((place, text.slot));
                text.cached += 1;
            } else {
                let window = self.window(text);
                let rows = Rows {
                    kind: DecodedRows::Window,
                    decoded: &window,
                    places: &[(place, text.slot)],
                    pending: &[],
                };
                last = Some(self.run(&rows, wanted)?);
                text.cached = match text.tokens.len() {
                    all if all == window.len() => all,
                    // Past the context, nothing that is cached holds.
                    _ => 0,
                };
            }
        }
        if rows.is_empty() {
            return Ok(last);
        }
        let pending = |(row, (place, slot)): (usize, &(usize, usize))| {
            texts[*place].is_pending.then_some((*slot, row))
        };
        let pending: Vec<_> = places.iter().enumerate().filter_map(pending).collect();
        let rows = Rows {
            kind: DecodedRows::Step,
            decoded: &rows,
            places: &places,
            pending: &pending,
        };
        self.run(&rows, wanted).map(Some)
    }

    /// Returns true if all but the last token of a text are cached, and hold.
    pub(super) fn goes_by_step(&self, text: &Text) -> bool {
        let len = text.len();
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

    /// Runs rows, and copies what is wanted of each text to its place among those of all texts.
    fn run(
        &mut self,
        rows: &Rows<'_>,
        wanted: Wanted<'_>,
    ) -> Result<wgpu::SubmissionIndex, GpuError> {
        let plan = match rows.kind {
            DecodedRows::Window => &mut self.windows,
            DecodedRows::Step => &mut self.steps,
        };
        let index = IndexLayout::decoding(plan.layout.rows);
        let (context, scratch) = (&self.context, plan.layout.scratch);
        let rules: Vec<RuleWords> = match wanted {
            Wanted::Logits => Vec::new(),
            Wanted::Tokens(rules, _) => {
                rows.places.iter().map(|(place, _)| rules[*place]).collect()
            }
        };
        let indices = index.of_decoded(rows.decoded, &rules);
        context.write(self.buffers.at(Place::Indices), 0, &indices);
        let decoding = steps::Decoding {
            cache: &self.cache,
            rows: rows.kind,
            chooses: !rules.is_empty(),
        };
        let (tables, count) = (&self.tables, rows.decoded.len());
        let key = RecordingKey {
            rows: count,
            chooses: decoding.chooses,
        };
        let recording = plan.recording(context, key, |layout| {
            Steps::decoding(tables, layout, count, decoding).all()
        })?;
        let mut encoder = context.encoder();
        let (arena, indices) = (
            self.buffers.at(Place::Arena),
            self.buffers.at(Place::Indices),
        );
        let known = rows.pending.iter();
        let known = known.map(|(slot, row)| (*slot, index.tokens as usize + row));
        copy(&mut encoder, [&self.chosen, indices], 1, known);
        recording.encode(&mut encoder, self.buffers.bindings());
        let numbered = rows.places.iter().enumerate();
        match wanted {
            Wanted::Logits => {
                let vocab = tables.graph.vocab_size();
                let logits =
                    numbered.map(|(row, (place, _))| (scratch + row * vocab, place * vocab));
                copy(&mut encoder, [arena, &self.logits], vocab, logits);
            }
            Wanted::Tokens(_, drawn) => {
                let of_slots = numbered.clone();
                let of_slots = of_slots.map(|(row, (_, slot))| (CHOSEN + row, *slot));
                copy(&mut encoder, [arena, &self.chosen], 1, of_slots);
                let of_places = numbered.map(|(row, (place, _))| (CHOSEN + row, *place));
                copy(&mut encoder, [arena, drawn], 1, of_places);
            }
        }
        Ok(context.submit(encoder))
    }
}

/// Rows that run together.
struct Rows<'a> {
    kind: DecodedRows,
    decoded: &'a [DecodedRow],
    /// The place among all texts, and the slot, of each row whose logits are wanted.
    places: &'a [(usize, usize)],
    /// The slots and rows of tokens that the host does not know.
    pending: &'a [(usize, usize)],
}

/// Copies `len` numbers from each first offset to each second one. Neighbours go together.
fn copy(
    encoder: &mut wgpu::CommandEncoder,
    [from, to]: [&wgpu::Buffer; 2],
    len: usize,
    offsets: impl Iterator<Item = (usize, usize)>,
) {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (first, second) in offsets {
        match runs.last_mut() {
            Some((a, b, run)) if (*a + *run, *b + *run) == (first, second) => *run += len,
            Some(_) | None => runs.push((first, second, len)),
        }
    }
    let bytes = |numbers: usize| 4 * numbers as u64;
    for (first, second, run) in runs {
        encoder.copy_buffer_to_buffer(from, bytes(first), to, bytes(second), bytes(run));
    }
}

/// Returns the last token of a text, which attends to the cached ones. A token that the host does
/// not know is 0 until the device replaces it.
fn row_of_step(text: &Text) -> DecodedRow {
    DecodedRow {
        token: text.tokens.get(text.cached).copied().unwrap_or(0),
        position: text.cached as u32,
        first: 0,
        end: 1,
        slot: text.slot as u32,
    }
}
