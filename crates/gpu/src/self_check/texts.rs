//! Texts of given tokens, written by two generators, and the logits that each shows.

use gptlab_engine::{GenerationRequest, Generator, ImportError, generate_each};
use gptlab_model::Graph;

use super::{
    Case, Checked, SelfCheck, Tolerance, batch,
    choices::{self, ChosenText},
};

/// The tokens after each prompt.
const FOLLOWING: usize = 4;

/// Two generators with the same weights.
pub(super) struct Generators<'a> {
    pub(super) found: &'a dyn Generator,
    pub(super) expected: &'a dyn Generator,
}

/// A text whose tokens are given.
#[derive(Clone)]
pub(super) struct GivenText {
    pub(super) tokens: Vec<u32>,
    /// The length of the prompt.
    pub(super) prompt: usize,
    /// The logits after the prompt and after each token.
    pub(super) logits: Vec<Vec<f32>>,
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

/// What of two generators is compared, and the kernels at fault where it differs.
#[derive(Clone, Copy)]
pub(super) enum Compared {
    Logits(&'static str),
    Choices(&'static str),
}

impl Compared {
    /// Returns what generators are compared by; `None` where engines are compared.
    pub(super) fn of(checked: Checked) -> Option<Self> {
        match checked {
            Checked::Logits(kernels) => Some(Self::Logits(kernels)),
            Checked::Choices(kernels) => Some(Self::Choices(kernels)),
            Checked::ValuesAndGradients(_) | Checked::Gradients(_) | Checked::Update(..) => None,
        }
    }
}

impl Generators<'_> {
    /// Compares the texts of `case`.
    pub(super) fn compare(
        &self,
        case: &Case,
        graph: &Graph,
        compared: Compared,
        report: &mut SelfCheck,
    ) -> Result<(), ImportError> {
        for prompts in &case.batches {
            let lengths: Vec<usize> = prompts.iter().map(|n| n + FOLLOWING).collect();
            let tokens = batch(graph, &lengths);
            let tokens = tokens.map_err(|e| ImportError::Device(e.to_string()))?;
            let text = |(i, prompt): (usize, &usize)| GivenText {
                tokens: tokens.inputs()[tokens.rows(i)].to_vec(),
                prompt: *prompt,
                logits: Vec::new(),
            };
            let texts: Vec<GivenText> = prompts.iter().enumerate().map(text).collect();
            match compared {
                Compared::Logits(kernels) => self.logits(case, texts, kernels, report)?,
                Compared::Choices(kernels) => self.choices(case, &texts, kernels, report)?,
            }
        }
        Ok(())
    }

    /// Compares the logits of all texts.
    fn logits(
        &self,
        case: &Case,
        mut found: Vec<GivenText>,
        kernels: &'static str,
        report: &mut SelfCheck,
    ) -> Result<(), ImportError> {
        let tolerance = Tolerance::of(case.precision);
        let mut expected = found.clone();
        written(self.found, &mut found)?;
        written(self.expected, &mut expected)?;
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
        Ok(())
    }

    /// Lets the device choose the tokens after each prompt, by several rules, and compares each
    /// with the witness's logits.
    fn choices(
        &self,
        case: &Case,
        prompts: &[GivenText],
        kernels: &'static str,
        report: &mut SelfCheck,
    ) -> Result<(), ImportError> {
        for (name, sampling) in choices::rules() {
            let drawn = |(i, of): (u32, &GivenText)| {
                ChosenText::new(of.tokens[..of.prompt].to_vec(), sampling, i)
            };
            let mut drawn: Vec<ChosenText> = (0..).zip(prompts).map(drawn).collect();
            written(self.found, &mut drawn)?;
            let mut given: Vec<GivenText> = drawn.iter().map(ChosenText::given).collect();
            written(self.expected, &mut given)?;
            for (drawn, given) in drawn.iter().zip(&given) {
                for error in drawn.errors(&given.logits) {
                    report.record(kernels, error, || {
                        format!("a token by {name} of {}", case.name)
                    });
                }
            }
        }
        Ok(())
    }
}

fn written<R: GenerationRequest + Send>(
    generator: &dyn Generator,
    texts: &mut [R],
) -> Result<(), ImportError> {
    generate_each(generator, texts).map_err(|e| ImportError::Device(e.to_string()))
}
