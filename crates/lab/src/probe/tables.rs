//! Formats probe results as tables: short ones for a terminal, full ones for files.

use std::collections::BTreeMap;

use gptlab_report::{
    Table,
    table::{Column, TableCell},
};

use super::{
    Attribution, Definition, Flow, Guess, HeadMap, LensLayer, Patching, ProbeReport, Surprise,
};

/// Tables, each with the name of its file.
#[derive(Clone, Debug)]
pub struct Tables(pub Vec<(&'static str, Table)>);

/// The largest number of positions in a short table. The last ones are shown.
const MOST_POSITIONS: usize = 24;

impl Tables {
    /// Makes tables that fit a terminal.
    pub fn short(report: &ProbeReport) -> Self {
        let tokens = &report.tokens;
        let mut tables = Vec::new();
        tables.extend(parts(report).map(|table| ("parts", table)));
        tables.extend(report.activations.iter().map(|f| ("stream", stream(f))));
        tables.extend(
            report
                .surprise
                .iter()
                .map(|s| ("surprise", short_surprise(s))),
        );
        tables.extend(report.lens.iter().map(|l| ("lens", short_lens(l, tokens))));
        tables.extend(
            report
                .attribution
                .iter()
                .map(|a| ("attribution", short_attribution(a))),
        );
        if let Some(found) = &report.patching {
            tables.push(("patching", short_patching(found)));
            tables.push(("patched_heads", patched_heads(found)));
        }
        Self(tables)
    }

    /// Makes tables with all results, one row per observation.
    pub fn full(report: &ProbeReport) -> Self {
        let tokens = &report.tokens;
        let mut tables = Vec::new();
        tables.extend(parts(report).map(|table| ("parts", table)));
        tables.extend(report.activations.iter().map(|f| ("stream", stream(f))));
        tables.extend(
            report
                .attention
                .iter()
                .map(|a| ("attention", attention(a, tokens))),
        );
        tables.extend(report.surprise.iter().map(|s| ("surprise", surprise(s))));
        tables.extend(report.lens.iter().map(|l| ("lens", lens(l, tokens))));
        tables.extend(
            report
                .attribution
                .iter()
                .map(|a| ("attribution", attribution(a))),
        );
        if let Some(found) = &report.patching {
            tables.push(("patching", patching(found)));
            tables.push(("patched_heads", patched_heads(found)));
        }
        Self(tables)
    }
}

/// Makes the table of the measures' definitions.
pub fn measures_table(definitions: &[Definition]) -> Table {
    let titles = ["measure", "formula", "unit", "usual range", "source"];
    let mut table = Table::new("measures", titles.map(Column::words).to_vec());
    for d in definitions {
        table.push(
            [d.name, d.formula, d.unit, d.range, d.source]
                .map(TableCell::text)
                .to_vec(),
        );
    }
    table
}

fn table(caption: &str, words: &[&str], numbers: &[&str]) -> Table {
    let words = words.iter().map(|title| Column::words(title));
    let numbers = numbers.iter().map(|title| Column::numbers(title));
    Table::new(caption, words.chain(numbers).collect())
}

/// Makes the cell of a token, quoted so that white space is visible.
fn token(text: &str) -> TableCell {
    TableCell {
        text: quoted(text),
        exact: Some(text.to_owned()),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}").replace('"', "'")
}

fn number(x: f64) -> TableCell {
    TableCell::number(format!("{x:.3}"), x)
}

fn signed(x: f64) -> TableCell {
    TableCell::number(format!("{x:+.4}"), x)
}

fn perhaps(x: Option<f64>, cell: fn(f64) -> TableCell) -> TableCell {
    x.map(cell).unwrap_or_default()
}

fn index(i: usize) -> TableCell {
    TableCell::text(i.to_string())
}

fn guess(guess: &Guess) -> String {
    format!("{} {:.2}", quoted(&guess.token), guess.probability)
}

/// The results for one part.
#[derive(Default)]
struct ModuleRow {
    attention: [Option<f64>; 4],
    repeated: [Option<f64>; 3],
    activations: [Option<f64>; 2],
    ablation: [Option<f64>; 2],
}

/// Makes the table of every part, with its attention, repeated-token and ablation scores.
fn parts(report: &ProbeReport) -> Option<Table> {
    // Sorting by block and name puts heads under their attention, and attention before the MLP.
    let mut parts: BTreeMap<(usize, String, Option<usize>), ModuleRow> = BTreeMap::new();
    for map in report.attention.iter().flatten() {
        let part = parts
            .entry((map.block, map.part.clone(), Some(map.head)))
            .or_default();
        part.attention = [
            Some(map.attention_entropy),
            map.sink_mass,
            map.prefix_matching,
            map.max_attention_logit,
        ];
    }
    for head in report.repeated.iter().flat_map(|r| &r.heads) {
        let part = parts
            .entry((head.block, head.part.clone(), Some(head.head)))
            .or_default();
        part.repeated = [head.previous_token, head.duplicate_token, head.induction].map(Some);
    }
    for found in report.activations.iter().flat_map(|f| &f.parts) {
        let part = parts
            .entry((found.block, found.part.clone(), None))
            .or_default();
        part.activations = [found.write_ratio, found.dead_share];
    }
    for found in report.ablation.iter().flat_map(|a| &a.parts) {
        let name = match found.head {
            Some(head) => found.part.trim_end_matches(&format!(".head{head}")),
            None => &found.part,
        };
        let part = parts
            .entry((found.block, name.to_owned(), found.head))
            .or_default();
        part.ablation = [found.zero_ablation, found.mean_ablation].map(Some);
    }
    if parts.is_empty() {
        return None;
    }
    let caption = format!(
        "parts: scores on repeated random tokens{}; activations on the prompt; loss without the part, minus loss",
        errors(report)
    );
    let titles = [
        "previous token",
        "duplicate token",
        "induction",
        "entropy",
        "sink mass",
        "prefix matching",
        "max logit",
        "write ratio",
        "dead share",
        "zero ablation",
        "mean ablation",
    ];
    let mut table = table(&caption, &["part"], &titles);
    for ((_, name, head), part) in parts {
        let name = head.map_or(name.clone(), |head| format!("{name}.head{head}"));
        let mut row = vec![TableCell::text(name)];
        row.extend(part.repeated.map(|x| perhaps(x, number)));
        row.extend(part.attention.map(|x| perhaps(x, number)));
        row.extend(part.activations.map(|x| perhaps(x, number)));
        row.extend(part.ablation.map(|x| perhaps(x, signed)));
        table.push(row);
    }
    Some(table.without_empty_columns())
}

/// Says how uncertain the scores of heads are, by their largest standard error.
fn errors(report: &ProbeReport) -> String {
    let Some(repeated) = &report.repeated else {
        return String::new();
    };
    let all = repeated.heads.iter().flat_map(|head| head.errors);
    let most = all.fold(0.0, f64::max);
    let sequences = repeated.sequences;
    let most = if most < 1e-3 {
        "below 0.001".to_owned()
    } else {
        format!("at most {most:.3}")
    };
    format!(" (standard error {most}, over {sequences} sequences)")
}

/// Makes a table of the stream's size and sameness at each depth.
fn stream(flow: &Flow) -> Table {
    let numbers = ["activation rms", "token similarity"];
    let caption = format!(
        "stream: on the prompt; the logits' mean log Z is {:.3}",
        flow.log_z
    );
    let mut table = table(&caption, &["depth"], &numbers);
    for stage in &flow.stream {
        table.push(vec![
            TableCell::text(&stage.name),
            number(stage.activation_rms),
            perhaps(stage.token_similarity, number),
        ]);
    }
    table
}

fn attention(maps: &[HeadMap], tokens: &[String]) -> Table {
    let words = ["part", "query_token", "key_token"];
    let mut table = table("attention", &words, &["head", "query", "key", "weight"]);
    for map in maps {
        for (q, row) in map.weights.iter().enumerate() {
            for (k, weight) in row.iter().enumerate() {
                table.push(vec![
                    TableCell::text(&map.part),
                    token(&tokens[q]),
                    token(&tokens[k]),
                    index(map.head),
                    index(q),
                    index(k),
                    number((*weight).into()),
                ]);
            }
        }
    }
    table
}

fn short_surprise(found: &[Surprise]) -> Table {
    let numbers = ["position", "surprise", "expected", "rank"];
    let mut table = table(
        "surprise: nats, and what was expected",
        &["token"],
        &numbers,
    );
    table
        .columns
        .push(Column::words("likeliest before it came"));
    for cell in &found[found.len().saturating_sub(MOST_POSITIONS)..] {
        let guesses: Vec<String> = cell.top.iter().map(guess).collect();
        table.push(vec![
            cell.token
                .as_deref()
                .map_or(TableCell::text("(next)"), token),
            index(cell.position),
            perhaps(cell.surprise, number),
            number(cell.expected),
            cell.rank.map(index).unwrap_or_default(),
            TableCell::text(guesses.join(", ")),
        ]);
    }
    elided(table, found.len())
}

fn surprise(found: &[Surprise]) -> Table {
    let numbers = [
        "position",
        "surprise",
        "expected",
        "rank",
        "guess",
        "probability",
    ];
    let mut table = table("surprise", &["token", "guessed"], &numbers);
    for cell in found {
        for (i, guess) in cell.top.iter().enumerate() {
            table.push(vec![
                cell.token.as_deref().map(token).unwrap_or_default(),
                token(&guess.token),
                index(cell.position),
                perhaps(cell.surprise, number),
                number(cell.expected),
                cell.rank.map(index).unwrap_or_default(),
                index(i + 1),
                number(guess.probability),
            ]);
        }
    }
    table
}

/// Adds the number of positions to the caption if not all are shown.
fn elided(mut table: Table, positions: usize) -> Table {
    if positions > MOST_POSITIONS {
        let rest = format!(" (the last {MOST_POSITIONS} of {positions} positions)");
        table.caption.push_str(&rest);
    }
    table
}

/// Makes a table of the likeliest next token, with a row per position and a column per depth.
fn short_lens(layers: &[LensLayer], tokens: &[String]) -> Table {
    let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
    let words = [&["token"], &names[..], &["came"]].concat();
    let mut table = table(
        "lens: the likeliest next token after each block",
        &words,
        &[],
    );
    let first = tokens.len().saturating_sub(MOST_POSITIONS);
    for (t, at) in tokens.iter().enumerate().skip(first) {
        let mut row = vec![token(at)];
        let cells = layers.iter().map(|l| l.positions[t].top.first());
        row.extend(cells.map(|top| TableCell::text(top.map(guess).unwrap_or_default())));
        row.push(
            tokens
                .get(t + 1)
                .map(|came| token(came))
                .unwrap_or_default(),
        );
        table.push(row);
    }
    let mut summary = |name: &str, of: &dyn Fn(&LensLayer) -> TableCell| {
        let cells = layers.iter().map(of);
        table.push(
            [TableCell::text(name)]
                .into_iter()
                .chain(cells)
                .chain([TableCell::default()])
                .collect(),
        );
    };
    summary("loss", &|l| perhaps(l.lens_loss, number));
    summary("kl", &|l| number(l.lens_kl));
    elided(table, tokens.len())
}

fn lens(layers: &[LensLayer], tokens: &[String]) -> Table {
    let words = ["depth", "token", "came", "guessed"];
    let numbers = [
        "position",
        "target_probability",
        "target_rank",
        "guess",
        "probability",
    ];
    let mut table = table("lens", &words, &numbers);
    for layer in layers {
        for (t, cell) in layer.positions.iter().enumerate() {
            for (i, guess) in cell.top.iter().enumerate() {
                table.push(vec![
                    TableCell::text(&layer.name),
                    token(&tokens[t]),
                    tokens
                        .get(t + 1)
                        .map(|came| token(came))
                        .unwrap_or_default(),
                    token(&guess.token),
                    index(t),
                    perhaps(cell.target_probability, number),
                    cell.target_rank.map(index).unwrap_or_default(),
                    index(i + 1),
                    number(guess.probability),
                ]);
            }
        }
    }
    table
}

fn short_attribution(found: &Attribution) -> Table {
    let target = quoted(found.targets.last().map_or("", String::as_str));
    let caption = "attribution: what each part adds to the raw logit of what came, and to the centred one \
                   (less the mean logit)";
    let next = format!("{target} at the end");
    let titles = ["mean", &next, "centred mean", &format!("centred {next}")];
    let mut table = table(caption, &["part"], &titles);
    let mut push = |name: &str, raw: &[f64], centred: &[f64]| {
        let of = |shares: &[f64]| {
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let last = shares.last().copied().unwrap_or_default();
            [signed(mean), signed(last)]
        };
        let row = [TableCell::text(name)].into_iter();
        table.push(row.chain(of(raw)).chain(of(centred)).collect());
    };
    for part in &found.parts {
        push(
            &part.part,
            &part.logit_attribution,
            &part.centred_attribution,
        );
    }
    push("logit", &found.logits, &found.centred_logits);
    table
}

fn attribution(found: &Attribution) -> Table {
    let numbers = ["position", "logit_attribution", "centred_attribution"];
    let mut table = table("attribution", &["part", "target"], &numbers);
    let logit = ("logit", &found.logits, &found.centred_logits);
    let parts = found.parts.iter();
    let parts = parts.map(|p| {
        (
            p.part.as_str(),
            &p.logit_attribution,
            &p.centred_attribution,
        )
    });
    for (name, raw, centred) in parts.chain([logit]) {
        for (t, (raw, centred)) in raw.iter().zip(centred).enumerate() {
            let target = token(&found.targets[t]);
            table.push(vec![
                TableCell::text(name),
                target,
                index(t),
                signed(*raw),
                signed(*centred),
            ]);
        }
    }
    table
}

/// Makes a table of the stream's recovery, with a row per position and a column per depth.
fn short_patching(found: &Patching) -> Table {
    let caption = format!(
        "patching: recovery of {} over {}, {:+.3} clean and {:+.3} corrupted",
        quoted(&found.answers[0]),
        quoted(&found.answers[1]),
        found.clean_difference,
        found.corrupted_difference
    );
    let names: Vec<&str> = found.stream.iter().map(|s| s.name.as_str()).collect();
    let mut table = table(&caption, &["clean", "corrupted"], &names);
    let first = found.clean.len().saturating_sub(MOST_POSITIONS);
    for t in first..found.clean.len() {
        let mut row = vec![token(&found.clean[t]), token(&found.corrupted[t])];
        row.extend(found.stream.iter().map(|s| number(s.recovery[t])));
        table.push(row);
    }
    elided(table, found.clean.len())
}

fn patching(found: &Patching) -> Table {
    let words = ["depth", "clean", "corrupted"];
    let mut table = table("patching", &words, &["position", "recovery"]);
    for stage in &found.stream {
        for (t, recovery) in stage.recovery.iter().enumerate() {
            table.push(vec![
                TableCell::text(&stage.name),
                token(&found.clean[t]),
                token(&found.corrupted[t]),
                index(t),
                number(*recovery),
            ]);
        }
    }
    table
}

fn patched_heads(found: &Patching) -> Table {
    let caption = "patching: recovery by each head, at all positions";
    let mut table = table(caption, &["part"], &["recovery"]);
    for head in &found.heads {
        let name = format!("{}.head{}", head.part, head.head);
        table.push(vec![TableCell::text(name), number(head.recovery)]);
    }
    table
}
