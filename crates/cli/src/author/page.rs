//! Text as it becomes ready to be shown.

/// Text on its way to the reader: what may yet turn out to be the stop text is held back.
pub(super) struct Page {
    stop: Option<String>,
    held: String,
    /// What has been handed out.
    pub(super) shown: String,
}

impl Page {
    pub(super) fn new(stop: Option<String>) -> Self {
        Self {
            stop,
            held: String::new(),
            shown: String::new(),
        }
    }

    /// Adds `text`; returns whether the stop text has come, which is not shown.
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

    /// What cannot become the stop text any more.
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

    /// What is left at the end.
    pub(super) fn take_rest(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        self.shown.push_str(&rest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of `text`, and whether it was stopped.
    fn read(text: &str, stop: &str) -> (String, bool) {
        let mut page = Page::new(Some(stop.to_owned()).filter(|s| !s.is_empty()));
        let mut shown = String::new();
        for c in text.chars() {
            let stopped = page.push(c.encode_utf8(&mut [0; 4]));
            shown += &page.take_ready();
            if stopped {
                assert_eq!(shown + &page.take_rest(), page.shown);
                return (page.shown, true);
            }
        }
        shown += &page.take_rest();
        assert_eq!(shown, page.shown);
        (page.shown, false)
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
        let mut page = Page::new(Some("ab".into()));
        assert!(!page.push("xa"));
        assert_eq!(page.take_ready(), "x");
        assert!(!page.push("c"));
        assert_eq!(page.take_ready(), "ac");
    }
}
