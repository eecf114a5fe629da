//! The steps that differ where rows are decoded: attention over a cache, and products of few rows.

use gptlab_model::{AttentionOp, ValueId};

use crate::{
    args,
    cache::kv_width,
    dispatch::Dispatch,
    kernel::{AttentionPass, HeadDim, Kernel},
    steps::{DecodedRows, Steps},
};

/// The rows that a group of `product_of_rows` takes.
const ROWS_OF_GROUP: usize = 8;

impl Steps<'_> {
    /// Returns true in a program that decodes such rows.
    pub(crate) fn decodes(&self, rows: DecodedRows) -> bool {
        self.decoding.is_some_and(|decoding| decoding.rows == rows)
    }

    /// Adds a product of a few rows with a weight.
    pub(crate) fn product_of_rows(&mut self, args: args::Product) {
        let groups = args.n as usize * (args.m as usize).div_ceil(ROWS_OF_GROUP);
        self.push(Dispatch::of_groups(Kernel::ProductOfRows, &args, groups));
    }

    /// Puts the keys and values of all rows into the cache, unless it holds none.
    pub(crate) fn append_to_cache(&mut self, id: ValueId, x: ValueId, op: &AttentionOp) {
        let Some(cache) = self.decoding.map(|d| d.cache).filter(|c| c.is_causal) else {
            return;
        };
        let kv_width = kv_width(op);
        let args = args::CacheAppend {
            rows: self.rows32(),
            width: self.width(x) as u32,
            first_column: (op.heads * op.head_dim) as u32,
            kv_width: kv_width as u32,
            positions: self.index.positions,
            slots: self.index.slots,
            slot_len: cache.len as u32,
            tokens: cache.tokens as u32,
            x: self.value(x),
            kv: cache.at(id) as u32,
        };
        self.each(Kernel::CacheAppend, &args, self.rows * kv_width);
    }

    /// Adds the attention of rows over the caches of their texts.
    pub(crate) fn cached_attention(&mut self, id: ValueId, x: ValueId, op: &AttentionOp) {
        let Some(cache) = self.decoding.map(|decoding| decoding.cache) else {
            return;
        };
        let args = args::Attention {
            positions: self.index.positions,
            slots: self.index.slots,
            slot_len: cache.len as u32,
            tokens: cache.tokens as u32,
            kv: cache.at(id) as u32,
            ..self.attention_args(id, x, op)
        };
        let kernel = Kernel::Attention(AttentionPass::Cached, HeadDim(op.head_dim as u32));
        self.push(Dispatch::new(kernel, &args, [self.rows, op.heads, 1]));
    }
}
