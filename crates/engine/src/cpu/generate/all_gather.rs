//! All-gather: how the threads that decode one token exchange their shares of a row.
//!
//! Every thread has an [`Outbox`] with two messages. A message holds the numbers that the thread
//! has computed, behind a lock, and the number of the round that they belong to; that number also
//! stands beside the lock, so that a reader need not take the lock before the message is there.
//! Messages alternate: a thread writes round k + 2 only after it has read the others' messages of
//! round k + 1, and they wrote those after they had read round k. A reader that comes too late
//! finds the number of another round in the message, and so knows it.

use std::{
    hint,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What one thread publishes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: [ColumnsMessage; 2],
}

#[derive(Debug, Default)]
struct ColumnsMessage {
    /// The round of the payload, once it is complete.
    round: CacheLine<AtomicU64>,
    payload: CacheLine<Mutex<Payload>>,
}

/// A value on a cache line of its own, so that a write beside it does not slow down its readers.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheLine<T>(T);

#[derive(Debug, Default)]
struct Payload {
    round: u64,
    numbers: Vec<f32>,
}

impl Outbox {
    fn message(&self, round: u64) -> &ColumnsMessage {
        &self.messages[(round % 2) as usize]
    }

    /// Publishes `pieces` of a row as the message of `round`.
    pub(super) fn publish<'a>(&self, round: u64, pieces: impl Iterator<Item = &'a [f32]>) {
        let message = self.message(round);
        let payload = message.payload.0.lock();
        let mut payload = payload.unwrap_or_else(PoisonError::into_inner);
        payload.round = round;
        payload.numbers.clear();
        pieces.for_each(|piece| payload.numbers.extend_from_slice(piece));
        drop(payload);
        message.round.0.store(round, Ordering::Release);
    }

    /// Waits for the message of `round` while `go_on` returns true. Returns whether the message is
    /// there.
    pub(super) fn wait(&self, round: u64, mut go_on: impl FnMut() -> bool) -> bool {
        let message = self.message(round);
        while message.round.0.load(Ordering::Acquire) < round {
            if !go_on() {
                return false;
            }
            hint::spin_loop();
        }
        true
    }

    /// Passes the numbers of `round` to `read`. Returns false, without calling it, where the
    /// message is of another round.
    pub(super) fn read(&self, round: u64, read: impl FnOnce(&[f32])) -> bool {
        let payload = self.message(round).payload.0.lock();
        let payload = payload.unwrap_or_else(PoisonError::into_inner);
        let is_current = payload.round == round;
        if is_current {
            read(&payload.numbers);
        }
        is_current
    }
}
