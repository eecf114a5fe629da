//! What the fuzz targets do with their bytes, as plain functions: `cargo fuzz` calls them with
//! inputs it makes up, `cargo test` with the committed seeds.
//!
//! Every function returns where its input is refused with an error, and panics where the program
//! does or where a law is broken.

mod checkpoint;
mod data;
mod edit;
mod folder;
mod lab;
mod made;
mod model;
mod record;
mod report;
mod sampling;
mod settings;
mod training;

pub use checkpoint::checkpoint;
pub use data::{recipe, text, tokenizer};
pub use lab::{ngrams, numbers};
pub use model::spec;
pub use record::{events, experiment, grid};
pub use report::{diff, study};
pub use sampling::sampling;
pub use settings::settings;
pub use training::training;

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file in `fuzz_targets/` and of its folder in `seeds/`.
pub const TARGETS: [(&str, Target); 15] = [
    ("checkpoint", checkpoint),
    ("diff", diff),
    ("events", events),
    ("experiment", experiment),
    ("grid", grid),
    ("ngrams", ngrams),
    ("numbers", numbers),
    ("recipe", recipe),
    ("sampling", sampling),
    ("settings", settings),
    ("spec", spec),
    ("study", study),
    ("text", text),
    ("tokenizer", tokenizer),
    ("training", training),
];

/// Longer inputs are left out: they find nothing that shorter ones do not, and take longer.
pub const MOST_BYTES: usize = 1 << 16;
