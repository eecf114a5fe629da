//! The program on disks that fail, killed at any moment, with nobody who reads, and short of what
//! it needs. After each, what had been saved is whole, and what goes on comes to the same bits and
//! the same record.
//!
//! A build with the feature `faults` has a point before everything that changes the disk, and the
//! variable `GPTLAB_FAULT` names the one that fails. By default a choice of points is tried, every
//! kind of them among it; with `GPTLAB_FAULTS=all` all are. CONTRIBUTING.md has the commands.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what is skipped is said, and a night is a table"
)]

#[path = "faults/check.rs"]
mod check;
#[path = "faults/grid.rs"]
mod grid;
#[path = "faults/lab.rs"]
mod lab;
#[cfg(unix)]
#[path = "faults/night.rs"]
mod night;
#[cfg(unix)]
#[path = "faults/outside.rs"]
mod outside;
#[path = "faults/points.rs"]
mod points;
#[path = "faults/report.rs"]
mod report;
#[path = "faults/run.rs"]
mod run;
#[path = "faults/trial.rs"]
mod trial;
