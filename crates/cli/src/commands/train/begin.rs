//! What a run begins with: a new model, a checkpoint's weights, or where another run stopped.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use gptlab_data::{Builtin, Fingerprint, Text};
use gptlab_engine::cpu::Isa;
use gptlab_model::Preset;
use gptlab_recipe::{Documents, Hyper, TextOrigin};
use gptlab_record::{grid_of, read_experiment};
use gptlab_train::{
    Checkpoint, Damaged, Experiment, Newest, Resolved, ResumeOptions, Settings, Targets,
};

use crate::{
    args::TrainArgs,
    checkpoint, engines,
    exit::{Outcome, Stop},
    settings, text,
};

/// An experiment that can begin, on what, and where it leaves what it makes.
pub(super) struct Begun {
    pub(super) resolved: Resolved,
    pub(super) isa: Isa,
    /// Without a folder where a new one in `runs/` is to be made.
    pub(super) targets: Targets,
    /// What the user should know besides the notices of `resolved`.
    pub(super) warnings: Vec<String>,
}

/// How many checkpoints by the clock are kept.
const NEWEST: NonZeroUsize = NonZeroUsize::new(3).expect("three are some");

pub(super) fn begin(args: &TrainArgs) -> Outcome<Begun> {
    match (&args.run.resume, &args.run.load) {
        (Some(typed), _) => resume(typed, args),
        (None, Some(path)) => load(path, args),
        (None, None) => fresh(args),
    }
}

fn fresh(args: &TrainArgs) -> Outcome<Begun> {
    let settings = settings::fresh(args)?;
    let text = text::source(
        args.data.data.as_deref(),
        usual_text(&settings.tokenizer.documents),
    )?;
    let resolved = Resolved::fresh(&settings, &text)?;
    new_run(resolved, args)
}

/// A model of lines learns from names.
fn usual_text(documents: &Documents) -> Builtin {
    match documents {
        Documents::Text | Documents::Separator(_) => Builtin::Stories,
        Documents::Lines => Builtin::Names,
    }
}

