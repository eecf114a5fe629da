//! `gptlab train`: trains a model on a text.

mod begin;
mod device;
pub(super) mod folder;
mod intro;
pub(super) mod lines;
mod observer;
mod recipe;

use std::{
    fs,
    path::{Path, PathBuf},
};

use gptlab_engine::Engine;
use gptlab_recipe::Overrides;
use gptlab_recipe::words::plural_s;
use gptlab_record::checkpoints;
use gptlab_report::words::shell_path;
use gptlab_train::{
    Error, NotFinite, Outcome, Resolved, Run, RunOptions, recorded_settings, save_first_weights,
};

use crate::{
    args::TrainArgs,
    checkpoint,
    commands::{generate, interactive},
    engines,
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
    settings,
};

use self::{
    begin::PreparedRun,
    lines::StepForm,
    observer::{RunObserver, RunOutput},
};

pub(super) fn run(args: &TrainArgs, printer: Printer) -> CommandResult {
    run_with(args, StepForm::Fitted, printer)
}

/// Does what [`run`] does, and writes logged steps in `form`.
pub(super) fn run_with(args: &TrainArgs, form: StepForm, printer: Printer) -> CommandResult {
    match (args.run.generate, args.run.interactive) {
        (Some(true), Some(true)) => Err(Stop::usage(
            "--generate and --interactive contradict each other",
        )),
        (Some(true), None | Some(false)) => write(args, printer),
        (None | Some(false), Some(true)) => talk(args, printer),
        (None | Some(false), None | Some(false)) => train(args, form, printer),
    }
}

/// Runs gpt2-mini's `--generate`.
fn write(args: &TrainArgs, printer: Printer) -> CommandResult {
    let loaded = loaded(args, "--generate")?;
    let typed = &args.settings.overrides;
    let device = engines::device_to_generate(&args.machine, typed.precision, &loaded, printer)?;
    let json = args.json.json;
    generate::write(&loaded, typed, &device, typed.seed, 1, json, printer)
}

/// Runs gpt2-mini's `--interactive`.
fn talk(args: &TrainArgs, printer: Printer) -> CommandResult {
    let loaded = loaded(args, "--interactive")?;
    let typed = &args.settings.overrides;
    let device = engines::device_to_generate(&args.machine, typed.precision, &loaded, printer)?;
    interactive::talk(&loaded, typed, &device, typed.seed, printer)
}

fn loaded(args: &TrainArgs, flag: &str) -> CommandResult<checkpoint::Loaded> {
    let path = args.run.load.as_ref().ok_or_else(|| {
        Stop::usage(format_args!("{flag} needs a checkpoint: --load FILE"))
            .hint("`gptlab train --save FILE` makes one")
    })?;
    let loaded = checkpoint::load(path)?;
    settings::same_shape(path, loaded.model.model().spec(), &args.settings.overrides)?;
    Ok(loaded)
}

