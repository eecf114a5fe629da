//! The numbers by which kernels know the choices of an op.

use gptlab_model::{Activation, AttentionMask};

/// Returns the number of a nonlinearity in `nonlinearity.wgsl`.
pub(crate) fn nonlinearity(f: Activation) -> u32 {
    match f {
        Activation::GeluErf => 0,
        Activation::GeluTanh => 1,
        Activation::Relu => 2,
        Activation::ReluSquared => 3,
        Activation::Silu => 4,
    }
}

/// Returns the number of a mask in `attention_common.wgsl`, and its window.
pub(crate) fn mask(mask: AttentionMask) -> (u32, u32) {
    match mask {
        AttentionMask::Full => (0, 0),
        AttentionMask::Causal => (1, 0),
        AttentionMask::Window(n) => (2, u32::try_from(n).unwrap_or(u32::MAX)),
    }
}
