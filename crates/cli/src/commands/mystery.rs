//! `gptlab mystery`: a model with one part secretly changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gptlab_data::{Builtin, Text};
use gptlab_lab::{
    grid::{self, Ending, GridRecipe, Machine, Planned},
    mystery::{self, CANDIDATES, MysteryAnswer, MysteryReport, NAME},
    switches::Switch,
};
use gptlab_recipe::words::reason;
use gptlab_record::atomic;
use gptlab_report::{
    Study,
    page::{self, OutputFolder, Signature},
    words::{columns, shell_path},
};
use gptlab_train::Newest;

use super::{
    generate::seed_or_clock,
    grid::{GridProgress, command_line},
    report,
};
use crate::{
    args::MysteryArgs,
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
    text,
};

/// One more than the largest seed that is drawn, which is short to type.
const SEEDS: u64 = 10_000;

pub(super) fn run(args: &MysteryArgs, printer: Printer) -> CommandResult {
    let typed = args.base.settings.overrides.seed;
    match (typed, args.reveal, &args.guess) {
        (None, true, _) | (None, false, Some(_)) => {
            Err(Stop::usage("which mystery? expected its seed: --seed N"))
        }
        (Some(seed), true, _) => reveal(seed, args.base.json.json, printer),
        (Some(seed), false, Some(guess)) => answer(seed, guess, args.base.json.json, printer),
        (seed, false, None) => {
            let seed = seed.unwrap_or_else(|| seed_or_clock(None) % SEEDS);
            train(seed, args, printer)
        }
    }
}

/// Says what was changed.
fn reveal(seed: u64, json: bool, printer: Printer) -> CommandResult {
    let switch = mystery::switch_of(seed).map_err(Stop::failure)?;
    if json {
        printer.json(&switch);
        return Ok(ExitCode::Success);
    }
    printer.line(format_args!("mystery {seed}: {}", switch.name));
    printer.line(format_args!("  changed: {}", switch.title));
    printer.line(format_args!("  for: {}", switch.purpose));
    printer.line(format_args!("  expected: {}", switch.prediction));
    printer.line(format_args!("  source: {}", switch.source));
    printer.hint(format_args!(
        "a short run can differ from what is expected; `gptlab ablate --switches {}` measures it with three seeds",
        switch.slug()
    ));
    Ok(ExitCode::Success)
}

/// Says whether `guess` is what was changed.
fn answer(seed: u64, guess: &str, json: bool, printer: Printer) -> CommandResult {
    let found = Switch::find(guess).ok();
    let guessed = found.filter(|switch| CANDIDATES.contains(&switch.slug().as_str()));
    let guessed = guessed.ok_or_else(|| {
        Stop::usage(format_args!(
            "{guess} is no candidate; there are {}",
            CANDIDATES.join(", ")
        ))
    })?;
    let right = guessed.slug() == mystery::switch_of(seed).map_err(Stop::failure)?.slug();
    if json {
        printer.json(&MysteryAnswer {
            seed,
            guess: guessed.slug(),
            right,
        });
    } else if right {
        printer.line(format_args!(
            "right: mystery {seed} is `{}`",
            guessed.slug()
        ));
        printer.hint(format_args!(
            "`gptlab mystery --seed {seed} --reveal` says what that part is for"
        ));
    } else {
        printer.line(format_args!(
            "no: mystery {seed} is not `{}`",
            guessed.slug()
        ));
        printer.hint(format_args!(
            "without it, expect this: {} (`gptlab ablate --list --switches {}`)",
            guessed.prediction,
            guessed.slug()
        ));
    }
    Ok(ExitCode::Success)
}

