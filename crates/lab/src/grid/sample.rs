//! A few lines by a finished model, for the table and the report.

use gptlab_engine::{
    cpu::{Generator, Options, Precision},
    sample::Sampling,
};
use gptlab_model::random::Stream;
use gptlab_train::Resolved;

const CHARACTERS: usize = 200;
const TEMPERATURE: f64 = 0.8;
const TOP_K: usize = 40;

/// What the model writes on from `prompt`, as `generate` does by default; `None` of one whose logits are not numbers.
pub(super) fn write(
    resolved: &Resolved,
    weights: &[f32],
    prompt: &str,
    seed: u64,
) -> Option<String> {
    let tokenizer = &resolved.tokenizer;
    let sampling = Sampling::new(TEMPERATURE, Some(TOP_K), None).ok()?;
    let options = Options {
        precision: match resolved.experiment.hyper.precision {
            gptlab_record::Precision::F32 => Precision::F32,
            gptlab_record::Precision::Bf16 => Precision::Bf16,
        },
        ..Options::of_threads(1)
    };
    let mut generator = Generator::with_options(resolved.graph.clone(), weights, options).ok()?;
    generator.begin(&tokenizer.prompt(prompt).ok()?).ok()?;
    let draws = Stream::new(seed, "sample", 0);
    let mut text = prompt.to_owned();
    for i in 0..CHARACTERS {
        let token = generator.next_token(&sampling, draws.uniform_at(i as u64))?;
        if Some(token) == tokenizer.bos() {
            break;
        }
        text.extend(tokenizer.char(token));
    }
    Some(text)
}
