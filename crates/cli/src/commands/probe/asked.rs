//! From what was typed to what is probed.

use std::path::PathBuf;

use clap::ValueEnum;
use gptlab_data::{Builtin, Corpus, Split, Text};
use gptlab_lab::probe::{Prompt, Subject};
use gptlab_model::Batch;
use gptlab_recipe::Precision;
use gptlab_train::NonFinite;

use crate::{
    args::{ProbeArg, ProbeArgs},
    checkpoint::{self, Loaded},
    commands::generate::checkpoint_path,
    engines,
    exit::{Outcome, Stop},
    memory, text,
};

const PREDICTIONS: usize = 2048;
const TOP: usize = 3;
/// Tokens of a prompt that nobody typed.
const PROMPT: usize = 32;

/// A model and what it is to be probed with.
pub(super) struct Asked {
    pub(super) path: PathBuf,
    pub(super) step: u64,
    pub(super) subject: Subject,
    pub(super) prompt: Prompt,
    /// What ablations are measured on, and what it is called.
    pub(super) batch: Option<Batch>,
    pub(super) text: String,
    pub(super) pair: Option<(Prompt, [u32; 2])>,
    pub(super) copied: Option<Texts>,
    pub(super) probes: Vec<ProbeArg>,
    pub(super) top: usize,
    pub(super) seed: u64,
}

/// A text, the one it may have been copied from, and what both are called.
pub(super) struct Texts {
    pub(super) written: (String, String),
    pub(super) training: (String, String),
}

impl Asked {
    pub(super) fn of(args: &ProbeArgs) -> Outcome<Self> {
        let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "probe")?;
        check(args)?;
        let non_finite = if args.non_finite {
            NonFinite::Allowed
        } else {
            NonFinite::Refused
        };
        let loaded = checkpoint::load_with(&path, non_finite)?;
        let device = engines::device(&args.machine, Precision::F32)?;
        let known = known(args, &loaded);
        let data = data(args, &loaded, known.as_ref())?;
        let tokens = looked_at(args, &loaded, data.as_ref());
        memory::check_probing(loaded.model.graph(), &device, tokens)?;
        let subject = Subject::new(&loaded.model, &device)?;
        let prompt = prompt(args, &subject, data.as_ref())?;
        let pair = pair(args, &subject)?;
        let copied = copied(args, &loaded, &prompt, known.as_ref())?;
        let (batch, text) = batch(args, &subject, data.as_ref(), &prompt)?;
        Ok(Self {
            probes: probes(args, batch.is_some(), pair.is_some(), copied.is_some()),
            step: loaded.header.step,
            top: args.top.unwrap_or(TOP).max(1),
            seed: args.seed.unwrap_or(0),
            path,
            subject,
            prompt,
            batch,
            text,
            pair,
            copied,
        })
    }

    pub(super) fn wants(&self, probe: ProbeArg) -> bool {
        self.probes.contains(&probe)
    }
}

/// Tokens of the longest prompt, and of the text that ablations are measured on, at most.
fn looked_at(args: &ProbeArgs, loaded: &Loaded, data: Option<&Data>) -> (usize, usize) {
    let typed = [&args.prompt, &args.corrupt].into_iter().flatten();
    let prompt = typed.map(|text| text.chars().count() + 1).max();
    let prompt = prompt
        .unwrap_or(PROMPT)
        .min(loaded.model.graph().block_size());
    (prompt, data.map_or(prompt, |data| data.tokens.len()))
}

/// Flags that only make sense together.
fn check(args: &ProbeArgs) -> Outcome<()> {
    let patching = args.only.contains(&ProbeArg::Patching);
    match (&args.corrupt, &args.answers) {
        (Some(_), None) => Err(Stop::usage(
            "--corrupt needs --answers: the two tokens whose logits are compared",
        )),
        (None, Some(_)) => Err(Stop::usage(
            "--answers needs --corrupt: the prompt that the second answer belongs to",
        )),
        (None, None) if patching => Err(Stop::usage("patching needs --corrupt and --answers")),
        (Some(_), Some(_)) if args.prompt.is_none() => Err(Stop::usage(
            "--corrupt needs --prompt, the prompt that it corrupts",
        )),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }?;
    match args.tokens {
        Some(0) => Err(Stop::usage("--tokens must be at least 1, found 0")),
        Some(_) | None => Ok(()),
    }
}

/// All probes that were asked for, or that have what they need.
fn probes(args: &ProbeArgs, batch: bool, pair: bool, copied: bool) -> Vec<ProbeArg> {
    let able = |probe: &ProbeArg| match probe {
        ProbeArg::Ablation => batch,
        ProbeArg::Patching => pair,
        ProbeArg::Copied => copied,
        ProbeArg::Attention
        | ProbeArg::Activations
        | ProbeArg::Lens
        | ProbeArg::Attribution
        | ProbeArg::Surprise => true,
    };
    let all = ProbeArg::value_variants().iter().copied();
    all.filter(|probe| asked(args, *probe) && able(probe))
        .collect()
}

/// Whether a probe was asked for, by name or by no name.
fn asked(args: &ProbeArgs, probe: ProbeArg) -> bool {
    args.only.is_empty() || args.only.contains(&probe)
}

