//! `gptlab generate`: text from a checkpoint alone, shown as it is sampled.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use gptlab_engine::cpu::Options;
use serde::Serialize;

use crate::{
    args::{GenerateArgs, SampleArgs},
    author::{Author, End, Heard, Written},
    checkpoint::{self, Loaded},
    engines,
    exit::{ExitCode, Outcome, Stop},
    interrupt::Interrupt,
    printer::Printer,
};

/// What `--json` prints for each sample.
#[derive(Serialize)]
struct Sample {
    seed: u64,
    #[serde(flatten)]
    written: Written,
}

pub(super) fn run(args: &GenerateArgs, printer: Printer) -> Outcome {
    let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "generate")?;
    engines::check(&args.machine)?;
    let loaded = checkpoint::load(&path)?;
    let options = engines::to_write(&args.machine, args.precision, &loaded)?;
    let samples = args.samples.unwrap_or(1);
    write(
        &loaded,
        &args.sample,
        options,
        args.seed,
        samples,
        args.json.json,
        printer,
    )
}

/// The checkpoint that was typed, as the command's own word or the seed's `--load`.
pub(super) fn checkpoint_path(
    word: Option<&PathBuf>,
    load: Option<&PathBuf>,
    command: &str,
) -> Outcome<PathBuf> {
    word.or(load).cloned().ok_or_else(|| {
        Stop::usage(format_args!("{command} needs a checkpoint"))
            .hint(format!("`gptlab {command} model.safetensors`"))
            .hint("`gptlab train` makes one")
    })
}

pub(super) fn write(
    loaded: &Loaded,
    args: &SampleArgs,
    options: Options,
    seed: Option<u64>,
    samples: usize,
    json: bool,
    printer: Printer,
) -> Outcome {
    let seed = seed_or_clock(seed);
    let author = Author::of(loaded, args, seed, options)?;
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let interrupt = Interrupt::of_ctrl_c(printer);
    let mut interrupted = false;
    let numbers: Vec<u32> = (0..samples as u32).collect();
    author.write_all(prompt, &numbers, &interrupt, |heard| {
        match heard {
            Heard::Begin if !json => printer.text(prompt),
            Heard::Piece(text) if !json && !text.is_empty() => printer.text(text),
            Heard::Begin | Heard::Piece(_) => {}
            Heard::End(written) => {
                interrupted = written.end == End::Interrupted;
                if json {
                    printer.json(&Sample { seed, written });
                } else {
                    printer.text("\n");
                }
            }
        }
        !interrupted
    })?;
    if interrupted {
        return Ok(ExitCode::Interrupted);
    }
    if !json {
        printer.note(format_args!("seed {seed}"));
    }
    Ok(ExitCode::Success)
}

/// The seed that was typed, or one that is new each time.
pub(super) fn seed_or_clock(seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| {
            u64::from(since.subsec_micros()) ^ since.as_secs()
        })
    })
}
