//! The arguments of each kernel. Each list is written once: the macro makes of it a struct here and
//! the struct `Args` that the kernel's WGSL reads.

use std::fmt::Debug;

/// The arguments of a kernel, in the order of its WGSL.
pub(crate) trait Args: Debug {
    /// Returns the declaration of the struct in WGSL.
    fn wgsl(&self) -> &'static str;

    /// Returns the arguments as the words of a uniform buffer.
    fn words(&self) -> Vec<u32>;
}

/// A number of 32 bits.
trait Word {
    fn word(self) -> u32;
}

impl Word for u32 {
    fn word(self) -> u32 {
        self
    }
}

impl Word for f32 {
    fn word(self) -> u32 {
        self.to_bits()
    }
}

macro_rules! args {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        #[allow(clippy::struct_field_names, reason = "`gate` is an input of `Gate`")]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        impl $name {
            pub(crate) const WGSL: &'static str = concat!(
                "struct Args {\n",
                $("    ", stringify!($field), ": ", stringify!($type), ",\n",)*
                "}\n",
            );
        }

        impl Args for $name {
            fn wgsl(&self) -> &'static str {
                Self::WGSL
            }

            fn words(&self) -> Vec<u32> {
                vec![$(self.$field.word(),)*]
            }
        }
    )*};
}