/// The built-in text that the model was trained on, where something needs it: making all to compare
/// takes a while.
fn known(args: &ProbeArgs, loaded: &Loaded) -> Option<Text> {
    let measured = args.prompt.is_none() || asked(args, ProbeArg::Ablation);
    let wanted = args.data.is_none() && measured;
    let wanted = wanted || args.train_text.is_none() && asked(args, ProbeArg::Copied);
    wanted.then(|| text::by_fingerprint(loaded.header.data.fingerprint))?
}

/// A text's tokens, and what they are called.
struct Data {
    tokens: Vec<u32>,
    name: String,
}

/// The part to measure on of the text that was typed, or of the built-in one that the model was
/// trained on: of its own text, what the model has not seen.
fn data(args: &ProbeArgs, loaded: &Loaded, known: Option<&Text>) -> Outcome<Option<Data>> {
    let mark = &loaded.header.data;
    let text = match &args.data {
        Some(typed) => Some(text::source(Some(typed), Builtin::Stories)?),
        None => known.cloned(),
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let own = text.fingerprint() == mark.fingerprint;
    let fraction = if own { mark.val_fraction } else { 0.0 };
    let corpus = Corpus::new(&text, loaded.model.tokenizer().clone(), fraction)?;
    let part = corpus.validation().unwrap_or(corpus.train());
    let most = args.tokens.unwrap_or(PREDICTIONS).saturating_add(1);
    let name = match fraction {
        0.0 => text.origin().to_string(),
        fraction => format!("{} (its last {fraction:.3})", text.origin()),
    };
    Ok(Some(Data {
        tokens: part.tokens().slice(0..most.max(PROMPT)),
        name,
    }))
}

fn prompt(args: &ProbeArgs, subject: &Subject, data: Option<&Data>) -> Outcome<Prompt> {
    if let Some(text) = &args.prompt {
        return Ok(subject.prompt("prompt", text)?);
    }
    let data = data.ok_or_else(|| {
        Stop::usage(
            "probe needs --prompt or --data: the checkpoint was not trained on a built-in text",
        )
    })?;
    let most = PROMPT.min(subject.block_size()).min(data.tokens.len());
    Ok(subject.prompt_of("prompt", data.tokens[..most].to_vec())?)
}

fn pair(args: &ProbeArgs, subject: &Subject) -> Outcome<Option<(Prompt, [u32; 2])>> {
    let (Some(corrupt), Some(answers)) = (&args.corrupt, &args.answers) else {
        return Ok(None);
    };
    let corrupt = subject.prompt("corrupted prompt", corrupt)?;
    Ok(Some((corrupt, subject.answers(answers)?)))
}

/// What ablations are measured on; nothing where there is only a prompt of one token.
fn batch(
    args: &ProbeArgs,
    subject: &Subject,
    data: Option<&Data>,
    prompt: &Prompt,
) -> Outcome<(Option<Batch>, String)> {
    let most = args.tokens.unwrap_or(PREDICTIONS);
    let must = args.data.is_some() || args.only.contains(&ProbeArg::Ablation);
    let (tokens, name) = match data {
        Some(data) => (&data.tokens, data.name.clone()),
        None => (&prompt.tokens, "the prompt".to_owned()),
    };
    match subject.windows(tokens, most) {
        Ok(batch) => Ok((Some(batch), name)),
        Err(error) if must => Err(error.into()),
        Err(_) => Ok((None, name)),
    }
}

fn copied(
    args: &ProbeArgs,
    loaded: &Loaded,
    prompt: &Prompt,
    known: Option<&Text>,
) -> Outcome<Option<Texts>> {
    let Some(training) = training(args, loaded, known)? else {
        let must = args.only.contains(&ProbeArg::Copied) || args.written.is_some();
        return if must {
            Err(Stop::usage(
                "copied needs --train-text: the checkpoint was not trained on a built-in text",
            ))
        } else {
            Ok(None)
        };
    };
    let written = written(args, loaded, prompt)?;
    Ok(Some(Texts { written, training }))
}

/// The text that was typed, or the prompt, after what it is called.
fn written(args: &ProbeArgs, loaded: &Loaded, prompt: &Prompt) -> Outcome<(String, String)> {
    if let Some(path) = &args.written {
        let text = text::read(path)?.as_str().to_owned();
        return Ok((path.display().to_string(), text));
    }
    let text = loaded.model.tokenizer().decode(&prompt.tokens);
    Ok(("the prompt".to_owned(), text.map_err(Stop::data)?))
}

/// What the model has seen: of its own text, the training part.
fn training(
    args: &ProbeArgs,
    loaded: &Loaded,
    known: Option<&Text>,
) -> Outcome<Option<(String, String)>> {
    let mark = &loaded.header.data;
    let text = match &args.train_text {
        Some(typed) => Some(text::source(Some(typed), Builtin::Stories)?),
        None => known.cloned(),
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let name = text.origin().to_string();
    if text.fingerprint() != mark.fingerprint {
        return Ok(Some((name, text.as_str().to_owned())));
    }
    let corpus = Corpus::new(&text, loaded.model.tokenizer().clone(), mark.val_fraction)?;
    let seen: &Split = corpus.train();
    let seen = loaded
        .model
        .tokenizer()
        .decode(&seen.tokens().to_vec())
        .map_err(Stop::data)?;
    Ok(Some((format!("{name} (its training part)"), seen)))
}
