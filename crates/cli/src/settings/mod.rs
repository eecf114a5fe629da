//! What the typed words mean.

mod hyper;
mod model;
mod recipe;
mod shape;
mod train;

pub(crate) use model::{DEFAULT_PRESET, spec, usual_vocab_size};
pub(crate) use recipe::{Flag, flags};
pub(crate) use shape::same_shape;
pub(crate) use train::{begun, fresh, loaded, over, resume_options, sampling};
