//! The number of a grid's runs that fit into memory side by side.

use std::sync::Arc;

use gptlab_data::{Text, Tokenizer, Tokens};
use gptlab_engine::{BackendOptions, Device, memory_need::Texts};
use gptlab_lab::grid::{Machine, Planned};
use gptlab_model::{ModelSpec, lower};
use gptlab_recipe::Tokenization;
use gptlab_train::{Settings, step_hyper};

use super::{
    Free, Need,
    training::{Observes, Open, Trained, hints},
};
use crate::{exit::CommandResult, printer::Printer};

/// The number of tokens in the text that a finished run writes.
const SAMPLE: usize = 200;

/// Returns as many of `machine`'s jobs as fit, and warns if these are fewer.
///
/// # Errors
/// Returns an error when not even one fits.
pub(crate) fn jobs_that_fit(
    planned: &Planned,
    text: &Text,
    machine: &Machine,
    printer: Printer,
) -> CommandResult<usize> {
    let cells = cells(planned, text, machine);
    let tokens = tokens(&cells);
    let most = machine.jobs.clamp(1, planned.cells.len().max(1));
    let need = |jobs: usize| {
        // Runs share the tokens of their text.
        let runs = all(&cells, machine.threads / jobs).times(jobs).plus(tokens);
        // Each run has a thread of its own, and the last one has all threads.
        runs.with_threads(jobs + machine.threads)
    };
    let free = Free::on(&*machine.backend, need(most));
    let fits = |jobs: &usize| free.fits(need(*jobs));
    let jobs = (1..=most).rev().find(fits).unwrap_or(1);
    let one = all(&cells, machine.threads / jobs)
        .plus(tokens)
        .with_threads(1);
    free.check("a run of this grid", one, || {
        let of = |cell: &RunMemory| cell.on(machine.threads);
        let largest = cells.iter().max_by_key(|cell| of(cell).need().memory);
        largest.map_or(Vec::new(), |cell| {
            let open = Open {
                micro_batches: false,
                batches: true,
                spec: Some(&cell.spec),
            };
            hints(&free, &of(cell), open)
        })
    })?;
    if jobs < most
        && let Some(limit) = free.lacking(need(most))
    {
        printer.warn(format_args!(
            "{jobs} of {most} runs side by side: each needs about {} and {} are free (limit: {})",
            super::size(one.counted(limit)),
            super::size(limit.free),
            limit.name
        ));
    }
    Ok(jobs)
}

/// Returns the bytes of the tokens of all cells; cells with the same tokenizer share them.
fn tokens(cells: &[RunMemory]) -> u64 {
    let mut known: Vec<&Tokenization> = Vec::new();
    let mut sum = 0;
    for cell in cells {
        if !known.contains(&&cell.tokenization) {
            known.push(&cell.tokenization);
            sum += cell.tokens;
        }
    }
    sum
}

/// Returns the largest need of any cell with `threads` threads, without its tokens.
fn all(cells: &[RunMemory], threads: usize) -> Need {
    let of = |cell: &RunMemory| cell.on(threads).need();
    cells.iter().map(of).fold(Need::default(), Need::or)
}

/// The memory of one kind of run.
struct RunMemory {
    spec: ModelSpec,
    trained: Trained,
    tokenization: Tokenization,
    /// The bytes of its text's tokens.
    tokens: u64,
}

impl RunMemory {
    fn on(&self, threads: usize) -> Trained {
        Trained {
            device: self.trained.device.with_threads(threads.max(1)),
            ..self.trained.clone()
        }
    }
}

/// Returns every kind of run in `planned` once: seeds and rates do not affect memory.
fn cells(planned: &Planned, text: &Text, machine: &Machine) -> Vec<RunMemory> {
    let mut kinds: Vec<&Settings> = Vec::new();
    for settings in &planned.cells {
        let same = |other: &&Settings| {
            other.spec == settings.spec
                && other.tokenizer == settings.tokenizer
                && other.hyper.batch_size == settings.hyper.batch_size
                && other.hyper.optimizer == settings.hyper.optimizer
                && other.hyper.precision == settings.hyper.precision
        };
        if !kinds.iter().any(same) {
            kinds.push(settings);
        }
    }
    let of = |settings: &Settings| cell(planned, settings, text, machine);
    kinds.into_iter().filter_map(of).collect()
}

/// Returns the memory of a cell; `None` if the run will be refused for another reason.
fn cell(
    planned: &Planned,
    settings: &Settings,
    text: &Text,
    machine: &Machine,
) -> Option<RunMemory> {
    let tokenizer = Tokenizer::fit(settings.tokenizer.clone(), text.as_str())?;
    let data = &planned.grid.data;
    let (train, all) = (
        data.train_tokens as usize,
        data.train_tokens + data.val_tokens,
    );
    let requested = settings.spec.block_size;
    let block_size = match tokenizer.bos() {
        None => requested.min(train.saturating_sub(1)),
        Some(_) => requested,
    };
    let spec = ModelSpec {
        block_size,
        ..settings.spec.clone()
    };
    let vocab_size = tokenizer.vocab_size();
    let graph = lower(&spec.check(vocab_size).ok()?);
    let device = Device {
        backend: Arc::clone(&machine.backend),
        options: BackendOptions {
            threads: 1,
            precision: settings.hyper.precision,
        },
    };
    Some(RunMemory {
        spec,
        trained: Trained {
            graph,
            device,
            batch_size: settings.hyper.batch_size,
            micro_batch: settings.hyper.batch_size,
            length: block_size,
            optimizer: step_hyper(&settings.hyper, 0).optimizer,
            observes: Observes::from(settings.observe),
            samples: Some(Texts {
                count: 1,
                prompt: 1,
                tokens: SAMPLE,
            }),
        },
        tokenization: settings.tokenizer.clone(),
        tokens: Tokens::width(vocab_size) as u64 * all,
    })
}
