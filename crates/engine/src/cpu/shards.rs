//! How a batch is split: by its shape alone, so that any number of threads computes the same bits.
//!
//! A *chunk* is one sequence, or as many short ones as fit into [`MIN_ROWS`] rows: one core runs it
//! through the whole model, so that its values stay in that core's caches. A *shard* is a run of
//! chunks with a gradient buffer of its own; the buffers of shards are added in order.

use std::{iter, ops::Range};

use gptlab_model::Batch;

/// The rows up to which short sequences share a chunk.
const MIN_ROWS: usize = 128;
/// The most gradient buffers. More threads than these help if the work of a chunk can be shared.
pub(super) const MOST_SHARDS: usize = 8;
/// The approximate upper limit of the numbers in all gradient buffers together (192 MiB); there are
/// at least two buffers.
const MOST_NUMBERS: usize = 3 << 24;

/// A chunk: a range of the batch's rows, and a range of its sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkRows {
    pub(super) rows: Range<usize>,
    sequences: Range<usize>,
}

/// The chunks of one batch, in memory that is reused for the next.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: Vec<ChunkRows>,
    /// Every sequence of the batch, as a range of its chunk's rows.
    sequences: Vec<Range<usize>>,
}

/// Returns the number of rows that a plan must hold for chunks of `batch`.
pub(super) fn rows(batch: &Batch) -> usize {
    let longest = (0..batch.sequences())
        .map(|i| batch.rows(i).len())
        .max()
        .unwrap_or(0);
    longest.max(MIN_ROWS)
}

/// The cut of a batch whose sequences have one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkSplit {
    /// The number of rows that a plan must hold for its chunks.
    pub(super) rows: usize,
    pub(super) chunks: usize,
}

impl ChunkSplit {
    /// Returns the most chunks in a part of `sequences` sequences of `tokens` tokens. The batch's
    /// last chunk can be small.
    pub(super) fn chunks_at_once(self, sequences: usize, tokens: usize) -> usize {
        sequences.div_ceil(self.rows / tokens.max(1)).max(1)
    }

    /// Returns the cut of `sequences` sequences of `tokens` tokens. Shorter sequences make no more
    /// chunks.
    pub(super) fn of(sequences: usize, tokens: usize) -> Self {
        let (rows, tokens) = (tokens.max(MIN_ROWS), tokens.max(1));
        Self {
            rows,
            chunks: sequences.div_ceil(rows / tokens),
        }
    }
}

impl Chunks {
    /// Cuts `batch` into chunks in order, and returns `self`.
    pub(super) fn cut(&mut self, batch: &Batch) -> &Self {
        self.chunks.clear();
        self.sequences.clear();
        // There are at most as many chunks as sequences.
        self.chunks.reserve(batch.sequences());
        let most = rows(batch);
        for i in 0..batch.sequences() {
            let rows = batch.rows(i);
            match self.chunks.last_mut() {
                Some(chunk) if rows.end - chunk.rows.start <= most => {
                    chunk.rows.end = rows.end;
                    chunk.sequences.end = i + 1;
                }
                Some(_) | None => self.chunks.push(ChunkRows {
                    rows,
                    sequences: i..i + 1,
                }),
            }
        }
        for chunk in &self.chunks {
            let (first, sequences) = (chunk.rows.start, chunk.sequences.clone());
            let sequences = sequences.map(|i| batch.rows(i));
            let own = sequences.map(|rows| rows.start - first..rows.end - first);
            self.sequences.extend(own);
        }
        self
    }

    /// Returns all chunks, in order.
    pub(super) fn all(&self) -> &[ChunkRows] {
        &self.chunks
    }

    /// Returns the chunks that start within the sequences `part`.
    pub(super) fn of(&self, part: &Range<usize>) -> Range<usize> {
        let before = |end: usize| self.chunks.partition_point(|c| c.sequences.start < end);
        before(part.start)..before(part.end)
    }

