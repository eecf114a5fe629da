//! The pictures of a probe: a page, and each picture beside it.

use gptlab_record::Measure;

use super::{
    Ablation, Ablations, Attribution, Guess, HeadScores, LensLayer, Patching, ProbeReport,
    Repeated, Surprise,
    attention::{attention_maps, label},
};
use crate::{
    Chart, Table,
    chart::{Caption, HeatMap, Panels, ShadeScale, Shading},
    page::{self, Figure, File, Gallery, Section, ShadedToken},
    table::{Column, TableCell},
};

/// The largest number of tokens that a map can label.
const MOST: usize = 64;
/// Nats at which a token of the text is shaded fully: a chance of 1 in 150.
const SURPRISING: f64 = 5.0;

/// The name of the page.
pub const PAGE: &str = "probe.html";

/// Returns the page and its pictures. `tables` are shown below the pictures.
pub fn files(report: &ProbeReport, tables: Vec<Table>) -> Vec<File> {
    let prompt = report.tokens.concat();
    let gallery = Gallery {
        title: title(report),
        about: format!("gptlab probe of {}", report.checkpoint),
        answer: answer(report),
        tokens: report
            .surprise
            .as_deref()
            .map_or_else(Vec::new, |found| shaded(found, &report.tokens)),
        sections: sections(report, tables),
        facts: vec![
            ("Checkpoint", report.checkpoint.clone()),
            ("Steps", report.step.to_string()),
            ("Prompt", format!("{prompt:?}")),
            ("Text of ablations", report.text.clone()),
            ("Seed of random tokens", report.seed.to_string()),
        ],
    };
    page::gallery(PAGE, &gallery)
}

/// Says what the model expects after the prompt if that was requested, and otherwise names the
/// checkpoint.
fn title(report: &ProbeReport) -> String {
    let last = report.surprise.as_ref().and_then(|found| found.last());
    let guess = last.and_then(|next| next.top.first());
    let prompt = report.tokens.concat();
    guess.map_or_else(
        || format!("Inside {}", report.checkpoint),
        |guess| {
            format!(
                "After {:?} the model expects {:?}, with probability {:.2}",
                ending(&prompt, 40),
                guess.token,
                guess.probability
            )
        },
    )
}

/// Returns the last `most` characters of a text, after an ellipsis if it is longer.
fn ending(text: &str, most: usize) -> String {
    let length = text.chars().count();
    let end: String = text.chars().skip(length.saturating_sub(most)).collect();
    if length > most {
        format!("…{end}")
    } else {
        end
    }
}

/// Says what the probes of surprise, ablation, repeated tokens and copies found.
fn answer(report: &ProbeReport) -> Vec<String> {
    let mut said = Vec::new();
    said.extend(report.surprise.as_deref().and_then(surprising));
    said.extend(report.ablation.as_ref().and_then(worth));
    said.extend(report.repeated.as_ref().map(copies));
    said.extend(
        report
            .copied
            .as_ref()
            .map(|found| format!("Copied: {}.", found.text())),
    );
    said
}

fn surprising(found: &[Surprise]) -> Option<String> {
    let came = || found.iter().filter_map(|s| Some((s, s.surprise?)));
    let n = came().count();
    let mean = came().map(|(_, x)| x).sum::<f64>() / n as f64;
    let (most, x) = came().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let token = most.token.as_deref().unwrap_or_default();
    Some(format!(
        "The prompt surprises the model by {mean:.2} nats per token; the most surprising token is {token:?} at position \
         {} ({x:.2} nats). Below, a token is shaded by its surprise.",
        most.position
    ))
}

fn worth(ablation: &Ablations) -> Option<String> {
    let by = |a: &&Ablation, b: &&Ablation| a.zero_ablation.total_cmp(&b.zero_ablation);
    let of = |is_head: bool| {
        let parts = ablation.parts.iter();
        parts
            .filter(move |part| part.head.is_some() == is_head)
            .max_by(by)
    };
    let say = |part: &Ablation| format!("{} ({:+.2} nats)", part.part, part.zero_ablation);
    let whole = say(of(false)?);
    let head = of(true).map_or_else(String::new, |head| {
        format!(", of single heads {}", say(head))
    });
    Some(format!(
        "On the text the loss is {:.3}. The model misses {whole} the most{head}.",
        ablation.loss
    ))
}

