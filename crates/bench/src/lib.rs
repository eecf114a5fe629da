//! The speed of training and generation on this machine, compared with its peak and with other
//! programs.
//!
//! A [`Workload`] is a model and what one step does with it. [`compare`] runs each workload in a
//! process of its own, in alternation with the requested PyTorch programs, and returns a
//! [`BenchReport`]. [`Scaling::measure`] times training along one axis of size at a time, and
//! [`TimeToLoss::measure`] times whole trainings until a text's validation loss is at most a
//! target. The results are plain data with a stable JSON form ([`FORMAT`]) and a page for
//! people ([`ResultPage`]).
//! [`serve`] is the main loop of a measured process of gptlab.
//!
//! Knows: workloads, processes that are measured in turns, clocks, the machine's description.
//! Never will: the terminal, arguments, the environment, choosing paths.

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
mod time_to_loss;
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
pub use table::{Layout, ResultPage};
pub use time_to_loss::{
    LimitedTraining, PeerTraining, TimeToLoss, TimeToLossRound, TimeToLossSettings,
};
pub use timing::{MOST_ROUNDS, MOST_SECONDS, TimingPlan, Timings, median};
pub use worker::serve;
pub use workload::{Baselines, Peer, PublishedTime, Task, Workload, WorkloadShape};
pub use workloads::{ALL, named};
