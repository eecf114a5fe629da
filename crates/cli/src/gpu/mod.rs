//! The GPU, in programs that are built with it.

#[cfg(feature = "gpu")]
mod checked;
#[cfg(not(feature = "gpu"))]
mod off;
#[cfg(feature = "gpu")]
mod on;

#[cfg(not(feature = "gpu"))]
pub(crate) use off::{check, open};
#[cfg(feature = "gpu")]
pub(crate) use on::{check, open};
