//! One text on its way from the generator, and many texts shown in order.

use std::sync::mpsc::{Receiver, Sender};

use gptlab_data::StreamDecoder;
use gptlab_engine::{
    cpu::Writer,
    sample::{Ranking, Sampling},
};
use gptlab_model::random::Stream;

use gptlab_record::{Continuation, ContinuationEnd as End};

use super::{Heard, page::Page};
use crate::{
    exit::{Outcome, Stop},
    interrupt::Interrupt,
};

/// What a text tells while it is written, and which text it is.
pub(super) type Message = (usize, Told);

pub(super) enum Told {
    Piece(String),
    End(Outcome<Continuation>),
}

/// Who is told what comes of a text.
pub(super) trait Listener {
    /// Returns whether anybody listens.
    fn told(&mut self, message: Message) -> bool;
}

/// Another thread listens.
impl Listener for Sender<Message> {
    fn told(&mut self, message: Message) -> bool {
        self.send(message).is_ok()
    }
}

/// This thread listens to the only text.
pub(super) struct Direct<H> {
    hear: H,
    outcome: Outcome<bool>,
}

impl<H: FnMut(Heard<'_>) -> bool> Direct<H> {
    pub(super) fn new(hear: H) -> Self {
        Self {
            hear,
            outcome: Ok(true),
        }
    }

    /// Whether more is to be heard after this text, or why it has failed.
    pub(super) fn outcome(self) -> Outcome<bool> {
        self.outcome
    }
}

impl<H: FnMut(Heard<'_>) -> bool> Listener for Direct<H> {
    fn told(&mut self, (_, told): Message) -> bool {
        match told {
            Told::Piece(text) => _ = (self.hear)(Heard::Piece(&text)),
            Told::End(written) => {
                self.outcome = written.map(|written| (self.hear)(Heard::End(written)));
            }
        }
        true
    }
}

/// A text that is being written.
pub(super) struct Text<'a, L> {
    pub(super) number: usize,
    pub(super) bos: Option<u32>,
    pub(super) decoder: StreamDecoder<'a>,
    pub(super) prompt: &'a str,
    pub(super) tokens: &'a [u32],
    pub(super) sampling: Sampling,
    pub(super) ranking: Ranking,
    pub(super) draws: Stream,
    pub(super) page: Page,
    pub(super) written: usize,
    pub(super) most: usize,
    pub(super) interrupt: &'a Interrupt,
    pub(super) listener: L,
}

impl<L: Listener> Writer for Text<'_, L> {
    fn prompt(&self) -> &[u32] {
        self.tokens
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        if self.interrupt.is_set() {
            return self.end(End::Interrupted);
        }
        if self.written == self.most {
            return self.end(End::Length);
        }
        let uniform = self.draws.uniform_at(self.written as u64);
        let Some(token) = self.sampling.choose(&mut self.ranking, logits, uniform) else {
            self.tell(Told::End(Err(diverged())));
            return None;
        };
        self.written += 1;
        if Some(token) == self.bos {
            return self.end(End::Document);
        }
        let stopped = self.page.push(self.decoder.push(token));
        let ready = self.page.take_ready();
        let heard = ready.is_empty() || self.tell(Told::Piece(ready));
        if stopped {
            return self.end(End::Stop);
        }
        if self.written == self.most {
            return self.end(End::Length);
        }
        heard.then_some(token)
    }
}

fn diverged() -> Stop {
    Stop::failure("the model has diverged: its logits are not numbers")
        .hint("train it anew with a smaller --lr")
}

impl<L: Listener> Text<'_, L> {
    /// Returns whether anybody listens.
    fn tell(&mut self, told: Told) -> bool {
        self.listener.told((self.number, told))
    }

    fn end(&mut self, end: End) -> Option<u32> {
        if end != End::Stop {
            self.page.push(self.decoder.finish());
        }
        let rest = self.page.take_rest();
        self.tell(Told::Piece(rest));
        // There is one for each text that has begun, of the vocabulary's size.
        self.ranking = Ranking::default();
        let written = Continuation {
            prompt: self.prompt.to_owned(),
            text: std::mem::take(&mut self.page.shown),
            tokens: self.written,
            end,
        };
        self.tell(Told::End(Ok(written)));
        None
    }
}

/// What came of a text that is not its turn yet.
#[derive(Default)]
struct Waiting {
    text: String,
    end: Option<Outcome<Continuation>>,
}

/// Hands `count` texts to `hear` one after the other, each as it comes once it is its turn, until
/// `hear` has heard enough.
pub(super) fn in_order(
    messages: Receiver<Message>,
    count: usize,
    hear: &mut impl FnMut(Heard<'_>) -> bool,
) -> Outcome<()> {
    let mut waiting: Vec<Waiting> = Vec::new();
    waiting.resize_with(count, Waiting::default);
    let mut turn = 0;
    for (number, told) in messages {
        match told {
            Told::Piece(text) if number == turn => _ = hear(Heard::Piece(&text)),
            Told::Piece(text) => waiting[number].text += &text,
            Told::End(end) => waiting[number].end = Some(end),
        }
        while let Some(end) = waiting.get_mut(turn).and_then(|w| w.end.take()) {
            turn += 1;
            if !hear(Heard::End(end?)) {
                return Ok(());
            }
            if let Some(next) = waiting.get_mut(turn) {
                hear(Heard::Begin);
                hear(Heard::Piece(&std::mem::take(&mut next.text)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Told {
        Told::End(Ok(Continuation {
            prompt: String::new(),
            text: text.into(),
            tokens: 0,
            end: End::Length,
        }))
    }

    fn heard(messages: Vec<Message>, enough: usize) -> (String, Outcome<()>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        for message in messages {
            sender.send(message).expect("somebody listens");
        }
        drop(sender);
        let (mut all, mut ends) = (String::new(), 0);
        let outcome = in_order(receiver, 3, &mut |heard| {
            match heard {
                Heard::Begin => all.push('<'),
                Heard::Piece(text) => all += text,
                Heard::End(written) => {
                    all += &["=", &written.text, ">"].concat();
                    ends += 1;
                }
            }
            ends < enough
        });
        (all, outcome)
    }

    fn piece(text: &str) -> Told {
        Told::Piece(text.into())
    }

    fn out_of_order() -> Vec<Message> {
        vec![
            (2, piece("e")),
            (0, piece("a")),
            (1, piece("c")),
            (2, written("ef")),
            (0, written("ab")),
            (1, piece("d")),
            (1, written("cd")),
        ]
    }

    #[test]
    fn texts_are_heard_in_order_whatever_comes_first() {
        let (all, outcome) = heard(out_of_order(), 3);
        assert_eq!((all.as_str(), outcome), ("a=ab><cd=cd><e=ef>", Ok(())));
        let (all, outcome) = heard(out_of_order(), 1);
        assert_eq!((all.as_str(), outcome), ("a=ab>", Ok(())));
    }

    #[test]
    fn an_error_waits_for_its_turn() {
        let mut messages = out_of_order();
        messages[3] = (2, Told::End(Err(diverged())));
        let (all, outcome) = heard(messages, 3);
        assert_eq!((all.as_str(), outcome), ("a=ab><cd=cd><e", Err(diverged())));
    }
}
