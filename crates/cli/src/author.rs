//! Writing text with a trained model: one text as it comes, or many at once.

mod page;
mod text;

use std::{cell::Cell, panic, sync::mpsc, thread};

use gptlab_data::{StreamDecoder, Tokenizer};
use gptlab_engine::{
    cpu::{Generator, Options},
    sample::{Ranking, Sampling},
};
use gptlab_model::{Graph, random::Stream};
use gptlab_recipe::SampleSettings;
use gptlab_record::Continuation;

use self::{
    page::Page,
    text::{Direct, Listener, Text},
};
use crate::{
    checkpoint::Loaded,
    exit::{Outcome, Stop},
    interrupt::Interrupt,
    printer::Printer,
};

/// A model that writes, and how it chooses.
pub(crate) struct Author {
    generator: Generator,
    tokenizer: Tokenizer,
    sampling: Sampling,
    max_tokens: usize,
    stop: Option<String>,
    seed: u64,
    /// Whether the system has refused the thread that writes while what is written is shown.
    refused: Cell<bool>,
}

/// How many documents a sample shows, where a model writes documents.
pub(crate) const DOCUMENTS: u32 = 5;
/// Texts that are begun for each thread before all of them are shown: what waits for its turn stays
/// small, and threads seldom wait for each other.
const TEXTS_A_THREAD: usize = 64;
/// Tokens that may wait for their turn, about.
const WAITING: usize = 1 << 26;

/// What is said of [`Author::was_alone`].
pub(crate) const ALONE: &str = "the system gives no thread to write on; texts are written one after the other, and are the same";

/// How many texts a sample of a model in training is: one, or a few documents.
pub(crate) fn documents(tokenizer: &Tokenizer) -> u32 {
    tokenizer.bos().map_or(1, |_| DOCUMENTS)
}

/// What is heard of texts, one after the other.
pub(crate) enum Heard<'a> {
    /// Now comes a text.
    Begin,
    /// More of it.
    Piece(&'a str),
    /// All of it.
    End(Continuation),
}

/// Refuses a stop text that no text of this tokenizer can hold, and says what a typed `\\n` is.
pub(crate) fn check_stop(
    settings: &SampleSettings,
    tokenizer: &Tokenizer,
    printer: Printer,
) -> Outcome<()> {
    const BREAK: &str = r"`\n` is a backslash and an n; most shells write a line break as $'\n'";
    let Some(stop) = &settings.stop else {
        return Ok(());
    };
    let literal = stop.contains(r"\n");
    match tokenizer.encode(stop) {
        Ok(_) => {
            if literal {
                printer.hint(format_args!("--stop: {BREAK}"));
            }
            Ok(())
        }
        Err(unknown) => {
            let refused = Stop::usage(format_args!("--stop {stop:?} can never come: {unknown}"));
            Err(if literal {
                refused.hint(BREAK)
            } else {
                refused
            })
        }
    }
}

impl Author {
    /// An author who writes with a checkpoint.
    pub(crate) fn of(
        loaded: &Loaded,
        settings: &SampleSettings,
        seed: u64,
        options: Options,
    ) -> Outcome<Self> {
        let (graph, weights) = (&loaded.graph, &loaded.weights);
        Self::new(graph, weights, &loaded.tokenizer, settings, seed, options)
    }

    /// An author who writes with `weights`.
    pub(crate) fn new(
        graph: &Graph,
        weights: &[f32],
        tokenizer: &Tokenizer,
        settings: &SampleSettings,
        seed: u64,
        options: Options,
    ) -> Outcome<Self> {
        let SampleSettings {
            temperature,
            top_k,
            top_p,
            ..
        } = *settings;
        let generator = Generator::with_options(graph.clone(), weights, options);
        Ok(Self {
            sampling: Sampling::new(temperature, top_k, top_p).map_err(Stop::usage)?,
            generator: generator.map_err(Stop::failure)?,
            tokenizer: tokenizer.clone(),
            max_tokens: settings.max_tokens,
            stop: settings.stop.clone(),
            seed,
            refused: Cell::new(false),
        })
    }

    /// How many threads write.
    pub(crate) fn threads(&self) -> usize {
        self.generator.threads()
    }

