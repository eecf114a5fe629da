//! Texts whose tokens the device chooses. A token goes into the next step without the host: while
//! the device makes a step, the host takes the tokens of the step before.
//!
//! Where a text goes on by a window (past the context, or without a causal mask), the host must
//! know its tokens first, and every text waits for that step.

use gptlab_engine::{DrawRule, GenerationRequest};

use super::decoder::{Decoder, Text};
use crate::{GpuError, chunks::RuleWords, context::Mapping};

/// A text, and its request.
struct DrawnText<'a, R> {
    /// The number of the text: slots are used again, numbers are not.
    number: usize,
    text: Text,
    request: &'a mut R,
    rule: DrawRule,
    /// The number of tokens that the device has been asked for.
    asked: usize,
}

/// Tokens that the device chooses while the host does something else.
struct Flight {
    /// The numbers of the texts.
    numbers: Vec<usize>,
    buffer: usize,
    mapping: Mapping,
}

/// The texts that are written at once.
struct Writer<'a, 'b, R> {
    decoder: &'a mut Decoder,
    vocab_size: usize,
    idle: Vec<usize>,
    busy: Vec<DrawnText<'b, R>>,
    /// Where the host reads tokens: of the last step, and of the one before.
    buffers: [wgpu::Buffer; 2],
}

/// Writes texts to their ends, the first ones first.
pub(super) fn write_drawn<R: GenerationRequest>(
    decoder: &mut Decoder,
    vocab_size: usize,
    requests: &mut [R],
    rules: &[DrawRule],
) -> Result<(), GpuError> {
    let idle = (0..decoder.fit(requests.len())).rev().collect();
    let buffers = [decoder.drawn_buffer()?, decoder.drawn_buffer()?];
    let mut writer = Writer {
        decoder,
        vocab_size,
        idle,
        busy: Vec::new(),
        buffers,
    };
    let mut waiting = requests.iter_mut().zip(rules).enumerate();
    let mut flight: Option<Flight> = None;
    loop {
        while let Some(slot) = writer.idle.pop() {
            let Some((number, (request, rule))) = waiting.next() else {
                writer.idle.push(slot);
                break;
            };
            writer.busy.push(DrawnText {
                number,
                text: Text::new(slot, request.prompt()),
                request,
                rule: *rule,
                asked: 0,
            });
        }
        let free = flight.as_ref().map_or(0, |flight| 1 - flight.buffer);
        let begun = writer.begin(free)?;
        if begun.is_none() && flight.is_none() {
            return Ok(());
        }
        if let Some(flight) = flight {
            writer.take(flight)?;
        }
        flight = begun;
    }
}

impl<R: GenerationRequest> Writer<'_, '_, R> {
    /// Asks the device for a token of every text that can have one more. Returns `None` if there is
    /// no such text, or if a token in flight must be known first.
    fn begin(&mut self, buffer: usize) -> Result<Option<Flight>, GpuError> {
        let decoder = &mut *self.decoder;
        // A text of no tokens is asked for one too: its request ends it.
        let goes_on = |of: &DrawnText<'_, R>| of.asked == 0 || of.asked < of.rule.most;
        let mut going: Vec<_> = self.busy.iter_mut().filter(|of| goes_on(of)).collect();
        let must_wait =
            |of: &&mut DrawnText<'_, R>| of.text.is_pending && !decoder.goes_by_step(&of.text);
        if going.is_empty() || going.iter().any(must_wait) {
            return Ok(None);
        }
        let numbers = going.iter().map(|of| of.number).collect();
        let rules: Vec<RuleWords> = going
            .iter()
            .map(|of| RuleWords::new(&of.rule, of.asked))
            .collect();
        for of in &mut going {
            of.asked += 1;
        }
        let mut texts: Vec<&mut Text> = going.into_iter().map(|of| &mut of.text).collect();
        let mapping = decoder.draw(&mut texts, &rules, &self.buffers[buffer])?;
        Ok(Some(Flight {
            numbers,
            buffer,
            mapping,
        }))
    }

    /// Waits for tokens, and gives each to its request. Those of texts that have ended meanwhile
    /// are nobody's.
    fn take(&mut self, flight: Flight) -> Result<(), GpuError> {
        let Flight {
            numbers,
            buffer,
            mapping,
        } = flight;
        let drawn = &self.buffers[buffer];
        let tokens = self.decoder.drawn(drawn, mapping, numbers.len())?;
        for (number, token) in numbers.into_iter().zip(tokens) {
            let Some(at) = self.busy.iter().position(|of| of.number == number) else {
                continue;
            };
            let of = &mut self.busy[at];
            of.text.is_pending = false;
            let token = Some(token).filter(|token| (*token as usize) < self.vocab_size);
            let taken = of.text.tokens.len() - of.request.prompt().len() + 1;
            let continues = of.request.take(token) && taken < of.rule.most;
            match token.filter(|_| continues) {
                Some(token) => {
                    of.text.tokens.push(token);
                    // The next token is in flight if one more was asked for.
                    of.text.is_pending = of.asked > taken;
                }
                None => self.idle.push(self.busy.swap_remove(at).text.slot),
            }
        }
        Ok(())
    }
}