fn train(args: &TrainArgs, form: StepForm, printer: Printer) -> CommandResult {
    let printer = printer.for_work();
    engines::check(&args.machine)?;
    let PreparedRun {
        mut resolved,
        isa,
        device,
        run_options,
        reasons,
        warnings,
    } = begin::begin(args, printer)?;
    if args.run.print_settings {
        let settings = Overrides::of(&recorded_settings(&resolved.experiment));
        let data = args.data.data.as_deref();
        let repeats = match data {
            Some(_) => "`gptlab train --config FILE` repeats this run.",
            None => "`gptlab train --data TEXT --config FILE` repeats this run.",
        };
        settings::print(&settings, data, &[repeats], args.json.json, printer)?;
        return Ok(ExitCode::Success);
    }
    let device = device::choose(args, isa, device, &mut resolved, printer)?;
    memory::check_training(&resolved, args, &device)?;
    let weights = resolved.weights()?;
    let mut engine = engines::make(resolved.graph.clone(), &weights, &device, printer)?;
    drop(weights);
    let interrupt = Interrupt::of_work(
        printer,
        "stopping after this step, then saving; Ctrl-C again ends at once",
    );
    let output = if args.json.json {
        RunOutput::Json
    } else {
        RunOutput::Lines(form)
    };
    let mut observer = RunObserver::new(&resolved, &device, output, interrupt, printer)?;
    if let Some(path) = &args.run.save_init {
        save_init(path, &resolved, engine.as_ref(), printer)?;
    }
    let (run_options, made) = with_folder(run_options, &resolved, &args.settings.overrides)?;
    let folder = run_options.folder.clone();
    if !args.json.json {
        intro::say(&resolved, &reasons, folder.as_deref(), &device, printer);
    }
    for warning in &warnings {
        printer.warn(warning);
    }
    let ending = Run::new(&resolved, engine.as_mut(), run_options, &mut observer)
        .map_err(|e| refused(e.into(), &resolved, made.as_deref()))?
        .go()
        .map_err(|e| device_stopped(e, folder.as_deref()))?;
    observer.close();
    if !args.json.json {
        if let Some(cost) = observer.cost_of_observing() {
            printer.say(cost);
        }
        let model = model(args, folder.as_deref());
        let resume = format!("train{} --resume", device::device_flag(&device));
        say_ending(&ending, folder.as_deref(), model, &resume, printer);
    }
    match ending {
        Outcome::Finished { .. } | Outcome::Complete { .. } => Ok(ExitCode::Success),
        Outcome::Stopped { .. } => Ok(ExitCode::Interrupted),
        Outcome::Diverged { step, what } => Err(kept(diverged(step, what), folder.as_deref())),
    }
}

/// Saves the weights that a run begins with.
fn save_init(
    path: &Path,
    resolved: &Resolved,
    engine: &dyn Engine,
    printer: Printer,
) -> CommandResult<()> {
    let first = resolved.first_step();
    if first > 0 {
        return Err(Stop::usage(format_args!(
            "--save-init saves the weights before the first step, and this run goes on after {first} step{}; the \
             run that began it can save them",
            plural_s(first)
        )));
    }
    save_first_weights(resolved, engine, path)?;
    printer.say(format_args!("saved {}", path.display()));
    Ok(())
}

/// Returns `run_options` with a folder, and that folder if it was made just now.
fn with_folder(
    run_options: RunOptions,
    resolved: &Resolved,
    typed: &Overrides,
) -> CommandResult<(RunOptions, Option<PathBuf>)> {
    if run_options.save.is_some() && run_options.save == run_options.folder {
        return Err(Stop::usage(
            "--save names a file and --out a folder, and both are the same; give two names",
        ));
    }
    if run_options.folder.is_some() {
        return Ok((run_options, None));
    }
    let made = folder::make(&resolved.experiment.data.origin, typed)?;
    let run_options = RunOptions {
        folder: Some(made.clone()),
        ..run_options
    };
    Ok((run_options, Some(made)))
}

/// Removes the empty folder of a run that could not start.
fn refused(stop: Stop, resolved: &Resolved, made: Option<&Path>) -> Stop {
    if let Some(made) = made {
        // A folder with files is kept for inspection.
        let _ = fs::remove_dir(made);
    }
    if resolved.first_step() == 0 && stop.message.contains("already holds a run") {
        return stop.hint("--resume continues it");
    }
    stop
}

/// Returns the reason of a diverged run's end, with advice.
pub(super) fn diverged(step: u64, what: NotFinite) -> Stop {
    Stop::failure(format_args!(
        "the model diverged at step {step}: {} is no longer a finite number",
        what.name()
    ))
    .hint("start again with a third of the --lr, a longer --warmup, or --grad-clip 1")
}

/// Adds to `stop` the newest checkpoint from before a run diverged.
fn kept(stop: Stop, folder: Option<&Path>) -> Stop {
    let newest = folder.and_then(|folder| checkpoints(folder).ok()?.pop());
    match newest {
        Some((step, path)) => stop.hint(format!(
            "`gptlab train --load {} --data TEXT --lr X` continues training from step {step}, where all numbers were finite",
            shell_path(&path.display().to_string())
        )),
        None => stop,
    }
}

