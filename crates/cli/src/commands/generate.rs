//! `gptlab generate`: samples text from a checkpoint, and prints it as it is sampled.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_engine::{Device, memory_need::Texts};
use gptlab_recipe::{Overrides, SampleSettings};
use gptlab_record::{ContinuationEnd as End, GeneratedSample};
use gptlab_train::{SampleEvent, Sampler, texts_at_once};

use crate::{
    args::GenerateArgs,
    checkpoint::{self, Loaded},
    engines,
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
    sample,
};

pub(super) fn run(args: &GenerateArgs, printer: Printer) -> CommandResult {
    let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "generate")?;
    engines::check(&args.machine)?;
    let samples = samples(args.samples)?;
    let loaded = checkpoint::load(&path)?;
    let device = engines::device_to_generate(&args.machine, args.precision, &loaded, printer)?;
    write(
        &loaded,
        &args.sample.overrides,
        &device,
        args.seed,
        samples,
        args.json.json,
        printer,
    )
}

/// Returns the checkpoint that was typed, as an argument or with gpt2-mini's `--load`.
pub(super) fn checkpoint_path(
    word: Option<&PathBuf>,
    load: Option<&PathBuf>,
    command: &str,
) -> CommandResult<PathBuf> {
    word.or(load).cloned().ok_or_else(|| {
        Stop::usage(format_args!("{command} needs a checkpoint"))
            .hint(format!("`gptlab {command} model.safetensors`"))
            .hint("`gptlab train` makes one")
    })
}

pub(super) fn write(
    loaded: &Loaded,
    typed: &Overrides,
    device: &Device,
    seed: Option<u64>,
    samples: u32,
    json: bool,
    printer: Printer,
) -> CommandResult {
    let seed = seed_or_clock(seed);
    let settings = typed
        .sampling(SampleSettings::default())
        .map_err(Stop::usage)?;
    sample::check_stop(&settings, loaded.model.tokenizer(), printer)?;
    let prompt = settings.prompt.as_str();
    let at_once = texts_that_fit(loaded, &settings, device, samples as usize)?;
    let sampler = loaded.model.sampler(device, &settings, seed)?;
    engines::say_threads(sampler.threads(), device, printer);
    let interrupt = Interrupt::of_ctrl_c(printer);
    for first in (0..samples).step_by(at_once) {
        let last = first.saturating_add(at_once as u32).min(samples);
        let numbers: Vec<u32> = (first..last).collect();
        if write_some(
            &sampler,
            (prompt, seed),
            &numbers,
            &interrupt,
            json,
            printer,
        )? {
            return Ok(ExitCode::Interrupted);
        }
        if sampler.was_refused_a_thread() && first == 0 {
            printer.warn(sample::REFUSED_A_THREAD);
        }
    }
    if !json {
        printer.note(format_args!("seed {seed}"));
    }
    Ok(ExitCode::Success)
}

/// Writes the samples with these `numbers` and prints them in order; returns true if Ctrl-C ended
/// it.
fn write_some(
    sampler: &Sampler,
    (prompt, seed): (&str, u64),
    numbers: &[u32],
    interrupt: &Interrupt,
    json: bool,
    printer: Printer,
) -> CommandResult<bool> {
    let mut interrupted = false;
    sampler.sample_all(prompt, numbers, interrupt.flag(), |event| {
        match event {
            SampleEvent::Begin if !json => printer.text(prompt),
            SampleEvent::Piece(text) if !json && !text.is_empty() => printer.text(text),
            SampleEvent::Begin | SampleEvent::Piece(_) => {}
            SampleEvent::End(written) => {
                interrupted = written.end == End::Interrupted;
                if json {
                    printer.json(&GeneratedSample {
                        seed,
                        continuation: written,
                    });
                } else {
                    printer.text("\n");
                }
            }
        }
        !interrupted
    })?;
    Ok(interrupted)
}

/// Returns how many of `count` texts are written at once, since every text that is not printed yet
/// takes memory.
pub(super) fn texts_that_fit(
    loaded: &Loaded,
    settings: &SampleSettings,
    device: &Device,
    count: usize,
) -> CommandResult<usize> {
    let max_tokens = settings.max_tokens;
    // One more token is for the one before a document.
    let prompt = settings.prompt.chars().count() + 1;
    let count = count.clamp(1, texts_at_once(device.options.threads, max_tokens));
    let texts = Texts {
        count,
        prompt,
        // A request for an unlimited text is counted with a large, limited one.
        tokens: prompt.saturating_add(max_tokens.min(1 << 20)),
    };
    memory::texts_that_fit(loaded.model.graph(), device, texts)
}

/// Returns the number of samples. Each sample's number has 32 bits, because its draws depend on it.
fn samples(typed: Option<usize>) -> CommandResult<u32> {
    let typed = typed.unwrap_or(1);
    u32::try_from(typed).map_err(|_| {
        let most = u32::MAX;
        Stop::usage(format_args!(
            "--samples must be at most {most}, found {typed}"
        ))
        .hint("another --seed writes other samples")
    })
}

/// Returns the seed that was typed, or a new one from the clock.
pub(super) fn seed_or_clock(seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| {
            u64::from(since.subsec_micros()) ^ since.as_secs()
        })
    })
}
