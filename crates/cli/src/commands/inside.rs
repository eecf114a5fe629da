//! Attention maps of finished models, for the report of a study whose checkpoints were kept.

use std::path::{Path, PathBuf};

use gptlab_engine::Device;
use gptlab_lab::probe::{HeadMap, Prompt, Subject};
use gptlab_record::{checkpoints, read_grid};
use gptlab_report::{
    RecordedRun, Study, Table,
    chart::{self, Caption, Panels, ShadeScale, Shading},
    table::{Column, TableCell},
    visible,
};

use crate::{checkpoint, exit::CommandResult, text};

/// The largest number of tokens on a map, so that their labels are readable.
const TOKENS: usize = 16;

/// Draws attention maps of every variant with a checkpoint, all on the beginning of the text that
/// they learnt from, or else of what one of them wrote. The maps of the first variant show every
/// head, and those of the others the mean over each attention's heads.
pub(super) fn of(study: &Study, folder: &Path) -> CommandResult<Vec<(String, Panels)>> {
    let mut runs = study.arms.iter().flat_map(|arm| &arm.runs);
    let Some(text) = runs.find_map(|run| learnt(run).or_else(|| written(run))) else {
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
        of_heads(&format!("{variant}: every head"), &heads, &tokens)
    } else {
        let means: Vec<HeadMap> = heads
            .chunk_by(|a, b| a.part == b.part)
            .filter_map(mean)
            .collect();
        let maps = means.iter().map(|head| (head.part.clone(), head));
        let title = format!("{variant}: the mean over the heads of each attention");
        panels(&title, maps.collect(), &tokens)
    })
}

fn tokens(subject: &Subject, prompt: &Prompt) -> Vec<String> {
    subject.labels(&prompt.tokens)
}

/// Draws the maps of all heads, a panel each.
pub(super) fn of_heads(title: &str, heads: &[HeadMap], tokens: &[String]) -> Option<Panels> {
    let name = |head: &HeadMap| format!("{}, head {}", head.part, head.head);
    let maps = heads.iter().map(|head| (name(head), head)).collect();
    panels(title, maps, tokens).map(|panels| noticing(panels, heads))
}

/// Says which head looks at the fewest tokens, and which at the most.
fn noticing(mut panels: Panels, heads: &[HeadMap]) -> Panels {
    let by = |a: &&HeadMap, b: &&HeadMap| a.attention_entropy.total_cmp(&b.attention_entropy);
    let ends = heads.iter().min_by(by).zip(heads.iter().max_by(by));
    let say = |head: &HeadMap| {
        let HeadMap {
            part,
            head,
            attention_entropy,
            ..
        } = head;
        format!("{part} head {head} ({attention_entropy:.2} nats)")
    };
    if let Some((sharp, even)) = ends.filter(|_| heads.len() > 1) {
        panels.caption.notice = format!(
            "the sharpest head is {}, the most even one {}; the number is the mean entropy of its weights.",
            say(sharp),
            say(even)
        );
    }
    panels
}

/// Draws a panel for each map, all shaded from 0 to 1.
fn panels(title: &str, maps: Vec<(String, &HeadMap)>, tokens: &[String]) -> Option<Panels> {
    let shading = Shading::of(ShadeScale::Share, [0.0].into_iter())?;
    let shown: Vec<String> = tokens.iter().map(|token| label(token)).collect();
    let panel = |(name, head): (String, &HeadMap)| {
        let mut map = chart::attention(&name, &wide(&head.weights), &shown, head.mask)?;
        map.caption = Caption::new(format!(
            "The attention weights of {name}: rows are queries, columns the tokens that they look at."
        ));
        Some((
            name.replace(", ", "-").replace(' ', ""),
            map.draw_with(shading)?,
        ))
    };
    let numbers = strongest(title, &maps, &shown);
    let panels: Vec<_> = maps.into_iter().filter_map(panel).collect();
    let caption = Caption {
        drawn: "A row is a token, and its cells show how much it attends to the token of each column; the weights of \
                a row sum to 1. The mask hides the tokens of empty cells."
            .to_owned(),
        normal: "The diagonal is the token itself, the one below it the previous token. A bright first column is an \
                 attention sink."
            .to_owned(),
        notice: String::new(),
    };
    (!panels.is_empty()).then(|| Panels {
        title: title.to_owned(),
        caption,
        shading: Some(shading),
        panels,
        numbers: Some(numbers),
    })
}

/// Lists for each token which one each head looks at the most, and how much.
fn strongest(title: &str, maps: &[(String, &HeadMap)], tokens: &[String]) -> Table {
    let mut columns = vec![Column::words("token")];
    columns.extend(maps.iter().map(|(name, _)| Column::words(name)));
    let mut table = Table::new(
        &format!("{title}: the token with the largest weight, its position and its weight"),
        columns,
    );
    let cell = |head: &HeadMap, query: usize| {
        let row = head.weights[query].iter().enumerate();
        let (key, weight) = row.max_by(|a, b| a.1.total_cmp(b.1))?;
        Some(format!("{} {key}: {weight:.2}", tokens[key]))
    };
    for (query, token) in tokens.iter().enumerate() {
        let mut row = vec![TableCell::text(format!("{token} {query}"))];
        row.extend(
            maps.iter()
                .map(|(_, head)| TableCell::text(cell(head, query).unwrap_or_default())),
        );
        table.push(row);
    }
    table
}

/// Returns a token as pictures show it, with visible spaces.
pub(super) fn label(token: &str) -> String {
    visible::one_line(token).replace(' ', "\u{2423}")
}

/// Returns the mean of the weights of `heads`, as a map. Its other numbers are the first head's.
fn mean(heads: &[HeadMap]) -> Option<HeadMap> {
    let mut mean = heads.first()?.clone();
    for (i, row) in mean.weights.iter_mut().enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            let all = heads.iter().map(|head| head.weights[i][j]);
            *x = all.sum::<f32>() / heads.len() as f32;
        }
    }
    Some(mean)
}

fn wide(weights: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f32>| row.iter().copied().map(f64::from).collect();
    weights.iter().map(row).collect()
}
