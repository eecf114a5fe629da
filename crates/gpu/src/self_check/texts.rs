//! Texts of given tokens, written by two generators, and the logits that each shows.

use gptlab_engine::{GenerationRequest, Generator, ImportError, generate_each};
use gptlab_model::Graph;

use super::{Case, SelfCheck, Tolerance, batch};

/// The tokens after each prompt.
const FOLLOWING: usize = 4;

/// Two generators with the same weights.
pub(super) struct Generators<'a> {
    pub(super) found: &'a dyn Generator,
    pub(super) expected: &'a dyn Generator,
}

/// A text whose tokens are given.
struct GivenText {
    tokens: Vec<u32>,
    prompt: usize,
    /// The logits after the prompt and after each token.
    logits: Vec<Vec<f32>>,
}

impl GenerationRequest for GivenText {
    fn prompt(&self) -> &[u32] {
        &self.tokens[..self.prompt]
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        self.logits.push(logits.to_vec());
        let next = self.prompt + self.logits.len() - 1;
        self.tokens.get(next).copied()
    }
}

impl Generators<'_> {
    /// Compares the logits of all texts of `case`.
    pub(super) fn compare(
        &self,
        case: &Case,
        graph: &Graph,
        kernels: &'static str,
        report: &mut SelfCheck,
    ) -> Result<(), ImportError> {
        let tolerance = Tolerance::of(case.precision);
        for prompts in &case.batches {
            let lengths: Vec<usize> = prompts.iter().map(|n| n + FOLLOWING).collect();
            let tokens = batch(graph, &lengths);
            let tokens = tokens.map_err(|e| ImportError::Device(e.to_string()))?;
            let texts = || {
                let text = |(i, prompt): (usize, &usize)| GivenText {
                    tokens: tokens.inputs()[tokens.rows(i)].to_vec(),
                    prompt: *prompt,
                    logits: Vec::new(),
                };
                prompts.iter().enumerate().map(text).collect::<Vec<_>>()
            };
            let (mut found, mut expected) = (texts(), texts());
            for (generator, texts) in [(self.found, &mut found), (self.expected, &mut expected)] {
                let written = generate_each(generator, texts);
                written.map_err(|e| ImportError::Device(e.to_string()))?;
            }
            for (found, expected) in found.iter().zip(&expected) {
                for (n, logits) in expected.logits.iter().enumerate() {
                    let found = found.logits.get(n);
                    let error = found.map_or(f64::INFINITY, |found| tolerance.error(found, logits));
                    report.record(kernels, error, || {
                        let tokens = expected.prompt + n;
                        format!("the logits after {tokens} tokens of {}", case.name)
                    });
                }
            }
        }
        Ok(())
    }
}
