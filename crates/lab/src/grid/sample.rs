//! A few lines by a finished model, for the table and the report.

use gptlab_data::StreamDecoder;
use gptlab_engine::{
    cpu::{self, Generator, Isa, Options},
    sample::Sampling,
};
use gptlab_model::random::Stream;
use gptlab_train::Resolved;

/// What the model writes, as the experiment says samples are made; `None` of one whose logits are
/// not numbers.
pub(super) fn write(resolved: &Resolved, weights: &[f32], seed: u64, isa: Isa) -> Option<String> {
    let (tokenizer, sampled) = (&resolved.tokenizer, &resolved.experiment.sampling);
    let sampling = Sampling::new(sampled.temperature, sampled.top_k, sampled.top_p).ok()?;
    let options = Options {
        isa,
        precision: cpu::precision(resolved.experiment.hyper.precision),
        ..Options::of_threads(1)
    };
    let mut generator = Generator::with_options(resolved.graph.clone(), weights, options).ok()?;
    generator
        .begin(&tokenizer.prompt(&sampled.prompt).ok()?)
        .ok()?;
    let draws = Stream::new(seed, "sample", 0);
    let mut decoder = StreamDecoder::new(tokenizer);
    let mut text = sampled.prompt.clone();
    for i in 0..sampled.max_tokens {
        let token = generator.next_token(&sampling, draws.uniform_at(i as u64))?;
        if Some(token) == tokenizer.bos() {
            break;
        }
        text += decoder.push(token);
    }
    text += decoder.finish();
    Some(text)
}
