//! What was observed inside runs: a measure over steps and places, of one run or of several.

use gptlab_record::{Floors, Measure};

use super::{
    Caption, Chart, HeatMap, Panels, ShadeScale, Shading,
    curves::{self, Curve, CurveText, SMALL},
};
use crate::{
    Table, number,
    study::MeasureHistory,
    table::{Column, TableCell},
    words,
};

/// The most columns and rows that are drawn. Of more, evenly chosen ones are.
const MOST_COLUMNS: usize = 40;
const MOST_ROWS: usize = 40;
/// The most columns and rows of a map whose cells hold numbers.
const MOST_WITH_NUMBERS: (usize, usize) = (11, 20);

/// What a measure is drawn as.
enum Form {
    /// One number a step.
    Line,
    /// Its places are positions of a context.
    Positions(Vec<u64>),
    /// Its places are parts of the model.
    Places,
}

impl Form {
    fn of(measure: &MeasureHistory) -> Self {
        let positions: Option<Vec<u64>> = measure.at.iter().map(|at| at.parse().ok()).collect();
        match (measure.at.as_slice(), positions) {
            ([_], _) => Self::Line,
            (_, Some(positions)) => Self::Positions(positions),
            (_, None) => Self::Places,
        }
    }
}

/// Draws what was observed in a run, measure by measure.
pub fn observations(measures: &[MeasureHistory]) -> Vec<(String, Chart)> {
    let chart = |m: &MeasureHistory| Some((m.name.clone(), observation(m)?));
    measures.iter().filter_map(chart).collect()
}

/// Draws a measure: over steps if it has one place, over positions if its places are numbers, else
/// as a heat map of places and steps. Returns `None` if nothing is finite.
pub fn observation(measure: &MeasureHistory) -> Option<Chart> {
    let text = |drawn: &str| CurveText {
        caption: caption(measure, drawn),
        size: (620, 260),
        ..CurveText::new(title(&measure.name), unit(&measure.name))
    };
    match Form::of(measure) {
        Form::Line => {
            let text = text("Over the steps of the run.");
            curves::curves(&text, &[line(measure, String::new())], None)
        }
        Form::Positions(positions) => {
            let text = CurveText {
                over: "position".to_owned(),
                ..text("A line for the first, the middle and the last observation.")
            };
            curves::curves(&text, &over_positions(measure, &positions), None)
        }
        Form::Places => {
            let map = map(measure, &measure.at);
            let fits =
                map.columns.len() <= MOST_WITH_NUMBERS.0 && map.rows.len() <= MOST_WITH_NUMBERS.1;
            let map = if fits { map.with_numbers() } else { map };
            HeatMap {
                title: title(&measure.name),
                caption: caption(measure, &left_out(measure)),
                ..map
            }
            .draw()
        }
    }
}

/// A variant and what was observed in it.
pub type Observed = (String, Vec<MeasureHistory>);

/// Draws each measure of the first variant for all of the variants, on one scale.
pub fn over_variants(variants: &[Observed]) -> Vec<(String, Panels)> {
    let Some((_, measures)) = variants.first() else {
        return Vec::new();
    };
    measures
        .iter()
        .filter_map(|measure| Some((measure.name.clone(), of_measure(measure, variants)?)))
        .collect()
}

fn of_measure(measure: &MeasureHistory, variants: &[Observed]) -> Option<Panels> {
    let own: Vec<(&str, &MeasureHistory)> = variants
        .iter()
        .filter_map(|(name, measures)| {
            let found = measures.iter().find(|m| m.name == measure.name)?;
            Some((name.as_str(), found))
        })
        .collect();
    let panels = match Form::of(measure) {
        Form::Line => lines(measure, &own, "step", &|m, label| line(m, label))?,
        Form::Positions(_) => lines(measure, &own, "position", &|m, label| {
            let mut last = match Form::of(m) {
                Form::Positions(positions) => over_positions(m, &positions),
                Form::Line | Form::Places => Vec::new(),
            };
            last.truncate(1);
            let runs = last.pop().map_or_else(Vec::new, |curve| curve.runs);
            Curve { label, runs }
        })?,
        Form::Places => maps(measure, &own)?,
    };
    Some(panels)
}

