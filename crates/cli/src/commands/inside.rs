//! Attention maps of finished models, for the report of a study whose checkpoints were kept.

use std::path::{Path, PathBuf};

use gptlab_engine::Device;
use gptlab_lab::probe::{Prompt, Subject};
use gptlab_record::{checkpoints, read_grid};
use gptlab_report::{
    RecordedRun, Study,
    chart::Panels,
    probe::{attention_maps, mean_maps},
};

use crate::{checkpoint, exit::CommandResult, text};

/// The largest number of tokens on a map, so that their labels are readable.
const TOKENS: usize = 16;

/// Draws attention maps of every variant with a checkpoint, all on the beginning of the text that
/// they learned from, or else of what one of them wrote. The maps of the first variant show every
/// head, and those of the others the mean over each attention's heads.
pub(super) fn of(study: &Study, folder: &Path) -> CommandResult<Vec<(String, Panels)>> {
    let mut runs = study.arms.iter().flat_map(|arm| &arm.runs);
    let Some(text) = runs.find_map(|run| learned(run).or_else(|| written(run))) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (i, (variant, run)) in folders(study, folder)?.into_iter().enumerate() {
        let newest = checkpoints(&run)?.pop();
        let Some((_, path)) = newest else { continue };
        let panels = maps(&path, &text, &variant, i == 0)?;
        found.extend(panels.map(|panels| (variant, panels)));
    }
    Ok(found)
}

/// Returns the beginning of the text that `run` was trained on, if it is available.
fn learned(run: &RecordedRun) -> Option<String> {
    beginning(text::of_record(&run.experiment.data)?.as_str())
}

/// Returns the beginning of the last text that `run` wrote.
fn written(run: &RecordedRun) -> Option<String> {
    beginning(run.samples().pop()?.1)
}

fn beginning(text: &str) -> Option<String> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    Some(line.chars().take(TOKENS).collect())
}

/// Returns the variants and the folders of their first runs.
fn folders(study: &Study, folder: &Path) -> CommandResult<Vec<(String, PathBuf)>> {
    let Some(grid) = read_grid(folder)? else {
        let run = |arm: &gptlab_report::Arm| (arm.variant.name.clone(), folder.to_owned());
        return Ok(study.arms.iter().map(run).collect());
    };
    let firsts = grid.variants.iter().filter_map(|variant| {
        let cell = grid
            .cells
            .iter()
            .find(|cell| cell.variant == variant.name)?;
        Some((variant.name.clone(), folder.join(&cell.folder)))
    });
    Ok(firsts.collect())
}

fn maps(path: &Path, text: &str, variant: &str, every_head: bool) -> CommandResult<Option<Panels>> {
    let loaded = checkpoint::load(path)?;
    let device = Device::cpu(1);
    let mut subject = Subject::new(&loaded.model, &device)?;
    // A model with another vocabulary cannot read the text.
    let Ok(prompt) = subject.prompt("the text", text) else {
        return Ok(None);
    };
    let trace = subject.trace(&prompt);
    let heads = subject.attention(&prompt, &trace);
    let tokens = tokens(&subject, &prompt);
    Ok(if every_head {
        attention_maps(&format!("{variant}: every head"), &heads, &tokens)
    } else {
        let title = format!("{variant}: the mean over the heads of each attention");
        mean_maps(&title, &heads, &tokens)
    })
}

fn tokens(subject: &Subject, prompt: &Prompt) -> Vec<String> {
    subject.labels(&prompt.tokens)
}
