//! Fault points: places where tests make the disk fail. There is one before every operation that
//! changes the disk, and one before a file is opened.
//!
//! Only a build with the feature `faults` has fault points, and a release build refuses that
//! feature. [`crate::disk`] and [`crate::atomic`] contain them; `crates/cli/tests/faults` makes
//! them fail one after the other.

#[cfg(not(feature = "faults"))]
mod off;
#[cfg(feature = "faults")]
mod on;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` is for tests: leave out --release or the feature");

#[cfg(not(feature = "faults"))]
pub(crate) use off::{point, writer};
#[cfg(feature = "faults")]
pub use on::{Failure, Plan, plan};
#[cfg(feature = "faults")]
pub(crate) use on::{point, writer};