/// Draws a panel for each variant: its line, and the baseline's.
fn lines(
    measure: &MeasureHistory,
    variants: &[(&str, &MeasureHistory)],
    over: &str,
    curve: &dyn Fn(&MeasureHistory, String) -> Curve,
) -> Option<Panels> {
    let curves: Vec<Curve> = variants
        .iter()
        .map(|(name, m)| curve(m, (*name).to_owned()))
        .collect();
    let drawn = if over == "step" {
        "Over the steps of the run."
    } else {
        "At the last observation."
    };
    let text = CurveText {
        over: over.to_owned(),
        caption: caption_of_variants(measure, variants, drawn),
        ..CurveText::new(title(&measure.name), unit(&measure.name))
    };
    panels_of_curves(&text, &curves, None)
}

/// Draws a panel for each curve but the first, which every panel shows as well, all on the same
/// axes. Returns `None` if nothing is finite.
pub fn panels_of_curves(
    text: &CurveText,
    curves: &[Curve],
    floors: Option<&Floors>,
) -> Option<Panels> {
    let (baseline, others) = curves.split_first()?;
    (!others.is_empty()).then_some(())?;
    let small = CurveText {
        size: SMALL,
        legend: curves::Legend::Absent,
        ..text.clone()
    };
    let scales = curves::Scales::of(&small, curves, floors)?;
    let panel = |(i, curve): (usize, &Curve)| {
        let text = CurveText {
            title: format!("{} beside {}", curve.label, baseline.label),
            caption: Caption::default(),
            ..small.clone()
        };
        let look = |line: usize| super::style::look_of(if line == 0 { 0 } else { 1 + i % 6 });
        let pair = [baseline.clone(), curve.clone()];
        let mut chart = scales.draw(&text, &pair, &look);
        chart.caption = Caption::new(format!("{}. {}", text.title, small.caption.text()));
        (file_end(i + 1, &curve.label), chart)
    };
    Some(Panels {
        title: text.title.clone(),
        caption: Caption {
            drawn: format!(
                "{} The first line, drawn solid, is {}; all panels have the same axes.",
                text.caption.drawn, baseline.label
            )
            .trim()
            .to_owned(),
            ..text.caption.clone()
        },
        shading: None,
        panels: others.iter().enumerate().map(panel).collect(),
        numbers: Some(scales.numbers(text, curves)),
    })
}

/// Returns the end of the name of a variant's file. Two names may have one slug; a number keeps
/// their files apart.
fn file_end(i: usize, variant: &str) -> String {
    format!("{i:02}-{}", words::slug(variant))
}

/// Draws a map for each variant, with the same rows and the same shades.
fn maps(measure: &MeasureHistory, variants: &[(&str, &MeasureHistory)]) -> Option<Panels> {
    let places = all_places(variants);
    let maps: Vec<(&str, HeatMap)> = variants
        .iter()
        .map(|(name, m)| (*name, map(m, &places)))
        .collect();
    let numbers = || maps.iter().flat_map(|(_, map)| map.cells.iter().flatten());
    let shading = Shading::of(ShadeScale::Size, numbers().copied())?;
    let caption = caption_of_variants(measure, variants, &left_out(measure));
    let panel = |(i, (name, map)): (usize, (&str, HeatMap))| {
        let map = HeatMap {
            title: name.to_owned(),
            caption: Caption::new(format!("{name}. {}", caption.drawn)),
            width: 210,
            ..map
        };
        Some((file_end(i, name), map.draw_with(shading)?))
    };
    Some(Panels {
        title: title(&measure.name),
        shading: Some(shading),
        panels: maps.into_iter().enumerate().filter_map(panel).collect(),
        caption,
        numbers: Some(last_numbers(&title(&measure.name), variants, &places)),
    })
}

/// Lists the numbers of the last step: a row for each place, a column for each variant.
pub(super) fn last_numbers(
    title: &str,
    variants: &[(&str, &MeasureHistory)],
    places: &[String],
) -> Table {
    let mut columns = vec![Column::words("place")];
    columns.extend(variants.iter().map(|(name, _)| Column::numbers(name)));
    let mut table = Table::new(&format!("{title} at the last step"), columns);
    let cell = |measure: &MeasureHistory, place: &String| {
        let at = measure.at.iter().position(|own| own == place);
        let x = at.and_then(|at| measure.last().get(at)).copied();
        x.map_or_else(TableCell::default, |x| {
            TableCell::number(number::short(x), x)
        })
    };
    for place in places {
        let mut row = vec![TableCell::text(place)];
        row.extend(variants.iter().map(|(_, measure)| cell(measure, place)));
        table.push(row);
    }
    table
}

