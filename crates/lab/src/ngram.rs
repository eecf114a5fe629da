//! N-gram baselines: the loss that counting alone reaches on a text.
//!
//! An n-gram's probability is interpolated with that of the shorter one (Witten & Bell 1991, "The
//! zero-frequency problem", method C; Chen & Goodman 1999, section 2.5). After the context `h`,
//! which occurs `N(h)` times before `T(h)` distinct tokens, it is
//!
//! ```text
//! p(w | h) = (count(h w) + T(h) · p(w | h without its first token)) / (N(h) + T(h))
//! ```
//!
//! and the recursion ends at the uniform distribution over the vocabulary. A context that never
//! occurs is shortened. The method has no hyperparameters, and no token has probability 0.
//!
//! In a text that is split into documents, a context starts at the earliest at the BOS before its
//! document, and the first BOS is never predicted.

use std::{fmt, ops::Range};

use gptlab_data::{Batches, Corpus, SplitName, Text};
use gptlab_record::Floors;
use rustc_hash::FxHashMap;

use crate::ideal;

#[cfg(test)]
mod tests;

/// The largest supported order: longer contexts of a text hardly ever repeat.
pub const MOST: usize = 16;

/// The counts of all n-grams up to an order, as a trie. A node is an n-gram, and a child extends it
/// by one token. Memory is proportional to the number of distinct n-grams.
#[derive(Clone, Debug)]
pub struct Ngrams {
    order: usize,
    vocab_size: usize,
    /// The token before which no context reaches.
    bos: Option<u32>,
    nodes: Vec<TrieNode>,
    /// The child nodes by parent and token. The map is never iterated over.
    children: FxHashMap<u64, u32>,
}

/// The counts of one n-gram. Node 0 is the empty context.
#[derive(Clone, Copy, Debug, Default)]
struct TrieNode {
    /// The number of occurrences of the n-gram.
    count: u32,
    /// The number of occurrences as the context of a token.
    followed: u32,
    /// The number of distinct tokens that follow it.
    followers: u32,
}

impl Ngrams {
    /// Counts the n-grams of `tokens` for n from 1 to `order`. The tokens must be below
    /// `vocab_size`. A context starts at the earliest at the last `bos`, if there is one.
    ///
    /// # Errors
    /// Returns an error if the order is 0 or above [`MOST`], or if the counts would overflow.
    pub fn fit(
        tokens: &[u32],
        vocab_size: usize,
        bos: Option<u32>,
        order: usize,
    ) -> Result<Self, NgramError> {
        check(order, tokens.len())?;
        let mut tables = Self {
            order,
            vocab_size,
            bos,
            nodes: vec![TrieNode::default()],
            children: FxHashMap::default(),
        };
        let mut contexts = vec![ROOT];
        for (i, token) in tokens.iter().enumerate() {
            let mut next = vec![ROOT];
            for context in contexts {
                let node = tables.child_or_new(context, *token);
                // Nothing predicts the first token.
                if i > 0 {
                    tables.count(context, node);
                }
                next.push(node);
            }
            contexts = tables.within_reach(next, *token);
        }
        Ok(tables)
    }

    /// Counts the n-grams of the training split of `corpus`, as [`Ngrams::fit`] does.
    ///
    /// # Errors
    /// Returns the errors of [`Ngrams::fit`].
    pub fn of(corpus: &Corpus, order: usize) -> Result<Self, NgramError> {
        let tokenizer = corpus.tokenizer();
        let tokens = corpus.train().tokens().to_vec();
        Self::fit(&tokens, tokenizer.vocab_size(), tokenizer.bos(), order)
    }

    /// Returns the negative log likelihood of every token but the first, given those before it, in
    /// nats.
    pub fn losses(&self, tokens: &[u32]) -> Vec<f64> {
        let mut losses = Vec::with_capacity(tokens.len().saturating_sub(1));
        self.walk(tokens, |p| losses.push(-p[self.order].ln()));
        losses
    }

