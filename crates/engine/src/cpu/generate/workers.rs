//! One text on several threads: each worker computes a share of every token.
//!
//! Every worker takes the token through the whole model. Of large products, activations and
//! attention it computes its share ([`Shares`]); it publishes what the others need of that share,
//! and reads what they have published ([`Outbox`]).
//!
//! **Nobody waits for a thread that does not run.** Worker 0 is the caller's thread, which owns the
//! text; the others are its helpers. The owner gives each token a number, and a helper that is
//! awake says that it has joined. Where a helper has not joined, or does not answer in about the
//! time that its share takes, the owner computes what it needs itself, from the last round that was
//! complete, and finishes the token alone: every value of the token has a place of its own, so that
//! any part can be computed again. The helper finds that it is late, and joins again with another
//! token. What it computed meanwhile is either what the owner computed, bit by bit, or is not read.
//! (A helper that is stopped while it reads its keys and values holds their lock: there the owner
//! has to wait for it.) Where this happens often the text is decoded by one thread for a while
//! ([`HelperBackoff`]), and a helper that has had nothing to do for some tens of microseconds goes
//! to sleep.
//!
//! Everything that the threads share is behind locks, or is one atomic number.

use std::{
    hint,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use gptlab_model::ValueId;

use super::{
    all_gather::Outbox,
    decoder::Decoder,
    helper_backoff::HelperBackoff,
    kv_cache::KvCache,
    rows::{DecodeWorkspace, DecodedRows, OwnShare},
    sequence::{Sequence, TokenPlace},
    shares::{NodeShare, Shares},
};

/// How often a helper looks before it gives up a token, or goes to sleep where there is none: some
/// tens of microseconds.
const HELPER_SPINS: usize = 1 << 11;
/// How often the owner looks for a helper's share at least, and how many weights of the share allow
/// one more look: after so long the owner would have computed the share itself.
const MIN_SPINS: usize = 1 << 9;
const WEIGHTS_PER_SPIN: usize = 1 << 7;
/// More than the rounds of any token; even, so that messages alternate across tokens too.
const ROUNDS: u64 = 1 << 20;

/// The helpers, and what the owner of a text shares with them.
#[derive(Debug)]
pub(super) struct Workers {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    backoff: HelperBackoff,
}

#[derive(Debug)]
struct Shared {
    decoder: Arc<Decoder>,
    shares: Arc<Shares>,
    /// The number of the newest token, and of the last one that its owner finished alone.
    latest: AtomicU64,
    alone: AtomicU64,
    task: Mutex<CurrentToken>,
    outboxes: Vec<Outbox>,
    helpers: Vec<Helper>,
    /// See [`MIN_SPINS`].
    min_spins: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Helper {
    /// The last token that it has joined.
    joined: AtomicU64,
    asleep: AtomicBool,
}

/// The token to decode, and the cache of the text that it belongs to; no cache tells the helpers to
/// end.
#[derive(Debug, Default)]
struct CurrentToken {
    token: Token,
    kv_cache: Option<Arc<KvCache>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Token {
    number: u64,
    id: u32,
    position: usize,
    text: u64,
}

impl Token {
    fn place(self, kv_cache: &KvCache) -> TokenPlace<'_> {
        TokenPlace {
            kv_cache,
            text: self.text,
            position: self.position,
        }
    }
}

impl Workers {
    /// As many workers as there are shares, the caller's thread among them; `None` where a thread
    /// cannot be started.
    pub(super) fn new(decoder: &Arc<Decoder>, shares: &Arc<Shares>) -> Option<Self> {
        Self::started(decoder, shares, |shared, worker| {
            let thread = thread::Builder::new().name(format!("gptlab-writer-{worker}"));
            thread.spawn(move || shared.run_helper(worker)).ok()
        })
    }

    /// The same with threads that `start` gives, or refuses.
    fn started(
        decoder: &Arc<Decoder>,
        shares: &Arc<Shares>,
        start: impl Fn(Arc<Shared>, usize) -> Option<JoinHandle<()>>,
    ) -> Option<Self> {
        let mut workers = Self {
            shared: Arc::new(Shared::new(decoder, shares)),
            helpers: Vec::new(),
            backoff: HelperBackoff::default(),
        };
        for worker in 1..shares.workers {
            // The threads that were started before the one that is refused end when `workers` is
            // dropped.
            workers
                .helpers
                .push(start(Arc::clone(&workers.shared), worker)?);
        }
        Some(workers)
    }

    /// Runs the last token of `sequence`, whose other tokens are cached, and leaves the logits that
    /// follow it. Returns false, and does nothing, where one thread is the better choice.
    pub(super) fn step(&mut self, work: &mut DecodeWorkspace, sequence: &mut Sequence) -> bool {
        if self.backoff.skips() {
            return false;
        }
        if self.shared.sleeps() {
            self.backoff.reset();
        }
        let number = self.begin(sequence);
        let together = self.finish(number, work, sequence);
        self.backoff.record(together);
        true
    }

    /// Runs a token that helpers know of. Returns whether they did their share.
    fn finish(&self, number: u64, work: &mut DecodeWorkspace, sequence: &mut Sequence) -> bool {
        let shared = &*self.shared;
        let (decoder, plan) = (&*shared.decoder, &shared.shares.plan);
        let kv_cache = Arc::clone(&sequence.kv_cache);
        let place = TokenPlace {
            kv_cache: &kv_cache,
            text: sequence.text,
            position: sequence.cached,
        };
        let mut rows = [sequence];
        let rows = &mut DecodedRows::Step(&mut rows);
        work.fit(decoder, plan, rows);
        let head = decoder.prepared.graph.logits();
        let whole = shared.take_part(0, number, head, place, work, rows);
        if let Err(late) = whole {
            shared.alone.store(number, Ordering::Release);
            let nodes = decoder.prepared.graph.ids().filter(|node| *node >= late);
            nodes.for_each(|node| decoder.forward(node, plan, work, rows));
        }
        rows.advance();
        let DecodedRows::Step([sequence]) = rows else {
            unreachable!("a step is made of one text")
        };
        sequence.answer(&work.arena[plan.value(head).of_rows(1)]);
        whole.is_ok()
    }

    /// Tells the helpers of a token. Returns its number.
    fn begin(&self, sequence: &Sequence) -> u64 {
        let mut task = self
            .shared
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = task.kv_cache.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &sequence.kv_cache)) {
            task.kv_cache = Some(Arc::clone(&sequence.kv_cache));
        }
        task.token = Token {
            number: task.token.number + 1,
            id: sequence.context.last().copied().unwrap_or_default(),
            position: sequence.cached,
            text: sequence.text,
        };
        let number = task.token.number;
        drop(task);
        self.notify(number);
        number
    }

    /// Tells the helpers that there is another token.
    fn notify(&self, number: u64) {
        self.shared.latest.store(number, Ordering::SeqCst);
        for (helper, thread) in self.shared.helpers[1..].iter().zip(&self.helpers) {
            if helper.asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut task = self
            .shared
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = task.token.number + 1;
        task.kv_cache = None;
        drop(task);
        self.notify(number);
        for helper in self.helpers.drain(..) {
            // One that has panicked has said so.
            let _ = helper.join();
        }
    }
}

impl Shared {
    fn new(decoder: &Arc<Decoder>, shares: &Arc<Shares>) -> Self {
        let (mut outboxes, mut helpers) = (Vec::new(), Vec::new());
        outboxes.resize_with(shares.workers, Outbox::default);
        helpers.resize_with(shares.workers, Helper::default);
        Self {
            decoder: Arc::clone(decoder),
            shares: Arc::clone(shares),
            latest: AtomicU64::new(0),
            alone: AtomicU64::new(0),
            task: Mutex::default(),
            outboxes,
            helpers,
            min_spins: MIN_SPINS,
        }
    }

    /// The loop of a helper thread, until there is no text.
    fn run_helper(&self, worker: usize) {
        let (mut work, mut kv_cache, mut last) = (DecodeWorkspace::default(), None, 0);
        loop {
            self.wait(worker, last);
            let Some(token) = self.task(&mut kv_cache) else {
                return;
            };
            last = token.number;
            self.helpers[worker].joined.store(last, Ordering::Release);
            if let Some(kv_cache) = &kv_cache {
                let row = &DecodedRows::Helped(token.id, token.position);
                let place = token.place(kv_cache);
                work.fit(&self.decoder, &self.shares.plan, row);
                // A helper that is late joins again with the next token.
                let _ = self.take_part(worker, last, self.shares.last, place, &mut work, row);
            }
        }
    }

    fn sleeps(&self) -> bool {
        let mut helpers = self.helpers.iter();
        helpers.any(|helper| helper.asleep.load(Ordering::Relaxed))
    }

    /// The token to decode; sets `known` to the cache of its text.
    fn task(&self, known: &mut Option<Arc<KvCache>>) -> Option<Token> {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let kv_cache = task.kv_cache.as_ref()?;
        if known.as_ref().is_none_or(|k| !Arc::ptr_eq(k, kv_cache)) {
            *known = Some(Arc::clone(kv_cache));
        }
        Some(task.token)
    }

    /// Waits until there is another token than the `last`.
    fn wait(&self, worker: usize, last: u64) {
        let latest = || self.latest.load(Ordering::SeqCst) != last;
        for _ in 0..HELPER_SPINS {
            if latest() {
                return;
            }
            hint::spin_loop();
        }
        let asleep = &self.helpers[worker].asleep;
        asleep.store(true, Ordering::SeqCst);
        while !latest() {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
    }

    /// Runs a worker's share of a token up to the node `last`. Where this worker or another is
    /// late, the error is the first node whose values are incomplete.
    fn take_part(
        &self,
        worker: usize,
        number: u64,
        last: ValueId,
        place: TokenPlace<'_>,
        work: &mut DecodeWorkspace,
        row: &DecodedRows<'_, '_>,
    ) -> Result<(), ValueId> {
        let (decoder, plan) = (&*self.decoder, &self.shares.plan);
        for node in decoder.prepared.graph.ids().filter(|node| *node <= last) {
            let Some(share) = self.shares.of(node) else {
                decoder.forward(node, plan, work, row);
                continue;
            };
            let own = OwnShare {
                share,
                worker,
                place,
            };
            decoder.forward_share(node, plan, work, row, Some(own));
            if let Some(gather) = &share.gather {
                let y = &mut work.arena[plan.value(node).of_rows(1)];
                let round = number * ROUNDS + gather.round;
                let mine = share.columns[worker].iter();
                self.outboxes[worker].publish(round, mine.map(|columns| &y[columns.clone()]));
                let more = gather.weights / WEIGHTS_PER_SPIN;
                let gathered = if worker == 0 {
                    self.gather(worker, round, share, y, first_calls(self.min_spins + more))
                } else {
                    let spins = self.while_on(number, HELPER_SPINS + 2 * more);
                    node == self.shares.last || self.gather(worker, round, share, y, spins)
                };
                if !gathered {
                    return Err(gather.first);
                }
            }
        }
        Ok(())
    }

    /// Reads the other workers' columns of a node. Returns false where one of them, or this one, is
    /// late.
    fn gather(
        &self,
        worker: usize,
        round: u64,
        share: &NodeShare,
        y: &mut [f32],
        mut go_on: impl FnMut() -> bool,
    ) -> bool {
        let mut others = (0..self.shares.workers).filter(|m| *m != worker);
        others.all(|other| {
            let (outbox, helper) = (&self.outboxes[other], &self.helpers[other]);
            let joined = || helper.joined.load(Ordering::Acquire) == round / ROUNDS;
            (worker > 0 || joined())
                && outbox.wait(round, &mut go_on)
                && outbox.read(round, |numbers| put(y, &share.columns[other], numbers))
        })
    }

    /// Returns true while the owner counts on a helper; not for ever, since the owner may not be
    /// running.
    fn while_on(&self, number: u64, spins: usize) -> impl FnMut() -> bool {
        let mut more = first_calls(spins);
        move || {
            self.alone.load(Ordering::Acquire) < number
                && self.latest.load(Ordering::Acquire) == number
                && more()
        }
    }
}

/// Sets the `columns` of a row from numbers that lie side by side.
fn put(y: &mut [f32], columns: &[Range<usize>], mut numbers: &[f32]) {
    for columns in columns {
        let (now, later) = numbers.split_at(columns.len());
        y[columns.clone()].copy_from_slice(now);
        numbers = later;
    }
}

/// Returns true for the first `spins` calls.
fn first_calls(mut spins: usize) -> impl FnMut() -> bool {
    move || {
        spins = spins.saturating_sub(1);
        spins > 0
    }
}

#[cfg(test)]
mod tests;
