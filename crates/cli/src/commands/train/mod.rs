//! `gptlab train`: from a text to a model.

mod begin;
pub(super) mod folder;
mod intro;
pub(super) mod lines;
mod watch;

use std::path::{Path, PathBuf};

use gptlab_train::{Outcome as Ending, Run};

use crate::{
    args::TrainArgs,
    checkpoint,
    commands::{generate, interactive},
    engines,
    exit::{ExitCode, Outcome, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
    settings,
};

use self::{begin::Begun, watch::Watch};

pub(super) fn run(args: &TrainArgs, printer: Printer) -> Outcome {
    match (args.run.generate, args.run.interactive) {
        (Some(true), Some(true)) => Err(Stop::usage(
            "--generate and --interactive contradict each other",
        )),
        (Some(true), None | Some(false)) => write(args, printer),
        (None | Some(false), Some(true)) => talk(args, printer),
        (None | Some(false), None | Some(false)) => train(args, printer),
    }
}

/// The seed's `--generate`.
fn write(args: &TrainArgs, printer: Printer) -> Outcome {
    let loaded = loaded(args, "--generate")?;
    let options = engines::to_write(&args.machine, args.run.precision, &loaded)?;
    let (json, seed) = (args.json.json, args.run.seed);
    generate::write(&loaded, &args.sample, options, seed, 1, json, printer)
}

/// The seed's `--interactive`.
fn talk(args: &TrainArgs, printer: Printer) -> Outcome {
    let loaded = loaded(args, "--interactive")?;
    let options = engines::to_write(&args.machine, args.run.precision, &loaded)?;
    interactive::talk(&loaded, &args.sample, options, args.run.seed, printer)
}

fn loaded(args: &TrainArgs, flag: &str) -> Outcome<checkpoint::Loaded> {
    let path = args.run.load.as_ref().ok_or_else(|| {
        Stop::usage(format_args!("{flag} needs a checkpoint: --load FILE"))
            .hint("`gptlab train --save FILE` makes one")
    })?;
    let loaded = checkpoint::load(path)?;
    settings::same_shape(path, loaded.model.spec(), &args.model)?;
    Ok(loaded)
}

fn train(args: &TrainArgs, printer: Printer) -> Outcome {
    engines::check(&args.machine)?;
    let Begun { resolved, targets } = begin::begin(args)?;
    let options = engines::options(&args.machine, resolved.experiment.hyper.precision)?;
    memory::check_training(&resolved, args, options)?;
    let (folder, goes_on) = (targets.folder.clone(), resolved.first_step() > 0);
    if !args.json.json {
        intro::say(&resolved, folder.as_deref(), options, printer);
    }
    let weights = resolved.weights()?;
    let mut engine = engines::make(resolved.graph.clone(), &weights, options, printer)?;
    drop(weights);
    let interrupt = Interrupt::listen(
        printer,
        "stopping after this step, then saving; Ctrl-C again ends at once",
    );
    let mut watch = Watch::new(args, &resolved, interrupt, printer)?;
    let ending = Run::new(&resolved, engine.as_mut(), targets, &mut watch)
        .map_err(|e| hint_taken(e.into(), goes_on))?
        .go()?;
    watch.close();
    if !args.json.json {
        if let Some(cost) = watch.cost_of_observing() {
            printer.say(cost);
        }
        say_ending(&ending, folder.as_deref(), printer);
    }
    Ok(match ending {
        Ending::Finished { .. } => ExitCode::Success,
        Ending::Stopped { .. } => ExitCode::Interrupted,
        // Training itself goes on with a model that has diverged, as the seed's does.
        Ending::Diverged { .. } => ExitCode::Failure,
    })
}

fn hint_taken(stop: Stop, goes_on: bool) -> Stop {
    if !goes_on && stop.message.contains("already holds a run") {
        return stop.hint("--resume goes on with it");
    }
    stop
}

fn say_ending(ending: &Ending, folder: Option<&Path>, printer: Printer) {
    let (saved, step) = match ending {
        Ending::Finished { saved, step } | Ending::Stopped { saved, step } => (saved, step),
        Ending::Diverged { .. } => return,
    };
    let newest = newest(saved);
    for path in saved {
        printer.say(format_args!("saved {}", path.display()));
    }
    match ending {
        Ending::Finished { .. } => {
            if let Some(path) = newest {
                hint(printer, "generate", path, " writes on");
                hint(printer, "interactive", path, " lets you prompt it");
                hint(printer, "inspect", path, " shows what it is");
            }
        }
        Ending::Diverged { .. } => {}
        Ending::Stopped { .. } => {
            printer.say(format_args!("stopped after {step} steps"));
            if let Some(path) = folder.or(newest.map(PathBuf::as_path)) {
                hint(printer, "train --resume", path, " goes on");
            }
        }
    }
}

/// What people keep is what they named.
fn newest(saved: &[PathBuf]) -> Option<&PathBuf> {
    saved.last()
}

fn hint(printer: Printer, command: &str, path: &Path, what: &str) {
    let program = printer.program();
    printer.hint(format_args!("`{program} {command} {}`{what}", quoted(path)));
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/\\._-:".contains(c);
    let text = path.display().to_string();
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
