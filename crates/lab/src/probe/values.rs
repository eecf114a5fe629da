//! The values inside a model on a prompt, as a file that `PyTorch` and `NumPy` read.
//!
//! The file has the form of safetensors. Its names are those of the model's listing:
//!
//! - `NODE`, such as `block0.mlp.residual`: what each operation computed, `[tokens, width]`, f32.
//!   The last one, `logits`, is `[tokens, vocabulary]`.
//! - `ATTENTION.weights`, such as `block0.attn.weights`: what each head attends to, `[heads,
//!   queries, keys]`, f32.
//! - `tokens`: the prompt, `[tokens]`, u32.
//! - `losses`: of the predictions of all tokens but the first, `[tokens - 1]`, f32, in nats.

use std::collections::HashMap;

use gptlab_engine::Trace;
use safetensors::{Dtype, View};

use super::{HeadMap, Prompt, Subject};

/// The key of the metadata by which the file is recognised.
pub const VALUES_MARK: &str = "gptlab_values";

/// Named values of a model on a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    named: Vec<(String, Named)>,
}

/// Numbers and their shape.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Named {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Named {
    fn floats(shape: Vec<usize>, values: impl Iterator<Item = f32>) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: values.flat_map(f32::to_le_bytes).collect(),
        }
    }
}

impl Values {
    /// Returns the number of named values.
    pub fn count(&self) -> usize {
        self.named.len()
    }

    /// Makes the content of a safetensors file.
    ///
    /// # Errors
    /// Returns an error if the file would be longer than its format can express.
    pub fn file(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let named = self.named.iter().map(|(name, value)| (name, value));
        let about = "values of a model's operations on a prompt".to_owned();
        let metadata = HashMap::from([(VALUES_MARK.to_owned(), about)]);
        safetensors::serialize(named, Some(metadata))
    }
}

impl Subject {
    /// Returns all named values on `prompt`, whose trace and attention maps are given.
    pub fn values(&self, prompt: &Prompt, trace: &Trace, maps: &[HeadMap]) -> Values {
        let graph = self.engine.graph();
        let mut named: Vec<(String, Named)> = graph
            .ids()
            .map(|id| {
                let matrix = trace.of(id);
                let values = matrix.values.iter().copied();
                let shape = vec![matrix.rows, matrix.cols];
                (graph.node(id).name.clone(), Named::floats(shape, values))
            })
            .collect();
        for heads in maps.chunk_by(|a, b| a.part == b.part) {
            let tokens = prompt.tokens.len();
            let weights = heads.iter().flat_map(|head| head.weights.iter().flatten());
            let shape = vec![heads.len(), tokens, tokens];
            let name = format!("{}.weights", heads[0].part);
            named.push((name, Named::floats(shape, weights.copied())));
        }
        let ids = prompt.tokens.iter().copied();
        named.push((
            "tokens".to_owned(),
            Named {
                dtype: Dtype::U32,
                shape: vec![prompt.tokens.len()],
                bytes: ids.flat_map(u32::to_le_bytes).collect(),
            },
        ));
        // The last token of a prompt has no next one.
        let predictions = prompt.tokens.len() - 1;
        let losses = trace.losses()[..predictions].iter();
        let losses = losses.map(|loss| *loss as f32);
        named.push((
            "losses".to_owned(),
            Named::floats(vec![predictions], losses),
        ));
        Values { named }
    }
}
