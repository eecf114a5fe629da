//! One text on several threads: helpers that take a share of every token.
//!
//! Every member takes the token through the whole model. Of large products, activations and attention it computes its
//! share ([`Shares`]); what the others need of that it tells them ([`Desk`]).
//!
//! **Nobody waits for a thread that does not run.** The owner of the text gives each token a number, and a helper that
//! is awake says that it has joined. Where one has not, or does not answer in about the time that its share takes, the
//! owner makes what it needs itself, from the last words that were told on, and finishes the token alone: every value of
//! the token has a place of its own, so that any part can be made again. The helper finds that it is late, and joins
//! with another token. What it did meanwhile is either what the owner did, bit by bit, or is not looked at. (A helper
//! that is stopped while it reads its keys and values holds their lock: there the owner has to wait for it.) Where this
//! happens often the text is written alone for a while ([`Pace`]), and a helper that has had nothing to do for some tens
//! of microseconds goes to sleep.
//!
//! All that threads have in common is behind locks, or one number.

use std::{
    hint,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use gptlab_kernels::{activation, gate, packed};
use gptlab_model::Op;

use super::{
    decoder::{Decoder, Stream},
    exchange::Desk,
    layout::Layout,
    memory::Memory,
    pace::Pace,
    rows::{Place, Rows, Work},
    shares::{Share, Shares},
};
use crate::cpu::{chunk::parts, program::kernel};

/// Looks before a helper gives up a token, or goes to sleep where there is none: some tens of microseconds.
const LOOKS: usize = 1 << 11;
/// Looks that a helper's share is waited for at least, and weights of which each allows one more look: by then the
/// owner would have made it itself.
const PATIENCE: usize = 1 << 9;
const WEIGHTS: usize = 1 << 7;
/// More than the turns of any token, and even, so that they alternate.
const TURNS: u64 = 1 << 20;

/// Helpers, and what the owner of a text has in common with them.
#[derive(Debug)]
pub(super) struct Team {
    common: Arc<Common>,
    helpers: Vec<JoinHandle<()>>,
    pace: Pace,
}

#[derive(Debug)]
struct Common {
    decoder: Arc<Decoder>,
    shares: Arc<Shares>,
    /// The number of the token, and of the last one that its owner finishes alone.
    news: AtomicU64,
    alone: AtomicU64,
    task: Mutex<Task>,
    desks: Vec<Desk>,
    helpers: Vec<Helper>,
    /// See [`PATIENCE`].
    patience: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Helper {
    /// The last token it has joined in.
    joined: AtomicU64,
    asleep: AtomicBool,
}

/// A token, and the memory of the text it goes on; none, at the end.
#[derive(Debug, Default)]
struct Task {
    token: Token,
    memory: Option<Arc<Memory>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Token {
    number: u64,
    id: u32,
    position: usize,
    text: u64,
}

impl Team {
    /// A team of as many threads as there are shares, the caller's among them; `None` where none can be started.
    pub(super) fn new(decoder: &Arc<Decoder>, shares: &Arc<Shares>) -> Option<Self> {
        Self::started(decoder, shares, |common, member| {
            let thread = thread::Builder::new().name(format!("gptlab-writer-{member}"));
            thread.spawn(move || common.help(member)).ok()
        })
    }

    /// The same with threads that `start` gives, or refuses.
    fn started(
        decoder: &Arc<Decoder>,
        shares: &Arc<Shares>,
        start: impl Fn(Arc<Common>, usize) -> Option<JoinHandle<()>>,
    ) -> Option<Self> {
        let mut team = Self {
            common: Arc::new(Common::new(decoder, shares)),
            helpers: Vec::new(),
            pace: Pace::default(),
        };
        for member in 1..shares.members {
            // Who was started before the one that is refused is sent home when the team is dropped.
            team.helpers.push(start(Arc::clone(&team.common), member)?);
        }
        Some(team)
    }

    /// The next token of `stream`, of which all but the last are cached: the logits are those after it. False, and
    /// nothing done, where it is better written by one thread.
    pub(super) fn step(&mut self, work: &mut Work, stream: &mut Stream) -> bool {
        if self.pace.rests() {
            return false;
        }
        if self.common.sleeps() {
            self.pace.wakes();
        }
        let number = self.begin(stream);
        let together = self.finish(number, work, stream);
        self.pace.goes(together);
        true
    }

    /// The rest of a token that helpers know of; whether they did their share.
    fn finish(&self, number: u64, work: &mut Work, stream: &mut Stream) -> bool {
        let common = &*self.common;
        let (decoder, layout) = (&*common.decoder, &common.shares.layout);
        let memory = Arc::clone(&stream.memory);
        let place = (&*memory, stream.text, stream.cached);
        let mut rows = [stream];
        let rows = &mut Rows::Step(&mut rows);
        work.fit(decoder, layout, rows);
        let head = decoder.program.graph.nodes().len() - 1;
        let whole = common.take_part(0, number, head, place, work, rows);
        if let Err(late) = whole {
            common.alone.store(number, Ordering::Release);
            (late..=head).for_each(|node| decoder.forward(node, layout, work, rows));
        }
        rows.remembered();
        let Rows::Step([stream]) = rows else {
            unreachable!("a step is made of one text")
        };
        stream.answer(&work.arena[layout.value(head, 1)]);
        whole.is_ok()
    }

    /// Tells the helpers of a token; its number.
    fn begin(&self, stream: &Stream) -> u64 {
        let mut task = self
            .common
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = task.memory.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &stream.memory)) {
            task.memory = Some(Arc::clone(&stream.memory));
        }
        task.token = Token {
            number: task.token.number + 1,
            id: stream.context.last().copied().unwrap_or_default(),
            position: stream.cached,
            text: stream.text,
        };
        let number = task.token.number;
        drop(task);
        self.call(number);
        number
    }

    /// There is something new.
    fn call(&self, number: u64) {
        self.common.news.store(number, Ordering::SeqCst);
        for (helper, thread) in self.common.helpers[1..].iter().zip(&self.helpers) {
            if helper.asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let mut task = self
            .common
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = task.token.number + 1;
        task.memory = None;
        drop(task);
        self.call(number);
        for helper in self.helpers.drain(..) {
            // One that has panicked has said so.
            let _ = helper.join();
        }
    }
}

impl Common {
    fn new(decoder: &Arc<Decoder>, shares: &Arc<Shares>) -> Self {
        let (mut desks, mut helpers) = (Vec::new(), Vec::new());
        desks.resize_with(shares.members, Desk::default);
        helpers.resize_with(shares.members, Helper::default);
        Self {
            decoder: Arc::clone(decoder),
            shares: Arc::clone(shares),
            news: AtomicU64::new(0),
            alone: AtomicU64::new(0),
            task: Mutex::default(),
            desks,
            helpers,
            patience: PATIENCE,
        }
    }

    /// What a helper does, until there is no text.
    fn help(&self, member: usize) {
        let (mut work, mut memory, mut last) = (Work::default(), None, 0);
        loop {
            self.wait(member, last);
            let Some(token) = self.task(&mut memory) else {
                return;
            };
            last = token.number;
            self.helpers[member].joined.store(last, Ordering::Release);
            if let Some(memory) = &memory {
                let row = &Rows::Helped(token.id, token.position);
                let place = (&**memory, token.text, token.position);
                work.fit(&self.decoder, &self.shares.layout, row);
                // Who is late joins again with the next token.
                let _ = self.take_part(member, last, self.shares.last, place, &mut work, row);
            }
        }
    }

    fn sleeps(&self) -> bool {
        let mut helpers = self.helpers.iter();
        helpers.any(|helper| helper.asleep.load(Ordering::Relaxed))
    }

    /// The token at hand, and the memory of its text.
    fn task(&self, known: &mut Option<Arc<Memory>>) -> Option<Token> {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = task.memory.as_ref()?;
        if known.as_ref().is_none_or(|k| !Arc::ptr_eq(k, memory)) {
            *known = Some(Arc::clone(memory));
        }
        Some(task.token)
    }

    /// Until there is another token than the `last`.
    fn wait(&self, member: usize, last: u64) {
        let news = || self.news.load(Ordering::SeqCst) != last;
        for _ in 0..LOOKS {
            if news() {
                return;
            }
            hint::spin_loop();
        }
        let asleep = &self.helpers[member].asleep;
        asleep.store(true, Ordering::SeqCst);
        while !news() {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
    }

    /// A member's share of a token, up to the node `last`. An error where it is late, or another: the first node of
    /// which not all is there.
    fn take_part(
        &self,
        member: usize,
        number: u64,
        last: usize,
        place: Place<'_>,
        work: &mut Work,
        row: &Rows<'_, '_>,
    ) -> Result<(), usize> {
        let (decoder, layout) = (&*self.decoder, &self.shares.layout);
        for node in 0..=last {
            let Some(share) = self.shares.of(node) else {
                decoder.forward(node, layout, work, row);
                continue;
            };
            decoder.part(node, (share, member), layout, work, place);
            if let Some(told) = &share.told {
                let y = &mut work.arena[layout.value(node, 1)];
                let turn = number * TURNS + told.turn;
                let mine = share.columns[member].iter();
                self.desks[member].tell(turn, mine.map(|columns| &y[columns.clone()]));
                let more = told.weights / WEIGHTS;
                let heard = if member == 0 {
                    self.hear(member, (turn, share), y, patience(self.patience + more))
                } else {
                    let looks = self.while_on(number, LOOKS + 2 * more);
                    node == self.shares.last || self.hear(member, (turn, share), y, looks)
                };
                if !heard {
                    return Err(told.since.start);
                }
            }
        }
        Ok(())
    }

    /// Hears the others' columns of a node; false where one of them is late, or this one.
    fn hear(
        &self,
        member: usize,
        (turn, share): (u64, &Share),
        y: &mut [f32],
        mut patience: impl FnMut() -> bool,
    ) -> bool {
        let mut others = (0..self.shares.members).filter(|m| *m != member);
        others.all(|other| {
            let (desk, helper) = (&self.desks[other], &self.helpers[other]);
            let joined = || helper.joined.load(Ordering::Acquire) == turn / TURNS;
            (member > 0 || joined())
                && desk.wait(turn, &mut patience)
                && desk.hear(turn, |told| put(y, &share.columns[other], told))
        })
    }

    /// The patience of a helper: while the owner counts on it, and not for ever, since the owner may not be running.
    fn while_on(&self, number: u64, looks: usize) -> impl FnMut() -> bool {
        let mut more = patience(looks);
        move || {
            self.alone.load(Ordering::Acquire) < number
                && self.news.load(Ordering::Acquire) == number
                && more()
        }
    }
}

/// The columns of a row, from numbers side by side.
fn put(y: &mut [f32], columns: &[Range<usize>], mut numbers: &[f32]) {
    for columns in columns {
        let (now, later) = numbers.split_at(columns.len());
        y[columns.clone()].copy_from_slice(now);
        numbers = later;
    }
}

/// True so many times.
fn patience(mut looks: usize) -> impl FnMut() -> bool {
    move || {
        looks = looks.saturating_sub(1);
        looks > 0
    }
}

impl Decoder {
    /// A member's columns of a node that is shared.
    fn part(
        &self,
        node: usize,
        (share, member): (&Share, usize),
        layout: &Layout,
        work: &mut Work,
        place: Place<'_>,
    ) {
        let (isa, y) = (self.isa(), layout.value(node, 1));
        let at = |x: usize| layout.value(x, 1);
        let columns = share.columns[member].iter().cloned();
        match &self.program.graph.nodes()[node].op {
            Op::Linear { x, bias, .. } => {
                let [y, x] = parts(&mut work.arena, [y, at(x.index())]);
                let (map, w) = (self.program.map(node), self.weights.matrix(node));
                let bias = bias.map(|b| self.weights.plain(b));
                let x = packed::rows(&map, &mut work.words, x, 1);
                columns.for_each(|c| packed::forward(&map, (&mut y[c.clone()], c), x, w, bias));
            }
            Op::Activate { x, f } => {
                let [y, x] = parts(&mut work.arena, [y, at(x.index())]);
                columns
                    .for_each(|c| activation::forward(isa, kernel(*f), &mut y[c.clone()], &x[c]));
            }
            Op::Gate { gate, up, f } => {
                let [y, gate, up] = parts(&mut work.arena, [y, at(gate.index()), at(up.index())]);
                columns.for_each(|c| {
                    gate::forward(isa, kernel(*f), &mut y[c.clone()], &gate[c.clone()], &up[c]);
                });
            }
            Op::Attention { x, attention } => {
                let [y, x] = parts(&mut work.arena, [y, at(x.index())]);
                let room = [&mut work.scratch, &mut work.heads];
                self.attend_one(node, attention, member, place, (y, x), room);
            }
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::Add { .. }
            | Op::Norm { .. }
            | Op::HeadNorm { .. }
            | Op::Rotary { .. }
            | Op::Dropout { .. } => unreachable!("everyone computes these whole"),
        }
    }
}

#[cfg(test)]
mod tests;