    /// Whether texts were written one after the other, because the system gave no thread to write
    /// on while they are shown.
    pub(crate) fn was_alone(&self) -> bool {
        self.refused.get()
    }

    /// Writes on from `prompt` and hands each piece of text to `show` as it comes. The same
    /// `number` and prompt make the same text.
    pub(crate) fn write(
        &self,
        prompt: &str,
        number: u32,
        interrupt: &Interrupt,
        mut show: impl FnMut(&str),
    ) -> Outcome<Continuation> {
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

    /// Writes a text for each of `numbers`, all at once, and lets `hear` hear them one after the
    /// other. Each is what [`Author::write`] makes of its number. Ends early where `hear` returns
    /// that it has heard enough.
    pub(crate) fn write_all(
        &self,
        prompt: &str,
        numbers: &[u32],
        interrupt: &Interrupt,
        mut hear: impl FnMut(Heard<'_>) -> bool,
    ) -> Outcome<()> {
        let tokens = self.tokenizer.prompt(prompt).map_err(Stop::data)?;
        let asked = Asked {
            prompt,
            tokens: &tokens,
            interrupt,
        };
        match self.write_beside(&asked, numbers, &mut hear) {
            Some(outcome) => outcome,
            None => self.write_alone(&asked, numbers, &mut hear),
        }
    }

    /// On a thread beside this one, which shows what comes. `None`, and nothing heard, where the
    /// system gives none.
    fn write_beside(
        &self,
        asked: &Asked<'_>,
        numbers: &[u32],
        hear: &mut impl FnMut(Heard<'_>) -> bool,
    ) -> Option<Outcome<()>> {
        if numbers.is_empty() {
            return Some(Ok(()));
        }
        let (sender, receiver) = mpsc::channel();
        let text = |(i, number): (usize, &u32)| self.text(asked, i, *number, sender.clone());
        let mut texts: Vec<_> = numbers.iter().enumerate().map(text).collect();
        drop(sender);
        let (generator, count) = (&self.generator, texts.len());
        thread::scope(|scope| {
            let write = move || generator.write_all(&mut texts);
            let Ok(writing) = thread::Builder::new().spawn_scoped(scope, write) else {
                self.refused.set(true);
                return None;
            };
            hear(Heard::Begin);
            let heard = text::in_order(receiver, count, hear);
            let written = writing.join().unwrap_or_else(|e| panic::resume_unwind(e));
            Some(written.map_err(Stop::failure).and(heard))
        })
    }

    /// On this thread, one text after the other: what comes is shown before there is more.
    fn write_alone(
        &self,
        asked: &Asked<'_>,
        numbers: &[u32],
        hear: &mut impl FnMut(Heard<'_>) -> bool,
    ) -> Outcome<()> {
        for number in numbers {
            hear(Heard::Begin);
            let mut text = self.text(asked, 0, *number, Direct::new(&mut *hear));
            let written = self.generator.write_one(&mut text);
            written.map_err(Stop::failure)?;
            if !text.listener.outcome()? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn text<'a, L: Listener>(
        &'a self,
        asked: &Asked<'a>,
        place: usize,
        number: u32,
        listener: L,
    ) -> Text<'a, L> {
        Text {
            number: place,
            bos: self.tokenizer.bos(),
            decoder: StreamDecoder::new(&self.tokenizer),
            prompt: asked.prompt,
            tokens: asked.tokens,
            sampling: self.sampling,
            ranking: Ranking::default(),
            draws: Stream::new(self.seed, "sample", number),
            page: Page::new(self.stop.clone()),
            written: 0,
            most: self.max_tokens,
            interrupt: asked.interrupt,
            listener,
        }
    }
}

/// What all texts go on from, and what ends them.
struct Asked<'a> {
    prompt: &'a str,
    tokens: &'a [u32],
    interrupt: &'a Interrupt,
}

/// How many texts of up to `max_tokens` tokens are begun at once on so many threads.
pub(crate) fn texts_at_once(threads: usize, max_tokens: usize) -> usize {
    let waiting = WAITING / max_tokens.max(1);
    threads.saturating_mul(TEXTS_A_THREAD).min(waiting).max(1)
}

#[cfg(test)]
mod tests;
