//! Texts, tokenizers, and the names of built-in texts.

use std::sync::Arc;

use gptlab_data::{Batches, Builtin, Corpus, SplitName, Text, Tokenizer};
use gptlab_model::{Choice, Model, Preset};
use gptlab_recipe::{Documents, TextOrigin, Tokenization, TokenizerKind, Vocabulary};

/// No longer built-in text is made.
const MOST_MADE: usize = 5_000;

/// A tokenizer from JSON: refused, or what it encodes it decodes.
pub fn tokenizer(data: &[u8]) {
    let Ok(tokenizer) = serde_json::from_slice::<Tokenizer>(data) else {
        return;
    };
    let json = serde_json::to_string(&tokenizer).expect("a tokenizer is JSON");
    let again: Tokenizer = serde_json::from_str(&json).expect("what was written is read");
    assert_eq!(again, tokenizer);
    let known = match tokenizer.spec().vocabulary() {
        Vocabulary::Chars(alphabet) => alphabet.clone().into(),
        Vocabulary::Bytes => "any text: é, 猫\n".to_owned(),
    };
    let tokens = tokenizer.encode(&known).expect("its own characters");
    assert_eq!(tokenizer.decode(&tokens), Ok(known));
    assert!(
        tokens
            .iter()
            .all(|t| (*t as usize) < tokenizer.vocab_size())
    );
    let _ = tokenizer.prompt(&String::from_utf8_lossy(data));
    let _ = tokenizer.decode(&[tokenizer.vocab_size() as u32, u32::MAX]);
    let _ = tokenizer.fingerprint();
}

/// What follows `--data` for a text that comes with the program.
pub fn recipe(data: &[u8]) {
    let typed = String::from_utf8_lossy(data);
    let found = match Builtin::parse(&typed) {
        Ok(found) => found,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let Some(builtin) = found else { return };
    assert_eq!(Builtin::parse(&builtin.to_string()), Ok(Some(builtin)));
    if let Builtin::Diagnostic(_, recipe) = builtin
        && recipe.size <= MOST_MADE
    {
        assert!(builtin.text().chars().count() >= recipe.size);
    }
}

/// A file of text with the settings of its batches before it.
pub fn text(data: &[u8]) {
    let Some((&[kind, fraction, block_size, batch_size, most], text)) = data.split_first_chunk()
    else {
        return;
    };
    let Ok(text) = Text::from_bytes(text.to_vec(), TextOrigin::Other("input".to_owned())) else {
        return;
    };
    let tokenization = tokenization(usize::from(kind));
    let val_fraction = f64::from(fraction) / 250.0;
    let corpus = match Corpus::fit(&text, tokenization, val_fraction) {
        Ok(corpus) => corpus,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    check_corpus(&text, &corpus);
    let fit = corpus.fit_block_size(usize::from(block_size) + 1);
    let model = model(fit.block_size, corpus.tokenizer().vocab_size());
    let (seed, size) = (u64::from(most), usize::from(batch_size % 8) + 1);
    let batches = Batches::new(Arc::new(corpus), fit.block_size, size, seed).expect("batches");
    check_batches(&batches, &model, usize::from(most));
}

/// One of every way to make tokens of a text.
fn tokenization(choice: usize) -> Tokenization {
    let kinds = TokenizerKind::ALL;
    let (kind, cut) = (kinds[choice % kinds.len()], choice / kinds.len() % 3);
    let documents = match cut {
        0 => kind.documents(),
        1 => Documents::Lines,
        _ => "separator=e".parse().expect("a separator"),
    };
    Tokenization {
        documents,
        ..kind.into()
    }
}

/// A text that is one sequence is its tokens, split in two.
fn check_corpus(text: &Text, corpus: &Corpus) {
    let (tokenizer, train) = (corpus.tokenizer(), corpus.train());
    match tokenizer.spec().documents() {
        Documents::Lines | Documents::Separator(_) => {}
        Documents::Text => {
            let mut tokens = train.tokens().to_vec();
            tokens.extend(
                corpus
                    .validation()
                    .into_iter()
                    .flat_map(|v| v.tokens().to_vec()),
            );
            assert_eq!(tokenizer.decode(&tokens).as_deref(), Ok(text.as_str()));
        }
    }
}

/// Of which only the context and the vocabulary matter here.
fn model(block_size: usize, vocab_size: usize) -> Model {
    let mut spec = Preset::Gpt2Mini.spec();
    (spec.block_size, spec.n_embd) = (block_size, 4);
    spec.layers.clear();
    spec.check(vocab_size).expect("a model")
}

/// A batch is a function of its step, and a covering evaluates at least one prediction.
fn check_batches(batches: &Batches, model: &Model, most: usize) {
    for step in [0, 1, u32::MAX, 1] {
        let batch = batches.train(model, step).expect("a batch");
        assert_eq!(batches.train(model, step).expect("the same batch"), batch);
        assert_eq!(batch.sequences(), batches.batch_size());
    }
    for part in [SplitName::Train, SplitName::Validation] {
        let Some(split) = batches.corpus().part(part) else {
            continue;
        };
        for most in [0, most, usize::MAX] {
            let covering = batches.covering(model, part, most);
            let tokens: usize = covering.map(|b| b.expect("a batch").tokens()).sum();
            assert!((1..=split.predictions()).contains(&tokens));
            assert!(most < usize::MAX || tokens == split.predictions());
        }
    }
}
