//! Checks, before anything is allocated or a folder is made, that the requested work fits into
//! memory; if not, reports what it needs, what is free, and what would fit.

mod free;
mod grid;
mod training;

use std::{iter, path::Path};

use gptlab_engine::{
    Backend, Device,
    memory_need::{BatchShape, MemoryNeed, Texts},
};
use gptlab_lab::probe::ProbedTokens;
use gptlab_model::Graph;

use self::free::{Limit, LimitKind};
pub(crate) use self::{grid::jobs_that_fit, training::check_training};
use crate::exit::{CommandResult, ExitCode, Stop};

/// Bytes of memory, by what limits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    memory: u64,
    addresses: u64,
}

/// The addresses of a thread's stack, as Rust makes it.
const STACK: u64 = 2 << 20;
/// The addresses that the GNU C library reserves for the small allocations of a thread.
const THREAD_HEAP: u64 = if cfg!(target_env = "gnu") {
    64 << 20
} else {
    0
};

impl Need {
    /// Returns the bytes of `need` with `threads` threads.
    fn of(need: &MemoryNeed, threads: usize) -> Self {
        let need = Self {
            memory: need.total(),
            addresses: need.addresses(),
        };
        // With one thread, the calling thread does the work.
        need.with_threads(if threads > 1 { threads } else { 0 })
    }

    /// Returns the bytes with `threads` more threads.
    fn with_threads(self, threads: usize) -> Self {
        let stacks = (threads as u64).saturating_mul(STACK + THREAD_HEAP);
        Self {
            addresses: self.addresses.saturating_add(stacks),
            ..self
        }
    }

    fn times(self, n: usize) -> Self {
        Self {
            memory: self.memory.saturating_mul(n as u64),
            addresses: self.addresses.saturating_mul(n as u64),
        }
    }

    fn plus(self, bytes: u64) -> Self {
        Self {
            memory: self.memory.saturating_add(bytes),
            addresses: self.addresses.saturating_add(bytes),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            addresses: self.addresses.max(other.addresses),
        }
    }

    /// Returns the bytes that `limit` counts.
    fn counted(self, limit: &Limit) -> u64 {
        match limit.counts {
            LimitKind::Memory => self.memory,
            LimitKind::Addresses => self.addresses,
        }
    }
}

/// The limits, and the bytes that they leave.
#[derive(Clone, Debug)]
struct Free {
    limits: Vec<Limit>,
    /// Whether it is the host's memory.
    on_host: bool,
}

impl Free {
    /// Returns the limits of the host.
    fn now() -> Self {
        Self {
            limits: free::limits(),
            on_host: true,
        }
    }

    /// Returns the limits of the memory that `backend` uses, for something that takes `need`.
    fn on(backend: &dyn Backend, need: Need) -> Self {
        match backend.free_memory(need.memory) {
            None => Self::now(),
            Some(free) => Self {
                limits: vec![Limit {
                    name: format!("the memory of the {}", backend.name()),
                    counts: LimitKind::Memory,
                    free,
                }],
                on_host: false,
            },
        }
    }

    /// Returns the limit that `need` exceeds most.
    fn lacking(&self, need: Need) -> Option<&Limit> {
        let over = |limit: &&Limit| need.counted(limit).saturating_sub(limit.free);
        self.limits.iter().filter(|l| over(l) > 0).max_by_key(over)
    }

    fn fits(&self, need: Need) -> bool {
        self.lacking(need).is_none()
    }

    /// Refuses `need` if it does not fit, with `hints` at settings that would.
    fn check(
        &self,
        what: &str,
        need: Need,
        hints: impl FnOnce() -> Vec<String>,
    ) -> CommandResult<()> {
        if let Some(limit) = self.lacking(need) {
            return Err(refusal(what, need.counted(limit), limit, hints()));
        }
        if !self.on_host {
            return Ok(());
        }
        // Other limits can exist: the bytes are allocated as a test, and freed again.
        let bytes = usize::try_from(need.addresses).unwrap_or(usize::MAX);
        if Vec::<u8>::new().try_reserve_exact(bytes).is_err() {
            let message = format!(
                "{what} needs about {}, and the system does not give them",
                size(need.addresses)
            );
            return Err(with_hints(message, hints()));
        }
        Ok(())
    }
}

fn refusal(what: &str, bytes: u64, limit: &Limit, hints: Vec<String>) -> Stop {
    let message = format!(
        "{what} needs about {} and {} are free (limit: {})",
        size(bytes),
        size(limit.free),
        limit.name
    );
    with_hints(message, hints)
}

/// If another setting would fit, the error is one of usage, and otherwise one of the machine.
fn with_hints(message: String, hints: Vec<String>) -> Stop {
    let mut stop = Stop::failure(message);
    if hints.is_empty() {
        return stop.hint("end other programs, raise the limit, or use a larger machine");
    }
    stop.code = ExitCode::Usage;
    hints.into_iter().fold(stop, Stop::hint)
}

/// Formats bytes as in `3.1 GiB`.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut number, mut unit) = (bytes as f64 / 1024.0, units[0]);
    for next in &units[1..] {
        if number < 1024.0 {
            break;
        }
        (number, unit) = (number / 1024.0, next);
    }
    format!("{number:.1} {unit}")
}

/// Returns half of `n`, half of that, and so on down to 1.
fn halves(n: usize) -> impl Iterator<Item = usize> {
    iter::successors(Some(n / 2), |n| Some(n / 2)).take_while(|n| *n > 0)
}

