//! The function that may change what a model computes inside, on the way.
//!
//! Activation patching (Meng et al. 2022), ablation and steering are made of such hooks, as in
//! `TransformerLens` (Nanda & Bloom 2022): a hook sees the value of each node before any later node
//! reads it.

use gptlab_model::{Node, ValueId};

/// Called after each node, in the graph's order, with its value: row-major, one row a token,
/// `node.width` numbers a row. Later nodes, and the losses, are computed from what it writes.
pub type Hook<'a> = dyn FnMut(ValueId, &Node, &mut [f32]) + 'a;

/// The hook that changes nothing.
pub fn untouched(_: ValueId, _: &Node, _: &mut [f32]) {}
