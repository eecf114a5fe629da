//! Disk faults for tests; only a build with the feature `faults` has this module.

use std::env;

use gptlab_record::faults;

use crate::exit::Stop;

/// Follows the plan in the environment, if there is one; returns an error if it is invalid.
pub(crate) fn plan() -> Option<Stop> {
    let text = env::var("GPTLAB_FAULT").ok()?;
    match text.parse() {
        Ok(plan) => {
            faults::plan(plan);
            None
        }
        Err(error) => Some(Stop::usage(error)),
    }
}