/// Trains both models, and writes a page and checkpoints that do not name the change.
fn train(seed: u64, args: &MysteryArgs, printer: Printer) -> CommandResult {
    let printer = printer.for_work();
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(GridRecipe::Ablation, &text)?;
    let switch = mystery::switch_of(seed).map_err(Stop::failure)?;
    let seeds = grid::seeds(seed, typed.run.seeds.unwrap_or(1))?;
    let (planned, skipped) = mystery::planned(&base, switch, &seeds, &text, &command_line())?;
    if skipped.is_some() {
        return Err(Stop::usage(
            "the model cannot be changed as this mystery asks; leave out the flags of the model, or take another \
             --seed",
        ));
    }
    planned.check_validation()?;
    let out = typed.run.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{NAME}-{seed}")));
    let place = report::place(&out, &[Signature::page(page::PAGE)], "--out DIR")?;
    let machine = typed.machine(printer)?;
    let machine = Machine {
        jobs: memory::jobs_that_fit(&planned, &text, &machine, printer)?,
        ..machine
    };
    printer.say(format_args!(
        "mystery {seed}: training the whole model, and the same model with one part changed"
    ));
    let scratch = tempfile::tempdir().map_err(|e| {
        Stop::failure(format_args!(
            "cannot make a folder for runs: {}",
            reason(&e)
        ))
    })?;
    let ended = go(scratch.path(), &planned, &text, machine, printer)?;
    if !ended {
        printer.say("stopped; nothing is kept, and the same command begins again");
        return Ok(ExitCode::Interrupted);
    }
    let mut study = report::read(scratch.path())?;
    mystery::conceal(&mut study);
    study.name = format!("{NAME} {seed}");
    write(&study, scratch.path(), &place, &out)?;
    show(&study, seed, &out, args.base.json.json, printer);
    Ok(ExitCode::Success)
}

/// Trains in `folder`; returns false if it was stopped.
fn go(
    folder: &Path,
    planned: &Planned,
    text: &Text,
    machine: Machine,
    printer: Printer,
) -> CommandResult<bool> {
    let interrupt = Interrupt::of_work(printer, "stopping; Ctrl-C again ends at once");
    let progress = GridProgress::new(planned, interrupt, printer);
    let ending = grid::run(folder, planned, text, machine, &progress)?;
    progress.close();
    Ok(match ending {
        Ending::Finished(_) => true,
        Ending::Stopped { .. } => false,
    })
}

/// Writes the page and the two models.
fn write(study: &Study, from: &Path, place: &OutputFolder, out: &Path) -> CommandResult<()> {
    let extras = report::extras(study, from, None)?;
    place.write(&page::files(study, &extras))?;
    for arm in &study.arms {
        let Some(run) = arm.runs.first() else {
            continue;
        };
        // A model that diverged may have saved none.
        let Some(newest) = Newest::of(&from.join("runs").join(&run.name))? else {
            continue;
        };
        let path = newest.checkpoint.path();
        let bytes = fs::read(path).map_err(|e| Stop::file("read", path, &e))?;
        atomic::write_bytes(
            &out.join(format!("{}.safetensors", arm.variant.name)),
            &bytes,
        )?;
    }
    Ok(())
}

fn show(study: &Study, seed: u64, out: &Path, json: bool, printer: Printer) {
    let shown = shell_path(&out.display().to_string());
    if json {
        let out = out.display().to_string();
        printer.json(&MysteryReport::of(study, seed, out));
        return;
    }
    printer.text(report::terminal_text(study, printer.columns()));
    printer.line("\nWhat was changed? One of these:\n");
    printer.text(columns(&CANDIDATES, printer.columns()));
    printer.hint("`gptlab ablate --list` says what each of them is");
    printer.hint(format_args!("open {shown}/{}", page::PAGE));
    printer.hint(format_args!(
        "`gptlab generate {shown}/{NAME}.safetensors`, `gptlab probe` and `gptlab eval` look at the model; \
         `gptlab inspect` would tell"
    ));
    printer.hint(format_args!(
        "`gptlab mystery --seed {seed} --guess NAME` checks a guess, and `--reveal` tells"
    ));
}
