//! From a record back to what a run was trained and validated on.

use std::sync::Arc;

use gptlab_data::{Batches, Corpus, Text, Tokenizer};
use gptlab_record::Experiment;

/// The batches of the run that `experiment` tells of, which was trained on `text`; `None` where the
/// record does not fit the text.
pub fn rebuild_batches(experiment: &Experiment, text: &Text) -> Option<Batches> {
    let tokenizer = Tokenizer::from(experiment.tokenizer.clone());
    let corpus = Corpus::new(text, tokenizer, experiment.data.val_fraction).ok()?;
    let block_size = crate::resolve::fit(&corpus, experiment.spec.block_size);
    let (size, seed) = (experiment.hyper.batch_size, experiment.seed);
    Batches::new(Arc::new(corpus), block_size, size, seed).ok()
}
