//! An engine for GPUs: a second interpreter of [`gptlab_engine::program`], by wgpu.
//!
//! [`GpuBackend`] opens an adapter (Vulkan, Metal or Direct3D 12) and makes engines that train,
//! evaluate and show a model's values there, and generators that write texts with a cache of keys
//! and values. The kernels are WGSL, in `shaders/`: one for each op
//! and direction, without floating-point atomics, with sums in an order that the batch's shape
//! fixes, so that one device computes the same bits twice. [`self_check()`] compares every kernel
//! with another backend on the user's own driver.
//!
//! `context` owns the device, its kernels and its failures; `layout` places a program's buffers in
//! one arena; `chunks` splits a batch; `forward`, `backward` and `head` turn the program's steps
//! into dispatches, `decode` those that differ in a generator, and `optimizer` updates; `engine`
//! and `generator` run them.
//!
//! Knows: graphs, programs, batches, WGSL, adapters. Never will: specs, data, schedules, files,
//! clocks, the environment, threads, printing.

mod adapter;
mod args;
mod backend;
mod backward;
mod buffers;
mod cache;
mod choices;
mod chunks;
mod context;
mod decode;
mod dispatch;
mod engine;
mod error;
mod exercise;
mod forward;
mod generator;
mod head;
mod kernel;
mod layout;
mod matrix_units;
mod memory_need;
mod optimizer;
mod plan;
mod self_check;
mod split;
mod steps;
mod tables;

pub use adapter::{AdapterDescription, adapters};
pub use backend::GpuBackend;
pub use error::GpuError;
pub use exercise::Exercise;
pub use self_check::{KernelCheck, SelfCheck, self_check};
