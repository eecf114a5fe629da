//! How a batch is split, by its shape alone, and the indices that the kernels read.
//!
//! A *chunk* is as many whole sequences as fit the arena; a *shard* is a run of chunks whose
//! gradients have a buffer of their own, so that several engines can take a share each. Sums run
//! over chunks in order, and over shards in order.

use std::{iter, ops::Range};

use gptlab_engine::DrawRule;
use gptlab_model::{Batch, Graph};

/// The most buffers of gradients.
const MOST_SHARDS: usize = 8;
/// The approximate most numbers in them (192 MiB).
const MOST_NUMBERS: usize = 3 << 24;

/// A chunk: sequences of the batch, and their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) sequences: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// Returns the end of the chunk that starts with sequence `first`.
fn chunk_end(batch: &Batch, first: usize, most_rows: usize) -> usize {
    let begin = batch.rows(first).start;
    let fits = |i: &usize| batch.rows(*i).end - begin <= most_rows;
    let last = (first + 1..batch.sequences()).take_while(fits).last();
    last.unwrap_or(first) + 1
}

/// Cuts `batch` into chunks of at most `most_rows` rows, or of one sequence.
pub(crate) fn cut(batch: &Batch, most_rows: usize) -> Vec<Chunk> {
    let chunk = |first: usize| {
        (first < batch.sequences()).then(|| {
            let end = chunk_end(batch, first, most_rows);
            Chunk {
                sequences: first..end,
                rows: batch.rows(first).start..batch.rows(end - 1).end,
            }
        })
    };
    iter::successors(chunk(0), |before| chunk(before.sequences.end)).collect()
}

/// Returns the rows of the largest chunk.
pub(crate) fn most_rows(chunks: &[Chunk]) -> usize {
    let rows = chunks.iter().map(|chunk| chunk.rows.len());
    rows.max().unwrap_or(0)
}

/// Returns the chunks that begin in the sequences `part`.
pub(crate) fn of_part(chunks: &[Chunk], part: &Range<usize>) -> Range<usize> {
    let before = |end: usize| chunks.partition_point(|chunk| chunk.sequences.start < end);
    before(part.start)..before(part.end)
}

/// Returns whole chunks from the sequence `first` on: at most `sequences` sequences, or one chunk.
pub(crate) fn part(chunks: &[Chunk], first: usize, sequences: usize) -> Range<usize> {
    let own = chunks.iter().filter(|chunk| chunk.sequences.start >= first);
    let most = first.saturating_add(sequences);
    let mut end = first;
    for chunk in own {
        if end > first && chunk.sequences.end > most {
            break;
        }
        end = chunk.sequences.end;
    }
    first..end
}

/// Returns the most shards that a model with `parameters` parameters can have, where a buffer holds
/// `numbers` numbers.
pub(crate) fn most_shards(parameters: usize, numbers: usize) -> usize {
    let affordable = MOST_NUMBERS.min(numbers) / parameters.max(1);
    match affordable.saturating_sub(1).min(MOST_SHARDS) {
        // A single shard needs no buffer beside the gradients.
        0 | 1 => 1,
        shards => shards,
    }
}

/// Returns the chunks of each of at most `most` shards.
pub(crate) fn shards(
    chunks: usize,
    most: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let n = chunks.min(most).max(1);
    (0..n).map(move |i| i * chunks / n..(i + 1) * chunks / n)
}

/// Returns the sequences of share `index` of `count`: those of whole shards.
pub(crate) fn share(chunks: &[Chunk], most: usize, index: usize, count: usize) -> Range<usize> {
    let shards = shards(chunks.len(), most);
    let all = chunks.last().map_or(0, |chunk| chunk.sequences.end);
    // A single shard belongs to the first engine, whose gradients it is added to.
    let begin = |index: usize| {
        let shard = (index.min(count) * shards.len()).div_ceil(count.max(1));
        let chunk = shards.clone().nth(shard).map(|own| own.start);
        let first = chunk.and_then(|chunk| chunks.get(chunk));
        first.map_or(all, |chunk| chunk.sequences.start)
    };
    begin(index)..begin(index + 1)
}

/// A token that is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodedRow {
    pub(crate) token: u32,
    /// The position in the sequence that the text's last tokens are.
    pub(crate) position: u32,
    /// The first row of the row's sequence, and the row after its last.
    pub(crate) first: u32,
    pub(crate) end: u32,
    /// The slot of the cache that belongs to the text.
    pub(crate) slot: u32,
}

