//! Suggestions for mistyped words.

/// Returns the word of `all` that is nearest to `typed`, if its distance is at most a third of the
/// length of `typed`.
pub fn nearest(typed: &str, all: impl IntoIterator<Item = String>) -> Option<String> {
    nearest_words(typed, all).into_iter().next()
}

/// Returns the words of `all` whose distance to `typed` is at most a third of its length, the
/// nearest first.
pub fn nearest_words(typed: &str, all: impl IntoIterator<Item = String>) -> Vec<String> {
    let most = typed.chars().count().max(3) / 3;
    let mut near: Vec<(usize, String)> = all
        .into_iter()
        .map(|word| (distance(typed, &word), word))
        .filter(|(d, _)| *d <= most)
        .collect();
    near.sort_by_key(|(d, _)| *d);
    near.into_iter().map(|(_, word)| word).collect()
}

/// Returns the Levenshtein distance of two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_match_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let all = || ["n-layer".to_owned(), "n-embd".to_owned()];
        assert_eq!(nearest("n-layr", all()).as_deref(), Some("n-layer"));
        assert_eq!(nearest("colour", all()), None);
        assert_eq!(nearest_words("n-embde", all()), ["n-embd"]);
        assert_eq!(
            nearest_words("n-", ["n".to_owned(), "n-".to_owned()]),
            ["n-", "n"]
        );
    }
}