/// Returns a hint at fewer threads, if fewer would fit.
fn fewer_threads(free: &Free, threads: usize, need: impl Fn(usize) -> Need) -> Option<String> {
    let fits = |n: &usize| free.fits(need(*n));
    halves(threads)
        .find(fits)
        .map(|n| format!("`--threads {n}` fits, and changes no number"))
}

/// The bytes that each byte of a text takes until it is tokens: itself, its tokens, and the starts
/// of its documents (measured: 2.1 for a single text, 3.1 for one that is cut at its lines).
const TEXT: u64 = 3;

/// Refuses to read a text of `bytes` bytes, from `path`, that does not fit.
pub(crate) fn check_text(path: &Path, bytes: u64) -> CommandResult<()> {
    let free = Free::now();
    let need = Need::default().plus(bytes.saturating_mul(TEXT));
    free.check(&path.display().to_string(), need, || {
        let limit = free.lacking(need);
        let fits = limit.map(|limit| limit.free / (2 * TEXT * (1 << 20)));
        let fits = fits.filter(|mebibytes| *mebibytes > 0);
        let path = path.display();
        Vec::from_iter(fits.map(|n| format!("`head -c {n}M {path} > part.txt` fits")))
    })
}

/// Refuses to read weights that do not fit.
pub(crate) fn check_loading(graph: &Graph) -> CommandResult<()> {
    let need = Need::of(&MemoryNeed::copies(graph, 1), 1);
    Free::now().check("this checkpoint", need, Vec::new)
}

/// Refuses to evaluate a loaded model on batches of `shape` if that does not fit.
pub(crate) fn check_evaluating(
    graph: &Graph,
    device: &Device,
    shape: BatchShape,
) -> CommandResult<()> {
    let need = |threads| {
        let device = device.with_threads(threads);
        Need::of(&device.evaluation_memory(graph, shape), threads)
    };
    check_threads("evaluating this model", device, need)
}

/// Refuses to observe every value of a loaded model if that does not fit.
pub(crate) fn check_probing(
    graph: &Graph,
    device: &Device,
    ProbedTokens { prompt, text }: ProbedTokens,
) -> CommandResult<()> {
    let need = |threads| {
        let device = device.with_threads(threads);
        let shape = BatchShape {
            sequences: 1,
            tokens: prompt,
        };
        let looked = device.hook_memory(graph, prompt.max(text));
        // The values of two prompts are kept, and a third copy of one while it is patched.
        let kept = device.hook_memory(graph, prompt);
        let engine = device.evaluation_memory(graph, shape);
        Need::of(&engine.and(looked).and(kept).and(kept).and(kept), threads)
    };
    check_threads("probing this model", device, need)
}

/// Returns how many of `texts` a loaded model can write at once: all, or fewer if these do not fit.
pub(crate) fn texts_that_fit(graph: &Graph, device: &Device, texts: Texts) -> CommandResult<usize> {
    let need = |threads, count| {
        let (device, texts) = (device.with_threads(threads), Texts { count, ..texts });
        Need::of(&device.generation_memory(graph, texts), threads)
    };
    let free = Free::on(&*device.backend, need(device.options.threads, texts.count));
    let counts = iter::once(texts.count).chain(halves(texts.count));
    let fits = |count: &usize| free.fits(need(device.options.threads, *count));
    if let Some(count) = counts.into_iter().find(fits) {
        return Ok(count);
    }
    check_threads("writing with this model", device, |n| need(n, 1))?;
    Ok(1)
}

fn check_threads(what: &str, device: &Device, need: impl Fn(usize) -> Need) -> CommandResult<()> {
    let threads = device.options.threads;
    let free = Free::on(&*device.backend, need(threads));
    free.check(what, need(threads), || {
        Vec::from_iter(fewer_threads(&free, threads, &need))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(bytes: u64, counts: LimitKind) -> Free {
        Free {
            limits: vec![Limit {
                name: "a test".into(),
                counts,
                free: bytes,
            }],
            on_host: true,
        }
    }

    #[test]
    fn sizes_are_read_by_people() {
        assert_eq!(size(0), "0.0 KiB");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(300 << 20), "300.0 MiB");
        assert_eq!(size(15_246_000_000), "14.2 GiB");
        assert_eq!(size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn a_limit_counts_memory_or_addresses() {
        let need = Need {
            memory: 10,
            addresses: 20,
        };
        assert!(free(10, LimitKind::Memory).fits(need));
        assert!(!free(9, LimitKind::Memory).fits(need));
        assert!(!free(19, LimitKind::Addresses).fits(need));
        let stop = free(9, LimitKind::Memory).check("this", need, Vec::new);
        let stop = stop.expect_err("too little");
        assert_eq!(stop.code, ExitCode::Failure);
        let stop = free(9, LimitKind::Memory).check("this", need, || vec!["`--x` fits".into()]);
        assert_eq!(stop.expect_err("too little").code, ExitCode::Usage);
    }

    /// This holds with and without a limit that this system reports.
    #[test]
    fn the_system_is_asked() {
        let need = Need {
            memory: 1,
            addresses: u64::MAX,
        };
        let free = Free {
            limits: Vec::new(),
            on_host: true,
        };
        let stop = free.check("this", need, Vec::new);
        let message = stop.expect_err("no system has so much").message;
        assert_eq!(
            message,
            "this needs about 16.0 EiB, and the system does not give them"
        );
    }
}
