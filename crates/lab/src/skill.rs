//! Which predictions need the skill of a diagnostic text.

use gptlab_data::{Corpus, Diagnostic, Split};

/// The documents of `split`, a part of `corpus`, one a line; `None` of a text that is not cut into
/// documents.
pub fn lines(corpus: &Corpus, split: &Split) -> Option<String> {
    split.documents()?;
    corpus.tokenizer().decode(&split.tokens().to_vec()).ok()
}

/// For each prediction of the documents that `lines` holds, whether it needs the skill of `kind`;
/// `None` where one of them is no document of this kind.
pub fn flags(kind: Diagnostic, lines: &str) -> Option<Vec<bool>> {
    let documents = lines.lines().filter(|line| !line.is_empty());
    let flags: Option<Vec<Vec<bool>>> = documents.map(|line| kind.skill(line)).collect();
    Some(flags?.concat())
}