/// Returns the places of all variants: each stands after the place that it follows in its own
/// variant.
pub(super) fn all_places(variants: &[(&str, &MeasureHistory)]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (_, measure) in variants {
        let mut after = 0;
        for place in &measure.at {
            let known = all.iter().position(|known| known == place);
            let at = known.unwrap_or_else(|| {
                all.insert(after, place.clone());
                after
            });
            after = at + 1;
        }
    }
    all
}

/// Makes a map of a measure's numbers at `places`, with empty cells for those that it has not.
fn map(measure: &MeasureHistory, places: &[String]) -> HeatMap {
    let columns = chosen(measure.steps.len().min(measure.values.len()), MOST_COLUMNS);
    let rows = chosen(places.len(), MOST_ROWS);
    let value = |step: usize, place: usize| {
        let own = measure.at.iter().position(|at| *at == places[place]);
        own.and_then(|at| measure.values[step].get(at))
            .copied()
            .unwrap_or(f64::NAN)
    };
    let cells = rows
        .iter()
        .map(|r| columns.iter().map(|c| value(*c, *r)).collect());
    let across = columns.iter().map(|c| measure.steps[*c].to_string());
    HeatMap {
        cells: cells.collect(),
        rows: rows.iter().map(|r| places[*r].clone()).collect(),
        columns: across.collect(),
        beneath: "step".to_owned(),
        ..HeatMap::default()
    }
}

/// Returns the line of a measure with one place.
fn line(measure: &MeasureHistory, label: String) -> Curve {
    let rows = measure.steps.iter().zip(&measure.values);
    let points = rows.filter_map(|(step, row)| Some((*step, *row.first()?)));
    Curve {
        label,
        runs: vec![points.collect()],
    }
}

/// Returns a line for the last, the middle and the first observation.
fn over_positions(measure: &MeasureHistory, positions: &[u64]) -> Vec<Curve> {
    let observed = measure.steps.len().min(measure.values.len());
    let Some(last) = observed.checked_sub(1) else {
        return Vec::new();
    };
    let mut chosen = vec![last, last / 2, 0];
    chosen.dedup();
    let curve = |i: usize| {
        let points = positions
            .iter()
            .copied()
            .zip(measure.values[i].iter().copied());
        Curve {
            label: format!("step {}", measure.steps[i]),
            runs: vec![points.collect()],
        }
    };
    chosen.into_iter().map(curve).collect()
}

