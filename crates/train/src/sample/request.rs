//! One text while it is generated, and many texts reported in order.

use std::sync::{
    atomic::{AtomicBool, Ordering},
    mpsc::{Receiver, Sender},
};

use gptlab_data::StreamDecoder;
use gptlab_engine::{
    DrawRule, GenerationRequest,
    sample::{Ranking, Sampling},
};
use gptlab_model::random::Stream;
use gptlab_record::{Continuation, ContinuationEnd as End};

use super::{OnEvent, SampleError, SampleEvent, stop_filter::StopFilter};

/// The index of a request and what it reports.
pub(super) type Message = (usize, Report);

pub(super) enum Report {
    Piece(String),
    End(Result<Continuation, SampleError>),
}

/// The destination of a request's reports.
pub(super) trait EventSink {
    /// Sends a message. Returns whether the receiver still listens.
    fn send(&mut self, message: Message) -> bool;
}

/// Sends messages to another thread.
impl EventSink for Sender<Message> {
    fn send(&mut self, message: Message) -> bool {
        Sender::send(self, message).is_ok()
    }
}

/// Reports the only request directly on this thread.
pub(super) struct DirectSink<'a, 'b> {
    on_event: &'a mut OnEvent<'b>,
    outcome: Result<bool, SampleError>,
}

impl<'a, 'b> DirectSink<'a, 'b> {
    pub(super) fn new(on_event: &'a mut OnEvent<'b>) -> Self {
        Self {
            on_event,
            outcome: Ok(true),
        }
    }

    /// Returns whether to continue after this text, or the error that ended it.
    pub(super) fn outcome(self) -> Result<bool, SampleError> {
        self.outcome
    }
}

impl EventSink for DirectSink<'_, '_> {
    fn send(&mut self, (_, report): Message) -> bool {
        match report {
            Report::Piece(text) => _ = (self.on_event)(SampleEvent::Piece(&text)),
            Report::End(written) => {
                self.outcome = written.map(|written| (self.on_event)(SampleEvent::End(written)));
            }
        }
        true
    }
}

/// A text that is being generated.
pub(super) struct SampleRequest<'a, S> {
    /// The index of the text in the order of reports.
    pub(super) place: usize,
    /// The token that ends a document, if the tokenizer has one.
    pub(super) bos: Option<u32>,
    pub(super) decoder: StreamDecoder<'a>,
    pub(super) prompt: &'a str,
    pub(super) tokens: &'a [u32],
    pub(super) sampling: Sampling,
    pub(super) ranking: Ranking,
    pub(super) draws: Stream,
    pub(super) filter: StopFilter,
    /// The number of tokens generated so far.
    pub(super) written: usize,
    pub(super) max_tokens: usize,
    pub(super) cancel: &'a AtomicBool,
    pub(super) sink: S,
}

impl<S: EventSink> GenerationRequest for SampleRequest<'_, S> {
    fn prompt(&self) -> &[u32] {
        self.tokens
    }

    fn next(&mut self, logits: &[f32]) -> Option<u32> {
        let uniform = self.draws.uniform_at(self.written as u64);
        let token = self.sampling.choose(&mut self.ranking, logits, uniform);
        let continues = self.take(token);
        token.filter(|_| continues)
    }

    fn rule(&self) -> Option<DrawRule> {
        Some(DrawRule {
            sampling: self.sampling,
            draws: self.draws,
            most: self.max_tokens,
        })
    }

    fn take(&mut self, token: Option<u32>) -> bool {
        if self.cancel.load(Ordering::SeqCst) {
            return self.end(End::Interrupted);
        }
        if self.written == self.max_tokens {
            return self.end(End::Length);
        }
        let Some(token) = token else {
            self.report(Report::End(Err(SampleError::Diverged)));
            return false;
        };
        self.written += 1;
        if Some(token) == self.bos {
            return self.end(End::Document);
        }
        let stopped = self.filter.push(self.decoder.push(token));
        let ready = self.filter.take_ready();
        let heard = ready.is_empty() || self.report(Report::Piece(ready));
        if stopped {
            return self.end(End::Stop);
        }
        if self.written == self.max_tokens {
            return self.end(End::Length);
        }
        heard
    }
}

