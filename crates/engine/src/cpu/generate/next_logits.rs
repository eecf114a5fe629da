//! The logits after texts: which texts are run by windows, and which by single tokens.

use super::{
    decoder::Decoder,
    rows::{DecodeWorkspace, DecodedRows},
    sequence::Sequence,
};

impl Decoder {
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
