//! The laboratory: what is done with many runs, and with the inside of one.
//!
//! Knows: grids of runs, n-gram floors, statistics, probes.
//! Never will: the terminal, arguments, pictures, choosing paths, the environment.

pub mod floors;
pub mod grid;
pub mod ideal;
pub mod ngram;
pub mod observe;
pub mod probe;
pub mod scaling_law;
pub mod skill_flags;
pub mod statistics;
pub mod switches;
