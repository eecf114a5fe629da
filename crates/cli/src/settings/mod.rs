//! The meaning of the typed settings for a run.

mod shape;
mod toml;
mod train;

pub(crate) use shape::same_shape;
pub(crate) use toml::print;
pub(crate) use train::{by_recipe, fresh, loaded, over, resume_options};