fn copies(found: &Repeated) -> String {
    let gain = found.first_loss - found.second_loss;
    let verdict = if gain > 0.5 {
        "the model copies from its context"
    } else {
        "the model does not copy from its context"
    };
    format!(
        "On {} random tokens that come twice, the loss is {:.2} the first time and {:.2} the second time: {verdict}.",
        found.length, found.first_loss, found.second_loss
    )
}

/// Returns the prompt's tokens with their surprise. The first tokens may have none.
fn shaded(found: &[Surprise], tokens: &[String]) -> Vec<ShadedToken> {
    let came = found.iter().filter(|s| s.token.is_some()).count();
    let before = tokens.iter().take(tokens.len().saturating_sub(came));
    let plain = before.map(|text| ShadedToken {
        text: text.clone(),
        share: None,
        says: "no surprise is measured here".to_owned(),
    });
    let measured = found.iter().filter_map(|s| {
        let says = s.surprise.map_or_else(String::new, |x| {
            format!("surprise {x:.2} nats, rank {}", s.rank.unwrap_or_default())
        });
        Some(ShadedToken {
            text: s.token.clone()?,
            share: s.surprise.map(|x| x / SURPRISING),
            says,
        })
    });
    plain.chain(measured).collect()
}

fn sections(report: &ProbeReport, tables: Vec<Table>) -> Vec<Section> {
    let shown: Vec<String> = report.tokens.iter().map(|token| label(token)).collect();
    let section = |title: &str, text: &str, figures: Vec<Option<Figure>>| Section {
        title: title.to_owned(),
        text: text.to_owned(),
        figures: figures.into_iter().flatten().collect(),
        tables: Vec::new(),
    };
    let one = |name: &str, chart: Option<Chart>| chart.map(|chart| Figure::whole(name, chart));
    let half = |name: &str, chart: Option<Chart>| chart.map(|chart| Figure::one(name, chart));
    let lens = report.lens.as_ref().and_then(|l| lens_map(l, &shown));
    let ablation = report.ablation.as_ref();
    let heads = report
        .attention
        .as_ref()
        .filter(|_| report.tokens.len() <= MOST)
        .and_then(|heads| attention_maps("What each head attends to", heads, &report.tokens));
    let attribution = report
        .attribution
        .as_ref()
        .and_then(|a| attributed(a, &shown));
    vec![
        section(
            "What it expects, depth by depth",
            "",
            vec![
                one("lens", lens),
                one("surprise", report.surprise.as_deref().and_then(surprise)),
            ],
        ),
        section(
            "Which activations carry the answer",
            "",
            vec![one("patching", report.patching.as_ref().and_then(patched))],
        ),
        section(
            "What each part is worth",
            "",
            vec![
                half("zero-ablation", ablation.and_then(without_heads)),
                half("ablation", ablation.and_then(without_parts)),
                one("attribution", attribution),
            ],
        ),
        section(
            "What the heads do",
            "",
            vec![
                report
                    .repeated
                    .as_ref()
                    .and_then(scores)
                    .map(|panels| Figure::many("scores", panels)),
                heads.map(|panels| Figure::many("attention", panels)),
            ],
        ),
        Section {
            title: "All numbers".to_owned(),
            tables,
            ..Section::default()
        },
    ]
}

/// Draws two rows over the tokens: how surprising each was, and how surprising it was expected to
/// be.
fn surprise(found: &[Surprise]) -> Option<Chart> {
    let came = || found.iter().filter(|s| s.surprise.is_some());
    let tokens = came().filter_map(|s| s.token.as_deref()).map(label);
    let rows = [
        came().map(|s| s.surprise.unwrap_or(f64::NAN)).collect(),
        came().map(|s| s.expected).collect(),
    ];
    let map = HeatMap {
        title: "How surprising each token was".to_owned(),
        caption: Caption::of(
            Measure::Surprise,
            "The second row is the entropy of the model's distribution: the surprise that it expected.",
        ),
        rows: ["surprise", "expected"].map(str::to_owned).to_vec(),
        columns: tokens.collect(),
        cells: rows.to_vec(),
        beneath: "token".to_owned(),
        width: 1100,
        ..HeatMap::default()
    };
    map.with_numbers().draw()
}