    /// Returns the mean of [`Ngrams::losses`] under the tables of each order, starting at 1, in
    /// nats. The result is empty if `tokens` holds nothing to predict.
    pub fn means(&self, tokens: &[u32]) -> Vec<f64> {
        let whole = 0..tokens.len();
        self.means_in(tokens, std::slice::from_ref(&whole), |_| true)
    }

    /// Returns the mean losses under the tables of each order, starting at 1, over the predictions
    /// of `windows` of `tokens` for which `counts` returns true; prediction 0 is that of the second
    /// token. A context reaches back to the beginning of its window and no further, as a model's
    /// does. The result is empty if nothing is predicted.
    pub fn means_in(
        &self,
        tokens: &[u32],
        windows: &[Range<usize>],
        counts: impl Fn(usize) -> bool,
    ) -> Vec<f64> {
        let (mut sums, mut n) = (vec![0.0; self.order], 0u32);
        for window in windows {
            let mut prediction = window.start;
            self.walk(&tokens[window.clone()], |p| {
                if counts(prediction) {
                    n += 1;
                    for (sum, p) in sums.iter_mut().zip(&p[1..]) {
                        *sum -= p.ln();
                    }
                }
                prediction += 1;
            });
        }
        let mean = |sum: f64| sum / f64::from(n);
        sums.into_iter().map(mean).filter(|_| n > 0).collect()
    }

    /// Calls `each` with the probabilities of every token but the first: index n holds that of
    /// order n, and index 0 the uniform one.
    fn walk(&self, tokens: &[u32], mut each: impl FnMut(&[f64])) {
        let mut p = vec![0.0; self.order + 1];
        let mut contexts = vec![ROOT];
        for (i, token) in tokens.iter().enumerate() {
            if i > 0 {
                self.probabilities(&contexts, *token, &mut p);
                each(&p);
            }
            // If an n-gram never occurred, no longer n-gram that ends with it did.
            let longer = contexts.iter().map_while(|c| self.child(*c, *token));
            let next = std::iter::once(ROOT).chain(longer).collect();
            contexts = self.within_reach(next, *token);
        }
    }

    /// Writes the probability of `token` after `contexts`, shortest first, under each order into
    /// `p`.
    fn probabilities(&self, contexts: &[u32], token: u32, p: &mut [f64]) {
        p[0] = 1.0 / self.vocab_size as f64;
        for n in 1..=self.order {
            p[n] = contexts
                .get(n - 1)
                .map_or(p[n - 1], |c| self.interpolated(*c, token, p[n - 1]));
        }
    }

    /// Returns Witten and Bell's probability of `token` after `context`, where `shorter` is its
    /// probability after the shorter context.
    fn interpolated(&self, context: u32, token: u32, shorter: f64) -> f64 {
        let TrieNode {
            followed,
            followers,
            ..
        } = self.nodes[context as usize];
        if followed == 0 {
            return shorter;
        }
        let node = self.child(context, token);
        let count = node.map_or(0, |node| self.nodes[node as usize].count);
        let new = f64::from(followers);
        (f64::from(count) + new * shorter) / (f64::from(followed) + new)
    }

    /// Returns the contexts that end in `token`, are short enough and start in its document.
    fn within_reach(&self, mut contexts: Vec<u32>, token: u32) -> Vec<u32> {
        let most = if Some(token) == self.bos {
            2
        } else {
            self.order
        };
        contexts.truncate(most.min(self.order));
        contexts
    }

    fn child(&self, parent: u32, token: u32) -> Option<u32> {
        self.children.get(&key(parent, token)).copied()
    }

    fn child_or_new(&mut self, parent: u32, token: u32) -> u32 {
        let new = self.nodes.len() as u32;
        let node = *self.children.entry(key(parent, token)).or_insert(new);
        if node == new {
            self.nodes.push(TrieNode::default());
        }
        node
    }

