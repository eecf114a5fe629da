//! Writing text with a trained model, token by token.

use gptlab_data::Tokenizer;
use gptlab_engine::{cpu::Generator, sample::Sampling};
use gptlab_model::{Graph, random::Stream};
use serde::Serialize;

use crate::{
    args::SampleArgs,
    checkpoint::Loaded,
    exit::{Outcome, Stop},
    interrupt::Interrupt,
};

pub(crate) const TEMPERATURE: f64 = 0.8;
pub(crate) const TOP_K: usize = 40;
const MAX_TOKENS: usize = 200;

/// A model that writes, and how it chooses.
pub(crate) struct Author {
    generator: Generator,
    tokenizer: Tokenizer,
    sampling: Sampling,
    max_tokens: usize,
    stop: Option<String>,
    seed: u64,
}

/// What came of a prompt.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) prompt: String,
    /// What follows the prompt.
    pub(crate) text: String,
    pub(crate) tokens: usize,
    pub(crate) end: End,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    /// `--max-tokens` were written.
    Length,
    /// The text of `--stop` came.
    Stop,
    /// The model ended the document.
    Document,
    /// Ctrl-C.
    Interrupted,
}

/// How `args` choose the next token.
pub(crate) fn sampling(args: &SampleArgs) -> Outcome<Sampling> {
    let top_k = Some(args.top_k.unwrap_or(TOP_K)).filter(|k| *k > 0);
    let temperature = args.temperature.unwrap_or(TEMPERATURE);
    Sampling::new(temperature, top_k, args.top_p).map_err(Stop::usage)
}

impl Author {
    /// An author who writes with a checkpoint.
    pub(crate) fn of(loaded: &Loaded, args: &SampleArgs, seed: u64) -> Outcome<Self> {
        Self::new(
            &loaded.graph,
            &loaded.weights,
            &loaded.tokenizer,
            args,
            seed,
        )
    }

    /// An author who writes with `weights`.
    pub(crate) fn new(
        graph: &Graph,
        weights: &[f32],
        tokenizer: &Tokenizer,
        args: &SampleArgs,
        seed: u64,
    ) -> Outcome<Self> {
        Ok(Self {
            sampling: sampling(args)?,
            generator: Generator::new(graph.clone(), weights).map_err(Stop::failure)?,
            tokenizer: tokenizer.clone(),
            max_tokens: args.max_tokens.unwrap_or(MAX_TOKENS),
            stop: args.stop.clone().filter(|stop| !stop.is_empty()),
            seed,
        })
    }

    /// Writes on from `prompt` and hands each piece of text to `show` as it comes. The same `number`
    /// and prompt make the same text.
    pub(crate) fn write(
        &mut self,
        prompt: &str,
        number: u32,
        interrupt: &Interrupt,
        mut show: impl FnMut(&str),
    ) -> Outcome<Written> {
        let tokens = self.tokenizer.prompt(prompt).map_err(Stop::data)?;
        self.generator.begin(&tokens).map_err(Stop::failure)?;
        let stream = Stream::new(self.seed, "sample", number);
        let mut page = Page::new(self.stop.clone());
        let mut written = 0;
        let end = loop {
            if interrupt.is_set() {
                break End::Interrupted;
            }
            if written == self.max_tokens {
                break End::Length;
            }
            let token = self.next(stream.uniform_at(written as u64))?;
            written += 1;
            if Some(token) == self.tokenizer.bos() {
                break End::Document;
            }
            let stopped = page.push(self.tokenizer.char(token).into_iter());
            show(&page.take_ready());
            if stopped {
                break End::Stop;
            }
        };
        show(&page.take_rest());
        Ok(Written {
            prompt: prompt.to_owned(),
            text: page.shown,
            tokens: written,
            end,
        })
    }

    fn next(&mut self, uniform: f64) -> Outcome<u32> {
        self.generator
            .next_token(&self.sampling, uniform)
            .ok_or_else(|| {
                Stop::failure("the model has diverged: its logits are not numbers")
                    .hint("train it anew with a smaller --lr")
            })
    }
}

/// Text on its way to the reader: what may yet turn out to be the stop text is held back.
struct Page {
    stop: Option<String>,
    held: String,
    shown: String,
}

impl Page {
    fn new(stop: Option<String>) -> Self {
        Self {
            stop,
            held: String::new(),
            shown: String::new(),
        }
    }

    /// Adds characters; returns whether the stop text has come, which is not shown.
    fn push(&mut self, text: impl Iterator<Item = char>) -> bool {
        self.held.extend(text);
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
    fn take_ready(&mut self) -> String {
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
    fn take_rest(&mut self) -> String {
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
            let stopped = page.push([c].into_iter());
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
        assert!(!page.push("xa".chars()));
        assert_eq!(page.take_ready(), "x");
        assert!(!page.push("c".chars()));
        assert_eq!(page.take_ready(), "ac");
    }
}
