//! The peak of this machine: what its cores multiply at best, measured in registers.

use std::{
    thread,
    time::{Duration, Instant},
};

use gptlab_kernels::{Isa, OperandType, peak_multiply_adds};
use serde::{Deserialize, Serialize};

const WINDOW: Duration = Duration::from_millis(40);
const TRIES: usize = 2;
/// Short beside a window, long beside looking at a clock.
const ROUNDS: usize = 50_000;

/// How many operations of matrix products the machine does in a second, at most; a multiply-add is
/// two of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    pub f32: Rates,
    pub bf16: Rates,
    /// How many threads measured [`Rates::all`].
    pub threads: usize,
}

/// Operations a second in one precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Of one thread.
    pub one: f64,
    /// Of all threads together.
    pub all: f64,
}

impl Peak {
    /// Returns the peak of `threads` threads, which takes half a second.
    pub fn measure(isa: Isa, threads: usize) -> Self {
        let rates = |precision| Rates {
            one: best(isa, precision, 1),
            all: best(isa, precision, threads),
        };
        Self {
            f32: rates(OperandType::F32),
            bf16: rates(OperandType::Bf16),
            threads,
        }
    }

    /// Measures again and keeps the higher of both: neighbours only ever slow a machine down.
    pub(crate) fn raise(&mut self, isa: Isa) {
        let now = Self::measure(isa, self.threads);
        self.f32.raise(now.f32);
        self.bf16.raise(now.bf16);
    }

    /// Returns the peak of products in `precision` on `threads` threads.
    pub fn of(&self, precision: OperandType, threads: usize) -> f64 {
        let rates = match precision {
            OperandType::F32 => self.f32,
            OperandType::Bf16 => self.bf16,
        };
        if threads == self.threads {
            rates.all
        } else {
            rates.one * threads as f64
        }
    }
}

impl Rates {
    fn raise(&mut self, now: Self) {
        self.one = self.one.max(now.one);
        self.all = self.all.max(now.all);
    }
}

/// The most of a few tries.
fn best(isa: Isa, precision: OperandType, threads: usize) -> f64 {
    (0..TRIES)
        .map(|_| together(isa, precision, threads))
        .fold(0.0, f64::max)
}

fn together(isa: Isa, precision: OperandType, threads: usize) -> f64 {
    thread::scope(|scope| {
        // A thread that the system does not give measures nothing, and one that panicked neither.
        let start = |_| {
            let thread = thread::Builder::new().spawn_scoped(scope, || rate(isa, precision));
            thread.ok()
        };
        let running: Vec<_> = (1..threads).filter_map(start).collect();
        let mine = rate(isa, precision);
        let theirs = running.into_iter().map(|t| t.join().unwrap_or(0.0));
        mine + theirs.sum::<f64>()
    })
}

fn rate(isa: Isa, precision: OperandType) -> f64 {
    let (begun, mut operations) = (Instant::now(), 0);
    while begun.elapsed() < WINDOW {
        operations += peak_multiply_adds::run(isa, precision, ROUNDS);
    }
    operations as f64 / begun.elapsed().as_secs_f64()
}
