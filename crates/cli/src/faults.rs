//! Makes the disk fail where a test wants it to; only in a build with the feature `faults`.

use std::env;

use gptlab_record::faults;

use crate::exit::Stop;

/// Follows the plan in the environment, where there is one; returns why it cannot be followed.
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
