//! From what was asked to what was found.

use gptlab_lab::probe::{Ablations, CopiedReport, Measure, Patching, ProbeReport, longest_copied};

use super::asked::Asked;
use crate::{args::ProbeArg, exit::Outcome};

/// Makes all probes that were asked for.
pub(super) fn measure(asked: &mut Asked) -> Outcome<ProbeReport> {
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
    Ok(ProbeReport {
        checkpoint: asked.path.display().to_string(),
        step: asked.step,
        tokens: asked.subject.labels(&asked.prompt.tokens),
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
