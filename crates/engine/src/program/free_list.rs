//! First-fit allocation in an arena, by the list of its free parts. A deep model has a hundred
//! thousand buffers that live at the same time, and few gaps between them.

use std::{collections::BTreeMap, ops::Range};

/// The free parts of an endless arena, from their offsets to their ends.
pub(super) struct FreeList(BTreeMap<usize, usize>);

impl Default for FreeList {
    fn default() -> Self {
        Self(BTreeMap::from([(0, usize::MAX)]))
    }
}

impl FreeList {
    /// Takes the first free part that has `len` numbers, and returns its offset.
    pub(super) fn take(&mut self, len: usize) -> usize {
        let mut free = self.0.iter().map(|(offset, end)| (*offset, *end));
        // The last part is endless.
        let found = free.find(|(offset, end)| end - offset >= len);
        let (offset, end) = found.expect("an arena is shorter than all addresses");
        self.0.remove(&offset);
        if offset + len < end {
            self.0.insert(offset + len, end);
        }
        offset
    }

    /// Frees a part, and merges it with its free neighbours.
    pub(super) fn give(&mut self, part: Range<usize>) {
        let (mut offset, mut end) = (part.start, part.end);
        if let Some((before, _)) = self
            .0
            .range(..offset)
            .next_back()
            .filter(|(_, e)| **e == offset)
        {
            offset = *before;
        }
        if let Some(after) = self.0.remove(&end) {
            end = after;
        }
        self.0.insert(offset, end);
    }
}

#[cfg(test)]
mod tests {
    use gptlab_model::random::Stream;

    use super::*;

    /// The definition: the first offset at which a part overlaps no taken part.
    fn first_fit(taken: &[Range<usize>], len: usize) -> usize {
        let ends = taken.iter().map(|part| part.end);
        let mut starts: Vec<usize> = ends.chain([0]).collect();
        starts.sort_unstable();
        let free = |at: &usize| taken.iter().all(|t| at + len <= t.start || t.end <= *at);
        starts.into_iter().find(free).expect("the end is free")
    }

    #[test]
    fn parts_are_taken_where_they_first_fit() {
        let draws = Stream::new(1, "parts", 0);
        let (mut free, mut taken) = (FreeList::default(), Vec::new());
        for i in 0..2000 {
            if draws.below_at(3 * i, 5) < 2 && !taken.is_empty() {
                free.give(taken.swap_remove(draws.below_at(3 * i + 1, taken.len())));
                continue;
            }
            let len = 16 * (1 + draws.below_at(3 * i + 2, 6));
            let at = free.take(len);
            assert_eq!(at, first_fit(&taken, len), "part {i}");
            taken.push(at..at + len);
        }
        for part in taken {
            free.give(part);
        }
        assert_eq!(free.take(1 << 40), 0, "all gaps are one again");
    }
}
