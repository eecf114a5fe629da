//! Finds the longest passage that a text shares with another: a model's output and its training
//! text.
//!
//! The shorter text becomes a suffix automaton (Blumer et al. 1985), which reads the longer one
//! once. Time is linear in both texts, memory in the shorter one.

use gptlab_report::probe::CopiedText;

/// Returns the longest passage of `text` that occurs in `training`; of several, the first in
/// `training`. The result is `None` if they share no character.
pub fn longest_copied(text: &str, training: &str) -> Option<CopiedText> {
    let text: Vec<char> = text.chars().collect();
    let automaton = Automaton::of(&text);
    let (mut state, mut length) = (0, 0);
    let mut best = (0, 0, 0);
    for (i, c) in training.chars().enumerate() {
        (state, length) = automaton.step(state, length, c);
        if length > best.0 {
            best = (
                length,
                automaton.states[state].end + 1 - length,
                i + 1 - length,
            );
        }
    }
    let (length, at, at_in_training) = best;
    (length > 0).then(|| CopiedText {
        text: text[at..at + length].iter().collect(),
        length,
        at,
        at_in_training,
    })
}

/// A state of the automaton, which stands for the substrings that end at the same positions.
#[derive(Clone, Debug, Default)]
struct AutomatonState {
    /// The length of its longest substring, in characters.
    length: usize,
    /// The state of the longest suffix that ends at more positions; the start's is its own.
    link: usize,
    /// The first position at which its substrings end.
    end: usize,
    next: Vec<(char, usize)>,
}

impl AutomatonState {
    fn follow(&self, c: char) -> Option<usize> {
        let arc = self.next.iter().find(|(with, _)| *with == c);
        arc.map(|(_, to)| *to)
    }

    fn lead(&mut self, c: char, to: usize) {
        match self.next.iter_mut().find(|(with, _)| *with == c) {
            Some(arc) => arc.1 = to,
            None => self.next.push((c, to)),
        }
    }
}

struct Automaton {
    states: Vec<AutomatonState>,
}

impl Automaton {
    fn of(text: &[char]) -> Self {
        let mut automaton = Self {
            states: vec![AutomatonState::default()],
        };
        let mut last = 0;
        for (end, c) in text.iter().enumerate() {
            last = automaton.extend(last, *c, end);
        }
        automaton
    }

    /// Appends `c`, the text's character `end`, after `last`, the state of all the text so far.
    fn extend(&mut self, last: usize, c: char, end: usize) -> usize {
        let new = self.states.len();
        self.states.push(AutomatonState {
            length: self.states[last].length + 1,
            end,
            ..AutomatonState::default()
        });
        let mut from = last;
        while self.states[from].follow(c).is_none() {
            self.states[from].lead(c, new);
            if from == 0 {
                return new;
            }
            from = self.states[from].link;
        }
        self.states[new].link = self.linked(from, c);
        new
    }

    /// Returns the state that `c` leads to from `from`, and splits it if it also stands for longer
    /// substrings.
    fn linked(&mut self, from: usize, c: char) -> usize {
        let to = self.states[from].follow(c).unwrap_or(0);
        if self.states[to].length == self.states[from].length + 1 {
            return to;
        }
        let twin = self.states.len();
        let mut state = self.states[to].clone();
        state.length = self.states[from].length + 1;
        self.states.push(state);
        self.states[to].link = twin;
        let mut from = from;
        while self.states[from].follow(c) == Some(to) {
            self.states[from].lead(c, twin);
            if from == 0 {
                break;
            }
            from = self.states[from].link;
        }
        twin
    }

    /// Returns the state and length of the longest suffix of the input that occurs in the text,
    /// after one more character.
    fn step(&self, mut state: usize, mut length: usize, c: char) -> (usize, usize) {
        loop {
            if let Some(to) = self.states[state].follow(c) {
                return (to, length + 1);
            }
            if state == 0 {
                return (0, 0);
            }
            state = self.states[state].link;
            length = self.states[state].length;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compares every substring, longest first.
    fn brute(text: &str, training: &str) -> usize {
        let text: Vec<char> = text.chars().collect();
        (1..=text.len())
            .rev()
            .find(|n| {
                let mut pieces = text.windows(*n);
                pieces.any(|piece| training.contains(&piece.iter().collect::<String>()))
            })
            .unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_longest_is_that_of_all_pieces(text in "[abé]{0,24}", training in "[abé]{0,60}") {
            let found = longest_copied(&text, &training);
            prop_assert_eq!(found.as_ref().map_or(0, |c| c.length), brute(&text, &training));
            if let Some(copied) = found {
                let part = |whole: &str, at: usize| -> String {
                    whole.chars().skip(at).take(copied.length).collect()
                };
                prop_assert_eq!(&part(&text, copied.at), &copied.text);
                prop_assert_eq!(&part(&training, copied.at_in_training), &copied.text);
                prop_assert_eq!(text.find(&copied.text).map(|b| text[..b].chars().count()), Some(copied.at));
            }
        }
    }

    #[test]
    fn a_copied_span_is_found_where_it_stands() {
        let found =
            longest_copied("so the cat sat on a dog", "a hat. the cat sat on the mat").unwrap();
        assert_eq!(found.text, " the cat sat on ");
        assert_eq!((found.length, found.at, found.at_in_training), (16, 2, 6));
        assert_eq!(longest_copied("abc", "xyz"), None);
        assert_eq!(longest_copied("", "xyz"), None);
    }
}
