//! Holding back text that may turn out to be the stop text.

/// A filter that holds back text while it may be the start of the stop text.
pub(super) struct StopFilter {
    stop: Option<String>,
    held: String,
    /// The text that has been passed on.
    pub(super) shown: String,
}

impl StopFilter {
    pub(super) fn new(stop: Option<String>) -> Self {
        Self {
            stop,
            held: String::new(),
            shown: String::new(),
        }
    }

    /// Adds `text`. Returns whether the stop text has come; it is not passed on.
    pub(super) fn push(&mut self, text: &str) -> bool {
        self.held.push_str(text);
        let found = self
            .stop
            .as_ref()
            .and_then(|stop| self.held.find(stop.as_str()));
        if let Some(at) = found {
            self.held.truncate(at);
        }
        found.is_some()
    }

    /// Takes the text that can no longer be part of the stop text.
    pub(super) fn take_ready(&mut self) -> String {
        let stop = self.stop.as_deref().unwrap_or_default();
        let keep = self
            .held
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| !stop.is_empty() && stop.starts_with(&self.held[*at..]))
            .unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        let ready = std::mem::replace(&mut self.held, rest);
        self.shown.push_str(&ready);
        ready
    }

    /// Takes all text that was held back, at the end.
    pub(super) fn take_rest(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        self.shown.push_str(&rest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text that is passed on of `text`, and whether the stop text ended it.
    fn read(text: &str, stop: &str) -> (String, bool) {
        let mut filter = StopFilter::new(Some(stop.to_owned()).filter(|s| !s.is_empty()));
        let mut shown = String::new();
        for c in text.chars() {
            let stopped = filter.push(c.encode_utf8(&mut [0; 4]));
            shown += &filter.take_ready();
            if stopped {
                assert_eq!(shown + &filter.take_rest(), filter.shown);
                return (filter.shown, true);
            }
        }
        shown += &filter.take_rest();
        assert_eq!(shown, filter.shown);
        (filter.shown, false)
    }

    #[test]
    fn text_ends_before_the_stop_text_and_nothing_else_is_lost() {
        assert_eq!(read("one. two", ". "), ("one".into(), true));
        assert_eq!(read("a.b.c", ". "), ("a.b.c".into(), false));
        assert_eq!(read("aaab!", "aab"), ("a".into(), true));
        assert_eq!(read("ends with .", ". "), ("ends with .".into(), false));
        assert_eq!(read("日本。語", "。"), ("日本".into(), true));
        assert_eq!(read("no stop", ""), ("no stop".into(), false));
    }

    #[test]
    fn what_may_become_the_stop_text_is_held_back() {
        let mut filter = StopFilter::new(Some("ab".into()));
        assert!(!filter.push("xa"));
        assert_eq!(filter.take_ready(), "x");
        assert!(!filter.push("c"));
        assert_eq!(filter.take_ready(), "ac");
    }
}
