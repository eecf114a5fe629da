//! Finds the predictions that require the skill of a diagnostic text.

use gptlab_data::{Corpus, Diagnostic, Split};
use gptlab_recipe::Documents;

/// Returns the documents of `split`, a part of `corpus`, one per line. The result is `None` if the
/// text's documents are not lines, or if its tokens are not characters.
pub fn lines(corpus: &Corpus, split: &Split) -> Option<String> {
    let tokenizer = corpus.tokenizer();
    let by_line = *tokenizer.spec().documents() == Documents::Lines;
    let by_character = split.characters() == split.tokens().len();
    (by_line && by_character)
        .then(|| tokenizer.decode(&split.tokens().to_vec()).ok())
        .flatten()
}

/// Returns whether each prediction of the documents in `lines` requires the skill of `kind`. The
/// result is `None` if one of them is not a document of this kind.
pub fn of_documents(kind: Diagnostic, lines: &str) -> Option<Vec<bool>> {
    let documents = lines.lines().filter(|line| !line.is_empty());
    let flags: Option<Vec<Vec<bool>>> = documents.map(|line| kind.skill(line)).collect();
    Some(flags?.concat())
}
