//! The hook that can change the values a model computes while it runs.
//!
//! Activation patching (Meng et al. 2022), ablation and steering use such hooks, as in
//! `TransformerLens` (Nanda & Bloom 2022): a hook sees the value of each node before any later node
//! reads it.

use gptlab_model::{Node, ValueId};

/// A function that is called after each node, in the graph's order, with its value: row-major, one
/// row per token, `node.width` numbers per row. Later nodes and the losses use the numbers that it
/// leaves.
pub type Hook<'a> = dyn FnMut(ValueId, &Node, &mut [f32]) + 'a;

/// A hook that changes nothing.
pub fn untouched(_: ValueId, _: &Node, _: &mut [f32]) {}