fn load(path: &Path, args: &TrainArgs) -> Outcome<Begun> {
    let checkpoint = checkpoint::open(path)?;
    let header = checkpoint.header();
    settings::same_shape(path, &header.spec, &args.model)?;
    let settings = settings::loaded(header, args)?;
    let tokenizer = header.tokenizer.tokenization();
    let typed = args.data.tokenizer.is_some() || args.data.documents.is_some();
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

fn new_run(resolved: Resolved, args: &TrainArgs) -> Outcome<Begun> {
    Ok(Begun {
        isa: engines::isa(&args.machine)?,
        targets: Targets {
            folder: args.run.out.clone(),
            save: args.run.save.clone(),
            keep: keep(&resolved, args)?,
            micro_batch: micro_batch(args)?,
        },
        warnings: Vec::new(),
        resolved,
    })
}

/// How many checkpoints the folder keeps: as many as typed, else the newest few of those by the
/// clock.
fn keep(resolved: &Resolved, args: &TrainArgs) -> Outcome<Option<NonZeroUsize>> {
    let clock = resolved.experiment.intervals.checkpoint_seconds;
    match args.run.keep_checkpoints {
        None => Ok(clock.map(|_| NEWEST)),
        Some(typed) => match NonZeroUsize::new(typed) {
            Some(keep) => Ok(Some(keep)),
            None => Err(Stop::usage(
                "--keep-checkpoints must be at least 1, found 0",
            )),
        },
    }
}

/// Goes on with the run of a checkpoint or folder; where only `--resume` was typed, that of `--out`
/// or `--save`.
fn resume(typed: &Path, args: &TrainArgs) -> Outcome<Begun> {
    let named = Some(typed).filter(|path| !path.as_os_str().is_empty());
    let place = named
        .or(args.run.out.as_deref())
        .or(args.run.save.as_deref())
        .ok_or_else(|| {
            Stop::usage("--resume needs to know which run: a checkpoint, --out DIR or --save FILE")
                .hint("`gptlab train --resume runs/NAME` goes on with a run")
        })?;
    if !place.is_dir() {
        let folder = folder_of(place);
        folder.as_deref().map_or(Ok(()), refuse_run_of_grid)?;
        let opened = checkpoint::open(place).map_err(|stop| whole_one(stop, folder.as_deref()));
        return from_checkpoint(opened?, folder.as_deref(), args);
    }
    refuse_run_of_grid(place)?;
    let Some(Newest {
        checkpoint,
        damaged,
    }) = Newest::of(place)?
    else {
        return again(place, args);
    };
    let taken = checkpoint.path().display().to_string();
    let begun = from_checkpoint(checkpoint, Some(place), args)?;
    let warning = |damaged: &Damaged| format!("{}; the run goes on from {taken}", damaged.error);
    Ok(Begun {
        warnings: damaged.iter().map(warning).collect(),
        ..begun
    })
}

/// A grid compares its runs: one that was gone on with alone would be none of it any more.
fn refuse_run_of_grid(folder: &Path) -> Outcome<()> {
    let Some((grid, _)) = grid_of(folder) else {
        return Ok(());
    };
    let message = format!(
        "{} is a run of the grid in {}, whose own command goes on with it",
        folder.display(),
        grid.display()
    );
    Err(Stop::usage(message).hint(
        "`gptlab train --load CHECKPOINT --data TEXT` trains its model on, in another folder",
    ))
}

/// `stop` of a checkpoint that cannot be gone on from, with the newest of its run's that can.
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

/// The folder of the run that `checkpoint` is kept in.
fn folder_of(checkpoint: &Path) -> Option<PathBuf> {
    let folder = checkpoint.parent()?.parent()?;
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    here.join("experiment.json")
        .is_file()
        .then(|| here.to_owned())
}

fn from_checkpoint(
    checkpoint: Checkpoint,
    folder: Option<&Path>,
    args: &TrainArgs,
) -> Outcome<Begun> {
    let file = checkpoint.path().to_owned();
    let experiment = folder.map(read_experiment).transpose()?;
    let header = checkpoint.header();
    let text = text_of_run(args, experiment.as_ref(), header.data.fingerprint)?;
    let isa = engines::isa_to_resume(&args.machine, header.isa.as_deref())?;
    let resolved = go_on(checkpoint, experiment.as_ref(), &text, args, isa)?;
    // A checkpoint without a folder is the run: it is kept up to date.
    let lone = folder.is_none().then_some(file);
    let targets = Targets {
        folder: args.run.out.clone().or(folder.map(Path::to_owned)),
        save: args.run.save.clone().or(lone),
        keep: keep(&resolved, args)?,
        micro_batch: micro_batch(args)?,
    };
    Ok(Begun {
        resolved,
        isa,
        targets,
        warnings: Vec::new(),
    })
}

/// How a run is gone on with: as its record says, and what was typed.
fn options(experiment: Option<&Experiment>, args: &TrainArgs, isa: Isa) -> Outcome<ResumeOptions> {
    let base = match experiment {
        Some(experiment) => ResumeOptions::of_record(experiment, engines::NAME, None),
        None => ResumeOptions::of(&Settings::of(Preset::Gpt2Mini, None)),
    };
    settings::resume_options(base, args, isa)
}

fn go_on(
    checkpoint: Checkpoint,
    experiment: Option<&Experiment>,
    text: &Text,
    args: &TrainArgs,
    isa: Isa,
) -> Outcome<Resolved> {
    let options = options(experiment, args, isa)?;
    let found = Settings::of_header(checkpoint.header(), &options);
    let asked = as_typed(&found, args)?;
    Ok(if asked == found {
        Resolved::resume(checkpoint, text, experiment, &options)?
    } else {
        // Who repeats a run's flags may be right about all of them; if not, this says where.
        Resolved::resume_as(&asked, checkpoint, text, experiment, &options)?
    })
}

/// The run `found` as the typed flags would have it. Its steps and instructions may be others.
fn as_typed(found: &Settings, args: &TrainArgs) -> Outcome<Settings> {
    let typed = settings::over(found.clone(), args)?;
    Ok(Settings {
        hyper: Hyper {
            steps: found.hyper.steps,
            ..typed.hyper
        },
        isa: found.isa.clone(),
        ..typed
    })
}

/// A run that was killed before it saved anything begins again.
fn again(folder: &Path, args: &TrainArgs) -> Outcome<Begun> {
    let experiment = read_experiment(folder)?;
    let fingerprint = experiment.data.fingerprint.clone();
    let text = match fingerprint.parse::<Fingerprint>() {
        Ok(fingerprint) => text_of_run(args, Some(&experiment), fingerprint)?,
        Err(e) => return Err(Stop::data(format_args!("{}: {e}", folder.display()))),
    };
    let isa = engines::isa_to_resume(&args.machine, experiment.isa.as_deref())?;
    let options = options(Some(&experiment), args, isa)?;
    let resolved = Resolved::again(folder, &text, &experiment, &options)?;
    let begun = Settings::of_header(&resolved.header(0), &options);
    if as_typed(&begun, args)? != begun {
        let message = format!("{} was begun with other settings", folder.display());
        return Err(Stop::data(message).hint("leave out all flags but --resume"));
    }
    let targets = Targets {
        folder: Some(folder.to_owned()),
        save: args.run.save.clone(),
        keep: keep(&resolved, args)?,
        micro_batch: micro_batch(args)?,
    };
    Ok(Begun {
        resolved,
        isa,
        targets,
        warnings: Vec::new(),
    })
}

/// The text that was typed, or the one that the run's record or fingerprint tells of.
fn text_of_run(
    args: &TrainArgs,
    experiment: Option<&Experiment>,
    fingerprint: Fingerprint,
) -> Outcome<Text> {
    if let Some(typed) = &args.data.data {
        return text::source(Some(typed), Builtin::Stories);
    }
    let bytes = experiment.and_then(|e| e.data.bytes);
    match experiment.map(|e| &e.data.origin) {
        Some(TextOrigin::File(path)) => text::read_recorded(Path::new(path), bytes)
            .map_err(|stop| stop.hint("give the run's text with --data")),
        Some(TextOrigin::Builtin(name)) => {
            text::recorded(name, fingerprint, bytes).ok_or_else(needs_its_text)
        }
        Some(TextOrigin::Other(_)) | None => {
            text::by_fingerprint(fingerprint).ok_or_else(needs_its_text)
        }
    }
}

/// How many sequences are trained at a time, where somebody says it.
pub(super) fn micro_batch(args: &TrainArgs) -> Outcome<Option<NonZeroUsize>> {
    let refused = || Stop::usage("--micro-batch must be at least 1, found 0");
    let typed = args.run.micro_batch;
    typed
        .map(|n| NonZeroUsize::new(n).ok_or_else(refused))
        .transpose()
}

fn needs_its_text() -> Stop {
    Stop::usage("--resume needs the run's text: --data FILE")
}
