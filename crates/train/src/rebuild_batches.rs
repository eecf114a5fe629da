//! The batches of a recorded run.

use std::sync::Arc;

use gptlab_data::{Batches, Corpus, Text, Tokenizer};
use gptlab_record::Experiment;

/// Returns the batches of the run that `experiment` records, which was trained on `text`; `None`
/// when the record does not fit the text.
pub fn rebuild_batches(experiment: &Experiment, text: &Text) -> Option<Batches> {
    let tokenizer = Tokenizer::from(experiment.tokenizer.clone());
    let corpus = Corpus::new(text, tokenizer, experiment.data.val_fraction).ok()?;
    let block_size = crate::resolve::fit(&corpus, experiment.spec.block_size);
    let (size, seed) = (experiment.hyper.batch_size, experiment.seed);
    Batches::new(Arc::new(corpus), block_size, size, seed).ok()
}
