//! The peak of this machine: the rate at which its cores multiply, measured in registers.

use std::{
    thread,
    time::{Duration, Instant},
};

use gptlab_kernels::{Isa, OperandType, peak_multiply_adds};
use serde::{Deserialize, Serialize};

const WINDOW: Duration = Duration::from_millis(40);
const TRIES: usize = 2;
/// The rounds of multiply-adds between two readings of the clock: short beside a window, long
/// beside a reading.
const ROUNDS: usize = 50_000;

/// The highest rate at which the machine computes matrix products, in floating-point operations per
/// second. A multiply-add counts as two operations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The rates of products of f32.
    pub f32: Rates,
    /// The rates of products of bf16.
    pub bf16: Rates,
    /// The number of threads of [`Rates::all`].
    pub threads: usize,
}

/// Floating-point operations per second in one precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// The rate of one thread.
    pub one: f64,
    /// The rate of all threads together.
    pub all: f64,
}

impl Peak {
    /// Measures the peak of `threads` threads, which takes half a second.
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

    /// Measures again and keeps the higher rates, because other programs can only slow a machine
    /// down.
    pub(crate) fn raise(&mut self, isa: Isa) {
        let now = Self::measure(isa, self.threads);
        self.f32.raise(now.f32);
        self.bf16.raise(now.bf16);
    }

    /// Returns the peak of products in `precision` on `threads` threads, in operations per second.
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

/// Returns the highest rate of a few tries.
fn best(isa: Isa, precision: OperandType, threads: usize) -> f64 {
    (0..TRIES)
        .map(|_| together(isa, precision, threads))
        .fold(0.0, f64::max)
}

fn together(isa: Isa, precision: OperandType, threads: usize) -> f64 {
    thread::scope(|scope| {
        // A thread that could not be started or that panicked contributes nothing.
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
