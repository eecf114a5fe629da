//! Many runs that belong together, several side by side, continued where they stopped.
//!
//! [`ablation`] and [`sweep`] say what is to be run, [`run`] runs what is missing of it, and
//! [`results`] is a pure function of what came out: a grid run twice, or killed and continued,
//! makes the same bytes.

mod cell;
mod plan;
mod queue;
mod results;
#[cfg(test)]
mod tests;

pub use plan::{Planned, Point, Skipped, ablation, sweep};
pub use queue::{Ending, Machine, Watcher, run};
pub use results::results;