/// Returns the stop of a run that failed; if its device has stopped, with the command that
/// continues it.
fn device_stopped(error: Error, folder: Option<&Path>) -> Stop {
    let lost = matches!(error, Error::Device(_));
    let stop = Stop::from(error);
    let saved = folder.filter(|_| lost).and_then(|folder| {
        let (step, _) = checkpoints(folder).ok()?.pop()?;
        Some((step, shell_path(&folder.display().to_string())))
    });
    match saved {
        Some((step, folder)) => stop.hint(format!(
            "`gptlab train --resume {folder}` continues after step {step} on the CPU, and with --device gpu on the GPU"
        )),
        None if lost => stop.hint("nothing was saved yet; without --device gpu the CPU trains"),
        None => stop,
    }
}

/// Returns the path by which other commands are told of the trained model: the run's folder, or the
/// file of `--save` if the flags name that and no folder.
fn model<'a>(args: &'a TrainArgs, folder: Option<&'a Path>) -> Option<&'a Path> {
    let file = args.run.save.as_deref();
    file.filter(|_| args.run.out.is_none()).or(folder)
}

/// Says how a run ended, and what to type next; `resume` is the command that continues it.
fn say_ending(
    ending: &Outcome,
    folder: Option<&Path>,
    model: Option<&Path>,
    resume: &str,
    printer: Printer,
) {
    let (saved, step) = match ending {
        Outcome::Finished { saved, step }
        | Outcome::Stopped { saved, step }
        | Outcome::Complete { saved, step } => (saved, step),
        Outcome::Diverged { .. } => return,
    };
    let newest = newest(saved);
    // Checkpoints from before this command are not reported again.
    let before = usize::from(matches!(ending, Outcome::Complete { .. }));
    for path in saved.iter().skip(before) {
        printer.say(format_args!("saved {}", path.display()));
    }
    match ending {
        Outcome::Finished { .. } => {
            if let Some(path) = model.or(newest.map(PathBuf::as_path)) {
                hint(printer, "generate", path, " writes on");
                hint(printer, "interactive", path, " answers prompts");
                hint(printer, "inspect", path, " lists its parts");
            }
        }
        Outcome::Diverged { .. } => {}
        Outcome::Complete { .. } => {
            printer.say(format_args!(
                "the run had already made all of its {step} step{}",
                plural_s(*step)
            ));
            if let Some(path) = folder.or(newest.map(PathBuf::as_path)) {
                let more = format!(" --steps {}", 2 * step);
                hint_with(printer, resume, path, &more, " continues it");
            }
        }
        Outcome::Stopped { .. } => {
            printer.say(format_args!("stopped after {step} step{}", plural_s(*step)));
            if let Some(path) = folder.or(newest.map(PathBuf::as_path)) {
                hint(printer, resume, path, " continues it");
            }
        }
    }
}

/// Returns the newest of the checkpoints, preferring the one that the user named.
fn newest(saved: &[PathBuf]) -> Option<&PathBuf> {
    saved.last()
}

fn hint(printer: Printer, command: &str, path: &Path, what: &str) {
    hint_with(printer, command, path, "", what);
}

fn hint_with(printer: Printer, command: &str, path: &Path, flags: &str, what: &str) {
    let program = printer.program();
    let path = shell_path(&path.display().to_string());
    printer.hint(format_args!("`{program} {command} {path}{flags}`{what}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_device_stopped_says_how_it_continues() {
        let root = tempfile::tempdir().expect("a folder");
        let error = || Error::Device("the GPU has stopped".to_owned());
        let hint = |stop: Stop| stop.hints.join(" ");
        let stop = device_stopped(error(), Some(root.path()));
        assert_eq!(
            (stop.code, stop.message.as_str()),
            (ExitCode::Failure, "the GPU has stopped")
        );
        assert!(hint(stop).contains("nothing was saved yet"));
        let folder = root.path().join("checkpoints");
        fs::create_dir(&folder).expect("a folder");
        for step in ["00000020", "00000040"] {
            fs::write(folder.join(format!("step-{step}.safetensors")), "").expect("a file");
        }
        let hint = hint(device_stopped(error(), Some(root.path())));
        assert!(
            hint.contains("--resume") && hint.contains("after step 40"),
            "{hint}"
        );
    }
}
