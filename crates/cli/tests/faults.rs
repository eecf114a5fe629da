//! The program on failing disks, after kills at any moment, without readers, and with too few
//! resources. After each, what had been saved is complete, and the resumed work ends with the same
//! bits and the same record.
//!
//! A build with the feature `faults` has a point before every operation that changes the disk, and
//! the variable `GPTLAB_FAULT` names the one that fails. By default some points are tested,
//! including every kind; with `GPTLAB_FAULTS=all` all are. CONTRIBUTING.md has the commands.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "skipped tests and the table of a night are for people to read"
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
