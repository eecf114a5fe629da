//! What a run begins with: a new model, a checkpoint's weights, or where another run stopped.

use std::path::{Path, PathBuf};

use gptlab_data::{Builtin, Fingerprint, Origin, Text, TokenizerKind};
use gptlab_model::Preset;
use gptlab_record::{checkpoints, read_experiment};
use gptlab_train::{Checkpoint, Experiment, Resolved, Settings, Targets};

use super::folder;
use crate::{
    args::TrainArgs,
    checkpoint, engines,
    exit::{Outcome, Stop},
    settings, text,
};

/// An experiment that can begin, and where it leaves what it makes.
pub(super) struct Begun {
    pub(super) resolved: Resolved,
    pub(super) targets: Targets,
}

pub(super) fn begin(args: &TrainArgs) -> Outcome<Begun> {
    match (&args.run.resume, &args.run.load) {
        (Some(typed), _) => resume(typed, args),
        (None, Some(path)) => load(path, args),
        (None, None) => fresh(args),
    }
}

fn fresh(args: &TrainArgs) -> Outcome<Begun> {
    let settings = settings::fresh(args)?;
    let text = text::source(args.data.data.as_deref(), usual_text(settings.tokenizer))?;
    let resolved = Resolved::fresh(&settings, &text)?;
    Ok(new_run(resolved, &text, args))
}

/// A model of documents learns from names.
fn usual_text(kind: TokenizerKind) -> Builtin {
    match kind {
        TokenizerKind::Chars => Builtin::Stories,
        TokenizerKind::Lines => Builtin::Names,
    }
}

fn load(path: &Path, args: &TrainArgs) -> Outcome<Begun> {
    let checkpoint = checkpoint::open(path)?;
    let header = checkpoint.header();
    settings::same_shape(path, &header.spec, &args.model)?;
    let settings = settings::loaded(header, args)?;
    let kind = header.tokenizer.kind();
    if args.data.tokenizer.is_some() && settings.tokenizer != kind {
        return Err(Stop::data(format_args!(
            "{} holds a tokenizer of {}, and the flags ask for {}",
            path.display(),
            kind.name(),
            settings.tokenizer.name()
        )));
    }
    let text = match &args.data.data {
        Some(typed) => text::source(Some(typed), usual_text(kind))?,
        None => text::by_fingerprint(header.data.fingerprint).ok_or_else(|| {
            Stop::usage("--load needs --data: the checkpoint was not trained on a built-in text")
        })?,
    };
    let resolved = Resolved::load(&settings, &text, checkpoint)?;
    Ok(new_run(resolved, &text, args))
}

fn new_run(resolved: Resolved, text: &Text, args: &TrainArgs) -> Begun {
    let folder = args.run.out.clone();
    let targets = Targets {
        folder: Some(folder.unwrap_or_else(|| folder::new(text.origin()))),
        save: args.run.save.clone(),
        keep: args.run.keep_checkpoints,
    };
    Begun { resolved, targets }
}

/// Goes on with the run of a checkpoint or folder; where only `--resume` was typed, that of `--out` or
/// `--save`.
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
        return from_checkpoint(place, folder.as_deref(), args);
    }
    match checkpoints(place)?.pop() {
        Some((_, file)) => from_checkpoint(&file, Some(place), args),
        None => again(place, args),
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

fn from_checkpoint(file: &Path, folder: Option<&Path>, args: &TrainArgs) -> Outcome<Begun> {
    let checkpoint = checkpoint::open(file)?;
    let experiment = folder.map(read_experiment).transpose()?;
    let text = text_of_run(
        args,
        experiment.as_ref(),
        checkpoint.header().data.fingerprint,
    )?;
    let lone = folder.is_none();
    let resolved = go_on(checkpoint, experiment.as_ref(), &text, args)?;
    let folder = args.run.out.clone().or(folder.map(Path::to_owned));
    let targets = Targets {
        folder: Some(folder.unwrap_or_else(|| folder::new(text.origin()))),
        // A checkpoint without a folder is the run: it is kept up to date.
        save: args.run.save.clone().or(lone.then(|| file.to_owned())),
        keep: args.run.keep_checkpoints,
    };
    Ok(Begun { resolved, targets })
}

fn go_on(
    checkpoint: Checkpoint,
    experiment: Option<&Experiment>,
    text: &Text,
    args: &TrainArgs,
) -> Outcome<Resolved> {
    let usual = Settings::of(Preset::Gpt2Mini, None).intervals;
    let intervals = settings::intervals(experiment.map_or(usual, |e| e.intervals), &args.run)?;
    let found = settings::of_header(checkpoint.header(), intervals);
    let asked = settings::over(found.clone(), args)?;
    Ok(if asked == found {
        Resolved::resume(checkpoint, text, intervals, engines::NAME)?
    } else {
        // Who repeats a run's flags may be right about all of them; if not, this says where.
        Resolved::resume_as(&asked, checkpoint, text)?
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
    let resolved = Resolved::resume_run(folder, &text, engines::NAME)?;
    let begun = settings::of_header(&resolved.header(0), experiment.intervals);
    if settings::over(begun.clone(), args)? != begun {
        let message = format!("{} was begun with other settings", folder.display());
        return Err(Stop::data(message).hint("leave out all flags but --resume"));
    }
    Ok(Begun {
        resolved,
        targets: Targets {
            folder: Some(folder.to_owned()),
            save: args.run.save.clone(),
            keep: args.run.keep_checkpoints,
        },
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
    let origin = experiment.and_then(|e| serde_json::from_value(e.data.origin.clone()).ok());
    let bytes = experiment.and_then(|e| e.data.bytes);
    match origin {
        Some(Origin::File(path)) => Text::read_recorded(Path::new(&path), bytes)
            .map_err(|e| Stop::from(e).hint("give the run's text with --data")),
        Some(Origin::Builtin(name)) => {
            text::recorded(&name, fingerprint, bytes).ok_or_else(needs_its_text)
        }
        Some(Origin::Other(_)) | None => {
            text::by_fingerprint(fingerprint).ok_or_else(needs_its_text)
        }
    }
}

fn needs_its_text() -> Stop {
    Stop::usage("--resume needs the run's text: --data FILE")
}
