//! Code that the suites share: specs, batches, engines under test, tolerances.

#![allow(dead_code)] // each test program uses only a part of it

pub(crate) mod batches;
pub(crate) mod engines;
pub(crate) mod specs;
pub(crate) mod texts;
pub(crate) mod tolerance;
pub(crate) mod trial;
