//! From typed flags to the request of a probe.

use gptlab_data::Builtin;
use gptlab_lab::probe::{Corruption, NamedText, Probe, ProbeRequest};

use crate::{
    args::ProbeArgs,
    checkpoint::Loaded,
    exit::{CommandResult, Stop},
    text,
};

/// Returns the typed request. It includes the built-in text that the model was trained on only if a
/// probe needs it, since generating the text for the comparison takes time.
pub(super) fn of(args: &ProbeArgs, loaded: &Loaded) -> CommandResult<ProbeRequest> {
    let source = |typed: &Option<String>| {
        let typed = typed.as_deref();
        typed
            .map(|typed| text::source(Some(typed), Builtin::Stories))
            .transpose()
    };
    let usual = ProbeRequest::default();
    let corruption = args.corrupt.clone().zip(args.answers.clone());
    let mut request = ProbeRequest {
        prompt: args.prompt.clone(),
        corruption: corruption.map(|(prompt, answers)| Corruption { prompt, answers }),
        data: source(&args.data)?,
        predictions: args.tokens.unwrap_or(usual.predictions),
        written: written(args)?,
        train_text: source(&args.train_text)?,
        own_text: None,
        only: args.only.clone(),
        top: args.top.unwrap_or(usual.top),
        seed: args.seed.unwrap_or(usual.seed),
    };
    if request.needs_own_text() {
        request.own_text = text::by_fingerprint(loaded.header.data.fingerprint);
    }
    Ok(request)
}

fn written(args: &ProbeArgs) -> CommandResult<Option<NamedText>> {
    let Some(path) = &args.written else {
        return Ok(None);
    };
    Ok(Some(NamedText {
        name: path.display().to_string(),
        text: text::read(path)?.as_str().to_owned(),
    }))
}

/// Refuses incomplete combinations of flags.
pub(super) fn check(args: &ProbeArgs) -> CommandResult<()> {
    let patching = args.only.contains(&Probe::Patching);
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
