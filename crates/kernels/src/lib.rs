//! The arithmetic of a GPT, one file an op.
//!
//! **Knows**: slices of f32, sizes, instruction sets. Every op is written twice: `naive`, plain
//! loops that read like the formula, and beside it a fast `forward` and `backward` that the tests
//! hold against it on every instruction set of the machine. All matrices are contiguous and
//! row-major unless an op says otherwise.
//!
//! **Never knows**: a model, a graph, an ablation, a thread, a file. A kernel never allocates: it
//! works on the slices it is given, scratch included, on the thread it is called from. Its result
//! depends on its arguments and the [`Isa`] alone; never on alignment, on what the caches hold or
//! on how many threads run beside it.
//!
//! Conventions: outputs first, inputs next, sizes last. `d` + name is a gradient. A backward
//! **adds** into the gradients of parameters (`dweight`, `dgain`, `dbias`, `dtable`) and **writes**
//! the gradients of inputs, unless it takes `accumulate`. Sizes that do not fit their slices are
//! errors of the caller and panic.

// Vector instructions, the matrix tile and tasks that write one slice need `unsafe`; it lives in
// `simd`, `isa`, `tile`, `linear`, `peak` and `attention`, nowhere else in the project.
#![allow(unsafe_code)]
// Docs give shapes as `name[rows, columns]`, which looks like a link.
#![allow(rustdoc::broken_intra_doc_links)]
// Only what is inlined into the function that enables the vector instructions is compiled with
// them.
#![allow(clippy::inline_always)]
// A kernel's arguments are its operands and its sizes; grouping them would name nothing.
#![allow(clippy::too_many_arguments)]

mod element;
mod isa;
mod parallel;
mod precision;
mod simd;
mod tile;

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod cross_entropy;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod gate;
pub mod head_norm;
pub mod layer_norm;
pub mod linear;
pub mod math;
pub mod muon;
pub mod packed;
pub mod peak;
pub mod philox;
pub mod rms_norm;
pub mod rope;
pub mod sgd;
pub mod softmax;

#[cfg(test)]
mod testing;

pub use isa::{Isa, Kind};
pub use parallel::{Parallel, Sequential};
pub use precision::Precision;
