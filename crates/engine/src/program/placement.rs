//! Where the buffers of a program lie in one arena. Buffers whose lifetimes do not meet share
//! memory.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Buffer, Program, free_list::FreeList};

/// The places of a program's buffers, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The offset of each buffer.
    pub offsets: Vec<usize>,
    /// The length of the arena.
    pub len: usize,
}

impl Placement {
    /// Places buffers for `rows` rows each: first fit, in order of first use. Every buffer starts
    /// at a multiple of `line` numbers.
    pub fn new(program: &Program, rows: usize, line: usize) -> Self {
        let size = |width: usize| (width * rows).next_multiple_of(line);
        let mut offsets = Vec::with_capacity(program.buffers().len());
        let (mut free, mut live, mut len) = (FreeList::default(), BinaryHeap::new(), 0);
        for (number, buffer) in program.buffers().iter().enumerate() {
            while let Some(Reverse((last, dead))) = live.peek().copied()
                && last < buffer.first
            {
                live.pop();
                let Buffer { width, .. } = program.buffers()[dead];
                let offset = offsets[dead];
                free.give(offset..offset + size(width));
            }
            let offset = free.take(size(buffer.width));
            len = len.max(offset + size(buffer.width));
            offsets.push(offset);
            live.push(Reverse((buffer.last, number)));
        }
        Self { offsets, len }
    }
}
