//! How fast this machine trains and generates, beside its peak and beside other programs.
//!
//! A [`Workload`] is a model and what one step does with it. [`compare`] runs workloads in
//! processes of their own, alternately with the PyTorch programs that are asked for, and returns a
//! [`BenchReport`]; [`Scaling::measure`] times training along one axis of size at a time. Both are
//! plain data with a stable JSON form ([`FORMAT`]) and make their tables themselves. [`serve`] is
//! what a process of ours does that takes part.
//!
//! Knows: workloads, processes that take turns, clocks, the machine's description.
//! Never will: the terminal, arguments, the environment, choosing paths, writing files.

mod comparison;
mod error;
mod job;
mod machine;
mod participant;
mod peak;
mod progress;
mod pytorch;
mod report;
mod scaling;
mod step;
mod table;
mod timing;
mod worker;
mod workload;
mod workloads;

pub use comparison::{BenchSettings, WorkerCommand, compare};
pub use error::Error;
pub use machine::{Capabilities, MachineDescription};
pub use peak::{Peak, Rates};
pub use progress::BenchProgress;
pub use pytorch::PyTorch;
pub use report::{
    BEGINNING, BenchReport, FORMAT, PeerResult, PublishedResult, TimingSummary, WorkloadResult,
};
pub use scaling::{Scaling, ScalingAxis, ScalingPoint};
pub use timing::{MOST_ROUNDS, MOST_SECONDS, TimingPlan, Timings, median};
pub use worker::serve;
pub use workload::{Baselines, Peer, PublishedTime, Task, Workload, WorkloadShape};
pub use workloads::{ALL, named};
