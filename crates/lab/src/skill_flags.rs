//! Which predictions need the skill of a diagnostic text.

use gptlab_data::{Corpus, Diagnostic, Split};
use gptlab_recipe::Documents;

/// The documents of `split`, a part of `corpus`, one a line; `None` of a text whose lines are no
/// documents, or whose tokens are no characters.
pub fn lines(corpus: &Corpus, split: &Split) -> Option<String> {
    let tokenizer = corpus.tokenizer();
    let by_line = *tokenizer.spec().documents() == Documents::Lines;
    let by_character = split.characters() == split.tokens().len();
    (by_line && by_character)
        .then(|| tokenizer.decode(&split.tokens().to_vec()).ok())
        .flatten()
}

/// For each prediction of the documents that `lines` holds, whether it needs the skill of `kind`;
/// `None` where one of them is no document of this kind.
pub fn of_documents(kind: Diagnostic, lines: &str) -> Option<Vec<bool>> {
    let documents = lines.lines().filter(|line| !line.is_empty());
    let flags: Option<Vec<Vec<bool>>> = documents.map(|line| kind.skill(line)).collect();
    Some(flags?.concat())
}
