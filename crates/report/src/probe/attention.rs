//! Attention maps: the weights of heads, or their means.

use super::HeadMap;
use crate::{
    Table,
    chart::{self, Caption, Panels, ShadeScale, Shading},
    table::{Column, TableCell},
    visible,
};

/// Draws the maps of all heads, a panel each.
pub fn attention_maps(title: &str, heads: &[HeadMap], tokens: &[String]) -> Option<Panels> {
    let name = |head: &HeadMap| format!("{}, head {}", head.part, head.head);
    let maps = heads.iter().map(|head| (name(head), head)).collect();
    panels(title, maps, tokens).map(|panels| noticing(panels, heads))
}

/// Draws the mean over the heads of each attention, a panel each.
pub fn mean_maps(title: &str, heads: &[HeadMap], tokens: &[String]) -> Option<Panels> {
    let means: Vec<HeadMap> = heads
        .chunk_by(|a, b| a.part == b.part)
        .filter_map(mean)
        .collect();
    let maps = means.iter().map(|head| (head.part.clone(), head));
    panels(title, maps.collect(), tokens)
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
