//! The start of a run: from a new model, from a checkpoint's weights, or from where another run
//! stopped.

use std::{num::NonZeroUsize, path::Path};

use gptlab_data::{Builtin, CorpusCache, Text};
use gptlab_engine::{Device, cpu::Isa};
use gptlab_recipe::{Documents, Reason, Settings, TokenizerKind};
use gptlab_record::Store;
use gptlab_train::{
    Damaged, Newest, Resolved, Resumable, RunOptions, refuse_run_of_grid, run_folder,
};

use crate::{
    args::TrainArgs,
    checkpoint,
    engines::{self, Recorded},
    exit::{CommandResult, Stop},
    folders::no_run,
    printer::Printer,
    settings, text,
};

use super::recipe::{self, Chosen};

/// An experiment that is ready to start, and the places of its output.
pub(super) struct PreparedRun {
    pub(super) resolved: Resolved,
    pub(super) isa: Isa,
    /// The device that was found to be the fastest, if it was measured.
    pub(super) device: Option<Device>,
    /// The output files, and the size of micro-batches. Without a folder, a new one in `runs/` is
    /// made.
    pub(super) run_options: RunOptions,
    /// The choices that were made for the text, with their reasons.
    pub(super) reasons: Vec<Reason>,
    /// Warnings for the user, besides the notices of `resolved`.
    pub(super) warnings: Vec<String>,
}

pub(super) fn begin(args: &TrainArgs, printer: Printer) -> CommandResult<PreparedRun> {
    match (&args.run.resume, &args.run.load) {
        (Some(typed), _) => resume(typed, args),
        (None, Some(path)) => load(path, args),
        (None, None) => fresh(args, printer),
    }
}

fn fresh(args: &TrainArgs, printer: Printer) -> CommandResult<PreparedRun> {
    let preset = args.settings.overrides.preset;
    let base = preset.map_or(TokenizerKind::Chars.into(), |preset| {
        Settings::of(preset, None).tokenizer
    });
    let documents = args.settings.overrides.tokenization(base).documents;
    let text = text::source(args.data.data.as_deref(), usual_text(&documents))?;
    let text = CorpusCache::new(&text);
    let Chosen {
        resolved,
        reasons,
        device,
    } = match preset {
        Some(preset) => recipe::of_preset(args, preset, &text, printer)?,
        None => recipe::for_text(args, &text, printer)?,
    };
    Ok(PreparedRun {
        device,
        reasons,
        ..new_run(resolved, args)?
    })
}

/// Returns the default text: names for a model of lines, otherwise the built-in stories.
fn usual_text(documents: &Documents) -> Builtin {
    match documents {
        Documents::Text | Documents::Separator(_) => Builtin::Stories,
        Documents::Lines => Builtin::Names,
    }
}

fn load(path: &Path, args: &TrainArgs) -> CommandResult<PreparedRun> {
    let checkpoint = checkpoint::open(path)?;
    let header = checkpoint.header();
    settings::same_shape(path, &header.spec, &args.settings.overrides)?;
    let settings = settings::loaded(header, args)?;
    let tokenizer = header.tokenizer.tokenization();
    let overrides = &args.settings.overrides;
    let typed = overrides.tokenizer.is_some() || overrides.documents.is_some();
    if typed && settings.tokenizer != tokenizer {
        return Err(Stop::data(format_args!(
            "{} holds a tokenizer of {}, and the flags ask for {}",
            path.display(),
            tokenizer,
            settings.tokenizer
        )));
    }
    let text = match &args.data.data {
        Some(typed) => text::source(Some(typed), usual_text(&tokenizer.documents))?,
        None => text::by_fingerprint(header.data.fingerprint).ok_or_else(|| {
            Stop::usage("--load needs --data: the checkpoint was not trained on a built-in text")
        })?,
    };
    let resolved = Resolved::load(&settings, &text, checkpoint)?;
    new_run(resolved, args)
}

fn new_run(resolved: Resolved, args: &TrainArgs) -> CommandResult<PreparedRun> {
    Ok(PreparedRun {
        isa: engines::isa(&args.machine)?,
        device: None,
        run_options: RunOptions {
            keep: keep(&resolved, args)?,
            ..named_options(args)?
        },
        reasons: Vec::new(),
        warnings: Vec::new(),
        resolved,
    })
}

/// Returns how many checkpoints the folder keeps: the typed number or the default.
fn keep(resolved: &Resolved, args: &TrainArgs) -> CommandResult<Option<NonZeroUsize>> {
    match args.run.keep_checkpoints {
        None => Ok(RunOptions::usual_keep(&resolved.experiment.intervals)),
        Some(typed) => match NonZeroUsize::new(typed) {
            Some(keep) => Ok(Some(keep)),
            None => Err(Stop::usage(
                "--keep-checkpoints must be at least 1, found 0",
            )),
        },
    }
}