    /// Returns the rows of the batch that belong to `chunks`.
    pub(super) fn rows(&self, chunks: &Range<usize>) -> Range<usize> {
        match self.chunks[chunks.clone()] {
            [] => 0..0,
            [ref only] => only.rows.clone(),
            [ref first, .., ref last] => first.rows.start..last.rows.end,
        }
    }

    /// Returns the sequences of `chunk` as ranges of its own rows.
    pub(super) fn sequences(&self, chunk: &ChunkRows) -> &[Range<usize>] {
        &self.sequences[chunk.sequences.clone()]
    }
}

/// Returns the end of the chunk that starts with sequence `first` of `batch` and holds at most
/// `most` rows.
fn chunk_end(batch: &Batch, first: usize, most: usize) -> usize {
    let begin = batch.rows(first).start;
    let fits = |i: &usize| batch.rows(*i).end - begin <= most;
    (first + 1..batch.sequences())
        .take_while(fits)
        .last()
        .unwrap_or(first)
        + 1
}

/// Returns the sequences from `first` on in whole chunks: at most `sequences` of them, or one chunk
/// if it has more.
pub(super) fn part(batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
    let (all, most) = (batch.sequences(), first.saturating_add(sequences));
    let (mut end, rows) = (first, rows(batch));
    while end < all {
        let next = chunk_end(batch, end, rows);
        if end > first && next > most {
            break;
        }
        end = next;
    }
    first..end
}

/// Returns the sequences of share `index` of `count` of `batch`: those of whole shards, for a model
/// with `parameters` parameters.
pub(super) fn share(batch: &Batch, parameters: usize, index: usize, count: usize) -> Range<usize> {
    let rows = rows(batch);
    let ends = || {
        let next = |end: &usize| (*end < batch.sequences()).then(|| chunk_end(batch, *end, rows));
        iter::successors(Some(0), next)
    };
    let shards = shards(ends().count() - 1, parameters);
    // This is the first sequence of the first shard that is not before this share.
    let begin = |index: usize| {
        // It is rounded up, so that a single shard belongs to the first engine: its gradients are
        // added to the sum directly.
        let shard = (index.min(count) * shards.len()).div_ceil(count.max(1));
        let chunk = shards.clone().nth(shard).map(|chunks| chunks.start);
        let first = chunk.and_then(|chunk| ends().nth(chunk));
        first.unwrap_or(batch.sequences())
    };
    begin(index)..begin(index + 1)
}

/// Returns the chunks of each shard, for a model with `parameters` parameters.
pub(super) fn shards(
    chunks: usize,
    parameters: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let affordable = (MOST_NUMBERS / parameters.max(1)).clamp(2, MOST_SHARDS);
    let n = chunks.min(affordable);
    (0..n).map(move |i| i * chunks / n..(i + 1) * chunks / n)
}