args! {
    /// `index` is the offset of the indices of rows; `table` lies in the constants or the weights.
    Embedding {
        rows: u32,
        width: u32,
        index: u32,
        table: u32,
        is_constant: u32,
        y: u32,
        scale: f32,
    }
    /// `starts` and `order` list the rows of each entry of the table.
    EmbeddingBackward {
        entries: u32,
        width: u32,
        starts: u32,
        order: u32,
        dy: u32,
        table: u32,
        scale: f32,
    }
    Add {
        count: u32,
        a: u32,
        b: u32,
        y: u32,
    }
    Copy {
        count: u32,
        x: u32,
        y: u32,
        adds: u32,
    }
    Norm {
        rows: u32,
        width: u32,
        centred: u32,
        x: u32,
        y: u32,
        statistics: u32,
        has_gain: u32,
        gain: u32,
        has_bias: u32,
        bias: u32,
        eps: f32,
    }
    NormBackward {
        rows: u32,
        width: u32,
        centred: u32,
        x: u32,
        statistics: u32,
        has_gain: u32,
        gain: u32,
        dy: u32,
        dx: u32,
        adds: u32,
    }
    /// `block` is the number of rows in each part.
    ColumnSums {
        rows: u32,
        width: u32,
        block: u32,
        of_normed: u32,
        x: u32,
        statistics: u32,
        dy: u32,
        parts: u32,
    }
    SumParts {
        count: u32,
        parts: u32,
        first: u32,
        parameter: u32,
    }
    SumShards {
        count: u32,
        first: u32,
        end: u32,
    }
    /// A pitch is the distance of two rows as they are stored. `k_of_part` is the number of terms
    /// of each part of the sums.
    Product {
        m: u32,
        n: u32,
        k: u32,
        k_of_part: u32,
        left: u32,
        left_pitch: u32,
        right: u32,
        right_pitch: u32,
        out: u32,
        has_bias: u32,
        bias: u32,
        adds: u32,
        bf16: u32,
    }
    HeadNorm {
        rows: u32,
        width: u32,
        heads: u32,
        head_dim: u32,
        x: u32,
        y: u32,
        statistics: u32,
        eps: f32,
    }
    HeadNormBackward {
        rows: u32,
        width: u32,
        heads: u32,
        head_dim: u32,
        y: u32,
        statistics: u32,
        dy: u32,
        dx: u32,
        adds: u32,
    }
    /// `to_sine` is the distance of a sine from its cosine.
    Rotary {
        rows: u32,
        width: u32,
        heads: u32,
        head_dim: u32,
        positions: u32,
        table: u32,
        to_sine: u32,
        sign: f32,
        x: u32,
        y: u32,
        adds: u32,
    }
    /// The arguments of the kernels of attention. A softcap of 0 is none. Those from `positions` on
    /// are of attention over a cache.
    Attention {
        rows: u32,
        width: u32,
        heads: u32,
        kv_heads: u32,
        firsts: u32,
        ends: u32,
        mask: u32,
        window: u32,
        scale: f32,
        softcap: f32,
        alibi: u32,
        slopes: u32,
        drops: u32,
        purpose: u32,
        threshold: u32,
        kept_scale: f32,
        bf16: u32,
        qkv: u32,
        y: u32,
        statistics: u32,
        dy: u32,
        dqkv: u32,
        passed: u32,
        adds: u32,
        positions: u32,
        slots: u32,
        slot_len: u32,
        tokens: u32,
        kv: u32,
    }
    /// A slot is the part of the cache that belongs to a text: `slot_len` numbers, with keys and
    /// values of up to `tokens` tokens at `kv`.
    CacheAppend {
        rows: u32,
        width: u32,
        first_column: u32,
        kv_width: u32,
        positions: u32,
        slots: u32,
        slot_len: u32,
        tokens: u32,
        x: u32,
        kv: u32,
    }
    Activation {
        count: u32,
        f: u32,
        x: u32,
        y: u32,
    }
    ActivationBackward {
        count: u32,
        f: u32,
        x: u32,
        dy: u32,
        dx: u32,
        adds: u32,
    }
    Gate {
        count: u32,
        f: u32,
        gate: u32,
        up: u32,
        y: u32,
    }
    GateBackward {
        count: u32,
        f: u32,
        of_gate: u32,
        gate: u32,
        up: u32,
        dy: u32,
        dx: u32,
        adds: u32,
    }
    Dropout {
        rows: u32,
        width: u32,
        purpose: u32,
        threshold: u32,
        scale: f32,
        x: u32,
        y: u32,
        adds: u32,
    }
    CrossEntropy {
        rows: u32,
        vocab: u32,
        logits: u32,
        targets: u32,
        losses: u32,
        backward: u32,
    }
    /// `rules` is the offset of the indices that hold the rule of each row; `token_bits` is the
    /// number of bits of a token.
    Choose {
        rows: u32,
        vocab: u32,
        token_bits: u32,
        logits: u32,
        rules: u32,
        chosen: u32,
    }
    SumSquares {
        count: u32,
        block: u32,
        blocks: u32,
        x: u32,
        parts: u32,
    }
    ClipFactor {
        blocks: u32,
        parts: u32,
        clips: u32,
        most: f32,
        norm: u32,
        factor: u32,
    }
    InverseNorm {
        blocks: u32,
        parts: u32,
        eps: f32,
        factor: u32,
    }
    AdamW {
        count: u32,
        parameter: u32,
        clip: u32,
        keep: f32,
        beta1: f32,
        rest1: f32,
        beta2: f32,
        rest2: f32,
        step_size: f32,
        per_root: f32,
        eps: f32,
    }
    Sgd {
        count: u32,
        parameter: u32,
        clip: u32,
        keep: f32,
        momentum: f32,
        step_size: f32,
    }
    MuonMomentum {
        count: u32,
        parameter: u32,
        clip: u32,
        momentum: f32,
        rest: f32,
        u: u32,
    }
    MuonStep {
        count: u32,
        parameter: u32,
        u: u32,
        keep: f32,
        step_size: f32,
    }
    /// `numbers` is how many numbers are written.
    MultiplyAdds {
        steps: u32,
        factor: f32,
        numbers: u32,
        y: u32,
    }
    Scale {
        count: u32,
        x: u32,
        factor: u32,
    }
    Combine {
        count: u32,
        x: u32,
        y: u32,
        a: f32,
        b: f32,
    }
}
