//! The arithmetic of a GPT: one file holds one op.
//!
//! **What this crate knows**: slices of f32, sizes, instruction sets. Every op is written twice:
//! `naive` is plain loops that read like the formula; beside it stand a fast `forward` and
//! `backward`, which the tests compare with it on every instruction set of the machine. All
//! matrices are contiguous and row-major unless an op says otherwise.
//!
//! **What it never knows**: a model, a graph, an ablation, a file. A kernel never allocates and
//! starts no thread: it works on the slices it is given, scratch included. Where a kernel can be
//! shared among threads, it cuts its work into tasks and its caller runs them ([`Parallel`]). A
//! result depends on the arguments and the [`Isa`] alone; never on alignment, on what the caches
//! hold or on how many threads there are.
//!
//! Conventions: outputs first, inputs next, sizes last. `d` + name is a gradient. A backward
//! **adds** into the gradients of parameters (`dweight`, `dgain`, `dbias`, `dtable`) and **writes**
//! the gradients of inputs, unless it takes `accumulate`. Sizes that do not fit their slices are
//! errors of the caller and panic.
//!
//! A kernel with many operands takes them by name: its forward writes `Outputs` and reads `Inputs`;
//! its backward makes `Grads` from the gradient of the output and from `Saved`, which is what the
//! forward read and wrote that the backward needs.

// Vector instructions, matrix tiles and tasks that write one slice need `unsafe`. No other crate of
// the project has any. A safe function here can never cause undefined behaviour, whatever it is
// given: what an `unsafe` block relies on is checked beside it or held by a type.
#![allow(unsafe_code)]
// Docs give shapes as `name[rows, columns]`, which looks like a link.
#![allow(rustdoc::broken_intra_doc_links)]
// Only what is inlined into the function that enables the vector instructions is compiled with
// them.
#![allow(clippy::inline_always)]
mod element;
mod isa;
mod operand_type;
mod parallel;
mod simd;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod cross_entropy;
pub mod decode_linear;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod gate;
pub mod head_norm;
pub mod layer_norm;
pub mod linear;
pub mod math;
pub mod muon;
pub mod peak_multiply_adds;
pub mod philox;
pub mod reduction;
pub mod rms_norm;
pub mod rope;
pub mod sgd;
pub mod softmax;

#[cfg(test)]
mod testing;

pub use isa::{Isa, Kind};
pub use operand_type::OperandType;
pub use parallel::{Parallel, Sequential, Threads};
