//! A measure along the model at the last step, for several variants together: what vanishes or
//! explodes with depth, and where.

use gptlab_record::Measure;

use super::{
    Caption, Chart,
    axis::Axis,
    canvas::{self, Canvas, Frame, GridLines, Label},
    heat::tail,
    observed::{Observed, all_places, last_numbers, title},
    style::{MOST_LOOKS, look_of},
    svg::pixel,
};
use crate::{study::MeasureHistory, words::display_width};

/// Measures that are followed along the model.
const MEASURES: [Measure; 2] = [Measure::GradNorm, Measure::ActivationRms];
/// The height of a place, in pixels, and the most places.
const LINE: u32 = 17;
const MOST_PLACES: usize = 48;
const SIZES: [u32; 2] = [640, 340];

/// Draws gradient norms and activations along the model at the last step, with a line for each
/// variant. There is no chart of a measure that fewer than two variants have.
pub fn profiles(variants: &[Observed]) -> Vec<(String, Chart)> {
    let of = |measure: &Measure| {
        let own: Vec<(&str, &MeasureHistory)> = variants
            .iter()
            .filter_map(|(name, measures)| {
                let found = measures.iter().find(|m| m.name == measure.name())?;
                Some((name.as_str(), found))
            })
            .take(MOST_LOOKS)
            .collect();
        Some((measure.name().to_owned(), profile(*measure, &own)?))
    };
    MEASURES.iter().filter_map(of).collect()
}

fn profile(measure: Measure, variants: &[(&str, &MeasureHistory)]) -> Option<Chart> {
    let mut places = all_places(variants);
    places.truncate(MOST_PLACES);
    (variants.len() > 1 && places.len() > 2).then_some(())?;
    let [wide, narrow] = SIZES.map(|width| draw(measure, variants, &places, width));
    Some(wide?.with_narrow(narrow?))
}

fn draw(
    measure: Measure,
    variants: &[(&str, &MeasureHistory)],
    places: &[String],
    width: u32,
) -> Option<Chart> {
    let lines: Vec<Vec<(f64, f64)>> = variants.iter().map(|(_, m)| line(m, places)).collect();
    let values = lines.iter().flatten().map(|(x, _)| 10f64.powf(*x));
    let mut x = Axis::log(values, &measure.name().replace('_', " "))?;
    if width < SIZES[0] {
        let every = x.ticks.len().div_ceil(3);
        x.ticks = x.ticks.into_iter().step_by(every).collect();
    }
    let height = places.len() as f64;
    let most_letters = if width < SIZES[0] { 17 } else { 40 };
    let names: Vec<String> = places
        .iter()
        .map(|place| tail(place, most_letters))
        .collect();
    let longest = names.iter().map(|p| display_width(p)).max().unwrap_or(0) as u32;
    let labels: Vec<Label> = variants
        .iter()
        .enumerate()
        .map(|(i, (name, _))| Label {
            text: (*name).to_owned(),
            height: height - 0.5 - i as f64,
            look: look_of(i),
            series: Some(i),
        })
        .collect();
    let name = title(measure.name());
    let frame = Frame {
        title: format!("{name} along the model, at the last step"),
        caption: Caption::of(
            measure,
            "From the model's beginning, above, to its end; the axis is logarithmic.",
        ),
        size: (width, LINE * places.len() as u32 + 60),
        x,
        y: Axis {
            low: 0.0,
            high: height,
            ticks: Vec::new(),
            title: String::new(),
        },
        left: longest * 6 + 14,
        right: canvas::margin(labels.iter().map(|l| display_width(&l.text))),
        beneath: 0,
        grid: GridLines::Vertical,
        numbers: Some(last_numbers(
            &format!("{name} along the model"),
            variants,
            places,
        )),
        hover: None,
    };
    let edge = frame.x.high;
    Some(canvas::draw(frame, |canvas| {
        write_names(canvas, &names);
        for (i, line) in lines.iter().enumerate().rev() {
            let look = look_of(i);
            canvas.in_colour(look, Some(i), |canvas| {
                canvas.line(line, look, 1.0);
                for at in line {
                    canvas.mark(*at, look.marker, 3.0);
                }
            });
        }
        canvas.labels(&labels, edge);
    }))
}

/// Returns the points of a variant: the logarithm of its number, and the height of its place.
fn line(measure: &MeasureHistory, places: &[String]) -> Vec<(f64, f64)> {
    let height = places.len() as f64;
    let point = |(i, place): (usize, &String)| {
        let at = measure.at.iter().position(|own| own == place)?;
        let x = *measure.last().get(at)?;
        (x.is_finite() && x > 0.0).then(|| (x.log10(), height - 0.5 - i as f64))
    };
    places.iter().enumerate().filter_map(point).collect()
}

fn write_names(canvas: &mut Canvas, places: &[String]) {
    let height = places.len() as f64;
    for (i, place) in places.iter().enumerate() {
        let y = canvas.plane.at((0.0, height - 0.5 - i as f64)).y;
        let left = canvas.plane.left;
        canvas.svg.text(pixel(left - 6.0, y), place, "small e");
    }
}
