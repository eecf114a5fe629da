//! The key-value cache of a text, by layer and share of the heads, each behind a lock.
//!
//! A thread that lags behind may try to append a token that is there already. So whoever appends
//! says which token of which text it is; a token that is there already, or that belongs to an older
//! text, is ignored.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use gptlab_kernels::attention::{Cache, Options};

use super::{decoder::Decoder, shares::Part};
use crate::cpu::memory::Aligned;

/// Keys and values of all layers.
#[derive(Debug)]
pub(super) struct KvCache {
    /// By node, then by share of its heads.
    layers: Vec<Vec<RwLock<LayerCache>>>,
    /// Into how many shares the heads fall.
    pub(super) parts: usize,
}

/// Keys and values of some heads.
#[derive(Debug)]
pub(super) struct LayerCache {
    pub(super) cache: Cache,
    pub(super) numbers: Aligned<f32>,
    /// The text that they belong to, and how many of its tokens are cached.
    text: u64,
    tokens: usize,
}

impl KvCache {
    /// Of no token yet, with the heads in `parts` shares.
    pub(super) fn new(decoder: &Decoder, parts: usize) -> Self {
        let nodes = 0..decoder.program.graph.nodes().len();
        let layers = nodes.map(|node| {
            let caches = (0..parts).filter_map(|part| decoder.cache(node, (part, parts)));
            caches
                .map(|cache| RwLock::new(LayerCache::new(cache)))
                .collect()
        });
        Self {
            layers: layers.collect(),
            parts,
        }
    }

    /// Appends `count` tokens of `text` after its first `position`, unless they are there: `qkv`
    /// has a row for each.
    pub(super) fn append(
        &self,
        (node, part): (usize, usize),
        (text, position, count): (u64, usize, usize),
        qkv: &[f32],
        options: &Options<'_>,
    ) {
        let mut layer = self.layers[node][part]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let layer = &mut *layer;
        let cached = if layer.text == text { layer.tokens } else { 0 };
        if layer.text > text || cached != position {
            return;
        }
        layer
            .cache
            .append(&mut layer.numbers, qkv, options, position);
        (layer.text, layer.tokens) = (text, position + count);
    }

    pub(super) fn read(&self, (node, part): Part) -> RwLockReadGuard<'_, LayerCache> {
        self.layers[node][part]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl LayerCache {
    fn new(cache: Cache) -> Self {
        Self {
            numbers: Aligned::zeroed(cache.len()),
            cache,
            text: 0,
            tokens: 0,
        }
    }
}
