//! What a text remembers: keys and values, by layer and share of its heads, each behind a lock.
//!
//! A thread that lags behind may still hold what another needs. So who adds a token says which, and of which text:
//! what is there already, or has been overtaken, stays as it is.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use gptlab_kernels::attention::{Cache, Options};

use super::{decoder::Decoder, shares::Part};
use crate::cpu::memory::Aligned;

/// Keys and values of all layers.
#[derive(Debug)]
pub(super) struct Memory {
    /// By node, then by share of its heads.
    kept: Vec<Vec<RwLock<Kept>>>,
    /// Into how many shares the heads fall.
    pub(super) parts: usize,
}

/// Keys and values of some heads.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) cache: Cache,
    pub(super) numbers: Aligned<f32>,
    /// Whose they are, and of how many tokens.
    text: u64,
    tokens: usize,
}

impl Memory {
    /// Of no token yet, with the heads in `parts` shares.
    pub(super) fn new(decoder: &Decoder, parts: usize) -> Self {
        let nodes = 0..decoder.program.graph.nodes().len();
        let kept = nodes.map(|node| {
            let each = 0..parts;
            let kept = each.filter_map(|part| decoder.cache(node, (part, parts)).map(Kept::new));
            kept.map(RwLock::new).collect()
        });
        Self {
            kept: kept.collect(),
            parts,
        }
    }

    /// Adds `count` tokens of `text` after the first `position`, unless they are there: `qkv` has a row of each.
    pub(super) fn remember(
        &self,
        (node, part): (usize, usize),
        (text, position, count): (u64, usize, usize),
        qkv: &[f32],
        options: &Options<'_>,
    ) {
        let mut kept = self.kept[node][part]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        let there = if kept.text == text { kept.tokens } else { 0 };
        if kept.text > text || there != position {
            return;
        }
        kept.cache
            .remember(&mut kept.numbers, qkv, options, position);
        (kept.text, kept.tokens) = (text, position + count);
    }

    pub(super) fn read(&self, (node, part): Part) -> RwLockReadGuard<'_, Kept> {
        self.kept[node][part]
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn new(cache: Cache) -> Self {
        Self {
            numbers: Aligned::zeroed(cache.len()),
            cache,
            text: 0,
            tokens: 0,
        }
    }
}
