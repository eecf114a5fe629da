//! Activation patching (Meng et al. 2022; Zhang & Nanda 2024), which finds the activations that
//! cause the difference between two prompts.
//!
//! The corrupted prompt runs with one activation replaced by that of the clean run. The measure is
//! the recovered fraction of the difference between the two answers' logits at the last position: 0
//! is none of it, 1 is all.

use std::ops::Range;

use gptlab_engine::Trace;
use gptlab_model::{Node, ValueId};
use gptlab_report::probe::{PatchedHead, PatchedStage, Patching};

use super::{
    Subject,
    subject::{ProbeError, Prompt},
};

/// A range of rows and columns of a node's value.
struct ValuePart {
    node: ValueId,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// Both prompts and their answers.
struct Case<'a> {
    corrupted: &'a Prompt,
    clean: &'a Trace,
    answers: [u32; 2],
    /// The logit differences after the clean and the corrupted prompt.
    differences: [f64; 2],
}

impl Subject {
    /// Parses `text` into the answers to both prompts.
    ///
    /// # Errors
    /// Returns an error if `text` is not two distinct tokens.
    pub fn answers(&self, text: &str) -> Result<[u32; 2], ProbeError> {
        let tokens = self.tokenizer.encode(text).map_err(ProbeError::Unknown)?;
        match tokens[..] {
            [a, b] if a != b => Ok([a, b]),
            _ => Err(ProbeError::Answers(text.to_owned())),
        }
    }

    /// Measures the recovery of each activation of `clean` when it is patched into the run of
    /// `corrupted`.
    ///
    /// # Errors
    /// Returns an error if the prompts differ in length, or if the answers' logits do not differ
    /// between them.
    pub fn patching(
        &mut self,
        clean: &Prompt,
        corrupted: &Prompt,
        answers: [u32; 2],
    ) -> Result<Patching, ProbeError> {
        let lengths = [clean, corrupted].map(|p| p.tokens.len());
        if lengths[0] != lengths[1] {
            return Err(ProbeError::Unequal(lengths[0], lengths[1]));
        }
        let [trace, other] = [clean, corrupted].map(|prompt| self.trace(prompt));
        let vocab = self.model.vocab_size();
        let of_trace = |trace: &Trace| {
            let logits = &trace.logits().values;
            difference(&logits[logits.len() - vocab..], answers)
        };
        let differences = [of_trace(&trace), of_trace(&other)];
        let logits = [&trace, &other].map(|trace| largest(&trace.logits().values, vocab));
        if (differences[0] - differences[1]).abs() <= ROUNDING * logits[0].max(logits[1]) {
            return Err(ProbeError::NoDifference {
                clean: differences[0],
                corrupted: differences[1],
            });
        }
        let case = Case {
            corrupted,
            clean: &trace,
            answers,
            differences,
        };
        Ok(Patching {
            clean: self.labels(&clean.tokens),
            corrupted: self.labels(&corrupted.tokens),
            answers: answers.map(|t| self.label(t)),
            clean_difference: differences[0],
            corrupted_difference: differences[1],
            stream: self.patched_stream(&case, lengths[0]),
            heads: self.patched_heads(&case, lengths[0]),
        })
    }

    fn patched_stream(&mut self, case: &Case, tokens: usize) -> Vec<PatchedStage> {
        let stages = self.anatomy.stream.clone();
        let patched = |stage: super::anatomy::Stage| {
            let columns = 0..self.engine.graph().node(stage.value).width;
            let at = |t: usize| ValuePart {
                node: stage.value,
                rows: t..t + 1,
                columns: columns.clone(),
            };
            let recovery = (0..tokens).map(|t| self.recovery(case, &at(t))).collect();
            PatchedStage {
                name: stage.name,
                recovery,
            }
        };
        stages.into_iter().map(patched).collect()
    }

    fn patched_heads(&mut self, case: &Case, tokens: usize) -> Vec<PatchedHead> {
        let attentions = self.anatomy.attentions.clone();
        let mut heads = Vec::new();
        for attention in attentions {
            for head in 0..attention.op.heads {
                let place = self.head_columns(&attention, head);
                let piece = ValuePart {
                    node: place.node,
                    rows: 0..tokens,
                    columns: place.columns,
                };
                heads.push(PatchedHead {
                    part: attention.name.clone(),
                    block: attention.block,
                    head,
                    recovery: self.recovery(case, &piece),
                });
            }
        }
        heads
    }

    /// Returns the recovered fraction of the difference with `piece` taken from the clean run.
    fn recovery(&mut self, case: &Case, piece: &ValuePart) -> f64 {
        let logits = self.engine.graph().logits();
        let clean = case.clean.of(piece.node);
        let mut found = 0.0;
        let batch = &case.corrupted.batch;
        self.engine
            .losses_with(batch, &mut |id: ValueId, node: &Node, value: &mut [f32]| {
                if id == piece.node {
                    for row in piece.rows.clone() {
                        let first = row * clean.cols;
                        let at = first + piece.columns.start..first + piece.columns.end;
                        value[at.clone()].copy_from_slice(&clean.values[at]);
                    }
                }
                if id == logits {
                    found = difference(&value[value.len() - node.width..], case.answers);
                }
            });
        let [clean, corrupted] = case.differences;
        // The addition turns a negative zero into zero.
        (found - corrupted) / (clean - corrupted) + 0.0
    }
}

/// What rounding makes of a logit, as a share of the largest: some tens of f32's steps, since a
/// logit is a sum of hundreds of rounded products.
const ROUNDING: f64 = 64.0 * f32::EPSILON as f64;

/// Returns the magnitude of the logit that is largest in magnitude at the last position.
fn largest(logits: &[f32], vocab: usize) -> f64 {
    let last = &logits[logits.len() - vocab..];
    last.iter()
        .fold(0.0, |most, x| most.max(f64::from(x.abs())))
}

fn difference(logits: &[f32], [a, b]: [u32; 2]) -> f64 {
    f64::from(logits[a as usize]) - f64::from(logits[b as usize])
}
