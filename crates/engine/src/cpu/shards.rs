//! How a batch is split: by its shape alone, so that any number of threads makes the same bits.
//!
//! A *chunk* is one sequence, or as many short ones as fit [`MIN_ROWS`] rows: one core takes it through
//! the whole model, so that its values stay in that core's caches. A *shard* is a run of chunks with a
//! gradient buffer of its own; shards' buffers are added in order.

use std::ops::Range;

use gptlab_model::Batch;

/// Short sequences share a chunk up to this many rows.
const MIN_ROWS: usize = 128;
/// At most this many gradient buffers. More threads than these help where a chunk's work can be shared.
pub(super) const MOST_SHARDS: usize = 8;
/// At most about this many numbers in all gradient buffers together (192 MiB), but two buffers at least.
const MOST_NUMBERS: usize = 3 << 24;

/// A chunk: which rows of the batch, and its sequences as rows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkRows {
    pub(super) rows: Range<usize>,
    pub(super) sequences: Vec<Range<usize>>,
}

/// How many rows a plan must hold for chunks of `batch`.
pub(super) fn rows(batch: &Batch) -> usize {
    let longest = (0..batch.sequences())
        .map(|i| batch.rows(i).len())
        .max()
        .unwrap_or(0);
    longest.max(MIN_ROWS)
}

/// The chunks of `batch`, in order.
pub(super) fn chunks(batch: &Batch) -> Vec<ChunkRows> {
    let most = rows(batch);
    let mut chunks: Vec<ChunkRows> = Vec::new();
    for rows in (0..batch.sequences()).map(|i| batch.rows(i)) {
        match chunks.last_mut() {
            Some(chunk) if rows.end - chunk.rows.start <= most => {
                chunk
                    .sequences
                    .push(rows.start - chunk.rows.start..rows.end - chunk.rows.start);
                chunk.rows.end = rows.end;
            }
            Some(_) | None => chunks.push(ChunkRows {
                sequences: vec![0..rows.len()],
                rows,
            }),
        }
    }
    chunks
}

/// Which chunks each shard takes, for a model of `parameters`.
pub(super) fn shards(chunks: usize, parameters: usize) -> Vec<Range<usize>> {
    let affordable = (MOST_NUMBERS / parameters.max(1)).clamp(2, MOST_SHARDS);
    let n = chunks.min(affordable);
    (0..n)
        .map(|i| i * chunks / n..(i + 1) * chunks / n)
        .collect()
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
        let chunks = chunks(&batch);
        let sequences: Vec<Range<usize>> = chunks
            .iter()
            .flat_map(|c| {
                c.sequences
                    .iter()
                    .map(|s| s.start + c.rows.start..s.end + c.rows.start)
            })
            .collect();
        assert_eq!(sequences, (0..9).map(|i| batch.rows(i)).collect::<Vec<_>>());
        assert!(chunks.iter().all(|c| c.rows.len() <= rows(&batch)));
    }

    #[test]
    fn short_sequences_share_a_chunk() {
        assert_eq!(chunks(&batch(&[8; 16])).len(), 1);
        assert_eq!(chunks(&batch(&[100; 4])).len(), 4);
    }

    #[test]
    fn shards_cover_the_chunks_in_order_and_fit_memory() {
        for (n, parameters) in [(1, 10), (32, 800_000), (33, 10_000_000), (5, 1 << 30)] {
            let shards = shards(n, parameters);
            assert_eq!(
                shards.iter().cloned().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
            assert!(shards.iter().all(|s| !s.is_empty()));
        }
        assert_eq!(shards(32, 800_000).len(), 8);
        assert_eq!(shards(32, 1 << 30).len(), 2);
    }
}