/// The rule by which a token is chosen on the device, as `choose.wgsl` reads it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleWords(pub(crate) [u32; RULE_WORDS]);

const RULE_WORDS: usize = 4;

impl RuleWords {
    /// Returns the rule of a text for its token number `n`.
    pub(crate) fn new(rule: &DrawRule, n: usize) -> Self {
        let sampling = rule.sampling;
        if sampling.temperature() == 0.0 {
            return Self([0.0f32.to_bits(), 1, 1.0f32.to_bits(), 0.0f32.to_bits()]);
        }
        let inverse = (1.0 / sampling.temperature()) as f32;
        let top_k = sampling
            .top_k()
            .map_or(0, |k| u32::try_from(k).unwrap_or(u32::MAX));
        let top_p = sampling.top_p().unwrap_or(1.0) as f32;
        // A draw times a sum must be less than the sum, however it is rounded.
        let steps = f64::from(1 << 23);
        let uniform = (rule.draws.uniform_at(n as u64) * steps).floor() / steps;
        Self([
            inverse.min(f32::MAX).to_bits(),
            top_k,
            top_p.max(f32::MIN_POSITIVE).to_bits(),
            (uniform as f32).to_bits(),
        ])
    }
}

/// The places of a chunk's indices in their buffer, for at most so many rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexLayout {
    /// The input token of each row.
    pub(crate) tokens: u32,
    pub(crate) targets: u32,
    /// The position of each row in its sequence.
    pub(crate) positions: u32,
    /// The first row of each row's sequence, and the row after its last.
    pub(crate) firsts: u32,
    pub(crate) ends: u32,
    /// The rows in the order of their tokens, and where those of each token begin.
    pub(crate) token_order: u32,
    pub(crate) token_starts: u32,
    /// The same by position.
    pub(crate) position_order: u32,
    pub(crate) position_starts: u32,
    /// The slot of the cache that belongs to each row's text, where rows are decoded.
    pub(crate) slots: u32,
    /// The rule of each row whose next token is chosen on the device.
    pub(crate) rules: u32,
    /// The length of all.
    pub(crate) len: u32,
}

impl IndexLayout {
    pub(crate) fn new(graph: &Graph, rows: usize) -> Self {
        let (vocab, positions) = (graph.vocab_size() as u32, graph.block_size() as u32);
        let at = |n: u32| n * rows as u32;
        let token_starts = at(7);
        let position_starts = token_starts + vocab + 1;
        Self {
            tokens: at(0),
            targets: at(1),
            positions: at(2),
            firsts: at(3),
            ends: at(4),
            token_order: at(5),
            position_order: at(6),
            token_starts,
            position_starts,
            slots: 0,
            rules: 0,
            len: position_starts + positions + 1,
        }
    }

    /// Returns the places of the indices of rows that are decoded, which need fewer.
    pub(crate) fn decoding(rows: usize) -> Self {
        let at = |n: u32| n * rows as u32;
        Self {
            tokens: at(0),
            positions: at(1),
            firsts: at(2),
            ends: at(3),
            slots: at(4),
            rules: at(5),
            len: at(5 + RULE_WORDS as u32),
            ..Self::default()
        }
    }

    /// Returns the indices of rows that are decoded, and the rules of those whose logits are
    /// wanted.
    pub(crate) fn of_decoded(self, rows: &[DecodedRow], rules: &[RuleWords]) -> Vec<u32> {
        let mut indices = vec![0; self.len as usize];
        let places = indices[self.rules as usize..].chunks_exact_mut(RULE_WORDS);
        for (place, RuleWords(words)) in places.zip(rules) {
            place.copy_from_slice(words);
        }
        for (i, row) in rows.iter().enumerate() {
            let columns = [
                (self.tokens, row.token),
                (self.positions, row.position),
                (self.firsts, row.first),
                (self.ends, row.end),
                (self.slots, row.slot),
            ];
            for (at, index) in columns {
                indices[at as usize + i] = index;
            }
        }
        indices
    }

