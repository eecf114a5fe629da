//! Writing text with a trained model: one text as it comes, or many at once.

mod page;
mod text;

use std::{panic, sync::mpsc, thread};

use gptlab_data::Tokenizer;
use gptlab_engine::{
    cpu::{Generator, Options},
    sample::{Ranking, Sampling},
};
use gptlab_model::{Graph, random::Stream};
use serde::Serialize;

use self::{page::Page, text::Text};
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

/// What is heard of texts, one after the other.
pub(crate) enum Heard<'a> {
    /// Now comes a text.
    Begin,
    /// More of it.
    Piece(&'a str),
    /// All of it.
    End(Written),
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
    pub(crate) fn of(
        loaded: &Loaded,
        args: &SampleArgs,
        seed: u64,
        options: Options,
    ) -> Outcome<Self> {
        let (graph, weights) = (&loaded.graph, &loaded.weights);
        Self::new(graph, weights, &loaded.tokenizer, args, seed, options)
    }

    /// An author who writes with `weights`.
    pub(crate) fn new(
        graph: &Graph,
        weights: &[f32],
        tokenizer: &Tokenizer,
        args: &SampleArgs,
        seed: u64,
        options: Options,
    ) -> Outcome<Self> {
        let generator = Generator::with_options(graph.clone(), weights, options);
        Ok(Self {
            sampling: sampling(args)?,
            generator: generator.map_err(Stop::failure)?,
            tokenizer: tokenizer.clone(),
            max_tokens: args.max_tokens.unwrap_or(MAX_TOKENS),
            stop: args.stop.clone().filter(|stop| !stop.is_empty()),
            seed,
        })
    }

    /// Writes on from `prompt` and hands each piece of text to `show` as it comes. The same `number`
    /// and prompt make the same text.
    pub(crate) fn write(
        &self,
        prompt: &str,
        number: u32,
        interrupt: &Interrupt,
        mut show: impl FnMut(&str),
    ) -> Outcome<Written> {
        let mut all = None;
        self.write_all(prompt, &[number], interrupt, |heard| {
            match heard {
                Heard::Begin => {}
                Heard::Piece(text) => show(text),
                Heard::End(written) => all = Some(written),
            }
            true
        })?;
        all.ok_or_else(|| Stop::failure("the text never ended"))
    }

    /// Writes a text for each of `numbers`, all at once, and lets `hear` hear them one after the other. Each is
    /// what [`Author::write`] makes of its number. Ends early where `hear` returns that it has heard enough.
    pub(crate) fn write_all(
        &self,
        prompt: &str,
        numbers: &[u32],
        interrupt: &Interrupt,
        mut hear: impl FnMut(Heard<'_>) -> bool,
    ) -> Outcome<()> {
        let tokens = self.tokenizer.prompt(prompt).map_err(Stop::data)?;
        let (sender, receiver) = mpsc::channel();
        let text = |(i, number): (usize, &u32)| Text {
            number: i,
            tokenizer: &self.tokenizer,
            prompt,
            tokens: &tokens,
            sampling: self.sampling,
            ranking: Ranking::default(),
            draws: Stream::new(self.seed, "sample", *number),
            page: Page::new(self.stop.clone()),
            written: 0,
            most: self.max_tokens,
            interrupt,
            listener: sender.clone(),
        };
        let mut texts: Vec<Text> = numbers.iter().enumerate().map(text).collect();
        drop(sender);
        if !texts.is_empty() {
            hear(Heard::Begin);
        }
        thread::scope(|scope| {
            let count = texts.len();
            let writing = scope.spawn(move || self.generator.write_all(&mut texts));
            let heard = text::in_order(receiver, count, &mut hear);
            let written = writing.join().unwrap_or_else(|e| panic::resume_unwind(e));
            written.map_err(Stop::failure).and(heard)
        })
    }
}
