//! The attention mask: which keys a query sees.

use core::ops::Range;

/// Which keys a query sees, by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisibleKeys {
    /// All of them.
    Full,
    /// Those up to its own position.
    Causal,
    /// The last so many up to its own position, that one included; at least one.
    Window(usize),
}

impl VisibleKeys {
    /// The keys that query `i` of a sequence of `t` tokens sees. Both ends stay or rise from one
    /// query to the next.
    pub fn keys(self, i: usize, t: usize) -> Range<usize> {
        match self {
            Self::Full => 0..t,
            Self::Causal => 0..t.min(i + 1),
            Self::Window(n) => (i + 1).saturating_sub(n).min(t)..t.min(i + 1),
        }
    }

    /// The keys that at least one of `queries`, of which there are some, sees.
    pub(super) fn keys_of(self, queries: &Range<usize>, t: usize) -> Range<usize> {
        self.keys(queries.start, t).start..self.keys(queries.end - 1, t).end
    }

    /// The queries that see key `j`, in a sequence without end.
    pub(super) fn queries(self, j: usize) -> Range<usize> {
        match self {
            Self::Full => 0..usize::MAX,
            Self::Causal => j..usize::MAX,
            Self::Window(n) => j..j.saturating_add(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One by one, from the definition.
    #[test]
    fn queries_see_the_keys_that_see_them() {
        let windows = [1, 2, 7, 20, usize::MAX].map(VisibleKeys::Window);
        for visible in [VisibleKeys::Full, VisibleKeys::Causal]
            .into_iter()
            .chain(windows)
        {
            for (i, j) in (0..20).flat_map(|i| (0..20).map(move |j| (i, j))) {
                let sees = match visible {
                    VisibleKeys::Full => true,
                    VisibleKeys::Causal => j <= i,
                    VisibleKeys::Window(n) => j <= i && i - j < n,
                };
                assert_eq!(
                    visible.keys(i, 20).contains(&j),
                    sees,
                    "{visible:?} {i} {j}"
                );
                assert_eq!(visible.queries(j).contains(&i), sees, "{visible:?} {i} {j}");
            }
        }
    }
}