    /// Returns the indices of a chunk of `batch`.
    pub(crate) fn of_chunk(self, batch: &Batch, chunk: &Chunk) -> Vec<u32> {
        let mut indices = vec![0; self.len as usize];
        let mut put = |at: u32, numbers: &mut dyn Iterator<Item = u32>| {
            let places = indices[at as usize..].iter_mut();
            places.zip(numbers).for_each(|(place, n)| *place = n);
        };
        let tokens = &batch.inputs()[chunk.rows.clone()];
        let targets = &batch.targets()[chunk.rows.clone()];
        let sequences = chunk.sequences.clone().map(|i| {
            let rows = batch.rows(i);
            (rows.start - chunk.rows.start) as u32..(rows.end - chunk.rows.start) as u32
        });
        let of_rows = |f: fn(&Range<u32>, u32) -> u32| {
            sequences
                .clone()
                .flat_map(move |rows| rows.clone().map(move |row| f(&rows, row)))
        };
        let positions: Vec<u32> = of_rows(|rows, row| row - rows.start).collect();
        put(self.tokens, &mut tokens.iter().copied());
        put(self.targets, &mut targets.iter().copied());
        put(self.positions, &mut positions.iter().copied());
        put(self.firsts, &mut of_rows(|rows, _| rows.start));
        put(self.ends, &mut of_rows(|rows, _| rows.end));
        let entries = (self.position_starts - self.token_starts - 1) as usize;
        let (starts, order) = by_entry(tokens, entries);
        put(self.token_starts, &mut starts.into_iter());
        put(self.token_order, &mut order.into_iter());
        let entries = (self.len - self.position_starts - 1) as usize;
        let (starts, order) = by_entry(&positions, entries);
        put(self.position_starts, &mut starts.into_iter());
        put(self.position_order, &mut order.into_iter());
        indices
    }
}

/// Returns where the rows of each entry begin, and the rows in the order of their entries; rows of
/// one entry keep their order.
fn by_entry(of_rows: &[u32], entries: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0; entries + 1];
    for entry in of_rows {
        starts[*entry as usize + 1] += 1;
    }
    for i in 0..entries {
        starts[i + 1] += starts[i];
    }
    let (mut next, mut order) = (starts.clone(), vec![0; of_rows.len()]);
    for (entry, row) in of_rows.iter().zip(0u32..) {
        let place = &mut next[*entry as usize];
        order[*place as usize] = row;
        *place += 1;
    }
    (starts, order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gptlab_model::{Preset, lower};

    fn batch(lengths: &[usize]) -> Batch {
        let model = Preset::Gpt2Mini.spec().check(5).unwrap();
        let tokens = [3, 1, 3, 0].repeat(64);
        let sequences = lengths.iter().map(|n| (&tokens[..*n], &tokens[..*n]));
        Batch::new(&model, sequences).unwrap()
    }

    #[test]
    fn chunks_parts_and_shares_cover_the_batch_in_order() {
        let batch = batch(&[256, 1, 127, 1, 60, 60, 9, 256, 256]);
        for most in [1, 256, 300, 10_000] {
            let chunks = cut(&batch, most);
            let sequences: Vec<usize> = chunks.iter().flat_map(|c| c.sequences.clone()).collect();
            assert_eq!(sequences, (0..9).collect::<Vec<_>>());
            let fits = |c: &Chunk| c.rows.len() <= most || c.sequences.len() == 1;
            assert!(chunks.iter().all(fits));
            for size in 0..10 {
                let (mut first, mut found) = (0, Vec::new());
                while first < batch.sequences() {
                    let part = part(&chunks, first, size);
                    found.extend(of_part(&chunks, &part));
                    first = part.end;
                }
                assert_eq!(found, (0..chunks.len()).collect::<Vec<_>>());
            }
            for count in 1..12 {
                let shares = (0..count).flat_map(|i| share(&chunks, 8, i, count));
                assert_eq!(shares.collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn indices_say_which_rows_belong_together() {
        let model = Preset::Gpt2Mini.spec().check(5).unwrap();
        let graph = lower(&model);
        let batch = batch(&[2, 3, 1]);
        let chunk = Chunk {
            sequences: 1..3,
            rows: 2..6,
        };
        let layout = IndexLayout::new(&graph, 10);
        let indices = layout.of_chunk(&batch, &chunk);
        let four = |at: u32| &indices[at as usize..][..4];
        assert_eq!(four(layout.tokens), [3, 1, 3, 3]);
        assert_eq!(four(layout.positions), [0, 1, 2, 0]);
        assert_eq!(four(layout.firsts), [0, 0, 0, 3]);
        assert_eq!(four(layout.ends), [3, 3, 3, 4]);
        assert_eq!(four(layout.token_order), [1, 0, 2, 3]);
        assert_eq!(
            indices[layout.token_starts as usize..][..6],
            [0, 0, 1, 1, 4, 4]
        );
        assert_eq!(four(layout.position_order), [0, 3, 1, 2]);
        assert_eq!(four(layout.position_starts), [0, 2, 3, 4]);
    }
}
