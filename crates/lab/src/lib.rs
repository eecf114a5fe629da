//! The laboratory: experiments with many runs, and probes of one model.
//!
//! The crate handles grids of runs, n-gram baselines, statistics, published results and probes.
//! It never touches the terminal, arguments, charts, the choice of paths or the environment.

pub mod baselines;
pub mod grid;
pub mod ideal;
pub mod mystery;
pub mod ngram;
pub mod observe;
pub mod probe;
pub mod published;
pub mod scaling_law;
pub mod skill_flags;
pub mod statistics;
pub mod switches;