/// Returns the most shards of a batch of `chunks` chunks that any part of `at_once` chunks reaches.
pub(super) fn reached(chunks: usize, parameters: usize, at_once: usize) -> usize {
    let (shards, at_once) = (shards(chunks, parameters), at_once.max(1));
    let parts = (0..chunks).step_by(at_once);
    let reached = parts.map(|first| {
        let end = first.saturating_add(at_once);
        let reached = |shard: &Range<usize>| shard.start < end && first < shard.end;
        shards.clone().filter(reached).count()
    });
    reached.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gptlab_model::Preset;

    fn batch(lengths: &[usize]) -> Batch {
        let model = Preset::Gpt2Mini.spec().check(5).unwrap();
        let tokens = [1u32; 256];
        let sequences = lengths.iter().map(|n| (&tokens[..*n], &tokens[..*n]));
        Batch::new(&model, sequences).unwrap()
    }

    #[test]
    fn chunks_cover_the_batch_and_never_cut_a_sequence() {
        let batch = batch(&[256, 1, 127, 1, 60, 60, 9, 256, 256]);
        let mut chunks = Chunks::default();
        chunks.cut(&batch);
        let sequences: Vec<Range<usize>> = chunks
            .all()
            .iter()
            .flat_map(|c| chunks.sequences(c).iter().map(|s| (s, c.rows.start)))
            .map(|(s, first)| s.start + first..s.end + first)
            .collect();
        assert_eq!(sequences, (0..9).map(|i| batch.rows(i)).collect::<Vec<_>>());
        assert!(chunks.all().iter().all(|c| c.rows.len() <= rows(&batch)));
    }

    #[test]
    fn a_batch_leaves_no_chunk_to_the_next() {
        let mut chunks = Chunks::default();
        chunks.cut(&batch(&[256; 9]));
        let few = batch(&[100, 100, 20]);
        let again: Vec<ChunkRows> = chunks.cut(&few).all().to_vec();
        assert_eq!(again, Chunks::default().cut(&few).all());
        assert_eq!(chunks.sequences(&again[1]), [0..100, 100..120]);
    }

    #[test]
    fn short_sequences_share_a_chunk() {
        let count = |lengths: &[usize]| Chunks::default().cut(&batch(lengths)).all().len();
        assert_eq!(count(&[8; 16]), 1);
        assert_eq!(count(&[100; 4]), 4);
    }

    #[test]
    fn a_split_is_known_before_there_is_a_batch() {
        for (sequences, tokens) in [
            (1, 1),
            (16, 8),
            (17, 8),
            (4, 100),
            (9, 64),
            (5, 65),
            (3, 256),
        ] {
            let batch = batch(&vec![tokens; sequences]);
            let (chunks, rows) = (Chunks::default().cut(&batch).all().len(), rows(&batch));
            assert_eq!(
                ChunkSplit::of(sequences, tokens),
                ChunkSplit { rows, chunks }
            );
        }
    }

    #[test]
    fn a_part_reaches_few_shards() {
        let reached = |at_once| reached(32, 800_000, at_once);
        assert_eq!([1, 4, 5, 16, 32, 99].map(reached), [1, 1, 2, 4, 8, 8]);
        let split = ChunkSplit::of(32, 256);
        assert_eq!([1, 4, 32].map(|n| split.chunks_at_once(n, 256)), [1, 4, 32]);
        let split = ChunkSplit::of(32, 16);
        assert_eq!([1, 9, 32].map(|n| split.chunks_at_once(n, 16)), [1, 2, 4]);
    }

    #[test]
    fn parts_and_shares_are_whole_chunks_and_cover_the_batch() {
        let batch = batch(&[256, 1, 127, 1, 60, 60, 9, 256, 256]);
        let mut chunks = Chunks::default();
        let chunks = chunks.cut(&batch);
        for sequences in 0..10 {
            let (mut first, mut found) = (0, Vec::new());
            while first < batch.sequences() {
                let part = part(&batch, first, sequences);
                found.extend(chunks.all()[chunks.of(&part)].iter().cloned());
                assert!(chunks.of(&part).len() == 1 || part.len() <= sequences);
                first = part.end;
            }
            assert_eq!(found, chunks.all(), "{sequences}");
        }
        for count in 1..12 {
            let shares = (0..count).map(|i| share(&batch, 1000, i, count));
            let all: Vec<usize> = shares.flatten().collect();
            assert_eq!(all, (0..batch.sequences()).collect::<Vec<_>>(), "{count}");
        }
    }

    #[test]
    fn shards_cover_the_chunks_in_order_and_fit_memory() {
        for (n, parameters) in [(1, 10), (32, 800_000), (33, 10_000_000), (5, 1 << 30)] {
            let shards = shards(n, parameters);
            assert_eq!(
                shards.clone().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
            assert!(shards.clone().all(|s| !s.is_empty()));
        }
        assert_eq!(shards(32, 800_000).len(), 8);
        assert_eq!(shards(32, 1 << 30).len(), 2);
    }
}
