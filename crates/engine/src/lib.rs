//! Engines, which run a [`gptlab_model::Graph`].
//!
//! [`Backend`] makes engines and generators for one kind of device. [`Engine`] trains, evaluates
//! and shows a model's values, [`Generator`] continues texts. [`oracle::OracleBackend`] (f64,
//! scalar, slow, obvious) and [`cpu::CpuBackend`] (f32, planned, all cores) both implement these
//! contracts, and the first is the witness of the second. [`GenerationRequest`] chooses the next
//! token from logits.
//!
//! Knows: graphs, batches, weights, optimiser steps, the threads that the caller grants.
//! Never will: specs, data, text, schedules, files, clocks, the environment, printing.

mod attention_weights;
mod backend;
mod contract;
pub mod cpu;
mod generator;
mod hook;
pub mod memory_need;
pub mod oracle;
pub mod program;
mod reduce;
pub mod sample;
mod trace;

pub use attention_weights::AttentionWeights;
pub use backend::{Backend, BackendOptions, Device};
pub use contract::{
    Engine, ImportError, MUON_MOMENTUM, Matrix, Noise, QueuedSteps, Slot, StateSlot, StepHyper,
    StepResult, StepStats,
};
pub use generator::{
    DrawRule, GenerationError, GenerationRequest, Generator, PromptError, UncachedGenerator,
    generate_each,
};
pub use hook::{Hook, untouched};
pub use reduce::{Alone, Reduce, ReduceError};
pub use trace::Trace;
