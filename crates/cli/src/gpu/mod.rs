//! The GPU, in programs that are built with it.

#[cfg(has_gpu)]
mod checked;
#[cfg(not(has_gpu))]
mod off;
#[cfg(has_gpu)]
mod on;
#[cfg(has_gpu)]
mod rates;

#[cfg(not(has_gpu))]
pub(crate) use off::{check, open};
#[cfg(has_gpu)]
pub(crate) use on::{check, open};
