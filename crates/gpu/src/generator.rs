//! The generator: it continues texts on a device, with a cache of keys and values.
//!
//! A text's prompt goes through the model once, as a *window*, which fills the text's slot of the
//! cache. From then on one row a token does, and attends to the cache. Past the context, and in a
//! model that is not causal, the last `block_size` tokens are run anew for every token, as the CPU
//! does: their positions have moved, or they see what follows, so that nothing cached holds.
//!
//! Where every request has a rule, the device chooses the tokens, and the host reads nothing else.
//! Otherwise the logits of the last token of each text are read back, and the requests choose: one
//! wait for the device a token, however many texts there are.
//!
//! Texts that are written at once are rows of one step. No kernel lets a row depend on the rows
//! beside it, so that a text has the same bits alone and among others.

mod decoder;
mod drawn;

use std::sync::{Arc, Mutex, PoisonError};

use gptlab_engine::{
    DrawRule, GenerationError, GenerationRequest, Generator, ImportError, PromptError,
};

use crate::{GpuError, context::Context, tables::GraphTables};
use decoder::{Decoder, Text};
use drawn::write_drawn;

pub(crate) use decoder::Decoding;

/// A generator that runs a graph on a GPU.
#[derive(Debug)]
pub(crate) struct GpuGenerator {
    context: Arc<Context>,
    vocab_size: usize,
    decoder: Mutex<Decoder>,
}

impl GpuGenerator {
    /// Makes a generator for a graph with these `weights`, in table order.
    pub(crate) fn new(
        context: &Arc<Context>,
        tables: GraphTables,
        weights: &[f32],
    ) -> Result<Self, ImportError> {
        Ok(Self {
            context: Arc::clone(context),
            vocab_size: tables.graph.vocab_size(),
            decoder: Mutex::new(Decoder::new(context, tables, weights)?),
        })
    }

    fn write<R: GenerationRequest>(&self, requests: &mut [R]) -> Result<(), GenerationError> {
        for request in requests.iter() {
            PromptError::check(request.prompt(), self.vocab_size)?;
        }
        // A request that panics leaves a decoder whose next texts begin anew.
        let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        let rules: Option<Vec<DrawRule>> = requests.iter().map(GenerationRequest::rule).collect();
        let written = match rules {
            Some(rules) => write_drawn(&mut decoder, self.vocab_size, requests, &rules),
            None => write_shown(&mut decoder, self.vocab_size, requests),
        };
        written.map_err(|error| {
            self.context.fail(&error);
            let failure = self.context.failure().unwrap_or(error);
            GenerationError::Device(failure.to_string())
        })
    }
}

impl Generator for GpuGenerator {
    fn generate_all(
        &self,
        requests: &mut [&mut (dyn GenerationRequest + Send)],
    ) -> Result<(), GenerationError> {
        self.write(requests)
    }

    fn generate_one(&self, request: &mut dyn GenerationRequest) -> Result<(), GenerationError> {
        self.write(&mut [request])
    }
}

/// Writes texts whose requests choose by logits to their ends, the first ones first.
fn write_shown<R: GenerationRequest>(
    decoder: &mut Decoder,
    vocab_size: usize,
    requests: &mut [R],
) -> Result<(), GpuError> {
    let mut idle: Vec<usize> = (0..decoder.fit(requests.len())).rev().collect();
    let mut waiting = requests.iter_mut();
    let mut busy: Vec<(Text, &mut R)> = Vec::new();
    loop {
        while let Some(slot) = idle.pop() {
            let Some(request) = waiting.next() else {
                idle.push(slot);
                break;
            };
            busy.push((Text::new(slot, request.prompt()), request));
        }
        if busy.is_empty() {
            return Ok(());
        }
        let mut texts: Vec<&mut Text> = busy.iter_mut().map(|(text, _)| text).collect();
        let logits = decoder.next(&mut texts)?;
        for i in (0..busy.len()).rev() {
            let (text, request) = &mut busy[i];
            let token = request.next(&logits[i * vocab_size..][..vocab_size]);
            // A token that is not in the vocabulary breaks the contract of requests.
            match token.filter(|token| (*token as usize) < vocab_size) {
                Some(token) => text.tokens.push(token),
                None => idle.push(busy.swap_remove(i).0.slot),
            }
        }
    }
}
