//! Grids: sets of related runs that are trained concurrently and can be resumed.
//!
//! [`GridRecipe::base`] makes the settings that all runs share, [`points`] and [`sized_points`]
//! make the settings in which they differ, and [`ablation`] and [`sweep`] plan the runs;
//! [`published`] plans recipes whose results others have published. [`run`] runs those that are
//! missing. [`results`] is a pure function of the outcomes, so a grid that is run twice, or killed
//! and resumed, writes the same bytes.

mod axis;
mod base;
mod cell;
mod error;
mod estimate;
mod observer;
mod plan;
mod queue;
mod results;
mod same_plan;
#[cfg(test)]
mod tests;

pub use axis::{GridAxis, points};
pub(crate) use base::set_intervals;
pub use base::{GridRecipe, MOST_SEEDS, SIZES, Size, seeds, sized_points};
pub use error::GridError;
pub use estimate::{GridEstimate, estimate};
pub use observer::GridObserver;
pub use plan::{Planned, Point, Skipped, ablation, published, sweep};
pub use queue::{Ending, Machine, run};
pub use results::{GridFacts, results};