/// Returns the name of a measure as a title.
pub(super) fn title(name: &str) -> String {
    let words = name.replace('_', " ").replace("grad ", "gradient ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Returns the unit of a measure as the title of an axis.
fn unit(name: &str) -> String {
    let unit = Measure::from_name(name).map_or("1", |m| m.definition().unit);
    match unit {
        "1" => String::new(),
        unit => unit.to_owned(),
    }
}

fn left_out(measure: &MeasureHistory) -> String {
    let many = measure.at.len() > MOST_ROWS || measure.steps.len() > MOST_COLUMNS;
    let rest = if many {
        " Evenly chosen rows and columns are shown."
    } else {
        ""
    };
    format!("A row is a place in the model, a column a step.{rest}")
}

/// Returns the caption that the table of measures makes, with what the numbers of `measure` show.
fn caption(measure: &MeasureHistory, drawn: &str) -> Caption {
    entry(&measure.name, drawn).noticing(extremes(measure).unwrap_or_default())
}

fn entry(name: &str, drawn: &str) -> Caption {
    Measure::from_name(name).map_or_else(
        || Caption::new(drawn),
        |measure| Caption::of(measure, drawn),
    )
}

/// Says where a measure is largest and smallest at its last step.
fn extremes(measure: &MeasureHistory) -> Option<String> {
    let step = measure.steps.last()?;
    let finite = || {
        let last = measure.last().iter().zip(&measure.at);
        last.filter(|(x, _)| x.is_finite())
    };
    let (high, at_high) = finite().max_by(|a, b| a.0.total_cmp(b.0))?;
    let (low, at_low) = finite().min_by(|a, b| a.0.total_cmp(b.0))?;
    let (high, low) = (number::short(*high), number::short(*low));
    let first = measure.values.first().and_then(|row| row.first());
    Some(match Form::of(measure) {
        Form::Line => {
            let first = first.map_or_else(String::new, |x| number::short(*x));
            format!("it goes from {first} to {high} at step {step}.")
        }
        Form::Positions(_) => format!(
            "at step {step} it is largest at position {at_high} ({high}), smallest at position {at_low} ({low})."
        ),
        Form::Places => format!(
            "at step {step} it is largest at {at_high} ({high}), smallest at {at_low} ({low})."
        ),
    })
}

/// Says what a measure is for each variant, on average over places: at the last step, or where
/// that says little, halfway through (updates go to 0 with the rate) or over the second half of
/// the run (the losses of one batch scatter).
fn caption_of_variants(
    measure: &MeasureHistory,
    variants: &[(&str, &MeasureHistory)],
    drawn: &str,
) -> Caption {
    let of = Measure::from_name(&measure.name);
    let (when, value): (String, fn(&MeasureHistory) -> Option<f64>) = match of {
        Some(Measure::UpdateRatio) => {
            let step = measure.middle_mean().map_or(0, |(step, _)| step);
            let middle = |m: &MeasureHistory| m.middle_mean().map(|(_, mean)| mean);
            (format!("halfway, at step {step},"), middle)
        }
        Some(Measure::InContextScore) => {
            let when = "on average over the second half of the run".to_owned();
            (when, MeasureHistory::late_mean)
        }
        Some(_) | None => ("at the last step".to_owned(), MeasureHistory::last_mean),
    };
    let said: Vec<String> = variants
        .iter()
        .filter_map(|(name, m)| Some(format!("{} for {name}", number::short(value(m)?))))
        .collect();
    let places = if measure.at.len() > 1 {
        ", on average over places,"
    } else {
        ""
    };
    let caption = entry(&measure.name, drawn);
    if said.is_empty() {
        return caption;
    }
    caption.noticing(format!("{when} it is{places} {}.", said.join(", ")))
}

/// Returns the indices of at most `most` of `n` things, evenly spread, the last among them.
fn chosen(n: usize, most: usize) -> Vec<usize> {
    let kept = n.min(most);
    (0..kept)
        .map(|i| {
            if kept > 1 {
                i * (n - 1) / (kept - 1)
            } else {
                n - 1
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_reads_each_measure_where_it_says_something() {
        let said = |name: &str| {
            let history = MeasureHistory {
                name: name.into(),
                at: vec!["a".into()],
                steps: vec![0, 5, 9],
                values: vec![vec![8.0], vec![2.0], vec![0.0]],
            };
            caption_of_variants(&history, &[("x", &history)], "").notice
        };
        assert_eq!(said("update_ratio"), "halfway, at step 5, it is 2 for x.");
        let late = "on average over the second half of the run it is 1 for x.";
        assert_eq!(said("in_context_score"), late);
        assert_eq!(said("grad_norm"), "at the last step it is 0 for x.");
    }

    #[test]
    fn rows_and_columns_are_chosen_evenly() {
        assert_eq!(chosen(3, 40), [0, 1, 2]);
        assert_eq!(chosen(9, 5), [0, 2, 4, 6, 8]);
        assert_eq!(chosen(1, 5), [0]);
        assert_eq!(chosen(0, 5), [] as [usize; 0]);
    }

    #[test]
    fn variants_with_other_places_share_rows() {
        let history = |at: &[&str]| MeasureHistory {
            name: "grad_norm".into(),
            at: at.iter().map(|a| (*a).into()).collect(),
            steps: vec![0],
            values: vec![vec![1.0; at.len()]],
        };
        let (a, b) = (
            history(&["emb", "attn", "head"]),
            history(&["emb", "gate", "head"]),
        );
        let variants = [("a", &a), ("b", &b)];
        assert_eq!(all_places(&variants), ["emb", "gate", "attn", "head"]);
        let map = map(&b, &all_places(&variants));
        assert!(map.cells[2][0].is_nan() && map.cells[1][0] == 1.0);
    }
}
