//! The meaning of the typed settings for a run.

mod shape;
mod train;

pub(crate) use shape::same_shape;
pub(crate) use train::{fresh, loaded, over, resume_options};