/// Resumes the run of a checkpoint or folder. If `--resume` has no value, it is the run of `--out`
/// or `--save`.
fn resume(typed: &Path, args: &TrainArgs) -> CommandResult<PreparedRun> {
    let named = Some(typed).filter(|path| !path.as_os_str().is_empty());
    let place = named
        .or(args.run.out.as_deref())
        .or(args.run.save.as_deref())
        .ok_or_else(|| {
            Stop::usage("--resume needs to know which run: a checkpoint, --out DIR or --save FILE")
                .hint("`gptlab train --resume runs/NAME` continues a run")
        })?;
    let resumable = if place.is_dir() {
        if !Store::exists(place) {
            return Err(no_run(place, "the folder of a run, or a checkpoint"));
        }
        Resumable::of_folder(place)?
    } else {
        let folder = run_folder(place);
        folder.as_deref().map_or(Ok(()), refuse_run_of_grid)?;
        let opened = checkpoint::open(place).map_err(|stop| whole_one(stop, folder.as_deref()));
        Resumable::of_checkpoint(opened?)?
    };
    let text = text_of_run(args, &resumable)?;
    let isa = engines::isa_to_resume(&args.machine, resumable.isa())?;
    let typed = &args.settings.overrides;
    let on = Recorded::typed(&args.machine, isa);
    let options = settings::resume_options(resumable.options(&on.engine), typed, on)?;
    let mut warnings = warnings(&resumable);
    warnings.extend(left_gpu(args, &resumable));
    let run_options = resumable.run_options(named_options(args)?);
    let resolved = resumable.resolve(&text, &options, |begun| {
        settings::over(begun, typed, &args.machine)
    })?;
    Ok(PreparedRun {
        run_options: RunOptions {
            keep: keep(&resolved, args)?,
            ..run_options
        },
        resolved,
        isa,
        device: None,
        reasons: Vec::new(),
        warnings,
    })
}

/// Returns the options that the flags name, without the number of kept checkpoints.
fn named_options(args: &TrainArgs) -> CommandResult<RunOptions> {
    Ok(RunOptions {
        folder: args.run.out.clone(),
        save: args.run.save.clone(),
        keep: None,
        micro_batch: micro_batch(args)?,
    })
}

/// Warns about newer checkpoints that are damaged.
fn warnings(resumable: &Resumable) -> Vec<String> {
    let Some(checkpoint) = resumable.checkpoint() else {
        return Vec::new();
    };
    let taken = checkpoint.path().display();
    let warning = |damaged: &Damaged| format!("{}; the run continues from {taken}", damaged.error);
    resumable.damaged().iter().map(warning).collect()
}

/// Warns if a run of a GPU continues on the CPU because no device was typed.
fn left_gpu(args: &TrainArgs, resumable: &Resumable) -> Option<String> {
    let begun = &resumable.record()?.engine;
    let leaves = args.machine.device.is_none() && begun != engines::NAME;
    leaves.then(|| {
        format!("the run began on the {begun} and continues on the CPU; --device {begun} continues it there")
    })
}

/// Adds to `stop`, for a checkpoint that cannot be resumed, the run's newest checkpoint that can.
fn whole_one(stop: Stop, folder: Option<&Path>) -> Stop {
    let newest = folder.and_then(|folder| Newest::of(folder).ok()?);
    match newest {
        Some(Newest { checkpoint, .. }) => stop.hint(format!(
            "the newest whole checkpoint of this run is {}",
            checkpoint.path().display()
        )),
        None => stop,
    }
}

/// Returns the typed text, or the one that the run's record or fingerprint identifies.
fn text_of_run(args: &TrainArgs, resumable: &Resumable) -> CommandResult<Text> {
    if let Some(typed) = &args.data.data {
        return text::source(Some(typed), Builtin::Stories);
    }
    let record = resumable.record().map(|experiment| &experiment.data);
    text::of_run(record, resumable.fingerprint()?)?.ok_or_else(needs_its_text)
}

/// Returns how many sequences are trained at a time, if it was typed.
pub(super) fn micro_batch(args: &TrainArgs) -> CommandResult<Option<NonZeroUsize>> {
    let refused = || Stop::usage("--micro-batch must be at least 1, found 0");
    let typed = args.run.micro_batch;
    typed
        .map(|n| NonZeroUsize::new(n).ok_or_else(refused))
        .transpose()
}

fn needs_its_text() -> Stop {
    Stop::usage("--resume needs the run's text: --data FILE")
}