    fn count(&mut self, context: u32, node: u32) {
        let seen = &mut self.nodes[node as usize].count;
        *seen += 1;
        let first = u32::from(*seen == 1);
        let context = &mut self.nodes[context as usize];
        context.followed += 1;
        context.followers += first;
    }
}

const ROOT: u32 = 0;

fn key(parent: u32, token: u32) -> u64 {
    u64::from(parent) << 32 | u64::from(token)
}

fn check(order: usize, tokens: usize) -> Result<(), NgramError> {
    if !(1..=MOST).contains(&order) {
        return Err(NgramError::Order(order));
    }
    if tokens as u64 * order as u64 >= u64::from(u32::MAX) {
        return Err(NgramError::TooMany { tokens, order });
    }
    Ok(())
}

/// Returns the loss of uniform guessing, in nats per token.
pub fn uniform(vocab_size: usize) -> f64 {
    (vocab_size as f64).ln()
}

/// Returns the losses on the validation split of n-grams counted in the training split, for n from
/// 1 to `up_to`, in nats per token. They are means over the predictions that a model is evaluated
/// on: those of [`Batches::covering`] with `max_tokens`.
///
/// # Errors
/// Returns the errors of [`Ngrams::fit`], or an error if there is no validation split.
pub fn ladder(batches: &Batches, max_tokens: u64, up_to: usize) -> Result<Vec<f64>, NgramError> {
    let corpus = batches.corpus();
    let validation = corpus.validation().ok_or(NgramError::NoValidation)?;
    let windows = evaluated(batches, max_tokens);
    let tokens = validation.tokens().to_vec();
    Ok(Ngrams::of(corpus, up_to)?.means_in(&tokens, &windows, |_| true))
}

/// Returns the windows of the validation split that a model is evaluated on.
fn evaluated(batches: &Batches, max_tokens: u64) -> Vec<Range<usize>> {
    let most = usize::try_from(max_tokens).unwrap_or(usize::MAX);
    batches.windows(SplitName::Validation, most)
}

/// Returns the baselines of `text`: uniform guessing, the [`ladder`] of `batches`, and the entropy
/// if it is known.
///
/// # Errors
/// Returns the errors of [`ladder`].
pub fn baselines(
    text: &Text,
    batches: &Batches,
    max_tokens: u64,
    up_to: usize,
) -> Result<Floors, NgramError> {
    let corpus = batches.corpus();
    let ngrams = ladder(batches, max_tokens, up_to)?;
    let windows = evaluated(batches, max_tokens);
    let ideal = corpus
        .validation()
        .and_then(|split| ideal::ideal(text, corpus, split, &windows));
    let (entropy, unknown) = match ideal {
        Some(Ok(ideal)) => (Some(ideal.nats_per_token()), None),
        Some(Err(unknown)) => (None, Some(unknown.to_string())),
        None => (None, None),
    };
    Ok(Floors {
        uniform: uniform(corpus.tokenizer().vocab_size()),
        ngrams,
        entropy,
        block_size: Some(batches.block_size()),
        predictions: Some(windows.iter().map(|w| w.len().saturating_sub(1)).sum()),
        unknown,
    })
}

/// The reason that n-grams cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NgramError {
    Order(usize),
    TooMany { tokens: usize, order: usize },
    NoValidation,
}

impl fmt::Display for NgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(found) => {
                write!(f, "n-grams have from 1 to {MOST} tokens, found {found}")
            }
            Self::TooMany { tokens, order } => write!(
                f,
                "n-grams of up to {order} tokens can be counted in a text of at most {} tokens, found \
                 {tokens}; use shorter n-grams or less text",
                u32::MAX as usize / order
            ),
            Self::NoValidation => f.write_str(
                "n-gram baselines are measured on a validation split, and nothing was kept for one; use a \
                 validation fraction above 0",
            ),
        }
    }
}

impl std::error::Error for NgramError {}
