//! Sources of the corpora of one text, with and without a cache.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gptlab_recipe::Tokenization;

use crate::{Corpus, CorpusError, Text, Tokenizer};

/// A text, and the corpora made from it. A [`Text`] makes each corpus anew, a [`CorpusCache`] only
/// once.
pub trait CorpusSource {
    /// Returns the text.
    fn text(&self) -> &Text;

    /// Returns [`Tokenizer::fit`] of the text.
    fn fit(&self, tokenization: &Tokenization) -> Option<Tokenizer> {
        Tokenizer::fit(tokenization.clone(), self.text().as_str())
    }

    /// Returns [`Corpus::new`] of the text.
    ///
    /// # Errors
    /// Returns the errors of [`Corpus::new`].
    fn corpus(&self, tokenizer: &Tokenizer, val_fraction: f64) -> Result<Arc<Corpus>, CorpusError> {
        Corpus::new(self.text(), tokenizer.clone(), val_fraction).map(Arc::new)
    }
}

impl CorpusSource for Text {
    fn text(&self) -> &Text {
        self
    }
}

/// The corpora of a text that several runs share. The first run that needs a tokenizer and split
/// tokenizes the text, while others wait.
#[derive(Debug)]
pub struct CorpusCache<'a> {
    text: &'a Text,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    fitted: Vec<(Tokenization, Tokenizer)>,
    /// The corpora, each with its validation fraction.
    corpora: Vec<(f64, Arc<Corpus>)>,
}

impl<'a> CorpusCache<'a> {
    /// Makes an empty cache of the corpora of `text`.
    pub fn new(text: &'a Text) -> Self {
        Self {
            text,
            made: Mutex::default(),
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CorpusSource for CorpusCache<'_> {
    fn text(&self) -> &Text {
        self.text
    }

    fn fit(&self, tokenization: &Tokenization) -> Option<Tokenizer> {
        let mut made = self.made();
        let known = made
            .fitted
            .iter()
            .find(|(requested, _)| requested == tokenization);
        if let Some((_, tokenizer)) = known {
            return Some(tokenizer.clone());
        }
        let tokenizer = self.text.fit(tokenization)?;
        made.fitted.push((tokenization.clone(), tokenizer.clone()));
        Some(tokenizer)
    }

    fn corpus(&self, tokenizer: &Tokenizer, val_fraction: f64) -> Result<Arc<Corpus>, CorpusError> {
        let mut made = self.made();
        let known = made.corpora.iter().find(|(requested, corpus)| {
            requested.to_bits() == val_fraction.to_bits() && corpus.tokenizer() == tokenizer
        });
        if let Some((_, corpus)) = known {
            return Ok(Arc::clone(corpus));
        }
        let corpus = self.text.corpus(tokenizer, val_fraction)?;
        made.corpora.push((val_fraction, Arc::clone(&corpus)));
        Ok(corpus)
    }
}

#[cfg(test)]
mod tests {
    use gptlab_recipe::{TextOrigin, TokenizerKind};

    use super::*;

    #[test]
    fn a_text_is_tokenized_once_for_each_tokenizer_and_split() {
        let origin = TextOrigin::Other("the text".to_owned());
        let text = Text::from_bytes(b"a cat\na hat\na rat\n".to_vec(), origin).unwrap();
        let cache = CorpusCache::new(&text);
        let corpus = |kind: TokenizerKind, fraction| {
            let tokenizer = cache.fit(&kind.into()).unwrap();
            assert_eq!(
                Tokenizer::fit(kind, text.as_str()).as_ref(),
                Some(&tokenizer)
            );
            cache.corpus(&tokenizer, fraction).unwrap()
        };
        let first = corpus(TokenizerKind::Chars, 0.5);
        assert!(Arc::ptr_eq(&first, &corpus(TokenizerKind::Chars, 0.5)));
        for (kind, fraction) in [
            (TokenizerKind::Chars, 0.4),
            (TokenizerKind::Lines, 0.5),
            (TokenizerKind::Bytes, 0.5),
        ] {
            let other = corpus(kind, fraction);
            assert!(!Arc::ptr_eq(&first, &other));
            assert!(Arc::ptr_eq(&other, &corpus(kind, fraction)));
        }
        let tokenizer = first.tokenizer();
        assert!(cache.corpus(tokenizer, 2.0).is_err());
        let anew = text.corpus(tokenizer, 0.5).unwrap();
        assert!(!Arc::ptr_eq(&first, &anew));
        assert_eq!(
            first.train().tokens().to_vec(),
            anew.train().tokens().to_vec()
        );
    }
}
