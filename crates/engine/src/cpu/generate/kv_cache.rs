//! The key-value cache of a text, by layer and share of the heads, each behind a lock.
//!
//! A thread that lags behind may try to append a token that is there already. So whoever appends
//! says which token of which text it is; a token that is there already, or that belongs to an older
//! text, is ignored.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use gptlab_kernels::attention::{CacheLayout, KeysAndValues, Options};

use gptlab_model::ValueId;

use super::{decoder::Decoder, shares::HeadShare};
use crate::cpu::aligned::Aligned;

/// Keys and values of all layers.
#[derive(Debug)]
pub(super) struct KvCache {
    /// By node, then by share of its heads.
    layers: Vec<Vec<RwLock<LayerCache>>>,
    /// Into how many shares the heads fall.
    pub(super) parts: usize,
}

/// Which heads of which layer: a share of those of an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerHeads {
    pub(super) node: ValueId,
    pub(super) part: usize,
}

/// Tokens of a text and what heads make of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Appended<'a> {
    pub(super) text: u64,
    /// Of the first.
    pub(super) position: usize,
    pub(super) count: usize,
    /// Queries, keys and values, a row for each token.
    pub(super) qkv: &'a [f32],
}

/// Keys and values of some heads.
#[derive(Debug)]
pub(super) struct LayerCache {
    layout: CacheLayout,
    cache: Aligned<f32>,
    /// The text that they belong to, and how many of its tokens are cached.
    text: u64,
    tokens: usize,
}

impl KvCache {
    /// Of no token yet, with the heads in `parts` shares.
    pub(super) fn new(decoder: &Decoder, parts: usize) -> Self {
        let layers = decoder.prepared.graph.ids().map(|node| {
            let shares = (0..parts).map(|index| HeadShare {
                index,
                count: parts,
            });
            let layouts = shares.filter_map(|share| decoder.cache_layout(node, share));
            let layers = layouts.map(|layout| RwLock::new(LayerCache::new(layout)));
            layers.collect()
        });
        Self {
            layers: layers.collect(),
            parts,
        }
    }

    /// Appends tokens, unless they are there or do not follow those that are.
    pub(super) fn append(&self, heads: LayerHeads, appended: &Appended, options: &Options<'_>) {
        let lock = &self.layers[heads.node.index()][heads.part];
        let mut layer = lock.write().unwrap_or_else(PoisonError::into_inner);
        let layer = &mut *layer;
        let Appended {
            text,
            position,
            count,
            qkv,
        } = *appended;
        let cached = if layer.text == text { layer.tokens } else { 0 };
        if layer.text > text || cached != position {
            return;
        }
        layer
            .layout
            .append(&mut layer.cache, qkv, options, position);
        (layer.text, layer.tokens) = (text, position + count);
    }

    pub(super) fn read(&self, heads: LayerHeads) -> RwLockReadGuard<'_, LayerCache> {
        let lock = &self.layers[heads.node.index()][heads.part];
        lock.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LayerCache {
    fn new(layout: CacheLayout) -> Self {
        Self {
            cache: Aligned::zeroed(layout.len()),
            layout,
            text: 0,
            tokens: 0,
        }
    }

    pub(super) fn keys_and_values(&self) -> KeysAndValues<'_> {
        KeysAndValues {
            layout: &self.layout,
            cache: &self.cache,
        }
    }
}
