//! Engines: what runs a [`gptlab_model::Graph`].
//!
//! [`Engine`] is the one contract; [`oracle::Oracle`] (f64, scalar, slow, obvious) and
//! [`cpu::CpuEngine`] (f32, planned, all cores) both keep it, and the first witnesses the second.
//! Beside them: decoding one token at a time, and choosing the next token from logits.
//!
//! Knows: graphs, batches, weights, optimiser steps, threads it was given.
//! Never will: specs, data, text, schedules, files, clocks, the environment, printing.

mod attention;
mod contract;
pub mod cpu;
pub mod oracle;
pub mod program;
mod reduce;
pub mod sample;

pub use attention::AttentionWeights;
pub use contract::{Engine, ImportError, MUON_MOMENTUM, Matrix, Noise, Slot, StepHyper, StepStats};
pub use reduce::{Alone, Reduce, ReduceError};