/// Draws the likeliest token in every cell, shaded by its probability, and below them the tokens
/// that came.
fn lens_map(lens: &[LensLayer], tokens: &[String]) -> Option<Chart> {
    let guess = |layer: &LensLayer| {
        layer
            .positions
            .iter()
            .map(|cell| cell.top.first().cloned())
            .collect()
    };
    let guesses: Vec<Vec<_>> = lens.iter().map(guess).collect();
    let mut rows: Vec<String> = lens.iter().map(|layer| layer.name.clone()).collect();
    let mut cells: Vec<Vec<f64>> = guesses
        .iter()
        .map(|row| {
            let of = |g: &Option<Guess>| g.as_ref().map_or(f64::NAN, |g| g.probability);
            row.iter().map(of).collect()
        })
        .collect();
    let mut texts: Vec<Vec<String>> = guesses
        .iter()
        .map(|row| {
            let of = |g: &Option<Guess>| g.as_ref().map_or_else(String::new, |g| label(&g.token));
            row.iter().map(of).collect()
        })
        .collect();
    rows.push("came".to_owned());
    cells.push(vec![f64::NAN; tokens.len()]);
    let came = (1..=tokens.len()).map(|t| tokens.get(t).cloned().unwrap_or_default());
    texts.push(came.collect());
    let map = HeatMap {
        title: "What the model would say after each block".to_owned(),
        caption: Caption {
            drawn: "The logit lens (nostalgebraist 2020): the final norm and head read the stream after each block. A \
                    cell holds the likeliest next token, and its shade is that token's probability. The last row is \
                    what came."
                .to_owned(),
            normal: "The embedding repeats the token or guesses its commonest successor; deeper blocks agree more \
                     and more with the last row of guesses, which is the model's own."
                .to_owned(),
            notice: agreement(&texts),
        },
        rows,
        columns: tokens.to_vec(),
        cells,
        texts: Some(texts),
        beneath: "token read".to_owned(),
        scale: ShadeScale::Share,
        width: 1100,
    };
    map.draw()
}

/// Says in how many positions each depth guesses what came.
fn agreement(texts: &[Vec<String>]) -> String {
    let Some((came, guesses)) = texts.split_last() else {
        return String::new();
    };
    let known = came.len().saturating_sub(1);
    let right = |row: &Vec<String>| {
        let pairs = row.iter().zip(came).take(known);
        pairs.filter(|(guess, came)| guess == came).count()
    };
    let counts: Vec<String> = guesses.iter().map(|row| right(row).to_string()).collect();
    format!(
        "from the embedding to the last block, {} of {known} guesses are what came.",
        counts.join(", ")
    )
}

/// Arranges numbers of heads as a map of blocks and heads.
fn by_head(heads: &[(usize, usize, f64)]) -> HeatMap {
    let blocks: Vec<_> = heads.chunk_by(|a, b| a.0 == b.0).collect();
    let most = heads.iter().map(|(_, head, _)| head + 1).max().unwrap_or(0);
    let mut cells = vec![vec![f64::NAN; most]; blocks.len()];
    for (row, block) in cells.iter_mut().zip(&blocks) {
        for (_, head, x) in *block {
            row[*head] = *x;
        }
    }
    HeatMap {
        rows: blocks.iter().map(|b| format!("block{}", b[0].0)).collect(),
        columns: (0..most).map(|i| i.to_string()).collect(),
        cells,
        beneath: "head".to_owned(),
        width: 260,
        ..HeatMap::default()
    }
}

/// Draws how much the loss rises without each head, as a map of blocks and heads.
fn without_heads(ablation: &Ablations) -> Option<Chart> {
    let of = |part: &Ablation| Some((part.block, part.head?, part.zero_ablation));
    let heads: Vec<_> = ablation.parts.iter().filter_map(of).collect();
    let map = HeatMap {
        title: "The loss without each head".to_owned(),
        caption: Caption::of(
            Measure::ZeroAblation,
            "A row is a block, a column a head. Vermilion: the model needs the head.",
        ),
        scale: ShadeScale::Difference,
        ..by_head(&heads)
    };
    map.with_numbers().draw()
}

/// Draws how much the loss rises when the output of a whole attention or MLP is set to zero or to
/// its mean.
fn without_parts(ablation: &Ablations) -> Option<Chart> {
    let whole = || ablation.parts.iter().filter(|part| part.head.is_none());
    let map = HeatMap {
        title: "The loss without each sublayer".to_owned(),
        caption: Caption::of(
            Measure::MeanAblation,
            "The first column sets the sublayer's output to zero, the second to its mean.",
        ),
        rows: whole().map(|part| part.part.clone()).collect(),
        columns: vec!["zero".into(), "mean".into()],
        cells: whole()
            .map(|part| vec![part.zero_ablation, part.mean_ablation])
            .collect(),
        scale: ShadeScale::Difference,
        width: 130,
        ..HeatMap::default()
    };
    map.with_numbers().draw()
}

