//! A text, as far as it has been decoded, and where its next token belongs.

use std::sync::Arc;

use super::{decoder::Decoder, kv_cache::KvCache};

/// A text, as far as it has been decoded.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) context: Vec<u32>,
    /// Keys and values of the first `cached` tokens.
    pub(super) kv_cache: Arc<KvCache>,
    pub(super) cached: usize,
    /// Which of the texts that have used this cache.
    pub(super) text: u64,
    /// Whether the logits are those after the whole context.
    fresh: bool,
    logits: Vec<f32>,
}

/// Where a token belongs: the cache of its text, which text that is, and the token's position in
/// it.
#[derive(Clone, Copy)]
pub(super) struct TokenPlace<'a> {
    pub(super) kv_cache: &'a KvCache,
    pub(super) text: u64,
    pub(super) position: usize,
}

impl Sequence {
    /// A text of which there is nothing yet, its heads in `parts` shares.
    pub(super) fn new(decoder: &Decoder, parts: usize) -> Self {
        Self {
            context: Vec::new(),
            kv_cache: Arc::new(KvCache::new(decoder, parts)),
            cached: 0,
            text: 0,
            fresh: false,
            logits: Vec::with_capacity(decoder.vocab_size()),
        }
    }

    pub(super) fn begin(&mut self, prompt: &[u32]) {
        self.context.clear();
        self.context.extend_from_slice(prompt);
        self.cached = 0;
        self.text += 1;
        self.fresh = false;
    }

    pub(super) fn push(&mut self, token: u32) {
        self.context.push(token);
        self.fresh = false;
    }

    /// Where the token after the cached ones belongs.
    pub(super) fn place(&self) -> TokenPlace<'_> {
        TokenPlace {
            kv_cache: &self.kv_cache,
            text: self.text,
            position: self.cached,
        }
    }

    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.fresh && !self.context.is_empty()
    }

    pub(super) fn answer(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.fresh = true;
    }
}
