//! Everything that was found, as `--json` prints it.

use gptlab_lab::probe::{
    Ablations, Attribution, Copied, Definition, Flow, HeadMap, LensLayer, Measure, Patching,
    Repeated, Surprise, longest_copied,
};
use serde::Serialize;

use super::asked::Asked;
use crate::{args::ProbeArg, exit::Outcome};

/// What `--json` prints; a probe that was not made is null.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) checkpoint: String,
    pub(super) step: u64,
    /// The prompt's tokens as text; positions count them from 0.
    pub(super) tokens: Vec<String>,
    /// What ablations are measured on.
    pub(super) text: String,
    pub(super) seed: u64,
    pub(super) attention: Option<Vec<HeadMap>>,
    pub(super) repeated: Option<Repeated>,
    pub(super) activations: Option<Flow>,
    pub(super) ablation: Option<Ablations>,
    pub(super) lens: Option<Vec<LensLayer>>,
    pub(super) attribution: Option<Attribution>,
    pub(super) surprise: Option<Vec<Surprise>>,
    pub(super) patching: Option<Patching>,
    pub(super) copied: Option<CopiedReport>,
    /// What the numbers mean.
    pub(super) measures: Vec<Definition>,
}

#[derive(Serialize)]
pub(super) struct CopiedReport {
    /// What was looked up, and where.
    pub(super) written: String,
    pub(super) training: String,
    /// Nothing where the two share no character.
    pub(super) longest: Option<Copied>,
}

impl Report {
    pub(super) fn of(asked: &mut Asked) -> Outcome<Self> {
        let trace = asked.subject.trace(&asked.prompt);
        let wants = |probe| asked.probes.contains(&probe);
        let [attention, lens] = [ProbeArg::Attention, ProbeArg::Lens].map(wants);
        let (prompt, top) = (&asked.prompt, asked.top);
        let subject = &mut asked.subject;
        let attention_maps = attention.then(|| subject.attention(prompt, &trace));
        let repeated = if attention {
            subject.repeated(asked.seed)?
        } else {
            None
        };
        let lens = lens.then(|| subject.lens(prompt, &trace, top));
        Ok(Self {
            checkpoint: asked.path.display().to_string(),
            step: asked.step,
            tokens: asked.subject.texts(&asked.prompt.tokens),
            text: asked.text.clone(),
            seed: asked.seed,
            attention: attention_maps,
            repeated,
            activations: asked
                .wants(ProbeArg::Activations)
                .then(|| asked.subject.flow(&trace)),
            ablation: ablation(asked),
            lens,
            attribution: asked
                .wants(ProbeArg::Attribution)
                .then(|| asked.subject.attribution(&asked.prompt, &trace)),
            surprise: asked
                .wants(ProbeArg::Surprise)
                .then(|| asked.subject.surprise(&asked.prompt, &trace, top)),
            patching: patching(asked)?,
            copied: copied(asked),
            measures: Measure::ALL.map(Measure::definition).to_vec(),
        })
    }
}

fn ablation(asked: &mut Asked) -> Option<Ablations> {
    let wanted = asked.wants(ProbeArg::Ablation);
    let batch = asked.batch.as_ref().filter(|_| wanted)?;
    Some(asked.subject.ablations(batch))
}

fn patching(asked: &mut Asked) -> Outcome<Option<Patching>> {
    let wanted = asked.wants(ProbeArg::Patching);
    let Some((corrupted, answers)) = asked.pair.as_ref().filter(|_| wanted) else {
        return Ok(None);
    };
    let found = asked.subject.patching(&asked.prompt, corrupted, *answers)?;
    Ok(Some(found))
}

fn copied(asked: &Asked) -> Option<CopiedReport> {
    let wanted = asked.wants(ProbeArg::Copied);
    let texts = asked.copied.as_ref().filter(|_| wanted)?;
    Some(CopiedReport {
        written: texts.written.0.clone(),
        training: texts.training.0.clone(),
        longest: longest_copied(&texts.written.1, &texts.training.1),
    })
}