/// Draws what each part adds to the logit of each token that came.
fn attributed(found: &Attribution, tokens: &[String]) -> Option<Chart> {
    let columns: Vec<String> = found.targets.iter().map(|token| label(token)).collect();
    let fits = tokens.len() <= MOST;
    let map = HeatMap {
        title: "What each part adds to the logit of the token that came".to_owned(),
        caption: Caption::of(
            Measure::LogitAttribution,
            "A column is a token that came. Vermilion speaks for it, blue against it.",
        ),
        rows: found.parts.iter().map(|part| part.part.clone()).collect(),
        columns,
        cells: found
            .parts
            .iter()
            .map(|part| part.logit_attribution.clone())
            .collect(),
        beneath: "token that came".to_owned(),
        scale: ShadeScale::Difference,
        width: 1100,
        ..HeatMap::default()
    };
    fits.then(|| map.draw()).flatten()
}

/// A measure of a head, and where its number stands.
type HeadMeasure = (Measure, fn(&HeadScores) -> f64);

/// Draws what heads do with random tokens that come twice.
fn scores(found: &Repeated) -> Option<Panels> {
    let shading = Shading::of(ShadeScale::Share, [0.0].into_iter())?;
    let panel = |(measure, of): HeadMeasure| {
        let heads = found.heads.iter().map(|h| (h.block, h.head, of(h)));
        let name = measure.name();
        let map = HeatMap {
            title: name.replace('_', " "),
            caption: Caption::of(measure, ""),
            scale: ShadeScale::Share,
            ..by_head(&heads.collect::<Vec<_>>())
        };
        Some((name.to_owned(), map.with_numbers().draw_with(shading)?))
    };
    let measures: [HeadMeasure; 3] = [
        (Measure::PreviousToken, |h| h.previous_token),
        (Measure::DuplicateToken, |h| h.duplicate_token),
        (Measure::Induction, |h| h.induction),
    ];
    let entries: Vec<String> = measures
        .iter()
        .map(|(measure, _)| {
            let entry = measure.definition();
            format!("{}: {}", entry.name.replace('_', " "), entry.range)
        })
        .collect();
    Some(Panels {
        title: "Which heads find the previous token, the same token, and what followed it"
            .to_owned(),
        caption: Caption {
            drawn: format!(
                "The weight of each head on the token that its name says, on {} random tokens that come twice (L of \
                 them, in contexts of T). A row is a block, a column a head.",
                found.length
            ),
            normal: format!("{}.", entries.join(". ")),
            notice: String::new(),
        },
        shading: Some(shading),
        panels: measures.into_iter().filter_map(panel).collect(),
        numbers: Some(score_table(found)),
    })
}

fn score_table(found: &Repeated) -> Table {
    let mut columns = vec![Column::words("head")];
    columns.extend(["previous token", "duplicate token", "induction"].map(Column::numbers));
    let mut table = Table::new("Weights on random tokens that come twice", columns);
    for head in &found.heads {
        let name = format!("{}, head {}", head.part, head.head);
        let numbers = [head.previous_token, head.duplicate_token, head.induction];
        let cells = numbers.map(|x| TableCell::number(format!("{x:.3}"), x));
        table.push(
            std::iter::once(TableCell::text(name))
                .chain(cells)
                .collect(),
        );
    }
    table
}

fn patched(patching: &Patching) -> Option<Chart> {
    let stages = &patching.stream;
    let map = HeatMap {
        title: format!(
            "Where the lead of {:?} over {:?} comes back",
            patching.answers[0], patching.answers[1]
        ),
        caption: Caption::of(
            Measure::Recovery,
            "A row is a depth, a column a token of the corrupted prompt; the stream there is set to the clean prompt's.",
        ),
        rows: stages.iter().map(|stage| stage.name.clone()).collect(),
        columns: patching
            .corrupted
            .iter()
            .map(|token| label(token))
            .collect(),
        cells: stages.iter().map(|stage| stage.recovery.clone()).collect(),
        beneath: "token of the corrupted prompt".to_owned(),
        scale: ShadeScale::Difference,
        width: 1100,
        ..HeatMap::default()
    };
    map.with_numbers().draw()
}
