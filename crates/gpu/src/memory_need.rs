//! The memory of an engine or a generator on its device, counted as [`crate::engine`] and
//! [`crate::generator`] allocate it.

use gptlab_engine::{
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
    program::Purpose,
};

use crate::{
    chunks::{self, IndexLayout},
    generator::Decoding,
    layout::Layout,
    tables::GraphTables,
};

/// A graph that is counted for a device whose buffers hold so many numbers.
pub(crate) struct Count {
    tables: GraphTables,
    numbers: usize,
    most_rows: Option<usize>,
}

impl Count {
    pub(crate) fn new(tables: GraphTables, numbers: usize, most_rows: Option<usize>) -> Self {
        Self {
            tables,
            numbers,
            most_rows,
        }
    }

    pub(crate) fn training(&self, training: Training) -> MemoryNeed {
        let shape = training.shape;
        let most = self.chunk_rows(Purpose::Train);
        let chunks = match most / shape.tokens.max(1) {
            0 => shape.sequences,
            sequences => shape.sequences.div_ceil(sequences),
        };
        let total = self.tables.graph.params().total();
        let most_shards = chunks::most_shards(total, self.numbers);
        let shards = match chunks::shards(chunks, most_shards).len() {
            1 => 0,
            shards => shards,
        };
        let train = self.layout(Purpose::Train, shape);
        let observed = self.observing(training.observed);
        MemoryNeed {
            gradients: bytes(total * (1 + shards)),
            ..self
                .fixed()
                .and(train.or(self.layout(Purpose::Evaluate, shape)).or(observed))
        }
    }

    pub(crate) fn evaluating(&self, shape: BatchShape) -> MemoryNeed {
        self.fixed().and(self.layout(Purpose::Evaluate, shape))
    }

    /// Returns the memory of a pass with a hook over so many tokens.
    pub(crate) fn observing(&self, tokens: usize) -> MemoryNeed {
        if tokens == 0 {
            return MemoryNeed::default();
        }
        MemoryNeed {
            arenas: bytes(Layout::new(&self.tables, Purpose::Observe, tokens).len),
            batches: self.indices(tokens),
            ..MemoryNeed::default()
        }
    }

    /// Returns the memory of a generator that writes texts.
    pub(crate) fn generating(&self, texts: Texts) -> MemoryNeed {
        let decoding = Decoding::new(&self.tables, texts.count, self.numbers);
        let (lengths, graph) = (decoding.lengths(), &self.tables.graph);
        // The logits are also where the host reads them, and in its own memory.
        let logits = 2 * decoding.texts() * graph.vocab_size();
        MemoryNeed {
            weights: bytes(graph.params().total() + self.tables.constants.len()),
            arenas: bytes(lengths.arena + logits),
            caches: bytes(lengths.cache),
            batches: bytes(lengths.indices + decoding.texts() * texts.tokens),
            ..MemoryNeed::default()
        }
    }

    /// Returns the memory that does not depend on a batch.
    fn fixed(&self) -> MemoryNeed {
        let total = self.tables.graph.params().total();
        MemoryNeed {
            weights: bytes(total + self.tables.constants.len()),
            gradients: bytes(total),
            optimizer: bytes(2 * total),
            ..MemoryNeed::default()
        }
    }

    fn chunk_rows(&self, purpose: Purpose) -> usize {
        let rows = Layout::most_rows(&self.tables, purpose, self.numbers, self.most_rows);
        // Where nothing fits, the engine refuses with its own sentence.
        rows.unwrap_or(self.tables.graph.block_size())
    }

    fn layout(&self, purpose: Purpose, shape: BatchShape) -> MemoryNeed {
        let all = shape.sequences.saturating_mul(shape.tokens).max(1);
        let rows = all.min(self.chunk_rows(purpose)).next_multiple_of(256);
        MemoryNeed {
            arenas: bytes(Layout::new(&self.tables, purpose, rows).len),
            batches: self.indices(rows) + bytes(all),
            ..MemoryNeed::default()
        }
    }

    fn indices(&self, rows: usize) -> u64 {
        bytes(IndexLayout::new(&self.tables.graph, rows).len as usize)
    }
}

fn bytes(numbers: usize) -> u64 {
    4 * numbers as u64
}