impl<S: EventSink> SampleRequest<'_, S> {
    /// Sends a report. Returns whether the receiver still listens.
    fn report(&mut self, report: Report) -> bool {
        self.sink.send((self.place, report))
    }

    /// Reports the end of the text. Returns false, for it does not continue.
    fn end(&mut self, end: End) -> bool {
        if end != End::Stop {
            self.filter.push(self.decoder.finish());
        }
        let rest = self.filter.take_rest();
        self.report(Report::Piece(rest));
        // Each text has a ranking of the vocabulary's size; it is freed as soon as the text ends.
        self.ranking = Ranking::default();
        let written = Continuation {
            prompt: self.prompt.to_owned(),
            text: std::mem::take(&mut self.filter.shown),
            tokens: self.written,
            end,
        };
        self.report(Report::End(Ok(written)));
        false
    }
}

/// The reports of a text whose turn has not come.
#[derive(Default)]
struct Waiting {
    text: String,
    end: Option<Result<Continuation, SampleError>>,
}

/// Reports `count` texts to `on_event` one after the other. The pieces of the current text are
/// passed on as they arrive; those of later texts wait. Ends early if `on_event` returns false at
/// the end of a text.
pub(super) fn in_order(
    messages: Receiver<Message>,
    count: usize,
    on_event: &mut OnEvent<'_>,
) -> Result<(), SampleError> {
    let mut waiting: Vec<Waiting> = Vec::new();
    waiting.resize_with(count, Waiting::default);
    let mut turn = 0;
    for (place, report) in messages {
        match report {
            Report::Piece(text) if place == turn => _ = on_event(SampleEvent::Piece(&text)),
            Report::Piece(text) => waiting[place].text += &text,
            Report::End(end) => waiting[place].end = Some(end),
        }
        while let Some(end) = waiting.get_mut(turn).and_then(|w| w.end.take()) {
            turn += 1;
            if !on_event(SampleEvent::End(end?)) {
                return Ok(());
            }
            if let Some(next) = waiting.get_mut(turn) {
                on_event(SampleEvent::Begin);
                on_event(SampleEvent::Piece(&std::mem::take(&mut next.text)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Report {
        Report::End(Ok(Continuation {
            prompt: String::new(),
            text: text.into(),
            tokens: 0,
            end: End::Length,
        }))
    }

    fn reported(messages: Vec<Message>, enough: usize) -> (String, Result<(), SampleError>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        for message in messages {
            sender.send(message).expect("an open channel");
        }
        drop(sender);
        let (mut all, mut ends) = (String::new(), 0);
        let outcome = in_order(receiver, 3, &mut |event| {
            match event {
                SampleEvent::Begin => all.push('<'),
                SampleEvent::Piece(text) => all += text,
                SampleEvent::End(written) => {
                    all += &["=", &written.text, ">"].concat();
                    ends += 1;
                }
            }
            ends < enough
        });
        (all, outcome)
    }

    fn piece(text: &str) -> Report {
        Report::Piece(text.into())
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
    fn texts_are_reported_in_order_whatever_comes_first() {
        let (all, outcome) = reported(out_of_order(), 3);
        assert_eq!((all.as_str(), outcome), ("a=ab><cd=cd><e=ef>", Ok(())));
        let (all, outcome) = reported(out_of_order(), 1);
        assert_eq!((all.as_str(), outcome), ("a=ab>", Ok(())));
    }

    #[test]
    fn an_error_waits_for_its_turn() {
        let mut messages = out_of_order();
        messages[3] = (2, Report::End(Err(SampleError::Diverged)));
        let (all, outcome) = reported(messages, 3);
        assert_eq!(
            (all.as_str(), outcome),
            ("a=ab><cd=cd><e", Err(SampleError::Diverged))
        );
    }
}
