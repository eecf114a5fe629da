//! Attention maps of finished models, for the report of a study whose checkpoints were kept.

use std::path::{Path, PathBuf};

use gptlab_engine::Device;
use gptlab_lab::probe::{HeadMap, Prompt, Subject};
use gptlab_record::{checkpoints, read_grid};
use gptlab_report::{Chart, RecordedRun, Study, chart};

use crate::{checkpoint, exit::CommandResult, text};

/// The largest number of tokens on a map, so that their labels are readable.
const TOKENS: usize = 16;

/// Returns attention maps of every variant with a checkpoint, all on the beginning of the text they
/// were trained on, or else of a text that one of them wrote: every head of the first variant, and
/// for the others the mean over each attention's heads.
pub(super) fn of(study: &Study, folder: &Path) -> CommandResult<Vec<(String, Vec<Chart>)>> {
    let mut runs = study.arms.iter().flat_map(|arm| &arm.runs);
    let Some(text) = runs.find_map(|run| learnt(run).or_else(|| written(run))) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (i, (variant, run)) in folders(study, folder)?.into_iter().enumerate() {
        let newest = checkpoints(&run)?.pop();
        let Some((_, path)) = newest else { continue };
        found.push((variant, maps(&path, &text, i == 0)?));
    }
    Ok(found)
}

/// Returns the beginning of the text that `run` was trained on, if it is available.
fn learnt(run: &RecordedRun) -> Option<String> {
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

fn maps(path: &Path, text: &str, every_head: bool) -> CommandResult<Vec<Chart>> {
    let loaded = checkpoint::load(path)?;
    let device = Device::cpu(1);
    let mut subject = Subject::new(&loaded.model, &device)?;
    // A model with another vocabulary cannot read the text.
    let Ok(prompt) = subject.prompt("the text", text) else {
        return Ok(Vec::new());
    };
    let trace = subject.trace(&prompt);
    let heads = subject.attention(&prompt, &trace);
    let tokens = tokens(&subject, &prompt);
    Ok(if every_head {
        heads
            .iter()
            .filter_map(|head| of_head(head, &tokens))
            .collect()
    } else {
        let parts = heads.chunk_by(|a, b| a.part == b.part);
        parts.filter_map(|heads| of_part(heads, &tokens)).collect()
    })
}

pub(super) fn tokens(subject: &Subject, prompt: &Prompt) -> Vec<String> {
    subject.labels(&prompt.tokens)
}

/// Returns the map of one head.
pub(super) fn of_head(head: &HeadMap, tokens: &[String]) -> Option<Chart> {
    let title = format!("{}, head {}", head.part, head.head);
    chart::attention(&title, &wide(&head.weights), tokens)
}

/// Returns the map of the mean over heads.
fn of_part(heads: &[HeadMap], tokens: &[String]) -> Option<Chart> {
    let mut mean = wide(&heads.first()?.weights);
    for (i, row) in mean.iter_mut().enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            let all = heads.iter().map(|head| f64::from(head.weights[i][j]));
            *x = all.sum::<f64>() / heads.len() as f64;
        }
    }
    let title = format!("{}, mean over {} heads", heads[0].part, heads.len());
    chart::attention(&title, &mean, tokens)
}

fn wide(weights: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f32>| row.iter().copied().map(f64::from).collect();
    weights.iter().map(row).collect()
}
