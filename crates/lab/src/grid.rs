//! Many runs that belong together, several side by side, continued where they stopped.
//!
//! [`GridRecipe::base`] says what all runs have in common, [`points`] and [`sized_points`] where
//! each of them differs, [`ablation`] and [`sweep`] what is to be run; [`run`] runs what is
//! missing, and [`results`] is a pure function of what came out: a grid run twice, or killed and
//! continued, makes the same bytes.

mod axis;
mod base;
mod cell;
mod error;
mod estimate;
mod observer;
mod plan;
mod queue;
mod results;
#[cfg(test)]
mod tests;

pub use axis::{GridAxis, points};
pub use base::{GridRecipe, MOST_SEEDS, SIZES, Size, seeds, sized_points};
pub use error::GridError;
pub use estimate::{GridEstimate, estimate};
pub use observer::GridObserver;
pub use plan::{Planned, Point, Skipped, ablation, sweep};
pub use queue::{Ending, Machine, run};
pub use results::{GridFacts, results};
